/*
 * What the files behind /webhooks share: webhooks.c (webhooks themselves) and
 * deliveries.c (their log).
 *
 * A webhook is its user's. Those of the platform (only an admin makes them)
 * are every admin's. To everybody else it does not exist.
 */

#ifndef HANDLER_WEBHOOKS_H
#define HANDLER_WEBHOOKS_H

#include "http/request.h"

/* Texts live as long as the request. */
typedef struct {
    const char  *id;
    const char  *version;
    bool         platform;
    bool         disabled;
} webhook_t;

/*
 * The webhook of the path's {id}; for anything but GET its row is locked until
 * the transaction ends. 0, or the status of the problem that was answered.
 */
int webhook_open(request_t *r, webhook_t *webhook);

int deliveries_get(request_t *r);
int delivery_replay(request_t *r);
int webhook_test(request_t *r);

#endif

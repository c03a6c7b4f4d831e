/*
 * What happened, for webhooks: a row of webhook_deliveries for each webhook
 * that wants to know, written in the transaction of what it tells of; the
 * sender (job/webhooks.h) takes it from there after the commit.
 *
 * The types are the table in event.c; README.md says what each has. An event
 * reaches the webhooks of the stream's owner (those of all streams, and of
 * this one), and the platform's webhooks of admins; types with
 * EVENT_PLATFORM only the latter. What a suspended user has registered gets
 * nothing.
 *
 * Bounded: of a webhook EVENT_WAITING_MAX deliveries wait at most. What comes
 * then is not written; webhooks.missed_at says so.
 */

#ifndef EVENT_H
#define EVENT_H

#include <stdbool.h>
#include <jansson.h>

#include "db/db.h"

#define EVENT_WAITING_MAX  2000

/* Of events with the same `once` one is written in so many seconds. */
#define EVENT_ONCE_S       60

#define EVENT_TEST         "webhook.test"

typedef struct {
    const char  *type;
    bool         platform;      /* about no stream: for admins */
} event_type_t;

/* Ends with a type of NULL. EVENT_TEST is not in it: nobody asks for it. */
extern const event_type_t  event_types[];

/* NULL: there is no such type. */
const event_type_t *event_type_find(const char *type);

/*
 * stream: its id, or NULL; of one that does not exist nothing is told. `data`
 * gets a member "stream" that describes it. once: NULL, or what makes two
 * events the same, within EVENT_ONCE_S. data: an object without secrets, or
 * NULL; taken over. 0, or -1 as db calls do.
 */
int event_emit(db_t *db, const char *type, const char *stream,
    const char *once, json_t *data);

#endif

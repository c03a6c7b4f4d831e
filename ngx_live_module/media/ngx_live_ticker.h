/*
 * The packagers' clock: one timer a worker, whatever the number of streams, so
 * that forty publishers cost one wake-up a tick and not forty.
 */

#ifndef NGX_LIVE_TICKER_H
#define NGX_LIVE_TICKER_H

#include "ngx_live_core.h"

#define NGX_LIVE_TICK_MS  50

/* Part of whoever wants to be called. */
typedef struct {
    ngx_queue_t    queue;
    void         (*handler)(void *data);
    void          *data;
    unsigned       active:1;
    unsigned       keep:1;      /* an exiting worker stays for it */
} ngx_live_tick_t;

/* A handler may remove itself and others. */
void ngx_live_tick_add(ngx_live_tick_t *tick);
void ngx_live_tick_del(ngx_live_tick_t *tick);

#endif

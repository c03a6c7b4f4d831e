#include "ngx_live_ticker.h"


static void ngx_live_ticker_handler(ngx_event_t *ev);


static ngx_queue_t       ngx_live_ticks = {
    &ngx_live_ticks, &ngx_live_ticks
};

/* The next one of a round under way. */
static ngx_queue_t      *ngx_live_tick_next = &ngx_live_ticks;

static ngx_uint_t        ngx_live_ticks_kept;
static ngx_event_t       ngx_live_ticker;
static ngx_connection_t  ngx_live_ticker_conn;    /* for the timer's log */


void
ngx_live_tick_add(ngx_live_tick_t *tick)
{
    tick->active = 1;
    ngx_live_ticks_kept += tick->keep;
    ngx_queue_insert_tail(&ngx_live_ticks, &tick->queue);

    ngx_live_ticker.cancelable = (ngx_live_ticks_kept == 0);

    if (!ngx_live_ticker.timer_set) {
        ngx_live_ticker_conn.fd = (ngx_socket_t) -1;
        ngx_live_ticker.handler = ngx_live_ticker_handler;
        ngx_live_ticker.data = &ngx_live_ticker_conn;
        ngx_live_ticker.log = ngx_cycle->log;
        ngx_add_timer(&ngx_live_ticker, NGX_LIVE_TICK_MS);
    }
}


void
ngx_live_tick_del(ngx_live_tick_t *tick)
{
    if (!tick->active) {
        return;
    }

    if (ngx_live_tick_next == &tick->queue) {
        ngx_live_tick_next = ngx_queue_next(&tick->queue);
    }

    tick->active = 0;
    ngx_live_ticks_kept -= tick->keep;
    ngx_queue_remove(&tick->queue);

    ngx_live_ticker.cancelable = (ngx_live_ticks_kept == 0);
}


static void
ngx_live_ticker_handler(ngx_event_t *ev)
{
    ngx_queue_t      *q;
    ngx_live_tick_t  *tick;

    ngx_live_tick_next = ngx_queue_head(&ngx_live_ticks);

    while (ngx_live_tick_next != &ngx_live_ticks) {
        q = ngx_live_tick_next;
        ngx_live_tick_next = ngx_queue_next(q);

        tick = ngx_queue_data(q, ngx_live_tick_t, queue);
        tick->handler(tick->data);
    }

    if (!ngx_queue_empty(&ngx_live_ticks) && !ev->timer_set) {
        ngx_add_timer(ev, NGX_LIVE_TICK_MS);
    }
}

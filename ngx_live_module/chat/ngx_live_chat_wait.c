/*
 * How long a member may take for what, and how it goes when the worker does.
 *
 *   hello   until its first message      at most NGX_LIVE_CHAT_HELLO_S
 *   idle    heard of lately              live_chat_ping, then it gets a ping
 *   ping    and has not answered yet     as long again, then it is closed
 *   close   a close frame is under way   at most NGX_LIVE_CHAT_CLOSE_S
 *
 * Each is a queue with the longest waiting first, looked at once a second: no
 * timer a member. Thousands who are due at once have their turns between those
 * of others. A worker that shuts down closes its members one after the other,
 * so that they do not all come back at once.
 */

#include "ngx_live_chat.h"


static void ngx_live_chat_look(ngx_event_t *ev);
static void ngx_live_chat_drain_handler(ngx_event_t *ev);


#define NGX_LIVE_CHAT_DRAIN_STEP  50     /* ms */


static ngx_queue_t       ngx_live_chat_waiting[NGX_LIVE_CHAT_WAITS];
static ngx_event_t       ngx_live_chat_look_event;
static ngx_queue_t       ngx_live_chat_draining;
static ngx_uint_t        ngx_live_chat_drain_left;
static ngx_uint_t        ngx_live_chat_drain_step;
static ngx_event_t       ngx_live_chat_drain_event;
static ngx_connection_t  ngx_live_chat_drain_conn;   /* for the timer's log */
static ngx_msec_t        ngx_live_chat_ping;


void
ngx_live_chat_wait_init(ngx_cycle_t *cycle)
{
    ngx_uint_t                  i;
    ngx_live_chat_main_conf_t  *mcf;

    for (i = 0; i < NGX_LIVE_CHAT_WAITS; i++) {
        ngx_queue_init(&ngx_live_chat_waiting[i]);
    }

    ngx_queue_init(&ngx_live_chat_draining);

    ngx_live_chat_look_event.handler = ngx_live_chat_look;
    ngx_live_chat_look_event.log = cycle->log;

    ngx_live_chat_drain_conn.fd = (ngx_socket_t) -1;
    ngx_live_chat_drain_event.handler = ngx_live_chat_drain_handler;
    ngx_live_chat_drain_event.data = &ngx_live_chat_drain_conn;
    ngx_live_chat_drain_event.log = cycle->log;

    mcf = ngx_http_cycle_get_module_main_conf(cycle,
                                              ngx_http_live_chat_module);
    ngx_live_chat_ping = mcf ? mcf->ping : 30000;
}


void
ngx_live_chat_wait(ngx_live_chat_member_t *m, ngx_live_chat_wait_e wait)
{
    if (m->waits) {
        ngx_queue_remove(&m->wait);
    }

    m->waits = 1;
    m->since = ngx_time();
    ngx_queue_insert_tail(&ngx_live_chat_waiting[wait], &m->wait);
}


static ngx_live_chat_member_t *
ngx_live_chat_waited(ngx_live_chat_wait_e wait, time_t seconds)
{
    ngx_queue_t             *q;
    ngx_live_chat_member_t  *m;

    q = ngx_queue_head(&ngx_live_chat_waiting[wait]);

    if (q == ngx_queue_sentinel(&ngx_live_chat_waiting[wait])) {
        return NULL;
    }

    m = ngx_queue_data(q, ngx_live_chat_member_t, wait);

    return ngx_time() - m->since > seconds ? m : NULL;
}


/* False: it is another turn's. */
static ngx_uint_t
ngx_live_chat_look_turn(void)
{
    time_t                   ping;
    ngx_uint_t               n;
    ngx_live_chat_member_t  *m;

    ping = (time_t) (ngx_live_chat_ping / 1000);

    for (n = 0; n < NGX_LIVE_CHAT_TURN; n++) {

        if ((m = ngx_live_chat_waited(NGX_LIVE_CHAT_W_CLOSE,
                                      NGX_LIVE_CHAT_CLOSE_S)))
        {
            ngx_live_chat_gone(m, 1);

        } else if ((m = ngx_live_chat_waited(NGX_LIVE_CHAT_W_HELLO,
                                             NGX_LIVE_CHAT_HELLO_S)))
        {
            ngx_live_chat_close(m, LV_WS_POLICY, "no hello came in time");

        } else if ((m = ngx_live_chat_waited(NGX_LIVE_CHAT_W_PING, ping))) {
            ngx_live_chat_close(m, LV_WS_GOING_AWAY, "no answer to a ping");

        } else if ((m = ngx_live_chat_waited(NGX_LIVE_CHAT_W_IDLE, ping))) {
            ngx_live_chat_wait(m, NGX_LIVE_CHAT_W_PING);
            ngx_live_chat_control(m, LV_WS_OP_PING, (u_char *) "", 0);

        } else {
            return 1;
        }
    }

    return 0;
}


static void
ngx_live_chat_look(ngx_event_t *ev)
{
    if (!ngx_live_chat_look_turn() && !ev->posted) {
        ngx_post_event(ev, &ngx_posted_next_events);
    }
}


void
ngx_live_chat_wait_second(void)
{
    ngx_live_chat_look(&ngx_live_chat_look_event);
}


void
ngx_live_chat_exit(lv_store_t *st)
{
    ngx_uint_t    i;
    ngx_queue_t  *q;

    for (i = 0; i < NGX_LIVE_CHAT_WAITS; i++) {
        while (!ngx_queue_empty(&ngx_live_chat_waiting[i])) {
            q = ngx_queue_head(&ngx_live_chat_waiting[i]);
            ngx_live_chat_gone(ngx_queue_data(q, ngx_live_chat_member_t,
                                              wait), 1);
        }
    }

    ngx_live_chat_reap_all();
}


/* ---- a worker shuts down ------------------------------------------------ */

void
ngx_live_chat_drain(ngx_live_chat_member_t *m)
{
    if (m->draining || m->closed) {
        return;
    }

    m->draining = 1;
    ngx_live_chat_drain_left++;
    ngx_queue_insert_tail(&ngx_live_chat_draining, &m->drain);

    if (!ngx_live_chat_drain_event.timer_set) {
        ngx_add_timer(&ngx_live_chat_drain_event, NGX_LIVE_CHAT_DRAIN_STEP);
    }
}


void
ngx_live_chat_undrain(ngx_live_chat_member_t *m)
{
    if (m->draining) {
        ngx_queue_remove(&m->drain);
        ngx_live_chat_drain_left--;
        m->draining = 0;
    }
}


static void
ngx_live_chat_drain_handler(ngx_event_t *ev)
{
    ngx_uint_t               n, steps;
    ngx_queue_t             *q;
    ngx_live_chat_member_t  *m;

    if (ngx_live_chat_drain_step == 0) {
        steps = NGX_LIVE_CHAT_DRAIN_MS / NGX_LIVE_CHAT_DRAIN_STEP;
        ngx_live_chat_drain_step = (ngx_live_chat_drain_left + steps - 1)
                                   / steps;
    }

    for (n = ngx_live_chat_drain_step;
         n > 0 && !ngx_queue_empty(&ngx_live_chat_draining);
         n--)
    {
        q = ngx_queue_head(&ngx_live_chat_draining);
        m = ngx_queue_data(q, ngx_live_chat_member_t, drain);

        ngx_queue_remove(q);
        ngx_live_chat_drain_left--;
        m->draining = 0;

        ngx_live_chat_close(m, LV_WS_RESTART,
                            "This server restarts: reconnect to go on.");
    }

    if (!ngx_queue_empty(&ngx_live_chat_draining)) {
        ngx_add_timer(ev, NGX_LIVE_CHAT_DRAIN_STEP);
    }
}

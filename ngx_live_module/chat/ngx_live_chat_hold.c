/*
 * A room that has just been made knows neither its settings nor its bans: the
 * worker that leads asks the control plane for them, which takes a moment.
 * Until they are there the hello of whoever comes is not answered, and what
 * comes behind it is not read. At most NGX_LIVE_CHAT_HOLD_MS: then the room is
 * as it is, and so it is at once where nothing answers, or nobody is to ask.
 */

#include "ngx_live_chat.h"
#include "lv_cluster.h"


#define NGX_LIVE_CHAT_HOLD_MS    2000
#define NGX_LIVE_CHAT_HOLD_TICK  20
#define NGX_LIVE_CHAT_HOLD_TURN  256     /* let in with each tick */


struct ngx_live_chat_hold_s {
    ngx_queue_t              queue;
    ngx_live_chat_member_t  *member;
    lv_room_t               *room;
    uint32_t                 gen;
    uint32_t                 has;        /* of the hello: what is needed yet */
    uint64_t                 offset, epoch;
    ngx_msec_t               since;
    u_char                  *bytes;      /* that came behind it */
    size_t                   len;
};


static void ngx_live_chat_hold_tick(ngx_event_t *ev);


static ngx_queue_t       ngx_live_chat_holds;
static ngx_event_t       ngx_live_chat_hold_event;
static ngx_connection_t  ngx_live_chat_hold_conn;    /* for the timer's log */


/* Is there somebody to wait for? */
static ngx_uint_t
ngx_live_chat_hold_worth(lv_store_t *st)
{
    lv_cluster_stat_t  stat;

    if (!lv_rooms_saved(st)) {
        return 0;
    }

    lv_cluster_stat(st, &stat);

    return stat.up || (stat.beats == 0 && stat.failures == 0);
}


ngx_uint_t
ngx_live_chat_held(ngx_live_chat_member_t *m, lv_chat_msg_t *msg)
{
    uint32_t               gen;
    lv_room_t             *room;
    lv_store_t            *st;
    ngx_live_chat_hold_t  *hold;

    st = ngx_live_store();

    if (st == NULL
        || lv_room_open(st, (char *) m->stream.data, m->stream.len,
                        ngx_live_now_ms(), &room, &gen)
           != LV_OK
        || lv_room_settled(room) || !ngx_live_chat_hold_worth(st))
    {
        return 0;
    }

    hold = ngx_calloc(sizeof(ngx_live_chat_hold_t), ngx_cycle->log);

    if (hold == NULL) {
        return 0;
    }

    if (ngx_live_chat_hold_event.handler == NULL) {
        ngx_queue_init(&ngx_live_chat_holds);
        ngx_live_chat_hold_conn.fd = (ngx_socket_t) -1;
        ngx_live_chat_hold_event.handler = ngx_live_chat_hold_tick;
        ngx_live_chat_hold_event.data = &ngx_live_chat_hold_conn;
        ngx_live_chat_hold_event.log = ngx_cycle->log;
        ngx_live_chat_hold_event.cancelable = 1;
    }

    hold->member = m;
    hold->room = room;
    hold->gen = gen;
    hold->has = msg->has;
    hold->offset = msg->offset;
    hold->epoch = msg->epoch;
    hold->since = ngx_current_msec;
    m->hold = hold;

    ngx_queue_insert_tail(&ngx_live_chat_holds, &hold->queue);

    if (!ngx_live_chat_hold_event.timer_set) {
        ngx_add_timer(&ngx_live_chat_hold_event, NGX_LIVE_CHAT_HOLD_TICK);
    }

    return 1;
}


void
ngx_live_chat_hold_bytes(ngx_live_chat_member_t *m, u_char *p, size_t n)
{
    if (n == 0) {
        return;
    }

    m->hold->bytes = ngx_alloc(n, ngx_cycle->log);

    if (m->hold->bytes == NULL) {
        ngx_live_chat_close(m, LV_WS_INTERNAL, "out of memory");
        return;
    }

    ngx_memcpy(m->hold->bytes, p, n);
    m->hold->len = n;
}


void
ngx_live_chat_unhold(ngx_live_chat_member_t *m)
{
    if (m->hold) {
        ngx_queue_remove(&m->hold->queue);
        ngx_free(m->hold->bytes);
        ngx_free(m->hold);
        m->hold = NULL;
    }
}


static void
ngx_live_chat_let_in(ngx_live_chat_hold_t *hold)
{
    lv_chat_msg_t            msg;
    ngx_live_chat_member_t  *m;

    m = hold->member;
    ngx_queue_remove(&hold->queue);
    m->hold = NULL;

    ngx_memzero(&msg, sizeof(lv_chat_msg_t));
    msg.type = LV_CHAT_HELLO;
    msg.has = hold->has & (LV_CHAT_HAS_OFFSET|LV_CHAT_HAS_EPOCH);
    msg.offset = hold->offset;
    msg.epoch = hold->epoch;

    if (!m->gone && !m->closed) {
        ngx_live_chat_welcome(m, &msg);
    }

    ngx_live_chat_resume(m, hold->bytes, hold->len);

    ngx_free(hold->bytes);
    ngx_free(hold);
}


/* In the order in which they came; those of one room have waited for the same.
 */
static void
ngx_live_chat_hold_tick(ngx_event_t *ev)
{
    ngx_uint_t             n, worth;
    ngx_queue_t           *q, *next;
    lv_store_t            *st;
    ngx_live_chat_hold_t  *hold;

    st = ngx_live_store();
    worth = st != NULL && ngx_live_chat_hold_worth(st);
    n = 0;

    for (q = ngx_queue_head(&ngx_live_chat_holds);
         q != ngx_queue_sentinel(&ngx_live_chat_holds)
         && n < NGX_LIVE_CHAT_HOLD_TURN;
         q = next)
    {
        next = ngx_queue_next(q);
        hold = ngx_queue_data(q, ngx_live_chat_hold_t, queue);

        if (worth && lv_room_alive(hold->room, hold->gen)
            && !lv_room_settled(hold->room)
            && ngx_current_msec - hold->since < NGX_LIVE_CHAT_HOLD_MS)
        {
            continue;
        }

        ngx_live_chat_let_in(hold);
        n++;
    }

    if (!ngx_queue_empty(&ngx_live_chat_holds)) {
        ngx_add_timer(ev, NGX_LIVE_CHAT_HOLD_TICK);
    }
}

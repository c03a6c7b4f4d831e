/*
 * What a worker keeps of a room, and how what happens there reaches its
 * members: in rounds. A round takes all that is new in the room's log, makes
 * it into frames once, and writes that to each member; batches of members take
 * turns with the worker's other work. Rounds of a room are at least one tick
 * apart; a quiet room's begins at once.
 *
 *   bell, timer --wake--> post --begin--> batch, batch … --> end
 *
 * Reactions and presence are not in the log: a round also tells what has
 * changed of them since the last time.
 */

#include "ngx_live_chat.h"


#define NGX_LIVE_CHAT_READ  (64 * 1024)


static ngx_live_chat_room_t *ngx_live_chat_room_get(lv_store_t *st,
    lv_room_t *lroom, uint32_t gen, ngx_msec_t tick);
static void ngx_live_chat_room_free(ngx_live_chat_room_t *room);
static void ngx_live_chat_wake(ngx_live_chat_room_t *room);
static void ngx_live_chat_timer(ngx_event_t *ev);
static void ngx_live_chat_react(ngx_event_t *ev);
static void ngx_live_chat_post(ngx_event_t *ev);
static void ngx_live_chat_begin(ngx_live_chat_room_t *room);
static void ngx_live_chat_batch(ngx_live_chat_room_t *room);


static ngx_live_chat_room_t  *ngx_live_chat_rooms[LV_STREAMS_MAX];

/* Memory of a round, used again. */
static uint8_t                ngx_live_chat_log[NGX_LIVE_CHAT_READ];


/* ---- members come and go ------------------------------------------------ */

static ngx_live_chat_room_t *
ngx_live_chat_room_get(lv_store_t *st, lv_room_t *lroom, uint32_t gen,
    ngx_msec_t tick)
{
    uint32_t               index;
    lv_room_info_t         info;
    ngx_live_chat_room_t  *room;

    index = lv_room_index(st, lroom);
    room = ngx_live_chat_rooms[index];

    if (room) {
        /* another room's place: its members are on their way out */
        return room->gen == gen ? room : NULL;
    }

    if (lv_room_info(st, lroom, gen, &info) != LV_OK) {
        return NULL;
    }

    room = ngx_calloc(sizeof(ngx_live_chat_room_t), ngx_cycle->log);
    if (room == NULL) {
        return NULL;
    }

    room->room = lroom;
    room->gen = gen;
    room->index = index;
    room->epoch = info.epoch;
    room->next = info.next;
    room->tick = tick;
    room->told = lv_room_present(st, lroom);
    ngx_memcpy(room->id, info.id, sizeof(room->id));
    ngx_queue_init(&room->members);

    room->timer.handler = ngx_live_chat_timer;
    room->timer.data = room;
    room->timer.log = ngx_cycle->log;
    room->timer.cancelable = 1;
    room->react.handler = ngx_live_chat_react;
    room->react.data = room;
    room->react.log = ngx_cycle->log;
    room->react.cancelable = 1;
    room->post.handler = ngx_live_chat_post;
    room->post.data = room;
    room->post.log = ngx_cycle->log;
    room->last = ngx_current_msec - tick;

    (void) lv_room_reactions(st, lroom, gen, room->seen);
    ngx_live_chat_rooms[index] = room;
    ngx_live_chat_rules(room);
    room->rules_told = room->rules.visible;
    room->who_told = lv_room_who_version(lroom);

    return room;
}


ngx_int_t
ngx_live_chat_room_join(ngx_live_chat_member_t *m, const char **err)
{
    int                    rc;
    uint32_t               gen;
    lv_room_t             *lroom;
    lv_store_t            *st;
    ngx_live_chat_room_t  *room;

    st = ngx_live_store();
    *err = "The room is not there.";

    if (st == NULL) {
        return NGX_ERROR;
    }

    rc = lv_room_open(st, (char *) m->stream.data, m->stream.len,
                      ngx_live_now_ms(), &lroom, &gen);

    if (rc == LV_AGAIN) {
        *err = "There are too many rooms here.";
    }

    if (rc != LV_OK || lv_room_join(st, lroom, gen) != LV_OK) {
        return NGX_ERROR;
    }

    room = ngx_live_chat_room_get(st, lroom, gen, m->conf->tick);

    if (room == NULL) {
        lv_room_leave(st, lroom, gen);
        return NGX_ERROR;
    }

    m->room = room;
    m->joined = 1;
    room->count++;

    /* its hello has all before room->next, so that it is to be met by the next
     * round and not by one under way */

    ngx_queue_insert_head(&room->members, &m->queue);

    return NGX_OK;
}


void
ngx_live_chat_room_leave(ngx_live_chat_member_t *m)
{
    lv_store_t            *st;
    ngx_live_chat_room_t  *room;

    if (!m->joined) {
        return;
    }

    room = m->room;
    m->joined = 0;
    m->room = NULL;
    st = ngx_live_store();

    if (room->at == &m->queue) {
        room->at = ngx_queue_next(&m->queue);
    }

    ngx_queue_remove(&m->queue);
    room->count--;

    if (st) {

        if (m->seated) {
            lv_room_exit(st, room->room, room->gen, m->author);
            m->seated = 0;
        }

        lv_room_leave(st, room->room, room->gen);
    }

    /* while a round is under way the room's memory is in use */

    if (room->count == 0 && room->at == NULL) {
        ngx_live_chat_room_free(room);
    }
}


static void
ngx_live_chat_room_free(ngx_live_chat_room_t *room)
{
    if (ngx_live_store()) {
        ngx_live_chat_save_reactions(room, ngx_live_store());
    }

    if (room->timer.timer_set) {
        ngx_del_timer(&room->timer);
    }

    if (room->react.timer_set) {
        ngx_del_timer(&room->react);
    }

    if (room->post.posted) {
        ngx_delete_posted_event(&room->post);
    }

    ngx_live_chat_buf_release(room->buf);
    ngx_live_chat_buf_release(room->mod_buf);
    ngx_live_chat_rules_free(&room->rules);
    ngx_live_chat_rooms[room->index] = NULL;
    ngx_free(room);
}


/* ---- waking ------------------------------------------------------------- */

void
ngx_live_chat_rung(lv_store_t *st)
{
    int         n;
    uint64_t    dirty[LV_STREAM_WORDS], bits;
    ngx_uint_t  i, index;

    n = lv_room_dirty(st, dirty);

    for (i = 0; n > 0 && i < LV_STREAM_WORDS; i++) {
        n -= dirty[i] != 0;

        for (bits = dirty[i]; bits != 0; bits &= bits - 1) {
            index = i * 64 + (ngx_uint_t) __builtin_ctzll(bits);

            if (ngx_live_chat_rooms[index]) {
                ngx_live_chat_wake(ngx_live_chat_rooms[index]);
            }
        }
    }
}


/* A round of what is new, as soon as there may be one. */
static void
ngx_live_chat_wake(ngx_live_chat_room_t *room)
{
    ngx_msec_t  passed;

    if (room->timer.timer_set || room->post.posted) {
        return;
    }

    passed = ngx_current_msec - room->last;

    if (room->at == NULL && passed >= room->tick) {
        ngx_post_event(&room->post, &ngx_posted_events);
        return;
    }

    ngx_add_timer(&room->timer,
                  passed < room->tick ? room->tick - passed : 1);
}


/* Members write faster than rounds give out: another one now, whatever the
 * tick. True: one is under way, so that they have to wait. */
ngx_uint_t
ngx_live_chat_pressed(ngx_live_chat_room_t *room)
{
    if (lv_room_next(room->room) - room->next < NGX_LIVE_CHAT_AHEAD) {
        return 0;
    }

    if (room->at) {
        return 1;
    }

    ngx_live_chat_begin(room);

    return 0;
}


static void
ngx_live_chat_timer(ngx_event_t *ev)
{
    ngx_live_chat_room_t  *room = ev->data;

    if (room->at) {
        ngx_add_timer(ev, 1);            /* the last round still runs */
        return;
    }

    ngx_live_chat_begin(room);
}


static void
ngx_live_chat_react(ngx_event_t *ev)
{
    ngx_live_chat_wake(ev->data);
}


static void
ngx_live_chat_post(ngx_event_t *ev)
{
    ngx_live_chat_room_t  *room = ev->data;

    if (room->at) {
        ngx_live_chat_batch(room);

    } else {
        ngx_live_chat_begin(room);
    }
}


/* ---- a round ------------------------------------------------------------ */

static void
ngx_live_chat_expel(ngx_live_chat_member_t *m)
{
    ngx_live_chat_error(m, NULL, "banned", "You are banned from this room.",
                        0);
    ngx_live_chat_close(m, LV_WS_POLICY, "banned");
}


/* Who has been banned does not read on, either. */
static void
ngx_live_chat_round_ban(ngx_live_chat_room_t *room, lv_room_entry_t *e)
{
    ngx_queue_t             *q;
    ngx_live_chat_member_t  *m;

    /* the room's memory is kept, and where the loop stands, by `at` */

    room->at = ngx_queue_head(&room->members);

    while (room->at != ngx_queue_sentinel(&room->members)) {
        q = room->at;
        room->at = ngx_queue_next(q);
        m = ngx_queue_data(q, ngx_live_chat_member_t, queue);

        if (m->user.len == e->subject.len
            && ngx_memcmp(m->user.data, e->subject.data, m->user.len) == 0
            && ngx_live_chat_banned(m) == LV_BAN_FULL)
        {
            ngx_live_chat_expel(m);
        }
    }

    room->at = NULL;
}


/* A round when the next update of reactions may be. */
void
ngx_live_chat_react_later(ngx_live_chat_room_t *room)
{
    ngx_msec_t  passed;

    if (!room->react.timer_set) {
        passed = ngx_current_msec - room->reacted;
        ngx_add_timer(&room->react, passed < NGX_LIVE_CHAT_REACT_MS
                                    ? NGX_LIVE_CHAT_REACT_MS - passed : 1);
    }
}


/* The room has gone, or what its members are to get: they come back, and are
 * told what they lost. */
static void
ngx_live_chat_room_lost(ngx_live_chat_room_t *room, const char *why)
{
    ngx_queue_t  *q;

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0, "live chat: room \"%s\": %s; "
                  "its members have to reconnect", room->id, why);

    room->at = &room->members;           /* keeps the memory */

    while (!ngx_queue_empty(&room->members)) {
        q = ngx_queue_head(&room->members);
        ngx_live_chat_close(ngx_queue_data(q, ngx_live_chat_member_t, queue),
                            LV_WS_RESTART, "The room has been made anew.");
    }

    ngx_live_chat_room_free(room);
}


static void
ngx_live_chat_begin(ngx_live_chat_room_t *room)
{
    size_t            len, at;
    ngx_int_t         rc;
    lv_store_t       *st;
    lv_room_entry_t   e;

    st = ngx_live_store();

    if (st == NULL) {
        return;
    }

    ngx_live_chat_round_reset();

    if (lv_room_read(st, room->room, room->gen, &room->next,
                     ngx_live_chat_log, sizeof(ngx_live_chat_log), &len)
        != LV_OK)
    {
        ngx_live_chat_room_lost(room, "it has gone, or was too fast");
        return;
    }

    /* what finds nothing new is no round that the next one waits for */

    if (len) {
        room->last = ngx_current_msec;
    }

    for (at = 0; lv_room_entry_next(ngx_live_chat_log, len, &at, &e); ) {
        ngx_live_chat_round_entry(room, st, &e);

        if (e.kind == LV_ROOM_BAN && e.subject.len) {
            ngx_live_chat_round_ban(room, &e);
        }
    }

    if (room->count == 0) {
        ngx_live_chat_room_free(room);
        return;
    }

    ngx_live_chat_round_settings(room);

    if (ngx_live_chat_reacted(room, st)) {

        if (ngx_current_msec - room->reacted >= NGX_LIVE_CHAT_REACT_MS) {
            room->reacted = ngx_current_msec;
            ngx_live_chat_round_reactions(room, st);

        } else {
            ngx_live_chat_react_later(room);
        }
    }

    ngx_live_chat_round_presence(room, st);

    if (len > sizeof(ngx_live_chat_log) - LV_ROOM_ENTRY_MAX) {
        ngx_live_chat_wake(room);        /* there may be more */
    }

    rc = ngx_live_chat_round_bufs(room);

    if (rc == NGX_DECLINED) {
        return;
    }

    if (rc != NGX_OK) {
        ngx_live_chat_room_lost(room, "no memory");
        return;
    }

    room->last = ngx_current_msec;
    room->at = ngx_queue_head(&room->members);
    ngx_live_chat_batch(room);
}


static void
ngx_live_chat_batch(ngx_live_chat_room_t *room)
{
    uint32_t                 bans;
    ngx_uint_t               n;
    ngx_queue_t             *q;
    ngx_live_chat_buf_t     *buf;
    ngx_live_chat_member_t  *m;

    bans = lv_room_bans_version(room->room);

    for (n = 0; n < NGX_LIVE_CHAT_BATCH; n++) {
        q = room->at;

        if (q == ngx_queue_sentinel(&room->members)) {
            break;
        }

        room->at = ngx_queue_next(q);
        __builtin_prefetch(ngx_queue_data(room->at, ngx_live_chat_member_t,
                                          queue));

        m = ngx_queue_data(q, ngx_live_chat_member_t, queue);
        buf = m->role >= LV_ROLE_MODERATOR ? room->mod_buf : room->buf;

        if (m->bans != bans && ngx_live_chat_banned(m) == LV_BAN_FULL) {
            ngx_live_chat_expel(m);
            continue;
        }

        if (buf->len) {
            ngx_live_chat_put(m, buf);
        }
    }

    ngx_live_count(NGX_LIVE_C_CHAT_SENT, (int64_t) n);

    if (room->at != ngx_queue_sentinel(&room->members)) {
        ngx_post_event(&room->post, &ngx_posted_next_events);
        return;
    }

    room->at = NULL;
    ngx_live_chat_buf_release(room->buf);
    ngx_live_chat_buf_release(room->mod_buf);
    room->buf = NULL;
    room->mod_buf = NULL;

    if (room->count == 0) {
        ngx_live_chat_room_free(room);
    }
}


/* ---- presence ----------------------------------------------------------- */

/* The larger the room, the less often it is told how large it is; a crowd that
 * comes or goes is told of before it makes one in a hundred. */
static ngx_msec_t
ngx_live_chat_presence_ms(uint32_t now, uint32_t told)
{
    uint32_t  change;

    change = now > told ? now - told : told - now;

    if (now > 2000 && change > now / 100) {
        return 1900;
    }

    return ngx_min(now, 10000) + 900;
}


void
ngx_live_chat_room_second(lv_store_t *st, uint64_t now_ms)
{
    uint32_t               i, n;
    ngx_live_chat_room_t  *room;

    for (i = 1; i < LV_STREAMS_MAX; i++) {
        room = ngx_live_chat_rooms[i];

        if (room == NULL) {
            continue;
        }

        if (!lv_room_alive(room->room, room->gen)) {
            ngx_live_chat_wake(room);
            continue;
        }

        if (ngx_current_msec - room->reactions_saved
            >= NGX_LIVE_CHAT_SAVE_MS)
        {
            ngx_live_chat_save_reactions(room, st);
        }

        n = lv_room_present(st, room->room);

        if ((n != room->told
             || room->who_told != lv_room_who_version(room->room))
            && ngx_current_msec - room->told_at
               >= ngx_live_chat_presence_ms(n, room->told))
        {
            room->presence = 1;
            ngx_live_chat_wake(room);
        }
    }

    lv_rooms_reap(st, now_ms);
}

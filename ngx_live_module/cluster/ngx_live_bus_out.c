/* What was said here, for the other nodes: see ngx_live_bus.h. */

#include "ngx_live_bus.h"


#define NGX_LIVE_BUS_PARTS     64       /* rooms of a batch */
#define NGX_LIVE_BUS_PAUSE_MS  20       /* between two batches of a shard */
#define NGX_LIVE_BUS_STATE_MS  2000     /* between two signs of life */
#define NGX_LIVE_BUS_COUNT_MS  1000     /* between two counts of members … */
#define NGX_LIVE_BUS_TOLD_MS   10000    /* … and of saying the same again */
#define NGX_LIVE_BUS_PINNED    8192


/* Of a batch: the room's entries before that offset. */
typedef struct {
    lv_room_t  *room;
    uint32_t    gen;
    uint64_t    before;
} ngx_live_bus_part_t;

typedef struct {
    lv_bus_batch_t        batch;
    uint64_t              seq;
    ngx_uint_t            items;
    ngx_uint_t            nparts;
    ngx_live_bus_part_t   parts[NGX_LIVE_BUS_PARTS];
    uint32_t              commands;
    ngx_msec_t            at;            /* when the last one was sent */
    unsigned              begun:1;
    unsigned              flying:1;      /* sent; no reply yet */
} ngx_live_bus_out_t;

typedef struct {
    uint32_t    gen;
    uint32_t    n;
    ngx_msec_t  at;                      /* 0: not told yet */
} ngx_live_bus_told_t;


static ngx_int_t ngx_live_bus_begin(lv_store_t *st, ngx_uint_t shard);
static ngx_int_t ngx_live_bus_add(ngx_uint_t shard, lv_bus_item_t *item);
static ngx_msec_t ngx_live_bus_rooms(lv_store_t *st);
static void ngx_live_bus_room(lv_store_t *st, lv_room_t *room, uint32_t gen,
    uint64_t from, ngx_uint_t shard, lv_str_t id);
static ngx_int_t ngx_live_bus_entry(lv_store_t *st,
    ngx_live_bus_part_t *part, ngx_uint_t shard, lv_bus_item_t *item);
static void ngx_live_bus_commands(lv_store_t *st);
static void ngx_live_bus_members(lv_store_t *st);
static void ngx_live_bus_reactions(lv_store_t *st);
static void ngx_live_bus_state(lv_store_t *st);
static ngx_int_t ngx_live_bus_send(ngx_live_redis_t *r, ngx_uint_t shard);
static void ngx_live_bus_sent(ngx_live_redis_t *r, redisReply *reply,
    ngx_uint_t shard);


static ngx_live_bus_out_t   ngx_live_bus_out[LV_BUS_SHARDS];
static ngx_live_bus_told_t  ngx_live_bus_told[LV_STREAMS_MAX];
static uint32_t             ngx_live_bus_cursor;
static ngx_msec_t           ngx_live_bus_state_at, ngx_live_bus_count_at;
static uint8_t              ngx_live_bus_log[LV_BUS_BATCH_MAX
                                             + LV_ROOM_ENTRY_MAX];
static uint8_t              ngx_live_bus_pinned[NGX_LIVE_BUS_PINNED];


ngx_msec_t
ngx_live_bus_flush(lv_store_t *st, ngx_live_redis_t *r)
{
    ngx_uint_t           i;
    ngx_msec_t           ms;
    ngx_live_bus_out_t  *o;

    ms = ngx_live_bus_rooms(st);
    ngx_live_bus_commands(st);

    for (i = 0; i < LV_BUS_SHARDS; i++) {
        o = &ngx_live_bus_out[i];

        if (!o->begun || o->flying) {
            continue;
        }

        if (lv_bus_empty(&o->batch)) {
            /* nothing in it that is for others */
            o->begun = 0;
            continue;
        }

        if (ngx_live_bus_send(r, i) != NGX_OK) {
            return 0;
        }
    }

    return ms;
}


void
ngx_live_bus_forget(void)
{
    ngx_uint_t  i;

    for (i = 0; i < LV_BUS_SHARDS; i++) {
        ngx_live_bus_out[i].begun = 0;
        ngx_live_bus_out[i].flying = 0;
    }

    ngx_memzero(ngx_live_bus_told, sizeof(ngx_live_bus_told));
    ngx_live_bus_state_at = ngx_current_msec - NGX_LIVE_BUS_STATE_MS;
}


/* NGX_DECLINED: not now. */

static ngx_int_t
ngx_live_bus_begin(lv_store_t *st, ngx_uint_t shard)
{
    lv_bus_head_t             head;
    lv_cluster_stat_t         stat;
    ngx_live_bus_out_t       *o;
    ngx_live_cluster_conf_t  *ccf;

    o = &ngx_live_bus_out[shard];

    if (o->flying || ngx_current_msec - o->at < NGX_LIVE_BUS_PAUSE_MS) {
        return NGX_DECLINED;
    }

    if (o->begun) {
        return NGX_OK;
    }

    ccf = ngx_live_cluster_conf((ngx_cycle_t *) ngx_cycle);
    lv_cluster_stat(st, &stat);

    o->seq = lv_bus_seq_next(st, (unsigned) shard);
    o->items = 0;
    o->nparts = 0;
    o->commands = 0;
    o->begun = 1;

    head.shard = (unsigned) shard;
    head.born = stat.created_ms;
    head.seq = o->seq;
    head.acked = lv_bus_acked(st, (unsigned) shard);
    head.time_ms = ngx_live_now_ms();
    head.node.data = ccf->node_id.data;
    head.node.len = ccf->node_id.len;

    lv_bus_begin(&o->batch, &head);

    return NGX_OK;
}


static ngx_int_t
ngx_live_bus_add(ngx_uint_t shard, lv_bus_item_t *item)
{
    int  rc;

    rc = lv_bus_add(&ngx_live_bus_out[shard].batch, item);

    if (rc == LV_OK) {
        ngx_live_bus_out[shard].items++;
    }

    return rc;
}


/* ---- entries ------------------------------------------------------------ */

/* Once around, from where the last time ended. */

static ngx_msec_t
ngx_live_bus_rooms(lv_store_t *st)
{
    uint32_t         n, gen, start, steps, last;
    uint64_t         from;
    lv_str_t         id;
    lv_room_t       *room;
    ngx_uint_t       shard;
    ngx_msec_t       ms;
    lv_room_info_t   info;

    n = lv_room_count(st);
    start = ngx_live_bus_cursor % n;
    last = 0;
    ms = 0;

    for ( ;; ) {
        room = lv_room_unsent(st, LV_BUS_SHARDS, &ngx_live_bus_cursor, &gen,
                              &from);
        steps = (ngx_live_bus_cursor + n - start - 1) % n + 1;

        if (room == NULL || steps <= last) {
            return ms;
        }

        last = steps;

        if (lv_room_info(st, room, gen, &info) != LV_OK) {
            continue;
        }

        id.data = (u_char *) info.id;
        id.len = ngx_strlen(info.id);
        shard = lv_bus_shard(id);

        if (ngx_live_bus_begin(st, shard) != NGX_OK) {
            ms = NGX_LIVE_BUS_PAUSE_MS;
            continue;
        }

        ngx_live_bus_room(st, room, gen, from, shard, id);
    }
}


static void
ngx_live_bus_room(lv_store_t *st, lv_room_t *room, uint32_t gen,
    uint64_t from, ngx_uint_t shard, lv_str_t id)
{
    int                   rc;
    size_t                at, len;
    lv_bus_item_t         item;
    lv_room_info_t        info;
    ngx_live_bus_out_t   *o;
    ngx_live_bus_part_t  *part;

    o = &ngx_live_bus_out[shard];

    if (o->nparts == NGX_LIVE_BUS_PARTS) {
        return;
    }

    part = &o->parts[o->nparts++];
    part->room = room;
    part->gen = gen;
    part->before = from;
    item.room = id;

    for ( ;; ) {
        rc = lv_room_read(st, room, gen, &from, ngx_live_bus_log,
                          sizeof(ngx_live_bus_log), &len);

        if (rc == LV_DECLINED
            && lv_room_info(st, room, gen, &info) == LV_OK
            && info.first > from)
        {
            /* too long ago: the others are told that there was something */

            item.type = LV_BUS_LOST;

            if (ngx_live_bus_add(shard, &item) != NGX_OK) {
                return;
            }

            ngx_live_count(NGX_LIVE_C_BUS_DROPPED, info.first - from);
            from = info.first;
            part->before = from;
            continue;
        }

        if (rc != LV_OK || len == 0) {
            break;
        }

        at = 0;

        while (lv_room_entry_next(ngx_live_bus_log, len, &at, &item.e)) {

            if (lv_bus_carries(&item.e)
                && ngx_live_bus_entry(st, part, shard, &item) != NGX_OK)
            {
                return;
            }

            part->before = item.e.offset + 1;
        }
    }

    if (lv_bus_empty(&o->batch)) {
        lv_room_sent(st, room, gen, part->before);
        o->nparts--;
    }
}


/* A pin takes the pinned message along, as members get it. */

static ngx_int_t
ngx_live_bus_entry(lv_store_t *st, ngx_live_bus_part_t *part,
    ngx_uint_t shard, lv_bus_item_t *item)
{
    size_t     len;
    uint32_t   version;
    ngx_int_t  rc;

    item->type = LV_BUS_ENTRY;
    item->text.data = ngx_live_bus_pinned;
    item->text.len = 0;

    if (item->e.kind == LV_ROOM_PIN && item->e.target != 0
        && lv_room_blob_get(st, part->room, part->gen, LV_ROOM_BLOB_PINNED,
                            &version, ngx_live_bus_pinned,
                            sizeof(ngx_live_bus_pinned), &len)
           == LV_OK
        && len <= sizeof(ngx_live_bus_pinned))
    {
        item->text.len = len;
    }

    rc = ngx_live_bus_add(shard, item);

    if (rc == LV_ERROR) {
        ngx_live_count(NGX_LIVE_C_BUS_DROPPED, 1);
        return NGX_OK;
    }

    return rc;
}


static void
ngx_live_bus_commands(lv_store_t *st)
{
    uint8_t              text[LV_BUS_COMMAND_MAX];
    lv_bus_item_t        item;
    ngx_live_bus_out_t  *o;

    o = &ngx_live_bus_out[0];
    item.type = LV_BUS_COMMAND;
    item.text.data = text;

    while (lv_bus_command_get(st, o->begun ? o->commands : 0, text,
                              &item.text.len)
           && ngx_live_bus_begin(st, 0) == NGX_OK
           && ngx_live_bus_add(0, &item) == NGX_OK)
    {
        o->commands++;
    }
}


/* ---- what is counted ---------------------------------------------------- */

void
ngx_live_bus_tell(lv_store_t *st, ngx_live_redis_t *r)
{
    if (ngx_current_msec - ngx_live_bus_state_at >= NGX_LIVE_BUS_STATE_MS) {
        ngx_live_bus_state(st);
    }

    if (ngx_current_msec - ngx_live_bus_count_at >= NGX_LIVE_BUS_COUNT_MS) {
        ngx_live_bus_count_at = ngx_current_msec;
        ngx_live_bus_members(st);
    }

    ngx_live_bus_reactions(st);
}


static void
ngx_live_bus_state(lv_store_t *st)
{
    unsigned       i;
    lv_bus_item_t  item;

    if (ngx_live_bus_begin(st, 0) != NGX_OK) {
        return;
    }

    item.type = LV_BUS_STATE;

    for (i = 0; i < LV_BUS_SHARDS; i++) {
        item.acked[i] = lv_bus_acked(st, i);
    }

    if (ngx_live_bus_add(0, &item) == NGX_OK) {
        ngx_live_bus_state_at = ngx_current_msec;
    }
}


static void
ngx_live_bus_members(lv_store_t *st)
{
    uint32_t              i, gen;
    lv_room_t            *room;
    ngx_uint_t            shard;
    lv_bus_item_t         item;
    lv_room_info_t        info;
    ngx_live_bus_told_t  *told;

    item.type = LV_BUS_PRESENCE;
    item.text.len = 0;

    for (i = 1; i <= lv_room_count(st); i++) {
        room = lv_room_at(st, i, &gen);
        told = &ngx_live_bus_told[i];

        if (room == NULL) {
            continue;
        }

        item.n = lv_room_members(st, room);

        if (told->gen != gen) {
            told->gen = gen;
            told->n = 0;
        }

        if (item.n == told->n
            && (item.n == 0
                || (told->at != 0
                    && ngx_current_msec - told->at < NGX_LIVE_BUS_TOLD_MS)))
        {
            continue;
        }

        if (lv_room_info(st, room, gen, &info) != LV_OK) {
            continue;
        }

        item.room.data = (u_char *) info.id;
        item.room.len = ngx_strlen(info.id);
        shard = lv_bus_shard(item.room);

        if (ngx_live_bus_begin(st, shard) == NGX_OK
            && ngx_live_bus_add(shard, &item) == NGX_OK)
        {
            told->n = item.n;
            told->at = ngx_current_msec;
        }
    }
}


static void
ngx_live_bus_reactions(lv_store_t *st)
{
    size_t               i, n;
    uint32_t             gen, cursor;
    lv_room_t           *room;
    ngx_uint_t           shard;
    lv_bus_item_t        item;
    lv_room_info_t       info;
    lv_room_reaction_t   list[LV_ROOM_REACTIONS];

    cursor = 0;
    item.type = LV_BUS_REACTION;

    while ((room = lv_room_reacted(st, &cursor, &gen)) != NULL) {

        if (lv_room_info(st, room, gen, &info) != LV_OK) {
            continue;
        }

        item.room.data = (u_char *) info.id;
        item.room.len = ngx_strlen(info.id);
        shard = lv_bus_shard(item.room);

        /* what has been taken out has to find its place */

        if (ngx_live_bus_begin(st, shard) != NGX_OK
            || ngx_live_bus_out[shard].batch.len > LV_BUS_BATCH_MAX / 2)
        {
            continue;
        }

        n = lv_room_reactions_out(st, room, gen, list);

        for (i = 0; i < n; i++) {
            item.text.data = list[i].name;
            item.text.len = list[i].len;
            item.n = (uint32_t) ngx_min(list[i].total, UINT32_MAX);
            (void) ngx_live_bus_add(shard, &item);
        }
    }
}


/* ---- sending ------------------------------------------------------------ */

static ngx_int_t
ngx_live_bus_send(ngx_live_redis_t *r, ngx_uint_t shard)
{
    size_t                    len[8];
    const char               *argv[8];
    u_char                    key[NGX_LIVE_BUS_KEY_LEN];
    u_char                    history[NGX_INT_T_LEN + 1];
    ngx_uint_t                i;
    ngx_live_bus_out_t       *o;
    ngx_live_cluster_conf_t  *ccf;

    o = &ngx_live_bus_out[shard];
    ccf = ngx_live_cluster_conf((ngx_cycle_t *) ngx_cycle);

    if (lv_bus_seal(&o->batch, ccf->node_key->nodes) != LV_OK) {
        ngx_live_redis_failed(r, "a batch could not be signed");
        return NGX_ERROR;
    }

    (void) ngx_sprintf(key, NGX_LIVE_BUS_KEY, (int) shard);
    (void) ngx_sprintf(history, "%ui%Z", r->conf->history);

    argv[0] = "XADD";
    argv[1] = (char *) key;
    argv[2] = "MAXLEN";
    argv[3] = "~";
    argv[4] = (char *) history;
    argv[5] = "*";
    argv[6] = "b";
    argv[7] = (char *) o->batch.data;

    for (i = 0; i < 7; i++) {
        len[i] = ngx_strlen(argv[i]);
    }

    len[7] = o->batch.len;
    o->flying = 1;
    o->at = ngx_current_msec;

    return ngx_live_redis_send(r, 8, argv, len, ngx_live_bus_sent, shard);
}


static void
ngx_live_bus_sent(ngx_live_redis_t *r, redisReply *reply, ngx_uint_t shard)
{
    ngx_uint_t            i;
    lv_store_t           *st;
    ngx_live_bus_out_t   *o;
    ngx_live_bus_part_t  *part;

    st = ngx_live_store();

    if (st == NULL || ngx_live_redis_check(r, reply) != NGX_OK) {
        return;
    }

    o = &ngx_live_bus_out[shard];

    for (i = 0; i < o->nparts; i++) {
        part = &o->parts[i];
        lv_room_sent(st, part->room, part->gen, part->before);
    }

    lv_bus_command_drop(st, o->commands);
    lv_bus_ack(st, (unsigned) shard, o->seq);
    ngx_live_count(NGX_LIVE_C_BUS_OUT, (int64_t) o->items);

    o->begun = 0;
    o->flying = 0;

    ngx_live_bus_rung(st);
}

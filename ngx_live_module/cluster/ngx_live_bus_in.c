/* What other nodes say: see ngx_live_bus.h. */

#include "ngx_live_bus.h"
#include "ngx_live_command.h"


#define NGX_LIVE_BUS_COUNT    8         /* batches of a shard at a time */
#define NGX_LIVE_BUS_BLOCK    "2000"    /* ms */
#define NGX_LIVE_BUS_PAST_MS  (3600 * 1000)  /* how far back the first time */
#define NGX_LIVE_BUS_SKEW_MS  60000
#define NGX_LIVE_BUS_NOW_MS   60000     /* counts and kicks are no older */


/* The batch that is dealt with. */
typedef struct {
    lv_store_t     *st;
    lv_bus_head_t   head;
    unsigned        peer;
    uint64_t        now_ms;
    ngx_uint_t      late;               /* what it tells of now, is past */
} ngx_live_bus_in_t;

/* What a node last said to have sent, and the reply in which it did; 0: there
 * is nothing to look for. */
typedef struct {
    uint64_t        acked[LV_BUS_SHARDS];
    ngx_uint_t      round;
} ngx_live_bus_awaited_t;


static void ngx_live_bus_asked(ngx_live_redis_t *r, redisReply *reply,
    ngx_uint_t shard);
static ngx_int_t ngx_live_bus_last(redisReply *reply,
    lv_bus_position_t *last);
static void ngx_live_bus_next(ngx_live_redis_t *r);
static void ngx_live_bus_got(ngx_live_redis_t *r, redisReply *reply,
    ngx_uint_t data);
static ngx_int_t ngx_live_bus_stream(lv_store_t *st, redisReply *stream,
    ngx_uint_t *more);
static ngx_int_t ngx_live_bus_position(const char *text, size_t len,
    lv_bus_position_t *position);
static void ngx_live_bus_batch(lv_store_t *st, ngx_uint_t shard,
    redisReply *fields);
static ngx_int_t ngx_live_bus_known(ngx_live_bus_in_t *in,
    ngx_uint_t shard);
static void ngx_live_bus_item(ngx_live_bus_in_t *in, lv_bus_item_t *item);
static void ngx_live_bus_said(ngx_live_bus_in_t *in, lv_bus_item_t *item);
static void ngx_live_bus_act(ngx_live_bus_in_t *in, lv_room_t *room,
    uint32_t gen, lv_bus_item_t *item);
static ngx_int_t ngx_live_bus_room_of(lv_store_t *st, lv_str_t id,
    uint64_t now_ms, lv_room_t **room, uint32_t *gen);
static void ngx_live_bus_count(ngx_live_bus_in_t *in, lv_bus_item_t *item);
static void ngx_live_bus_await(ngx_live_bus_in_t *in, lv_bus_item_t *item);
static void ngx_live_bus_at_end(lv_store_t *st);
static void ngx_live_bus_lost(lv_store_t *st, ngx_uint_t shard,
    lv_str_t *only);


static ngx_live_bus_awaited_t  ngx_live_bus_awaited[LV_BUS_PEERS];
static ngx_uint_t              ngx_live_bus_round = 1;


/* ---- reading ------------------------------------------------------------ */

/* Connected. A stream that ends before what was read from it is another one:
 * Redis has lost its data, and its clock may be another, too. */

void
ngx_live_bus_read(ngx_live_redis_t *r)
{
    size_t       len[3];
    u_char       key[NGX_LIVE_BUS_KEY_LEN];
    ngx_uint_t   i;
    const char  *argv[3];

    ngx_memzero(ngx_live_bus_awaited, sizeof(ngx_live_bus_awaited));

    argv[0] = "XINFO";
    argv[1] = "STREAM";
    argv[2] = (char *) key;
    len[0] = 5;
    len[1] = 6;

    for (i = 0; i < LV_BUS_SHARDS; i++) {
        (void) ngx_sprintf(key, NGX_LIVE_BUS_KEY, (int) i);
        len[2] = ngx_strlen(key);

        if (ngx_live_redis_send(r, 3, argv, len, ngx_live_bus_asked, i)
            != NGX_OK)
        {
            return;
        }
    }
}


static void
ngx_live_bus_asked(ngx_live_redis_t *r, redisReply *reply, ngx_uint_t shard)
{
    lv_store_t         *st;
    lv_bus_position_t   last, position;

    st = ngx_live_store();

    if (st == NULL) {
        return;
    }

    /* "ERR no such key"; others are NOPERM, LOADING, … */

    if ((reply->type != REDIS_REPLY_ERROR
         || ngx_strncmp(reply->str, "ERR ", 4) != 0)
        && ngx_live_redis_check(r, reply) != NGX_OK)
    {
        return;
    }

    last.ms = 0;
    last.seq = 0;

    if (reply->type != REDIS_REPLY_ERROR
        && ngx_live_bus_last(reply, &last) != NGX_OK)
    {
        ngx_live_redis_failed(r, "its answer makes no sense");
        return;
    }

    position = lv_bus_position(st, (unsigned) shard);

    if (position.ms == 0 && position.seq == 0) {
        position.ms = ngx_live_now_ms() - NGX_LIVE_BUS_PAST_MS;
        lv_bus_position_set(st, (unsigned) shard, position);
    }

    if (position.ms > last.ms
        || (position.ms == last.ms && position.seq > last.seq))
    {
        position.ms = 0;
        position.seq = 1;
        lv_bus_position_set(st, (unsigned) shard, position);
    }

    if (shard == LV_BUS_SHARDS - 1) {
        ngx_live_bus_next(r);
    }
}


/* "last-generated-id" of XINFO STREAM. */

static ngx_int_t
ngx_live_bus_last(redisReply *reply, lv_bus_position_t *last)
{
    size_t       i;
    redisReply  *name, *value;

    if (reply->type != REDIS_REPLY_ARRAY) {
        return NGX_ERROR;
    }

    for (i = 0; i + 1 < reply->elements; i += 2) {
        name = reply->element[i];
        value = reply->element[i + 1];

        if (name->type == REDIS_REPLY_STRING
            && value->type == REDIS_REPLY_STRING
            && ngx_strcmp(name->str, "last-generated-id") == 0)
        {
            return ngx_live_bus_position(value->str, (size_t) value->len,
                                         last);
        }
    }

    return NGX_ERROR;
}


static void
ngx_live_bus_next(ngx_live_redis_t *r)
{
    size_t              len[6 + 2 * LV_BUS_SHARDS];
    u_char              keys[LV_BUS_SHARDS][NGX_LIVE_BUS_KEY_LEN];
    u_char              count[NGX_INT_T_LEN + 1];
    u_char              ids[LV_BUS_SHARDS][2 * NGX_INT64_LEN + 2];
    ngx_uint_t          i, n;
    lv_store_t         *st;
    const char         *argv[6 + 2 * LV_BUS_SHARDS];
    lv_bus_position_t   position;

    st = ngx_live_store();

    if (st == NULL) {
        return;
    }

    (void) ngx_sprintf(count, "%d%Z", NGX_LIVE_BUS_COUNT);

    argv[0] = "XREAD";
    argv[1] = "COUNT";
    argv[2] = (char *) count;
    argv[3] = "BLOCK";
    argv[4] = NGX_LIVE_BUS_BLOCK;
    argv[5] = "STREAMS";

    for (i = 0; i < LV_BUS_SHARDS; i++) {
        position = lv_bus_position(st, (unsigned) i);
        (void) ngx_sprintf(keys[i], NGX_LIVE_BUS_KEY, (int) i);
        (void) ngx_sprintf(ids[i], "%uL-%uL%Z", position.ms, position.seq);
        argv[6 + i] = (char *) keys[i];
        argv[6 + LV_BUS_SHARDS + i] = (char *) ids[i];
    }

    n = 6 + 2 * LV_BUS_SHARDS;

    for (i = 0; i < n; i++) {
        len[i] = ngx_strlen(argv[i]);
    }

    (void) ngx_live_redis_send(r, (int) n, argv, len, ngx_live_bus_got, 0);
}


static void
ngx_live_bus_got(ngx_live_redis_t *r, redisReply *reply, ngx_uint_t data)
{
    size_t       i;
    lv_store_t  *st;
    ngx_uint_t   more;

    st = ngx_live_store();

    if (st == NULL || ngx_live_redis_check(r, reply) != NGX_OK) {
        return;
    }

    ngx_live_bus_round++;
    more = 0;

    /* nil: nothing has come in that time */

    for (i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++)
    {
        if (ngx_live_bus_stream(st, reply->element[i], &more) != NGX_OK) {
            ngx_live_redis_failed(r, "its answer makes no sense");
            return;
        }
    }

    if (!more) {
        ngx_live_bus_at_end(st);
    }

    ngx_live_bus_next(r);
}


/* [key, [[id, [field, value, …]], …]] */

static ngx_int_t
ngx_live_bus_stream(lv_store_t *st, redisReply *stream, ngx_uint_t *more)
{
    size_t              i;
    ngx_int_t           shard;
    redisReply         *key, *list, *entry;
    lv_bus_position_t   position;

    if (stream->type != REDIS_REPLY_ARRAY || stream->elements != 2) {
        return NGX_ERROR;
    }

    key = stream->element[0];
    list = stream->element[1];

    if (key->type != REDIS_REPLY_STRING
        || (size_t) key->len < sizeof("live:chat:")
        || list->type != REDIS_REPLY_ARRAY)
    {
        return NGX_ERROR;
    }

    shard = ngx_atoi((u_char *) key->str + sizeof("live:chat:") - 1,
                     (size_t) key->len - (sizeof("live:chat:") - 1));

    if (shard < 0 || shard >= LV_BUS_SHARDS) {
        return NGX_ERROR;
    }

    *more |= list->elements >= NGX_LIVE_BUS_COUNT;

    for (i = 0; i < list->elements; i++) {
        entry = list->element[i];

        if (entry->type != REDIS_REPLY_ARRAY || entry->elements != 2
            || entry->element[0]->type != REDIS_REPLY_STRING
            || ngx_live_bus_position(entry->element[0]->str,
                                     (size_t) entry->element[0]->len,
                                     &position)
               != NGX_OK)
        {
            return NGX_ERROR;
        }

        ngx_live_bus_batch(st, (ngx_uint_t) shard, entry->element[1]);
        lv_bus_position_set(st, (unsigned) shard, position);
    }

    return NGX_OK;
}


/* "ms-seq" */

static ngx_int_t
ngx_live_bus_position(const char *text, size_t len,
    lv_bus_position_t *position)
{
    off_t    ms, seq;
    u_char  *p, *dash;

    p = (u_char *) text;
    dash = ngx_strlchr(p, p + len, '-');

    if (dash == NULL) {
        return NGX_ERROR;
    }

    ms = ngx_atoof(p, dash - p);
    seq = ngx_atoof(dash + 1, p + len - dash - 1);

    if (ms < 0 || seq < 0) {
        return NGX_ERROR;
    }

    position->ms = (uint64_t) ms;
    position->seq = (uint64_t) seq;

    return NGX_OK;
}


/* ---- a batch ------------------------------------------------------------ */

static void
ngx_live_bus_batch(lv_store_t *st, ngx_uint_t shard, redisReply *fields)
{
    int                       rc;
    size_t                    at, end;
    lv_str_t                  text;
    redisReply               *value;
    lv_bus_item_t             item;
    ngx_live_bus_in_t         in;
    ngx_live_cluster_conf_t  *ccf;

    ccf = ngx_live_cluster_conf((ngx_cycle_t *) ngx_cycle);

    value = fields->type == REDIS_REPLY_ARRAY && fields->elements == 2
            ? fields->element[1] : NULL;

    if (value == NULL || value->type != REDIS_REPLY_STRING) {
        ngx_live_count(NGX_LIVE_C_BUS_FORGED, 1);
        return;
    }

    text.data = (u_char *) value->str;
    text.len = (size_t) value->len;

    ngx_memzero(&in, sizeof(ngx_live_bus_in_t));
    in.st = st;
    in.now_ms = ngx_live_now_ms();

    if (lv_bus_open(ccf->node_key->nodes, (unsigned) shard, text, &in.head,
                    &at, &end)
        != LV_OK)
    {
        ngx_live_count(NGX_LIVE_C_BUS_FORGED, 1);
        return;
    }

    if (ngx_live_bus_known(&in, shard) != NGX_OK) {
        return;
    }

    while ((rc = lv_bus_next(text, &at, end, &item)) == LV_OK) {
        ngx_live_bus_item(&in, &item);
    }

    if (rc == LV_ERROR) {
        ngx_live_count(NGX_LIVE_C_BUS_FORGED, 1);
    }

    lv_bus_hear(st, in.peer, (unsigned) shard, in.head.seq);
}


/* Whose is it, and is it new? NGX_DECLINED: it is not for us. */

static ngx_int_t
ngx_live_bus_known(ngx_live_bus_in_t *in, ngx_uint_t shard)
{
    int                        rc;
    uint64_t                   heard, age;
    lv_cluster_stat_t          stat;
    ngx_live_cluster_conf_t   *ccf;
    static ngx_uint_t          told;

    ccf = ngx_live_cluster_conf((ngx_cycle_t *) ngx_cycle);
    lv_cluster_stat(in->st, &stat);

    if (in->head.node.len == ccf->node_id.len
        && ngx_memcmp(in->head.node.data, ccf->node_id.data,
                      ccf->node_id.len)
           == 0
        && in->head.born == stat.created_ms)
    {
        return NGX_DECLINED;            /* our own */
    }

    age = in->now_ms > in->head.time_ms ? in->now_ms - in->head.time_ms : 0;
    in->late = age > NGX_LIVE_BUS_NOW_MS;

    /* a node that is not known yet has no numbers to compare with */

    rc = in->head.time_ms > in->now_ms + NGX_LIVE_BUS_SKEW_MS
         || age > NGX_LIVE_BUS_PAST_MS + NGX_LIVE_BUS_SKEW_MS
         ? LV_DECLINED
         : lv_bus_peer(in->st, in->head.node, in->head.born, in->now_ms,
                       &in->peer);

    if (rc != LV_OK) {
        ngx_live_count(NGX_LIVE_C_BUS_DROPPED, 1);

        if (!told) {
            told = 1;
            ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                          "live: what node \"%*s\" says is dropped: %s",
                          in->head.node.len, in->head.node.data,
                          rc == LV_AGAIN ? "there are more than 64 nodes"
                          : "its clock is another, or two nodes have this "
                            "id");
        }

        return NGX_DECLINED;
    }

    heard = lv_bus_heard(in->st, in->peer, (unsigned) shard);

    if (in->head.seq <= heard) {
        ngx_live_count(NGX_LIVE_C_BUS_DOUBLE, 1);
        return NGX_DECLINED;
    }

    if (heard != 0 && in->head.acked > heard) {
        ngx_live_bus_lost(in->st, shard, NULL);
    }

    lv_bus_set_lag(in->st, age);

    return NGX_OK;
}


static void
ngx_live_bus_item(ngx_live_bus_in_t *in, lv_bus_item_t *item)
{
    json_t  *command;

    ngx_live_count(NGX_LIVE_C_BUS_IN, 1);

    switch (item->type) {

    case LV_BUS_ENTRY:
        ngx_live_bus_said(in, item);
        break;

    case LV_BUS_PRESENCE:
    case LV_BUS_REACTION:
        if (!in->late) {
            ngx_live_bus_count(in, item);
        }

        break;

    case LV_BUS_LOST:
        ngx_live_bus_lost(in->st, 0, &item->room);
        break;

    case LV_BUS_COMMAND:
        command = json_loadb((const char *) item->text.data, item->text.len,
                             JSON_REJECT_DUPLICATES, NULL);
        ngx_live_command_foreign(in->st, command, in->late, ngx_cycle->log);
        json_decref(command);
        break;

    case LV_BUS_STATE:
        ngx_live_bus_await(in, item);
        break;
    }
}


/* ---- items -------------------------------------------------------------- */

static void
ngx_live_bus_said(ngx_live_bus_in_t *in, lv_bus_item_t *item)
{
    int               rc;
    uint32_t          gen;
    lv_room_t        *room;
    lv_room_entry_t  *e;

    if (ngx_live_bus_room_of(in->st, item->room, in->now_ms, &room, &gen)
        != NGX_OK)
    {
        ngx_live_count(NGX_LIVE_C_BUS_DROPPED, 1);
        return;
    }

    e = &item->e;

    if (lv_rooms_number_taken(in->st, e->id)) {
        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                      "live: node \"%*s\" has this node's number in ids of "
                      "messages, this node takes another one",
                      in->head.node.len, in->head.node.data);
    }

    e->origin = (uint8_t) (in->peer + 1);
    e->flags |= LV_ROOM_REMOTE;

    if (e->user.len) {
        e->author = lv_room_hash(in->st, e->user.data, e->user.len, 1);
    }

    ngx_live_bus_act(in, room, gen, item);

    rc = lv_room_append(in->st, room, gen, in->now_ms, e);

    if (rc != LV_OK) {
        ngx_live_count(NGX_LIVE_C_BUS_DROPPED, 1);

    } else if (e->offset == 0) {
        ngx_live_count(NGX_LIVE_C_BUS_DOUBLE, 1);
    }
}


/* What moderators did there holds here, too. */

static void
ngx_live_bus_act(ngx_live_bus_in_t *in, lv_room_t *room, uint32_t gen,
    lv_bus_item_t *item)
{
    lv_ban_t          ban;
    lv_room_entry_t  *e;

    e = &item->e;

    if (e->kind == LV_ROOM_PIN) {

        if (e->target == 0 || item->text.len) {
            (void) lv_room_blob_put(in->st, room, gen, LV_ROOM_BLOB_PINNED,
                                    item->text.data, item->text.len);
        }

        return;
    }

    if (e->subject.len == 0
        || (e->kind != LV_ROOM_BAN && e->kind != LV_ROOM_UNBAN
            && e->kind != LV_ROOM_TIMEOUT))
    {
        return;
    }

    ngx_memzero(&ban, sizeof(lv_ban_t));
    ban.kind = LV_BAN_USER;
    ban.value = e->subject;
    ban.until_ms = e->count ? e->time_ms + (uint64_t) e->count * 1000 : 0;
    ban.action = e->kind == LV_ROOM_UNBAN ? LV_BAN_NONE
                 : e->kind == LV_ROOM_TIMEOUT ? LV_BAN_TIMEOUT
                 : e->status == LV_ROOM_SHADOW ? LV_BAN_SHADOW : LV_BAN_FULL;

    if (ban.until_ms == 0 || ban.until_ms > in->now_ms) {
        (void) lv_room_ban(in->st, room, gen, &ban, in->now_ms);
    }
}


/* Opened where there is none, for who comes later to find what was said; but
 * the last places are for rooms that have members here. */

static ngx_int_t
ngx_live_bus_room_of(lv_store_t *st, lv_str_t id, uint64_t now_ms,
    lv_room_t **room, uint32_t *gen)
{
    *room = lv_room_find(st, (const char *) id.data, id.len, gen);

    if (*room) {
        return NGX_OK;
    }

    return lv_rooms_spare(st)
           && lv_room_open(st, (const char *) id.data, id.len, now_ms, room,
                           gen)
              == LV_OK ? NGX_OK : NGX_DECLINED;
}


static void
ngx_live_bus_count(ngx_live_bus_in_t *in, lv_bus_item_t *item)
{
    uint32_t    gen;
    lv_room_t  *room;

    room = lv_room_find(in->st, (const char *) item->room.data,
                        item->room.len, &gen);

    if (room == NULL) {
        return;
    }

    if (item->type == LV_BUS_PRESENCE) {
        lv_room_away(in->st, room, gen, in->peer, item->n);

    } else if (lv_room_react_from(in->st, room, gen, item->text, item->n)
               == LV_OK)
    {
        lv_room_notify(in->st, room);
    }
}


/*
 * What a node has sent, and is not there when all streams were read to their
 * end after that, is not in the stream any more. (A shard's next batch would
 * tell, but there may be none for long.)
 */

static void
ngx_live_bus_await(ngx_live_bus_in_t *in, lv_bus_item_t *item)
{
    ngx_memcpy(ngx_live_bus_awaited[in->peer].acked, item->acked,
               sizeof(item->acked));
    ngx_live_bus_awaited[in->peer].round = ngx_live_bus_round;
}


static void
ngx_live_bus_at_end(lv_store_t *st)
{
    unsigned                  i, peer;
    uint64_t                  heard;
    ngx_live_bus_awaited_t   *awaited;

    for (peer = 0; peer < LV_BUS_PEERS; peer++) {
        awaited = &ngx_live_bus_awaited[peer];

        if (awaited->round == 0 || awaited->round == ngx_live_bus_round) {
            continue;
        }

        awaited->round = 0;

        for (i = 0; i < LV_BUS_SHARDS; i++) {
            heard = lv_bus_heard(st, peer, i);

            if (heard != 0 && awaited->acked[i] > heard) {
                lv_bus_hear(st, peer, i, awaited->acked[i]);
                ngx_live_bus_lost(st, i, NULL);
            }
        }
    }
}


/* Members of a room, or of all rooms of a shard, are told. */

static void
ngx_live_bus_lost(lv_store_t *st, ngx_uint_t shard, lv_str_t *only)
{
    uint32_t          i, gen;
    lv_str_t          id;
    lv_room_t        *room;
    lv_room_info_t    info;
    lv_room_entry_t   e;

    static const lv_str_t  text = lv_str("{\"event\":\"system\","
        "\"text\":\"Some of what was said is missing.\","
        "\"data\":{\"code\":\"history_lost\"}}");

    ngx_live_count(NGX_LIVE_C_BUS_LOST, 1);

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "live: what other nodes said is lost, it was in redis for "
                  "too short a time; members are told");

    for (i = 1; i <= lv_room_count(st); i++) {
        room = lv_room_at(st, i, &gen);

        if (room == NULL || lv_room_members(st, room) == 0
            || lv_room_info(st, room, gen, &info) != LV_OK)
        {
            continue;
        }

        id.data = (u_char *) info.id;
        id.len = ngx_strlen(info.id);

        if (only ? only->len != id.len
                   || ngx_memcmp(only->data, id.data, id.len) != 0
                 : lv_bus_shard(id) != shard)
        {
            continue;
        }

        ngx_memzero(&e, sizeof(lv_room_entry_t));
        e.kind = LV_ROOM_EVENT;
        e.flags = LV_ROOM_REMOTE;
        e.text = text;

        (void) lv_room_append(st, room, gen, ngx_live_now_ms(), &e);
    }
}

/* What was said in the rooms, for the control plane: ngx_live_chat_sync.h. */

#include "ngx_live_chat_sync.h"


#define NGX_LIVE_PUSH_ITEMS   500        /* of a batch */
#define NGX_LIVE_PUSH_BODY    (512 * 1024)
#define NGX_LIVE_PUSH_ROOMS   256
#define NGX_LIVE_PUSH_READ    65536
#define NGX_LIVE_PUSH_CALL    5000       /* ms */
#define NGX_LIVE_PUSH_RETRY   500        /* ms, the first time … */
#define NGX_LIVE_PUSH_RETRY_MAX  3000    /* … and at most */


/* A part of a batch: entries of the room before that offset. */
typedef struct {
    lv_room_t   *room;
    uint32_t     gen;
    uint64_t     before;
} ngx_live_push_part_t;

typedef struct {
    ngx_live_call_t       *call;
    ngx_live_push_part_t   parts[NGX_LIVE_PUSH_ROOMS];
    ngx_uint_t             nparts;
    ngx_uint_t             items;        /* in the batch under way */
    ngx_uint_t             limit;        /* of items; less after a refusal */
    ngx_uint_t             fails;
    ngx_msec_t             retry_at;
    uint32_t               cursor;       /* whose turn it is */
    lv_text_t              text;
    uint8_t                read[NGX_LIVE_PUSH_READ];
} ngx_live_push_t;


static ngx_uint_t ngx_live_push_batch(lv_store_t *st, lv_json_t *j);
static void ngx_live_push_room(lv_store_t *st, lv_json_t *j,
    lv_room_t *room, uint32_t gen, uint64_t from);
static void ngx_live_push_item(lv_json_t *j, lv_room_entry_t *e,
    const char *room);
static void ngx_live_push_more(lv_json_t *j, lv_room_entry_t *e);
static void ngx_live_push_id(lv_json_t *j, const char *name, uint64_t id);
static void ngx_live_push_str(lv_json_t *j, const char *name, lv_str_t s);
static void ngx_live_push_reply(void *data, ngx_live_reply_t *reply);
static void ngx_live_push_taken(lv_store_t *st);
static void ngx_live_push_refused(lv_store_t *st, ngx_live_reply_t *reply);


static ngx_live_push_t  ngx_live_push;


void
ngx_live_chat_push(lv_store_t *st)
{
    lv_str_t                  body;
    lv_json_t                 j;
    ngx_live_push_t          *p;
    ngx_live_cluster_conf_t  *ccf;

    p = &ngx_live_push;

    if (p->call != NULL
        || (p->fails
            && (ngx_msec_int_t) (ngx_current_msec - p->retry_at) < 0))
    {
        return;
    }

    ccf = ngx_live_cluster_conf((ngx_cycle_t *) ngx_cycle);

    if (p->limit == 0) {
        p->limit = NGX_LIVE_PUSH_ITEMS;
        lv_text_init(&p->text, NGX_LIVE_PUSH_BODY * 4);
    }

    lv_text_reset(&p->text);
    lv_json_init(&j, &p->text);
    lv_json_open(&j, NULL, '{');
    lv_json_str(&j, "node", (char *) ccf->node_id.data, ccf->node_id.len);
    lv_json_open(&j, "items", '[');

    if (ngx_live_push_batch(st, &j) == 0) {
        return;
    }

    lv_json_close(&j, ']');
    lv_json_close(&j, '}');

    if (p->items == 0) {
        /* nothing that the control plane does not know */
        ngx_live_push_taken(st);
        return;
    }

    body.data = p->text.data;
    body.len = p->text.len;

    if (!p->text.failed) {
        p->call = ngx_live_call(ccf->control, "/internal/chat", body,
                                ccf->node_key, NGX_LIVE_PUSH_CALL,
                                ngx_live_push_reply, st);
    }

    if (p->call == NULL) {
        p->fails++;
        p->retry_at = ngx_current_msec + NGX_LIVE_PUSH_RETRY_MAX;
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "live: a batch of chat messages could not be made");
    }
}


void
ngx_live_chat_push_stop(void)
{
    if (ngx_live_push.call != NULL) {
        ngx_live_call_cancel(ngx_live_push.call);
        ngx_live_push.call = NULL;
    }
}


/* Rooms take turns, from where the last batch ended. Returns the number of
 * rooms. */

static ngx_uint_t
ngx_live_push_batch(lv_store_t *st, lv_json_t *j)
{
    uint32_t          gen;
    uint64_t          from;
    ngx_uint_t        i;
    lv_room_t        *room;
    ngx_live_push_t  *p;

    p = &ngx_live_push;
    p->nparts = 0;
    p->items = 0;

    while (p->nparts < NGX_LIVE_PUSH_ROOMS && p->items < p->limit
           && p->text.len < NGX_LIVE_PUSH_BODY)
    {
        room = lv_room_unsaved(st, &p->cursor, &gen, &from);

        for (i = 0; room && i < p->nparts; i++) {

            if (p->parts[i].room == room) {
                /* once around */
                return p->nparts;
            }
        }

        if (room == NULL) {
            break;
        }

        ngx_live_push_room(st, j, room, gen, from);
    }

    return p->nparts;
}


static void
ngx_live_push_room(lv_store_t *st, lv_json_t *j, lv_room_t *room,
    uint32_t gen, uint64_t from)
{
    int                    rc;
    size_t                 at, len;
    lv_room_info_t         info;
    ngx_live_push_t       *p;
    lv_room_entry_t        e;
    ngx_live_push_part_t  *part;

    p = &ngx_live_push;

    if (lv_room_info(st, room, gen, &info) != LV_OK) {
        return;
    }

    part = &p->parts[p->nparts++];
    part->room = room;
    part->gen = gen;
    part->before = from;

    while (p->items < p->limit && p->text.len < NGX_LIVE_PUSH_BODY) {

        rc = lv_room_read(st, room, gen, &from, p->read, NGX_LIVE_PUSH_READ,
                          &len);

        if (rc == LV_DECLINED) {
            /* the log begins behind it: what is not there cannot be sent */
            ngx_log_error(NGX_LOG_CRIT, ngx_cycle->log, 0,
                          "live: chat messages of \"%s\" are lost: %uL to "
                          "%uL", info.id, from, info.first);
            part->before = ngx_max(info.first, from + 1);
            return;
        }

        if (rc != LV_OK || len == 0) {
            return;
        }

        at = 0;

        while (p->items < p->limit && p->text.len < NGX_LIVE_PUSH_BODY
               && lv_room_entry_next(p->read, len, &at, &e))
        {
            ngx_live_push_item(j, &e, info.id);
            part->before = e.offset + 1;
        }

        from = part->before;
    }
}


static void
ngx_live_push_item(lv_json_t *j, lv_room_entry_t *e, const char *room)
{
    static const char  *status[] = { "ok", "held", "shadow" };

    if ((e->flags & LV_ROOM_REMOTE) || e->kind == LV_ROOM_POLL
        || e->kind == LV_ROOM_SETTINGS)
    {
        return;
    }

    ngx_live_push.items++;

    lv_json_open(j, NULL, '{');
    ngx_live_push_id(j, "id", e->id);
    lv_json_text(j, "stream", room);
    lv_json_text(j, "kind", lv_room_kind_name(e->kind));
    ngx_live_push_str(j, "user", e->user);
    ngx_live_push_str(j, "name", e->name);
    lv_json_text(j, "role", lv_role_name(e->role));
    lv_json_int(j, "time_ms", (int64_t) e->time_ms);

    if (e->media_ms) {
        lv_json_int(j, "media_ms", (int64_t) e->media_ms);
    }

    if (e->kind != LV_ROOM_BAN && e->status <= LV_ROOM_SHADOW) {
        lv_json_text(j, "status", status[e->status]);
    }

    ngx_live_push_more(j, e);
    lv_json_close(j, '}');
}


/* What a kind's fields mean: see lv_room_kind_e. */

static void
ngx_live_push_more(lv_json_t *j, lv_room_entry_t *e)
{
    switch (e->kind) {

    case LV_ROOM_MESSAGE:
    case LV_ROOM_QUESTION:
        ngx_live_push_str(j, "text", e->text);
        ngx_live_push_id(j, "reply_to", e->target);
        break;

    case LV_ROOM_EVENT:
        ngx_live_push_str(j, "text", e->text);
        break;

    case LV_ROOM_REACTION:
        ngx_live_push_str(j, "reaction", e->text);
        lv_json_int(j, "count", e->count);
        break;

    case LV_ROOM_LIKE:
        lv_json_bool(j, "on", e->count != 0);
        break;

    case LV_ROOM_VOTE:
        ngx_live_push_id(j, "poll", e->target);
        lv_json_int(j, "choice", e->count);
        break;

    case LV_ROOM_FLAG:
        ngx_live_push_id(j, "target", e->target);
        ngx_live_push_str(j, "reason", e->text);
        break;

    case LV_ROOM_TIMEOUT:
    case LV_ROOM_BAN:

        if (e->count) {
            lv_json_int(j, "seconds", e->count);
        }

        if (e->kind == LV_ROOM_BAN && e->status == LV_ROOM_SHADOW) {
            lv_json_bool(j, "shadow", true);
        }

        ngx_live_push_str(j, "target_user", e->subject);
        ngx_live_push_str(j, "reason", e->text);
        break;

    case LV_ROOM_REVIEW:
        ngx_live_push_id(j, "target", e->target);
        lv_json_bool(j, "approve", e->count != 0);
        break;

    default:
        ngx_live_push_id(j, "target", e->target);
        ngx_live_push_str(j, "target_user", e->subject);
        break;
    }
}


static void
ngx_live_push_id(lv_json_t *j, const char *name, uint64_t id)
{
    u_char  text[NGX_INT64_LEN + 1];

    if (id) {
        (void) ngx_sprintf(text, "%uL%Z", id);
        lv_json_text(j, name, (char *) text);
    }
}


static void
ngx_live_push_str(lv_json_t *j, const char *name, lv_str_t s)
{
    if (s.len) {
        lv_json_utf8(j, name, s);
    }
}


static void
ngx_live_push_reply(void *data, ngx_live_reply_t *reply)
{
    lv_store_t       *st = data;
    ngx_uint_t        full;
    ngx_live_push_t  *p;

    p = &ngx_live_push;
    p->call = NULL;

    if (reply->status == 200) {

        if (p->fails) {
            ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                          "live: chat messages are saved again");
        }

        full = p->items >= p->limit || p->text.len >= NGX_LIVE_PUSH_BODY;
        p->fails = 0;
        p->limit = NGX_LIVE_PUSH_ITEMS;
        ngx_live_push_taken(st);

        if (full) {
            ngx_live_chat_push(st);
        }

        return;
    }

    ngx_live_push_refused(st, reply);
}


static void
ngx_live_push_taken(lv_store_t *st)
{
    ngx_uint_t        i;
    ngx_live_push_t  *p;

    p = &ngx_live_push;

    for (i = 0; i < p->nparts; i++) {
        lv_room_saved(st, p->parts[i].room, p->parts[i].gen,
                      p->parts[i].before);
    }

    p->nparts = 0;
}


/*
 * The same again, a little later. What is refused as such (400, 413, 422) is
 * looked for by halving, so that one odd entry does not hold up all others.
 */

static void
ngx_live_push_refused(lv_store_t *st, ngx_live_reply_t *reply)
{
    ngx_uint_t        n;
    ngx_live_push_t  *p;

    p = &ngx_live_push;

    if (reply->status == 400 || reply->status == 413 || reply->status == 422)
    {
        if (p->items > 1) {
            p->limit = p->items / 2;

        } else {
            ngx_log_error(NGX_LOG_CRIT, ngx_cycle->log, 0,
                          "live: the control plane refuses a chat message "
                          "(status %ui), it is not saved", reply->status);
            ngx_live_push_taken(st);
            p->limit = NGX_LIVE_PUSH_ITEMS;
        }

    } else if (p->fails == 0) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "live: chat messages cannot be saved (%s, status %ui); "
                      "they are kept, and the chat goes on",
                      reply->error ? reply->error : "refused",
                      reply->status);
    }

    n = ngx_min(p->fails, 5);
    p->fails++;
    p->retry_at = ngx_current_msec
                  + ngx_min(NGX_LIVE_PUSH_RETRY << n,
                            NGX_LIVE_PUSH_RETRY_MAX);
}

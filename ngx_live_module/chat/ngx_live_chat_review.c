/*
 * A service of the stream owner's is asked about each message before anybody
 * else sees it, and about each that comes over the API. It has 200 ms; then,
 * and when it cannot be asked, the room's settings say what becomes of it.
 *
 *   said --> rules --> asked … verdict, or time is up --> the room's log
 *
 * Messages of one author stay in order: a verdict waits for those before it.
 * A worker has at most NGX_LIVE_CHAT_REVIEWS under way, a room of them at most
 * NGX_LIVE_CHAT_REVIEWS_ROOM: what is beyond is as if no answer came in time.
 */

#include "ngx_live_chat.h"
#include "ngx_live_chat_sync.h"

#include <jansson.h>


#define NGX_LIVE_CHAT_REVIEW_MS     200
#define NGX_LIVE_CHAT_REVIEWS       512
#define NGX_LIVE_CHAT_REVIEWS_ROOM  64
#define NGX_LIVE_CHAT_REVIEW_LOG_S  10   /* between two lines of the log */
#define NGX_LIVE_CHAT_REVIEW_WHY    200  /* characters of a reason */


typedef enum {
    NGX_LIVE_CHAT_ASKED = 0,
    NGX_LIVE_CHAT_ALLOW,
    NGX_LIVE_CHAT_DENY,
    NGX_LIVE_CHAT_HOLD
} ngx_live_chat_verdict_e;

typedef struct {
    ngx_queue_t               queue;
    ngx_live_call_t          *call;
    ngx_live_chat_member_t   *member;    /* NULL: gone, or it has none */
    lv_room_t                *room;
    uint32_t                  gen;
    ngx_live_chat_verdict_e   verdict;
    ngx_live_chat_verdict_e   without;   /* an answer */
    lv_room_entry_t           e;         /* its texts are in data */
    lv_str_t                  ref;
    size_t                    why_len;
    uint8_t                   why[NGX_LIVE_CHAT_REVIEW_WHY * 4 + 1];
    u_char                    data[1];
} ngx_live_chat_review_t;


static void ngx_live_chat_review_reply(void *data, ngx_live_reply_t *reply);


static ngx_queue_t  ngx_live_chat_reviews;
static ngx_uint_t   ngx_live_chat_reviews_count;
static time_t       ngx_live_chat_review_logged;


/* ---- whom to ask --------------------------------------------------------- */

static ngx_live_chat_verdict_e
ngx_live_chat_verdict(const char *name)
{
    if (name && ngx_strcmp(name, "allow") == 0) {
        return NGX_LIVE_CHAT_ALLOW;
    }

    if (name && ngx_strcmp(name, "hold") == 0) {
        return NGX_LIVE_CHAT_HOLD;
    }

    return NGX_LIVE_CHAT_DENY;
}


/* `json`: settings.review, or NULL: nobody. */
void
ngx_live_chat_review_conf(ngx_live_chat_rules_t *rules, json_t *json)
{
    const char  *url, *secret;

    free(rules->review_url);
    free(rules->review_secret);
    rules->review_url = NULL;
    rules->review_secret = NULL;

    url = json_string_value(json_object_get(json, "url"));
    secret = json_string_value(json_object_get(json, "secret"));

    if (url == NULL || secret == NULL) {
        return;
    }

    rules->review_url = strdup(url);
    rules->review_secret = strdup(secret);
    rules->review_without = ngx_live_chat_verdict(json_string_value(
                                json_object_get(json, "on_timeout")));
}


/* ---- asking -------------------------------------------------------------- */

static void
ngx_live_chat_review_text(lv_text_t *t, const char *room, lv_room_entry_t *e)
{
    lv_json_t  j;

    lv_json_init(&j, t);
    lv_json_open(&j, NULL, '{');
    lv_json_text(&j, "stream", room);
    lv_json_text(&j, "kind", lv_room_kind_name(e->kind));
    lv_json_utf8(&j, "user", e->user);
    lv_json_utf8(&j, "name", e->name);
    lv_json_text(&j, "role", lv_role_name(e->role));
    lv_json_int(&j, "time", (int64_t) ngx_live_now_ms());
    lv_json_utf8(&j, "text", e->text);

    if (e->target) {
        ngx_live_chat_id(&j, "reply_to", e->target);
    }

    lv_json_close(&j, '}');
}


static u_char *
ngx_live_chat_review_keep(u_char *p, lv_str_t *text)
{
    if (text->len) {
        ngx_memcpy(p, text->data, text->len);
    }

    text->data = p;

    return p + text->len;
}


static ngx_live_chat_review_t *
ngx_live_chat_review_new(lv_room_entry_t *e, lv_str_t ref)
{
    u_char                  *p;
    ngx_live_chat_review_t  *rv;

    rv = ngx_calloc(sizeof(ngx_live_chat_review_t) + e->user.len + e->name.len
                    + e->text.len + ref.len, ngx_cycle->log);
    if (rv == NULL) {
        return NULL;
    }

    rv->e = *e;
    rv->ref = ref;
    p = ngx_live_chat_review_keep(rv->data, &rv->e.user);
    p = ngx_live_chat_review_keep(p, &rv->e.name);
    p = ngx_live_chat_review_keep(p, &rv->e.text);
    (void) ngx_live_chat_review_keep(p, &rv->ref);

    return rv;
}


static ngx_uint_t
ngx_live_chat_review_full(lv_room_t *room)
{
    ngx_uint_t               n;
    ngx_queue_t             *q;
    ngx_live_chat_review_t  *rv;

    if (ngx_live_chat_reviews_count == 0) {
        ngx_queue_init(&ngx_live_chat_reviews);
        return 0;
    }

    n = 0;

    for (q = ngx_queue_head(&ngx_live_chat_reviews);
         q != ngx_queue_sentinel(&ngx_live_chat_reviews);
         q = ngx_queue_next(q))
    {
        rv = ngx_queue_data(q, ngx_live_chat_review_t, queue);
        n += rv->room == room;
    }

    return ngx_live_chat_reviews_count >= NGX_LIVE_CHAT_REVIEWS
           || n >= NGX_LIVE_CHAT_REVIEWS_ROOM;
}


static void
ngx_live_chat_review_failed(const char *url, const char *why,
    ngx_uint_t status)
{
    ngx_live_count(NGX_LIVE_C_CHAT_REVIEW_FAILED, 1);

    if (ngx_time() - ngx_live_chat_review_logged
        < NGX_LIVE_CHAT_REVIEW_LOG_S)
    {
        return;
    }

    ngx_live_chat_review_logged = ngx_time();
    ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                  "live chat: a service%s%s gave no verdict: %s, status %ui; "
                  "more of it is not logged for %d s", url ? " at " : "",
                  url ? url : "", why ? why : "it makes no sense", status,
                  NGX_LIVE_CHAT_REVIEW_LOG_S);
}


/* Sends the question, or notes the verdict without an answer. */
static void
ngx_live_chat_review_ask(ngx_live_chat_review_t *rv, const char *id,
    ngx_live_chat_rules_t *rules, ngx_uint_t full)
{
    lv_str_t     body, secret;
    lv_text_t    t;
    ngx_str_t    url;
    const char  *err;

    rv->without = rules->review_without;
    err = "too many are under way";

    if (!full) {
        lv_text_init(&t, 64 * 1024);
        ngx_live_chat_review_text(&t, id, &rv->e);

        url.data = (u_char *) rules->review_url;
        url.len = ngx_strlen(rules->review_url);
        secret.data = (uint8_t *) rules->review_secret;
        secret.len = ngx_strlen(rules->review_secret);
        body.data = t.data;
        body.len = t.len;

        rv->call = t.failed ? NULL
                   : ngx_live_public_call(&url, body, secret,
                                          NGX_LIVE_CHAT_REVIEW_MS,
                                          ngx_live_chat_review_reply, rv,
                                          &err);
        lv_text_free(&t);
    }

    if (rv->call == NULL) {
        rv->verdict = rv->without;
        ngx_live_chat_review_failed(rules->review_url, err, 0);
    }

    ngx_live_count(NGX_LIVE_C_CHAT_REVIEWED, 1);
}


/* ---- what comes of it ---------------------------------------------------- */

static void
ngx_live_chat_review_deny(ngx_live_chat_review_t *rv, lv_chat_msg_t *msg)
{
    char  why[sizeof(rv->why)];

    if (rv->member == NULL) {
        return;
    }

    ngx_memcpy(why, rv->why, rv->why_len);
    why[rv->why_len] = '\0';

    ngx_live_chat_error(rv->member, msg, "blocked",
                        rv->why_len ? why : "This room does not take that.",
                        0);
}


static void
ngx_live_chat_review_end(ngx_live_chat_review_t *rv)
{
    uint64_t                 until;
    lv_store_t              *st;
    lv_chat_msg_t            msg;
    ngx_live_chat_member_t  *m;

    static const lv_str_t    none = { NULL, 0 };

    st = ngx_live_store();
    m = rv->member;

    ngx_memzero(&msg, sizeof(lv_chat_msg_t));
    msg.ref = rv->ref;
    msg.has = rv->ref.len ? LV_CHAT_HAS_REF : 0;

    if (rv->verdict == NGX_LIVE_CHAT_DENY) {
        ngx_live_chat_review_deny(rv, &msg);
        return;
    }

    if (rv->verdict == NGX_LIVE_CHAT_HOLD
        && rv->e.status != LV_ROOM_SHADOW)
    {
        rv->e.status = LV_ROOM_HELD;
    }

    if (m != NULL && m->joined) {
        ngx_live_chat_say(m, &msg, &rv->e);
        return;
    }

    /* who has left meanwhile may have been made to */

    if (st == NULL) {
        return;
    }

    switch (lv_room_banned(st, rv->room, rv->gen, rv->e.user, none, none,
                           ngx_live_now_ms(), &until))
    {
    case LV_BAN_NONE:
        break;

    case LV_BAN_SHADOW:
        rv->e.status = LV_ROOM_SHADOW;
        break;

    default:
        return;
    }

    if (lv_room_append(st, rv->room, rv->gen, ngx_live_now_ms(), &rv->e)
           != LV_OK)
    {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0, "live chat: a message "
                      "that was allowed has no room");
    }
}


/* All that have a verdict and wait for none of the same author. */
static void
ngx_live_chat_review_go(void)
{
    ngx_uint_t               again;
    ngx_queue_t             *q, *before;
    ngx_live_chat_review_t  *rv, *old;

    do {
        again = 0;

        for (q = ngx_queue_head(&ngx_live_chat_reviews);
             q != ngx_queue_sentinel(&ngx_live_chat_reviews) && !again;
             q = ngx_queue_next(q))
        {
            rv = ngx_queue_data(q, ngx_live_chat_review_t, queue);
            again = rv->verdict != NGX_LIVE_CHAT_ASKED;

            for (before = ngx_queue_head(&ngx_live_chat_reviews);
                 before != q && again; before = ngx_queue_next(before))
            {
                old = ngx_queue_data(before, ngx_live_chat_review_t, queue);
                again = old->room != rv->room
                        || old->e.author != rv->e.author;
            }

            if (again) {
                /* what follows may take members along, and come back here */
                ngx_queue_remove(&rv->queue);
                ngx_live_chat_reviews_count--;
                ngx_live_chat_review_end(rv);

                if (rv->member && rv->member->reviews) {
                    rv->member->reviews--;
                }

                ngx_free(rv);
                break;
            }
        }

    } while (again && ngx_live_chat_reviews_count > 0);
}


/* {"action":"allow|deny|hold","message":"…"} */
static void
ngx_live_chat_review_reply(void *data, ngx_live_reply_t *reply)
{
    size_t                   n;
    json_t                  *root, *why;
    const char              *action;
    ngx_live_chat_review_t  *rv = data;

    rv->call = NULL;
    rv->verdict = rv->without;

    root = reply->status == 200
           ? json_loadb((char *) reply->body.data, reply->body.len,
                        JSON_REJECT_DUPLICATES, NULL)
           : NULL;
    action = json_string_value(json_object_get(root, "action"));

    if (action != NULL
        && (ngx_strcmp(action, "allow") == 0 || ngx_strcmp(action, "deny") == 0
            || ngx_strcmp(action, "hold") == 0))
    {
        rv->verdict = ngx_live_chat_verdict(action);

        why = json_object_get(root, "message");
        n = json_string_length(why);

        if (n > 0 && n < sizeof(rv->why)) {
            ngx_memcpy(rv->why, json_string_value(why), n);
            (void) lv_chat_text_clean(rv->why, &n);
            rv->why_len = n;
        }

    } else {
        ngx_live_chat_review_failed(NULL, reply->error, reply->status);
    }

    json_decref(root);
    ngx_live_chat_review_go();
}


ngx_uint_t
ngx_live_chat_review(ngx_live_chat_member_t *m, lv_chat_msg_t *msg,
    lv_room_entry_t *e)
{
    lv_str_t                 ref;
    ngx_uint_t               full;
    ngx_live_chat_rules_t   *rules;
    ngx_live_chat_review_t  *rv;

    rules = &m->room->rules;

    if (rules->review_url == NULL || m->role >= LV_ROLE_MODERATOR
        || e->status != LV_ROOM_OK)
    {
        return 0;
    }

    ngx_memzero(&ref, sizeof(lv_str_t));

    if (msg->has & LV_CHAT_HAS_REF) {
        ref = msg->ref;
    }

    ngx_live_chat_author(m, e);
    full = ngx_live_chat_review_full(m->room->room);
    rv = ngx_live_chat_review_new(e, ref);

    if (rv == NULL) {
        ngx_live_chat_error(m, msg, "unavailable",
                            "The room can take no messages now.", 5000);
        return 1;
    }

    rv->member = m;
    rv->room = m->room->room;
    rv->gen = m->room->gen;
    m->reviews++;
    ngx_queue_insert_tail(&ngx_live_chat_reviews, &rv->queue);
    ngx_live_chat_reviews_count++;

    ngx_live_chat_review_ask(rv, m->room->id, rules, full);
    ngx_live_chat_review_go();

    return 1;
}


void
ngx_live_chat_review_gone(ngx_live_chat_member_t *m)
{
    ngx_queue_t             *q;
    ngx_live_chat_review_t  *rv;

    for (q = m->reviews ? ngx_queue_head(&ngx_live_chat_reviews) : NULL;
         q != NULL && q != ngx_queue_sentinel(&ngx_live_chat_reviews);
         q = ngx_queue_next(q))
    {
        rv = ngx_queue_data(q, ngx_live_chat_review_t, queue);

        if (rv->member == m) {
            rv->member = NULL;
        }
    }

    m->reviews = 0;
}


/* A message over the API: as one of a member that has gone. */
static ngx_uint_t
ngx_live_chat_review_api(lv_store_t *st, lv_room_t *room, uint32_t gen,
    lv_room_entry_t *e)
{
    ngx_uint_t               full;
    lv_str_t                 ref;
    lv_room_info_t           info;
    ngx_live_chat_rules_t    rules;
    ngx_live_chat_review_t  *rv;

    if (e->role >= LV_ROLE_MODERATOR || e->status != LV_ROOM_OK) {
        return 0;
    }

    ngx_memzero(&rules, sizeof(ngx_live_chat_rules_t));
    ngx_memzero(&ref, sizeof(lv_str_t));
    ngx_live_chat_rules_of(st, room, gen, &rules);
    rv = NULL;

    if (rules.review_url && lv_room_info(st, room, gen, &info) == LV_OK) {
        full = ngx_live_chat_review_full(room);
        rv = ngx_live_chat_review_new(e, ref);
    }

    if (rv) {
        rv->room = room;
        rv->gen = gen;
        ngx_queue_insert_tail(&ngx_live_chat_reviews, &rv->queue);
        ngx_live_chat_reviews_count++;
        ngx_live_chat_review_ask(rv, info.id, &rules, full);
        ngx_live_chat_review_go();
    }

    ngx_live_chat_rules_free(&rules);

    return rv != NULL;
}


void
ngx_live_chat_review_init(void)
{
    ngx_live_chat_sync_say = ngx_live_chat_review_api;
}

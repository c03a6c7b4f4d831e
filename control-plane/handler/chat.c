/* What is said in a stream's room, over the API: see also chat_room.h. */

#include <stdlib.h>
#include <string.h>

#include "handler/chat_room.h"
#include "handler/chat_rules.h"
#include "handler/stream_access.h"
#include "handler/stream_json.h"
#include "http/page.h"
#include "http/router.h"

#define ID_AFTER_ALL  "9223372036854775807"

/* What a list shows of a message m; $5: the caller moderates. */
#define CHAT_JSON                                                             \
    "jsonb_strip_nulls(jsonb_build_object('id', m.id::text, 'kind', m.kind,"  \
    " 'user', m.subject, 'name', m.name, 'text', m.message_text,"             \
    " 'time', " SQL_TIME("m.\"timestamp\"") ", 'media_ms', m.media_ms,"       \
    " 'reply_to', m.reply_to::text, 'event', m.data ->> 'event',"             \
    " 'data', m.data -> 'data',"                                              \
    " 'status', CASE WHEN $5::boolean THEN m.status END))"

/* $1 stream, $2 id before (or after) the first, $3 and $4 times or NULL, $5
 * with what is not shown to all, $6 who asks, $7 a limit. */
#define CHAT_HISTORY(from, order)                                             \
    "SELECT " CHAT_JSON ", m.id FROM chat_messages m"                         \
    " WHERE m.stream_id = $1 AND m.kind IN ('message', 'question', 'event')"  \
    "  AND m.id " from " $2::bigint"                                          \
    "  AND m.id >= coalesce(chat_id($3::timestamptz), 0)"                     \
    "  AND m.id < coalesce(chat_id($4::timestamptz), " ID_AFTER_ALL ")"       \
    "  AND m.id >= coalesce((SELECT c.gone_before FROM chat_rooms c"          \
    "   WHERE c.stream_id = $1), 0)"                                          \
    "  AND (m.status = 'ok' OR $5::boolean"                                   \
    "   OR (m.status = 'shadow' AND m.user_id = $6::bigint))"                 \
    " ORDER BY m.id " order " LIMIT $7::integer"

static const db_query_t  q_chat_history = {
    "chat_history", CHAT_HISTORY("<", "DESC"), 7
};
DB_REGISTER(q_chat_history);

static const db_query_t  q_chat_history_forth = {
    "chat_history_forth", CHAT_HISTORY(">", "ASC"), 7
};
DB_REGISTER(q_chat_history_forth);

/* $1 stream, $2 user: what a message of his needs, and what forbids it. */
static const db_query_t  q_chat_writer = {
    "chat_writer",
    "SELECT coalesce(u.display_name, u.username),"
    " EXISTS (SELECT FROM follows f WHERE f.follower_id = u.id"
    "  AND f.user_id = (SELECT s.user_id FROM streams s WHERE s.id = $1)),"
    " EXISTS (SELECT FROM chat_bans b WHERE b.stream_id = $1"
    "  AND b.kind = 'sub' AND b.value = $2 AND NOT b.shadow"
    "  AND (b.until IS NULL OR b.until > now())),"
    " EXISTS (SELECT FROM subscriptions x WHERE x.subscriber_id = u.id"
    "  AND x.user_id = (SELECT s.user_id FROM streams s WHERE s.id = $1)"
    "  AND (x.until IS NULL OR x.until > now())),"
    " EXISTS (SELECT FROM chat_bans b WHERE b.stream_id = $1"
    "  AND b.kind = 'sub' AND b.value = $2 AND b.shadow"
    "  AND (b.until IS NULL OR b.until > now()))"
    " FROM users u WHERE u.id = $2::text::bigint",
    2
};
DB_REGISTER(q_chat_writer);

static const db_query_t  q_chat_pin = {
    "chat_pin",
    "SELECT chat_pin($1, $2::bigint)",
    2
};
DB_REGISTER(q_chat_pin);

static const db_query_t  q_chat_pinned = {
    "chat_pinned",
    "SELECT pinned_json FROM chat_rooms WHERE stream_id = $1",
    1
};
DB_REGISTER(q_chat_pinned);

static const db_query_t  q_chat_like = {
    "chat_like",
    "INSERT INTO chat_likes (stream_id, subject) VALUES ($1, $2)"
    " ON CONFLICT DO NOTHING",
    2
};
DB_REGISTER(q_chat_like);

static const db_query_t  q_chat_unlike = {
    "chat_unlike",
    "DELETE FROM chat_likes WHERE stream_id = $1 AND subject = $2",
    2
};
DB_REGISTER(q_chat_unlike);

static const db_query_t  q_chat_likes = {
    "chat_likes",
    "SELECT json_build_object('likes', coalesce((SELECT c.likes"
    "  FROM chat_like_counts c WHERE c.stream_id = $1), 0),"
    " 'liked', EXISTS (SELECT FROM chat_likes l WHERE l.stream_id = $1"
    "  AND l.subject = $2))",
    2
};
DB_REGISTER(q_chat_likes);

/* From where, for the room that is raided. */
static const db_query_t  q_chat_raider = {
    "chat_raider",
    "SELECT s.title, u.username, coalesce(l.viewers, 0) FROM streams s"
    " JOIN users u ON u.id = s.user_id"
    " LEFT JOIN live_streams l ON l.stream_id = s.id WHERE s.id = $1",
    1
};
DB_REGISTER(q_chat_raider);

static const db_query_t  q_chat_raided = {
    "chat_raided",
    "SELECT s.title, u.username FROM streams s JOIN users u"
    " ON u.id = s.user_id WHERE s.id = $1 AND u.suspended_at IS NULL"
    "  AND s.visibility IN ('public', 'unlisted')",
    1
};
DB_REGISTER(q_chat_raided);


static int
problem_no_room(request_t *r)
{
    respond_header(r, "Retry-After", "5");

    return problem(r, 503, "no-node", "There is no node to say it: try again "
                   "later.");
}


static int
history_get(request_t *r)
{
    int           rc;
    bool          forth, all;
    page_t        page;
    stream_t      stream;
    const char   *order, *shown;
    db_result_t  *res;

    rc = page_read(r, &page, 1);
    if (rc != 0) {
        return rc;
    }

    shown = request_query(r, "all");
    all = shown != NULL && strcmp(shown, "true") == 0;

    rc = stream_open(r, all ? STREAM_MODERATE : STREAM_SEE, &stream);
    if (rc != 0) {
        return rc;
    }

    if (page.keys && !chat_id_valid(page.key[0])) {
        return problem_field(r, "cursor", "is not one of this list.");
    }

    order = request_query(r, "order");
    forth = order != NULL && strcmp(order, "asc") == 0;

    res = db_run(r->db, forth ? &q_chat_history_forth : &q_chat_history,
                 stream.id,
                 page.keys ? page.key[0] : forth ? "-1" : ID_AFTER_ALL,
                 request_query(r, "from"), request_query(r, "to"),
                 all ? "t" : "f", caller_id(r), page.limit_text);
    if (res == NULL) {
        return problem_db(r);
    }

    return respond_page(r, &page, res, 0, 1);
}


static const char *
chat_role(request_t *r, const stream_t *stream, bool follows, bool subscribes)
{
    if (stream->rank == RANK_ADMIN || r->caller.role >= ROLE_MODERATOR) {
        return "moderator";
    }

    switch (stream->rank) {

    case RANK_OWNER:
        return "owner";

    case RANK_CO_HOST:
        return "co-host";

    case RANK_MODERATOR:
        return "moderator";

    case RANK_VIP:
        return "vip";
    }

    return subscribes ? "subscriber" : follows ? "follower" : "viewer";
}


/* The room says it, gives it its id, and sends it back to be kept. */

static int
chat_post(request_t *r)
{
    int           rc;
    bool          sent, shadow;
    stream_t      stream;
    const char   *name;
    chat_said_t   said;
    db_result_t  *res;

    rc = stream_open(r, STREAM_SEE, &stream);
    if (rc != 0) {
        return rc;
    }

    res = db_run(r->db, &q_chat_writer, stream.id, r->caller.user_text);
    if (res == NULL) {
        return problem_db(r);
    }

    if (stream.rank == RANK_BANNED || (stream.rank < RANK_MODERATOR
                                       && db_bool(res, 0, 2)))
    {
        return problem(r, 403, "banned", "You may not write here now.");
    }

    name = db_text(res, 0, 0);
    shadow = stream.rank < RANK_MODERATOR && db_bool(res, 0, 4);
    said.stream = stream.id;
    said.role = chat_role(r, &stream, db_bool(res, 0, 1), db_bool(res, 0, 3));
    said.text = body_text(r->body, "text");

    rc = chat_rules(r, &said);
    if (rc != 0) {
        return rc;
    }

    if (chat_command_one(r, stream.id, "message",
            json_pack("{s:s,s:s,s:s,s:s,s:s*,s:b,s:b}", "user",
                r->caller.user_text, "name", name, "role", said.role, "text",
                said.text, "reply_to", body_text(r->body, "reply_to"), "held",
                said.held, "shadow", shadow), &sent) != 0)
    {
        return problem_db(r);
    }

    return sent ? respond(r, 202, json_pack("{s:b,s:b}", "accepted", 1, "held",
                                          said.held))
                : problem_no_room(r);
}


/* Gifts and tips of the platform's own shop, or of a service of the owner's. */

static int
chat_event_post(request_t *r)
{
    int          rc;
    bool         sent;
    json_t      *data;
    stream_t     stream;
    const char  *event;

    rc = stream_open(r, STREAM_EDIT, &stream);
    if (rc != 0) {
        return rc;
    }

    event = body_text(r->body, "event");
    data = json_deep_copy(r->body);
    json_object_del(data, "event");
    json_object_del(data, "text");

    if (chat_command_one(r, stream.id, "event",
            json_pack("{s:s,s:s*,s:o}", "event", event, "text",
                body_text(r->body, "text"), "data", data), &sent) != 0)
    {
        return problem_db(r);
    }

    if (!sent) {
        return problem_no_room(r);
    }

    if (audit(r, "chat.event", "chat", stream.id,
              json_pack("{s:s}", "event", event)) != 0)
    {
        return problem_db(r);
    }

    return respond(r, 202, json_pack("{s:b}", "accepted", 1));
}


static int
raid_post(request_t *r)
{
    int           rc;
    bool          sent, told;
    stream_t      stream;
    const char   *to;
    db_result_t  *res, *from;

    rc = stream_open(r, STREAM_EDIT, &stream);
    if (rc != 0) {
        return rc;
    }

    to = body_text(r->body, "stream");

    if (strcmp(to, stream.id) == 0) {
        return problem_field(r, "stream", "is this one.");
    }

    res = db_run(r->db, &q_chat_raided, to);
    if (res == NULL) {
        return problem_db(r);
    }

    if (db_rows(res) == 0) {
        return problem_field(r, "stream", "is none that everybody may see.");
    }

    from = db_run(r->db, &q_chat_raider, stream.id);

    if (from == NULL
        || chat_command_one(r, stream.id, "event",
            json_pack("{s:s,s:{s:s,s:s,s:s}}", "event", "raid", "data",
                "stream", to, "title", db_text(res, 0, 0), "username",
                db_text(res, 0, 1)), &sent) != 0
        || (sent && chat_command_one(r, to, "event",
            json_pack("{s:s,s:{s:s,s:s,s:s,s:I}}", "event", "raided", "data",
                "stream", stream.id, "title", db_text(from, 0, 0), "username",
                db_text(from, 0, 1), "viewers",
                (json_int_t) db_int(from, 0, 2)), &told) != 0)
        || audit(r, "chat.raid", "chat", stream.id,
                 json_pack("{s:s}", "stream", to)) != 0)
    {
        return problem_db(r);
    }

    return sent ? respond(r, 202, json_pack("{s:b}", "accepted", 1))
                : problem_no_room(r);
}


/* message: its id, or NULL to take the pin away. */

static int
pin_set(request_t *r, const char *message)
{
    int           rc;
    json_t       *pinned;
    stream_t      stream;
    db_result_t  *res;

    rc = stream_open(r, STREAM_MODERATE, &stream);
    if (rc != 0) {
        return rc;
    }

    if (chat_touch(r, stream.id, 0) != 0
        || db_run(r->db, &q_chat_pin, stream.id, message) == NULL)
    {
        return problem_db(r);
    }

    res = db_run(r->db, &q_chat_pinned, stream.id);
    if (res == NULL) {
        return problem_db(r);
    }

    if (message != NULL && db_null(res, 0, 0)) {
        return problem_no_message(r);
    }

    pinned = message != NULL ? json_loads(db_text(res, 0, 0), 0, NULL) : NULL;

    if (chat_command(r, stream.id, "pin", json_pack("{s:s?,s:o*}", "target",
                         message, "message", pinned)) != 0
        || audit(r, "chat.pin", "chat", stream.id,
                 json_pack("{s:s?}", "target", message)) != 0)
    {
        return problem_db(r);
    }

    return message != NULL ? respond_text(r, 200, db_text(res, 0, 0))
                           : respond_empty(r);
}


static int
pin_put(request_t *r)
{
    return pin_set(r, body_text(r->body, "message"));
}


static int
pin_delete(request_t *r)
{
    return pin_set(r, NULL);
}


static int
like_change(request_t *r, const db_query_t *q)
{
    int           rc;
    stream_t      stream;
    db_result_t  *res;

    rc = stream_open(r, STREAM_SEE, &stream);
    if (rc != 0) {
        return rc;
    }

    if (q != NULL && db_run(r->db, q, stream.id, caller_id(r)) == NULL) {
        return problem_db(r);
    }

    res = db_run(r->db, &q_chat_likes, stream.id, caller_id(r));

    return res != NULL ? respond_text(r, 200, db_text(res, 0, 0))
                       : problem_db(r);
}


static int
like_get(request_t *r)
{
    return like_change(r, NULL);
}


static int
like_put(request_t *r)
{
    return like_change(r, &q_chat_like);
}


static int
like_delete(request_t *r)
{
    return like_change(r, &q_chat_unlike);
}


static const field_t  chat_fields[] = {
    { .name = "text", .type = FIELD_TEXT, .flags = FIELD_REQUIRED, .min = 1,
      .max = 2000 },
    { .name = "reply_to", .type = FIELD_ID },
    { 0 }
};

static const field_t  chat_event_fields[] = {
    { .name = "event", .type = FIELD_ONE_OF, .flags = FIELD_REQUIRED,
      .of = "gift|tip|system" },
    { .name = "text", .type = FIELD_TEXT, .min = 1, .max = 500 },
    { .name = "name", .type = FIELD_TEXT, .min = 1, .max = 64 },
    { .name = "item", .type = FIELD_TEXT, .min = 1, .max = 64 },
    { .name = "count", .type = FIELD_INT, .min = 1, .max = 1000000 },
    /* in the currency's smallest unit */
    { .name = "amount", .type = FIELD_INT, .min = 1, .max = 100000000000 },
    { .name = "currency", .type = FIELD_TEXT, .min = 3, .max = 3 },
    { 0 }
};

static const field_t  raid_fields[] = {
    { .name = "stream", .type = FIELD_STREAM, .flags = FIELD_REQUIRED },
    { 0 }
};

static const field_t  pin_fields[] = {
    { .name = "message", .type = FIELD_ID, .flags = FIELD_REQUIRED },
    { 0 }
};

static const field_t  history_query[] = {
    PAGE_FIELDS,
    { .name = "order", .type = FIELD_ONE_OF, .of = "asc|desc" },
    { .name = "from", .type = FIELD_TIME },
    { .name = "to", .type = FIELD_TIME },
    { .name = "all", .type = FIELD_BOOL },
    { 0 }
};

const route_t  routes_chat[] = {
    { "POST", "/streams/{id}/chat", chat_post, ACCESS_USER, 0,
      "chat:write", chat_fields, NULL, NULL },
    { "GET", "/streams/{id}/chat/history", history_get, ACCESS_ANYONE, 0,
      "streams:read", NULL, history_query, NULL },
    { "POST", "/streams/{id}/chat/events", chat_event_post, ACCESS_USER, 0,
      "chat:write", chat_event_fields, NULL, NULL },
    { "PUT", "/streams/{id}/chat/pin", pin_put, ACCESS_USER, 0,
      "chat:moderate", pin_fields, NULL, NULL },
    { "DELETE", "/streams/{id}/chat/pin", pin_delete, ACCESS_USER, 0,
      "chat:moderate", NULL, NULL, NULL },
    { "POST", "/streams/{id}/raid", raid_post, ACCESS_USER, 0,
      "chat:write", raid_fields, NULL, NULL },
    { "GET", "/streams/{id}/like", like_get, ACCESS_ANYONE, 0,
      "streams:read", NULL, NULL, NULL },
    { "PUT", "/streams/{id}/like", like_put, ACCESS_USER, 0,
      "chat:write", NULL, NULL, NULL },
    { "DELETE", "/streams/{id}/like", like_delete, ACCESS_USER, 0,
      "chat:write", NULL, NULL, NULL },
    { 0 }
};

/* A room's settings, and what becomes of single messages. */

#include <stdlib.h>
#include <string.h>

#include "handler/chat_room.h"
#include "handler/stream_access.h"
#include "handler/stream_json.h"
#include "http/page.h"
#include "http/router.h"

#define SETTINGS_JSON                                                         \
    "json_build_object('settings', coalesce(c.settings, '{}'),"               \
    " 'keep_days', c.keep_days, 'pinned', c.pinned_json)"

static const db_query_t  q_chat_settings = {
    "chat_settings",
    "SELECT coalesce(c.version, 0), " SETTINGS_JSON ", c.settings"
    " FROM (SELECT) x LEFT JOIN chat_rooms c ON c.stream_id = $1",
    1
};
DB_REGISTER(q_chat_settings);

static const db_query_t  q_chat_settings_put = {
    "chat_settings_put",
    "UPDATE chat_rooms SET settings = $2::jsonb,"
    " keep_days = CASE WHEN $3::boolean THEN $4::integer ELSE keep_days END"
    " WHERE stream_id = $1",
    4
};
DB_REGISTER(q_chat_settings_put);

static const db_query_t  q_chat_message_delete = {
    "chat_message_delete",
    "UPDATE chat_messages SET status = 'deleted', decided_at = now(),"
    " decided_by = $3::bigint WHERE stream_id = $1 AND id = $2::bigint"
    "  AND kind IN ('message', 'question', 'event')",
    3
};
DB_REGISTER(q_chat_message_delete);

static const db_query_t  q_chat_unpin = {
    "chat_unpin",
    "SELECT chat_touch($1, false, false), chat_pin($1, NULL)"
    " FROM chat_rooms c WHERE c.stream_id = $1 AND c.pinned = $2::bigint",
    2
};
DB_REGISTER(q_chat_unpin);

static const db_query_t  q_chat_clear = {
    "chat_clear",
    "UPDATE chat_messages SET status = 'deleted', decided_at = now(),"
    " decided_by = $3::bigint WHERE stream_id = $1 AND user_id = $2::bigint"
    "  AND kind IN ('message', 'question') AND status <> 'deleted'",
    3
};
DB_REGISTER(q_chat_clear);

#define HELD_JSON                                                             \
    "jsonb_strip_nulls(jsonb_build_object('id', m.id::text, 'kind', m.kind,"  \
    " 'user', m.subject, 'name', m.name, 'text', m.message_text,"             \
    " 'time', " SQL_TIME("m.\"timestamp\"") ", 'media_ms', m.media_ms,"       \
    " 'reply_to', m.reply_to::text))"

static const db_query_t  q_chat_queue = {
    "chat_queue",
    "SELECT " HELD_JSON ", m.id FROM chat_messages m"
    " WHERE m.stream_id = $1 AND m.status = 'held' AND m.id > $2::bigint"
    " ORDER BY m.id LIMIT $3::integer",
    3
};
DB_REGISTER(q_chat_queue);

static const db_query_t  q_chat_decide = {
    "chat_decide",
    "UPDATE chat_messages SET status = $3, decided_at = now(),"
    " decided_by = $4::bigint WHERE stream_id = $1 AND id = $2::bigint"
    "  AND status = 'held'",
    4
};
DB_REGISTER(q_chat_decide);


static int
settings_respond(request_t *r, const char *stream)
{
    db_result_t  *res;

    res = db_run(r->db, &q_chat_settings, stream);

    if (res == NULL) {
        return problem_db(r);
    }

    if (!request_version(r, db_text(res, 0, 0))) {
        return 412;
    }

    return respond_text(r, 200, db_text(res, 0, 1));
}


static int
settings_get(request_t *r)
{
    int       rc;
    stream_t  stream;

    rc = stream_open(r, STREAM_SEE, &stream);

    return rc != 0 ? rc : settings_respond(r, stream.id);
}


/* As a merge patch: null takes a setting out. */

static const char *
settings_merge(request_t *r, const char *current, json_t *changes)
{
    char        *dump;
    json_t      *settings, *value;
    const char  *name, *text;

    settings = json_loads(current, 0, NULL);

    if (settings == NULL) {
        settings = json_object();
    }

    json_object_foreach(changes, name, value)
    {
        if (json_is_null(value)) {
            json_object_del(settings, name);
        } else {
            json_object_set(settings, name, value);
        }
    }

    dump = json_dumps(settings, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(settings);

    if (dump == NULL) {
        abort();
    }

    text = request_printf(r, "%s", dump);
    free(dump);

    return text;
}


static int
settings_patch(request_t *r)
{
    int           rc;
    json_t       *changes, *keep;
    stream_t      stream;
    const char   *text;
    db_result_t  *res;

    rc = stream_open(r, STREAM_MODERATE, &stream);
    if (rc != 0) {
        return rc;
    }

    changes = json_object_get(r->body, "settings");
    keep = json_object_get(r->body, "keep_days");

    if (keep != NULL && stream.rank < RANK_CO_HOST) {
        return problem(r, 403, "forbidden", "How long messages are kept is "
                       "for the owner and co-hosts to say.");
    }

    res = db_run(r->db, &q_chat_settings, stream.id);
    if (res == NULL) {
        return problem_db(r);
    }

    if (!request_version(r, db_text(res, 0, 0))) {
        return 412;
    }

    text = settings_merge(r, db_text(res, 0, 2), changes);

    if (chat_touch(r, stream.id, 0) != 0
        || db_run(r->db, &q_chat_settings_put, stream.id, text,
                  keep != NULL ? "t" : "f",
                  json_is_integer(keep)
                      ? request_printf(r, "%lld",
                            (long long) json_integer_value(keep)) : NULL)
               == NULL
        || audit(r, "chat.settings", "chat", stream.id,
                 json_deep_copy(r->body)) != 0)
    {
        return problem_db(r);
    }

    res = db_run(r->db, &q_chat_settings, stream.id);
    if (res == NULL) {
        return problem_db(r);
    }

    respond_header(r, "ETag", request_printf(r, "\"%s\"", db_text(res, 0, 0)));

    return respond_text(r, 200, db_text(res, 0, 1));
}


static int
message_delete(request_t *r)
{
    int           rc;
    stream_t      stream;
    const char   *message;
    db_result_t  *res;

    rc = stream_open(r, STREAM_MODERATE, &stream);
    if (rc != 0) {
        return rc;
    }

    message = request_param(r, "message");
    if (!chat_id_valid(message)) {
        return problem_no_message(r);
    }

    res = db_run(r->db, &q_chat_message_delete, stream.id, message,
                 r->caller.user_text);
    if (res == NULL) {
        return problem_db(r);
    }

    if (db_affected(res) == 0) {
        return problem_no_message(r);
    }

    if (chat_command(r, stream.id, "delete",
                     json_pack("{s:s}", "target", message)) != 0
        || db_run(r->db, &q_chat_unpin, stream.id, message) == NULL
        || audit(r, "chat.delete", "chat", stream.id,
                 json_pack("{s:s}", "target", message)) != 0)
    {
        return problem_db(r);
    }

    return respond_empty(r);
}


static int
user_clear(request_t *r)
{
    int           rc;
    stream_t      stream;
    const char   *user;
    db_result_t  *res;

    rc = stream_open(r, STREAM_MODERATE, &stream);
    if (rc != 0) {
        return rc;
    }

    user = request_param(r, "user");

    res = db_run(r->db, &q_chat_clear, stream.id, user, r->caller.user_text);
    if (res == NULL
        || chat_command(r, stream.id, "clear_user",
                        json_pack("{s:s}", "target_user", user)) != 0
        || audit(r, "chat.clear", "chat", stream.id,
                 json_pack("{s:s}", "user", user)) != 0)
    {
        return problem_db(r);
    }

    return respond(r, 200, json_pack("{s:I}", "deleted",
                                     (json_int_t) db_affected(res)));
}


static int
queue_get(request_t *r)
{
    int           rc;
    page_t        page;
    stream_t      stream;
    db_result_t  *res;

    rc = page_read(r, &page, 1);
    if (rc != 0) {
        return rc;
    }

    rc = stream_open(r, STREAM_MODERATE, &stream);
    if (rc != 0) {
        return rc;
    }

    if (page.keys && !chat_id_valid(page.key[0])) {
        return problem_field(r, "cursor", "is not one of this list.");
    }

    res = db_run(r->db, &q_chat_queue, stream.id,
                 page.keys ? page.key[0] : "-1", page.limit_text);

    return res != NULL ? respond_page(r, &page, res, 0, 1) : problem_db(r);
}


static int
queue_decide(request_t *r)
{
    int           rc;
    bool          approve;
    stream_t      stream;
    const char   *message;
    db_result_t  *res;

    rc = stream_open(r, STREAM_MODERATE, &stream);
    if (rc != 0) {
        return rc;
    }

    message = request_param(r, "message");
    if (!chat_id_valid(message)) {
        return problem_no_message(r);
    }

    approve = strcmp(body_text(r->body, "decision"), "approve") == 0;

    res = db_run(r->db, &q_chat_decide, stream.id, message,
                 approve ? "ok" : "rejected", r->caller.user_text);
    if (res == NULL) {
        return problem_db(r);
    }

    if (db_affected(res) == 0) {
        return problem(r, 404, "not-found", "No such message waits for a "
                       "decision.");
    }

    if (chat_command(r, stream.id, "review",
                     json_pack("{s:s,s:b}", "target", message, "approve",
                               approve)) != 0
        || audit(r, "chat.review", "chat", stream.id,
                 json_pack("{s:s,s:b}", "target", message, "approve",
                           approve)) != 0)
    {
        return problem_db(r);
    }

    return respond_empty(r);
}


static const field_t  room_settings_fields[] = {
    { .name = "slow_ms", .type = FIELD_INT, .flags = FIELD_NULLABLE, .min = 0,
      .max = 3600000 },
    { .name = "mode", .type = FIELD_ONE_OF, .flags = FIELD_NULLABLE,
      .of = "all|followers|subscribers|emote" },
    { .name = "unique", .type = FIELD_BOOL, .flags = FIELD_NULLABLE },
    { .name = "links", .type = FIELD_BOOL, .flags = FIELD_NULLABLE },
    { .name = "max_length", .type = FIELD_INT, .flags = FIELD_NULLABLE,
      .min = 1, .max = 2000 },
    { .name = "hold", .type = FIELD_BOOL, .flags = FIELD_NULLABLE },
    { 0 }
};

static const field_t  settings_fields[] = {
    { .name = "settings", .type = FIELD_OBJECT,
      .fields = room_settings_fields },
    { .name = "keep_days", .type = FIELD_INT, .flags = FIELD_NULLABLE,
      .min = 1, .max = 3650 },
    { 0 }
};

static const field_t  decide_fields[] = {
    { .name = "decision", .type = FIELD_ONE_OF, .flags = FIELD_REQUIRED,
      .of = "approve|reject" },
    { 0 }
};

static const field_t  queue_query[] = {
    PAGE_FIELDS,
    { 0 }
};

const route_t  routes_chat_moderation[] = {
    { "GET", "/streams/{id}/moderation/settings", settings_get, ACCESS_ANYONE,
      0, "streams:read", NULL, NULL, NULL },
    { "PATCH", "/streams/{id}/moderation/settings", settings_patch,
      ACCESS_USER, 0, "chat:moderate", settings_fields, NULL, NULL },
    { "DELETE", "/streams/{id}/moderation/messages/{message}", message_delete,
      ACCESS_USER, 0, "chat:moderate", NULL, NULL, NULL },
    { "DELETE", "/streams/{id}/moderation/users/{user}/messages", user_clear,
      ACCESS_USER, 0, "chat:moderate", NULL, NULL, NULL },
    { "GET", "/streams/{id}/moderation/queue", queue_get, ACCESS_USER, 0,
      "chat:moderate", NULL, queue_query, NULL },
    { "POST", "/streams/{id}/moderation/queue/{message}", queue_decide,
      ACCESS_USER, 0, "chat:moderate", decide_fields, NULL, NULL },
    { 0 }
};

/* What moderators know: notes about users, flags by viewers, the log. */

#include <string.h>

#include "handler/chat_room.h"
#include "handler/stream_access.h"
#include "handler/stream_json.h"
#include "http/page.h"
#include "http/router.h"

#define NOTES_MAX_TEXT  "200"       /* about one user, in one stream */

static const db_query_t  q_notes_list = {
    "chat_notes_list",
    "SELECT json_build_object('id', n.id::text, 'text', n.text,"
    " 'created_at', " SQL_TIME("n.created_at") ","
    " 'created_by', n.created_by::text), n.id FROM chat_notes n"
    " WHERE n.stream_id = $1 AND n.user_id = $2::bigint"
    "  AND n.id > $3::bigint ORDER BY n.id LIMIT $4::integer",
    4
};
DB_REGISTER(q_notes_list);

static const db_query_t  q_notes_add = {
    "chat_notes_add",
    "INSERT INTO chat_notes AS n (stream_id, user_id, text, created_by)"
    " SELECT $1, $2::bigint, $3, $4::bigint WHERE (SELECT count(*)"
    "  FROM chat_notes WHERE stream_id = $1 AND user_id = $2::bigint)"
    "  < " NOTES_MAX_TEXT
    " RETURNING json_build_object('id', n.id::text, 'text', n.text,"
    "  'created_at', " SQL_TIME("n.created_at") ","
    "  'created_by', n.created_by::text)",
    4
};
DB_REGISTER(q_notes_add);

static const db_query_t  q_notes_user = {
    "chat_notes_user",
    "SELECT FROM users WHERE id = $1::bigint",
    1
};
DB_REGISTER(q_notes_user);

static const db_query_t  q_notes_delete = {
    "chat_notes_delete",
    "DELETE FROM chat_notes WHERE stream_id = $1 AND user_id = $2::bigint"
    " AND id = $3::bigint",
    3
};
DB_REGISTER(q_notes_delete);

static const db_query_t  q_flags_list = {
    "chat_flags_list",
    "SELECT json_build_object('id', f.id::text, 'user', f.subject,"
    " 'reason', f.reason, 'created_at', " SQL_TIME("f.created_at") ","
    " 'message', (SELECT json_build_object('id', m.id::text,"
    "  'user', m.subject, 'name', m.name, 'text', m.message_text,"
    "  'time', " SQL_TIME("m.\"timestamp\"") ", 'status', m.status)"
    "  FROM chat_messages m WHERE m.stream_id = f.stream_id"
    "   AND m.id = f.message_id)), f.id"
    " FROM chat_flags f WHERE f.stream_id = $1 AND f.done_at IS NULL"
    "  AND f.id > $2::bigint ORDER BY f.id LIMIT $3::integer",
    3
};
DB_REGISTER(q_flags_list);

static const db_query_t  q_flags_done = {
    "chat_flags_done",
    "UPDATE chat_flags SET done_at = now(), done_by = $3::bigint"
    " WHERE stream_id = $1 AND id = $2::bigint AND done_at IS NULL",
    3
};
DB_REGISTER(q_flags_done);

static const db_query_t  q_chat_log = {
    "chat_log",
    "SELECT json_build_object('id', a.id::text, 'action', a.action,"
    " 'time', " SQL_TIME("a.at") ", 'user', a.actor_id::text,"
    " 'username', (SELECT u.username FROM users u WHERE u.id = a.actor_id),"
    " 'details', a.details), a.id FROM audit_log a"
    " WHERE a.object = 'chat' AND a.object_id = $1 AND a.id < $2::bigint"
    " ORDER BY a.id DESC LIMIT $3::integer",
    3
};
DB_REGISTER(q_chat_log);


/* Page and stream of a list; 0, or the status answered. */

static int
list_open(request_t *r, page_t *page, stream_t *stream)
{
    int  rc;

    rc = page_read(r, page, 1);
    if (rc != 0) {
        return rc;
    }

    rc = stream_open(r, STREAM_MODERATE, stream);
    if (rc != 0) {
        return rc;
    }

    if (page->keys && !chat_id_valid(page->key[0])) {
        return problem_field(r, "cursor", "is not one of this list.");
    }

    return 0;
}


static int
notes_get(request_t *r)
{
    int           rc;
    page_t        page;
    stream_t      stream;
    db_result_t  *res;

    rc = list_open(r, &page, &stream);
    if (rc != 0) {
        return rc;
    }

    res = db_run(r->db, &q_notes_list, stream.id, request_param(r, "user"),
                 page.keys ? page.key[0] : "0", page.limit_text);

    return res != NULL ? respond_page(r, &page, res, 0, 1) : problem_db(r);
}


static int
notes_post(request_t *r)
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

    res = db_run(r->db, &q_notes_user, user);
    if (res == NULL) {
        return problem_db(r);
    }

    if (db_rows(res) == 0) {
        return problem(r, 404, "not-found", "There is no such user.");
    }

    res = db_run(r->db, &q_notes_add, stream.id, user,
                 body_text(r->body, "text"), r->caller.user_text);
    if (res == NULL) {
        return problem_db(r);
    }

    if (db_rows(res) == 0) {
        return problem(r, 409, "limit", "There are " NOTES_MAX_TEXT
                       " notes about a user at most.");
    }

    if (audit(r, "chat.note", "chat", stream.id,
              json_pack("{s:s}", "user", user)) != 0)
    {
        return problem_db(r);
    }

    return respond_text(r, 201, db_text(res, 0, 0));
}


static int
note_delete(request_t *r)
{
    int           rc;
    stream_t      stream;
    const char   *note;
    db_result_t  *res;

    rc = stream_open(r, STREAM_MODERATE, &stream);
    if (rc != 0) {
        return rc;
    }

    note = request_param(r, "note");

    if (!chat_id_valid(note)) {
        return problem(r, 404, "not-found", "There is no such note.");
    }

    res = db_run(r->db, &q_notes_delete, stream.id, request_param(r, "user"),
                 note);
    if (res == NULL) {
        return problem_db(r);
    }

    if (db_affected(res) == 0) {
        return problem(r, 404, "not-found", "There is no such note.");
    }

    return audit(r, "chat.note.delete", "chat", stream.id,
                 json_pack("{s:s}", "user", request_param(r, "user"))) == 0
           ? respond_empty(r) : problem_db(r);
}


static int
flags_get(request_t *r)
{
    int           rc;
    page_t        page;
    stream_t      stream;
    db_result_t  *res;

    rc = list_open(r, &page, &stream);
    if (rc != 0) {
        return rc;
    }

    res = db_run(r->db, &q_flags_list, stream.id,
                 page.keys ? page.key[0] : "0", page.limit_text);

    return res != NULL ? respond_page(r, &page, res, 0, 1) : problem_db(r);
}


static int
flag_delete(request_t *r)
{
    int           rc;
    stream_t      stream;
    const char   *flag;
    db_result_t  *res;

    rc = stream_open(r, STREAM_MODERATE, &stream);
    if (rc != 0) {
        return rc;
    }

    flag = request_param(r, "flag");

    if (!chat_id_valid(flag)) {
        return problem(r, 404, "not-found", "There is no such flag.");
    }

    res = db_run(r->db, &q_flags_done, stream.id, flag, r->caller.user_text);

    if (res == NULL
        || (db_affected(res) > 0
            && audit(r, "chat.flag.done", "chat", stream.id,
                     json_pack("{s:s}", "flag", flag)) != 0))
    {
        return problem_db(r);
    }

    return db_affected(res) > 0 ? respond_empty(r)
           : problem(r, 404, "not-found", "There is no such flag.");
}


static int
log_get(request_t *r)
{
    int           rc;
    page_t        page;
    stream_t      stream;
    db_result_t  *res;

    rc = list_open(r, &page, &stream);
    if (rc != 0) {
        return rc;
    }

    res = db_run(r->db, &q_chat_log, stream.id,
                 page.keys ? page.key[0] : "9223372036854775807",
                 page.limit_text);

    return res != NULL ? respond_page(r, &page, res, 0, 1) : problem_db(r);
}


static const field_t  note_fields[] = {
    { .name = "text", .type = FIELD_LINES, .flags = FIELD_REQUIRED, .min = 1,
      .max = 1000 },
    { 0 }
};

static const field_t  list_query[] = {
    PAGE_FIELDS,
    { 0 }
};

const route_t  routes_chat_notes[] = {
    { "GET", "/streams/{id}/moderation/users/{user}/notes", notes_get,
      ACCESS_USER, 0, "chat:moderate", NULL, list_query, NULL },
    { "POST", "/streams/{id}/moderation/users/{user}/notes", notes_post,
      ACCESS_USER, 0, "chat:moderate", note_fields, NULL, NULL },
    { "DELETE", "/streams/{id}/moderation/users/{user}/notes/{note}",
      note_delete, ACCESS_USER, 0, "chat:moderate", NULL, NULL, NULL },
    { "GET", "/streams/{id}/moderation/flags", flags_get, ACCESS_USER, 0,
      "chat:moderate", NULL, list_query, NULL },
    { "DELETE", "/streams/{id}/moderation/flags/{flag}", flag_delete,
      ACCESS_USER, 0, "chat:moderate", NULL, NULL, NULL },
    { "GET", "/streams/{id}/moderation/log", log_get, ACCESS_USER, 0,
      "chat:moderate", NULL, list_query, NULL },
    { 0 }
};

#include <string.h>

#include "handler/stream_access.h"
#include "handler/stream_json.h"
#include "http/page.h"
#include "http/router.h"
#include "main/broadcast.h"
#include "main/command.h"
#include "main/event.h"
#include "main/revoke.h"

/* Of a stream: roles together, and names on the list of viewers. */
#define MEMBERS_MAX       10000
#define MEMBERS_MAX_TEXT  "10000"

#define ID_FIRST          "0"       /* in front of every user's id */

#define MEMBER_JSON                                                           \
    "json_build_object('user', " SQL_USER_JSON ", 'role', m.role,"            \
    " 'reason', m.reason, 'created_at', " SQL_TIME("m.created_at") ","        \
    " 'created_by', m.created_by::text)"

static const db_query_t q_member_list = {
    "member_list",
    "SELECT " MEMBER_JSON ", m.user_id"
    " FROM stream_members m JOIN users u ON u.id = m.user_id"
    " WHERE m.stream_id = $1 AND m.user_id > $2::bigint"
    "  AND ($3::text IS NULL OR m.role = $3)"
    " ORDER BY m.user_id LIMIT $4::integer",
    4
};
DB_REGISTER(q_member_list);

static const db_query_t q_member_show = {
    "member_show",
    "SELECT " MEMBER_JSON ", m.role"
    " FROM stream_members m JOIN users u ON u.id = m.user_id"
    " WHERE m.stream_id = $1 AND m.user_id = $2::bigint",
    2
};
DB_REGISTER(q_member_show);

/* Whether there is such a user, and no room for one more member or viewer. */
#define ROOM_SQL(table)                                                       \
    "SELECT EXISTS (SELECT FROM users WHERE id = $2::bigint),"                \
    " (SELECT count(*) >= " MEMBERS_MAX_TEXT " FROM (SELECT FROM " table      \
    "  WHERE stream_id = $1 LIMIT " MEMBERS_MAX_TEXT ") x)"

static const db_query_t q_member_room = {
    "member_room", ROOM_SQL("stream_members"), 2
};
DB_REGISTER(q_member_room);

static const db_query_t q_viewer_room = {
    "viewer_room", ROOM_SQL("stream_viewers"), 2
};
DB_REGISTER(q_viewer_room);

static const db_query_t q_member_put = {
    "member_put",
    "INSERT INTO stream_members (stream_id, user_id, role, reason, created_by)"
    " VALUES ($1, $2::bigint, $3, $4, $5::bigint)"
    " ON CONFLICT (stream_id, user_id) DO UPDATE SET role = EXCLUDED.role,"
    "  reason = EXCLUDED.reason, created_by = EXCLUDED.created_by,"
    "  created_at = now()",
    5
};
DB_REGISTER(q_member_put);

static const db_query_t q_member_delete = {
    "member_delete",
    "DELETE FROM stream_members"
    " WHERE stream_id = $1 AND user_id = $2::bigint",
    2
};
DB_REGISTER(q_member_delete);

static const db_query_t q_viewer_list = {
    "viewer_list",
    "SELECT json_build_object('user', " SQL_USER_JSON ","
    " 'created_at', " SQL_TIME("v.created_at") "), v.user_id"
    " FROM stream_viewers v JOIN users u ON u.id = v.user_id"
    " WHERE v.stream_id = $1 AND v.user_id > $2::bigint"
    " ORDER BY v.user_id LIMIT $3::integer",
    3
};
DB_REGISTER(q_viewer_list);

static const db_query_t q_viewer_put = {
    "viewer_put",
    "INSERT INTO stream_viewers (stream_id, user_id) VALUES ($1, $2::bigint)"
    " ON CONFLICT DO NOTHING",
    2
};
DB_REGISTER(q_viewer_put);

static const db_query_t q_viewer_delete = {
    "viewer_delete",
    "DELETE FROM stream_viewers"
    " WHERE stream_id = $1 AND user_id = $2::bigint",
    2
};
DB_REGISTER(q_viewer_delete);


static int
problem_no_member(request_t *r)
{
    return problem(r, 404, "not-found", "That user has no role here.");
}


static int
members_get(request_t *r)
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

    res = db_run(r->db, &q_member_list, stream.id,
                 page.keys ? page.key[0] : ID_FIRST,
                 request_query(r, "role"), page.limit_text);
    if (res == NULL) {
        return problem_db(r);
    }

    return respond_page(r, &page, res, 0, 1);
}


/* One's own role everybody may see, others' the moderators. */

static int
member_get(request_t *r)
{
    int           rc;
    stream_t      stream;
    const char   *user;
    db_result_t  *res;

    user = request_param(r, "user");

    rc = stream_open(r, strcmp(user, caller_id(r)) == 0 ? STREAM_SEE
                                                        : STREAM_MODERATE,
                     &stream);
    if (rc != 0) {
        return rc;
    }

    res = db_run(r->db, &q_member_show, stream.id, user);
    if (res == NULL) {
        return problem_db(r);
    }

    if (db_rows(res) == 0) {
        return problem_no_member(r);
    }

    return respond_text(r, 200, db_text(res, 0, 0));
}


/*
 * The rank that a user has now; the stream's row is locked, so that nobody
 * changes it meanwhile. *rc: 0, or the status answered.
 */

static int
member_rank(request_t *r, const stream_t *stream, const char *user, int *rc)
{
    db_result_t  *res;

    *rc = 0;

    res = db_run(r->db, &q_member_show, stream->id, user);
    if (res == NULL) {
        *rc = problem_db(r);
        return RANK_NONE;
    }

    return db_rows(res) == 0 ? RANK_NONE : stream_rank(db_text(res, 0, 1));
}


/* Users and room: 0, or the status answered. */

static int
member_room(request_t *r, const db_query_t *q, const char *stream,
    const char *user, bool more)
{
    db_result_t  *res;

    res = db_run(r->db, q, stream, user);
    if (res == NULL) {
        return problem_db(r);
    }

    if (!db_bool(res, 0, 0)) {
        return problem(r, 404, "not-found", "There is no such user.");
    }

    if (more && db_bool(res, 0, 1)) {
        return problem(r, 409, "limit",
                       "A stream has " MEMBERS_MAX_TEXT " of them at most.");
    }

    return 0;
}


/* Who may publish no more does not go on either: the banned with no key, and
 * who is no co-host with no token. */

static int
member_drop(request_t *r, const char *stream, const char *user, int rank)
{
    if (rank >= RANK_CO_HOST) {
        return 0;
    }

    return command_kick_publisher(r, stream, user, rank == RANK_BANNED,
                                  BROADCAST_WHY_REVOKED,
                                  "You may no longer publish to this stream.");
}


static int
member_put(request_t *r)
{
    int          rc, rank, wanted;
    stream_t     stream;
    const char  *user, *role, *reason;

    rc = stream_lock_live(r);
    if (rc != 0) {
        return rc;
    }

    rc = stream_open(r, STREAM_MODERATE, &stream);
    if (rc != 0) {
        return rc;
    }

    user = request_param(r, "user");
    role = body_text(r->body, "role");
    reason = body_text(r->body, "reason");
    wanted = stream_rank(role);

    rank = member_rank(r, &stream, user, &rc);
    if (rc != 0) {
        return rc;
    }

    if (rank == RANK_OWNER) {
        return problem(r, 409, "conflict",
                       "The owner's role cannot be changed.");
    }

    if (rank >= stream.rank || wanted >= stream.rank) {
        return problem(r, 403, "forbidden",
                       "That takes a higher role than yours in this stream.");
    }

    rc = member_room(r, &q_member_room, stream.id, user, rank == RANK_NONE);
    if (rc != 0) {
        return rc;
    }

    if (db_run(r->db, &q_member_put, stream.id, user, role, reason,
               r->caller.user_text)
            == NULL
        || audit(r, "member.set", "stream", stream.id,
                 json_pack("{s:s, s:s, s:s?}", "user", user, "role", role,
                           "reason", reason))
               != 0
        || event_emit(r->db, "member.set", stream.id, NULL,
                      json_pack("{s:s, s:s}", "user", user, "role", role))
               != 0
        || member_drop(r, stream.id, user, wanted) != 0
        || ((wanted == RANK_BANNED || (rank >= RANK_MODERATOR && wanted < rank))
            && revoke_stream_user(r, stream.id, user) != 0))
    {
        return problem_db(r);
    }

    return member_get(r);
}


/* Who has a role may give it back; the banned may not. */

static int
member_delete(request_t *r)
{
    int          rc, rank;
    bool         self;
    stream_t     stream;
    const char  *user;

    user = request_param(r, "user");
    self = strcmp(user, r->caller.user_text) == 0;

    rc = stream_lock_live(r);
    if (rc != 0) {
        return rc;
    }

    rc = stream_open(r, self ? STREAM_SEE : STREAM_MODERATE, &stream);
    if (rc != 0) {
        return rc;
    }

    rank = member_rank(r, &stream, user, &rc);
    if (rc != 0) {
        return rc;
    }

    if (rank == RANK_NONE) {
        return problem_no_member(r);
    }

    if (rank == RANK_OWNER) {
        return problem(r, 409, "conflict",
                       "The owner's role cannot be taken away.");
    }

    if (!(self && rank > RANK_NONE) && rank >= stream.rank) {
        return problem(r, 403, "forbidden",
                       "That takes a higher role than yours in this stream.");
    }

    /* What the role let them watch ends, and a moderator's token is one in the
     * room, too; who may watch without it asks for another one. */

    if (db_run(r->db, &q_member_delete, stream.id, user) == NULL
        || audit(r, "member.remove", "stream", stream.id,
                 json_pack("{s:s}", "user", user))
               != 0
        || event_emit(r->db, "member.removed", stream.id, NULL,
                      json_pack("{s:s}", "user", user))
               != 0
        || member_drop(r, stream.id, user, RANK_NONE) != 0
        || (rank > RANK_NONE
            && (rank >= RANK_MODERATOR
                || strcmp(stream.visibility, "public") != 0)
            && revoke_stream_user(r, stream.id, user) != 0))
    {
        return problem_db(r);
    }

    return respond_empty(r);
}


static int
viewers_get(request_t *r)
{
    int           rc;
    page_t        page;
    stream_t      stream;
    db_result_t  *res;

    rc = page_read(r, &page, 1);
    if (rc != 0) {
        return rc;
    }

    rc = stream_open(r, STREAM_EDIT, &stream);
    if (rc != 0) {
        return rc;
    }

    res = db_run(r->db, &q_viewer_list, stream.id,
                 page.keys ? page.key[0] : ID_FIRST, page.limit_text);
    if (res == NULL) {
        return problem_db(r);
    }

    return respond_page(r, &page, res, 0, 1);
}


static int
viewer_put(request_t *r)
{
    int           rc;
    stream_t      stream;
    const char   *user;
    db_result_t  *res;

    rc = stream_open(r, STREAM_EDIT, &stream);
    if (rc != 0) {
        return rc;
    }

    user = request_param(r, "user");

    rc = member_room(r, &q_viewer_room, stream.id, user, true);
    if (rc != 0) {
        return rc;
    }

    res = db_run(r->db, &q_viewer_put, stream.id, user);

    if (res == NULL
        || (db_affected(res) != 0
            && audit(r, "viewer.add", "stream", stream.id,
                     json_pack("{s:s}", "user", user))
                   != 0))
    {
        return problem_db(r);
    }

    return respond_empty(r);
}


static int
viewer_delete(request_t *r)
{
    int           rc;
    stream_t      stream;
    const char   *user;
    db_result_t  *res;

    rc = stream_open(r, STREAM_EDIT, &stream);
    if (rc != 0) {
        return rc;
    }

    user = request_param(r, "user");

    res = db_run(r->db, &q_viewer_delete, stream.id, user);
    if (res == NULL) {
        return problem_db(r);
    }

    if (db_affected(res) == 0) {
        return problem(r, 404, "not-found",
                       "That user is not on the list of viewers.");
    }

    if (audit(r, "viewer.remove", "stream", stream.id,
              json_pack("{s:s}", "user", user))
            != 0
        || (strcmp(stream.visibility, "private") == 0
            && revoke_stream_user(r, stream.id, user) != 0))
    {
        return problem_db(r);
    }

    return respond_empty(r);
}


static const field_t member_fields[] = {
    { .name = "role", .type = FIELD_ONE_OF, .flags = FIELD_REQUIRED,
      .of = "co-host|moderator|vip|banned" },
    { .name = "reason", .type = FIELD_TEXT, .min = 1, .max = 500 },
    { 0 }
};

static const field_t members_query[] = {
    PAGE_FIELDS,
    { .name = "role", .type = FIELD_ONE_OF,
      .of = "owner|co-host|moderator|vip|banned" },
    { 0 }
};

static const field_t viewers_query[] = {
    PAGE_FIELDS,
    { 0 }
};

const route_t routes_members[] = {
    { "GET", "/streams/{id}/members", members_get, ACCESS_USER, 0,
      "streams:read", NULL, members_query, NULL },
    { "GET", "/streams/{id}/members/{user}", member_get, ACCESS_USER, 0,
      "streams:read", NULL, NULL, NULL },
    { "PUT", "/streams/{id}/members/{user}", member_put, ACCESS_USER, 0,
      "streams:write", member_fields, NULL, NULL },
    { "DELETE", "/streams/{id}/members/{user}", member_delete, ACCESS_USER, 0,
      "streams:write", NULL, NULL, NULL },
    { "GET", "/streams/{id}/viewers", viewers_get, ACCESS_USER, 0,
      "streams:read", NULL, viewers_query, NULL },
    { "PUT", "/streams/{id}/viewers/{user}", viewer_put, ACCESS_USER, 0,
      "streams:write", NULL, NULL, NULL },
    { "DELETE", "/streams/{id}/viewers/{user}", viewer_delete, ACCESS_USER, 0,
      "streams:write", NULL, NULL, NULL },
    { 0 }
};

/* The platform's users, for its staff: see admin.h. */

#include <stdlib.h>
#include <string.h>

#include "handler/admin.h"
#include "handler/auth.h"
#include "handler/session.h"
#include "handler/stream_json.h"
#include "http/caller.h"
#include "http/page.h"
#include "main/command.h"
#include "main/event.h"
#include "main/revoke.h"


typedef struct {
    const char  *id;
    const char  *version;
    role_e       role;
    bool         suspended;
} admin_user_t;


static const char *admin_users_pattern(request_t *r, const char *q);
static int admin_user_lock(request_t *r, admin_user_t *user);
static int admin_user_outranked(request_t *r, const admin_user_t *user);
static int admin_user_respond(request_t *r, const char *id);
static int admin_user_shut_out(request_t *r, const char *id,
    const char *reason);


/* For the alias u; $1: whether e-mail addresses are shown. */
#define SQL_ADMIN_USER                                                        \
    "json_build_object('id', u.id::text, 'username', u.username,"             \
    " 'display_name', u.display_name, 'role', u.role,"                        \
    " 'email', CASE WHEN $1::boolean THEN u.email END,"                       \
    " 'email_verified', u.email_verified_at IS NOT NULL,"                     \
    " 'created_at', " SQL_TIME("u.created_at") ","                            \
    " 'last_login_at', " SQL_TIME("u.last_login_at") ","                      \
    " 'suspended_at', " SQL_TIME("u.suspended_at") ","                        \
    " 'suspended_reason', u.suspended_reason,"                                \
    " 'suspended_by', u.suspended_by::text)"


/* Newest first. */
#define SQL_ADMIN_USERS_REST                                                  \
    "   AND ($2::text IS NULL OR u.role = $2)"                                \
    "   AND ($3::boolean IS NULL OR (u.suspended_at IS NOT NULL) = $3)"       \
    "   AND ($4::bigint IS NULL OR u.id < $4::bigint)"                        \
    " ORDER BY u.id DESC LIMIT $5::integer"

static const db_query_t  admin_users_list_sql = {
    "admin_users_list",
    "SELECT " SQL_ADMIN_USER ", u.id FROM users u WHERE true"
    SQL_ADMIN_USERS_REST,
    5
};
DB_REGISTER(admin_users_list_sql);

/* The few among many: each of these has an index of its own. */
static const db_query_t  admin_users_staff_sql = {
    "admin_users_staff",
    "SELECT " SQL_ADMIN_USER ", u.id FROM users u WHERE u.role <> 'user'"
    SQL_ADMIN_USERS_REST,
    5
};
DB_REGISTER(admin_users_staff_sql);

static const db_query_t  admin_users_suspended_sql = {
    "admin_users_suspended",
    "SELECT " SQL_ADMIN_USER ", u.id FROM users u"
    " WHERE u.suspended_at IS NOT NULL"
    SQL_ADMIN_USERS_REST,
    5
};
DB_REGISTER(admin_users_suspended_sql);

/* $6: a part of the username, for admins of the e-mail address too. A query
 * of its own, so that the trigram indexes are used. */
static const db_query_t  admin_users_search_sql = {
    "admin_users_search",
    "SELECT " SQL_ADMIN_USER ", u.id FROM users u"
    " WHERE (u.username ILIKE $6 OR ($1::boolean AND u.email ILIKE $6))"
    SQL_ADMIN_USERS_REST,
    6
};
DB_REGISTER(admin_users_search_sql);

static const db_query_t  admin_user_get_sql = {
    "admin_user_get",
    "SELECT " SQL_ADMIN_USER ", u.version FROM users u WHERE u.id = $2", 2
};
DB_REGISTER(admin_user_get_sql);

static const db_query_t  admin_user_lock_sql = {
    "admin_user_lock",
    "SELECT role, suspended_at IS NOT NULL, version FROM users"
    " WHERE id = $1 FOR NO KEY UPDATE",
    1
};
DB_REGISTER(admin_user_lock_sql);

static const db_query_t  admin_user_change_sql = {
    "admin_user_change",
    "UPDATE users SET role = coalesce($2, role),"
    "  email_verified_at = CASE WHEN $3::boolean IS NULL"
    "   THEN email_verified_at WHEN $3::boolean"
    "   THEN coalesce(email_verified_at, now()) END,"
    "  updated_at = now(), version = version + 1"
    " WHERE id = $1",
    3
};
DB_REGISTER(admin_user_change_sql);

static const db_query_t  admin_user_suspend_sql = {
    "admin_user_suspend",
    "UPDATE users SET suspended_at = now(), suspended_reason = $2,"
    "  suspended_by = $3, updated_at = now(), version = version + 1"
    " WHERE id = $1",
    3
};
DB_REGISTER(admin_user_suspend_sql);

static const db_query_t  admin_user_erase_sql = {
    "admin_user_erase",
    "DELETE FROM users WHERE id = $1::bigint",
    1
};
DB_REGISTER(admin_user_erase_sql);

static const db_query_t  admin_user_unsuspend_sql = {
    "admin_user_unsuspend",
    "UPDATE users SET suspended_at = NULL, suspended_reason = NULL,"
    "  suspended_by = NULL, updated_at = now(), version = version + 1"
    " WHERE id = $1",
    1
};
DB_REGISTER(admin_user_unsuspend_sql);


int
admin_users_list(request_t *r)
{
    int                status;
    page_t             page;
    const char        *q, *role, *suspended, *after, *emails;
    db_result_t       *res;
    const db_query_t  *list;

    status = page_read(r, &page, 1);
    if (status != 0) {
        return status;
    }

    emails = r->caller.role == ROLE_ADMIN ? "t" : "f";
    role = request_query(r, "role");
    suspended = request_query(r, "suspended");
    after = page.keys ? page.key[0] : NULL;
    q = request_query(r, "q");

    list = role != NULL && role_parse(role) != ROLE_USER
               ? &admin_users_staff_sql
           : suspended != NULL && strcmp(suspended, "true") == 0
               ? &admin_users_suspended_sql
               : &admin_users_list_sql;

    res = q == NULL
              ? db_run(r->db, list, emails, role, suspended, after,
                       page.limit_text)
              : db_run(r->db, &admin_users_search_sql, emails, role,
                       suspended, after, page.limit_text,
                       admin_users_pattern(r, q));

    return res == NULL ? problem_db(r) : respond_page(r, &page, res, 0, 1);
}


/* For ILIKE: anything that contains q. */
static const char *
admin_users_pattern(request_t *r, const char *q)
{
    char  *pattern, *p;

    p = pattern = request_alloc(r, strlen(q) * 2 + 3);
    *p++ = '%';

    for ( /* void */ ; *q != '\0'; q++) {
        if (strchr("%_\\", *q) != NULL) {
            *p++ = '\\';
        }

        *p++ = *q;
    }

    *p++ = '%';
    *p = '\0';

    return pattern;
}


int
admin_users_get(request_t *r)
{
    return admin_user_respond(r, request_param(r, "id"));
}


static int
admin_user_respond(request_t *r, const char *id)
{
    db_result_t  *res;

    res = db_run(r->db, &admin_user_get_sql,
                 r->caller.role == ROLE_ADMIN ? "t" : "f", id);
    if (res == NULL) {
        return problem_db(r);
    }

    if (db_rows(res) == 0) {
        return problem(r, 404, "not-found", "There is no such user.");
    }

    respond_header(r, "ETag", request_printf(r, "\"%s\"", db_text(res, 0, 1)));

    return respond_text(r, 200, db_text(res, 0, 0));
}


/* The user of the path, locked until the end of the transaction, in the
 * version that the client knows. 0, or the status that was answered. */
static int
admin_user_lock(request_t *r, admin_user_t *user)
{
    db_result_t  *res;

    user->id = request_param(r, "id");

    res = db_run(r->db, &admin_user_lock_sql, user->id);
    if (res == NULL) {
        return problem_db(r);
    }

    if (db_rows(res) == 0) {
        return problem(r, 404, "not-found", "There is no such user.");
    }

    user->role = role_parse(db_text(res, 0, 0));
    user->suspended = db_bool(res, 0, 1);
    user->version = db_text(res, 0, 2);

    return request_version(r, user->version) ? 0 : 412;
}


/* 0 when the caller may suspend and unsuspend this user. */
static int
admin_user_outranked(request_t *r, const admin_user_t *user)
{
    if (strcmp(user->id, r->caller.user_text) == 0) {
        return problem(r, 403, "forbidden", "Not you yourself.");
    }

    if (r->caller.role < ROLE_ADMIN && user->role > ROLE_USER) {
        return problem(r, 403, "forbidden",
                       "Only an admin may do that to one of the staff.");
    }

    return 0;
}


int
admin_users_change(request_t *r)
{
    int            status;
    bool           verify;
    json_t        *details;
    const char    *role;
    admin_user_t   user;

    role = body_text(r->body, "role");
    verify = body_has(r->body, "email_verified");

    status = admin_user_lock(r, &user);
    if (status != 0) {
        return status;
    }

    if (role != NULL && strcmp(user.id, r->caller.user_text) == 0) {
        return problem(r, 403, "forbidden",
                       "Another admin has to change your role.");
    }

    if (db_run(r->db, &admin_user_change_sql, user.id, role,
               !verify ? NULL
                       : body_bool(r->body, "email_verified", false) ? "t"
                                                                     : "f")
        == NULL)
    {
        return problem_db(r);
    }

    details = json_object();

    if (role != NULL) {
        json_object_set_new(details, "from",
                            json_string(role_name(user.role)));
        json_object_set_new(details, "role", json_string(role));
    }

    if (verify) {
        json_object_set(details, "email_verified",
                        json_object_get(r->body, "email_verified"));
    }

    if (audit(r, "admin.user.change", "user", user.id, details) != 0) {
        return problem_db(r);
    }

    return admin_user_respond(r, user.id);
}


int
admin_users_suspend(request_t *r)
{
    int            status;
    const char    *reason;
    admin_user_t   user;

    reason = body_text(r->body, "reason");

    status = admin_user_lock(r, &user);
    if (status == 0) {
        status = admin_user_outranked(r, &user);
    }

    if (status != 0) {
        return status;
    }

    if (user.suspended) {
        return problem(r, 409, "conflict", "The user is suspended already.");
    }

    if (db_run(r->db, &admin_user_suspend_sql, user.id, reason,
               r->caller.user_text) == NULL
        || audit(r, "admin.user.suspend", "user", user.id,
                 json_pack("{s:s}", "reason", reason)) != 0
        || event_emit(r->db, "user.suspended", NULL, NULL,
                      json_pack("{s:s, s:s, s:s}", "user", user.id, "by",
                                r->caller.user_text, "reason", reason)) != 0
        || admin_user_shut_out(r, user.id, "suspended") != 0)
    {
        return problem_db(r);
    }

    return admin_user_respond(r, user.id);
}


/* For good: with streams, keys and all that was said (sql: users_chat_erase).
 * What is live ends, because its stream is not there any more. */
int
admin_users_erase(request_t *r)
{
    int            status;
    admin_user_t   user;

    status = admin_user_lock(r, &user);
    if (status == 0) {
        status = admin_user_outranked(r, &user);
    }

    if (status != 0) {
        return status;
    }

    if (audit(r, "admin.user.erase", "user", user.id, NULL) != 0
        || admin_user_shut_out(r, user.id, "erased") != 0
        || db_run(r->db, &admin_user_erase_sql, user.id) == NULL)
    {
        return problem_db(r);
    }

    return respond_empty(r);
}


/* Whatever the user holds ends: it does not come back with the suspension's
 * end. Revocation is the last, because it holds the lock that all wait for. */
static int
admin_user_shut_out(request_t *r, const char *id, const char *reason)
{
    if (session_end_all(r, id, NULL, reason) != 0
        || auth_tokens_end_all(r, id) != 0
        || command_kick_user(r, id, reason,
                             "This account is suspended.") != 0)
    {
        return -1;
    }

    return revoke_user(r, id);
}


int
admin_users_unsuspend(request_t *r)
{
    int            status;
    admin_user_t   user;

    status = admin_user_lock(r, &user);
    if (status == 0) {
        status = admin_user_outranked(r, &user);
    }

    if (status != 0) {
        return status;
    }

    if (!user.suspended) {
        return problem(r, 409, "conflict", "The user is not suspended.");
    }

    if (db_run(r->db, &admin_user_unsuspend_sql, user.id) == NULL
        || audit(r, "admin.user.unsuspend", "user", user.id, NULL) != 0
        || event_emit(r->db, "user.unsuspended", NULL, NULL,
                      json_pack("{s:s, s:s}", "user", user.id, "by",
                                r->caller.user_text)) != 0)
    {
        return problem_db(r);
    }

    return admin_user_respond(r, user.id);
}

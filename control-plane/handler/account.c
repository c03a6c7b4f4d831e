/*
 * What one has: sessions, follows, blocks, the e-mail address. Nobody else
 * sees these lists, not even staff.
 */

#include "handler/lockout.h"
#include "handler/stream_json.h"
#include "http/page.h"
#include "http/router.h"
#include "main/password.h"


#define ID_LAST  "9223372036854775807"


static int account_sessions(request_t *r);
static int account_session_delete(request_t *r);
static int account_follows(request_t *r);
static int account_blocks(request_t *r);
static int account_email(request_t *r);

static int account_list(request_t *r, const db_query_t *q);


static const field_t  email_fields[] = {
    { .name = "email", .type = FIELD_EMAIL, .flags = FIELD_REQUIRED },
    { .name = "current_password", .type = FIELD_SECRET,
      .flags = FIELD_REQUIRED, .min = 1, .max = PASSWORD_MAX },
    { 0 }
};

static const field_t  page_fields[] = { PAGE_FIELDS, { 0 } };


const route_t  routes_account[] = {
    { .method = "GET", .path = "/auth/sessions", .handler = account_sessions,
      .access = ACCESS_USER, .flags = ROUTE_LOGIN_ONLY,
      .query = page_fields },

    { .method = "DELETE", .path = "/auth/sessions/{id}",
      .handler = account_session_delete, .access = ACCESS_USER,
      .flags = ROUTE_LOGIN_ONLY },

    { .method = "POST", .path = "/auth/email", .handler = account_email,
      .access = ACCESS_USER,
      .flags = ROUTE_SLOW | ROUTE_NO_TX | ROUTE_LOGIN_ONLY,
      .body = email_fields, .rate = "login" },

    { .method = "GET", .path = "/users/me/follows",
      .handler = account_follows, .access = ACCESS_USER,
      .scope = "profile:read", .query = page_fields },

    { .method = "GET", .path = "/users/me/blocks", .handler = account_blocks,
      .access = ACCESS_USER, .scope = "profile:read",
      .query = page_fields },

    { 0 }
};


/* Parameters of a list: $1 the caller, $2 behind this id, $3 rows; and the
 * caller's session, $4. */

static const db_query_t  account_sessions_sql = {
    "account_sessions",
    "SELECT json_build_object('id', s.id::text,"
    "  'current', s.id = $4::bigint, 'addr', host(s.addr),"
    "  'user_agent', s.user_agent,"
    "  'created_at', " SQL_TIME("s.created_at") ","
    "  'last_used_at', " SQL_TIME("s.last_used_at") ","
    "  'expires_at', " SQL_TIME("s.expires_at") "), s.id"
    "  FROM sessions s"
    " WHERE s.user_id = $1 AND s.id < $2::bigint AND s.revoked_at IS NULL"
    "   AND s.expires_at > now()"
    " ORDER BY s.id DESC LIMIT $3::integer",
    4
};
DB_REGISTER(account_sessions_sql);

static const db_query_t  account_session_delete_sql = {
    "account_session_delete",
    "UPDATE sessions SET revoked_at = now(), revoked_reason = 'ended by user'"
    " WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL",
    2
};
DB_REGISTER(account_session_delete_sql);

static const db_query_t  account_follows_sql = {
    "account_follows",
    "SELECT json_build_object('user', " SQL_USER_JSON ","
    "  'created_at', " SQL_TIME("f.created_at") "), f.user_id"
    "  FROM follows f JOIN users u ON u.id = f.user_id"
    " WHERE f.follower_id = $1 AND f.user_id < $2::bigint"
    "   AND u.suspended_at IS NULL"
    " ORDER BY f.user_id DESC LIMIT $3::integer",
    3
};
DB_REGISTER(account_follows_sql);

static const db_query_t  account_blocks_sql = {
    "account_blocks",
    "SELECT json_build_object('user', " SQL_USER_JSON ","
    "  'created_at', " SQL_TIME("b.created_at") "), b.blocked_id"
    "  FROM blocks b JOIN users u ON u.id = b.blocked_id"
    " WHERE b.user_id = $1 AND b.blocked_id < $2::bigint"
    " ORDER BY b.blocked_id DESC LIMIT $3::integer",
    3
};
DB_REGISTER(account_blocks_sql);

static const db_query_t  account_hash_sql = {
    "account_hash",
    "SELECT password_hash FROM users WHERE id = $1", 1
};
DB_REGISTER(account_hash_sql);

/* Only for the password that was looked at. */
static const db_query_t  account_email_sql = {
    "account_email",
    "UPDATE users SET email = $3, updated_at = now(), version = version + 1,"
    "  email_verified_at = CASE WHEN lower(email) = lower($3)"
    "   THEN email_verified_at END"
    " WHERE id = $1 AND password_hash = $2",
    3
};
DB_REGISTER(account_email_sql);


static int
account_sessions(request_t *r)
{
    int           status;
    page_t        page;
    db_result_t  *res;

    status = page_read(r, &page, 1);
    if (status != 0) {
        return status;
    }

    res = db_run(r->db, &account_sessions_sql, r->caller.user_text,
                 page.keys ? page.key[0] : ID_LAST, page.limit_text,
                 request_printf(r, "%lld", (long long) r->caller.session));

    return res == NULL ? problem_db(r) : respond_page(r, &page, res, 0, 1);
}


static int
account_session_delete(request_t *r)
{
    const char   *id;
    db_result_t  *res;

    id = request_param(r, "id");

    res = db_run(r->db, &account_session_delete_sql, id, r->caller.user_text);
    if (res == NULL) {
        return problem_db(r);
    }

    if (db_affected(res) == 0) {
        return problem(r, 404, "not-found", "You have no such session.");
    }

    if (audit(r, "session.end", "session", id, NULL) != 0) {
        return problem_db(r);
    }

    return respond_empty(r);
}


static int
account_list(request_t *r, const db_query_t *q)
{
    int           status;
    page_t        page;
    db_result_t  *res;

    status = page_read(r, &page, 1);
    if (status != 0) {
        return status;
    }

    res = db_run(r->db, q, r->caller.user_text,
                 page.keys ? page.key[0] : ID_LAST, page.limit_text);

    return res == NULL ? problem_db(r) : respond_page(r, &page, res, 0, 1);
}


static int
account_follows(request_t *r)
{
    return account_list(r, &account_follows_sql);
}


static int
account_blocks(request_t *r)
{
    return account_list(r, &account_blocks_sql);
}


/*
 * Whoever got hold of an access token must not make the account theirs: the
 * password is asked for, and guessed no faster than at the login. The new
 * address is not verified.
 */
static int
account_email(request_t *r)
{
    int           status;
    lockout_t     lock;
    const char   *hash;
    db_result_t  *res;

    res = db_run(r->db, &account_hash_sql, r->caller.user_text);
    if (res == NULL) {
        return problem_db(r);
    }

    if (db_rows(res) == 0) {
        return problem(r, 404, "not-found", "The account is gone.");
    }

    hash = db_text(res, 0, 0);

    status = lockout_attempt(r, &lock,
                             request_printf(r, "password of %s",
                                            r->caller.user_text), false);
    if (status != 0) {
        return status;
    }

    if (!password_verify(hash, body_text(r->body, "current_password"))) {
        return problem(r, 403, "wrong-password",
                       "The current password is another one.");
    }

    res = lockout_forgive(r, &lock) != 0
              ? NULL
              : db_run(r->db, &account_email_sql, r->caller.user_text, hash,
                       body_text(r->body, "email"));
    if (res == NULL) {
        return problem_db(r);
    }

    if (db_affected(res) == 0) {
        return problem(r, 409, "conflict",
                       "The password was changed at the same moment.");
    }

    if (audit(r, "user.email", "user", r->caller.user_text, NULL) != 0) {
        return problem_db(r);
    }

    return respond_empty(r);
}

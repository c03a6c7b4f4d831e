/* Sessions: see session.h. */

#include <stdio.h>
#include <stdlib.h>

#include "handler/session.h"
#include "http/caller.h"
#include "http/proxy.h"
#include "main/app.h"
#include "main/conf.h"
#include "main/signing.h"
#include "main/token.h"


#define TEXT(x)     TEXT_OF(x)
#define TEXT_OF(x)  #x


static int session_answer(request_t *r, const session_user_t *user,
    int status, const char *refresh);
static const char *session_ttl(request_t *r);
static int session_reused(request_t *r, const char *session);
static int session_refused(request_t *r);
static void session_caller(request_t *r, const session_user_t *user,
    const char *session);


static const db_query_t  session_open_sql = {
    "session_open",
    "WITH old AS ("
    " UPDATE sessions SET revoked_at = now(), revoked_reason = 'too many'"
    "  WHERE id IN (SELECT id FROM sessions"
    "                WHERE user_id = $1 AND revoked_at IS NULL"
    "                ORDER BY id DESC OFFSET " TEXT(SESSIONS_MAX) " - 1)),"
    " u AS ("
    " UPDATE users SET last_login_at = now()"
    "  WHERE id = $1 AND suspended_at IS NULL AND password_hash = $6"
    "  RETURNING id),"
    " s AS ("
    " INSERT INTO sessions (user_id, expires_at, addr, user_agent)"
    " SELECT id, now() + make_interval(secs => $2::integer), $3::inet, $4"
    "   FROM u RETURNING id),"
    " t AS ("
    " INSERT INTO session_tokens (hash, session_id)"
    " SELECT decode($5, 'hex'), id FROM s)"
    "SELECT id FROM s",
    6
};
DB_REGISTER(session_open_sql);

/* The token's row is locked: of two that come at once, one is the second. */
static const db_query_t  session_token_sql = {
    "session_token",
    "SELECT s.id, t.used_at IS NOT NULL, u.id, u.username, u.role,"
    "       s.revoked_at IS NULL AND s.expires_at > now(),"
    "       u.suspended_at IS NOT NULL,"
    "       t.used_by = decode($2, 'hex')"
    "        AND t.used_at > now()"
    "            - interval '" TEXT(SESSION_RETRY_S) " s'"
    "        AND NOT EXISTS (SELECT FROM session_tokens x"
    "             WHERE x.session_id = t.session_id"
    "               AND x.used_at > t.used_at)"
    "  FROM session_tokens t"
    "  JOIN sessions s ON s.id = t.session_id"
    "  JOIN users u ON u.id = s.user_id"
    " WHERE t.hash = decode($1, 'hex')"
    "   FOR UPDATE OF t",
    2
};
DB_REGISTER(session_token_sql);

/*
 * The answer to $1 was lost: what it had in it is used up, by nobody, and $1
 * is not good once more. No row: that had been used meanwhile.
 */
static const db_query_t  session_retry_sql = {
    "session_retry",
    "WITH one AS ("
    " UPDATE session_tokens SET used_by = NULL"
    "  WHERE hash = decode($1, 'hex'))"
    "UPDATE session_tokens SET used_at = now()"
    " WHERE session_id = $2 AND used_at IS NULL",
    2
};
DB_REGISTER(session_retry_sql);

static const db_query_t  session_refresh_sql = {
    "session_refresh",
    "WITH s AS ("
    " UPDATE sessions SET last_used_at = now(), addr = $5::inet,"
    "        expires_at = now() + make_interval(secs => $4::integer)"
    "  WHERE id = $3 AND revoked_at IS NULL RETURNING id),"
    " used AS ("
    " UPDATE session_tokens SET used_at = now(),"
    "        used_by = decode($6, 'hex')"
    "  WHERE hash = decode($1, 'hex') AND used_at IS NULL)"
    "INSERT INTO session_tokens (hash, session_id)"
    " SELECT decode($2, 'hex'), id FROM s",
    6
};
DB_REGISTER(session_refresh_sql);

static const db_query_t  session_end_sql = {
    "session_end",
    "UPDATE sessions SET revoked_at = now(), revoked_reason = $2"
    " WHERE id = $1 AND revoked_at IS NULL",
    2
};
DB_REGISTER(session_end_sql);

static const db_query_t  session_end_all_sql = {
    "session_end_all",
    "UPDATE sessions SET revoked_at = now(), revoked_reason = $3"
    " WHERE user_id = $1 AND revoked_at IS NULL"
    "   AND ($2::bigint IS NULL OR id <> $2::bigint)",
    3
};
DB_REGISTER(session_end_all_sql);


int
session_open(request_t *r, const session_user_t *user, int status,
    const char *what)
{
    char          refresh[TOKEN_LEN + 1], hash[TOKEN_HASH_TEXT];
    db_result_t  *res;

    token_make(TOKEN_REFRESH, refresh);
    token_hash(refresh, hash);

    res = db_run(r->db, &session_open_sql, user->id, session_ttl(r), r->addr,
                 request_printf(r, "%.300s", r->user_agent), hash,
                 user->hash);
    if (res == NULL) {
        return problem_db(r);
    }

    if (db_rows(res) == 0) {
        return problem(r, 401, "login-failed",
                       "The account changed while you were logging in.");
    }

    session_caller(r, user, db_text(res, 0, 0));
    db_free(res);

    if (audit(r, what, "user", user->id, NULL) != 0) {
        return problem_db(r);
    }

    return session_answer(r, user, status, refresh);
}


static int
session_answer(request_t *r, const session_user_t *user, int status,
    const char *refresh)
{
    int      rc;
    char    *access;
    json_t  *claims, *body;
    int64_t  ttl;

    ttl = conf_int(r->app->conf, "access_ttl");

    claims = json_pack("{s:s, s:s, s:s, s:o, s:I, s:I}",
                       "aud", "api", "sub", user->id, "role", user->role,
                       "sid", json_sprintf("%lld",
                                           (long long) r->caller.session),
                       "iat", (json_int_t) r->now,
                       "exp", (json_int_t) (r->now + ttl));

    rc = signing_sign(r->app, claims, &access);
    json_decref(claims);

    if (rc != 0) {
        respond_header(r, "Retry-After", "5");
        return problem(r, 503, "unavailable",
                       "There is no key to sign with yet.");
    }

    body = json_pack("{s:s, s:s, s:I, s:s, s:I, s:{s:s, s:s, s:s}}",
                     "access_token", access, "token_type", "Bearer",
                     "expires_in", (json_int_t) ttl,
                     "refresh_token", refresh,
                     "refresh_expires_in",
                     (json_int_t) conf_int(r->app->conf, "refresh_ttl"),
                     "user", "id", user->id, "username", user->username,
                     "role", user->role);
    free(access);

    respond_header(r, "Cache-Control", "no-store");

    return respond(r, status, body);
}


static const char *
session_ttl(request_t *r)
{
    return request_printf(r, "%lld",
                          (long long) conf_int(r->app->conf, "refresh_ttl"));
}


/* One client is one program in one network. */
static void
session_client(request_t *r, char hash[TOKEN_HASH_TEXT])
{
    char  network[PROXY_NETWORK];

    proxies_network(r->addr, network);
    token_hash(request_printf(r, "%s\n%s", network, r->user_agent), hash);
}


/*
 * A token that was used. An honest client that lost the answer, and has come
 * with it again at once: it goes on, and what was in that answer is worth
 * nothing any more, so that whoever got hold of it gives itself away by using
 * it. Else two have the token: the session ends. 0, or the status answered.
 */
static int
session_again(request_t *r, const char *hash, const char *session, bool retry)
{
    db_result_t  *res;

    if (!retry) {
        return session_reused(r, session);
    }

    res = db_run(r->db, &session_retry_sql, hash, session);
    if (res == NULL) {
        return problem_db(r);
    }

    return db_affected(res) == 0 ? session_reused(r, session) : 0;
}


int
auth_refresh(request_t *r)
{
    int              status;
    char             refresh[TOKEN_LEN + 1], client[TOKEN_HASH_TEXT];
    char             hash[TOKEN_HASH_TEXT], next[TOKEN_HASH_TEXT];
    const char      *session;
    db_result_t     *res;
    session_user_t   user;

    token_hash(body_text(r->body, "refresh_token"), hash);

    session_client(r, client);

    res = db_run(r->db, &session_token_sql, hash, client);
    if (res == NULL) {
        return problem_db(r);
    }

    if (db_rows(res) == 0) {
        return session_refused(r);
    }

    session = db_text(res, 0, 0);
    user.id = db_text(res, 0, 2);
    user.username = db_text(res, 0, 3);
    user.role = db_text(res, 0, 4);

    session_caller(r, &user, session);

    if (db_bool(res, 0, 1)) {
        status = session_again(r, hash, session, db_bool(res, 0, 7));
        if (status != 0) {
            return status;
        }
    }

    if (!db_bool(res, 0, 5)) {
        return session_refused(r);
    }

    if (db_bool(res, 0, 6)) {
        return problem(r, 403, "suspended", "This account is suspended.");
    }

    token_make(TOKEN_REFRESH, refresh);
    token_hash(refresh, next);

    res = db_run(r->db, &session_refresh_sql, hash, next, session,
                 session_ttl(r), r->addr, client);
    if (res == NULL) {
        return problem_db(r);
    }

    if (db_affected(res) == 0) {
        return session_refused(r);
    }

    return session_answer(r, &user, 200, refresh);
}


static int
session_reused(request_t *r, const char *session)
{
    db_result_t  *res;

    res = db_run(r->db, &session_end_sql, session, "refresh token reused");
    if (res == NULL) {
        return problem_db(r);
    }

    if (db_affected(res) > 0
        && audit(r, "session.reuse", "session", session, NULL) != 0)
    {
        return problem_db(r);
    }

    request_keep(r);

    return session_refused(r);
}


static int
session_refused(request_t *r)
{
    return problem(r, 401, "invalid-token",
                   "The refresh token is not valid, or not any more. Log in "
                   "again.");
}


static void
session_caller(request_t *r, const session_user_t *user, const char *session)
{
    r->caller.user = strtoll(user->id, NULL, 10);
    snprintf(r->caller.user_text, sizeof(r->caller.user_text), "%s", user->id);
    r->caller.role = role_parse(user->role);
    r->caller.session = strtoll(session, NULL, 10);
}


int
auth_logout(request_t *r)
{
    int          rc;
    const char  *session;

    session = request_printf(r, "%lld", (long long) r->caller.session);

    if (body_bool(r->body, "all", false)) {
        rc = session_end_all(r, r->caller.user_text, NULL, "logout");

    } else {
        rc = session_end(r, session, "logout");
    }

    if (rc != 0 || audit(r, "auth.logout", "session", session, NULL) != 0) {
        return problem_db(r);
    }

    return respond_empty(r);
}


int
session_end(request_t *r, const char *session, const char *reason)
{
    return db_run(r->db, &session_end_sql, session, reason) == NULL ? -1 : 0;
}


int
session_end_all(request_t *r, const char *user, const char *except,
    const char *reason)
{
    return db_run(r->db, &session_end_all_sql, user, except, reason) == NULL
               ? -1 : 0;
}

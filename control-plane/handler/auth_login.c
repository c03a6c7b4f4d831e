/* Accounts and passwords: see auth.h. */

#include <string.h>

#include "handler/auth.h"
#include "handler/lockout.h"
#include "handler/session.h"
#include "http/validate.h"
#include "main/app.h"
#include "main/conf.h"
#include "main/event.h"
#include "main/password.h"


static int login_rehash(request_t *r, session_user_t *user,
    const char *password);
static int password_change(request_t *r, const char *current,
    const char *hash);
static int problem_memory(request_t *r);


static const db_query_t  auth_register_sql = {
    "auth_register",
    "INSERT INTO users (username, email, password_hash, display_name)"
    " VALUES ($1, $2, $3, $4)"
    " ON CONFLICT ((lower(username))) DO NOTHING RETURNING id",
    4
};
DB_REGISTER(auth_register_sql);

/*
 * An e-mail address is nobody's until it is verified. Always one row: the
 * counter of failures goes by the text that was compared, so that other
 * spellings which the database takes for the same are no further guesses.
 */
static const db_query_t  auth_login_sql = {
    "auth_login",
    "SELECT u.id, u.username, u.role, u.password_hash,"
    "       u.suspended_at IS NOT NULL,"
    "       EXISTS (SELECT FROM sessions s"
    "                WHERE s.user_id = u.id AND s.addr <<= $2::inet"
    "                  AND s.created_at > now()"
    "                      - make_interval(days => $3::integer)),"
    "       lower($1)"
    "  FROM (VALUES (1)) AS one LEFT JOIN users u"
    "    ON lower(u.username) = lower($1)"
    "       OR (lower(u.email) = lower($1)"
    "           AND u.email_verified_at IS NOT NULL)",
    3
};
DB_REGISTER(auth_login_sql);

static const db_query_t  auth_rehash_sql = {
    "auth_rehash",
    "UPDATE users SET password_hash = $3"
    " WHERE id = $1 AND password_hash = $2",
    3
};
DB_REGISTER(auth_rehash_sql);

static const db_query_t  auth_password_user_sql = {
    "auth_password_user",
    "SELECT username, email, password_hash FROM users WHERE id = $1", 1
};
DB_REGISTER(auth_password_user_sql);

/* One statement, so that a new password never stands beside old sessions. */
static const db_query_t  auth_password_sql = {
    "auth_password",
    "WITH u AS ("
    " UPDATE users SET password_hash = $3"
    "  WHERE id = $1 AND password_hash = $2 RETURNING id),"
    " s AS ("
    " UPDATE sessions SET revoked_at = now(),"
    "        revoked_reason = 'password changed'"
    "  WHERE user_id IN (SELECT id FROM u) AND id <> $4"
    "    AND revoked_at IS NULL),"
    " t AS ("
    " UPDATE api_tokens SET revoked_at = now()"
    "  WHERE user_id IN (SELECT id FROM u) AND $5::boolean"
    "    AND revoked_at IS NULL)"
    "SELECT id FROM u",
    5
};
DB_REGISTER(auth_password_sql);


int
auth_register(request_t *r)
{
    char             hash[PASSWORD_TEXT];
    const char      *username, *email, *password, *weak;
    db_result_t     *res;
    session_user_t   user;

    if (strcmp(conf_text(r->app->conf, "registration"), "open") != 0) {
        return problem(r, 403, "registration-closed",
                       "New accounts are made by the administrators here.");
    }

    username = body_text(r->body, "username");
    email = body_text(r->body, "email");
    password = body_text(r->body, "password");

    weak = password_weakness(password, username, email);
    if (weak != NULL) {
        return problem_field(r, "password", weak);
    }

    if (password_hash(password, hash) != 0) {
        return problem_memory(r);
    }

    res = db_run(r->db, &auth_register_sql, username, email, hash,
                 body_text(r->body, "display_name"));
    if (res == NULL) {
        return problem_db(r);
    }

    if (db_rows(res) == 0) {
        return problem(r, 409, "username-taken",
                       "Somebody else has this username.");
    }

    user.id = db_text(res, 0, 0);
    user.username = username;
    user.role = "user";
    user.hash = hash;

    if (event_emit(r->db, "user.created", NULL, NULL,
                   json_pack("{s:s, s:s}", "user", user.id, "username",
                             username)) != 0)
    {
        return problem_db(r);
    }

    return session_open(r, &user, 201, "auth.register");
}


int
auth_login(request_t *r)
{
    int              status;
    bool             right, suspended;
    char             network[PROXY_NETWORK];
    lockout_t        lock;
    const char      *password;
    db_result_t     *res;
    session_user_t   user = { 0 };

    password = body_text(r->body, "password");

    proxies_network(r->addr, network);

    res = db_run(r->db, &auth_login_sql, body_text(r->body, "login"), network,
                 request_printf(r, "%d", LOCKOUT_KNOWN_DAYS));
    if (res == NULL) {
        return problem_db(r);
    }

    if (!db_null(res, 0, 0)) {
        user.id = db_text(res, 0, 0);
        user.username = db_text(res, 0, 1);
        user.role = db_text(res, 0, 2);
        user.hash = db_text(res, 0, 3);
    }

    suspended = user.id != NULL && db_bool(res, 0, 4);

    status = lockout_attempt(r, &lock, db_text(res, 0, 6),
                             db_bool(res, 0, 5));
    if (status != 0) {
        return status;
    }

    right = password_verify(user.hash, password);

    if (!right) {
        return problem(r, 401, "login-failed",
                       "Wrong username or e-mail address, or wrong "
                       "password.");
    }

    if (lockout_forgive(r, &lock) != 0) {
        return problem_db(r);
    }

    if (suspended) {
        return problem(r, 403, "suspended", "This account is suspended.");
    }

    if (password_outdated(user.hash)
        && login_rehash(r, &user, password) != 0)
    {
        return problem_db(r);
    }

    return session_open(r, &user, 200, "auth.login");
}


/* Costs this one login twice the time, which tells nobody anything: the
 * password was right. */
static int
login_rehash(request_t *r, session_user_t *user, const char *password)
{
    char         *hash;
    db_result_t  *res;

    hash = request_alloc(r, PASSWORD_TEXT);

    if (password_hash(password, hash) != 0) {
        return 0;
    }

    res = db_run(r->db, &auth_rehash_sql, user->id, user->hash, hash);
    if (res == NULL) {
        return -1;
    }

    if (db_affected(res) == 1) {
        user->hash = hash;
    }

    db_free(res);

    return 0;
}


int
auth_password(request_t *r)
{
    int           status;
    char          hash[PASSWORD_TEXT];
    const char   *password, *weak, *current;
    lockout_t     lock;
    db_result_t  *res;

    res = db_run(r->db, &auth_password_user_sql, r->caller.user_text);
    if (res == NULL) {
        return problem_db(r);
    }

    if (db_rows(res) == 0) {
        return problem(r, 404, "not-found", "The account is gone.");
    }

    password = body_text(r->body, "new_password");
    current = db_text(res, 0, 2);

    weak = password_weakness(password, db_text(res, 0, 0),
                             db_text(res, 0, 1));
    if (weak != NULL) {
        return problem_field(r, "new_password", weak);
    }

    /* whoever has got hold of an access token does not guess on here; no
     * username holds a blank */
    status = lockout_attempt(r, &lock,
                             request_printf(r, "password of %s",
                                            r->caller.user_text), false);
    if (status != 0) {
        return status;
    }

    if (!password_verify(current, body_text(r->body, "current_password"))) {
        return problem(r, 403, "wrong-password",
                       "The current password is another one.");
    }

    if (lockout_forgive(r, &lock) != 0) {
        return problem_db(r);
    }

    if (password_hash(password, hash) != 0) {
        return problem_memory(r);
    }

    return password_change(r, current, hash);
}


static int
password_change(request_t *r, const char *current, const char *hash)
{
    const char   *session;
    db_result_t  *res;

    session = request_printf(r, "%lld", (long long) r->caller.session);

    res = db_run(r->db, &auth_password_sql, r->caller.user_text, current,
                 hash, session,
                 body_bool(r->body, "revoke_api_tokens", false) ? "t" : "f");
    if (res == NULL) {
        return problem_db(r);
    }

    if (db_rows(res) == 0) {
        return problem(r, 409, "conflict",
                       "The password was changed at the same moment.");
    }

    if (audit(r, "auth.password", "user", r->caller.user_text, NULL) != 0) {
        return problem_db(r);
    }

    return respond_empty(r);
}


static int
problem_memory(request_t *r)
{
    respond_header(r, "Retry-After", "5");

    return problem(r, 503, "unavailable", "The server is short of memory.");
}

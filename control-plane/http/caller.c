/* Who asks: see caller.h. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http/caller.h"
#include "main/signing.h"
#include "main/token.h"


static int caller_session(request_t *r, const char *token);
static int caller_api_token(request_t *r, const char *token);
static int caller_fill(request_t *r, db_result_t *res);
static int caller_check(request_t *r, const route_t *route);
static int caller_unknown(request_t *r);
static bool caller_has_scope(const char *scopes, const char *scope);


static const db_query_t  caller_session_sql = {
    "caller_session",
    "SELECT u.id, u.role, u.suspended_at IS NOT NULL"
    "  FROM sessions s JOIN users u ON u.id = s.user_id"
    " WHERE s.id = $1 AND s.user_id = $2"
    "   AND s.revoked_at IS NULL AND s.expires_at > now()",
    2
};
DB_REGISTER(caller_session_sql);

/* When it was last used is written once a minute. */
static const db_query_t  caller_api_token_sql = {
    "caller_api_token",
    "WITH t AS ("
    " SELECT id, user_id, scopes, last_used_at FROM api_tokens"
    "  WHERE hash = decode($1, 'hex') AND revoked_at IS NULL"
    "    AND (expires_at IS NULL OR expires_at > now())),"
    " used AS ("
    " UPDATE api_tokens SET last_used_at = now()"
    "  WHERE id IN (SELECT id FROM t WHERE last_used_at IS NULL"
    "                OR last_used_at < now() - interval '1 minute'))"
    "SELECT u.id, u.role, u.suspended_at IS NOT NULL, t.id,"
    "       array_to_string(t.scopes, ' ')"
    "  FROM t JOIN users u ON u.id = t.user_id",
    1
};
DB_REGISTER(caller_api_token_sql);


static const db_query_t  caller_lock_sql = {
    "caller_lock",
    "SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE", 1
};
DB_REGISTER(caller_lock_sql);


int
caller_lock(request_t *r)
{
    return db_run(r->db, &caller_lock_sql, r->caller.user_text) == NULL
               ? -1 : 0;
}


int
caller_authorize(request_t *r, const route_t *route)
{
    int          status;
    const char  *header, *token;

    if (route->access == ACCESS_NODE || (route->flags & ROUTE_NO_CALLER)) {
        return 0;
    }

    header = request_header(r, "Authorization");

    if (header != NULL && strncasecmp(header, "Bearer ", 7) == 0) {
        token = header + 7 + strspn(header + 7, " ");

        status = strncmp(token, TOKEN_API, sizeof(TOKEN_API) - 1) == 0
                     ? caller_api_token(r, token)
                     : caller_session(r, token);

        if (status != 0) {
            return status;
        }
    }

    return caller_check(r, route);
}


static int
caller_session(request_t *r, const char *token)
{
    json_t       *claims;
    db_result_t  *res;
    const char   *aud, *sid, *sub;

    if (signing_verify(r->app, token, r->now, &claims) != 0) {
        return caller_unknown(r);
    }

    aud = json_string_value(json_object_get(claims, "aud"));
    sid = json_string_value(json_object_get(claims, "sid"));
    sub = json_string_value(json_object_get(claims, "sub"));

    /* viewer and publish tokens are signed with the same keys */
    if (aud == NULL || strcmp(aud, "api") != 0 || sid == NULL || sub == NULL) {
        json_decref(claims);
        return caller_unknown(r);
    }

    r->caller.session = strtoll(sid, NULL, 10);
    res = db_run(r->db, &caller_session_sql, sid, sub);

    json_decref(claims);

    return caller_fill(r, res);
}


static int
caller_api_token(request_t *r, const char *token)
{
    char          hash[TOKEN_HASH_TEXT];
    db_result_t  *res;

    if (strlen(token) != TOKEN_LEN) {
        return caller_unknown(r);
    }

    token_hash(token, hash);
    res = db_run(r->db, &caller_api_token_sql, hash);

    if (res != NULL && db_rows(res) == 1) {
        r->caller.api_token = db_int(res, 0, 3);
        r->caller.scopes = request_printf(r, "%s", db_text(res, 0, 4));
    }

    return caller_fill(r, res);
}


static int
caller_fill(request_t *r, db_result_t *res)
{
    bool  suspended;

    if (res == NULL) {
        return problem_db(r);
    }

    if (db_rows(res) == 0) {
        db_free(res);
        return caller_unknown(r);
    }

    r->caller.user = db_int(res, 0, 0);
    snprintf(r->caller.user_text, sizeof(r->caller.user_text), "%lld",
             (long long) r->caller.user);
    r->caller.role = role_parse(db_text(res, 0, 1));
    suspended = db_bool(res, 0, 2);

    db_free(res);

    if (suspended) {
        return problem(r, 403, "suspended", "This account is suspended.");
    }

    return 0;
}


static int
caller_check(request_t *r, const route_t *route)
{
    role_e  needed;

    if (route->access == ACCESS_ANYONE
        && (r->caller.api_token == 0 || route->scope == NULL))
    {
        return 0;
    }

    if (r->caller.user == 0) {
        respond_header(r, "WWW-Authenticate", "Bearer");
        return problem(r, 401, "login-required", "Log in first.");
    }

    if (r->caller.api_token != 0) {

        if (route->flags & ROUTE_LOGIN_ONLY) {
            return problem(r, 403, "login-only",
                           "This cannot be done with an API token.");
        }

        if (!caller_has_scope(r->caller.scopes, route->scope)) {
            return problem(r, 403, "scope",
                           route->scope == NULL
                               ? "No API token opens this."
                               : request_printf(r, "The API token lacks the "
                                                "scope \"%s\".",
                                                route->scope));
        }
    }

    needed = route->access == ACCESS_ADMIN       ? ROLE_ADMIN
             : route->access == ACCESS_MODERATOR ? ROLE_MODERATOR
             : route->access == ACCESS_USER      ? ROLE_USER
                                                 : ROLE_NONE;

    if (r->caller.role < needed) {
        return problem(r, 403, "forbidden", "You may not do that.");
    }

    return 0;
}


/* One answer for all of it: a wrong, an expired and a revoked token. */
static int
caller_unknown(request_t *r)
{
    memset(&r->caller, 0, sizeof(r->caller));

    respond_header(r, "WWW-Authenticate", "Bearer error=\"invalid_token\"");

    return problem(r, 401, "invalid-token",
                   "The token is not valid, or not any more.");
}


static bool
caller_has_scope(const char *scopes, const char *scope)
{
    size_t       len;
    const char  *p;

    if (scope == NULL) {
        return false;
    }

    len = strlen(scope);

    for (p = scopes; (p = strstr(p, scope)) != NULL; p += len) {
        if ((p == scopes || p[-1] == ' ') && (p[len] == ' ' || p[len] == '\0'))
        {
            return true;
        }
    }

    return false;
}


bool
caller_is_staff(const caller_t *caller)
{
    return caller->role >= ROLE_MODERATOR;
}


const char *
role_name(role_e role)
{
    static const char *const  names[] = { "none", "user", "moderator",
                                          "admin" };

    return names[role];
}


role_e
role_parse(const char *name)
{
    role_e  role;

    for (role = ROLE_USER; role <= ROLE_ADMIN; role++) {
        if (strcmp(name, role_name(role)) == 0) {
            return role;
        }
    }

    return ROLE_NONE;
}

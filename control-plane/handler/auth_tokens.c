/*
 * API tokens: for scripts and integrations, with what they may do (scopes) and
 * until when. They are shown once and kept as SHA-256; http/caller.c takes
 * them. A token never makes, lists or ends tokens, nor changes the password.
 */

#include <stdlib.h>
#include <string.h>

#include "handler/auth.h"
#include "handler/stream_json.h"
#include "http/caller.h"
#include "http/page.h"
#include "http/router.h"
#include "main/token.h"


#define TEXT(x)     TEXT_OF(x)
#define TEXT_OF(x)  #x

#define API_TOKENS_MAX  50

#define SQL_API_TOKEN                                                         \
    "json_build_object('id', id::text, 'name', name,"                         \
    " 'scopes', to_json(scopes), 'created_at', " SQL_TIME("created_at") ","   \
    " 'expires_at', " SQL_TIME("expires_at") ","                              \
    " 'last_used_at', " SQL_TIME("last_used_at") ")"


static const char *tokens_scopes(request_t *r, int *status);
static bool tokens_scope_known(const char *scope);


static const db_query_t  auth_tokens_list_sql = {
    "auth_tokens_list",
    "SELECT " SQL_API_TOKEN ", id"
    "  FROM api_tokens"
    " WHERE user_id = $1 AND revoked_at IS NULL"
    "   AND ($2::bigint IS NULL OR id < $2::bigint)"
    " ORDER BY id DESC LIMIT $3::integer",
    3
};
DB_REGISTER(auth_tokens_list_sql);

/* The user's row is locked before. */
static const db_query_t  auth_tokens_count_sql = {
    "auth_tokens_count",
    "SELECT (SELECT count(*) FROM api_tokens t"
    "         WHERE t.user_id = u.id AND t.revoked_at IS NULL)"
    "       >= " TEXT(API_TOKENS_MAX)
    "  FROM users u WHERE u.id = $1",
    1
};
DB_REGISTER(auth_tokens_count_sql);

static const db_query_t  auth_tokens_create_sql = {
    "auth_tokens_create",
    "INSERT INTO api_tokens (user_id, name, hash, scopes, expires_at)"
    " VALUES ($1, $2, decode($3, 'hex'), string_to_array($4, ' '),"
    "         $5::timestamptz)"
    " RETURNING " SQL_API_TOKEN ", id, expires_at <= now()",
    5
};
DB_REGISTER(auth_tokens_create_sql);

static const db_query_t  auth_tokens_delete_sql = {
    "auth_tokens_delete",
    "UPDATE api_tokens SET revoked_at = now()"
    " WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL",
    2
};
DB_REGISTER(auth_tokens_delete_sql);

static const db_query_t  auth_tokens_end_all_sql = {
    "auth_tokens_end_all",
    "UPDATE api_tokens SET revoked_at = now()"
    " WHERE user_id = $1 AND revoked_at IS NULL",
    1
};
DB_REGISTER(auth_tokens_end_all_sql);


int
auth_tokens_list(request_t *r)
{
    int           status;
    page_t        page;
    db_result_t  *res;

    status = page_read(r, &page, 1);
    if (status != 0) {
        return status;
    }

    res = db_run(r->db, &auth_tokens_list_sql, r->caller.user_text,
                 page.keys ? page.key[0] : NULL, page.limit_text);

    return res == NULL ? problem_db(r) : respond_page(r, &page, res, 0, 1);
}


int
auth_tokens_create(request_t *r)
{
    int           status;
    char          token[TOKEN_LEN + 1], hash[TOKEN_HASH_TEXT];
    json_t       *body;
    const char   *scopes;
    db_result_t  *res;

    scopes = tokens_scopes(r, &status);
    if (scopes == NULL) {
        return status;
    }

    res = caller_lock(r) != 0
              ? NULL
              : db_run(r->db, &auth_tokens_count_sql, r->caller.user_text);
    if (res == NULL) {
        return problem_db(r);
    }

    if (db_rows(res) == 1 && db_bool(res, 0, 0)) {
        return problem(r, 409, "too-many",
                       "There are " TEXT(API_TOKENS_MAX) " API tokens. Remove "
                       "one first.");
    }

    token_make(TOKEN_API, token);
    token_hash(token, hash);

    res = db_run(r->db, &auth_tokens_create_sql, r->caller.user_text,
                 body_text(r->body, "name"), hash, scopes,
                 body_text(r->body, "expires_at"));
    if (res == NULL) {
        return problem_db(r);
    }

    if (db_bool(res, 0, 2)) {
        return problem_field(r, "expires_at", "This time is past.");
    }

    if (audit(r, "api_token.create", "api_token", db_text(res, 0, 1),
              json_pack("{s:s}", "scopes", scopes)) != 0)
    {
        return problem_db(r);
    }

    body = json_loads(db_text(res, 0, 0), 0, NULL);
    json_object_set_new(body, "token", json_string(token));

    respond_header(r, "Cache-Control", "no-store");

    return respond(r, 201, body);
}


/* Separated by spaces; NULL after answering. */
static const char *
tokens_scopes(request_t *r, int *status)
{
    char        *list;
    size_t       i;
    json_t      *scopes;
    const char  *scope;

    *status = 0;
    list = request_printf(r, "%s", "");
    scopes = json_object_get(r->body, "scopes");

    for (i = 0; i < json_array_size(scopes); i++) {
        scope = json_string_value(json_array_get(scopes, i));

        if (!tokens_scope_known(scope)) {
            *status = problem_field(r, "scopes", "There is no such scope.");
            return NULL;
        }

        list = request_printf(r, "%s%s%s", list, i ? " " : "", scope);
    }

    if (i == 0) {
        *status = problem_field(r, "scopes", "At least one scope is needed.");
        return NULL;
    }

    return list;
}


/* Scopes are what routes ask for; there is no other list of them. */
static bool
tokens_scope_known(const char *scope)
{
    int             i;
    const route_t  *route;

    for (i = 0; (route = router_route(i)) != NULL; i++) {
        if (route->scope != NULL && strcmp(route->scope, scope) == 0) {
            return true;
        }
    }

    return false;
}


int
auth_tokens_delete(request_t *r)
{
    const char   *id;
    db_result_t  *res;

    id = request_param(r, "id");

    res = db_run(r->db, &auth_tokens_delete_sql, id, r->caller.user_text);
    if (res == NULL) {
        return problem_db(r);
    }

    if (db_affected(res) == 0) {
        return problem(r, 404, "not-found", "You have no such API token.");
    }

    if (audit(r, "api_token.delete", "api_token", id, NULL) != 0) {
        return problem_db(r);
    }

    return respond_empty(r);
}


int
auth_tokens_end_all(request_t *r, const char *user)
{
    return db_run(r->db, &auth_tokens_end_all_sql, user) == NULL ? -1 : 0;
}

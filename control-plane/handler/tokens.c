#include "handler/tokens.h"

#include <stdlib.h>
#include <string.h>

#include "handler/stream_access.h"
#include "main/app.h"
#include "main/revoke.h"

/* $1 jti, $2 stream */
static const db_query_t  q_token_session_find = {
    "token_session_find",
    "SELECT subject, extract(epoch FROM expires_at)::bigint"
    " FROM playback_sessions WHERE jti = $1 AND stream_id = $2",
    2
};
DB_REGISTER(q_token_session_find);


/* One token: by who may moderate the stream, and by whose it is. */
static int
token_revoke_jti(request_t *r, const char *jti)
{
    int           rc;
    bool          own;
    stream_t      stream;
    db_result_t  *res;

    res = db_run(r->db, &q_token_session_find, jti, request_param(r, "id"));

    if (res == NULL) {
        return problem_db(r);
    }

    own = db_rows(res) == 1
          && strcmp(db_text(res, 0, 0), r->caller.user_text) == 0;

    if (!own) {
        rc = stream_open(r, STREAM_MODERATE, &stream);

        if (rc != 0) {
            return rc;
        }
    }

    if (db_rows(res) == 0) {
        return problem(r, 404, "not-found", "There is no such token.");
    }

    if (audit(r, "token.revoke", "stream", request_param(r, "id"),
            json_pack("{s:s}", "jti", jti)) != 0
        || revoke_jti(r, jti, db_int(res, 0, 1)) != 0)
    {
        return problem_db(r);
    }

    return respond_empty(r);
}


static int
token_revoke_post(request_t *r)
{
    int          rc, n;
    bool         all;
    stream_t     stream;
    const char  *jti, *user;

    jti = body_text(r->body, "jti");
    user = body_text(r->body, "user");
    all = body_bool(r->body, "all", false);
    n = (jti != NULL) + (user != NULL) + all;

    if (n != 1) {
        return problem_field(r, "jti", "Say one of jti, user, and all.");
    }

    if (jti != NULL) {
        return token_revoke_jti(r, jti);
    }

    rc = stream_open(r, STREAM_MODERATE, &stream);

    if (rc != 0) {
        return rc;
    }

    if (audit(r, "token.revoke", "stream", stream.id,
            user != NULL ? json_pack("{s:s}", "user", user)
                         : json_pack("{s:b}", "all", 1)) != 0
        || (user != NULL ? revoke_stream_user(r, stream.id, user)
                         : revoke_stream(r, stream.id)) != 0)
    {
        return problem_db(r);
    }

    return respond_empty(r);
}


/*
 * A key is here SIGNING_LEAD_S before it signs, so that whoever keeps this
 * for half that time has every key in time.
 */
static int
jwks_get(request_t *r)
{
    int    rc;
    char   version[SIGNING_VERSION_LEN + 1], *jwks;

    jwks = r->app->signing != NULL ? signing_jwks(r->app->signing, version)
                                   : NULL;

    if (jwks == NULL) {
        respond_header(r, "Retry-After", "2");
        return problem(r, 503, "no-key", "There is no signing key yet.");
    }

    respond_header(r, "Cache-Control", "public, max-age=300");
    respond_header(r, "ETag", request_printf(r, "\"%s\"", version));
    rc = respond_text(r, 200, jwks);
    free(jwks);

    return rc;
}


static const field_t  token_fields[] = {
    { .name = "replaces", .type = FIELD_TEXT, .min = 1, .max = 64 },
    { 0 }
};

static const field_t  revoke_fields[] = {
    { .name = "jti", .type = FIELD_TEXT, .min = 1, .max = 64 },
    { .name = "user", .type = FIELD_ID },
    { .name = "all", .type = FIELD_BOOL },
    { 0 }
};

const route_t  routes_tokens[] = {
    { .method = "POST", .path = "/streams/{id}/token",
      .handler = viewer_token_post, .access = ACCESS_ANYONE,
      .flags = ROUTE_NO_TX,
      .scope = "tokens:write", .body = token_fields, .rate = "token" },
    { .method = "POST", .path = "/streams/{id}/token/revoke",
      .handler = token_revoke_post, .access = ACCESS_USER,
      .scope = "tokens:write", .body = revoke_fields },
    { .method = "GET", .path = "/streams/{id}/stats",
      .handler = stream_stats_get, .access = ACCESS_USER,
      .scope = "streams:read" },
    { .method = "GET", .path = "/jwks.json", .handler = jwks_get,
      .access = ACCESS_ANYONE },
    { 0 }
};

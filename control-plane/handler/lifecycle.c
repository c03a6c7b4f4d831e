#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/rand.h>

#include "handler/ingest.h"
#include "handler/stream_access.h"
#include "handler/streams.h"
#include "http/router.h"
#include "main/app.h"
#include "main/command.h"
#include "main/event.h"
#include "main/signing.h"

/* Longest and shortest life of a publish token. */
#define TOKEN_MIN_S    60
#define TOKEN_MAX_S    (12 * 3600)

#define TOKEN_JTI_LEN  16           /* hexadecimal digits */

/* A stream that is live or armed stays what it is: start can be repeated. */
static const db_query_t q_stream_arm = {
    "stream_arm",
    "UPDATE streams SET status = 'ready', armed_at = now(),"
    " updated_at = now(), version = version + 1"
    " WHERE id = $1 AND status IN ('scheduled', 'ended')",
    1
};
DB_REGISTER(q_stream_arm);

/* An announced stream is not coming; one that was live, and is announced for
 * another time, is. */
static const db_query_t q_stream_disarm = {
    "stream_disarm",
    "UPDATE streams SET armed_at = NULL,"
    " status = CASE WHEN status = 'scheduled' AND armed_at IS NOT NULL"
    "  THEN status ELSE 'ended' END,"
    " updated_at = now(), version = version + 1"
    " WHERE id = $1 AND (status <> 'ended' OR armed_at IS NOT NULL)",
    1
};
DB_REGISTER(q_stream_disarm);


static int
stream_start(request_t *r)
{
    int           rc;
    json_t       *ingest;
    stream_t      stream;
    db_result_t  *res;

    rc = stream_open(r, STREAM_EDIT, &stream);
    if (rc != 0) {
        return rc;
    }

    rc = ingest_choose(r, stream.id, stream.settings, &ingest);
    if (rc != 0) {
        return rc;
    }

    res = db_run(r->db, &q_stream_arm, stream.id);

    if (res == NULL
        || (db_affected(res) != 0
            && (audit(r, "stream.start", "stream", stream.id, NULL) != 0
                || event_emit(r->db, "stream.updated", stream.id, NULL, NULL)
                       != 0)))
    {
        json_decref(ingest);
        return problem_db(r);
    }

    return stream_respond(r, stream.id, 200, "ingest", ingest);
}


/* $1 stream, $2 user: a token that is made while a revocation of what it is
 * about lies ahead gets that time, as viewer tokens do (main/revoke.h). */
static const db_query_t q_publish_token_time = {
    "publish_token_time",
    "SELECT extract(epoch FROM greatest(date_trunc('second', now()),"
    " (SELECT max(v.before) FROM revocations v WHERE (v.kind, v.value) IN"
    "  (('stream', $1::text), ('sub', $2::text),"
    "   ('sub_stream', $2::text || chr(10) || $1::text)))))::bigint",
    2
};
DB_REGISTER(q_publish_token_time);


int
stream_end(request_t *r, const char *id, const char *why, const char *what,
    const char *reason)
{
    /* What is live ends, and the encoder that was dropped is refused when it
     * is back at once. */

    if (command_kick(r, id, why, reason) != 0
        || db_run(r->db, &q_stream_disarm, id) == NULL
        || audit(r, what, "stream", id, json_pack("{s:s}", "reason", reason))
               != 0)
    {
        return problem_db(r);
    }

    return 0;
}


static int
stream_stop(request_t *r)
{
    int          rc;
    stream_t     stream;
    const char  *reason;

    rc = stream_lock_live(r);
    if (rc != 0) {
        return rc;
    }

    rc = stream_open(r, STREAM_STOP, &stream);
    if (rc != 0) {
        return rc;
    }

    reason = body_text(r->body, "reason");

    rc = stream_end(r, stream.id, "stopped", "stream.stop",
                    reason != NULL ? reason : "The broadcast was stopped.");
    if (rc != 0) {
        return rc;
    }

    return stream_respond(r, stream.id, 200, NULL, NULL);
}


/*
 * Its claims are few, so that the token stays below 400 bytes with the longest
 * id: it stands where a stream key does, and encoders' fields are short.
 */

static int
publish_token_post(request_t *r)
{
    int           rc;
    char          jti[TOKEN_JTI_LEN + 1];
    char         *token;
    json_t       *claims, *ingest;
    int64_t       ttl;
    uint8_t       bytes[TOKEN_JTI_LEN / 2];
    stream_t      stream;
    db_result_t  *res;

    rc = stream_open(r, STREAM_EDIT, &stream);
    if (rc != 0) {
        return rc;
    }

    rc = ingest_choose(r, stream.id, stream.settings, &ingest);
    if (rc != 0) {
        return rc;
    }

    res = db_run(r->db, &q_publish_token_time, stream.id,
                 r->caller.user_text);
    if (res == NULL) {
        json_decref(ingest);
        return problem_db(r);
    }

    ttl = body_int(r->body, "ttl_s",
                   conf_int(r->app->conf, "publish_token_ttl"));

    if (RAND_bytes(bytes, sizeof(bytes)) != 1) {
        abort();
    }

    for (size_t i = 0; i < sizeof(bytes); i++) {
        snprintf(jti + 2 * i, 3, "%02x", bytes[i]);
    }

    claims = json_pack("{s:s, s:s, s:I, s:I, s:s, s:[s]}",
                       "sub", r->caller.user_text,
                       "jti", jti,
                       "iat", (json_int_t) db_int(res, 0, 0),
                       "exp", (json_int_t) (r->now + ttl),
                       "stream", stream.id,
                       "can", "publish");

    rc = signing_sign(r->app, claims, &token);
    json_decref(claims);

    if (rc != 0) {
        json_decref(ingest);
        respond_header(r, "Retry-After", "2");

        return problem(r, 503, "no-key", "There is no signing key yet.");
    }

    claims = json_pack("{s:s, s:s, s:I, s:s, s:o}",
                       "token", token,
                       "jti", jti,
                       "expires_in", (json_int_t) ttl,
                       "stream", stream.id,
                       "ingest", ingest);
    free(token);

    return respond(r, 201, claims);
}


static const field_t stop_fields[] = {
    { .name = "reason", .type = FIELD_TEXT, .min = 1, .max = 120 },
    { 0 }
};

static const field_t token_fields[] = {
    { .name = "ttl_s", .type = FIELD_INT, .min = TOKEN_MIN_S,
      .max = TOKEN_MAX_S },
    { 0 }
};

const route_t routes_lifecycle[] = {
    { "POST", "/streams/{id}/start", stream_start, ACCESS_USER, 0,
      "streams:write", NULL, NULL, NULL },
    { "POST", "/streams/{id}/stop", stream_stop, ACCESS_USER, 0,
      "streams:write", stop_fields, NULL, NULL },
    { "POST", "/streams/{id}/publish-token", publish_token_post, ACCESS_USER,
      0, "keys:write", token_fields, NULL, NULL },
    { 0 }
};

/*
 * A service of the owner's that is asked about each message before anybody
 * sees it. Nodes ask it (ngx_live_module/chat/README.md); here is where it is,
 * and the secret that requests are signed with, sealed.
 */

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <sodium.h>

#include "handler/chat_room.h"
#include "handler/stream_access.h"
#include "handler/stream_json.h"
#include "http/router.h"
#include "main/app.h"
#include "main/log.h"

/* "lvcr_" and 256 random bits in base64url. */
#define SECRET_PREFIX  "lvcr_"
#define SECRET_BYTES   32
#define SECRET_LEN     (5 + 43)

#define SEALED_PLACE   "chat_reviews.sealed:%s"

#define REVIEW_JSON                                                           \
    "json_build_object('url', v.url, 'on_timeout', v.on_timeout,"             \
    " 'created_at', " SQL_TIME("v.created_at") ","                            \
    " 'created_by', v.created_by::text)"

static const db_query_t  q_chat_review = {
    "chat_review",
    "SELECT " REVIEW_JSON " FROM chat_reviews v WHERE v.stream_id = $1",
    1
};
DB_REGISTER(q_chat_review);

static const db_query_t  q_chat_review_put = {
    "chat_review_put",
    "INSERT INTO chat_reviews AS v (stream_id, url, on_timeout, sealed,"
    " created_by) VALUES ($1, $2, $3, $4, $5::bigint)"
    " ON CONFLICT (stream_id) DO UPDATE SET url = excluded.url,"
    "  on_timeout = excluded.on_timeout, sealed = excluded.sealed,"
    "  created_at = now(), created_by = excluded.created_by"
    " RETURNING " REVIEW_JSON,
    5
};
DB_REGISTER(q_chat_review_put);

static const db_query_t  q_chat_review_delete = {
    "chat_review_delete",
    "DELETE FROM chat_reviews WHERE stream_id = $1",
    1
};
DB_REGISTER(q_chat_review_delete);


static int
problem_no_review(request_t *r)
{
    return problem(r, 404, "not-found", "No service reviews this room.");
}


static int
review_get(request_t *r)
{
    int           rc;
    stream_t      stream;
    db_result_t  *res;

    rc = stream_open(r, STREAM_EDIT, &stream);
    if (rc != 0) {
        return rc;
    }

    res = db_run(r->db, &q_chat_review, stream.id);
    if (res == NULL) {
        return problem_db(r);
    }

    return db_rows(res) > 0 ? respond_text(r, 200, db_text(res, 0, 0))
                            : problem_no_review(r);
}


/* A secret, and its sealed form, malloc'd. */
static char *
review_secret(request_t *r, const char *stream, char secret[SECRET_LEN + 1])
{
    char           *sealed;
    unsigned char   bytes[SECRET_BYTES];

    randombytes_buf(bytes, sizeof(bytes));
    memcpy(secret, SECRET_PREFIX, sizeof(SECRET_PREFIX));
    sodium_bin2base64(secret + strlen(SECRET_PREFIX), 44, bytes,
        sizeof(bytes), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    OPENSSL_cleanse(bytes, sizeof(bytes));

    sealed = crypt_seal(r->app->crypt, request_printf(r, SEALED_PLACE,
        stream), secret, SECRET_LEN);

    if (sealed == NULL) {
        abort();
    }

    return sealed;
}


/* Each time with a new secret, which is shown this once. */
static int
review_put(request_t *r)
{
    int           rc;
    char          secret[SECRET_LEN + 1], *sealed;
    json_t       *json;
    stream_t      stream;
    const char   *url;
    db_result_t  *res;

    rc = stream_open(r, STREAM_EDIT, &stream);
    if (rc != 0) {
        return rc;
    }

    url = body_text(r->body, "url");

    if (strpbrk(url, "?#") != NULL) {
        return problem_field(r, "url", "may have a path, but no arguments.");
    }

    sealed = review_secret(r, stream.id, secret);
    res = db_run(r->db, &q_chat_review_put, stream.id, url,
                 body_text(r->body, "on_timeout"), sealed,
                 r->caller.user_text);
    free(sealed);

    if (res == NULL
        || audit(r, "chat.review.set", "chat", stream.id,
                 json_pack("{s:s,s:s}", "url", url, "on_timeout",
                           body_text(r->body, "on_timeout"))) != 0
        || chat_touch(r, stream.id, 0) != 0)
    {
        OPENSSL_cleanse(secret, sizeof(secret));
        return problem_db(r);
    }

    json = json_loads(db_text(res, 0, 0), 0, NULL);
    json_object_set_new(json, "secret", json_string(secret));
    OPENSSL_cleanse(secret, sizeof(secret));
    respond_header(r, "Cache-Control", "no-store");

    return respond(r, 200, json);
}


static int
review_delete(request_t *r)
{
    int           rc;
    stream_t      stream;
    db_result_t  *res;

    rc = stream_open(r, STREAM_EDIT, &stream);
    if (rc != 0) {
        return rc;
    }

    res = db_run(r->db, &q_chat_review_delete, stream.id);
    if (res == NULL) {
        return problem_db(r);
    }

    if (db_affected(res) == 0) {
        return problem_no_review(r);
    }

    if (audit(r, "chat.review.remove", "chat", stream.id, NULL) != 0
        || chat_touch(r, stream.id, 0) != 0)
    {
        return problem_db(r);
    }

    return respond_empty(r);
}


void
chat_review_open(request_t *r, const char *stream, json_t *settings)
{
    json_t         *review;
    size_t          len;
    const char     *sealed;
    unsigned char   secret[SECRET_LEN + 1];

    review = json_object_get(settings, "review");
    sealed = json_string_value(json_object_get(review, "sealed"));

    if (sealed == NULL) {
        return;
    }

    if (crypt_open(r->app->crypt, request_printf(r, SEALED_PLACE, stream),
            sealed, secret, SECRET_LEN, &len) != 0)
    {
        log_line(LOG_ERROR, "chat: the secret of the review of stream %s does"
            " not open: set it anew", stream);
        json_object_del(settings, "review");
        return;
    }

    json_object_set_new(review, "secret",
        json_stringn((const char *) secret, len));
    json_object_del(review, "sealed");
    OPENSSL_cleanse(secret, sizeof(secret));
}


static const field_t  review_fields[] = {
    { .name = "url", .type = FIELD_URL, .flags = FIELD_REQUIRED, .max = 512 },
    { .name = "on_timeout", .type = FIELD_ONE_OF, .flags = FIELD_REQUIRED,
      .of = "allow|deny|hold" },
    { 0 }
};

const route_t  routes_chat_review[] = {
    { "GET", "/streams/{id}/moderation/review", review_get, ACCESS_USER, 0,
      "chat:moderate", NULL, NULL, NULL },
    { "PUT", "/streams/{id}/moderation/review", review_put, ACCESS_USER, 0,
      "chat:moderate", review_fields, NULL, NULL },
    { "DELETE", "/streams/{id}/moderation/review", review_delete,
      ACCESS_USER, 0, "chat:moderate", NULL, NULL, NULL },
    { 0 }
};

#include "handler/webhooks.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <sodium.h>

#include "handler/stream_json.h"
#include "http/caller.h"
#include "http/page.h"
#include "http/router.h"
#include "main/app.h"
#include "main/event.h"

#define WEBHOOKS_MAX       20       /* of a user */
#define WEBHOOKS_MAX_TEXT  "20"

#define EVENTS_MAX         32

/* "whsec_" and 256 random bits in base64url. */
#define SECRET_PREFIX      "whsec_"
#define SECRET_BYTES       32
#define SECRET_LEN         (6 + 43)

#define URL_MAX            2048

#define WEBHOOK_JSON                                                          \
    "json_build_object('id', w.id::text, 'url', w.url,"                       \
    " 'description', w.description, 'events', to_json(w.events),"             \
    " 'stream', w.stream_id, 'platform', w.platform,"                         \
    " 'user', w.user_id::text, 'enabled', w.disabled_at IS NULL,"             \
    " 'disabled_at', " SQL_TIME("w.disabled_at") ","                          \
    " 'disabled_why', w.disabled_why, 'failures', w.failures,"                \
    " 'failing_since', " SQL_TIME("w.failing_since") ","                      \
    " 'missed_at', " SQL_TIME("w.missed_at") ","                              \
    " 'created_at', " SQL_TIME("w.created_at") ","                            \
    " 'updated_at', " SQL_TIME("w.updated_at") ")"

/* $1 id, $2 the caller, $3 whether that is an admin. */
#define WEBHOOK_OF                                                            \
    " FROM webhooks w WHERE w.id = $1::bigint"                                \
    " AND (w.user_id = $2::bigint OR (w.platform AND $3::boolean))"

static const db_query_t  q_webhook_show = {
    "webhook_show",
    "SELECT " WEBHOOK_JSON ", w.version, w.platform,"
    " w.disabled_at IS NOT NULL" WEBHOOK_OF,
    3
};
DB_REGISTER(q_webhook_show);

static const db_query_t  q_webhook_lock = {
    "webhook_lock",
    "SELECT " WEBHOOK_JSON ", w.version, w.platform,"
    " w.disabled_at IS NOT NULL" WEBHOOK_OF " FOR NO KEY UPDATE",
    3
};
DB_REGISTER(q_webhook_lock);

static const db_query_t  q_webhook_list = {
    "webhook_list",
    "SELECT " WEBHOOK_JSON ", w.id FROM webhooks w"
    " WHERE w.user_id = $1::bigint AND w.id > $2::bigint"
    " ORDER BY w.id LIMIT $3::integer",
    3
};
DB_REGISTER(q_webhook_list);

static const db_query_t  q_webhook_list_platform = {
    "webhook_list_platform",
    "SELECT " WEBHOOK_JSON ", w.id FROM webhooks w"
    " WHERE w.platform AND w.id > $1::bigint"
    " ORDER BY w.id LIMIT $2::integer",
    2
};
DB_REGISTER(q_webhook_list_platform);

/* The user's row is locked before. $2: the stream, or NULL; whether it is the
 * user's. */
static const db_query_t  q_webhook_room = {
    "webhook_room",
    "SELECT (SELECT count(*) FROM webhooks w WHERE w.user_id = u.id)"
    "  >= " WEBHOOKS_MAX_TEXT ","
    " $2::text IS NULL OR EXISTS (SELECT FROM streams s"
    "  WHERE s.id = $2 AND s.user_id = u.id),"
    " nextval(pg_get_serial_sequence('webhooks', 'id'))"
    " FROM users u WHERE u.id = $1::bigint",
    2
};
DB_REGISTER(q_webhook_room);

#define SQL_EVENTS(p)                                                         \
    "(SELECT array_agg(DISTINCT x ORDER BY x)"                                \
    " FROM jsonb_array_elements_text(" p "::jsonb) x)"

static const db_query_t  q_webhook_insert = {
    "webhook_insert",
    "INSERT INTO webhooks AS w (id, user_id, stream_id, platform, url,"
    " description, events, sealed) VALUES ($1::bigint, $2::bigint, $3,"
    " $4::boolean, $5, coalesce($6, ''), " SQL_EVENTS("$7") ", $8)"
    " RETURNING " WEBHOOK_JSON ", w.version",
    8
};
DB_REGISTER(q_webhook_insert);

/* $5: whether it is to be enabled, or NULL. A new address, or being enabled
 * again, is a new beginning. */
static const db_query_t  q_webhook_update = {
    "webhook_update",
    "UPDATE webhooks w SET url = coalesce($2, w.url),"
    " description = coalesce($3, w.description),"
    " events = coalesce(" SQL_EVENTS("$4") ", w.events),"
    " disabled_at = CASE $5::boolean WHEN true THEN NULL"
    "  WHEN false THEN coalesce(w.disabled_at, now())"
    "  ELSE w.disabled_at END,"
    " disabled_why = CASE WHEN $5::boolean IS NULL THEN w.disabled_why END,"
    " failures = CASE WHEN n THEN 0 ELSE w.failures END,"
    " failing_since = CASE WHEN NOT n THEN w.failing_since END,"
    " retry_at = CASE WHEN NOT n THEN w.retry_at END,"
    " updated_at = now(), version = w.version + 1"
    " FROM (SELECT $2::text IS NOT NULL OR coalesce($5::boolean, false) AS n)"
    "  x"
    " WHERE w.id = $1::bigint RETURNING " WEBHOOK_JSON ", w.version",
    5
};
DB_REGISTER(q_webhook_update);

static const db_query_t  q_webhook_delete = {
    "webhook_delete",
    "DELETE FROM webhooks WHERE id = $1::bigint",
    1
};
DB_REGISTER(q_webhook_delete);


static int
webhook_respond(request_t *r, int status, json_t *json, const char *version)
{
    respond_header(r, "ETag", request_printf(r, "\"%s\"", version));

    return respond(r, status, json);
}


static int
webhook_find(request_t *r, webhook_t *webhook, const char **json)
{
    bool          reads;
    const char   *id;
    db_result_t  *res;

    id = request_param(r, "id");
    reads = strcmp(r->method, "GET") == 0;

    res = db_run(r->db, reads ? &q_webhook_show : &q_webhook_lock, id,
        r->caller.user_text, r->caller.role == ROLE_ADMIN ? "t" : "f");

    if (res == NULL) {
        return problem_db(r);
    }

    if (db_rows(res) == 0) {
        return problem(r, 404, "not-found", "You have no such webhook.");
    }

    webhook->id = id;
    webhook->version = db_text(res, 0, 1);
    webhook->platform = db_bool(res, 0, 2);
    webhook->disabled = db_bool(res, 0, 3);
    *json = db_text(res, 0, 0);

    return 0;
}


int
webhook_open(request_t *r, webhook_t *webhook)
{
    const char  *json;

    return webhook_find(r, webhook, &json);
}


/* The body's events as a parameter; NULL when absent, or after *status. */
static const char *
webhook_events(request_t *r, bool platform, int *status)
{
    char                *dump;
    size_t               i;
    json_t              *list, *one;
    const char          *text;
    const event_type_t  *type;

    *status = 0;
    list = json_object_get(r->body, "events");

    if (list == NULL) {
        return NULL;
    }

    if (json_array_size(list) == 0) {
        *status = problem_field(r, "events", "Name at least one event.");
        return NULL;
    }

    for (i = 0; i < json_array_size(list); i++) {
        one = json_array_get(list, i);
        type = event_type_find(json_string_value(one));

        if (type == NULL) {
            *status = problem_field(r, "events", "There is no such event.");
            return NULL;
        }

        if (type->platform && !platform) {
            *status = problem_field(r, "events", "Only the platform's webhooks"
                " have events of users and reports.");
            return NULL;
        }
    }

    dump = json_dumps(list, JSON_COMPACT);
    text = request_printf(r, "%s", dump);
    free(dump);

    return text;
}


/* The rights and the room for one more, and its id. 0, or the status. */
static int
webhook_room(request_t *r, const char *stream, bool platform, const char **id)
{
    db_result_t  *res;

    if (platform && r->caller.role != ROLE_ADMIN) {
        return problem(r, 403, "forbidden",
            "Only admins make webhooks of the platform.");
    }

    if (platform && stream != NULL) {
        return problem_field(r, "stream", "It does not go with platform.");
    }

    res = caller_lock(r) != 0
          ? NULL
          : db_run(r->db, &q_webhook_room, r->caller.user_text, stream);

    if (res == NULL) {
        return problem_db(r);
    }

    if (db_rows(res) == 0 || !db_bool(res, 0, 1)) {
        return problem_field(r, "stream", "It is none of your streams.");
    }

    if (db_bool(res, 0, 0)) {
        return problem(r, 409, "limit", "An account has " WEBHOOKS_MAX_TEXT
            " webhooks at most.");
    }

    *id = db_text(res, 0, 2);

    return 0;
}


/* A secret, and its sealed form (malloc'd; NULL: the generator failed). */
static char *
webhook_secret(request_t *r, const char *id, char secret[SECRET_LEN + 1])
{
    unsigned char  bytes[SECRET_BYTES];

    randombytes_buf(bytes, sizeof(bytes));
    memcpy(secret, SECRET_PREFIX, sizeof(SECRET_PREFIX));
    sodium_bin2base64(secret + strlen(SECRET_PREFIX), 44, bytes,
        sizeof(bytes), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    OPENSSL_cleanse(bytes, sizeof(bytes));

    return crypt_seal(r->app->crypt, request_printf(r, "webhooks.sealed:%s",
        id), secret, SECRET_LEN);
}


static int
webhooks_post(request_t *r)
{
    int           rc;
    bool          platform;
    char          secret[SECRET_LEN + 1], *sealed;
    json_t       *json;
    const char   *id, *events, *stream;
    db_result_t  *res;

    id = NULL;
    id = NULL;
    platform = body_bool(r->body, "platform", false);
    stream = body_text(r->body, "stream");
    events = webhook_events(r, platform, &rc);

    if (events == NULL) {
        return rc;
    }

    rc = webhook_room(r, stream, platform, &id);

    if (rc != 0) {
        return rc;
    }

    sealed = webhook_secret(r, id, secret);

    if (sealed == NULL) {
        abort();
    }

    res = db_run(r->db, &q_webhook_insert, id, r->caller.user_text, stream,
        platform ? "t" : "f", body_text(r->body, "url"),
        body_text(r->body, "description"), events, sealed);
    free(sealed);

    if (res == NULL
        || audit(r, "webhook.create", "webhook", id,
               json_pack("{s:s?,s:b}", "stream", stream, "platform",
                   platform)) != 0)
    {
        OPENSSL_cleanse(secret, sizeof(secret));
        return problem_db(r);
    }

    json = json_loads(db_text(res, 0, 0), 0, NULL);
    json_object_set_new(json, "secret", json_string(secret));
    OPENSSL_cleanse(secret, sizeof(secret));

    respond_header(r, "Location", request_printf(r, "/api/webhooks/%s", id));
    respond_header(r, "Cache-Control", "no-store");

    return webhook_respond(r, 201, json, db_text(res, 0, 1));
}


static int
webhooks_get(request_t *r)
{
    int           rc;
    page_t        page;
    const char   *platform, *first;
    db_result_t  *res;

    rc = page_read(r, &page, 1);

    if (rc != 0) {
        return rc;
    }

    platform = request_query(r, "platform");
    first = page.keys ? page.key[0] : "0";

    if (platform != NULL && strcmp(platform, "true") == 0) {

        if (r->caller.role != ROLE_ADMIN) {
            return problem(r, 403, "forbidden",
                "Only admins see webhooks of the platform.");
        }

        res = db_run(r->db, &q_webhook_list_platform, first,
            page.limit_text);

    } else {
        res = db_run(r->db, &q_webhook_list, r->caller.user_text, first,
            page.limit_text);
    }

    return res == NULL ? problem_db(r) : respond_page(r, &page, res, 0, 1);
}


static int
webhook_get(request_t *r)
{
    int          rc;
    webhook_t    webhook;
    const char  *json;

    rc = webhook_find(r, &webhook, &json);

    if (rc != 0) {
        return rc;
    }

    /* failures come and go without a new version */
    respond_header(r, "ETag", request_printf(r, "\"%s\"", webhook.version));

    return respond_text(r, 200, json);
}


static int
webhook_patch(request_t *r)
{
    int           rc;
    webhook_t     webhook;
    const char   *events, *enabled;
    db_result_t  *res;

    rc = webhook_open(r, &webhook);

    if (rc != 0) {
        return rc;
    }

    if (!request_version(r, webhook.version)) {
        return 412;
    }

    events = webhook_events(r, webhook.platform, &rc);

    if (rc != 0) {
        return rc;
    }

    enabled = !body_has(r->body, "enabled") ? NULL
              : body_bool(r->body, "enabled", false) ? "t" : "f";

    res = db_run(r->db, &q_webhook_update, webhook.id,
        body_text(r->body, "url"), body_text(r->body, "description"),
        events, enabled);

    if (res == NULL
        || audit(r, "webhook.update", "webhook", webhook.id, NULL) != 0)
    {
        return problem_db(r);
    }

    return webhook_respond(r, 200, json_loads(db_text(res, 0, 0), 0, NULL),
        db_text(res, 0, 1));
}


static int
webhook_delete(request_t *r)
{
    int        rc;
    webhook_t  webhook;

    rc = webhook_open(r, &webhook);

    if (rc != 0) {
        return rc;
    }

    if (db_run(r->db, &q_webhook_delete, webhook.id) == NULL
        || audit(r, "webhook.delete", "webhook", webhook.id, NULL) != 0)
    {
        return problem_db(r);
    }

    return respond_empty(r);
}


static const field_t  create_fields[] = {
    { .name = "url", .type = FIELD_URL, .flags = FIELD_REQUIRED,
      .max = URL_MAX },
    { .name = "events", .type = FIELD_LIST, .flags = FIELD_REQUIRED,
      .max = EVENTS_MAX, .each = 64 },
    { .name = "stream", .type = FIELD_STREAM },
    { .name = "platform", .type = FIELD_BOOL },
    { .name = "description", .type = FIELD_TEXT, .max = 200 },
    { 0 }
};

static const field_t  patch_fields[] = {
    { .name = "url", .type = FIELD_URL, .max = URL_MAX },
    { .name = "events", .type = FIELD_LIST, .max = EVENTS_MAX, .each = 64 },
    { .name = "description", .type = FIELD_TEXT, .max = 200 },
    { .name = "enabled", .type = FIELD_BOOL },
    { 0 }
};

static const field_t  list_query[] = {
    PAGE_FIELDS,
    { .name = "platform", .type = FIELD_BOOL },
    { 0 }
};

static const field_t  deliveries_query[] = {
    PAGE_FIELDS,
    { .name = "status", .type = FIELD_ONE_OF,
      .of = "pending|delivered|failed" },
    { 0 }
};

#define READS   .access = ACCESS_USER, .scope = "webhooks:read"
#define WRITES  .access = ACCESS_USER, .scope = "webhooks:write"

const route_t  routes_webhooks[] = {
    { .method = "POST", .path = "/webhooks", .handler = webhooks_post,
      .flags = ROUTE_IDEMPOTENT, .body = create_fields, WRITES },
    { .method = "GET", .path = "/webhooks", .handler = webhooks_get,
      .query = list_query, READS },
    { .method = "GET", .path = "/webhooks/{id}", .handler = webhook_get,
      READS },
    { .method = "PATCH", .path = "/webhooks/{id}", .handler = webhook_patch,
      .body = patch_fields, WRITES },
    { .method = "DELETE", .path = "/webhooks/{id}", .handler = webhook_delete,
      WRITES },
    { .method = "POST", .path = "/webhooks/{id}/test",
      .handler = webhook_test, WRITES },
    { .method = "GET", .path = "/webhooks/{id}/deliveries",
      .handler = deliveries_get, .query = deliveries_query, READS },
    { .method = "POST",
      .path = "/webhooks/{id}/deliveries/{delivery}/replay",
      .handler = delivery_replay, WRITES },
    { 0 }
};

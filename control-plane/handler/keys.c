#include <stdio.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "lv_streamkeys.h"

#include "handler/keys.h"
#include "handler/stream_access.h"
#include "handler/stream_json.h"
#include "http/page.h"
#include "http/router.h"
#include "main/command.h"
#include "main/event.h"

#define KEY_BYTES     20            /* 160 bits */
#define KEY_CHARS     (KEY_BYTES * 8 / 5)

/* Of a stream, revoked and expired ones not counted. */
#define KEYS_MAX      20
#define KEYS_MAX_TEXT "20"

/* How long a key that was replaced may go on, at most: a week. */
#define OVERLAP_MAX_S (7 * 24 * 3600)

static const char  base32[] = "abcdefghijklmnopqrstuvwxyz234567";

#define KEY_JSON                                                              \
    "json_build_object('id', k.id::text, 'label', k.label,"                   \
    " 'created_at', " SQL_TIME("k.created_at") ","                            \
    " 'created_by', k.created_by::text,"                                      \
    " 'expires_at', " SQL_TIME("k.expires_at") ","                            \
    " 'revoked_at', " SQL_TIME("k.revoked_at") ","                            \
    " 'last_used_at', " SQL_TIME("k.last_used_at") ")"

static const db_query_t q_key_insert = {
    "key_insert",
    "INSERT INTO stream_keys AS k"
    " (stream_id, hash, label, created_by, expires_at)"
    " VALUES ($1, $2::bytea, coalesce($3, ''), $4::bigint, $5::timestamptz)"
    " RETURNING " KEY_JSON,
    5
};
DB_REGISTER(q_key_insert);

/* Whether there is no room for one more (counts no further than the limit,
 * however many there are), and whether its time would be over already. */
static const db_query_t q_key_room = {
    "key_room",
    "SELECT count(*) >= " KEYS_MAX_TEXT ","
    " $2::timestamptz NOT BETWEEN now() AND now() + interval '100 years'"
    " FROM ("
    " SELECT FROM stream_keys WHERE stream_id = $1 AND revoked_at IS NULL"
    "  AND (expires_at IS NULL OR expires_at > now())"
    " LIMIT " KEYS_MAX_TEXT ") k",
    2
};
DB_REGISTER(q_key_room);

static const db_query_t q_key_list = {
    "key_list",
    "SELECT " KEY_JSON ", k.id FROM stream_keys k"
    " WHERE k.stream_id = $1 AND k.id < $2::bigint"
    " ORDER BY k.id DESC LIMIT $3::integer",
    3
};
DB_REGISTER(q_key_list);

static const db_query_t q_key_revoke = {
    "key_revoke",
    "UPDATE stream_keys SET revoked_at = now()"
    " WHERE id = $2::bigint AND stream_id = $1 AND revoked_at IS NULL",
    2
};
DB_REGISTER(q_key_revoke);

static const db_query_t q_key_retire = {
    "key_retire",
    "UPDATE stream_keys SET expires_at ="
    "  least(expires_at, now() + make_interval(secs => $3::integer))"
    " WHERE id = $2::bigint AND stream_id = $1 AND revoked_at IS NULL",
    3
};
DB_REGISTER(q_key_retire);


/* 5 bits a character, from the left; KEY_BYTES is a multiple of 5. */

static void
key_text(char text[KEY_CHARS + 1], const uint8_t bytes[KEY_BYTES])
{
    int       bits = 0, n = 0;
    uint32_t  acc = 0;

    for (int i = 0; i < KEY_BYTES; i++) {
        acc = acc << 8 | bytes[i];
        bits += 8;

        while (bits >= 5) {
            bits -= 5;
            text[n++] = base32[acc >> bits & 31];
        }
    }

    text[n] = '\0';
}


int
key_create(request_t *r, const char *stream, const char *label,
    const char *expires, json_t **json)
{
    char          key[KEY_CHARS + 1], hex[2 + 2 * LV_STREAMKEY_HASH + 1];
    uint8_t       bytes[KEY_BYTES], hash[LV_STREAMKEY_HASH];
    lv_str_t      str;
    db_result_t  *res;

    if (RAND_bytes(bytes, sizeof(bytes)) != 1) {
        return -1;
    }

    key_text(key, bytes);
    OPENSSL_cleanse(bytes, sizeof(bytes));

    str.data = (uint8_t *) key;
    str.len = KEY_CHARS;

    lv_streamkey_hash(str, hash);

    snprintf(hex, sizeof(hex), "\\x");

    for (int i = 0; i < LV_STREAMKEY_HASH; i++) {
        snprintf(hex + 2 + 2 * i, 3, "%02x", hash[i]);
    }

    res = db_run(r->db, &q_key_insert, stream, hex, label, caller_id(r),
                 expires);
    if (res == NULL) {
        OPENSSL_cleanse(key, sizeof(key));
        return -1;
    }

    *json = json_loads(db_text(res, 0, 0), 0, NULL);
    json_object_set_new(*json, "key", json_string(key));
    OPENSSL_cleanse(key, sizeof(key));

    return 0;
}


/* Revokes the key, or lets it go on for a while. 0, or the status answered:
 * 422 when it is not this stream's, or was revoked before. */

static int
key_replace(request_t *r, const char *stream, const char *key)
{
    int64_t       overlap;
    db_result_t  *res;

    overlap = body_int(r->body, "overlap_s", 0);

    if (overlap > 0) {
        res = db_run(r->db, &q_key_retire, stream, key,
                     request_printf(r, "%lld", (long long) overlap));
    } else {
        res = db_run(r->db, &q_key_revoke, stream, key);
    }

    if (res == NULL) {
        return problem_db(r);
    }

    if (db_affected(res) == 0) {
        return problem_field(r, "replaces", "is no key of this stream");
    }

    if (overlap == 0
        && command_kick_key(r, key, "revoked",
                            "The stream key was replaced.") != 0)
    {
        return problem_db(r);
    }

    return 0;
}


static int
keys_post(request_t *r)
{
    int           rc;
    json_t       *json;
    stream_t      stream;
    const char   *replaces, *expires;
    db_result_t  *res;

    rc = stream_lock_live(r);
    if (rc != 0) {
        return rc;
    }

    rc = stream_open(r, STREAM_OWN, &stream);
    if (rc != 0) {
        return rc;
    }

    replaces = body_text(r->body, "replaces");

    if (replaces != NULL) {
        rc = key_replace(r, stream.id, replaces);
        if (rc != 0) {
            return rc;
        }
    }

    expires = body_text(r->body, "expires_at");

    res = db_run(r->db, &q_key_room, stream.id, expires);
    if (res == NULL) {
        return problem_db(r);
    }

    if (db_bool(res, 0, 0)) {
        return problem(r, 409, "limit",
                       "A stream has " KEYS_MAX_TEXT " valid keys at most.");
    }

    if (db_bool(res, 0, 1)) {
        return problem_field(r, "expires_at",
                             "is in the past, or more than 100 years ahead");
    }

    if (key_create(r, stream.id, body_text(r->body, "label"), expires, &json)
        != 0)
    {
        return problem_db(r);
    }

    if (audit(r, "key.create", "stream", stream.id,
              json_pack("{s:O, s:O, s:s?}",
                        "key", json_object_get(json, "id"),
                        "label", json_object_get(json, "label"),
                        "replaces", replaces))
            != 0
        || event_emit(r->db, "key.created", stream.id, NULL,
                      json_pack("{s:O, s:O, s:s?}",
                                "key", json_object_get(json, "id"),
                                "label", json_object_get(json, "label"),
                                "replaces", replaces))
               != 0)
    {
        json_decref(json);
        return problem_db(r);
    }

    return respond(r, 201, json);
}


static int
keys_get(request_t *r)
{
    int           rc;
    page_t        page;
    stream_t      stream;
    db_result_t  *res;

    rc = page_read(r, &page, 1);
    if (rc != 0) {
        return rc;
    }

    rc = stream_open(r, STREAM_EDIT, &stream);
    if (rc != 0) {
        return rc;
    }

    res = db_run(r->db, &q_key_list, stream.id,
                 page.keys ? page.key[0] : "9223372036854775807",
                 page.limit_text);
    if (res == NULL) {
        return problem_db(r);
    }

    return respond_page(r, &page, res, 0, 1);
}


static int
key_delete(request_t *r)
{
    int           rc;
    stream_t      stream;
    const char   *key;
    db_result_t  *res;

    rc = stream_lock_live(r);
    if (rc != 0) {
        return rc;
    }

    rc = stream_open(r, STREAM_OWN, &stream);
    if (rc != 0) {
        return rc;
    }

    key = request_param(r, "key");

    res = db_run(r->db, &q_key_revoke, stream.id, key);
    if (res == NULL) {
        return problem_db(r);
    }

    if (db_affected(res) == 0) {
        return problem(r, 404, "not-found",
                       "This stream has no such key, or it was revoked.");
    }

    if (command_kick_key(r, key, "revoked", "The stream key was revoked.") != 0
        || audit(r, "key.revoke", "stream", stream.id,
                 json_pack("{s:s}", "key", key))
               != 0
        || event_emit(r->db, "key.revoked", stream.id, NULL,
                      json_pack("{s:s}", "key", key))
               != 0)
    {
        return problem_db(r);
    }

    return respond_empty(r);
}


static const field_t key_fields[] = {
    { .name = "label", .type = FIELD_TEXT, .min = 0, .max = 64 },
    { .name = "expires_at", .type = FIELD_TIME },
    { .name = "replaces", .type = FIELD_ID },
    { .name = "overlap_s", .type = FIELD_INT, .min = 0, .max = OVERLAP_MAX_S },
    { 0 }
};

static const field_t key_query[] = {
    PAGE_FIELDS,
    { 0 }
};

const route_t routes_keys[] = {
    { "POST", "/streams/{id}/keys", keys_post, ACCESS_USER, ROUTE_IDEMPOTENT,
      "keys:write", key_fields, NULL, NULL },
    { "GET", "/streams/{id}/keys", keys_get, ACCESS_USER, 0,
      "keys:read", NULL, key_query, NULL },
    { "DELETE", "/streams/{id}/keys/{key}", key_delete, ACCESS_USER, 0,
      "keys:write", NULL, NULL, NULL },
    { 0 }
};

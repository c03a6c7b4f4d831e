/* Idempotency-Key: see idempotency.h. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "http/idempotency.h"
#include "http/request_int.h"

#define KEY_MIN   16
#define KEY_MAX   128
#define NONCE     crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG       crypto_aead_xchacha20poly1305_ietf_ABYTES
#define HASH      32
#define HASH_HEX  (2 * HASH + 1)


static const db_query_t  insert_sql = {
    "idempotency_insert",
    "INSERT INTO idempotency_keys (id, request_hash)"
    " VALUES (decode($1, 'hex'), decode($2, 'hex'))"
    " ON CONFLICT (id) DO NOTHING",
    2
};
DB_REGISTER(insert_sql);

static const db_query_t  select_sql = {
    "idempotency_select",
    "SELECT request_hash = decode($2, 'hex'), status, encode(sealed, 'hex')"
    "  FROM idempotency_keys WHERE id = decode($1, 'hex')",
    2
};
DB_REGISTER(select_sql);

static const db_query_t  update_sql = {
    "idempotency_update",
    "UPDATE idempotency_keys SET status = $2, sealed = decode($3, 'hex')"
    " WHERE id = decode($1, 'hex')",
    3
};
DB_REGISTER(update_sql);

static const db_query_t  clean_sql = {
    "idempotency_clean",
    "DELETE FROM idempotency_keys"
    " WHERE created_at < now() - make_interval(secs => $1::int)",
    1
};
DB_REGISTER(clean_sql);


/* Headers that are a part of the answer. */
static const char *const  kept_headers[] = { "ETag", "Location" };


bool
idempotency_wanted(request_t *r)
{
    return (r->priv->route->flags & ROUTE_IDEMPOTENT)
           && request_header(r, "Idempotency-Key") != NULL;
}


static void
hash_part(crypto_generichash_state *state, const char *text)
{
    /* the terminator too: parts do not run into each other */
    crypto_generichash_update(state, (const unsigned char *) text,
                              strlen(text) + 1);
}


/* Of the caller and the key, for a purpose; 32 bytes. */
static void
key_hash(request_t *r, const char *purpose, unsigned char hash[HASH])
{
    request_priv_t            *p = r->priv;
    crypto_generichash_state   state;

    crypto_generichash_init(&state, NULL, 0, HASH);
    hash_part(&state, purpose);
    hash_part(&state, r->caller.user ? r->caller.user_text : "");
    hash_part(&state, request_header(r, "Idempotency-Key"));

    /* who is not logged in shares keys only with the same request */
    if (r->caller.user == 0 && p->upload_len > 0) {
        crypto_generichash_update(&state, (unsigned char *) p->upload,
                                  p->upload_len);
    }

    crypto_generichash_final(&state, hash, HASH);
}


static void
request_hash(request_t *r, unsigned char hash[HASH])
{
    request_priv_t            *p = r->priv;
    crypto_generichash_state   state;

    crypto_generichash_init(&state, NULL, 0, HASH);
    hash_part(&state, r->method);
    hash_part(&state, p->target);

    if (p->upload_len > 0) {
        crypto_generichash_update(&state, (unsigned char *) p->upload,
                                  p->upload_len);
    }

    crypto_generichash_final(&state, hash, HASH);
}


static char *
answer_seal(request_t *r)
{
    char                *plain, *hex;
    size_t               len;
    json_t              *doc, *headers;
    const char          *value;
    unsigned char        key[HASH], *sealed;
    unsigned long long   sealed_len;

    headers = json_object();

    for (size_t i = 0; i < 2; i++) {
        value = respond_find(r, kept_headers[i]);

        if (value != NULL) {
            json_object_set_new(headers, kept_headers[i], json_string(value));
        }
    }

    doc = json_pack("{s:o, s:s*}", "headers", headers, "body", r->priv->text);
    plain = json_dumps(doc, JSON_COMPACT);
    json_decref(doc);

    if (plain == NULL) {
        abort();
    }

    len = strlen(plain);
    sealed = request_alloc(r, NONCE + len + TAG);
    randombytes_buf(sealed, NONCE);
    key_hash(r, "seal", key);

    crypto_aead_xchacha20poly1305_ietf_encrypt(
        sealed + NONCE, &sealed_len, (unsigned char *) plain, len, NULL, 0,
        NULL, sealed, key);

    sodium_memzero(plain, len);
    free(plain);

    hex = request_alloc(r, 2 * (NONCE + sealed_len) + 1);
    sodium_bin2hex(hex, 2 * (NONCE + sealed_len) + 1, sealed,
                   NONCE + sealed_len);

    return hex;
}


/* The kept answer; -1 when it cannot be opened. */
static int
answer_open(request_t *r, int status, const char *hex)
{
    char                *text;
    size_t               len, size;
    json_t              *doc;
    const char          *value;
    unsigned char        key[HASH], *sealed, *plain;
    unsigned long long   plain_len;

    size = strlen(hex) / 2;
    sealed = request_alloc(r, size + 1);
    plain = request_alloc(r, size + 1);
    key_hash(r, "seal", key);

    if (sodium_hex2bin(sealed, size, hex, strlen(hex), NULL, &len, NULL) != 0
        || len < NONCE + TAG
        || crypto_aead_xchacha20poly1305_ietf_decrypt(
               plain, &plain_len, NULL, sealed + NONCE, len - NONCE, NULL, 0,
               sealed, key) != 0)
    {
        return -1;
    }

    doc = json_loadb((char *) plain, plain_len, 0, NULL);
    sodium_memzero(plain, size);

    for (size_t i = 0; i < 2; i++) {
        value = json_string_value(json_object_get(
            json_object_get(doc, "headers"), kept_headers[i]));

        if (value != NULL) {
            respond_header(r, kept_headers[i], value);
        }
    }

    value = json_string_value(json_object_get(doc, "body"));
    text = value != NULL ? strdup(value) : NULL;
    json_decref(doc);

    return respond_raw(r, status, text ? "application/json" : NULL, text,
                       text ? strlen(text) : 0);
}


int
idempotency_begin(request_t *r, bool *replayed)
{
    int             status;
    char            id[HASH_HEX], same[HASH_HEX];
    size_t          len;
    const char     *key;
    db_result_t    *res;
    unsigned char   hash[HASH];

    *replayed = false;
    key = request_header(r, "Idempotency-Key");
    len = strlen(key);

    if (len < KEY_MIN || len > KEY_MAX) {
        return problem(r, 400, "idempotency-key",
                       "An Idempotency-Key has 16 to 128 characters.");
    }

    for (size_t i = 0; i < len; i++) {
        if (key[i] <= 0x20 || key[i] >= 0x7f) {
            return problem(r, 400, "idempotency-key",
                           "An Idempotency-Key is of printable ASCII.");
        }
    }

    key_hash(r, "id", hash);
    sodium_bin2hex(id, sizeof(id), hash, HASH);
    request_hash(r, hash);
    sodium_bin2hex(same, sizeof(same), hash, HASH);

    res = db_run(r->db, &insert_sql, id, same);
    if (res == NULL) {
        return problem_db(r);
    }

    if (db_affected(res) == 1) {
        return 0;
    }

    res = db_run(r->db, &select_sql, id, same);
    if (res == NULL) {
        return problem_db(r);
    }

    /* removed between the two statements */
    if (db_rows(res) == 0 || db_null(res, 0, 1)) {
        return problem_busy(r, "busy", "The same request is under way.");
    }

    if (!db_bool(res, 0, 0)) {
        return problem(r, 422, "idempotency-key",
                       "This Idempotency-Key was used for another request.");
    }

    status = answer_open(r, (int) db_int(res, 0, 1), db_text(res, 0, 2));

    if (status < 0) {
        return problem(r, 422, "idempotency-key",
                       "This Idempotency-Key was used already.");
    }

    respond_header(r, "Idempotent-Replayed", "true");
    *replayed = true;

    return status;
}


int
idempotency_end(request_t *r)
{
    char            id[HASH_HEX], status[16];
    unsigned char   hash[HASH];

    key_hash(r, "id", hash);
    sodium_bin2hex(id, sizeof(id), hash, HASH);
    snprintf(status, sizeof(status), "%d", r->priv->status);

    return db_run(r->db, &update_sql, id, status, answer_seal(r)) ? 0 : -1;
}


int
idempotency_clean(struct app_s *app, db_t *db)
{
    char  keep[16];

    snprintf(keep, sizeof(keep), "%d", IDEMPOTENCY_KEEP_S);

    return db_run(db, &clean_sql, keep) ? 0 : -1;
}

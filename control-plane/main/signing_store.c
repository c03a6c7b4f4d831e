#include "main/signing_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <sodium.h>

#include "job/job.h"
#include "main/app.h"
#include "main/log.h"

#define SIGNING_STRING(x)   SIGNING_STRING_(x)
#define SIGNING_STRING_(x)  #x

/* Keys that may be in use at a time: no more are made. */
#define SIGNING_LIVE_MAX    24

/*
 * The one that signs comes first: the latest of those whose time has come.
 * Whether it has is asked of the database's clock, so that daemons agree.
 */
static const db_query_t  q_signing_keys = {
    "signing_keys",
    "SELECT kid, encode(public_key, 'hex'), sealed, signs_at <= now()"
    " FROM signing_keys WHERE gone_at IS NULL OR gone_at > now()"
    " ORDER BY signs_at <= now() DESC,"
    " CASE WHEN signs_at <= now() THEN signs_at END DESC, signs_at, kid"
    " LIMIT " SIGNING_STRING(SIGNING_KEYS_MAX),
    0
};
DB_REGISTER(q_signing_keys);

/* What a new key depends on; count changes with each new key. */
static const db_query_t  q_signing_state = {
    "signing_state",
    "SELECT c.value, count(k.kid),"
    " count(k.kid) FILTER (WHERE k.signs_at <= now()),"
    " coalesce(max(k.signs_at) < now() - interval '"
    SIGNING_STRING(SIGNING_PERIOD_S) "s', true)"
    " FROM counters c LEFT JOIN signing_keys k"
    " ON k.gone_at IS NULL OR k.gone_at > now()"
    " WHERE c.name = 'signing_keys' GROUP BY c.value",
    0
};
DB_REGISTER(q_signing_state);

/*
 * $1 the counter as it was seen, $2 kid, $3 public half, $4 private half,
 * sealed, $5 seconds until it signs. Of two daemons that saw the same counter
 * one inserts.
 */
static const db_query_t  q_signing_make = {
    "signing_make",
    "WITH c AS (UPDATE counters SET value = value + 1"
    " WHERE name = 'signing_keys' AND value = $1::bigint"
    " RETURNING now() + $5::int * interval '1s' AS at),"
    " old AS (UPDATE signing_keys SET retires_at = c.at,"
    " gone_at = c.at + interval '" SIGNING_STRING(SIGNING_TAIL_S) "s'"
    " FROM c WHERE retires_at IS NULL)"
    " INSERT INTO signing_keys (kid, public_key, sealed, signs_at)"
    " SELECT $2, decode($3, 'hex'), $4, c.at FROM c RETURNING kid",
    5
};
DB_REGISTER(q_signing_make);

static const db_query_t  q_signing_gone = {
    "signing_gone",
    "DELETE FROM signing_keys WHERE gone_at < now() - interval '1 day'",
    0
};
DB_REGISTER(q_signing_gone);

typedef struct {
    char     counter[24];
    int64_t  keys;
    int64_t  signers;
    bool     due;
} signing_state_t;


static void
signing_place(const char *kid, char *dst, size_t size)
{
    snprintf(dst, size, "signing_keys.sealed:%s", kid);
}


/* One row into the set; a key that does not open still verifies. */
static int
signing_read(signing_t *signing, db_result_t *res, int row,
    signing_set_t *set)
{
    int             rc;
    bool            opened;
    char            place[80];
    size_t          n;
    const char     *kid, *hex;
    unsigned char   public_half[SIGNING_KEY_SIZE], secret[SIGNING_KEY_SIZE];

    kid = db_text(res, row, 0);
    hex = db_text(res, row, 1);

    if (sodium_hex2bin(public_half, sizeof(public_half), hex, strlen(hex),
            NULL, &n, NULL) != 0 || n != sizeof(public_half))
    {
        return -1;
    }

    signing_place(kid, place, sizeof(place));
    opened = crypt_open(signing_crypt(signing), place, db_text(res, row, 2),
                 secret, sizeof(secret), &n) == 0 && n == sizeof(secret);

    if (!opened && !signing_has(signing, kid)) {
        log_line(LOG_ERROR, "signing key %s: none of the keys in secret_key "
            "opens it; it only verifies here", kid);
    }

    rc = signing_set_add(set, kid, public_half,
        opened && db_bool(res, row, 3) ? secret : NULL);
    OPENSSL_cleanse(secret, sizeof(secret));

    return rc;
}


static int
signing_state(db_t *db, signing_state_t *state)
{
    db_result_t  *res;

    res = db_run(db, &q_signing_state);

    if (res == NULL || db_rows(res) != 1) {
        return -1;
    }

    snprintf(state->counter, sizeof(state->counter), "%s",
        db_text(res, 0, 0));
    state->keys = db_int(res, 0, 1);
    state->signers = db_int(res, 0, 2);
    state->due = db_bool(res, 0, 3);
    db_free(res);

    return 0;
}


/* A pair of raw halves. */
static int
signing_generate(unsigned char public_half[SIGNING_KEY_SIZE],
    unsigned char secret[SIGNING_KEY_SIZE])
{
    int        rc;
    size_t     n, m;
    EVP_PKEY  *pkey;

    pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");

    if (pkey == NULL) {
        ERR_clear_error();
        return -1;
    }

    n = SIGNING_KEY_SIZE;
    m = SIGNING_KEY_SIZE;
    rc = EVP_PKEY_get_raw_public_key(pkey, public_half, &n) == 1
         && EVP_PKEY_get_raw_private_key(pkey, secret, &m) == 1 ? 0 : -1;

    EVP_PKEY_free(pkey);

    return rc;
}


static int
signing_insert(const crypt_t *crypt, db_t *db, const signing_state_t *state,
    char *kid)
{
    int             rc;
    char            place[80], hex[SIGNING_KEY_SIZE * 2 + 1], lead[16], *sealed;
    db_result_t    *res;
    unsigned char   public_half[SIGNING_KEY_SIZE], secret[SIGNING_KEY_SIZE];
    unsigned char   id[SIGNING_KID_LEN / 2];

    if (RAND_bytes(id, sizeof(id)) != 1
        || signing_generate(public_half, secret) != 0)
    {
        return -1;
    }

    sodium_bin2hex(kid, SIGNING_KID_LEN + 1, id, sizeof(id));
    sodium_bin2hex(hex, sizeof(hex), public_half, sizeof(public_half));
    snprintf(lead, sizeof(lead), "%d",
        state->signers > 0 ? SIGNING_LEAD_S : 0);

    signing_place(kid, place, sizeof(place));
    sealed = crypt_seal(crypt, place, secret, sizeof(secret));
    OPENSSL_cleanse(secret, sizeof(secret));

    if (sealed == NULL) {
        return -1;
    }

    res = db_run(db, &q_signing_make, state->counter, kid, hex, sealed, lead);
    free(sealed);

    rc = res != NULL && db_rows(res) == 1 ? 0 : -1;
    db_free(res);

    return rc;
}


int
signing_make(const crypt_t *crypt, db_t *db, char kid[SIGNING_KID_LEN + 1])
{
    signing_state_t  state;

    if (signing_state(db, &state) != 0) {
        return -1;
    }

    if (state.keys >= SIGNING_LIVE_MAX) {
        log_line(LOG_ERROR, "no new signing key: %d are in use",
            (int) state.keys);
        return -1;
    }

    if (signing_insert(crypt, db, &state, kid) != 0) {
        return -1;
    }

    log_line(LOG_INFO, "signing key %s made, signs in %d s", kid,
        state.signers > 0 ? SIGNING_LEAD_S : 0);

    return 0;
}


/* What the table holds into the set; the number of keys, -1 on error. */
static int
signing_load(signing_t *signing, db_t *db, signing_set_t *set)
{
    int           i, rows, rc;
    db_result_t  *res;

    res = db_run(db, &q_signing_keys);

    if (res == NULL) {
        return -1;
    }

    rows = db_rows(res);
    rc = rows;

    for (i = 0; i < rows; i++) {
        if (signing_read(signing, res, i, set) != 0) {
            rc = -1;
            break;
        }
    }

    db_free(res);

    return rc;
}


int
signing_refresh(signing_t *signing, db_t *db)
{
    int             n;
    char            kid[SIGNING_KID_LEN + 1];
    signing_set_t  *set;

    set = calloc(1, sizeof(*set));

    if (set == NULL) {
        return -1;
    }

    n = signing_load(signing, db, set);

    if (n == 0) {
        /* the first key of all; when another daemon was quicker, its key is
           what is read */

        (void) signing_make(signing_crypt(signing), db, kid);
        n = signing_load(signing, db, set);
    }

    if (n <= 0 || signing_set_finish(set) != 0) {
        signing_set_free(set);
        return -1;
    }

    signing_use(signing, set);

    return 0;
}


static int
signing_refresh_job(struct app_s *app, db_t *db)
{
    return signing_refresh(app->signing, db);
}


static int
signing_rotation_job(struct app_s *app, db_t *db)
{
    char             kid[SIGNING_KID_LEN + 1];
    signing_state_t  state;

    if (signing_state(db, &state) != 0) {
        return -1;
    }

    if (state.due && signing_make(app->crypt, db, kid) != 0) {
        return -1;
    }

    return db_run(db, &q_signing_gone) != NULL ? 0 : -1;
}


void
signing_jobs(struct app_s *app)
{
    if (app->signing == NULL) {
        return;
    }

    job_each(app, "signing_refresh", SIGNING_REFRESH_S, signing_refresh_job);
    job_every(app, "signing_rotation", 60, signing_rotation_job);
}

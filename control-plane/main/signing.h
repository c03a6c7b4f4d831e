/*
 * The keys that sign viewer, publish and access tokens: Ed25519, in the table
 * signing_keys (private halves sealed, crypt.h), the same for all daemons.
 *
 * A key's life, by times in its row (the database's clock):
 *
 *   made ──▶ signs_at ──▶ retires_at ──▶ gone_at
 *    published, not used    signs          only verifies
 *
 * signs_at is SIGNING_LEAD_S after made (at once for the very first key), so
 * that every node has a key before it meets a token of it; gone_at is
 * SIGNING_TAIL_S after the next key began to sign: no token lives longer
 * (SIGNING_LIFE_MAX_S). Of several keys that may sign the latest signs.
 * The job "signing_rotation" makes a key when the newest is 30 days old;
 * "control-plane --rotate-key" makes one now.
 *
 * Every daemon holds what the table holds (app->signing), read again every
 * SIGNING_REFRESH_S by a job. signing_* functions may be called by any thread.
 */

#ifndef SIGNING_H
#define SIGNING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <jansson.h>

#include "db/db.h"
#include "main/crypt.h"

#define SIGNING_LEAD_S      600
#define SIGNING_LIFE_MAX_S  86400
#define SIGNING_TAIL_S      90000       /* and an hour */
#define SIGNING_PERIOD_S    2592000     /* 30 days */
#define SIGNING_REFRESH_S   5
#define SIGNING_TOKEN_MAX   2048    /* bytes of a token, terminator included */

struct app_s;

typedef struct signing_s signing_t;

/* An empty set: signing_refresh() fills it. crypt stays the caller's. */
signing_t *signing_create(const crypt_t *crypt);
void signing_free(signing_t *signing);

/*
 * Reads the table; makes the first key if there is none. -1 when the database
 * fails or a key cannot be opened (logged): what was held stays in use.
 */
int signing_refresh(signing_t *signing, db_t *db);

/*
 * A signed token of these claims (the reference is not taken), into *token:
 * malloc'd, SIGNING_TOKEN_MAX at most. exp - iat must not exceed
 * SIGNING_LIFE_MAX_S. -1 when there is no key yet (answer 503) or the claims
 * do not fit.
 */
int signing_sign(struct app_s *app, json_t *claims, char **token);
int signing_sign_with(signing_t *signing, json_t *claims, char **token);

/*
 * The claims of a token that one of the keys signed and whose exp and nbf are
 * good now (5 s of leeway); -1 otherwise. "aud", "can" and "stream" are the
 * caller's to check: access tokens are those with aud "api", viewer and
 * publish tokens have none. The caller owns *claims.
 */
int signing_verify(struct app_s *app, const char *token, int64_t now_s,
    json_t **claims);
int signing_verify_with(signing_t *signing, const char *token, int64_t now_s,
    json_t **claims);

/*
 * The public keys as a JWKS, one line of JSON, malloc'd, and its version (a
 * hash of the text; version may be NULL). NULL before the first refresh.
 */
#define SIGNING_VERSION_LEN 16
char *signing_jwks(signing_t *signing, char version[SIGNING_VERSION_LEN + 1]);

/*
 * Makes a key: it signs in SIGNING_LEAD_S, or at once when nothing signs now.
 * kid is filled in. -1 on error, with a log line; also when another daemon
 * made one at the same time. For "control-plane --rotate-key".
 */
#define SIGNING_KID_LEN 12
int signing_make(const crypt_t *crypt, db_t *db, char kid[SIGNING_KID_LEN + 1]);

/* Registers the jobs: refresh, rotation (job/job.h). */
void signing_jobs(struct app_s *app);

#endif

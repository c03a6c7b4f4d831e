/*
 * Idempotency-Key: a write with one is done once. Its answer (status, body,
 * ETag, Location) is kept for IDEMPOTENCY_KEEP_S in the transaction of the
 * write and given again, with "Idempotent-Replayed: true", to whoever repeats
 * the same request as the same user. Answers of 400 and above are not kept:
 * nothing was done, and the request may be repeated.
 *
 * The table holds a hash of the key, and the answer sealed with the key
 * itself: an answer may hold a secret that is shown once. So the key is the
 * client's secret: 16 to 128 characters, random (a UUID).
 */

#ifndef IDEMPOTENCY_H
#define IDEMPOTENCY_H

#include "http/request.h"

#define IDEMPOTENCY_KEEP_S  86400

/* Whether the request has a key that counts here. */
bool idempotency_wanted(request_t *r);

/*
 * In the transaction, before the handler: waits for one with the same key that
 * is under way. 0: go on. Else the status that was answered: the kept one, or
 * a problem; *replayed says which.
 */
int idempotency_begin(request_t *r, bool *replayed);

/* In the transaction, after the handler. -1 as db calls do. */
int idempotency_end(request_t *r);

/* A job. */
struct app_s;
int idempotency_clean(struct app_s *app, db_t *db);

#endif

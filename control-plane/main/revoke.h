/*
 * Revocation of viewer and publish tokens. Nodes learn of it with the answer
 * of their next heartbeat (2 s), so that it holds everywhere within 5 s.
 *
 * Call these in a request's transaction, as late as possible: the version
 * counter's row stays locked until its end, which is what makes versions
 * become visible in their order (no heartbeat can skip one).
 *
 * Tokens that are signed after the commit are good again: who may no longer
 * have one is decided by POST /streams/{id}/token.
 *
 * Each returns 0, or -1 as db calls do (then: return problem_db(r)).
 */

#ifndef REVOKE_H
#define REVOKE_H

#include <stdint.h>

#include "http/request.h"

/*
 * A token's iat is compared with the revocation's time, which lies at least so
 * far ahead of the database's clock: a token that was signed while the
 * revoking transaction ended does not survive it. Tokens signed afterwards
 * get an iat that is not earlier. A burst of more than one revocation a
 * second pushes the time further ahead, which harms nothing: it is compared
 * with nothing else.
 */
#define REVOKE_AHEAD_S  5

/* Everything that was given to a user (users.id as text), on all streams. */
int revoke_user(request_t *r, const char *user);
/* Every token of a stream: made private, deleted. */
int revoke_stream(request_t *r, const char *stream);
/* A user's tokens of one stream: banned, taken off the list. */
int revoke_stream_user(request_t *r, const char *stream, const char *user);
/* One token; until: its exp (0: the longest life that a token can have). */
int revoke_jti(request_t *r, const char *jti, int64_t until);

#endif

/*
 * Sessions: one login on one device, of a short access token and a refresh
 * token that is good once.
 *
 *   access token    JWT (EdDSA, the keys of main/signing.h) of `access_ttl`
 *                   seconds: aud "api", sub (user id), role, sid, iat, exp
 *   refresh token   lvrt_…, kept as SHA-256; each use replaces it and moves
 *                   the session's end to `refresh_ttl` from now. One that
 *                   comes a second time was stolen, or its thief came first:
 *                   the whole session ends. Except once, within
 *                   SESSION_RETRY_S, from the same network and program, while
 *                   nobody used what it was replaced by: an answer was lost
 *
 * A user has SESSIONS_MAX at most; the next login ends the oldest.
 */

#ifndef SESSION_H
#define SESSION_H

#include "http/request.h"

#define SESSIONS_MAX     50
#define SESSION_RETRY_S  10

/* Whose session it becomes; texts of the request. */
typedef struct {
    const char  *id;            /* users.id */
    const char  *username;
    const char  *role;
    const char  *hash;          /* users.password_hash that was verified */
} session_user_t;

/*
 * Makes a session and answers with its tokens and `status`; r->caller is this
 * user from then on (also in the audit log, as `what`). When the password was
 * changed or the user suspended at the same moment, none is made: 401.
 */
int session_open(request_t *r, const session_user_t *user, int status,
    const char *what);

/*
 * Ends a user's sessions; except: the one to keep (sessions.id), or NULL.
 * reason: a word or two for the record. 0, or -1 as db calls do.
 */
int session_end_all(request_t *r, const char *user, const char *except,
    const char *reason);
/* One of them. */
int session_end(request_t *r, const char *session, const char *reason);

int auth_refresh(request_t *r);
int auth_logout(request_t *r);

#endif

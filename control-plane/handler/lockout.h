/*
 * Guessing passwords: bounded by address and by account, in the table
 * login_failures, so that all daemons agree.
 *
 *   by address   LOCKOUT_ADDR_FREE failures, then a wait (IPv6: by /64)
 *   by account   LOCKOUT_USER_FREE failures, then a wait; counted by the text
 *                that was typed, so that unknown accounts look the same, and
 *                nothing tells that a username and an e-mail are one account
 *
 * A wait is LOCKOUT_WAIT_S, twice that after the next failure, up to
 * LOCKOUT_WAIT_MAX_S; who leaves it alone for LOCKOUT_FORGET_S starts anew.
 *
 * Whoever fails from elsewhere does not lock out the owner: an address from
 * which the account logged in within LOCKOUT_KNOWN_DAYS has a counter of its
 * own (user_addr in place of user). So a stranger can only keep the owner from
 * logging in at a new address.
 *
 * An attempt is counted before the password is looked at and forgiven when it
 * was right: a hundred guesses at the same moment are a hundred. Callers run
 * outside of a transaction (ROUTE_NO_TX), so that the count stands whatever
 * becomes of the request, and nobody waits for a row while argon2id runs.
 */

#ifndef LOCKOUT_H
#define LOCKOUT_H

#include "http/proxy.h"
#include "http/request.h"

#define LOCKOUT_ADDR_FREE   20
#define LOCKOUT_USER_FREE   5
#define LOCKOUT_WAIT_S      30
#define LOCKOUT_WAIT_MAX_S  900
#define LOCKOUT_FORGET_S    3600
#define LOCKOUT_KNOWN_DAYS  90

typedef struct {
    const char  *kind;          /* "user" or "user_addr" */
    const char  *value;
    char         addr[PROXY_NETWORK];
} lockout_t;

/*
 * Counts an attempt for this account. login: what was typed, in the form in
 * which the database compared it; known: whether r->addr is one of the
 * account's own. 0, or the status that was answered: 429 with Retry-After, or
 * what a failed query means.
 */
int lockout_attempt(request_t *r, lockout_t *lock, const char *login,
    bool known);

/* The password was right. 0, or -1 as db calls do. */
int lockout_forgive(request_t *r, const lockout_t *lock);

#endif

/*
 * Passwords: argon2id (RFC 9106) by libsodium, stored as its text form
 * "$argon2id$v=19$m=…,t=…,p=1$salt$hash". Slow on purpose (about 60 ms and
 * 64 MiB with the defaults): only on routes with ROUTE_SLOW.
 *
 * password_init() comes first, once, before there are threads; the rest may
 * be called by several threads at once.
 */

#ifndef PASSWORD_H
#define PASSWORD_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes. The lower bound is NIST SP 800-63B's 8 and two more; the upper one
 * only bounds what is hashed. */
#define PASSWORD_MIN   10
#define PASSWORD_MAX   256

#define PASSWORD_TEXT  128      /* crypto_pwhash_STRBYTES */

/*
 * ops: passes, mem: bytes; 0: libsodium's INTERACTIVE. -1 when libsodium does
 * not take them, or there is not that much memory.
 */
int password_init(unsigned long long ops, size_t mem);

/* 0; -1 when memory is short. */
int password_hash(const char *password, char text[PASSWORD_TEXT]);

/*
 * Whether this is the password. text NULL (there is no such user, or one
 * without a password): false, after as much work as a real comparison.
 */
bool password_verify(const char *text, const char *password);

/* Whether text was made with other parameters than those of now. */
bool password_outdated(const char *text);

/*
 * NULL, or the sentence why this cannot be a new password of this user. The
 * length has been checked.
 */
const char *password_weakness(const char *password, const char *username,
    const char *email);

#endif

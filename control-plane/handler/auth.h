/*
 * Getting in: the handlers behind /auth/…, whose table is in auth.c. Sessions
 * have a header of their own.
 *
 * What a stranger can learn about who has an account: usernames are public and
 * a taken one is told. E-mail addresses are not. They belong to an account
 * only once verified (users_email_key), so registering with somebody else's
 * address works like any other, and claims nothing; logging in by e-mail works
 * for verified addresses. A failed login has one text, and costs one argon2id
 * whether the account exists or not.
 */

#ifndef AUTH_H
#define AUTH_H

#include "http/request.h"

int auth_register(request_t *r);
int auth_login(request_t *r);
int auth_password(request_t *r);

int auth_tokens_list(request_t *r);
int auth_tokens_create(request_t *r);
int auth_tokens_delete(request_t *r);

/* Ends all API tokens of a user; 0, or -1 as db calls do. */
int auth_tokens_end_all(request_t *r, const char *user);

#endif

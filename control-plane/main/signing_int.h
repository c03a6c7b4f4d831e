/*
 * What signing.c (keys in memory: sign, verify, JWKS) and signing_store.c
 * (keys in the database) share.
 */

#ifndef SIGNING_INT_H
#define SIGNING_INT_H

#include <openssl/evp.h>

#include "main/signing.h"

#define SIGNING_KEYS_MAX   32   /* of a table; see signing_store.c */
#define SIGNING_KID_MAX    32
#define SIGNING_KEY_SIZE   32   /* bytes of either half */

typedef struct {
    char       kid[SIGNING_KID_MAX + 1];
    char       head[128];       /* a token's header in base64url, and a dot */
    size_t     head_len;
    char       x[48];           /* the public half in base64url */
    bool       may_sign;
    EVP_PKEY  *pkey;            /* both halves, or the public one */
} signing_key_t;

/* Immutable once it is in use. */
typedef struct {
    size_t          count;
    signing_key_t   keys[SIGNING_KEYS_MAX];  /* the one that signs first */
    char           *jwks;
    char            version[SIGNING_VERSION_LEN + 1];
} signing_set_t;

/*
 * Adds a key of raw halves; private may be NULL. -1: no room, or OpenSSL
 * refuses it.
 */
int signing_set_add(signing_set_t *set, const char *kid,
    const unsigned char *public_half, const unsigned char *private_half);
/* Makes jwks and version. */
int signing_set_finish(signing_set_t *set);
void signing_set_free(signing_set_t *set);

const crypt_t *signing_crypt(const signing_t *signing);
/* Whether the set in use has that key. */
bool signing_has(signing_t *signing, const char *kid);
/* Takes over the set. */
void signing_use(signing_t *signing, signing_set_t *set);

#endif

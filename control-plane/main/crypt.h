/*
 * Secrets at rest: AES-256-GCM. What the database keeps is a text
 *
 *   v1.<key id>.<base64url of nonce (12), ciphertext, tag (16)>
 *
 * bound to the place where it lies (`what`, the additional data): a text that
 * was copied to another row does not open.
 *
 * The keys come from the file `secret_key`: lines "id base64(32 bytes)", id
 * [A-Za-z0-9_-]{1,16}, CRYPT_KEYS_MAX at most; empty lines and # are skipped.
 * The first key seals, all of them open, so that a key is replaced by adding
 * one in front, restarting every daemon, and taking the old one out when the
 * job "secret_rotation" has sealed everything again:
 *   echo "k2 $(openssl rand -base64 32)"
 *
 * Immutable once loaded; may be used by several threads.
 */

#ifndef CRYPT_H
#define CRYPT_H

#include <stdbool.h>
#include <stddef.h>

#define CRYPT_KEYS_MAX   8
#define CRYPT_FILE_MAX   4096
#define CRYPT_PLAIN_MAX  8192

typedef struct crypt_s crypt_t;

/* NULL on error, with a text in *err that holds no part of a key. */
crypt_t *crypt_load(const char *path, const char **err);
/* The same from the file's bytes. */
crypt_t *crypt_parse(const char *text, size_t len, const char **err);
void crypt_free(crypt_t *crypt);

/*
 * what: the place, as "signing_keys.private:KID". The result is malloc'd;
 * NULL when plain is too long or the generator fails.
 */
char *crypt_seal(const crypt_t *crypt, const char *what, const void *plain,
    size_t len);

/*
 * 0 and *len bytes in dst, or -1: not a sealed text, an unknown key, another
 * place, changed, or larger than size. Erase dst (OPENSSL_cleanse) after use.
 */
int crypt_open(const crypt_t *crypt, const char *what, const char *sealed,
    void *dst, size_t size, size_t *len);

/* Whether the text was sealed with the key that seals now. */
bool crypt_is_current(const crypt_t *crypt, const char *sealed);

/* The id of the key that seals now; belongs to crypt. */
const char *crypt_key_id(const crypt_t *crypt);

#endif

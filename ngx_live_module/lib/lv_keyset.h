/*
 * The keys that sign viewer and publish tokens: a JSON Web Key Set (RFC 7517),
 * immutable once loaded.
 *
 *   { "keys": [
 *     { "kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "..." },       EdDSA
 *     { "kty": "EC", "crv": "P-256", "kid": "b", "x": "..", "y": ".." }, ES256
 *     { "kty": "oct", "kid": "c", "k": "..." } ] }                      HS256
 *
 * The kind of a key fixes its algorithm (RFC 8725 section 3.1); an "alg" in
 * the key must agree. A "kid" is optional, unique, at most LV_KID_MAX bytes.
 * Keys of other kinds (RSA, other curves) or for other uses ("use" other than
 * "sig", "key_ops" without "verify") are counted and left out, as RFC 7517
 * section 5 asks; a wrong key of a known kind is an error, and so is a private
 * key ("d"): it has no business on a server that only verifies.
 *
 * One keyset may be read by several threads at once.
 */

#ifndef LV_KEYSET_H
#define LV_KEYSET_H

#include "lv_base.h"

#define LV_KEYSET_SIZE_MAX  65536   /* bytes of the file */
#define LV_KEYSET_KEYS_MAX  64
#define LV_KID_MAX          64

/* RFC 7518 section 3.2: a key of the hash's size at least. */
#define LV_HS256_KEY_MIN    32
#define LV_HS256_KEY_MAX    512

typedef enum {
    LV_ALG_EDDSA = 1,           /* RFC 8037, Ed25519 */
    LV_ALG_ES256,               /* RFC 7518 section 3.4 */
    LV_ALG_HS256                /* RFC 7518 section 3.2 */
} lv_alg_e;

typedef struct lv_keyset_s  lv_keyset_t;
typedef struct lv_key_s     lv_key_t;

/*
 * Loads a key file's bytes. NULL on error, with a static text in *err that
 * names the fault but no part of a key. The caller owns the result.
 */
lv_keyset_t *lv_keyset_load(lv_str_t file, const char **err);
void lv_keyset_free(lv_keyset_t *set);

size_t lv_keyset_count(const lv_keyset_t *set);
size_t lv_keyset_skipped(const lv_keyset_t *set);

/* The i-th key, i < count. Belongs to the set. */
const lv_key_t *lv_keyset_get(const lv_keyset_t *set, size_t i);

/* The key with that kid, or NULL. */
const lv_key_t *lv_keyset_find(const lv_keyset_t *set, lv_str_t kid);

lv_alg_e lv_key_alg(const lv_key_t *key);

/*
 * LV_OK when sig (as JWS has it: 64 bytes of R and S for ES256) is the key's
 * signature of data, LV_DECLINED when not. Leaves OpenSSL's error queue empty.
 */
int lv_key_verify(const lv_key_t *key, lv_str_t data, lv_str_t sig);

#endif

/* Keys that verify tokens: see lv_keyset.h. */

#include <stdlib.h>

#include <jansson.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>

#include "lv_b64.h"
#include "lv_keyset.h"

#define LV_ES256_COORD  32
#define LV_ED25519_KEY  32
#define LV_ES256_DER    80      /* two 33-byte integers and their headers */


struct lv_key_s {
    lv_alg_e   alg;
    uint8_t    kid_len;
    char       kid[LV_KID_MAX];

    EVP_PKEY  *pkey;            /* EdDSA, ES256 */

    size_t     secret_len;      /* HS256 */
    uint8_t    secret[LV_HS256_KEY_MAX];
};


struct lv_keyset_s {
    size_t     count;
    size_t     skipped;
    lv_key_t  *keys[LV_KEYSET_KEYS_MAX];
};


static int lv_keyset_add(lv_keyset_t *set, json_t *jwk, const char **err);
static int lv_key_parse(lv_key_t *key, json_t *jwk, const char **err);
static int lv_key_okp(lv_key_t *key, json_t *jwk, const char **err);
static int lv_key_ec(lv_key_t *key, json_t *jwk, const char **err);
static int lv_key_oct(lv_key_t *key, json_t *jwk, const char **err);
static int lv_key_usable(json_t *jwk);
static int lv_key_member(json_t *jwk, const char *name, uint8_t *dst,
    size_t cap, size_t *len);
static EVP_PKEY *lv_key_ec_public(const uint8_t *point, size_t len);
static void lv_key_free(lv_key_t *key);


lv_keyset_t *
lv_keyset_load(lv_str_t file, const char **err)
{
    size_t        i;
    json_t       *root, *keys;
    lv_keyset_t  *set;

    if (file.len > LV_KEYSET_SIZE_MAX) {
        *err = "the file is too large";
        return NULL;
    }

    root = json_loadb((const char *) file.data, file.len,
                      JSON_REJECT_DUPLICATES, NULL);
    if (root == NULL) {
        *err = "not JSON, or a member appears twice";
        return NULL;
    }

    set = NULL;
    keys = json_object_get(root, "keys");

    if (!json_is_array(keys)) {
        *err = "no \"keys\" array";
        goto failed;
    }

    set = calloc(1, sizeof(lv_keyset_t));
    if (set == NULL) {
        *err = "out of memory";
        goto failed;
    }

    for (i = 0; i < json_array_size(keys); i++) {
        if (lv_keyset_add(set, json_array_get(keys, i), err) != LV_OK) {
            goto failed;
        }
    }

    if (set->count == 0) {
        *err = "no key that can verify tokens";
        goto failed;
    }

    json_decref(root);
    ERR_clear_error();

    return set;

failed:

    lv_keyset_free(set);
    json_decref(root);
    ERR_clear_error();

    return NULL;
}


/* LV_OK also for a key that is left out. */
static int
lv_keyset_add(lv_keyset_t *set, json_t *jwk, const char **err)
{
    int        rc;
    lv_key_t  *key;
    lv_str_t   kid;

    if (!json_is_object(jwk)) {
        *err = "a key is not an object";
        return LV_ERROR;
    }

    if (set->count == LV_KEYSET_KEYS_MAX) {
        *err = "too many keys";
        return LV_ERROR;
    }

    key = calloc(1, sizeof(lv_key_t));
    if (key == NULL) {
        *err = "out of memory";
        return LV_ERROR;
    }

    rc = lv_key_parse(key, jwk, err);

    if (rc == LV_OK && key->kid_len) {
        kid.data = (const uint8_t *) key->kid;
        kid.len = key->kid_len;

        if (lv_keyset_find(set, kid) != NULL) {
            *err = "two keys have the same kid";
            rc = LV_ERROR;
        }
    }

    if (rc == LV_OK) {
        set->keys[set->count++] = key;
        return LV_OK;
    }

    lv_key_free(key);

    if (rc == LV_DECLINED) {
        set->skipped++;
        return LV_OK;
    }

    return LV_ERROR;
}


/* LV_DECLINED: a key of another kind or for another use. */
static int
lv_key_parse(lv_key_t *key, json_t *jwk, const char **err)
{
    int          rc;
    json_t      *kid, *alg;
    const char  *kty, *want;

    kty = json_string_value(json_object_get(jwk, "kty"));
    if (kty == NULL) {
        *err = "a key has no kty";
        return LV_ERROR;
    }

    if (!lv_key_usable(jwk)) {
        return LV_DECLINED;
    }

    if (strcmp(kty, "OKP") == 0) {
        rc = lv_key_okp(key, jwk, err);
        want = "EdDSA";

    } else if (strcmp(kty, "EC") == 0) {
        rc = lv_key_ec(key, jwk, err);
        want = "ES256";

    } else if (strcmp(kty, "oct") == 0) {
        rc = lv_key_oct(key, jwk, err);
        want = "HS256";

    } else {
        return LV_DECLINED;
    }

    if (rc != LV_OK) {
        return rc;
    }

    alg = json_object_get(jwk, "alg");

    if (alg != NULL
        && (!json_is_string(alg) || strcmp(json_string_value(alg), want) != 0))
    {
        *err = "a key's alg does not fit its kty";
        return LV_ERROR;
    }

    kid = json_object_get(jwk, "kid");
    if (kid == NULL) {
        return LV_OK;
    }

    if (!json_is_string(kid) || json_string_length(kid) == 0
        || json_string_length(kid) > LV_KID_MAX)
    {
        *err = "a kid is not a string of 1 to 64 bytes";
        return LV_ERROR;
    }

    key->kid_len = (uint8_t) json_string_length(kid);
    memcpy(key->kid, json_string_value(kid), key->kid_len);

    return LV_OK;
}


static int
lv_key_usable(json_t *jwk)
{
    size_t       i;
    json_t      *ops;
    const char  *use, *op;

    use = json_string_value(json_object_get(jwk, "use"));
    if (use != NULL && strcmp(use, "sig") != 0) {
        return 0;
    }

    ops = json_object_get(jwk, "key_ops");
    if (!json_is_array(ops)) {
        return 1;
    }

    for (i = 0; i < json_array_size(ops); i++) {
        op = json_string_value(json_array_get(ops, i));
        if (op != NULL && strcmp(op, "verify") == 0) {
            return 1;
        }
    }

    return 0;
}


static int
lv_key_okp(lv_key_t *key, json_t *jwk, const char **err)
{
    size_t       len;
    uint8_t      x[LV_ED25519_KEY];
    const char  *crv;

    crv = json_string_value(json_object_get(jwk, "crv"));
    if (crv == NULL || strcmp(crv, "Ed25519") != 0) {
        return LV_DECLINED;
    }

    if (json_object_get(jwk, "d") != NULL) {
        *err = "a private key stands in the file";
        return LV_ERROR;
    }

    if (lv_key_member(jwk, "x", x, sizeof(x), &len) != LV_OK
        || len != LV_ED25519_KEY)
    {
        *err = "an Ed25519 key's x is not 32 bytes of base64url";
        return LV_ERROR;
    }

    key->alg = LV_ALG_EDDSA;
    key->pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, x, len);

    if (key->pkey == NULL) {
        *err = "not an Ed25519 key";
        return LV_ERROR;
    }

    return LV_OK;
}


static int
lv_key_ec(lv_key_t *key, json_t *jwk, const char **err)
{
    size_t       x_len, y_len;
    uint8_t      point[1 + 2 * LV_ES256_COORD];
    const char  *crv;

    crv = json_string_value(json_object_get(jwk, "crv"));
    if (crv == NULL || strcmp(crv, "P-256") != 0) {
        return LV_DECLINED;
    }

    if (json_object_get(jwk, "d") != NULL) {
        *err = "a private key stands in the file";
        return LV_ERROR;
    }

    point[0] = POINT_CONVERSION_UNCOMPRESSED;

    if (lv_key_member(jwk, "x", point + 1, LV_ES256_COORD, &x_len) != LV_OK
        || lv_key_member(jwk, "y", point + 1 + LV_ES256_COORD,
                         LV_ES256_COORD, &y_len) != LV_OK
        || x_len != LV_ES256_COORD || y_len != LV_ES256_COORD)
    {
        *err = "a P-256 key's x or y is not 32 bytes of base64url";
        return LV_ERROR;
    }

    key->alg = LV_ALG_ES256;
    key->pkey = lv_key_ec_public(point, sizeof(point));

    if (key->pkey == NULL) {
        *err = "a P-256 key is not a point of the curve";
        return LV_ERROR;
    }

    return LV_OK;
}


/* NULL when the point is not on the curve. */
static EVP_PKEY *
lv_key_ec_public(const uint8_t *point, size_t len)
{
    EVP_PKEY        *pkey;
    OSSL_PARAM      *params;
    EVP_PKEY_CTX    *ctx;
    OSSL_PARAM_BLD  *bld;

    pkey = NULL;
    params = NULL;
    ctx = NULL;

    bld = OSSL_PARAM_BLD_new();

    if (bld != NULL
        && OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME,
                                           "P-256", 0)
        && OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY,
                                            point, len))
    {
        params = OSSL_PARAM_BLD_to_param(bld);
        ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    }

    if (params == NULL || ctx == NULL
        || EVP_PKEY_fromdata_init(ctx) != 1
        || EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
    {
        pkey = NULL;
    }

    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(bld);

    return pkey;
}


static int
lv_key_oct(lv_key_t *key, json_t *jwk, const char **err)
{
    if (lv_key_member(jwk, "k", key->secret, sizeof(key->secret),
                      &key->secret_len)
        != LV_OK)
    {
        *err = "a secret key's k is not base64url of at most 512 bytes";
        return LV_ERROR;
    }

    if (key->secret_len < LV_HS256_KEY_MIN) {
        *err = "a secret key is shorter than 32 bytes";
        return LV_ERROR;
    }

    key->alg = LV_ALG_HS256;

    return LV_OK;
}


static int
lv_key_member(json_t *jwk, const char *name, uint8_t *dst, size_t cap,
    size_t *len)
{
    json_t    *value;
    lv_str_t   text;

    value = json_object_get(jwk, name);
    if (!json_is_string(value)) {
        return LV_ERROR;
    }

    text.data = (const uint8_t *) json_string_value(value);
    text.len = json_string_length(value);

    return lv_b64url_decode(text, dst, cap, len);
}


static void
lv_key_free(lv_key_t *key)
{
    EVP_PKEY_free(key->pkey);
    OPENSSL_cleanse(key->secret, sizeof(key->secret));
    free(key);
}


void
lv_keyset_free(lv_keyset_t *set)
{
    size_t  i;

    if (set == NULL) {
        return;
    }

    for (i = 0; i < set->count; i++) {
        lv_key_free(set->keys[i]);
    }

    free(set);
}


size_t
lv_keyset_count(const lv_keyset_t *set)
{
    return set->count;
}


size_t
lv_keyset_skipped(const lv_keyset_t *set)
{
    return set->skipped;
}


const lv_key_t *
lv_keyset_get(const lv_keyset_t *set, size_t i)
{
    return set->keys[i];
}


const lv_key_t *
lv_keyset_find(const lv_keyset_t *set, lv_str_t kid)
{
    size_t           i;
    const lv_key_t  *key;

    for (i = 0; i < set->count; i++) {
        key = set->keys[i];

        if (key->kid_len == kid.len && kid.len
            && memcmp(key->kid, kid.data, kid.len) == 0)
        {
            return key;
        }
    }

    return NULL;
}


lv_alg_e
lv_key_alg(const lv_key_t *key)
{
    return key->alg;
}


static int
lv_key_verify_hmac(const lv_key_t *key, lv_str_t data, lv_str_t sig)
{
    uint8_t   mac[EVP_MAX_MD_SIZE];
    unsigned  len;

    if (sig.len != 32
        || HMAC(EVP_sha256(), key->secret, (int) key->secret_len, data.data,
                data.len, mac, &len) == NULL)
    {
        return 0;
    }

    return CRYPTO_memcmp(mac, sig.data, 32) == 0;
}


static int
lv_key_verify_pkey(EVP_PKEY *pkey, const EVP_MD *md, lv_str_t data,
    const uint8_t *sig, size_t sig_len)
{
    int          rc;
    EVP_MD_CTX  *ctx;

    ctx = EVP_MD_CTX_new();
    if (ctx == NULL) {
        return 0;
    }

    rc = EVP_DigestVerifyInit(ctx, NULL, md, NULL, pkey) == 1
         && EVP_DigestVerify(ctx, sig, sig_len, data.data, data.len) == 1;

    EVP_MD_CTX_free(ctx);

    return rc;
}


/* JWS has R and S as two plain numbers, OpenSSL wants them in DER. */
static int
lv_key_verify_es256(const lv_key_t *key, lv_str_t data, lv_str_t sig)
{
    int         len;
    BIGNUM     *r, *s;
    uint8_t     der[LV_ES256_DER], *p;
    ECDSA_SIG  *es;

    if (sig.len != 2 * LV_ES256_COORD) {
        return 0;
    }

    es = ECDSA_SIG_new();
    r = BN_bin2bn(sig.data, LV_ES256_COORD, NULL);
    s = BN_bin2bn(sig.data + LV_ES256_COORD, LV_ES256_COORD, NULL);

    if (es == NULL || r == NULL || s == NULL) {
        ECDSA_SIG_free(es);
        BN_free(r);
        BN_free(s);
        return 0;
    }

    /* cannot fail with both numbers given; owns them from here */
    (void) ECDSA_SIG_set0(es, r, s);

    p = der;
    len = i2d_ECDSA_SIG(es, NULL);
    len = (len > 0 && len <= LV_ES256_DER) ? i2d_ECDSA_SIG(es, &p) : 0;

    ECDSA_SIG_free(es);

    if (len <= 0) {
        return 0;
    }

    return lv_key_verify_pkey(key->pkey, EVP_sha256(), data, der,
                              (size_t) len);
}


int
lv_key_verify(const lv_key_t *key, lv_str_t data, lv_str_t sig)
{
    int  valid;

    switch (key->alg) {

    case LV_ALG_HS256:
        valid = lv_key_verify_hmac(key, data, sig);
        break;

    case LV_ALG_ES256:
        valid = lv_key_verify_es256(key, data, sig);
        break;

    default:
        valid = sig.len == 64
                && lv_key_verify_pkey(key->pkey, NULL, data, sig.data,
                                      sig.len);
        break;
    }

    if (!valid) {
        /* what is left there would be taken for an error of some TLS peer */
        ERR_clear_error();
        return LV_DECLINED;
    }

    return LV_OK;
}

/* Signing tokens, for tests only: the product never does. */

#ifndef JWT_H
#define JWT_H

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lv_base.h"

typedef struct {
    const char  *alg;
    EVP_PKEY    *pkey;          /* EdDSA, ES256 */
    char         secret[65];    /* HS256: the bytes */
} jwt_key_t;

__attribute__((unused)) static void *
jwt_alloc(size_t size)
{
    void  *p = calloc(1, size);

    if (p == NULL) {
        abort();
    }

    return p;
}

__attribute__((unused)) static char *
jwt_b64(const void *data, size_t len)
{
    static const char  abc[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnop"
                               "qrstuvwxyz0123456789-_";
    const uint8_t  *s = data;
    char           *out, *d;
    size_t          i;
    uint32_t        v;

    d = out = jwt_alloc(len * 4 / 3 + 4);

    for (i = 0; i < len; i += 3) {
        v = (uint32_t) s[i] << 16;
        v |= i + 1 < len ? (uint32_t) s[i + 1] << 8 : 0;
        v |= i + 2 < len ? (uint32_t) s[i + 2] : 0;

        *d++ = abc[v >> 18];
        *d++ = abc[(v >> 12) & 63];

        if (i + 1 < len) {
            *d++ = abc[(v >> 6) & 63];
        }

        if (i + 2 < len) {
            *d++ = abc[v & 63];
        }
    }

    *d = '\0';

    return out;
}

__attribute__((unused)) static jwt_key_t
jwt_key(const char *alg)
{
    size_t      i;
    jwt_key_t   key;

    memset(&key, 0, sizeof(key));
    key.alg = alg;

    if (strcmp(alg, "EdDSA") == 0) {
        key.pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");

    } else if (strcmp(alg, "ES256") == 0) {
        key.pkey = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");

    } else {
        for (i = 0; i < 64; i++) {
            key.secret[i] = (char) ('!' + (i * 7 + (size_t) rand()) % 90);
        }
    }

    return key;
}

/* The key as a JWK; kid may be NULL, more is put in front ("\"use\":1,"). */
__attribute__((unused)) static char *
jwt_jwk(const jwt_key_t *key, const char *kid, const char *more)
{
    char     *out, *x, *y, id[128];
    size_t    len;
    uint8_t   raw[32], point[65];

    out = jwt_alloc(1024);
    id[0] = '\0';

    if (kid) {
        snprintf(id, sizeof(id), "\"kid\":\"%s\",", kid);
    }

    if (key->pkey == NULL) {
        x = jwt_b64(key->secret, 64);
        snprintf(out, 1024, "{%s%s\"kty\":\"oct\",\"k\":\"%s\"}", more, id, x);
        free(x);
        return out;
    }

    if (strcmp(key->alg, "EdDSA") == 0) {
        len = sizeof(raw);
        EVP_PKEY_get_raw_public_key(key->pkey, raw, &len);
        x = jwt_b64(raw, 32);
        snprintf(out, 1024, "{%s%s\"kty\":\"OKP\",\"crv\":\"Ed25519\","
                 "\"x\":\"%s\"}", more, id, x);
        free(x);
        return out;
    }

    EVP_PKEY_get_octet_string_param(key->pkey, OSSL_PKEY_PARAM_PUB_KEY, point,
                                    sizeof(point), &len);
    x = jwt_b64(point + 1, 32);
    y = jwt_b64(point + 33, 32);
    snprintf(out, 1024, "{%s%s\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\","
             "\"y\":\"%s\"}", more, id, x, y);
    free(x);
    free(y);

    return out;
}

/* The signature of data, as JWS has it; NULL-terminated base64url. */
__attribute__((unused)) static char *
jwt_signature(const jwt_key_t *key, const char *data)
{
    size_t          len;
    uint8_t         sig[128], raw[64];
    unsigned        n;
    ECDSA_SIG      *es;
    EVP_MD_CTX     *ctx;
    const uint8_t  *p;

    if (key->pkey == NULL) {
        HMAC(EVP_sha256(), key->secret, 64, (const uint8_t *) data,
             strlen(data), sig, &n);
        return jwt_b64(sig, 32);
    }

    ctx = EVP_MD_CTX_new();
    len = sizeof(sig);

    if (strcmp(key->alg, "EdDSA") == 0) {
        EVP_DigestSignInit(ctx, NULL, NULL, NULL, key->pkey);
        EVP_DigestSign(ctx, sig, &len, (const uint8_t *) data, strlen(data));
        EVP_MD_CTX_free(ctx);
        return jwt_b64(sig, len);
    }

    EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key->pkey);
    EVP_DigestSign(ctx, sig, &len, (const uint8_t *) data, strlen(data));
    EVP_MD_CTX_free(ctx);

    p = sig;
    es = d2i_ECDSA_SIG(NULL, &p, (long) len);
    BN_bn2binpad(ECDSA_SIG_get0_r(es), raw, 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(es), raw + 32, 32);
    ECDSA_SIG_free(es);

    return jwt_b64(raw, 64);
}

/* A token from the text of its header and claims; the caller frees it. */
__attribute__((unused)) static char *
jwt_sign(const jwt_key_t *key, const char *header, const char *claims)
{
    char    *h, *c, *sig, *out;
    size_t   size;

    h = jwt_b64(header, strlen(header));
    c = jwt_b64(claims, strlen(claims));
    size = strlen(h) + strlen(c) + 256;
    out = jwt_alloc(size);
    snprintf(out, size, "%s.%s", h, c);
    sig = jwt_signature(key, out);
    strcat(out, ".");
    strcat(out, sig);
    free(h);
    free(c);
    free(sig);

    return out;
}

#endif

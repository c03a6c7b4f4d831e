#include "main/signing_int.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/sha.h>
#include <sodium.h>

#include "main/app.h"

#define SIGNING_B64       sodium_base64_VARIANT_URLSAFE_NO_PADDING
#define SIGNING_SIG       64
#define SIGNING_SIG_B64   86
#define SIGNING_LEEWAY_S  5

struct signing_s {
    const crypt_t     *crypt;
    pthread_rwlock_t   lock;    /* guards set, which is replaced as a whole */
    signing_set_t     *set;
};


signing_t *
signing_create(const crypt_t *crypt)
{
    signing_t  *signing;

    signing = calloc(1, sizeof(*signing));

    if (signing == NULL) {
        return NULL;
    }

    signing->crypt = crypt;
    pthread_rwlock_init(&signing->lock, NULL);

    return signing;
}


void
signing_free(signing_t *signing)
{
    if (signing == NULL) {
        return;
    }

    signing_set_free(signing->set);
    pthread_rwlock_destroy(&signing->lock);
    free(signing);
}


const crypt_t *
signing_crypt(const signing_t *signing)
{
    return signing->crypt;
}


bool
signing_has(signing_t *signing, const char *kid)
{
    bool    has;
    size_t  i;

    has = false;

    pthread_rwlock_rdlock(&signing->lock);

    for (i = 0; signing->set != NULL && i < signing->set->count; i++) {
        has = has || strcmp(signing->set->keys[i].kid, kid) == 0;
    }

    pthread_rwlock_unlock(&signing->lock);

    return has;
}


void
signing_use(signing_t *signing, signing_set_t *set)
{
    signing_set_t  *old;

    pthread_rwlock_wrlock(&signing->lock);
    old = signing->set;
    signing->set = set;
    pthread_rwlock_unlock(&signing->lock);

    signing_set_free(old);
}


/* ---- a set of keys */


int
signing_set_add(signing_set_t *set, const char *kid,
    const unsigned char *public_half, const unsigned char *private_half)
{
    int             n;
    char            json[96];
    signing_key_t  *key;

    if (set->count == SIGNING_KEYS_MAX || strlen(kid) > SIGNING_KID_MAX) {
        return -1;
    }

    key = &set->keys[set->count];
    memset(key, 0, sizeof(*key));

    if (private_half != NULL) {
        key->pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL,
            private_half, SIGNING_KEY_SIZE);
        key->may_sign = true;

    } else {
        key->pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL,
            public_half, SIGNING_KEY_SIZE);
    }

    if (key->pkey == NULL) {
        ERR_clear_error();
        return -1;
    }

    strcpy(key->kid, kid);

    n = snprintf(json, sizeof(json),
        "{\"alg\":\"EdDSA\",\"kid\":\"%s\",\"typ\":\"JWT\"}", kid);
    sodium_bin2base64(key->head, sizeof(key->head) - 1,
        (const unsigned char *) json, (size_t) n, SIGNING_B64);
    strcat(key->head, ".");
    key->head_len = strlen(key->head);

    sodium_bin2base64(key->x, sizeof(key->x), public_half, SIGNING_KEY_SIZE,
        SIGNING_B64);

    set->count++;

    return 0;
}


int
signing_set_finish(signing_set_t *set)
{
    size_t          i;
    json_t         *list, *doc;
    unsigned char   hash[SHA256_DIGEST_LENGTH];

    list = json_array();

    for (i = 0; i < set->count; i++) {
        json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:s,s:s,s:s}",
            "kty", "OKP", "crv", "Ed25519", "alg", "EdDSA", "use", "sig",
            "kid", set->keys[i].kid, "x", set->keys[i].x));
    }

    doc = json_pack("{s:o}", "keys", list);
    set->jwks = json_dumps(doc, JSON_COMPACT);
    json_decref(doc);

    if (set->jwks == NULL) {
        return -1;
    }

    SHA256((const unsigned char *) set->jwks, strlen(set->jwks), hash);
    sodium_bin2hex(set->version, sizeof(set->version), hash,
        SIGNING_VERSION_LEN / 2);

    return 0;
}


void
signing_set_free(signing_set_t *set)
{
    size_t  i;

    if (set == NULL) {
        return;
    }

    for (i = 0; i < set->count; i++) {
        EVP_PKEY_free(set->keys[i].pkey);
    }

    free(set->jwks);
    free(set);
}


char *
signing_jwks(signing_t *signing, char version[SIGNING_VERSION_LEN + 1])
{
    char  *text;

    text = NULL;

    pthread_rwlock_rdlock(&signing->lock);

    if (signing->set != NULL) {
        text = strdup(signing->set->jwks);

        if (version != NULL) {
            strcpy(version, signing->set->version);
        }
    }

    pthread_rwlock_unlock(&signing->lock);

    return text;
}


/* ---- signing */


static bool
signing_life_fits(json_t *claims)
{
    json_t  *exp, *iat;

    exp = json_object_get(claims, "exp");
    iat = json_object_get(claims, "iat");

    return json_is_integer(exp) && json_is_integer(iat)
           && json_integer_value(exp) - json_integer_value(iat)
                  <= SIGNING_LIFE_MAX_S;
}


/* Appends the signature of what stands in dst (len bytes). */
static int
signing_append(const signing_key_t *key, char *dst, size_t len)
{
    int             rc;
    size_t          n;
    EVP_MD_CTX     *ctx;
    unsigned char   sig[SIGNING_SIG];

    ctx = EVP_MD_CTX_new();

    if (ctx == NULL) {
        return -1;
    }

    n = sizeof(sig);
    rc = -1;

    if (EVP_DigestSignInit(ctx, NULL, NULL, NULL, key->pkey) == 1
        && EVP_DigestSign(ctx, sig, &n, (unsigned char *) dst, len) == 1
        && n == sizeof(sig))
    {
        dst[len] = '.';
        sodium_bin2base64(dst + len + 1, SIGNING_SIG_B64 + 1, sig, n,
            SIGNING_B64);
        rc = 0;
    }

    EVP_MD_CTX_free(ctx);
    ERR_clear_error();

    return rc;
}


static const signing_key_t *
signing_signer(const signing_set_t *set)
{
    size_t  i;

    for (i = 0; set != NULL && i < set->count; i++) {
        if (set->keys[i].may_sign) {
            return &set->keys[i];
        }
    }

    return NULL;
}


int
signing_sign_with(signing_t *signing, json_t *claims, char **token)
{
    int                   rc;
    char                 *text, *dst;
    size_t                len, n;
    const signing_key_t  *key;

    if (!signing_life_fits(claims)) {
        return -1;
    }

    text = json_dumps(claims, JSON_COMPACT);
    dst = malloc(SIGNING_TOKEN_MAX);

    if (text == NULL || dst == NULL) {
        free(text);
        free(dst);
        return -1;
    }

    len = strlen(text);
    rc = -1;

    pthread_rwlock_rdlock(&signing->lock);

    key = signing_signer(signing->set);

    if (key != NULL) {
        n = key->head_len + sodium_base64_encoded_len(len, SIGNING_B64) - 1;

        if (n + 1 + SIGNING_SIG_B64 < SIGNING_TOKEN_MAX) {
            memcpy(dst, key->head, key->head_len);
            sodium_bin2base64(dst + key->head_len,
                SIGNING_TOKEN_MAX - key->head_len, (unsigned char *) text, len,
                SIGNING_B64);
            rc = signing_append(key, dst, n);
        }
    }

    pthread_rwlock_unlock(&signing->lock);

    free(text);

    if (rc != 0) {
        free(dst);
        return -1;
    }

    *token = dst;

    return 0;
}


int
signing_sign(struct app_s *app, json_t *claims, char **token)
{
    return signing_sign_with(app->signing, claims, token);
}


/* ---- verifying */


/*
 * Our tokens' headers have one spelling, so the header is looked up, not
 * parsed: what another signer wrote is no token of ours.
 */
static bool
signing_signed(const signing_set_t *set, const char *token, size_t len,
    const unsigned char *sig)
{
    bool                  good;
    size_t                i;
    EVP_MD_CTX           *ctx;
    const signing_key_t  *key;

    for (i = 0; i < set->count; i++) {
        key = &set->keys[i];

        if (strncmp(token, key->head, key->head_len) != 0) {
            continue;
        }

        ctx = EVP_MD_CTX_new();
        good = ctx != NULL
               && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key->pkey) == 1
               && EVP_DigestVerify(ctx, sig, SIGNING_SIG,
                      (const unsigned char *) token, len) == 1;
        EVP_MD_CTX_free(ctx);
        ERR_clear_error();

        return good;
    }

    return false;
}


static json_t *
signing_claims(const char *text, size_t len, int64_t now_s)
{
    size_t          n;
    json_t         *claims, *exp, *nbf;
    const char     *end;
    unsigned char   plain[SIGNING_TOKEN_MAX];

    if (sodium_base642bin(plain, sizeof(plain), text, len, NULL, &n, &end,
            SIGNING_B64) != 0 || end != text + len)
    {
        return NULL;
    }

    claims = json_loadb((const char *) plain, n, JSON_REJECT_DUPLICATES, NULL);
    exp = json_object_get(claims, "exp");
    nbf = json_object_get(claims, "nbf");

    if (!json_is_integer(exp)
        || json_integer_value(exp) + SIGNING_LEEWAY_S <= now_s
        || (nbf != NULL && (!json_is_integer(nbf)
            || json_integer_value(nbf) - SIGNING_LEEWAY_S > now_s)))
    {
        json_decref(claims);
        return NULL;
    }

    return claims;
}


int
signing_verify_with(signing_t *signing, const char *token, int64_t now_s,
    json_t **claims)
{
    bool            good;
    size_t          n;
    const char     *payload, *dot, *end;
    unsigned char   sig[SIGNING_SIG];

    if (strnlen(token, SIGNING_TOKEN_MAX) == SIGNING_TOKEN_MAX) {
        return -1;
    }

    payload = strchr(token, '.');
    dot = payload != NULL ? strchr(payload + 1, '.') : NULL;

    if (dot == NULL
        || sodium_base642bin(sig, sizeof(sig), dot + 1, strlen(dot + 1), NULL,
               &n, &end, SIGNING_B64) != 0
        || *end != '\0' || n != SIGNING_SIG)
    {
        return -1;
    }

    pthread_rwlock_rdlock(&signing->lock);
    good = signing->set != NULL
           && signing_signed(signing->set, token, (size_t) (dot - token), sig);
    pthread_rwlock_unlock(&signing->lock);

    if (!good) {
        return -1;
    }

    payload++;
    *claims = signing_claims(payload, (size_t) (dot - payload), now_s);

    return *claims != NULL ? 0 : -1;
}


int
signing_verify(struct app_s *app, const char *token, int64_t now_s,
    json_t **claims)
{
    return signing_verify_with(app->signing, token, now_s, claims);
}

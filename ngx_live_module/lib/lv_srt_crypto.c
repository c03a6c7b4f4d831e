#include "lv_srt_crypto.h"
#include "lv_srt_packet.h"

#include <stdlib.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#define KM_FIXED   16
#define SALT       16
#define ROUNDS     2048


struct lv_srt_crypto_s {
    EVP_CIPHER_CTX  *key[2];        /* even, odd; NULL: not given */
    uint8_t          salt[SALT];
    uint8_t          kek[32];       /* of that salt, while key_len is not 0 */
    unsigned         key_len;
    uint8_t          km[LV_SRT_KM_MAX];
    size_t           km_len;        /* of the last one taken, 0: none */
    size_t           pass_len;
    char             pass[LV_SRT_PASSPHRASE_MAX];
};

/* A key material message, taken apart. */
typedef struct {
    unsigned         kk;
    unsigned         key_len;
    unsigned         keys;          /* 1 or 2 */
    const uint8_t   *salt;
    const uint8_t   *wrapped;
    size_t           wrapped_len;
} km_t;


lv_srt_crypto_t *
lv_srt_crypto_create(const void *pass, size_t len)
{
    lv_srt_crypto_t  *c;

    if (len < LV_SRT_PASSPHRASE_MIN || len > LV_SRT_PASSPHRASE_MAX) {
        return NULL;
    }

    c = calloc(1, sizeof(lv_srt_crypto_t));
    if (c == NULL) {
        return NULL;
    }

    memcpy(c->pass, pass, len);
    c->pass_len = len;

    return c;
}


void
lv_srt_crypto_destroy(lv_srt_crypto_t *c)
{
    if (c == NULL) {
        return;
    }

    EVP_CIPHER_CTX_free(c->key[0]);
    EVP_CIPHER_CTX_free(c->key[1]);
    OPENSSL_cleanse(c, sizeof(lv_srt_crypto_t));
    free(c);
}


static int
km_parse(const uint8_t *p, size_t n, km_t *km)
{
    size_t  salt_len;

    if (n < KM_FIXED || n > LV_SRT_KM_MAX) {
        return LV_ERROR;
    }

    /* version 1, packet type 2, the sign; AES-CTR, no authentication, TS over
     * SRT or bare SRT */

    if (p[0] != 0x12 || lv_be16(p + 1) != 0x2029 || p[8] != 2 || p[9] != 0) {
        return LV_ERROR;
    }

    km->kk = p[3] & 3;
    km->keys = km->kk == 3 ? 2 : 1;
    salt_len = (size_t) p[14] * 4;
    km->key_len = (unsigned) p[15] * 4;

    if (km->kk == 0 || salt_len != SALT
        || (km->key_len != 16 && km->key_len != 24 && km->key_len != 32)
        || n != KM_FIXED + SALT + 8 + km->keys * km->key_len)
    {
        return LV_ERROR;
    }

    km->salt = p + KM_FIXED;
    km->wrapped = km->salt + SALT;
    km->wrapped_len = 8 + km->keys * km->key_len;

    return LV_OK;
}


/* RFC 3394, with the default initial value: LV_DECLINED when that does not
 * come out. */

static int
unwrap(const uint8_t *kek, unsigned key_len, const uint8_t *in, size_t n,
    uint8_t *out)
{
    int                rc, len;
    EVP_CIPHER_CTX    *ctx;
    const EVP_CIPHER  *cipher;

    cipher = key_len == 16 ? EVP_aes_128_wrap()
             : key_len == 24 ? EVP_aes_192_wrap() : EVP_aes_256_wrap();

    ctx = EVP_CIPHER_CTX_new();
    if (ctx == NULL) {
        return LV_ERROR;
    }

    EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    rc = LV_ERROR;

    if (EVP_DecryptInit_ex(ctx, cipher, NULL, kek, NULL) == 1) {
        rc = EVP_DecryptUpdate(ctx, out, &len, in, (int) n) == 1
             && len == (int) n - 8 ? LV_OK : LV_DECLINED;
    }

    EVP_CIPHER_CTX_free(ctx);

    return rc;
}


static EVP_CIPHER_CTX *
key_ctx(const uint8_t *key, unsigned key_len)
{
    EVP_CIPHER_CTX    *ctx;
    const EVP_CIPHER  *cipher;

    cipher = key_len == 16 ? EVP_aes_128_ctr()
             : key_len == 24 ? EVP_aes_192_ctr() : EVP_aes_256_ctr();

    ctx = EVP_CIPHER_CTX_new();

    if (ctx != NULL && EVP_DecryptInit_ex(ctx, cipher, NULL, key, NULL) != 1) {
        EVP_CIPHER_CTX_free(ctx);
        return NULL;
    }

    return ctx;
}


bool
lv_srt_crypto_km_costs(const lv_srt_crypto_t *c, const uint8_t *p, size_t n)
{
    km_t  km;

    return km_parse(p, n, &km) == LV_OK
           && (c->key_len != km.key_len
               || memcmp(c->salt, km.salt, SALT) != 0);
}


static int
km_kek(lv_srt_crypto_t *c, const km_t *km, uint8_t *kek)
{
    if (c->key_len == km->key_len && memcmp(c->salt, km->salt, SALT) == 0) {
        memcpy(kek, c->kek, sizeof(c->kek));
        return LV_OK;
    }

    return PKCS5_PBKDF2_HMAC_SHA1(c->pass, (int) c->pass_len, km->salt + 8, 8,
                                  ROUNDS, (int) km->key_len, kek)
           == 1 ? LV_OK : LV_ERROR;
}


/* Both or none: a message with two keys that fails halfway changes nothing. */

static int
km_take(lv_srt_crypto_t *c, const km_t *km, const uint8_t *keys)
{
    unsigned         i, n;
    EVP_CIPHER_CTX  *ctx[2] = { NULL, NULL };

    for (i = 0, n = 0; i < 2; i++) {

        if (!(km->kk & (1u << i))) {
            continue;
        }

        ctx[i] = key_ctx(keys + n * km->key_len, km->key_len);

        if (ctx[i] == NULL) {
            EVP_CIPHER_CTX_free(ctx[0]);
            return LV_ERROR;
        }

        n++;
    }

    for (i = 0; i < 2; i++) {

        /* a key of another salt is of no use any more */

        if (ctx[i] != NULL || memcmp(c->salt, km->salt, SALT) != 0) {
            EVP_CIPHER_CTX_free(c->key[i]);
            c->key[i] = ctx[i];
        }
    }

    return LV_OK;
}


int
lv_srt_crypto_km(lv_srt_crypto_t *c, const uint8_t *p, size_t n)
{
    int      rc;
    km_t     km;
    uint8_t  kek[32] = { 0 }, keys[64];

    if (km_parse(p, n, &km) != LV_OK) {
        return LV_ERROR;
    }

    if (c->km_len == n && memcmp(c->km, p, n) == 0) {
        return LV_OK;
    }

    rc = km_kek(c, &km, kek);

    if (rc == LV_OK) {
        rc = unwrap(kek, km.key_len, km.wrapped, km.wrapped_len, keys);
    }

    if (rc == LV_OK) {
        rc = km_take(c, &km, keys);
    }

    if (rc == LV_OK) {
        memcpy(c->kek, kek, sizeof(kek));
        memcpy(c->salt, km.salt, SALT);
        memcpy(c->km, p, n);
        c->km_len = n;
        c->key_len = km.key_len;
    }

    OPENSSL_cleanse(kek, sizeof(kek));
    OPENSSL_cleanse(keys, sizeof(keys));

    return rc;
}


unsigned
lv_srt_crypto_key_len(const lv_srt_crypto_t *c)
{
    return c->key_len;
}


int
lv_srt_crypto_open(lv_srt_crypto_t *c, unsigned kk, uint32_t seq,
    const uint8_t *in, size_t n, uint8_t *out)
{
    int              len;
    uint8_t          iv[16], be[4];
    unsigned         i;
    EVP_CIPHER_CTX  *ctx;

    ctx = kk == LV_SRT_EVEN ? c->key[0] : kk == LV_SRT_ODD ? c->key[1] : NULL;

    if (ctx == NULL) {
        return LV_DECLINED;
    }

    memcpy(iv, c->salt, 14);
    iv[14] = 0;
    iv[15] = 0;
    lv_put32(be, seq);

    for (i = 0; i < 4; i++) {
        iv[10 + i] ^= be[i];
    }

    if (EVP_DecryptInit_ex(ctx, NULL, NULL, NULL, iv) != 1
        || EVP_DecryptUpdate(ctx, out, &len, in, (int) n) != 1)
    {
        return LV_DECLINED;
    }

    return LV_OK;
}

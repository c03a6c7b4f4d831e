/* A remembered decision's passphrase: see lv_cluster.h. */

#include "lv_cluster.h"

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#define DECISION_LABEL  "passphrase of a decision"
#define DECISION_NONCE  12
#define DECISION_TAG    16


int
lv_decision_secret(lv_str_t credential, uint8_t secret[32])
{
    unsigned  n;

    n = 32;

    if (credential.len > INT32_MAX
        || HMAC(EVP_sha256(), credential.data, (int) credential.len,
                (const unsigned char *) DECISION_LABEL,
                sizeof(DECISION_LABEL) - 1, secret, &n)
           == NULL)
    {
        return LV_ERROR;
    }

    return LV_OK;
}


/* What both ways have in common; encrypts: seal. */
static EVP_CIPHER_CTX *
decision_cipher(const lv_decision_t *d, const uint8_t secret[32], int seal)
{
    int              n;
    EVP_CIPHER_CTX  *ctx;

    ctx = EVP_CIPHER_CTX_new();

    if (ctx != NULL
        && EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, secret, d->sealed,
                             seal)
           == 1
        && EVP_CipherUpdate(ctx, NULL, &n, (const uint8_t *) d->stream,
                            (int) strlen(d->stream))
           == 1)
    {
        return ctx;
    }

    EVP_CIPHER_CTX_free(ctx);

    return NULL;
}


int
lv_decision_seal(lv_decision_t *d, const uint8_t secret[32], const char *text)
{
    int              n, rc;
    size_t           len;
    uint8_t          plain[LV_DECISION_TEXT], *at;
    EVP_CIPHER_CTX  *ctx;

    memset(d->sealed, 0, sizeof(d->sealed));
    len = strlen(text);

    if (len == 0) {
        return LV_OK;
    }

    if (len >= sizeof(plain) || RAND_bytes(d->sealed, DECISION_NONCE) != 1) {
        return LV_ERROR;
    }

    ctx = decision_cipher(d, secret, 1);

    if (ctx == NULL) {
        return LV_ERROR;
    }

    /* padded: its length is nobody's business */

    memset(plain, 0, sizeof(plain));
    memcpy(plain, text, len);
    at = d->sealed + DECISION_NONCE;

    rc = EVP_EncryptUpdate(ctx, at, &n, plain, sizeof(plain)) == 1
         && EVP_EncryptFinal_ex(ctx, at + sizeof(plain), &n) == 1
         && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, DECISION_TAG,
                                at + sizeof(plain))
            == 1;

    EVP_CIPHER_CTX_free(ctx);
    OPENSSL_cleanse(plain, sizeof(plain));

    return rc ? LV_OK : LV_ERROR;
}


int
lv_decision_open(const lv_decision_t *d, const uint8_t secret[32],
    char text[LV_DECISION_TEXT])
{
    int                   n, rc;
    uint8_t               tag[DECISION_TAG];
    const uint8_t        *at;
    EVP_CIPHER_CTX       *ctx;
    static const uint8_t  none[LV_DECISION_SEALED];

    memset(text, 0, LV_DECISION_TEXT);

    if (memcmp(d->sealed, none, sizeof(none)) == 0) {
        return LV_OK;
    }

    ctx = decision_cipher(d, secret, 0);

    if (ctx == NULL) {
        return LV_ERROR;
    }

    at = d->sealed + DECISION_NONCE;
    memcpy(tag, at + LV_DECISION_TEXT, DECISION_TAG);

    rc = EVP_DecryptUpdate(ctx, (uint8_t *) text, &n, at, LV_DECISION_TEXT)
            == 1
         && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, DECISION_TAG, tag)
            == 1
         && EVP_DecryptFinal_ex(ctx, (uint8_t *) text + LV_DECISION_TEXT, &n)
            == 1
         && text[LV_DECISION_TEXT - 1] == '\0';

    EVP_CIPHER_CTX_free(ctx);

    if (!rc) {
        OPENSSL_cleanse(text, LV_DECISION_TEXT);
        return LV_ERROR;
    }

    return LV_OK;
}

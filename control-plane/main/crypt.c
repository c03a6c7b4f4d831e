#include "main/crypt.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <sodium.h>

#define CRYPT_PREFIX  "v1."
#define CRYPT_KEY     32
#define CRYPT_NONCE   12
#define CRYPT_TAG     16
#define CRYPT_ID_MAX  16

/* Nonce, ciphertext and tag of the longest secret. */
#define CRYPT_BOX_MAX (CRYPT_NONCE + CRYPT_PLAIN_MAX + CRYPT_TAG)

#define CRYPT_B64     sodium_base64_VARIANT_URLSAFE_NO_PADDING

typedef struct {
    char           id[CRYPT_ID_MAX + 1];
    unsigned char  bytes[CRYPT_KEY];
} crypt_key_t;

struct crypt_s {
    size_t       count;
    crypt_key_t  keys[CRYPT_KEYS_MAX];
};


static bool
crypt_id_valid(const char *id, size_t len)
{
    if (len == 0 || len > CRYPT_ID_MAX) {
        return false;
    }

    return strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                      "0123456789_-") >= len;
}


static const crypt_key_t *
crypt_find(const crypt_t *crypt, const char *id, size_t len)
{
    size_t  i;

    for (i = 0; i < crypt->count; i++) {
        if (strlen(crypt->keys[i].id) == len
            && memcmp(crypt->keys[i].id, id, len) == 0)
        {
            return &crypt->keys[i];
        }
    }

    return NULL;
}


/* One line "id base64". NULL, or what is wrong with it. */
static const char *
crypt_line(crypt_t *crypt, const char *line, size_t len)
{
    size_t        n, size;
    const char   *p, *last;
    crypt_key_t  *key;

    if (crypt->count == CRYPT_KEYS_MAX) {
        return "more keys than are supported (8)";
    }

    n = strcspn(line, " \t");

    if (n >= len || !crypt_id_valid(line, n)) {
        return "a line that is not \"id base64(32 bytes)\"";
    }

    if (crypt_find(crypt, line, n) != NULL) {
        return "two keys with one id";
    }

    p = line + n;

    while (p < line + len && (*p == ' ' || *p == '\t')) {
        p++;
    }

    key = &crypt->keys[crypt->count];

    if (sodium_base642bin(key->bytes, CRYPT_KEY, p, len - (size_t) (p - line),
            " \t\r", &size, &last, sodium_base64_VARIANT_ORIGINAL) != 0
        || size != CRYPT_KEY || last != line + len)
    {
        OPENSSL_cleanse(key->bytes, CRYPT_KEY);
        return "a key that is not 32 bytes in base64";
    }

    memcpy(key->id, line, n);
    key->id[n] = '\0';
    crypt->count++;

    return NULL;
}


crypt_t *
crypt_parse(const char *text, size_t len, const char **err)
{
    char     *copy, *line, *end;
    crypt_t  *crypt;

    *err = NULL;

    if (len > CRYPT_FILE_MAX || memchr(text, '\0', len) != NULL) {
        *err = "not a file of keys";
        return NULL;
    }

    crypt = calloc(1, sizeof(*crypt));
    copy = calloc(1, len + 2);

    if (crypt == NULL || copy == NULL) {
        free(copy);
        free(crypt);
        *err = "no memory";
        return NULL;
    }

    memcpy(copy, text, len);

    for (line = copy; *line != '\0' && *err == NULL; line = end + 1) {
        end = line + strcspn(line, "\n");

        line += strspn(line, " \t\r");

        if (line < end && *line != '#') {
            *err = crypt_line(crypt, line, (size_t) (end - line));
        }

        if (*end == '\0') {
            break;
        }
    }

    OPENSSL_cleanse(copy, len);
    free(copy);

    if (*err == NULL && crypt->count == 0) {
        *err = "no key in it";
    }

    if (*err != NULL) {
        crypt_free(crypt);
        return NULL;
    }

    return crypt;
}


crypt_t *
crypt_load(const char *path, const char **err)
{
    char      buf[CRYPT_FILE_MAX + 1];
    FILE     *f;
    size_t    n;
    crypt_t  *crypt;

    f = fopen(path, "re");

    if (f == NULL) {
        *err = "cannot be opened";
        return NULL;
    }

    setvbuf(f, NULL, _IONBF, 0);        /* no copy in a buffer that is freed */
    n = fread(buf, 1, sizeof(buf), f);

    if (ferror(f)) {
        *err = "cannot be read";
        crypt = NULL;

    } else {
        crypt = crypt_parse(buf, n, err);
    }

    fclose(f);
    OPENSSL_cleanse(buf, sizeof(buf));

    return crypt;
}


void
crypt_free(crypt_t *crypt)
{
    if (crypt != NULL) {
        OPENSSL_cleanse(crypt, sizeof(*crypt));
        free(crypt);
    }
}


static int
crypt_encrypt(const crypt_key_t *key, const char *what, const void *plain,
    size_t len, unsigned char *box)
{
    int              n, rc;
    EVP_CIPHER_CTX  *ctx;
    unsigned char   *out;

    if (RAND_bytes(box, CRYPT_NONCE) != 1) {
        return -1;
    }

    ctx = EVP_CIPHER_CTX_new();

    if (ctx == NULL) {
        return -1;
    }

    rc = -1;
    out = box + CRYPT_NONCE;

    if (EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key->bytes, box) == 1
        && EVP_EncryptUpdate(ctx, NULL, &n, (const unsigned char *) what,
               (int) strlen(what)) == 1
        && EVP_EncryptUpdate(ctx, out, &n, plain, (int) len) == 1
        && EVP_EncryptFinal_ex(ctx, out + len, &n) == 1
        && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, CRYPT_TAG, out + len)
               == 1)
    {
        rc = 0;
    }

    EVP_CIPHER_CTX_free(ctx);
    ERR_clear_error();

    return rc;
}


static int
crypt_decrypt(const crypt_key_t *key, const char *what,
    const unsigned char *box, size_t len, unsigned char *plain)
{
    int                   n, rc;
    EVP_CIPHER_CTX       *ctx;
    const unsigned char  *in;

    ctx = EVP_CIPHER_CTX_new();

    if (ctx == NULL) {
        return -1;
    }

    rc = -1;
    in = box + CRYPT_NONCE;

    if (EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key->bytes, box) == 1
        && EVP_DecryptUpdate(ctx, NULL, &n, (const unsigned char *) what,
               (int) strlen(what)) == 1
        && EVP_DecryptUpdate(ctx, plain, &n, in, (int) len) == 1
        && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, CRYPT_TAG,
               (void *) (in + len)) == 1
        && EVP_DecryptFinal_ex(ctx, plain + len, &n) == 1)
    {
        rc = 0;
    }

    EVP_CIPHER_CTX_free(ctx);
    ERR_clear_error();

    return rc;
}


char *
crypt_seal(const crypt_t *crypt, const char *what, const void *plain,
    size_t len)
{
    char               *text;
    size_t              head, size;
    unsigned char      *box;
    const crypt_key_t  *key;

    if (len > CRYPT_PLAIN_MAX) {
        return NULL;
    }

    key = &crypt->keys[0];
    head = strlen(CRYPT_PREFIX) + strlen(key->id) + 1;
    size = CRYPT_NONCE + len + CRYPT_TAG;

    box = malloc(size);
    text = malloc(head + sodium_base64_encoded_len(size, CRYPT_B64));

    if (box == NULL || text == NULL
        || crypt_encrypt(key, what, plain, len, box) != 0)
    {
        free(box);
        free(text);
        return NULL;
    }

    memcpy(text, CRYPT_PREFIX, strlen(CRYPT_PREFIX));
    memcpy(text + strlen(CRYPT_PREFIX), key->id, strlen(key->id));
    text[head - 1] = '.';
    sodium_bin2base64(text + head, sodium_base64_encoded_len(size, CRYPT_B64),
        box, size, CRYPT_B64);
    free(box);

    return text;
}


/* The key id of a sealed text, and where its box begins; NULL: no such text. */
static const char *
crypt_split(const char *sealed, size_t *id_len, const char **box)
{
    const char  *id, *dot;

    if (strncmp(sealed, CRYPT_PREFIX, strlen(CRYPT_PREFIX)) != 0) {
        return NULL;
    }

    id = sealed + strlen(CRYPT_PREFIX);
    dot = strchr(id, '.');

    if (dot == NULL) {
        return NULL;
    }

    *id_len = (size_t) (dot - id);
    *box = dot + 1;

    return id;
}


int
crypt_open(const crypt_t *crypt, const char *what, const char *sealed,
    void *dst, size_t size, size_t *len)
{
    size_t              id_len, n;
    const char         *id, *text, *last;
    unsigned char       box[CRYPT_BOX_MAX];
    const crypt_key_t  *key;

    id = crypt_split(sealed, &id_len, &text);

    if (id == NULL) {
        return -1;
    }

    key = crypt_find(crypt, id, id_len);

    if (key == NULL
        || sodium_base642bin(box, sizeof(box), text, strlen(text), NULL, &n,
               &last, CRYPT_B64) != 0
        || *last != '\0' || n < CRYPT_NONCE + CRYPT_TAG)
    {
        return -1;
    }

    n -= CRYPT_NONCE + CRYPT_TAG;

    if (n > size) {
        return -1;
    }

    if (crypt_decrypt(key, what, box, n, dst) != 0) {
        OPENSSL_cleanse(dst, n);
        return -1;
    }

    *len = n;

    return 0;
}


bool
crypt_is_current(const crypt_t *crypt, const char *sealed)
{
    size_t       len;
    const char  *id, *box;

    id = crypt_split(sealed, &len, &box);

    return id != NULL && strlen(crypt->keys[0].id) == len
           && memcmp(crypt->keys[0].id, id, len) == 0;
}


const char *
crypt_key_id(const crypt_t *crypt)
{
    return crypt->keys[0].id;
}

/* Stream keys: see lv_streamkeys.h. */

#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "lv_b64.h"
#include "lv_srt_crypto.h"
#include "lv_streamkeys.h"


typedef struct {
    uint8_t   hash[LV_STREAMKEY_HASH];
    char      id[LV_STREAM_ID_LEN + 1];     /* "": empty */
    char     *passphrase;                   /* or NULL */
} lv_streamkey_t;


/* Open addressing, at most half full. */
struct lv_streamkeys_s {
    size_t           count;
    size_t           size;                  /* a power of two */
    lv_streamkey_t   table[];
};


static size_t
lv_streamkeys_lines(lv_str_t file)
{
    size_t  i, n;

    n = 1;

    for (i = 0; i < file.len; i++) {
        n += (file.data[i] == '\n');
    }

    return n;
}


static bool
lv_streamkeys_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}


/* The next word of a line, which is shortened by it; empty at the end. */
static lv_str_t
lv_streamkeys_word(lv_str_t *line)
{
    lv_str_t  word;

    while (line->len && lv_streamkeys_blank(*line->data)) {
        line->data++;
        line->len--;
    }

    word.data = line->data;
    word.len = 0;

    while (line->len && !lv_streamkeys_blank(*line->data)) {
        line->data++;
        line->len--;
        word.len++;
    }

    return word;
}


static lv_streamkey_t *
lv_streamkeys_slot(const lv_streamkeys_t *keys, const uint8_t *hash)
{
    size_t                 i;
    const lv_streamkey_t  *k;

    i = lv_be64(hash) & (keys->size - 1);

    for ( ;; ) {
        k = &keys->table[i];

        if (k->id[0] == '\0'
            || CRYPTO_memcmp(k->hash, hash, LV_STREAMKEY_HASH) == 0)
        {
            return (lv_streamkey_t *) k;
        }

        i = (i + 1) & (keys->size - 1);
    }
}


/* "passphrase=…" */
static char *
lv_streamkeys_secret(lv_str_t word, const char **err)
{
    char  *p;

    word.data += sizeof("passphrase=") - 1;
    word.len -= sizeof("passphrase=") - 1;

    if (word.len < LV_SRT_PASSPHRASE_MIN || word.len > LV_SRT_PASSPHRASE_MAX) {
        *err = "a passphrase has 10 to 79 characters";
        return NULL;
    }

    p = strndup((const char *) word.data, word.len);

    if (p == NULL) {
        *err = "out of memory";
    }

    return p;
}


/* LV_OK also for a line that holds no key. */
static int
lv_streamkeys_line(lv_streamkeys_t *keys, lv_str_t line, const char **err)
{
    uint8_t          bytes[LV_STREAMKEY_HASH];
    lv_str_t         id, hash, more, secret;
    lv_streamkey_t  *k;

    id = lv_streamkeys_word(&line);

    if (id.len == 0 || *id.data == '#') {
        return LV_OK;
    }

    hash = lv_streamkeys_word(&line);
    more = lv_streamkeys_word(&line);

    if (!lv_stream_id_valid(id)) {
        *err = "the stream id is not valid";
        return LV_ERROR;
    }

    if (lv_hex_decode(hash, bytes, sizeof(bytes)) != LV_OK) {
        *err = "no SHA-256 of 64 hexadecimal digits behind the stream id";
        return LV_ERROR;
    }

    secret.len = 0;

    if (more.len > 11 && memcmp(more.data, "passphrase=", 11) == 0) {
        secret = more;
        more = lv_streamkeys_word(&line);
    }

    if (more.len && *more.data != '#') {
        *err = "more than a stream id and a SHA-256";
        return LV_ERROR;
    }

    if (keys->count == LV_STREAMKEYS_MAX) {
        *err = "more than 100000 keys";
        return LV_ERROR;
    }

    k = lv_streamkeys_slot(keys, bytes);

    if (k->id[0] != '\0') {
        *err = "the same key a second time";
        return LV_ERROR;
    }

    if (secret.len > 0) {
        k->passphrase = lv_streamkeys_secret(secret, err);

        if (k->passphrase == NULL) {
            return LV_ERROR;
        }
    }

    memcpy(k->hash, bytes, sizeof(bytes));
    memcpy(k->id, id.data, id.len);
    keys->count++;

    return LV_OK;
}


lv_streamkeys_t *
lv_streamkeys_load(lv_str_t file, const char **err, size_t *line)
{
    size_t            size, lines, len;
    lv_str_t          text;
    lv_streamkeys_t  *keys;
    const uint8_t    *p, *end, *eol;

    *line = 0;

    if (file.len > LV_STREAMKEYS_FILE_MAX) {
        *err = "the file is too large";
        return NULL;
    }

    lines = lv_streamkeys_lines(file);

    if (lines > LV_STREAMKEYS_MAX) {
        lines = LV_STREAMKEYS_MAX;
    }

    for (size = 2; size < 2 * lines; size *= 2) { /* void */ }

    keys = calloc(1, sizeof(lv_streamkeys_t) + size * sizeof(lv_streamkey_t));
    if (keys == NULL) {
        *err = "out of memory";
        return NULL;
    }

    keys->size = size;

    p = file.data;
    end = p + file.len;

    while (p < end) {
        eol = memchr(p, '\n', (size_t) (end - p));
        len = (size_t) ((eol ? eol : end) - p);

        text.data = p;
        text.len = len;
        (*line)++;

        if (lv_streamkeys_line(keys, text, err) != LV_OK) {
            lv_streamkeys_free(keys);
            return NULL;
        }

        p = eol ? eol + 1 : end;
    }

    *line = 0;

    return keys;
}


void
lv_streamkeys_free(lv_streamkeys_t *keys)
{
    size_t  i;

    for (i = 0; keys != NULL && i < keys->size; i++) {

        if (keys->table[i].passphrase != NULL) {
            OPENSSL_cleanse(keys->table[i].passphrase,
                            strlen(keys->table[i].passphrase));
            free(keys->table[i].passphrase);
        }
    }

    free(keys);
}


size_t
lv_streamkeys_count(const lv_streamkeys_t *keys)
{
    return keys->count;
}


int
lv_streamkey_hash(lv_str_t key, uint8_t hash[LV_STREAMKEY_HASH])
{
    if (key.len == 0 || key.len > LV_STREAMKEY_MAX) {
        return LV_ERROR;
    }

    if (EVP_Digest(key.data, key.len, hash, NULL, EVP_sha256(), NULL) != 1) {
        return LV_ERROR;
    }

    return LV_OK;
}


const char *
lv_streamkeys_find(const lv_streamkeys_t *keys,
    const uint8_t hash[LV_STREAMKEY_HASH])
{
    const lv_streamkey_t  *k;

    k = lv_streamkeys_slot(keys, hash);

    return k->id[0] == '\0' ? NULL : k->id;
}


const char *
lv_streamkeys_passphrase(const lv_streamkeys_t *keys,
    const uint8_t hash[LV_STREAMKEY_HASH])
{
    return lv_streamkeys_slot(keys, hash)->passphrase;
}

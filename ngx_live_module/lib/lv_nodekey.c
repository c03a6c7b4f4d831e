/* Signatures between nodes: see lv_nodekey.h. */

#include <stdio.h>
#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "lv_b64.h"
#include "lv_nodekey.h"

#define LV_NODE_MAC   32
#define LV_NODE_WAYS  8

/* Longer targets than nginx takes in its largest default header buffer. */
#define LV_NODE_TARGET_MAX  8192
#define LV_NODE_METHOD_MAX  32


struct lv_nodekeys_s {
    size_t    count;
    struct {
        size_t   len;
        uint8_t  data[LV_NODE_KEY_MAX];
    } keys[LV_NODE_KEYS_MAX];
};


typedef struct {
    int64_t   time_s;               /* 0: empty */
    uint8_t   nonce[LV_NODE_NONCE];
} lv_node_nonce_t;


typedef struct {
    int64_t          floor_s;       /* nothing as old as this is taken */
    lv_node_nonce_t  entries[LV_NODE_WAYS];
} lv_node_set_t;


struct lv_node_nonces_s {
    uint64_t       sets;
    lv_node_set_t  set[];
};


typedef struct {
    int64_t   time_s;
    lv_str_t  time;                 /* as spelled: it is what was signed */
    lv_str_t  nonce_text;
    uint8_t   nonce[LV_NODE_NONCE];
    uint8_t   mac[LV_NODE_MAC];
} lv_node_header_t;


lv_nodekeys_t *
lv_nodekeys_load(lv_str_t file, const char **err)
{
    size_t          len, left;
    lv_nodekeys_t  *keys;
    const uint8_t  *p, *eol;

    if (file.len > LV_NODE_FILE_MAX) {
        *err = "the file is too large";
        return NULL;
    }

    keys = calloc(1, sizeof(lv_nodekeys_t));
    if (keys == NULL) {
        *err = "out of memory";
        return NULL;
    }

    p = file.data;
    left = file.len;

    while (left) {
        eol = memchr(p, '\n', left);
        len = eol ? (size_t) (eol - p) : left;
        left -= len + (eol ? 1 : 0);

        while (len && (p[len - 1] == '\r' || p[len - 1] == ' ')) {
            len--;
        }

        if (len && *p != '#') {

            if (keys->count == LV_NODE_KEYS_MAX) {
                *err = "more than 4 keys";
                goto failed;
            }

            if (len < LV_NODE_KEY_MIN || len > LV_NODE_KEY_MAX) {
                *err = "a key is not 32 to 256 characters long";
                goto failed;
            }

            keys->keys[keys->count].len = len;
            memcpy(keys->keys[keys->count].data, p, len);
            keys->count++;
        }

        p = eol ? eol + 1 : p;
    }

    if (keys->count == 0) {
        *err = "no key";
        goto failed;
    }

    return keys;

failed:

    lv_nodekeys_free(keys);

    return NULL;
}


void
lv_nodekeys_free(lv_nodekeys_t *keys)
{
    if (keys != NULL) {
        OPENSSL_cleanse(keys, sizeof(lv_nodekeys_t));
        free(keys);
    }
}


static uint8_t *
lv_node_line(uint8_t *p, lv_str_t text)
{
    memcpy(p, text.data, text.len);
    p += text.len;
    *p++ = '\n';

    return p;
}


static int
lv_node_mac(const lv_nodekeys_t *keys, size_t i, lv_str_t method,
    lv_str_t target, lv_str_t time, lv_str_t nonce, uint8_t *mac)
{
    uint8_t   buf[LV_NODE_TARGET_MAX + LV_NODE_METHOD_MAX + 128], *p;
    unsigned  len;

    static const lv_str_t  version = lv_str("live-node-1");

    if (target.len > LV_NODE_TARGET_MAX || method.len > LV_NODE_METHOD_MAX) {
        return LV_ERROR;
    }

    p = lv_node_line(buf, version);
    p = lv_node_line(p, method);
    p = lv_node_line(p, target);
    p = lv_node_line(p, time);
    p = lv_node_line(p, nonce);

    if (HMAC(EVP_sha256(), keys->keys[i].data, (int) keys->keys[i].len, buf,
             (size_t) (p - buf), mac, &len)
        == NULL)
    {
        return LV_ERROR;
    }

    return LV_OK;
}


int
lv_node_sign(const lv_nodekeys_t *keys, lv_str_t method, lv_str_t target,
    int64_t now_s, const uint8_t nonce[LV_NODE_NONCE],
    char dst[LV_NODE_HEADER_MAX])
{
    int       n;
    char      time_text[24], nonce_text[2 * LV_NODE_NONCE];
    char      mac_text[2 * LV_NODE_MAC];
    uint8_t   mac[EVP_MAX_MD_SIZE];
    lv_str_t  time, non;

    n = snprintf(time_text, sizeof(time_text), "%lld", (long long) now_s);
    lv_hex_encode(nonce, LV_NODE_NONCE, nonce_text);

    time.data = (const uint8_t *) time_text;
    time.len = (size_t) n;
    non.data = (const uint8_t *) nonce_text;
    non.len = sizeof(nonce_text);

    if (lv_node_mac(keys, 0, method, target, time, non, mac) != LV_OK) {
        return LV_ERROR;
    }

    lv_hex_encode(mac, LV_NODE_MAC, mac_text);

    snprintf(dst, LV_NODE_HEADER_MAX, LV_NODE_SCHEME "%s:%.*s:%.*s",
             time_text, (int) sizeof(nonce_text), nonce_text,
             (int) sizeof(mac_text), mac_text);

    return LV_OK;
}


static int
lv_node_header_parse(lv_str_t text, lv_node_header_t *h)
{
    size_t    i, rest;
    lv_str_t  mac;

    if (text.len < sizeof(LV_NODE_SCHEME) - 1
        || memcmp(text.data, LV_NODE_SCHEME, sizeof(LV_NODE_SCHEME) - 1) != 0)
    {
        return LV_ERROR;
    }

    text.data += sizeof(LV_NODE_SCHEME) - 1;
    text.len -= sizeof(LV_NODE_SCHEME) - 1;

    h->time_s = 0;

    for (i = 0; i < text.len && text.data[i] != ':'; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || i == 12) {
            return LV_ERROR;
        }

        h->time_s = h->time_s * 10 + (text.data[i] - '0');
    }

    rest = 1 + 2 * LV_NODE_NONCE + 1 + 2 * LV_NODE_MAC;

    if (i == 0 || text.len - i != rest
        || text.data[i + 1 + 2 * LV_NODE_NONCE] != ':')
    {
        return LV_ERROR;
    }

    h->time.data = text.data;
    h->time.len = i;
    h->nonce_text.data = text.data + i + 1;
    h->nonce_text.len = 2 * LV_NODE_NONCE;
    mac.data = h->nonce_text.data + h->nonce_text.len + 1;
    mac.len = 2 * LV_NODE_MAC;

    if (lv_hex_decode(h->nonce_text, h->nonce, LV_NODE_NONCE) != LV_OK
        || lv_hex_decode(mac, h->mac, LV_NODE_MAC) != LV_OK)
    {
        return LV_ERROR;
    }

    return LV_OK;
}


lv_node_result_e
lv_node_verify(const lv_nodekeys_t *keys, lv_node_nonces_t *nonces,
    lv_str_t method, lv_str_t target, lv_str_t header, int64_t now_s)
{
    bool              good;
    size_t            i;
    uint8_t           mac[EVP_MAX_MD_SIZE];
    lv_node_header_t  h;

    if (lv_node_header_parse(header, &h) != LV_OK) {
        return LV_NODE_MALFORMED;
    }

    if (h.time_s < now_s - LV_NODE_SKEW_S || h.time_s > now_s + LV_NODE_SKEW_S)
    {
        return LV_NODE_WRONG_TIME;
    }

    good = false;

    for (i = 0; i < keys->count; i++) {
        if (lv_node_mac(keys, i, method, target, h.time, h.nonce_text, mac)
                == LV_OK
            && CRYPTO_memcmp(mac, h.mac, LV_NODE_MAC) == 0)
        {
            good = true;
        }
    }

    if (!good) {
        return LV_NODE_WRONG_MAC;
    }

    /* only who has the key gets as far as to fill this */

    if (nonces != NULL
        && lv_node_nonces_add(nonces, h.nonce, h.time_s) != LV_OK)
    {
        return LV_NODE_REPLAYED;
    }

    return LV_NODE_OK;
}


static int
seal(const lv_nodekeys_t *keys, size_t i, const char *label, lv_str_t text,
    uint8_t *mac)
{
    int          ok;
    size_t       len;
    EVP_PKEY    *pkey;
    EVP_MD_CTX  *ctx;

    len = LV_NODE_SEAL;
    ctx = EVP_MD_CTX_new();
    pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_HMAC, NULL,
                                        keys->keys[i].data,
                                        keys->keys[i].len);

    ok = ctx != NULL && pkey != NULL
         && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, pkey) == 1
         && EVP_DigestSignUpdate(ctx, label, strlen(label)) == 1
         && EVP_DigestSignUpdate(ctx, "\n", 1) == 1
         && EVP_DigestSignUpdate(ctx, text.data, text.len) == 1
         && EVP_DigestSignFinal(ctx, mac, &len) == 1;

    EVP_PKEY_free(pkey);
    EVP_MD_CTX_free(ctx);

    return ok ? LV_OK : LV_ERROR;
}


int
lv_node_seal(const lv_nodekeys_t *keys, const char *label, lv_str_t text,
    uint8_t mac[LV_NODE_SEAL])
{
    return seal(keys, 0, label, text, mac);
}


int
lv_node_sealed(const lv_nodekeys_t *keys, const char *label, lv_str_t text,
    const uint8_t mac[LV_NODE_SEAL])
{
    int      rc;
    size_t   i;
    uint8_t  own[LV_NODE_SEAL];

    rc = LV_ERROR;

    for (i = 0; i < keys->count; i++) {
        if (seal(keys, i, label, text, own) == LV_OK
            && CRYPTO_memcmp(own, mac, LV_NODE_SEAL) == 0)
        {
            rc = LV_OK;
        }
    }

    return rc;
}


const char *
lv_node_result_text(lv_node_result_e result)
{
    switch (result) {

    case LV_NODE_OK:
        return "The signature is valid.";

    case LV_NODE_MALFORMED:
        return "A signature of a node is needed.";

    case LV_NODE_WRONG_TIME:
        return "The signature's time is more than 60 s away.";

    case LV_NODE_WRONG_MAC:
        return "The signature is not valid.";

    default:
        return "The signature was used before.";
    }
}


lv_node_nonces_t *
lv_node_nonces_init(void *mem, size_t size)
{
    size_t             sets;
    lv_node_nonces_t  *nonces;

    if (size < sizeof(lv_node_nonces_t) + sizeof(lv_node_set_t)) {
        return NULL;
    }

    sets = (size - sizeof(lv_node_nonces_t)) / sizeof(lv_node_set_t);

    memset(mem, 0, size);

    nonces = mem;
    nonces->sets = sets;

    return nonces;
}


int
lv_node_nonces_add(lv_node_nonces_t *nonces,
    const uint8_t nonce[LV_NODE_NONCE], int64_t time_s)
{
    size_t            i;
    lv_node_set_t    *set;
    lv_node_nonce_t  *oldest;

    /* the sender's own random numbers: no hash needed */
    set = &nonces->set[lv_be64(nonce) % nonces->sets];
    oldest = &set->entries[0];

    if (time_s <= set->floor_s) {
        return LV_DECLINED;
    }

    for (i = 0; i < LV_NODE_WAYS; i++) {
        if (set->entries[i].time_s
            && memcmp(set->entries[i].nonce, nonce, LV_NODE_NONCE) == 0)
        {
            return LV_DECLINED;
        }

        if (set->entries[i].time_s < oldest->time_s) {
            oldest = &set->entries[i];
        }
    }

    if (time_s < oldest->time_s) {
        /* would be forgotten at once */
        return LV_DECLINED;
    }

    set->floor_s = oldest->time_s;
    oldest->time_s = time_s;
    memcpy(oldest->nonce, nonce, LV_NODE_NONCE);

    return LV_OK;
}

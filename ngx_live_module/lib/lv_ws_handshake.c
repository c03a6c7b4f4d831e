#include <strings.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include "lv_ws.h"


#define LV_WS_GUID     "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define LV_WS_KEY_LEN  24               /* base64 of 16 bytes */


void
lv_ws_handshake_init(lv_ws_handshake_t *hs, const char *protocol)
{
    memset(hs, 0, sizeof(lv_ws_handshake_t));
    hs->protocol = protocol;
}


static bool
lv_ws_is(lv_str_t s, const char *word)
{
    return s.len == strlen(word)
           && strncasecmp((const char *) s.data, word, s.len) == 0;
}


/* Takes one element off a list separated by commas; false: there is none. */
static bool
lv_ws_element(lv_str_t *list, lv_str_t *item)
{
    size_t  n;

    if (list->data == NULL) {
        return false;
    }

    for (n = 0; n < list->len && list->data[n] != ','; n++) { /* void */ }

    item->data = list->data;
    item->len = n;

    if (n < list->len) {
        list->data += n + 1;
        list->len -= n + 1;

    } else {
        list->data = NULL;
    }

    while (item->len && (item->data[0] == ' ' || item->data[0] == '\t')) {
        item->data++;
        item->len--;
    }

    while (item->len && (item->data[item->len - 1] == ' '
                         || item->data[item->len - 1] == '\t'))
    {
        item->len--;
    }

    return true;
}


static bool
lv_ws_has(lv_str_t list, const char *word)
{
    lv_str_t  item;

    while (lv_ws_element(&list, &item)) {
        if (lv_ws_is(item, word)) {
            return true;
        }
    }

    return false;
}


/* RFC 9110, 5.6.2. */
static bool
lv_ws_token(lv_str_t s)
{
    size_t   i;
    uint8_t  c;

    for (i = 0; i < s.len; i++) {
        c = s.data[i];

        if (c <= ' ' || c >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", c)) {
            return false;
        }
    }

    return s.len > 0;
}


static void
lv_ws_protocols(lv_ws_handshake_t *hs, lv_str_t value)
{
    lv_str_t  item;

    while (lv_ws_element(&value, &item)) {

        if (!lv_ws_token(item)) {
            hs->bad_offer = true;
            return;
        }

        if (hs->protocol && lv_str_eq(item, hs->protocol)) {
            hs->bad_offer |= hs->offered;       /* none may come twice */
            hs->offered = true;
        }
    }
}


void
lv_ws_handshake_header(lv_ws_handshake_t *hs, lv_str_t name, lv_str_t value)
{
    if (value.data == NULL) {
        value.data = (const uint8_t *) "";
    }

    if (lv_ws_is(name, "Upgrade")) {
        hs->upgrade |= lv_ws_has(value, "websocket");

    } else if (lv_ws_is(name, "Connection")) {
        hs->connection |= lv_ws_has(value, "upgrade");

    } else if (lv_ws_is(name, "Sec-WebSocket-Key")) {
        hs->key = value;
        hs->nkeys++;

    } else if (lv_ws_is(name, "Sec-WebSocket-Version")) {
        hs->version_ok = lv_str_eq(value, "13");
        hs->nversions++;

    } else if (lv_ws_is(name, "Sec-WebSocket-Protocol")) {
        lv_ws_protocols(hs, value);
    }
}


/* 16 bytes in base64: 22 characters, the last of which has 4 bits to spare. */
static bool
lv_ws_key_valid(lv_str_t key)
{
    size_t   i;
    uint8_t  c;

    if (key.len != LV_WS_KEY_LEN || key.data[22] != '='
        || key.data[23] != '=')
    {
        return false;
    }

    for (i = 0; i < 22; i++) {
        c = key.data[i];

        if (!((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')
              || c == '+' || c == '/'))
        {
            return false;
        }
    }

    c = key.data[21];

    return c == 'A' || c == 'Q' || c == 'g' || c == 'w';
}


static lv_ws_verdict_e
lv_ws_refuse(lv_ws_handshake_t *hs, lv_ws_verdict_e verdict, const char *err)
{
    hs->err = err;
    return verdict;
}


lv_ws_verdict_e
lv_ws_handshake_check(lv_ws_handshake_t *hs, bool get, unsigned http)
{
    if (!hs->upgrade) {
        return lv_ws_refuse(hs, LV_WS_NO_UPGRADE, "not a WebSocket request");
    }

    if (!get || http < 1001 || http >= 2000) {
        return lv_ws_refuse(hs, LV_WS_BAD_REQUEST,
                            "a WebSocket begins with GET and HTTP/1.1");
    }

    if (!hs->connection) {
        return lv_ws_refuse(hs, LV_WS_BAD_REQUEST,
                            "no Connection: Upgrade");
    }

    if (hs->nversions != 1 || !hs->version_ok) {
        return lv_ws_refuse(hs, LV_WS_BAD_VERSION,
                            "only WebSocket version 13 is spoken");
    }

    if (hs->nkeys != 1 || !lv_ws_key_valid(hs->key)) {
        return lv_ws_refuse(hs, LV_WS_BAD_REQUEST,
                            "a bad Sec-WebSocket-Key");
    }

    if (hs->bad_offer) {
        return lv_ws_refuse(hs, LV_WS_BAD_REQUEST,
                            "a bad Sec-WebSocket-Protocol");
    }

    hs->protocol_agreed = hs->offered;
    lv_ws_accept(hs->key, hs->accept);

    return LV_WS_UPGRADE;
}


void
lv_ws_accept(lv_str_t key, char accept[LV_WS_ACCEPT_LEN])
{
    uint8_t  text[LV_WS_KEY_LEN + sizeof(LV_WS_GUID) - 1];
    uint8_t  digest[SHA_DIGEST_LENGTH], out[LV_WS_ACCEPT_LEN + 1];
    size_t   len;

    len = key.len < LV_WS_KEY_LEN ? key.len : LV_WS_KEY_LEN;

    memcpy(text, key.data, len);
    memcpy(text + len, LV_WS_GUID, sizeof(LV_WS_GUID) - 1);

    SHA1(text, len + sizeof(LV_WS_GUID) - 1, digest);
    EVP_EncodeBlock(out, digest, SHA_DIGEST_LENGTH);

    memcpy(accept, out, LV_WS_ACCEPT_LEN);
}

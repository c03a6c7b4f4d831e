#include "lv_srt_handshake.h"
#include "lv_siphash.h"

#define INDUCTION      1u
#define CONCLUSION     0xffffffffu
#define MAGIC          0x4a17           /* "this listener speaks version 5" */
#define VERSION        0x010501u        /* the behaviour of libsrt 1.5.1 */
#define VERSION_MIN    0x010300u        /* the first one with version 5 */

#define EXT_HSREQ      1
#define EXT_KMREQ      2
#define EXT_CONFIG     4

#define FLAG_TSBPDSND     0x01u
#define FLAG_TSBPDRCV     0x02u
#define FLAG_CRYPT        0x04u
#define FLAG_TLPKTDROP    0x08u
#define FLAG_PERIODICNAK  0x10u
#define FLAG_REXMIT       0x20u
#define FLAG_STREAM       0x40u         /* file mode without messages */

#define COOKIE_S       64
#define LATENCY_MAX    30000u           /* ms; what a peer may ask for */


static uint32_t
cookie(const uint8_t secret[16], const void *peer, size_t n, uint64_t window)
{
    uint8_t   buf[40];
    uint64_t  hash;

    n = n < 32 ? n : 32;
    lv_put64(buf, window);
    memcpy(buf + 8, peer, n);
    hash = lv_siphash(secret, buf, 8 + n);

    /* 0 stands for none */
    return (uint32_t) (hash ^ (hash >> 32)) | 1;
}


static uint8_t *
put_fixed(uint8_t *p, const lv_srt_hello_t *hello, uint32_t enc_ext,
    uint32_t window, uint32_t type, uint32_t socket)
{
    p = lv_srt_control(p, LV_SRT_HANDSHAKE, 0, 0, hello->ts, hello->socket);
    p = lv_put32(p, 5);
    p = lv_put32(p, enc_ext);
    p = lv_put32(p, hello->isn);
    p = lv_put32(p, hello->mtu < LV_SRT_MTU ? hello->mtu : LV_SRT_MTU);
    p = lv_put32(p, window);
    p = lv_put32(p, type);
    p = lv_put32(p, socket);
    p = lv_put32(p, hello->cookie);
    memcpy(p, hello->ip, 16);

    return p + 16;
}


/* Stream ids and the like are sent as little-endian words. Cuts at the first
 * zero byte, which is padding. */

static size_t
get_string(uint8_t *dst, const uint8_t *p, size_t n)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        dst[i] = p[(i & ~(size_t) 3) + 3 - (i & 3)];

        if (dst[i] == 0) {
            break;
        }
    }

    return i;
}


static lv_srt_reject_e
get_hsreq(lv_srt_hello_t *hello, const uint8_t *p, size_t n)
{
    if (n < 12) {
        return LV_SRT_REJ_ROGUE;
    }

    hello->version = lv_be32(p);
    hello->flags = lv_be32(p + 4);
    hello->rcv_ms = lv_be16(p + 8);
    hello->snd_ms = lv_be16(p + 10);

    if (hello->version < VERSION_MIN) {
        return LV_SRT_REJ_VERSION;
    }

    if (hello->flags & FLAG_STREAM) {
        return LV_SRT_REJ_MESSAGEAPI;
    }

    return LV_SRT_REJ_NONE;
}


static lv_srt_reject_e
get_extension(lv_srt_hello_t *hello, unsigned type, const uint8_t *p, size_t n)
{
    uint8_t  name[64];

    switch (type) {

    case LV_SRT_HSREQ:
        return get_hsreq(hello, p, n);

    case LV_SRT_KMREQ:
        if (n == 0 || n > sizeof(hello->km)) {
            return LV_SRT_REJ_ROGUE;
        }

        memcpy(hello->km, p, n);
        hello->km_len = n;
        return LV_SRT_REJ_NONE;

    case LV_SRT_SID:
        if (n > sizeof(hello->sid)) {
            return LV_SRT_REJ_ROGUE;
        }

        hello->sid_len = get_string(hello->sid, p, n);
        return LV_SRT_REJ_NONE;

    case LV_SRT_CONGESTION:
        if (n > sizeof(name) || get_string(name, p, n) != 4
            || memcmp(name, "live", 4) != 0)
        {
            return LV_SRT_REJ_CONGESTION;
        }

        return LV_SRT_REJ_NONE;

    case LV_SRT_FILTER:
        return LV_SRT_REJ_FILTER;

    case LV_SRT_GROUP:
        return LV_SRT_REJ_GROUP;

    default:
        /* of a newer version: what is not answered is not agreed on */
        return LV_SRT_REJ_NONE;
    }
}


/* The first reason wins, but all extensions are read: the stream id is wanted
 * for the log in any case. */

static lv_srt_reject_e
get_extensions(lv_srt_hello_t *hello, const uint8_t *p, size_t n)
{
    size_t           len;
    unsigned         type;
    lv_srt_reject_e  rc, first;

    first = LV_SRT_REJ_NONE;

    while (n >= 4) {
        type = lv_be16(p);
        len = (size_t) lv_be16(p + 2) * 4;
        p += 4;
        n -= 4;

        if (len > n) {
            return LV_SRT_REJ_ROGUE;
        }

        rc = get_extension(hello, type, p, len);

        if (first == LV_SRT_REJ_NONE) {
            first = rc;
        }

        p += len;
        n -= len;
    }

    if (first == LV_SRT_REJ_NONE && hello->version == 0) {
        return LV_SRT_REJ_ROGUE;
    }

    return first;
}


static void
get_conclusion(lv_srt_hello_t *hello, const uint8_t *b, size_t n)
{
    uint32_t  ext;

    hello->enc = lv_be16(b + 4);
    ext = lv_be16(b + 6);

    if (lv_be32(b) < 5) {
        hello->reject = LV_SRT_REJ_VERSION;
        return;
    }

    if (lv_be32(b) > 5 || !(ext & EXT_HSREQ) || hello->mtu < 76
        || hello->isn > LV_SRT_SEQ_MASK || hello->window < 2)
    {
        hello->reject = LV_SRT_REJ_ROGUE;
        return;
    }

    hello->reject = get_extensions(hello, b + LV_SRT_HS_SIZE,
                                   n - LV_SRT_HS_SIZE);
}


lv_srt_listen_e
lv_srt_listen(const uint8_t secret[16], const void *peer, size_t peer_len,
    uint64_t now_s, const uint8_t *p, size_t n, lv_srt_hello_t *hello,
    uint8_t out[LV_SRT_REPLY_MAX], size_t *out_len)
{
    uint32_t         type, now;
    const uint8_t   *b;
    lv_srt_packet_t  pkt;

    if (lv_srt_packet_parse(p, n, &pkt) != LV_OK || !pkt.control
        || pkt.type != LV_SRT_HANDSHAKE || pkt.dst != 0
        || pkt.len < LV_SRT_HS_SIZE)
    {
        return LV_SRT_LISTEN_IGNORE;
    }

    b = pkt.body;
    type = lv_be32(b + 20);

    if (type != INDUCTION && type != CONCLUSION) {
        return LV_SRT_LISTEN_IGNORE;
    }

    memset(hello, 0, offsetof(lv_srt_hello_t, km));
    hello->sid_len = 0;
    hello->ts = pkt.ts;
    hello->isn = lv_be32(b + 8);
    hello->mtu = lv_be32(b + 12);
    hello->window = lv_be32(b + 16);
    hello->socket = lv_be32(b + 24);
    hello->cookie = lv_be32(b + 28);
    memcpy(hello->ip, b + 32, 16);

    now = cookie(secret, peer, peer_len, now_s / COOKIE_S);

    if (type == INDUCTION) {
        hello->cookie = now;
        *out_len = (size_t) (put_fixed(out, hello, MAGIC, hello->window,
                                       INDUCTION, 1) - out);
        return LV_SRT_LISTEN_REPLY;
    }

    if (hello->socket == 0
        || (hello->cookie != now
            && hello->cookie != cookie(secret, peer, peer_len,
                                       now_s / COOKIE_S - 1)))
    {
        return LV_SRT_LISTEN_IGNORE;
    }

    get_conclusion(hello, b, pkt.len);

    return LV_SRT_LISTEN_HELLO;
}


static lv_srt_reject_e
accept_key(const lv_srt_hello_t *hello, lv_srt_crypto_t *crypto)
{
    int  rc;

    if ((crypto != NULL) != (hello->km_len != 0)) {
        return LV_SRT_REJ_UNSECURE;
    }

    if (crypto == NULL) {
        return LV_SRT_REJ_NONE;
    }

    rc = lv_srt_crypto_km(crypto, hello->km, hello->km_len);

    return rc == LV_OK ? LV_SRT_REJ_NONE
           : rc == LV_DECLINED ? LV_SRT_REJ_BADSECRET : LV_SRT_REJ_ROGUE;
}


lv_srt_reject_e
lv_srt_accept(const lv_srt_hello_t *hello, lv_srt_terms_t *terms,
    uint8_t out[LV_SRT_REPLY_MAX], size_t *out_len)
{
    uint8_t          *p;
    uint32_t          flags, enc, snd, wanted;
    lv_srt_reject_e   rc;

    *out_len = 0;

    if (hello->reject != LV_SRT_REJ_NONE) {
        return hello->reject;
    }

    rc = accept_key(hello, terms->crypto);

    if (rc != LV_SRT_REJ_NONE) {
        return rc;
    }

    wanted = hello->snd_ms < LATENCY_MAX ? hello->snd_ms : LATENCY_MAX;

    if (wanted > terms->latency_ms) {
        terms->latency_ms = wanted;
    }

    snd = hello->rcv_ms;
    enc = 0;
    flags = FLAG_TSBPDSND | FLAG_TSBPDRCV | FLAG_CRYPT | FLAG_TLPKTDROP
            | FLAG_PERIODICNAK | FLAG_REXMIT;

    if (terms->crypto != NULL) {
        enc = lv_srt_crypto_key_len(terms->crypto) / 8;
    }

    p = put_fixed(out, hello,
                  (enc << 16) | EXT_HSREQ | (enc ? EXT_KMREQ : 0),
                  terms->window, CONCLUSION, terms->socket);

    p = lv_put16(p, LV_SRT_HSRSP);
    p = lv_put16(p, 3);
    p = lv_put32(p, VERSION);
    p = lv_put32(p, flags);
    p = lv_put16(p, (uint16_t) terms->latency_ms);
    p = lv_put16(p, (uint16_t) snd);

    if (enc) {
        p = lv_put16(p, LV_SRT_KMRSP);
        p = lv_put16(p, (uint16_t) (hello->km_len / 4));
        memcpy(p, hello->km, hello->km_len);
        p += hello->km_len;
    }

    *out_len = (size_t) (p - out);

    return LV_SRT_REJ_NONE;
}


size_t
lv_srt_reject(const lv_srt_hello_t *hello, lv_srt_reject_e code,
    uint8_t out[LV_SRT_REPLY_MAX])
{
    return (size_t) (put_fixed(out, hello, 0, hello->window, code, 0) - out);
}


const char *
lv_srt_reject_text(lv_srt_reject_e code)
{
    switch (code) {

    case LV_SRT_REJ_VERSION:
        return "the encoder's SRT is older than 1.3";

    case LV_SRT_REJ_BADSECRET:
        return "wrong passphrase";

    case LV_SRT_REJ_UNSECURE:
        return "only one side has a passphrase";

    case LV_SRT_REJ_MESSAGEAPI:
    case LV_SRT_REJ_CONGESTION:
        return "the encoder is in file mode, this is for live mode";

    case LV_SRT_REJ_FILTER:
        return "packet filters (FEC) are not supported";

    case LV_SRT_REJ_GROUP:
        return "bonded connections are not supported";

    default:
        return "the handshake makes no sense";
    }
}

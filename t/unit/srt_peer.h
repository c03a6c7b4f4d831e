/* An SRT caller for tests: its handshake packets, its key material, and a
 * sender whose packets go through a network that is as bad as one likes, on a
 * clock of its own. */

#ifndef SRT_PEER_H
#define SRT_PEER_H

#include "tap.h"
#include "lv_srt_session.h"

#include <openssl/evp.h>

#define PEER_SOCKET  0x0badcafeu
#define OUR_SOCKET   0x00c0ffeeu
#define PEER_NET     4096
#define PEER_SENT    16384

static const uint8_t  peer_secret[16] = "fifteen letters";
static const uint8_t  peer_addr[6] = { 192, 0, 2, 1, 0x1f, 0x90 };

typedef struct {
    uint32_t  version, ext_field, isn, mtu, window, type, socket, cookie;
} peer_hs_t;


__attribute__((unused)) static uint8_t *
peer_handshake(uint8_t *p, const peer_hs_t *hs, uint32_t ts)
{
    p = lv_srt_control(p, LV_SRT_HANDSHAKE, 0, 0, ts, 0);
    p = lv_put32(p, hs->version);
    p = lv_put32(p, hs->ext_field);
    p = lv_put32(p, hs->isn);
    p = lv_put32(p, hs->mtu);
    p = lv_put32(p, hs->window);
    p = lv_put32(p, hs->type);
    p = lv_put32(p, hs->socket);
    p = lv_put32(p, hs->cookie);
    memset(p, 0, 16);

    return p + 16;
}


__attribute__((unused)) static uint8_t *
peer_hsreq(uint8_t *p, uint32_t version, uint32_t flags, unsigned rcv,
    unsigned snd)
{
    p = lv_put16(p, LV_SRT_HSREQ);
    p = lv_put16(p, 3);
    p = lv_put32(p, version);
    p = lv_put32(p, flags);
    p = lv_put16(p, (uint16_t) rcv);

    return lv_put16(p, (uint16_t) snd);
}


/* Texts go as little-endian words. */

__attribute__((unused)) static uint8_t *
peer_text(uint8_t *p, unsigned type, const char *text)
{
    size_t  i, len = strlen(text), words = (len + 3) / 4;

    p = lv_put16(p, (uint16_t) type);
    p = lv_put16(p, (uint16_t) words);

    for (i = 0; i < words * 4; i++) {
        size_t  at = (i & ~(size_t) 3) + 3 - (i & 3);

        p[i] = at < len ? (uint8_t) text[at] : 0;
    }

    return p + words * 4;
}


/* A key material message with one or two keys (kk 1, 2, 3), wrapped. */

__attribute__((unused)) static size_t
peer_km(uint8_t *km, const char *pass, unsigned kk, unsigned key_len,
    const uint8_t salt[16], const uint8_t *keys)
{
    int                len, n = kk == 3 ? 2 : 1;
    uint8_t            kek[32], *p;
    EVP_CIPHER_CTX    *ctx;
    const EVP_CIPHER  *cipher;

    memset(km, 0, 16);
    km[0] = 0x12;
    lv_put16(km + 1, 0x2029);
    km[3] = (uint8_t) kk;
    km[8] = 2;
    km[10] = 2;
    km[14] = 4;
    km[15] = (uint8_t) (key_len / 4);
    memcpy(km + 16, salt, 16);
    p = km + 32;

    PKCS5_PBKDF2_HMAC_SHA1(pass, (int) strlen(pass), salt + 8, 8, 2048,
                           (int) key_len, kek);
    cipher = key_len == 16 ? EVP_aes_128_wrap()
             : key_len == 24 ? EVP_aes_192_wrap() : EVP_aes_256_wrap();
    ctx = EVP_CIPHER_CTX_new();
    EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    EVP_EncryptInit_ex(ctx, cipher, NULL, kek, NULL);
    EVP_EncryptUpdate(ctx, p, &len, keys, n * (int) key_len);
    EVP_CIPHER_CTX_free(ctx);

    return (size_t) (p - km) + 8 + (size_t) n * key_len;
}


/* ---- a sender, its network, and the receiver under test ------------------ */

typedef struct {
    int64_t    at;
    bool       up;
    size_t     len;
    uint8_t    data[LV_SRT_PACKET_MAX];
} peer_packet_t;

typedef struct {
    lv_srt_session_t  *s;
    int64_t            now, start;
    uint32_t           isn, ts0;
    uint32_t           sent;            /* packets, without those again */
    uint32_t           again;           /* … and those */
    uint32_t           got;             /* payloads that came out */
    uint32_t           next;            /* number of the next payload */
    uint32_t           gaps, wrong;
    int64_t            early, late;     /* of payloads, against their time */
    unsigned           loss;            /* per thousand, each way */
    unsigned           reorder;         /* per thousand */
    unsigned           nak_loss;        /* per thousand */
    int64_t            delay, latency;
    double             drift;           /* the sender's clock is faster by */
    unsigned           acks, naks, shutdowns, km_answers;
    uint32_t           room;            /* said the last full ACK */
    uint64_t           random;
    unsigned           queued;
    peer_packet_t     *net;
} peer_t;


static unsigned
peer_random(peer_t *p)
{
    p->random = p->random * 6364136223846793005ULL + 1442695040888963407ULL;

    return (unsigned) (p->random >> 33) % 1000;
}


static void
peer_net(peer_t *p, const uint8_t *data, size_t n, bool up, unsigned loss)
{
    peer_packet_t  *k;

    if (peer_random(p) < loss || p->queued == PEER_NET) {
        return;
    }

    k = &p->net[p->queued++];
    k->at = p->now + p->delay
            + (up && peer_random(p) < p->reorder ? 4000 : 0);
    k->up = up;
    k->len = n;
    memcpy(k->data, data, n);
}


static uint32_t
peer_ts(peer_t *p)
{
    return p->ts0 + (uint32_t) ((double) (p->now - p->start)
                                * (1.0 + p->drift));
}


/* The payload of packet i: its number, and when it was sent. */

static void
peer_data(peer_t *p, uint32_t i, uint32_t ts, bool rexmit)
{
    uint8_t  buf[LV_SRT_HEADER + 8], *b;

    b = lv_put32(buf, lv_srt_seq_add(p->isn, i));
    b = lv_put32(b, 0xe0000000u | (rexmit ? 1u << 26 : 0) | (i & 0x3ffffff));
    b = lv_put32(b, ts);
    b = lv_put32(b, OUR_SOCKET);
    b = lv_put32(b, i);
    b = lv_put32(b, ts);
    peer_net(p, buf, (size_t) (b - buf), true, p->loss);
}


static uint32_t  peer_sent_ts[PEER_SENT];


static void
peer_send(peer_t *p)
{
    peer_sent_ts[p->sent % PEER_SENT] = peer_ts(p);
    peer_data(p, p->sent, peer_ts(p), false);
    p->sent++;
}


static void
peer_resend(peer_t *p, uint32_t from, uint32_t to)
{
    uint32_t  i, last;

    i = (uint32_t) lv_srt_seq_diff(from, p->isn);
    last = (uint32_t) lv_srt_seq_diff(to, p->isn);

    for (/* void */; i <= last && i < p->sent; i++) {
        peer_data(p, i, peer_sent_ts[i % PEER_SENT], true);
        p->again++;
    }
}


static void
peer_hears(peer_t *p, const uint8_t *data, size_t n)
{
    size_t           i;
    uint32_t         from, to;
    uint8_t          buf[LV_SRT_HEADER + 4], *b;
    lv_srt_packet_t  k;

    lv_srt_packet_parse(data, n, &k);

    switch (k.type) {
    case LV_SRT_ACK:
        p->acks++;

        if (k.info != 0) {
            p->room = k.len >= 16 ? lv_be32(k.body + 12) : 0;
            b = lv_srt_control(buf, LV_SRT_ACKACK, 0, k.info, peer_ts(p),
                               OUR_SOCKET);
            b = lv_put32(b, 0);
            peer_net(p, buf, (size_t) (b - buf), true, p->loss);
        }

        break;

    case LV_SRT_NAK:
        p->naks++;

        for (i = 0; i + 4 <= k.len; i += 4) {
            from = lv_be32(k.body + i);
            to = from;

            if (from & 0x80000000u) {
                from &= LV_SRT_SEQ_MASK;
                i += 4;
                to = lv_be32(k.body + i);
            }

            peer_resend(p, from, to);
        }

        break;

    case LV_SRT_SHUTDOWN:
        p->shutdowns++;
        break;

    case LV_SRT_USER:
        p->km_answers += k.subtype == LV_SRT_KMRSP;
        break;
    }
}


static void
peer_on_send(void *data, const uint8_t *b, size_t n)
{
    peer_t  *p = data;

    peer_net(p, b, n, false, p->nak_loss);
}


static int
peer_on_payload(void *data, const uint8_t *b, size_t n)
{
    peer_t    *p = data;
    int64_t    off;
    uint32_t   i;

    i = lv_be32(b);
    p->wrong += n != 8 || (int32_t) (i - p->next) < 0;
    p->gaps += i != p->next;
    p->next = i + 1;
    p->got++;

    /* against: when it was sent, the way, the latency */

    off = p->now - p->start
          - (int64_t) ((double) (uint32_t) (lv_be32(b + 4) - p->ts0)
                       / (1.0 + p->drift))
          - p->delay - p->latency;

    p->early = off < p->early ? off : p->early;
    p->late = off > p->late ? off : p->late;

    return LV_OK;
}


static const lv_srt_handler_t  peer_handler = {
    peer_on_send, peer_on_payload
};


__attribute__((unused)) static void
peer_open(peer_t *p, uint32_t isn, uint32_t ts0, unsigned latency_ms,
    int64_t delay, lv_srt_crypto_t *crypto)
{
    uint8_t          answer[4] = { 0 };
    lv_srt_hello_t   hello;
    lv_srt_terms_t   terms;

    memset(p, 0, sizeof(*p));
    p->net = malloc(sizeof(peer_packet_t) * PEER_NET);
    p->random = 42;
    p->now = 5000000;
    p->start = p->now;
    p->isn = isn;
    p->ts0 = ts0;
    p->delay = delay;
    p->latency = latency_ms * 1000;

    memset(&hello, 0, sizeof(hello));
    hello.isn = isn;
    hello.ts = ts0;
    hello.socket = PEER_SOCKET;
    terms.socket = OUR_SOCKET;
    terms.latency_ms = latency_ms;
    terms.window = LV_SRT_WINDOW_MAX;
    terms.crypto = crypto;

    p->s = lv_srt_session_create(&hello, &terms, 4 << 20, answer,
                                 sizeof(answer), &peer_handler, p,
                                 p->now + delay);
}


/* Lets `us` pass, in steps of a millisecond; a packet every `every` of them
 * (0: none). */

__attribute__((unused)) static void
peer_run(peer_t *p, int64_t us, unsigned every)
{
    unsigned  i, ms;
    int64_t   end = p->now + us;

    for (ms = 0; p->now < end; ms++, p->now += 1000) {

        if (every != 0 && ms % every == 0) {
            peer_send(p);
        }

        for (i = 0; i < p->queued; /* void */) {
            peer_packet_t  k = p->net[i];

            if (k.at > p->now) {
                i++;
                continue;
            }

            p->queued--;
            memmove(&p->net[i], &p->net[i + 1],
                    (p->queued - i) * sizeof(k));

            if (k.up) {
                lv_srt_session_input(p->s, k.data, k.len, p->now);
            } else {
                peer_hears(p, k.data, k.len);
            }
        }

        lv_srt_session_tick(p->s, p->now);
    }
}


__attribute__((unused)) static void
peer_close(peer_t *p)
{
    lv_srt_session_destroy(p->s);
    free(p->net);
}

#endif

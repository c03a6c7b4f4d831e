/*
 * SRT's handshake, the listener's side: no memory is kept and nothing is
 * allocated until the caller has proven its address with a cookie.
 *
 *   caller                              listener
 *   induction (version 4)        ->
 *                                <-     induction (5), cookie
 *   conclusion (5), cookie,      ->
 *     HSREQ, SID, KMREQ, …
 *                                <-     conclusion, HSRSP, KMRSP,
 *                                       or a rejection's number
 *
 * The answer to an induction has the induction's size. HSv4 callers, rendezvous
 * and bonding groups are refused.
 *
 * Source: draft-sharabayko-srt-01, sections 3.2.1 and 4.3; the numbers of
 * rejections are those that libsrt shows to its users.
 */

#ifndef LV_SRT_HANDSHAKE_H
#define LV_SRT_HANDSHAKE_H

#include "lv_srt_crypto.h"
#include "lv_srt_packet.h"

#define LV_SRT_SID_MAX      512
#define LV_SRT_HS_SIZE      48          /* without header and extensions */
#define LV_SRT_REPLY_MAX    256         /* any answer of a listener */
#define LV_SRT_WINDOW_MAX   8192        /* packets */

/* The handshake's type field when it is a rejection. */
typedef enum {
    LV_SRT_REJ_NONE = 0,
    LV_SRT_REJ_RESOURCE = 1003,
    LV_SRT_REJ_ROGUE = 1004,            /* makes no sense */
    LV_SRT_REJ_VERSION = 1008,
    LV_SRT_REJ_BADSECRET = 1010,        /* wrong passphrase */
    LV_SRT_REJ_UNSECURE = 1011,         /* a passphrase on one side only */
    LV_SRT_REJ_MESSAGEAPI = 1012,
    LV_SRT_REJ_CONGESTION = 1013,       /* not live mode */
    LV_SRT_REJ_FILTER = 1014,
    LV_SRT_REJ_GROUP = 1015,
    LV_SRT_REJX_BAD_REQUEST = 2400,
    LV_SRT_REJX_UNAUTHORIZED = 2401,
    LV_SRT_REJX_OVERLOAD = 2402,
    LV_SRT_REJX_FORBIDDEN = 2403,
    LV_SRT_REJX_BAD_MODE = 2405,        /* to watch, not to publish */
    LV_SRT_REJX_CONFLICT = 2409,        /* somebody else publishes */
    LV_SRT_REJX_DOWN = 2503
} lv_srt_reject_e;

/* A conclusion whose cookie is right. */
typedef struct {
    uint32_t         ts;                /* of the packet */
    uint32_t         socket;            /* the caller's socket id */
    uint32_t         cookie;
    uint32_t         isn;               /* first sequence number */
    uint32_t         mtu;
    uint32_t         window;
    uint16_t         enc;
    uint8_t          ip[16];
    lv_srt_reject_e  reject;            /* why it cannot be, or NONE */
    uint32_t         version;           /* of the caller's library: 0xMMmmpp */
    uint32_t         flags;
    uint16_t         rcv_ms, snd_ms;    /* the caller's latencies */
    size_t           km_len;
    uint8_t          km[LV_SRT_KM_MAX];
    size_t           sid_len;
    uint8_t          sid[LV_SRT_SID_MAX];
} lv_srt_hello_t;

typedef enum {
    LV_SRT_LISTEN_IGNORE = 0,
    LV_SRT_LISTEN_REPLY,                /* send what is in out */
    LV_SRT_LISTEN_HELLO                 /* *hello has been filled */
} lv_srt_listen_e;

/*
 * A packet that came to a listening socket. `secret` is the same in all
 * processes that listen; `peer` are the bytes of the peer's address and port.
 * A cookie is good for one to two minutes.
 */
lv_srt_listen_e lv_srt_listen(const uint8_t secret[16], const void *peer,
    size_t peer_len, uint64_t now_s, const uint8_t *p, size_t n,
    lv_srt_hello_t *hello, uint8_t out[LV_SRT_REPLY_MAX], size_t *out_len);

/* What this side wants, and what was agreed on. */
typedef struct {
    uint32_t         socket;            /* ours, not 0 */
    uint32_t         latency_ms;        /* wanted; then the larger of both */
    uint32_t         window;            /* packets */
    lv_srt_crypto_t *crypto;            /* NULL: no passphrase */
} lv_srt_terms_t;

/*
 * Answers a conclusion: NONE and the answer in out, or why not (out has
 * nothing then). Takes the key material into terms->crypto.
 */
lv_srt_reject_e lv_srt_accept(const lv_srt_hello_t *hello,
    lv_srt_terms_t *terms, uint8_t out[LV_SRT_REPLY_MAX], size_t *out_len);

/* The answer that says why not. Returns its length. */
size_t lv_srt_reject(const lv_srt_hello_t *hello, lv_srt_reject_e code,
    uint8_t out[LV_SRT_REPLY_MAX]);
/* A sentence for the log; for codes of _listen() and _accept(). */
const char *lv_srt_reject_text(lv_srt_reject_e code);

#endif

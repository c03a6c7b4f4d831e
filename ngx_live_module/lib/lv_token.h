/*
 * Viewer and publish tokens: JSON Web Tokens (RFC 7519) in compact form,
 * signed (RFC 7515) with EdDSA (Ed25519), ES256 or HS256.
 *
 * Header: "alg" (required; must be the algorithm of the key, "none" never is)
 * and "kid" (picks the key; without one the keys of that algorithm are tried,
 * LV_TOKEN_TRIES_MAX at most). "crit", "jku", "jwk", "x5u", "x5c", "enc" and
 * "zip" are refused, everything else is ignored.
 *
 * Claims:
 *   exp       required; end of life, Unix seconds
 *   nbf       not valid before it, Unix seconds
 *   iat       when it was made, Unix seconds: what revocations go by. One that
 *             is no such number counts as none
 *   stream    required; a stream id, "*" (any), or an array of 1 to
 *             LV_TOKEN_STREAMS_MAX of them
 *   can       required; array of strings, or one string separated by spaces:
 *             "watch", "chat", "publish"; others are ignored
 *   sub       who it is for; jti: its id. Strings of up to LV_TOKEN_TEXT_MAX
 *             bytes without control characters (they may go to a log or into
 *             a header)
 *   name      what a member of a chat is called, role: what he may do there.
 *             Strings, up to LV_TOKEN_NAME_MAX and LV_TOKEN_ROLE_MAX bytes;
 *             others count as none
 *   ip        an address, or a block as a.b.c.d/n, of IPv4 or IPv6
 *   sessions  how many sessions at a time; 1 and more, needs a jti
 * Other claims are ignored. A member that appears twice is refused.
 *
 * Verification has two halves: lv_token_verify() depends on nothing but the
 * token and the keys, so that its result can be remembered
 * (lv_token_cache.h); lv_token_check() is about this moment, this stream and
 * this peer, and is done for every request.
 *
 * Pure functions. No text that they return holds a part of the token.
 */

#ifndef LV_TOKEN_H
#define LV_TOKEN_H

#include "lv_base.h"
#include "lv_keyset.h"
#include "lv_stream_id.h"

#define LV_TOKEN_SIZE_MAX     2048
#define LV_TOKEN_TEXT_MAX     64
#define LV_TOKEN_STREAMS_MAX  8
#define LV_TOKEN_NAME_MAX     128
#define LV_TOKEN_ROLE_MAX     15
#define LV_TOKEN_TRIES_MAX    8

/* Clocks of the signer and of this node may differ by so much. */
#define LV_TOKEN_LEEWAY_S     5

#define LV_TOKEN_WATCH        0x01
#define LV_TOKEN_CHAT         0x02
#define LV_TOKEN_PUBLISH      0x04

typedef enum {
    LV_TOKEN_VALID = 0,
    LV_TOKEN_MALFORMED,         /* not a token, or claims that make no sense */
    LV_TOKEN_TOO_LARGE,
    LV_TOKEN_UNKNOWN_KEY,
    LV_TOKEN_WRONG_ALGORITHM,
    LV_TOKEN_BAD_SIGNATURE,
    LV_TOKEN_EXPIRED,
    LV_TOKEN_NOT_YET_VALID,
    LV_TOKEN_REVOKED,
    LV_TOKEN_WRONG_STREAM,
    LV_TOKEN_NOT_ALLOWED,       /* another "can" would be needed */
    LV_TOKEN_WRONG_ADDRESS,
    LV_TOKEN_TOO_MANY,          /* sessions; for whoever counts them */
    LV_TOKEN_RESULTS
} lv_token_result_e;

/* What a verified token says. Plain data, no pointers: may be copied. */
typedef struct {
    int64_t   exp_s;
    int64_t   nbf_s;                        /* 0 without one */
    int64_t   iat_s;                        /* 0 without one */
    uint32_t  sessions;                     /* 0: no limit */
    uint8_t   can;                          /* LV_TOKEN_WATCH | ... */
    bool      any_stream;                   /* "*" */
    uint8_t   nstreams;
    uint8_t   ip_len;                       /* 4, 16; 0: any address */
    uint8_t   ip_bits;
    uint8_t   ip[16];                       /* network order */
    char      sub[LV_TOKEN_TEXT_MAX + 1];   /* terminated; "" without one */
    char      jti[LV_TOKEN_TEXT_MAX + 1];
    char      name[LV_TOKEN_NAME_MAX + 1];  /* UTF-8, as it was given */
    char      role[LV_TOKEN_ROLE_MAX + 1];
    char      streams[LV_TOKEN_STREAMS_MAX][LV_STREAM_ID_LEN + 1];
} lv_token_t;

/* One use of a token. */
typedef struct {
    int64_t         now_s;                  /* Unix seconds */
    lv_str_t        stream;
    uint8_t         can;                    /* all of these bits are needed */
    const uint8_t  *addr;                   /* the peer, network order */
    size_t          addr_len;               /* 4, 16; 0: not an IP peer, which
                                               no "ip" claim fits */
    bool          (*revoked)(void *ctx, const lv_token_t *token);
    void           *revoked_ctx;            /* revoked may be NULL */
} lv_token_use_t;

/*
 * Form, signature and claims. Fills *token only with LV_TOKEN_VALID. Costs
 * about 0.1 ms for a token with a known kid, valid or not.
 */
lv_token_result_e lv_token_verify(const lv_keyset_t *keys, lv_str_t text,
    lv_token_t *token);

/* In this order: time, revocation, stream, can, address. */
lv_token_result_e lv_token_check(const lv_token_t *token,
    const lv_token_use_t *use);

/* Whether the token names that stream, or any. */
bool lv_token_names_stream(const lv_token_t *token, lv_str_t stream);

/*
 * A short name ("expired") for logs and metrics' labels, and a sentence for
 * the person who sees it. Static.
 */
const char *lv_token_result_name(lv_token_result_e result);
const char *lv_token_result_text(lv_token_result_e result);

#endif

#include "lv_rtmp_handshake.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#define DIGEST_LEN   32
#define KEY_TAIL     32
#define PLAYER_TEXT  30
#define SERVER_TEXT  36

/*
 * Each side's key is a text and 32 fixed bytes. Digests inside C1 and S1 use
 * the text alone, the key of S2 is made with the whole.
 */
static const uint8_t  handshake_player_key[PLAYER_TEXT + 1] =
    "Genuine Adobe Flash Player 001";

static const uint8_t  handshake_server_key[SERVER_TEXT + KEY_TAIL] =
    "Genuine Adobe Flash Media Server 001"
    "\xf0\xee\xc2\x4a\x80\x68\xbe\xe8\x2e\x00\xd0\xd1\x02\x9e\x7e\x57"
    "\x6e\xec\x5d\x2d\x29\x80\x6f\xab\x93\xb8\xe6\x36\xcf\xeb\x31\xae";

/*
 * The block that holds the digest begins with 4 bytes whose sum, modulo what
 * is free in it, is the digest's place behind them. Scheme 0 has the digest
 * in the second half of the packet, scheme 1 in the first.
 */
static const unsigned  handshake_block[2] = { 8 + 764, 8 };


static unsigned
handshake_digest_offset(const uint8_t *packet, unsigned scheme)
{
    const uint8_t  *p;

    p = packet + handshake_block[scheme];

    return handshake_block[scheme] + 4
           + (unsigned) (p[0] + p[1] + p[2] + p[3]) % (764 - 4 - DIGEST_LEN);
}


static int
handshake_hmac(const uint8_t *key, int key_len, const uint8_t *data,
    size_t len, uint8_t digest[DIGEST_LEN])
{
    unsigned  n;

    n = DIGEST_LEN;

    return HMAC(EVP_sha256(), key, key_len, data, len, digest, &n) != NULL
           ? LV_OK : LV_ERROR;
}


/* The digest of a packet leaves out the place where the digest itself is. */
static int
handshake_digest(const uint8_t *packet, unsigned offset, const uint8_t *key,
    int key_len, uint8_t digest[DIGEST_LEN])
{
    uint8_t  rest[LV_RTMP_HANDSHAKE_LEN - DIGEST_LEN];

    memcpy(rest, packet, offset);
    memcpy(rest + offset, packet + offset + DIGEST_LEN,
           sizeof(rest) - offset);

    return handshake_hmac(key, key_len, rest, sizeof(rest), digest);
}


/* The scheme of C1's digest, or -1 when it has none. */
static int
handshake_scheme(const uint8_t *c1)
{
    uint8_t   digest[DIGEST_LEN];
    unsigned  scheme, offset;

    if (lv_be32(c1 + 4) == 0) {
        return -1;
    }

    for (scheme = 0; scheme < 2; scheme++) {
        offset = handshake_digest_offset(c1, scheme);

        if (handshake_digest(c1, offset, handshake_player_key, PLAYER_TEXT,
                             digest) == LV_OK
            && memcmp(digest, c1 + offset, DIGEST_LEN) == 0)
        {
            return (int) scheme;
        }
    }

    return -1;
}


static int
handshake_digest_answer(const uint8_t *c1, unsigned scheme, uint8_t *s1,
    uint8_t *s2)
{
    /* a version from 3 on makes clients look for the digest */
    static const uint8_t  version[4] = { 3, 5, 1, 1 };

    uint8_t   key[DIGEST_LEN];
    unsigned  offset;

    memcpy(s1 + 4, version, sizeof(version));
    offset = handshake_digest_offset(s1, scheme);

    if (handshake_digest(s1, offset, handshake_server_key, SERVER_TEXT,
                         s1 + offset) != LV_OK)
    {
        return LV_ERROR;
    }

    offset = handshake_digest_offset(c1, scheme);

    if (handshake_hmac(handshake_server_key, sizeof(handshake_server_key),
                       c1 + offset, DIGEST_LEN, key) != LV_OK)
    {
        return LV_ERROR;
    }

    return handshake_hmac(key, DIGEST_LEN, s2,
                          LV_RTMP_HANDSHAKE_LEN - DIGEST_LEN,
                          s2 + LV_RTMP_HANDSHAKE_LEN - DIGEST_LEN);
}


static int
handshake_answer(lv_rtmp_handshake_t *hs, uint8_t *out)
{
    int       scheme;
    uint8_t  *s1, *s2;

    s1 = out + 1;
    s2 = s1 + LV_RTMP_HANDSHAKE_LEN;

    out[0] = 3;

    if (RAND_bytes(s1, 2 * LV_RTMP_HANDSHAKE_LEN) != 1) {
        hs->err = "no random bytes for the handshake";
        return LV_ERROR;
    }

    /* time and version */
    memset(s1, 0, 8);

    scheme = handshake_scheme(hs->c1);

    if (scheme < 0) {
        memcpy(s2, hs->c1, LV_RTMP_HANDSHAKE_LEN);
        return LV_OK;
    }

    hs->digest = true;

    if (handshake_digest_answer(hs->c1, (unsigned) scheme, s1, s2) != LV_OK) {
        hs->err = "HMAC failed in the handshake";
        return LV_ERROR;
    }

    return LV_OK;
}


static const char *
handshake_version_error(uint8_t version)
{
    switch (version) {

    case 6:
    case 8:
    case 9:
        return "encrypted RTMP (RTMPE) is not supported";

    case 0x16:
        return "not RTMP: a TLS client on a port without ssl";

    case 'G':
    case 'P':
    case 'O':
        return "not RTMP: an HTTP client";

    default:
        return "not RTMP: the first byte is not version 3";
    }
}


void
lv_rtmp_handshake_init(lv_rtmp_handshake_t *hs)
{
    hs->state = LV_RTMP_HANDSHAKE_C0;
    hs->got = 0;
    hs->digest = false;
    hs->err = "";
}


int
lv_rtmp_handshake_input(lv_rtmp_handshake_t *hs, const uint8_t *p, size_t n,
    size_t *consumed, uint8_t out[LV_RTMP_HANDSHAKE_OUT], size_t *out_len)
{
    size_t  take, used;

    used = 0;
    *consumed = 0;
    *out_len = 0;

    while (hs->state != LV_RTMP_HANDSHAKE_DONE) {

        if (used == n) {
            return LV_AGAIN;
        }

        if (hs->state == LV_RTMP_HANDSHAKE_C0) {
            if (p[used] != 3) {
                hs->err = handshake_version_error(p[used]);
                return LV_ERROR;
            }

            *consumed = ++used;
            hs->state = LV_RTMP_HANDSHAKE_C1;
            continue;
        }

        take = LV_RTMP_HANDSHAKE_LEN - hs->got;

        if (take > n - used) {
            take = n - used;
        }

        if (hs->state == LV_RTMP_HANDSHAKE_C1) {
            memcpy(hs->c1 + hs->got, p + used, take);
        }

        hs->got += (uint32_t) take;
        used += take;
        *consumed = used;

        if (hs->got < LV_RTMP_HANDSHAKE_LEN) {
            return LV_AGAIN;
        }

        hs->got = 0;

        if (hs->state == LV_RTMP_HANDSHAKE_C2) {
            hs->state = LV_RTMP_HANDSHAKE_DONE;
            break;
        }

        hs->state = LV_RTMP_HANDSHAKE_C2;

        if (handshake_answer(hs, out) != LV_OK) {
            return LV_ERROR;
        }

        *out_len = LV_RTMP_HANDSHAKE_OUT;
    }

    return LV_OK;
}

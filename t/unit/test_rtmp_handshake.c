#include "rtmp_peer.h"
#include "lv_rtmp_handshake.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#define LEN  LV_RTMP_HANDSHAKE_LEN

static const char  player[] = "Genuine Adobe Flash Player 001";

static const uint8_t  server[] =
    "Genuine Adobe Flash Media Server 001"
    "\xf0\xee\xc2\x4a\x80\x68\xbe\xe8\x2e\x00\xd0\xd1\x02\x9e\x7e\x57"
    "\x6e\xec\x5d\x2d\x29\x80\x6f\xab\x93\xb8\xe6\x36\xcf\xeb\x31\xae";


static void
hmac(const void *key, size_t key_len, const uint8_t *p, size_t n,
    uint8_t *digest)
{
    unsigned  len = 32;

    HMAC(EVP_sha256(), key, (int) key_len, p, n, digest, &len);
}


static size_t
digest_at(const uint8_t *packet, int scheme)
{
    size_t  at;

    at = scheme ? 8 : 772;

    return at + 4 + (packet[at] + packet[at + 1] + packet[at + 2]
                     + packet[at + 3]) % 728u;
}


static void
packet_digest(const uint8_t *packet, size_t at, const void *key,
    size_t key_len, uint8_t *digest)
{
    uint8_t  rest[LEN - 32];

    memcpy(rest, packet, at);
    memcpy(rest + at, packet + at + 32, LEN - 32 - at);
    hmac(key, key_len, rest, sizeof(rest), digest);
}


static void
make_c1(uint8_t *c1, uint8_t version, int scheme, unsigned seed)
{
    size_t  i;

    srand(seed);

    for (i = 0; i < LEN; i++) {
        c1[i] = (uint8_t) rand();
    }

    memset(c1, 0, 8);
    c1[4] = version;

    if (scheme >= 0) {
        i = digest_at(c1, scheme);
        packet_digest(c1, i, player, sizeof(player) - 1, c1 + i);
    }
}


/* Feeds C0 C1 C2 and 3 more bytes in pieces; the answer lands in out. */
static int
run(lv_rtmp_handshake_t *hs, const uint8_t *c1, size_t piece, uint8_t *out,
    size_t *total)
{
    int      rc;
    size_t   n, used, len, pos;
    uint8_t  in[1 + 2 * LEN + 3];
    uint8_t  got[LV_RTMP_HANDSHAKE_OUT];

    in[0] = 3;
    memcpy(in + 1, c1, LEN);
    memset(in + 1 + LEN, 0, LEN + 3);

    lv_rtmp_handshake_init(hs);
    *total = 0;
    rc = LV_AGAIN;

    for (pos = 0; pos < sizeof(in) && rc == LV_AGAIN; pos += used) {
        n = sizeof(in) - pos;
        rc = lv_rtmp_handshake_input(hs, in + pos, n < piece ? n : piece,
                                     &used, got, &len);
        if (len) {
            memcpy(out, got, len);
            *total += len;
        }
    }

    ok(pos == 1 + 2 * LEN, "takes exactly the handshake (pieces of %zu)",
       piece);

    return rc;
}


static void
test_plain(void)
{
    size_t               total;
    uint8_t              c1[LEN], out[LV_RTMP_HANDSHAKE_OUT];
    lv_rtmp_handshake_t  hs;

    make_c1(c1, 0, -1, 1);

    is_int(run(&hs, c1, 100000, out, &total), LV_OK, "plain handshake");
    is_int((long long) total, LV_RTMP_HANDSHAKE_OUT, "S0 S1 S2 once");
    is_int(out[0], 3, "S0 is version 3");
    is_int(lv_be32(out + 5), 0, "S1 has version 0: no digest");
    ok(memcmp(out + 1 + LEN, c1, LEN) == 0, "S2 is C1");
    ok(!hs.digest, "it is plain");

    is_int(run(&hs, c1, 1, out, &total), LV_OK, "one byte at a time");
    ok(memcmp(out + 1 + LEN, c1, LEN) == 0, "S2 is C1 again");

    make_c1(c1, 9, -1, 2);
    is_int(run(&hs, c1, 1000, out, &total), LV_OK,
           "a client version and no valid digest");
    ok(!hs.digest && memcmp(out + 1 + LEN, c1, LEN) == 0,
       "gets the plain answer");
}


static void
test_digest(int scheme)
{
    size_t               total, at;
    uint8_t              c1[LEN], digest[32], key[32];
    uint8_t              out[LV_RTMP_HANDSHAKE_OUT];
    unsigned             seed;
    const uint8_t       *s1, *s2;
    lv_rtmp_handshake_t  hs;

    s1 = out + 1;
    s2 = s1 + LEN;

    /* several, as the digest's place is random */
    for (seed = 1; seed < 6; seed++) {
        make_c1(c1, 128, scheme, seed);

        is_int(run(&hs, c1, seed == 1 ? 1 : 1537, out, &total), LV_OK,
               "digest handshake");
        ok(hs.digest, "the digest is recognised (scheme %d)", scheme);
        ok(s1[4] >= 3, "S1 has a version that promises a digest");

        at = digest_at(s1, scheme);
        packet_digest(s1, at, server, 36, digest);
        ok(memcmp(s1 + at, digest, 32) == 0, "S1's digest is right");

        hmac(server, 68, c1 + digest_at(c1, scheme), 32, key);
        hmac(key, 32, s2, LEN - 32, digest);
        ok(memcmp(s2 + LEN - 32, digest, 32) == 0, "S2's digest is right");
    }
}


static void
test_refused(void)
{
    static const struct {
        uint8_t      byte;
        const char  *err;
    } cases[] = {
        { 6, "encrypted RTMP (RTMPE) is not supported" },
        { 8, "encrypted RTMP (RTMPE) is not supported" },
        { 0x16, "not RTMP: a TLS client on a port without ssl" },
        { 'G', "not RTMP: an HTTP client" },
        { 0, "not RTMP: the first byte is not version 3" },
        { 0xff, "not RTMP: the first byte is not version 3" },
    };

    size_t               i, used, len;
    uint8_t              out[LV_RTMP_HANDSHAKE_OUT];
    lv_rtmp_handshake_t  hs;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        lv_rtmp_handshake_init(&hs);
        is_int(lv_rtmp_handshake_input(&hs, &cases[i].byte, 1, &used, out,
                                       &len), LV_ERROR, "refused");
        is_str(hs.err, cases[i].err, "with its reason");
        is_int((long long) len, 0, "and no answer");
    }
}


int
main(void)
{
    test_plain();
    test_digest(0);
    test_digest(1);
    test_refused();

    return done_testing();
}

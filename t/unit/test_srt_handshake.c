/* SRT's handshake as a listener sees it: cookies, extensions, refusals, keys;
 * and the packets underneath. */

#include "srt_peer.h"

static const uint8_t  salt[16] = "salt of a stream";
static const uint8_t  material[32] = "not very random, but 32 of them";

static uint8_t          out[LV_SRT_REPLY_MAX];
static size_t           out_len;
static lv_srt_hello_t   hello;


static int
listen_to(const uint8_t *p, size_t n, uint64_t now_s)
{
    out_len = 0;

    return lv_srt_listen(peer_secret, peer_addr, sizeof(peer_addr), now_s, p,
                         n, &hello, out, &out_len);
}


/* Asks for a cookie; the conclusion's fixed part with it. */

static peer_hs_t
conclusion(uint64_t now_s)
{
    uint8_t     buf[64];
    peer_hs_t   hs = { 4, 2, 12345, 1500, 8192, 1, PEER_SOCKET, 0 };

    peer_handshake(buf, &hs, 777);
    listen_to(buf, 64, now_s);

    hs.version = 5;
    hs.ext_field = 1;
    hs.type = 0xffffffffu;
    hs.cookie = lv_be32(out + 16 + 28);

    return hs;
}


static void
packets(void)
{
    uint8_t          buf[64], *p;
    lv_srt_packet_t  k;

    is_int(lv_srt_seq_diff(5, 3), 2, "sequence numbers: a difference");
    is_int(lv_srt_seq_diff(1, LV_SRT_SEQ_MASK), 2, "… across the wrap");
    is_int(lv_srt_seq_diff(LV_SRT_SEQ_MASK - 1, 2), -4, "… backwards");
    is_int(lv_srt_seq_add(LV_SRT_SEQ_MASK, 1), 0, "… and a sum");

    memset(buf, 0, sizeof(buf));
    is_int(lv_srt_packet_parse(buf, 15, &k), LV_ERROR, "15 bytes: no packet");
    is_int(lv_srt_packet_parse(buf, LV_SRT_PACKET_MAX + 1, &k), LV_ERROR,
           "longer than a packet can be");

    lv_put32(buf, 0x7ffffffe);
    lv_put32(buf + 4, 0xf4000001);
    lv_put32(buf + 8, 99);
    lv_put32(buf + 12, 7);
    ok(lv_srt_packet_parse(buf, 20, &k) == LV_OK && !k.control
       && k.seq == 0x7ffffffe && k.kk == LV_SRT_ODD && k.rexmit && k.ts == 99
       && k.dst == 7 && k.len == 4, "a data packet");

    p = lv_srt_control(buf, LV_SRT_USER, LV_SRT_KMREQ, 3, 4, 5);
    ok(lv_srt_packet_parse(buf, (size_t) (p - buf), &k) == LV_OK && k.control
       && k.type == LV_SRT_USER && k.subtype == LV_SRT_KMREQ && k.info == 3
       && k.ts == 4 && k.dst == 5 && k.len == 0, "a control packet");

    p = lv_srt_loss_put(lv_srt_loss_put(buf, 5, 5), 7, 9);
    ok(p - buf == 12 && lv_be32(buf) == 5 && lv_be32(buf + 4) == 0x80000007u
       && lv_be32(buf + 8) == 9, "a loss list");
}


static void
induction(void)
{
    uint8_t     buf[128];
    uint32_t    cookie;
    peer_hs_t   hs = { 4, 2, 12345, 1500, 8192, 1, PEER_SOCKET, 0 };

    memset(buf, 0, sizeof(buf));
    peer_handshake(buf, &hs, 777);

    is_int(listen_to(buf, 64, 1000), LV_SRT_LISTEN_REPLY, "an induction");
    is_int((long long) out_len, 64, "… is answered by as many bytes");
    ok(lv_be32(out + 12) == PEER_SOCKET && lv_be32(out + 16) == 5
       && lv_be16(out + 22) == 0x4a17 && lv_be32(out + 36) == 1
       && lv_be32(out + 44) != 0, "… version 5, the magic and a cookie");

    cookie = lv_be32(out + 44);
    listen_to(buf, 64, 1001);
    is_int(lv_be32(out + 44), cookie, "the cookie is the same a second later");
    listen_to(buf, 64, 1000 + 64);
    ok(lv_be32(out + 44) != cookie, "… not a minute later");
    lv_srt_listen(peer_secret, "\xc0\x00\x02\x02\x1f\x90", 6, 1000, buf, 64,
                  &hello, out, &out_len);
    ok(lv_be32(out + 44) != cookie, "… nor for another address");

    is_int(listen_to(buf, 128, 1000), LV_SRT_LISTEN_REPLY, "a longer one");
    is_int((long long) out_len, 64, "… gets no longer answer");
    is_int(listen_to(buf, 63, 1000), LV_SRT_LISTEN_IGNORE,
           "a shorter one: none");

    hs.type = 0;
    peer_handshake(buf, &hs, 777);
    is_int(listen_to(buf, 64, 1000), LV_SRT_LISTEN_IGNORE, "rendezvous: none");
    lv_put32(buf + 12, 9);
    is_int(listen_to(buf, 64, 1000), LV_SRT_LISTEN_IGNORE,
           "for a socket of its own: none");
    memset(buf, 0, 64);
    is_int(listen_to(buf, 64, 1000), LV_SRT_LISTEN_IGNORE, "data: none");
}


/* Sends a conclusion with what `more` writes behind it. */

static lv_srt_reject_e
concluded(const peer_hs_t *hs, const uint8_t *more, size_t n)
{
    uint8_t  buf[1400];

    peer_handshake(buf, hs, 777);
    memcpy(buf + 64, more, n);

    if (listen_to(buf, 64 + n, 1000) != LV_SRT_LISTEN_HELLO) {
        return (lv_srt_reject_e) -1;
    }

    return hello.reject;
}


static void
conclusions(void)
{
    size_t          n;
    uint8_t         more[1024], *p;
    peer_hs_t       hs;
    lv_srt_terms_t  terms = { OUR_SOCKET, 120, 8192, NULL };

    hs = conclusion(1000 - 64);
    p = peer_hsreq(more, 0x010501, 0xbf, 80, 300);
    p = peer_text(p, LV_SRT_CONGESTION, "live");
    p = peer_text(p, LV_SRT_SID, "#!::r=demo,m=publish");
    p = peer_text(p, 99, "of a newer version");
    n = (size_t) (p - more);

    is_int(concluded(&hs, more, n), LV_SRT_REJ_NONE,
           "a conclusion, a minute after its cookie");
    ok(hello.sid_len == 20
       && memcmp(hello.sid, "#!::r=demo,m=publish", 20) == 0,
       "the stream id");
    ok(hello.socket == PEER_SOCKET && hello.isn == 12345 && hello.snd_ms == 300
       && hello.rcv_ms == 80 && hello.version == 0x010501, "what it wants");

    is_int(lv_srt_accept(&hello, &terms, out, &out_len), LV_SRT_REJ_NONE,
           "accepted");
    ok(terms.latency_ms == 300 && out_len == 80 && lv_be16(out + 64) == 2
       && lv_be16(out + 76) == 300 && lv_be16(out + 78) == 80,
       "the larger latency is agreed on");
    ok(lv_be32(out + 12) == PEER_SOCKET && lv_be32(out + 40) == OUR_SOCKET
       && lv_be32(out + 36) == 0xffffffffu && lv_be32(out + 24) == 12345,
       "the answer is for it, and names us");

    terms.latency_ms = 500;
    lv_srt_accept(&hello, &terms, out, &out_len);
    is_int(terms.latency_ms, 500, "or ours, when that is larger");

    is_int((long long) lv_srt_reject(&hello, LV_SRT_REJX_FORBIDDEN, out), 64,
           "a refusal");
    is_int(lv_be32(out + 36), 2403, "… with its number");

    hs.cookie++;
    ok(concluded(&hs, more, n) == (lv_srt_reject_e) -1,
       "a wrong cookie: no answer at all");
    hs = conclusion(1000 - 200);
    ok(concluded(&hs, more, n) == (lv_srt_reject_e) -1, "an old one: neither");

    /* padding: a text of three bytes */

    hs = conclusion(1000);
    p = peer_hsreq(more, 0x010501, 0xbf, 80, 300);
    p = peer_text(p, LV_SRT_SID, "abc");
    concluded(&hs, more, (size_t) (p - more));
    ok(hello.sid_len == 3 && memcmp(hello.sid, "abc", 3) == 0,
       "a stream id's padding is cut off");
}


static void
refused(void)
{
    unsigned    i;
    uint8_t     more[1024], *p, *ext;
    peer_hs_t   good, hs;
    static const struct {
        const char  *name;
        unsigned     type;
        const char  *text;
        int          code;
    } c[] = {
        { "file mode", LV_SRT_CONGESTION, "file", LV_SRT_REJ_CONGESTION },
        { "FEC", LV_SRT_FILTER, "fec,cols:10", LV_SRT_REJ_FILTER },
        { "a bonded group", LV_SRT_GROUP, "12345678", LV_SRT_REJ_GROUP },
    };

    good = conclusion(1000);
    ext = peer_hsreq(more, 0x010501, 0xbf, 80, 300);

    for (i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
        p = peer_text(ext, c[i].type, c[i].text);
        is_int(concluded(&good, more, (size_t) (p - more)), c[i].code,
               c[i].name);
    }

    hs = good;
    hs.version = 4;
    is_int(concluded(&hs, more, (size_t) (ext - more)), LV_SRT_REJ_VERSION,
           "version 4");

    hs = good;
    hs.ext_field = 0;
    is_int(concluded(&hs, more, (size_t) (ext - more)), LV_SRT_REJ_ROGUE,
           "no extensions announced");
    is_int(concluded(&good, more, 0), LV_SRT_REJ_ROGUE, "none there");
    is_int(concluded(&good, more, 8), LV_SRT_REJ_ROGUE, "one cut off");

    p = peer_text(ext, LV_SRT_SID, "a stream id");
    lv_put16(ext + 2, 200);
    is_int(concluded(&good, more, (size_t) (p - more)), LV_SRT_REJ_ROGUE,
           "a length beyond the packet");

    memset(more + 600, 'a', 400);
    p = lv_put16(ext, LV_SRT_SID);
    lv_put16(p, 150);
    is_int(concluded(&good, more, 16 + 4 + 600), LV_SRT_REJ_ROGUE,
           "a stream id over 512 bytes");

    p = peer_hsreq(more, 0x010200, 0xbf, 80, 300);
    is_int(concluded(&good, more, (size_t) (p - more)), LV_SRT_REJ_VERSION,
           "libsrt 1.2");
    p = peer_hsreq(more, 0x010501, 0xff, 80, 300);
    is_int(concluded(&good, more, (size_t) (p - more)), LV_SRT_REJ_MESSAGEAPI,
           "stream mode");

    hs = good;
    hs.isn = 0x80000000u;
    is_int(concluded(&hs, more, (size_t) (p - more)), LV_SRT_REJ_ROGUE,
           "a sequence number that is none");
}


static void
secrets(void)
{
    size_t            n;
    uint8_t           km[LV_SRT_KM_MAX], more[512], *p;
    unsigned          i;
    peer_hs_t         hs;
    lv_srt_terms_t    terms = { OUR_SOCKET, 120, 8192, NULL };

    hs = conclusion(1000);
    hs.ext_field = 3;
    n = peer_km(km, "correct horse", LV_SRT_EVEN, 16, salt, material);
    p = peer_hsreq(more, 0x010501, 0xbf, 80, 300);
    p = lv_put16(p, LV_SRT_KMREQ);
    p = lv_put16(p, (uint16_t) (n / 4));
    memcpy(p, km, n);
    concluded(&hs, more, (size_t) (p - more) + n);

    is_int(lv_srt_accept(&hello, &terms, out, &out_len), LV_SRT_REJ_UNSECURE,
           "a key, but we have no passphrase");

    terms.crypto = lv_srt_crypto_create("wrong horse", 11);
    is_int(lv_srt_accept(&hello, &terms, out, &out_len), LV_SRT_REJ_BADSECRET,
           "another passphrase");
    lv_srt_crypto_destroy(terms.crypto);

    terms.crypto = lv_srt_crypto_create("correct horse", 13);
    is_int(lv_srt_accept(&hello, &terms, out, &out_len), LV_SRT_REJ_NONE,
           "the same passphrase");
    ok(lv_be16(out + 20) == 2 && lv_be16(out + 80) == LV_SRT_KMRSP
       && memcmp(out + 84, km, n) == 0, "… the key is confirmed");

    hello.km_len = 0;
    is_int(lv_srt_accept(&hello, &terms, out, &out_len), LV_SRT_REJ_UNSECURE,
           "no key, but we have a passphrase");
    is_int(lv_srt_crypto_open(terms.crypto, LV_SRT_ODD, 5, km, 16, out),
           LV_DECLINED, "a key that was not given");

    /* every byte of the fixed part may be wrong */

    for (i = 0, p = NULL; i < 16; i++) {
        memcpy(hello.km, km, n);
        hello.km_len = n;
        hello.km[i] ^= 0x55;

        if (lv_srt_crypto_km(terms.crypto, hello.km, n) == LV_OK
            && i != 4 && i != 5 && i != 6 && i != 7 && i != 10 && i != 11
            && i != 12 && i != 13)
        {
            diag("byte %u", i);
            p = km;
        }
    }

    ok(p == NULL, "key material that makes no sense is refused");
    is_int(lv_srt_crypto_km(terms.crypto, km, n - 1), LV_ERROR, "a short one");
    lv_srt_crypto_destroy(terms.crypto);

    ok(lv_srt_crypto_create("too short", 9) == NULL
       && lv_srt_crypto_create(more, 80) == NULL,
       "passphrases have 10 to 79 characters");
}


int
main(void)
{
    packets();
    induction();
    conclusions();
    refused();
    secrets();

    return done_testing();
}

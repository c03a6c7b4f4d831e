/* A whole SRT connection on a simulated network: what goes in comes out, in
 * order, at its time; and what a peer may do wrong does no harm. */

#include "srt_peer.h"


static lv_srt_stats_t
stats(peer_t *p)
{
    lv_srt_stats_t  st;

    lv_srt_session_stats(p->s, &st);

    return st;
}


static void
clean(void)
{
    peer_t  p;

    peer_open(&p, 1000, 0, 120, 10000, NULL);
    peer_run(&p, 5000000, 4);
    peer_run(&p, 500000, 0);

    if (!ok(p.got == p.sent && p.gaps == 0 && p.wrong == 0,
       "clean: all %u packets come out in order", p.sent)) {
        diag("%u", p.got);
    }
    if (!ok(p.early >= -1000 && p.late <= 2000,
       "each at its time: latency behind its arrival")) {
        diag("%lld … %lld us", (long long) p.early, (long long) p.late);
    }
    is_int(p.naks, 0, "nothing is asked for again");
    ok(p.acks > 300 && p.acks <= 520, "acknowledged every 10 ms or so: %u",
       p.acks);
    ok(stats(&p).rtt_us >= 20000 && stats(&p).rtt_us < 23000,
       "the round trip is 20 ms: %u us", stats(&p).rtt_us);
    peer_close(&p);
}


static void
lossy(const char *name, uint32_t isn, uint32_t ts0, unsigned loss,
    unsigned reorder)
{
    peer_t          p;
    lv_srt_stats_t  st;

    peer_open(&p, isn, ts0, 400, 25000, NULL);
    p.loss = loss;
    p.nak_loss = loss;
    p.reorder = reorder;
    peer_run(&p, 20000000, 2);
    p.loss = 0;
    peer_run(&p, 1000000, 2);
    peer_run(&p, 1000000, 0);
    st = stats(&p);

    if (!ok(p.got == p.sent && p.gaps == 0 && p.wrong == 0,
       "%s: all of %u come out in order", name, p.sent)) {
        diag("got %u, gaps %u, wrong %u, dropped %llu", p.got, p.gaps,
             p.wrong, (unsigned long long) st.recv.dropped);
    }
    ok(p.again * 10 <= st.recv.lost * 13 + 20,
       "… with %u sent again for %llu lost", p.again,
       (unsigned long long) st.recv.lost);
    peer_close(&p);
}


static void
too_late(void)
{
    peer_t          p;
    lv_srt_stats_t  st;

    /* the latency is shorter than a round trip: nothing can be repaired */

    peer_open(&p, 5, 0, 40, 50000, NULL);
    p.loss = 50;
    peer_run(&p, 5000000, 4);
    p.loss = 0;
    peer_run(&p, 1000000, 4);
    st = stats(&p);

    ok(st.recv.dropped > 20 && p.gaps > 10 && p.wrong == 0,
       "too late: %llu given up, the rest goes on in order",
       (unsigned long long) st.recv.dropped);
    if (!ok(p.late <= 3000, "… and is not held up by them")) {
        diag("%lld us", (long long) p.late);
    }
    is_int(p.got + (long long) st.recv.dropped, p.next,
           "every packet is given out or counted");
    peer_close(&p);
}


static void
drift(void)
{
    peer_t  p;

    peer_open(&p, 5, 0, 120, 10000, NULL);
    p.drift = 0.0001;
    peer_run(&p, 300000000, 10);

    /* 100 ppm over 300 s are 30 ms; without following, all would be 30 ms
     * early by now */

    if (!ok(p.got > 29900 && p.early > -12000 && p.late < 12000,
       "drift: a clock that is 100 ppm fast is followed")) {
        diag("%lld … %lld us", (long long) p.early, (long long) p.late);
    }
    peer_close(&p);
}


static void
jump(void)
{
    peer_t  p;

    peer_open(&p, 5, 0, 120, 10000, NULL);
    peer_run(&p, 2000000, 4);
    p.ts0 += 1000000000;                        /* 1,000 s ahead */
    peer_run(&p, 2000000, 4);
    p.ts0 -= 2000000000;
    peer_run(&p, 2000000, 4);
    peer_run(&p, 3000000, 0);

    if (!ok(p.got == p.sent && p.gaps == 0,
       "the sender's clock jumps: nothing is lost or held")) {
        diag("%u of %u", p.got, p.sent);
    }
    is_int((long long) stats(&p).recv.rebased, 2, "… and it is counted");
    peer_close(&p);
}


static void
drop_request(void)
{
    int      i;
    peer_t   p;
    uint8_t  buf[64], *b;

    peer_open(&p, LV_SRT_SEQ_MASK - 3, 0, 1000, 10000, NULL);
    peer_run(&p, 200000, 4);
    p.loss = 1000;
    peer_run(&p, 20000, 4);
    p.loss = 0;

    /* 5 lost; the sender says that they do not come any more */

    b = lv_srt_control(buf, LV_SRT_DROPREQ, 0, 0, peer_ts(&p), OUR_SOCKET);
    b = lv_put32(b, lv_srt_seq_add(p.isn, p.sent - 5));
    b = lv_put32(b, lv_srt_seq_add(p.isn, p.sent - 1));
    peer_net(&p, buf, (size_t) (b - buf), true, 0);
    peer_run(&p, 100000, 4);
    is_int(p.naks, 0, "a drop request: they are not asked for");
    peer_run(&p, 2000000, 0);
    if (!ok(p.got == p.sent - 5 && p.gaps == 1 && stats(&p).recv.dropped == 5,
       "… and what follows comes out")) {
        diag("%u of %u", p.got, p.sent);
    }

    /* ranges that make no sense */

    for (i = 0; i < 6; i++) {
        static const uint32_t  range[6][2] = {
            { 9, 5 }, { 0, LV_SRT_SEQ_MASK }, { 100000, 100001 },
            { 0x40000000, 0x40000010 }, { 0x7ffffff0, 0x10 }, { 0, 0x20000 }
        };

        b = lv_srt_control(buf, LV_SRT_DROPREQ, 0, 0, 0, OUR_SOCKET);
        b = lv_put32(b, lv_srt_seq_add(p.isn, p.sent + range[i][0]));
        b = lv_put32(b, lv_srt_seq_add(p.isn, p.sent + range[i][1]));
        lv_srt_session_input(p.s, buf, (size_t) (b - buf), p.now);
    }

    p.gaps = 0;
    peer_run(&p, 500000, 4);
    peer_run(&p, 2000000, 0);
    is_int(p.gaps, 0,
           "drop requests that are senseless, or early, change nothing");
    peer_close(&p);
}


static void
hostile(void)
{
    peer_t    p;
    uint8_t   buf[LV_SRT_PACKET_MAX], *b;
    unsigned  i;

    peer_open(&p, 100, 0, 120, 10000, NULL);
    peer_run(&p, 500000, 4);

    /* far ahead, far behind, for another socket, encrypted, too short */

    memset(buf, 0, sizeof(buf));
    lv_put32(buf + 12, OUR_SOCKET);
    lv_put32(buf, lv_srt_seq_add(p.isn, p.sent + 9000));
    lv_srt_session_input(p.s, buf, 100, p.now);
    is_int((long long) stats(&p).recv.refused, 1, "far ahead: refused");
    lv_put32(buf, lv_srt_seq_add(p.isn, LV_SRT_SEQ_MASK - 100));
    lv_srt_session_input(p.s, buf, 100, p.now);
    is_int((long long) stats(&p).recv.belated, 1, "far behind: old");
    lv_put32(buf + 12, OUR_SOCKET + 1);
    lv_srt_session_input(p.s, buf, 100, p.now);
    lv_srt_session_input(p.s, buf, 15, p.now);
    is_int((long long) stats(&p).strange, 2, "for another, too short: strange");
    lv_put32(buf, lv_srt_seq_add(p.isn, p.sent));
    lv_put32(buf + 4, 0xe8000000);
    lv_put32(buf + 12, OUR_SOCKET);
    lv_srt_session_input(p.s, buf, 100, p.now);
    is_int((long long) stats(&p).undecrypted, 1,
           "encrypted without a passphrase: not taken");

    peer_run(&p, 500000, 4);
    peer_run(&p, 500000, 0);
    ok(p.got == p.sent && p.gaps == 0, "the stream goes on");

    /* as much as may be missing, twice over: bounded work, bounded memory */

    for (i = 0; i < 4000; i++) {
        lv_put32(buf, lv_srt_seq_add(p.isn, p.sent + 2 * i + 1));
        lv_put32(buf + 4, 0xe0000000);
        lv_srt_session_input(p.s, buf, sizeof(buf), p.now);
    }

    ok(stats(&p).recv.refused > 1000 && stats(&p).buffered <= 8192,
       "no more is kept than there is room for");

    b = lv_srt_control(buf, LV_SRT_SHUTDOWN, 0, 0, 0, OUR_SOCKET);
    lv_srt_session_input(p.s, buf, (size_t) (lv_put32(b, 0) - buf), p.now);
    ok(lv_srt_session_closed(p.s), "goodbye is heard");
    peer_close(&p);
}


/* A sender that was told of no room sends nothing until it hears of some. */
static void
full(void)
{
    peer_t    p;
    uint8_t   buf[LV_SRT_PACKET_MAX];
    unsigned  i;

    peer_open(&p, 100, 0, 120, 10000, NULL);
    memset(buf, 0, sizeof(buf));
    lv_put32(buf + 4, 0xe0000000);
    lv_put32(buf + 12, OUR_SOCKET);

    for (i = 0; i < 4000; i++) {
        lv_put32(buf, lv_srt_seq_add(p.isn, i));
        lv_srt_session_input(p.s, buf, sizeof(buf), p.now);
    }

    ok(stats(&p).recv.refused > 100, "a burst is more than there is room for");
    peer_run(&p, 40000, 0);
    is_int(p.room, 0, "  which the sender hears");
    peer_run(&p, 300000, 0);
    ok(p.room > 2000, "  as it does when there is room again: %u", p.room);
    peer_close(&p);
}


/* The sender was away for long, dropped what was too old, and goes on far
 * beyond the window. */
static void
far_jump(void)
{
    peer_t    p;
    uint8_t   buf[LV_SRT_PACKET_MAX];
    unsigned  i, got;

    peer_open(&p, 100, 0, 120, 10000, NULL);
    peer_run(&p, 500000, 4);
    peer_run(&p, 500000, 0);
    got = p.got;
    memset(buf, 0, sizeof(buf));
    lv_put32(buf + 4, 0xe0000000);
    lv_put32(buf + 12, OUR_SOCKET);

    for (i = 0; i < 200; i++) {
        lv_put32(buf, lv_srt_seq_add(p.isn, p.sent + 20000 + i));
        lv_put32(buf + 8, (uint32_t) (p.now - p.start));
        lv_srt_session_input(p.s, buf, 200, p.now);
    }

    peer_run(&p, 500000, 0);
    ok(p.got - got > 100, "a jump far ahead is followed: %u", p.got - got);
    peer_close(&p);
}


static void
alive(void)
{
    peer_t  p;

    peer_open(&p, 100, 0, 120, 10000, NULL);
    peer_run(&p, 10500000, 0);
    ok(p.acks == 0 && lv_srt_session_heard_us(p.s) == 5010000,
       "silence is seen as silence");
    lv_srt_session_shutdown(p.s, p.now);
    peer_run(&p, 20000, 0);
    is_int(p.shutdowns, 1, "we say goodbye, too");
    peer_close(&p);
}


static void
keys(unsigned key_len)
{
    peer_t            p;
    size_t            n;
    uint8_t           km[LV_SRT_KM_MAX], buf[512], *b, plain[8], iv[16];
    uint8_t           material[64];
    unsigned          i, j, kk;
    int               len;
    EVP_CIPHER_CTX   *ctx;
    lv_srt_crypto_t  *crypto;
    static const uint8_t  salt[16] = "salt of a stream";

    for (i = 0; i < sizeof(material); i++) {
        material[i] = (uint8_t) (i * 7 + key_len);
    }

    crypto = lv_srt_crypto_create("correct horse", 13);
    n = peer_km(km, "correct horse", LV_SRT_EVEN, key_len, salt, material);
    is_int(lv_srt_crypto_km(crypto, km, n), LV_OK, "the first key is taken");

    peer_open(&p, 100, 0, 120, 10000, crypto);
    ctx = EVP_CIPHER_CTX_new();

    for (i = 0; i < 200; i++) {

        /* both are announced at 50, odd from 100 on */

        if (i == 50) {
            n = peer_km(km, "correct horse", 3, key_len, salt, material);
            b = lv_srt_control(buf, LV_SRT_USER, LV_SRT_KMREQ, 0, 0,
                               OUR_SOCKET);
            memcpy(b, km, n);
            lv_srt_session_input(p.s, buf, LV_SRT_HEADER + n, p.now);
        }

        kk = i < 100 ? LV_SRT_EVEN : LV_SRT_ODD;
        lv_put32(buf, p.isn + i);
        lv_put32(buf + 4, 0xe0000000u | (kk << 27) | i);
        lv_put32(buf + 8, peer_ts(&p));
        lv_put32(buf + 12, OUR_SOCKET);
        lv_put32(plain, i);
        lv_put32(plain + 4, peer_ts(&p));

        memset(iv, 0, 16);
        memcpy(iv, salt, 14);

        for (j = 0; j < 4; j++) {
            iv[10 + j] ^= (uint8_t) ((p.isn + i) >> (24 - 8 * j));
        }

        EVP_EncryptInit_ex(ctx, key_len == 16 ? EVP_aes_128_ctr()
                           : key_len == 24 ? EVP_aes_192_ctr()
                                           : EVP_aes_256_ctr(), NULL,
                           material + (kk == LV_SRT_ODD ? key_len : 0), iv);
        EVP_EncryptUpdate(ctx, buf + 16, &len, plain, 8);
        peer_net(&p, buf, 24, true, 0);
        peer_run(&p, 4000, 0);
    }

    peer_run(&p, 500000, 0);
    EVP_CIPHER_CTX_free(ctx);

    if (!ok(p.got == 200 && p.gaps == 0 && p.wrong == 0,
       "AES-%u: all comes out, the key changes in the middle", key_len * 8)) {
        diag("%u", p.got);
    }
    is_int(p.km_answers, 1, "… and the new one was confirmed");
    is_int(stats(&p).key_len, key_len, "… its length is told");

    /* in the clear, in between: anybody could have written it */

    lv_put32(buf, p.isn + 200);
    lv_put32(buf + 4, 0xe0000000u);
    lv_srt_session_input(p.s, buf, 24, p.now);
    is_int((long long) stats(&p).undecrypted, 1, "plain packets are not taken");

    /* wrapped with another passphrase */

    n = peer_km(km, "wrong horse!", 3, key_len, salt, material);
    b = lv_srt_control(buf, LV_SRT_USER, LV_SRT_KMREQ, 0, 0, OUR_SOCKET);
    memcpy(b, km, n);
    lv_srt_session_input(p.s, buf, LV_SRT_HEADER + n, p.now);
    is_int((long long) stats(&p).strange, 1,
           "a key that is not ours is not taken");
    peer_close(&p);
}


int
main(void)
{
    clean();
    lossy("8 % lost, 50 ms", 77, 0, 80, 0);
    lossy("sequence numbers wrap", LV_SRT_SEQ_MASK - 2000, 0, 80, 0);
    lossy("time stamps wrap", 77, 0xffffffffu - 5000000, 80, 0);
    lossy("5 % overtaken", 77, 0, 0, 50);
    too_late();
    drift();
    jump();
    drop_request();
    hostile();
    full();
    far_jump();
    alive();
    keys(16);
    keys(24);
    keys(32);

    return done_testing();
}

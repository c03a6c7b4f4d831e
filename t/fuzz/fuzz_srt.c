/*
 * Packets to an SRT session, in the clear and encrypted: each is 2 bytes of
 * length and time, then its bytes; the destination is put right in most. The
 * payload comes out in order and in time, the buffer keeps to its limits.
 */

#include <stdlib.h>
#include "lv_srt_session.h"

#define SOCKET     7
#define BYTES_MAX  (64 * 1024)

typedef struct {
    size_t    sent, given;
    int64_t   now;
} state_t;


static void
on_send(void *data, const uint8_t *p, size_t n)
{
    state_t          *st = data;
    lv_srt_packet_t   k;

    if (lv_srt_packet_parse(p, n, &k) != LV_OK || !k.control || k.dst != 5) {

        /* the answer to a conclusion is the caller's own bytes */

        if (n != 4) {
            abort();
        }
    }

    st->sent++;
}


static int
on_payload(void *data, const uint8_t *p, size_t n)
{
    state_t  *st = data;

    if (n > LV_SRT_PAYLOAD_MAX) {
        abort();
    }

    st->given++;

    return LV_OK;
}


static const lv_srt_handler_t  handler = { on_send, on_payload };


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t              n, packets;
    state_t             st = { 0, 0, 1000000 };
    uint8_t             buf[2048], answer[4] = { 1, 2, 3, 4 };
    int64_t             next;
    lv_srt_hello_t      hello;
    lv_srt_stats_t      stats;
    lv_srt_terms_t      terms = { SOCKET, 120, 256, NULL };
    lv_srt_session_t   *s;

    if (size < 8) {
        return 0;
    }

    memset(&hello, 0, sizeof(hello));
    hello.isn = lv_be32(data) & LV_SRT_SEQ_MASK;
    hello.ts = lv_be32(data + 4);
    hello.socket = 5;

    if (data[0] & 0x80) {
        terms.crypto = lv_srt_crypto_create("a passphrase", 12);
    }

    data += 8;
    size -= 8;

    s = lv_srt_session_create(&hello, &terms, BYTES_MAX, answer,
                              sizeof(answer), &handler, &st, st.now);

    for (packets = 0; size >= 3 && packets < 2000; packets++) {
        n = data[0] * 6u;
        st.now += data[1] * 500;
        data += 2;
        size -= 2;
        n = n < size ? n : size;
        memcpy(buf, data, n);

        if (n >= LV_SRT_HEADER && (data[1] & 7)) {
            lv_put32(buf + 12, SOCKET);
        }

        lv_srt_session_input(s, buf, n, st.now);
        next = lv_srt_session_tick(s, st.now);

        if (next <= st.now) {
            abort();
        }

        lv_srt_session_stats(s, &stats);

        if (stats.buffered > 256) {
            abort();
        }

        data += n;
        size -= n;
    }

    lv_srt_session_flush(s);

    if (st.given > packets || st.sent > packets * 6 + 8) {
        abort();
    }

    lv_srt_session_destroy(s);

    return 0;
}

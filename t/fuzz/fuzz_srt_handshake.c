/*
 * What comes to a listening SRT socket, its cookie put right in most; then the
 * answer, with and without a passphrase. No answer is longer than its question
 * before the cookie was right.
 */

#include <stdlib.h>
#include "lv_srt_handshake.h"


static const uint8_t  secret[16] = "fifteen letters";


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t            n;
    uint8_t           buf[LV_SRT_PACKET_MAX + 1], out[LV_SRT_REPLY_MAX];
    uint8_t           ask[64] = { 0x80, 0 };
    lv_srt_hello_t    hello;
    lv_srt_terms_t    terms = { 9, 120, 8192, NULL };
    lv_srt_reject_e   rc;
    lv_srt_listen_e   what;

    if (size < 1 || size > sizeof(buf)) {
        return 0;
    }

    lv_put32(ask + 36, 1);

    if (lv_srt_listen(secret, "peer", 4, 1000, ask, 64, &hello, out, &n)
        != LV_SRT_LISTEN_REPLY || n != 64)
    {
        abort();
    }

    memcpy(buf, data, size);

    if (size >= 64 && (data[0] & 1) == 0) {
        memcpy(buf + 44, out + 44, 4);
    }

    n = 0;
    what = lv_srt_listen(secret, "peer", 4, 1000, buf, size, &hello, out, &n);

    if (what == LV_SRT_LISTEN_REPLY && n > size) {
        abort();
    }

    if (what != LV_SRT_LISTEN_HELLO) {
        return 0;
    }

    if (hello.sid_len > LV_SRT_SID_MAX || hello.km_len > LV_SRT_KM_MAX) {
        abort();
    }

    /* deriving keys is slow and is OpenSSL's: once in a while */

    if (hello.km_len > 0 && (hello.km[16] & 15) == 0) {
        terms.crypto = lv_srt_crypto_create("a passphrase", 12);
    }

    rc = lv_srt_accept(&hello, &terms, out, &n);

    if ((rc == LV_SRT_REJ_NONE) != (n != 0) || n > LV_SRT_REPLY_MAX
        || terms.latency_ms < 120 || terms.latency_ms > 30000)
    {
        abort();
    }

    if (rc != LV_SRT_REJ_NONE
        && (lv_srt_reject(&hello, rc, out) != 64 || !lv_srt_reject_text(rc)))
    {
        abort();
    }

    lv_srt_crypto_destroy(terms.crypto);

    return 0;
}

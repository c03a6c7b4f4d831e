/*
 * Packets of streams that are announced already. The input is one byte of
 * choices (0x0f which streams, 0x10 frames are declined now and then), then
 *
 *   1 flags | 1 length | payload
 *
 * flags: 0x03 which stream, 0x04 a PES packet or section begins, 0x08 packets
 * are missing, 0x10 discontinuity, 0x20 scrambled, 0x40 random access, 0x80 the
 * clock goes on by 3 s.
 */

#include "ts_sink.h"

#define PMT  0x1000

typedef struct {
    uint8_t      type;
    const char  *descriptors;
} es_t;

static const es_t  sets[16][3] = {
    { { 0x1b, "" }, { 0x0f, "" }, { 0x15, "\5\4ID3 " } },
    { { 0x24, "" }, { 0x06, "\5\4Opus\x7f\2\x80\2" }, { 0x15, "\5\4KLVA" } },
    { { 0x1b, "" }, { 0x11, "" }, { 0x86, "" } },
    { { 0x1b, "" }, { 0x03, "" }, { 0x06, "\5\4KLVA" } },
    { { 0x24, "" }, { 0x81, "" }, { 0x86, "\5\4CUEI" } },
    { { 0x1b, "" }, { 0x87, "" }, { 0x02, "" } }
};

static uint8_t  cc[3];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
packet(lv_ts_t *ts, unsigned pid, unsigned head, unsigned flags,
    const uint8_t *p, size_t n, uint64_t now_ms)
{
    size_t   af;
    uint8_t  b[188];

    af = 184 - n;
    b[0] = 0x47;
    lv_put16(b + 1, (uint16_t) (pid | (flags & 4 ? 0x4000 : 0)));
    b[3] = (uint8_t) (head | (af ? 0x30 : 0x10) | (flags & 0x20 ? 0x80 : 0));
    memset(b + 4, 0xff, af);

    if (af) {
        b[4] = (uint8_t) (af - 1);
    }

    if (af > 1) {
        b[5] = (uint8_t) ((flags & 0x10 ? 0x80 : 0) | (flags & 0x40));
    }

    if (n) {
        memcpy(b + 4 + af, p, n);
    }

    must(lv_ts_data(ts, b, sizeof(b), now_ms) == LV_OK);
}


static void
section(lv_ts_t *ts, unsigned pid, unsigned count, uint8_t *b, size_t n)
{
    b[0] = 0;
    b[3] = (uint8_t) n;
    lv_put32(b + n, lv_ts_crc32(b + 1, n - 1));
    packet(ts, pid, count, 4, b, n + 4, 0);
}


static void
tables(lv_ts_t *ts, const es_t *es)
{
    size_t    n, len;
    uint8_t   b[184] = "\0\0\xb0\0\0\1\xc1\0\0\0\1\xf0\0";
    unsigned  i;

    section(ts, 0, 0, b, 13);
    memcpy(b, "\0\2\xb0\0\0\1\xc1\0\0\xe1\0\xf0\0", 13);

    for (i = 0, n = 13; i < 3; i++, n += 5 + len) {
        len = es[i].descriptors ? strlen(es[i].descriptors) : 0;
        b[n] = es[i].type;
        lv_put16(b + n + 1, (uint16_t) (0xe100 + i));
        lv_put16(b + n + 3, (uint16_t) (0xf000 + len));
        memcpy(b + n + 5, es[i].descriptors ? es[i].descriptors : "", len);
    }

    section(ts, PMT, 0, b, n);
    packet(ts, PMT, 1, 0, b, 184, 0);        /* three make a stream */
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t    n;
    uint8_t   flags, *p;
    lv_ts_t  *ts;
    uint64_t  now;
    unsigned  i;

    if (size == 0) {
        return 0;
    }

    memset(cc, 0, sizeof(cc));
    sink_reset(*data & 0x10 ? 3 : 0);
    ts = lv_ts_create(NULL, &checking_sink, NULL);
    must(ts != NULL);
    tables(ts, sets[*data & 15]);
    data++;
    size--;
    now = 1;

    while (size >= 2) {
        flags = data[0];
        n = data[1] > 184 ? 184 : data[1];
        data += 2;
        size -= 2;
        n = n < size ? n : size;
        i = (flags & 3) % 3;
        cc[i] = (uint8_t) (cc[i] + (flags & 8 ? 3 : 1));
        now += flags & 0x80 ? 3000 : 1;

        /* of its own, so that reading beyond it is seen */
        p = malloc(n + 1);
        must(p != NULL);
        memcpy(p, data, n);
        packet(ts, 0x100 + i, cc[i] & 15, flags, p, n, now);
        free(p);
        data += n;
        size -= n;
    }

    must(lv_ts_flush(ts) == LV_OK);
    sink_closed();
    lv_ts_destroy(ts);

    return 0;
}

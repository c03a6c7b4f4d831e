/*
 * A transport stream as it comes, behind a byte of choices: 0x07 bytes a call
 * (1, 7, 188, 1316, all), 0x08 frames are declined now and then, 0x10 aborted
 * at the end.
 *
 * Sections whose CRC is wrong are given the right one first, as no mutation
 * would find it.
 */

#include "ts_sink.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/* Sections that begin and end in one packet. */
static void
repair(uint8_t *p)
{
    size_t  at, len;

    if (p[0] != 0x47 || !(p[1] & 0x40) || !(p[3] & 0x10)) {
        return;
    }

    at = p[3] & 0x20 ? 5u + p[4] : 4;

    if (at >= 188 || at + 1u + p[at] + 3 > 188) {
        return;
    }

    at += 1u + p[at];
    len = 3u + (lv_be16(p + at + 1) & 0x0fff);

    if (len >= 12 && len <= 188 - at
        && (p[at] == 0 || p[at] == 2 || p[at] == 0xfc))
    {
        lv_put32(p + at + len - 4, lv_ts_crc32(p + at, len - 4));
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int       rc;
    size_t    i, n, piece;
    lv_ts_t  *ts;
    uint8_t  *copy, flags;

    static const size_t  pieces[8] = { 1, 7, 188, 1316, 65536, 65536, 400,
                                       189 };

    if (size == 0) {
        return 0;
    }

    flags = *data++;
    size--;
    copy = malloc(size + 1);
    must(copy != NULL);
    memcpy(copy, data, size);

    for (i = 0; i + 188 <= size; i++) {
        if (copy[i] == 0x47) {
            repair(copy + i);
        }
    }

    sink_reset(flags & 8 ? 3 : 0);
    ts = lv_ts_create(NULL, &checking_sink, NULL);
    must(ts != NULL);
    piece = pieces[flags & 7];
    rc = LV_OK;

    for (i = 0; i < size && rc == LV_OK; i += n) {
        n = size - i < piece ? size - i : piece;
        rc = lv_ts_data(ts, copy + i, n, 1700000000000ull + i / 10);
    }

    must(rc == LV_OK);

    if (flags & 0x10) {
        lv_ts_abort(ts);
    } else {
        must(lv_ts_flush(ts) == LV_OK);
    }

    sink_closed();
    lv_ts_destroy(ts);
    free(copy);

    return 0;
}

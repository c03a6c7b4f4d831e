/* Timed metadata: ID3, KLV, SCTE-35. */

#include <openssl/evp.h>

#include "ts_mux.h"

static void
start(unsigned type, const char *descriptors, size_t len)
{
    mux_es_t  es[2] = { { 0x1b, VIDEO, NULL, 0 },
                        { type, DATA, descriptors, len } };

    begin();
    mux_tables(es, 2);
    es_key(100);
    es_pes(VIDEO, 90000, NONE);
}


static void
data_pes(unsigned id, int64_t pts, const void *p, size_t n)
{
    mux_bytes(DATA, mux_pes_buf,
              mux_pes_make(mux_pes_buf, id, pts, NONE, true, 0, p, n));
}


#define ID3_DESCRIPTOR  "\x26\x0d\xff\xffID3 \xffID3 \0\x0f"

static void
test_id3(void)
{
    uint8_t  big[LV_TS_META_MAX + 100];

    start(0x15, ID3_DESCRIPTOR, sizeof(ID3_DESCRIPTOR) - 1);
    data_pes(0xbd, 91000, "ID3\4\0\0\0\0\0\2ab", 12);
    finish();
    is_int(rec.metas, 1, "ID3");
    is_int(rec.meta[0].m.kind, LV_TS_ID3, "… is what the table says");
    ok(rec.meta[0].m.len == 12 && memcmp(rec.meta[0].data, "ID3\4", 4) == 0,
       "… the whole tag");
    ok(rec.meta[0].m.timed && rec.meta[0].m.pts == 91000, "… and its time");
    is_int(count(true), 1, "… beside the video");

    start(0x15, ID3_DESCRIPTOR, sizeof(ID3_DESCRIPTOR) - 1);
    memset(big, 'x', sizeof(big));
    data_pes(0xbd, 91000, big, sizeof(big));
    data_pes(0xbd, 92000, "ID3\4", 4);
    data_pes(0xbd, 93000, big, 400);
    mux_len -= 188;
    data_pes(0xbd, 94000, "ID3\5", 4);
    finish();
    is_int(rec.metas, 2, "too long, or with a hole: dropped");
    is_int(rec.meta[1].m.pts, 94000, "… the next comes");
}


static void
test_klv(void)
{
    start(0x15, "\5\4KLVA", 6);
    data_pes(0xfc, 91000, "\0\0\xdf\0\3abc\0\1\xdf\0\2de", 15);
    data_pes(0xfc, 92000, "\0\0\xdf\0\x09short", 10);
    finish();
    is_int(rec.metas, 1, "KLV in metadata access units");
    ok(rec.meta[0].m.kind == LV_TS_KLV && rec.meta[0].m.len == 5
       && memcmp(rec.meta[0].data, "abcde", 5) == 0, "… without their headers");
    stat_is(broken, 1, "a unit longer than its packet");

    start(0x06, "\5\4KLVA", 6);
    data_pes(0xbd, NONE, "\x06\x0e\x2b\x34", 4);
    finish();
    ok(rec.metas == 1 && !rec.meta[0].m.timed, "KLV without a time");
}


/* ---- SCTE-35 ----------------------------------------------------------- */

static size_t
decode(uint8_t *out, const char *text)
{
    int  n, pad;

    pad = (int) strlen(text) - (int) strcspn(text, "=");
    n = EVP_DecodeBlock(out, (const uint8_t *) text, (int) strlen(text));

    return (size_t) (n - pad);
}


/* The samples of ANSI/SCTE 35, 14.1 and 14.2. */
#define TIME_SIGNAL                                                           \
    "/DA0AAAAAAAA///wBQb+cr0AUAAeAhxDVUVJSAAAjn/PAAGlmbAICAAAAAAsoKGKNAIAmsnR" \
    "fg=="
#define SPLICE_INSERT                                                         \
    "/DAvAAAAAAAA///wFAVIAACPf+/+c2nALv4AUsz1AAAAAAAKAAhDVUVJAAABNWLbowo="

static void
test_scte35(void)
{
    size_t       n, i;
    uint8_t      p[200], q[200];
    unsigned     bad;
    lv_scte35_t  s;

    n = decode(p, TIME_SIGNAL);
    is_int(lv_ts_crc32(p, n), 0, "the standard's time_signal is whole");
    is_int(lv_scte35_parse(&s, p, n), LV_OK, "… and is read");
    is_int(s.command, LV_SPLICE_TIME_SIGNAL, "… the command");
    ok(s.has_pts && s.pts == 0x072bd0050ull, "… the time");
    is_int(s.segments, 1, "… a segmentation descriptor");
    ok(s.segment[0].event_id == 0x4800008e
       && s.segment[0].duration == 0x0001a599b0ull
       && s.segment[0].type == 0x34, "… its event, duration and type");
    ok(s.segment[0].upid_type == 8 && s.segment[0].upid_len == 8
       && lv_be32(s.segment[0].upid + 4) == 0x2ca0a18a
       && s.segment[0].number == 2, "… its identifier");

    n = decode(q, SPLICE_INSERT);
    is_int(lv_scte35_parse(&s, q, n), LV_OK, "the standard's splice_insert");
    ok(s.event_id == 0x4800008f && s.out_of_network && !s.immediate,
       "… goes out of the network");
    ok(s.has_pts && s.pts == 0x07369c02eull, "… at a time");
    ok(s.has_duration && s.auto_return && s.duration == 0x00052ccf5ull,
       "… for a time, and returns");
    is_int(s.segments, 0, "other descriptors are passed over");

    memset(q + 5, 0xff, 4);
    q[4] |= 1;                           /* pts_adjustment 0x1ffffffff */
    is_int(lv_scte35_parse(&s, q, n), LV_OK, "an adjustment");
    ok(s.pts == 0x07369c02dull, "… is added, modulo 33 bits");

    q[4] |= 0x80;
    is_int(lv_scte35_parse(&s, q, n), LV_DECLINED, "encrypted is not read");

    for (i = 0, bad = 0; i < n; i++) {
        memcpy(q, p, n);
        q[2] = (uint8_t) (i - 3);
        bad += i >= 3 && i < n - 4 && lv_scte35_parse(&s, q, i) == LV_OK;
    }

    is_int(bad, 0, "none that is cut is read");
}


static void
test_splices(void)
{
    size_t   n;
    uint8_t  p[200];

    start(0x86, "\5\4CUEI", 6);
    p[0] = 0;
    n = decode(p + 1, SPLICE_INSERT);
    mux_bytes(DATA, p, n + 1);
    p[20] ^= 1;
    mux_bytes(DATA, p, n + 1);
    finish();

    is_int(rec.metas, 1, "SCTE-35");
    ok(rec.meta[0].m.len == n && memcmp(rec.meta[0].data, p + 1, 10) == 0,
       "… the section as it came");
    ok(rec.meta[0].m.timed && rec.meta[0].m.pts == 0x07369c02ell,
       "… its time on the stream's clock");
    is_int(rec.meta[0].splice.command, LV_SPLICE_INSERT, "… and read");
    stat_is(crc_errors, 1, "a damaged one is not passed on");
    is_int(count(true), 1, "… video is not disturbed");
}


int
main(void)
{
    test_id3();
    test_klv();
    test_scte35();
    test_splices();

    is_int(rec.misuse, 0, "the sink is called as its contract says");

    begin();
    lv_ts_destroy(ts);

    return done_testing();
}

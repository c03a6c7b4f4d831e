/* Init sections and part heads: written, read back, and damaged. */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE                  /* memmem() */
#endif

#include "lv_fmp4.h"
#include "lv_fmp4_read.h"
#include "tap.h"

static const uint8_t  avcc[] = {
    0x01, 0x64, 0x00, 0x1f, 0xff, 0xe1, 0x00, 0x04, 0x67, 0x64, 0x00, 0x1f,
    0x01, 0x00, 0x04, 0x68, 0xee, 0x3c, 0x80
};
static const uint8_t  asc[] = { 0x12, 0x10 };

static const lv_fmp4_track_t  video = {
    .track_id = 1, .timescale = 90000, .fourcc = LV_FOURCC('a','v','c','1'),
    .video = true, .width = 1280, .height = 720, .config = avcc,
    .config_len = sizeof(avcc)
};
static const lv_fmp4_track_t  audio = {
    .track_id = 2, .timescale = 44100, .fourcc = LV_FOURCC('m','p','4','a'),
    .sample_rate = 44100, .channels = 2, .language = "deu", .config = asc,
    .config_len = sizeof(asc)
};


static int
merge(uint8_t *buf, size_t size, const uint8_t *a, int alen, const uint8_t *b,
    int blen)
{
    lv_str_t  init[2] = { { a, (size_t) alen }, { b, (size_t) blen } };

    return lv_fmp4_init_merge(buf, size, init, 2);
}


static void
init_sections(void)
{
    int               len, alen, mlen, both;
    uint8_t           b[LV_FMP4_INIT_MAX], a[LV_FMP4_INIT_MAX];
    uint8_t           m[2 * LV_FMP4_INIT_MAX], n[2 * LV_FMP4_INIT_MAX];
    const char       *err;
    lv_fmp4_track_t   t, pair[2];

    err = "";
    len = lv_fmp4_init(b, sizeof(b), &video, 1);
    ok(len > 0 && len < 800, "a video init section: %d bytes", len);
    is_int(lv_fmp4_init_track(b, (size_t) len, 0, &t, &err), LV_OK, "read");
    ok(t.track_id == 1 && t.timescale == 90000 && t.video && t.width == 1280
       && t.height == 720 && t.fourcc == video.fourcc, "  the same track");
    ok(t.config_len == sizeof(avcc) && memcmp(t.config, avcc, sizeof(avcc))
       == 0, "  the same configuration");
    is_int(lv_fmp4_init_track(b, (size_t) len, 1, &t, &err), LV_DECLINED,
           "  there is no second one");
    ok(memcmp(b + 4, "ftypiso6", 8) == 0 && memmem(b, 40, "cmfc", 4),
       "  brands");

    alen = lv_fmp4_init(a, sizeof(a), &audio, 1);
    is_int(lv_fmp4_init_track(a, (size_t) alen, 0, &t, &err), LV_OK,
           "an audio init section");
    ok(t.track_id == 2 && t.timescale == 44100 && !t.video && t.channels == 2
       && t.sample_rate == 44100 && t.fourcc == audio.fourcc,
       "  the same track");
    ok(t.config_len == sizeof(asc) && memcmp(t.config, asc, sizeof(asc)) == 0,
       "  the same configuration");

    pair[0] = video;
    pair[1] = audio;
    both = lv_fmp4_init(m, sizeof(m), pair, 2);
    mlen = merge(n, sizeof(n), b, len, a, alen);
    ok(both > 0 && both == mlen && memcmp(m, n, (size_t) both) == 0,
       "merging two is as writing both");
    is_int(lv_fmp4_init_track(n, (size_t) mlen, 1, &t, &err), LV_OK,
           "  the second track is there");
    is_int(t.track_id, 2, "  with its id");
    is_int(merge(n, sizeof(n), b, len, b, len), LV_ERROR,
           "two tracks of the same id are refused");
    is_int(merge(n, (size_t) mlen - 1, b, len, a, alen), LV_ERROR,
           "no room: refused");
    is_int(merge(n, sizeof(n), b, len - 1, a, alen), LV_ERROR,
           "cut short: refused");

    is_int(lv_fmp4_init(b, (size_t) len - 1, &video, 1), LV_ERROR,
           "no room for an init section");
    is_int(lv_fmp4_init(b, sizeof(b), &video, 0), LV_ERROR, "no track");
    t = video;
    t.fourcc = LV_FOURCC('n','o','n','e');
    is_int(lv_fmp4_init(b, sizeof(b), &t, 1), LV_ERROR, "an unknown codec");
}


/* Writes a head, reads it back and compares. Returns its length. */
static int
round_trip(const char *name, const lv_fmp4_sample_t *s, unsigned n)
{
    int                     len;
    bool                    same;
    uint8_t                *b;
    unsigned                i;
    uint64_t                tfdt, offset;
    const char             *err;
    lv_fmp4_moof_t          m;
    lv_fmp4_read_sample_t   r;

    b = malloc(lv_fmp4_head_max(n));
    tfdt = 0x123456789aull;
    len = lv_fmp4_head(b, lv_fmp4_head_max(n), 77, 3, tfdt, s, n);

    same = len > 0 && lv_fmp4_moof(&m, b, (size_t) len, &err) == LV_OK
           && m.sequence == 77;
    offset = (uint64_t) len;

    for (i = 0; i < n && same; i++) {
        same = lv_fmp4_next(&m, &r) == LV_OK && r.track_id == 3
               && r.tfdt == tfdt && r.offset == offset && r.size == s[i].size
               && r.duration == s[i].duration && r.cts == s[i].cts
               && ((r.flags & LV_FMP4_NON_SYNC) == 0) == s[i].key;

        tfdt += s[i].duration;
        offset += s[i].size;
    }

    ok(same && lv_fmp4_next(&m, &r) == LV_DECLINED, "%s: %u samples, %d "
       "bytes", name, n, len);
    ok(lv_be32(b + len - 8) == offset - (uint64_t) len + 8
       && memcmp(b + len - 4, "mdat", 4) == 0, "  the mdat header");

    free(b);

    return len;
}


static void
heads(void)
{
    int                len, all;
    uint8_t            b[64];
    unsigned           i;
    lv_fmp4_sample_t   s[600];

    memset(s, 0, sizeof(s));

    for (i = 0; i < 600; i++) {
        s[i].size = 100;
        s[i].duration = 1024;
        s[i].key = true;
    }

    len = round_trip("all alike", s, 14);
    round_trip("one sample", s, 1);

    for (i = 0; i < 600; i++) {
        s[i].size = 100 + i;
    }

    all = round_trip("sizes differ", s, 14);
    is_int(all - len, 14 * 4 - 4, "  only the sizes have a column");

    s[13].key = false;

    for (i = 0; i < 14; i++) {
        s[i].key = i == 0;
    }

    round_trip("a key frame, then others", s, 14);

    for (i = 0; i < 14; i++) {
        s[i].duration = i % 3 ? 2970 : 3060;
        s[i].cts = (int) (i % 4) * 3000 - 3000;
    }

    round_trip("durations differ, negative offsets", s, 14);

    for (i = 0; i < 600; i++) {
        s[i].key = i % 7 == 3;
        s[i].cts = -(int) i;
        s[i].duration = i + 1;
    }

    len = round_trip("everything differs", s, 512);
    is_int(len, (long long) lv_fmp4_head_max(512) - 12,
           "  the most that a head can need (but tfhd's defaults)");

    is_int(lv_fmp4_head(b, sizeof(b), 1, 1, 0, s, 5), LV_ERROR, "no room");
    is_int(lv_fmp4_head(b, sizeof(b), 1, 1, 0, s, 0), LV_ERROR,
           "no samples");
    s[0].size = UINT32_MAX;
    is_int(lv_fmp4_head(b, sizeof(b), 1, 1, 0, s, 2), LV_ERROR,
           "more than a mdat holds");
}


static size_t
put_box(uint8_t *p, const char *type, const void *body, size_t n)
{
    lv_put32(p, (uint32_t) n + 8);
    memcpy(p + 4, type, 4);
    memcpy(p + 8, body, n);

    return n + 8;
}


/* moof boxes as other writers make them. */
static void
foreign(void)
{
    size_t                  n, t, at;
    uint8_t                 moof[512], traf[256];
    const char             *err;
    unsigned                i;
    lv_fmp4_moof_t          m;
    lv_fmp4_read_sample_t   s;

    n = put_box(moof, "mfhd", "\0\0\0\0\0\0\0\5", 8);

    /* two tracks, the first with two truns and tfdt version 0 */

    t = put_box(traf, "tfhd", "\0\2\0\x18\0\0\0\1\0\0\4\0\0\0\0\x10", 16);
    t += put_box(traf + t, "tfdt", "\0\0\0\0\0\0\1\0", 8);
    t += put_box(traf + t, "uuid", "0123456789abcdef", 16);
    t += put_box(traf + t, "trun", "\0\0\0\1\0\0\0\2\0\0\2\0", 12);
    t += put_box(traf + t, "trun", "\0\0\0\0\0\0\0\1", 8);
    n += put_box(moof + n, "traf", traf, t);

    t = put_box(traf, "tfhd", "\0\2\0\2\0\0\0\2\0\0\0\1", 12);
    t += put_box(traf + t, "tfdt", "\1\0\0\0\0\0\0\1\0\0\0\0", 12);
    t += put_box(traf + t, "trun", "\0\0\7\1\0\0\0\1\0\0\3\0"
                 "\0\0\0\x63\0\0\0\x07\0\1\0\0", 24);
    n += put_box(moof + n, "traf", traf, t);
    memmove(moof + 8, moof, n);
    n += 8;
    lv_put32(moof, (uint32_t) n);
    memcpy(moof + 4, "moof", 4);

    is_int(lv_fmp4_moof(&m, moof, n, &err), LV_OK, "a moof of two tracks");

    for (i = 0; i < 3; i++) {
        is_int(lv_fmp4_next(&m, &s), LV_OK, "  a sample");
        ok(s.track_id == 1 && s.tfdt == 256 + 1024 * i
           && s.offset == 512 + 16 * i && s.size == 16 && s.duration == 1024,
           "  with the defaults, over two truns");
    }

    is_int(lv_fmp4_next(&m, &s), LV_OK, "  of the other track");
    ok(s.track_id == 2 && s.tfdt == 1ull << 32 && s.duration == 99
       && s.size == 7 && s.offset == 768 && (s.flags & LV_FMP4_NON_SYNC),
       "  with fields of its own");
    is_int(lv_fmp4_next(&m, &s), LV_DECLINED, "  no more");

    is_int(lv_fmp4_moof(&m, moof, n - 1, &err), LV_ERROR, "cut short");

    /* every byte once wrong: an answer, whatever it is */

    for (at = 0; at < n; at++) {
        moof[at] ^= 0xff;

        if (lv_fmp4_moof(&m, moof, n, &err) == LV_OK) {
            for (i = 0; i < 100000 && lv_fmp4_next(&m, &s) == LV_OK; i++) {
                /* void */
            }

            if (i == 100000) {
                break;
            }
        }

        moof[at] ^= 0xff;
    }

    is_int((long long) at, (long long) n, "damaged bytes: it ends");

}


int
main(void)
{
    init_sections();
    heads();
    foreign();

    return done_testing();
}

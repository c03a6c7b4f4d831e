#include "lv_avc.h"
#include "lv_bits.h"
#include "flv_file.h"
#include "tap.h"

/* Writes bits, to make parameter sets that no encoder here makes. */
typedef struct {
    uint8_t   data[512];
    unsigned  pos;
} put_t;

static void
put(put_t *b, uint32_t v, unsigned n)
{
    while (n--) {
        if ((v >> n) & 1) {
            b->data[b->pos >> 3] |= (uint8_t) (0x80 >> (b->pos & 7));
        }

        b->pos++;
    }
}


static void
put_ue(put_t *b, uint32_t v)
{
    unsigned  n;

    for (n = 0; ((uint64_t) v + 1) >> (n + 1); n++) { /* void */ }

    put(b, 0, n);
    put(b, v + 1, n + 1);
}


static void
put_se(put_t *b, int32_t v)
{
    put_ue(b, v > 0 ? (uint32_t) v * 2 - 1 : (uint32_t) -v * 2);
}


/* Bytes with emulation prevention; returns the length. */
static size_t
put_nal(const put_t *b, uint8_t head, uint8_t *out)
{
    put_t     c;
    size_t    i, n, len;
    unsigned  zeros;

    c = *b;
    put(&c, 1, 1);
    len = (c.pos + 7) / 8;
    n = 0;
    out[n++] = head;

    for (i = 0, zeros = 0; i < len; i++) {
        if (zeros == 2 && c.data[i] <= 3) {
            out[n++] = 3;
            zeros = 0;
        }

        zeros = c.data[i] ? 0 : zeros + 1;
        out[n++] = c.data[i];
    }

    return n;
}


typedef struct {
    unsigned  profile, constraints, level, id, chroma, depth, w, h, field;
    unsigned  crop[4];          /* left, right, top, bottom */
    unsigned  scaling, poc;
    unsigned  sar, sar_w, sar_h;
    uint32_t  units, scale;
    unsigned  fixed;
} sps_t;

static size_t
make_sps(const sps_t *s, uint8_t *out)
{
    put_t     b;
    unsigned  i, k;

    memset(&b, 0, sizeof(b));
    put(&b, s->profile, 8);
    put(&b, s->constraints, 8);
    put(&b, s->level, 8);
    put_ue(&b, s->id);

    if (s->profile >= 100) {
        put_ue(&b, s->chroma);
        if (s->chroma == 3) {
            put(&b, 0, 1);
        }
        put_ue(&b, s->depth);
        put_ue(&b, s->depth);
        put(&b, 0, 1);
        put(&b, s->scaling, 1);
        for (i = 0; s->scaling && i < (s->chroma == 3 ? 12u : 8u); i++) {
            put(&b, 1, 1);
            for (k = 0; k < (i < 6 ? 16u : 64u); k++) {
                put_se(&b, k ? 1 : (int32_t) i);
            }
        }
    }

    put_ue(&b, 4);
    put_ue(&b, s->poc);
    if (s->poc == 0) {
        put_ue(&b, 4);
    } else if (s->poc == 1) {
        put(&b, 0, 1);
        put_se(&b, -3);
        put_se(&b, 70000);
        put_ue(&b, 2);
        put_se(&b, 1);
        put_se(&b, -1);
    }
    put_ue(&b, 4);
    put(&b, 0, 1);
    put_ue(&b, (s->w + 15) / 16 - 1);
    put_ue(&b, (s->h + (s->field ? 31 : 15)) / (s->field ? 32 : 16) - 1);
    put(&b, !s->field, 1);
    if (s->field) {
        put(&b, 0, 1);
    }
    put(&b, 1, 1);
    if (s->crop[0] | s->crop[1] | s->crop[2] | s->crop[3]) {
        put(&b, 1, 1);
        for (i = 0; i < 4; i++) {
            put_ue(&b, s->crop[i]);
        }
    } else {
        put(&b, 0, 1);
    }

    put(&b, 1, 1);              /* vui */
    if (s->sar) {
        put(&b, 1, 1);
        put(&b, s->sar, 8);
        if (s->sar == 255) {
            put(&b, s->sar_w, 16);
            put(&b, s->sar_h, 16);
        }
    } else {
        put(&b, 0, 1);
    }
    put(&b, 0, 1);
    put(&b, 1, 1);              /* video signal type, colours */
    put(&b, 5, 3);
    put(&b, 0, 1);
    put(&b, 1, 1);
    put(&b, 0x010101, 24);
    put(&b, 1, 1);              /* chroma location */
    put_ue(&b, 0);
    put_ue(&b, 0);
    put(&b, s->units != 0, 1);
    if (s->units) {
        put(&b, s->units, 32);
        put(&b, s->scale, 32);
        put(&b, s->fixed, 1);
    }
    put(&b, 0, 4);

    return put_nal(&b, 0x67, out);
}


static size_t
make_pps(unsigned id, unsigned sps, unsigned qp, uint8_t *out)
{
    put_t  b;

    memset(&b, 0, sizeof(b));
    put_ue(&b, id);
    put_ue(&b, sps);
    put(&b, 2, 2);
    put_ue(&b, 0);
    put_ue(&b, qp);

    return put_nal(&b, 0x68, out);
}


static void
test_bits(void)
{
    uint8_t    out[16];
    lv_bits_t  b;

    static const uint8_t  a[] = { 0xa5, 0xff, 0x00, 0x12, 0x34 };
    static const uint8_t  ue[] = { 0xa6, 0x42, 0x98, 0xe2, 0x04, 0x8a };
    static const uint8_t  big[] = { 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff };
    static const uint8_t  max[] = { 0, 0, 0, 0, 0x80, 0, 0, 0, 0 };
    static const uint8_t  esc[] = { 0, 0, 3, 1, 0, 0, 3, 0, 0, 3 };

    lv_bits_init(&b, a, 5);
    is_int(lv_bits_get(&b, 3), 5, "bits: 3");
    is_int(lv_bits_get(&b, 0), 0, "bits: none");
    is_int(lv_bits_get(&b, 32), 0x2ff80091, "bits: 32 across bytes");
    is_int(lv_bits_get(&b, 5), 0x14, "bits: the last ones");
    is_int(lv_bits_get(&b, 1), 0, "bits: beyond the end is 0");
    ok(b.over, "bits: and told");

    lv_bits_init(&b, ue, 6);
    is_int(lv_bits_ue(&b), 0, "ue 0");
    is_int(lv_bits_ue(&b), 1, "ue 1");
    is_int(lv_bits_ue(&b), 2, "ue 2");
    is_int(lv_bits_ue(&b), 3, "ue 3");
    is_int(lv_bits_ue(&b), 4, "ue 4");
    is_int(lv_bits_se(&b), 3, "se 3");
    is_int(lv_bits_se(&b), -3, "se -3");
    is_int(lv_bits_ue(&b), 7, "ue 7");
    ok(!b.over, "ue: within");

    lv_bits_init(&b, big, 9);
    lv_bits_ue(&b);
    ok(b.over, "ue beyond 32 bits is an error");
    lv_bits_init(&b, max, 9);
    lv_bits_se(&b);
    ok(b.over, "se beyond 32 bits is an error");
    lv_bits_init(&b, max, 4);
    is_int(lv_bits_ue(&b), 0, "ue of nothing but zeros");
    ok(b.over, "is an error");

    is_int((long long) lv_bits_unescape(out, sizeof(out), esc, sizeof(esc)), 7,
           "emulation prevention bytes are taken out");
    ok(memcmp(out, "\0\0\1\0\0\0\0", 7) == 0, "the others stay");
    is_int((long long) lv_bits_unescape(out, 2, esc, sizeof(esc)), 2,
           "no more than there is room for");
}


/* What FFmpeg's encoders say of themselves, against what ffprobe says. */
static void
test_real(void)
{
    int              rc;
    char             codec[12];
    uint8_t          ls;
    unsigned         i;
    size_t           len;
    flv_tag_t        t;
    flv_file_t       f;
    const char      *err;
    lv_avc_sps_t     sps;
    const uint8_t   *nal;
    lv_avc_config_t  c;

    static const struct {
        const char  *file, *codec;
        unsigned     w, h, dw, rate, chroma, bits, interlaced;
    } want[] = {
        { "baseline.flv", "avc1.42C00B", 176, 144, 176, 25000, 1, 8, 0 },
        { "bframes.flv", "avc1.64001F", 854, 480, 854, 30000, 1, 8, 0 },
        { "crop.flv", "avc1.42C02A", 1920, 1080, 1920, 60000, 1, 8, 0 },
        { "high422.flv", "avc1.7A000D", 320, 180, 320, 29970, 2, 10, 0 },
        { "sar.flv", "avc1.64001E", 720, 576, 1024, 25000, 1, 8, 1 }
    };

    for (i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        if (!ok(flv_open(&f, want[i].file) == LV_OK, "%s", want[i].file)) {
            continue;
        }

        if (!ok(flv_find(&f, &t, 9, 0) == LV_OK, "has a sequence header")) {
            continue;
        }

        rc = lv_avc_config_read(&c, t.body + 5, t.len - 5, &ls, &err);
        is_int(rc, LV_OK, "avcC is read");
        is_int(ls, 4, "4 byte lengths");
        ok(c.len == t.len - 5 && memcmp(c.data, t.body + 5, c.len) == 0,
           "x264's record is in normal form already");

        nal = lv_avc_config_get(&c, LV_NAL_SPS, 0, &len);
        is_int(lv_avc_sps_parse(&sps, nal, len), LV_OK, "SPS is read");
        lv_avc_codec_string(&sps, codec);
        is_str(codec, want[i].codec, "codec string");
        is_int(sps.width, want[i].w, "width after cropping");
        is_int(sps.height, want[i].h, "height after cropping");
        is_int(sps.display_width, want[i].dw, "width in square pixels");
        is_int(sps.rate_milli, want[i].rate, "frame rate");
        is_int(sps.chroma_format, want[i].chroma, "chroma format");
        is_int(sps.luma_bits, want[i].bits, "bit depth");
        is_int(sps.interlaced, want[i].interlaced, "interlaced");
        ok(lv_avc_config_get(&c, LV_NAL_SPS, 1, &len) == NULL, "one SPS");
        flv_close(&f);
    }
}


static void
test_sps(void)
{
    sps_t         s;
    size_t        n, k;
    uint8_t       nal[600], bad[600];
    unsigned      i;
    lv_avc_sps_t  sps;

    memset(&s, 0, sizeof(s));
    s.profile = 244; s.level = 51; s.chroma = 3; s.depth = 2;
    s.w = 1366; s.h = 768; s.crop[1] = 10; s.scaling = 1; s.poc = 1;
    n = make_sps(&s, nal);
    is_int(lv_avc_sps_parse(&sps, nal, n), LV_OK,
           "4:4:4, scaling lists, picture order type 1");
    is_int(sps.width, 1366, "4:4:4 crops in single pixels");
    is_int(sps.height, 768, "height");
    is_int(sps.luma_bits, 10, "10 bit");

    memset(&s, 0, sizeof(s));
    s.profile = 100; s.level = 40; s.chroma = 1; s.field = 1;
    s.w = 1920; s.h = 1080; s.crop[3] = 2;
    s.units = 1001; s.scale = 60000; s.fixed = 1;
    n = make_sps(&s, nal);
    is_int(lv_avc_sps_parse(&sps, nal, n), LV_OK, "interlaced 1080");
    is_int(sps.coded_height, 1088, "coded height of two fields");
    is_int(sps.height, 1080, "interlaced 4:2:0 crops in steps of 4");
    is_int(sps.rate_milli, 29970, "29.97 frames");

    s.field = 0; s.crop[3] = 4; s.fixed = 0;
    n = make_sps(&s, nal);
    is_int(lv_avc_sps_parse(&sps, nal, n), LV_OK, "progressive 1080");
    is_int(sps.height, 1080, "progressive 4:2:0 crops in steps of 2");
    is_int(sps.rate_milli, 29970, "a rate that is not fixed is a hint");

    s.chroma = 0; s.crop[3] = 8;
    n = make_sps(&s, nal);
    is_int(lv_avc_sps_parse(&sps, nal, n), LV_OK, "monochrome");
    is_int(sps.height, 1080, "monochrome crops in single lines");
    s.chroma = 1; s.crop[3] = 4; s.fixed = 1;

    s.units = 1; s.scale = 180000;
    n = make_sps(&s, nal);
    is_int(lv_avc_sps_parse(&sps, nal, n), LV_OK, "90000 frames a second");
    is_int(sps.rate_milli, 0, "is no rate");
    s.fixed = 0; s.scale = 1000;
    n = make_sps(&s, nal);
    is_int(lv_avc_sps_parse(&sps, nal, n), LV_OK, "ticks of 1 ms, not fixed");
    is_int(sps.rate_milli, 0, "is no rate either");
    s.units = 0;

    s.sar = 14;
    n = make_sps(&s, nal);
    lv_avc_sps_parse(&sps, nal, n);
    is_int(sps.display_width, 2560, "SAR 4:3 by table");
    s.sar = 255; s.sar_w = 0; s.sar_h = 1;
    n = make_sps(&s, nal);
    lv_avc_sps_parse(&sps, nal, n);
    is_int(sps.display_width, 1920, "SAR 0:1 is not said");
    s.sar_w = 65535; s.sar_h = 1;
    n = make_sps(&s, nal);
    lv_avc_sps_parse(&sps, nal, n);
    is_int(sps.display_width, 1920, "a grotesque SAR is a mistake");
    s.sar = 0;

    s.crop[1] = 960;
    n = make_sps(&s, nal);
    is_int(lv_avc_sps_parse(&sps, nal, n), LV_ERROR,
           "cropping everything is refused");
    s.crop[1] = 0xfffffff0;
    n = make_sps(&s, nal);
    is_int(lv_avc_sps_parse(&sps, nal, n), LV_ERROR,
           "cropping that wraps is refused");
    s.crop[1] = 0;
    s.w = 65536;
    n = make_sps(&s, nal);
    is_int(lv_avc_sps_parse(&sps, nal, n), LV_ERROR,
           "a picture beyond every level is refused");
    s.w = 1920; s.id = 32;
    n = make_sps(&s, nal);
    is_int(lv_avc_sps_parse(&sps, nal, n), LV_ERROR, "id 32 is refused");
    s.id = 0; s.chroma = 4;
    n = make_sps(&s, nal);
    is_int(lv_avc_sps_parse(&sps, nal, n), LV_ERROR,
           "chroma format 4 is refused");
    s.chroma = 1;

    n = make_sps(&s, nal);
    memcpy(bad, nal, n);
    bad[0] = 0x68;
    is_int(lv_avc_sps_parse(&sps, bad, n), LV_ERROR, "a PPS is no SPS");

    for (i = 0, k = 0; i < 10; i++) {
        k += lv_avc_sps_parse(&sps, nal, i) == LV_OK;
    }
    is_int((long long) k, 0, "a truncated SPS is refused");
}


static void
test_record(void)
{
    sps_t            s;
    size_t           n, m, len, rec_len;
    uint8_t          sps[600], sps2[600], pps[64], rec[2000], ls, *p;
    unsigned         i, k;
    const char      *err;
    lv_avc_config_t  c, d;

    static const uint8_t  hvcc[] = {
        1, 1, 0x60, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 93, 0xf0, 0, 0xfc, 0xfd,
        0xf8, 0xf8, 0, 0, 0x0f, 3, 0xa0, 0, 1, 0, 2, 0x40, 1
    };
    static const uint8_t  hevc_annexb[] = { 0, 0, 0, 1, 0x40, 1, 0x0c, 1 };

    memset(&s, 0, sizeof(s));
    s.profile = 77; s.level = 31; s.chroma = 1; s.w = 1280; s.h = 720;
    n = make_sps(&s, sps);
    m = make_pps(0, 0, 0, pps);

    /* length size 2, an empty set, a wrong type among the SPSs */
    p = rec;
    memcpy(p, "\x01\x4d\x00\x1f\xfd\xe3", 6);
    p += 6;
    p = lv_put16(p, 0);
    p = lv_put16(p, (uint16_t) n);
    memcpy(p, sps, n);
    p += n;
    p = lv_put16(p, 1);
    *p++ = 0x09;
    *p++ = 1;
    p = lv_put16(p, (uint16_t) m);
    memcpy(p, pps, m);
    p += m;
    rec_len = (size_t) (p - rec);

    is_int(lv_avc_config_read(&c, rec, rec_len, &ls, &err), LV_OK,
           "empty and wrong sets in a record are passed over");
    is_int(ls, 2, "length size 2 is told");
    is_int(c.data[4], 0xff, "and made 4");
    is_int(c.len, (long long) (6 + 2 + n + 1 + 2 + m),
           "main profile: no chroma format behind");

    for (i = 0, k = 0; i < rec_len; i++) {
        k += lv_avc_config_read(&d, rec, i, &ls, &err) == LV_OK;
    }
    is_int(k, 0, "every truncation of a record is refused or incomplete");

    rec[0] = 2;
    is_int(lv_avc_config_read(&d, rec, rec_len, &ls, &err), LV_ERROR,
           "another version is refused");
    rec[0] = 1;

    /* parameter sets with start codes */
    p = rec;
    p = lv_put32(p, 1);
    memcpy(p, sps, n);
    p += n;
    p = lv_put24(p, 1);
    memcpy(p, pps, m);
    p += m;
    *p++ = 0;
    is_int(lv_avc_config_read(&d, rec, (size_t) (p - rec), &ls, &err), LV_OK,
           "a sequence header of start codes is read");
    ok(lv_nal_config_equal(&c, &d), "and equals the record");
    is_int(lv_avc_config_read(&d, rec, n + 4, &ls, &err), LV_DECLINED,
           "without a PPS it is incomplete");
    is_int(lv_avc_config_set(&d, pps, m), LV_OK, "a PPS comes later");
    ok(lv_nal_config_equal(&c, &d), "then it is complete");

    is_int(lv_avc_config_set(&d, sps, n), LV_DECLINED,
           "the same SPS changes nothing");
    memcpy(sps2, sps, n);
    sps2[0] = 0x27;
    is_int(lv_avc_config_set(&d, sps2, n), LV_DECLINED,
           "nor with another nal_ref_idc");

    s.w = 640;
    n = make_sps(&s, sps2);
    is_int(lv_avc_config_set(&d, sps2, n), LV_OK, "another SPS replaces it");
    ok(lv_avc_config_get(&d, LV_NAL_SPS, 1, &len) == NULL, "of its id");
    s.id = 1;
    n = make_sps(&s, sps2);
    is_int(lv_avc_config_set(&d, sps2, n), LV_OK, "a second id is added");
    ok(lv_avc_config_get(&d, LV_NAL_SPS, 1, &len) != NULL && len == n,
       "behind the first");
    m = make_pps(1, 1, 3, pps);
    is_int(lv_avc_config_set(&d, pps, m), LV_OK, "and its PPS");
    ok(lv_avc_config_get(&d, LV_NAL_PPS, 1, &len) != NULL && len == m,
       "behind the first PPS");

    for (i = 0; i < 300 && lv_avc_config_set(&d, pps, m) != LV_ERROR; i++) {
        m = make_pps(i, 0, 3, pps);
    }
    ok(i < 300 && d.len <= LV_AVC_CONFIG_MAX, "a record is bounded");

    memset(&d, 0, sizeof(d));
    m = make_pps(0, 0, 0, pps);
    is_int(lv_avc_config_set(&d, pps, m), LV_OK, "a PPS may come first");
    ok(!lv_avc_config_complete(&d), "that is not complete");
    s.id = 0;
    s.profile = 100;
    n = make_sps(&s, sps);
    is_int(lv_avc_config_set(&d, sps, n), LV_OK, "then the SPS");
    ok(lv_avc_config_complete(&d), "that is");
    is_int(d.data[d.len - 4], 0xfd, "high profile: chroma format 1");
    is_int(d.data[d.len - 3], 0xf8, "8 bits");
    is_int(d.data[d.len - 1], 0, "no extensions");

    ok(lv_avc_config_is_hevc(hvcc, sizeof(hvcc)), "an hvcC is HEVC");
    ok(lv_avc_config_is_hevc(hevc_annexb, sizeof(hevc_annexb)),
       "a VPS with start code is HEVC");
    ok(!lv_avc_config_is_hevc(d.data, d.len), "an avcC is not");
}


static void
test_sei(void)
{
    static const uint8_t  a[] = { 6, 5, 4, 1, 2, 3, 4, 6, 1, 0xc4, 0x80 };
    static const uint8_t  b[] = { 6, 5, 4, 0, 0, 3, 0, 4, 6, 1, 0xc4, 0x80 };
    static const uint8_t  c[] = { 6, 5, 200, 6, 1, 0x80 };
    static const uint8_t  d[] = { 6, 0xff, 6, 1, 0, 0x80 };

    ok(lv_sei_has(a + 1, sizeof(a) - 1, 6), "recovery point behind user data");
    ok(lv_sei_has(b + 1, sizeof(b) - 1, 6),
       "with emulation prevention between");
    ok(!lv_sei_has(c + 1, sizeof(c) - 1, 6), "not inside a payload");
    ok(!lv_sei_has(d + 1, sizeof(d) - 1, 6), "type 261 is not 6");
    ok(lv_sei_has(d + 1, sizeof(d) - 1, 261), "but 261");
    ok(!lv_sei_has(a + 1, 2, 6), "truncated: no");
}


/* An SEI with cc_data() of the given flags and triples, behind a first message
 * of another kind. */
static unsigned
captions(uint8_t flags, const char *triples, size_t len)
{
    size_t   n;
    uint8_t  sei[128] = { 6, 1, 1, 0x55, 4, 0, 0xb5, 0, 0x31, 'G', 'A', '9',
                          '4', 3 };

    sei[5] = (uint8_t) (10 + len + 1);
    n = 14;
    sei[n++] = (uint8_t) (flags | len / 3);
    sei[n++] = 0xff;
    memcpy(sei + n, triples, len);
    n += len;
    sei[n++] = 0xff;                         /* marker_bits */
    sei[n++] = 0x80;

    return lv_sei_captions(sei + 1, n - 1);
}


static void
test_captions(void)
{
    unsigned       i, found;
    static const uint8_t  seven[] = { 6, 4, 12, 0xb5, 0, 0x31, 'G', 'A', '9',
                                      '4', 3, 0x5f, 0xff, 0xfc, 0x94, 0x80 };

    is_int(captions(0x40, "\xfc\x94\x20", 3), LV_CAPTIONS_CC1,
           "captions of field 1");
    is_int(captions(0x40, "\xfd\x94\x20", 3), LV_CAPTIONS_CC3,
           "captions of field 2");
    is_int(captions(0x40, "\xff\x02\x21\xfe\x41\x42", 6), LV_CAPTIONS_708,
           "CEA-708");
    is_int(captions(0x40, "\xfc\x94\x20\xfe\x41\x42", 6),
           LV_CAPTIONS_CC1 | LV_CAPTIONS_708, "both");
    is_int(captions(0x40, "\xfc\x80\x80\xfd\x80\x80\xfa\0\0", 9), 0,
           "padding is none");
    is_int(captions(0x40, "\xf8\x94\x20", 3), 0, "nor is what is not valid");
    is_int(captions(0, "\xfc\x94\x20", 3), 0, "nor what is not to be used");
    is_int(lv_sei_captions(seven + 1, sizeof(seven) - 1), 0,
           "more triples than the message has bytes");

    for (i = 1, found = 0; i < sizeof(seven); i++) {
        found |= lv_sei_captions(seven + 1, i - 1);
    }

    is_int(found, 0, "cut off anywhere");
}


int
main(void)
{
    test_bits();
    test_real();
    test_sps();
    test_record();
    test_sei();
    test_captions();

    return done_testing();
}

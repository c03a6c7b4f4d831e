/* lv_hevc: parameter sets as x265 makes them, records, and what is refused. */

#include "lv_hevc.h"
#include "tap.h"

/* 320x180, 25/s, Main */
static const uint8_t  vps[] = {
    0x40, 0x01, 0x0c, 0x01, 0xff, 0xff, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00,
    0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00, 0x3c, 0x95, 0x94, 0x09
};
static const uint8_t  sps[] = {
    0x42, 0x01, 0x01, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00,
    0x03, 0x00, 0x00, 0x03, 0x00, 0x3c, 0xa0, 0x0a, 0x08, 0x0c, 0x1f, 0x3e,
    0x59, 0x59, 0x52, 0x93, 0x0b, 0xc0, 0x5a, 0x02, 0x00, 0x00, 0x03, 0x00,
    0x02, 0x00, 0x00, 0x03, 0x00, 0x32, 0x10
};
static const uint8_t  pps[] = { 0x44, 0x01, 0xc0, 0x73, 0xc1, 0x89 };

/* 320x180, 30/s, Main 10, PQ */
static const uint8_t  sps10[] = {
    0x42, 0x01, 0x01, 0x02, 0x20, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00,
    0x03, 0x00, 0x00, 0x03, 0x00, 0x3c, 0xa0, 0x0a, 0x08, 0x0c, 0x1f, 0x3b,
    0x65, 0x95, 0x95, 0x29, 0x30, 0xbc, 0x05, 0xa8, 0x48, 0x80, 0x48, 0x20,
    0x00, 0x00, 0x03, 0x00, 0x20, 0x00, 0x00, 0x03, 0x03, 0xc1
};


static void
test_sps(void)
{
    char           codec[LV_HEVC_CODEC_LEN];
    size_t         n, bad;
    uint8_t        copy[sizeof(sps)];
    lv_hevc_sps_t  s;

    is_int(lv_hevc_sps_parse(&s, sps, sizeof(sps)), LV_OK, "an SPS");
    is_int(s.profile, 1, "Main");
    is_int(s.level, 60, "level 2");
    is_int(s.width, 320, "width");
    is_int(s.height, 180, "height, cropped");
    is_int(s.coded_height, 192, "of 192");
    is_int(s.luma_bits, 8, "8 bits");
    is_int(s.chroma_format, 1, "4:2:0");
    is_int(s.rate_milli, 25000, "25 pictures a second");
    is_int(s.transfer, 2, "nothing of colours");
    lv_hevc_codec_string(&s, codec);
    is_str(codec, "hvc1.1.6.L60.90", "codec string");

    is_int(lv_hevc_sps_parse(&s, sps10, sizeof(sps10)), LV_OK, "Main 10");
    is_int(s.luma_bits, 10, "10 bits");
    is_int(s.transfer, 16, "PQ");
    is_int(s.rate_milli, 30000, "30 pictures a second");
    lv_hevc_codec_string(&s, codec);
    is_str(codec, "hvc1.2.4.L60.90", "codec string");

    memset(&s, 0, sizeof(s));
    s.profile_space = 3;
    s.tier = 1;
    s.profile = 31;
    s.compatibility = 0xffffffff;
    s.level = 255;
    memset(s.constraints, 0xff, 6);
    lv_hevc_codec_string(&s, codec);
    is_str(codec, "hvc1.C31.FFFFFFFF.H255.FF.FF.FF",
           "the longest codec string is cut between constraints");

    for (n = 0, bad = 0; n < 28; n++) {
        bad += lv_hevc_sps_parse(&s, sps, n) == LV_OK;
    }

    is_int((long long) bad, 0, "cut off in front of the VUI: refused");

    memcpy(copy, sps, sizeof(sps));
    copy[1] = 0x09;
    is_int(lv_hevc_sps_parse(&s, copy, sizeof(copy)), LV_ERROR,
           "another layer's SPS is refused");
}


static void
test_config(void)
{
    size_t            len;
    uint8_t           size, hvcc[256], startcodes[128], *p;
    const char       *err;
    lv_hevc_config_t  c, other;

    memset(&c, 0, sizeof(c));
    is_int(lv_hevc_config_set(&c, pps, sizeof(pps)), LV_OK, "a PPS");
    is_int(lv_hevc_config_set(&c, sps, sizeof(sps)), LV_OK, "an SPS");
    ok(!lv_hevc_config_complete(&c), "are not enough");
    is_int(lv_hevc_config_set(&c, vps, sizeof(vps)), LV_OK, "a VPS");
    ok(lv_hevc_config_complete(&c), "makes it complete");
    is_int(lv_hevc_config_set(&c, vps, sizeof(vps)), LV_DECLINED,
           "again: nothing new");

    is_int(c.data[0], 1, "version");
    is_int(c.data[1], 1, "profile");
    is_int(c.data[12], 60, "level");
    is_int(c.data[21] & 3, 3, "4 byte lengths");
    is_int(c.data[22], 3, "three arrays");
    is_int(c.data[23], 0xa0, "VPS first, complete");

    /* what an encoder sends: other order, an SEI among it, 2 byte lengths */
    memcpy(hvcc, c.data, 23);
    hvcc[21] = (uint8_t) (hvcc[21] & ~2);
    hvcc[22] = 4;
    p = hvcc + 23;
    memcpy(p, "\x22\0\1\0\6", 5);
    memcpy(p + 5, pps, sizeof(pps));
    p += 5 + sizeof(pps);
    memcpy(p, "\x27\0\1\0\4\x4e\1\5\x80", 9);
    p += 9;
    *p++ = 0x20; *p++ = 0; *p++ = 1; *p++ = 0; *p++ = sizeof(vps);
    memcpy(p, vps, sizeof(vps));
    p += sizeof(vps);
    *p++ = 0x21; *p++ = 0; *p++ = 1; *p++ = 0; *p++ = sizeof(sps);
    memcpy(p, sps, sizeof(sps));
    p += sizeof(sps);

    len = (size_t) (p - hvcc);
    is_int(lv_hevc_config_read(&other, hvcc, len, &size, &err), LV_OK,
           "a record is read");
    is_int(size, 2, "with its length size");
    ok(lv_nal_config_equal(&c, &other), "into normal form");
    is_int(lv_hevc_config_read(&other, hvcc, len - 1, &size, &err), LV_ERROR,
           "truncated: refused");
    is_str(err, "HEVC sequence header is truncated", "with a reason");
    is_int(lv_hevc_config_read(&other, hvcc, 22, &size, &err), LV_ERROR,
           "hardly begun: refused");
    hvcc[22] = 1;
    is_int(lv_hevc_config_read(&other, hvcc, len, &size, &err), LV_DECLINED,
           "a PPS alone: not yet");

    p = startcodes;
    memcpy(p, "\0\0\0\1", 4);
    memcpy(p + 4, vps, sizeof(vps));
    p += 4 + sizeof(vps);
    memcpy(p, "\0\0\1", 3);
    memcpy(p + 3, sps, sizeof(sps));
    p += 3 + sizeof(sps);
    memcpy(p, "\0\0\1", 3);
    memcpy(p + 3, pps, sizeof(pps));
    p += 3 + sizeof(pps);
    is_int(lv_hevc_config_read(&other, startcodes, (size_t) (p - startcodes),
                               &size, &err),
           LV_OK, "parameter sets with start codes");
    ok(lv_nal_config_equal(&c, &other), "are the same");

    is_int(lv_hevc_config_set(&c, sps10, sizeof(sps10)), LV_OK,
           "another SPS of that id");
    (void) lv_hevc_config_get(&c, LV_HEVC_SPS, 0, &len);
    is_int((long long) len, sizeof(sps10), "takes its place");
    is_int(c.data[17] & 7, 2, "and the record says 10 bits");
    is_int(lv_hevc_config_set(&c, sps, 20), LV_ERROR, "a damaged one");
    (void) lv_hevc_config_get(&c, LV_HEVC_SPS, 0, &len);
    is_int((long long) len, sizeof(sps10), "changes nothing");
}


int
main(void)
{
    test_sps();
    test_config();

    return done_testing();
}

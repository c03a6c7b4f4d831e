/* lv_opus, lv_flac, lv_ac3, lv_mp3: headers as FFmpeg's encoders make them,
 * and what goes into MP4. */

#include "lv_ac3.h"
#include "lv_flac.h"
#include "lv_fmp4.h"
#include "lv_mp3.h"
#include "lv_opus.h"
#include "tap.h"

#define B(s)  ((const uint8_t *) (s))


static void
test_opus(void)
{
    int          n;
    size_t       len;
    uint8_t      out[LV_OPUS_HEAD_MAX], s[LV_OPUS_SILENCE_MAX];
    unsigned     i;
    lv_opus_t    o;
    const char  *err;

    static const struct {
        const char  *packet;
        size_t       len;
        uint32_t     samples;
    } packets[] = {
        { "\xf8", 1, 960 }, { "\xe0", 1, 120 }, { "\x08", 1, 960 },
        { "\x18", 1, 2880 }, { "\x78", 1, 960 }, { "\xf9", 1, 1920 },
        { "\xfb\x06", 2, 5760 }, { "\xfb\x07", 2, 0 }, { "\xfb", 1, 0 },
        { "\x1b\x02", 2, 5760 }, { "", 0, 0 }
    };

    is_int(lv_opus_head_parse(&o, B("OpusHead\1\2\x38\1\x80\xbb\0\0\0\0\0"),
                              19, &err), LV_OK, "OpusHead");
    is_int(o.channels, 2, "channels");
    is_int(o.pre_skip, 312, "pre-skip");
    is_int(o.input_rate, 48000, "rate");
    len = lv_opus_dops(&o, out);
    is_int((long long) len, 11, "dOps");
    ok(memcmp(out, "\0\2\1\x38\0\0\xbb\x80\0\0\0", 11) == 0,
       "has it in big endian");

    is_int(lv_opus_head_parse(&o, B("OpusHead\1\6\x38\1\x80\xbb\0\0\0\0\1\4\2"
                                    "\0\4\1\2\3\5"), 27, &err),
           LV_OK, "5.1 in family 1");
    is_int((long long) lv_opus_dops(&o, out), 19, "has a mapping");
    is_int(lv_opus_silence(s, out, 19, 960), LV_DECLINED,
           "of several streams no silence is known");
    is_int(lv_opus_head_parse(&o, B("OpusHead\1\6\x38\1\x80\xbb\0\0\0\0\1\4\2"
                                    "\0\4\1\2\3\7"), 27, &err),
           LV_ERROR, "a channel of a stream that there is not");
    is_int(lv_opus_head_parse(&o, B("OpusHead\1\3\0\0\0\0\0\0\0\0\0"), 19,
                              &err), LV_ERROR, "family 0 with 3 channels");
    is_int(lv_opus_head_parse(&o, B("OpusTail\1\2\0\0\0\0\0\0\0\0\0"), 19,
                              &err), LV_ERROR, "something else");

    for (i = 1; i <= 8; i++) {
        ok(lv_opus_default(&o, i) == LV_OK
           && o.streams + o.coupled == (int) i, "%u channels by default", i);
    }

    for (i = 0; i < sizeof(packets) / sizeof(packets[0]); i++) {
        is_int(lv_opus_samples(B(packets[i].packet), packets[i].len),
               packets[i].samples, "a packet's samples");
    }

    (void) lv_opus_default(&o, 2);
    len = lv_opus_dops(&o, out);

    for (i = 120; i <= 5760; i *= 2) {
        n = lv_opus_silence(s, out, len, i);
        ok(n > 0 && lv_opus_samples(s, (size_t) n) == i,
           "silence of %u samples", i);
    }

    n = lv_opus_silence(s, out, len, 960);
    ok(n == 3 && memcmp(s, "\xfc\xff\xfe", 3) == 0, "20 ms in stereo");
    is_int(lv_opus_silence(s, out, len, 100), LV_DECLINED, "no such length");
}


static void
test_flac(void)
{
    uint8_t      dfla[LV_FLAC_DFLA];
    lv_flac_t    f;
    const char  *err;

    static const uint8_t  head[] =
        "fLaC\0\0\0\x22\x12\0\x12\0\0\0\x10\0\x20\0\x0b\xb8\x02\xf0\0\1\2\3"
        "0123456789abcdef";

    is_int(lv_flac_info_parse(&f, head, sizeof(head) - 1, &err), LV_OK,
           "a FLAC header");
    is_int(f.sample_rate, 48000, "rate");
    is_int(f.channels, 2, "channels");
    is_int(f.bits, 16, "bits");
    is_int(f.block_max, 4608, "block size");
    lv_flac_dfla(&f, dfla);
    ok(memcmp(dfla, "\0\0\0\0\x80\0\0\x22\x12\0\x12\0", 12) == 0, "dfLa");
    ok(memcmp(dfla + 8 + 13, "\xf0\0\0\0\0\0\0", 7) == 0,
       "without what only a file knows");
    is_int(lv_flac_info_parse(&f, head + 8, 34, &err), LV_OK,
           "the block alone");
    is_int(lv_flac_info_parse(&f, head, 30, &err), LV_ERROR, "truncated");

    is_int(lv_flac_samples(B("\xff\xf8\xf3\x1e\x96\x22\xa6"), 7), 0,
           "more than 16,384 samples are too many");
    is_int(lv_flac_samples(B("\xff\xf8\xc9\x18\0\x12\0"), 7), 4096,
           "a frame of 4096");
    is_int(lv_flac_samples(B("\xff\xf8\x79\x18\0\x12\0"), 7), 0x1201,
           "of a size that it tells");
    is_int(lv_flac_samples(B("\xff\xf9\x69\x18\xc2\x80\x1f\0"), 8), 32,
           "… behind a number of two bytes");
    is_int(lv_flac_samples(B("\xff\xf8\xc9\x18"), 4), 0, "too short");
}


static void
test_ac3(void)
{
    uint8_t   out[LV_AC3_CONFIG_MAX];
    lv_ac3_t  a, b;

    is_int(lv_ac3_parse(&a, B("\x0b\x77\xe5\xed\x00\x40\x2f\x84"), 8), LV_OK,
           "an AC-3 frame");
    ok(!a.enhanced && a.samples == 1536, "of 1536 samples");
    is_int(a.sample_rate, 48000, "rate");
    is_int(a.channels, 1, "channels");
    is_int(a.kbps, 32, "bit rate");
    is_int(a.frame_len, 128, "length");
    is_int((long long) lv_ac3_config(&a, out), 3, "dac3");
    ok(memcmp(out, "\x10\x08\x00", 3) == 0, "contents");

    b = a;
    b.kbps = 64;
    b.rate_code = 4;
    ok(lv_ac3_same(&a, &b), "another bit rate is no other configuration");

    is_int(lv_ac3_parse(&b, B("\x0b\x77\x00\x3f\x32\x87\xc0\x00"), 8), LV_OK,
           "an E-AC-3 frame");
    ok(b.enhanced && b.samples == 1536, "of 1536 samples");
    is_int(b.frame_len, 128, "length");
    is_int(b.kbps, 32, "bit rate");
    is_int((long long) lv_ac3_config(&b, out), 5, "dec3");
    ok(memcmp(out, "\x01\x00\x20\x02\x00", 5) == 0, "contents");
    ok(!lv_ac3_same(&a, &b), "is another configuration");

    is_int(lv_ac3_parse(&a, B("\x0b\x77\xe5\xed\x00\x40\x2f\x84"), 7),
           LV_ERROR, "too short");
    is_int(lv_ac3_parse(&a, B("\x0b\x77\xe5\xed\xff\x40\x2f\x84"), 8),
           LV_ERROR, "no such rate");
    is_int(lv_ac3_parse(&a, B("\x0b\x77\xe5\xed\x00\xff\x2f\x84"), 8),
           LV_ERROR, "no such version");
}


static void
test_mp3(void)
{
    int              len;
    char             codec[12];
    size_t           i;
    uint8_t          buf[LV_FMP4_INIT_MAX];
    lv_mp3_t         m, v;
    lv_fmp4_track_t  t;

    is_int(lv_mp3_parse(&m, B("\xff\xfb\x54\xc4"), 4), LV_OK, "an MP3 frame");
    is_int(m.sample_rate, 48000, "rate");
    is_int(m.channels, 1, "channels");
    is_int(m.samples, 1152, "samples");
    is_int(m.frame_len, 192, "length");
    lv_mp3_codec_string(&m, codec);
    is_str(codec, "mp4a.6B", "codec string");

    (void) lv_mp3_parse(&v, B("\xff\xfa\x96\xc8"), 4);
    ok(memcmp(m.config, v.config, 4) == 0,
       "bit rate, padding, protection: the same configuration");

    is_int(lv_mp3_parse(&m, B("\xff\xf3\x44\x40"), 4), LV_OK, "MPEG-2");
    is_int(m.samples, 576, "half as many samples");
    is_int(m.sample_rate, 24000, "at half the rate");
    lv_mp3_codec_string(&m, codec);
    is_str(codec, "mp4a.69", "codec string");

    is_int(lv_mp3_parse(&m, B("\xff\xfd\x54\xc4"), 4), LV_ERROR, "layer II");
    is_int(lv_mp3_parse(&m, B("\xff\xfb\x04\xc4"), 4), LV_ERROR,
           "free format");

    memset(&t, 0, sizeof(t));
    t.track_id = 2;
    t.timescale = t.sample_rate = 48000;
    t.channels = 1;
    t.fourcc = LV_FOURCC('m', 'p', '4', 'a');
    t.config = v.config;
    t.config_len = sizeof(v.config);
    len = lv_fmp4_init(buf, sizeof(buf), &t, 1);

    for (i = 0; i + 12 < (size_t) len && memcmp(buf + i, "esds", 4) != 0; i++)
    {
        /* void */
    }

    /* ES descriptor, decoder configuration, its object type */
    ok(buf[i + 8] == 0x03 && buf[i + 16] == 0x04 && buf[i + 21] == 0x6b,
       "in MP4: the object type of MP3");
    ok(buf[i + 34] == 0x06, "and no decoder specific information");
}


int
main(void)
{
    test_opus();
    test_flac();
    test_ac3();
    test_mp3();

    return done_testing();
}

#include "lv_aac.h"
#include "flv_file.h"
#include "tap.h"

typedef struct {
    const char  *name;
    uint8_t      data[24];
    size_t       len;
    const char  *codec;      /* NULL: refused */
    uint32_t     rate, channels, samples;
} config_t;

static const config_t  configs[] = {
    { "LC 44100 stereo", { 0x12, 0x10 }, 2, "mp4a.40.2", 44100, 2, 1024 },
    { "LC 48000 mono", { 0x11, 0x88 }, 2, "mp4a.40.2", 48000, 1, 1024 },
    { "LC 48000 5.1", { 0x11, 0xb0 }, 2, "mp4a.40.2", 48000, 6, 1024 },
    { "LC 48000 7.1", { 0x11, 0xb8 }, 2, "mp4a.40.2", 48000, 8, 1024 },
    { "LC with 960 samples", { 0x11, 0x94 }, 2, "mp4a.40.2", 48000, 2, 960 },
    { "LC, said to have no SBR", { 0x12, 0x10, 0x56, 0xe5, 0x00 }, 5,
      "mp4a.40.2", 44100, 2, 1024 },
    { "HE-AAC, hierarchical", { 0x2b, 0x92, 0x08, 0x00 }, 4,
      "mp4a.40.5", 44100, 2, 2048 },
    { "HE-AAC, backward compatible", { 0x13, 0x90, 0x56, 0xe5, 0xa0 }, 5,
      "mp4a.40.5", 44100, 2, 2048 },
    { "HE-AAC v2, hierarchical", { 0xeb, 0x09, 0x88, 0x00 }, 4,
      "mp4a.40.29", 48000, 2, 2048 },
    { "HE-AAC v2, backward compatible",
      { 0x13, 0x08, 0x56, 0xe5, 0x9d, 0x48, 0x80 }, 7,
      "mp4a.40.29", 48000, 2, 2048 },
    { "HE-AAC, implicit: the core is told", { 0x13, 0x10 }, 2,
      "mp4a.40.2", 24000, 2, 1024 },
    { "SBR at the core's rate", { 0x2a, 0x12, 0x08, 0x00 }, 4,
      "mp4a.40.5", 44100, 2, 1024 },
    { "explicit rate of 24 bits", { 0x17, 0x80, 0x56, 0x22, 0x10 }, 5,
      "mp4a.40.2", 44100, 2, 1024 },
    { "LD", { 0xb9, 0x90, 0x00 }, 3, "mp4a.40.23", 48000, 2, 512 },
    { "ELD", { 0xf8, 0xe6, 0x20, 0x00 }, 4, "mp4a.40.39", 48000, 1, 512 },
    { "Main", { 0x0a, 0x10 }, 2, "mp4a.40.1", 44100, 2, 1024 },
    { "trailing bytes that mean nothing", { 0x12, 0x10, 0, 0, 0, 0 }, 6,
      "mp4a.40.2", 44100, 2, 1024 },

    { "empty", { 0 }, 0, NULL, 0, 0, 0 },
    { "one byte", { 0x12 }, 1, NULL, 0, 0, 0 },
    { "object type 0", { 0x02, 0x10 }, 2, NULL, 0, 0, 0 },
    { "layer III", { 0xf8, 0x48, 0x40 }, 3, NULL, 0, 0, 0 },
    { "reserved rate", { 0x16, 0x90 }, 2, NULL, 0, 0, 0 },
    { "rate 1", { 0x17, 0x80, 0x00, 0x00, 0x90 }, 5, NULL, 0, 0, 0 },
    { "reserved channels", { 0x12, 0x40 }, 2, NULL, 0, 0, 0 },
    { "PCE that is cut off", { 0x12, 0x00, 0x05 }, 3, NULL, 0, 0, 0 },
    { "SBR rate that is not the double", { 0x2b, 0x91, 0x88, 0x00 }, 4, NULL,
      0, 0, 0 }
};


static void
test_configs(void)
{
    int              rc;
    char             codec[12];
    unsigned         i;
    lv_aac_t         a;
    const char      *err;
    const config_t  *c;

    for (i = 0; i < sizeof(configs) / sizeof(configs[0]); i++) {
        c = &configs[i];
        err = NULL;
        rc = lv_aac_config_parse(&a, c->data, c->len, &err);

        if (c->codec == NULL) {
            ok(rc == LV_ERROR && err, "%s: refused (%s)", c->name,
               err ? err : "");
            continue;
        }

        ok(rc == LV_OK, "%s", c->name);
        lv_aac_codec_string(&a, codec);
        is_str(codec, c->codec, "  codec string");
        is_int(a.sample_rate, c->rate, "  rate");
        is_int(a.channels, c->channels, "  channels");
        is_int(a.frame_samples, c->samples, "  samples a frame");
    }
}


static void
test_real(void)
{
    unsigned     i;
    lv_aac_t     a;
    flv_tag_t    t;
    flv_file_t   f;
    const char  *err;

    static const struct {
        const char  *file;
        unsigned     rate, channels, config;
    } want[] = {
        { "baseline.flv", 44100, 1, 1 },
        { "bframes.flv", 48000, 2, 2 },
        { "crop.flv", 48000, 6, 6 },
        { "high422.flv", 44100, 3, 0 }           /* 2.1: a PCE */
    };

    for (i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        if (!ok(flv_open(&f, want[i].file) == LV_OK, "%s", want[i].file)) {
            continue;
        }

        if (!ok(flv_find(&f, &t, 8, 0) == LV_OK, "has a sequence header")) {
            continue;
        }

        is_int(lv_aac_config_parse(&a, t.body + 2, t.len - 2, &err), LV_OK,
               "AudioSpecificConfig is read");
        is_int(a.sample_rate, want[i].rate, "rate");
        is_int(a.channels, want[i].channels, "channels");
        is_int(a.channel_config, want[i].config, "channel configuration");
        is_int(a.frame_samples, 1024, "samples");
        flv_close(&f);
    }
}


static void
test_adts(void)
{
    lv_adts_t    h;
    lv_aac_t     a;
    uint8_t      p[9];
    const char  *err;

    static const uint8_t  good[9] = {
        0xff, 0xf1, 0x50, 0x80, 0x2e, 0x7f, 0xfc, 0x21, 0x10
    };

    memcpy(p, good, 9);
    is_int(lv_adts_parse(&h, p, 7), LV_OK, "ADTS header");
    is_int(h.header_len, 7, "without checksum");
    is_int(h.frame_len, 0x173, "length");
    is_int(h.blocks, 1, "one block");
    is_int(lv_aac_config_parse(&a, h.config, 2, &err), LV_OK, "its config");
    is_int(a.sample_rate, 44100, "rate");
    is_int(a.channels, 2, "channels");
    is_int(a.object_type, LV_AOT_LC, "LC");

    p[1] = 0xf8;
    is_int(lv_adts_parse(&h, p, 9), LV_OK, "MPEG-2, with checksum");
    is_int(h.header_len, 9, "9 bytes");

    is_int(lv_adts_parse(&h, p, 6), LV_DECLINED, "too short");
    p[1] = 0xf3;
    is_int(lv_adts_parse(&h, p, 9), LV_DECLINED, "a layer is MP3");
    p[1] = 0xe1;
    is_int(lv_adts_parse(&h, p, 9), LV_DECLINED, "no sync");
    p[1] = 0xf1;
    p[2] = 0x7c;
    is_int(lv_adts_parse(&h, p, 9), LV_DECLINED, "a reserved rate");
    memcpy(p, good, 9);
    p[3] = 0;
    p[4] = 0;
    p[5] = 0xdf;
    is_int(lv_adts_parse(&h, p, 9), LV_DECLINED, "shorter than its header");
    memcpy(p, good, 9);
    p[3] &= 0x3f;
    is_int(lv_adts_parse(&h, p, 9), LV_DECLINED,
           "channel configuration 0 is not guessed");
}


int
main(void)
{
    test_configs();
    test_real();
    test_adts();

    return done_testing();
}

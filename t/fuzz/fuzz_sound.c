/*
 * Configurations and frame headers of Opus, FLAC, AC-3, E-AC-3 and MP3. First
 * byte: which of them.
 */

#include <stdlib.h>

#include "lv_ac3.h"
#include "lv_flac.h"
#include "lv_mp3.h"
#include "lv_opus.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
must(bool cond)
{
    if (!cond) {
        abort();
    }
}


static void
opus(const uint8_t *p, size_t n)
{
    int          len;
    size_t       dops;
    uint8_t      out[LV_OPUS_HEAD_MAX], silence[LV_OPUS_SILENCE_MAX];
    uint32_t     samples;
    lv_opus_t    o;
    const char  *err;

    samples = lv_opus_samples(p, n);
    must(samples <= LV_OPUS_SAMPLES_MAX && samples % 120 == 0);

    if (lv_opus_head_parse(&o, p, n, &err) != LV_OK) {
        must(err[0] != '\0');
        return;
    }

    dops = lv_opus_dops(&o, out);
    must(dops <= sizeof(out) && out[1] == o.channels);

    len = lv_opus_silence(silence, out, dops, n % 49 * 120);

    if (len > 0) {
        must((size_t) len <= sizeof(silence));
        must(lv_opus_samples(silence, (size_t) len) == n % 49 * 120);
    }
}


static void
flac(const uint8_t *p, size_t n)
{
    uint8_t      out[LV_FLAC_DFLA];
    lv_flac_t    f, again;
    const char  *err;

    must(lv_flac_samples(p, n) <= LV_FLAC_SAMPLES_MAX);

    if (lv_flac_info_parse(&f, p, n, &err) != LV_OK) {
        must(err[0] != '\0');
        return;
    }

    must(f.sample_rate >= 1000 && f.channels && f.block_max);

    lv_flac_dfla(&f, out);
    must(lv_flac_info_parse(&again, out + 4, sizeof(out) - 4, &err) == LV_OK);
    must(memcmp(f.info, again.info, sizeof(f.info)) == 0);
}


static void
ac3(const uint8_t *p, size_t n)
{
    size_t    len;
    uint8_t   out[LV_AC3_CONFIG_MAX];
    lv_ac3_t  a;

    if (lv_ac3_parse(&a, p, n) != LV_OK) {
        return;
    }

    len = lv_ac3_config(&a, out);
    must(len == (a.enhanced ? 5 : 3));
    must(a.sample_rate >= 16000 && a.channels >= 1 && a.channels <= 6);
    must(a.samples >= 256 && a.samples <= 1536 && a.frame_len >= 2);
    must(lv_ac3_same(&a, &a));
}


static void
mp3(const uint8_t *p, size_t n)
{
    char      codec[12];
    lv_mp3_t  m;

    if (lv_mp3_parse(&m, p, n) != LV_OK) {
        return;
    }

    lv_mp3_codec_string(&m, codec);
    must(lv_mp3_is_config(m.config, sizeof(m.config)));
    must(m.sample_rate >= 8000 && m.channels && m.frame_len > LV_MP3_HEADER);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }

    switch (data[0] & 3) {
    case 0:
        opus(data + 1, size - 1);
        break;
    case 1:
        flac(data + 1, size - 1);
        break;
    case 2:
        ac3(data + 1, size - 1);
        break;
    default:
        mp3(data + 1, size - 1);
    }

    return 0;
}

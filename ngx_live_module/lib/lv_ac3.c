#include "lv_ac3.h"
#include "lv_bits.h"

static const uint32_t  lv_ac3_rates[] = { 48000, 44100, 32000 };


static int
lv_ac3_core(lv_ac3_t *a, lv_bits_t *b)
{
    unsigned  code;

    /* Table 4.13 */
    static const uint16_t  kbps[] = {
        32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384,
        448, 512, 576, 640
    };

    lv_bits_skip(b, 16);                     /* crc1 */
    a->fscod = (uint8_t) lv_bits_get(b, 2);
    code = lv_bits_get(b, 6);
    lv_bits_skip(b, 5);
    a->bsmod = (uint8_t) lv_bits_get(b, 3);
    a->acmod = (uint8_t) lv_bits_get(b, 3);

    if (a->fscod == 3 || code >= 2 * sizeof(kbps) / sizeof(kbps[0])) {
        return LV_ERROR;
    }

    if ((a->acmod & 1) && a->acmod != 1) {
        lv_bits_skip(b, 2);
    }

    if (a->acmod & 4) {
        lv_bits_skip(b, 2);
    }

    if (a->acmod == 2) {
        lv_bits_skip(b, 2);
    }

    a->lfe = (uint8_t) lv_bits_get(b, 1);
    a->rate_code = (uint8_t) (code >> 1);
    a->kbps = kbps[code >> 1];
    a->sample_rate = lv_ac3_rates[a->fscod];
    a->samples = 1536;

    /* 1536 samples at that rate, in words of two bytes */
    a->frame_len = a->kbps * 96000 / a->sample_rate * 2;

    if (a->fscod == 1 && (code & 1)) {
        a->frame_len += 2;
    }

    return LV_OK;
}


static int
lv_ac3_enhanced(lv_ac3_t *a, lv_bits_t *b)
{
    unsigned  blocks, half;

    static const uint8_t  counts[] = { 1, 2, 3, 6 };

    a->enhanced = true;
    a->stream_type = (uint8_t) lv_bits_get(b, 2);
    a->substream = (uint8_t) lv_bits_get(b, 3);
    a->frame_len = (lv_bits_get(b, 11) + 1) * 2;
    a->fscod = (uint8_t) lv_bits_get(b, 2);

    if (a->stream_type == 3) {
        return LV_ERROR;
    }

    if (a->fscod == 3) {
        half = lv_bits_get(b, 2);
        blocks = 6;

        if (half == 3) {
            return LV_ERROR;
        }

        a->sample_rate = lv_ac3_rates[half] / 2;

    } else {
        blocks = counts[lv_bits_get(b, 2)];
        a->sample_rate = lv_ac3_rates[a->fscod];
    }

    a->acmod = (uint8_t) lv_bits_get(b, 3);
    a->lfe = (uint8_t) lv_bits_get(b, 1);
    a->samples = blocks * 256;
    a->kbps = a->frame_len * 8 * (a->sample_rate / 100)
              / (a->samples * 10);

    return LV_OK;
}


int
lv_ac3_parse(lv_ac3_t *a, const uint8_t *p, size_t len)
{
    int        rc;
    lv_bits_t  b;

    /* Table 4.3 */
    static const uint8_t  channels[] = { 2, 1, 2, 3, 3, 4, 4, 5 };

    memset(a, 0, sizeof(lv_ac3_t));

    if (len < LV_AC3_HEADER || lv_be16(p) != 0x0b77) {
        return LV_ERROR;
    }

    a->bsid = p[5] >> 3;
    lv_bits_init(&b, p + 2, len - 2);

    if (a->bsid <= 8) {
        rc = lv_ac3_core(a, &b);

    } else if (a->bsid > 10 && a->bsid <= 16) {
        rc = lv_ac3_enhanced(a, &b);

    } else {
        rc = LV_ERROR;
    }

    a->channels = channels[a->acmod] + (uint32_t) a->lfe;

    return rc;
}


size_t
lv_ac3_config(const lv_ac3_t *a, uint8_t out[LV_AC3_CONFIG_MAX])
{
    uint32_t  v;

    if (!a->enhanced) {
        v = (uint32_t) a->fscod << 22 | (uint32_t) a->bsid << 17
            | (uint32_t) a->bsmod << 14 | (uint32_t) a->acmod << 11
            | (uint32_t) a->lfe << 10 | (uint32_t) a->rate_code << 5;
        lv_put24(out, v);
        return 3;
    }

    lv_put16(out, (uint16_t) ((a->kbps & 0x1fff) << 3));

    v = (uint32_t) a->fscod << 22 | (uint32_t) a->bsid << 17
        | (uint32_t) a->bsmod << 12 | (uint32_t) a->acmod << 9
        | (uint32_t) a->lfe << 8;
    lv_put24(out + 2, v);

    return 5;
}


bool
lv_ac3_same(const lv_ac3_t *a, const lv_ac3_t *b)
{
    return a->enhanced == b->enhanced && a->bsid == b->bsid
           && a->bsmod == b->bsmod && a->acmod == b->acmod
           && a->lfe == b->lfe && a->sample_rate == b->sample_rate;
}

#include "lv_flac.h"
#include "lv_bits.h"


static int
lv_flac_info(lv_flac_t *f, const uint8_t *p, const char **err)
{
    lv_bits_t  b;

    memcpy(f->info, p, LV_FLAC_INFO);
    lv_bits_init(&b, p, LV_FLAC_INFO);

    f->block_min = (uint16_t) lv_bits_get(&b, 16);
    f->block_max = (uint16_t) lv_bits_get(&b, 16);
    lv_bits_skip(&b, 24 + 24);               /* frame sizes */
    f->sample_rate = lv_bits_get(&b, 20);
    f->channels = (uint8_t) (lv_bits_get(&b, 3) + 1);
    f->bits = (uint8_t) (lv_bits_get(&b, 5) + 1);

    if (f->sample_rate < 1000 || f->bits < 4 || f->block_min < 16
        || f->block_max < f->block_min)
    {
        *err = "FLAC header is damaged";
        return LV_ERROR;
    }

    if (f->block_max > LV_FLAC_SAMPLES_MAX) {
        *err = "FLAC frames are too long";
        return LV_ERROR;
    }

    /* frame sizes, the number of samples and their MD5: unknown */
    memset(f->info + 4, 0, 6);
    f->info[13] &= 0xf0;
    memset(f->info + 14, 0, LV_FLAC_INFO - 14);

    return LV_OK;
}


int
lv_flac_info_parse(lv_flac_t *f, const uint8_t *p, size_t len,
    const char **err)
{
    memset(f, 0, sizeof(lv_flac_t));

    if (len >= 4 && memcmp(p, "fLaC", 4) == 0) {
        p += 4;
        len -= 4;
    }

    if (len == LV_FLAC_INFO) {
        return lv_flac_info(f, p, err);
    }

    /* it is always the first block, of type 0 */

    if (len < 4 + LV_FLAC_INFO || (p[0] & 0x7f) != 0
        || lv_be24(p + 1) != LV_FLAC_INFO)
    {
        *err = "FLAC header is damaged";
        return LV_ERROR;
    }

    return lv_flac_info(f, p + 4, err);
}


void
lv_flac_dfla(const lv_flac_t *f, uint8_t out[LV_FLAC_DFLA])
{
    lv_put32(out, 0);
    lv_put32(out + 4, 0x80000000u | LV_FLAC_INFO);   /* the last block */
    memcpy(out + 8, f->info, LV_FLAC_INFO);
}


uint32_t
lv_flac_samples(const uint8_t *p, size_t len)
{
    size_t    at;
    uint8_t   lead;
    unsigned  code;
    uint32_t  n;

    if (len < 6 || p[0] != 0xff || (p[1] & 0xfe) != 0xf8 || (p[3] & 1)) {
        return 0;
    }

    code = p[2] >> 4;

    switch (code) {

    case 0:
        return 0;

    case 1:
        return 192;

    case 2: case 3: case 4: case 5:
        return 576u << (code - 2);

    case 6:
    case 7:
        break;

    default:
        n = 256u << (code - 8);
        return n <= LV_FLAC_SAMPLES_MAX ? n : 0;
    }

    /* behind the coded number, whose first byte tells how long it is */

    lead = p[4];
    at = 5;

    if (lead & 0x80) {
        if (!(lead & 0x40) || lead == 0xff) {
            return 0;
        }

        for (lead = (uint8_t) (lead << 1); lead & 0x80;
             lead = (uint8_t) (lead << 1))
        {
            at++;
        }
    }

    if (at + (code == 6 ? 1 : 2) > len) {
        return 0;
    }

    n = (code == 6 ? p[at] : lv_be16(p + at)) + 1u;

    return n <= LV_FLAC_SAMPLES_MAX ? n : 0;
}

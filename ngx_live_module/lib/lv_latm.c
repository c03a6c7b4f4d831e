#include "lv_latm.h"
#include "lv_bits.h"

#define LV_LOAS_SYNC  0x2b7


int
lv_loas_len(const uint8_t *p, size_t n)
{
    if (n < LV_LOAS_HEADER || (lv_be16(p) >> 5) != LV_LOAS_SYNC) {
        return LV_ERROR;
    }

    return LV_LOAS_HEADER + (int) (lv_be24(p) & 0x1fff);
}


static void
lv_latm_copy(lv_bits_t *b, uint8_t *out, size_t bits)
{
    size_t    i;
    unsigned  n;

    if ((b->pos & 7) == 0 && (bits & 7) == 0) {
        memcpy(out, b->p + (b->pos >> 3), bits >> 3);
        lv_bits_skip(b, bits);
        return;
    }

    for (i = 0; bits; i++, bits -= n) {
        n = bits < 8 ? (unsigned) bits : 8;
        out[i] = (uint8_t) (lv_bits_get(b, n) << (8 - n));
    }
}


/* LatmGetValue(): how many bytes, then those. */
static uint32_t
lv_latm_value(lv_bits_t *b)
{
    unsigned  bytes;

    bytes = lv_bits_get(b, 2) + 1;

    return lv_bits_get(b, bytes * 8);
}


/* AudioSpecificConfig(): its length stands in front of it, or has to be found
 * by reading it. */
static int
lv_latm_asc(lv_latm_t *l, lv_bits_t *b, bool version, const char **err)
{
    size_t    bits, have;
    uint8_t   asc[LV_AAC_CONFIG_MAX];
    lv_aac_t  aac;
    lv_bits_t look;

    memset(asc, 0, sizeof(asc));

    if (version) {
        bits = lv_latm_value(b);

        if (b->over || bits > lv_bits_left(b)) {
            *err = "LATM configuration is truncated";
            return LV_ERROR;
        }

    } else {
        look = *b;
        have = lv_bits_left(b);
        have = have < sizeof(asc) * 8 ? have : sizeof(asc) * 8;
        lv_latm_copy(&look, asc, have);

        if (lv_aac_config_bits(&aac, asc, (have + 7) / 8, &bits, err)
            != LV_OK)
        {
            return LV_ERROR;
        }

        if (bits > have) {
            *err = "LATM configuration is truncated";
            return LV_ERROR;
        }
    }

    if (bits == 0 || bits > sizeof(asc) * 8) {
        *err = "LATM configuration is too long";
        return LV_ERROR;
    }

    memset(asc, 0, sizeof(asc));
    lv_latm_copy(b, asc, bits);
    l->config_len = (uint8_t) ((bits + 7) / 8);
    memcpy(l->config, asc, sizeof(asc));

    return LV_OK;
}


/* StreamMuxConfig(), table 1.42. */
static int
lv_latm_config(lv_latm_t *l, lv_bits_t *b, const char **err)
{
    bool  version, more;

    version = lv_bits_get(b, 1);

    if (version && lv_bits_get(b, 1)) {
        *err = "LATM of version A is not supported";
        return LV_ERROR;
    }

    if (version) {
        (void) lv_latm_value(b);             /* taraBufferFullness */
    }

    if (!lv_bits_get(b, 1)) {                /* allStreamsSameTimeFraming */
        *err = "LATM with several time framings is not supported";
        return LV_ERROR;
    }

    l->frames = (uint8_t) (lv_bits_get(b, 6) + 1);

    if (lv_bits_get(b, 4) || lv_bits_get(b, 3)) {
        *err = "LATM with several programs or layers is not supported";
        return LV_ERROR;
    }

    if (l->frames > LV_LATM_FRAMES) {
        *err = "LATM with so many frames in one is not supported";
        return LV_ERROR;
    }

    if (lv_latm_asc(l, b, version, err) != LV_OK) {
        return LV_ERROR;
    }

    if (lv_bits_get(b, 3)) {                 /* frameLengthType */
        *err = "LATM frames of a fixed length are not supported";
        return LV_ERROR;
    }

    lv_bits_skip(b, 8);                      /* latmBufferFullness */
    l->other = lv_bits_get(b, 1);
    l->other_bits = 0;

    if (l->other && version) {
        l->other_bits = lv_latm_value(b);

    } else if (l->other) {
        do {
            more = lv_bits_get(b, 1);
            l->other_bits = (l->other_bits << 8) | lv_bits_get(b, 8);
        } while (more && !b->over);
    }

    if (lv_bits_get(b, 1)) {
        lv_bits_skip(b, 8);                  /* CRC */
    }

    if (b->over) {
        *err = "LATM configuration is truncated";
        return LV_ERROR;
    }

    l->configured = true;

    return LV_OK;
}


int
lv_latm_read(lv_latm_t *l, const uint8_t *p, size_t n, uint8_t *out,
    uint16_t len[LV_LATM_FRAMES], const char **err)
{
    unsigned   i, ch;
    uint32_t   size;
    lv_bits_t  b;

    lv_bits_init(&b, p, n);

    if (!lv_bits_get(&b, 1)) {               /* useSameStreamMux */
        l->configured = false;

        if (lv_latm_config(l, &b, err) != LV_OK) {
            return LV_ERROR;
        }
    }

    if (!l->configured) {
        return LV_DECLINED;
    }

    for (i = 0; i < l->frames; i++) {
        size = 0;

        do {                                 /* PayloadLengthInfo() */
            ch = lv_bits_get(&b, 8);
            size += ch;
        } while (ch == 255 && !b.over);

        if (b.over || (size_t) size * 8 > lv_bits_left(&b)) {
            *err = "a LATM frame is truncated";
            return LV_ERROR;
        }

        lv_latm_copy(&b, out, (size_t) size * 8);
        out += size;
        len[i] = (uint16_t) size;
    }

    return (int) l->frames;
}

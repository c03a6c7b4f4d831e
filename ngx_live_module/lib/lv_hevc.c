#include <stdio.h>

#include "lv_hevc.h"
#include "lv_bits.h"

/* Level 6.2 allows 35651584 luma samples a picture and sides of at most
 * sqrt(8 * 35651584) of them (A.4.1). */
#define LV_HEVC_SIDE_MAX        16888
#define LV_HEVC_REF_SETS        64
#define LV_HEVC_DELTAS          16

/* Milli frames a second. */
#define LV_HEVC_RATE_MAX        1000000


/* profile_tier_level(1, layers - 1), 7.3.3 */
static void
lv_hevc_ptl(lv_hevc_sps_t *sps, lv_bits_t *b)
{
    bool      profile[8], level[8];
    unsigned  i;

    sps->profile_space = (uint8_t) lv_bits_get(b, 2);
    sps->tier = (uint8_t) lv_bits_get(b, 1);
    sps->profile = (uint8_t) lv_bits_get(b, 5);
    sps->compatibility = lv_bits_get(b, 32);

    for (i = 0; i < 6; i++) {
        sps->constraints[i] = (uint8_t) lv_bits_get(b, 8);
    }

    sps->level = (uint8_t) lv_bits_get(b, 8);

    for (i = 0; i + 1 < sps->layers; i++) {
        profile[i] = lv_bits_get(b, 1);
        level[i] = lv_bits_get(b, 1);
    }

    if (sps->layers > 1) {
        lv_bits_skip(b, (9u - sps->layers) * 2);
    }

    for (i = 0; i + 1 < sps->layers; i++) {
        lv_bits_skip(b, (profile[i] ? 88 : 0) + (level[i] ? 8 : 0));
    }
}


static int
lv_hevc_size(lv_hevc_sps_t *sps, lv_bits_t *b)
{
    bool      separate;
    uint32_t  left, right, top, bottom, unit_w, unit_h, chroma;

    chroma = lv_bits_ue(b);

    if (chroma > 3) {
        return LV_ERROR;
    }

    sps->chroma_format = (uint8_t) chroma;
    separate = chroma == 3 && lv_bits_get(b, 1);

    sps->coded_width = lv_bits_ue(b);
    sps->coded_height = lv_bits_ue(b);

    if (sps->coded_width == 0 || sps->coded_width > LV_HEVC_SIDE_MAX
        || sps->coded_height == 0 || sps->coded_height > LV_HEVC_SIDE_MAX)
    {
        return LV_ERROR;
    }

    sps->width = sps->coded_width;
    sps->height = sps->coded_height;

    if (lv_bits_get(b, 1) == 0) {            /* conformance window */
        return LV_OK;
    }

    left = lv_bits_ue(b);
    right = lv_bits_ue(b);
    top = lv_bits_ue(b);
    bottom = lv_bits_ue(b);

    /* SubWidthC, SubHeightC; separate planes count as mono */
    unit_w = !separate && (chroma == 1 || chroma == 2) ? 2 : 1;
    unit_h = !separate && chroma == 1 ? 2 : 1;

    if (((uint64_t) left + right) * unit_w >= sps->width
        || ((uint64_t) top + bottom) * unit_h >= sps->height)
    {
        return LV_ERROR;
    }

    sps->width -= (left + right) * unit_w;
    sps->height -= (top + bottom) * unit_h;

    return LV_OK;
}


/* scaling_list_data(), 7.3.4 */
static void
lv_hevc_scaling_lists(lv_bits_t *b)
{
    unsigned  size, matrix, i, n;

    for (size = 0; size < 4; size++) {
        for (matrix = 0; matrix < 6; matrix += size == 3 ? 3 : 1) {

            if (lv_bits_get(b, 1) == 0) {
                lv_bits_ue(b);
                continue;
            }

            n = size == 0 ? 16 : 64;

            if (size > 1) {
                lv_bits_se(b);
            }

            for (i = 0; i < n && !b->over; i++) {
                lv_bits_se(b);
            }
        }
    }
}


/* st_ref_pic_set(), 7.3.7: all of them. */
static void
lv_hevc_ref_sets(lv_bits_t *b)
{
    unsigned  i, j, sets, deltas, made;

    sets = lv_bits_ue(b);
    deltas = 0;

    if (sets > LV_HEVC_REF_SETS) {
        b->over = true;
    }

    for (i = 0; i < sets && !b->over; i++) {

        if (i && lv_bits_get(b, 1)) {
            lv_bits_skip(b, 1);
            lv_bits_ue(b);

            for (j = 0, made = 0; j <= deltas; j++) {
                /* used_by_curr_pic, else use_delta */
                if (lv_bits_get(b, 1) || lv_bits_get(b, 1)) {
                    made++;
                }
            }

            deltas = made;

        } else {
            made = lv_bits_ue(b);
            deltas = lv_bits_ue(b);

            if (made > LV_HEVC_DELTAS || deltas > LV_HEVC_DELTAS) {
                b->over = true;
                return;
            }

            deltas += made;

            for (j = 0; j < deltas && !b->over; j++) {
                lv_bits_ue(b);
                lv_bits_skip(b, 1);
            }
        }

        if (deltas > LV_HEVC_DELTAS) {
            b->over = true;
        }
    }
}


/* From behind the bit depths to the VUI's flag. */
static void
lv_hevc_tools(const lv_hevc_sps_t *sps, lv_bits_t *b)
{
    unsigned  i, n, poc_bits;

    poc_bits = lv_bits_ue(b) + 4;

    if (poc_bits > 16) {
        b->over = true;
        return;
    }

    /* sub_layer_ordering_info_present_flag */
    n = lv_bits_get(b, 1) ? sps->layers : 1;

    for (i = 0; i < n * 3; i++) {
        lv_bits_ue(b);
    }

    for (i = 0; i < 6; i++) {                /* block sizes and depths */
        lv_bits_ue(b);
    }

    if (lv_bits_get(b, 1) && lv_bits_get(b, 1)) {
        lv_hevc_scaling_lists(b);
    }

    lv_bits_skip(b, 2);                      /* amp, sao */

    if (lv_bits_get(b, 1)) {                 /* pcm */
        lv_bits_skip(b, 8);
        lv_bits_ue(b);
        lv_bits_ue(b);
        lv_bits_skip(b, 1);
    }

    lv_hevc_ref_sets(b);

    if (lv_bits_get(b, 1)) {                 /* long term reference pictures */
        n = lv_bits_ue(b);

        if (n > 32) {
            b->over = true;
            return;
        }

        lv_bits_skip(b, n * (poc_bits + 1));
    }

    lv_bits_skip(b, 2);                      /* temporal mvp, smoothing */
}


static void
lv_hevc_sar(lv_hevc_sps_t *sps, lv_bits_t *b)
{
    uint32_t  idc, w, h;

    /* Table E.1 */
    static const uint8_t  sar[][2] = {
        { 1, 1 }, { 1, 1 }, { 12, 11 }, { 10, 11 }, { 16, 11 }, { 40, 33 },
        { 24, 11 }, { 20, 11 }, { 32, 11 }, { 80, 33 }, { 18, 11 },
        { 15, 11 }, { 64, 33 }, { 160, 99 }, { 4, 3 }, { 3, 2 }, { 2, 1 }
    };

    idc = lv_bits_get(b, 8);

    if (idc == 255) {
        w = lv_bits_get(b, 16);
        h = lv_bits_get(b, 16);

        if (w && h) {
            sps->sar_width = w;
            sps->sar_height = h;
        }

    } else if (idc < sizeof(sar) / sizeof(sar[0])) {
        sps->sar_width = sar[idc][0];
        sps->sar_height = sar[idc][1];
    }
}


/* The VUI is an extra: one that is damaged takes nothing away from the
 * picture's size. */
static void
lv_hevc_vui(lv_hevc_sps_t *sps, lv_bits_t *b)
{
    uint8_t   transfer;
    uint64_t  rate;
    uint32_t  units, scale;

    if (lv_bits_get(b, 1)) {
        lv_hevc_sar(sps, b);
    }

    if (lv_bits_get(b, 1)) {                 /* overscan */
        lv_bits_skip(b, 1);
    }

    if (lv_bits_get(b, 1)) {                 /* video signal type */
        lv_bits_skip(b, 4);

        if (lv_bits_get(b, 1)) {
            lv_bits_skip(b, 8);
            transfer = (uint8_t) lv_bits_get(b, 8);
            lv_bits_skip(b, 8);

            if (!b->over) {
                sps->transfer = transfer;
            }
        }
    }

    if (lv_bits_get(b, 1)) {                 /* chroma location */
        lv_bits_ue(b);
        lv_bits_ue(b);
    }

    lv_bits_skip(b, 3);                      /* neutral chroma, fields */

    if (lv_bits_get(b, 1)) {                 /* default display window */
        lv_bits_ue(b);
        lv_bits_ue(b);
        lv_bits_ue(b);
        lv_bits_ue(b);
    }

    if (lv_bits_get(b, 1) == 0) {            /* timing */
        return;
    }

    units = lv_bits_get(b, 32);
    scale = lv_bits_get(b, 32);

    if (b->over || units == 0) {
        return;
    }

    rate = ((uint64_t) scale * 1000 + units / 2) / units;

    if (rate >= 1000 && rate <= LV_HEVC_RATE_MAX) {
        sps->rate_milli = (uint32_t) rate;
    }
}


/* Up to the bit depths: what nothing can be done without. */
static int
lv_hevc_sps_head(lv_hevc_sps_t *sps, lv_bits_t *b)
{
    uint32_t  id, luma, chroma;

    sps->vps_id = (uint8_t) lv_bits_get(b, 4);
    sps->layers = (uint8_t) (lv_bits_get(b, 3) + 1);
    sps->nested = lv_bits_get(b, 1);

    if (sps->layers > 7) {
        return LV_ERROR;
    }

    lv_hevc_ptl(sps, b);
    id = lv_bits_ue(b);

    if (id > 15 || lv_hevc_size(sps, b) != LV_OK) {
        return LV_ERROR;
    }

    luma = lv_bits_ue(b);
    chroma = lv_bits_ue(b);

    if (b->over || luma > 8 || chroma > 8) {
        return LV_ERROR;
    }

    sps->id = (uint8_t) id;
    sps->luma_bits = (uint8_t) (luma + 8);
    sps->chroma_bits = (uint8_t) (chroma + 8);

    return LV_OK;
}


int
lv_hevc_sps_parse(lv_hevc_sps_t *sps, const uint8_t *nal, size_t len)
{
    size_t     n;
    uint8_t    raw[LV_NAL_SET_MAX];
    uint64_t   wide;
    lv_bits_t  b;

    if (len < 8 || (nal[0] & 0x81) || lv_hevc_type(nal[0]) != LV_HEVC_SPS
        || (nal[1] & 0xf8))
    {
        return LV_ERROR;
    }

    memset(sps, 0, sizeof(lv_hevc_sps_t));
    sps->sar_width = 1;
    sps->sar_height = 1;
    sps->transfer = 2;

    n = lv_bits_unescape(raw, sizeof(raw), nal + LV_HEVC_HEADER,
                         len - LV_HEVC_HEADER);
    lv_bits_init(&b, raw, n);

    if (lv_hevc_sps_head(sps, &b) != LV_OK) {
        return LV_ERROR;
    }

    lv_hevc_tools(sps, &b);

    if (b.over) {
        return LV_ERROR;
    }

    if (lv_bits_get(&b, 1)) {
        lv_hevc_vui(sps, &b);
    }

    wide = ((uint64_t) sps->width * sps->sar_width + sps->sar_height / 2)
           / sps->sar_height;

    /* a sample aspect ratio that makes it grotesque is a mistake */
    if (wide == 0 || wide > (uint64_t) sps->width * 8) {
        wide = sps->width;
    }

    sps->display_width = (uint32_t) wide;

    return LV_OK;
}


int
lv_hevc_set_id(const uint8_t *nal, size_t len)
{
    size_t         n;
    uint8_t        raw[LV_NAL_SET_MAX];
    uint32_t       id;
    lv_bits_t      b;
    lv_hevc_sps_t  sps;

    if (len <= LV_HEVC_HEADER || (nal[0] & 0x81) || (nal[1] & 0xf8)) {
        return LV_ERROR;
    }

    switch (lv_hevc_type(nal[0])) {

    case LV_HEVC_VPS:
        return nal[2] >> 4;

    case LV_HEVC_SPS:
        return lv_hevc_sps_parse(&sps, nal, len) == LV_OK ? sps.id : LV_ERROR;

    case LV_HEVC_PPS:
        n = lv_bits_unescape(raw, 16, nal + LV_HEVC_HEADER,
                             len - LV_HEVC_HEADER);
        lv_bits_init(&b, raw, n);
        id = lv_bits_ue(&b);
        return b.over || id > 63 ? LV_ERROR : (int) id;

    default:
        return LV_ERROR;
    }
}


void
lv_hevc_codec_string(const lv_hevc_sps_t *sps, char *out)
{
    int       n;
    unsigned  i, last;
    uint32_t  bits;

    /* the flags in reverse order, flag 0 lowest */
    for (i = 0, bits = 0; i < 32; i++) {
        bits |= (sps->compatibility >> i & 1) << (31 - i);
    }

    n = snprintf(out, LV_HEVC_CODEC_LEN, "hvc1.%s%u.%X.%c%u",
                 sps->profile_space == 1 ? "A" : sps->profile_space == 2 ? "B"
                 : sps->profile_space == 3 ? "C" : "",
                 sps->profile, bits, sps->tier ? 'H' : 'L', sps->level);

    for (last = 6; last > 0 && sps->constraints[last - 1] == 0; last--) {
        /* void */
    }

    for (i = 0; i < last && n + 4 <= LV_HEVC_CODEC_LEN; i++) {
        n += snprintf(out + n, LV_HEVC_CODEC_LEN - (size_t) n, ".%02X",
                      sps->constraints[i]);
    }
}

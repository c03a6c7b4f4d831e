#include <stdio.h>

#include "lv_avc.h"
#include "lv_bits.h"

/* Level 6.2 allows 139264 macroblocks a frame and sides of at most
 * sqrt(8 * 139264) = 1055 of them. */
#define LV_AVC_MBS_MAX   1055

/* Milli frames a second. Without fixed_frame_rate_flag (FFmpeg's encoders never
 * set it) the tick may be the clock's and not a frame's, e.g. 1 ms. */
#define LV_AVC_RATE_MAX       1000000
#define LV_AVC_RATE_MAX_LOOSE  240000


/* Profiles whose SPS (and avcC) carry the chroma format. */
bool
lv_avc_profile_is_high(unsigned profile)
{
    switch (profile) {
    case 44: case 83: case 86: case 100: case 110: case 118: case 122:
    case 128: case 134: case 135: case 138: case 139: case 244:
        return true;
    default:
        return false;
    }
}


bool
lv_avc_profile_is_avc(unsigned profile)
{
    return profile == 66 || profile == 77 || profile == 88
           || lv_avc_profile_is_high(profile);
}


static void
lv_avc_skip_scaling_list(lv_bits_t *b, unsigned size)
{
    int32_t   last, next;
    unsigned  i;

    last = 8;
    next = 8;

    for (i = 0; i < size && !b->over; i++) {
        if (next != 0) {
            next = (int32_t) (((uint32_t) last + (uint32_t) lv_bits_se(b))
                              & 0xff);
        }

        if (next != 0) {
            last = next;
        }
    }
}


static void
lv_avc_sps_high(lv_avc_sps_t *sps, lv_bits_t *b, bool *separate)
{
    unsigned  i, lists;

    sps->chroma_format = (uint8_t) lv_bits_ue(b);

    if (sps->chroma_format > 3) {
        b->over = true;
        return;
    }

    if (sps->chroma_format == 3) {
        *separate = lv_bits_get(b, 1);
    }

    sps->luma_bits = (uint8_t) (8 + (lv_bits_ue(b) & 0x3f));
    sps->chroma_bits = (uint8_t) (8 + (lv_bits_ue(b) & 0x3f));

    if (sps->luma_bits > 14 || sps->chroma_bits > 14) {
        b->over = true;
        return;
    }

    lv_bits_skip(b, 1);                      /* transform bypass */

    if (lv_bits_get(b, 1)) {                 /* scaling matrix */
        lists = sps->chroma_format == 3 ? 12 : 8;

        for (i = 0; i < lists && !b->over; i++) {
            if (lv_bits_get(b, 1)) {
                lv_avc_skip_scaling_list(b, i < 6 ? 16 : 64);
            }
        }
    }
}


static void
lv_avc_sps_order_count(lv_bits_t *b)
{
    uint32_t  i, n;

    switch (lv_bits_ue(b)) {

    case 0:
        lv_bits_ue(b);
        return;

    case 1:
        lv_bits_skip(b, 1);
        lv_bits_se(b);
        lv_bits_se(b);
        n = lv_bits_ue(b);

        if (n > 255) {
            b->over = true;
            return;
        }

        for (i = 0; i < n && !b->over; i++) {
            lv_bits_se(b);
        }

        return;

    case 2:
        return;

    default:
        b->over = true;
    }
}


static void
lv_avc_sps_sar(lv_avc_sps_t *sps, lv_bits_t *b)
{
    uint32_t  idc, w, h;

    /* Table E-1 */
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
 * picture's size, so that errors in here are not the SPS's. */
static void
lv_avc_sps_vui(lv_avc_sps_t *sps, lv_bits_t *b)
{
    bool      fixed;
    uint64_t  rate;
    uint32_t  units, scale;

    if (lv_bits_get(b, 1)) {
        lv_avc_sps_sar(sps, b);
    }

    if (lv_bits_get(b, 1)) {                 /* overscan */
        lv_bits_skip(b, 1);
    }

    if (lv_bits_get(b, 1)) {                 /* video signal type */
        lv_bits_skip(b, 4);
        if (lv_bits_get(b, 1)) {
            lv_bits_skip(b, 24);
        }
    }

    if (lv_bits_get(b, 1)) {                 /* chroma location */
        lv_bits_ue(b);
        lv_bits_ue(b);
    }

    if (lv_bits_get(b, 1) == 0) {            /* timing */
        return;
    }

    units = lv_bits_get(b, 32);
    scale = lv_bits_get(b, 32);

    fixed = lv_bits_get(b, 1);

    if (b->over || units == 0) {
        return;
    }

    /* a tick is a field: two make a frame */
    rate = ((uint64_t) scale * 1000 + units) / ((uint64_t) units * 2);

    if (rate >= 1000
        && rate <= (fixed ? LV_AVC_RATE_MAX : LV_AVC_RATE_MAX_LOOSE))
    {
        sps->rate_milli = (uint32_t) rate;
    }
}


static int
lv_avc_sps_size(lv_avc_sps_t *sps, lv_bits_t *b, bool separate)
{
    uint32_t  mbs_w, mbs_h, left, right, top, bottom, unit_w, unit_h;

    mbs_w = lv_bits_ue(b);
    mbs_h = lv_bits_ue(b);

    if (mbs_w >= LV_AVC_MBS_MAX || mbs_h >= LV_AVC_MBS_MAX) {
        return LV_ERROR;
    }

    sps->interlaced = !lv_bits_get(b, 1);

    if (sps->interlaced) {
        lv_bits_skip(b, 1);                  /* adaptive frame/field */
    }

    lv_bits_skip(b, 1);                      /* direct 8x8 inference */

    sps->coded_width = (mbs_w + 1) * 16;
    sps->coded_height = (mbs_h + 1) * 16 * (sps->interlaced ? 2 : 1);
    sps->width = sps->coded_width;
    sps->height = sps->coded_height;

    if (lv_bits_get(b, 1) == 0) {
        return LV_OK;
    }

    left = lv_bits_ue(b);
    right = lv_bits_ue(b);
    top = lv_bits_ue(b);
    bottom = lv_bits_ue(b);

    /* 7.4.2.1.1: CropUnitX, CropUnitY; separate planes count as mono */
    unit_w = 1;
    unit_h = sps->interlaced ? 2 : 1;

    if (!separate && (sps->chroma_format == 1 || sps->chroma_format == 2)) {
        unit_w = 2;
    }

    if (!separate && sps->chroma_format == 1) {
        unit_h *= 2;
    }

    if (((uint64_t) left + right) * unit_w >= sps->width
        || ((uint64_t) top + bottom) * unit_h >= sps->height)
    {
        return LV_ERROR;
    }

    sps->width -= (left + right) * unit_w;
    sps->height -= (top + bottom) * unit_h;

    return LV_OK;
}


int
lv_avc_sps_parse(lv_avc_sps_t *sps, const uint8_t *nal, size_t len)
{
    bool       separate;
    size_t     n;
    uint8_t    raw[LV_AVC_SET_MAX];
    uint32_t   id, ref;
    uint64_t   wide;
    lv_bits_t  b;

    if (len < 5 || (nal[0] & 0x9f) != LV_NAL_SPS) {
        return LV_ERROR;
    }

    memset(sps, 0, sizeof(lv_avc_sps_t));

    n = lv_bits_unescape(raw, sizeof(raw), nal + 1, len - 1);
    lv_bits_init(&b, raw, n);

    sps->profile = (uint8_t) lv_bits_get(&b, 8);
    sps->constraints = (uint8_t) lv_bits_get(&b, 8);
    sps->level = (uint8_t) lv_bits_get(&b, 8);
    sps->chroma_format = 1;
    sps->luma_bits = 8;
    sps->chroma_bits = 8;
    sps->sar_width = 1;
    sps->sar_height = 1;
    separate = false;

    id = lv_bits_ue(&b);

    if (id > 31) {
        return LV_ERROR;
    }

    sps->id = (uint8_t) id;

    if (lv_avc_profile_is_high(sps->profile)) {
        lv_avc_sps_high(sps, &b, &separate);
    }

    if (lv_bits_ue(&b) > 12) {               /* log2_max_frame_num */
        return LV_ERROR;
    }

    lv_avc_sps_order_count(&b);
    ref = lv_bits_ue(&b);                    /* max_num_ref_frames */
    lv_bits_skip(&b, 1);                     /* gaps in frame_num */

    if (b.over || ref > 16
        || lv_avc_sps_size(sps, &b, separate) != LV_OK || b.over)
    {
        return LV_ERROR;
    }

    if (lv_bits_get(&b, 1)) {
        lv_avc_sps_vui(sps, &b);
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
lv_avc_set_id(const uint8_t *nal, size_t len)
{
    size_t     n;
    uint8_t    raw[16];
    uint32_t   id;
    unsigned   type;
    lv_bits_t  b;

    if (len < 2 || (nal[0] & 0x80)) {
        return LV_ERROR;
    }

    type = nal[0] & 0x1f;

    if (type != LV_NAL_SPS && type != LV_NAL_PPS) {
        return LV_ERROR;
    }

    n = lv_bits_unescape(raw, sizeof(raw), nal + 1, len - 1);
    lv_bits_init(&b, raw, n);

    if (type == LV_NAL_SPS) {
        lv_bits_skip(&b, 24);
    }

    id = lv_bits_ue(&b);

    if (b.over || id > (type == LV_NAL_SPS ? 31u : 255u)) {
        return LV_ERROR;
    }

    return (int) id;
}


void
lv_avc_codec_string(const lv_avc_sps_t *sps, char *out)
{
    snprintf(out, 12, "avc1.%02X%02X%02X", sps->profile, sps->constraints,
             sps->level);
}

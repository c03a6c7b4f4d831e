#include <stdio.h>

#include "lv_aac.h"
#include "lv_bits.h"

#define LV_AAC_SYNC_SBR  0x2b7
#define LV_AAC_SYNC_PS   0x548

/* 14496-3 table 1.18; 13 and 14 are reserved, 15 means: 24 bits follow */
static const uint32_t  lv_aac_rates[16] = {
    96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050,
    16000, 12000, 11025, 8000, 7350, 0, 0, 0
};

/* table 1.19 with the additions for 7.1 and 22.2; 0: a PCE says, or reserved */
static const uint8_t  lv_aac_channels[16] = {
    0, 1, 2, 3, 4, 5, 6, 8, 0, 0, 0, 7, 8, 24, 8, 0
};


static unsigned
lv_aac_object_type(lv_bits_t *b)
{
    unsigned  type;

    type = lv_bits_get(b, 5);

    if (type == 31) {
        type = 32 + lv_bits_get(b, 6);
    }

    return type;
}


static uint32_t
lv_aac_rate(lv_bits_t *b)
{
    unsigned  index;

    index = lv_bits_get(b, 4);

    return index == 15 ? lv_bits_get(b, 24) : lv_aac_rates[index];
}


/* program_config_element(), table 4.2: how many channels it has. */
static uint32_t
lv_aac_pce(lv_bits_t *b)
{
    uint32_t  channels;
    unsigned  i, front, side, back, lfe, data, cc;

    lv_bits_skip(b, 4 + 2 + 4);
    front = lv_bits_get(b, 4);
    side = lv_bits_get(b, 4);
    back = lv_bits_get(b, 4);
    lfe = lv_bits_get(b, 2);
    data = lv_bits_get(b, 3);
    cc = lv_bits_get(b, 4);

    if (lv_bits_get(b, 1)) {                 /* mono mixdown */
        lv_bits_skip(b, 4);
    }

    if (lv_bits_get(b, 1)) {                 /* stereo mixdown */
        lv_bits_skip(b, 4);
    }

    if (lv_bits_get(b, 1)) {                 /* matrix mixdown */
        lv_bits_skip(b, 3);
    }

    channels = lfe;

    for (i = 0; i < front + side + back; i++) {
        channels += lv_bits_get(b, 1) ? 2 : 1;
        lv_bits_skip(b, 4);
    }

    lv_bits_skip(b, lfe * 4 + data * 4 + cc * 5);
    lv_bits_skip(b, (8 - (b->pos & 7)) & 7);
    lv_bits_skip(b, lv_bits_get(b, 8) * 8);

    return channels;
}


/* GASpecificConfig(), table 4.1. */
static int
lv_aac_general(lv_aac_t *a, lv_bits_t *b)
{
    bool  extension;

    a->frame_samples = lv_bits_get(b, 1) ? 960 : 1024;

    if (a->object_type == LV_AOT_ER_LD) {
        a->frame_samples /= 2;
    }

    if (lv_bits_get(b, 1)) {                 /* depends on core coder */
        lv_bits_skip(b, 14);
    }

    extension = lv_bits_get(b, 1);

    if (a->channel_config == 0) {
        a->channels = lv_aac_pce(b);
    }

    if (a->object_type == 6 || a->object_type == 20) {
        lv_bits_skip(b, 3);                  /* layerNr */
    }

    if (extension) {
        if (a->object_type == 22) {
            lv_bits_skip(b, 16);
        }

        if (a->object_type == 17 || a->object_type == 19
            || a->object_type == 20 || a->object_type == LV_AOT_ER_LD)
        {
            lv_bits_skip(b, 3);
        }

        lv_bits_skip(b, 1);
    }

    return b->over ? LV_ERROR : LV_OK;
}


/* ELDSpecificConfig(), table 4.180, as far as the frame length. */
static int
lv_aac_eld(lv_aac_t *a, lv_bits_t *b)
{
    a->frame_samples = lv_bits_get(b, 1) ? 480 : 512;

    return b->over ? LV_ERROR : LV_OK;
}


/* SBR and PS said behind the core's configuration, where decoders that know
 * neither do not look (table 1.15, syncExtensionType). */
static void
lv_aac_sync_extension(lv_aac_t *a, lv_bits_t *b)
{
    uint32_t  rate;

    if (lv_bits_left(b) < 16 || lv_bits_get(b, 11) != LV_AAC_SYNC_SBR
        || lv_aac_object_type(b) != LV_AOT_SBR)
    {
        return;
    }

    if (lv_bits_get(b, 1) == 0) {
        return;
    }

    rate = lv_aac_rate(b);

    if (b->over || rate == 0) {
        return;
    }

    a->sbr = true;
    a->sample_rate = rate;

    if (lv_bits_left(b) >= 12 && lv_bits_get(b, 11) == LV_AAC_SYNC_PS) {
        a->ps = lv_bits_get(b, 1);
    }
}


static int
lv_aac_core(lv_aac_t *a, lv_bits_t *b, const char **err)
{
    int  rc;

    switch (a->object_type) {

    case 1: case 2: case 3: case 4: case 6: case 7:
    case 17: case 19: case 20: case 21: case 22: case 23:
        rc = lv_aac_general(a, b);
        break;

    case LV_AOT_ER_ELD:
        rc = lv_aac_eld(a, b);
        break;

    default:
        *err = "audio object type is not supported";
        return LV_ERROR;
    }

    if (rc != LV_OK) {
        *err = "AAC sequence header is truncated";
        return LV_ERROR;
    }

    return LV_OK;
}


int
lv_aac_config_bits(lv_aac_t *a, const uint8_t *p, size_t len, size_t *bits,
    const char **err)
{
    bool       ps;
    lv_bits_t  b;

    memset(a, 0, sizeof(lv_aac_t));
    lv_bits_init(&b, p, len);

    a->object_type = (uint8_t) lv_aac_object_type(&b);
    a->core_rate = lv_aac_rate(&b);
    a->sample_rate = a->core_rate;
    a->channel_config = (uint8_t) lv_bits_get(&b, 4);
    a->channels = lv_aac_channels[a->channel_config];

    ps = a->object_type == LV_AOT_PS;

    if (ps || a->object_type == LV_AOT_SBR) {
        a->sbr = true;
        a->ps = ps;
        a->sample_rate = lv_aac_rate(&b);
        a->object_type = (uint8_t) lv_aac_object_type(&b);

        if (a->object_type == 22) {
            lv_bits_skip(&b, 4);
        }
    }

    if (b.over) {
        *err = "AAC sequence header is truncated";
        return LV_ERROR;
    }

    if (lv_aac_core(a, &b, err) != LV_OK) {
        return LV_ERROR;
    }

    *bits = b.pos;

    if (!a->sbr && a->object_type == LV_AOT_LC) {
        lv_aac_sync_extension(a, &b);

        if (a->sbr) {
            *bits = b.pos;
        }
    }

    if (a->core_rate < 7000 || a->core_rate > 192000
        || (a->sample_rate != a->core_rate
            && a->sample_rate != 2 * a->core_rate))
    {
        *err = "AAC sequence header has an impossible sample rate";
        return LV_ERROR;
    }

    if (a->channels == 0 || a->channels > 24) {
        *err = "AAC sequence header has no usable channel configuration";
        return LV_ERROR;
    }

    if (a->sample_rate != a->core_rate) {
        a->frame_samples *= 2;
    }

    if (a->ps && a->channels == 1) {
        a->channels = 2;
    }

    return LV_OK;
}


int
lv_aac_config_parse(lv_aac_t *a, const uint8_t *p, size_t len,
    const char **err)
{
    size_t  bits;

    return lv_aac_config_bits(a, p, len, &bits, err);
}


void
lv_aac_codec_string(const lv_aac_t *a, char *out)
{
    unsigned  type;

    type = a->object_type;

    if (type == LV_AOT_LC && a->ps) {
        type = LV_AOT_PS;

    } else if (type == LV_AOT_LC && a->sbr) {
        type = LV_AOT_SBR;
    }

    snprintf(out, 12, "mp4a.40.%u", type);
}


int
lv_adts_parse(lv_adts_t *h, const uint8_t *p, size_t len)
{
    unsigned  type, rate, channels;

    /* 12 sync bits, then 2 bits of layer that are always 0 */
    if (len < LV_ADTS_MIN || p[0] != 0xff || (p[1] & 0xf6) != 0xf0) {
        return LV_DECLINED;
    }

    type = (p[2] >> 6) + 1;
    rate = (p[2] >> 2) & 0x0f;
    channels = ((p[2] & 1) << 2) | (p[3] >> 6);

    h->header_len = p[1] & 1 ? LV_ADTS_MIN : LV_ADTS_MAX;
    h->frame_len = ((p[3] & 3u) << 11) | ((uint32_t) p[4] << 3) | (p[5] >> 5);
    h->blocks = (p[6] & 3u) + 1;

    if (lv_aac_rates[rate] == 0 || channels == 0
        || h->frame_len < h->header_len)
    {
        return LV_DECLINED;
    }

    h->config[0] = (uint8_t) ((type << 3) | (rate >> 1));
    h->config[1] = (uint8_t) ((rate << 7) | (channels << 3));

    return LV_OK;
}

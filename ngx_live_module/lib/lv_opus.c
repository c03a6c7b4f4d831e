#include "lv_opus.h"

#define LV_OPUS_HEAD_MIN  19


static uint16_t
lv_opus_le16(const uint8_t *p)
{
    return (uint16_t) (p[0] | p[1] << 8);
}


int
lv_opus_head_parse(lv_opus_t *o, const uint8_t *p, size_t len,
    const char **err)
{
    unsigned  i;

    memset(o, 0, sizeof(lv_opus_t));

    if (len < LV_OPUS_HEAD_MIN || memcmp(p, "OpusHead", 8) != 0) {
        *err = "Opus header is damaged";
        return LV_ERROR;
    }

    if (p[8] & 0xf0) {
        *err = "Opus header is of an unknown version";
        return LV_ERROR;
    }

    o->channels = p[9];
    o->pre_skip = lv_opus_le16(p + 10);
    o->input_rate = (uint32_t) lv_opus_le16(p + 12)
                    | (uint32_t) lv_opus_le16(p + 14) << 16;
    o->gain = (int16_t) lv_opus_le16(p + 16);
    o->family = p[18];

    if (o->family > 1 || o->channels == 0
        || o->channels > (o->family ? LV_OPUS_CHANNELS : 2))
    {
        *err = "Opus channel mapping not supported";
        return LV_ERROR;
    }

    if (o->family == 0) {
        return LV_OK;
    }

    if (len < LV_OPUS_HEAD_MIN + 2u + o->channels) {
        *err = "Opus header is truncated";
        return LV_ERROR;
    }

    o->streams = p[19];
    o->coupled = p[20];
    memcpy(o->mapping, p + 21, o->channels);

    if (o->streams == 0 || o->coupled > o->streams) {
        *err = "Opus channel mapping is damaged";
        return LV_ERROR;
    }

    for (i = 0; i < o->channels; i++) {
        if (o->mapping[i] != 255
            && o->mapping[i] >= o->streams + o->coupled)
        {
            *err = "Opus channel mapping is damaged";
            return LV_ERROR;
        }
    }

    return LV_OK;
}


int
lv_opus_default(lv_opus_t *o, unsigned channels)
{
    /* RFC 7845 5.1.1.2: coupled streams first */
    static const struct {
        uint8_t  streams, coupled, mapping[LV_OPUS_CHANNELS];
    } orders[LV_OPUS_CHANNELS + 1] = {
        { 0, 0, { 0 } },
        { 1, 0, { 0 } },
        { 1, 1, { 0, 1 } },
        { 2, 1, { 0, 2, 1 } },
        { 2, 2, { 0, 1, 2, 3 } },
        { 3, 2, { 0, 4, 1, 2, 3 } },
        { 4, 2, { 0, 4, 1, 2, 3, 5 } },
        { 4, 3, { 0, 4, 1, 2, 3, 5, 6 } },
        { 5, 3, { 0, 6, 1, 2, 3, 4, 5, 7 } }
    };

    memset(o, 0, sizeof(lv_opus_t));

    if (channels == 0 || channels > LV_OPUS_CHANNELS) {
        return LV_ERROR;
    }

    o->channels = (uint8_t) channels;
    o->input_rate = LV_OPUS_RATE;
    o->family = channels > 2;
    o->streams = orders[channels].streams;
    o->coupled = orders[channels].coupled;
    memcpy(o->mapping, orders[channels].mapping, sizeof(o->mapping));

    return LV_OK;
}


size_t
lv_opus_dops(const lv_opus_t *o, uint8_t *out)
{
    uint8_t  *p;

    p = out;
    *p++ = 0;                                /* version */
    *p++ = o->channels;
    p = lv_put16(p, o->pre_skip);
    p = lv_put32(p, o->input_rate);
    p = lv_put16(p, (uint16_t) o->gain);
    *p++ = o->family;

    if (o->family) {
        *p++ = o->streams;
        *p++ = o->coupled;
        memcpy(p, o->mapping, o->channels);
        p += o->channels;
    }

    return (size_t) (p - out);
}


uint32_t
lv_opus_samples(const uint8_t *p, size_t len)
{
    unsigned  config, n;
    uint32_t  frame;

    if (len == 0) {
        return 0;
    }

    config = p[0] >> 3;

    if (config < 12) {                       /* SILK: 10, 20, 40, 60 ms */
        frame = (config & 3) == 3 ? 2880 : 480u << (config & 3);

    } else if (config < 16) {                /* hybrid: 10, 20 ms */
        frame = 480u << (config & 1);

    } else {                                 /* CELT: 2.5, 5, 10, 20 ms */
        frame = 120u << (config & 3);
    }

    switch (p[0] & 3) {
    case 0:
        n = 1;
        break;
    case 1:
    case 2:
        n = 2;
        break;
    default:
        n = len > 1 ? p[1] & 0x3f : 0;
    }

    return frame * n <= LV_OPUS_SAMPLES_MAX ? frame * n : 0;
}


/* CELT, full band. A frame that is all ones but for its last bit has the
 * silence flag (RFC 6716 4.3): that symbol is the range coder's least probable
 * one. */
int
lv_opus_silence(uint8_t *out, const uint8_t *dops, size_t len,
    uint32_t samples)
{
    unsigned  i, n, size;
    uint8_t  *p;

    if (len < 11 || dops[10] != 0 || samples == 0
        || samples > LV_OPUS_SAMPLES_MAX || samples % 120)
    {
        return LV_DECLINED;
    }

    for (size = 3; size > 0 && samples % (120u << size); size--) {
        /* the longest frame that divides it */
    }

    n = samples / (120u << size);
    p = out;

    if (n > 6) {
        return LV_DECLINED;
    }

    *p++ = (uint8_t) ((28 + size) << 3 | (dops[1] == 2 ? 4 : 0)
                      | (n > 1 ? 3 : 0));

    if (n > 1) {
        *p++ = (uint8_t) n;                  /* of equal length, no padding */
    }

    for (i = 0; i < n; i++) {
        *p++ = 0xff;
        *p++ = 0xfe;
    }

    return (int) (p - out);
}

#include "lv_mp3.h"
#include "lv_opus.h"
#include "lv_ts_int.h"


/* ---- AAC --------------------------------------------------------------- */

bool
lv_ts_audio_describe_aac(lv_ts_audio_head_t *h, const uint8_t *p, size_t n,
    const char **err)
{
    char      codecs[12];
    lv_aac_t  aac;

    if (n > sizeof(h->config)
        || lv_aac_config_parse(&aac, p, n, err) != LV_OK)
    {
        return false;
    }

    lv_aac_codec_string(&aac, codecs);
    memcpy(h->c.codecs, codecs, sizeof(codecs));
    memcpy(h->config, p, n);

    h->c.kind = LV_KIND_AUDIO;
    h->c.fourcc = LV_FOURCC('m', 'p', '4', 'a');
    h->c.sample_rate = aac.sample_rate;
    h->c.channels = aac.channels;
    h->c.frame_samples = aac.frame_samples;
    h->c.config_len = n;
    h->samples = aac.frame_samples;

    return true;
}


static int
lv_ts_head_adts(lv_ts_audio_head_t *h, const uint8_t *p, size_t n,
    const char **err)
{
    lv_adts_t  adts;

    if (n < LV_ADTS_MIN) {
        return LV_AGAIN;
    }

    if (lv_adts_parse(&adts, p, n) != LV_OK
        || adts.frame_len <= adts.header_len)
    {
        return LV_DECLINED;
    }

    if (!lv_ts_audio_describe_aac(h, adts.config, sizeof(adts.config), err)) {
        return LV_ERROR;
    }

    h->head = adts.header_len;
    h->len = adts.frame_len;

    if (adts.blocks > 1) {
        h->samples = 0;                      /* they cannot be told apart */
    }

    return LV_OK;
}


static int
lv_ts_head_loas(lv_ts_audio_head_t *h, const uint8_t *p, size_t n)
{
    int  len;

    if (n < LV_LOAS_HEADER) {
        return LV_AGAIN;
    }

    len = lv_loas_len(p, n);

    if (len <= LV_LOAS_HEADER) {
        return LV_DECLINED;
    }

    h->head = LV_LOAS_HEADER;
    h->len = (uint32_t) len;

    return LV_OK;
}


/* ---- MPEG audio -------------------------------------------------------- */

static int
lv_ts_head_mp3(lv_ts_audio_head_t *h, const uint8_t *p, size_t n,
    const char **err)
{
    char      codecs[12];
    lv_mp3_t  mp3;

    if (n < LV_MP3_HEADER) {
        return LV_AGAIN;
    }

    if (lv_mp3_parse(&mp3, p, n) != LV_OK) {

        /* the bits of the layer: 3 is I, 2 is II */
        if (p[0] == 0xff && (p[1] & 0xf0) == 0xf0 && (p[1] & 4)) {
            *err = p[1] & 2 ? "MPEG audio layer I" : "MPEG audio layer II";
            return LV_ERROR;
        }

        return LV_DECLINED;
    }

    lv_mp3_codec_string(&mp3, codecs);
    memcpy(h->c.codecs, codecs, sizeof(codecs));
    memcpy(h->config, mp3.config, sizeof(mp3.config));

    h->c.kind = LV_KIND_AUDIO;
    h->c.fourcc = LV_FOURCC('m', 'p', '4', 'a');
    h->c.sample_rate = mp3.sample_rate;
    h->c.channels = mp3.channels;
    h->c.frame_samples = mp3.samples;
    h->c.config_len = sizeof(mp3.config);
    h->samples = mp3.samples;
    h->len = mp3.frame_len;

    return LV_OK;
}


/* ---- AC-3, E-AC-3 ------------------------------------------------------ */

static int
lv_ts_head_ac3(lv_ts_audio_t *a, lv_ts_audio_head_t *h, const uint8_t *p,
    size_t n)
{
    lv_ac3_t  ac3;

    if (n < LV_AC3_HEADER) {
        return LV_AGAIN;
    }

    if (lv_ac3_parse(&ac3, p, n) != LV_OK || ac3.frame_len < LV_AC3_HEADER) {
        return LV_DECLINED;
    }

    h->len = ac3.frame_len;

    /* further substreams, and what only adds channels to the first */
    if (ac3.enhanced && (ac3.stream_type == 1 || ac3.substream)) {
        return LV_OK;
    }

    h->samples = ac3.samples;

    if (a->configured && lv_ac3_same(&a->ac3, &ac3)) {
        h->c = a->c;
        memcpy(h->config, a->config, sizeof(h->config));
        return LV_OK;
    }

    a->ac3 = ac3;

    memcpy(h->c.codecs, ac3.enhanced ? "ec-3" : "ac-3", 5);
    h->c.kind = LV_KIND_AUDIO;
    h->c.fourcc = ac3.enhanced ? LV_FOURCC('e', 'c', '-', '3')
                               : LV_FOURCC('a', 'c', '-', '3');
    h->c.sample_rate = ac3.sample_rate;
    h->c.channels = ac3.channels;
    h->c.frame_samples = ac3.samples;
    h->c.config_len = lv_ac3_config(&ac3, h->config);

    return LV_OK;
}


/* ---- Opus -------------------------------------------------------------- */

/*
 * opus_control_header(): 11 bits 0x3ff | start trim | end trim | extension |
 * 2 reserved | size of the packet, bytes of 255 and one that is less | 16 bits
 * for each trim | extension: its length and bytes.
 */
static int
lv_ts_head_opus_control(lv_ts_audio_head_t *h, const uint8_t *p, size_t n)
{
    size_t    at;
    uint32_t  size;

    if (n < 3) {
        return LV_AGAIN;
    }

    if ((lv_be16(p) >> 5) != 0x3ff) {
        return LV_DECLINED;
    }

    at = 2;
    size = 0;

    do {
        if (at == n) {
            return LV_AGAIN;
        }

        size += p[at];
    } while (p[at++] == 255);

    at += p[1] & 0x10 ? 2 : 0;
    at += p[1] & 0x08 ? 2 : 0;

    if (p[1] & 0x04) {
        if (at >= n) {
            return LV_AGAIN;
        }

        at += 1u + p[at];
    }

    h->head = (uint32_t) at;
    h->len = (uint32_t) at + size;

    return size ? LV_OK : LV_DECLINED;
}


static int
lv_ts_head_opus(const lv_ts_audio_t *a, lv_ts_audio_head_t *h,
    const uint8_t *p, size_t n, const char **err)
{
    int        rc;
    uint8_t    dops[LV_OPUS_HEAD_MAX];
    lv_opus_t  opus;

    rc = lv_ts_head_opus_control(h, p, n);

    if (rc != LV_OK) {
        return rc;
    }

    if (n < h->head + 2 && n < h->len) {
        return LV_AGAIN;
    }

    h->samples = lv_opus_samples(p + h->head, h->len - h->head);

    if (h->samples == 0) {
        return LV_DECLINED;
    }

    /* channel_config_code: 0 dual mono, 1 … 8 channels in Vorbis' order */
    if (lv_opus_default(&opus, a->channels ? a->channels : 2) != LV_OK) {
        *err = "Opus with such channels";
        return LV_ERROR;
    }

    memcpy(h->c.codecs, "opus", 5);
    h->c.kind = LV_KIND_AUDIO;
    h->c.fourcc = LV_FOURCC('O', 'p', 'u', 's');
    h->c.sample_rate = LV_OPUS_RATE;
    h->c.channels = opus.channels;
    h->c.frame_samples = h->samples;
    h->c.config_len = lv_opus_dops(&opus, dops);
    memcpy(h->config, dops, h->c.config_len);

    return LV_OK;
}


int
lv_ts_audio_head(lv_ts_audio_t *a, lv_ts_codec_t codec, lv_ts_audio_head_t *h,
    const uint8_t *p, size_t n, const char **err)
{
    memset(h, 0, sizeof(lv_ts_audio_head_t));

    switch (codec) {

    case LV_TS_AAC:
        return lv_ts_head_adts(h, p, n, err);

    case LV_TS_LATM:
        return lv_ts_head_loas(h, p, n);

    case LV_TS_MP3:
        return lv_ts_head_mp3(h, p, n, err);

    case LV_TS_AC3: case LV_TS_EAC3:
        return lv_ts_head_ac3(a, h, p, n);

    default:
        return lv_ts_head_opus(a, h, p, n, err);
    }
}

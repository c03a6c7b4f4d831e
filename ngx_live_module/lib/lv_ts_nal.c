#include "lv_ts_int.h"

/* What H.264 (ISO/IEC 14496-10 7.4.1.2.3) and HEVC (23008-2 7.4.2.4.4) say
 * about where an access unit begins, and what a unit is for. */


unsigned
lv_ts_nal_head(const lv_ts_video_t *v, uint8_t first)
{
    unsigned  type;

    if (v->hevc) {
        /* two bytes, and the flag of the first slice segment */
        return lv_hevc_type(first) <= LV_HEVC_VCL_LAST ? 3 : 2;
    }

    /* one byte, and first_mb_in_slice */
    type = first & 0x1f;

    return type >= LV_NAL_SLICE && type <= LV_NAL_IDR ? 2 : 1;
}


static void
lv_ts_nal_class_avc(lv_ts_nal_t *nal, const uint8_t *head, unsigned len)
{
    unsigned  type;

    type = head[0] & 0x1f;

    if ((head[0] & 0x80) || type == 0 || type > 23) {
        return;
    }

    /* 14 is left out: one stands in front of each slice where there are any */
    nal->starts = (type >= LV_NAL_SEI && type <= LV_NAL_AUD)
                  || (type >= 15 && type <= 18);

    switch (type) {

    case LV_NAL_SLICE: case LV_NAL_PARTITION_A: case LV_NAL_IDR:
        nal->slice = true;
        nal->first = len > 1 && (head[1] & 0x80);
        nal->starts = nal->first;
        nal->idr = type == LV_NAL_IDR;
        nal->refers = head[0] & 0x60;
        nal->to = LV_TS_TO_SAMPLE;
        return;

    case LV_NAL_SPS: case LV_NAL_PPS:
        nal->to = LV_TS_TO_SET;
        return;

    case LV_NAL_AUD: case LV_NAL_END_SEQUENCE: case LV_NAL_END_STREAM:
    case LV_NAL_FILLER:
        return;

    case LV_NAL_SEI:
        nal->sei = true;
        /* fall through */

    default:
        nal->to = LV_TS_TO_SAMPLE;
    }
}


static void
lv_ts_nal_class_hevc(lv_ts_nal_t *nal, const uint8_t *head, unsigned len)
{
    unsigned  type;

    type = lv_hevc_type(head[0]);

    /* of the base layer */
    if (len < LV_HEVC_HEADER || (head[0] & 0x81) || (head[1] & 0xf8)
        || (head[1] & 7) == 0)
    {
        return;
    }

    nal->starts = (type >= LV_HEVC_VPS && type <= LV_HEVC_AUD)
                  || type == LV_HEVC_SEI_PREFIX || (type >= 41 && type <= 44)
                  || (type >= 48 && type <= 55);

    if (type <= LV_HEVC_VCL_LAST) {
        nal->slice = true;
        nal->first = len > 2 && (head[2] & 0x80);
        nal->starts = nal->first;
        nal->idr = type == LV_HEVC_IDR_W_RADL || type == LV_HEVC_IDR_N_LP;
        nal->random = lv_hevc_is_key(type);
        nal->splice = type >= LV_HEVC_BLA && type < LV_HEVC_IDR_W_RADL;
        nal->leading = type == 8 || type == 9;           /* RASL_N, RASL_R */
        nal->refers = type >= 16 || (type & 1);          /* even: _N */
        nal->to = LV_TS_TO_SAMPLE;
        return;
    }

    switch (type) {

    case LV_HEVC_VPS: case LV_HEVC_SPS: case LV_HEVC_PPS:
        nal->to = LV_TS_TO_SET;
        return;

    case LV_HEVC_SEI_PREFIX: case LV_HEVC_SEI_SUFFIX:
        nal->sei = true;
        nal->to = LV_TS_TO_SAMPLE;
        return;
    }
}


void
lv_ts_nal_class(const lv_ts_video_t *v, lv_ts_nal_t *nal, const uint8_t *head,
    unsigned len)
{
    memset(nal, 0, sizeof(lv_ts_nal_t));

    if (v->hevc) {
        lv_ts_nal_class_hevc(nal, head, len);

    } else {
        lv_ts_nal_class_avc(nal, head, len);
    }
}


void
lv_ts_nal_sei(lv_ts_video_t *v, const uint8_t *nal, size_t len)
{
    size_t  head;

    head = v->hevc ? LV_HEVC_HEADER : 1;

    if (len <= head) {
        return;
    }

    nal += head;
    len -= head;

    if (!v->hevc && lv_sei_has(nal, len, LV_SEI_RECOVERY_POINT)) {
        v->recovery = true;
    }

    v->captions |= (uint8_t) lv_sei_captions(nal, len);
}


/* ---- configuration ----------------------------------------------------- */

bool
lv_ts_nal_set(lv_ts_video_t *v)
{
    int  rc;

    rc = v->hevc ? lv_hevc_config_set(&v->next, v->set, v->set_len)
                 : lv_avc_config_set(&v->next, v->set, v->set_len);

    if (rc == LV_OK) {
        v->sets_changed = true;
    }

    return rc != LV_ERROR;
}


const uint8_t *
lv_ts_nal_pps(const lv_ts_video_t *v, unsigned n, size_t *len)
{
    return v->hevc ? lv_hevc_config_get(&v->next, LV_HEVC_PPS, n, len)
                   : lv_avc_config_get(&v->next, LV_NAL_PPS, n, len);
}


static bool
lv_ts_nal_describe_avc(const lv_ts_video_t *v, lv_codec_config_t *c,
    bool *interlaced)
{
    size_t          len;
    lv_avc_sps_t    sps;
    const uint8_t  *nal;

    nal = lv_avc_config_get(&v->next, LV_NAL_SPS, 0, &len);

    if (!lv_avc_config_complete(&v->next)
        || lv_avc_sps_parse(&sps, nal, len) != LV_OK)
    {
        return false;
    }

    c->fourcc = LV_FOURCC('a', 'v', 'c', '1');
    c->width = sps.display_width;
    c->height = sps.height;
    c->rate_milli = sps.rate_milli;
    lv_avc_codec_string(&sps, c->codecs);
    *interlaced = sps.interlaced;

    return true;
}


static bool
lv_ts_nal_describe_hevc(const lv_ts_video_t *v, lv_codec_config_t *c)
{
    size_t          len;
    lv_hevc_sps_t   sps;
    const uint8_t  *nal;

    nal = lv_hevc_config_get(&v->next, LV_HEVC_SPS, 0, &len);

    if (!lv_hevc_config_complete(&v->next)
        || lv_hevc_sps_parse(&sps, nal, len) != LV_OK)
    {
        return false;
    }

    c->fourcc = LV_FOURCC('h', 'v', 'c', '1');
    c->width = sps.display_width;
    c->height = sps.height;
    c->rate_milli = sps.rate_milli;
    c->transfer = sps.transfer;
    lv_hevc_codec_string(&sps, c->codecs);

    return true;
}


bool
lv_ts_nal_configure(lv_ts_t *ts, lv_ts_stream_t *s)
{
    int                rc;
    bool               interlaced;
    lv_ts_video_t     *v;
    lv_codec_config_t  c;

    v = s->video;
    interlaced = false;

    if (v->configured && lv_nal_config_equal(&v->next, &v->config)) {
        return !v->refused;
    }

    memset(&c, 0, sizeof(c));
    c.kind = LV_KIND_VIDEO;
    c.config = v->next.data;
    c.config_len = v->next.len;

    if (!(v->hevc ? lv_ts_nal_describe_hevc(v, &c)
                  : lv_ts_nal_describe_avc(v, &c, &interlaced)))
    {
        return v->configured && !v->refused;
    }

    rc = lv_ts_sink_track(ts, s, &c);

    v->configured = true;
    v->refused = rc != LV_OK;
    v->config = v->next;
    v->rate_milli = c.rate_milli;
    v->interlaced = interlaced;
    v->sets_changed = false;

    return rc == LV_OK;
}

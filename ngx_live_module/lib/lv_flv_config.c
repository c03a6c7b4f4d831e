/* Video configurations: what a sequence header, or parameter sets among the
 * pictures, make of a track. */

#include <stdio.h>

#include "lv_flv_priv.h"
#include "lv_av1.h"
#include "lv_avc.h"
#include "lv_hevc.h"


static const char *
lv_flv_codec_name(lv_flv_codec_t codec)
{
    switch (codec) {
    case LV_FLV_HEVC:
        return "HEVC";
    case LV_FLV_AV1:
        return "AV1";
    default:
        return "H.264";
    }
}


bool
lv_flv_video_complete(const lv_flv_video_t *v)
{
    switch (v->codec) {
    case LV_FLV_HEVC:
        return lv_hevc_config_complete(&v->next);
    case LV_FLV_AV1:
        return v->next.len > 0;
    default:
        return lv_avc_config_complete(&v->next);
    }
}


static int
lv_flv_config_avc(const lv_flv_video_t *v, lv_codec_config_t *c)
{
    size_t          len;
    lv_avc_sps_t    sps;
    const uint8_t  *nal;

    nal = lv_avc_config_get(&v->next, LV_NAL_SPS, 0, &len);

    if (nal == NULL || lv_avc_sps_parse(&sps, nal, len) != LV_OK) {
        return LV_ERROR;
    }

    c->fourcc = LV_FLV_AVC1;
    c->width = sps.display_width;
    c->height = sps.height;
    c->rate_milli = sps.rate_milli;
    lv_avc_codec_string(&sps, c->codecs);

    return LV_OK;
}


static int
lv_flv_config_hevc(const lv_flv_video_t *v, lv_codec_config_t *c)
{
    size_t          len;
    lv_hevc_sps_t   sps;
    const uint8_t  *nal;

    nal = lv_hevc_config_get(&v->next, LV_HEVC_SPS, 0, &len);

    if (nal == NULL || lv_hevc_sps_parse(&sps, nal, len) != LV_OK) {
        return LV_ERROR;
    }

    c->fourcc = LV_FLV_HVC1;
    c->width = sps.display_width;
    c->height = sps.height;
    c->rate_milli = sps.rate_milli;
    c->transfer = sps.transfer;
    lv_hevc_codec_string(&sps, c->codecs);

    return LV_OK;
}


static int
lv_flv_config_av1(const lv_flv_video_t *v, lv_codec_config_t *c)
{
    lv_av1_sequence_t  s;

    if (lv_av1_config_sequence(&v->next, &s) != LV_OK) {
        return LV_ERROR;
    }

    c->fourcc = LV_FLV_AV01;
    c->width = s.width;
    c->height = s.height;
    c->rate_milli = s.rate_milli;
    c->transfer = s.transfer;
    lv_av1_codec_string(&s, c->codecs);

    return LV_OK;
}


int
lv_flv_video_configure(lv_flv_t *f)
{
    int                rc, track;
    lv_flv_video_t    *v;
    lv_codec_config_t  c;

    v = lv_flv_v(f);

    memset(&c, 0, sizeof(c));
    c.kind = LV_KIND_VIDEO;
    c.index = (uint8_t) f->v;
    c.config = v->next.data;
    c.config_len = v->next.len;

    rc = v->codec == LV_FLV_HEVC ? lv_flv_config_hevc(v, &c)
         : v->codec == LV_FLV_AV1 ? lv_flv_config_av1(v, &c)
         : lv_flv_config_avc(v, &c);

    if (rc != LV_OK) {
        return lv_flv_fail(f, "video configuration is damaged");
    }

    track = lv_packager_config(f->vm.packager, &c, f->vm.now_ms);

    if (track == LV_DECLINED && f->v == 0) {
        return lv_flv_fail(f, "video configuration cannot be packaged");
    }

    if (track == LV_DECLINED) {
        /* the first one goes on */
        v->track = -1;
        v->config = v->next;
        lv_flv_tell(f, LV_FLV_SKIPPED, "video track %u (%s) cannot be packaged",
                    f->v, c.codecs);
        return LV_OK;
    }

    if (track < 0) {
        return lv_flv_displaced(f);
    }

    v->track = track;
    v->config = v->next;
    v->sets_changed = false;
    f->stat.configs++;

    lv_flv_tell(f, LV_FLV_CONFIG, "%s %ux%u", c.codecs, c.width, c.height);

    return LV_OK;
}


static int
lv_flv_config_read(lv_flv_video_t *v, lv_nal_config_t *c, const char **err)
{
    switch (v->codec) {

    case LV_FLV_HEVC:
        return lv_hevc_config_read(c, v->hold, v->hold_len, &v->length_size,
                                   err);

    case LV_FLV_AV1:
        return lv_av1_config_read(c, v->hold, v->hold_len, err);

    default:
        return lv_avc_config_read(c, v->hold, v->hold_len, &v->length_size,
                                  err);
    }
}


int
lv_flv_video_sequence(lv_flv_t *f)
{
    int               rc;
    uint8_t           length_size;
    const char       *err;
    lv_flv_video_t   *v;
    lv_nal_config_t   c;

    v = lv_flv_v(f);

    if (v->hold_len == 0) {
        return LV_OK;                        /* some send an empty one first */
    }

    if (v->codec == LV_FLV_H264
        && lv_avc_config_is_hevc(v->hold, v->hold_len))
    {
        v->hold_len = 0;
        f->stat.refused++;
        return lv_flv_fail(f, "HEVC is sent as H.264 (codec id 7): use H.264,"
                              " or enhanced RTMP for HEVC");
    }

    length_size = v->length_size;
    rc = lv_flv_config_read(v, &c, &err);
    v->hold_len = 0;

    if (rc == LV_ERROR) {
        v->length_size = length_size;

        /* with a configuration at hand, the stream may go on as it was */
        return v->config.len ? lv_flv_video_broken(f, err)
                             : lv_flv_fail(f, err);
    }

    if (c.len == 0) {
        return LV_OK;
    }

    if (!lv_nal_config_equal(&v->next, &c)) {
        v->next = c;
        v->sets_changed = true;
    }

    if (rc == LV_DECLINED || lv_nal_config_equal(&v->next, &v->config)) {
        return LV_OK;
    }

    return lv_flv_video_configure(f);
}


void
lv_flv_video_set(lv_flv_t *f)
{
    int              rc;
    lv_flv_video_t  *v;

    v = lv_flv_v(f);

    rc = v->codec == LV_FLV_HEVC
         ? lv_hevc_config_set(&v->next, v->set, v->set_len)
         : v->codec == LV_FLV_AV1
         ? lv_av1_config_set(&v->next, v->set, v->set_len)
         : lv_avc_config_set(&v->next, v->set, v->set_len);

    if (rc == LV_OK) {
        v->sets_changed = true;

    } else if (rc == LV_ERROR) {
        f->stat.nal_dropped++;
    }
}


const uint8_t *
lv_flv_video_unit(const lv_flv_video_t *v, bool key, unsigned n, size_t *len)
{
    if (v->codec == LV_FLV_AV1) {
        return key && n == 0 ? lv_av1_config_obu(&v->config, len) : NULL;
    }

    /* A PPS may change between key frames; then it has to be where it came. */

    if (!v->sets_changed) {
        return NULL;
    }

    return v->codec == LV_FLV_HEVC
           ? lv_hevc_config_get(&v->next, LV_HEVC_PPS, n, len)
           : lv_avc_config_get(&v->next, LV_NAL_PPS, n, len);
}


/* What a frame says when there is no sequence header. */
void
lv_flv_video_held(lv_flv_t *f)
{
    char  text[64];

    snprintf(text, sizeof(text), "video comes without an %s sequence header",
             lv_flv_codec_name(lv_flv_v(f)->codec));
    lv_flv_tell_once(f, LV_FLV_ONCE_HELD_VIDEO, LV_FLV_HELD, text);
}

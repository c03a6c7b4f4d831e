#include "lv_flv_priv.h"

#define LV_FLV_KEY        1
#define LV_FLV_KEY_MADE   4      /* "generated key frame" */
#define LV_FLV_COMMAND    5

#define LV_FLV_ID_AVC     7
#define LV_FLV_ID_HEVC    12


static int lv_flv_video_track(lv_flv_t *f);


static int
lv_flv_video_refuse(lv_flv_t *f, unsigned id)
{
    /* VideoTagHeader, CodecID */
    static const char *const  texts[16] = {
        [1] = "video codec not supported: JPEG",
        [2] = "video codec not supported: Sorenson H.263, use H.264",
        [3] = "video codec not supported: screen video, use H.264",
        [4] = "video codec not supported: VP6, use H.264",
        [5] = "video codec not supported: VP6 with alpha, use H.264",
        [6] = "video codec not supported: screen video 2, use H.264",
        [8] = "video codec not supported: H.263, use H.264",
        [9] = "video codec not supported: MPEG-4 part 2, use H.264",
        [LV_FLV_ID_HEVC] = "codec not supported yet: HEVC (codec id 12)"
    };

    f->stat.refused++;

    return lv_flv_fail(f, texts[id & 15] ? texts[id & 15]
                                         : "video codec not supported,"
                                           " use H.264");
}


static int
lv_flv_video_refuse_fourcc(lv_flv_t *f, uint32_t fourcc)
{
    unsigned  i;

    static const struct {
        uint32_t     fourcc;
        const char  *err;
    } texts[] = {
        { LV_FLV_FOURCC('h', 'v', 'c', '1'), "codec not supported yet: hvc1" },
        { LV_FLV_FOURCC('h', 'e', 'v', '1'), "codec not supported yet: hev1" },
        { LV_FLV_FOURCC('a', 'v', '0', '1'), "codec not supported yet: av01" },
        { LV_FLV_FOURCC('v', 'p', '0', '9'), "codec not supported yet: vp09" },
        { LV_FLV_FOURCC('v', 'p', '0', '8'), "codec not supported yet: vp08" },
        { LV_FLV_FOURCC('v', 'v', 'c', '1'), "codec not supported yet: vvc1" }
    };

    f->stat.refused++;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (texts[i].fourcc == fourcc) {
            return lv_flv_fail(f, texts[i].err);
        }
    }

    return lv_flv_fail(f, "video codec not supported: unknown FourCC");
}


int
lv_flv_video_broken(lv_flv_t *f, const char *why)
{
    lv_flv_video_t  *v;

    v = &f->video;

    if (v->m.frame) {
        lv_packager_frame_abort(v->m.packager, v->track);
        v->m.frame = false;
        v->pieces = 0;
    }

    lv_flv_skip(&v->m);
    lv_flv_nal_forget(v);
    f->stat.broken++;

    if (v->broken_run++ == 0) {
        lv_flv_tell(f, LV_FLV_BROKEN, "%s", why);
    }

    if (v->broken_run >= LV_FLV_BROKEN_MAX) {
        return lv_flv_fail(f, "video is unreadable");
    }

    return LV_OK;
}


/* ---- configuration ----------------------------------------------------- */

/* Gives v->next to the packager. */
static int
lv_flv_video_configure(lv_flv_t *f)
{
    int                track;
    size_t             len;
    lv_avc_sps_t       sps;
    lv_flv_video_t    *v;
    const uint8_t     *nal;
    lv_codec_config_t  c;

    v = &f->video;

    nal = lv_avc_config_get(&v->next, LV_NAL_SPS, 0, &len);

    if (nal == NULL || lv_avc_sps_parse(&sps, nal, len) != LV_OK) {
        return lv_flv_fail(f, "H.264 configuration is damaged");
    }

    memset(&c, 0, sizeof(c));
    c.kind = LV_KIND_VIDEO;
    c.fourcc = LV_FLV_AVC1;
    c.width = sps.display_width;
    c.height = sps.height;
    c.rate_milli = sps.rate_milli;
    c.config = v->next.data;
    c.config_len = v->next.len;
    lv_avc_codec_string(&sps, c.codecs);

    track = lv_packager_config(v->m.packager, &c, v->m.now_ms);

    if (track == LV_DECLINED) {
        return lv_flv_fail(f, "H.264 configuration cannot be packaged");
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
lv_flv_video_sequence(lv_flv_t *f)
{
    int               rc;
    uint8_t           length_size;
    const char       *err;
    lv_flv_video_t   *v;
    lv_avc_config_t   c;

    v = &f->video;

    if (v->hold_len == 0) {
        return LV_OK;                        /* some send an empty one first */
    }

    if (lv_avc_config_is_hevc(v->hold, v->hold_len)) {
        v->hold_len = 0;
        f->stat.refused++;
        return lv_flv_fail(f, "HEVC is sent as H.264 (codec id 7): use H.264");
    }

    rc = lv_avc_config_read(&c, v->hold, v->hold_len, &length_size, &err);
    v->hold_len = 0;

    if (rc == LV_ERROR) {

        /* with a configuration at hand, the stream may go on as it was */
        return v->config.len ? lv_flv_video_broken(f, err)
                             : lv_flv_fail(f, err);
    }

    v->length_size = length_size;

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


/* ---- pictures ---------------------------------------------------------- */

/* A PPS may change between key frames; then it has to be where it came. */
static int
lv_flv_video_write_sets(lv_flv_t *f)
{
    int             rc;
    size_t          len;
    uint8_t         length[4];
    unsigned        i;
    const uint8_t  *nal;

    for (i = 0; /* void */ ; i++) {
        nal = lv_avc_config_get(&f->video.next, LV_NAL_PPS, i, &len);

        if (nal == NULL) {
            return LV_OK;
        }

        lv_put32(length, (uint32_t) len);
        rc = lv_flv_nal_write(f, length, 4);

        if (rc == LV_OK) {
            rc = lv_flv_nal_write(f, nal, len);
        }

        if (rc != LV_OK) {
            return rc;
        }
    }
}


/* Writes what was held. */
static int
lv_flv_video_flush(lv_flv_t *f)
{
    int              rc;
    uint32_t         n;
    lv_flv_video_t  *v;

    v = &f->video;

    v->nal_at += v->out;
    n = v->hold_len;
    v->hold_len = 0;

    rc = n ? lv_flv_nal_write(f, v->hold, n) : LV_OK;

    return rc;
}


static int
lv_flv_video_unwanted(lv_flv_t *f, uint64_t *count)
{
    f->video.m.state = LV_FLV_S_SKIP;
    lv_flv_nal_forget(&f->video);
    (*count)++;

    return LV_DECLINED;
}


int
lv_flv_video_picture(lv_flv_t *f, bool key)
{
    int                rc;
    lv_time_t          t;
    lv_flv_video_t    *v;
    lv_flv_message_t  *m;

    v = &f->video;
    m = &v->m;

    if (key && !lv_nal_config_equal(&v->next, &v->config)
        && lv_avc_config_complete(&v->next))
    {
        if (lv_flv_video_configure(f) != LV_OK) {
            return LV_ERROR;
        }
    }

    if (v->track < 0) {
        lv_flv_tell_once(f, LV_FLV_ONCE_HELD_VIDEO, LV_FLV_HELD,
                         "video comes without an H.264 sequence header");
        return lv_flv_video_unwanted(f, &f->stat.held);
    }

    lv_timeline_video(&f->timeline, LV_FLV_TRACK_VIDEO, m->timestamp, v->cts,
                      m->now_ms, &t);

    if (t.flags & LV_TIME_REBASED) {
        lv_flv_tell(f, LV_FLV_JUMP, "video clock jumped to %u ms",
                    m->timestamp);
    }

    if (t.flags & LV_TIME_LATE) {
        return lv_flv_video_unwanted(f, &f->stat.late);
    }

    rc = lv_packager_frame(m->packager, v->track, t.dts_90k, t.cts_90k, key,
                           m->now_ms);

    if (rc == LV_DECLINED) {
        return lv_flv_video_unwanted(f, &f->stat.declined);
    }

    if (rc != LV_OK) {
        return lv_flv_displaced(f);
    }

    m->frame = true;
    v->out = 0;
    v->pieces = 0;
    f->stat.video_frames++;
    f->stat.key_frames += key;

    if (v->captions != v->captions_had) {
        v->captions_had = v->captions;
        lv_packager_captions(m->packager, v->track, v->captions);
    }

    if (v->sets_changed) {
        v->sets_changed = false;
        rc = lv_flv_video_write_sets(f);

        if (rc != LV_OK) {
            return rc;
        }
    }

    return lv_flv_video_flush(f);
}


int
lv_flv_video_more(lv_flv_t *f)
{
    int                rc;
    lv_flv_video_t    *v;
    lv_flv_message_t  *m;

    v = &f->video;
    m = &v->m;

    rc = lv_packager_frame_more(m->packager, v->track, m->now_ms);

    if (rc == LV_ERROR) {
        return lv_flv_displaced(f);
    }

    if (rc != LV_OK) {
        return LV_DECLINED;
    }

    m->frame = true;
    v->out = lv_packager_frame_len(m->packager, v->track);

    return lv_flv_video_flush(f);
}


/* ---- the message ------------------------------------------------------- */

static int
lv_flv_video_head(lv_flv_t *f)
{
    int                rc;
    unsigned           id;
    lv_flv_video_t    *v;
    lv_flv_message_t  *m;

    v = &f->video;
    m = &v->m;

    if (m->head[0] & 0x80) {
        v->frame_type = (m->head[0] >> 4) & 7;
        rc = lv_flv_ex_head(m, LV_FLV_P_VIDEO_MULTI);

        if (rc == LV_AGAIN) {
            return LV_OK;
        }

        if (rc == LV_DECLINED) {
            return lv_flv_video_broken(f, "extended video header makes no"
                                          " sense");
        }

    } else {
        v->frame_type = m->head[0] >> 4;
        id = m->head[0] & 0x0f;

        if (v->frame_type == LV_FLV_COMMAND) {
            lv_flv_skip(m);
            return LV_OK;
        }

        if (id != LV_FLV_ID_AVC) {
            return lv_flv_video_refuse(f, id);
        }

        if (m->head_len < 2) {
            return LV_OK;
        }

        m->legacy = true;
        m->packet = m->head[1];
        m->fourcc = LV_FLV_AVC1;
    }

    if (m->packet == LV_FLV_P_META || v->frame_type == LV_FLV_COMMAND) {
        lv_flv_skip(m);
        return LV_OK;
    }

    m->state = LV_FLV_S_TRACK;
    m->head_len = 0;

    return lv_flv_video_track(f);
}


/* A track's body begins. */
static int
lv_flv_video_body(lv_flv_t *f)
{
    lv_flv_video_t    *v;
    lv_flv_message_t  *m;

    v = &f->video;
    m = &v->m;

    switch (m->packet) {

    case LV_FLV_P_CONFIG:
        if (m->body > LV_FLV_HOLD) {
            return lv_flv_video_broken(f, "sequence header is too long");
        }

        lv_flv_nal_forget(v);
        m->state = LV_FLV_S_CONFIG;
        return LV_OK;

    case LV_FLV_P_FRAMES:
    case LV_FLV_P_FRAMES_X:
        m->state = LV_FLV_S_NALS;
        lv_flv_nal_start(f);
        return LV_OK;

    case LV_FLV_P_END:
        lv_flv_tell(f, LV_FLV_END, "video: end of sequence");
        /* fall through */

    default:
        m->state = LV_FLV_S_SKIP;
        return LV_OK;
    }
}


/* In front of a body: what multitrack messages have, and the composition
 * time. Called before the first byte of it and after each. */
static int
lv_flv_video_track(lv_flv_t *f)
{
    size_t             before;
    unsigned           id;
    uint32_t           cts;
    lv_flv_video_t    *v;
    lv_flv_message_t  *m;

    v = &f->video;
    m = &v->m;

    before = lv_flv_ex_track_len(m);

    if (m->head_len < before) {
        return LV_OK;
    }

    if (m->head_len == before) {

        if (lv_flv_ex_track(m, &id) != LV_OK) {
            return lv_flv_video_broken(f, "track is longer than its message");
        }

        if (id != 0) {
            lv_flv_tell_once(f, LV_FLV_ONCE_TRACKS, LV_FLV_SKIPPED,
                             "only the first of several tracks is used");
            f->stat.refused++;
            m->state = LV_FLV_S_SKIP;
            return LV_OK;
        }

        if (m->fourcc != LV_FLV_AVC1) {
            return lv_flv_video_refuse_fourcc(f, m->fourcc);
        }
    }

    v->cts = 0;

    if (m->legacy || m->packet == LV_FLV_P_FRAMES) {

        if (m->head_len < before + 3) {
            if (m->body == 0) {
                m->state = LV_FLV_S_SKIP;
            }

            return LV_OK;
        }

        cts = lv_be24(m->head + before);
        v->cts = (int32_t) (cts ^ 0x800000) - 0x800000;
    }

    return lv_flv_video_body(f);
}


/* A track's body is complete. */
static int
lv_flv_video_done(lv_flv_t *f)
{
    int                rc;
    lv_flv_message_t  *m;

    m = &f->video.m;
    rc = LV_OK;

    if (m->state == LV_FLV_S_CONFIG) {
        rc = lv_flv_video_sequence(f);

    } else if (m->state == LV_FLV_S_NALS) {
        lv_flv_nal_end(f);

        if (m->frame) {
            m->frame = false;
            lv_flv_nal_forget(&f->video);
            f->video.broken_run = 0;
            f->video.pieces++;
            f->video.piece_ts = m->timestamp;
            f->video.piece_cts = f->video.cts;

            if (lv_packager_frame_end(m->packager, f->video.track)
                == LV_ERROR)
            {
                return lv_flv_displaced(f);
            }
        }
    }

    if (rc == LV_ERROR) {
        return LV_ERROR;
    }

    lv_flv_next_track(m);

    return LV_OK;
}


static int
lv_flv_video_take(lv_flv_t *f, const uint8_t *p, size_t n)
{
    int              rc;
    lv_flv_video_t  *v;

    v = &f->video;

    switch (v->m.state) {

    case LV_FLV_S_CONFIG:
        memcpy(v->hold + v->hold_len, p, n);
        v->hold_len += (uint32_t) n;
        return LV_OK;

    case LV_FLV_S_NALS:
        rc = lv_flv_nal_data(f, p, n);
        return rc == LV_ERROR ? LV_ERROR : LV_OK;

    default:
        return LV_OK;
    }
}


int
lv_flv_video_data(lv_flv_t *f, const uint8_t *p, size_t n)
{
    int                rc;
    size_t             take;
    lv_flv_message_t  *m;

    m = &f->video.m;

    while (n) {

        if (lv_flv_in_head(m)) {
            take = 1;
            lv_flv_head_byte(m, *p);

            rc = m->state == LV_FLV_S_HEAD ? lv_flv_video_head(f)
                                           : lv_flv_video_track(f);

        } else {
            take = n < m->body ? n : m->body;
            rc = lv_flv_video_take(f, p, take);
            m->left -= (uint32_t) take;
            m->body -= (uint32_t) take;
        }

        p += take;
        n -= take;

        if (rc == LV_OK && !lv_flv_in_head(m) && m->body == 0) {
            rc = lv_flv_video_done(f);
        }

        if (rc != LV_OK) {
            return rc;
        }
    }

    return LV_OK;
}

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
        [13] = "video codec not supported: AV1 as codec id 13, use enhanced"
               " RTMP (av01)"
    };

    f->stat.refused++;

    return lv_flv_fail(f, texts[id & 15] ? texts[id & 15]
                                         : "video codec not supported,"
                                           " use H.264");
}


/* The codec of a track's messages; LV_FLV_NO_VIDEO: refused. */
static lv_flv_codec_t
lv_flv_video_codec(lv_flv_t *f, uint32_t fourcc)
{
    const char  *err;

    switch (fourcc) {

    case LV_FLV_AVC1:
        return LV_FLV_H264;

    case LV_FLV_HVC1:
    case LV_FLV_HEV1:
        return LV_FLV_HEVC;

    case LV_FLV_AV01:
        return LV_FLV_AV1;

    case LV_FLV_FOURCC('v', 'p', '0', '9'):
        err = "video codec not supported: HLS has no place for VP9, use H.264,"
              " HEVC or AV1";
        break;

    case LV_FLV_FOURCC('v', 'p', '0', '8'):
        err = "video codec not supported: HLS has no place for VP8, use H.264,"
              " HEVC or AV1";
        break;

    case LV_FLV_FOURCC('v', 'v', 'c', '1'):
        err = "video codec not supported: no player takes VVC, use H.264, HEVC"
              " or AV1";
        break;

    default:
        err = "video codec not supported: unknown FourCC, use H.264, HEVC or"
              " AV1";
    }

    f->stat.refused++;
    (void) lv_flv_fail(f, err);

    return LV_FLV_NO_VIDEO;
}


/* The track is another codec's from here on. */
static void
lv_flv_video_codec_set(lv_flv_video_t *v, lv_flv_codec_t codec)
{
    if (v->codec == codec) {
        return;
    }

    v->codec = codec;
    v->track = -1;
    v->length_size = 4;
    v->annexb = false;
    v->started = false;
    v->sets_changed = false;
    v->pieces = 0;
    v->config.len = 0;
    v->next.len = 0;
    lv_flv_unit_forget(v);
}


int
lv_flv_video_broken(lv_flv_t *f, const char *why)
{
    lv_flv_video_t  *v;

    v = lv_flv_v(f);

    if (f->vm.frame) {
        lv_packager_frame_abort(f->vm.packager, v->track);
        f->vm.frame = false;
        v->pieces = 0;
    }

    lv_flv_skip(&f->vm);
    lv_flv_unit_forget(v);
    f->stat.broken++;

    if (v->broken_run++ == 0) {
        lv_flv_tell(f, LV_FLV_BROKEN, "%s", why);
    }

    if (v->broken_run >= LV_FLV_BROKEN_MAX) {
        return lv_flv_fail(f, "video is unreadable");
    }

    return LV_OK;
}


/* ---- pictures ---------------------------------------------------------- */

/* What a configuration wants in front of the picture. */
static int
lv_flv_video_write_units(lv_flv_t *f, bool key)
{
    int              rc;
    size_t           len;
    uint8_t          length[4];
    unsigned         i;
    lv_flv_video_t  *v;
    const uint8_t   *unit;

    v = lv_flv_v(f);
    rc = LV_OK;

    for (i = 0; rc == LV_OK; i++) {
        unit = lv_flv_video_unit(v, key, i, &len);

        if (unit == NULL) {
            break;
        }

        if (v->codec != LV_FLV_AV1) {
            lv_put32(length, (uint32_t) len);
            rc = lv_flv_unit_write(f, length, 4);
        }

        if (rc == LV_OK) {
            rc = lv_flv_unit_write(f, unit, len);
        }
    }

    v->sets_changed = false;

    return rc;
}


/* Writes what was held. */
static int
lv_flv_video_flush(lv_flv_t *f)
{
    int              rc;
    uint32_t         n;
    lv_flv_video_t  *v;

    v = lv_flv_v(f);

    v->nal_at += v->out;
    n = v->hold_len;
    v->hold_len = 0;

    rc = n ? lv_flv_unit_write(f, v->hold, n) : LV_OK;

    return rc;
}


static int
lv_flv_video_unwanted(lv_flv_t *f, uint64_t *count)
{
    f->vm.state = LV_FLV_S_SKIP;
    lv_flv_unit_forget(lv_flv_v(f));
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

    v = lv_flv_v(f);
    m = &f->vm;

    if (key && !lv_nal_config_equal(&v->next, &v->config)
        && lv_flv_video_complete(v))
    {
        if (lv_flv_video_configure(f) != LV_OK) {
            return LV_ERROR;
        }
    }

    if (v->track < 0) {
        lv_flv_video_held(f);
        return lv_flv_video_unwanted(f, &f->stat.held);
    }

    lv_timeline_video(&f->timeline, LV_FLV_LINE_VIDEO(f->v), m->timestamp,
                      v->cts, m->now_ms, &t);

    if (t.flags & LV_TIME_REBASED) {
        lv_flv_tell(f, LV_FLV_JUMP, "video clock jumped to %u ms",
                    m->timestamp);
    }

    if (t.flags & LV_TIME_LATE) {
        return lv_flv_video_unwanted(f, &f->stat.late);
    }

    /* less than a tick of 1 ms, so that the order stays */
    rc = lv_packager_frame(m->packager, v->track,
                           t.dts_90k + m->nano * 9 / 100000, t.cts_90k, key,
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

    rc = lv_flv_video_write_units(f, key);

    return rc == LV_OK ? lv_flv_video_flush(f) : rc;
}


int
lv_flv_video_more(lv_flv_t *f)
{
    int                rc;
    lv_flv_video_t    *v;
    lv_flv_message_t  *m;

    v = lv_flv_v(f);
    m = &f->vm;

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


void
lv_flv_unit_forget(lv_flv_video_t *v)
{
    v->hold_len = 0;
    v->sei_count = 0;
    v->sei_bytes = 0;
    v->recovery = false;
    v->judging = false;
}


int
lv_flv_unit_write(lv_flv_t *f, const uint8_t *p, size_t n)
{
    int              rc;
    lv_flv_video_t  *v;

    v = lv_flv_v(f);

    if (!f->vm.frame) {

        if (n <= LV_FLV_HOLD - v->hold_len) {
            memcpy(v->hold + v->hold_len, p, n);
            v->hold_len += (uint32_t) n;
            return LV_OK;
        }

        /* frame types 1 and 4: key frames, the second kind made by a server */
        rc = lv_flv_video_picture(f, v->frame_type == 1
                                     || v->frame_type == 4);
        if (rc != LV_OK) {
            return rc;
        }
    }

    rc = lv_packager_data(f->vm.packager, v->track, p, n);

    if (rc == LV_ERROR) {
        return lv_flv_displaced(f);
    }

    if (rc != LV_OK) {
        lv_packager_frame_abort(f->vm.packager, v->track);
        f->vm.frame = false;
        f->vm.state = LV_FLV_S_SKIP;
        lv_flv_unit_forget(v);
        f->stat.declined++;
        return LV_DECLINED;
    }

    v->out += (uint32_t) n;

    return LV_OK;
}


/* ---- the message ------------------------------------------------------- */

static int
lv_flv_video_head(lv_flv_t *f)
{
    int                rc;
    unsigned           id;
    lv_flv_message_t  *m;

    m = &f->vm;

    if (m->head[0] & 0x80) {
        m->frame_type = (m->head[0] >> 4) & 7;
        rc = lv_flv_ex_head(m, LV_FLV_P_VIDEO_MULTI);

        if (rc == LV_AGAIN) {
            return LV_OK;
        }

        if (rc == LV_DECLINED) {
            return lv_flv_video_broken(f, "extended video header makes no"
                                          " sense");
        }

    } else {
        m->frame_type = m->head[0] >> 4;
        id = m->head[0] & 0x0f;

        if (m->frame_type == LV_FLV_COMMAND) {
            lv_flv_skip(m);
            return LV_OK;
        }

        if (id != LV_FLV_ID_AVC && id != LV_FLV_ID_HEVC) {
            return lv_flv_video_refuse(f, id);
        }

        if (m->head_len < 2) {
            return LV_OK;
        }

        m->legacy = true;
        m->packet = m->head[1];
        m->fourcc = id == LV_FLV_ID_AVC ? LV_FLV_AVC1 : LV_FLV_HVC1;
    }

    if (m->packet == LV_FLV_P_META || m->frame_type == LV_FLV_COMMAND) {
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

    v = lv_flv_v(f);
    m = &f->vm;

    switch (m->packet) {

    case LV_FLV_P_CONFIG:
        if (m->body > LV_FLV_HOLD) {
            return lv_flv_video_broken(f, "sequence header is too long");
        }

        lv_flv_unit_forget(v);
        m->state = LV_FLV_S_CONFIG;
        return LV_OK;

    case LV_FLV_P_FRAMES:
    case LV_FLV_P_FRAMES_X:
        m->state = LV_FLV_S_UNITS;

        if (v->codec == LV_FLV_AV1) {
            lv_flv_obu_start(f);
        } else {
            lv_flv_nal_start(f);
        }

        return LV_OK;

    case LV_FLV_P_END:
        lv_flv_tell(f, LV_FLV_END, "video: end of sequence");
        /* fall through */

    default:
        m->state = LV_FLV_S_SKIP;
        return LV_OK;
    }
}


/* Whose body it is. */
static int
lv_flv_video_whose(lv_flv_t *f)
{
    unsigned           id;
    lv_flv_codec_t     codec;
    lv_flv_message_t  *m;

    m = &f->vm;

    if (lv_flv_ex_track(m, &id) != LV_OK) {
        return lv_flv_video_broken(f, "track is longer than its message");
    }

    if (id >= LV_FLV_VIDEOS) {
        lv_flv_tell_once(f, LV_FLV_ONCE_TRACKS, LV_FLV_SKIPPED,
                         "there are more tracks than can be used");
        f->stat.refused++;
        m->state = LV_FLV_S_SKIP;
        return LV_OK;
    }

    codec = lv_flv_video_codec(f, m->fourcc);

    if (codec == LV_FLV_NO_VIDEO) {
        return LV_ERROR;
    }

    f->v = id;
    lv_flv_v(f)->frame_type = m->frame_type;
    lv_flv_video_codec_set(lv_flv_v(f), codec);

    return LV_OK;
}


/* In front of a body: what multitrack messages have, and the composition
 * time. Called before the first byte of it and after each. */
static int
lv_flv_video_track(lv_flv_t *f)
{
    int                rc;
    size_t             before;
    uint32_t           cts;
    lv_flv_video_t    *v;
    lv_flv_message_t  *m;

    m = &f->vm;

    before = lv_flv_ex_track_len(m);

    if (m->head_len < before) {
        return LV_OK;
    }

    if (m->head_len == before) {
        rc = lv_flv_video_whose(f);

        if (rc != LV_OK || m->state == LV_FLV_S_SKIP) {
            return rc;
        }
    }

    v = lv_flv_v(f);
    v->cts = 0;

    if (m->legacy || (m->packet == LV_FLV_P_FRAMES && v->codec != LV_FLV_AV1))
    {
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
    lv_flv_video_t    *v;
    lv_flv_message_t  *m;

    v = lv_flv_v(f);
    m = &f->vm;
    rc = LV_OK;

    if (m->state == LV_FLV_S_CONFIG) {
        rc = lv_flv_video_sequence(f);

    } else if (m->state == LV_FLV_S_UNITS) {

        if (v->codec != LV_FLV_AV1) {
            lv_flv_nal_end(f);
        }

        if (m->frame) {
            m->frame = false;
            lv_flv_unit_forget(v);
            v->broken_run = 0;
            v->pieces++;
            v->piece_ts = m->timestamp;
            v->piece_cts = v->cts;

            if (lv_packager_frame_end(m->packager, v->track) == LV_ERROR)
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

    v = lv_flv_v(f);

    switch (f->vm.state) {

    case LV_FLV_S_CONFIG:
        memcpy(v->hold + v->hold_len, p, n);
        v->hold_len += (uint32_t) n;
        return LV_OK;

    case LV_FLV_S_UNITS:
        rc = v->codec == LV_FLV_AV1 ? lv_flv_obu_data(f, p, n)
                                    : lv_flv_nal_data(f, p, n);
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

    m = &f->vm;

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

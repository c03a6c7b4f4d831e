#include "lv_flv_priv.h"

#define LV_FLV_ID_AAC      10
#define LV_FLV_ID_EX       9        /* the extended header */


static const char *
lv_flv_audio_name(unsigned id)
{
    /* SoundFormat */
    static const char *const  names[16] = {
        "linear PCM", "ADPCM", "MP3", "linear PCM", "Nellymoser 16 kHz",
        "Nellymoser 8 kHz", "Nellymoser", "G.711 A-law", "G.711 mu-law", NULL,
        NULL, "Speex", NULL, NULL, "MP3 8 kHz", "device specific"
    };

    return names[id & 15] ? names[id & 15] : "an unknown codec";
}


/* Frames of the track are not used from here on. */
static void
lv_flv_audio_off(lv_flv_t *f)
{
    f->audio.track = -1;
    f->audio.config_len = 0;
}


/* Tells once of each codec; what is refused is counted. */
static int
lv_flv_audio_refuse(lv_flv_t *f, uint32_t codec, const char *name)
{
    lv_flv_audio_t  *a;

    a = &f->audio;

    f->stat.refused++;
    lv_flv_skip(&a->m);

    if (a->refused != codec) {
        a->refused = codec;
        lv_flv_audio_off(f);
        lv_flv_tell(f, LV_FLV_REFUSED, "audio codec not supported: %s,"
                    " use AAC", name);
    }

    return LV_OK;
}


/* ---- configuration ----------------------------------------------------- */

static int
lv_flv_audio_configure(lv_flv_t *f, const uint8_t *p, size_t len, bool adts)
{
    int                track;
    char               codecs[12];
    const char        *err;
    lv_flv_audio_t    *a;
    lv_codec_config_t  c;

    a = &f->audio;

    if (len == a->config_len && memcmp(a->config, p, len) == 0) {
        return LV_OK;
    }

    /* the same configuration is not tried again */
    a->track = -1;
    a->adts = adts;
    a->config_len = (uint32_t) len;
    memcpy(a->config, p, len);

    if (lv_aac_config_parse(&a->aac, p, len, &err) != LV_OK) {
        lv_flv_tell(f, LV_FLV_REFUSED, "%s", err);
        return LV_OK;
    }

    lv_aac_codec_string(&a->aac, codecs);

    /* browsers play LC, and LC with SBR or PS */
    if (a->aac.object_type != LV_AOT_LC) {
        lv_flv_tell(f, LV_FLV_REFUSED, "AAC profile not supported: %s,"
                    " use AAC-LC", codecs);
        return LV_OK;
    }

    memset(&c, 0, sizeof(c));
    c.kind = LV_KIND_AUDIO;
    c.fourcc = LV_FLV_MP4A;
    c.sample_rate = a->aac.sample_rate;
    c.channels = a->aac.channels;
    c.frame_samples = a->aac.frame_samples;
    c.config = a->config;
    c.config_len = a->config_len;
    memcpy(c.codecs, codecs, sizeof(codecs));

    track = lv_packager_config(a->m.packager, &c, a->m.now_ms);

    if (track == LV_DECLINED) {
        lv_flv_tell(f, LV_FLV_REFUSED, "%s cannot be packaged", codecs);
        return LV_OK;
    }

    if (track < 0) {
        return lv_flv_displaced(f);
    }

    a->track = track;
    a->refused = 0;
    f->stat.configs++;

    lv_flv_tell(f, LV_FLV_CONFIG, "%s %u Hz %u ch", codecs, c.sample_rate,
                c.channels);

    return LV_OK;
}


/* ---- frames ------------------------------------------------------------ */

/* A frame begins, frame_left bytes long. Where it is not wanted its bytes are
 * passed over (m->frame stays false). */
static int
lv_flv_audio_frame(lv_flv_t *f)
{
    int                rc;
    uint32_t           stamp;
    lv_time_t          t;
    lv_flv_audio_t    *a;
    lv_flv_message_t  *m;

    a = &f->audio;
    m = &a->m;

    m->state = LV_FLV_S_FRAME;
    stamp = a->frame_no++;

    if (a->track < 0) {

        if (a->config_len) {
            f->stat.refused++;
            return LV_OK;
        }

        f->stat.held++;
        lv_flv_tell_once(f, LV_FLV_ONCE_HELD_AUDIO, LV_FLV_HELD,
                         "audio comes without an AAC sequence header");
        return LV_OK;
    }

    stamp = m->timestamp + (uint32_t) ((uint64_t) stamp * 1000
                                       * a->aac.frame_samples
                                       / a->aac.sample_rate);

    lv_timeline_audio(&f->timeline, LV_FLV_TRACK_AUDIO, stamp,
                      a->aac.frame_samples, a->aac.sample_rate, m->now_ms, &t);

    if (t.flags & LV_TIME_REBASED) {
        lv_flv_tell(f, LV_FLV_JUMP, "audio clock jumped to %u ms", stamp);
    }

    if (t.flags & LV_TIME_LATE) {
        f->stat.late++;
        return LV_OK;
    }

    rc = lv_packager_frame(m->packager, a->track, t.dts_90k, 0, true,
                           m->now_ms);

    if (rc == LV_DECLINED) {
        f->stat.declined++;
        return LV_OK;
    }

    if (rc != LV_OK) {
        return lv_flv_displaced(f);
    }

    m->frame = true;
    f->stat.audio_frames++;

    return LV_OK;
}


static int
lv_flv_audio_write(lv_flv_t *f, const uint8_t *p, size_t n)
{
    int                rc;
    lv_flv_message_t  *m;

    m = &f->audio.m;

    if (!m->frame) {
        return LV_OK;
    }

    rc = lv_packager_data(m->packager, f->audio.track, p, n);

    if (rc == LV_ERROR) {
        return lv_flv_displaced(f);
    }

    if (rc != LV_OK) {
        lv_packager_frame_abort(m->packager, f->audio.track);
        m->frame = false;
        f->stat.declined++;
    }

    return LV_OK;
}


static int
lv_flv_audio_frame_end(lv_flv_t *f)
{
    lv_flv_message_t  *m;

    m = &f->audio.m;

    if (m->frame) {
        m->frame = false;

        if (lv_packager_frame_end(m->packager, f->audio.track) == LV_ERROR) {
            return lv_flv_displaced(f);
        }
    }

    return LV_OK;
}


/*
 * The first bytes of a frame are here: with an ADTS header in front, or the
 * frame itself. A raw frame cannot look like one: 0xfff would be the end of
 * the frame with its first element.
 */
static int
lv_flv_audio_peek(lv_flv_t *f)
{
    int                rc;
    uint32_t           whole;
    lv_adts_t          h;
    lv_flv_audio_t    *a;
    lv_flv_message_t  *m;

    a = &f->audio;
    m = &a->m;
    whole = m->body - 1 + m->head_len;       /* body counts the last byte yet */

    if (lv_adts_parse(&h, m->head, m->head_len) != LV_OK
        || h.frame_len > whole)
    {
        if (a->frame_no) {
            m->state = LV_FLV_S_SKIP;        /* no further ADTS frame */
            return LV_OK;
        }

        a->frame_left = whole - m->head_len;
        rc = lv_flv_audio_frame(f);

        return rc == LV_OK ? lv_flv_audio_write(f, m->head, m->head_len) : rc;
    }

    /* a sequence header says more than ADTS can: it stays */
    if (a->config_len == 0 || a->adts) {
        rc = lv_flv_audio_configure(f, h.config, sizeof(h.config), true);

        if (rc != LV_OK) {
            return rc;
        }
    }

    a->frame_left = h.frame_len - LV_ADTS_MIN;
    a->skip = (uint8_t) (h.header_len - LV_ADTS_MIN);

    if (h.blocks == 1 && h.frame_len > h.header_len) {
        return lv_flv_audio_frame(f);
    }

    if (h.blocks > 1) {
        lv_flv_tell_once(f, LV_FLV_ONCE_BLOCKS, LV_FLV_SKIPPED,
                         "ADTS frames of several blocks are left out");
    }

    a->frame_no++;
    m->state = LV_FLV_S_FRAME;

    return LV_OK;
}


/* ---- the message ------------------------------------------------------- */

static int
lv_flv_audio_body(lv_flv_t *f)
{
    lv_flv_audio_t    *a;
    lv_flv_message_t  *m;

    a = &f->audio;
    m = &a->m;

    m->head_len = 0;
    a->frame_no = 0;
    a->skip = 0;

    switch (m->packet) {

    case LV_FLV_P_CONFIG:
        if (m->body > LV_AAC_CONFIG_MAX) {
            lv_flv_tell(f, LV_FLV_BROKEN, "AAC sequence header is too long");
            f->stat.broken++;
            lv_flv_skip(m);
            return LV_OK;
        }

        a->collect_len = 0;
        m->state = LV_FLV_S_CONFIG;
        return LV_OK;

    case LV_FLV_P_FRAMES:
        m->state = LV_FLV_S_PEEK;
        return LV_OK;

    case LV_FLV_P_END:
        if (!m->legacy) {
            lv_flv_tell(f, LV_FLV_END, "audio: end of sequence");
        }

        /* fall through */

    default:
        m->state = LV_FLV_S_SKIP;
        return LV_OK;
    }
}


static int
lv_flv_audio_track(lv_flv_t *f)
{
    char               name[5];
    size_t             before;
    unsigned           id;
    lv_flv_message_t  *m;

    m = &f->audio.m;

    before = lv_flv_ex_track_len(m);

    if (m->head_len < before) {
        return LV_OK;
    }

    if (lv_flv_ex_track(m, &id) != LV_OK) {
        f->stat.broken++;
        lv_flv_skip(m);
        return LV_OK;
    }

    if (id != 0) {
        lv_flv_tell_once(f, LV_FLV_ONCE_TRACKS, LV_FLV_SKIPPED,
                         "only the first of several tracks is used");
        f->stat.refused++;
        m->state = LV_FLV_S_SKIP;
        return LV_OK;
    }

    if (m->fourcc != LV_FLV_MP4A) {
        return lv_flv_audio_refuse(f, m->fourcc,
                                   lv_flv_fourcc_text(m->fourcc, name));
    }

    return lv_flv_audio_body(f);
}


static int
lv_flv_audio_head(lv_flv_t *f)
{
    int                rc;
    unsigned           id;
    lv_flv_message_t  *m;

    m = &f->audio.m;
    id = m->head[0] >> 4;

    if (id == LV_FLV_ID_EX) {
        rc = lv_flv_ex_head(m, LV_FLV_P_AUDIO_MULTI);

        if (rc == LV_AGAIN) {
            return LV_OK;
        }

        if (rc == LV_DECLINED) {
            f->stat.broken++;
            lv_flv_skip(m);
            return LV_OK;
        }

    } else {
        if (id != LV_FLV_ID_AAC) {
            /* plus 1: 0 means none, and no FourCC is that small */
            return lv_flv_audio_refuse(f, id + 1, lv_flv_audio_name(id));
        }

        if (m->head_len < 2) {
            return LV_OK;
        }

        m->legacy = true;
        m->packet = m->head[1];
        m->fourcc = LV_FLV_MP4A;
    }

    m->state = LV_FLV_S_TRACK;
    m->head_len = 0;

    return lv_flv_audio_track(f);
}


/* The body of a track is complete. */
static int
lv_flv_audio_done(lv_flv_t *f)
{
    int              rc;
    lv_flv_audio_t  *a;

    a = &f->audio;
    rc = LV_OK;

    switch (a->m.state) {

    case LV_FLV_S_CONFIG:
        /* an empty one ("AF 00") comes from some before the real one */
        if (a->collect_len) {
            rc = lv_flv_audio_configure(f, a->collect, a->collect_len, false);
        }

        break;

    case LV_FLV_S_PEEK:
        /* shorter than an ADTS header: a frame of silence, or nothing */
        if (a->m.head_len && a->frame_no == 0) {
            rc = lv_flv_audio_frame(f);

            if (rc == LV_OK) {
                rc = lv_flv_audio_write(f, a->m.head, a->m.head_len);
            }
        }

        break;
    }

    if (rc == LV_OK) {
        rc = lv_flv_audio_frame_end(f);
    }

    if (rc != LV_OK) {
        return rc;
    }

    lv_flv_next_track(&a->m);

    return LV_OK;
}


/* Takes bytes of a body; sets *take to how many. */
static int
lv_flv_audio_take(lv_flv_t *f, const uint8_t *p, size_t *take)
{
    int                rc;
    size_t             n;
    lv_flv_audio_t    *a;
    lv_flv_message_t  *m;

    a = &f->audio;
    m = &a->m;
    n = *take;

    switch (m->state) {

    case LV_FLV_S_CONFIG:
        memcpy(a->collect + a->collect_len, p, n);
        a->collect_len += (uint32_t) n;
        return LV_OK;

    case LV_FLV_S_PEEK:
        *take = 1;
        m->head[m->head_len++] = *p;

        if (m->head_len < LV_ADTS_MIN) {
            return LV_OK;
        }

        return lv_flv_audio_peek(f);

    case LV_FLV_S_FRAME:
        if (a->skip) {
            *take = 1;
            a->skip--;
            a->frame_left--;
            return LV_OK;
        }

        if (n > a->frame_left) {
            *take = n = a->frame_left;
        }

        a->frame_left -= (uint32_t) n;
        rc = n ? lv_flv_audio_write(f, p, n) : LV_OK;

        if (rc == LV_OK && a->frame_left == 0) {
            rc = lv_flv_audio_frame_end(f);
            m->state = LV_FLV_S_PEEK;
            m->head_len = 0;
        }

        return rc;

    default:
        return LV_OK;
    }
}


int
lv_flv_audio_data(lv_flv_t *f, const uint8_t *p, size_t n)
{
    int                rc;
    size_t             take;
    lv_flv_message_t  *m;

    m = &f->audio.m;

    while (n) {

        if (lv_flv_in_head(m)) {
            take = 1;
            lv_flv_head_byte(m, *p);

            rc = m->state == LV_FLV_S_HEAD ? lv_flv_audio_head(f)
                                           : lv_flv_audio_track(f);

        } else {
            take = n < m->body ? n : m->body;
            rc = lv_flv_audio_take(f, p, &take);
            m->left -= (uint32_t) take;
            m->body -= (uint32_t) take;
        }

        p += take;
        n -= take;

        if (rc == LV_OK && !lv_flv_in_head(m) && m->body == 0) {
            rc = lv_flv_audio_done(f);
        }

        if (rc != LV_OK) {
            return rc;
        }
    }

    return LV_OK;
}

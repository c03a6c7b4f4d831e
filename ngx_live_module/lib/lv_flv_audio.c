/* Audio messages: headers, sequence headers, frames. */

#include "lv_flv_priv.h"

#define LV_FLV_ID_MP3      2
#define LV_FLV_ID_EX       9         /* the extended header */
#define LV_FLV_ID_AAC      10
#define LV_FLV_ID_MP3_8K   14


static const char *
lv_flv_audio_name(unsigned id)
{
    /* SoundFormat */
    static const char *const  names[16] = {
        "linear PCM", "ADPCM", NULL, "linear PCM", "Nellymoser 16 kHz",
        "Nellymoser 8 kHz", "Nellymoser", "G.711 A-law", "G.711 mu-law", NULL,
        NULL, "Speex", NULL, NULL, NULL, "device specific"
    };

    return names[id & 15] ? names[id & 15] : "an unknown codec";
}


static int
lv_flv_audio_body(lv_flv_t *f)
{
    lv_flv_audio_t    *a;
    lv_flv_message_t  *m;

    a = lv_flv_a(f);
    m = &f->am;

    m->head_len = 0;
    a->frame_no = 0;
    a->ahead = 0;
    a->skip = 0;

    switch (m->packet) {

    case LV_FLV_P_CONFIG:
        if (m->body > LV_FLV_INFO) {
            lv_flv_tell(f, LV_FLV_BROKEN, "audio sequence header is too long");
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


static bool
lv_flv_audio_known(uint32_t fourcc)
{
    return fourcc == LV_FLV_MP4A || fourcc == LV_FLV_OPUS
           || fourcc == LV_FLV_FLAC || fourcc == LV_FLV_AC_3
           || fourcc == LV_FLV_EC_3 || fourcc == LV_FLV_MP3;
}


static int
lv_flv_audio_track(lv_flv_t *f)
{
    char               name[5];
    size_t             before;
    unsigned           id;
    lv_flv_audio_t    *a;
    lv_flv_message_t  *m;

    m = &f->am;

    before = lv_flv_ex_track_len(m);

    if (m->head_len < before) {
        return LV_OK;
    }

    if (lv_flv_ex_track(m, &id) != LV_OK) {
        f->stat.broken++;
        lv_flv_skip(m);
        return LV_OK;
    }

    if (id >= LV_FLV_AUDIOS) {
        lv_flv_tell_once(f, LV_FLV_ONCE_TRACKS, LV_FLV_SKIPPED,
                         "there are more tracks than can be used");
        f->stat.refused++;
        m->state = LV_FLV_S_SKIP;
        return LV_OK;
    }

    f->a = id;
    a = lv_flv_a(f);

    if (!lv_flv_audio_known(m->fourcc)) {
        return lv_flv_sound_refuse(f, m->fourcc,
                                   lv_flv_fourcc_text(m->fourcc, name));
    }

    if (a->fourcc != m->fourcc) {
        a->fourcc = m->fourcc;
        a->track = -1;
        a->config_len = 0;
        a->pending = false;
        a->adts = false;
    }

    return lv_flv_audio_body(f);
}


static int
lv_flv_audio_head(lv_flv_t *f)
{
    int                rc;
    unsigned           id;
    lv_flv_message_t  *m;

    m = &f->am;
    id = m->head[0] >> 4;

    switch (id) {

    case LV_FLV_ID_EX:
        rc = lv_flv_ex_head(m, LV_FLV_P_AUDIO_MULTI);

        if (rc == LV_AGAIN) {
            return LV_OK;
        }

        if (rc == LV_DECLINED) {
            f->stat.broken++;
            lv_flv_skip(m);
            return LV_OK;
        }

        break;

    case LV_FLV_ID_AAC:
        if (m->head_len < 2) {
            return LV_OK;
        }

        m->legacy = true;
        m->packet = m->head[1];
        m->fourcc = LV_FLV_MP4A;
        break;

    case LV_FLV_ID_MP3:
    case LV_FLV_ID_MP3_8K:
        m->legacy = true;
        m->packet = LV_FLV_P_FRAMES;
        m->fourcc = LV_FLV_MP3;
        break;

    default:
        f->a = 0;
        /* plus 1: 0 means none, and no FourCC is that small */
        return lv_flv_sound_refuse(f, id + 1, lv_flv_audio_name(id));
    }

    m->state = LV_FLV_S_TRACK;
    m->head_len = 0;

    return lv_flv_audio_track(f);
}


/* The body of a track is complete. */
static int
lv_flv_audio_done(lv_flv_t *f)
{
    int                rc;
    lv_flv_audio_t    *a;
    lv_flv_message_t  *m;

    a = lv_flv_a(f);
    m = &f->am;
    rc = LV_OK;

    switch (m->state) {

    case LV_FLV_S_CONFIG:
        /* an empty one ("AF 00") comes from some before the real one */
        if (a->collect_len) {
            rc = lv_flv_sound_sequence(f);
        }

        break;

    case LV_FLV_S_PEEK:
        /* shorter than what is peeked at: a frame of silence, or nothing */
        if (m->head_len) {
            rc = lv_flv_sound_begin(f, m->head_len);
        }

        break;
    }

    if (rc == LV_OK) {
        rc = lv_flv_sound_end(f);
    }

    if (rc != LV_OK) {
        return rc;
    }

    lv_flv_next_track(m);

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

    a = lv_flv_a(f);
    m = &f->am;
    n = *take;

    switch (m->state) {

    case LV_FLV_S_CONFIG:
        memcpy(a->collect + a->collect_len, p, n);
        a->collect_len += (uint32_t) n;
        return LV_OK;

    case LV_FLV_S_PEEK:
        *take = 1;
        m->head[m->head_len++] = *p;

        if (m->head_len < lv_flv_sound_peek(m->fourcc)) {
            return LV_OK;
        }

        /* body counts the last byte yet */
        return lv_flv_sound_begin(f, m->body - 1 + m->head_len);

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
        rc = n ? lv_flv_sound_write(f, p, n) : LV_OK;

        if (rc == LV_OK && a->frame_left == 0) {
            rc = lv_flv_sound_end(f);
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

    m = &f->am;

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

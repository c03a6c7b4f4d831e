#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "lv_flv_priv.h"


void
lv_flv_init(lv_flv_t *f, const lv_flv_conf_t *conf, lv_flv_event_pt event,
    void *ctx)
{
    unsigned            i;
    lv_timeline_conf_t  tc;

    memset(f, 0, offsetof(lv_flv_t, video));
    memset(f->audio, 0, sizeof(f->audio));

    f->event = event;
    f->ctx = ctx;

    /* not their buffers: most of the tracks are never used, nor is then the
     * memory */

    for (i = 0; i < LV_FLV_VIDEOS; i++) {
        memset(&f->video[i], 0, offsetof(lv_flv_video_t, hold));
        f->video[i].config.len = 0;
        f->video[i].next.len = 0;
        f->video[i].track = -1;
        f->video[i].length_size = 4;
    }

    for (i = 0; i < LV_FLV_AUDIOS; i++) {
        f->audio[i].track = -1;
    }

    memset(&tc, 0, sizeof(tc));
    tc.timescale = 1000;
    tc.bits = 32;

    if (conf) {
        tc.audio_margin_ms = conf->audio_margin_ms;
        tc.jump_ms = conf->jump_ms;
    }

    lv_timeline_init(&f->timeline, &tc);
}


void
lv_flv_tell(lv_flv_t *f, lv_flv_event_t ev, const char *fmt, ...)
{
    char     text[256];
    va_list  ap;

    if (f->event == NULL) {
        return;
    }

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);

    f->event(f->ctx, ev, text);
}


void
lv_flv_tell_once(lv_flv_t *f, uint32_t bit, lv_flv_event_t ev,
    const char *text)
{
    if (f->told & bit) {
        return;
    }

    f->told |= bit;
    lv_flv_tell(f, ev, "%s", text);
}


int
lv_flv_fail(lv_flv_t *f, const char *err)
{
    f->err = err;

    return LV_ERROR;
}


int
lv_flv_displaced(lv_flv_t *f)
{
    f->displaced = true;

    return lv_flv_fail(f, "another publisher has taken the stream over");
}


const char *
lv_flv_fourcc_text(uint32_t fourcc, char *out)
{
    unsigned  i, ch;

    for (i = 0; i < 4; i++) {
        ch = (fourcc >> (24 - 8 * i)) & 0xff;
        out[i] = (char) (ch > 0x20 && ch < 0x7f ? ch : '?');
    }

    out[4] = '\0';

    return out;
}


/* Walks the ModEx prefixes, then the multitrack byte and the FourCC. */
int
lv_flv_ex_head(lv_flv_message_t *m, unsigned multi_packet)
{
    size_t          pos, size, n;
    unsigned        packet;
    const uint8_t  *h;

    h = m->head;
    n = m->head_len;
    packet = h[0] & 0x0f;
    pos = 1;

    while (packet == LV_FLV_P_MODEX) {
        if (pos + 1 > n) {
            goto again;
        }

        size = (size_t) h[pos++] + 1;

        if (size == 256) {
            if (pos + 2 > n) {
                goto again;
            }

            size = (size_t) lv_be16(h + pos) + 1;
            pos += 2;
        }

        if (pos + size + 1 > sizeof(m->head)) {
            return LV_DECLINED;
        }

        if (pos + size + 1 > n) {
            goto again;
        }

        pos += size;

        /* TimestampOffsetNano; less than a millisecond by its meaning */
        if ((h[pos] >> 4) == 0 && size >= 3
            && lv_be24(h + pos - size) < 1000000)
        {
            m->nano = lv_be24(h + pos - size);
        }

        packet = h[pos++] & 0x0f;
    }

    m->multi = 0;

    if (packet == multi_packet) {
        if (pos + 1 > n) {
            goto again;
        }

        m->multi = (uint8_t) ((h[pos] >> 4) + 1);
        packet = h[pos++] & 0x0f;

        if (m->multi > LV_FLV_M_MANY_CODECS) {
            return LV_DECLINED;
        }
    }

    m->packet = (uint8_t) packet;
    m->fourcc = 0;

    if (m->multi == LV_FLV_M_MANY_CODECS) {
        return LV_OK;
    }

    if (pos + 4 > n) {
        goto again;
    }

    m->fourcc = lv_be32(h + pos);

    return LV_OK;

again:

    return n == sizeof(m->head) ? LV_DECLINED : LV_AGAIN;
}


size_t
lv_flv_ex_track_len(const lv_flv_message_t *m)
{
    switch (m->multi) {
    case LV_FLV_M_ONE:
        return 1;
    case LV_FLV_M_MANY:
        return 1 + 3;
    case LV_FLV_M_MANY_CODECS:
        return 4 + 1 + 3;
    default:
        return 0;
    }
}


int
lv_flv_ex_track(lv_flv_message_t *m, unsigned *id)
{
    const uint8_t  *h;

    h = m->head;
    *id = 0;
    m->body = m->left;

    if (m->multi == 0) {
        return LV_OK;
    }

    if (m->multi == LV_FLV_M_MANY_CODECS) {
        m->fourcc = lv_be32(h);
        h += 4;
    }

    *id = *h++;

    if (m->multi != LV_FLV_M_ONE) {
        m->body = lv_be24(h);

        if (m->body > m->left) {
            return LV_DECLINED;
        }
    }

    return LV_OK;
}


static lv_flv_message_t *
lv_flv_message(lv_flv_t *f, unsigned type)
{
    return type == LV_FLV_AUDIO ? &f->am : &f->vm;
}


int
lv_flv_begin(lv_flv_t *f, lv_packager_t *p, unsigned type,
    uint32_t timestamp_ms, uint32_t len, uint64_t now_ms)
{
    lv_flv_message_t  *m;

    if (f->err) {
        return LV_ERROR;
    }

    lv_flv_abort(f, type);

    m = lv_flv_message(f, type);

    m->open = true;
    m->state = LV_FLV_S_HEAD;
    m->head_len = 0;
    m->multi = 0;
    m->legacy = false;
    m->nano = 0;
    m->timestamp = timestamp_ms;
    m->left = len;
    m->body = 0;
    m->now_ms = now_ms;
    m->packager = p;

    return LV_OK;
}


int
lv_flv_data(lv_flv_t *f, unsigned type, const uint8_t *data, size_t n)
{
    lv_flv_message_t  *m;

    m = lv_flv_message(f, type);

    if (f->err || !m->open) {
        return f->err ? LV_ERROR : LV_OK;
    }

    if (n > m->left) {
        n = m->left;
    }

    return type == LV_FLV_AUDIO ? lv_flv_audio_data(f, data, n)
                                : lv_flv_video_data(f, data, n);
}


int
lv_flv_end(lv_flv_t *f, unsigned type)
{
    lv_flv_message_t  *m;

    m = lv_flv_message(f, type);

    /* frames were finished with their last bytes */
    if (m->left) {
        lv_flv_abort(f, type);
    }

    m->open = false;

    return f->err ? LV_ERROR : LV_OK;
}


void
lv_flv_abort(lv_flv_t *f, unsigned type)
{
    lv_flv_message_t  *m;

    m = lv_flv_message(f, type);

    if (m->frame && !f->displaced) {
        lv_packager_frame_abort(m->packager, type == LV_FLV_AUDIO
                                             ? lv_flv_a(f)->track
                                             : lv_flv_v(f)->track);
    }

    if (m->open && type != LV_FLV_AUDIO) {
        lv_flv_unit_forget(lv_flv_v(f));
    }

    m->frame = false;
    m->open = false;
}


void
lv_flv_abort_all(lv_flv_t *f)
{
    lv_flv_abort(f, LV_FLV_AUDIO);
    lv_flv_abort(f, LV_FLV_VIDEO);
}


/* ---- onMetaData -------------------------------------------------------- */

static bool
lv_flv_is(const char *name, size_t len, const char *want)
{
    return len == strlen(want) && memcmp(name, want, len) == 0;
}


static void
lv_flv_meta_text(char *out, size_t size, const char *s, size_t n)
{
    size_t  i;

    for (i = 0; i < n && i + 1 < size; i++) {
        out[i] = s[i] >= 0x20 && s[i] < 0x7f ? s[i] : '?';
    }

    out[i] = '\0';
}


/* Codec ids are numbers, FourCCs as numbers, or texts. */
static void
lv_flv_meta_codec(char *out, size_t size, double v)
{
    char      text[16];
    uint32_t  n;

    if (v < 0 || v > 4294967295.0) {
        return;
    }

    n = (uint32_t) v;

    if (n < 256) {
        snprintf(text, sizeof(text), "%u", n);

    } else {
        lv_flv_fourcc_text(n, text);
    }

    lv_flv_meta_text(out, size, text, strlen(text));
}


void
lv_flv_meta_number(lv_flv_t *f, const char *name, size_t len, double v)
{
    unsigned        i;
    uint32_t        n;
    lv_flv_meta_t  *meta;

    static const struct {
        const char  *name;
        size_t       to;             /* a uint32_t in lv_flv_meta_t */
        double       max, scale;
    } fields[] = {
        { "width", offsetof(lv_flv_meta_t, width), 65535, 1 },
        { "height", offsetof(lv_flv_meta_t, height), 65535, 1 },
        { "framerate", offsetof(lv_flv_meta_t, rate_milli), 1000, 1000 },
        { "videoframerate", offsetof(lv_flv_meta_t, rate_milli), 1000, 1000 },
        { "fps", offsetof(lv_flv_meta_t, rate_milli), 1000, 1000 },
        { "videodatarate", offsetof(lv_flv_meta_t, video_kbps), 1e6, 1 },
        { "audiodatarate", offsetof(lv_flv_meta_t, audio_kbps), 1e6, 1 },
        { "audiosamplerate", offsetof(lv_flv_meta_t, sample_rate), 768000, 1 }
    };

    meta = &f->meta;

    if (!isfinite(v)) {
        return;
    }

    if (lv_flv_is(name, len, "videocodecid")) {
        lv_flv_meta_codec(meta->video_codec, sizeof(meta->video_codec), v);
        return;
    }

    if (lv_flv_is(name, len, "audiocodecid")) {
        lv_flv_meta_codec(meta->audio_codec, sizeof(meta->audio_codec), v);
        return;
    }

    for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (lv_flv_is(name, len, fields[i].name) && v >= 0
            && v <= fields[i].max)
        {
            n = (uint32_t) (v * fields[i].scale + 0.5);
            memcpy((uint8_t *) meta + fields[i].to, &n, sizeof(n));
            return;
        }
    }
}


void
lv_flv_meta_string(lv_flv_t *f, const char *name, size_t len, const char *s,
    size_t n)
{
    lv_flv_meta_t  *meta;

    meta = &f->meta;

    if (lv_flv_is(name, len, "videocodecid")) {
        lv_flv_meta_text(meta->video_codec, sizeof(meta->video_codec), s, n);

    } else if (lv_flv_is(name, len, "audiocodecid")) {
        lv_flv_meta_text(meta->audio_codec, sizeof(meta->audio_codec), s, n);

    } else if (lv_flv_is(name, len, "encoder")) {
        lv_flv_meta_text(meta->encoder, sizeof(meta->encoder), s, n);
    }
}

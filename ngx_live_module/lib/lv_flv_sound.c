/* Audio configurations and frames, codec by codec. */

#include <stdio.h>

#include "lv_flv_priv.h"
#include "lv_flac.h"
#include "lv_mp3.h"

/* What tells a configuration apart, as it goes to the packager. */
typedef struct {
    uint32_t        fourcc;          /* of the sample entry */
    const char     *codecs;
    const uint8_t  *config;
    size_t          len;
    uint32_t        rate, channels, samples;
} lv_flv_sound_t;


int
lv_flv_sound_refuse(lv_flv_t *f, uint32_t codec, const char *name)
{
    lv_flv_audio_t  *a;

    a = lv_flv_a(f);

    f->stat.refused++;
    lv_flv_skip(&f->am);

    if (a->refused != codec) {
        a->refused = codec;
        a->track = -1;
        a->fourcc = 0;
        a->config_len = 0;
        lv_flv_tell(f, LV_FLV_REFUSED, "audio codec not supported: %s,"
                    " use AAC", name);
    }

    return LV_OK;
}


/* ---- configuration ----------------------------------------------------- */

/* Keeps what came: the same configuration is not tried again. True: it is the
 * one that is kept. */
static bool
lv_flv_sound_keep(lv_flv_audio_t *a, const uint8_t *p, size_t len)
{
    if (len == a->config_len && memcmp(a->config, p, len) == 0) {
        return true;
    }

    a->track = -1;
    a->config_len = (uint32_t) len;
    memcpy(a->config, p, len);

    return false;
}


static int
lv_flv_sound_configure(lv_flv_t *f, const lv_flv_sound_t *s)
{
    int                track;
    lv_flv_audio_t    *a;
    lv_codec_config_t  c;

    a = lv_flv_a(f);

    memset(&c, 0, sizeof(c));
    c.kind = LV_KIND_AUDIO;
    c.index = (uint8_t) f->a;
    c.fourcc = s->fourcc;
    c.sample_rate = s->rate;
    c.channels = s->channels;
    c.frame_samples = s->samples;
    c.config = s->config;
    c.config_len = s->len;
    memcpy(c.codecs, s->codecs, strlen(s->codecs) + 1);

    track = lv_packager_config(f->am.packager, &c, f->am.now_ms);

    if (track == LV_DECLINED) {
        lv_flv_tell(f, LV_FLV_REFUSED, "%s cannot be packaged", c.codecs);
        return LV_OK;
    }

    if (track < 0) {
        return lv_flv_displaced(f);
    }

    a->track = track;
    a->rate = s->rate;
    a->samples = s->samples;
    a->refused = 0;
    f->stat.configs++;

    lv_flv_tell(f, LV_FLV_CONFIG, "%s %u Hz %u ch", c.codecs, c.sample_rate,
                c.channels);

    return LV_OK;
}


static int
lv_flv_sound_aac(lv_flv_t *f, const uint8_t *p, size_t len, bool adts)
{
    char             codecs[12];
    lv_aac_t         aac;
    const char      *err;
    lv_flv_sound_t   s;
    lv_flv_audio_t  *a;

    a = lv_flv_a(f);

    if (lv_flv_sound_keep(a, p, len)) {
        return LV_OK;
    }

    a->adts = adts;

    if (lv_aac_config_parse(&aac, p, len, &err) != LV_OK) {
        lv_flv_tell(f, LV_FLV_REFUSED, "%s", err);
        return LV_OK;
    }

    lv_aac_codec_string(&aac, codecs);

    /* browsers play LC, and LC with SBR or PS */
    if (aac.object_type != LV_AOT_LC) {
        lv_flv_tell(f, LV_FLV_REFUSED, "AAC profile not supported: %s,"
                    " use AAC-LC", codecs);
        return LV_OK;
    }

    s.fourcc = LV_FLV_MP4A;
    s.codecs = codecs;
    s.config = a->config;
    s.len = a->config_len;
    s.rate = aac.sample_rate;
    s.channels = aac.channels;
    s.samples = aac.frame_samples;

    return lv_flv_sound_configure(f, &s);
}


/* Opus counts on its first packet: only that tells how long they are. */
static int
lv_flv_sound_opus(lv_flv_t *f, const lv_opus_t *o)
{
    size_t           len;
    uint8_t          dops[LV_OPUS_HEAD_MAX];
    lv_flv_audio_t  *a;

    a = lv_flv_a(f);
    len = lv_opus_dops(o, dops);

    if (!lv_flv_sound_keep(a, dops, len)) {
        a->channels = o->channels;
        a->pending = true;
    }

    return LV_OK;
}


static int
lv_flv_sound_flac(lv_flv_t *f, const lv_flac_t *flac)
{
    uint8_t          dfla[LV_FLAC_DFLA];
    lv_flv_sound_t   s;
    lv_flv_audio_t  *a;

    a = lv_flv_a(f);
    lv_flac_dfla(flac, dfla);

    if (lv_flv_sound_keep(a, dfla, sizeof(dfla))) {
        return LV_OK;
    }

    s.fourcc = LV_FLV_FLAC;
    s.codecs = "fLaC";
    s.config = a->config;
    s.len = a->config_len;
    s.rate = flac->sample_rate;
    s.channels = flac->channels;
    s.samples = flac->block_max;

    return lv_flv_sound_configure(f, &s);
}


int
lv_flv_sound_sequence(lv_flv_t *f)
{
    lv_opus_t        opus;
    lv_flac_t        flac;
    const char      *err;
    lv_flv_audio_t  *a;

    a = lv_flv_a(f);

    switch (a->fourcc) {

    case LV_FLV_MP4A:
        return lv_flv_sound_aac(f, a->collect, a->collect_len, false);

    case LV_FLV_OPUS:
        if (lv_opus_head_parse(&opus, a->collect, a->collect_len, &err)
            == LV_OK)
        {
            return lv_flv_sound_opus(f, &opus);
        }

        break;

    case LV_FLV_FLAC:
        if (lv_flac_info_parse(&flac, a->collect, a->collect_len, &err)
            == LV_OK)
        {
            return lv_flv_sound_flac(f, &flac);
        }

        break;

    default:
        return LV_OK;                        /* the frames say it all */
    }

    f->stat.broken++;
    lv_flv_tell(f, LV_FLV_REFUSED, "%s", err);

    return LV_OK;
}


/* ---- frames ------------------------------------------------------------ */

static void
lv_flv_sound_held(lv_flv_t *f)
{
    char  name[5], text[64];

    f->stat.held++;
    snprintf(text, sizeof(text), "audio comes without a sequence header (%s)",
             lv_flv_fourcc_text(f->am.fourcc, name));
    lv_flv_tell_once(f, LV_FLV_ONCE_HELD_AUDIO, LV_FLV_HELD, text);
}


/* A frame of that many samples begins, frame_left bytes long. Where it is not
 * wanted its bytes are passed over (m->frame stays false). */
static int
lv_flv_sound_frame(lv_flv_t *f, uint32_t samples)
{
    int                rc;
    uint32_t           stamp;
    lv_time_t          t;
    lv_flv_audio_t    *a;
    lv_flv_message_t  *m;

    a = lv_flv_a(f);
    m = &f->am;
    m->state = LV_FLV_S_FRAME;
    a->frame_no++;

    if (a->track < 0) {

        if (a->config_len) {
            f->stat.refused++;
        } else {
            lv_flv_sound_held(f);
        }

        return LV_OK;
    }

    stamp = m->timestamp + (uint32_t) ((uint64_t) a->ahead * 1000 / a->rate);
    a->ahead += samples;

    lv_timeline_audio(&f->timeline, LV_FLV_LINE_AUDIO(f->a), stamp, samples,
                      a->rate, m->now_ms, &t);

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

    if (samples != a->samples) {
        lv_packager_samples(m->packager, a->track, samples);
    }

    m->frame = true;
    f->stat.audio_frames++;

    return LV_OK;
}


int
lv_flv_sound_write(lv_flv_t *f, const uint8_t *p, size_t n)
{
    int                rc;
    lv_flv_audio_t    *a;
    lv_flv_message_t  *m;

    a = lv_flv_a(f);
    m = &f->am;

    if (!m->frame) {
        return LV_OK;
    }

    rc = lv_packager_data(m->packager, a->track, p, n);

    if (rc == LV_ERROR) {
        return lv_flv_displaced(f);
    }

    if (rc != LV_OK) {
        lv_packager_frame_abort(m->packager, a->track);
        m->frame = false;
        f->stat.declined++;
    }

    return LV_OK;
}


int
lv_flv_sound_end(lv_flv_t *f)
{
    lv_flv_message_t  *m;

    m = &f->am;

    if (m->frame) {
        m->frame = false;

        if (lv_packager_frame_end(m->packager, lv_flv_a(f)->track)
            == LV_ERROR)
        {
            return lv_flv_displaced(f);
        }
    }

    return LV_OK;
}


/* Begins a frame of `len` bytes with what was peeked at. */
static int
lv_flv_sound_whole(lv_flv_t *f, uint32_t len, uint32_t samples)
{
    int                rc;
    lv_flv_message_t  *m;

    m = &f->am;
    lv_flv_a(f)->frame_left = len - m->head_len;
    rc = lv_flv_sound_frame(f, samples);

    return rc == LV_OK ? lv_flv_sound_write(f, m->head, m->head_len) : rc;
}


static int
lv_flv_sound_broken(lv_flv_t *f, const char *err)
{
    f->stat.broken++;
    f->am.state = LV_FLV_S_SKIP;
    lv_flv_tell_once(f, LV_FLV_ONCE_FRAMES, LV_FLV_BROKEN, err);

    return LV_OK;
}


/*
 * With an ADTS header in front, or the frame itself. A raw frame cannot look
 * like one: 0xfff would be the end of the frame with its first element.
 */
static int
lv_flv_sound_begin_aac(lv_flv_t *f, uint32_t whole)
{
    int                rc;
    lv_adts_t          h;
    lv_flv_audio_t    *a;
    lv_flv_message_t  *m;

    a = lv_flv_a(f);
    m = &f->am;

    if (m->head_len < LV_ADTS_MIN
        || lv_adts_parse(&h, m->head, m->head_len) != LV_OK
        || h.frame_len > whole)
    {
        if (a->frame_no) {
            m->state = LV_FLV_S_SKIP;        /* no further ADTS frame */
            return LV_OK;
        }

        return lv_flv_sound_whole(f, whole, a->samples);
    }

    /* a sequence header says more than ADTS can: it stays */
    if (a->config_len == 0 || a->adts) {
        rc = lv_flv_sound_aac(f, h.config, sizeof(h.config), true);

        if (rc != LV_OK) {
            return rc;
        }
    }

    a->frame_left = h.frame_len - LV_ADTS_MIN;
    a->skip = (uint8_t) (h.header_len - LV_ADTS_MIN);

    if (h.blocks == 1 && h.frame_len > h.header_len) {
        return lv_flv_sound_frame(f, a->samples);
    }

    if (h.blocks > 1) {
        lv_flv_tell_once(f, LV_FLV_ONCE_BLOCKS, LV_FLV_SKIPPED,
                         "ADTS frames of several blocks are left out");
    }

    a->frame_no++;
    m->state = LV_FLV_S_FRAME;

    return LV_OK;
}


static int
lv_flv_sound_begin_opus(lv_flv_t *f, uint32_t whole)
{
    int                rc;
    uint32_t           samples;
    lv_opus_t          opus;
    lv_flv_sound_t     s;
    lv_flv_audio_t    *a;
    lv_flv_message_t  *m;

    a = lv_flv_a(f);
    m = &f->am;
    samples = lv_opus_samples(m->head, m->head_len);

    if (samples == 0) {
        return lv_flv_sound_broken(f, "an Opus packet cannot be read");
    }

    if (a->config_len == 0) {
        /* no header came: the packet says whether it is stereo */
        (void) lv_opus_default(&opus, m->head[0] & 4 ? 2 : 1);
        (void) lv_flv_sound_opus(f, &opus);
    }

    if (a->pending) {
        a->pending = false;

        s.fourcc = LV_FLV_OPUS;
        s.codecs = "Opus";
        s.config = a->config;
        s.len = a->config_len;
        s.rate = LV_OPUS_RATE;
        s.channels = a->channels;
        s.samples = samples;

        rc = lv_flv_sound_configure(f, &s);

        if (rc != LV_OK) {
            return rc;
        }
    }

    return lv_flv_sound_whole(f, whole, samples);
}


static int
lv_flv_sound_begin_flac(lv_flv_t *f, uint32_t whole)
{
    uint32_t  samples;

    samples = lv_flac_samples(f->am.head, f->am.head_len);

    return samples ? lv_flv_sound_whole(f, whole, samples)
                   : lv_flv_sound_broken(f, "a FLAC frame cannot be read");
}


static int
lv_flv_sound_begin_ac3(lv_flv_t *f, uint32_t whole)
{
    int              rc;
    uint8_t          config[LV_AC3_CONFIG_MAX];
    lv_ac3_t         ac3;
    lv_flv_sound_t   s;
    lv_flv_audio_t  *a;

    a = lv_flv_a(f);

    if (lv_ac3_parse(&ac3, f->am.head, f->am.head_len) != LV_OK
        || ac3.enhanced != (a->fourcc == LV_FLV_EC_3))
    {
        return lv_flv_sound_broken(f, "an AC-3 frame cannot be read");
    }

    if (a->config_len == 0 || !lv_ac3_same(&a->ac3, &ac3)) {
        a->ac3 = ac3;

        s.fourcc = a->fourcc;
        s.codecs = ac3.enhanced ? "ec-3" : "ac-3";
        s.len = lv_ac3_config(&ac3, config);
        s.config = config;
        s.rate = ac3.sample_rate;
        s.channels = ac3.channels;
        s.samples = ac3.samples;

        (void) lv_flv_sound_keep(a, config, s.len);
        rc = lv_flv_sound_configure(f, &s);

        if (rc != LV_OK) {
            return rc;
        }
    }

    /* what else the message has are this frame's dependent substreams */
    return lv_flv_sound_whole(f, whole, ac3.samples);
}


static int
lv_flv_sound_begin_mp3(lv_flv_t *f, uint32_t whole)
{
    int              rc;
    char             codecs[12];
    lv_mp3_t         mp3;
    lv_flv_sound_t   s;
    lv_flv_audio_t  *a;

    a = lv_flv_a(f);

    if (lv_mp3_parse(&mp3, f->am.head, f->am.head_len) != LV_OK) {
        return lv_flv_sound_broken(f, "an MP3 frame cannot be read");
    }

    if (!lv_flv_sound_keep(a, mp3.config, sizeof(mp3.config))) {
        lv_mp3_codec_string(&mp3, codecs);

        s.fourcc = LV_FLV_MP4A;
        s.codecs = codecs;
        s.config = a->config;
        s.len = a->config_len;
        s.rate = mp3.sample_rate;
        s.channels = mp3.channels;
        s.samples = mp3.samples;

        rc = lv_flv_sound_configure(f, &s);

        if (rc != LV_OK) {
            return rc;
        }
    }

    return lv_flv_sound_whole(f, mp3.frame_len < whole ? mp3.frame_len : whole,
                              mp3.samples);
}


unsigned
lv_flv_sound_peek(uint32_t fourcc)
{
    switch (fourcc) {
    case LV_FLV_OPUS:
        return 2;
    case LV_FLV_FLAC:
        return LV_FLAC_HEADER_MAX;
    case LV_FLV_AC_3:
    case LV_FLV_EC_3:
        return LV_AC3_HEADER;
    case LV_FLV_MP3:
        return LV_MP3_HEADER;
    default:
        return LV_ADTS_MIN;
    }
}


int
lv_flv_sound_begin(lv_flv_t *f, uint32_t whole)
{
    switch (f->am.fourcc) {
    case LV_FLV_OPUS:
        return lv_flv_sound_begin_opus(f, whole);
    case LV_FLV_FLAC:
        return lv_flv_sound_begin_flac(f, whole);
    case LV_FLV_AC_3:
    case LV_FLV_EC_3:
        return lv_flv_sound_begin_ac3(f, whole);
    case LV_FLV_MP3:
        return lv_flv_sound_begin_mp3(f, whole);
    default:
        return lv_flv_sound_begin_aac(f, whole);
    }
}

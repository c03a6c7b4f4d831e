/* A sink of the demuxer that checks what it is given against the contract. */

#ifndef TS_SINK_H
#define TS_SINK_H

#include <stdlib.h>

#include "lv_ts.h"

#define SAMPLE_MAX  (64 << 10)       /* bytes of a sample that are looked at */

typedef struct {
    bool           configured, open, video;
    lv_ts_codec_t  codec;
    size_t         len;
    uint8_t        sample[SAMPLE_MAX];
} sink_track_t;

static sink_track_t  sink_track[LV_TS_STREAMS];
static unsigned      sink_calls, sink_no;    /* every n-th frame is declined */


static void
must(bool cond)
{
    if (!cond) {
        abort();
    }
}


static int
on_track(void *ctx, unsigned track, lv_ts_codec_t codec,
    const lv_codec_config_t *c)
{
    sink_track_t  *t = &sink_track[track];

    must(track < LV_TS_STREAMS && !t->open);
    must(c->config_len > 0 && memchr(c->codecs, 0, sizeof(c->codecs)));
    must(c->codecs[0] != '\0');

    t->configured = true;
    t->codec = codec;
    t->video = c->kind == LV_KIND_VIDEO;
    must(t->video ? c->width && c->height
                  : c->sample_rate && c->channels && c->frame_samples);

    return LV_OK;
}


static void
on_gone(void *ctx, unsigned track)
{
    must(track < LV_TS_STREAMS && !sink_track[track].open);
    sink_track[track].configured = false;
}


static int
on_frame(void *ctx, unsigned track, const lv_ts_frame_t *f)
{
    sink_track_t  *t = &sink_track[track];

    must(t->configured && !t->open);
    must(t->video || (f->samples && f->key));

    if (sink_no && ++sink_calls % sink_no == 0) {
        return LV_DECLINED;
    }

    t->open = true;
    t->len = 0;

    return LV_OK;
}


static int
on_data(void *ctx, unsigned track, const void *p, size_t n)
{
    size_t         room;
    sink_track_t  *t = &sink_track[track];

    must(t->open && n > 0);
    must(t->video || n <= LV_TS_AUDIO_FRAME + 64);

    if (sink_no && ++sink_calls % (sink_no * 7) == 0) {
        t->open = false;
        return LV_DECLINED;
    }

    if (t->len < SAMPLE_MAX) {
        room = SAMPLE_MAX - t->len;
        memcpy(t->sample + t->len, p, n < room ? n : room);
    }

    t->len += n;
    must(t->len <= LV_TS_PICTURE_MAX);

    return LV_OK;
}


static void
on_patch(void *ctx, unsigned track, uint32_t at, const void *p, size_t n)
{
    sink_track_t  *t = &sink_track[track];

    must(t->video && t->open && at <= t->len && n <= t->len - at);

    if (at + n <= SAMPLE_MAX) {
        memcpy(t->sample + at, p, n);
    }
}


static int
on_end(void *ctx, unsigned track)
{
    size_t         at, n;
    unsigned       type;
    sink_track_t  *t = &sink_track[track];

    must(t->open && t->len > 0);
    t->open = false;

    if (!t->video || t->len > SAMPLE_MAX) {
        return LV_OK;
    }

    for (at = 0; at < t->len; at += 4 + n) {
        must(t->len - at > 4);
        n = lv_be32(t->sample + at);
        must(n > 0 && n <= t->len - at - 4);
        type = t->codec == LV_TS_HEVC ? t->sample[at + 4] >> 1 & 0x3f
                                      : t->sample[at + 4] & 0x1f;
        must(t->codec == LV_TS_HEVC ? type != 33 && type != 35
                                    : type != 7 && type != 9);
    }

    return LV_OK;
}


static void
on_abort(void *ctx, unsigned track)
{
    must(sink_track[track].open);
    sink_track[track].open = false;
}


static void
on_captions(void *ctx, unsigned track, unsigned captions)
{
    must(sink_track[track].open && captions > 0 && captions < 8);
}


static void
on_meta(void *ctx, const lv_ts_meta_t *m)
{
    must(m->len > 0 && m->len <= LV_TS_META_MAX);
    must(m->splice == NULL || m->splice->segments <= LV_SCTE35_SEGMENTS);
}


static void
on_event(void *ctx, lv_ts_event_t ev, const char *text)
{
    must(text[0] != '\0');

    for ( /* void */ ; *text; text++) {
        must(*text >= ' ' && *text < 127);
    }
}


static const lv_ts_sink_t  checking_sink = {
    on_track, on_gone, on_frame, on_data, on_patch, on_end, on_abort,
    on_captions, on_meta, on_event
};


static void
sink_reset(unsigned no)
{
    unsigned  i;

    for (i = 0; i < LV_TS_STREAMS; i++) {
        sink_track[i].configured = sink_track[i].open = false;
    }

    sink_calls = 0;
    sink_no = no;
}


static void
sink_closed(void)
{
    unsigned  i;

    for (i = 0; i < LV_TS_STREAMS; i++) {
        must(!sink_track[i].open);
    }
}

#endif

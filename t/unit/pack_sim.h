/*
 * For tests of the packager: a store in plain memory, encoders that send what
 * real ones send, and a checker that looks at every part that is committed.
 *
 * Each synthetic frame begins with its own presentation time in the encoder's
 * clock, so that the checker can compare what players will show with what was
 * meant, whatever path the frame took.
 */

#ifndef PACK_SIM_H
#define PACK_SIM_H

#include "pack_check.h"

/* ---- the encoder ------------------------------------------------------- */

static const uint8_t  sim_avcc[] = {
    0x01, 0x64, 0x00, 0x1f, 0xff, 0xe1, 0x00, 0x04, 0x67, 0x64, 0x00, 0x1f,
    0x01, 0x00, 0x04, 0x68, 0xee, 0x3c, 0x80
};

typedef struct {
    double    fps;                   /* 0: no video */
    unsigned  gop;                   /* frames */
    unsigned  bframes;               /* cts in frames */
    unsigned  rate;                  /* 0: no audio */
    bool      ms;                    /* stamps rounded to ms, as RTMP does */
    int64_t   base;                  /* of the encoder's clock, 90 kHz */
    int       skew_ms;               /* audio comes that much later */
    uint8_t   pub;
    unsigned  vsize, asize;
    uint8_t   avcc_variant, asc_variant;
    unsigned  channels;
    bool      rtmp;                  /* stamps of 32 bits through lv_timeline */
    uint32_t  first_ms;              /* the first of them */
    double    ppm;                   /* audio sample clock against stamps */
} sim_enc_conf_t;

typedef struct {
    sim_enc_conf_t  conf;
    lv_packager_t  *p;
    int             v, a;
    uint64_t        start_ms;        /* wall clock of its frame 0 */
    uint64_t        vn, an;          /* frames sent */
    uint64_t        v0;              /* the first key frame's */
    uint64_t        now_ms;
    unsigned        events[LV_PACK_NO_MEMORY + 1];
    char            text[128];
    int             rc;              /* of the last call */
    unsigned        declined;
    sim_check_t    *check;
    bool            hold_video, hold_audio;
    uint8_t         data[131072];
    lv_timeline_t   tl;
    uint64_t        chain;
    bool            interleave;      /* audio messages take their time */
    bool            waiting;         /* … and one is on its way */
    sim_mark_t      mark;
    unsigned        late;            /* frames that lv_timeline refused */
    uint32_t        next_tick;
} sim_enc_t;

static const lv_packager_conf_t  sim_conf = {
    .part_us = 333333, .segment_ms = 2000, .window_ms = 30000,
    .resume_ms = 30000, .max_bitrate = 10000000, .muxed = true
};

static void
sim_event(void *ctx, lv_pack_event_t ev, const char *text)
{
    sim_enc_t  *e = ctx;

    e->events[ev]++;
    snprintf(e->text, sizeof(e->text), "%s", text ? text : "");
}


static int64_t
sim_round(const sim_enc_t *e, double seconds)
{
    if (e->conf.ms) {
        return (int64_t) floor(seconds * 1000 + 0.5) * 90;
    }

    return (int64_t) floor(seconds * 90000 + 0.5);
}


static int
sim_config_video(sim_enc_t *e)
{
    uint8_t            avcc[sizeof(sim_avcc)];
    lv_codec_config_t  c;

    memcpy(avcc, sim_avcc, sizeof(avcc));
    avcc[sizeof(avcc) - 1] = (uint8_t) (0x80 | e->conf.avcc_variant);

    memset(&c, 0, sizeof(c));
    c.kind = LV_KIND_VIDEO;
    strcpy(c.codecs, "avc1.64001f");
    c.fourcc = LV_FOURCC('a', 'v', 'c', '1');
    c.width = 1280;
    c.height = 720;
    c.config = avcc;
    c.config_len = sizeof(avcc);

    e->v = lv_packager_config(e->p, &c, e->now_ms);
    return e->v;
}


static int
sim_config_audio(sim_enc_t *e)
{
    static const unsigned  table[] = { 96000, 88200, 64000, 48000, 44100,
                                       32000, 24000, 22050, 16000, 12000,
                                       11025, 8000 };
    uint8_t                asc[2];
    unsigned               i, channels;
    lv_codec_config_t      c;

    for (i = 0; i < 11 && table[i] != e->conf.rate; i++) { /* void */ }

    channels = e->conf.channels ? e->conf.channels : 2;
    channels = e->conf.asc_variant ? 1 : channels;
    asc[0] = (uint8_t) (2 << 3 | i >> 1);
    asc[1] = (uint8_t) ((i & 1) << 7 | channels << 3);

    memset(&c, 0, sizeof(c));
    c.kind = LV_KIND_AUDIO;
    strcpy(c.codecs, "mp4a.40.2");
    c.fourcc = LV_FOURCC('m', 'p', '4', 'a');
    c.sample_rate = e->conf.rate;
    c.channels = channels;
    c.frame_samples = 1024;
    c.config = asc;
    c.config_len = 2;

    e->a = lv_packager_config(e->p, &c, e->now_ms);
    return e->a;
}


static void
sim_audio_end(sim_enc_t *e)
{
    if (e->waiting) {
        e->waiting = false;
        lv_packager_data(e->p, e->a, &e->mark, sizeof(e->mark) / 2);
        lv_packager_data(e->p, e->a, (uint8_t *) &e->mark
                         + sizeof(e->mark) / 2, sizeof(e->mark) / 2);
        lv_packager_frame_end(e->p, e->a);
    }
}


static void
sim_mark_frame(sim_enc_t *e, int track, uint8_t kind, int64_t dts,
    int32_t cts, bool key, unsigned size, int64_t pts)
{
    sim_mark_t  m;

    if (kind == LV_KIND_AUDIO) {
        sim_audio_end(e);
    }

    e->rc = lv_packager_frame(e->p, track, dts, cts, key, e->now_ms);
    e->chain += kind == LV_KIND_VIDEO;

    if (e->rc != LV_OK) {
        e->declined++;
        return;
    }

    memset(&m, 0, sizeof(m));
    lv_put32(m.magic, SIM_MAGIC);
    m.kind = kind;
    m.pub = e->conf.pub;
    m.key = key;
    m.pts = pts;
    m.chain = e->chain;
    memcpy(e->data, &m, sizeof(m));

    if (e->interleave && kind == LV_KIND_AUDIO) {
        e->waiting = true;
        e->mark = m;
        return;
    }

    if (size < sizeof(m)) {
        size = sizeof(m);
    }

    lv_packager_data(e->p, track, e->data, size / 2);

    if (e->interleave && e->vn % 3) {
        sim_audio_end(e);
        memcpy(e->data, &m, sizeof(m));
    }

    lv_packager_data(e->p, track, e->data + size / 2, size - size / 2);
    e->rc = lv_packager_frame_end(e->p, track);
}


static void
sim_frame(sim_enc_t *e, int track, uint8_t kind, int64_t dts, int32_t cts,
    bool key, unsigned size)
{
    sim_mark_frame(e, track, kind, dts, cts, key, size, dts + cts);
}


static void
sim_video(sim_enc_t *e)
{
    bool     key;
    int32_t  cts;
    double   at;
    unsigned n;

    key = e->vn >= e->v0 && (e->vn - e->v0) % e->conf.gop == 0;
    at = (double) e->vn / e->conf.fps;
    cts = 0;

    if (e->conf.bframes) {
        /* I P B B …: the P is shown behind the Bs */
        n = (unsigned) ((e->vn - e->v0) % e->conf.gop) % (e->conf.bframes + 1);
        cts = (int32_t) ((n == 1 ? e->conf.bframes + 1 : key ? 1 : 0)
                         * 90000 / e->conf.fps);
        cts -= cts % (e->conf.ms ? 90 : 1);
    }

    e->vn++;

    if (e->hold_video) {
        return;
    }

    if (e->conf.rtmp) {
        lv_time_t  t;

        lv_timeline_video(&e->tl, 0, (uint32_t) (e->conf.first_ms
                          + (uint64_t) floor(at * 1000 + 0.5)), cts / 90,
                          e->now_ms, &t);
        sim_mark_frame(e, e->v, LV_KIND_VIDEO, t.dts_90k, t.cts_90k, key,
                       key ? e->conf.vsize * 4 : e->conf.vsize,
                       (int64_t) (at * 90000) + cts);
        return;
    }

    sim_frame(e, e->v, LV_KIND_VIDEO, e->conf.base + sim_round(e, at), cts,
              key, key ? e->conf.vsize * 4 : e->conf.vsize);
}


static void
sim_audio(sim_enc_t *e)
{
    double  at;

    at = (double) e->an * 1024 / e->conf.rate * (1 + e->conf.ppm / 1e6);
    e->an++;

    if (e->conf.rtmp) {
        lv_time_t  t;

        lv_timeline_audio(&e->tl, 1, (uint32_t) (e->conf.first_ms
                          + (uint64_t) floor(at * 1000 + 0.5)), 1024,
                          e->conf.rate, e->now_ms, &t);

        if (t.flags & LV_TIME_LATE) {
            e->late++;
            return;
        }

        sim_mark_frame(e, e->a, LV_KIND_AUDIO, t.dts_90k, 0, true,
                       e->conf.asize, (int64_t) (at * 90000));
        return;
    }

    /* what lv_timeline does with rounded stamps: from the count */
    if (!e->hold_audio) {
        sim_frame(e, e->a, LV_KIND_AUDIO,
                  e->conf.base + (int64_t) floor(at * 90000 + 0.5), 0, true,
                  e->conf.asize);
    }
}


__attribute__((unused)) static void
sim_encoder(sim_enc_t *e, const sim_enc_conf_t *conf, uint64_t now_ms,
    sim_check_t *check)
{
    memset(e, 0, sizeof(sim_enc_t));
    e->conf = *conf;
    e->start_ms = now_ms;
    e->now_ms = now_ms;
    e->check = check;

    if (e->conf.vsize == 0) {
        e->conf.vsize = 1000;
    }

    if (e->conf.asize == 0) {
        e->conf.asize = 200;
    }

    if (conf->rtmp) {
        lv_timeline_init(&e->tl, &(lv_timeline_conf_t) { .timescale = 1000 });
    }

    e->v = -1;
    e->a = -1;
}


__attribute__((unused)) static bool
sim_publish(sim_enc_t *e, lv_store_t *st, const lv_packager_conf_t *conf)
{
    const char  *err;

    err = "";
    e->p = lv_packager_create(st, "test", 4, conf ? conf : &sim_conf, NULL,
                              e->now_ms, sim_event, e, &err);

    if (e->p == NULL) {
        diag("refused: %s", err);
        return false;
    }

    if (e->conf.fps > 0) {
        sim_config_video(e);
    }

    if (e->conf.rate) {
        sim_config_audio(e);
    }

    return true;
}


/* Goes on for that long, frames in the order in which they are due; the
 * checker and the tick about every 50 ms. */
__attribute__((unused)) static void
sim_run(sim_enc_t *e, lv_store_t *st, double seconds)
{
    double    v, a;
    uint64_t  until, last, due;

    until = e->now_ms + (uint64_t) (seconds * 1000 + 0.5);
    last = e->now_ms;

    for ( ;; ) {
        v = e->conf.fps > 0 ? (double) e->vn * 1000 / e->conf.fps : 1e18;
        a = e->conf.rate ? (double) e->an * 1024000 / e->conf.rate
                           * (1 + e->conf.ppm / 1e6) + e->conf.skew_ms : 1e18;

        if ((v < a ? v : a) + (double) e->start_ms >= (double) until) {
            break;
        }

        due = e->start_ms + (uint64_t) (v < a ? (v < 0 ? 0 : v)
                                              : (a < 0 ? 0 : a));

        if (due > e->now_ms) {
            e->now_ms = due;
        }

        if (v <= a) {
            sim_video(e);
        } else {
            sim_audio(e);
        }

        if (e->now_ms - last >= 50) {
            last = e->now_ms;
            lv_packager_tick(e->p, e->now_ms);

            if (e->check && lv_packager_stream(e->p)) {
                sim_check(e->check, st, lv_packager_stream(e->p));
            }
        }
    }

    e->now_ms = until;
    lv_packager_tick(e->p, e->now_ms);

    if (e->check) {
        sim_check(e->check, st, lv_packager_stream(e->p));
    }
}


/* Only the clock goes on. */
__attribute__((unused)) static int
sim_idle(lv_packager_t *p, sim_check_t *c, lv_store_t *st, uint64_t *now_ms,
    double seconds)
{
    int       rc;
    uint64_t  until;

    until = *now_ms + (uint64_t) (seconds * 1000 + 0.5);
    rc = LV_OK;

    while (*now_ms < until && rc == LV_OK) {
        *now_ms += 50;
        rc = lv_packager_tick(p, *now_ms);

        if (c) {
            sim_check(c, st, lv_packager_stream(p));
        }
    }

    return rc;
}

#endif

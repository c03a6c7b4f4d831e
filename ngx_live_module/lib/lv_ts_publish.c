#include <stdio.h>
#include <stdlib.h>

#include "lv_aac.h"
#include "lv_fmp4.h"
#include "lv_mp3.h"
#include "lv_ts_publish.h"

#define LV_TSP_VIDEO      0          /* tracks of the timeline */
#define LV_TSP_AUDIO      1
#define LV_TSP_SCRAMBLED  100        /* packets, and no frame meanwhile */

typedef struct {
    int       handle;                /* the packager's, -1: none */
    bool      video;
    bool      open;                  /* a frame, at the packager */
    uint32_t  rate;
    uint32_t  samples;               /* a frame, as the packager knows */
} lv_tsp_track_t;

struct lv_ts_publish_s {
    lv_ts_publish_conf_t  conf;
    lv_ts_t              *ts;
    lv_packager_t        *packager;  /* during a call */
    uint64_t              now_ms;
    bool                  displaced;
    char                  err[128];  /* empty: none */
    lv_timeline_t         timeline;
    lv_tsp_track_t        track[LV_TS_STREAMS];
    bool                  mapped;    /* offset is valid */
    int64_t               offset;    /* from the stream's clock to the
                                        packager's */
    uint64_t              tables;    /* counts, last time that one looked */
    uint64_t              packets, scrambled;
    uint64_t              junk;      /* bytes since a packet came */
    lv_ts_publish_stat_t  stat;
};


/* ---- what went wrong --------------------------------------------------- */

static void
lv_tsp_tell(lv_ts_publish_t *t, lv_ts_publish_event_t ev, const char *text)
{
    if (t->conf.event) {
        t->conf.event(t->conf.ctx, ev, text);
    }
}


static int
lv_tsp_fail(lv_ts_publish_t *t, const char *what, const char *which)
{
    if (t->err[0] == '\0') {
        snprintf(t->err, sizeof(t->err), "%s%s", what, which);
    }

    return LV_ERROR;
}


static int
lv_tsp_displaced(lv_ts_publish_t *t)
{
    t->displaced = true;

    return lv_tsp_fail(t, "another encoder has taken the stream over", "");
}


/* ---- the sink: tracks -------------------------------------------------- */

/* What browsers' media sources play; they drop the whole variant over a track
 * that they do not. */
static bool
lv_tsp_audio_plays(const lv_codec_config_t *c)
{
    lv_aac_t     aac;
    const char  *err;

    if (c->fourcc != LV_FOURCC('m', 'p', '4', 'a')
        || lv_mp3_is_config(c->config, c->config_len))
    {
        return true;
    }

    return lv_aac_config_parse(&aac, c->config, c->config_len, &err) == LV_OK
           && aac.object_type == LV_AOT_LC;
}


static int
lv_tsp_track_refuse(lv_ts_publish_t *t, const lv_codec_config_t *c)
{
    char  text[80];

    if (c->kind == LV_KIND_VIDEO) {
        return lv_tsp_fail(t, c->codecs, " cannot be packaged");
    }

    snprintf(text, sizeof(text), "audio is left out: %s is not supported, use"
             " AAC-LC", c->codecs);
    lv_tsp_tell(t, LV_TSP_REFUSED, text);

    return LV_DECLINED;
}


static int
lv_tsp_track(void *ctx, unsigned track, lv_ts_codec_t codec,
    const lv_codec_config_t *c)
{
    int               handle;
    char              text[80];
    lv_tsp_track_t   *k;
    lv_ts_publish_t  *t = ctx;

    k = &t->track[track];
    k->handle = -1;
    k->video = c->kind == LV_KIND_VIDEO;
    k->rate = c->sample_rate;
    k->samples = c->frame_samples;

    if (!k->video && !lv_tsp_audio_plays(c)) {
        return lv_tsp_track_refuse(t, c);
    }

    handle = lv_packager_config(t->packager, c, t->now_ms);

    if (handle == LV_DECLINED) {
        return lv_tsp_track_refuse(t, c);
    }

    if (handle < 0) {
        return lv_tsp_displaced(t);
    }

    k->handle = handle;
    t->stat.configs++;

    if (k->video) {
        snprintf(text, sizeof(text), "%s %ux%u", c->codecs, c->width,
                 c->height);
    } else {
        snprintf(text, sizeof(text), "%s %u Hz %u ch", c->codecs,
                 c->sample_rate, c->channels);
    }

    lv_tsp_tell(t, LV_TSP_CONFIG, text);

    return LV_OK;
}


static void
lv_tsp_gone(void *ctx, unsigned track)
{
    lv_ts_publish_t  *t = ctx;

    t->track[track].handle = -1;
}


static void
lv_tsp_captions(void *ctx, unsigned track, unsigned captions)
{
    lv_ts_publish_t  *t = ctx;

    lv_packager_captions(t->packager, t->track[track].handle, captions);
}


/* ---- the sink: frames -------------------------------------------------- */

static int
lv_tsp_frame(void *ctx, unsigned track, const lv_ts_frame_t *f)
{
    int               rc;
    uint64_t          raw;
    lv_time_t         at;
    lv_tsp_track_t   *k;
    lv_ts_publish_t  *t = ctx;

    k = &t->track[track];

    if (k->handle < 0) {
        return LV_DECLINED;
    }

    raw = (uint64_t) f->dts & 0x1ffffffffull;

    if (k->video) {
        lv_timeline_video(&t->timeline, LV_TSP_VIDEO, raw,
                          (int32_t) (f->pts - f->dts), t->now_ms, &at);
    } else {
        lv_timeline_audio(&t->timeline, LV_TSP_AUDIO, raw, f->samples,
                          k->rate, t->now_ms, &at);
    }

    if (at.flags & LV_TIME_LATE) {
        t->stat.late++;
        return LV_DECLINED;
    }

    t->mapped = true;
    t->offset = at.dts_90k - f->dts;

    rc = lv_packager_frame(t->packager, k->handle, at.dts_90k, at.cts_90k,
                           f->key, t->now_ms);

    if (rc == LV_DECLINED) {
        t->stat.declined++;
        return LV_DECLINED;
    }

    if (rc != LV_OK) {
        return lv_tsp_displaced(t);
    }

    k->open = true;
    t->scrambled = lv_ts_stat(t->ts)->scrambled;

    if (!k->video && f->samples != k->samples) {
        lv_packager_samples(t->packager, k->handle, f->samples);
    }

    if (k->video) {
        t->stat.video_frames++;
        t->stat.key_frames += f->key;
    } else {
        t->stat.audio_frames++;
    }

    return LV_OK;
}


static int
lv_tsp_data(void *ctx, unsigned track, const void *p, size_t n)
{
    int               rc;
    lv_tsp_track_t   *k;
    lv_ts_publish_t  *t = ctx;

    k = &t->track[track];
    rc = lv_packager_data(t->packager, k->handle, p, n);

    if (rc == LV_ERROR) {
        return lv_tsp_displaced(t);
    }

    if (rc != LV_OK) {
        lv_packager_frame_abort(t->packager, k->handle);
        k->open = false;
        t->stat.declined++;
        return LV_DECLINED;
    }

    return LV_OK;
}


static void
lv_tsp_patch(void *ctx, unsigned track, uint32_t at, const void *p, size_t n)
{
    lv_ts_publish_t  *t = ctx;

    lv_packager_patch(t->packager, t->track[track].handle, at, p, n);
}


static int
lv_tsp_end(void *ctx, unsigned track)
{
    lv_ts_publish_t  *t = ctx;

    t->track[track].open = false;

    if (lv_packager_frame_end(t->packager, t->track[track].handle)
        == LV_ERROR)
    {
        return lv_tsp_displaced(t);
    }

    return LV_OK;
}


static void
lv_tsp_abort(void *ctx, unsigned track)
{
    lv_tsp_track_t   *k;
    lv_ts_publish_t  *t = ctx;

    k = &t->track[track];

    if (k->open) {
        k->open = false;
        lv_packager_frame_abort(t->packager, k->handle);
    }
}


/* ---- the sink: metadata and events ------------------------------------- */

static void
lv_tsp_meta(void *ctx, const lv_ts_meta_t *m)
{
    lv_ts_meta_t      out;
    lv_ts_publish_t  *t = ctx;

    if (t->conf.meta == NULL || (m->timed && !t->mapped)) {
        return;
    }

    out = *m;
    out.pts += t->offset;
    t->conf.meta(t->conf.ctx, &out);
}


static void
lv_tsp_event(void *ctx, lv_ts_event_t ev, const char *text)
{
    lv_ts_publish_t  *t = ctx;

    switch (ev) {

    case LV_TS_PROGRAM:
        lv_tsp_tell(t, LV_TSP_PROGRAM, text);
        return;

    case LV_TS_REFUSED_STREAM:
        lv_tsp_tell(t, LV_TSP_REFUSED, text);
        return;

    case LV_TS_JUMPED:
        lv_tsp_tell(t, LV_TSP_JUMP, text);
        return;

    default:
        lv_tsp_tell(t, LV_TSP_BROKEN, text);
    }
}


static const lv_ts_sink_t  lv_tsp_sink = {
    .track = lv_tsp_track,
    .gone = lv_tsp_gone,
    .frame = lv_tsp_frame,
    .data = lv_tsp_data,
    .patch = lv_tsp_patch,
    .end = lv_tsp_end,
    .abort = lv_tsp_abort,
    .captions = lv_tsp_captions,
    .meta = lv_tsp_meta,
    .event = lv_tsp_event
};


/* ---- publishing -------------------------------------------------------- */

lv_ts_publish_t *
lv_ts_publish_create(const lv_ts_publish_conf_t *conf)
{
    unsigned            i;
    lv_ts_conf_t        tc;
    lv_ts_publish_t    *t;
    lv_timeline_conf_t  lc;

    t = calloc(1, sizeof(lv_ts_publish_t));

    if (t == NULL) {
        return NULL;
    }

    t->conf = *conf;

    memset(&tc, 0, sizeof(tc));
    tc.program = conf->program;
    t->ts = lv_ts_create(&tc, &lv_tsp_sink, t);

    if (t->ts == NULL) {
        free(t);
        return NULL;
    }

    memset(&lc, 0, sizeof(lc));
    lc.timescale = 90000;
    lc.bits = 33;
    lc.audio_margin_ms = conf->audio_margin_ms;
    lc.jump_ms = conf->jump_ms;
    lv_timeline_init(&t->timeline, &lc);

    for (i = 0; i < LV_TS_STREAMS; i++) {
        t->track[i].handle = -1;
    }

    return t;
}


void
lv_ts_publish_destroy(lv_ts_publish_t *t)
{
    if (t) {
        lv_ts_destroy(t->ts);
        free(t);
    }
}


/* Is it worth going on? Looked at after each piece of bytes. */
static int
lv_tsp_judge(lv_ts_publish_t *t, size_t n)
{
    const lv_ts_stat_t    *stat;
    lv_ts_program_info_t   info;

    stat = lv_ts_stat(t->ts);

    t->junk = stat->packets == t->packets ? t->junk + n : 0;
    t->packets = stat->packets;

    if (t->junk >= LV_TS_PUBLISH_JUNK) {
        return lv_tsp_fail(t, "this is no MPEG transport stream", "");
    }

    if (stat->scrambled - t->scrambled >= LV_TSP_SCRAMBLED) {
        return lv_tsp_fail(t, "the transport stream is scrambled", "");
    }

    if (stat->tables == t->tables) {
        return LV_OK;
    }

    t->tables = stat->tables;
    lv_ts_program_info(t->ts, &info);

    if (!info.chosen || info.videos) {
        return LV_OK;
    }

    if (info.refused_video) {
        snprintf(t->err, sizeof(t->err), "video codec not supported: %s, use"
                 " H.264", info.refused_video);
        return LV_ERROR;
    }

    if (info.audios == 0 && stat->frames == 0) {
        return lv_tsp_fail(t, "the program has neither video nor audio that"
                           " can be carried", "");
    }

    return LV_OK;
}


int
lv_ts_publish_data(lv_ts_publish_t *t, lv_packager_t *p, const uint8_t *data,
    size_t n, uint64_t now_ms)
{
    if (t->err[0]) {
        return LV_ERROR;
    }

    t->packager = p;
    t->now_ms = now_ms;

    if (lv_ts_data(t->ts, data, n, now_ms) != LV_OK) {
        return lv_tsp_fail(t, "the transport stream cannot be used", "");
    }

    return lv_tsp_judge(t, n);
}


int
lv_ts_publish_flush(lv_ts_publish_t *t, lv_packager_t *p, uint64_t now_ms)
{
    if (t->err[0]) {
        return LV_ERROR;
    }

    t->packager = p;
    t->now_ms = now_ms;

    if (lv_ts_flush(t->ts) != LV_OK) {
        return lv_tsp_fail(t, "the transport stream cannot be used", "");
    }

    return LV_OK;
}


void
lv_ts_publish_abort(lv_ts_publish_t *t)
{
    unsigned  i;

    if (!t->err[0]) {
        lv_ts_abort(t->ts);
    }

    for (i = 0; i < LV_TS_STREAMS; i++) {
        if (t->track[i].open) {
            lv_tsp_abort(t, i);
        }
    }
}


const char *
lv_ts_publish_error(const lv_ts_publish_t *t)
{
    return t->err[0] ? t->err : NULL;
}


bool
lv_ts_publish_displaced(const lv_ts_publish_t *t)
{
    return t->displaced;
}


int32_t
lv_ts_publish_skew_ms(const lv_ts_publish_t *t)
{
    return t->timeline.skew_ms;
}


const lv_ts_publish_stat_t *
lv_ts_publish_stat(const lv_ts_publish_t *t)
{
    return &t->stat;
}


const lv_ts_stat_t *
lv_ts_publish_ts_stat(const lv_ts_publish_t *t)
{
    return lv_ts_stat(t->ts);
}

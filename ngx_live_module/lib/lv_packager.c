/* The packager's calls; see lv_packager.h, and lv_packager_int.h for how it
 * works. */

#include <stdlib.h>
#include <stdio.h>
#include "lv_packager_int.h"

/* ---- events ------------------------------------------------------------ */

void
lv_pack_event(lv_packager_t *p, lv_pack_event_t ev, const char *text)
{
    if (p->event) {
        p->event(p->ctx, ev, text);
    }
}


void
lv_pack_event_rare(lv_packager_t *p, lv_pack_event_t ev, const char *text)
{
    if (p->told_ms[ev] && p->now_ms - p->told_ms[ev] < LV_PACK_QUIET_MS) {
        return;
    }

    p->told_ms[ev] = p->now_ms;
    lv_pack_event(p, ev, text);
}


void
lv_pack_displaced(lv_packager_t *p)
{
    if (!p->displaced) {
        p->displaced = true;
        lv_pack_event(p, LV_PACK_DISPLACED, "another session took it over");
    }
}


/* One doorbell for whatever was committed during a call. */
void
lv_pack_flush(lv_packager_t *p)
{
    if (p->notify) {
        p->notify = false;
        lv_stream_notify(p->st, p->stream);
    }
}


/* ---- making ------------------------------------------------------------ */

lv_packager_t *
lv_pack_new(lv_store_t *st, uint64_t now_ms, lv_pack_event_pt event,
    void *ctx)
{
    lv_packager_t  *p;

    p = calloc(1, sizeof(lv_packager_t));
    if (p == NULL) {
        return NULL;
    }

    p->st = st;
    p->now_ms = now_ms;
    p->event = event;
    p->ctx = ctx;
    p->last_key = INT64_MIN;
    p->jitter_90k = 100;             /* stamps that are rounded to 1 ms */

    return p;
}


lv_pack_track_t *
lv_pack_track_new(lv_packager_t *p, bool video, unsigned index)
{
    lv_pack_track_t  *t;

    if (p->tracks == LV_STREAM_TRACKS) {
        return NULL;
    }

    t = calloc(1, sizeof(lv_pack_track_t));
    if (t == NULL) {
        return NULL;
    }

    t->sample = malloc(LV_PACK_SAMPLES * sizeof(lv_fmp4_sample_t));
    if (t->sample == NULL) {
        free(t);
        return NULL;
    }

    t->video = video;
    t->index = (uint8_t) index;
    t->track_id = (video ? 1 : 2) + 2 * index;
    t->sequence = 1;
    t->last_samples = 16;
    t->heard = INT64_MIN;
    p->track[p->tracks++] = t;

    return t;
}


/* The description is in force from now on. */
void
lv_pack_track_desc(lv_pack_track_t *t, const lv_track_desc_t *desc)
{
    uint64_t  samples;

    t->desc = *desc;
    t->fourcc = lv_be32((const uint8_t *) desc->codecs);
    t->frame_ts = desc->frame_ts;
    t->rest = 0;
    t->silence_len = 0;

    if (t->video) {
        if (t->frame_ts == 0) {
            t->frame_ts = LV_PACK_HZ / 30;       /* until it is measured */
        }

        return;
    }

    samples = ((uint64_t) desc->frame_ts * desc->sample_rate
               + desc->timescale / 2) / desc->timescale;
    t->step = samples * desc->timescale;

    if (t->fourcc == LV_FOURCC('m', 'p', '4', 'a')) {
        t->silence_len = lv_aac_silence(t->silence, desc->config,
                                        desc->config_len);

    } else if (t->fourcc == LV_FOURCC('O', 'p', 'u', 's')) {
        t->silence_len = lv_opus_silence(t->silence, desc->config,
                                         desc->config_len, (uint32_t) samples);
    }
}


static void
packager_free(lv_packager_t *p)
{
    unsigned  i;

    for (i = 0; i < p->tracks; i++) {
        lv_pack_part_discard(p, p->track[i]);
        free(p->track[i]->sample);
        free(p->track[i]);
    }

    free(p);
}


/* Back to what lv_pack_new() made: for a stream that cannot be continued. */
static void
packager_reset(lv_packager_t *p)
{
    unsigned        i;
    lv_packager_t  *n;

    for (i = 0; i < p->tracks; i++) {
        free(p->track[i]->sample);
        free(p->track[i]);
    }

    n = lv_pack_new(p->st, p->now_ms, p->event, p->ctx);

    if (n) {
        *p = *n;
        free(n);

    } else {
        p->tracks = 0;
    }
}


static int
stream_take(lv_packager_t *p, const char *id, size_t len, uint64_t reserve,
    const char **err)
{
    uint32_t  state;

    if (lv_stream_claim(p->st, id, len, reserve, p->now_ms, &p->stream,
                        &p->epoch, err)
        != LV_OK)
    {
        return LV_DECLINED;
    }

    state = atomic_load(&p->stream->state);

    if (state == LV_STREAM_STARTING
        && atomic_load(&p->stream->track_count) == 0)
    {
        return LV_OK;
    }

    if ((state == LV_STREAM_LIVE || state == LV_STREAM_INTERRUPTED)
        && lv_pack_load(p) == LV_OK)
    {
        return LV_OK;
    }

    /* nothing to go on from, or nobody has seen anything of it yet */

    lv_stream_release(p->st, p->stream, p->epoch, LV_STREAM_ENDED, p->now_ms);
    packager_reset(p);

    if (lv_stream_claim(p->st, id, len, reserve, p->now_ms, &p->stream,
                        &p->epoch, err)
        != LV_OK)
    {
        return LV_DECLINED;
    }

    return LV_OK;
}


lv_packager_t *
lv_packager_create(lv_store_t *st, const char *id, size_t len,
    const lv_packager_conf_t *conf, const lv_publisher_t *pub,
    uint64_t now_ms, lv_pack_event_pt event, void *ctx, const char **err)
{
    uint64_t        reserve, ms;
    lv_packager_t  *p;

    p = lv_pack_new(st, now_ms, event, ctx);
    if (p == NULL) {
        *err = "out of memory";
        return NULL;
    }

    ms = conf->segment_ms > 2000 ? conf->segment_ms : 2000;
    reserve = 4 * ms * (conf->max_bitrate / 8) / 1000;

    if (stream_take(p, id, len, reserve, err) != LV_OK) {
        p->released = true;
        packager_free(p);
        return NULL;
    }

    if (!p->filling) {
        p->window_ms = conf->window_ms;
        p->resume_ms = conf->resume_ms;
        p->muxed = conf->muxed;
        p->keep.magic = LV_PACK_MAGIC;
        p->keep.segment_ms = conf->segment_ms;
        p->keep.part_us = conf->part_us;
    }

    p->keep.reserve = reserve;
    lv_pack_keep(p);

    if (pub) {
        lv_stream_set_publisher(p->st, p->stream, pub);
    }

    return p;
}


void
lv_packager_destroy(lv_packager_t *p)
{
    if (!lv_pack_gone(p)) {
        lv_packager_lost(p, p->now_ms);
    }

    packager_free(p);
}


lv_stream_t *
lv_packager_stream(lv_packager_t *p)
{
    return p->stream;
}


/* ---- configuration ----------------------------------------------------- */

static bool
config_valid(const lv_codec_config_t *c)
{
    if (!lv_fmp4_known(c->fourcc) || c->config_len == 0
        || c->config_len > sizeof(((lv_track_desc_t *) 0)->config))
    {
        return false;
    }

    if (c->kind == LV_KIND_VIDEO) {
        return c->index < LV_PACKAGER_VIDEOS
               && c->width > 0 && c->width < 65536
               && c->height > 0 && c->height < 65536;
    }

    return c->kind == LV_KIND_AUDIO && c->index < LV_PACKAGER_AUDIOS
           && c->sample_rate >= 1000
           && c->sample_rate <= 768000 && c->channels > 0
           && c->frame_samples > 0
           && c->frame_samples <= LV_PACK_SAMPLES_MAX;
}


/* `t` keeps its timescale: every part in its playlist counts in it. */
static void
config_desc(const lv_codec_config_t *c, const lv_pack_track_t *t,
    lv_track_desc_t *d)
{
    memset(d, 0, sizeof(lv_track_desc_t));

    d->kind = c->kind;
    d->name[1] = (char) ('0' + c->index);
    lv_put32((uint8_t *) d->codecs, c->fourcc);

    if (memcmp(d->codecs, c->codecs, 4) == 0) {
        memcpy(d->codecs, c->codecs, sizeof(d->codecs) - 1);
    }

    d->width = c->width;
    d->height = c->height;
    d->rate_milli = c->rate_milli;
    d->sample_rate = c->sample_rate;
    d->channels = c->channels;
    d->config_len = (uint32_t) c->config_len;
    memcpy(d->config, c->config, c->config_len);

    if (c->kind == LV_KIND_VIDEO) {
        d->name[0] = 'v';
        d->timescale = LV_PACK_HZ;
        d->transfer = c->transfer;
        d->frame_ts = t ? t->desc.frame_ts : 0;
        d->captions = t ? t->desc.captions : 0;
        return;
    }

    d->name[0] = 'a';
    d->timescale = t && t->track ? t->desc.timescale : c->sample_rate;
    d->frame_ts = (uint32_t) (((uint64_t) c->frame_samples * d->timescale
                               + c->sample_rate / 2) / c->sample_rate);
}


static bool
config_same(const lv_track_desc_t *a, const lv_track_desc_t *b)
{
    return a->config_len == b->config_len
           && memcmp(a->config, b->config, a->config_len) == 0
           && memcmp(a->codecs, b->codecs, sizeof(a->codecs)) == 0
           && a->sample_rate == b->sample_rate && a->channels == b->channels;
}


static int
config_new(lv_packager_t *p, const lv_track_desc_t *d, bool video,
    unsigned index)
{
    char              text[48];
    lv_pack_track_t  *t;

    t = lv_pack_track_new(p, video, index);
    if (t == NULL) {
        return LV_DECLINED;
    }

    lv_pack_track_desc(t, d);
    t->configured = true;
    lv_pack_join_early(p, t);
    lv_pack_durations_join(p);

    snprintf(text, sizeof(text), "%s %s", d->name, d->codecs);
    lv_pack_event(p, LV_PACK_TRACK, text);

    return (int) p->tracks - 1;
}


int
lv_packager_config(lv_packager_t *p, const lv_codec_config_t *c,
    uint64_t now_ms)
{
    bool              video;
    unsigned          i;
    lv_pack_track_t  *t;
    lv_track_desc_t   d;

    if (lv_pack_gone(p)) {
        return LV_ERROR;
    }

    p->now_ms = now_ms;

    if (!config_valid(c)) {
        return LV_DECLINED;
    }

    video = c->kind == LV_KIND_VIDEO;

    for (i = 0; i < p->tracks; i++) {
        if (p->track[i]->video == video && p->track[i]->index == c->index) {
            break;
        }
    }

    t = i < p->tracks ? p->track[i] : NULL;
    config_desc(c, t, &d);

    if (t == NULL) {
        return config_new(p, &d, video, c->index);
    }

    t->configured = true;

    if (config_same(&t->desc, &d)) {
        t->pending = false;

    } else if (t->parts == 0) {
        /* nobody has seen the old one */
        lv_pack_part_discard(p, t);
        lv_pack_track_desc(t, &d);
        t->need_key = t->video;
        t->renew = t->track != NULL;
        lv_pack_durations_join(p);

    } else if (!t->pending || !config_same(&t->next, &d)) {
        lv_pack_frame_drop(t);
        t->next = d;
        t->pending = true;
        t->pending_cell = p->cells;
        t->need_key = t->video;
    }

    return (int) i;
}


void
lv_packager_captions(lv_packager_t *p, int track, unsigned captions)
{
    lv_pack_track_t  *t;

    if (track < 0 || (unsigned) track >= p->tracks) {
        return;
    }

    t = p->track[track];
    t->desc.captions |= (uint8_t) captions;
    t->next.captions |= (uint8_t) captions;
}


/* ---- frames ------------------------------------------------------------ */

static lv_pack_track_t *
track_get(lv_packager_t *p, int track)
{
    return track >= 0 && track < (int) p->tracks ? p->track[track] : NULL;
}


static void
count_frame(lv_packager_t *p, bool dropped)
{
    lv_stream_t  *s;

    s = p->stream;

    atomic_store_explicit(&s->input_ms, p->now_ms, memory_order_relaxed);
    atomic_fetch_add_explicit(dropped ? &s->frames_dropped : &s->frames_in, 1,
                              memory_order_relaxed);
}


int
lv_packager_frame(lv_packager_t *p, int track, int64_t dts_90k,
    int32_t cts_90k, bool key, uint64_t now_ms)
{
    int               rc;
    lv_pack_track_t  *t;

    if (lv_pack_gone(p)) {
        return LV_ERROR;
    }

    t = track_get(p, track);
    p->now_ms = now_ms;

    if (t == NULL || !t->configured) {
        return LV_DECLINED;
    }

    lv_pack_frame_abort(t);
    t->may_grow = false;

    rc = t->video ? lv_pack_frame_video(p, t, dts_90k, cts_90k, key)
                  : lv_pack_frame_audio(p, t, dts_90k);

    if (rc == LV_OK) {
        rc = lv_pack_part_open(p, t);

        if (rc == LV_OK) {
            t->frame_at = t->w.len;
            t->frame_step = t->step;
            t->in_frame = true;

        } else if (rc == LV_AGAIN) {
            t->need_key = t->video;
            rc = LV_DECLINED;
        }
    }

    lv_pack_flush(p);

    if (lv_pack_gone(p)) {
        return LV_ERROR;
    }

    count_frame(p, rc != LV_OK);

    return rc;
}


int
lv_packager_data(lv_packager_t *p, int track, const void *data, size_t n)
{
    lv_pack_track_t  *t;

    t = track_get(p, track);

    if (t == NULL || !t->in_frame) {
        return lv_pack_gone(p) ? LV_ERROR : LV_DECLINED;
    }

    if (n > p->keep.reserve || t->w.len + n > p->keep.reserve
        || lv_part_write(&t->w, data, n) != LV_OK)
    {
        lv_pack_event_rare(p, LV_PACK_NO_MEMORY,
                           "a frame is too large for the store");
        lv_pack_frame_drop(t);
        return LV_DECLINED;
    }

    return LV_OK;
}


void
lv_packager_samples(lv_packager_t *p, int track, uint32_t samples)
{
    lv_pack_track_t  *t;

    t = track_get(p, track);

    if (t && t->in_frame && !t->video && samples > 0
        && samples <= LV_PACK_SAMPLES_MAX)
    {
        t->frame_step = (uint64_t) samples * t->desc.timescale;
    }
}


uint32_t
lv_packager_frame_len(lv_packager_t *p, int track)
{
    lv_pack_track_t  *t;

    t = track_get(p, track);

    return t && t->in_frame ? t->w.len - t->frame_at : 0;
}


void
lv_packager_patch(lv_packager_t *p, int track, uint32_t at, const void *data,
    size_t n)
{
    lv_pack_track_t  *t;

    t = track_get(p, track);

    if (t && t->in_frame && at <= t->w.len - t->frame_at) {
        lv_part_patch(&t->w, t->frame_at + at, data, n);
    }
}


int
lv_packager_frame_end(lv_packager_t *p, int track)
{
    int                rc;
    lv_pack_track_t   *t;
    lv_fmp4_sample_t  *s;

    t = track_get(p, track);

    if (t == NULL || !t->in_frame || t->w.len == t->frame_at) {
        lv_packager_frame_abort(p, track);
        return lv_pack_gone(p) ? LV_ERROR : LV_DECLINED;
    }

    t->in_frame = false;

    s = &t->sample[t->n++];
    s->size = t->w.len - t->frame_at;
    s->cts = t->frame_cts;
    s->key = t->frame_key;
    s->duration = t->video ? t->frame_ts
                           : lv_pack_audio_step(t, t->frame_step);

    t->pos = t->frame_dts + s->duration;
    t->heard = lv_pack_to_90k(t, t->pos);
    t->may_grow = t->video;

    atomic_fetch_add_explicit(&p->stream->bytes_in, s->size,
                              memory_order_relaxed);

    rc = LV_OK;

    if (!p->started) {
        rc = lv_pack_start_held(p);

    } else if (t == p->lead && !t->video) {
        rc = lv_pack_cut_audio(p, t, false);

    } else if (t != p->lead) {
        rc = lv_pack_follow(p, t);
    }

    if (rc == LV_OK) {
        rc = lv_pack_check_lead(p);
    }

    if (rc != LV_ERROR) {
        rc = lv_pack_follow_all(p);
    }

    lv_pack_flush(p);

    return lv_pack_gone(p) ? LV_ERROR : LV_OK;
}


int
lv_packager_frame_more(lv_packager_t *p, int track, uint64_t now_ms)
{
    lv_pack_track_t   *t;
    lv_fmp4_sample_t  *s;

    if (lv_pack_gone(p)) {
        return LV_ERROR;
    }

    t = track_get(p, track);
    p->now_ms = now_ms;

    if (t == NULL || t->in_frame || !t->may_grow || t->n == 0) {
        return LV_DECLINED;
    }

    s = &t->sample[--t->n];
    t->may_grow = false;
    t->in_frame = true;
    t->frame_at = t->w.len - s->size;
    t->pos -= s->duration;

    atomic_fetch_sub_explicit(&p->stream->bytes_in, s->size,
                              memory_order_relaxed);

    return LV_OK;
}


void
lv_packager_frame_abort(lv_packager_t *p, int track)
{
    lv_pack_track_t  *t;

    t = track_get(p, track);

    if (t) {
        lv_pack_frame_abort(t);
    }
}


/* ---- clock ------------------------------------------------------------- */

static int
filler_tick(lv_packager_t *p)
{
    int  rc;

    lv_pack_clock_check(p);

    if (p->filler && p->now_ms >= p->keep.lost_ms + p->resume_ms) {
        lv_pack_release(p, LV_STREAM_ENDED);
        return LV_DECLINED;
    }

    rc = lv_pack_fill_due(p);

    if (rc == LV_DECLINED && p->filler) {
        lv_pack_release(p, LV_STREAM_ENDED);
        return LV_DECLINED;
    }

    return LV_OK;
}


int
lv_packager_tick(lv_packager_t *p, uint64_t now_ms)
{
    int  rc;

    if (p->displaced) {
        return LV_ERROR;
    }

    if (p->released) {
        return LV_DECLINED;
    }

    p->now_ms = now_ms;

    if (!lv_stream_owned(p->st, p->stream, p->epoch)) {
        lv_pack_displaced(p);
        return LV_ERROR;
    }

    rc = LV_OK;

    if (p->filling) {
        rc = filler_tick(p);

    } else if (!p->started) {
        (void) lv_pack_start_held(p);

    } else {
        (void) lv_pack_check_lead(p);
        (void) lv_pack_follow_all(p);
    }

    if (rc == LV_OK) {
        lv_pack_flush(p);
    }

    return p->displaced ? LV_ERROR : rc;
}

/*
 * Durations: fixed once, before the first playlist, for the stream's life (RFC
 * 8216bis 4.4.3.1, 4.4.3.7). Players give up on a target that changes.
 */

#include "lv_packager_int.h"


/* Common frame rates, in 1/1000 s. */
static const uint32_t  rates[] = {
    5000, 10000, 12000, 12500, 14985, 15000, 20000, 23976, 24000, 25000,
    29970, 30000, 48000, 50000, 59940, 60000, 72000, 90000, 100000, 119880,
    120000, 144000, 240000
};


static uint64_t
rate_snap(uint64_t measured, uint32_t told)
{
    unsigned  i;
    uint64_t  best, off, least;

    best = 0;
    least = measured * 4 / 1000;     /* one frame in 250 */

    for (i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        off = measured > rates[i] ? measured - rates[i] : rates[i] - measured;

        if (off <= least) {
            least = off;
            best = rates[i];
        }
    }

    if (best) {
        return best;
    }

    off = measured > told ? measured - told : told - measured;

    return off * 100 <= (uint64_t) told * 3 ? told : measured;
}


static lv_pack_track_t *
audio_track(const lv_packager_t *p)
{
    unsigned  i;

    for (i = 0; i < p->tracks; i++) {
        if (!p->track[i]->video && p->track[i]->desc.sample_rate) {
            return p->track[i];
        }
    }

    return NULL;
}


/* PART-TARGET of parts of `len` 90 kHz ticks, and whether video of that length
 * and the audio beside it can obey the 85 % rule. */
static uint32_t
part_target(int64_t len, int64_t jitter, const lv_pack_track_t *a, bool *fits)
{
    uint64_t  us, audio_us, frames, least, rate, step;

    us = (uint64_t) ((len + jitter) * 100 + 8) / 9;
    *fits = true;

    if (a == NULL) {
        return (uint32_t) us;
    }

    rate = a->desc.sample_rate;
    step = a->step / a->desc.timescale;      /* samples a frame */

    frames = ((uint64_t) len * rate + LV_PACK_HZ * step - 1)
             / (LV_PACK_HZ * step);
    audio_us = (frames * step * 1000000 + rate - 1) / rate;

    /* slewed, they have to fit as well: else a part has a frame less, the next
     * ones are shorter, and segments end in a crumb */
    audio_us += audio_us / 500;

    if (audio_us > us) {
        us = audio_us;
    }

    least = (us * LV_PACK_PERCENT * rate + 100000000 * step - 1)
            / (100000000 * step);
    audio_us = least * step * 1000000 / rate;

    *fits = (uint64_t) len * 100 / 9 >= us * (LV_PACK_PERCENT + 1) / 100
            && (uint64_t) len * 100 / 9 + 1 >= audio_us;

    return (uint32_t) us;
}


/* What depends on PART-TARGET and TARGETDURATION alone. */
static void
durations_derive(lv_packager_t *p)
{
    int64_t           margin, frame, least;
    lv_pack_track_t  *a;

    p->target_90k = lv_pack_us_to_90k(p->stream->timing.part_target_us);
    p->audio_90k = p->target_90k;
    p->least_90k = 0;

    a = audio_track(p);
    margin = p->frame_90k + 180;

    if (a) {
        /* the configuration that is in force from here on */
        frame = lv_pack_to_90k(a, a->pending ? a->next.frame_ts
                                             : a->desc.frame_ts);
        p->audio_90k = (p->target_90k + 1) / frame * frame;
        least = ((int64_t) p->stream->timing.part_target_us
                 * LV_PACK_PERCENT * 9 + 9999) / 10000;
        p->least_90k = (least + frame - 1) / frame * frame;
        margin += 2 * frame;
    }

    if (margin > 40000) {
        margin = 40000;
    }

    p->limit_90k = (int64_t) p->stream->timing.target_s * LV_PACK_HZ
                   + LV_PACK_HZ / 2 - margin;
}


static void
durations_set(lv_packager_t *p, uint32_t part_us, uint32_t frames,
    int64_t longest)
{
    int64_t        s;
    lv_timing_t   *timing;
    unsigned       i;

    timing = &p->stream->timing;

    s = (longest + LV_PACK_HZ / 2) / LV_PACK_HZ;

    if (s < 1) {
        s = 1;
    }

    if (s > LV_PACK_TARGET_MAX) {
        s = LV_PACK_TARGET_MAX;
    }

    timing->part_target_us = part_us;
    timing->part_frames = frames;
    timing->target_s = (uint32_t) s;
    timing->window_ms = p->window_ms;
    timing->resume_ms = p->resume_ms;
    timing->muxed = p->muxed;

    for (i = 0; i < LV_STREAM_TRACKS; i++) {
        if (lv_stream_track_at(p->st, p->stream, i) == p->lead->track) {
            timing->lead = (uint8_t) i;
        }
    }

    durations_derive(p);

    /* a key frame that comes a little late must not cost a forced cut */
    if (longest > p->limit_90k && s < LV_PACK_TARGET_MAX) {
        timing->target_s++;
        durations_derive(p);
    }

    p->timed = true;
    p->keep.part_90k = (uint32_t) p->part_90k;
    p->keep.frame_90k = (uint32_t) p->frame_90k;
    p->keep.gop_90k = (uint32_t) p->gop_90k;
    lv_pack_keep(p);
}


/* A video frame's duration, before it is measured. */
int64_t
lv_pack_frame_guess(const lv_pack_track_t *t)
{
    int64_t  n;

    n = t->desc.rate_milli ? 90000000 / t->desc.rate_milli : 0;

    return n < LV_PACK_HZ / 300 || n > LV_PACK_HZ ? LV_PACK_HZ / 30 : n;
}


/* Sound alone: everything is known from its configuration. With video, the
 * first segment tells. */
void
lv_pack_durations_start(lv_packager_t *p)
{
    bool              fits;
    uint64_t          n;
    lv_pack_track_t  *t;

    p->part_90k = lv_pack_us_to_90k(p->keep.part_us);
    p->target_90k = p->part_90k * 2;
    p->limit_90k = LV_PACK_TARGET_MAX * LV_PACK_HZ;

    t = p->lead;

    if (t->video) {
        p->frame_90k = lv_pack_frame_guess(t);
        t->frame_ts = (uint32_t) p->frame_90k;
        p->seg_flags |= LV_PART_UNLISTED;
        return;
    }

    n = ((uint64_t) p->keep.part_us * t->desc.timescale + 500000ull
         * t->frame_ts) / (1000000ull * t->frame_ts);

    if (n < 1) {
        n = 1;
    }

    if (n > LV_PACK_SAMPLES / 2) {
        n = LV_PACK_SAMPLES / 2;
    }

    p->frame_90k = 0;
    p->part_90k = lv_pack_to_90k(t, (int64_t) (n * t->frame_ts));

    durations_set(p, part_target(p->part_90k - 1, 0, t, &fits), (uint32_t) n,
                  (int64_t) p->keep.segment_ms * 90);
}


/* The first segment is complete, and ends at p->end. */
void
lv_pack_durations_fix(lv_packager_t *p)
{
    bool              fits;
    int64_t           longest;
    uint32_t          us;
    uint64_t          rate, n;
    lv_pack_track_t  *t, *a;

    t = p->lead;
    a = audio_track(p);

    rate = rate_snap(t->desc.fps_milli ? t->desc.fps_milli : 1,
                     t->desc.rate_milli);

    if (rate < 100) {
        rate = 100;
    }

    n = (p->keep.part_us * rate + 500000000) / 1000000000;

    if (n < 1) {
        n = 1;
    }

    if (n > LV_PACK_SAMPLES / 2) {
        n = LV_PACK_SAMPLES / 2;
    }

    for ( ;; ) {
        p->part_90k = (int64_t) (n * 90000000 / rate);
        us = part_target(p->part_90k, p->jitter_90k, a, &fits);

        if (fits || p->part_90k >= LV_PACK_HZ || n >= LV_PACK_SAMPLES / 2) {
            break;
        }

        n++;
    }

    p->frame_90k = (int64_t) (90000000 / rate);
    t->frame_ts = (uint32_t) p->frame_90k;
    t->desc.frame_ts = t->frame_ts;

    longest = (int64_t) p->keep.segment_ms * 90;

    if (p->gop_max > longest) {
        longest = p->gop_max;
    }

    if (p->end - p->seg_start > longest) {
        longest = p->end - p->seg_start;
    }

    durations_set(p, us, (uint32_t) n, longest);
    lv_track_set_desc(p->st, p->stream, t->track, p->epoch, &t->desc);
}


/* A successor: from the store. */
void
lv_pack_durations_load(lv_packager_t *p)
{
    p->part_90k = p->keep.part_90k;
    p->frame_90k = p->keep.frame_90k;
    p->gop_90k = p->keep.gop_90k;
    p->timed = true;

    if (p->lead->video && p->frame_90k > 0) {
        p->lead->frame_ts = (uint32_t) p->frame_90k;
    }

    durations_derive(p);
}


/* A track joined, or its configuration changes, with PART-TARGET fixed
 * already: parts as long as fit for both. */
void
lv_pack_durations_join(lv_packager_t *p)
{
    int64_t           most, least, frame, n;
    lv_pack_track_t  *a;

    if (!p->timed || p->lead == NULL) {
        return;
    }

    durations_derive(p);

    most = p->target_90k - p->jitter_90k;
    least = p->target_90k * (LV_PACK_PERCENT + 1) / 100;
    a = audio_track(p);
    p->unfit = false;

    if (a) {
        if (p->audio_90k < most) {
            most = p->audio_90k;
        }

        p->unfit = p->audio_90k * 100 < p->target_90k * LV_PACK_PERCENT;

        if (p->least_90k > least) {
            least = p->least_90k;
        }
    }

    if (p->unfit) {
        /* no number of its frames makes a part: none are listed */
        p->seg_flags |= LV_PART_UNLISTED;
        p->audio_90k = p->target_90k;
        p->least_90k = 0;
        most = p->target_90k - p->jitter_90k;
        least = p->target_90k * (LV_PACK_PERCENT + 1) / 100;
    }

    if (p->lead->video) {
        frame = p->frame_90k > 0 ? p->frame_90k : 3000;

        if (p->part_90k > most || p->part_90k < least) {
            n = most / frame * frame;
            p->part_90k = n >= least ? n : most;
        }

    } else if (!p->unfit) {
        p->part_90k = most;
    }

    p->keep.part_90k = (uint32_t) p->part_90k;
    p->keep.frame_90k = (uint32_t) p->frame_90k;
    lv_pack_keep(p);
}

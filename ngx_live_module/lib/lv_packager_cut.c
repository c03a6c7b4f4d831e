/*
 * Where parts and segments end, and how long they may be.
 */

#include "lv_packager_int.h"

#define MIN_PERCENT  85              /* RFC 8216bis 4.4.4.9: of PART-TARGET, all
                                        but the last part of a segment */


/* ---- durations --------------------------------------------------------- */

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

    if (audio_us > us) {
        us = audio_us;
    }

    least = (us * MIN_PERCENT * rate + 100000000 * step - 1)
            / (100000000 * step);
    audio_us = least * step * 1000000 / rate;

    *fits = (uint64_t) len * 100 / 9 >= us * (MIN_PERCENT + 1) / 100
            && (uint64_t) len * 100 / 9 + 1 >= audio_us;

    return (uint32_t) us;
}


/* What depends on PART-TARGET and TARGETDURATION alone. */
static void
durations_derive(lv_packager_t *p)
{
    int64_t           margin;
    lv_pack_track_t  *a;

    a = audio_track(p);
    margin = p->frame_90k + 180;

    if (a) {
        margin += 2 * lv_pack_to_90k(a, a->frame_ts);
    }

    if (margin > 40000) {
        margin = 40000;
    }

    p->target_90k = lv_pack_us_to_90k(p->stream->timing.part_target_us);
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


/* Sound alone: everything is known from its configuration. */
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
        p->frame_90k = t->desc.rate_milli ? 90000000 / t->desc.rate_milli
                                          : 3000;

        if (p->frame_90k < 300 || p->frame_90k > LV_PACK_HZ) {
            p->frame_90k = 3000;
        }

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


/* The first segment is complete; `end` of it is where p->end is. */
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
    lv_track_set_desc(t->track, &t->desc);
}


/* A successor: from the store. */
void
lv_pack_durations_load(lv_packager_t *p)
{
    p->part_90k = p->keep.part_90k;
    p->frame_90k = p->keep.frame_90k;
    p->gop_90k = p->keep.gop_90k;
    p->timed = true;

    durations_derive(p);
}


/* A track joined with PART-TARGET fixed already: parts as long as fit for
 * both. */
void
lv_pack_durations_join(lv_packager_t *p)
{
    int64_t           most, frame, n;
    lv_pack_track_t  *a;

    if (!p->timed || p->lead == NULL || !p->lead->video) {
        return;
    }

    most = p->target_90k - p->jitter_90k;
    a = audio_track(p);

    if (a) {
        frame = lv_pack_from_90k(a, p->target_90k) / a->frame_ts;
        n = lv_pack_to_90k(a, frame * a->frame_ts);

        if (frame > 0 && n < most) {
            most = n;
        }
    }

    frame = p->frame_90k > 0 ? p->frame_90k : 3000;
    n = most / frame;

    if (p->part_90k > most || p->part_90k < most * MIN_PERCENT / 100) {
        p->part_90k = n * frame >= p->target_90k * (MIN_PERCENT + 1) / 100
                      ? n * frame : most;
    }

    durations_derive(p);

    p->keep.part_90k = (uint32_t) p->part_90k;
    p->keep.frame_90k = (uint32_t) p->frame_90k;
    lv_pack_keep(p);
}


/* ---- segments ---------------------------------------------------------- */

/* Does any configuration wait for a discontinuity? */
bool
lv_pack_pending(const lv_packager_t *p)
{
    unsigned  i;

    for (i = 0; i < p->tracks; i++) {
        if (p->track[i]->pending && p->track[i]->joined) {
            return true;
        }
    }

    return false;
}


/* A short segment is allowed only if the msn stays behind the clock. */
static bool
segment_may_end(const lv_packager_t *p, int64_t end)
{
    return end - p->seg_start >= LV_PACK_FIRST_MS * 90
           || (int64_t) (p->msn - p->stream->epoch) * LV_PACK_HZ < end;
}


/* May the key frame at media time m begin a segment? */
static bool
segment_due(const lv_packager_t *p, int64_t m)
{
    int64_t  len, want;

    len = m - p->seg_start;
    want = p->timed ? (int64_t) p->keep.segment_ms * 90
                    : LV_PACK_FIRST_MS * 90;

    if (len + p->frame_90k / 2 >= want) {
        return segment_may_end(p, m);
    }

    /* the next key frame would come too late */
    return p->timed && p->gop_90k > 0 && len + p->gop_90k > p->limit_90k
           && segment_may_end(p, m);
}


/* Must the segment end in front of the frame at m, since that one would make
 * it too long? */
static bool
segment_full(const lv_packager_t *p, int64_t m)
{
    return m + p->frame_90k - p->seg_start > p->limit_90k;
}


/* LV_PART_LAST where any place is as good as another (sound, filler). */
uint16_t
lv_pack_segment_end(lv_packager_t *p, int64_t end)
{
    int64_t  len;

    len = end - p->seg_start;

    if (len + p->target_90k > p->limit_90k
        || (len + p->part_90k / 2 >= (int64_t) p->keep.segment_ms * 90
            && len >= LV_PACK_FIRST_MS * 90))
    {
        return LV_PART_LAST;
    }

    return 0;
}


static void
window_evict(lv_packager_t *p)
{
    int64_t        window;
    uint32_t       keep;
    lv_part_ref_t  ref;

    window = (int64_t) p->window_ms * 90;

    if (window < 8ll * p->stream->timing.target_s * LV_PACK_HZ) {
        window = 8ll * p->stream->timing.target_s * LV_PACK_HZ;
    }

    if (lv_track_oldest(p->st, p->lead->track, &ref) != LV_OK) {
        return;
    }

    /* segment `keep` goes when what is behind it fills the window */

    for (keep = ref.info.msn; keep < p->msn; keep++) {
        if (lv_track_find(p->st, p->lead->track, keep + 1, 0, &ref) != LV_OK
            || p->end - lv_pack_to_90k(p->lead, (int64_t) ref.info.tfdt)
               < window)
        {
            break;
        }

        /* the last key frame is what a filler needs */
        if (keep == p->key_msn && p->lead->video
            && p->end - lv_pack_to_90k(p->lead, (int64_t) ref.info.tfdt)
               < 2 * window)
        {
            break;
        }
    }

    lv_stream_evict(p->st, p->stream, keep, p->now_ms);
}


static void
segment_next(lv_packager_t *p, uint16_t flags)
{
    unsigned          i;
    lv_pack_track_t  *t;

    if (!p->timed) {
        lv_pack_durations_fix(p);
    }

    if (p->first_cells == 0) {
        p->first_cells = p->cells;
    }

    p->msn++;
    p->part = 0;
    p->seg_start = p->end;
    p->seg_flags = 0;

    if (flags & LV_PART_BREAK) {
        p->seg_flags = LV_PART_DISCONTINUITY;
        p->disc_seq++;
    }

    for (i = 0; i < p->tracks; i++) {
        t = p->track[i];
        t->lag -= t->lag / 8;

        if (t->joining) {
            t->joining = false;
            t->joined = true;
            t->cell = p->cells;
            t->pos = lv_pack_from_90k(t, p->end);
            t->start = t->pos;
            lv_pack_durations_join(p);
        }
    }

    if (p->lead->track && p->lead->parts) {
        window_evict(p);
    }
}


/* ---- cells ------------------------------------------------------------- */

static void
cell_fill(lv_packager_t *p, lv_pack_cell_t *c, int64_t end, uint16_t flags)
{
    c->start = p->end;
    c->end = end;
    c->at_ms = p->now_ms;
    c->msn = p->msn;
    c->disc_seq = p->disc_seq;
    c->part = p->part;
    c->flags = flags | (p->seg_flags & LV_PART_UNLISTED);

    if (p->part == 0) {
        c->flags |= p->seg_flags;
    }
}


static void
cell_push(lv_packager_t *p, const lv_pack_cell_t *c)
{
    unsigned          i;
    lv_pack_track_t  *t;

    for (i = 0; i < p->tracks; i++) {
        t = p->track[i];

        /* only without memory: its oldest cell is never going to be */
        if (t != p->lead && t->joined
            && p->cells - t->cell >= LV_PACK_CELLS)
        {
            t->cell++;
        }
    }

    p->cell[p->cells % LV_PACK_CELLS] = *c;
    p->cells++;
    p->end = c->end;
    p->last_flags = c->flags;
    p->late_ms = 0;
    p->shrink = false;

    if (c->flags & LV_PART_LAST) {
        segment_next(p, c->flags);
    } else {
        p->part++;
    }
}


void
lv_pack_push(lv_packager_t *p, int64_t end, uint16_t flags)
{
    lv_pack_cell_t  c;

    cell_fill(p, &c, end, flags);
    cell_push(p, &c);
}


int
lv_pack_close(lv_packager_t *p, int64_t end, unsigned k, uint16_t flags)
{
    int              rc;
    lv_pack_cell_t   c;
    lv_pack_track_t  *t;

    t = p->lead;

    if (p->part == 0 && !t->sample[0].key) {
        flags |= LV_PART_FORCED;

        if (p->now_ms - p->told_ms[LV_PACK_LONG_GOP] >= 60000) {
            p->told_ms[LV_PACK_LONG_GOP] = p->now_ms;
            lv_pack_event(p, LV_PACK_LONG_GOP, "a segment begins without a "
                          "key frame: the key frame interval is too long");
        }
    }

    cell_fill(p, &c, end, flags);

    rc = lv_pack_part_commit(p, t, &c, k);
    if (rc != LV_OK) {
        return rc;
    }

    if (t->video && (c.flags & LV_PART_LAST)) {
        /* what is measured follows a change of the frame rate */
        if (p->timed && t->desc.fps_milli > 1000 && t->configured) {
            p->frame_90k = 90000000 / t->desc.fps_milli;
            t->frame_ts = (uint32_t) p->frame_90k;
        }
    }

    cell_push(p, &c);

    return lv_pack_follow_all(p);
}


/* ---- the lead: video --------------------------------------------------- */

/* Nothing in the open part: it may be that key frames were repeated up to
 * here, or that a part was cut in front of a hole. */
static int
cut_empty(lv_packager_t *p, lv_pack_track_t *t, int64_t m, bool key, bool brk)
{
    int      rc;
    bool     last;
    int64_t  gap, end;

    while (p->timed && m - p->end > p->target_90k) {
        if (!t->need_key && !key
            && m + p->target_90k - p->seg_start <= p->limit_90k)
        {
            /* a hole that can be shown as one long frame */
            p->seg_flags |= LV_PART_UNLISTED;
            break;
        }

        end = p->end + p->part_90k;
        rc = lv_pack_fill_lead(p, end, lv_pack_segment_end(p, end));

        if (rc == LV_DECLINED) {
            p->seg_flags |= LV_PART_UNLISTED;
            break;
        }

        if (rc != LV_OK) {
            return rc;
        }
    }

    if (t->need_key && !key) {
        return LV_DECLINED;
    }

    gap = m - p->end;
    last = brk ? p->part > 0 || !(p->last_flags & LV_PART_BREAK)
               : key && p->timed && p->part > 0 && segment_due(p, m)
                 && gap >= LV_PACK_MIN_90K;

    /* what was hinted at has to come: a filler part in between */

    if (last && p->cells > 0) {
        end = gap >= LV_PACK_MIN_90K && gap <= p->target_90k
              ? m : p->end + LV_PACK_MIN_90K;
        rc = lv_pack_fill_lead(p, end,
                               LV_PART_LAST | (brk ? LV_PART_BREAK : 0));
        if (rc != LV_OK) {
            return rc;
        }
    }

    return LV_OK;
}


/* Parts of any length: the first segment, or one that lists no parts. */
static int64_t
cut_unlisted(lv_packager_t *p, lv_pack_track_t *t, int64_t m, bool due,
    uint16_t *flags)
{
    int64_t  most;

    most = p->seg_start + p->limit_90k;

    if (m > most) {
        *flags = LV_PART_LAST;
        return t->pos < most ? t->pos : most;
    }

    if (due) {
        *flags = LV_PART_LAST;
        return m;
    }

    if (m - p->end + p->frame_90k / 2 >= p->part_90k
        || t->n == LV_PACK_SAMPLES)
    {
        *flags = segment_full(p, m) ? LV_PART_LAST : 0;
        return m;
    }

    return -1;
}


/* Where the open part ends in front of a frame at m; -1: not yet. */
static int64_t
cut_listed(lv_packager_t *p, int64_t m, bool due, uint16_t *flags)
{
    int64_t  len, end, least, want;

    len = m - p->end;
    want = p->part_90k;

    if (p->shrink) {
        want -= p->frame_90k;
        least = p->target_90k * (MIN_PERCENT + 2) / 100;

        if (want < least) {
            want = least;
        }
    }

    least = p->target_90k * MIN_PERCENT / 100 + 1;

    if (want - p->frame_90k / 2 > least) {
        least = want - p->frame_90k / 2;
    }

    due = due || segment_full(p, m);

    if (due && len <= p->target_90k) {
        *flags = LV_PART_LAST;
        return m;
    }

    if (len < least) {
        return -1;
    }

    /* no frame where the part should end: the last one is cut off there, and
     * the next one begins early (its picture is shown when it should be) */

    end = len <= p->target_90k ? m : p->end + want;

    if (end - p->seg_start > p->limit_90k) {
        end = p->seg_start + p->limit_90k;
    }

    *flags = due ? LV_PART_LAST : 0;

    return end;
}


int
lv_pack_cut_video(lv_packager_t *p, lv_pack_track_t *t, int64_t m, bool key,
    int64_t *dts)
{
    int       rc;
    bool      due, brk;
    int64_t   end;
    uint16_t  flags;

    brk = key && lv_pack_pending(p);

    if (t->n) {
        due = brk || (key && segment_due(p, m));
        flags = 0;

        end = p->timed && !(p->seg_flags & LV_PART_UNLISTED)
              ? cut_listed(p, m, due, &flags)
              : cut_unlisted(p, t, m, due, &flags);

        if (end > 0) {
            if (brk && (flags & LV_PART_LAST)) {
                flags |= LV_PART_BREAK;
            }

            lv_pack_pos_set(t, end);

            rc = lv_pack_close(p, end, t->n, flags);
            if (rc != LV_OK) {
                return rc == LV_AGAIN ? LV_DECLINED : rc;
            }

            /* that may have been a break */
            brk = key && lv_pack_pending(p);

        } else if (t->n == LV_PACK_SAMPLES) {
            t->need_key = true;
            lv_pack_event_rare(p, LV_PACK_DROPPED, "too many frames a second");
            return LV_DECLINED;
        }
    }

    if (t->n == 0) {
        rc = cut_empty(p, t, m, key, brk);
        if (rc != LV_OK) {
            return rc == LV_AGAIN ? LV_DECLINED : rc;
        }

        lv_pack_pos_set(t, p->end);
        *dts = p->end;
        return LV_OK;
    }

    /* always behind the frame before */
    end = t->pos - t->sample[t->n - 1].duration + 1;
    *dts = m > end ? m : end;
    lv_pack_pos_set(t, *dts);

    return LV_OK;
}


/* ---- the lead: sound --------------------------------------------------- */

/* Parts of N frames. `now`: whatever there is ends its segment here, a
 * discontinuity follows. */
int
lv_pack_cut_audio(lv_packager_t *p, lv_pack_track_t *t, bool now)
{
    int       rc;
    int64_t   len, most, end;
    unsigned  k;
    uint16_t  flags;

    most = lv_pack_from_90k(t, p->target_90k + 1);

    for ( ;; ) {
        len = lv_pack_from_90k(t, p->part_90k) - t->frame_ts / 2;

        if (t->n == 0 || (!now && t->pos - t->start < len)) {
            return LV_OK;
        }

        len = 0;

        for (k = 0; k < t->n; k++) {
            if (k && len + t->sample[k].duration > most) {
                break;
            }

            if (len + t->frame_ts / 2
                >= lv_pack_from_90k(t, p->part_90k))
            {
                break;
            }

            len += t->sample[k].duration;
        }

        end = lv_pack_to_90k(t, t->start + len);
        flags = lv_pack_segment_end(p, end);

        if (now && k == t->n) {
            flags |= LV_PART_LAST | LV_PART_BREAK;
        }

        rc = lv_pack_close(p, end, k, flags);
        if (rc != LV_OK) {
            return rc;
        }
    }
}


/* ---- the followers ----------------------------------------------------- */

/* How many samples of the open part are the cell's: those that begin before
 * its end, as many as PART-TARGET allows and the 85 % rule wants. *whole: no
 * more can come. */
static unsigned
follow_count(lv_packager_t *p, lv_pack_track_t *t, const lv_pack_cell_t *c,
    bool *whole)
{
    bool      listed;
    int64_t   len, most, least, end, next;
    unsigned  k;

    listed = p->timed && !(c->flags & LV_PART_UNLISTED);
    most = (int64_t) p->stream->timing.part_target_us * t->desc.timescale
           / 1000000;
    least = (most * MIN_PERCENT + 99) / 100;
    end = c->end * t->desc.timescale;
    len = 0;

    for (k = 0; k <= t->n; k++) {
        next = k < t->n ? t->sample[k].duration : t->frame_ts;

        if (k && listed && len + next > most) {
            if ((t->start + len) * LV_PACK_HZ < end - LV_PACK_HZ
                * (int64_t) t->frame_ts)
            {
                p->shrink = true;
            }

            break;
        }

        /* half a tick is rounding */
        if ((t->start + len) * LV_PACK_HZ >= end - t->desc.timescale / 2
            && k
            && (!listed || (c->flags & LV_PART_LAST) || len >= least))
        {
            break;
        }

        if (k == t->n) {
            *whole = false;
            return k;
        }

        len += next;
    }

    *whole = true;

    return k;
}


int
lv_pack_follow(lv_packager_t *p, lv_pack_track_t *t)
{
    int              rc;
    bool             whole;
    unsigned         k;
    lv_pack_cell_t  *c;

    while (t->joined && t->cell < p->cells) {
        c = &p->cell[t->cell % LV_PACK_CELLS];
        k = follow_count(p, t, c, &whole);

        if (!whole) {
            if (!lv_pack_waited(p, t, c->end, lv_pack_front(p, t), c->at_ms))
            {
                return LV_OK;
            }

            rc = lv_pack_fill_follower(p, t, c);

            if (rc == LV_DECLINED) {
                /* nothing to fill with: it begins later */
                t->cell++;
                t->pos = lv_pack_from_90k(t, c->end);
                t->start = t->pos;

            } else if (rc != LV_OK) {
                return rc;
            }

            continue;
        }

        rc = lv_pack_part_commit(p, t, c, k);
        if (rc != LV_OK) {
            return rc;
        }
    }

    return LV_OK;
}


/* The playlists exist when every track has the first segment. */
static void
check_live(lv_packager_t *p)
{
    unsigned          i;
    lv_pack_track_t  *t;

    if (p->live || p->first_cells == 0) {
        return;
    }

    for (i = 0; i < p->tracks; i++) {
        t = p->track[i];

        if (t->joined && t->cell < p->first_cells) {
            return;
        }
    }

    p->live = true;

    if (!lv_stream_set_state(p->st, p->stream, p->epoch, LV_STREAM_LIVE,
                             p->now_ms))
    {
        lv_pack_displaced(p);
        return;
    }

    lv_pack_event(p, LV_PACK_READY, "the playlists exist");
}


int
lv_pack_follow_all(lv_packager_t *p)
{
    int       rc;
    unsigned  i;

    if (p->busy) {
        return LV_OK;
    }

    p->busy = true;
    rc = LV_OK;

    for (i = 0; i < p->tracks && rc != LV_ERROR; i++) {
        if (p->track[i] != p->lead) {
            rc = lv_pack_follow(p, p->track[i]);
        }
    }

    p->busy = false;

    if (rc != LV_ERROR) {
        check_live(p);
    }

    return rc == LV_ERROR || lv_pack_gone(p) ? LV_ERROR : LV_OK;
}

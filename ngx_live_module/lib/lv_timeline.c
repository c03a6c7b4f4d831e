#include "lv_timeline.h"

/*
 * A track's source time is unwrapped to 64 bits (`raw`), and `offset` maps it
 * to the common clock. Tracks that the source stamps with one clock have equal
 * offsets; that is what keeps audio and video together over jumps: the first
 * track that meets a jump bridges it, the others, when their stamps come near
 * the first one's new stamps, take over its offset.
 */

#define LV_TICKS_MS      90
#define LV_MIN_STEP      90          /* 1 ms */
#define LV_DELTA_MAX     90000       /* a longer step is not a frame's */

/* Slewing: the smoothed difference between stamps and count may be 1 ms (as
 * exact as the stamps are) before anything is done, 20 ms before it is done
 * twice as fast. 1 tick a frame of 1024 at 48 kHz is 520 ppm; sound cards are
 * within 200 ppm. */
#define LV_SLEW_SHIFT    7
#define LV_SLEW_DEAD     (1 * LV_TICKS_MS * 256)
#define LV_SLEW_FAST     (20 * LV_TICKS_MS * 256)

#define LV_SKEW_SHIFT    5
#define LV_SKEW_STALE_MS 2000


void
lv_timeline_init(lv_timeline_t *tl, const lv_timeline_conf_t *conf)
{
    memset(tl, 0, sizeof(lv_timeline_t));

    if (conf) {
        tl->conf = *conf;
    }

    if (tl->conf.timescale == 0) {
        tl->conf.timescale = 1000;
    }

    if (tl->conf.bits == 0 || tl->conf.bits > 63) {
        tl->conf.bits = 32;
    }

    if (tl->conf.audio_margin_ms == 0) {
        tl->conf.audio_margin_ms = LV_TIMELINE_MARGIN_MS;
    }

    if (tl->conf.jump_ms == 0) {
        tl->conf.jump_ms = LV_TIMELINE_JUMP_MS;
    }
}


static int64_t
lv_timeline_abs(int64_t v)
{
    return v < 0 ? -v : v;
}


static int64_t
lv_timeline_units(const lv_timeline_t *tl, int64_t ms)
{
    return ms * tl->conf.timescale / 1000;
}


/* Source units to 90k, rounded down also below zero. */
static int64_t
lv_timeline_ticks(const lv_timeline_t *tl, int64_t units)
{
    int64_t  n, scale;

    scale = tl->conf.timescale;
    n = units * 90000;

    return n >= 0 ? n / scale : - ((-n + scale - 1) / scale);
}


/* b - a as a signed number of `bits` bits (RFC 1982 for any width). */
static int64_t
lv_timeline_diff(const lv_timeline_t *tl, int64_t a, uint64_t b)
{
    unsigned  shift;

    shift = 64 - tl->conf.bits;

    return (int64_t) ((b - (uint64_t) a) << shift) >> shift;
}


/*
 * Some writers' counters are narrower than the field: 24 bits without the
 * extended time stamp, 31 bits in signed arithmetic. A step that is a whole
 * such period off, but for less than a jump, is a wrap. Returns what is to be
 * added.
 */
static int64_t
lv_timeline_fold(const lv_timeline_t *tl, int64_t diff)
{
    int64_t   jump, period;
    unsigned  i;

    static const uint8_t  widths[] = { 24, 31, 32 };

    jump = lv_timeline_units(tl, tl->conf.jump_ms);

    if (lv_timeline_abs(diff) <= jump) {
        return 0;
    }

    for (i = 0; i < sizeof(widths); i++) {
        if (widths[i] >= tl->conf.bits) {
            break;
        }

        period = (int64_t) 1 << widths[i];

        if (lv_timeline_abs(diff + period) <= jump) {
            return period;
        }

        if (lv_timeline_abs(diff - period) <= jump) {
            return -period;
        }
    }

    return 0;
}


/* Puts t on the base of another track whose stamps are near `raw`, if there is
 * one and the output lies in [lo, hi]. */
static bool
lv_timeline_adopt(lv_timeline_t *tl, lv_timeline_track_t *t, uint64_t raw,
    int64_t lo, int64_t hi)
{
    int64_t               diff, fold, jump, out;
    unsigned              i;
    lv_timeline_track_t  *o, *best;

    jump = lv_timeline_units(tl, tl->conf.jump_ms);
    best = NULL;

    for (i = 0; i < LV_TIMELINE_TRACKS; i++) {
        o = &tl->track[i];

        if (o == t || !o->started
            || (best && o->arrival_ms <= best->arrival_ms))
        {
            continue;
        }

        diff = lv_timeline_diff(tl, o->raw, raw);
        fold = lv_timeline_fold(tl, diff);

        if (lv_timeline_abs(diff + fold) > jump) {
            continue;
        }

        out = lv_timeline_ticks(tl, o->raw + diff + o->offset + fold);

        if (out >= lo && out <= hi) {
            best = o;
        }
    }

    if (best == NULL) {
        return false;
    }

    diff = lv_timeline_diff(tl, best->raw, raw);

    t->raw = best->raw + diff;
    t->offset = best->offset + lv_timeline_fold(tl, diff);

    return true;
}


/* Maps `raw` to the output time `out`. */
static void
lv_timeline_map(lv_timeline_t *tl, lv_timeline_track_t *t, uint64_t raw,
    int64_t out)
{
    int64_t  scale;

    scale = tl->conf.timescale;

    t->raw = (int64_t) (raw & (((uint64_t) 1 << tl->conf.bits) - 1));
    t->offset = (out * scale + 90000 - 1) / 90000 - t->raw;
}


static void
lv_timeline_start(lv_timeline_t *tl, lv_timeline_track_t *t, uint64_t raw,
    uint64_t now_ms)
{
    unsigned              i;
    lv_timeline_track_t  *o, *newest;

    if (lv_timeline_adopt(tl, t, raw, INT64_MIN, INT64_MAX)) {
        return;
    }

    newest = NULL;

    for (i = 0; i < LV_TIMELINE_TRACKS; i++) {
        o = &tl->track[i];

        if (o->started && (newest == NULL
                           || o->arrival_ms > newest->arrival_ms))
        {
            newest = o;
        }
    }

    if (newest) {
        /* another base: what arrives together belongs together */
        lv_timeline_map(tl, t, raw, newest->last
                        + (int64_t) (now_ms - newest->arrival_ms)
                          * LV_TICKS_MS);
        return;
    }

    /* the very first; another track may begin up to a jump before it */
    lv_timeline_map(tl, t, raw, 0);
    t->offset = lv_timeline_units(tl, tl->conf.jump_ms);
}


/* The clock jumped: go on one step behind the last frame, or as much later as
 * the frame came later, where that was a real pause. */
static void
lv_timeline_rebase(lv_timeline_t *tl, lv_timeline_track_t *t, uint64_t raw,
    uint64_t now_ms)
{
    int64_t  next, jump, late;

    jump = (int64_t) tl->conf.jump_ms * LV_TICKS_MS;
    late = (int64_t) (now_ms - t->arrival_ms) * LV_TICKS_MS;
    next = t->last + t->delta;

    if (late > jump) {
        next = t->last + late;
    }

    tl->rebases++;

    if (lv_timeline_adopt(tl, t, raw,
                          next - LV_TIMELINE_REORDER_MS * LV_TICKS_MS,
                          next + jump))
    {
        return;
    }

    lv_timeline_map(tl, t, raw, next);
}


/* Takes in a stamp; returns it in 90k on the common clock. */
static int64_t
lv_timeline_place(lv_timeline_t *tl, lv_timeline_track_t *t, uint64_t raw,
    uint64_t now_ms, uint32_t *flags)
{
    int64_t  diff, fold, jump, late;

    if (!t->started) {
        lv_timeline_start(tl, t, raw, now_ms);
        return lv_timeline_ticks(tl, t->raw + t->offset);
    }

    if (now_ms < t->arrival_ms) {
        t->arrival_ms = now_ms;              /* the clock was set back */
    }

    jump = lv_timeline_units(tl, tl->conf.jump_ms);
    late = lv_timeline_units(tl, (int64_t) (now_ms - t->arrival_ms));

    diff = lv_timeline_diff(tl, t->raw, raw);
    fold = lv_timeline_fold(tl, diff);

    if (lv_timeline_abs(diff + fold) > jump
        && lv_timeline_abs(diff + fold - late) > jump)
    {
        lv_timeline_rebase(tl, t, raw, now_ms);
        *flags |= LV_TIME_REBASED;

    } else {
        t->raw += diff;
        t->offset += fold;
    }

    return lv_timeline_ticks(tl, t->raw + t->offset);
}


static void
lv_timeline_note(lv_timeline_t *tl, lv_timeline_track_t *t, int64_t out,
    uint64_t now_ms, uint32_t flags)
{
    int64_t  step;

    step = out - t->last;

    if (t->started && step > 0 && step <= LV_DELTA_MAX
        && !(flags & (LV_TIME_FIXED | LV_TIME_REBASED)))
    {
        t->delta = step;

    } else if (t->delta == 0) {
        t->delta = LV_MIN_STEP;
    }

    t->started = true;
    t->last = out;
    t->arrival_ms = now_ms;

    if (flags & LV_TIME_FIXED) {
        tl->fixes++;
    }
}


static int32_t
lv_timeline_cts(const lv_timeline_t *tl, int32_t raw_cts)
{
    int64_t  cts;

    cts = lv_timeline_ticks(tl, raw_cts);

    if (lv_timeline_abs(cts) > LV_TIMELINE_CTS_MS * LV_TICKS_MS) {
        return 0;
    }

    return (int32_t) cts;
}


void
lv_timeline_video(lv_timeline_t *tl, unsigned track, uint64_t raw_dts,
    int32_t raw_cts, uint64_t now_ms, lv_time_t *out)
{
    int64_t               at;
    lv_timeline_track_t  *t;

    t = &tl->track[track % LV_TIMELINE_TRACKS];

    out->flags = 0;
    out->cts_90k = lv_timeline_cts(tl, raw_cts);

    at = lv_timeline_place(tl, t, raw_dts, now_ms, &out->flags);
    out->dts_90k = at;

    if (!t->started || at > t->last) {
        t->strikes = 0;

    } else if (t->last - at < LV_TIMELINE_REORDER_MS * LV_TICKS_MS) {

        /* equal, or presentation order in the decode time */
        t->strikes = 0;
        out->dts_90k = t->last + LV_MIN_STEP;
        out->cts_90k -= (int32_t) (out->dts_90k - at);
        out->flags |= LV_TIME_FIXED;

    } else if (++t->strikes < LV_TIMELINE_STRIKES) {

        /* one stray stamp is no reason to move the whole track */
        out->dts_90k = t->last + t->delta;
        out->flags |= LV_TIME_FIXED;

    } else {
        t->strikes = 0;
        lv_timeline_rebase(tl, t, raw_dts, now_ms);
        out->flags |= LV_TIME_REBASED;
        out->dts_90k = lv_timeline_ticks(tl, t->raw + t->offset);

        if (out->dts_90k <= t->last) {
            out->dts_90k = t->last + LV_MIN_STEP;
        }
    }

    lv_timeline_note(tl, t, out->dts_90k, now_ms, out->flags);
}


static int64_t
lv_timeline_count(const lv_timeline_track_t *t)
{
    return t->anchor + (int64_t) (t->samples * 90000 / t->rate);
}


static void
lv_timeline_anchor(lv_timeline_track_t *t, int64_t at, uint32_t rate)
{
    t->anchor = at;
    t->samples = 0;
    t->rate = rate;
    t->error = 0;
    t->strikes = 0;
    t->dropping = false;
}


/* Follows the stamps slowly. */
static void
lv_timeline_slew(lv_timeline_track_t *t, int64_t diff)
{
    int64_t  step;

    t->error += (diff * 256 - t->error) / (1 << LV_SLEW_SHIFT);

    if (lv_timeline_abs(t->error) <= LV_SLEW_DEAD) {
        return;
    }

    step = lv_timeline_abs(t->error) > LV_SLEW_FAST ? 2 : 1;

    if (t->error < 0) {
        step = -step;
    }

    t->anchor += step;
    t->error -= step * 256;
}


/* The count and the stamp are more than the margin apart. Returns false when
 * the frame is to be dropped. */
static bool
lv_timeline_apart(lv_timeline_t *tl, lv_timeline_track_t *t, uint64_t raw,
    int64_t at, int64_t diff, uint64_t now_ms, uint32_t *flags)
{
    int64_t  count, margin, late;

    margin = (int64_t) tl->conf.audio_margin_ms * LV_TICKS_MS;
    late = (int64_t) (now_ms - t->arrival_ms) * LV_TICKS_MS;

    if (diff > 0) {
        t->strikes = t->strikes > 0 ? t->strikes + 1 : 1;

        /* nothing came for about as long: it is a hole. Otherwise it may be a
         * single stamp that is off. */
        if (late < diff / 2 && t->strikes < LV_TIMELINE_STRIKES) {
            return true;
        }

        lv_timeline_anchor(t, at, t->rate);
        tl->resyncs++;
        *flags |= LV_TIME_RESYNCED;
        return true;
    }

    t->strikes = t->strikes < 0 ? t->strikes - 1 : -1;

    if (t->strikes > -LV_TIMELINE_STRIKES) {
        return true;
    }

    /* video may have stepped back, too, and gone on */
    count = lv_timeline_count(t);

    if (lv_timeline_adopt(tl, t, raw, count - margin,
                          count + (int64_t) tl->conf.jump_ms * LV_TICKS_MS))
    {
        at = lv_timeline_ticks(tl, t->raw + t->offset);
        lv_timeline_anchor(t, at > count ? at : count, t->rate);
        tl->rebases++;
        *flags |= LV_TIME_REBASED;
        return true;
    }

    if (!t->dropping) {
        t->dropping = true;
        tl->resyncs++;
        *flags |= LV_TIME_RESYNCED;
    }

    return false;
}


static void
lv_timeline_skew(lv_timeline_t *tl, const lv_timeline_track_t *t)
{
    int64_t                     skew;
    unsigned                    i;
    const lv_timeline_track_t  *v;

    v = NULL;

    for (i = 0; i < LV_TIMELINE_TRACKS; i++) {
        if (tl->track[i].started && tl->track[i].rate == 0) {
            v = &tl->track[i];
            break;
        }
    }

    if (v == NULL || t->arrival_ms > v->arrival_ms + LV_SKEW_STALE_MS) {
        return;
    }

    skew = (t->last - v->last) / LV_TICKS_MS
           - (int64_t) (t->arrival_ms - v->arrival_ms);

    tl->skew_acc += (skew * 256 - tl->skew_acc) / (1 << LV_SKEW_SHIFT);
    tl->skew_ms = (int32_t) (tl->skew_acc / 256);
}


void
lv_timeline_audio(lv_timeline_t *tl, unsigned track, uint64_t raw_dts,
    uint32_t samples, uint32_t rate, uint64_t now_ms, lv_time_t *out)
{
    bool                  keep;
    int64_t               at, diff, margin;
    lv_timeline_track_t  *t;

    if (rate == 0 || samples == 0) {
        lv_timeline_video(tl, track, raw_dts, 0, now_ms, out);
        return;
    }

    t = &tl->track[track % LV_TIMELINE_TRACKS];

    out->flags = 0;
    out->cts_90k = 0;

    at = lv_timeline_place(tl, t, raw_dts, now_ms, &out->flags);

    if (!t->started) {
        lv_timeline_anchor(t, at, rate);

    } else if (t->rate != rate) {
        lv_timeline_anchor(t, t->rate ? lv_timeline_count(t)
                                      : t->last + t->delta, rate);
    }

    margin = (int64_t) tl->conf.audio_margin_ms * LV_TICKS_MS;
    diff = at - lv_timeline_count(t);
    keep = true;

    if (lv_timeline_abs(diff) > margin) {
        keep = lv_timeline_apart(tl, t, raw_dts, at, diff, now_ms,
                                 &out->flags);

    } else if (t->dropping && diff < 0) {
        keep = false;

    } else {
        t->strikes = 0;
        t->dropping = false;
        lv_timeline_slew(t, diff);
    }

    out->dts_90k = lv_timeline_count(t);

    if (!keep) {
        t->arrival_ms = now_ms;
        tl->lates++;
        out->flags |= LV_TIME_LATE;
        return;
    }

    if (t->started && out->dts_90k <= t->last) {
        lv_timeline_anchor(t, t->last + LV_MIN_STEP, rate);
        out->dts_90k = t->anchor;
        out->flags |= LV_TIME_FIXED;
    }

    t->samples += samples;

    lv_timeline_note(tl, t, out->dts_90k, now_ms, out->flags);
    lv_timeline_skew(tl, t);
}

/*
 * A frame's place: from the publisher's clock to media time, the start of a
 * stream, and tracks that join.
 *
 * At the start, nothing is known until the first key frame. Audio that comes
 * before it is held in its open part; if no video is announced for the length
 * of a segment, or announced and then does not come, the stream starts with
 * sound alone and video joins later.
 */

#include "lv_packager_int.h"

#define LATE_KEY_90K  9000           /* a key frame that late is still taken */

#define STRIKES       8              /* frames that are far too late in a row */

#define SLEW_BEGIN    8              /* parts of a frame: off by so much */
#define SLEW_END      64
#define SLEW_STEP     512            /* a frame is so much longer or shorter */


static bool
video_configured(const lv_packager_t *p)
{
    unsigned  i;

    for (i = 0; i < p->tracks; i++) {
        if (p->track[i]->video && p->track[i]->configured) {
            return true;
        }
    }

    return false;
}


/* The picture that the others are sized from: it leads. */
static bool
first_video(const lv_packager_t *p, const lv_pack_track_t *t)
{
    unsigned  i;

    for (i = 0; i < p->tracks; i++) {
        if (p->track[i]->video && p->track[i]->configured
            && p->track[i]->index < t->index)
        {
            return false;
        }
    }

    return true;
}


/* ---- start ------------------------------------------------------------- */

static void
start(lv_packager_t *p, lv_pack_track_t *lead)
{
    unsigned  i;

    p->lead = lead;
    p->started = true;
    p->msn = p->stream->epoch;
    p->keep.pdt_ms = (int64_t) p->now_ms;

    for (i = 0; i < p->tracks; i++) {
        if (p->track[i] == lead || !p->track[i]->video) {
            p->track[i]->joined = p->track[i]->configured;
        }
    }
}


/* Media time begins `shift` later than what the held frames were counted
 * from: those before are forgotten. */
static int
held_shift(lv_packager_t *p, lv_pack_track_t *t, int64_t shift)
{
    int               rc;
    int64_t           dur;
    unsigned          k;
    uint32_t          bytes;
    lv_fmp4_sample_t  s;

    t->start -= lv_pack_from_90k(t, shift);
    t->pos -= lv_pack_from_90k(t, shift);

    for (k = 0, bytes = 0, dur = 0; k < t->n; k++) {
        s = t->sample[k];

        if (t->start + dur + s.duration / 8 >= 0) {
            break;
        }

        dur += s.duration;
        bytes += s.size;
    }

    rc = k ? lv_pack_part_forget(p, t, k, bytes) : LV_OK;

    if (t->start < 0) {
        t->pos -= t->start;
        t->start = 0;
    }

    return rc;
}


static int
start_video(lv_packager_t *p, lv_pack_track_t *t, int64_t dts)
{
    int               rc;
    int64_t           shift;
    unsigned          i;
    lv_pack_track_t  *a;

    shift = dts - p->origin;
    p->origin = dts;

    start(p, t);
    lv_pack_durations_start(p);
    lv_pack_keep(p);

    for (i = 0; i < p->tracks; i++) {
        a = p->track[i];

        if (a->held) {
            a->held = false;
            a->heard = a->n ? a->heard - shift : INT64_MIN;

            rc = held_shift(p, a, shift);
            if (rc == LV_ERROR) {
                return rc;
            }
        }
    }

    return LV_OK;
}


/* Sound alone, with what was held. */
static int
start_audio(lv_packager_t *p, lv_pack_track_t *t)
{
    t->held = false;
    start(p, t);
    p->keep.pdt_ms -= lv_pack_to_90k(t, t->pos) / 90;
    lv_pack_durations_start(p);
    lv_pack_keep(p);

    return lv_pack_cut_audio(p, t, false);
}


/* Has enough been held to start without video? */
int
lv_pack_start_held(lv_packager_t *p)
{
    int64_t           limit;
    unsigned          i;
    lv_pack_track_t  *t;

    for (i = 0; i < p->tracks; i++) {
        t = p->track[i];

        if (p->started || !t->held || t->n == 0) {
            continue;
        }

        limit = video_configured(p) ? LV_PACK_KEY_MS
                                    : (int64_t) p->keep.segment_ms;

        if (lv_pack_to_90k(t, t->pos) >= limit * 90
            || p->now_ms - p->audio_ms >= (uint64_t) limit
            || t->n >= LV_PACK_SAMPLES - 2)
        {
            return start_audio(p, t);
        }
    }

    return LV_OK;
}


/* ---- joining ----------------------------------------------------------- */

void
lv_pack_join_early(lv_packager_t *p, lv_pack_track_t *t)
{
    if (!p->started || t->joined || t->video || p->first_cells
        || p->cells >= LV_PACK_CELLS)
    {
        return;
    }

    t->joined = true;
    t->cell = 0;
    t->pos = 0;
    t->start = 0;
}


/* Video joins what was sound alone: it leads from the next segment on, which
 * begins here. */
static int
join_video(lv_packager_t *p, lv_pack_track_t *t, int64_t m)
{
    int64_t           end;
    lv_pack_track_t  *a;

    a = p->lead;
    end = p->end + LV_PACK_MIN_90K;

    if (m > end) {
        end = m;
    }

    p->frame_90k = lv_pack_frame_guess(t);
    t->frame_ts = (uint32_t) p->frame_90k;
    p->lead = t;

    while (end - p->end > p->target_90k) {
        lv_pack_push(p, p->end + p->part_90k,
                     lv_pack_segment_end(p, p->end + p->part_90k));
    }

    lv_pack_push(p, end, LV_PART_LAST);

    t->joined = true;
    t->cell = p->cells;
    t->pos = end;
    t->start = end;
    p->last_key = INT64_MIN;
    lv_pack_durations_join(p);

    return lv_pack_follow(p, a);
}


/* ---- media time -------------------------------------------------------- */

/* Notes that the track is alive, and how late it is. */
static int64_t
media_time(lv_packager_t *p, lv_pack_track_t *t, int64_t dts)
{
    int64_t  m, front;

    m = dts - p->origin;
    front = lv_pack_front(p, t);

    if (front != INT64_MIN && front - m > t->lag) {
        t->lag = front - m;

        if (t->lag > LV_PACK_WAIT_MAX_MS * 90) {
            t->lag = LV_PACK_WAIT_MAX_MS * 90;
        }
    }

    t->dead = false;
    t->filled_90k = 0;

    if (t->heard > front) {
        front = t->heard;
    }

    if (p->end > front) {
        front = p->end;
    }

    /* everything stood still, longer than a hole can be filled */
    if (m - front > LV_PACK_HOLE_MS * 90) {
        lv_pack_event_rare(p, LV_PACK_DROPPED,
                           "a hole in the time stamps is closed");
        p->origin += m - front;
        m = front;
    }

    /* it may be that a single stamp was wrong, and what was closed above was
     * no hole */

    if (front - m <= LV_PACK_HOLE_MS * 90) {
        t->strikes = 0;

    } else if (++t->strikes == STRIKES) {
        t->strikes = 0;
        p->origin -= front - m;
        m = front;
    }

    if (m > t->heard) {
        t->heard = m;
    }

    return m;
}


/* ---- video ------------------------------------------------------------- */

static void
key_seen(lv_packager_t *p, int64_t m)
{
    if (p->last_key != INT64_MIN && m > p->last_key) {
        p->gop_90k = m - p->last_key;
        p->keep.gop_90k = (uint32_t) p->gop_90k;

        if (p->gop_90k > p->gop_max) {
            p->gop_max = p->gop_90k;
        }
    }

    p->last_key = m;
}


int
lv_pack_frame_video(lv_packager_t *p, lv_pack_track_t *t, int64_t dts,
    int32_t cts, bool key)
{
    int      rc;
    int64_t  m, at;

    rc = LV_OK;

    if (!key && (!p->started || p->filling || (!t->joined && !t->holding))) {
        return LV_DECLINED;
    }

    if ((!p->started && !first_video(p, t))
        || (p->filling && p->lead->video && p->lead != t))
    {
        return LV_DECLINED;
    }

    if (p->filling) {
        rc = lv_pack_resume(p, dts);

    } else if (!p->started) {
        rc = start_video(p, t, dts);
    }

    if (rc != LV_OK) {
        return rc == LV_ERROR ? rc : LV_DECLINED;
    }

    m = media_time(p, t, dts);

    if (p->lead->video && p->lead != t) {
        return lv_pack_video_frame(p, t, m, cts, key);
    }

    if (t->need_key
        && (!key || (m < p->end - LATE_KEY_90K && !lv_pack_pending(p))))
    {
        return LV_DECLINED;
    }

    if (!t->joined) {
        rc = join_video(p, t, m);
        if (rc == LV_ERROR) {
            return rc;
        }
    }

    if (key) {
        key_seen(p, m);
    }

    rc = lv_pack_cut_video(p, t, m, key, &at);
    if (rc != LV_OK) {
        return rc == LV_ERROR ? rc : LV_DECLINED;
    }

    t->need_key = false;
    t->told = false;
    t->frame_dts = at;
    t->frame_cts = (int32_t) (m + cts - at);
    t->frame_key = key;

    return LV_OK;
}


/* ---- audio ------------------------------------------------------------- */

/* The publisher is back: is it time to go on with sound alone? */
static bool
resume_with_audio(lv_packager_t *p)
{
    uint64_t  limit;

    if (p->audio_ms == 0) {
        p->audio_ms = p->now_ms;
    }

    if (!p->lead->video) {
        return true;
    }

    limit = video_configured(p) ? LV_PACK_KEY_MS : LV_PACK_START_MS;

    return p->now_ms - p->audio_ms >= limit;
}


/* A configuration that waits for a discontinuity: with sound alone that can
 * be here. */
static int
audio_break(lv_packager_t *p, lv_pack_track_t *t)
{
    if (t != p->lead || !p->started || p->filling) {
        return LV_DECLINED;
    }

    if (t->n == 0) {
        return lv_pack_fill_lead(p, p->end + LV_PACK_MIN_90K,
                                 LV_PART_LAST | LV_PART_BREAK);
    }

    return lv_pack_cut_audio(p, t, true);
}


/*
 * Frames follow on each other without a gap, so that pos is a count of samples
 * and not a sum of rounded stamps. An encoder whose sample clock is not that
 * of its stamps makes the two drift apart: the samples become longer or
 * shorter then by some microseconds each, which nobody hears, before it
 * amounts to a frame, which one would.
 */
static void
audio_slew(lv_pack_track_t *t, int64_t diff)
{
    int64_t  off, step;

    off = diff < 0 ? -diff : diff;

    if (off >= t->frame_ts / SLEW_BEGIN) {
        t->slewing = true;

    } else if (off < t->frame_ts / SLEW_END) {
        t->slewing = false;
    }

    if (t->slewing && t->n) {
        step = t->frame_ts / SLEW_STEP > 1 ? t->frame_ts / SLEW_STEP : 1;
        lv_pack_pos_set(t, t->pos + (diff < 0 ? -step : step));
    }
}


static int
audio_place(lv_packager_t *p, lv_pack_track_t *t, int64_t m)
{
    int      rc;
    int64_t  diff, most, pos;

    pos = lv_pack_from_90k(t, m);
    diff = pos - t->pos;
    most = t->anchored ? t->frame_ts : t->frame_ts / 2;

    if (diff < -most) {
        return LV_DECLINED;
    }

    if (diff > most || (diff > 0 && t->parts == 0 && t->n == 0)) {
        rc = lv_pack_fill_audio(p, t, pos);
        if (rc != LV_OK) {
            return rc == LV_ERROR ? rc : LV_DECLINED;
        }

    } else {
        audio_slew(t, diff);
    }

    if (t->n == LV_PACK_SAMPLES) {
        lv_pack_event_rare(p, LV_PACK_DROPPED, "audio runs too far ahead");
        return LV_DECLINED;
    }

    t->anchored = true;
    t->told = false;
    t->frame_dts = t->pos;
    t->frame_cts = 0;
    t->frame_key = true;

    return LV_OK;
}


int
lv_pack_frame_audio(lv_packager_t *p, lv_pack_track_t *t, int64_t dts)
{
    int      rc;
    int64_t  m;

    if (p->filling) {
        if (!resume_with_audio(p)) {
            return LV_DECLINED;
        }

        rc = lv_pack_resume(p, dts);
        if (rc != LV_OK) {
            return rc == LV_ERROR ? rc : LV_DECLINED;
        }
    }

    if (!p->started) {
        if (p->audio_ms == 0) {
            p->audio_ms = p->now_ms;
            p->origin = dts;
        }

        t->held = true;

        return audio_place(p, t, dts - p->origin);
    }

    if (!t->joined) {
        lv_pack_join_early(p, t);
    }

    m = media_time(p, t, dts);

    if (!t->joined) {
        t->joining = true;
        return LV_DECLINED;
    }

    if (t->pending) {
        rc = audio_break(p, t);
        if (rc != LV_OK) {
            return rc == LV_ERROR ? rc : LV_DECLINED;
        }
    }

    return audio_place(p, t, m);
}

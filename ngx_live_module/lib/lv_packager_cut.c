/*
 * Where parts and segments end: the leading track's cells.
 */

#include "lv_packager_int.h"

#define PACE_RISE_90K  180            /* 2 ms a part */


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
bool
lv_pack_segment_may_end(const lv_packager_t *p, int64_t end)
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
        return lv_pack_segment_may_end(p, m);
    }

    /* the next key frame would come too late */
    return p->timed && p->gop_90k > 0 && len + p->gop_90k > p->limit_90k
           && lv_pack_segment_may_end(p, m);
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

    lv_stream_evict(p->st, p->stream, p->epoch, keep, p->now_ms);
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

    if (p->unfit) {
        p->seg_flags = LV_PART_UNLISTED;
    }

    if (flags & LV_PART_BREAK) {
        p->seg_flags = LV_PART_DISCONTINUITY;
        p->disc_seq++;
        lv_pack_durations_join(p);
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


/* When parts come, as their media time goes: what a filler goes on with. A
 * stall of the network must not make it late, so it rises but slowly; more
 * than any stall is a clock that was set. */
static void
pace_note(lv_packager_t *p, int64_t end)
{
    int64_t  pace;

    pace = (int64_t) p->now_ms * 90 - end;

    if (p->keep.pace_90k != 0 && pace > p->keep.pace_90k + PACE_RISE_90K
        && pace < p->keep.pace_90k + LV_PACK_STEP_90K)
    {
        pace = p->keep.pace_90k + PACE_RISE_90K;
    }

    p->keep.pace_90k = pace;
    lv_pack_keep(p);
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

    if (!p->filling) {
        pace_note(p, end);
    }

    if (t->video && (c.flags & LV_PART_LAST)) {
        /* what is measured follows a change of the frame rate */
        if (p->timed && t->desc.fps_milli > 1000 && t->configured) {
            p->frame_90k = 90000000 / t->desc.fps_milli;
            p->keep.frame_90k = (uint32_t) p->frame_90k;
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
    int       rc;
    bool      last;
    int64_t   gap, end;
    uint16_t  flags;

    while (p->timed && m - p->end > p->target_90k) {
        if (!t->need_key && !key
            && m + p->target_90k - p->seg_start <= p->limit_90k)
        {
            /* a hole that can be shown as one long frame */
            p->seg_flags |= LV_PART_UNLISTED;
            break;
        }

        end = lv_pack_fill_end(p, &flags);
        rc = lv_pack_fill_lead(p, end, flags);

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

        if (end > p->seg_start + p->limit_90k) {
            end = p->seg_start + p->limit_90k;
        }

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
        return t->pos < m ? t->pos : m;
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
    int64_t  len, end, least, most, want;

    len = m - p->end;
    want = p->part_90k;

    if (p->shrink) {
        want -= p->frame_90k;
        least = p->target_90k * (LV_PACK_PERCENT + 2) / 100;

        if (want < least) {
            want = least;
        }
    }

    least = p->target_90k * LV_PACK_PERCENT / 100 + 1;

    if (want - p->frame_90k / 2 > least) {
        least = want - p->frame_90k / 2;
    }

    /* such that audio can keep up with it, of which no part may be too short
     * or too long either */

    if (!p->shrink && p->least_90k - p->jitter_90k > least) {
        least = p->least_90k - p->jitter_90k;
    }

    most = p->shrink ? want : want + p->frame_90k / 2;

    if (most > p->audio_90k + p->jitter_90k) {
        most = p->audio_90k + p->jitter_90k;
    }

    if (most > p->target_90k) {
        most = p->target_90k;
    }

    due = due || segment_full(p, m);

    if (!due && len < least) {
        return -1;
    }

    /* no frame where the part should end: the last one is cut off there, and
     * the next one begins early (its picture is shown when it should be) */

    if (due) {
        most = p->target_90k;
    }

    end = len <= most ? m : p->end + want;

    *flags = due ? LV_PART_LAST : 0;

    return end;
}


int
lv_pack_cut_video(lv_packager_t *p, lv_pack_track_t *t, int64_t m, bool key,
    int64_t *dts)
{
    int       rc;
    bool      due, brk;
    int64_t   end, last;
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

            last = t->pos - t->sample[t->n - 1].duration;

            if (end > p->seg_start + p->limit_90k) {
                end = p->seg_start + p->limit_90k;
            }

            if (end <= last) {
                end = last + 1;
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

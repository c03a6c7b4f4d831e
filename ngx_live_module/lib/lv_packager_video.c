/*
 * Video tracks beside the leading one (an encoder's simulcast): the same
 * pictures in other sizes, each with key frames at the same times.
 *
 * Their parts are exactly as long as the leading track's. Encoders with other
 * frame rates or numbers of B-frames have other decode times, so that no frame
 * may begin where a cell ends: then the frames around that place are moved, and
 * shown when they should be (composition offsets take up the difference). The
 * key frame nearest the end of a segment begins the next one.
 */

#include "lv_packager_int.h"

/* A key frame's decode time may be so far from the leading track's. */
#define NEAR_90K     18000
/* A track that is new is held for so long until a segment begins with it. */
#define HOLD_90K     90000


static int64_t
apart(int64_t a, int64_t b)
{
    return a > b ? a - b : b - a;
}


/* ---- parts ------------------------------------------------------------- */

/* Sample k begins at `end`, with all that is in front of it before that and
 * all behind it after it. */
static void
lay(lv_pack_track_t *t, unsigned k, int64_t end)
{
    int64_t            at, was, next, debt, dur;
    unsigned           i;
    lv_fmp4_sample_t  *s;

    /* in front: each begins early enough that there is a tick for it and for
     * those behind it */

    for (i = 0, at = was = t->start; i < k; i++) {
        s = &t->sample[i];
        s->cts += (int32_t) (was - at);
        was += s->duration;
        next = end - (int64_t) (k - i - 1);

        if (i + 1 < k && was < next) {
            next = was;
        }

        /* more frames than there are ticks */
        if (next < at) {
            next = at;
        }

        s->duration = (uint32_t) (next - at);
        at = next;
    }

    /* behind: moved to where it begins now, until the frames' own lengths make
     * up for it */

    debt = end - was;

    for ( /* void */ ; i < t->n && debt != 0; i++) {
        s = &t->sample[i];
        s->cts -= (int32_t) debt;
        dur = (int64_t) s->duration - debt;
        debt = dur < 1 ? 1 - dur : 0;
        s->duration = (uint32_t) (dur < 1 ? 1 : dur);
    }

    t->pos += debt;

    if (t->in_frame) {
        t->frame_dts += debt;
        t->frame_cts -= (int32_t) debt;
    }
}


/* ---- joining ----------------------------------------------------------- */

/* The segment that begins where the track does: it has its place from there
 * on. */
static bool
join(lv_packager_t *p, lv_pack_track_t *t)
{
    int64_t          start;
    uint32_t         n, back;
    lv_pack_cell_t  *c;

    if (p->part == 0 && apart(p->end, t->start) <= NEAR_90K) {
        n = p->cells;
        start = p->end;
        goto found;
    }

    for (back = 1; back <= p->cells && back < LV_PACK_CELLS; back++) {
        n = p->cells - back;
        c = &p->cell[n % LV_PACK_CELLS];
        start = c->start;

        if (c->part == 0 && apart(start, t->start) <= NEAR_90K) {
            goto found;
        }

        if (start < t->start - NEAR_90K) {
            break;
        }
    }

    return false;

found:

    if (p->live && n < p->cells) {
        /* playlists have that segment, and this track was not in it */
        return false;
    }

    lay(t, 0, start);
    t->start = start;
    t->cell = n;
    t->joined = true;
    t->holding = false;

    return true;
}


/* ---- frames ------------------------------------------------------------ */

/* A frame of a track that has no place yet: held from a key frame on, since
 * the leading track's may come behind it. */
static int
hold(lv_packager_t *p, lv_pack_track_t *t, int64_t m, bool key)
{
    if (!t->holding) {

        if (!key || m < p->end - NEAR_90K) {
            return LV_DECLINED;
        }

        t->holding = true;
        t->pos = m;
        t->start = m;

        (void) join(p, t);

        return LV_OK;
    }

    if (m - t->start > HOLD_90K) {
        lv_pack_part_discard(p, t);
        t->holding = false;

        return hold(p, t, m, key);
    }

    return LV_OK;
}


int
lv_pack_video_frame(lv_packager_t *p, lv_pack_track_t *t, int64_t m,
    int32_t cts, bool key)
{
    int      rc;
    int64_t  at;

    /* its configuration waits for a discontinuity */
    if (t->pending || (t->need_key && !key)) {
        return LV_DECLINED;
    }

    if (!t->joined) {
        rc = hold(p, t, m, key);

        if (rc != LV_OK) {
            return rc;
        }
    }

    if (t->n == LV_PACK_SAMPLES || m < t->pos - LV_PACK_WAIT_MAX_MS * 90) {
        t->need_key = true;
        lv_pack_event_rare(p, LV_PACK_DROPPED,
                           t->n == LV_PACK_SAMPLES
                           ? "a video track runs too far ahead"
                           : "a video track comes too late");
        return LV_DECLINED;
    }

    if (t->n) {
        at = t->pos - t->sample[t->n - 1].duration + 1;

        if (m > at) {
            at = m;
        }

        lv_pack_pos_set(t, at);

    } else {
        at = t->pos;
    }

    t->need_key = false;
    t->told = false;
    t->frame_dts = at;
    t->frame_cts = (int32_t) (m + cts - at);
    t->frame_key = key;

    return LV_OK;
}


/* ---- committing -------------------------------------------------------- */

/* How many samples of the open part are the cell's. *whole: it is known. */
static unsigned
count(const lv_pack_track_t *t, const lv_pack_cell_t *c, bool *whole)
{
    int64_t   at;
    unsigned  k, behind;

    behind = t->n;
    *whole = false;

    for (k = 0, at = t->start; k < t->n; at += t->sample[k++].duration) {

        if (k == 0) {
            continue;
        }

        if (at >= c->end - (int64_t) t->frame_ts / 4 && behind == t->n) {
            behind = k;

            if (!(c->flags & LV_PART_LAST)) {
                *whole = true;
                return k;
            }
        }

        if (!(c->flags & LV_PART_LAST)) {
            continue;
        }

        if (t->sample[k].key && apart(at, c->end) <= NEAR_90K) {
            *whole = true;
            return k;
        }

        if (at > c->end + NEAR_90K) {
            *whole = true;
            return behind;
        }
    }

    return t->n;
}


/* Commits what there is as the cell's part; LV_AGAIN: it has to wait. */
static int
follow_cell(lv_packager_t *p, lv_pack_track_t *t, const lv_pack_cell_t *c)
{
    int             rc;
    bool            whole;
    int64_t         front;
    unsigned        k;
    lv_pack_cell_t  own;

    k = count(t, c, &whole);

    if (!whole) {
        front = lv_pack_front(p, t);

        if (front < p->end) {
            front = p->end;
        }

        if (!t->pending && !lv_pack_waited(p, t, c->end, front, c->at_ms)) {
            return LV_AGAIN;
        }

        lv_pack_frame_drop(t);

        if (t->n == 0) {
            rc = lv_pack_fill_video(p, t, c->end);

            if (rc != LV_OK) {
                return rc;
            }
        }

        k = t->n;

        /* frames may be there of which none could be the next one's first */
        if (t->pos > c->end && k > 1) {
            for (front = t->start, k = 0; k < t->n && front < c->end; k++) {
                front += t->sample[k].duration;
            }
        }
    }

    lay(t, k, c->end);

    own = *c;
    own.flags &= (uint16_t) ~LV_PART_FORCED;

    if (own.part == 0 && !t->sample[0].key) {
        own.flags |= LV_PART_FORCED;
    }

    return lv_pack_part_commit(p, t, &own, k);
}


int
lv_pack_video_follow(lv_packager_t *p, lv_pack_track_t *t)
{
    int              rc;
    lv_pack_cell_t  *c;

    if (t->holding && !t->in_frame && !join(p, t)) {
        return LV_OK;
    }

    while (t->joined && t->cell < p->cells) {
        c = &p->cell[t->cell % LV_PACK_CELLS];
        rc = follow_cell(p, t, c);

        if (rc == LV_AGAIN) {
            return LV_OK;
        }

        if (rc == LV_DECLINED) {
            /* nothing to fill with: it begins later */
            t->cell++;
            t->pos = c->end;
            t->start = c->end;

        } else if (rc != LV_OK) {
            return rc;

        } else if ((c->flags & LV_PART_LAST) && t->desc.fps_milli > 1000) {
            t->frame_ts = 90000000 / t->desc.fps_milli;
        }
    }

    return LV_OK;
}

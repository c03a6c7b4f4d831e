/*
 * The followers: tracks that have a part of every cell that the leading track
 * closed, each when its own samples have passed the cell's end, or when it is
 * not waited for any more.
 */

#include "lv_packager_int.h"


/* What bounds a track's part of a cell, timescale. */
typedef struct {
    bool     listed;
    bool     last;               /* of its segment: may be short */
    int64_t  most, least;        /* duration, if it is listed */
    int64_t  end;                /* of the cell, × 90000 */
    int64_t  segment;            /* that the segment can still last */
} bounds_t;

static void
follow_bounds(lv_packager_t *p, lv_pack_track_t *t, const lv_pack_cell_t *c,
    bounds_t *b)
{
    int64_t  target;

    target = (int64_t) p->stream->timing.part_target_us * t->desc.timescale;

    b->listed = p->timed && !(c->flags & LV_PART_UNLISTED);
    b->last = (c->flags & LV_PART_LAST) != 0;
    b->most = target / 1000000;
    b->least = (target * LV_PACK_PERCENT + 99999999) / 100000000;
    b->end = c->end * t->desc.timescale - t->desc.timescale / 2;

    /* EXTINF, rounded, is at most TARGETDURATION */
    b->segment = p->timed ? (int64_t) p->stream->timing.target_s
                            * t->desc.timescale + t->desc.timescale * 499 / 1000
                            - (int64_t) t->seg_time
                          : INT64_MAX;
}


/* Sample k would make the part longer than PART-TARGET. Is it whole without
 * that one? Slewing can make the difference between fitting and not: then it
 * is taken back by so much. */
static bool
follow_full(lv_pack_track_t *t, const bounds_t *b, unsigned k, int64_t len)
{
    int64_t  slack, over, under;

    slack = t->frame_ts / 64;
    under = b->least - len;

    if (under <= 0) {
        return true;
    }

    if (under <= slack) {
        t->sample[k - 1].duration += (uint32_t) under;
        t->pos += under;
        return true;
    }

    over = len + (k < t->n ? t->sample[k].duration : t->frame_ts) - b->most;

    if (over > slack) {
        return true;
    }

    if (k < t->n) {
        t->sample[k].duration -= (uint32_t) over;
        t->pos -= over;
    }

    return false;
}


/* How many samples of the open part are the cell's: those that begin before
 * its end, as many as PART-TARGET allows and the 85 % rule wants. *whole: no
 * more can come. */
static unsigned
follow_count(lv_packager_t *p, lv_pack_track_t *t, const bounds_t *b,
    bool *whole)
{
    int64_t   len, next, begin;
    unsigned  k;

    len = 0;

    for (k = 0; /* void */ ; k++) {
        next = k < t->n ? t->sample[k].duration : t->frame_ts;
        begin = (t->start + len) * LV_PACK_HZ;

        if (k && b->listed && len + next > b->most) {
            if (follow_full(t, b, k, len)) {
                /* what is left over must not pile up */
                p->shrink |= b->end - begin
                             > (int64_t) t->frame_ts * LV_PACK_HZ;
                break;
            }

            next = k < t->n ? t->sample[k].duration : t->frame_ts;
        }

        if (k && len + next > b->segment) {
            break;
        }

        if (k && begin >= b->end
            && (!b->listed || b->last || len >= b->least))
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
    int64_t          front;
    bounds_t         b;
    unsigned         k;
    lv_pack_cell_t  *c;

    if (t->video) {
        return lv_pack_video_follow(p, t);
    }

    while (t->joined && t->cell < p->cells) {
        c = &p->cell[t->cell % LV_PACK_CELLS];
        follow_bounds(p, t, c, &b);
        k = follow_count(p, t, &b, &whole);

        if (!whole) {
            front = lv_pack_front(p, t);

            if (front < p->end) {
                front = p->end;
            }

            if (!lv_pack_waited(p, t, c->end, front, c->at_ms)) {
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


/* Do a track's parts of the first segment obey the rules that are fixed since
 * (lv_packager_time.c)? They were cut to the frame rate that was expected. */
static bool
first_fits(lv_packager_t *p, lv_pack_track_t *t)
{
    uint16_t         n;
    uint64_t         target, len;
    lv_part_ref_t    ref;
    lv_part_info_t  *info;

    info = &ref.info;
    info->flags = 0;
    target = (uint64_t) p->stream->timing.part_target_us * t->desc.timescale;

    for (n = 0; n < p->first_cells; n++) {
        if (lv_track_find(p->st, t->track, p->stream->epoch, n, &ref)
            != LV_OK)
        {
            return false;
        }

        len = (uint64_t) info->duration * 1000000;

        if (len > target
            || (!(info->flags & LV_PART_LAST)
                && len * 100 < target * LV_PACK_PERCENT))
        {
            return false;
        }
    }

    return (info->flags & LV_PART_LAST) != 0;
}


/*
 * Lists the parts of the first segment, if all are such as can be listed:
 * players that load parts want some that are older than those of the segment
 * that is open, else they wait for its end (hls.js: with the picture at a
 * halt, just when everybody looks).
 */
static void
first_list(lv_packager_t *p)
{
    unsigned          i;
    lv_pack_track_t  *t;

    for (i = 0; i < p->tracks; i++) {
        t = p->track[i];

        if (t->joined && (t->track == NULL || !first_fits(p, t))) {
            return;
        }
    }

    for (i = 0; i < p->tracks; i++) {
        t = p->track[i];

        if (t->joined) {
            lv_track_list(p->st, p->stream, t->track, p->epoch,
                          p->stream->epoch);
        }
    }
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

    if (!p->unfit) {
        first_list(p);
    }

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

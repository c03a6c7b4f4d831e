/*
 * The followers: tracks that have a part of every cell that the leading track
 * closed, each when its own samples have passed the cell's end, or when it is
 * not waited for any more.
 */

#include "lv_packager_int.h"


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
    least = (most * LV_PACK_PERCENT + 99) / 100;
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

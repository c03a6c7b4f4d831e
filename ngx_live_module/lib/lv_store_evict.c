/*
 * Eviction: of what has left the window, and under pressure.
 *
 * A stream is promised what it reserved at its admission. The rest of the
 * store is shared: a stream's share is its reservation plus an equal part of
 * what nobody reserved. When an allocation finds too little, the stream that
 * is furthest over its share, among those that use more than they reserved,
 * loses its oldest segment, over all of its tracks; and so on until there is
 * room. Part entries are shared by the same rule, with reservations scaled.
 * The newest segment of a track is never evicted. When nobody is over its
 * reservation, ended streams go altogether, the oldest first.
 */

#include "lv_store_int.h"


/* The first listed part from `seq` on; tail_seq moves over a hole. */
static bool
track_tail(lv_store_t *st, lv_track_t *t, lv_part_ref_t *tail)
{
    uint32_t       seq;
    lv_part_ref_t  head;

    if (lv_track_newest(st, t, &head) != LV_OK) {
        return false;
    }

    for (seq = lv_get(&t->tail_seq); seq < head.info.seq; seq++) {
        if (lv_track_part(st, t, seq, tail) == LV_OK) {
            return true;
        }

        atomic_store(&t->tail_seq, seq + 1);
    }

    *tail = head;

    return true;
}


static void
track_evict_tail(lv_store_t *st, lv_track_t *t, const lv_part_ref_t *tail,
    uint64_t now_ms)
{
    atomic_store(&t->tail_seq, tail->info.seq + 1);
    LV_KILL_POINT("evict-tail");
    lv_part_drop(st, tail->id, now_ms);
}


/* Init sections that no listed part needs: older than what the oldest listed
 * part needs. The newest always stays. */
static void
track_evict_inits(lv_store_t *st, lv_track_t *t, uint64_t now_ms)
{
    uint32_t       i, id, newest;
    lv_part_ref_t  tail, ref;

    if (!track_tail(st, t, &tail)) {
        return;
    }

    newest = (lv_get(&t->init_count) + LV_INITS - 1) % LV_INITS;

    for (i = 0; i < LV_INITS; i++) {
        id = lv_get(&t->init[i]);

        if (i == newest || !lv_part_valid(st, id)) {
            continue;
        }

        if (lv_part_load(st, id, lv_track_index(st, t), false, &ref, NULL)
            && ref.info.msn >= tail.info.init_msn)
        {
            continue;
        }

        lv_set(&t->init[i], LV_NONE);
        LV_KILL_POINT("evict-init");
        lv_part_drop(st, id, now_ms);
    }
}


void
lv_track_evict(lv_store_t *st, lv_track_t *t, uint32_t keep_msn,
    uint64_t now_ms)
{
    lv_part_ref_t  head, tail;

    if (lv_track_newest(st, t, &head) != LV_OK) {
        return;
    }

    if (keep_msn > head.info.msn) {
        keep_msn = head.info.msn;
    }

    while (track_tail(st, t, &tail) && tail.info.msn < keep_msn) {
        track_evict_tail(st, t, &tail, now_ms);
    }

    track_evict_inits(st, t, now_ms);
}


/* The ring has no place for another part: the oldest segment goes, or, if
 * there is but one segment, its oldest part. */
void
lv_track_evict_full(lv_store_t *st, lv_track_t *t, uint64_t now_ms)
{
    lv_part_ref_t  head, tail;

    if (lv_track_newest(st, t, &head) != LV_OK || !track_tail(st, t, &tail)) {
        return;
    }

    if (tail.info.msn < head.info.msn) {
        lv_track_evict(st, t, tail.info.msn + 1, now_ms);

    } else if (tail.info.seq < head.info.seq) {
        track_evict_tail(st, t, &tail, now_ms);
    }
}


/* The init section `init_msn` is to go: what needs it goes first, so that no
 * playlist names it. */
void
lv_track_evict_init(lv_store_t *st, lv_track_t *t, uint32_t init_msn,
    uint64_t now_ms)
{
    lv_part_ref_t  head, tail;

    if (lv_track_newest(st, t, &head) != LV_OK
        || head.info.init_msn <= init_msn)
    {
        return;
    }

    while (track_tail(st, t, &tail) && tail.info.init_msn <= init_msn) {
        track_evict_tail(st, t, &tail, now_ms);
    }
}


/* false: it has no segment but the newest ones. */
bool
lv_stream_evict_oldest(lv_store_t *st, lv_stream_t *s, uint64_t now_ms)
{
    bool           found;
    unsigned       n;
    uint32_t       msn;
    lv_track_t    *t;
    lv_part_ref_t  head, tail;

    found = false;
    msn = 0;

    for (n = 0; n < LV_STREAM_TRACKS; n++) {
        t = lv_stream_track_at(st, s, n);

        if (t == NULL || !track_tail(st, t, &tail)
            || lv_track_newest(st, t, &head) != LV_OK)
        {
            continue;
        }

        if (tail.info.msn < head.info.msn && (!found || tail.info.msn < msn)) {
            msn = tail.info.msn;
            found = true;
        }
    }

    for (n = 0; found && n < LV_STREAM_TRACKS; n++) {
        t = lv_stream_track_at(st, s, n);

        if (t) {
            lv_track_evict(st, t, msn + 1, now_ms);
        }
    }

    return found;
}


void
lv_stream_evict(lv_store_t *st, lv_stream_t *s, uint32_t epoch,
    uint32_t keep_msn, uint64_t now_ms)
{
    bool         owned;
    unsigned     n;
    lv_track_t  *t;

    lv_store_clock(st, now_ms);

    if (lv_store_lock(st) != LV_OK) {
        return;
    }

    /* a displaced owner's idea of the window is an old one */
    owned = lv_stream_owned(st, s, epoch);

    for (n = 0; owned && n < LV_STREAM_TRACKS; n++) {
        t = lv_stream_track_at(st, s, n);

        if (t) {
            lv_track_evict(st, t, keep_msn, now_ms);
        }
    }

    lv_store_unlock(st);
}


/* ---- pressure ----------------------------------------------------------- */

/* The stream furthest over its share, in extents or in part entries. */
static lv_stream_t *
stream_worst(lv_store_t *st, bool by_parts, const uint64_t *tried)
{
    int64_t       over, worst, spare, used, promised;
    uint32_t      i;
    lv_header_t  *h;
    lv_stream_t  *s, *found;

    h = st->h;
    found = NULL;
    worst = 0;
    spare = (int64_t) st->geo.extents * (100 - LV_LIMBO_PERCENT) / 100
            - h->reserved;

    if (h->streams_used) {
        spare /= h->streams_used;
    }

    for (i = 1; i <= st->geo.streams; i++) {
        s = &st->streams[i];

        if (lv_get(&s->state) == LV_STREAM_FREE || lv_bit_get(tried, i)) {
            continue;
        }

        promised = s->reserved;
        over = promised + spare;
        used = lv_get(&s->extents);

        if (by_parts) {
            promised = promised * st->geo.parts / st->geo.extents;
            over = over * st->geo.parts / st->geo.extents;
            used = lv_get(&s->parts);
        }

        over = used - over;

        if (used > promised && (found == NULL || over > worst)) {
            found = s;
            worst = over;
        }
    }

    return found;
}


/* LV_AGAIN: everybody is within the reservation (or holds but the newest
 * segment). */
int
lv_store_make_room(lv_store_t *st, uint32_t extents, uint32_t parts)
{
    uint64_t      now_ms, tried[LV_STREAM_WORDS];
    lv_header_t  *h;
    lv_stream_t  *s;

    h = st->h;

    if (h->extents_free >= extents && h->parts_free >= parts) {
        return LV_OK;
    }

    LV_KILL_POINT("room");

    lv_limbo_sweep(st);

    now_ms = lv_get(&h->clock_ms);
    memset(tried, 0, sizeof(tried));

    while (h->extents_free < extents || h->parts_free < parts) {
        s = stream_worst(st, h->extents_free >= extents, tried);

        if (s == NULL) {
            if (!lv_stream_drop_ended(st, now_ms)) {
                return LV_AGAIN;
            }

            continue;
        }

        if (!lv_stream_evict_oldest(st, s, now_ms)) {
            lv_bit_set(tried, lv_stream_index(st, s));
            continue;
        }

        h->evictions++;
        atomic_fetch_add(&s->evicted, 1);
        LV_KILL_POINT("room-evicted");
    }

    return LV_OK;
}


/* ---- a whole track ------------------------------------------------------ */

/* Empties a track and makes it nobody's. Its list is cut off from the head
 * first; the parts follow, whatever their order. */
void
lv_track_reset(lv_store_t *st, uint32_t index, uint64_t now_ms)
{
    uint32_t       i, id, prev, tail;
    lv_track_t    *t;
    lv_part_ref_t  ref;

    t = &st->tracks[index];

    tail = lv_get(&t->tail_seq);

    /* an epoch of its own: no late commit finds the head that it knew, and
     * one that came just now is among those that go */
    id = lv_pair_low(atomic_exchange(&t->head,
                                     lv_pair(lv_epoch_next(st), LV_NONE)));
    LV_KILL_POINT("reset-head");

    while (lv_part_load(st, id, index, true, &ref, &prev)) {
        lv_part_drop(st, id, now_ms);

        if (ref.info.seq <= tail) {
            break;
        }

        id = prev;
    }

    for (i = 0; i < LV_INITS; i++) {
        id = lv_get(&t->init[i]);
        lv_set(&t->init[i], LV_NONE);

        if (lv_part_load(st, id, index, false, &ref, NULL)) {
            lv_part_drop(st, id, now_ms);
        }
    }

    lv_set(&t->stream, LV_NONE);
    atomic_fetch_add(&t->gen, 1);

    LV_KILL_POINT("reset-free");

    t->next_free = st->h->track_free;
    st->h->track_free = index;
    st->h->tracks_used--;
}

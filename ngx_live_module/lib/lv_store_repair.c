/*
 * Repair: somebody died with the lock held. Mark what can be reached from the
 * streams, from slots that (may) live and from limbo; sweep the rest; build
 * every list, bit and count anew from that.
 *
 * What is believed: a stream's state, a part's word, owner and chain, a
 * track's head, tail_seq and inits. Everything else follows from them. The one
 * who repairs may die too: the next one begins again.
 *
 * Others go on meanwhile with what needs no lock: they commit parts that were
 * open, and pin. A dead slot counts as living here until the janitor has been
 * there.
 */

#include "lv_store_int.h"


/* It was being removed or created when somebody died: its owner may live, and
 * must not go on with it. */
static void
stream_gone(lv_store_t *st, lv_stream_t *s)
{
    if (lv_pair_low(atomic_load(&s->owner)) == LV_NOBODY) {
        return;
    }

    atomic_fetch_add(&s->gen, 1);
    atomic_store(&s->owner, lv_pair(lv_epoch_next(st), LV_NOBODY));
    lv_stream_notify(st, s);
}


static void
repair_streams(lv_store_t *st)
{
    uint32_t      i;
    lv_header_t  *h;
    lv_stream_t  *s;

    h = st->h;

    for (i = 0; i < st->geo.hash; i++) {
        lv_set(&st->hash[i], 0);
    }

    LV_KILL_POINT("repair-hash");

    h->stream_free = 0;
    h->streams_used = 0;
    h->reserved = 0;

    for (i = st->geo.streams; i > 0; i--) {
        s = &st->streams[i];

        lv_set(&s->extents, 0);
        lv_set(&s->parts, 0);

        if (lv_get(&s->state) == LV_STREAM_FREE) {
            stream_gone(st, s);
            s->reserved = 0;
            s->next_free = h->stream_free;
            h->stream_free = i;
            continue;
        }

        if (lv_get(&s->state) == LV_STREAM_ENDED) {
            s->reserved = 0;
        }

        h->streams_used++;
        h->reserved += s->reserved;
        lv_stream_link(st, i);
    }
}


static void
repair_tracks(lv_store_t *st)
{
    unsigned      n;
    uint32_t      i, k, count;
    lv_stream_t  *s;
    lv_track_t   *t;

    memset(st->mark_track, 0, (st->geo.tracks / 64 + 1) * sizeof(uint64_t));

    for (i = 1; i <= st->geo.streams; i++) {
        s = &st->streams[i];

        if (lv_get(&s->state) == LV_STREAM_FREE) {
            lv_set(&s->track_count, 0);
            continue;
        }

        count = lv_get(&s->track_count);

        for (n = 0; n < count && n < LV_STREAM_TRACKS; n++) {
            k = lv_get(&s->track[n]);

            if (lv_stream_track_at(st, s, n)
                && !lv_bit_get(st->mark_track, k))
            {
                lv_bit_set(st->mark_track, k);
            }
        }
    }

    LV_KILL_POINT("repair-tracks");

    st->h->track_free = LV_NONE;
    st->h->tracks_used = 0;

    for (k = st->geo.tracks; k > 0; k--) {
        t = &st->tracks[k];

        if (lv_bit_get(st->mark_track, k)) {
            st->h->tracks_used++;
            continue;
        }

        if (lv_get(&t->stream) != LV_NONE
            || lv_pair_low(lv_get(&t->head)) != LV_NONE)
        {
            atomic_store(&t->head, lv_pair(lv_epoch_next(st), LV_NONE));
            lv_shared_zero(t->init, sizeof(t->init));
            lv_set(&t->stream, LV_NONE);
            atomic_fetch_add(&t->gen, 1);
        }

        t->next_free = st->h->track_free;
        st->h->track_free = k;
    }
}


/* Marks the parts in a track's list, from the head down to the first that is
 * marked already. */
static void
mark_list(lv_store_t *st, uint32_t index, bool again)
{
    bool           first;
    uint32_t       id, prev, word, seq;
    uint64_t       head;
    lv_track_t    *t;
    lv_part_ref_t  ref;

    t = &st->tracks[index];
    head = atomic_load(&t->head);
    id = lv_pair_low(head);
    first = true;
    seq = 0;

    if (id == LV_NONE) {
        return;
    }

    while (lv_part_load(st, id, index, true, &ref, &prev)
           && (first || ref.info.seq == seq - 1))
    {
        if (lv_bit_get(st->mark_part, id)) {
            return;
        }

        first = false;
        seq = ref.info.seq;

        lv_bit_set(st->mark_part, id);
        lv_set(&t->ring[seq % LV_RING], id);

        word = lv_word(ref.gen, LV_PART_OPEN);
        atomic_compare_exchange_strong(&st->parts[id].word, &word,
                                       lv_word(ref.gen, LV_PART_COMMITTED));

        if (seq <= lv_get(&t->tail_seq)) {
            return;
        }

        id = prev;
    }

    /* not as long as it was thought to be */

    if (first) {
        atomic_compare_exchange_strong(&t->head, &head,
                                   lv_pair(lv_pair_epoch(head), LV_NONE));

    } else if (!again) {
        atomic_store(&t->tail_seq, seq);
    }
}


static void
mark_track(lv_store_t *st, uint32_t index)
{
    uint32_t       i, id;
    lv_track_t    *t;
    lv_part_ref_t  ref;

    t = &st->tracks[index];

    for (i = 0; i < LV_INITS; i++) {
        id = lv_get(&t->init[i]);

        if (id == LV_NONE) {
            continue;
        }

        if (lv_part_load(st, id, index, false, &ref, NULL)
            && (ref.info.flags & LV_PART_INIT)
            && !lv_bit_get(st->mark_part, id))
        {
            lv_bit_set(st->mark_part, id);

        } else {
            lv_set(&t->init[i], LV_NONE);
        }
    }

    mark_list(st, index, false);
}


/* Does this part stay what it is? */
static bool
part_stays(lv_store_t *st, uint32_t id)
{
    uint32_t    word, track;
    uint16_t    owner;
    lv_part_t  *p;

    p = &st->parts[id];

    /* the word first: what it is marked as may have come about since */

    word = lv_get(&p->word);

    if (lv_bit_get(st->mark_part, id)) {
        return true;
    }

    owner = lv_get(&p->owner);

    if (lv_word_state(word) == LV_PART_OPEN && owner < LV_SLOTS
        && lv_get(&st->slots[owner].used))
    {
        return true;
    }

    /* committed while the lists were being marked? */

    track = lv_get(&p->track);

    if (track != LV_NONE && track <= st->geo.tracks
        && lv_bit_get(st->mark_track, track))
    {
        mark_list(st, track, true);
    }

    return lv_bit_get(st->mark_part, id);
}


/* Marks the part's extents and counts them; a chain ends where it meets one
 * that is taken. */
static void
mark_chain(lv_store_t *st, lv_part_t *p)
{
    uint32_t  e, n, last;

    n = 0;
    last = LV_NONE;

    for (e = lv_get(&p->extent); e != LV_NONE; e = st->next[e]) {

        if (!lv_extent_valid(st, e) || lv_bit_get(st->mark_extent, e)) {

            if (last == LV_NONE) {
                lv_set(&p->extent, LV_NONE);
            } else {
                __atomic_store_n(&st->next[last], LV_NONE, __ATOMIC_RELEASE);
            }

            break;
        }

        lv_bit_set(st->mark_extent, e);
        last = e;
        n++;
    }

    p->extents = n;
}


/* Puts a part that is not free on its stream's account, or in limbo. */
static void
repair_kept(lv_store_t *st, uint32_t id)
{
    lv_part_t  *p;

    p = &st->parts[id];
    mark_chain(st, p);

    if (lv_word_state(lv_get(&p->word)) != LV_PART_LIMBO) {
        lv_part_charge(st, p, 1, (int32_t) p->extents);
        return;
    }

    p->next_free = st->h->part_limbo;
    st->h->part_limbo = id;
    st->h->extents_limbo += p->extents;
}


static void
repair_parts(lv_store_t *st)
{
    uint32_t      id, word, state;
    lv_header_t  *h;
    lv_part_t    *p;

    h = st->h;
    h->part_free = LV_NONE;
    h->part_limbo = LV_NONE;
    h->parts_free = 0;
    h->extents_limbo = 0;

    for (id = st->geo.parts; id > 0; id--) {
        p = &st->parts[id];
        state = lv_word_state(lv_get(&p->word));

        if (state == LV_PART_OPEN || state == LV_PART_COMMITTED) {

            if (part_stays(st, id)) {
                repair_kept(st, id);
                continue;
            }

            word = lv_get(&p->word);
            lv_set(&p->limbo_ms, lv_get(&h->clock_ms) | 1);
            atomic_store(&p->word, lv_word(lv_word_gen(word) + 1,
                                           LV_PART_LIMBO));
            LV_KILL_POINT("repair-swept");
            state = LV_PART_LIMBO;
        }

        if (state == LV_PART_LIMBO) {

            if (lv_part_pinned(p)) {
                repair_kept(st, id);
                continue;
            }

            word = lv_get(&p->word);
            lv_set(&p->word, lv_word(lv_word_gen(word), LV_PART_FREE));
        }

        p->next_free = h->part_free;
        h->part_free = id;
        h->parts_free++;
    }
}


static void
repair_extents(lv_store_t *st)
{
    uint32_t      e;
    lv_header_t  *h;

    h = st->h;
    h->extents_free = 0;

    for (e = 1; e <= st->geo.extents; e++) {

        if (lv_bit_get(st->mark_extent, e)) {
            lv_bit_clear(st->free, e);
        } else {
            lv_bit_set(st->free, e);
            h->extents_free++;
        }
    }
}


void
lv_store_repair(lv_store_t *st)
{
    uint32_t  i;

    memset(st->mark_extent, 0, (st->geo.extents / 64 + 1) * sizeof(uint64_t));
    memset(st->mark_part, 0, (st->geo.parts / 64 + 1) * sizeof(uint64_t));

    LV_KILL_POINT("repair-begin");
    repair_streams(st);
    LV_KILL_POINT("repair-streams");
    repair_tracks(st);

    for (i = 1; i <= st->geo.tracks; i++) {
        if (lv_bit_get(st->mark_track, i)) {
            mark_track(st, i);
        }
    }

    LV_KILL_POINT("repair-marked");
    repair_parts(st);
    LV_KILL_POINT("repair-parts");
    repair_extents(st);
    LV_KILL_POINT("repair-end");
}

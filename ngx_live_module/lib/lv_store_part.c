/*
 * Writing a part: opened and filled in place. Memory is taken under the lock,
 * a batch at a time; the bytes need no lock.
 */

#include "lv_store_int.h"

#define LV_BATCH_MAX  64    /* extents taken on a guess */
#define LV_GROW       8


/* How much the part will probably need: what the last one had. */
static uint32_t
track_guess(lv_store_t *st, lv_track_t *t)
{
    uint32_t  id, n;

    id = lv_pair_low(lv_get(&t->head));

    if (!lv_part_valid(st, id)) {
        return 1;
    }

    n = st->parts[id].extents;

    if (n == 0) {
        n = 1;
    }

    return n < LV_BATCH_MAX ? n : LV_BATCH_MAX;
}


int
lv_part_open(lv_part_writer_t *w, lv_store_t *st, lv_stream_t *s,
    lv_track_t *t, uint32_t epoch, uint32_t head_room)
{
    int         rc;
    uint32_t    want, last;
    lv_part_t  *p;

    memset(w, 0, sizeof(lv_part_writer_t));

    w->st = st;
    w->stream = s;
    w->track = t;
    w->epoch = epoch;
    w->head_room = head_room;

    if (st->slot >= LV_SLOTS || head_room > LV_EXTENT / 2) {
        return LV_DECLINED;
    }

    if (lv_store_lock(st) != LV_OK) {
        return LV_AGAIN;
    }

    rc = LV_DECLINED;

    if (!lv_stream_owned(w->st, w->stream, w->epoch)) {
        goto done;
    }

    rc = lv_store_make_room(st, 1, 1);

    if (rc != LV_OK) {
        goto done;
    }

    w->part = lv_part_take(st, s);

    if (w->part == LV_NONE) {
        rc = LV_AGAIN;
        goto done;
    }

    p = &st->parts[w->part];
    lv_set(&p->track, lv_track_index(st, t));

    want = track_guess(st, t);

    if (want > st->h->extents_free) {
        want = 1;
    }

    w->tail = lv_extents_take(st, LV_NONE, want, &last);
    w->tail_used = head_room;

    LV_KILL_POINT("open-taken");

    if (w->tail == LV_NONE) {
        lv_part_drop(st, w->part, lv_get(&st->h->clock_ms));
        w->part = LV_NONE;
        rc = LV_AGAIN;
        goto done;
    }

    lv_set(&p->extent, w->tail);
    LV_KILL_POINT("open-linked");

    p->extents = want;
    lv_part_charge(st, p, 0, (int32_t) want);

done:

    lv_store_unlock(st);

    return rc;
}


/* At least `need` more extents at the end of the chain. */
static int
writer_grow(lv_part_writer_t *w, uint32_t need)
{
    int          rc;
    uint32_t     want, e, first, last;
    lv_part_t   *p;
    lv_store_t  *st;

    st = w->st;
    p = &st->parts[w->part];

    for (last = w->tail; lv_extent_valid(st, st->next[last]); /* void */ ) {
        last = st->next[last];
    }

    if (lv_store_lock(st) != LV_OK) {
        return LV_AGAIN;
    }

    rc = lv_store_make_room(st, need, 0);

    if (rc == LV_OK) {
        want = p->extents / 2 < LV_GROW ? p->extents / 2 : LV_GROW;

        if (want < need || want > st->h->extents_free) {
            want = need;
        }

        first = lv_extents_take(st, last, want, &e);

        if (first == LV_NONE) {
            rc = LV_AGAIN;

        } else {
            LV_KILL_POINT("grow-taken");
            __atomic_store_n(&st->next[last], first, __ATOMIC_RELEASE);
            LV_KILL_POINT("grow-linked");

            p->extents += want;
            lv_part_charge(st, p, 0, (int32_t) want);
        }
    }

    lv_store_unlock(st);

    return rc;
}


int
lv_part_write(lv_part_writer_t *w, const void *data, size_t n)
{
    size_t          size;
    uint64_t        room;
    lv_store_t     *st;
    const uint8_t  *p;

    st = w->st;
    p = data;

    if (w->part == LV_NONE) {
        return LV_DECLINED;
    }

    room = (uint64_t) st->parts[w->part].extents * LV_EXTENT
           - w->head_room - w->len;

    if (n > room) {
        if (n > INT32_MAX - w->len
            || writer_grow(w, lv_extents_for(n - room)) != LV_OK)
        {
            return LV_AGAIN;
        }
    }

    while (n > 0) {
        if (w->tail_used == LV_EXTENT) {
            w->tail = st->next[w->tail];
            w->tail_used = 0;
        }

        size = LV_EXTENT - w->tail_used;
        if (size > n) {
            size = n;
        }

        memcpy(lv_extent_data(st, w->tail) + w->tail_used, p, size);

        w->tail_used += (uint32_t) size;
        w->len += (uint32_t) size;
        p += size;
        n -= size;
    }

    return LV_OK;
}


/* Writes at byte `at` of the chain. */
void
lv_chain_write(lv_store_t *st, uint32_t e, uint32_t at, const uint8_t *p,
    size_t n)
{
    size_t  size;

    for ( ; at >= LV_EXTENT; at -= LV_EXTENT) {
        e = st->next[e];
    }

    while (n > 0 && lv_extent_valid(st, e)) {
        size = LV_EXTENT - at;
        if (size > n) {
            size = n;
        }

        memcpy(lv_extent_data(st, e) + at, p, size);

        p += size;
        n -= size;
        at = 0;
        e = st->next[e];
    }
}


void
lv_part_patch(lv_part_writer_t *w, uint32_t at, const void *p, size_t n)
{
    if (w->part == LV_NONE || at > w->len || n > w->len - at) {
        return;
    }

    lv_chain_write(w->st, lv_get(&w->st->parts[w->part].extent),
                w->head_room + at, p, n);
}


void
lv_part_peek(lv_part_writer_t *w, uint32_t at, void *data, size_t n)
{
    size_t       size;
    uint8_t     *p;
    uint32_t     e;
    lv_store_t  *st;

    st = w->st;
    p = data;

    if (w->part == LV_NONE || at > w->len || n > w->len - at) {
        memset(p, 0, n);
        return;
    }

    e = lv_get(&st->parts[w->part].extent);

    for (at += w->head_room; at >= LV_EXTENT; at -= LV_EXTENT) {
        e = st->next[e];
    }

    while (n > 0) {
        size = LV_EXTENT - at;
        if (size > n) {
            size = n;
        }

        memcpy(p, lv_extent_data(st, e) + at, size);

        p += size;
        n -= size;
        at = 0;
        e = st->next[e];
    }
}


void
lv_part_rewind(lv_part_writer_t *w, uint32_t len)
{
    uint32_t  at;

    if (w->part == LV_NONE || len >= w->len) {
        return;
    }

    w->len = len;
    w->tail = lv_get(&w->st->parts[w->part].extent);

    for (at = w->head_room + len; at > LV_EXTENT; at -= LV_EXTENT) {
        w->tail = w->st->next[w->tail];
    }

    w->tail_used = at;
}


void
lv_part_abort(lv_part_writer_t *w)
{
    lv_part_t   *p;
    lv_store_t  *st;

    st = w->st;

    if (w->part == LV_NONE || lv_store_lock(st) != LV_OK) {
        return;
    }

    p = &st->parts[w->part];

    if (lv_word_state(lv_get(&p->word)) == LV_PART_OPEN
        && lv_get(&p->owner) == st->slot)
    {
        lv_part_drop(st, w->part, lv_get(&st->h->clock_ms));
    }

    w->part = LV_NONE;

    lv_store_unlock(st);
}

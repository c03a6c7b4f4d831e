/*
 * Writing a part: opened, filled in place, committed by one compare-and-swap
 * on the track's head. Memory is taken under the lock, a batch at a time; the
 * bytes and the commit need no lock.
 */

#include "lv_store_int.h"

#define LV_BATCH_MAX  64    /* extents taken on a guess */
#define LV_GROW       8


static uint32_t
extents_for(uint64_t bytes)
{
    return (uint32_t) ((bytes + LV_EXTENT - 1) / LV_EXTENT);
}


static bool
writer_owns(lv_part_writer_t *w)
{
    return atomic_load(&w->stream->owner) == lv_pair(w->epoch, w->st->slot);
}


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

    if (!writer_owns(w)) {
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
            || writer_grow(w, extents_for(n - room)) != LV_OK)
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
static void
chain_write(lv_store_t *st, uint32_t e, uint32_t at, const uint8_t *p,
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

    chain_write(w->st, lv_get(&w->st->parts[w->part].extent),
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


/* ---- commit ------------------------------------------------------------- */

/* Gives back the extents behind the last byte. */
static void
writer_trim(lv_part_writer_t *w, uint32_t used)
{
    uint32_t     rest, n;
    lv_part_t   *p;
    lv_store_t  *st;

    st = w->st;
    p = &st->parts[w->part];

    rest = st->next[w->tail];
    __atomic_store_n(&st->next[w->tail], LV_NONE, __ATOMIC_RELEASE);

    LV_KILL_POINT("trim-cut");

    n = lv_extents_give(st, rest);

    p->extents = used;
    lv_part_charge(st, p, 0, -(int32_t) n);
}


/* Extents in front of the first, for a head that is longer than the room. */
static int
writer_front(lv_part_writer_t *w, uint32_t n)
{
    uint32_t     first, last;
    lv_part_t   *p;
    lv_store_t  *st;

    st = w->st;
    p = &st->parts[w->part];

    if (lv_store_make_room(st, n, 0) != LV_OK) {
        return LV_AGAIN;
    }

    first = lv_extents_take(st, LV_NONE, n, &last);

    if (first == LV_NONE) {
        return LV_AGAIN;
    }

    st->next[last] = lv_get(&p->extent);
    LV_KILL_POINT("front-taken");
    lv_set(&p->extent, first);
    LV_KILL_POINT("front-linked");

    p->extents += n;
    lv_part_charge(st, p, 0, (int32_t) n);

    return LV_OK;
}


/* Everything of a commit that needs the lock; mostly nothing does. */
static int
writer_fit(lv_part_writer_t *w, uint32_t front)
{
    int          rc;
    bool         full;
    uint32_t     used, id, seq;
    lv_store_t  *st;

    st = w->st;
    used = extents_for((uint64_t) w->head_room + w->len);

    if (used == 0) {
        used = 1;
    }

    full = false;
    id = lv_pair_low(lv_get(&w->track->head));

    if (lv_part_valid(st, id)) {
        lv_shared_read(&seq, &st->parts[id].info.seq, sizeof(seq));
        full = seq + 1 - lv_get(&w->track->tail_seq) >= LV_RING;
    }

    if (!full && front == 0 && st->parts[w->part].extents == used) {
        return LV_OK;
    }

    if (lv_store_lock(st) != LV_OK) {
        return LV_AGAIN;
    }

    rc = LV_OK;

    if (st->parts[w->part].extents > used) {
        writer_trim(w, used);
    }

    if (front) {
        rc = writer_front(w, front);
    }

    if (full && writer_owns(w)) {
        lv_track_evict_full(st, w->track, lv_get(&st->h->clock_ms));
    }

    lv_store_unlock(st);

    return rc;
}


static int
commit_media(lv_part_writer_t *w, lv_part_info_t *info)
{
    uint32_t     word, prev;
    uint64_t     head;
    lv_part_t   *p;
    lv_store_t  *st;

    st = w->st;
    p = &st->parts[w->part];
    head = atomic_load(&w->track->head);
    prev = lv_pair_low(head);

    if (lv_pair_epoch(head) != w->epoch || !writer_owns(w)) {
        return LV_DECLINED;
    }

    info->seq = 0;

    if (lv_part_valid(st, prev)) {
        lv_shared_read(&info->seq, &st->parts[prev].info.seq, sizeof(uint32_t));
        info->seq++;
    }

    lv_set(&p->prev, prev);
    lv_shared_write(&p->info, info, sizeof(lv_part_info_t));
    word = lv_get(&p->word);

    LV_KILL_POINT("commit-filled");

    if (!atomic_compare_exchange_strong(&w->track->head, &head,
                                        lv_pair(w->epoch, w->part)))
    {
        return LV_DECLINED;
    }

    LV_KILL_POINT("commit-head");

    /* Late, if this process was stopped here until the part left the window:
     * the generation is another one then, and nothing happens. */
    atomic_compare_exchange_strong(&p->word, &word,
                                   lv_word(lv_word_gen(word),
                                           LV_PART_COMMITTED));

    LV_KILL_POINT("commit-word");

    lv_set(&w->track->ring[info->seq % LV_RING], w->part);

    LV_KILL_POINT("commit-ring");

    return LV_OK;
}


static int
commit_init(lv_part_writer_t *w, lv_part_info_t *info)
{
    uint32_t        old;
    lv_part_t      *p;
    lv_store_t     *st;
    lv_part_ref_t   ref;

    _Atomic uint32_t  *place;

    st = w->st;
    p = &st->parts[w->part];

    info->seq = 0;
    info->init_msn = info->msn;

    if (lv_store_lock(st) != LV_OK) {
        return LV_AGAIN;
    }

    if (!writer_owns(w)) {
        lv_store_unlock(st);
        return LV_DECLINED;
    }

    place = &w->track->init[lv_get(&w->track->init_count) % LV_INITS];
    old = lv_get(place);

    if (lv_part_load(st, old, lv_track_index(st, w->track), false, &ref,
                     NULL))
    {
        lv_set(place, LV_NONE);
        LV_KILL_POINT("init-old");
        lv_part_drop(st, old, lv_get(&st->h->clock_ms));
    }

    lv_set(&p->prev, LV_NONE);
    lv_shared_write(&p->info, info, sizeof(lv_part_info_t));
    atomic_store(&p->word, lv_word(lv_word_gen(lv_get(&p->word)),
                                   LV_PART_COMMITTED));

    LV_KILL_POINT("init-word");
    lv_set(place, w->part);
    LV_KILL_POINT("init-place");
    atomic_fetch_add(&w->track->init_count, 1);
    LV_KILL_POINT("init-count");

    lv_store_unlock(st);

    return LV_OK;
}


int
lv_part_commit(lv_part_writer_t *w, const void *head, size_t head_len,
    lv_part_info_t *info)
{
    int          rc;
    uint32_t     front;
    lv_part_t   *p;
    lv_store_t  *st;

    st = w->st;

    if (w->part == LV_NONE) {
        return LV_DECLINED;
    }

    if (head_len > INT32_MAX - w->len) {
        return LV_AGAIN;
    }

    p = &st->parts[w->part];
    front = head_len > w->head_room ? extents_for(head_len - w->head_room) : 0;

    rc = writer_fit(w, front);

    if (rc != LV_OK) {
        return rc;
    }

    lv_set(&p->offset, (uint32_t) (front * LV_EXTENT + w->head_room
                                   - head_len));
    lv_set(&p->len, (uint32_t) head_len + w->len);
    chain_write(st, lv_get(&p->extent), lv_get(&p->offset), head, head_len);

    rc = (info->flags & LV_PART_INIT) ? commit_init(w, info)
                                      : commit_media(w, info);

    if (rc == LV_DECLINED) {
        lv_part_abort(w);
    }

    if (rc == LV_OK) {
        w->part = LV_NONE;
    }

    return rc;
}

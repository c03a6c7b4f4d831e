/*
 * Commit: one compare-and-swap on the track's head, without the lock, which is
 * needed only to give back memory, or to take some for a long head.
 */

#include "lv_store_int.h"


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
    used = lv_extents_for((uint64_t) w->head_room + w->len);

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

    if (full && lv_stream_owned(w->st, w->stream, w->epoch)) {
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

    if (lv_pair_epoch(head) != w->epoch
        || !lv_stream_owned(st, w->stream, w->epoch))
    {
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


/* The place for a new init section: behind the newest, or its own, when no
 * part has come that needs it (its maker died, or had no memory for one). So
 * all but one of a full list are needed, and the oldest by the oldest parts. */
static uint32_t
init_place(lv_store_t *st, lv_track_t *t)
{
    uint32_t       n;
    lv_part_ref_t  newest, head;

    n = lv_get(&t->init_count);

    if (n == 0
        || !lv_part_load(st, lv_get(&t->init[(n - 1) % LV_INITS]),
                         lv_track_index(st, t), false, &newest, NULL))
    {
        return n;
    }

    if (lv_track_newest(st, t, &head) == LV_OK
        && head.info.init_msn >= newest.info.msn)
    {
        return n;
    }

    return n - 1;
}


static int
commit_init(lv_part_writer_t *w, lv_part_info_t *info)
{
    uint32_t        n, old;
    uint64_t        now_ms;
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

    if (!lv_stream_owned(w->st, w->stream, w->epoch)) {
        lv_store_unlock(st);
        return LV_DECLINED;
    }

    n = init_place(st, w->track);
    place = &w->track->init[n % LV_INITS];
    old = lv_get(place);
    now_ms = lv_get(&st->h->clock_ms);

    if (lv_part_load(st, old, lv_track_index(st, w->track), false, &ref,
                     NULL))
    {
        lv_track_evict_init(st, w->track, ref.info.msn, now_ms);
        lv_set(place, LV_NONE);
        LV_KILL_POINT("init-old");
        lv_part_drop(st, old, now_ms);
    }

    lv_set(&p->prev, LV_NONE);
    lv_shared_write(&p->info, info, sizeof(lv_part_info_t));
    atomic_store(&p->word, lv_word(lv_word_gen(lv_get(&p->word)),
                                   LV_PART_COMMITTED));

    LV_KILL_POINT("init-word");
    lv_set(place, w->part);
    LV_KILL_POINT("init-place");
    lv_set(&w->track->init_count, n + 1);
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
    front = head_len > w->head_room
            ? lv_extents_for(head_len - w->head_room) : 0;

    rc = writer_fit(w, front);

    if (rc != LV_OK) {
        return rc;
    }

    lv_set(&p->offset, (uint32_t) (front * LV_EXTENT + w->head_room
                                   - head_len));
    lv_set(&p->len, (uint32_t) head_len + w->len);
    lv_chain_write(st, lv_get(&p->extent), lv_get(&p->offset), head, head_len);

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

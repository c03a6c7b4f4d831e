/*
 * The directory of streams, and how streams end. Changes are under the lock,
 * looking up is not.
 */

#include "lv_store_int.h"

/* An interrupted stream that nobody fills is given up this long after its
 * resume time: its filler would have ended it by then. */
#define LV_GRACE_MS  2000


/* ---- directory ---------------------------------------------------------- */

/* FNV-1a, begun with a part of the secret. */
static uint32_t
id_hash(lv_store_t *st, const char *id, size_t len)
{
    size_t    i;
    uint32_t  h;

    h = 2166136261u ^ lv_be32(st->h->secret);

    for (i = 0; i < len; i++) {
        h = (h ^ (uint8_t) id[i]) * 16777619u;
    }

    return (h ^ h >> 16) & (st->geo.hash - 1);
}


static bool
id_equal(lv_stream_t *s, const char *id, size_t len)
{
    size_t  i;

    if (__atomic_load_n(&s->id_len, __ATOMIC_ACQUIRE) != len) {
        return false;
    }

    for (i = 0; i < len; i++) {
        if (__atomic_load_n(&s->id[i], __ATOMIC_ACQUIRE) != id[i]) {
            return false;
        }
    }

    return true;
}


lv_stream_t *
lv_stream_lookup(lv_store_t *st, const char *id, size_t len,
    uint32_t *gen)
{
    uint32_t      i, n;
    lv_stream_t  *s;

    i = lv_get(&st->hash[id_hash(st, id, len)]);

    for (n = 0; i != 0 && i <= st->geo.streams && n < st->geo.streams; n++) {
        s = &st->streams[i];
        *gen = lv_get(&s->gen);

        if (lv_get(&s->state) != LV_STREAM_FREE && id_equal(s, id, len)
            && lv_stream_alive(s, *gen))
        {
            return s;
        }

        i = lv_get(&s->next_hash);
    }

    return NULL;
}


lv_stream_t *
lv_stream_find(lv_store_t *st, const char *id, size_t len, uint32_t *gen)
{
    lv_stream_t  *s;

    if (len == 0 || len > LV_STREAM_ID_MAX) {
        return NULL;
    }

    s = lv_stream_lookup(st, id, len, gen);

    if (s) {
        return s;
    }

    /* it may be that a chain was being changed */

    if (lv_store_lock(st) != LV_OK) {
        return NULL;
    }

    s = lv_stream_lookup(st, id, len, gen);
    lv_store_unlock(st);

    return s;
}


lv_stream_t *
lv_stream_at(lv_store_t *st, uint32_t index, uint32_t *gen)
{
    lv_stream_t  *s;

    if (index == 0 || index > st->geo.streams) {
        return NULL;
    }

    s = &st->streams[index];
    *gen = lv_get(&s->gen);

    return lv_get(&s->state) != LV_STREAM_FREE ? s : NULL;
}


uint32_t
lv_stream_index(lv_store_t *st, lv_stream_t *s)
{
    return (uint32_t) (s - st->streams);
}


uint32_t
lv_stream_count(lv_store_t *st)
{
    return st->geo.streams;
}


void
lv_stream_link(lv_store_t *st, uint32_t index)
{
    lv_stream_t       *s;
    _Atomic uint32_t  *place;

    s = &st->streams[index];
    place = &st->hash[id_hash(st, s->id, s->id_len)];

    lv_set(&s->next_hash, lv_get(place));
    LV_KILL_POINT("stream-link");
    lv_set(place, index);
}


static void
stream_unlink(lv_store_t *st, lv_stream_t *s)
{
    uint32_t           i, n, index;
    _Atomic uint32_t  *place;

    index = lv_stream_index(st, s);
    place = &st->hash[id_hash(st, s->id, s->id_len)];

    for (n = 0; n < st->geo.streams; n++) {
        i = lv_get(place);

        if (i == index) {
            lv_set(place, lv_get(&s->next_hash));
            return;
        }

        if (i == 0 || i > st->geo.streams) {
            return;
        }

        place = &st->streams[i].next_hash;
    }
}


/* ---- reservations, states, ends ----------------------------------------- */

uint32_t
lv_epoch_next(lv_store_t *st)
{
    return atomic_fetch_add(&st->h->epoch, 1) + 1;
}


void
lv_stream_reserve(lv_store_t *st, lv_stream_t *s, uint32_t extents)
{
    st->h->reserved = st->h->reserved - s->reserved + extents;
    s->reserved = extents;
}


void
lv_stream_put_state(lv_store_t *st, lv_stream_t *s, uint32_t state,
    uint64_t now_ms)
{
    if (state == LV_STREAM_ENDED) {
        lv_stream_reserve(st, s, 0);
    }

    lv_set(&s->state_ms, now_ms);
    atomic_store(&s->state, state);

    LV_KILL_POINT("state");
}


uint32_t
lv_stream_last_msn(lv_store_t *st, lv_stream_t *s)
{
    unsigned       n;
    uint32_t       last;
    lv_track_t    *t;
    lv_part_ref_t  ref;

    last = lv_get(&s->epoch);

    for (n = 0; n < LV_STREAM_TRACKS; n++) {
        t = lv_stream_track_at(st, s, n);

        if (t && lv_track_newest(st, t, &ref) == LV_OK
            && ref.info.msn > last)
        {
            last = ref.info.msn;
        }
    }

    return last;
}


/* Removes the entry. From its state on nothing of it counts any more. */
void
lv_stream_drop(lv_store_t *st, lv_stream_t *s, uint64_t now_ms)
{
    unsigned  n;
    uint32_t  i, count;

    if (lv_get(&s->state) == LV_STREAM_FREE) {
        return;
    }

    lv_store_born(st, lv_stream_last_msn(st, s) + 1);

    atomic_store(&s->state, LV_STREAM_FREE);
    LV_KILL_POINT("remove-state");
    atomic_fetch_add(&s->gen, 1);
    LV_KILL_POINT("remove-gen");
    atomic_store(&s->owner, lv_pair(lv_epoch_next(st), LV_NOBODY));

    /* who waits for it looks, and sees that it is gone */
    lv_stream_notify(st, s);

    stream_unlink(st, s);
    LV_KILL_POINT("remove-unlinked");

    count = lv_get(&s->track_count);

    for (n = 0; n < count && n < LV_STREAM_TRACKS; n++) {
        i = lv_get(&s->track[n]);

        if (i != LV_NONE && i <= st->geo.tracks) {
            lv_track_reset(st, i, now_ms);
        }
    }

    lv_set(&s->track_count, 0);
    lv_stream_reserve(st, s, 0);

    LV_KILL_POINT("remove-tracks");

    s->next_free = st->h->stream_free;
    st->h->stream_free = lv_stream_index(st, s);
    st->h->streams_used--;
}


/* Makes room in the directory: the stream that ended first goes. */
bool
lv_stream_drop_ended(lv_store_t *st, uint64_t now_ms)
{
    uint32_t      i;
    lv_stream_t  *s, *oldest;

    oldest = NULL;

    for (i = 1; i <= st->geo.streams; i++) {
        s = &st->streams[i];

        if (lv_get(&s->state) == LV_STREAM_ENDED
            && (oldest == NULL
                || lv_get(&s->state_ms) < lv_get(&oldest->state_ms)))
        {
            oldest = s;
        }
    }

    if (oldest == NULL) {
        return false;
    }

    lv_stream_drop(st, oldest, now_ms);

    return true;
}


/* The owner goes: by itself, or it is dead. */
void
lv_stream_leave(lv_store_t *st, lv_stream_t *s, uint32_t state,
    uint64_t now_ms)
{
    uint64_t  owner;

    owner = atomic_load(&s->owner);
    atomic_store(&s->owner, lv_pair(lv_pair_epoch(owner), LV_NOBODY));

    LV_KILL_POINT("leave-owner");

    /* filled before: it is interrupted since then, not since now */

    if (lv_get(&s->state) != LV_STREAM_ENDED && lv_get(&s->state) != state) {
        lv_stream_put_state(st, s, state, now_ms);
    }

    lv_bell_all(st, s);
}


static void
stream_reap(lv_store_t *st, lv_stream_t *s, uint64_t now_ms)
{
    bool      nobody;
    uint32_t  resume_ms, window_ms;
    uint64_t  age;

    /* the owner may be one that was displaced while it set them */
    resume_ms = __atomic_load_n(&s->timing.resume_ms, __ATOMIC_RELAXED);
    window_ms = __atomic_load_n(&s->timing.window_ms, __ATOMIC_RELAXED);

    nobody = lv_pair_low(atomic_load(&s->owner)) == LV_NOBODY;
    age = now_ms - lv_get(&s->state_ms);

    if (now_ms < lv_get(&s->state_ms)) {
        age = 0;
    }

    switch (lv_get(&s->state)) {

    case LV_STREAM_STARTING:
        if (nobody) {
            lv_stream_drop(st, s, now_ms);
        }

        break;

    case LV_STREAM_LIVE:
        if (nobody) {
            /* its janitor died between the owner and the state */
            lv_stream_put_state(st, s, LV_STREAM_INTERRUPTED, now_ms);
            lv_bell_all(st, s);
        }

        break;

    case LV_STREAM_INTERRUPTED:
        if (nobody && age > (uint64_t) resume_ms + LV_GRACE_MS) {
            lv_stream_put_state(st, s, LV_STREAM_ENDED, now_ms);
            lv_stream_notify(st, s);
        }

        break;

    case LV_STREAM_ENDED:
        if (age > window_ms) {
            lv_stream_drop(st, s, now_ms);
        }

        break;
    }
}


void
lv_streams_reap(lv_store_t *st, uint64_t now_ms)
{
    uint32_t      i, state;
    lv_stream_t  *s;

    for (i = 1; i <= st->geo.streams; i++) {
        s = &st->streams[i];
        state = lv_get(&s->state);

        if (state == LV_STREAM_FREE
            || (state != LV_STREAM_ENDED
                && lv_pair_low(atomic_load(&s->owner)) != LV_NOBODY))
        {
            continue;
        }

        if (lv_store_lock(st) != LV_OK) {
            return;
        }

        stream_reap(st, s, now_ms);
        lv_store_unlock(st);
    }
}

/*
 * The lock, extents, part entries and limbo. Everything here but the lock
 * itself is called under it; nothing here makes a system call under it.
 */

#include <errno.h>
#include "lv_store_int.h"

#define LV_LOOK  16     /* runs looked at for one that is long enough */


int
lv_store_lock(lv_store_t *st)
{
    int  rc;

    rc = pthread_mutex_lock(&st->h->lock);
    st->locked = true;

    if (rc == EOWNERDEAD) {
        LV_KILL_POINT("lock-dead");
        lv_store_repair(st);
        st->h->repairs++;
        rc = pthread_mutex_consistent(&st->h->lock);
    }

    if (rc != 0) {
        st->locked = false;
        return LV_ERROR;
    }

    return LV_OK;
}


void
lv_store_unlock(lv_store_t *st)
{
    LV_KILL_POINT("unlock");
    st->locked = false;
    pthread_mutex_unlock(&st->h->lock);
    lv_bell_pending(st);
}


void
lv_store_clock(lv_store_t *st, uint64_t now_ms)
{
    lv_set(&st->h->clock_ms, now_ms);
    lv_store_born(st, (uint32_t) (now_ms / 1000));
}


void
lv_store_born(lv_store_t *st, uint32_t second)
{
    uint32_t  min;

    min = lv_get(&st->h->born_min);

    while (second > min
           && !atomic_compare_exchange_weak(&st->h->born_min, &min, second))
    {
        /* void */
    }
}


/* ---- extents ------------------------------------------------------------ */

/* The first free extent at or behind `from`, around the end once. */
static uint32_t
extent_next_free(lv_store_t *st, uint32_t from)
{
    uint32_t  i, n, word, words;
    uint64_t  bits;

    words = st->geo.extents / 64 + 1;
    word = from / 64;
    bits = st->free[word] & (~(uint64_t) 0 << (from % 64));

    for (i = 0; i <= words; i++) {
        if (bits) {
            n = word * 64 + (uint32_t) __builtin_ctzll(bits);
            return n <= st->geo.extents ? n : LV_NONE;
        }

        word = word + 1 < words ? word + 1 : 0;
        bits = st->free[word];
    }

    return LV_NONE;
}


static uint32_t
extent_run_len(lv_store_t *st, uint32_t e, uint32_t max)
{
    uint32_t  n;

    for (n = 0; n < max && e + n <= st->geo.extents; n++) {
        if (!lv_bit_get(st->free, e + n)) {
            break;
        }
    }

    return n;
}


/* The longest of the next runs, up to `want`. Parts die in about the order in
 * which they were made, so free memory lies ahead of the cursor in long runs
 * and the first look mostly finds enough. */
static uint32_t
extent_find_run(lv_store_t *st, uint32_t want, uint32_t *len)
{
    uint32_t  i, e, n, best, pos;

    best = LV_NONE;
    *len = 0;
    pos = st->h->cursor;

    for (i = 0; i < LV_LOOK; i++) {
        if (!lv_extent_valid(st, pos)) {
            pos = 1;
        }

        e = extent_next_free(st, pos);
        if (e == LV_NONE) {
            break;
        }

        n = extent_run_len(st, e, want);
        if (n > *len) {
            best = e;
            *len = n;
        }

        if (n == want) {
            break;
        }

        pos = e + n;
    }

    return best;
}


/* Frees a chain; returns how many extents it had. */
uint32_t
lv_extents_give(lv_store_t *st, uint32_t first)
{
    uint32_t  e, n;

    n = 0;

    for (e = first; lv_extent_valid(st, e); e = st->next[e]) {
        if (lv_bit_get(st->free, e)) {
            break;
        }

        lv_bit_set(st->free, e);
        st->h->extents_free++;
        n++;

        if (n == 1) {
            LV_KILL_POINT("give-one");
        }
    }

    return n;
}


/* A closed chain of `want` extents, which are known to be free; the first one
 * right behind `near` if possible. Returns it, and the last one. */
uint32_t
lv_extents_take(lv_store_t *st, uint32_t near, uint32_t want, uint32_t *last)
{
    uint32_t  i, e, n, first, tail;

    first = LV_NONE;
    tail = LV_NONE;

    while (want > 0) {
        e = near + 1;
        n = 0;

        if (near != LV_NONE && lv_extent_valid(st, e)) {
            n = extent_run_len(st, e, want);
        }

        if (n == 0) {
            e = extent_find_run(st, want, &n);
        }

        if (n == 0) {
            /* only if the count was wrong: all or nothing */
            lv_extents_give(st, first);
            return LV_NONE;
        }

        for (i = 0; i < n; i++) {
            lv_bit_clear(st->free, e + i);
            st->next[e + i] = i + 1 < n ? e + i + 1 : LV_NONE;
        }

        LV_KILL_POINT("take-run");

        if (first == LV_NONE) {
            first = e;
        } else {
            st->next[tail] = e;
        }

        tail = e + n - 1;
        near = LV_NONE;
        want -= n;
        st->h->extents_free -= n;
        st->h->cursor = tail + 1;
    }

    *last = tail;

    return first;
}


/* ---- part entries ------------------------------------------------------- */

/* Puts parts and extents on (or off) the account of the part's stream, as
 * long as that is still the same stream. */
void
lv_part_charge(lv_store_t *st, lv_part_t *p, int32_t parts, int32_t extents)
{
    lv_stream_t  *s;

    if (p->stream == 0 || p->stream > st->geo.streams) {
        return;
    }

    s = &st->streams[p->stream];

    if (lv_get(&s->gen) != p->stream_gen) {
        return;
    }

    lv_set(&s->parts, lv_get(&s->parts) + (uint32_t) parts);
    lv_set(&s->extents, lv_get(&s->extents) + (uint32_t) extents);
}


/* An entry from the free list, open by this slot, without extents. */
uint32_t
lv_part_take(lv_store_t *st, lv_stream_t *s)
{
    uint32_t    id;
    lv_part_t  *p;

    id = st->h->part_free;

    if (!lv_part_valid(st, id)) {
        return LV_NONE;
    }

    p = &st->parts[id];
    st->h->part_free = p->next_free;
    st->h->parts_free--;

    LV_KILL_POINT("part-take");

    lv_set(&p->owner, (uint16_t) st->slot);
    lv_set(&p->extent, LV_NONE);
    lv_set(&p->track, LV_NONE);
    lv_set(&p->prev, LV_NONE);
    lv_set(&p->limbo_ms, 0);
    p->extents = 0;
    p->stream = lv_stream_index(st, s);
    p->stream_gen = lv_get(&s->gen);
    lv_set(&p->word, lv_word(lv_word_gen(lv_get(&p->word)), LV_PART_OPEN));

    LV_KILL_POINT("part-open");

    lv_part_charge(st, p, 1, 0);

    return id;
}


bool
lv_part_pinned(lv_part_t *p)
{
    unsigned  i;

    for (i = 0; i < LV_SLOTS; i++) {
        if (atomic_load(&p->pin[i]) != 0) {
            return true;
        }
    }

    return false;
}


static void
part_free(lv_store_t *st, uint32_t id)
{
    lv_part_t  *p;

    p = &st->parts[id];

    lv_set(&p->word, lv_word(lv_word_gen(lv_get(&p->word)), LV_PART_FREE));

    LV_KILL_POINT("part-free");

    lv_extents_give(st, lv_get(&p->extent));

    LV_KILL_POINT("part-given");

    p->next_free = st->h->part_free;
    st->h->part_free = id;
    st->h->parts_free++;
}


/*
 * Ends what the part was: readers that come later see another generation.
 * One that came earlier has its pin where the sum below finds it: both sides
 * write (pin; word) and then read (word; pins), all sequentially consistent,
 * so at least one sees the other.
 */
void
lv_part_drop(lv_store_t *st, uint32_t id, uint64_t now_ms)
{
    uint32_t    word;
    lv_part_t  *p;

    p = &st->parts[id];
    word = lv_get(&p->word);

    lv_set(&p->limbo_ms, now_ms ? now_ms : 1);
    atomic_store(&p->word, lv_word(lv_word_gen(word) + 1, LV_PART_LIMBO));

    LV_KILL_POINT("evict-word");

    lv_part_charge(st, p, -1, -(int32_t) p->extents);

    if (!lv_part_pinned(p)) {
        part_free(st, id);
        return;
    }

    LV_KILL_POINT("evict-limbo");

    p->next_free = st->h->part_limbo;
    st->h->part_limbo = id;
    st->h->extents_limbo += p->extents;
}


/* Frees what waits in limbo and is not pinned any more. */
void
lv_limbo_sweep(lv_store_t *st)
{
    uint32_t    id, *link;
    lv_part_t  *p;

    link = &st->h->part_limbo;

    for (id = *link; lv_part_valid(st, id); id = *link) {
        p = &st->parts[id];

        if (lv_part_pinned(p)) {
            link = &p->next_free;
            continue;
        }

        *link = p->next_free;
        st->h->extents_limbo -= p->extents;

        LV_KILL_POINT("limbo-free");

        part_free(st, id);
    }
}

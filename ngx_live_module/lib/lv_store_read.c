/*
 * Reading: from a name to a part to its bytes. No lock anywhere.
 *
 * What counts is the list that begins at the track's head: a part that is
 * reached that way is the right one, even when its writer was killed before
 * it could say so. The ring only shortens the way; an entry of it is believed
 * when the part that it names says itself that it is committed, on this
 * track, with this count.
 */

#include "lv_store_int.h"

#define LV_TRIES  1000      /* a writer commits a few times a second */

typedef uint32_t __attribute__((may_alias))  lv_alias_t;


void
lv_shared_read(void *to, const void *shared, size_t n)
{
    size_t             i;
    lv_alias_t        *d;
    const lv_alias_t  *s;

    d = to;
    s = shared;

    for (i = 0; i < n / 4; i++) {
        d[i] = __atomic_load_n(&s[i], __ATOMIC_ACQUIRE);
    }
}


void
lv_shared_write(void *shared, const void *from, size_t n)
{
    size_t             i;
    lv_alias_t        *d;
    const lv_alias_t  *s;

    d = shared;
    s = from;

    for (i = 0; i < n / 4; i++) {
        __atomic_store_n(&d[i], s[i], __ATOMIC_RELEASE);
    }
}


void
lv_shared_zero(void *shared, size_t n)
{
    size_t       i;
    lv_alias_t  *d;

    d = shared;

    for (i = 0; i < n / 4; i++) {
        __atomic_store_n(&d[i], 0, __ATOMIC_RELEASE);
    }
}


bool
lv_part_load(lv_store_t *st, uint32_t id, uint32_t track, bool listed,
    lv_part_ref_t *ref, uint32_t *prev)
{
    uint32_t    word;
    lv_part_t  *p;

    if (!lv_part_valid(st, id)) {
        return false;
    }

    p = &st->parts[id];
    word = lv_get(&p->word);

    if (lv_word_state(word) != LV_PART_COMMITTED
        && !(listed && lv_word_state(word) == LV_PART_OPEN))
    {
        return false;
    }

    if (lv_get(&p->track) != track) {
        return false;
    }

    ref->id = id;
    ref->gen = lv_word_gen(word);
    ref->extent = lv_get(&p->extent);
    ref->offset = lv_get(&p->offset);
    ref->len = lv_get(&p->len);
    lv_shared_read(&ref->info, &p->info, sizeof(lv_part_info_t));

    if (prev) {
        *prev = lv_get(&p->prev);
    }

    LV_KILL_POINT("read-part");

    return lv_word_gen(lv_get(&p->word)) == ref->gen;
}


static bool
part_same(lv_store_t *st, const lv_part_ref_t *ref)
{
    return lv_word_gen(lv_get(&st->parts[ref->id].word)) == ref->gen;
}


/*
 * The head. That it is still the head after it was read, and the part then
 * still the same: only both together say that the copy is of a part that is
 * in the list.
 */
static int
track_head(lv_store_t *st, lv_track_t *t, lv_part_ref_t *ref, uint32_t *prev)
{
    unsigned  n;
    uint32_t  index;
    uint64_t  head;

    index = lv_track_index(st, t);

    for (n = 0; n < LV_TRIES; n++) {
        head = atomic_load(&t->head);

        if (lv_pair_low(head) == LV_NONE) {
            return LV_DECLINED;
        }

        LV_KILL_POINT("read-head");

        if (lv_part_load(st, lv_pair_low(head), index, true, ref, prev)
            && atomic_load(&t->head) == head
            && part_same(st, ref))
        {
            return LV_OK;
        }
    }

    return LV_DECLINED;
}


/*
 * Down the list from the head, mending the ring on the way. The part before
 * `ref` is the right one if tail_seq, read after it, has not passed it (an
 * evictor moves tail_seq first), and if `ref` itself is still there (so that
 * this is still the same track).
 */
static int
track_walk(lv_store_t *st, lv_track_t *t, uint32_t seq, lv_part_ref_t *ref)
{
    uint32_t           id, prev, index;
    lv_part_ref_t      before;
    _Atomic uint32_t  *hint;

    if (track_head(st, t, ref, &id) != LV_OK || seq > ref->info.seq) {
        return LV_DECLINED;
    }

    index = lv_track_index(st, t);

    while (ref->info.seq > seq) {
        LV_KILL_POINT("read-walk");

        if (!lv_part_load(st, id, index, true, &before, &prev)
            || before.info.seq != ref->info.seq - 1
            || atomic_load(&t->tail_seq) > before.info.seq
            || !part_same(st, ref) || !part_same(st, &before))
        {
            return LV_AGAIN;
        }

        hint = &t->ring[before.info.seq % LV_RING];

        if (lv_get(hint) != id) {
            lv_set(hint, id);
        }

        *ref = before;
        id = prev;
    }

    return LV_OK;
}


int
lv_track_newest(lv_store_t *st, lv_track_t *t, lv_part_ref_t *ref)
{
    return track_head(st, t, ref, NULL);
}


int
lv_track_part(lv_store_t *st, lv_track_t *t, uint32_t seq, lv_part_ref_t *ref)
{
    int       rc;
    unsigned  n;
    uint32_t  id;

    id = lv_get(&t->ring[seq % LV_RING]);

    if (lv_part_load(st, id, lv_track_index(st, t), false, ref, NULL)
        && ref->info.seq == seq && !(ref->info.flags & LV_PART_INIT))
    {
        return LV_OK;
    }

    for (n = 0; n < LV_TRIES; n++) {
        if (seq < lv_get(&t->tail_seq)) {
            break;
        }

        rc = track_walk(st, t, seq, ref);
        if (rc != LV_AGAIN) {
            return rc;
        }
    }

    return LV_DECLINED;
}


int
lv_track_oldest(lv_store_t *st, lv_track_t *t, lv_part_ref_t *ref)
{
    unsigned  n;
    uint32_t  seq;

    for (n = 0; n < LV_TRIES; n++) {
        seq = lv_get(&t->tail_seq);

        if (lv_track_part(st, t, seq, ref) == LV_OK) {
            return LV_OK;
        }

        if (lv_get(&t->tail_seq) == seq) {
            break;
        }
    }

    return LV_DECLINED;
}


static uint64_t
part_name(uint32_t msn, uint32_t part)
{
    return (uint64_t) msn << 32 | part;
}


/* Names grow with the count. */
int
lv_track_find(lv_store_t *st, lv_track_t *t, uint32_t msn, uint32_t part,
    lv_part_ref_t *ref)
{
    uint32_t  lo, hi, mid, tail;
    uint64_t  name, found;

    name = part_name(msn, part);

    if (track_head(st, t, ref, NULL) != LV_OK) {
        return LV_AGAIN;
    }

    found = part_name(ref->info.msn, ref->info.part);

    if (name >= found) {
        return name == found ? LV_OK : LV_AGAIN;
    }

    lo = lv_get(&t->tail_seq);
    hi = ref->info.seq;
    mid = hi - (hi - lo) / 2 - 1;

    /* mostly it is one of the newest segment */
    if (msn == ref->info.msn && ref->info.part - part <= hi - lo) {
        mid = hi - (ref->info.part - part);
    }

    while (lo < hi) {

        if (mid < lo || mid >= hi) {
            mid = lo + (hi - lo) / 2;
        }

        if (lv_track_part(st, t, mid, ref) != LV_OK) {
            tail = lv_get(&t->tail_seq);

            if (tail <= mid) {
                return LV_DECLINED;
            }

            lo = tail;
            mid = hi;
            continue;
        }

        found = part_name(ref->info.msn, ref->info.part);

        if (found == name) {
            return LV_OK;
        }

        if (found < name) {
            lo = mid + 1;
        } else {
            hi = mid;
        }

        mid = hi;
    }

    return LV_DECLINED;
}


int
lv_track_init(lv_store_t *st, lv_track_t *t, uint32_t init_msn,
    lv_part_ref_t *ref)
{
    uint32_t  i, n;

    n = lv_get(&t->init_count);

    for (i = 0; i < LV_INITS; i++) {
        n--;

        if (lv_part_load(st, lv_get(&t->init[n % LV_INITS]),
                         lv_track_index(st, t), false, ref, NULL)
            && (ref->info.flags & LV_PART_INIT)
            && ref->info.msn == init_msn)
        {
            return LV_OK;
        }
    }

    return LV_DECLINED;
}


/* ---- pins --------------------------------------------------------------- */

int
lv_part_pin(lv_store_t *st, const lv_part_ref_t *ref)
{
    lv_part_t         *p;
    _Atomic uint16_t  *pin;

    if (st->slot >= LV_SLOTS || !lv_part_valid(st, ref->id)) {
        return LV_DECLINED;
    }

    p = &st->parts[ref->id];
    pin = &p->pin[st->slot];

    /* the cell is this slot's alone, so it cannot overflow in between */
    if (lv_get(pin) == UINT16_MAX) {
        return LV_DECLINED;
    }

    atomic_fetch_add(pin, 1);

    LV_KILL_POINT("pin-added");

    if (lv_word_gen(atomic_load(&p->word)) != ref->gen) {
        atomic_fetch_sub(pin, 1);
        return LV_DECLINED;
    }

    LV_KILL_POINT("pin-held");

    return LV_OK;
}


void
lv_part_unpin(lv_store_t *st, uint32_t id)
{
    _Atomic uint16_t  *pin;

    if (st->slot >= LV_SLOTS || !lv_part_valid(st, id)) {
        return;
    }

    pin = &st->parts[id].pin[st->slot];

    if (lv_get(pin) != 0) {
        LV_KILL_POINT("unpin");
        atomic_fetch_sub(pin, 1);
    }
}


uint64_t
lv_part_limbo_since(lv_store_t *st, uint32_t id)
{
    lv_part_t  *p;

    if (!lv_part_valid(st, id)) {
        return 0;
    }

    p = &st->parts[id];

    return lv_word_state(lv_get(&p->word)) == LV_PART_LIMBO
           ? lv_get(&p->limbo_ms) : 0;
}


bool
lv_part_run(lv_store_t *st, const lv_part_ref_t *ref, lv_run_t *it,
    const uint8_t **p, size_t *n)
{
    size_t    size;
    uint32_t  e;

    size = 0;

    if (!it->started) {
        it->started = 1;
        it->extent = ref->extent;
        it->left = ref->len;

        if (ref->offset >= LV_EXTENT) {
            it->left = 0;
        }

        if (it->left && lv_extent_valid(st, it->extent)) {
            *p = lv_extent_data(st, it->extent) + ref->offset;
            size = LV_EXTENT - ref->offset;
        }

    } else if (it->left && lv_extent_valid(st, it->extent)) {
        *p = lv_extent_data(st, it->extent);
        size = LV_EXTENT;
    }

    if (size == 0) {
        return false;
    }

    e = it->extent;

    while (size < it->left && st->next[e] == e + 1
           && lv_extent_valid(st, e + 1))
    {
        e++;
        size += LV_EXTENT;
    }

    if (size > it->left) {
        size = it->left;
    }

    *n = size;
    it->left -= (uint32_t) size;
    it->extent = st->next[e];

    return true;
}

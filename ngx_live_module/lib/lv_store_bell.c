/*
 * Doorbells. The sender tells what is new before it rings, the receiver stops
 * the bell before it looks; so between them nothing is lost. Whoever is killed
 * between setting a flag and sending its byte leaves a bell that does not
 * ring until the receiver's next look of its own, once a second.
 */

#include "lv_store_int.h"


void
lv_bell_slot(lv_store_t *st, unsigned slot)
{
    lv_slot_t  *sl;

    sl = &st->slots[slot];

    if (atomic_exchange(&sl->bell, 1) != 0) {
        return;
    }

    LV_KILL_POINT("bell-flag");

    if (st->locked) {
        lv_bit_set(st->pending, slot);

    } else if (st->ring) {
        st->ring(st->ctx, slot);
    }
}


static void
bell_ring(lv_store_t *st, unsigned slot, uint32_t stream)
{
    atomic_fetch_or(&st->slots[slot].dirty[stream / 64],
                    (uint64_t) 1 << (stream % 64));

    LV_KILL_POINT("bell-dirty");

    lv_bell_slot(st, slot);
}


/* What was set under the lock is rung now: no system call under it. */
void
lv_bell_pending(lv_store_t *st)
{
    unsigned  i, slot;

    for (i = 0; i < LV_SLOT_WORDS; i++) {
        while (st->pending[i]) {
            slot = i * 64 + (unsigned) __builtin_ctzll(st->pending[i]);
            lv_bit_clear(st->pending, slot);

            if (st->ring) {
                st->ring(st->ctx, slot);
            }
        }
    }
}


void
lv_stream_notify(lv_store_t *st, lv_stream_t *s)
{
    unsigned  i, bit;
    uint32_t  index;
    uint64_t  bits;

    index = lv_stream_index(st, s);

    for (i = 0; i < LV_SLOT_WORDS; i++) {
        bits = atomic_load(&s->interest[i]);

        while (bits) {
            bit = (unsigned) __builtin_ctzll(bits);
            bits &= bits - 1;
            bell_ring(st, i * 64 + bit, index);
        }
    }
}


void
lv_bell_all(lv_store_t *st, lv_stream_t *s)
{
    unsigned  i;

    for (i = 0; i < LV_SLOTS; i++) {
        if (lv_get(&st->slots[i].used)) {
            bell_ring(st, i, lv_stream_index(st, s));
        }
    }
}


/* The count is private to the process, the bit is what others see. A count of
 * another generation is that of a stream which is gone. */

void
lv_stream_watch(lv_store_t *st, lv_stream_t *s, uint32_t gen)
{
    lv_watch_t  *w;

    if (st->slot >= LV_SLOTS || !lv_stream_alive(s, gen)) {
        return;
    }

    w = &st->watch[lv_stream_index(st, s)];

    if (w->gen != gen) {
        w->gen = gen;
        w->count = 0;
    }

    w->count++;

    atomic_fetch_or(&s->interest[st->slot / 64],
                    (uint64_t) 1 << (st->slot % 64));
    LV_KILL_POINT("watch");
}


void
lv_stream_unwatch(lv_store_t *st, lv_stream_t *s, uint32_t gen)
{
    lv_watch_t  *w;

    w = &st->watch[lv_stream_index(st, s)];

    if (st->slot >= LV_SLOTS || w->gen != gen || w->count == 0) {
        return;
    }

    w->count--;

    if (w->count == 0) {
        atomic_fetch_and(&s->interest[st->slot / 64],
                         ~((uint64_t) 1 << (st->slot % 64)));
    }
}


int
lv_bell_take(lv_store_t *st, uint64_t dirty[LV_STREAM_WORDS])
{
    int         n;
    unsigned    i;
    lv_slot_t  *sl;

    memset(dirty, 0, LV_STREAM_WORDS * sizeof(uint64_t));

    if (st->slot >= LV_SLOTS) {
        return 0;
    }

    sl = &st->slots[st->slot];
    n = 0;

    atomic_exchange(&sl->bell, 0);

    LV_KILL_POINT("bell-clear");

    for (i = 0; i < LV_STREAM_WORDS; i++) {
        if (atomic_load(&sl->dirty[i]) == 0) {
            continue;
        }

        dirty[i] = atomic_exchange(&sl->dirty[i], 0);
        n += dirty[i] != 0;
    }

    return n;
}


void
lv_bell_failed(lv_store_t *st, unsigned slot)
{
    if (slot < LV_SLOTS) {
        atomic_store(&st->slots[slot].bell, 0);
    }
}

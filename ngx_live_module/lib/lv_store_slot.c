/*
 * Slots: a process joins and leaves; the janitor cleans up after those that
 * did not leave.
 */

#include <errno.h>
#include "lv_store_int.h"


/* A life mutex that nobody holds, or whose holder is dead. */
static bool
life_take(lv_slot_t *sl)
{
    int  rc;

    rc = pthread_mutex_trylock(&sl->life);

    if (rc == EOWNERDEAD) {
        rc = pthread_mutex_consistent(&sl->life);
    }

    return rc == 0;
}


int
lv_store_join(lv_store_t *st, uint32_t pid, uint32_t generation,
    uint64_t now_ms, const char **err)
{
    unsigned    i;
    lv_slot_t  *sl;

    if (st->slot < LV_SLOTS) {
        return LV_OK;
    }

    lv_store_clock(st, now_ms);

    *err = "the store is not usable";

    if (lv_store_lock(st) != LV_OK) {
        return LV_ERROR;
    }

    for (i = 0; i < LV_SLOTS; i++) {
        sl = &st->slots[i];

        /* a dead one's is not free before the janitor has been there */
        if (lv_get(&sl->used) || !life_take(sl)) {
            continue;
        }

        LV_KILL_POINT("join-life");

        __atomic_store_n(&sl->pid, pid, __ATOMIC_RELAXED);
        __atomic_store_n(&sl->generation, generation, __ATOMIC_RELAXED);
        __atomic_store_n(&sl->since_ms, now_ms, __ATOMIC_RELAXED);
        lv_set(&sl->leaving, 0);
        atomic_store(&sl->bell, 0);
        lv_set(&sl->used, 1);

        LV_KILL_POINT("join-used");

        st->slot = i;
        memset(st->watch, 0, (st->geo.streams + 1) * sizeof(lv_watch_t));
        break;
    }

    lv_store_unlock(st);

    if (st->slot < LV_SLOTS) {
        *err = NULL;
        return LV_OK;
    }

    *err = "all process slots of the store are taken";

    return LV_ERROR;
}


void
lv_store_leaving(lv_store_t *st)
{
    if (st->slot < LV_SLOTS) {
        lv_set(&st->slots[st->slot].leaving, 1);
    }
}


/* The part is open by a slot that will not go on. Its commit may have got as
 * far as the head: then it is in the list and stays. */
static void
part_orphan(lv_store_t *st, uint32_t id, uint64_t now_ms)
{
    bool           listed;
    uint32_t       track, at, prev, word;
    lv_part_t     *p;
    lv_part_ref_t  ref;

    p = &st->parts[id];
    track = lv_get(&p->track);
    listed = false;

    if (track != LV_NONE && track <= st->geo.tracks) {
        at = lv_pair_low(atomic_load(&st->tracks[track].head));

        while (lv_part_load(st, at, track, true, &ref, &prev)) {
            if (at == id) {
                listed = true;
                break;
            }

            if (ref.info.seq <= lv_get(&st->tracks[track].tail_seq)) {
                break;
            }

            at = prev;
        }
    }

    LV_KILL_POINT("orphan");

    if (!listed) {
        lv_part_drop(st, id, now_ms);
        return;
    }

    word = lv_get(&p->word);
    atomic_store(&p->word, lv_word(lv_word_gen(word), LV_PART_COMMITTED));
}


static void
slot_clean_parts(lv_store_t *st, unsigned slot, uint64_t now_ms)
{
    uint32_t    id;
    lv_part_t  *p;

    for (id = 1; id <= st->geo.parts; id++) {
        p = &st->parts[id];

        if (lv_get(&p->pin[slot]) != 0) {
            atomic_store(&p->pin[slot], 0);
            LV_KILL_POINT("reap-pin");
        }

        /* nobody but this slot opens parts in its name, so what is not open
         * now will not be */

        if (lv_word_state(lv_get(&p->word)) != LV_PART_OPEN
            || lv_get(&p->owner) != slot)
        {
            continue;
        }

        if (lv_store_lock(st) != LV_OK) {
            return;
        }

        if (lv_word_state(lv_get(&p->word)) == LV_PART_OPEN
            && lv_get(&p->owner) == slot)
        {
            part_orphan(st, id, now_ms);
        }

        lv_store_unlock(st);
    }
}


static void
slot_clean_streams(lv_store_t *st, unsigned slot, uint64_t now_ms)
{
    uint32_t      i;
    lv_stream_t  *s;

    for (i = 1; i <= st->geo.streams; i++) {
        s = &st->streams[i];

        atomic_fetch_and(&s->interest[slot / 64],
                         ~((uint64_t) 1 << (slot % 64)));

        if (lv_pair_low(atomic_load(&s->owner)) != slot) {
            continue;
        }

        if (lv_store_lock(st) != LV_OK) {
            return;
        }

        if (lv_pair_low(atomic_load(&s->owner)) != slot) {
            /* somebody took it over meanwhile */

        } else if (lv_get(&s->state) == LV_STREAM_STARTING) {
            lv_stream_drop(st, s, now_ms);

        } else if (lv_get(&s->state) != LV_STREAM_FREE) {
            lv_stream_leave(st, s, LV_STREAM_INTERRUPTED, now_ms);
        }

        LV_KILL_POINT("reap-stream");

        lv_store_unlock(st);
    }
}


/* Gives back all that a slot had, and the slot. Its life mutex is held by the
 * caller, who may die anywhere in here: then the next one does it again. */
static void
slot_clean(lv_store_t *st, unsigned slot, uint64_t now_ms)
{
    lv_slot_t  *sl;

    sl = &st->slots[slot];

    slot_clean_parts(st, slot, now_ms);
    LV_KILL_POINT("reap-parts");
    slot_clean_streams(st, slot, now_ms);
    LV_KILL_POINT("reap-streams");
    lv_rooms_slot_clean(st, slot);

    lv_set(&sl->used, 0);
    LV_KILL_POINT("reap-free");
    pthread_mutex_unlock(&sl->life);
}


void
lv_store_leave(lv_store_t *st)
{
    if (st->slot < LV_SLOTS) {
        slot_clean(st, st->slot, lv_get(&st->h->clock_ms));
        st->slot = LV_NOBODY;
    }
}


unsigned
lv_store_slot(lv_store_t *st)
{
    return st->slot;
}


static int
reap_slots(lv_store_t *st, uint64_t now_ms)
{
    int         n;
    unsigned    i;
    lv_slot_t  *sl;

    n = 0;

    for (i = 0; i < LV_SLOTS; i++) {
        sl = &st->slots[i];

        if (i == st->slot || !lv_get(&sl->used) || !life_take(sl)) {
            continue;
        }

        LV_KILL_POINT("reap-life");

        if (!lv_get(&sl->used)) {
            /* it left in between */
            pthread_mutex_unlock(&sl->life);
            continue;
        }

        slot_clean(st, i, now_ms);
        n++;
    }

    return n;
}


int
lv_store_reap(lv_store_t *st, uint64_t now_ms)
{
    int  rc, n;

    lv_store_clock(st, now_ms);

    rc = pthread_mutex_trylock(&st->h->janitor);

    if (rc == EOWNERDEAD) {
        rc = pthread_mutex_consistent(&st->h->janitor);
    }

    if (rc != 0) {
        return 0;       /* somebody is at it */
    }

    LV_KILL_POINT("reap-begin");

    n = reap_slots(st, now_ms);

    if (lv_store_lock(st) == LV_OK) {
        st->h->repairs += (uint64_t) n;
        lv_limbo_sweep(st);
        lv_store_unlock(st);
    }

    lv_streams_reap(st, now_ms);

    LV_KILL_POINT("reap-end");

    pthread_mutex_unlock(&st->h->janitor);

    return n;
}

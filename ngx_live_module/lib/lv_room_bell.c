/* Rooms: members, and who is rung. */

#include "lv_room_int.h"


int
lv_room_join(lv_store_t *st, lv_room_t *room, uint32_t gen)
{
    int  rc;

    if (st->slot >= LV_SLOTS) {
        return LV_ERROR;
    }

    rc = lv_room_lock(st, room, gen);
    if (rc != LV_OK) {
        return rc;
    }

    atomic_fetch_add(&room->members[st->slot], 1);
    atomic_fetch_or(&room->interest[st->slot / 64],
                    (uint64_t) 1 << (st->slot % 64));
    lv_room_unlock(st, room);

    return LV_OK;
}


void
lv_room_leave(lv_store_t *st, lv_room_t *room, uint32_t gen)
{
    if (st->slot >= LV_SLOTS || lv_room_lock(st, room, gen) != LV_OK) {
        return;
    }

    if (lv_get(&room->members[st->slot]) > 0
        && atomic_fetch_sub(&room->members[st->slot], 1) == 1)
    {
        atomic_fetch_and(&room->interest[st->slot / 64],
                         ~((uint64_t) 1 << (st->slot % 64)));
    }

    lv_room_unlock(st, room);
}


uint32_t
lv_room_members(lv_store_t *st, lv_room_t *room)
{
    uint32_t  n, slot;
    uint64_t  bits;
    unsigned  i;

    n = 0;

    for (i = 0; i < LV_SLOT_WORDS; i++) {
        for (bits = lv_get(&room->interest[i]); bits; bits &= bits - 1) {
            slot = i * 64 + (uint32_t) __builtin_ctzll(bits);
            n += lv_get(&room->members[slot]);
        }
    }

    return n;
}


void
lv_room_notify(lv_store_t *st, lv_room_t *room)
{
    unsigned  i, slot;
    uint32_t  index;
    uint64_t  bits;

    index = lv_room_index(st, room);

    for (i = 0; i < LV_SLOT_WORDS; i++) {
        for (bits = atomic_load(&room->interest[i]); bits; bits &= bits - 1) {
            slot = i * 64 + (unsigned) __builtin_ctzll(bits);
            atomic_fetch_or(&st->room_dirty[slot * LV_STREAM_WORDS
                                            + index / 64],
                            (uint64_t) 1 << (index % 64));
            LV_KILL_POINT("room-dirty");
            lv_bell_slot(st, slot);
        }
    }
}


int
lv_room_dirty(lv_store_t *st, uint64_t dirty[LV_STREAM_WORDS])
{
    int                n;
    unsigned           i;
    _Atomic uint64_t  *bits;

    memset(dirty, 0, LV_STREAM_WORDS * sizeof(uint64_t));

    if (st->slot >= LV_SLOTS) {
        return 0;
    }

    bits = &st->room_dirty[st->slot * LV_STREAM_WORDS];
    n = 0;

    for (i = 0; i <= st->rgeo.rooms / 64; i++) {
        if (atomic_load(&bits[i]) != 0) {
            dirty[i] = atomic_exchange(&bits[i], 0);
            n += dirty[i] != 0;
        }
    }

    return n;
}


/* The janitor's part: a slot's process is gone. */
void
lv_rooms_slot_clean(lv_store_t *st, unsigned slot)
{
    uint32_t    i;
    lv_room_t  *room;

    for (i = 1; i <= st->rgeo.rooms; i++) {
        room = lv_room_place(st, i);

        if (lv_get(&room->interest[slot / 64]) >> (slot % 64) & 1) {
            lv_room_slot_exit(st, room, slot);
            lv_set(&room->members[slot], 0);
            LV_KILL_POINT("room-slot");
            atomic_fetch_and(&room->interest[slot / 64],
                             ~((uint64_t) 1 << (slot % 64)));
        }
    }

    for (i = 0; i < LV_STREAM_WORDS; i++) {
        atomic_store(&st->room_dirty[slot * LV_STREAM_WORDS + i], 0);
    }
}

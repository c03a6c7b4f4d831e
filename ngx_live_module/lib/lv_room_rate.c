/* Rooms: how much may be said, by all of a room and from one address. */

#include "lv_room_int.h"

#define FULL_MS  3600000         /* any bucket has run out after an hour */


/* `last` and `level` are those of a bucket; the ms to wait for room in it. */
static uint64_t
bucket_put(uint64_t *last, uint32_t *level, const lv_room_rate_t *rate,
    uint64_t now_ms)
{
    uint64_t  passed, less, over;

    passed = now_ms > *last ? now_ms - *last : 0;
    passed = passed < FULL_MS ? passed : FULL_MS;
    less = passed * rate->rate / 1000;

    *last = now_ms;
    *level = *level > less ? *level - (uint32_t) less : 0;

    if (*level + 1000 > rate->burst * 1000) {
        over = *level + 1000 - rate->burst * 1000;
        return over * 1000 / rate->rate + 1;
    }

    *level += 1000;

    return 0;
}


uint64_t
lv_room_rate(lv_store_t *st, lv_room_t *room, uint32_t gen,
    const lv_room_rate_t *rate, uint64_t now_ms)
{
    uint64_t  wait;

    if (rate->rate == 0 || lv_room_lock(st, room, gen) != LV_OK) {
        return 0;
    }

    wait = bucket_put(&room->bucket.last_ms, &room->bucket.level, rate,
                      now_ms);
    lv_room_unlock(st, room);

    return wait;
}


uint64_t
lv_room_addr_rate(lv_store_t *st, lv_str_t addr, const lv_room_rate_t *rate,
    uint64_t now_ms)
{
    uint64_t           key, wait;
    lv_room_writer_t  *w;

    if (rate->rate == 0 || (addr.len != 4 && addr.len != 16)) {
        return 0;
    }

    key = lv_room_hash(st, addr.data, addr.len == 4 ? 4 : 8, 4);

    if (lv_rooms_lock(st) != LV_OK) {
        return 0;
    }

    w = lv_room_writer(st, key);
    wait = bucket_put(&w->last_ms, &w->at, rate, now_ms);
    lv_rooms_unlock(st);

    return wait;
}

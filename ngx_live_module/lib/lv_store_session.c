/*
 * Viewer sessions: a table of buckets of eight, no lock. A session may be in
 * either of two buckets, and goes where there is more room; that way hardly
 * any is pushed out before the table is nearly full. When both are full, the
 * one of the 16 that was seen longest ago makes room. Two workers that see a
 * new session at the same time may both note it; the second note is never
 * refreshed, and fades.
 */

#include "lv_store_int.h"

/* The best place so far for a session that was not found. */
typedef struct {
    lv_session_t  *place;
    uint64_t       key;       /* who has it */
    int64_t        age;       /* seconds since; free places are the oldest */
} lv_session_room_t;


static uint64_t
mix(uint64_t h)
{
    h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9ULL;
    h = (h ^ h >> 27) * 0x94d049bb133111ebULL;

    return h ^ h >> 31;
}


static uint32_t
seen_where(uint32_t stream, uint32_t gen)
{
    return (gen & 0xffff) << 16 | (stream & 0xffff);
}


/* Looks for `key` in a bucket, and for the place that is best given up: the
 * earlier a bucket's first free place, the better. */
static lv_session_t *
bucket_find(lv_session_t *bucket, uint64_t key, uint32_t now_s,
    lv_session_room_t *room)
{
    int64_t        age;
    unsigned       i;
    uint64_t       found;
    lv_session_t  *e;

    for (i = 0; i < LV_BUCKET; i++) {
        e = &bucket[i];
        found = lv_get(&e->key);

        if (found == key) {
            return e;
        }

        age = found ? (int32_t) (now_s - (uint32_t) (lv_get(&e->seen) >> 32))
                    : (int64_t) UINT32_MAX + LV_BUCKET - i;

        if (room->place == NULL || age > room->age) {
            room->place = e;
            room->key = found;
            room->age = age;
        }

        if (found == 0) {
            break;          /* places are taken from the front */
        }
    }

    return NULL;
}


bool
lv_session_seen(lv_store_t *st, uint32_t stream, uint32_t gen, uint64_t hash,
    uint32_t now_s)
{
    uint32_t            n;
    uint64_t            key, seen, old;
    lv_session_t       *e;
    lv_session_room_t   room;

    if (stream == 0 || stream > st->geo.streams) {
        return false;
    }

    /* a viewer of two streams is two sessions */
    key = mix(hash + mix(((uint64_t) gen << 32 | stream) + 1)) | 1;
    seen = (uint64_t) now_s << 32 | seen_where(stream, gen);
    n = st->geo.sessions / LV_BUCKET;

    memset(&room, 0, sizeof(room));
    e = bucket_find(st->sessions + (key >> 32) % n * LV_BUCKET, key, now_s,
                    &room);

    if (e == NULL) {
        e = bucket_find(st->sessions + mix(key) % n * LV_BUCKET, key, now_s,
                        &room);
    }

    if (e) {
        old = lv_get(&e->seen);

        if (old != seen) {
            lv_set(&e->seen, seen);
        }

        /* its first note may have been cut short */
        return (uint32_t) old != (uint32_t) seen;
    }

    if (atomic_compare_exchange_strong(&room.place->key, &room.key, key)) {
        LV_KILL_POINT("session-key");
        lv_set(&room.place->seen, seen);
    }

    /* else another new one has the place: this one is noted next time */

    return true;
}


void
lv_session_count(lv_store_t *st, uint32_t now_s, uint32_t idle_s,
    uint32_t *count)
{
    int32_t   age;
    uint32_t  i, stream, gen;
    uint64_t  seen;

    memset(count, 0, (st->geo.streams + 1) * sizeof(uint32_t));

    for (i = 0; i < st->geo.sessions; i++) {
        if (lv_get(&st->sessions[i].key) == 0) {
            continue;
        }

        seen = lv_get(&st->sessions[i].seen);
        stream = (uint32_t) seen & 0xffff;
        age = (int32_t) (now_s - (uint32_t) (seen >> 32));

        if (stream == 0 || stream > st->geo.streams
            || (age > 0 && (uint32_t) age > idle_s))
        {
            continue;
        }

        gen = lv_get(&st->streams[stream].gen);

        if (seen_where(stream, gen) == (uint32_t) seen) {
            count[stream]++;
        }
    }
}

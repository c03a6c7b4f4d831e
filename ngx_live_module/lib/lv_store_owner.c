/*
 * Who owns a stream: claim, take-over, adoption, release. All under the lock,
 * but for looking who it is.
 */

#include "lv_stream_id.h"
#include "lv_store_int.h"


/* From here on every older owner's commit fails: those that looked at the
 * owner word before, at the head. */
static void
stream_take(lv_store_t *st, lv_stream_t *s, uint32_t epoch)
{
    unsigned     n;
    uint32_t     i, count;
    uint64_t     head;
    lv_track_t  *t;

    LV_KILL_POINT("take-begin");
    atomic_store(&s->owner, lv_pair(epoch, st->slot));
    LV_KILL_POINT("take-owner");

    count = lv_get(&s->track_count);

    for (n = 0; n < count && n < LV_STREAM_TRACKS; n++) {
        i = lv_get(&s->track[n]);

        if (i == LV_NONE || i > st->geo.tracks) {
            continue;
        }

        t = &st->tracks[i];
        head = atomic_load(&t->head);

        while (!atomic_compare_exchange_weak(&t->head, &head,
                                      lv_pair(epoch, lv_pair_low(head))))
        {
            /* void */
        }

        LV_KILL_POINT("take-head");
    }
}


static lv_stream_t *
stream_create(lv_store_t *st, const char *id, size_t len, uint32_t born,
    uint32_t epoch, uint64_t now_ms)
{
    size_t        i;
    uint32_t      index;
    lv_stream_t  *s;

    index = st->h->stream_free;

    if (index == 0 || index > st->geo.streams) {
        return NULL;
    }

    s = &st->streams[index];
    st->h->stream_free = s->next_free;
    st->h->streams_used++;

    LV_KILL_POINT("create-taken");

    atomic_fetch_add(&s->gen, 1);

    for (i = 0; i <= LV_STREAM_ID_MAX; i++) {
        __atomic_store_n(&s->id[i], i < len ? id[i] : 0, __ATOMIC_RELEASE);
    }

    __atomic_store_n(&s->id_len, (uint8_t) len, __ATOMIC_RELEASE);

    lv_set(&s->epoch, born);
    s->reserved = 0;
    lv_set(&s->track_count, 0);
    lv_shared_zero(&s->interest, sizeof(s->interest));
    lv_set(&s->extents, 0);
    lv_set(&s->parts, 0);
    lv_shared_zero(&s->timing, sizeof(s->timing));
    lv_set(&s->state_ms, now_ms);
    lv_set(&s->input_ms, 0);
    lv_set(&s->bytes_in, 0);
    lv_set(&s->frames_in, 0);
    lv_set(&s->frames_dropped, 0);
    lv_set(&s->skew_ms, 0);
    lv_set(&s->evicted, 0);
    lv_set(&s->evicted_told, 0);
    lv_set(&s->kick, 0);
    lv_shared_zero(&s->publisher, sizeof(s->publisher));
    lv_shared_zero(&s->scratch, sizeof(s->scratch));
    atomic_store(&s->owner, lv_pair(epoch, st->slot));

    LV_KILL_POINT("create-filled");
    atomic_store(&s->state, LV_STREAM_STARTING);
    LV_KILL_POINT("create-state");

    lv_stream_link(st, index);

    return s;
}


static int
stream_claim(lv_store_t *st, const char *id, size_t len, uint32_t extents,
    uint64_t now_ms, lv_stream_t **out, uint32_t *epoch, const char **err)
{
    uint32_t      gen, born, reserved;
    lv_stream_t  *s;

    s = lv_stream_lookup(st, id, len, &gen);
    reserved = st->h->reserved - (s ? s->reserved : 0);

    if ((uint64_t) reserved + extents > (uint64_t) st->geo.extents
                                      * (100 - LV_LIMBO_PERCENT) / 100)
    {
        *err = "the store has no room for another stream of this bit rate";
        return LV_DECLINED;
    }

    /* the clock may have been set back */
    lv_store_born(st, (uint32_t) (now_ms / 1000));
    born = lv_get(&st->h->born_min);
    *epoch = lv_epoch_next(st);

    if (s && lv_get(&s->state) == LV_STREAM_ENDED) {
        gen = lv_stream_last_msn(st, s) + 2;
        born = gen > born ? gen : born;
        lv_stream_drop(st, s, now_ms);
        s = NULL;
    }

    if (s) {
        stream_take(st, s, *epoch);

    } else {
        s = stream_create(st, id, len, born, *epoch, now_ms);

        if (s == NULL && lv_stream_drop_ended(st, now_ms)) {
            s = stream_create(st, id, len, born, *epoch, now_ms);
        }

        if (s == NULL) {
            *err = "the store holds as many streams as it can";
            return LV_DECLINED;
        }
    }

    lv_stream_reserve(st, s, extents);
    *out = s;

    return LV_OK;
}


int
lv_stream_claim(lv_store_t *st, const char *id, size_t len, uint64_t reserve,
    uint64_t now_ms, lv_stream_t **out, uint32_t *epoch, const char **err)
{
    int       rc;
    lv_str_t  name;

    name.data = (const uint8_t *) id;
    name.len = len;

    if (!lv_stream_id_valid(name)) {
        *err = "not a stream id";
        return LV_ERROR;
    }

    *err = "the store is not usable";

    if (reserve > (uint64_t) st->geo.extents * LV_EXTENT) {
        *err = "the store is smaller than what one such stream needs";
        return LV_DECLINED;
    }

    lv_store_clock(st, now_ms);

    if (st->slot >= LV_SLOTS || lv_store_lock(st) != LV_OK) {
        return LV_DECLINED;
    }

    rc = stream_claim(st, id, len,
                      (uint32_t) ((reserve + LV_EXTENT - 1) / LV_EXTENT),
                      now_ms, out, epoch, err);

    lv_store_unlock(st);

    return rc;
}


int
lv_stream_adopt(lv_store_t *st, lv_stream_t *s, uint64_t seen,
    uint32_t *epoch)
{
    int  rc;

    if (st->slot >= LV_SLOTS || lv_store_lock(st) != LV_OK) {
        return LV_DECLINED;
    }

    rc = LV_DECLINED;

    if (lv_get(&s->state) != LV_STREAM_FREE
        && atomic_load(&s->owner) == seen)
    {
        *epoch = lv_epoch_next(st);
        stream_take(st, s, *epoch);
        rc = LV_OK;
    }

    lv_store_unlock(st);

    return rc;
}


bool
lv_stream_owned(lv_store_t *st, lv_stream_t *s, uint32_t epoch)
{
    return st->slot < LV_SLOTS
           && atomic_load(&s->owner) == lv_pair(epoch, st->slot);
}


bool
lv_stream_set_state(lv_store_t *st, lv_stream_t *s, uint32_t epoch,
    uint32_t state, uint64_t now_ms)
{
    bool  owned;

    if (state == LV_STREAM_FREE || lv_store_lock(st) != LV_OK) {
        return false;
    }

    owned = lv_stream_owned(st, s, epoch);

    if (owned) {
        lv_stream_put_state(st, s, state, now_ms);
        lv_stream_notify(st, s);
    }

    lv_store_unlock(st);

    return owned;
}


void
lv_stream_release(lv_store_t *st, lv_stream_t *s, uint32_t epoch,
    uint32_t state, uint64_t now_ms)
{
    if (lv_store_lock(st) != LV_OK) {
        return;
    }

    if (lv_stream_owned(st, s, epoch)) {
        lv_stream_leave(st, s, state, now_ms);
    }

    lv_store_unlock(st);
}


void
lv_stream_remove(lv_store_t *st, lv_stream_t *s, uint64_t now_ms)
{
    lv_store_clock(st, now_ms);

    if (lv_store_lock(st) == LV_OK) {
        lv_stream_drop(st, s, now_ms);
        lv_store_unlock(st);
    }
}


int
lv_stream_kick(lv_store_t *st, const char *id, size_t len,
    const char *reason)
{
    int           rc;
    uint32_t      gen, state;
    lv_stream_t  *s;

    if (lv_store_lock(st) != LV_OK) {
        return LV_DECLINED;
    }

    rc = LV_DECLINED;
    s = lv_stream_lookup(st, id, len, &gen);
    state = s ? lv_get(&s->state) : LV_STREAM_FREE;

    if (state != LV_STREAM_FREE && state != LV_STREAM_ENDED) {

        /* the first reason stays: the owner may be reading it */
        if (lv_get(&s->kick) == 0) {
            strncpy(s->kick_reason, reason, sizeof(s->kick_reason) - 1);
            s->kick_reason[sizeof(s->kick_reason) - 1] = '\0';
            lv_set(&s->kick, 1);
        }

        lv_bell_all(st, s);
        rc = LV_OK;
    }

    lv_store_unlock(st);

    return rc;
}

/* Events that wait to be told; decisions that are remembered. */

#include "lv_cluster_int.h"


static lv_event_t *
event_at(lv_store_t *st, uint64_t id)
{
    lv_event_t  *events;

    events = lv_cluster_at(st, st->cgeo.event_off);

    return &events[id % st->cgeo.events];
}


void
lv_event_add(lv_store_t *st, const lv_event_t *ev)
{
    lv_event_t    *e;
    lv_cluster_t  *c;

    c = st->cluster;

    if (!lv_cluster_active(st) || lv_cluster_lock(st) != LV_OK) {
        return;
    }

    /* anybody can be refused: that is not to push out what counts */

    if (ev->type == LV_EVENT_PUBLISH_REFUSED
        && c->event_next - c->event_first >= st->cgeo.events / 2)
    {
        c->event_lost++;
        lv_cluster_unlock(st);
        return;
    }

    if (c->event_next - c->event_first >= st->cgeo.events) {
        c->event_first = c->event_next - st->cgeo.events + 1;
        c->event_lost++;
    }

    e = event_at(st, c->event_next);
    *e = *ev;
    e->id = c->event_next;

    /* the entry first: a signal fence keeps the compiler from turning it
     * round, and who takes over the lock sees what went before */
    atomic_signal_fence(memory_order_seq_cst);
    c->event_next++;

    lv_cluster_unlock(st);
}


size_t
lv_event_list(lv_store_t *st, lv_event_t *out, size_t max)
{
    size_t         n;
    uint64_t       id;
    lv_cluster_t  *c;

    c = st->cluster;

    if (lv_cluster_lock(st) != LV_OK) {
        return 0;
    }

    for (n = 0, id = c->event_first; id < c->event_next && n < max; id++) {
        out[n++] = *event_at(st, id);
    }

    lv_cluster_unlock(st);

    return n;
}


void
lv_event_ack(lv_store_t *st, uint64_t id)
{
    lv_cluster_t  *c;

    c = st->cluster;

    if (lv_cluster_lock(st) != LV_OK) {
        return;
    }

    if (id >= c->event_first && id < c->event_next) {
        c->event_first = id + 1;
    }

    lv_cluster_unlock(st);
}


/* ---- decisions ---------------------------------------------------------- */

static lv_cluster_decision_t *
decision_set(lv_store_t *st, const uint8_t hash[32])
{
    uint32_t                sets;
    lv_cluster_decision_t  *all;

    all = lv_cluster_at(st, st->cgeo.decision_off);
    sets = st->cgeo.decisions / LV_DECISION_WAYS;

    return all + lv_be32(hash) % sets * LV_DECISION_WAYS;
}


/* The place of that hash; with `room` else the one that is best given up. */
static lv_cluster_decision_t *
decision_find(lv_store_t *st, const uint8_t hash[32], bool room)
{
    unsigned                i;
    lv_cluster_decision_t  *set, *oldest;

    set = decision_set(st, hash);
    oldest = set;

    for (i = 0; i < LV_DECISION_WAYS; i++) {
        if (set[i].until_ms && memcmp(set[i].hash, hash, 32) == 0) {
            return &set[i];
        }

        if (set[i].until_ms < oldest->until_ms) {
            oldest = &set[i];
        }
    }

    return room ? oldest : NULL;
}


void
lv_decision_put(lv_store_t *st, const uint8_t hash[32],
    const lv_decision_t *d, uint64_t until_ms)
{
    lv_cluster_decision_t  *e;

    if (lv_cluster_lock(st) != LV_OK) {
        return;
    }

    e = decision_find(st, hash, true);

    e->until_ms = 0;
    atomic_signal_fence(memory_order_seq_cst);
    memcpy(e->hash, hash, 32);
    e->d = *d;
    atomic_signal_fence(memory_order_seq_cst);
    e->until_ms = until_ms;

    lv_cluster_unlock(st);
}


int
lv_decision_get(lv_store_t *st, const uint8_t hash[32], uint64_t now_ms,
    lv_decision_t *d)
{
    int                     rc;
    lv_cluster_decision_t  *e;

    if (lv_cluster_lock(st) != LV_OK) {
        return LV_DECLINED;
    }

    e = decision_find(st, hash, false);
    rc = LV_DECLINED;

    if (e && e->until_ms > now_ms
        && (e->d.expires_s == 0 || (uint64_t) e->d.expires_s * 1000 > now_ms))
    {
        *d = e->d;
        rc = LV_OK;
    }

    lv_cluster_unlock(st);

    return rc;
}


void
lv_decision_drop(lv_store_t *st, const uint8_t hash[32])
{
    lv_cluster_decision_t  *e;

    if (lv_cluster_lock(st) != LV_OK) {
        return;
    }

    e = decision_find(st, hash, false);

    if (e) {
        e->until_ms = 0;
    }

    lv_cluster_unlock(st);
}

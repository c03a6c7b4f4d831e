/* Layout; leader and health; keys; commands. */

#include <errno.h>
#include "lv_cluster_int.h"


static uint32_t
clamp(uint64_t n, uint32_t min, uint32_t max)
{
    return n < min ? min : n > max ? max : (uint32_t) n;
}


static uint64_t
place(uint64_t *at, uint64_t size)
{
    uint64_t  off;

    off = (*at + 63) / 64 * 64;
    *at = off + size;

    return off;
}


/* Powers of two, by the store's size: some 3 % of it. */
uint64_t
lv_cluster_layout(lv_cluster_geometry_t *g, uint64_t store)
{
    uint32_t  n;
    uint64_t  at;

    memset(g, 0, sizeof(lv_cluster_geometry_t));

    for (n = 1; n < store >> 20 && n < 65536; n *= 2) { /* void */ }

    at = sizeof(lv_cluster_t);

    g->events = clamp(n * 8, 128, 4096);
    g->decisions = clamp(n * 8, 64, 8192);
    g->revoked = clamp(n * 128, 512, 65536);
    g->buckets = clamp(n * 4, 16, 8192);

    g->event_off = place(&at, g->events * sizeof(lv_event_t));
    g->decision_off = place(&at,
                            g->decisions * sizeof(lv_cluster_decision_t));
    g->revoked_off[0] = place(&at, g->revoked * sizeof(lv_cluster_revoked_t));
    g->revoked_off[1] = place(&at, g->revoked * sizeof(lv_cluster_revoked_t));
    g->bucket_off = place(&at, g->buckets * sizeof(lv_cluster_bucket_t));

    return at;
}


int
lv_cluster_format(lv_store_t *st, uint64_t now_ms)
{
    lv_cluster_t  *c;

    c = st->cluster;

    if (lv_robust_mutex(&c->lead) != LV_OK
        || lv_robust_mutex(&c->lock) != LV_OK)
    {
        return LV_ERROR;
    }

    c->created_ms = now_ms;
    /* ids go on increasing when the next store begins */
    c->event_next = now_ms * 1000 + 1;
    c->event_first = c->event_next;

    return LV_OK;
}


int
lv_cluster_lock(lv_store_t *st)
{
    int  rc;

    rc = pthread_mutex_lock(&st->cluster->lock);

    if (rc == EOWNERDEAD) {
        /* nothing to put right: see lv_cluster_int.h */
        rc = pthread_mutex_consistent(&st->cluster->lock);
    }

    return rc == 0 ? LV_OK : LV_ERROR;
}


void
lv_cluster_unlock(lv_store_t *st)
{
    pthread_mutex_unlock(&st->cluster->lock);
}


void
lv_cluster_text(char *dst, size_t size, const void *p, size_t n)
{
    size_t          i;
    const uint8_t  *s = p;

    n = n < size ? n : size - 1;

    for (i = 0; i < n; i++) {
        dst[i] = s[i] >= 0x20 && s[i] < 0x7f ? (char) s[i] : '?';
    }

    memset(dst + n, 0, size - n);
}


/* ---- leader, health ----------------------------------------------------- */

bool
lv_lead_try(lv_store_t *st, uint32_t pid)
{
    int            rc;
    lv_cluster_t  *c;

    c = st->cluster;

    if (st->lead) {
        return true;
    }

    rc = pthread_mutex_trylock(&c->lead);

    if (rc == EOWNERDEAD) {
        rc = pthread_mutex_consistent(&c->lead);
    }

    if (rc != 0) {
        return false;
    }

    st->lead = true;
    lv_set(&c->lead_pid, pid);

    return true;
}


void
lv_lead_leave(lv_store_t *st)
{
    if (st->lead) {
        st->lead = false;
        lv_set(&st->cluster->lead_pid, 0);
        pthread_mutex_unlock(&st->cluster->lead);
    }
}


uint32_t
lv_lead_pid(lv_store_t *st)
{
    return lv_get(&st->cluster->lead_pid);
}


void
lv_cluster_set_active(lv_store_t *st, bool active)
{
    lv_set(&st->cluster->active, active ? 1 : 0);
}


bool
lv_cluster_active(lv_store_t *st)
{
    return lv_get(&st->cluster->active) != 0;
}


/* Counted by the leader alone. */
void
lv_cluster_beat(lv_store_t *st, bool answered, uint64_t now_ms)
{
    lv_cluster_t  *c;

    c = st->cluster;
    lv_set(&c->up, answered ? 1 : 0);

    if (answered) {
        lv_set(&c->beat_ms, now_ms);
        atomic_fetch_add(&c->beats, 1);

    } else {
        atomic_fetch_add(&c->failures, 1);
    }
}


void
lv_cluster_drain(lv_store_t *st, bool on)
{
    lv_set(&st->cluster->draining, on ? 1 : 0);
}


bool
lv_cluster_draining(lv_store_t *st)
{
    return lv_get(&st->cluster->draining) != 0;
}


void
lv_cluster_stat(lv_store_t *st, lv_cluster_stat_t *stat)
{
    uint32_t       serial;
    lv_cluster_t  *c;

    c = st->cluster;
    memset(stat, 0, sizeof(lv_cluster_stat_t));

    stat->active = lv_get(&c->active) != 0;
    stat->up = lv_get(&c->up) != 0;
    stat->draining = lv_get(&c->draining) != 0;
    stat->beat_ms = lv_get(&c->beat_ms);
    stat->beats = lv_get(&c->beats);
    stat->failures = lv_get(&c->failures);
    stat->leader = lv_get(&c->lead_pid);
    stat->revocations_version = lv_get(&c->revoke_version);
    stat->revocations = lv_get(&c->revoke_used);
    stat->revocations_lost = lv_get(&c->revoke_lost);
    stat->created_ms = c->created_ms;

    if (lv_cluster_lock(st) != LV_OK) {
        return;
    }

    stat->events = (uint32_t) (c->event_next - c->event_first);
    stat->events_lost = c->event_lost;
    serial = lv_get(&c->keys_serial);

    if (serial) {
        stat->keys = c->keys[serial % 2].keys;
        memcpy(stat->keys_version, c->keys[serial % 2].version,
               LV_CLUSTER_TEXT);
    }

    lv_cluster_unlock(st);
}


/* ---- keys --------------------------------------------------------------- */

uint32_t
lv_keys_serial(lv_store_t *st)
{
    return lv_get(&st->cluster->keys_serial);
}


int
lv_keys_put(lv_store_t *st, const char *version, lv_str_t text, uint32_t keys,
    bool only_first)
{
    uint32_t            serial;
    lv_cluster_t       *c;
    lv_cluster_keys_t  *k;

    c = st->cluster;

    if (text.len > LV_KEYSET_SIZE_MAX || lv_cluster_lock(st) != LV_OK) {
        return LV_ERROR;
    }

    serial = lv_get(&c->keys_serial);

    if (!only_first || serial == 0) {
        k = &c->keys[(serial + 1) % 2];
        k->len = (uint32_t) text.len;
        k->keys = keys;
        memcpy(k->text, text.data, text.len);
        lv_cluster_text(k->version, LV_CLUSTER_TEXT, version,
                        strlen(version));

        /* 0 stays "none" */
        lv_set(&c->keys_serial, serial + 1 ? serial + 1 : 2);
    }

    lv_cluster_unlock(st);

    return LV_OK;
}


int
lv_keys_get(lv_store_t *st, uint8_t *buf, size_t *len, uint32_t *serial)
{
    lv_cluster_t       *c;
    lv_cluster_keys_t  *k;

    c = st->cluster;

    if (lv_get(&c->keys_serial) == 0 || lv_cluster_lock(st) != LV_OK) {
        return LV_DECLINED;
    }

    *serial = lv_get(&c->keys_serial);
    k = &c->keys[*serial % 2];
    *len = k->len <= LV_KEYSET_SIZE_MAX ? k->len : 0;
    memcpy(buf, k->text, *len);

    lv_cluster_unlock(st);

    return LV_OK;
}


/* ---- commands ----------------------------------------------------------- */

bool
lv_command_once(lv_store_t *st, lv_str_t id)
{
    char           text[LV_CLUSTER_TEXT];
    unsigned       i;
    lv_cluster_t  *c;

    c = st->cluster;
    lv_cluster_text(text, sizeof(text), id.data, id.len);

    if (lv_cluster_lock(st) != LV_OK) {
        return false;
    }

    for (i = 0; i < LV_CLUSTER_DONE; i++) {
        if (strncmp(c->done[i], text, sizeof(text)) == 0) {
            lv_cluster_unlock(st);
            return false;
        }
    }

    memcpy(c->done[c->done_next % LV_CLUSTER_DONE], text, sizeof(text));
    c->done_next++;

    lv_cluster_unlock(st);

    return true;
}


size_t
lv_command_done(lv_store_t *st, char out[][LV_CLUSTER_TEXT], size_t max)
{
    size_t         i, n;
    lv_cluster_t  *c;

    c = st->cluster;

    if (lv_cluster_lock(st) != LV_OK) {
        return 0;
    }

    for (i = 0, n = 0; i < LV_CLUSTER_DONE && n < max; i++) {
        if (c->done[i][0] != '\0') {
            memcpy(out[n], c->done[i], LV_CLUSTER_TEXT);
            out[n++][LV_CLUSTER_TEXT - 1] = '\0';
        }
    }

    lv_cluster_unlock(st);

    return n;
}

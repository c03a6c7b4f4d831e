/*
 * Where everything is; format and attach; figures and counters.
 */

#include <stdlib.h>
#include "lv_cluster.h"
#include "lv_store_int.h"


/* ---- geometry ----------------------------------------------------------- */

static uint32_t
clamp(uint64_t n, uint32_t min, uint32_t max)
{
    return n < min ? min : n > max ? max : (uint32_t) n;
}


static uint64_t
place(uint64_t *at, uint64_t size, uint64_t align)
{
    uint64_t  off;

    off = (*at + align - 1) / align * align;
    *at = off + size;

    return off;
}


/* Where everything is in a store of `size` bytes; the same for everybody.
 * Parts of less than 12 KiB on average use up entries before extents. */
static bool
geometry(lv_geometry_t *g, uint64_t size, uint64_t rooms)
{
    uint64_t               at, n;
    lv_rooms_geometry_t    rg;
    lv_cluster_geometry_t  cg;

    if (size < LV_STORE_MIN || size / LV_EXTENT > UINT32_MAX / 2
        || rooms > size / 2)
    {
        return false;
    }

    memset(g, 0, sizeof(lv_geometry_t));
    g->rooms_size = rooms;

    g->streams = clamp(size >> 20, 16, LV_STREAMS_MAX - 1);
    g->tracks = 4 * g->streams;
    g->parts = clamp(size / (12 * 1024), 256, UINT32_MAX / 4);
    g->sessions = clamp(size / 4096, 1024, 262144) / LV_BUCKET * LV_BUCKET;

    for (g->hash = 16; g->hash < g->streams; g->hash *= 2) { /* void */ }

    at = sizeof(lv_header_t);

    g->slot_off = place(&at, LV_SLOTS * sizeof(lv_slot_t), 64);
    g->stream_off = place(&at, (g->streams + 1ull) * sizeof(lv_stream_t), 64);
    g->track_off = place(&at, (g->tracks + 1ull) * sizeof(lv_track_t), 64);
    g->part_off = place(&at, (g->parts + 1ull) * sizeof(lv_part_t), 64);
    g->hash_off = place(&at, g->hash * sizeof(uint32_t), 64);
    g->session_off = place(&at, g->sessions * sizeof(lv_session_t), 256);
    g->cluster_off = place(&at, lv_cluster_layout(&cg, size), 64);
    g->rooms_off = place(&at, lv_rooms_layout(&rg, rooms), 64);

    /* the rest: each extent with its link and its bit, and page alignment */

    n = (size - at - LV_EXTENT - 256) * 8 / (LV_EXTENT * 8 + 4 * 8 + 1) - 16;

    g->extents = (uint32_t) n;
    g->free_off = place(&at, (n / 64 + 1) * sizeof(uint64_t), 64);
    g->next_off = place(&at, (n + 1) * sizeof(uint32_t), 64);
    g->extent_off = place(&at, n * LV_EXTENT, LV_EXTENT);

    return at <= size;
}


/* Changes when the structures do, so that a rebuilt binary with another
 * layout is told apart even if LV_STORE_LAYOUT was forgotten. */
static uint32_t
abi(void)
{
    size_t    i;
    uint32_t  h;

    const size_t  sizes[] = {
        sizeof(pthread_mutex_t), sizeof(lv_header_t), sizeof(lv_slot_t),
        sizeof(lv_stream_t), sizeof(lv_track_t), sizeof(lv_part_t),
        sizeof(lv_session_t), sizeof(lv_cluster_geometry_t),
        sizeof(lv_rooms_geometry_t), lv_rooms_abi(), LV_SLOTS,
        LV_COUNTERS, LV_RING, LV_EXTENT
    };

    h = 2166136261u;

    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        h = (h ^ (uint32_t) sizes[i]) * 16777619u;
    }

    return h;
}


static void
store_map(lv_store_t *st, void *base)
{
    uint8_t        *b;
    lv_geometry_t  *g;

    b = base;
    g = &st->geo;

    st->h = base;
    st->slots = (lv_slot_t *) (b + g->slot_off);
    st->streams = (lv_stream_t *) (b + g->stream_off);
    st->tracks = (lv_track_t *) (b + g->track_off);
    st->parts = (lv_part_t *) (b + g->part_off);
    st->hash = (_Atomic uint32_t *) (b + g->hash_off);
    st->sessions = (lv_session_t *) (b + g->session_off);
    st->cluster = (lv_cluster_t *) (b + g->cluster_off);
    (void) lv_rooms_layout(&st->rgeo, g->rooms_size);
    lv_rooms_map(st, b + g->rooms_off);
    st->free = (uint64_t *) (b + g->free_off);
    st->next = (uint32_t *) (b + g->next_off);
    st->extents = b + g->extent_off - LV_EXTENT;
}


/* ---- format, attach ----------------------------------------------------- */

int
lv_robust_mutex(pthread_mutex_t *m)
{
    int                  rc;
    pthread_mutexattr_t  attr;

    if (pthread_mutexattr_init(&attr) != 0) {
        return LV_ERROR;
    }

    rc = pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED) != 0
         || pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST) != 0
         || pthread_mutex_init(m, &attr) != 0;

    pthread_mutexattr_destroy(&attr);

    return rc ? LV_ERROR : LV_OK;
}


static void
format_lists(lv_store_t *st)
{
    uint32_t      i;
    lv_header_t  *h;

    h = st->h;

    for (i = st->geo.streams; i > 0; i--) {
        st->streams[i].next_free = h->stream_free;
        h->stream_free = i;
    }

    for (i = st->geo.tracks; i > 0; i--) {
        st->tracks[i].next_free = h->track_free;
        h->track_free = i;
    }

    for (i = st->geo.parts; i > 0; i--) {
        st->parts[i].next_free = h->part_free;
        h->part_free = i;
    }

    for (i = 1; i <= st->geo.extents; i++) {
        lv_bit_set(st->free, i);
    }

    h->parts_free = st->geo.parts;
    h->extents_free = st->geo.extents;
    h->cursor = 1;
}


int
lv_store_format(void *base, size_t size, const lv_store_conf_t *conf,
    const char **err)
{
    unsigned      i;
    lv_store_t    st;
    lv_header_t  *h;

    memset(&st, 0, sizeof(st));

    if (!geometry(&st.geo, size, conf->rooms)) {
        *err = "the store's size is out of range: at least 8 MiB, "
               "and twice what rooms get";
        return LV_ERROR;
    }

    if (strlen(conf->owner) > LV_STORE_OWNER_MAX) {
        *err = "the owner's name is too long";
        return LV_ERROR;
    }

    store_map(&st, base);
    h = st.h;

    *err = "robust process-shared mutexes are not available";

    if (lv_robust_mutex(&h->lock) != LV_OK
        || lv_robust_mutex(&h->janitor) != LV_OK)
    {
        return LV_ERROR;
    }

    for (i = 0; i < LV_SLOTS; i++) {
        if (lv_robust_mutex(&st.slots[i].life) != LV_OK) {
            return LV_ERROR;
        }
    }

    h->layout = LV_STORE_LAYOUT;
    h->abi = abi();
    h->size = size;
    h->geo = st.geo;
    memcpy(h->secret, conf->secret, sizeof(h->secret));
    strcpy(h->owner, conf->owner);
    lv_set(&h->born_min, conf->born_min);
    lv_store_clock(&st, conf->now_ms);

    if (lv_cluster_format(&st, conf->now_ms) != LV_OK
        || lv_rooms_format(&st) != LV_OK)
    {
        return LV_ERROR;
    }

    format_lists(&st);

    atomic_store(&h->magic, LV_STORE_MAGIC);
    *err = NULL;

    return LV_OK;
}


bool
lv_store_replaceable(const uint8_t *head, size_t n)
{
    size_t    i;
    uint64_t  magic;

    if (n >= sizeof(magic)) {
        memcpy(&magic, head, sizeof(magic));

        if (magic == LV_STORE_MAGIC) {
            return true;
        }
    }

    for (i = 0; i < n; i++) {
        if (head[i] != 0) {
            return false;
        }
    }

    return true;
}


uint32_t
lv_store_born_min(const uint8_t *head, size_t n)
{
    lv_header_t  h;

    if (n < sizeof(lv_header_t)) {
        return 0;
    }

    memcpy(&h, head, sizeof(lv_header_t));

    if (h.magic != LV_STORE_MAGIC || h.layout != LV_STORE_LAYOUT
        || h.abi != abi())
    {
        return 0;
    }

    return h.born_min;
}


static const char *
attach_refusal(lv_header_t *h, lv_geometry_t *g, size_t size,
    const char *owner)
{
    if (size < sizeof(lv_header_t)
        || atomic_load(&h->magic) != LV_STORE_MAGIC)
    {
        return "this is not a store, or one that was never finished";
    }

    if (h->layout != LV_STORE_LAYOUT || h->abi != abi()) {
        return "the store has the layout of another version";
    }

    if (h->size != size || !geometry(g, size, h->geo.rooms_size)
        || memcmp(g, &h->geo, sizeof(lv_geometry_t)) != 0)
    {
        return "the store was made with another size";
    }

    if (strnlen(h->owner, sizeof(h->owner)) != strlen(owner)
        || memcmp(h->owner, owner, strlen(owner)) != 0)
    {
        return "the store belongs to another instance";
    }

    return NULL;
}


lv_store_t *
lv_store_attach(void *base, size_t size, const char *owner,
    lv_store_ring_pt ring, void *ctx, const char **err)
{
    lv_store_t     *st;
    lv_geometry_t   g;

    *err = attach_refusal(base, &g, size, owner);

    if (*err) {
        return NULL;
    }

    *err = "no memory";

    st = calloc(1, sizeof(lv_store_t));
    if (st == NULL) {
        return NULL;
    }

    st->geo = g;
    (void) lv_cluster_layout(&st->cgeo, size);
    st->slot = LV_NOBODY;
    st->ring = ring;
    st->ctx = ctx;
    store_map(st, base);

    st->mark_extent = calloc(g.extents / 64 + 1, sizeof(uint64_t));
    st->mark_part = calloc(g.parts / 64 + 1, sizeof(uint64_t));
    st->mark_track = calloc(g.tracks / 64 + 1, sizeof(uint64_t));

    st->mark_block = calloc(st->rgeo.blocks / 64 + 1, sizeof(uint64_t));
    st->watch = calloc(g.streams + 1, sizeof(lv_watch_t));

    if (!st->mark_extent || !st->mark_part || !st->mark_track
        || !st->mark_block || !st->watch)
    {
        lv_store_detach(st);
        return NULL;
    }

    *err = NULL;

    return st;
}


void
lv_store_detach(lv_store_t *st)
{
    if (st == NULL) {
        return;
    }

    lv_lead_leave(st);
    lv_store_leave(st);

    free(st->mark_extent);
    free(st->mark_part);
    free(st->mark_track);
    free(st->mark_block);
    free(st->watch);
    free(st);
}


void
lv_store_slot_info(lv_store_t *st, unsigned slot, lv_slot_info_t *info)
{
    lv_slot_t  *sl;

    memset(info, 0, sizeof(lv_slot_info_t));

    if (slot >= LV_SLOTS) {
        return;
    }

    sl = &st->slots[slot];

    info->used = lv_get(&sl->used) != 0;
    info->leaving = lv_get(&sl->leaving) != 0;
    info->pid = __atomic_load_n(&sl->pid, __ATOMIC_RELAXED);
    info->generation = __atomic_load_n(&sl->generation, __ATOMIC_RELAXED);
    info->since_ms = __atomic_load_n(&sl->since_ms, __ATOMIC_RELAXED);
}


const uint8_t *
lv_store_secret(lv_store_t *st)
{
    return st->h->secret;
}


void
lv_store_stat(lv_store_t *st, lv_store_stat_t *stat)
{
    unsigned      i;
    lv_header_t  *h;

    memset(stat, 0, sizeof(lv_store_stat_t));

    stat->extents = st->geo.extents;
    stat->parts = st->geo.parts;
    stat->streams = st->geo.streams;
    stat->tracks = st->geo.tracks;

    for (i = 0; i < LV_SLOTS; i++) {
        stat->slots_used += lv_get(&st->slots[i].used) != 0;
    }

    if (lv_store_lock(st) != LV_OK) {
        return;
    }

    h = st->h;

    stat->extents_free = h->extents_free;
    stat->extents_limbo = h->extents_limbo;
    stat->extents_reserved = h->reserved;
    stat->parts_free = h->parts_free;
    stat->streams_used = h->streams_used;
    stat->tracks_used = h->tracks_used;
    stat->evictions = h->evictions;
    stat->repairs = h->repairs;

    lv_store_unlock(st);
}


/* ---- counters ----------------------------------------------------------- */

void
lv_counter_add(lv_store_t *st, unsigned counter, uint64_t n)
{
    _Atomic uint64_t  *c;

    if (st->slot < LV_SLOTS && counter < LV_COUNTERS) {
        c = &st->slots[st->slot].counter[counter];
        atomic_store_explicit(c,
                          atomic_load_explicit(c, memory_order_relaxed) + n,
                          memory_order_relaxed);
    }
}


uint64_t
lv_counter_sum(lv_store_t *st, unsigned counter)
{
    unsigned  i;
    uint64_t  sum;

    sum = 0;

    for (i = 0; i < LV_SLOTS && counter < LV_COUNTERS; i++) {
        sum += atomic_load_explicit(&st->slots[i].counter[counter],
                                    memory_order_relaxed);
    }

    return sum;
}


void
lv_gauge_reset(lv_store_t *st, unsigned counter)
{
    if (st->slot < LV_SLOTS && counter < LV_COUNTERS) {
        atomic_store_explicit(&st->slots[st->slot].counter[counter], 0,
                              memory_order_relaxed);
    }
}


uint64_t
lv_gauge_sum(lv_store_t *st, unsigned counter)
{
    unsigned  i;
    uint64_t  sum;

    sum = 0;

    for (i = 0; i < LV_SLOTS && counter < LV_COUNTERS; i++) {
        if (lv_get(&st->slots[i].used)) {
            sum += atomic_load_explicit(&st->slots[i].counter[counter],
                                        memory_order_relaxed);
        }
    }

    return sum;
}

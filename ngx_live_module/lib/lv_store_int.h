/*
 * The store's layout and what its files share. Nobody else includes this.
 *
 *   0          +---------------------------------------------+
 *              | header     magic … geometry, lock, counts   |
 *   slots      | lv_slot_t     × LV_SLOTS                    |
 *   streams    | lv_stream_t   × (streams + 1)               |  index 0 of
 *   tracks     | lv_track_t    × (tracks + 1)                |  each is never
 *   parts      | lv_part_t     × (parts + 1)                 |  used
 *   hash       | uint32 stream index × hash (a power of two) |
 *   sessions   | lv_session_t  × sessions (buckets of 8)     |
 *   cluster    | lv_cluster_t  and its tables                |
 *   rooms      | lv_rooms_t  and what is in lv_room_int.h    |
 *   free       | bit e set: extent e is free                 |
 *   next       | uint32 next extent of the chain × extents+1 |
 *   extents    | LV_EXTENT bytes × extents, the first is 1   |
 *              +---------------------------------------------+
 *
 *   stream --track[]--> track --head--> part --prev--> part … tail_seq
 *                         |  ring[seq % LV_RING] ------^  (a hint)
 *                         +--init[]---> part (init section)
 *   part --extent--> extent --next[]--> extent --next[]--> LV_NONE
 *
 * An extent is in use exactly when it is in the chain of a part that is not
 * FREE, and a part is in use when it is in a track's list, open by a slot that
 * lives, or in limbo. So a part's word and its owner slot are all that repair
 * needs: it marks from the streams down and sweeps the rest. A writer takes
 * extents in batches that hang on its open part at once, and gives back at
 * the commit what it did not fill.
 *
 * The order that makes a death at any instruction harmless:
 *   take      chain linked and closed, then hung on the part's end
 *   free      the part's word says FREE, then its extents' bits are set
 *   evict     tail_seq moves, then the part's generation, then pins are summed
 *   commit    part filled, then head (from here on it counts), word, ring
 *   create    fields, then the state; remove: the state, then all the rest
 */

#ifndef LV_STORE_INT_H
#define LV_STORE_INT_H

#include "lv_store.h"

#define LV_STORE_MAGIC      0x4c56535430303031ULL   /* "LVST0001" */
#define LV_STORE_MIN        (8u << 20)
#define LV_STORE_OWNER_MAX  1023
#define LV_NOBODY           LV_SLOTS    /* the slot of an owner word */
#define LV_LIMBO_PERCENT    5           /* of the extents, not promised */
#define LV_BUCKET           8           /* sessions a bucket */
#define LV_CLAIMS           128         /* a power of two */

typedef struct {
    uint32_t  streams, tracks, parts, sessions, extents, hash;
    uint64_t  slot_off, stream_off, track_off, part_off, hash_off;
    uint64_t  session_off, cluster_off, rooms_off, rooms_size;
    uint64_t  free_off, next_off, extent_off;
} lv_geometry_t;

/* The parts of lv_cluster_int.h: counts are powers of two, offsets count from
 * its first byte. */
typedef struct {
    uint32_t  events, decisions, revoked, buckets;
    uint64_t  event_off, decision_off, revoked_off[2], bucket_off;
} lv_cluster_geometry_t;

/* Likewise of lv_room_int.h. */
typedef struct {
    uint32_t  rooms, hash, writers, blocks;
    uint64_t  room_off, hash_off, writer_off, dirty_off, block_off, bus_off;
} lv_rooms_geometry_t;

#define LV_ROOMS_SIZE_MIN   (256u << 10)

typedef struct lv_cluster_s      lv_cluster_t;
typedef struct lv_rooms_s        lv_rooms_t;
typedef struct lv_bus_s          lv_bus_t;
typedef struct lv_room_writer_s  lv_room_writer_t;

typedef struct {
    pthread_mutex_t             life;       /* held by its process */
    _Atomic uint32_t            used;
    uint32_t                    pid;
    uint32_t                    generation;
    _Atomic uint32_t            leaving;
    uint64_t                    since_ms;
    _Alignas(64) _Atomic uint32_t  bell;    /* rung, not yet taken */
    _Atomic uint64_t            dirty[LV_STREAM_WORDS];
    /* Never reset, so that the sum over all slots is what all processes ever
     * counted; the next one in this slot counts on. */
    _Alignas(64) _Atomic uint64_t  counter[LV_COUNTERS];
} lv_slot_t;

/* One viewer. Identity is one word, everything else another. */
typedef struct {
    _Atomic uint64_t            key;        /* 0: never used */
    _Atomic uint64_t            seen;       /* second, generation, stream */
} lv_session_t;

typedef struct {
    _Atomic uint64_t            magic;      /* written last */
    uint32_t                    layout;
    uint32_t                    abi;        /* sizes of what is in here */
    uint64_t                    size;
    lv_geometry_t               geo;
    uint8_t                     secret[32];
    char                        owner[LV_STORE_OWNER_MAX + 1];

    _Alignas(64) _Atomic uint32_t  epoch;   /* owner epochs: never one twice, so
                                               no head word ever comes back */
    _Atomic uint32_t            born_min;   /* new streams' names begin at this
                                               second or later: those before
                                               may have been used */
    _Atomic uint64_t            clock_ms;   /* the time that was last told */
    pthread_mutex_t             janitor;
    _Atomic uint64_t            claim[LV_CLAIMS];   /* key but for its low 16
                                               bits, second */

    _Alignas(64) pthread_mutex_t  lock;     /* … and all that it guards: */
    uint32_t                    cursor;     /* where the search goes on */
    uint32_t                    extents_free;
    uint32_t                    extents_limbo;
    uint32_t                    reserved;   /* sum over the streams */
    uint32_t                    part_free;  /* lists, through next_free */
    uint32_t                    part_limbo;
    uint32_t                    parts_free;
    uint32_t                    track_free;
    uint32_t                    tracks_used;
    uint32_t                    stream_free;
    uint32_t                    streams_used;
    uint64_t                    evictions;
    uint64_t                    repairs;
} lv_header_t;

/* How often this process watches a stream. */
typedef struct {
    uint32_t  gen;                /* of the stream */
    uint32_t  count;
} lv_watch_t;

struct lv_store_s {
    /* checked copies: indices are compared with these, never with shared
     * memory */
    lv_geometry_t          geo;
    lv_cluster_geometry_t  cgeo;
    lv_rooms_geometry_t    rgeo;
    lv_header_t        *h;
    lv_slot_t          *slots;
    lv_stream_t        *streams;
    lv_track_t         *tracks;
    lv_part_t          *parts;
    _Atomic uint32_t   *hash;
    lv_session_t       *sessions;
    lv_cluster_t       *cluster;
    lv_rooms_t         *rooms;
    struct lv_room_s   *room;         /* the first is never used */
    uint32_t           *room_hash;
    lv_room_writer_t   *room_writers;
    _Atomic uint64_t   *room_dirty;   /* LV_STREAM_WORDS a slot */
    uint8_t            *room_blocks;  /* of block 0, which is not there */
    lv_bus_t           *bus;
    uint64_t           *free;
    uint32_t           *next;
    uint8_t            *extents;      /* of extent 0, which is not there */

    unsigned            slot;         /* LV_NOBODY: not joined */
    lv_store_ring_pt    ring;
    void               *ctx;
    /* slots whose flag was set under the lock: rung when it is released */
    uint64_t            pending[LV_SLOT_WORDS];
    bool                locked;
    bool                lead;         /* this process is the leader */
    lv_watch_t         *watch;        /* by stream index */

    /* scratch for repair and check, so that nothing allocates under the lock */
    uint64_t           *mark_extent;
    uint64_t           *mark_part;
    uint64_t           *mark_track;
    uint64_t           *mark_block;
};


/* Named places where the tests kill a process. */
#ifdef LV_STORE_KILL
void lv_store_kill_hook(const char *name);
#define LV_KILL_POINT(name)  lv_store_kill_hook(name)
#else
#define LV_KILL_POINT(name)  ((void) 0)
#endif


/* Shared words. Stores that order matters for are releases, in the order in
 * which they are written here; where a store must be seen before a following
 * load (pins, doorbell), both are sequentially consistent. */
#define lv_get(p)       atomic_load_explicit((p), memory_order_acquire)
#define lv_set(p, v)    atomic_store_explicit((p), (v), memory_order_release)

#define lv_word(gen, state)  ((uint32_t) (gen) << 2 | (state))
#define lv_word_gen(w)       ((w) >> 2)
#define lv_word_state(w)     ((w) & 3)

#define lv_pair(epoch, low)  ((uint64_t) (epoch) << 32 | (uint32_t) (low))
#define lv_pair_epoch(v)     ((uint32_t) ((v) >> 32))
#define lv_pair_low(v)       ((uint32_t) (v))

#define lv_bit_get(map, n)   (((map)[(n) / 64] >> ((n) % 64)) & 1)
#define lv_bit_set(map, n)   ((map)[(n) / 64] |= (uint64_t) 1 << ((n) % 64))
#define lv_bit_clear(map, n) ((map)[(n) / 64] &= ~((uint64_t) 1 << ((n) % 64)))

static inline bool
lv_part_valid(lv_store_t *st, uint32_t id)
{
    return id != LV_NONE && id <= st->geo.parts;
}

static inline bool
lv_extent_valid(lv_store_t *st, uint32_t e)
{
    return e != LV_NONE && e <= st->geo.extents;
}

static inline uint8_t *
lv_extent_data(lv_store_t *st, uint32_t e)
{
    return st->extents + (size_t) e * LV_EXTENT;
}

static inline uint32_t
lv_extents_for(uint64_t bytes)
{
    return (uint32_t) ((bytes + LV_EXTENT - 1) / LV_EXTENT);
}

static inline uint32_t
lv_track_index(lv_store_t *st, lv_track_t *t)
{
    return (uint32_t) (t - st->tracks);
}

/* Copies of structs that somebody may be rewriting: the copy is garbage then,
 * which a sequence or generation tells, but no fault. Word by word, each with
 * acquire or release. `n` is a multiple of 4, both sides are aligned. */
void lv_shared_read(void *to, const void *shared, size_t n);
void lv_shared_write(void *shared, const void *from, size_t n);
void lv_shared_zero(void *shared, size_t n);


/* lv_store_alloc.c; all but the first under the lock */
int lv_store_lock(lv_store_t *st);
void lv_store_unlock(lv_store_t *st);
uint32_t lv_extents_take(lv_store_t *st, uint32_t near, uint32_t want,
    uint32_t *last);
uint32_t lv_extents_give(lv_store_t *st, uint32_t first);
uint32_t lv_part_take(lv_store_t *st, lv_stream_t *s);
void lv_part_drop(lv_store_t *st, uint32_t id, uint64_t now_ms);
void lv_part_charge(lv_store_t *st, lv_part_t *p, int32_t parts,
    int32_t extents);
bool lv_part_pinned(lv_part_t *p);
void lv_limbo_sweep(lv_store_t *st);
void lv_store_clock(lv_store_t *st, uint64_t now_ms);
/* Names below this second have been used. */
void lv_store_born(lv_store_t *st, uint32_t second);

/* lv_store_part.c: writes at byte `at` of an open part's chain */
void lv_chain_write(lv_store_t *st, uint32_t extent, uint32_t at,
    const uint8_t *p, size_t n);

/* lv_store_evict.c; under the lock */
int lv_store_make_room(lv_store_t *st, uint32_t extents, uint32_t parts);
void lv_track_evict(lv_store_t *st, lv_track_t *t, uint32_t keep_msn,
    uint64_t now_ms);
void lv_track_evict_full(lv_store_t *st, lv_track_t *t, uint64_t now_ms);
void lv_track_evict_init(lv_store_t *st, lv_track_t *t, uint32_t init_msn,
    uint64_t now_ms);
bool lv_stream_evict_oldest(lv_store_t *st, lv_stream_t *s, uint64_t now_ms);
void lv_track_reset(lv_store_t *st, uint32_t index, uint64_t now_ms);

/* lv_store_repair.c; under the lock */
void lv_store_repair(lv_store_t *st);

/* lv_store_stream.c; under the lock */
void lv_stream_link(lv_store_t *st, uint32_t index);
void lv_stream_put_state(lv_store_t *st, lv_stream_t *s, uint32_t state,
    uint64_t now_ms);
/* The newest msn that the stream has used. */
uint32_t lv_stream_last_msn(lv_store_t *st, lv_stream_t *s);
void lv_stream_drop(lv_store_t *st, lv_stream_t *s, uint64_t now_ms);
bool lv_stream_drop_ended(lv_store_t *st, uint64_t now_ms);
void lv_stream_reserve(lv_store_t *st, lv_stream_t *s, uint32_t extents);
void lv_stream_leave(lv_store_t *st, lv_stream_t *s, uint32_t state,
    uint64_t now_ms);
/* … and without it */
lv_stream_t *lv_stream_lookup(lv_store_t *st, const char *id, size_t len,
    uint32_t *gen);
void lv_streams_reap(lv_store_t *st, uint64_t now_ms);
uint32_t lv_epoch_next(lv_store_t *st);

/* lv_store_bell.c; with or without the lock (rings once it is released) */
void lv_bell_all(lv_store_t *st, lv_stream_t *s);
void lv_bell_pending(lv_store_t *st);
void lv_bell_slot(lv_store_t *st, unsigned slot);

/* lv_cluster.c */
uint64_t lv_cluster_layout(lv_cluster_geometry_t *g, uint64_t store);
int lv_cluster_format(lv_store_t *st, uint64_t now_ms);
/* lv_room.c */
uint64_t lv_rooms_layout(lv_rooms_geometry_t *g, uint64_t size);
void lv_rooms_map(lv_store_t *st, uint8_t *base);
int lv_rooms_format(lv_store_t *st);
/* Changes when the structures of rooms do. */
size_t lv_rooms_abi(void);
void lv_rooms_slot_clean(lv_store_t *st, unsigned slot);
/* lv_store.c */
int lv_robust_mutex(pthread_mutex_t *m);

/* lv_store_read.c: reads the part `id` if it is the one of that count on that
 * track. `listed`: it was reached from the track's head, so that it counts
 * even if its writer has not (or will never have) said so. */
bool lv_part_load(lv_store_t *st, uint32_t id, uint32_t track, bool listed,
    lv_part_ref_t *ref, uint32_t *prev);

#endif

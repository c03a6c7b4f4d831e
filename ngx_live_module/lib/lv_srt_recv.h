/*
 * SRT's receive buffer: packets in as they come, payload out in order and at
 * its time (TSBPD); what is missing is asked for again until that time, then
 * given up (TLPKTDROP).
 *
 *        head             contiguous up to         newest
 *        |                here: ACK                |
 *        [HERE][HERE][HERE][LOST][HERE][LOST][LOST][HERE]
 *
 * A packet's time is `base + its time stamp + latency`: base is when a packet
 * with time stamp 0 would have arrived. It follows the sender's clock as that
 * drifts, and is set anew when the sender's time stamps jump.
 *
 * Memory: the payloads, each in a block of its own size, at most max_bytes of
 * them; and 16 bytes for each place of a ring that grows to `window` places.
 * Times are µs of any clock that runs evenly. One thread.
 *
 * Source: draft-sharabayko-srt-01, sections 4.5 to 4.8.
 */

#ifndef LV_SRT_RECV_H
#define LV_SRT_RECV_H

#include "lv_srt_packet.h"

#define LV_SRT_NEVER  INT64_MAX

typedef struct {
    uint32_t  isn;              /* of the first packet */
    uint32_t  window;           /* packets, a power of two */
    size_t    max_bytes;
    int64_t   latency_us;
    int64_t   base_us;
} lv_srt_recv_conf_t;

typedef struct {
    uint64_t  lost;             /* were missing when a later one came */
    uint64_t  recovered;        /* of them, those that came in time */
    uint64_t  dropped;          /* of them, those that were given up */
    uint64_t  duplicates;       /* had it already */
    uint64_t  belated;          /* had been given up */
    uint64_t  refused;          /* no room */
    uint64_t  rebased;          /* times that the sender's clock jumped */
} lv_srt_recv_stats_t;

typedef struct lv_srt_recv_s  lv_srt_recv_t;

typedef enum {
    LV_SRT_RECV_NEW = 0,        /* the newest, or one that had been missing */
    LV_SRT_RECV_OLD,            /* not needed any more */
    LV_SRT_RECV_FULL            /* no room: as if it had not come */
} lv_srt_recv_e;

typedef struct {
    uint32_t  from, to;         /* sequence numbers, both included */
} lv_srt_range_t;

lv_srt_recv_t *lv_srt_recv_create(const lv_srt_recv_conf_t *conf);
void lv_srt_recv_destroy(lv_srt_recv_t *r);

/*
 * Where to write a packet's payload of n bytes, or NULL with *why OLD or FULL.
 * lv_srt_recv_commit() follows: the payload is there; or with ok = false: it
 * could not be read, and is skipped when its turn comes.
 */
uint8_t *lv_srt_recv_place(lv_srt_recv_t *r, uint32_t seq, uint32_t ts,
    size_t n, bool rexmit, int64_t now_us, lv_srt_recv_e *why);
void lv_srt_recv_commit(lv_srt_recv_t *r, bool ok);

/* The next payload whose time has come, good until the next call; or NULL. */
const uint8_t *lv_srt_recv_next(lv_srt_recv_t *r, int64_t now_us, size_t *n);
/* When _next() will have something; LV_SRT_NEVER: not before a packet comes. */
int64_t lv_srt_recv_due(lv_srt_recv_t *r);

/* The first sequence number that is missing. */
uint32_t lv_srt_recv_ack(const lv_srt_recv_t *r);
/* Packets that have room. */
uint32_t lv_srt_recv_room(const lv_srt_recv_t *r);
uint32_t lv_srt_recv_count(const lv_srt_recv_t *r);

/*
 * What is to be asked for now, at most max ranges; each is asked for again
 * after `again_us`, or half of that when its time is near. A new loss is due
 * at once, or after as long as packets have been seen to overtake each other.
 */
size_t lv_srt_recv_losses(lv_srt_recv_t *r, int64_t now_us, int64_t again_us,
    lv_srt_range_t *out, size_t max);
int64_t lv_srt_recv_losses_due(const lv_srt_recv_t *r);

/* The sender will not send [from, to] again. */
void lv_srt_recv_skip(lv_srt_recv_t *r, uint32_t from, uint32_t to);

/* A packet without payload came: the sender's clock was `ts` half a round trip
 * before now. Called about a hundred times a second. */
void lv_srt_recv_clock(lv_srt_recv_t *r, uint32_t ts, int64_t rtt_us,
    int64_t now_us);

const lv_srt_recv_stats_t *lv_srt_recv_stats(const lv_srt_recv_t *r);

#endif

#include "lv_srt_recv.h"

#include <stdlib.h>

#define RING_MIN         64u
#define JUMP_US          2000000    /* beyond the latency: the clock jumped */
#define REORDER_MAX_US   20000
#define REORDER_CALM     1000       /* packets until less is waited for */
#define BEYOND           64         /* packets behind the window, in a row */
#define DRIFT_SAMPLES    1000
#define DRIFT_STEP_US    5000       /* the most that one correction is */


typedef enum {
    LOST = 0,
    HERE,
    SKIPPED                         /* neither will come nor be asked for */
} state_e;

typedef struct {
    int64_t   at_us;                /* its time */
    size_t    len;
    uint8_t   data[];
} cell_t;

typedef struct {
    union {
        cell_t   *cell;             /* HERE */
        int64_t   ask_us;           /* LOST: when to ask for it (again) */
    };
    uint8_t    state;
    bool       asked;
} slot_t;

struct lv_srt_recv_s {
    slot_t              *ring;
    uint32_t             size;      /* of the ring, a power of two */
    uint32_t             window;
    uint32_t             at;        /* the head's place in it */
    uint32_t             head;      /* its sequence number */
    uint32_t             count;     /* from head to the newest */
    uint32_t             whole;     /* from head, nothing missing */
    uint32_t             missing;   /* LOST among count */
    size_t               bytes, max_bytes;
    int64_t              ts;        /* the latest, unwrapped */
    int64_t              base_us, latency_us;
    int64_t              ask_us;    /* the earliest of all LOST */
    int64_t              reorder_us;
    uint32_t             calm;
    uint32_t             beyond;    /* packets behind the window, in a row */
    int64_t              drift_sum, rtt_first_us;
    uint32_t             drift_count;
    slot_t              *placed;    /* between _place() and _commit() */
    cell_t              *out;       /* what _next() gave last */
    lv_srt_recv_stats_t  stats;
};


lv_srt_recv_t *
lv_srt_recv_create(const lv_srt_recv_conf_t *conf)
{
    lv_srt_recv_t  *r;

    r = calloc(1, sizeof(lv_srt_recv_t));
    if (r == NULL) {
        return NULL;
    }

    r->size = conf->window < RING_MIN ? conf->window : RING_MIN;
    r->ring = calloc(r->size, sizeof(slot_t));

    if (r->ring == NULL) {
        free(r);
        return NULL;
    }

    r->window = conf->window;
    r->head = conf->isn;
    r->max_bytes = conf->max_bytes;
    r->base_us = conf->base_us;
    r->latency_us = conf->latency_us;
    r->ask_us = LV_SRT_NEVER;
    r->rtt_first_us = -1;

    return r;
}


static slot_t *
slot_at(const lv_srt_recv_t *r, uint32_t offset)
{
    return &r->ring[(r->at + offset) & (r->size - 1)];
}


void
lv_srt_recv_destroy(lv_srt_recv_t *r)
{
    uint32_t  i;

    if (r == NULL) {
        return;
    }

    for (i = 0; i < r->count; i++) {
        if (slot_at(r, i)->state == HERE) {
            free(slot_at(r, i)->cell);
        }
    }

    free(r->out);
    free(r->ring);
    free(r);
}


static int
grow(lv_srt_recv_t *r, uint32_t need)
{
    slot_t    *ring;
    uint32_t   i, size;

    for (size = r->size; size < need; size *= 2) { /* void */ }

    if (size == r->size) {
        return LV_OK;
    }

    ring = calloc(size, sizeof(slot_t));
    if (ring == NULL) {
        return LV_ERROR;
    }

    for (i = 0; i < r->count; i++) {
        ring[i] = *slot_at(r, i);
    }

    free(r->ring);
    r->ring = ring;
    r->size = size;
    r->at = 0;

    return LV_OK;
}


static void
advance_whole(lv_srt_recv_t *r)
{
    while (r->whole < r->count && slot_at(r, r->whole)->state != LOST) {
        r->whole++;
    }
}


static void
pop(lv_srt_recv_t *r)
{
    r->at = (r->at + 1) & (r->size - 1);
    r->head = lv_srt_seq_add(r->head, 1);
    r->count--;

    if (r->whole > 0) {
        r->whole--;

    } else {
        advance_whole(r);
    }
}


static void
mark_lost(lv_srt_recv_t *r, uint32_t offset, int64_t now_us)
{
    slot_t  *slot;

    slot = slot_at(r, offset);
    slot->state = LOST;
    slot->asked = false;
    slot->ask_us = now_us + r->reorder_us;

    r->missing++;
    r->stats.lost++;

    if (slot->ask_us < r->ask_us) {
        r->ask_us = slot->ask_us;
    }
}


/* One that nobody had asked for yet, or that was not sent for that reason,
 * came late by itself: from now on losses are believed a little later. */

static void
overtaken(lv_srt_recv_t *r, const slot_t *slot, int64_t now_us, bool rexmit)
{
    int64_t  late;

    if (rexmit) {
        return;
    }

    late = slot->asked ? r->reorder_us + 2000
                       : now_us - (slot->ask_us - r->reorder_us) + 1000;

    if (late > r->reorder_us) {
        r->reorder_us = late < REORDER_MAX_US ? late : REORDER_MAX_US;
    }

    r->calm = 0;
}


static void
calm_down(lv_srt_recv_t *r)
{
    if (r->reorder_us != 0 && ++r->calm == REORDER_CALM) {
        r->calm = 0;
        r->reorder_us = r->reorder_us > 1000 ? r->reorder_us / 2 : 0;
    }
}


/* Time stamps that are far from the clock: the sender slept, or its clock was
 * set. Without this all that follows would be held, or given up, for ever. */

static void
check_clock(lv_srt_recv_t *r, int64_t ts, int64_t now_us)
{
    int64_t  ahead;

    ahead = r->base_us + ts - now_us;

    if (ahead > JUMP_US + r->latency_us || ahead < -JUMP_US - r->latency_us) {
        r->base_us -= ahead;
        r->drift_sum = 0;
        r->drift_count = 0;
        r->stats.rebased++;
    }
}


/* Never so far from now that one packet could hold up all the others. */

static int64_t
time_of(const lv_srt_recv_t *r, int64_t ts, int64_t now_us)
{
    int64_t  at, last;

    at = r->base_us + ts + r->latency_us;
    last = now_us + r->latency_us + JUMP_US;

    return at < last ? at : last;
}


static int64_t
unwrap_ts(lv_srt_recv_t *r, uint32_t ts)
{
    return r->ts + (int32_t) (ts - (uint32_t) r->ts);
}


/* The first place from i on where there is a packet; count: there is none. */

static uint32_t
next_here(const lv_srt_recv_t *r, uint32_t i)
{
    while (i < r->count && slot_at(r, i)->state != HERE) {
        i++;
    }

    return i;
}


/* With nothing held, nothing moves the window on; the sender that has gone
 * beyond it (it dropped what was too old, far from here) does. Not for a single
 * stray packet. */

static void
follow_jump(lv_srt_recv_t *r, uint32_t seq)
{
    if (next_here(r, 0) < r->count || ++r->beyond < BEYOND) {
        return;
    }

    r->stats.dropped += r->missing;
    r->head = seq;
    r->count = 0;
    r->whole = 0;
    r->missing = 0;
    r->ask_us = LV_SRT_NEVER;
}


uint8_t *
lv_srt_recv_place(lv_srt_recv_t *r, uint32_t seq, uint32_t ts, size_t n,
    bool rexmit, int64_t now_us, lv_srt_recv_e *why)
{
    cell_t    *cell;
    slot_t    *slot;
    int32_t    diff;
    int64_t    when;
    uint32_t   i, offset;

    diff = lv_srt_seq_diff(seq, r->head);

    if (diff < 0) {
        r->stats.belated++;
        *why = LV_SRT_RECV_OLD;
        return NULL;
    }

    if ((uint32_t) diff >= r->window) {
        follow_jump(r, seq);
    }

    offset = (uint32_t) lv_srt_seq_diff(seq, r->head);

    if (offset < r->count && slot_at(r, offset)->state == HERE) {
        r->stats.duplicates++;
        *why = LV_SRT_RECV_OLD;
        return NULL;
    }

    *why = LV_SRT_RECV_FULL;

    if (offset >= r->window || r->bytes + n > r->max_bytes
        || grow(r, offset + 1) != LV_OK)
    {
        r->stats.refused++;
        return NULL;
    }

    cell = malloc(sizeof(cell_t) + n);

    if (cell == NULL) {
        r->stats.refused++;
        return NULL;
    }

    when = unwrap_ts(r, ts);

    if (offset < r->count) {
        slot = slot_at(r, offset);

        /* one that was to be skipped can still come */

        if (slot->state == LOST) {
            overtaken(r, slot, now_us, rexmit);
            r->missing--;
            r->stats.recovered++;
        }

    } else {

        for (i = r->count; i < offset; i++) {
            mark_lost(r, i, now_us);
        }

        r->count = offset + 1;
        slot = slot_at(r, offset);

        if (!rexmit) {
            check_clock(r, when, now_us);
            r->ts = when;
        }

        calm_down(r);
    }

    cell->at_us = time_of(r, when, now_us);
    cell->len = n;
    slot->state = HERE;
    slot->cell = cell;
    r->bytes += n;
    r->placed = slot;

    advance_whole(r);
    r->beyond = 0;
    *why = LV_SRT_RECV_NEW;

    return cell->data;
}


void
lv_srt_recv_commit(lv_srt_recv_t *r, bool ok)
{
    slot_t  *slot;

    slot = r->placed;
    r->placed = NULL;

    if (!ok) {
        r->bytes -= slot->cell->len;
        free(slot->cell);
        slot->cell = NULL;
        slot->state = SKIPPED;
    }
}


const uint8_t *
lv_srt_recv_next(lv_srt_recv_t *r, int64_t now_us, size_t *n)
{
    cell_t    *cell;
    uint32_t   i;

    free(r->out);
    r->out = NULL;

    i = next_here(r, 0);

    if (i == r->count || slot_at(r, i)->cell->at_us > now_us) {
        return NULL;
    }

    while (i-- > 0) {

        if (slot_at(r, 0)->state == LOST) {
            r->missing--;
            r->stats.dropped++;
        }

        pop(r);
    }

    cell = slot_at(r, 0)->cell;
    pop(r);

    r->bytes -= cell->len;
    r->out = cell;
    *n = cell->len;

    return cell->data;
}


int64_t
lv_srt_recv_due(lv_srt_recv_t *r)
{
    uint32_t  i;

    i = next_here(r, 0);

    return i == r->count ? LV_SRT_NEVER : slot_at(r, i)->cell->at_us;
}


uint32_t
lv_srt_recv_ack(const lv_srt_recv_t *r)
{
    return lv_srt_seq_add(r->head, r->whole);
}


uint32_t
lv_srt_recv_room(const lv_srt_recv_t *r)
{
    size_t    bytes;
    uint32_t  n;

    n = r->window - r->count;
    bytes = (r->max_bytes - r->bytes) / LV_SRT_PAYLOAD_MAX;

    return bytes < n ? (uint32_t) bytes : n;
}


uint32_t
lv_srt_recv_count(const lv_srt_recv_t *r)
{
    return r->count;
}


/* Adds seq to the ranges; false: there is no room. */

static bool
range_add(lv_srt_range_t *out, size_t *n, size_t max, uint32_t seq)
{
    if (*n > 0 && lv_srt_seq_add(out[*n - 1].to, 1) == seq) {
        out[*n - 1].to = seq;
        return true;
    }

    if (*n == max) {
        return false;
    }

    out[*n].from = seq;
    out[*n].to = seq;
    (*n)++;

    return true;
}


size_t
lv_srt_recv_losses(lv_srt_recv_t *r, int64_t now_us, int64_t again_us,
    lv_srt_range_t *out, size_t max)
{
    slot_t    *slot;
    size_t     n;
    int64_t    given_up;
    uint32_t   i, here, left;

    n = 0;
    here = 0;
    left = r->missing;
    r->ask_us = LV_SRT_NEVER;

    for (i = r->whole; i < r->count && left > 0; i++) {
        slot = slot_at(r, i);

        if (slot->state != LOST) {
            continue;
        }

        left--;

        /* those that are due within a millisecond go along */

        if (slot->ask_us <= now_us + 1000
            && range_add(out, &n, max, lv_srt_seq_add(r->head, i)))
        {
            here = here > i ? here : next_here(r, i);
            given_up = here < r->count ? slot_at(r, here)->cell->at_us
                                       : LV_SRT_NEVER;
            slot->asked = true;
            slot->ask_us = now_us + again_us
                           / (given_up < now_us + 3 * again_us ? 2 : 1);
        }

        if (slot->ask_us < r->ask_us) {
            r->ask_us = slot->ask_us;
        }
    }

    return n;
}


int64_t
lv_srt_recv_losses_due(const lv_srt_recv_t *r)
{
    return r->missing ? r->ask_us : LV_SRT_NEVER;
}


void
lv_srt_recv_skip(lv_srt_recv_t *r, uint32_t from, uint32_t to)
{
    slot_t   *slot;
    int32_t   first, last, i;

    first = lv_srt_seq_diff(from, r->head);
    last = lv_srt_seq_diff(to, r->head);

    if (last < first || last < 0 || last - first >= (int32_t) r->window) {
        return;
    }

    /* the next ones, which never came, too; but no gap before them */

    if (first <= (int32_t) r->count && last >= (int32_t) r->count
        && last < (int32_t) r->window
        && grow(r, (uint32_t) last + 1) == LV_OK)
    {
        for (i = (int32_t) r->count; i <= last; i++) {
            slot = slot_at(r, (uint32_t) i);
            slot->state = SKIPPED;
            slot->cell = NULL;
            r->stats.lost++;
            r->stats.dropped++;
        }

        r->count = (uint32_t) last + 1;
    }

    for (i = first < 0 ? 0 : first; i <= last && i < (int32_t) r->count; i++) {
        slot = slot_at(r, (uint32_t) i);

        if (slot->state == LOST) {
            slot->state = SKIPPED;
            slot->cell = NULL;
            r->missing--;
            r->stats.dropped++;
        }
    }

    advance_whole(r);
}


void
lv_srt_recv_clock(lv_srt_recv_t *r, uint32_t ts, int64_t rtt_us,
    int64_t now_us)
{
    int64_t  mean;

    if (r->rtt_first_us < 0) {
        r->rtt_first_us = rtt_us;
    }

    r->drift_sum += now_us - (r->base_us + unwrap_ts(r, ts))
                    - (rtt_us - r->rtt_first_us) / 2;

    if (++r->drift_count < DRIFT_SAMPLES) {
        return;
    }

    mean = r->drift_sum / DRIFT_SAMPLES;

    if (mean > DRIFT_STEP_US) {
        mean = DRIFT_STEP_US;

    } else if (mean < -DRIFT_STEP_US) {
        mean = -DRIFT_STEP_US;
    }

    r->base_us += mean;
    r->drift_sum = 0;
    r->drift_count = 0;
}


const lv_srt_recv_stats_t *
lv_srt_recv_stats(const lv_srt_recv_t *r)
{
    return &r->stats;
}

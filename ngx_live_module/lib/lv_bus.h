/*
 * What nodes tell each other of their rooms: batches of items, each batch one
 * entry of a Redis stream. Pure: bytes in, structs out.
 *
 *   batch   "LB", version, shard, born, seq, acked, time, node | item … | mac
 *   item    type, length, what the type has
 *
 * Numbers are big-endian. A batch is signed with the node key (HMAC-SHA256 over
 * all that is before the mac and a label of its own), so that who can write to
 * Redis cannot speak for a node, change a batch, or move it to another shard.
 *
 *   born    when the sender's store was made, Unix ms: its numbers begin anew
 *   seq     of the sender's batches of that shard, from 1, rising
 *   acked   all batches up to this one are known to be in Redis; what later
 *           ones had that is not known is said again. So the batch is not new
 *           when seq <= the last one that was seen, and something is missing
 *           when acked > that.
 *   time    Unix ms, when it was made
 */

#ifndef LV_BUS_H
#define LV_BUS_H

#include "lv_nodekey.h"
#include "lv_room.h"

#define LV_BUS_SHARDS       16
#define LV_BUS_BATCH_MAX    (16 * 1024)
#define LV_BUS_NODE_MAX     64
#define LV_BUS_COMMAND_MAX  6000
#define LV_BUS_HEAD_MAX     (4 + 4 * 8 + 1 + LV_BUS_NODE_MAX)
#define LV_BUS_MAC          32

typedef struct {
    unsigned  shard;
    uint64_t  born;
    uint64_t  seq;
    uint64_t  acked;
    uint64_t  time_ms;
    lv_str_t  node;
} lv_bus_head_t;

typedef enum {
    LV_BUS_ENTRY = 1,        /* room, e; text: of a pin the pinned message */
    LV_BUS_PRESENCE,         /* room, n: members on that node */
    LV_BUS_REACTION,         /* room, text, n: so many more */
    LV_BUS_LOST,             /* room: what was said there is lost */
    LV_BUS_COMMAND,          /* text: JSON, as a control plane gives it */
    LV_BUS_STATE             /* acked: of all shards */
} lv_bus_type_e;

/* Texts point into the batch. */
typedef struct {
    lv_bus_type_e    type;
    lv_str_t         room;
    lv_str_t         text;
    uint32_t         n;
    lv_room_entry_t  e;          /* id, time_ms, media_ms, target, count, kind,
                                    role, status and texts */
    uint64_t         acked[LV_BUS_SHARDS];
} lv_bus_item_t;

/* Where a room's batches go: the same on every node, for ever. */
unsigned lv_bus_shard(lv_str_t room);
/* Whether an entry is for other nodes at all. */
bool lv_bus_carries(const lv_room_entry_t *e);

typedef struct {
    uint8_t  data[LV_BUS_BATCH_MAX];
    size_t   len;
    size_t   head;
} lv_bus_batch_t;

void lv_bus_begin(lv_bus_batch_t *b, const lv_bus_head_t *head);
/* LV_AGAIN: no room left. LV_ERROR: it would not fit into an empty one. */
int lv_bus_add(lv_bus_batch_t *b, const lv_bus_item_t *item);
/* True: nothing was added. */
bool lv_bus_empty(const lv_bus_batch_t *b);
int lv_bus_seal(lv_bus_batch_t *b, const lv_nodekeys_t *keys);

/*
 * Checks form and signature. *at: where its items begin, *end: where they end.
 * LV_ERROR: no batch. LV_DECLINED: forged, or of another shard.
 */
int lv_bus_open(const lv_nodekeys_t *keys, unsigned shard, lv_str_t text,
    lv_bus_head_t *head, size_t *at, size_t *end);
/* The next item; those of unknown types are passed over. LV_DECLINED: no more.
 * LV_ERROR: malformed. */
int lv_bus_next(lv_str_t text, size_t *at, size_t end, lv_bus_item_t *item);

#endif

/*
 * Rooms of several nodes: what the worker that bridges keeps in the store, so
 * that the next one goes on from there.
 *
 *   sent      of a room: all local entries before that offset are with the
 *             others (a third cursor, beside those of members and of saving).
 *             Unlike what is not saved, what is not sent may be dropped when
 *             the log is full.
 *   origin    of an entry: 1 + the index of the node it came from. `heard` of
 *             a room has the highest id of each; ids of a node rise within a
 *             room, so that no entry is there twice, whatever is sent twice.
 *   peers     the other nodes, and the last batch of each shard of theirs.
 *   position  of a shard: the last entry of the stream that was dealt with.
 *   commands  of the control plane, for the other nodes; any worker adds.
 *
 * All but lv_bus_command_put(), lv_bus_once(), lv_bus_stat() and
 * lv_room_present() are for the process that leads (lv_lead_try()).
 */

#ifndef LV_ROOM_BUS_H
#define LV_ROOM_BUS_H

#include "lv_bus.h"
#include "lv_room.h"

/* By each worker when it starts: is there a bus? Going on, all that has been
 * said is not for the others. */
void lv_bus_on(lv_store_t *st, bool on);
/* This slot is rung when there is something to send. */
void lv_bus_lead(lv_store_t *st);

typedef struct {
    bool      on;
    bool      up;            /* lv_bus_set_up() */
    uint32_t  peers;         /* that are heard of */
    uint64_t  lag_ms;        /* of the last batch: how old it was */
    uint64_t  unsent;        /* entries, with those that are not for others */
    uint64_t  commands;      /* that wait */
} lv_bus_stat_t;

void lv_bus_stat(lv_store_t *st, lv_bus_stat_t *stat);
void lv_bus_set_up(lv_store_t *st, bool up);
void lv_bus_set_lag(lv_store_t *st, uint64_t lag_ms);


/* ---- out ---------------------------------------------------------------- */

/* The number of the shard's next batch, and what is known to have arrived. */
uint64_t lv_bus_seq_next(lv_store_t *st, unsigned shard);
uint64_t lv_bus_acked(lv_store_t *st, unsigned shard);
void lv_bus_ack(lv_store_t *st, unsigned shard, uint64_t seq);

/* As lv_room_unsaved(), lv_room_saved(): the next room of a shard with entries
 * to be sent. LV_BUS_SHARDS for `shard`: of any. */
lv_room_t *lv_room_unsent(lv_store_t *st, unsigned shard, uint32_t *cursor,
    uint32_t *gen, uint64_t *from);
void lv_room_sent(lv_store_t *st, lv_room_t *room, uint32_t gen,
    uint64_t before);

/* The next room, from index *cursor on, with reactions to be told; NULL: no
 * more. */
lv_room_t *lv_room_reacted(lv_store_t *st, uint32_t *cursor, uint32_t *gen);
/* What has been added here since the last call: total is that. The number. */
size_t lv_room_reactions_out(lv_store_t *st, lv_room_t *room, uint32_t gen,
    lv_room_reaction_t out[LV_ROOM_REACTIONS]);

/* LV_AGAIN: as many wait as there can be. LV_ERROR: too long. */
int lv_bus_command_put(lv_store_t *st, lv_str_t text);
/* The n-th that waits, into buf (LV_BUS_COMMAND_MAX bytes). */
bool lv_bus_command_get(lv_store_t *st, uint32_t n, uint8_t *buf, size_t *len);
void lv_bus_command_drop(lv_store_t *st, uint32_t n);
/* False: that name was there before, as far as is remembered. */
bool lv_bus_once(lv_store_t *st, lv_str_t name);


/* ---- in ----------------------------------------------------------------- */

typedef struct {
    uint64_t  ms, seq;           /* both 0: nothing has been read yet */
} lv_bus_position_t;

lv_bus_position_t lv_bus_position(lv_store_t *st, unsigned shard);
void lv_bus_position_set(lv_store_t *st, unsigned shard,
    lv_bus_position_t position);

#define LV_BUS_PEERS  64

/* The index of a node. One whose store was made anew is known as new. LV_AGAIN:
 * there are too many. LV_DECLINED: its store has been made anew since. */
int lv_bus_peer(lv_store_t *st, lv_str_t node, uint64_t born,
    uint64_t now_ms, unsigned *peer);
/* The node's number in ids, so that two nodes do not make the same. When an id
 * of another node has it, this one takes another number: true. */
uint32_t lv_rooms_number(lv_store_t *st);
bool lv_rooms_number_taken(lv_store_t *st, uint64_t id);
/* The last batch that was dealt with, 0: none; and that there is another. */
uint64_t lv_bus_heard(lv_store_t *st, unsigned peer, unsigned shard);
void lv_bus_hear(lv_store_t *st, unsigned peer, unsigned shard, uint64_t seq);
/* Members on nodes that have been silent for that long count no more. */
void lv_bus_silent(lv_store_t *st, uint64_t now_ms, uint64_t silent_ms);

/* An entry of another node is added by lv_room_append(), with its id and an
 * `origin`; its offset is 0 then when the room has had it. */

/* Whether there are places left for rooms that have no members here. */
bool lv_rooms_spare(lv_store_t *st);
/* How many members a node has; and how many there are, here and there. */
void lv_room_away(lv_store_t *st, lv_room_t *room, uint32_t gen,
    unsigned peer, uint32_t n);
uint32_t lv_room_present(lv_store_t *st, lv_room_t *room);
/* As lv_room_react(), for what was counted elsewhere. */
int lv_room_react_from(lv_store_t *st, lv_room_t *room, uint32_t gen,
    lv_str_t name, uint32_t n);

#endif

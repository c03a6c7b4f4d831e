/*
 * Where rooms are in the store. Only lv_room*.c and lv_store.c include this.
 *
 *   lv_rooms_t | rooms, the last one is the global one | hash | writers
 *              | dirty bits by slot | blocks | lv_bus_t
 *
 * Memory is blocks of LV_ROOM_BLOCK bytes. A block says which room it belongs
 * to (0: free); a room has a chain of them for its log, one for its bans and
 * one for each blob.
 *
 *   log: head --next--> block --next--> … tail      (and back by prev)
 *        each: header | record record record … used
 *
 * Locks: a room's before the one of all rooms (directory, free blocks,
 * writers). The order that makes a death at any instruction harmless:
 *
 *   take     the block names its room, then leaves the free list
 *   give     it names nobody, then joins the free list
 *   append   the record, then `used` (from here on it counts); everything
 *            else about the log follows from the blocks
 *   trim     head moves, then the block is given
 *   blob     the chain, the other slot, the version, then the old one is given
 *   ban      the record, then the count
 *   enter    the block, the record, then its author
 *   make     all fields, then gen (odd), then the hash
 *   remove   gen (even), then the hash, then the blocks
 *
 * Repair of a room keeps what its chains reach and gives the rest; repair of
 * the directory makes hash and lists anew from gen and owners.
 */

#ifndef LV_ROOM_INT_H
#define LV_ROOM_INT_H

#include "lv_room_bus.h"
#include "lv_store_int.h"

#define LV_ROOM_BLOCK       8192
#define LV_ROOM_KEEP_MOST   128          /* blocks of saved entries */
#define LV_ROOM_KEEP        16
#define LV_ROOM_KEEP_LEAST  2            /* when memory is short */
#define LV_ROOM_WAYS        8
#define LV_ROOM_TEXTS       4            /* of a writer, for unique chat */
#define LV_ROOM_IDLE_MS     (3600 * 1000)
#define LV_ROOM_NODE_BITS   10
#define LV_ROOM_SAME_MS     60000        /* how long a text is the same one */
#define LV_BUS_COMMANDS     32
#define LV_BUS_ONCE         256          /* names that are remembered */
#define LV_ROOM_BAN_HASHES  163          /* of one member: account, device,
                                            prefixes of an address */

typedef struct {
    uint32_t          next, prev;
    _Atomic uint32_t  room;              /* 0: free */
    _Atomic uint32_t  used;              /* bytes of data */
    uint64_t          first;             /* offset of the first record */
    uint8_t           data[];
} lv_room_block_t;

#define LV_ROOM_DATA  (LV_ROOM_BLOCK - offsetof(lv_room_block_t, data))

/* Followed by user, subject, name, text; size is all of it, padded to 8. */
typedef struct {
    uint16_t  size;
    uint8_t   kind, status, flags, role;
    uint8_t   user_len, subject_len;
    uint64_t  id, offset, time_ms, media_ms, target, author;
    uint32_t  count;
    uint16_t  text_len;
    uint8_t   name_len, origin;
} lv_room_record_t;

typedef struct {
    uint64_t  hash;
    uint64_t  until_ms;
    uint32_t  action;
    uint32_t  pad;
} lv_room_ban_t;

#define LV_ROOM_BLOCK_BANS  (LV_ROOM_DATA / sizeof(lv_room_ban_t))

/* Somebody's connections of one slot. */
typedef struct {
    uint64_t  author;                    /* 0: free */
    uint64_t  looks;
    uint32_t  count;
    uint16_t  slot;
    uint8_t   role, user_len, name_len, pad[7];
    uint8_t   user[LV_ROOM_USER_MAX];
    uint8_t   name[LV_ROOM_NAME_MAX];
} lv_room_seat_t;

#define LV_ROOM_BLOCK_SEATS  (LV_ROOM_DATA / sizeof(lv_room_seat_t))

typedef struct {
    uint64_t  last_ms;
    uint32_t  level;                     /* thousandths of a message */
    uint32_t  pad;
} lv_room_bucket_t;

typedef struct {
    _Atomic uint32_t  version;           /* part[version % 2] is valid */
    struct {
        uint32_t      block, len;
    } part[2];
} lv_room_chain_t;

struct lv_room_s {
    _Atomic uint32_t  gen;               /* odd: there is a room */
    uint32_t          next_free;
    uint32_t          next_hash;
    uint32_t          id_len;
    char              id[LV_STREAM_ID_MAX + 1];
    pthread_mutex_t   lock;              /* … and all that it guards: */
    uint64_t          epoch;
    uint64_t          used_ms;
    uint64_t          next;              /* offset */
    uint64_t          saved;
    uint64_t          sent;
    uint32_t          head, tail;        /* blocks of the log, 0: none */
    uint32_t          blocks;            /* of the log */
    uint32_t          ban_head, ban_tail;
    uint32_t          bans;
    _Atomic uint32_t  bans_version;
    uint64_t          prefixes[3];       /* lengths in use: 0 … 32 of IPv4,
                                            33 … 161 of IPv6 */
    lv_room_chain_t   blob[LV_ROOM_BLOBS];
    uint32_t          reactions;
    lv_room_reaction_t  reaction[LV_ROOM_REACTIONS];
    uint32_t          seats;             /* chain of blocks, 0: none */
    uint32_t          people;            /* who have them, each once */
    _Atomic uint32_t  seats_version;
    _Atomic uint32_t  settled;
    lv_room_bucket_t  bucket;            /* of all that is said */
    uint64_t          reaction_out[LV_ROOM_REACTIONS];   /* of the total: told
                                            the others, or told by them */
    uint64_t          heard[LV_BUS_PEERS];   /* ids */
    uint32_t          away[LV_BUS_PEERS];    /* members */
    _Atomic uint32_t  away_sum;

    _Alignas(64) _Atomic uint64_t  interest[LV_SLOT_WORDS];
    _Atomic uint32_t  members[LV_SLOTS];
};

struct lv_room_writer_s {
    uint64_t  key;                       /* room and author; 0: free */
    uint64_t  last_ms;
    uint64_t  text[LV_ROOM_TEXTS];
    uint32_t  at;                        /* of an address: the level */
    uint32_t  pad;
};

/* Written by the leader alone: a position is written to the place that is not
 * in use, then says that it is. */
typedef struct {
    lv_bus_position_t  position[2];
    _Atomic uint32_t   position_at;
    _Atomic uint64_t   seq;
    _Atomic uint64_t   acked;
} lv_bus_shard_t;

typedef struct {
    char               node[LV_BUS_NODE_MAX + 1];    /* "": free */
    uint64_t           born;
    uint64_t           seen_ms;          /* 0: silent */
    _Atomic uint64_t   seq[LV_BUS_SHARDS];
} lv_bus_peer_t;

typedef struct {
    uint32_t           len;
    uint8_t            text[LV_BUS_COMMAND_MAX];
} lv_bus_command_t;

struct lv_bus_s {
    _Atomic uint32_t   on;
    _Atomic uint32_t   slot;             /* 1 + the leader's, 0: none */
    _Atomic uint32_t   up;
    _Atomic uint64_t   lag_ms;
    lv_bus_shard_t     shard[LV_BUS_SHARDS];
    lv_bus_peer_t      peer[LV_BUS_PEERS];
    /* under the lock of all rooms: */
    uint64_t           command_first, command_next;
    lv_bus_command_t   command[LV_BUS_COMMANDS];
    uint64_t           once_next;
    uint64_t           once[LV_BUS_ONCE];
};

struct lv_rooms_s {
    pthread_mutex_t   lock;
    uint32_t          room_free;
    uint32_t          rooms_used;
    uint32_t          block_free;
    _Atomic uint32_t  blocks_free;       /* how many */
    _Atomic uint32_t  saving;
    _Atomic uint64_t  last_id;
    _Atomic uint32_t  number;            /* 1 + the node's in ids; 0: of the
                                            secret */
    _Atomic uint64_t  entries;
    _Atomic uint64_t  refused;
    _Atomic uint64_t  repairs;
    _Atomic uint64_t  unsaved[LV_STREAM_WORDS];   /* by room index */
    _Atomic uint64_t  unsent[LV_STREAM_WORDS];
    _Atomic uint64_t  reacted[LV_STREAM_WORDS];
};

static inline lv_room_t *
lv_room_place(lv_store_t *st, uint32_t index)
{
    return &st->room[index];
}

static inline lv_room_block_t *
lv_room_block(lv_store_t *st, uint32_t b)
{
    return (lv_room_block_t *) (st->room_blocks + (size_t) b * LV_ROOM_BLOCK);
}

static inline bool
lv_room_block_of(lv_store_t *st, uint32_t b, uint32_t room)
{
    return b != 0 && b <= st->rgeo.blocks
           && lv_get(&lv_room_block(st, b)->room) == room;
}

/* Both locks. LV_DECLINED: the room is another one. */
int lv_room_lock(lv_store_t *st, lv_room_t *room, uint32_t gen);
void lv_room_unlock(lv_store_t *st, lv_room_t *room);
int lv_rooms_lock(lv_store_t *st);
void lv_rooms_unlock(lv_store_t *st);

/* With the room's lock held. 0: there is none. */
uint32_t lv_room_take(lv_store_t *st, lv_room_t *room);
void lv_room_give(lv_store_t *st, uint32_t block);
void lv_room_give_chain(lv_store_t *st, uint32_t room, uint32_t block);
/* Drops saved blocks from the log's head until `keep` are left. */
void lv_room_trim(lv_store_t *st, lv_room_t *room, uint32_t keep);
/* Without any lock: makes all rooms keep the least. */
void lv_rooms_squeeze(lv_store_t *st);
void lv_room_repair(lv_store_t *st, lv_room_t *room);
void lv_room_drop_all(lv_store_t *st, lv_room_t *room);
/* With the lock of all rooms held: what is known of a writer, or the place of
 * the one who wrote longest ago, emptied. */
lv_room_writer_t *lv_room_writer(lv_store_t *st, uint64_t key);
/* Without any lock: what a dead slot had. */
void lv_room_slot_exit(lv_store_t *st, lv_room_t *room, unsigned slot);
/* With the lock held: who has seats, after a repair. */
void lv_room_recount(lv_store_t *st, lv_room_t *room);
/* Of an entry of the log, with the lock held. */
void lv_room_record_erase(lv_room_record_t *rec, lv_str_t user);
/* The reaction of that name, made if there is none; LV_ROOM_REACTIONS: there
 * are too many. */
uint32_t lv_room_reaction_at(lv_room_t *room, lv_str_t name);
/* Something is to be sent. */
void lv_bus_ring(lv_store_t *st);

#endif

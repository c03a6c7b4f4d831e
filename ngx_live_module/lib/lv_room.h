/*
 * Rooms: the chat's part of the store (lv_store.h), so that it outlives
 * workers, reloads and upgrades.
 *
 *   room     one a stream, by its id, whether the stream is live or not. Its
 *            robust mutex guards all that is in it; who dies with it held
 *            leaves nothing that the next one does not put right.
 *   entry    what happened in the room, numbered by `offset` from 1 without a
 *            gap. Order of offsets is the order for everybody.
 *   log      the entries that are kept. It is read by members who come (back)
 *            and by whoever sends it to the control plane: two cursors. Entries
 *            that are not saved are never dropped: beyond the memory of all
 *            rooms (live_chat_buffer) writers are refused.
 *   epoch    of a room: when it was made, Unix ms. Another epoch, other
 *            offsets: what a member had is lost.
 *   settings blobs of text by kind, each with a version; what they mean is not
 *            known here.
 *   bans     hashes of accounts, addresses and devices, each until a time.
 *
 * Slots that have members watch the room: an append rings their doorbells.
 *
 * Every function may be called by any process that has attached the store;
 * lv_room_join(), lv_room_leave() and lv_room_dirty() need a slot. A
 * lv_room_t * is good for ever, what room it is may change: `gen` tells.
 * Functions that take it answer LV_DECLINED when the room is gone; LV_ERROR
 * when its memory is not usable (never, unless the system's mutexes fail).
 * Times are Unix milliseconds.
 */

#ifndef LV_ROOM_H
#define LV_ROOM_H

#include "lv_store.h"

/* Bytes of an entry's texts. */
#define LV_ROOM_USER_MAX    64
#define LV_ROOM_NAME_MAX    128
#define LV_ROOM_TEXT_MAX    4096
/* An entry as lv_room_read() writes it, at most. */
#define LV_ROOM_ENTRY_MAX   (160 + LV_ROOM_USER_MAX + LV_ROOM_NAME_MAX        \
                             + LV_ROOM_TEXT_MAX)

/* Ids are (ms since this << 20 | count and node), increasing, never twice. */
#define LV_ROOM_TIME_BASE   1577836800000ULL    /* 2020-01-01 */
#define LV_ROOM_ID_MS(id)   (((id) >> 20) + LV_ROOM_TIME_BASE)

#define LV_ROOM_BANS_MAX    10000
#define LV_ROOM_BLOB_MAX    (4u << 20)

typedef struct lv_room_s  lv_room_t;


/* ---- entries ------------------------------------------------------------ */

/* The names that the control plane knows them by: lv_room_kind_name(). */
typedef enum {
    LV_ROOM_MESSAGE = 1,         /* text, reply_to */
    LV_ROOM_QUESTION,            /* text */
    LV_ROOM_UPVOTE,              /* target */
    LV_ROOM_REACTION,            /* text, count: so many since the last one */
    LV_ROOM_LIKE,                /* count 1 or 0 */
    LV_ROOM_VOTE,                /* target: the poll, count: the choice */
    LV_ROOM_FLAG,                /* target, text: the reason */
    LV_ROOM_DELETE,              /* target */
    LV_ROOM_CLEAR,               /* subject: all of that user's */
    LV_ROOM_TIMEOUT,             /* subject, count: seconds, text: the reason */
    LV_ROOM_BAN,                 /* likewise; count 0: for good */
    LV_ROOM_UNBAN,               /* subject */
    LV_ROOM_PIN,                 /* target, 0: nothing is pinned */
    LV_ROOM_REVIEW,              /* target: a held message, count 1: goes out */
    LV_ROOM_POLL,                /* text: JSON; opened, changed, closed */
    LV_ROOM_EVENT,               /* text: JSON; gift, raid, system */
    LV_ROOM_SETTINGS,            /* text: JSON of what members are to know */
    LV_ROOM_KINDS
} lv_room_kind_e;

enum {
    LV_ROOM_OK = 0,
    LV_ROOM_HELD,                /* moderators see it, until it is reviewed */
    LV_ROOM_SHADOW               /* its author sees it, and moderators */
};

/* Higher may do what lower may. Moderators and above moderate. */
typedef enum {
    LV_ROLE_READER = 0,          /* without a name */
    LV_ROLE_VIEWER,
    LV_ROLE_FOLLOWER,
    LV_ROLE_SUBSCRIBER,
    LV_ROLE_VIP,
    LV_ROLE_MODERATOR,
    LV_ROLE_COHOST,
    LV_ROLE_OWNER,
    LV_ROLES
} lv_role_e;

#define LV_ROOM_DELETED     0x01     /* since: not for who comes later */
#define LV_ROOM_REMOTE      0x02     /* came from the control plane, which need
                                        not be told, or from the node that tells
                                        it */

/* An entry to be added, or one that was read. Texts are not terminated; one
 * that was read points into the reader's buffer. */
typedef struct {
    uint64_t        id;          /* 0: give it one */
    uint64_t        offset;      /* read only */
    uint64_t        time_ms;     /* 0: of the id */
    uint64_t        media_ms;    /* of the stream, 0: it has none */
    uint64_t        target;      /* another entry's id; of a message: what it
                                    replies to */
    uint64_t        author;      /* hash of who wrote it, 0: the system */
    uint32_t        count;
    lv_room_kind_e  kind;
    lv_role_e       role;        /* of who wrote it */
    uint8_t         status;      /* LV_ROOM_OK … */
    uint8_t         flags;
    uint8_t         origin;      /* 0: said on this node; see lv_room_bus.h */
    lv_str_t        user;        /* who: the account's id, or "" */
    lv_str_t        subject;     /* of an action: against whom, or "" */
    lv_str_t        name;
    lv_str_t        text;
} lv_room_entry_t;

const char *lv_room_kind_name(lv_room_kind_e kind);      /* "message" */
const char *lv_role_name(lv_role_e role);                /* "moderator" */
/* LV_ROLE_READER for a name that is none. */
lv_role_e lv_role_of(lv_str_t name);


/* ---- rooms -------------------------------------------------------------- */

/*
 * The room of that name; made if there is none. LV_ERROR: not an id. LV_AGAIN:
 * as many rooms as there can be are in use. *gen is what the others need.
 */
int lv_room_open(lv_store_t *st, const char *id, size_t len, uint64_t now_ms,
    lv_room_t **room, uint32_t *gen);
/* NULL: there is none. */
lv_room_t *lv_room_find(lv_store_t *st, const char *id, size_t len,
    uint32_t *gen);
/* Whose blobs and bans are for all rooms; it has no members and no log. */
lv_room_t *lv_room_global(lv_store_t *st, uint32_t *gen);

/* Indices are 1 … lv_room_count(). NULL: that place is free. */
uint32_t lv_room_count(lv_store_t *st);
lv_room_t *lv_room_at(lv_store_t *st, uint32_t index, uint32_t *gen);
uint32_t lv_room_index(lv_store_t *st, lv_room_t *room);
bool lv_room_alive(lv_room_t *room, uint32_t gen);

typedef struct {
    char      id[LV_STREAM_ID_MAX + 1];
    uint64_t  epoch;
    uint64_t  first;             /* the oldest offset that is kept */
    uint64_t  next;              /* the offset of the next entry */
    uint64_t  saved;             /* all before it are saved */
    uint32_t  members;           /* of all processes */
    uint32_t  bans;
    uint32_t  blocks;            /* of memory, lv_rooms_stat_t */
} lv_room_info_t;

int lv_room_info(lv_store_t *st, lv_room_t *room, uint32_t gen,
    lv_room_info_t *info);

typedef struct {
    uint32_t  rooms, rooms_used;
    uint32_t  blocks, blocks_free;
    uint32_t  block_size;
    uint64_t  entries;           /* ever added */
    uint64_t  refused;           /* for want of memory */
    uint64_t  unsaved;           /* entries */
    uint64_t  repairs;
    bool      saving;
} lv_rooms_stat_t;

void lv_rooms_stat(lv_store_t *st, lv_rooms_stat_t *stat);

/* Once a second: gives back rooms that nobody has used for an hour and memory
 * of the dead. */
void lv_rooms_reap(lv_store_t *st, uint64_t now_ms);

/* Compares everything with everything, for tests. */
int lv_rooms_check(lv_store_t *st, char *err, size_t errlen);


/* ---- members, doorbell -------------------------------------------------- */

/* One more, or one less, here. What a slot had is taken back by the janitor
 * when its process dies. Those of other nodes: lv_room_present(). */
int lv_room_join(lv_store_t *st, lv_room_t *room, uint32_t gen);
void lv_room_leave(lv_store_t *st, lv_room_t *room, uint32_t gen);
uint32_t lv_room_members(lv_store_t *st, lv_room_t *room);

/* Rings every slot that has members; an append does it by itself. */
void lv_room_notify(lv_store_t *st, lv_room_t *room);
/* Takes the rooms that rang here since the last call (bit index % 64 of word
 * index / 64). After lv_bell_take(). The number of words with bits. */
int lv_room_dirty(lv_store_t *st, uint64_t dirty[LV_STREAM_WORDS]);


/* ---- who is there -------------------------------------------------------- */

/* Of a room, with a name; beyond that they are counted alone. */
#define LV_ROOM_PRESENT_MAX  1000

/* Somebody with a name; texts are not terminated. */
typedef struct {
    uint64_t   author;           /* as in entries; not 0 */
    uint64_t   looks;            /* hash of what the name looks like */
    lv_role_e  role;
    uint8_t    user_len, name_len;
    uint8_t    user[LV_ROOM_USER_MAX];
    uint8_t    name[LV_ROOM_NAME_MAX];
} lv_room_person_t;

/* One more, or one less, connection of theirs here; the janitor takes back
 * what a dead slot had. Best effort: without memory they are not in the list.
 */
void lv_room_enter(lv_store_t *st, lv_room_t *room, uint32_t gen,
    const lv_room_person_t *person);
void lv_room_exit(lv_store_t *st, lv_room_t *room, uint32_t gen,
    uint64_t author);
/* Changes with the list. Without a lock. */
uint32_t lv_room_who_version(lv_room_t *room);
/* Each once, the highest roles first, up to `max` of them; how many there
 * are. With max 0 that is all, and costs nothing. */
size_t lv_room_who(lv_store_t *st, lv_room_t *room, uint32_t gen,
    lv_room_person_t *out, size_t max);
/* Whether somebody else is there whose name looks so, and this author is not
 * there already. */
bool lv_room_looks(lv_store_t *st, lv_room_t *room, uint32_t gen,
    uint64_t looks, uint64_t author);

/* A user is erased: entries of all rooms stay without name and words, and are
 * marked as deleted. The number of them. */
size_t lv_rooms_erase(lv_store_t *st, lv_str_t user);


/* ---- log ---------------------------------------------------------------- */

/*
 * Adds an entry; *e gets its id, offset and time. DELETE and CLEAR mark what
 * they are about as deleted; REVIEW with count 1 lets a held one out. LV_AGAIN:
 * no memory, all of it is waiting to be saved. LV_ERROR: a text is too long.
 */
int lv_room_append(lv_store_t *st, lv_room_t *room, uint32_t gen,
    uint64_t now_ms, lv_room_entry_t *e);

/*
 * Copies entries from offset *from on into buf, as many as are there and fit
 * (LV_ROOM_ENTRY_MAX bytes hold at least one), and moves *from behind them.
 * *len: bytes written. LV_DECLINED: *from is older than the log, or newer than
 * its end, or the room is gone.
 */
int lv_room_read(lv_store_t *st, lv_room_t *room, uint32_t gen,
    uint64_t *from, uint8_t *buf, size_t size, size_t *len);
/* Walks what lv_room_read() wrote, from *at = 0. False: no more. */
bool lv_room_entry_next(const uint8_t *buf, size_t len, size_t *at,
    lv_room_entry_t *e);

/* The offset of the next entry, without a lock: how far one is behind. */
uint64_t lv_room_next(lv_room_t *room);
/* The offset from which on `n` messages are in the log, or as many as are. */
int lv_room_last(lv_store_t *st, lv_room_t *room, uint32_t gen, uint32_t n,
    uint64_t *from);
/* One entry by its id, into buf (LV_ROOM_ENTRY_MAX bytes). LV_AGAIN: it is not
 * in the log (any more). */
int lv_room_entry(lv_store_t *st, lv_room_t *room, uint32_t gen, uint64_t id,
    uint8_t *buf, lv_room_entry_t *e);

/* What somebody was when he last wrote, as far as the log tells. */
lv_role_e lv_room_role(lv_store_t *st, lv_room_t *room, uint32_t gen,
    lv_str_t user);


/* ---- reactions ---------------------------------------------------------- */

#define LV_ROOM_REACTIONS     16         /* kinds at a time */
#define LV_ROOM_REACTION_MAX  32         /* bytes of one */

typedef struct {
    uint8_t   name[LV_ROOM_REACTION_MAX];
    uint32_t  len;
    uint64_t  total;             /* since it was first seen */
} lv_room_reaction_t;

/* Adds to one. LV_AGAIN: there are as many kinds as there can be. Rings no
 * bells: one lv_room_notify() after all of a tick. */
int lv_room_react(lv_store_t *st, lv_room_t *room, uint32_t gen,
    lv_str_t name, uint32_t n);
/* All of them, in a lasting order. */
size_t lv_room_reactions(lv_store_t *st, lv_room_t *room, uint32_t gen,
    lv_room_reaction_t out[LV_ROOM_REACTIONS]);


/* ---- saving: one process at a time (lv_lead_try()) ----------------------- */

/* Whether entries wait to be saved. False: they count as saved at once. */
void lv_rooms_saving(lv_store_t *st, bool on);
bool lv_rooms_saved(lv_store_t *st);

/* The next room, from index *cursor on and going round, that has entries to be
 * saved; NULL: there is none. Begin with *cursor = 0. *from: read from there.
 */
lv_room_t *lv_room_unsaved(lv_store_t *st, uint32_t *cursor, uint32_t *gen,
    uint64_t *from);
/* All entries before that offset are saved. Never goes back. */
void lv_room_saved(lv_store_t *st, lv_room_t *room, uint32_t gen,
    uint64_t before);


/* ---- blobs -------------------------------------------------------------- */

typedef enum {
    LV_ROOM_BLOB_SETTINGS = 0,   /* JSON object: slow_ms, mode, unique, … */
    LV_ROOM_BLOB_WORDS,          /* JSON list of {word, kind, action} */
    LV_ROOM_BLOB_PINNED,         /* the pinned message, as members get it */
    LV_ROOM_BLOBS
} lv_room_blob_e;

/* Replaces it (len 0: none). LV_AGAIN: no memory, LV_ERROR: too long; then the
 * old one stays. Every slot with members is rung. */
int lv_room_blob_put(lv_store_t *st, lv_room_t *room, uint32_t gen,
    lv_room_blob_e kind, const void *p, size_t len);
/* Changes with the blob; 0: it has never been set. Without a lock. */
uint32_t lv_room_blob_version(lv_room_t *room, lv_room_blob_e kind);
/* *len: its size; it is copied if that is at most `size`. */
int lv_room_blob_get(lv_store_t *st, lv_room_t *room, uint32_t gen,
    lv_room_blob_e kind, uint32_t *version, void *buf, size_t size,
    size_t *len);


/* ---- bans --------------------------------------------------------------- */

typedef enum {
    LV_BAN_USER = 1,
    LV_BAN_DEVICE,
    LV_BAN_ADDR                  /* 4 or 16 bytes, network order */
} lv_ban_kind_e;

enum {
    LV_BAN_NONE = 0,
    LV_BAN_TIMEOUT,              /* may read on */
    LV_BAN_SHADOW,               /* writes, and nobody sees it */
    LV_BAN_FULL
};

typedef struct {
    lv_ban_kind_e  kind;
    uint8_t        action;       /* LV_BAN_TIMEOUT …; NONE: lifts it */
    uint8_t        bits;         /* of an address: length of the prefix */
    uint64_t       until_ms;     /* 0: for good */
    lv_str_t       value;
} lv_ban_t;

/* Adds or replaces one. LV_AGAIN: as many as there can be. */
int lv_room_ban(lv_store_t *st, lv_room_t *room, uint32_t gen,
    const lv_ban_t *ban, uint64_t now_ms);
/* Replaces all. */
int lv_room_bans_put(lv_store_t *st, lv_room_t *room, uint32_t gen,
    const lv_ban_t *bans, size_t n, uint64_t now_ms);
/* A number that changes with the room's bans. Without a lock. */
uint32_t lv_room_bans_version(lv_room_t *room);
/* The heaviest of what applies to one of the three (len 0: not known), and how
 * long; LV_BAN_NONE: nothing does. */
int lv_room_banned(lv_store_t *st, lv_room_t *room, uint32_t gen,
    lv_str_t user, lv_str_t device, lv_str_t addr, uint64_t now_ms,
    uint64_t *until_ms);

/* A keyed hash; never 0. */
uint64_t lv_room_hash(lv_store_t *st, const void *p, size_t n, uint64_t seed);


/* Whether the room has its settings and bans since it was made, from whoever
 * decides them. Without a lock. */
void lv_room_settle(lv_store_t *st, lv_room_t *room, uint32_t gen);
bool lv_room_settled(lv_room_t *room);


/* ---- rates --------------------------------------------------------------- */

/* A bucket: so many thousandths of a message a second run out of it. */
typedef struct {
    uint32_t  rate;              /* 0: no limit */
    uint32_t  burst;             /* messages that it holds */
} lv_room_rate_t;

/* Puts one in: 0, or the ms until there is room for it. Of a room, and of an
 * address (IPv4; IPv6 by /64) in all rooms of the node. Bounded: addresses that
 * have not written for long are forgotten. */
uint64_t lv_room_rate(lv_store_t *st, lv_room_t *room, uint32_t gen,
    const lv_room_rate_t *rate, uint64_t now_ms);
uint64_t lv_room_addr_rate(lv_store_t *st, lv_str_t addr,
    const lv_room_rate_t *rate, uint64_t now_ms);


/* ---- who wrote last ------------------------------------------------------ */

/*
 * For slow mode and unique chat: notes that `author` writes a text of that
 * hash (0: none). Returns 0, or the ms to wait before the next one is allowed
 * (slow_ms); *same: the text is one of this author's in the last minute; then,
 * and if there is something to wait, nothing is noted. Bounded: the oldest
 * authors of the whole node are forgotten.
 */
uint64_t lv_room_writes(lv_store_t *st, lv_room_t *room, uint64_t author,
    uint64_t text, uint32_t slow_ms, uint64_t now_ms, bool *same);


#endif

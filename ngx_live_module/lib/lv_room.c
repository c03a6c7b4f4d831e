/* Rooms: layout, locks, repair, the directory. */

#include <errno.h>
#include <stdio.h>
#include "lv_room_int.h"
#include "lv_siphash.h"
#include "lv_stream_id.h"


/* ---- layout ------------------------------------------------------------- */

static uint64_t
place(uint64_t *at, uint64_t size)
{
    uint64_t  off;

    off = (*at + 63) / 64 * 64;
    *at = off + size;

    return off;
}


/* Where everything is in `size` bytes, and the bus behind them; less than the
 * least counts as that. */
uint64_t
lv_rooms_layout(lv_rooms_geometry_t *g, uint64_t size)
{
    uint64_t  at;

    memset(g, 0, sizeof(lv_rooms_geometry_t));

    size = size < LV_ROOMS_SIZE_MIN ? LV_ROOMS_SIZE_MIN : size;
    at = sizeof(struct lv_rooms_s);

    g->rooms = size / (2 * LV_ROOM_BLOCK) > LV_STREAMS_MAX - 2
               ? LV_STREAMS_MAX - 2
               : (uint32_t) (size / (2 * LV_ROOM_BLOCK));

    for (g->hash = 16; g->hash < g->rooms; g->hash *= 2) { /* void */ }

    g->writers = g->rooms * 2;

    g->room_off = place(&at, (g->rooms + 2ull) * sizeof(lv_room_t));
    g->hash_off = place(&at, g->hash * sizeof(uint32_t));
    g->writer_off = place(&at, (uint64_t) g->writers * LV_ROOM_WAYS
                               * sizeof(lv_room_writer_t));
    g->dirty_off = place(&at, LV_SLOTS * LV_STREAM_WORDS * sizeof(uint64_t));

    g->blocks = (uint32_t) ((size - at - 64) / LV_ROOM_BLOCK);
    g->block_off = place(&at, (uint64_t) g->blocks * LV_ROOM_BLOCK);
    g->bus_off = place(&at, sizeof(lv_bus_t));

    return at;
}


size_t
lv_rooms_abi(void)
{
    return sizeof(lv_room_t) * 65599 + sizeof(lv_room_writer_t) * 257
           + sizeof(lv_room_record_t) * 17 + sizeof(lv_room_seat_t);
}


void
lv_rooms_map(lv_store_t *st, uint8_t *base)
{
    lv_rooms_geometry_t  *g;

    g = &st->rgeo;

    st->rooms = (lv_rooms_t *) base;
    st->room = (lv_room_t *) (base + g->room_off);
    st->room_hash = (uint32_t *) (base + g->hash_off);
    st->room_writers = (lv_room_writer_t *) (base + g->writer_off);
    st->room_dirty = (_Atomic uint64_t *) (base + g->dirty_off);
    st->room_blocks = base + g->block_off - LV_ROOM_BLOCK;
    st->bus = (lv_bus_t *) (base + g->bus_off);
}


/* Hash, free rooms and free blocks, from what rooms and blocks say. */
static void
directory_rebuild(lv_store_t *st)
{
    uint32_t          i, *slot;
    lv_room_t        *room;
    lv_rooms_t       *rs;
    lv_room_block_t  *b;

    rs = st->rooms;
    rs->room_free = 0;
    rs->rooms_used = 0;
    rs->block_free = 0;
    lv_set(&rs->blocks_free, 0);
    memset(st->room_hash, 0, st->rgeo.hash * sizeof(uint32_t));

    for (i = st->rgeo.rooms; i > 0; i--) {
        room = lv_room_place(st, i);

        if (lv_get(&room->gen) % 2 == 0) {
            room->next_free = rs->room_free;
            rs->room_free = i;
            continue;
        }

        slot = &st->room_hash[lv_room_hash(st, room->id, room->id_len, 0)
                              % st->rgeo.hash];
        room->next_hash = *slot;
        *slot = i;
        rs->rooms_used++;
    }

    for (i = st->rgeo.blocks; i > 0; i--) {
        b = lv_room_block(st, i);

        if (lv_get(&b->room) == 0) {
            b->next = rs->block_free;
            rs->block_free = i;
            atomic_fetch_add(&rs->blocks_free, 1);
        }
    }
}


int
lv_rooms_format(lv_store_t *st)
{
    uint32_t     i;
    lv_rooms_t  *rs;

    rs = st->rooms;

    if (lv_robust_mutex(&rs->lock) != LV_OK) {
        return LV_ERROR;
    }

    for (i = 1; i <= st->rgeo.rooms + 1; i++) {
        if (lv_robust_mutex(&lv_room_place(st, i)->lock) != LV_OK) {
            return LV_ERROR;
        }
    }

    /* the global one */
    lv_set(&lv_room_place(st, st->rgeo.rooms + 1)->gen, 1);
    directory_rebuild(st);

    return LV_OK;
}


/* ---- locks -------------------------------------------------------------- */

int
lv_rooms_lock(lv_store_t *st)
{
    int  rc;

    rc = pthread_mutex_lock(&st->rooms->lock);

    if (rc == EOWNERDEAD) {
        directory_rebuild(st);
        atomic_fetch_add(&st->rooms->repairs, 1);
        rc = pthread_mutex_consistent(&st->rooms->lock);
    }

    return rc == 0 ? LV_OK : LV_ERROR;
}


void
lv_rooms_unlock(lv_store_t *st)
{
    LV_KILL_POINT("rooms-unlock");
    pthread_mutex_unlock(&st->rooms->lock);
}


int
lv_room_lock(lv_store_t *st, lv_room_t *room, uint32_t gen)
{
    int  rc;

    rc = pthread_mutex_lock(&room->lock);

    if (rc == EOWNERDEAD) {
        lv_room_repair(st, room);
        atomic_fetch_add(&st->rooms->repairs, 1);
        rc = pthread_mutex_consistent(&room->lock);
    }

    if (rc != 0) {
        return LV_ERROR;
    }

    if (!lv_room_alive(room, gen)) {
        pthread_mutex_unlock(&room->lock);
        return LV_DECLINED;
    }

    return LV_OK;
}


void
lv_room_unlock(lv_store_t *st, lv_room_t *room)
{
    LV_KILL_POINT("room-unlock");
    pthread_mutex_unlock(&room->lock);
}


/* ---- blocks ------------------------------------------------------------- */

uint32_t
lv_room_take(lv_store_t *st, lv_room_t *room)
{
    uint32_t          n;
    lv_rooms_t       *rs;
    lv_room_block_t  *b;

    rs = st->rooms;

    if (lv_rooms_lock(st) != LV_OK) {
        return 0;
    }

    n = rs->block_free;

    if (n != 0) {
        b = lv_room_block(st, n);
        lv_set(&b->used, 0);
        lv_set(&b->room, lv_room_index(st, room));
        LV_KILL_POINT("room-take");
        rs->block_free = b->next;
        atomic_fetch_sub(&rs->blocks_free, 1);
        b->next = 0;
        b->prev = 0;
        b->first = 0;
    }

    lv_rooms_unlock(st);

    return n;
}


void
lv_room_give(lv_store_t *st, uint32_t n)
{
    lv_rooms_t       *rs;
    lv_room_block_t  *b;

    rs = st->rooms;

    if (lv_rooms_lock(st) != LV_OK) {
        return;
    }

    b = lv_room_block(st, n);
    lv_set(&b->room, 0);
    LV_KILL_POINT("room-give");
    b->next = rs->block_free;
    rs->block_free = n;
    atomic_fetch_add(&rs->blocks_free, 1);

    lv_rooms_unlock(st);
}


void
lv_room_give_chain(lv_store_t *st, uint32_t room, uint32_t n)
{
    uint32_t  next;

    while (lv_room_block_of(st, n, room)) {
        next = lv_room_block(st, n)->next;
        lv_room_give(st, n);
        n = next;
    }
}


/* ---- repair ------------------------------------------------------------- */

static uint32_t
chain_mark(lv_store_t *st, uint32_t room, uint32_t n)
{
    uint32_t  count;

    for (count = 0; lv_room_block_of(st, n, room); count++) {

        if (lv_bit_get(st->mark_block, n)) {
            break;                       /* never: a loop */
        }

        lv_bit_set(st->mark_block, n);
        n = lv_room_block(st, n)->next;
    }

    return count;
}


/* What the log's other fields are follows from its blocks. A block at the end
 * without a record was taken by who died. */
static void
log_repair(lv_store_t *st, lv_room_t *room, uint32_t index)
{
    size_t             at;
    uint32_t           n, prev;
    lv_room_block_t   *b;
    lv_room_record_t  *rec;

    room->blocks = 0;
    room->tail = 0;
    prev = 0;

    for (n = room->head; lv_room_block_of(st, n, index); n = b->next) {
        b = lv_room_block(st, n);

        if (lv_get(&b->used) == 0) {
            break;
        }

        b->prev = prev;
        prev = n;
        room->tail = n;
        room->blocks++;

        for (at = 0; at < lv_get(&b->used); at += rec->size) {
            rec = (lv_room_record_t *) (void *) (b->data + at);
            room->next = rec->offset + 1;

            if (rec->origin != 0 && rec->origin <= LV_BUS_PEERS
                && room->heard[rec->origin - 1] < rec->id)
            {
                room->heard[rec->origin - 1] = rec->id;
            }
        }
    }

    if (room->tail == 0) {
        room->head = 0;

    } else {
        lv_room_block(st, room->tail)->next = 0;
    }

    if (room->saved > room->next) {
        room->saved = room->next;
    }

    if (room->saved < room->next) {
        atomic_fetch_or(&st->rooms->unsaved[index / 64],
                        (uint64_t) 1 << (index % 64));
    }

    if (room->sent > room->next) {
        room->sent = room->next;
    }

    if (lv_get(&st->bus->on) && room->sent < room->next) {
        atomic_fetch_or(&st->rooms->unsent[index / 64],
                        (uint64_t) 1 << (index % 64));
    }
}


void
lv_room_repair(lv_store_t *st, lv_room_t *room)
{
    uint32_t          i, n, index;
    lv_room_chain_t  *c;

    index = lv_room_index(st, room);
    memset(st->mark_block, 0, (st->rgeo.blocks / 64 + 1) * sizeof(uint64_t));

    if (lv_get(&room->gen) % 2 != 0) {
        log_repair(st, room, index);
        (void) chain_mark(st, index, room->head);

        /* a block of bans that was taken, but has none yet, is kept */
        n = chain_mark(st, index, room->ban_head);

        if (n == 0) {
            room->ban_head = 0;
        }

        if (chain_mark(st, index, room->seats) == 0) {
            room->seats = 0;
        }

        lv_room_recount(st, room);

        for (i = room->ban_head, room->ban_tail = 0; i != 0;
             i = lv_room_block(st, i)->next)
        {
            room->ban_tail = i;
        }

        if (room->bans > n * LV_ROOM_BLOCK_BANS) {
            room->bans = (uint32_t) (n * LV_ROOM_BLOCK_BANS);
        }

        for (i = 0; i < LV_ROOM_BLOBS; i++) {
            c = &room->blob[i];
            (void) chain_mark(st, index,
                              c->part[lv_get(&c->version) % 2].block);
        }
    }

    for (n = 1; n <= st->rgeo.blocks; n++) {
        if (lv_get(&lv_room_block(st, n)->room) == index
            && !lv_bit_get(st->mark_block, n))
        {
            lv_room_give(st, n);
        }
    }
}


/* ---- directory ---------------------------------------------------------- */

uint64_t
lv_room_hash(lv_store_t *st, const void *p, size_t n, uint64_t seed)
{
    size_t         i;
    uint8_t        key[16];
    uint64_t       h;

    memcpy(key, lv_store_secret(st), 16);

    for (i = 0; i < 8; i++) {
        key[8 + i] ^= (uint8_t) (seed >> (8 * i));
    }

    h = lv_siphash(key, p, n);

    return h ? h : 1;
}


uint32_t
lv_room_index(lv_store_t *st, lv_room_t *room)
{
    return (uint32_t) (room - st->room);
}


uint32_t
lv_room_count(lv_store_t *st)
{
    return st->rgeo.rooms;
}


bool
lv_room_alive(lv_room_t *room, uint32_t gen)
{
    return lv_get(&room->gen) == gen && gen % 2 != 0;
}


lv_room_t *
lv_room_at(lv_store_t *st, uint32_t index, uint32_t *gen)
{
    lv_room_t  *room;

    if (index == 0 || index > st->rgeo.rooms) {
        return NULL;
    }

    room = lv_room_place(st, index);
    *gen = lv_get(&room->gen);

    return *gen % 2 != 0 ? room : NULL;
}


lv_room_t *
lv_room_global(lv_store_t *st, uint32_t *gen)
{
    *gen = 1;

    return lv_room_place(st, st->rgeo.rooms + 1);
}


/* Under the directory's lock. */
static lv_room_t *
room_lookup(lv_store_t *st, const char *id, size_t len, uint32_t *slot)
{
    uint32_t    i, left;
    lv_room_t  *room;

    *slot = (uint32_t) (lv_room_hash(st, id, len, 0) % st->rgeo.hash);
    left = st->rgeo.rooms;

    for (i = st->room_hash[*slot]; i != 0 && left > 0; i = room->next_hash) {
        room = lv_room_place(st, i);
        left--;

        if (room->id_len == len && memcmp(room->id, id, len) == 0) {
            return room;
        }
    }

    return NULL;
}


lv_room_t *
lv_room_find(lv_store_t *st, const char *id, size_t len, uint32_t *gen)
{
    uint32_t    slot;
    lv_room_t  *room;

    if (lv_rooms_lock(st) != LV_OK) {
        return NULL;
    }

    room = room_lookup(st, id, len, &slot);
    *gen = room ? lv_get(&room->gen) : 0;
    lv_rooms_unlock(st);

    return room;
}


static void
room_fill(lv_room_t *room, const char *id, size_t len, uint64_t now_ms)
{
    unsigned  i;

    /* never the same twice, also if the clock stands */
    room->epoch = room->epoch >= now_ms ? room->epoch + 1 : now_ms;
    room->used_ms = now_ms;
    room->id_len = (uint32_t) len;
    memset(room->id, 0, sizeof(room->id));
    memcpy(room->id, id, len);

    room->next = 1;
    room->saved = 1;
    room->sent = 1;
    room->head = 0;
    room->tail = 0;
    room->blocks = 0;
    room->ban_head = 0;
    room->ban_tail = 0;
    room->bans = 0;
    room->reactions = 0;
    memset(room->reaction_out, 0, sizeof(room->reaction_out));
    memset(room->heard, 0, sizeof(room->heard));
    memset(room->away, 0, sizeof(room->away));
    lv_set(&room->away_sum, 0);
    memset(room->prefixes, 0, sizeof(room->prefixes));

    for (i = 0; i < LV_ROOM_BLOBS; i++) {
        lv_set(&room->blob[i].version, 0);
        memset(room->blob[i].part, 0, sizeof(room->blob[i].part));
    }

    lv_set(&room->bans_version, 0);
    room->seats = 0;
    room->people = 0;
    lv_set(&room->seats_version, 0);
    lv_set(&room->settled, 0);
    memset(&room->bucket, 0, sizeof(room->bucket));

    for (i = 0; i < LV_SLOT_WORDS; i++) {
        atomic_store(&room->interest[i], 0);
    }

    for (i = 0; i < LV_SLOTS; i++) {
        lv_set(&room->members[i], 0);
    }
}


int
lv_room_open(lv_store_t *st, const char *id, size_t len, uint64_t now_ms,
    lv_room_t **out, uint32_t *gen)
{
    int          rc;
    uint32_t     slot, i;
    lv_str_t     name;
    lv_room_t   *room;
    lv_rooms_t  *rs;

    rs = st->rooms;
    name.data = (const uint8_t *) id;
    name.len = len;

    if (!lv_stream_id_valid(name) || lv_rooms_lock(st) != LV_OK) {
        return LV_ERROR;
    }

    rc = LV_OK;
    room = room_lookup(st, id, len, &slot);

    if (room == NULL && rs->room_free == 0) {
        rc = LV_AGAIN;

    } else if (room == NULL) {
        i = rs->room_free;
        room = lv_room_place(st, i);
        room_fill(room, id, len, now_ms);
        LV_KILL_POINT("room-fill");
        rs->room_free = room->next_free;
        lv_set(&room->gen, lv_get(&room->gen) + 1);
        LV_KILL_POINT("room-gen");
        room->next_hash = st->room_hash[slot];
        st->room_hash[slot] = i;
        rs->rooms_used++;
    }

    if (rc == LV_OK) {
        __atomic_store_n(&room->used_ms, now_ms, __ATOMIC_RELAXED);
        *out = room;
        *gen = lv_get(&room->gen);
    }

    lv_rooms_unlock(st);

    return rc;
}


void
lv_room_drop_all(lv_store_t *st, lv_room_t *room)
{
    uint32_t          i, index;
    lv_room_chain_t  *c;

    index = lv_room_index(st, room);

    lv_room_give_chain(st, index, room->head);
    lv_room_give_chain(st, index, room->ban_head);
    lv_room_give_chain(st, index, room->seats);

    for (i = 0; i < LV_ROOM_BLOBS; i++) {
        c = &room->blob[i];
        lv_room_give_chain(st, index, c->part[lv_get(&c->version) % 2].block);
    }
}


/* Nobody is in it, nothing waits to be saved, nobody has set anything. */
static bool
room_idle(lv_store_t *st, lv_room_t *room, uint64_t now_ms)
{
    unsigned          i;
    lv_room_chain_t  *c;

    if (room->saved < room->next || room->bans > 0
        || lv_room_members(st, room) > 0
        || __atomic_load_n(&room->used_ms, __ATOMIC_RELAXED)
           + LV_ROOM_IDLE_MS > now_ms)
    {
        return false;
    }

    for (i = 0; i < LV_ROOM_BLOBS; i++) {
        c = &room->blob[i];

        if (c->part[lv_get(&c->version) % 2].len != 0) {
            return false;
        }
    }

    return true;
}


static void
room_unlink(lv_store_t *st, lv_room_t *room)
{
    uint32_t   *at, index;

    index = lv_room_index(st, room);
    at = &st->room_hash[lv_room_hash(st, room->id, room->id_len, 0)
                        % st->rgeo.hash];

    while (*at != 0 && *at != index) {
        at = &lv_room_place(st, *at)->next_hash;
    }

    if (*at == index) {
        *at = room->next_hash;
        st->rooms->rooms_used--;
        room->next_free = st->rooms->room_free;
        st->rooms->room_free = index;
    }
}


void
lv_rooms_reap(lv_store_t *st, uint64_t now_ms)
{
    bool        idle;
    uint32_t    i, gen;
    lv_room_t  *room;

    for (i = 1; i <= st->rgeo.rooms; i++) {
        room = lv_room_at(st, i, &gen);

        if (room == NULL
            || __atomic_load_n(&room->used_ms, __ATOMIC_RELAXED)
               + LV_ROOM_IDLE_MS > now_ms
            || lv_room_lock(st, room, gen) != LV_OK)
        {
            continue;
        }

        if (lv_rooms_lock(st) == LV_OK) {
            idle = room_idle(st, room, now_ms);

            if (idle) {
                lv_set(&room->gen, gen + 1);
                LV_KILL_POINT("room-gone");
                room_unlink(st, room);
            }

            lv_rooms_unlock(st);

            if (idle) {
                lv_room_drop_all(st, room);
            }
        }

        lv_room_unlock(st, room);
    }
}


int
lv_room_info(lv_store_t *st, lv_room_t *room, uint32_t gen,
    lv_room_info_t *info)
{
    int  rc;

    rc = lv_room_lock(st, room, gen);
    if (rc != LV_OK) {
        return rc;
    }

    memset(info, 0, sizeof(lv_room_info_t));
    memcpy(info->id, room->id, sizeof(info->id));
    info->epoch = room->epoch;
    info->next = room->next;
    info->first = room->head ? lv_room_block(st, room->head)->first
                             : room->next;
    info->saved = room->saved;
    info->bans = room->bans;
    info->blocks = room->blocks;
    info->members = lv_room_members(st, room);

    lv_room_unlock(st, room);

    return LV_OK;
}


void
lv_rooms_stat(lv_store_t *st, lv_rooms_stat_t *stat)
{
    uint32_t     i, gen;
    lv_room_t   *room;
    lv_rooms_t  *rs;

    rs = st->rooms;
    memset(stat, 0, sizeof(lv_rooms_stat_t));

    stat->rooms = st->rgeo.rooms;
    stat->rooms_used = rs->rooms_used;
    stat->blocks = st->rgeo.blocks;
    stat->blocks_free = lv_get(&rs->blocks_free);
    stat->block_size = LV_ROOM_BLOCK;
    stat->entries = lv_get(&rs->entries);
    stat->refused = lv_get(&rs->refused);
    stat->repairs = lv_get(&rs->repairs);
    stat->saving = lv_get(&rs->saving) != 0;

    for (i = 1; i <= st->rgeo.rooms; i++) {
        if ((lv_get(&rs->unsaved[i / 64]) >> (i % 64) & 1) == 0) {
            continue;
        }

        room = lv_room_at(st, i, &gen);

        if (room && lv_room_lock(st, room, gen) == LV_OK) {
            stat->unsaved += room->next - room->saved;
            lv_room_unlock(st, room);
        }
    }
}

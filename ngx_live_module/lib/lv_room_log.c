/* Rooms: the log, and what is saved of it. */

#include "lv_room_int.h"


static const char *const  kinds[LV_ROOM_KINDS] = {
    "", "message", "question", "upvote", "reaction", "like", "vote", "flag",
    "delete", "clear", "timeout", "ban", "unban", "pin", "review", "poll",
    "event", "settings"
};

static const char *const  roles[LV_ROLES] = {
    "reader", "viewer", "follower", "subscriber", "vip", "moderator",
    "co-host", "owner"
};


const char *
lv_room_kind_name(lv_room_kind_e kind)
{
    return kind < LV_ROOM_KINDS ? kinds[kind] : "";
}


const char *
lv_role_name(lv_role_e role)
{
    return role < LV_ROLES ? roles[role] : roles[0];
}


lv_role_e
lv_role_of(lv_str_t name)
{
    int  i;

    for (i = LV_ROLE_VIEWER; i < LV_ROLES; i++) {
        if (lv_str_eq(name, roles[i])) {
            return (lv_role_e) i;
        }
    }

    return LV_ROLE_READER;
}


/* ---- ids ---------------------------------------------------------------- */

/*
 * Milliseconds, a count of those that share one, and some bits of the store's
 * secret, so that two nodes do not make the same. When the clock is set back,
 * or a millisecond has more than the count holds, they go on from the last.
 */
static uint64_t
id_next(lv_store_t *st, uint64_t now_ms)
{
    uint64_t  last, next, step, node;

    step = (uint64_t) 1 << LV_ROOM_NODE_BITS;
    node = lv_rooms_number(st);
    now_ms = now_ms > LV_ROOM_TIME_BASE ? now_ms - LV_ROOM_TIME_BASE : 0;

    last = atomic_load(&st->rooms->last_id);

    do {
        next = now_ms << 20 | node;

        if (next <= last) {
            next = last + step;
        }

    } while (!atomic_compare_exchange_weak(&st->rooms->last_id, &last, next));

    return next;
}


/* ---- records ------------------------------------------------------------ */

static uint32_t
record_size(const lv_room_entry_t *e)
{
    return (uint32_t) ((sizeof(lv_room_record_t) + e->user.len
                        + e->subject.len + e->name.len + e->text.len + 7)
                       / 8 * 8);
}


static uint8_t *
put_text(uint8_t *p, lv_str_t text)
{
    if (text.len > 0) {
        memcpy(p, text.data, text.len);
    }

    return p + text.len;
}


static void
record_write(lv_room_record_t *rec, const lv_room_entry_t *e)
{
    uint8_t  *p;

    rec->size = (uint16_t) record_size(e);
    rec->kind = (uint8_t) e->kind;
    rec->status = e->status;
    rec->flags = e->flags;
    rec->role = (uint8_t) e->role;
    rec->user_len = (uint8_t) e->user.len;
    rec->subject_len = (uint8_t) e->subject.len;
    rec->id = e->id;
    rec->offset = e->offset;
    rec->time_ms = e->time_ms;
    rec->media_ms = e->media_ms;
    rec->target = e->target;
    rec->author = e->author;
    rec->count = e->count;
    rec->text_len = (uint16_t) e->text.len;
    rec->name_len = (uint8_t) e->name.len;
    rec->origin = e->origin;

    p = (uint8_t *) (rec + 1);
    p = put_text(p, e->user);
    p = put_text(p, e->subject);
    p = put_text(p, e->name);
    (void) put_text(p, e->text);
}


static void
record_read(const lv_room_record_t *rec, lv_room_entry_t *e)
{
    const uint8_t  *p;

    p = (const uint8_t *) (rec + 1);

    e->kind = (lv_room_kind_e) rec->kind;
    e->status = rec->status;
    e->flags = rec->flags;
    e->origin = rec->origin;
    e->role = (lv_role_e) rec->role;
    e->id = rec->id;
    e->offset = rec->offset;
    e->time_ms = rec->time_ms;
    e->media_ms = rec->media_ms;
    e->target = rec->target;
    e->author = rec->author;
    e->count = rec->count;

    e->user.data = p;
    e->user.len = rec->user_len;
    p += rec->user_len;
    e->subject.data = p;
    e->subject.len = rec->subject_len;
    p += rec->subject_len;
    e->name.data = p;
    e->name.len = rec->name_len;
    p += rec->name_len;
    e->text.data = p;
    e->text.len = rec->text_len;
}


/* What a user wrote has neither name nor words any more, what was done to him
 * no name and no reason. The record's place stays as large as it was. */
void
lv_room_record_erase(lv_room_record_t *rec, lv_str_t user)
{
    size_t    used;
    uint8_t  *p;

    p = (uint8_t *) (rec + 1);
    rec->text_len = 0;

    if (rec->user_len == user.len && memcmp(p, user.data, user.len) == 0) {
        rec->name_len = 0;
        rec->author = 0;
        rec->flags |= LV_ROOM_DELETED;
        memmove(p, p + rec->user_len, rec->subject_len);
        rec->user_len = 0;
    }

    if (rec->subject_len == user.len
        && memcmp(p + rec->user_len, user.data, user.len) == 0)
    {
        memmove(p + rec->user_len, p + rec->user_len + rec->subject_len,
                rec->name_len);
        rec->subject_len = 0;
    }

    used = (size_t) rec->user_len + rec->subject_len + rec->name_len;
    memset(p + used, 0, rec->size - sizeof(lv_room_record_t) - used);
}


static lv_room_record_t *
record_at(lv_room_block_t *b, size_t at)
{
    return (lv_room_record_t *) (void *) (b->data + at);
}


/* ---- the chain ---------------------------------------------------------- */

void
lv_room_trim(lv_store_t *st, lv_room_t *room, uint32_t keep)
{
    uint32_t          n;
    lv_room_block_t  *b, *next;

    while (room->blocks > keep && room->head != room->tail) {
        n = room->head;
        b = lv_room_block(st, n);
        next = lv_room_block(st, b->next);

        if (next->first > room->saved) {
            return;
        }

        room->head = b->next;
        LV_KILL_POINT("room-trim");
        next->prev = 0;
        room->blocks--;
        lv_room_give(st, n);
    }
}


static uint32_t
keep_blocks(lv_store_t *st)
{
    uint32_t  n;

    n = lv_get(&st->rooms->blocks_free);

    if (n < st->rgeo.blocks / 8) {
        return LV_ROOM_KEEP_LEAST;
    }

    return n / 8 > LV_ROOM_KEEP_MOST ? LV_ROOM_KEEP_MOST
           : n / 8 < LV_ROOM_KEEP ? LV_ROOM_KEEP : n / 8;
}


void
lv_rooms_squeeze(lv_store_t *st)
{
    uint32_t    i, gen;
    lv_room_t  *room;

    for (i = 1; i <= st->rgeo.rooms; i++) {
        room = lv_room_at(st, i, &gen);

        if (room && lv_room_lock(st, room, gen) == LV_OK) {
            lv_room_trim(st, room, 1);
            lv_room_unlock(st, room);
        }
    }
}


/* A block with room for `size` bytes at the log's end. */
static lv_room_block_t *
log_tail(lv_store_t *st, lv_room_t *room, uint32_t size)
{
    uint32_t          n;
    lv_room_block_t  *b;

    b = room->tail ? lv_room_block(st, room->tail) : NULL;

    if (b && lv_get(&b->used) + size <= LV_ROOM_DATA) {
        return b;
    }

    lv_room_trim(st, room, keep_blocks(st));

    n = lv_room_take(st, room);
    if (n == 0) {
        return NULL;
    }

    LV_KILL_POINT("room-tail");

    lv_room_block(st, n)->first = room->next;
    lv_room_block(st, n)->prev = room->tail;

    if (b) {
        b->next = n;

    } else {
        room->head = n;
    }

    LV_KILL_POINT("room-linked");
    room->tail = n;
    room->blocks++;

    return lv_room_block(st, n);
}


/* What members who come later are to see, or not to see. */
static void
log_mark(lv_store_t *st, lv_room_t *room, const lv_room_entry_t *e)
{
    size_t             at;
    uint32_t           n;
    lv_room_block_t   *b;
    lv_room_entry_t    old;
    lv_room_record_t  *rec;

    for (n = room->head; n != 0; n = b->next) {
        b = lv_room_block(st, n);

        for (at = 0; at < lv_get(&b->used); at += rec->size) {
            rec = record_at(b, at);

            if (rec->kind != LV_ROOM_MESSAGE && rec->kind != LV_ROOM_QUESTION) {
                continue;
            }

            record_read(rec, &old);

            if (e->kind == LV_ROOM_REVIEW) {
                if (rec->id == e->target && rec->status == LV_ROOM_HELD) {
                    rec->status = LV_ROOM_OK;
                }

            } else if (e->kind == LV_ROOM_DELETE
                ? rec->id == e->target
                : old.user.len == e->subject.len
                  && memcmp(old.user.data, e->subject.data, old.user.len) == 0)
            {
                rec->flags |= LV_ROOM_DELETED;
            }
        }
    }
}


static int
log_append(lv_store_t *st, lv_room_t *room, uint64_t now_ms,
    lv_room_entry_t *e)
{
    bool              kept, goes;
    uint32_t          size, index;
    lv_room_block_t  *b;

    size = record_size(e);
    b = log_tail(st, room, size);

    if (b == NULL) {
        return LV_AGAIN;
    }

    index = lv_room_index(st, room);
    kept = lv_get(&st->rooms->saving) != 0;
    goes = lv_get(&st->bus->on) != 0 && lv_bus_carries(e);

    e->id = e->id ? e->id : id_next(st, now_ms);
    e->offset = room->next;
    e->time_ms = e->time_ms ? e->time_ms : LV_ROOM_ID_MS(e->id);

    record_write(record_at(b, lv_get(&b->used)), e);
    LV_KILL_POINT("room-record");

    if (kept) {
        atomic_fetch_or(&st->rooms->unsaved[index / 64],
                        (uint64_t) 1 << (index % 64));
    }

    if (goes) {
        atomic_fetch_or(&st->rooms->unsent[index / 64],
                        (uint64_t) 1 << (index % 64));
    }

    lv_set(&b->used, lv_get(&b->used) + size);
    LV_KILL_POINT("room-used");
    __atomic_store_n(&room->next, e->offset + 1, __ATOMIC_RELAXED);

    if (e->origin != 0) {
        room->heard[e->origin - 1] = e->id;
    }

    if (!goes && room->sent == e->offset) {
        room->sent = room->next;
    }

    if (!kept && room->saved == e->offset) {
        room->saved = room->next;
    }

    if ((e->kind == LV_ROOM_DELETE && e->target != 0)
        || (e->kind == LV_ROOM_CLEAR && e->subject.len > 0)
        || (e->kind == LV_ROOM_REVIEW && e->count == 1))
    {
        log_mark(st, room, e);
    }

    __atomic_store_n(&room->used_ms, now_ms, __ATOMIC_RELAXED);
    atomic_fetch_add(&st->rooms->entries, 1);

    return LV_OK;
}


int
lv_room_append(lv_store_t *st, lv_room_t *room, uint32_t gen, uint64_t now_ms,
    lv_room_entry_t *e)
{
    int       rc;
    unsigned  tries;

    if (e->user.len > LV_ROOM_USER_MAX || e->subject.len > LV_ROOM_USER_MAX
        || e->name.len > LV_ROOM_NAME_MAX || e->text.len > LV_ROOM_TEXT_MAX
        || e->origin > LV_BUS_PEERS || (e->origin != 0 && e->id == 0)
        || lv_room_index(st, room) > st->rgeo.rooms)
    {
        return LV_ERROR;
    }

    for (tries = 0; /* void */; tries++) {
        rc = lv_room_lock(st, room, gen);
        if (rc != LV_OK) {
            return rc;
        }

        if (e->origin != 0 && e->id <= room->heard[e->origin - 1]) {
            lv_room_unlock(st, room);
            e->offset = 0;
            return LV_OK;
        }

        rc = log_append(st, room, now_ms, e);
        lv_room_unlock(st, room);

        if (rc != LV_AGAIN || tries == 1) {
            break;
        }

        lv_rooms_squeeze(st);
    }

    if (rc == LV_OK) {
        lv_room_notify(st, room);

        if (lv_bus_carries(e)) {
            lv_bus_ring(st);
        }

    } else {
        atomic_fetch_add(&st->rooms->refused, 1);
    }

    return rc;
}


/* ---- reading ------------------------------------------------------------ */

/* The block that holds that offset; who reads is near one of the ends. */
static uint32_t
log_find(lv_store_t *st, lv_room_t *room, uint64_t offset)
{
    uint32_t          n;
    lv_room_block_t  *b;

    if (room->head == 0 || offset < lv_room_block(st, room->head)->first
        || offset >= room->next)
    {
        return 0;
    }

    b = lv_room_block(st, room->head);

    if (offset - b->first < room->next - offset) {
        n = room->head;

        while (b->next != 0 && lv_room_block(st, b->next)->first <= offset) {
            n = b->next;
            b = lv_room_block(st, n);
        }

        return n;
    }

    for (n = room->tail; lv_room_block(st, n)->first > offset;
         n = lv_room_block(st, n)->prev)
    {
        /* void */
    }

    return n;
}


static size_t
log_copy(lv_store_t *st, lv_room_t *room, uint64_t *from, uint8_t *buf,
    size_t size)
{
    size_t             len, at;
    uint32_t           n;
    lv_room_block_t   *b;
    lv_room_record_t  *rec;

    len = 0;

    for (n = log_find(st, room, *from); n != 0; n = b->next) {
        b = lv_room_block(st, n);

        for (at = 0; at < lv_get(&b->used); at += rec->size) {
            rec = record_at(b, at);

            if (rec->offset < *from) {
                continue;
            }

            if (len + rec->size > size) {
                return len;
            }

            memcpy(buf + len, rec, rec->size);
            len += rec->size;
            *from = rec->offset + 1;
        }
    }

    return len;
}


int
lv_room_read(lv_store_t *st, lv_room_t *room, uint32_t gen, uint64_t *from,
    uint8_t *buf, size_t size, size_t *len)
{
    int       rc;
    uint64_t  first;

    *len = 0;

    rc = lv_room_lock(st, room, gen);
    if (rc != LV_OK) {
        return rc;
    }

    first = room->head ? lv_room_block(st, room->head)->first : room->next;

    if (*from < first || *from > room->next) {
        rc = LV_DECLINED;

    } else {
        *len = log_copy(st, room, from, buf, size);
    }

    lv_room_unlock(st, room);

    return rc;
}


bool
lv_room_entry_next(const uint8_t *buf, size_t len, size_t *at,
    lv_room_entry_t *e)
{
    const lv_room_record_t  *rec;

    if (*at >= len) {
        return false;
    }

    rec = (const lv_room_record_t *) (const void *) (buf + *at);
    record_read(rec, e);
    *at += rec->size;

    return true;
}


uint64_t
lv_room_next(lv_room_t *room)
{
    return __atomic_load_n(&room->next, __ATOMIC_RELAXED);
}


int
lv_room_last(lv_store_t *st, lv_room_t *room, uint32_t gen, uint32_t n,
    uint64_t *from)
{
    int                rc;
    size_t             at;
    uint32_t           block, found, here;
    lv_room_block_t   *b;
    lv_room_record_t  *rec;

    rc = lv_room_lock(st, room, gen);
    if (rc != LV_OK) {
        return rc;
    }

    *from = room->next;
    found = 0;

    for (block = room->tail; block != 0 && found < n; block = b->prev) {
        b = lv_room_block(st, block);
        here = 0;

        for (at = 0; at < lv_get(&b->used); at += rec->size) {
            rec = record_at(b, at);
            here += rec->kind == LV_ROOM_MESSAGE;
        }

        /* what is too much of the first block is left out */

        for (at = 0; at < lv_get(&b->used); at += rec->size) {
            rec = record_at(b, at);

            if (found + here <= n) {
                *from = rec->offset;
                break;
            }

            here -= rec->kind == LV_ROOM_MESSAGE;
        }

        found += here;
    }

    lv_room_unlock(st, room);

    return LV_OK;
}


int
lv_room_entry(lv_store_t *st, lv_room_t *room, uint32_t gen, uint64_t id,
    uint8_t *buf, lv_room_entry_t *e)
{
    int                rc;
    size_t             at;
    uint32_t           n;
    lv_room_block_t   *b;
    lv_room_record_t  *rec;

    rc = lv_room_lock(st, room, gen);
    if (rc != LV_OK) {
        return rc;
    }

    rc = LV_AGAIN;

    for (n = room->tail; n != 0 && rc == LV_AGAIN; n = b->prev) {
        b = lv_room_block(st, n);

        for (at = 0; at < lv_get(&b->used); at += rec->size) {
            rec = record_at(b, at);

            if (rec->id == id) {
                memcpy(buf, rec, rec->size);
                record_read((lv_room_record_t *) (void *) buf, e);
                rc = LV_OK;
                break;
            }
        }
    }

    lv_room_unlock(st, room);

    return rc;
}


lv_role_e
lv_room_role(lv_store_t *st, lv_room_t *room, uint32_t gen, lv_str_t user)
{
    size_t            at;
    uint32_t          n;
    lv_role_e         role;
    lv_room_block_t  *b;
    lv_room_entry_t   e;

    role = LV_ROLE_READER;

    if (user.len == 0 || lv_room_lock(st, room, gen) != LV_OK) {
        return role;
    }

    for (n = room->tail; n != 0 && role == LV_ROLE_READER; n = b->prev) {
        b = lv_room_block(st, n);

        for (at = 0; at < lv_get(&b->used); at += record_at(b, at)->size) {
            record_read(record_at(b, at), &e);

            if (e.user.len == user.len
                && memcmp(e.user.data, user.data, user.len) == 0)
            {
                role = e.role;
            }
        }
    }

    lv_room_unlock(st, room);

    return role;
}


/* ---- saving ------------------------------------------------------------- */

void
lv_rooms_saving(lv_store_t *st, bool on)
{
    uint32_t    i, gen;
    lv_room_t  *room;

    if (on == (atomic_exchange(&st->rooms->saving, on ? 1 : 0) != 0) || on) {
        return;
    }

    /* nobody will ask for what there is */

    for (i = 1; i <= st->rgeo.rooms; i++) {
        room = lv_room_at(st, i, &gen);

        if (room) {
            lv_room_saved(st, room, gen, UINT64_MAX);
        }
    }
}


bool
lv_rooms_saved(lv_store_t *st)
{
    return lv_get(&st->rooms->saving) != 0;
}


lv_room_t *
lv_room_unsaved(lv_store_t *st, uint32_t *cursor, uint32_t *gen,
    uint64_t *from)
{
    uint32_t    i, n;
    lv_room_t  *room, *found;

    for (n = 0; n < st->rgeo.rooms; n++) {
        i = *cursor % st->rgeo.rooms + 1;
        *cursor = i;

        if ((lv_get(&st->rooms->unsaved[i / 64]) >> (i % 64) & 1) == 0) {
            continue;
        }

        room = lv_room_at(st, i, gen);

        if (room == NULL || lv_room_lock(st, room, *gen) != LV_OK) {
            continue;
        }

        found = room->saved < room->next ? room : NULL;
        *from = room->saved;
        lv_room_unlock(st, room);

        if (found) {
            return found;
        }
    }

    return NULL;
}


void
lv_room_saved(lv_store_t *st, lv_room_t *room, uint32_t gen, uint64_t before)
{
    uint32_t  index;

    if (lv_room_lock(st, room, gen) != LV_OK) {
        return;
    }

    before = before < room->next ? before : room->next;

    if (before > room->saved) {
        room->saved = before;
    }

    if (room->saved == room->next) {
        index = lv_room_index(st, room);
        atomic_fetch_and(&st->rooms->unsaved[index / 64],
                         ~((uint64_t) 1 << (index % 64)));
    }

    lv_room_trim(st, room, keep_blocks(st));
    lv_room_unlock(st, room);
}

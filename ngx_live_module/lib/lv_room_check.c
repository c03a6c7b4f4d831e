/* Rooms: compares everything with everything. */

#include <stdarg.h>
#include <stdio.h>
#include "lv_room_int.h"


typedef struct {
    lv_store_t  *st;
    char        *err;
    size_t       len;
    bool         wrong;
} check_t;


__attribute__((format(printf, 2, 3))) static void
wrong(check_t *c, const char *fmt, ...)
{
    va_list  ap;

    if (!c->wrong) {
        va_start(ap, fmt);
        vsnprintf(c->err, c->len, fmt, ap);
        va_end(ap);
    }

    c->wrong = true;
}


/* Each block of a chain belongs to the room, and to no other chain. */
static uint32_t
check_chain(check_t *c, uint32_t room, uint32_t n, const char *what)
{
    uint32_t  count;

    for (count = 0; n != 0; count++) {

        if (!lv_room_block_of(c->st, n, room)) {
            wrong(c, "room %u: block %u of its %s is not its own", room, n,
                  what);
            break;
        }

        if (lv_bit_get(c->st->mark_block, n)) {
            wrong(c, "room %u: block %u of its %s is in two chains", room, n,
                  what);
            break;
        }

        lv_bit_set(c->st->mark_block, n);
        n = lv_room_block(c->st, n)->next;
    }

    return count;
}


static void
check_log(check_t *c, lv_room_t *room, uint32_t index)
{
    size_t             at;
    uint32_t           n, prev;
    uint64_t           offset, id;
    lv_room_block_t   *b;
    lv_room_record_t  *rec;

    prev = 0;
    id = 0;
    offset = room->head ? lv_room_block(c->st, room->head)->first
                        : room->next;

    for (n = room->head; n != 0 && !c->wrong; n = b->next) {
        b = lv_room_block(c->st, n);

        if (b->prev != prev || b->first != offset) {
            wrong(c, "room %u: block %u is linked wrongly", index, n);
        }

        for (at = 0; at < lv_get(&b->used); at += rec->size) {
            rec = (lv_room_record_t *) (void *) (b->data + at);

            if (rec->size == 0 || rec->offset != offset
                || (rec->origin == 0 && rec->id <= id)
                || (rec->origin != 0
                    && rec->id > room->heard[rec->origin - 1]))
            {
                wrong(c, "room %u: record %llu is wrong", index,
                      (unsigned long long) offset);
                return;
            }

            offset++;
            id = rec->origin == 0 ? rec->id : id;
        }

        prev = n;
    }

    if (offset != room->next || prev != room->tail
        || room->saved > room->next || room->sent > room->next)
    {
        wrong(c, "room %u: its log ends wrongly", index);
    }
}


static void
check_room(check_t *c, lv_room_t *room, uint32_t index)
{
    unsigned          i;
    uint32_t          n, gen;
    lv_room_chain_t  *blob;

    if (index <= c->st->rgeo.rooms
        && lv_room_find(c->st, room->id, room->id_len, &gen) != room)
    {
        wrong(c, "room %u is not found", index);
    }

    n = check_chain(c, index, room->head, "log");

    if (n != room->blocks) {
        wrong(c, "room %u: %u blocks, not %u", index, n, room->blocks);
    }

    check_log(c, room, index);

    (void) check_chain(c, index, room->seats, "seats");
    n = check_chain(c, index, room->ban_head, "bans");

    if (room->bans > n * LV_ROOM_BLOCK_BANS) {
        wrong(c, "room %u: too many bans", index);
    }

    for (i = 0; i < LV_ROOM_BLOBS; i++) {
        blob = &room->blob[i];
        n = lv_get(&blob->version) % 2;

        if (check_chain(c, index, blob->part[n].block, "blob")
            != (blob->part[n].len + LV_ROOM_DATA - 1) / LV_ROOM_DATA)
        {
            wrong(c, "room %u: blob %u has another length", index, i);
        }
    }
}


static void
check_blocks(check_t *c)
{
    uint32_t     n, count;
    lv_store_t  *st;

    st = c->st;
    count = 0;

    for (n = st->rooms->block_free; n != 0 && count <= st->rgeo.blocks;
         n = lv_room_block(st, n)->next)
    {
        if (lv_get(&lv_room_block(st, n)->room) != 0) {
            wrong(c, "block %u is free and in use", n);
        }

        count++;
    }

    if (count != lv_get(&st->rooms->blocks_free)) {
        wrong(c, "%u free blocks, not %u", count,
              lv_get(&st->rooms->blocks_free));
    }

    for (n = 1; n <= st->rgeo.blocks; n++) {
        if (lv_get(&lv_room_block(st, n)->room) != 0) {
            count++;

            if (!lv_bit_get(st->mark_block, n)) {
                wrong(c, "block %u of room %u is in no chain", n,
                      lv_get(&lv_room_block(st, n)->room));
            }
        }
    }

    if (count != st->rgeo.blocks) {
        wrong(c, "%u blocks, not %u", count, st->rgeo.blocks);
    }
}


/* Nobody else may be at work. */
int
lv_rooms_check(lv_store_t *st, char *err, size_t errlen)
{
    check_t     c = { st, err, errlen, false };
    uint32_t    i, gen;
    lv_room_t  *room;

    /* who died with a lock held leaves what the next one puts right */

    for (i = 1; i <= st->rgeo.rooms + 1; i++) {
        room = lv_room_place(st, i);

        if (lv_room_lock(st, room, lv_get(&room->gen)) == LV_OK) {
            lv_room_unlock(st, room);
        }
    }

    if (lv_rooms_lock(st) != LV_OK) {
        return LV_ERROR;
    }

    lv_rooms_unlock(st);
    memset(st->mark_block, 0, (st->rgeo.blocks / 64 + 1) * sizeof(uint64_t));

    for (i = 1; i <= st->rgeo.rooms; i++) {
        room = lv_room_at(st, i, &gen);

        if (room) {
            check_room(&c, room, i);
        }
    }

    check_room(&c, lv_room_global(st, &gen), st->rgeo.rooms + 1);
    check_blocks(&c);

    return c.wrong ? LV_ERROR : LV_OK;
}

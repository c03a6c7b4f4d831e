/* Rooms: who is there, and who is not to be found there any more. */

#include "lv_room_int.h"


/* A quarter of the memory is for what is said, and for bans. */
#define SEATS_LEAVE  4


static lv_room_seat_t *
seat_at(lv_room_block_t *b, unsigned i)
{
    return (lv_room_seat_t *) (void *) b->data + i;
}


/* What a walk over all seats finds. */
typedef struct {
    lv_room_seat_t  *own;                /* of that author and slot */
    lv_room_seat_t  *free;
    unsigned         others;             /* of that author, of other slots */
    uint32_t         last;               /* block */
    uint32_t         blocks;
} seats_t;


static void
seats_walk(lv_store_t *st, lv_room_t *room, uint64_t author, seats_t *w)
{
    unsigned          i;
    uint32_t          n, index;
    lv_room_seat_t   *s;
    lv_room_block_t  *b;

    memset(w, 0, sizeof(*w));
    index = lv_room_index(st, room);

    for (n = room->seats; lv_room_block_of(st, n, index); n = b->next) {
        b = lv_room_block(st, n);
        w->last = n;
        w->blocks++;

        for (i = 0; i < LV_ROOM_BLOCK_SEATS; i++) {
            s = seat_at(b, i);

            if (s->author == 0) {
                w->free = w->free ? w->free : s;

            } else if (s->author == author && s->slot == st->slot) {
                w->own = s;

            } else {
                w->others += s->author == author;
            }
        }
    }
}


/* The first of a new block. */
static lv_room_seat_t *
seat_new(lv_store_t *st, lv_room_t *room, seats_t *w)
{
    uint32_t          n;
    lv_room_block_t  *b;

    if (w->blocks * LV_ROOM_BLOCK_SEATS >= LV_ROOM_PRESENT_MAX
        || lv_get(&st->rooms->blocks_free) < st->rgeo.blocks / SEATS_LEAVE)
    {
        return NULL;
    }

    n = lv_room_take(st, room);

    if (n == 0) {
        return NULL;
    }

    b = lv_room_block(st, n);
    memset(b->data, 0, LV_ROOM_DATA);
    LV_KILL_POINT("room-seats");

    if (w->last) {
        lv_room_block(st, w->last)->next = n;

    } else {
        room->seats = n;
    }

    return seat_at(b, 0);
}


static void
seats_changed(lv_room_t *room)
{
    lv_set(&room->seats_version, lv_get(&room->seats_version) + 1);
}


void
lv_room_enter(lv_store_t *st, lv_room_t *room, uint32_t gen,
    const lv_room_person_t *person)
{
    seats_t          w;
    lv_room_seat_t  *s;

    if (st->slot >= LV_SLOTS || person->author == 0
        || person->user_len > LV_ROOM_USER_MAX
        || person->name_len > LV_ROOM_NAME_MAX
        || lv_room_lock(st, room, gen) != LV_OK)
    {
        return;
    }

    seats_walk(st, room, person->author, &w);

    if (w.own) {
        w.own->count++;
        lv_room_unlock(st, room);
        return;
    }

    s = w.free ? w.free : seat_new(st, room, &w);

    if (s) {
        s->looks = person->looks;
        s->count = 1;
        s->slot = (uint16_t) st->slot;
        s->role = (uint8_t) person->role;
        s->user_len = person->user_len;
        s->name_len = person->name_len;
        memcpy(s->user, person->user, sizeof(s->user));
        memcpy(s->name, person->name, sizeof(s->name));
        LV_KILL_POINT("room-seat");
        s->author = person->author;
        LV_KILL_POINT("room-seated");
        room->people += w.others == 0;
        seats_changed(room);
    }

    lv_room_unlock(st, room);
}


void
lv_room_exit(lv_store_t *st, lv_room_t *room, uint32_t gen, uint64_t author)
{
    seats_t  w;

    if (st->slot >= LV_SLOTS || author == 0
        || lv_room_lock(st, room, gen) != LV_OK)
    {
        return;
    }

    seats_walk(st, room, author, &w);

    if (w.own && --w.own->count == 0) {
        w.own->author = 0;
        LV_KILL_POINT("room-left");
        room->people -= w.others == 0 && room->people > 0;
        seats_changed(room);
    }

    lv_room_unlock(st, room);
}


void
lv_room_slot_exit(lv_store_t *st, lv_room_t *room, unsigned slot)
{
    unsigned          i;
    uint32_t          n, gen, index;
    lv_room_seat_t   *s;
    lv_room_block_t  *b;

    gen = lv_get(&room->gen);
    index = lv_room_index(st, room);

    if (lv_room_lock(st, room, gen) != LV_OK) {
        return;
    }

    for (n = room->seats; lv_room_block_of(st, n, index); n = b->next) {
        b = lv_room_block(st, n);

        for (i = 0; i < LV_ROOM_BLOCK_SEATS; i++) {
            s = seat_at(b, i);

            if (s->slot == slot) {
                s->author = 0;
            }
        }
    }

    lv_room_recount(st, room);
    seats_changed(room);
    lv_room_unlock(st, room);
}


uint32_t
lv_room_who_version(lv_room_t *room)
{
    return lv_get(&room->seats_version);
}


/* Puts somebody into the list, in order of roles, unless it is there. Returns
 * how many are in it. */
static size_t
who_add(lv_room_person_t *out, size_t n, size_t max, const lv_room_seat_t *s)
{
    size_t             i, at;
    lv_room_person_t  *p;

    for (at = n; at > 0 && out[at - 1].role < (lv_role_e) s->role; at--) {
        /* void */
    }

    if (at == max) {
        return n;
    }

    i = n < max ? n : max - 1;

    if (i > at) {
        memmove(&out[at + 1], &out[at], (i - at) * sizeof(out[0]));
    }

    p = &out[at];
    p->author = s->author;
    p->looks = s->looks;
    p->role = (lv_role_e) s->role;
    p->user_len = s->user_len;
    p->name_len = s->name_len;
    memcpy(p->user, s->user, sizeof(p->user));
    memcpy(p->name, s->name, sizeof(p->name));

    return n < max ? n + 1 : max;
}


/* Whether a seat before this one is the same one's, of another slot. */
static bool
seat_again(lv_store_t *st, lv_room_t *room, const lv_room_seat_t *seat)
{
    unsigned          i;
    uint32_t          n, index;
    lv_room_seat_t   *s;
    lv_room_block_t  *b;

    index = lv_room_index(st, room);

    for (n = room->seats; lv_room_block_of(st, n, index); n = b->next) {
        b = lv_room_block(st, n);

        for (i = 0; i < LV_ROOM_BLOCK_SEATS; i++) {
            s = seat_at(b, i);

            if (s == seat) {
                return false;
            }

            if (s->author == seat->author) {
                return true;
            }
        }
    }

    return false;
}


void
lv_room_recount(lv_store_t *st, lv_room_t *room)
{
    unsigned          i;
    uint32_t          n, index;
    lv_room_seat_t   *s;
    lv_room_block_t  *b;

    room->people = 0;
    index = lv_room_index(st, room);

    for (n = room->seats; lv_room_block_of(st, n, index); n = b->next) {
        b = lv_room_block(st, n);

        for (i = 0; i < LV_ROOM_BLOCK_SEATS; i++) {
            s = seat_at(b, i);
            room->people += s->author != 0 && !seat_again(st, room, s);
        }
    }
}


size_t
lv_room_who(lv_store_t *st, lv_room_t *room, uint32_t gen,
    lv_room_person_t *out, size_t max)
{
    size_t            count, listed;
    unsigned          i;
    uint32_t          n, index;
    lv_room_seat_t   *s;
    lv_room_block_t  *b;

    if (lv_room_lock(st, room, gen) != LV_OK) {
        return 0;
    }

    count = room->people;
    listed = 0;
    index = lv_room_index(st, room);

    for (n = max ? room->seats : 0; lv_room_block_of(st, n, index);
         n = b->next)
    {
        b = lv_room_block(st, n);

        for (i = 0; i < LV_ROOM_BLOCK_SEATS; i++) {
            s = seat_at(b, i);

            /* to look for it again is only for those who will be listed */

            if (s->author != 0
                && (listed < max || out[max - 1].role < (lv_role_e) s->role)
                && !seat_again(st, room, s))
            {
                listed = who_add(out, listed, max, s);
            }
        }
    }

    lv_room_unlock(st, room);

    return count;
}


bool
lv_room_looks(lv_store_t *st, lv_room_t *room, uint32_t gen, uint64_t looks,
    uint64_t author)
{
    bool              found, own;
    unsigned          i;
    uint32_t          n, index;
    lv_room_seat_t   *s;
    lv_room_block_t  *b;

    if (lv_room_lock(st, room, gen) != LV_OK) {
        return false;
    }

    found = false;
    own = false;
    index = lv_room_index(st, room);

    for (n = room->seats; lv_room_block_of(st, n, index); n = b->next) {
        b = lv_room_block(st, n);

        for (i = 0; i < LV_ROOM_BLOCK_SEATS; i++) {
            s = seat_at(b, i);
            own |= s->author == author;
            found |= s->author != 0 && s->author != author
                     && s->looks == looks;
        }
    }

    lv_room_unlock(st, room);

    return found && !own;
}


/* ---- erased ------------------------------------------------------------- */

static size_t
erase_log(lv_store_t *st, lv_room_t *room, lv_str_t user)
{
    size_t             at, count;
    uint8_t           *text;
    uint32_t           n, index;
    lv_room_block_t   *b;
    lv_room_record_t  *rec;

    count = 0;
    index = lv_room_index(st, room);

    for (n = room->head; lv_room_block_of(st, n, index); n = b->next) {
        b = lv_room_block(st, n);

        for (at = 0; at < lv_get(&b->used); at += rec->size) {
            rec = (lv_room_record_t *) (void *) (b->data + at);
            text = (uint8_t *) (rec + 1);

            if ((rec->user_len == user.len
                 && memcmp(text, user.data, user.len) == 0)
                || (rec->subject_len == user.len
                    && memcmp(text + rec->user_len, user.data, user.len)
                       == 0))
            {
                lv_room_record_erase(rec, user);
                count++;
            }
        }
    }

    return count;
}


size_t
lv_rooms_erase(lv_store_t *st, lv_str_t user)
{
    size_t             count;
    unsigned           k;
    uint32_t           i, n, gen;
    lv_room_t         *room;
    lv_room_seat_t    *s;
    lv_room_block_t   *b;

    if (user.len == 0) {
        return 0;
    }

    count = 0;

    for (i = 1; i <= st->rgeo.rooms; i++) {
        room = lv_room_at(st, i, &gen);

        if (room == NULL || lv_room_lock(st, room, gen) != LV_OK) {
            continue;
        }

        count += erase_log(st, room, user);

        for (n = room->seats; lv_room_block_of(st, n, i); n = b->next) {
            b = lv_room_block(st, n);

            for (k = 0; k < LV_ROOM_BLOCK_SEATS; k++) {
                s = seat_at(b, k);

                if (s->author != 0 && s->user_len == user.len
                    && memcmp(s->user, user.data, user.len) == 0)
                {
                    s->author = 0;
                    seats_changed(room);
                }
            }
        }

        lv_room_recount(st, room);
        lv_room_unlock(st, room);
    }

    return count;
}


/* ---- settled ------------------------------------------------------------ */

void
lv_room_settle(lv_store_t *st, lv_room_t *room, uint32_t gen)
{
    if (lv_room_lock(st, room, gen) == LV_OK) {
        lv_set(&room->settled, 1);
        lv_room_unlock(st, room);
    }
}


bool
lv_room_settled(lv_room_t *room)
{
    return lv_get(&room->settled) != 0;
}

/* Rooms: blobs, bans, reactions, and who wrote last. */

#include "lv_room_int.h"


/* ---- blobs -------------------------------------------------------------- */

/* A chain of new blocks that holds the bytes; 0: no memory. */
static uint32_t
chain_write(lv_store_t *st, lv_room_t *room, const uint8_t *p, size_t len)
{
    size_t            part;
    uint32_t          n, first;
    lv_room_block_t  *b, *last;

    first = 0;
    last = NULL;

    while (len > 0) {
        n = lv_room_take(st, room);

        if (n == 0) {
            lv_room_give_chain(st, lv_room_index(st, room), first);
            return 0;
        }

        b = lv_room_block(st, n);
        part = len < LV_ROOM_DATA ? len : LV_ROOM_DATA;
        memcpy(b->data, p, part);
        lv_set(&b->used, (uint32_t) part);
        p += part;
        len -= part;

        if (last) {
            last->next = n;

        } else {
            first = n;
        }

        last = b;
    }

    return first;
}


int
lv_room_blob_put(lv_store_t *st, lv_room_t *room, uint32_t gen,
    lv_room_blob_e kind, const void *p, size_t len)
{
    int               rc;
    uint32_t          first, version, old;
    lv_room_chain_t  *c;

    if (kind >= LV_ROOM_BLOBS || len > LV_ROOM_BLOB_MAX) {
        return LV_ERROR;
    }

    rc = lv_room_lock(st, room, gen);
    if (rc != LV_OK) {
        return rc;
    }

    c = &room->blob[kind];
    version = lv_get(&c->version);
    old = c->part[version % 2].block;
    first = chain_write(st, room, p, len);

    if (first == 0 && len > 0) {
        lv_room_unlock(st, room);
        return LV_AGAIN;
    }

    LV_KILL_POINT("room-blob");
    c->part[(version + 1) % 2].block = first;
    c->part[(version + 1) % 2].len = (uint32_t) len;
    lv_set(&c->version, version + 1 ? version + 1 : 2);
    LV_KILL_POINT("room-blob-version");
    lv_room_give_chain(st, lv_room_index(st, room), old);

    lv_room_unlock(st, room);
    lv_room_notify(st, room);

    return LV_OK;
}


uint32_t
lv_room_blob_version(lv_room_t *room, lv_room_blob_e kind)
{
    return lv_get(&room->blob[kind].version);
}


int
lv_room_blob_get(lv_store_t *st, lv_room_t *room, uint32_t gen,
    lv_room_blob_e kind, uint32_t *version, void *buf, size_t size,
    size_t *len)
{
    int               rc;
    size_t            left, part;
    uint8_t          *p;
    uint32_t          n, index;
    lv_room_chain_t  *c;
    lv_room_block_t  *b;

    rc = lv_room_lock(st, room, gen);
    if (rc != LV_OK) {
        return rc;
    }

    index = lv_room_index(st, room);
    c = &room->blob[kind];
    *version = lv_get(&c->version);
    *len = c->part[*version % 2].len;

    if (*len <= size) {
        p = buf;
        left = *len;
        n = c->part[*version % 2].block;

        for ( /* void */ ; left > 0 && lv_room_block_of(st, n, index);
              n = b->next)
        {
            b = lv_room_block(st, n);
            part = left < LV_ROOM_DATA ? left : LV_ROOM_DATA;
            memcpy(p, b->data, part);
            p += part;
            left -= part;
        }
    }

    lv_room_unlock(st, room);

    return LV_OK;
}


/* ---- bans --------------------------------------------------------------- */

/* IPv4 addresses are not told apart from their form in IPv6. */
static lv_str_t
addr_plain(lv_str_t addr)
{
    static const uint8_t  mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                         0xff, 0xff };

    if (addr.len == 16 && memcmp(addr.data, mapped, 12) == 0) {
        addr.data += 12;
        addr.len = 4;
    }

    return addr;
}


static uint64_t
ban_hash(lv_store_t *st, lv_ban_kind_e kind, lv_str_t value, unsigned bits)
{
    uint8_t  addr[16];

    if (kind != LV_BAN_ADDR) {
        return lv_room_hash(st, value.data, value.len, (uint64_t) kind);
    }

    memset(addr, 0, sizeof(addr));
    memcpy(addr, value.data, bits / 8);

    if (bits % 8) {
        addr[bits / 8] = value.data[bits / 8] & (0xff00 >> (bits % 8) & 0xff);
    }

    return lv_room_hash(st, addr, value.len, (uint64_t) kind << 8 | bits);
}


/* The n-th record; under the lock. */
static lv_room_ban_t *
ban_at(lv_store_t *st, lv_room_t *room, uint32_t *block, uint32_t i)
{
    lv_room_block_t  *b;

    if (i == 0) {
        *block = room->ban_head;

    } else if (i % LV_ROOM_BLOCK_BANS == 0) {
        *block = lv_room_block(st, *block)->next;
    }

    b = lv_room_block(st, *block);

    return (lv_room_ban_t *) (void *) b->data + i % LV_ROOM_BLOCK_BANS;
}


/* The record of that hash, or one that is over. */
static lv_room_ban_t *
ban_find(lv_store_t *st, lv_room_t *room, uint64_t hash, uint64_t now_ms)
{
    uint32_t        i, block;
    lv_room_ban_t  *ban, *over;

    over = NULL;
    block = 0;

    for (i = 0; i < room->bans; i++) {
        ban = ban_at(st, room, &block, i);

        if (ban->hash == hash) {
            return ban;
        }

        if (ban->action == LV_BAN_NONE
            || (ban->until_ms != 0 && ban->until_ms <= now_ms))
        {
            over = ban;
        }
    }

    return over;
}


/* A new record behind the last, which counts once `bans` goes up. */
static lv_room_ban_t *
ban_new(lv_store_t *st, lv_room_t *room)
{
    uint32_t          n;
    lv_room_block_t  *b;

    if (room->bans == LV_ROOM_BANS_MAX) {
        return NULL;
    }

    if (room->bans % LV_ROOM_BLOCK_BANS == 0
        && (room->bans == 0 ? room->ban_head == 0
                            : lv_room_block(st, room->ban_tail)->next == 0))
    {
        n = lv_room_take(st, room);

        if (n == 0) {
            return NULL;
        }

        if (room->ban_head == 0) {
            room->ban_head = n;

        } else {
            lv_room_block(st, room->ban_tail)->next = n;
        }

        LV_KILL_POINT("room-ban-block");
        room->ban_tail = n;
    }

    /* a block may be there since who linked it died */
    b = lv_room_block(st, room->ban_tail);

    if (room->bans % LV_ROOM_BLOCK_BANS == 0 && b->next != 0) {
        room->ban_tail = b->next;
        b = lv_room_block(st, room->ban_tail);
    }

    return (lv_room_ban_t *) (void *) b->data
           + room->bans % LV_ROOM_BLOCK_BANS;
}


static int
ban_put(lv_store_t *st, lv_room_t *room, const lv_ban_t *ban, uint64_t now_ms)
{
    bool            fresh;
    unsigned        bit;
    lv_str_t        value;
    uint64_t        hash;
    lv_room_ban_t  *rec;

    value = ban->value;
    bit = ban->bits;

    if (ban->kind == LV_BAN_ADDR) {
        value = addr_plain(value);

        if (value.len != ban->value.len) {
            bit = bit >= 96 ? bit - 96 : 0;
        }

        if ((value.len != 4 && value.len != 16) || bit > value.len * 8) {
            return LV_ERROR;
        }
    }

    hash = ban_hash(st, ban->kind, value, bit);
    rec = ban_find(st, room, hash, now_ms);
    fresh = false;

    if (rec == NULL) {
        if (ban->action == LV_BAN_NONE) {
            return LV_OK;
        }

        rec = ban_new(st, room);
        fresh = true;

        if (rec == NULL) {
            return LV_AGAIN;
        }
    }

    if (!fresh && ban->action == LV_BAN_NONE && rec->hash != hash) {
        return LV_OK;                    /* was not banned */
    }

    if (ban->kind == LV_BAN_ADDR) {
        bit += value.len == 4 ? 0 : 33;
        room->prefixes[bit / 64] |= (uint64_t) 1 << (bit % 64);
    }

    rec->action = LV_BAN_NONE;
    rec->hash = hash;
    rec->until_ms = ban->until_ms;
    LV_KILL_POINT("room-ban");
    rec->action = ban->action;

    if (fresh) {
        room->bans++;
    }

    return LV_OK;
}


int
lv_room_ban(lv_store_t *st, lv_room_t *room, uint32_t gen, const lv_ban_t *ban,
    uint64_t now_ms)
{
    int  rc;

    rc = lv_room_lock(st, room, gen);
    if (rc != LV_OK) {
        return rc;
    }

    rc = ban_put(st, room, ban, now_ms);
    lv_set(&room->bans_version, lv_get(&room->bans_version) + 1);
    lv_room_unlock(st, room);

    return rc;
}


int
lv_room_bans_put(lv_store_t *st, lv_room_t *room, uint32_t gen,
    const lv_ban_t *bans, size_t n, uint64_t now_ms)
{
    int       rc, one;
    size_t    i;
    uint32_t  head;

    rc = lv_room_lock(st, room, gen);
    if (rc != LV_OK) {
        return rc;
    }

    head = room->ban_head;
    room->bans = 0;
    room->ban_head = 0;
    room->ban_tail = 0;
    memset(room->prefixes, 0, sizeof(room->prefixes));
    lv_room_give_chain(st, lv_room_index(st, room), head);

    for (i = 0; i < n; i++) {
        one = ban_put(st, room, &bans[i], now_ms);

        if (one != LV_OK) {
            rc = one;
        }
    }

    lv_set(&room->bans_version, lv_get(&room->bans_version) + 1);
    lv_room_unlock(st, room);

    return rc;
}


uint32_t
lv_room_bans_version(lv_room_t *room)
{
    return lv_get(&room->bans_version);
}


/* What somebody's hashes are: account, device, and each prefix in use. */
static unsigned
ban_hashes(lv_store_t *st, lv_room_t *room, lv_str_t user, lv_str_t device,
    lv_str_t addr, uint64_t out[LV_ROOM_BAN_HASHES])
{
    unsigned  n, bit, base;

    n = 0;

    if (user.len > 0) {
        out[n++] = ban_hash(st, LV_BAN_USER, user, 0);
    }

    if (device.len > 0) {
        out[n++] = ban_hash(st, LV_BAN_DEVICE, device, 0);
    }

    addr = addr_plain(addr);

    if (addr.len != 4 && addr.len != 16) {
        return n;
    }

    base = addr.len == 4 ? 0 : 33;

    for (bit = base; bit <= base + addr.len * 8; bit++) {
        if ((room->prefixes[bit / 64] >> (bit % 64) & 1)
            && n < LV_ROOM_BAN_HASHES)
        {
            out[n++] = ban_hash(st, LV_BAN_ADDR, addr, bit - base);
        }
    }

    return n;
}


int
lv_room_banned(lv_store_t *st, lv_room_t *room, uint32_t gen, lv_str_t user,
    lv_str_t device, lv_str_t addr, uint64_t now_ms, uint64_t *until_ms)
{
    int             action;
    unsigned        n, k;
    uint32_t        i, block;
    uint64_t        hash[LV_ROOM_BAN_HASHES];
    lv_room_ban_t  *ban;

    *until_ms = 0;

    if (lv_room_lock(st, room, gen) != LV_OK) {
        return LV_BAN_NONE;
    }

    action = LV_BAN_NONE;
    block = 0;
    n = room->bans ? ban_hashes(st, room, user, device, addr, hash) : 0;

    for (i = 0; n > 0 && i < room->bans; i++) {
        ban = ban_at(st, room, &block, i);

        if ((int) ban->action <= action
            || (ban->until_ms != 0 && ban->until_ms <= now_ms))
        {
            continue;
        }

        for (k = 0; k < n; k++) {
            if (ban->hash == hash[k]) {
                action = (int) ban->action;
                *until_ms = ban->until_ms;
            }
        }
    }

    lv_room_unlock(st, room);

    return action;
}


/* ---- reactions ---------------------------------------------------------- */

uint32_t
lv_room_reaction_at(lv_room_t *room, lv_str_t name)
{
    uint32_t             i;
    lv_room_reaction_t  *r;

    for (i = 0; i < room->reactions && i < LV_ROOM_REACTIONS; i++) {
        r = &room->reaction[i];

        if (r->len == name.len && memcmp(r->name, name.data, r->len) == 0) {
            return i;
        }
    }

    if (i < LV_ROOM_REACTIONS) {
        r = &room->reaction[i];
        memset(r->name, 0, sizeof(r->name));
        memcpy(r->name, name.data, name.len);
        r->len = (uint32_t) name.len;
        r->total = 0;
        room->reaction_out[i] = 0;
        LV_KILL_POINT("room-reaction");
        room->reactions++;
    }

    return i;
}


int
lv_room_react(lv_store_t *st, lv_room_t *room, uint32_t gen, lv_str_t name,
    uint32_t n)
{
    int       rc;
    uint32_t  i, index;

    if (name.len == 0 || name.len > LV_ROOM_REACTION_MAX) {
        return LV_ERROR;
    }

    rc = lv_room_lock(st, room, gen);
    if (rc != LV_OK) {
        return rc;
    }

    i = lv_room_reaction_at(room, name);

    if (i == LV_ROOM_REACTIONS) {
        rc = LV_AGAIN;

    } else {
        room->reaction[i].total += n;
        index = lv_room_index(st, room);

        if (lv_get(&st->bus->on)) {
            atomic_fetch_or(&st->rooms->reacted[index / 64],
                            (uint64_t) 1 << (index % 64));
        }
    }

    lv_room_unlock(st, room);

    return rc;
}


size_t
lv_room_reactions(lv_store_t *st, lv_room_t *room, uint32_t gen,
    lv_room_reaction_t out[LV_ROOM_REACTIONS])
{
    size_t  n;

    if (lv_room_lock(st, room, gen) != LV_OK) {
        return 0;
    }

    n = room->reactions < LV_ROOM_REACTIONS ? room->reactions
                                            : LV_ROOM_REACTIONS;
    memcpy(out, room->reaction, n * sizeof(lv_room_reaction_t));
    lv_room_unlock(st, room);

    return n;
}


/* ---- who wrote last ----------------------------------------------------- */

lv_room_writer_t *
lv_room_writer(lv_store_t *st, uint64_t key)
{
    unsigned           i;
    lv_room_writer_t  *w, *oldest;

    w = st->room_writers + key % st->rgeo.writers * LV_ROOM_WAYS;
    oldest = w;

    for (i = 0; i < LV_ROOM_WAYS; i++) {
        if (w[i].key == key) {
            return &w[i];
        }

        if (w[i].last_ms < oldest->last_ms) {
            oldest = &w[i];
        }
    }

    memset(oldest, 0, sizeof(lv_room_writer_t));
    oldest->key = key;

    return oldest;
}


uint64_t
lv_room_writes(lv_store_t *st, lv_room_t *room, uint64_t author, uint64_t text,
    uint32_t slow_ms, uint64_t now_ms, bool *same)
{
    unsigned           i;
    uint64_t           wait, key[2];
    lv_room_writer_t  *w;

    *same = false;
    key[0] = author;
    key[1] = lv_room_index(st, room);

    if (lv_rooms_lock(st) != LV_OK) {
        return 0;
    }

    w = lv_room_writer(st, lv_room_hash(st, key, sizeof(key), 0));
    wait = 0;

    if (w->last_ms != 0 && now_ms < w->last_ms + slow_ms) {
        wait = w->last_ms + slow_ms - now_ms;
        wait = wait < slow_ms ? wait : slow_ms;
    }

    for (i = 0; i < LV_ROOM_TEXTS && text != 0; i++) {
        *same |= w->text[i] == text && now_ms < w->last_ms + LV_ROOM_SAME_MS;
    }

    if (wait == 0 && !*same) {
        w->last_ms = now_ms;
        w->text[w->at++ % LV_ROOM_TEXTS] = text;
    }

    lv_rooms_unlock(st);

    return wait;
}

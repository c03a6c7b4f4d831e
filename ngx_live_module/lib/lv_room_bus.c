/* Rooms of several nodes: see lv_room_bus.h. */

#include "lv_room_int.h"


void
lv_bus_on(lv_store_t *st, bool on)
{
    uint32_t    i, gen;
    lv_bus_t   *bus;
    lv_room_t  *room;

    bus = st->bus;

    if (on == (atomic_exchange(&bus->on, on ? 1 : 0) != 0)) {
        return;
    }

    lv_set(&bus->up, 0);

    for (i = 1; i <= st->rgeo.rooms; i++) {
        room = lv_room_at(st, i, &gen);

        if (room) {
            lv_room_sent(st, room, gen, UINT64_MAX);
        }
    }
}


void
lv_bus_lead(lv_store_t *st)
{
    lv_set(&st->bus->slot, st->slot < LV_SLOTS ? st->slot + 1 : 0);
}


void
lv_bus_ring(lv_store_t *st)
{
    uint32_t  slot;

    slot = lv_get(&st->bus->slot);

    if (lv_get(&st->bus->on) && slot != 0 && slot <= LV_SLOTS) {
        lv_bell_slot(st, slot - 1);
    }
}


void
lv_bus_set_up(lv_store_t *st, bool up)
{
    lv_set(&st->bus->up, up ? 1 : 0);
}


void
lv_bus_set_lag(lv_store_t *st, uint64_t lag_ms)
{
    lv_set(&st->bus->lag_ms, lag_ms);
}


void
lv_bus_stat(lv_store_t *st, lv_bus_stat_t *stat)
{
    uint32_t    i, gen;
    lv_bus_t   *bus;
    lv_room_t  *room;

    bus = st->bus;
    memset(stat, 0, sizeof(lv_bus_stat_t));

    stat->on = lv_get(&bus->on) != 0;
    stat->up = stat->on && lv_get(&bus->up) != 0;
    stat->lag_ms = lv_get(&bus->lag_ms);

    if (!stat->on) {
        return;
    }

    for (i = 0; i < LV_BUS_PEERS; i++) {
        stat->peers += bus->peer[i].node[0] != '\0'
                       && bus->peer[i].seen_ms != 0;
    }

    for (i = 1; i <= st->rgeo.rooms; i++) {

        if ((lv_get(&st->rooms->unsent[i / 64]) >> (i % 64) & 1) == 0) {
            continue;
        }

        room = lv_room_at(st, i, &gen);

        if (room && lv_room_lock(st, room, gen) == LV_OK) {
            stat->unsent += room->next - room->sent;
            lv_room_unlock(st, room);
        }
    }

    stat->commands = bus->command_next - bus->command_first;
}


/* ---- out ---------------------------------------------------------------- */

uint64_t
lv_bus_seq_next(lv_store_t *st, unsigned shard)
{
    return atomic_fetch_add(&st->bus->shard[shard].seq, 1) + 1;
}


uint64_t
lv_bus_acked(lv_store_t *st, unsigned shard)
{
    return lv_get(&st->bus->shard[shard].acked);
}


void
lv_bus_ack(lv_store_t *st, unsigned shard, uint64_t seq)
{
    lv_set(&st->bus->shard[shard].acked, seq);
}


lv_room_t *
lv_room_unsent(lv_store_t *st, unsigned shard, uint32_t *cursor,
    uint32_t *gen, uint64_t *from)
{
    bool        found;
    uint32_t    i, n;
    lv_str_t    id;
    lv_room_t  *room;

    for (n = 0; n < st->rgeo.rooms; n++) {
        i = *cursor % st->rgeo.rooms + 1;
        *cursor = i;

        if ((lv_get(&st->rooms->unsent[i / 64]) >> (i % 64) & 1) == 0) {
            continue;
        }

        room = lv_room_at(st, i, gen);

        if (room == NULL || lv_room_lock(st, room, *gen) != LV_OK) {
            continue;
        }

        id.data = (const uint8_t *) room->id;
        id.len = room->id_len;
        found = room->sent < room->next
                && (shard == LV_BUS_SHARDS || lv_bus_shard(id) == shard);
        *from = room->sent;
        lv_room_unlock(st, room);

        if (found) {
            return room;
        }
    }

    return NULL;
}


void
lv_room_sent(lv_store_t *st, lv_room_t *room, uint32_t gen, uint64_t before)
{
    uint32_t  index;

    if (lv_room_lock(st, room, gen) != LV_OK) {
        return;
    }

    before = before < room->next ? before : room->next;

    if (before > room->sent) {
        room->sent = before;
    }

    if (room->sent == room->next) {
        index = lv_room_index(st, room);
        atomic_fetch_and(&st->rooms->unsent[index / 64],
                         ~((uint64_t) 1 << (index % 64)));
    }

    lv_room_unlock(st, room);
}


lv_room_t *
lv_room_reacted(lv_store_t *st, uint32_t *cursor, uint32_t *gen)
{
    uint64_t    bit;
    lv_room_t  *room;

    while (*cursor < st->rgeo.rooms) {
        *cursor += 1;
        bit = (uint64_t) 1 << (*cursor % 64);

        if ((lv_get(&st->rooms->reacted[*cursor / 64]) & bit) == 0) {
            continue;
        }

        room = lv_room_at(st, *cursor, gen);

        if (room) {
            return room;
        }

        atomic_fetch_and(&st->rooms->reacted[*cursor / 64], ~bit);
    }

    return NULL;
}


size_t
lv_room_reactions_out(lv_store_t *st, lv_room_t *room, uint32_t gen,
    lv_room_reaction_t out[LV_ROOM_REACTIONS])
{
    size_t    n;
    uint32_t  i, index;

    if (lv_room_lock(st, room, gen) != LV_OK) {
        return 0;
    }

    index = lv_room_index(st, room);
    atomic_fetch_and(&st->rooms->reacted[index / 64],
                     ~((uint64_t) 1 << (index % 64)));

    for (i = 0, n = 0; i < room->reactions && i < LV_ROOM_REACTIONS; i++) {

        if (room->reaction[i].total > room->reaction_out[i]) {
            out[n] = room->reaction[i];
            out[n].total -= room->reaction_out[i];
            room->reaction_out[i] = room->reaction[i].total;
            n++;
        }
    }

    lv_room_unlock(st, room);

    return n;
}


int
lv_bus_command_put(lv_store_t *st, lv_str_t text)
{
    int                rc;
    lv_bus_t          *bus;
    lv_bus_command_t  *c;

    bus = st->bus;

    if (text.len > LV_BUS_COMMAND_MAX) {
        return LV_ERROR;
    }

    if (!lv_get(&bus->on)) {
        return LV_OK;
    }

    if (lv_rooms_lock(st) != LV_OK) {
        return LV_ERROR;
    }

    rc = LV_AGAIN;

    if (bus->command_next - bus->command_first < LV_BUS_COMMANDS) {
        c = &bus->command[bus->command_next % LV_BUS_COMMANDS];
        memcpy(c->text, text.data, text.len);
        c->len = (uint32_t) text.len;
        bus->command_next++;
        rc = LV_OK;
    }

    lv_rooms_unlock(st);
    lv_bus_ring(st);

    return rc;
}


bool
lv_bus_command_get(lv_store_t *st, uint32_t n, uint8_t *buf, size_t *len)
{
    bool               found;
    lv_bus_t          *bus;
    lv_bus_command_t  *c;

    bus = st->bus;

    if (lv_rooms_lock(st) != LV_OK) {
        return false;
    }

    found = n < bus->command_next - bus->command_first
            && n < LV_BUS_COMMANDS;

    if (found) {
        c = &bus->command[(bus->command_first + n) % LV_BUS_COMMANDS];
        *len = c->len <= LV_BUS_COMMAND_MAX ? c->len : 0;
        memcpy(buf, c->text, *len);
    }

    lv_rooms_unlock(st);

    return found;
}


void
lv_bus_command_drop(lv_store_t *st, uint32_t n)
{
    lv_bus_t  *bus;

    bus = st->bus;

    if (lv_rooms_lock(st) == LV_OK) {
        bus->command_first += n;
        lv_rooms_unlock(st);
    }
}


bool
lv_bus_once(lv_store_t *st, lv_str_t name)
{
    bool       new;
    uint32_t   i;
    uint64_t   hash;
    lv_bus_t  *bus;

    bus = st->bus;
    hash = lv_room_hash(st, name.data, name.len, 3);

    if (lv_rooms_lock(st) != LV_OK) {
        return true;
    }

    for (i = 0; i < LV_BUS_ONCE && bus->once[i] != hash; i++) { /* void */ }

    new = i == LV_BUS_ONCE;

    if (new) {
        bus->once[bus->once_next % LV_BUS_ONCE] = hash;
        bus->once_next++;
    }

    lv_rooms_unlock(st);

    return new;
}


/* ---- in ----------------------------------------------------------------- */

lv_bus_position_t
lv_bus_position(lv_store_t *st, unsigned shard)
{
    lv_bus_shard_t  *s;

    s = &st->bus->shard[shard];

    return s->position[lv_get(&s->position_at) % 2];
}


void
lv_bus_position_set(lv_store_t *st, unsigned shard,
    lv_bus_position_t position)
{
    uint32_t         at;
    lv_bus_shard_t  *s;

    s = &st->bus->shard[shard];
    at = (lv_get(&s->position_at) + 1) % 2;
    s->position[at] = position;
    lv_set(&s->position_at, at);
}


/* What rooms have of a node is forgotten; in all of it, or its members. */
static void
peer_clear(lv_store_t *st, unsigned peer, bool all)
{
    uint32_t    i, gen;
    lv_room_t  *room;

    for (i = 1; i <= st->rgeo.rooms; i++) {
        room = lv_room_at(st, i, &gen);

        if (room == NULL || lv_room_lock(st, room, gen) != LV_OK) {
            continue;
        }

        lv_set(&room->away_sum,
               lv_get(&room->away_sum) - room->away[peer]);
        room->away[peer] = 0;

        if (all) {
            room->heard[peer] = 0;
        }

        lv_room_unlock(st, room);
    }
}


static void
peer_init(lv_store_t *st, unsigned peer, lv_str_t node, uint64_t born)
{
    unsigned        i;
    lv_bus_peer_t  *p;

    p = &st->bus->peer[peer];
    p->node[0] = '\0';
    peer_clear(st, peer, true);
    p->born = born;

    for (i = 0; i < LV_BUS_SHARDS; i++) {
        lv_set(&p->seq[i], 0);
    }

    memset(p->node + 1, 0, sizeof(p->node) - 1);
    memcpy(p->node + 1, node.data + 1, node.len - 1);
    __atomic_store_n(&p->node[0], (char) node.data[0], __ATOMIC_RELEASE);
}


int
lv_bus_peer(lv_store_t *st, lv_str_t node, uint64_t born, uint64_t now_ms,
    unsigned *peer)
{
    unsigned        i, place;
    lv_bus_peer_t  *p;

    if (node.len == 0 || node.len > LV_BUS_NODE_MAX) {
        return LV_AGAIN;
    }

    place = LV_BUS_PEERS;

    for (i = 0; i < LV_BUS_PEERS; i++) {
        p = &st->bus->peer[i];

        if (strlen(p->node) == node.len
            && memcmp(p->node, node.data, node.len) == 0)
        {
            break;
        }

        if (p->node[0] == '\0'
            || (p->seen_ms + LV_ROOM_IDLE_MS < now_ms
                && place == LV_BUS_PEERS))
        {
            place = i;
        }
    }

    if (i == LV_BUS_PEERS) {

        if (place == LV_BUS_PEERS) {
            return LV_AGAIN;
        }

        i = place;
        peer_init(st, i, node, born);
    }

    p = &st->bus->peer[i];

    if (born < p->born) {
        return LV_DECLINED;
    }

    if (born > p->born) {
        peer_init(st, i, node, born);
    }

    p->seen_ms = now_ms;
    *peer = i;

    return LV_OK;
}


uint32_t
lv_rooms_number(lv_store_t *st)
{
    uint32_t  n;

    n = lv_get(&st->rooms->number);

    return (n ? n - 1 : lv_be16(lv_store_secret(st) + 30))
           % (1u << LV_ROOM_NODE_BITS);
}


bool
lv_rooms_number_taken(lv_store_t *st, uint64_t id)
{
    uint32_t  n, step;

    step = 1u << LV_ROOM_NODE_BITS;
    n = lv_rooms_number(st);

    if (id % step != n) {
        return false;
    }

    n = (n + 1 + (uint32_t) (lv_room_hash(st, &id, sizeof(id), 4)
                             % (step - 1)))
        % step;
    lv_set(&st->rooms->number, n + 1);

    return true;
}


uint64_t
lv_bus_heard(lv_store_t *st, unsigned peer, unsigned shard)
{
    return lv_get(&st->bus->peer[peer].seq[shard]);
}


void
lv_bus_hear(lv_store_t *st, unsigned peer, unsigned shard, uint64_t seq)
{
    lv_set(&st->bus->peer[peer].seq[shard], seq);
}


void
lv_bus_silent(lv_store_t *st, uint64_t now_ms, uint64_t silent_ms)
{
    unsigned        i;
    lv_bus_peer_t  *p;

    for (i = 0; i < LV_BUS_PEERS; i++) {
        p = &st->bus->peer[i];

        if (p->node[0] != '\0' && p->seen_ms != 0
            && p->seen_ms + silent_ms < now_ms)
        {
            peer_clear(st, i, false);
            p->seen_ms = 0;
        }
    }
}


bool
lv_rooms_spare(lv_store_t *st)
{
    return st->rooms->rooms_used < st->rgeo.rooms - st->rgeo.rooms / 8;
}


void
lv_room_away(lv_store_t *st, lv_room_t *room, uint32_t gen, unsigned peer,
    uint32_t n)
{
    if (lv_room_lock(st, room, gen) != LV_OK) {
        return;
    }

    lv_set(&room->away_sum, lv_get(&room->away_sum) - room->away[peer] + n);
    room->away[peer] = n;
    lv_room_unlock(st, room);
}


uint32_t
lv_room_present(lv_store_t *st, lv_room_t *room)
{
    return lv_room_members(st, room) + lv_get(&room->away_sum);
}


int
lv_room_react_from(lv_store_t *st, lv_room_t *room, uint32_t gen,
    lv_str_t name, uint32_t n)
{
    int       rc;
    uint32_t  i;

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
        room->reaction_out[i] += n;
        room->reaction[i].total += n;
    }

    lv_room_unlock(st, room);

    return rc;
}

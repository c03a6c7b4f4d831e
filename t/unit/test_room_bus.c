/* What is kept of other nodes: cursors, peers, members, reactions, commands. */

#include <sys/mman.h>
#include "tap.h"

#include "lv_room_bus.h"

#define SIZE  (8u << 20)
#define NOW   1790000000000ULL


static unsigned  rung;


static void
ring(void *ctx, unsigned slot)
{
    (void) ctx;
    rung |= 1u << slot;
}


static lv_store_t *
store(void)
{
    void             *base;
    const char       *err;
    lv_store_t       *st;
    lv_store_conf_t   conf = { .owner = "x", .secret = { 7 }, .now_ms = NOW };

    base = mmap(NULL, SIZE, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS,
                -1, 0);

    if (lv_store_format(base, SIZE, &conf, &err) != LV_OK) {
        return NULL;
    }

    st = lv_store_attach(base, SIZE, "x", ring, NULL, &err);
    (void) lv_store_join(st, 1, 1, NOW, &err);

    return st;
}


static lv_str_t
str(const char *s)
{
    lv_str_t  t = { (const uint8_t *) s, strlen(s) };

    return t;
}


static int
say(lv_store_t *st, lv_room_t *room, uint32_t gen, unsigned origin,
    uint64_t id, uint8_t flags, lv_room_entry_t *e)
{
    memset(e, 0, sizeof(lv_room_entry_t));
    e->kind = LV_ROOM_MESSAGE;
    e->user = str("17");
    e->text = str("hi");
    e->origin = (uint8_t) origin;
    e->id = id;
    e->flags = flags;

    return lv_room_append(st, room, gen, NOW, e);
}


static void
test_out(lv_store_t *st)
{
    uint32_t          gen, cursor;
    uint64_t          from;
    lv_room_t        *room;
    lv_bus_stat_t     stat;
    lv_room_entry_t   e;

    (void) lv_room_open(st, "demo", 4, NOW, &room, &gen);
    cursor = 0;

    (void) say(st, room, gen, 0, 0, 0, &e);
    ok(lv_room_unsent(st, LV_BUS_SHARDS, &cursor, &gen, &from) == NULL,
       "without a bus nothing is to be sent");

    lv_bus_on(st, true);
    lv_bus_lead(st);
    rung = 0;
    (void) say(st, room, gen, 0, 0, LV_ROOM_REMOTE, &e);
    ok(lv_room_unsent(st, LV_BUS_SHARDS, &cursor, &gen, &from) == NULL
       && rung == 0, "nor is what was before, or what others know");

    (void) say(st, room, gen, 0, 0, 0, &e);
    ok(rung == 1, "what is said rings who leads");
    ok(lv_room_unsent(st, LV_BUS_SHARDS, &cursor, &gen, &from) == room
       && from == e.offset, "and is to be sent");
    ok(lv_room_unsent(st, (lv_bus_shard(str("demo")) + 1) % LV_BUS_SHARDS,
                      &cursor, &gen, &from) == NULL
       && lv_room_unsent(st, lv_bus_shard(str("demo")), &cursor, &gen, &from)
          == room, "in its shard");

    (void) say(st, room, gen, 0, 0, LV_ROOM_REMOTE, &e);
    lv_bus_stat(st, &stat);
    ok(stat.unsent == 2, "with what has come in between");
    lv_room_sent(st, room, gen, e.offset + 1);
    lv_room_sent(st, room, gen, 1);
    ok(lv_room_unsent(st, LV_BUS_SHARDS, &cursor, &gen, &from) == NULL,
       "once; sent never goes back");

    ok(lv_bus_seq_next(st, 3) == 1 && lv_bus_seq_next(st, 3) == 2
       && lv_bus_seq_next(st, 4) == 1, "batches are numbered");
    lv_bus_ack(st, 3, 2);
    ok(lv_bus_acked(st, 3) == 2 && lv_bus_acked(st, 4) == 0,
       "what has arrived is known");
}


static void
test_in(lv_store_t *st)
{
    unsigned            peer, other, i;
    uint32_t            gen;
    char                name[8];
    lv_room_t          *room;
    lv_bus_position_t   p = { 5, 6 };
    lv_room_entry_t     e;

    peer = other = 0;
    room = lv_room_find(st, "demo", 4, &gen);

    ok(lv_bus_peer(st, str("two"), 50, NOW, &peer) == LV_OK
       && lv_bus_peer(st, str("three"), 50, NOW, &other) == LV_OK
       && peer != other, "nodes are told apart");

    ok(say(st, room, gen, peer + 1, 100, LV_ROOM_REMOTE, &e) == LV_OK
       && e.offset != 0, "what one says is added");
    ok(say(st, room, gen, peer + 1, 100, LV_ROOM_REMOTE, &e) == LV_OK
       && e.offset == 0, "not a second time");
    ok(say(st, room, gen, peer + 1, 99, LV_ROOM_REMOTE, &e) == LV_OK
       && e.offset == 0, "nor what is older");
    ok(say(st, room, gen, other + 1, 99, LV_ROOM_REMOTE, &e) == LV_OK
       && e.offset != 0, "another node's ids are its own");
    ok(say(st, room, gen, peer + 1, 0, LV_ROOM_REMOTE, &e) == LV_ERROR
       && say(st, room, gen, LV_BUS_PEERS + 1, 5, 0, &e) == LV_ERROR,
       "an id and a node are needed");

    lv_bus_hear(st, peer, 2, 7);
    ok(lv_bus_heard(st, peer, 2) == 7 && lv_bus_heard(st, peer, 1) == 0,
       "the last batch of each shard is known");
    ok(lv_bus_peer(st, str("two"), 40, NOW, &peer) == LV_DECLINED,
       "a node's former life is over");
    ok(lv_bus_peer(st, str("two"), 60, NOW, &peer) == LV_OK
       && lv_bus_heard(st, peer, 2) == 0
       && say(st, room, gen, peer + 1, 5, LV_ROOM_REMOTE, &e) == LV_OK
       && e.offset != 0, "in a new one it begins anew");

    (void) say(st, room, gen, 0, 0, 0, &e);
    ok(!lv_rooms_number_taken(st, e.id + 1)
       && lv_rooms_number_taken(st, e.id)
       && !lv_rooms_number_taken(st, e.id),
       "another node with this one's number makes it take another");

    lv_bus_position_set(st, 9, p);
    p = lv_bus_position(st, 9);
    ok(p.ms == 5 && p.seq == 6 && lv_bus_position(st, 8).ms == 0,
       "positions are kept");

    for (i = 0; i < LV_BUS_PEERS - 2; i++) {
        snprintf(name, sizeof(name), "n%u", i);
        (void) lv_bus_peer(st, str(name), 1, NOW, &other);
    }

    ok(lv_bus_peer(st, str("more"), 1, NOW, &other) == LV_AGAIN,
       "nodes are bounded");
    ok(lv_bus_peer(st, str("more"), 1, NOW + 3600 * 1000 + 1, &other)
       == LV_OK, "but for those that have gone");
}


static void
test_counts(lv_store_t *st)
{
    size_t              n;
    uint32_t            gen, cursor;
    unsigned            peer;
    lv_room_t          *room;
    lv_room_reaction_t  out[LV_ROOM_REACTIONS];

    room = lv_room_find(st, "demo", 4, &gen);
    (void) lv_bus_peer(st, str("two"), 60, NOW + 5000, &peer);
    (void) lv_room_join(st, room, gen);

    lv_room_away(st, room, gen, peer, 5);
    lv_room_away(st, room, gen, peer, 3);
    ok(lv_room_members(st, room) == 1 && lv_room_present(st, room) == 4,
       "members here and there");
    lv_bus_silent(st, NOW + 14000, 10000);
    ok(lv_room_present(st, room) == 4, "a node may be silent for a while");
    lv_bus_silent(st, NOW + 15001, 10000);
    ok(lv_room_present(st, room) == 1, "but not for long");

    (void) lv_room_react(st, room, gen, str("heart"), 2);
    (void) lv_room_react_from(st, room, gen, str("heart"), 10);
    (void) lv_room_react_from(st, room, gen, str("star"), 1);
    cursor = 0;
    ok(lv_room_reacted(st, &cursor, &gen) == room
       && lv_room_reacted(st, &cursor, &gen) == NULL, "there are reactions");
    gen = 0;
    room = lv_room_find(st, "demo", 4, &gen);
    n = lv_room_reactions_out(st, room, gen, out);
    ok(n == 1 && out[0].total == 2, "those of here go to the others");
    cursor = 0;
    ok(lv_room_reactions_out(st, room, gen, out) == 0
       && lv_room_reacted(st, &cursor, &gen) == NULL, "once");
    n = lv_room_reactions(st, room, gen, out);
    ok(n == 2 && out[0].total == 12 && out[1].total == 1, "all count");
}


static void
test_commands(lv_store_t *st)
{
    int       i;
    size_t    len;
    uint8_t   buf[LV_BUS_COMMAND_MAX + 1];
    lv_str_t  text;

    memset(buf, 'x', sizeof(buf));
    text.data = buf;
    text.len = sizeof(buf);
    ok(lv_bus_command_put(st, text) == LV_ERROR, "not too long a command");

    for (i = 0; i < 100 && lv_bus_command_put(st, str("{}")) == LV_OK; i++) {
        /* void */
    }

    ok(i == 32, "commands wait, so many");
    ok(lv_bus_command_get(st, 31, buf, &len) && len == 2
       && !lv_bus_command_get(st, 32, buf, &len), "each is there");
    lv_bus_command_drop(st, 32);
    ok(!lv_bus_command_get(st, 0, buf, &len), "until it is sent");

    ok(lv_bus_once(st, str("a")) && lv_bus_once(st, str("b"))
       && !lv_bus_once(st, str("a")), "each is done once");
}


int
main(void)
{
    lv_store_t  *st;

    st = store();
    test_out(st);
    test_in(st);
    test_counts(st);
    test_commands(st);
    lv_store_detach(st);

    return done_testing();
}

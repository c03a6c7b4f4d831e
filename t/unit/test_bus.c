/* Batches between nodes, and URLs of Redis. */

#include "tap.h"

#include "lv_bus.h"
#include "lv_redis_url.h"


static lv_nodekeys_t  *keys, *others;


static lv_str_t
str(const char *s)
{
    lv_str_t  t = { (const uint8_t *) s, strlen(s) };

    return t;
}


static bool
same(lv_str_t s, const char *text)
{
    return lv_str_eq(s, text);
}


static void
begin(lv_bus_batch_t *b)
{
    lv_bus_head_t  head = { 3, 1790000000000ULL, 7, 5, 1790000000123ULL,
                            str("node-1") };

    lv_bus_begin(b, &head);
}


static lv_str_t
sealed(lv_bus_batch_t *b)
{
    lv_str_t  text;

    (void) lv_bus_seal(b, keys);
    text.data = b->data;
    text.len = b->len;

    return text;
}


static void
entry(lv_bus_item_t *item)
{
    memset(item, 0, sizeof(lv_bus_item_t));
    item->type = LV_BUS_ENTRY;
    item->room = str("demo");
    item->e.kind = LV_ROOM_BAN;
    item->e.status = LV_ROOM_SHADOW;
    item->e.role = LV_ROLE_MODERATOR;
    item->e.id = 0x0123456789abcdefULL;
    item->e.time_ms = 1790000000001ULL;
    item->e.media_ms = 93125;
    item->e.target = 42;
    item->e.count = 600;
    item->e.user = str("17");
    item->e.subject = str("18");
    item->e.name = str("Ann \xc3\xa4");
    item->e.text = str("why");
    item->text = str("{}");
}


static void
test_round_trip(void)
{
    size_t          at, end;
    lv_str_t        text;
    lv_bus_head_t   head;
    lv_bus_item_t   item;
    lv_bus_batch_t  b;

    begin(&b);
    ok(lv_bus_empty(&b), "an empty batch");
    entry(&item);
    ok(lv_bus_add(&b, &item) == LV_OK && !lv_bus_empty(&b), "an entry");

    item.type = LV_BUS_PRESENCE;
    item.n = 4711;
    item.text.len = 0;
    (void) lv_bus_add(&b, &item);
    item.type = LV_BUS_REACTION;
    item.text = str("heart");
    (void) lv_bus_add(&b, &item);
    item.type = LV_BUS_LOST;
    (void) lv_bus_add(&b, &item);
    item.type = LV_BUS_COMMAND;
    item.text = str("{\"type\":\"kick\"}");
    (void) lv_bus_add(&b, &item);
    item.type = LV_BUS_STATE;
    item.acked[15] = 99;
    ok(lv_bus_add(&b, &item) == LV_OK, "and all others");

    text = sealed(&b);
    ok(lv_bus_open(keys, 3, text, &head, &at, &end) == LV_OK
       && head.shard == 3 && head.born == 1790000000000ULL && head.seq == 7
       && head.acked == 5 && head.time_ms == 1790000000123ULL
       && same(head.node, "node-1"), "the head");

    ok(lv_bus_next(text, &at, end, &item) == LV_OK
       && item.type == LV_BUS_ENTRY && same(item.room, "demo")
       && item.e.kind == LV_ROOM_BAN && item.e.status == LV_ROOM_SHADOW
       && item.e.role == LV_ROLE_MODERATOR
       && item.e.id == 0x0123456789abcdefULL
       && item.e.time_ms == 1790000000001ULL && item.e.media_ms == 93125
       && item.e.target == 42 && item.e.count == 600
       && same(item.e.user, "17") && same(item.e.subject, "18")
       && same(item.e.name, "Ann \xc3\xa4") && same(item.e.text, "why")
       && same(item.text, "{}"), "the entry");
    ok(lv_bus_next(text, &at, end, &item) == LV_OK
       && item.type == LV_BUS_PRESENCE && item.n == 4711, "members");
    ok(lv_bus_next(text, &at, end, &item) == LV_OK
       && item.type == LV_BUS_REACTION && same(item.text, "heart"),
       "a reaction");
    ok(lv_bus_next(text, &at, end, &item) == LV_OK
       && item.type == LV_BUS_LOST && same(item.room, "demo"), "a loss");
    ok(lv_bus_next(text, &at, end, &item) == LV_OK
       && item.type == LV_BUS_COMMAND
       && same(item.text, "{\"type\":\"kick\"}"), "a command");
    ok(lv_bus_next(text, &at, end, &item) == LV_OK
       && item.type == LV_BUS_STATE && item.acked[15] == 99, "the state");
    ok(lv_bus_next(text, &at, end, &item) == LV_DECLINED, "no more");
}


static void
test_forged(void)
{
    int             rc;
    size_t          i, at, end, passed;
    lv_str_t        text;
    lv_bus_head_t   head;
    lv_bus_item_t   item;
    lv_bus_batch_t  b, copy;

    begin(&b);
    entry(&item);
    (void) lv_bus_add(&b, &item);
    text = sealed(&b);

    ok(lv_bus_open(others, 3, text, &head, &at, &end) == LV_DECLINED,
       "another key");
    ok(lv_bus_open(keys, 4, text, &head, &at, &end) == LV_DECLINED,
       "another shard");

    for (i = 0, passed = 0; i < text.len; i++) {
        copy = b;
        copy.data[i] ^= 0x40;
        text.data = copy.data;
        passed += lv_bus_open(keys, copy.data[3], text, &head, &at, &end)
                  == LV_OK;
    }

    ok(passed == 0, "a byte that was changed, any");

    for (i = 0, passed = 0, text.data = b.data; text.len > 0; text.len--) {
        rc = lv_bus_open(keys, 3, text, &head, &at, &end);
        passed += rc == LV_OK && text.len != b.len;
    }

    ok(passed == 0, "one that was cut, anywhere");
}


/* Signed, and still wrong. */
static void
test_malformed(void)
{
    int             bad;
    size_t          i, at, end, n;
    lv_str_t        text;
    lv_bus_head_t   head;
    lv_bus_item_t   item;
    lv_bus_batch_t  b;

    static const struct {
        const char     *what;
        lv_bus_type_e   type;
        const char     *room;
        const char     *text;
        lv_room_kind_e  kind;
        uint8_t         status;
        lv_role_e       role;
        uint64_t        id;
    } wrong[] = {
        { "room", LV_BUS_ENTRY, "a/b", "x", LV_ROOM_MESSAGE, 0, 0, 1 },
        { "room", LV_BUS_PRESENCE, "", "", LV_ROOM_MESSAGE, 0, 0, 1 },
        { "room", LV_BUS_LOST, "-x", "", LV_ROOM_MESSAGE, 0, 0, 1 },
        { "kind", LV_BUS_ENTRY, "a", "x", LV_ROOM_VOTE, 0, 0, 1 },
        { "kind", LV_BUS_ENTRY, "a", "x", (lv_room_kind_e) 200, 0, 0, 1 },
        { "status", LV_BUS_ENTRY, "a", "x", LV_ROOM_MESSAGE, 9, 0, 1 },
        { "role", LV_BUS_ENTRY, "a", "x", LV_ROOM_MESSAGE, 0, LV_ROLES, 1 },
        { "id", LV_BUS_ENTRY, "a", "x", LV_ROOM_MESSAGE, 0, 0, 0 },
        { "text", LV_BUS_ENTRY, "a", "\xff", LV_ROOM_MESSAGE, 0, 0, 1 },
        { "text", LV_BUS_REACTION, "a",
          "123456789012345678901234567890123", LV_ROOM_MESSAGE, 0, 0, 1 }
    };

    n = sizeof(wrong) / sizeof(wrong[0]);

    for (i = 0; i < n; i++) {
        memset(&item, 0, sizeof(item));
        item.type = wrong[i].type;
        item.room = str(wrong[i].room);
        item.e.kind = wrong[i].kind;
        item.e.status = wrong[i].status;
        item.e.role = wrong[i].role;
        item.e.id = wrong[i].id;
        item.e.text = str(wrong[i].text);

        if (item.type == LV_BUS_REACTION) {
            item.text = item.e.text;
        }

        begin(&b);
        (void) lv_bus_add(&b, &item);
        text = sealed(&b);

        ok(lv_bus_open(keys, 3, text, &head, &at, &end) == LV_OK
           && lv_bus_next(text, &at, end, &item) == LV_ERROR,
           "a wrong %s", wrong[i].what);
    }

    /* every length of an item */

    begin(&b);
    entry(&item);
    (void) lv_bus_add(&b, &item);

    for (i = 0, bad = 0; i < 300; i++) {
        lv_put16(b.data + b.head + 1, (uint16_t) i);
        text.data = b.data;
        text.len = b.len;
        at = b.head;

        while (lv_bus_next(text, &at, b.len, &item) == LV_OK) {
            bad += at > b.len;
        }
    }

    ok(bad == 0, "lengths that are wrong lead nowhere");

    begin(&b);
    memset(&item, 0, sizeof(item));
    item.type = (lv_bus_type_e) 99;
    (void) lv_bus_add(&b, &item);
    item.type = LV_BUS_LOST;
    item.room = str("demo");
    (void) lv_bus_add(&b, &item);
    text = sealed(&b);
    ok(lv_bus_open(keys, 3, text, &head, &at, &end) == LV_OK
       && lv_bus_next(text, &at, end, &item) == LV_OK
       && item.type == LV_BUS_LOST, "types of a later version are passed over");
}


static void
test_bounds(void)
{
    int             rc;
    size_t          n;
    uint8_t         big[LV_BUS_BATCH_MAX];
    lv_bus_item_t   item;
    lv_bus_batch_t  b;
    lv_room_entry_t e = { .kind = LV_ROOM_MESSAGE };

    memset(big, 'x', sizeof(big));
    begin(&b);
    memset(&item, 0, sizeof(item));
    item.type = LV_BUS_COMMAND;
    item.text.data = big;
    item.text.len = sizeof(big);
    ok(lv_bus_add(&b, &item) == LV_ERROR, "too long for any batch");

    item.text.len = 5000;

    for (n = 0; (rc = lv_bus_add(&b, &item)) == LV_OK; n++) { /* void */ }

    ok(n == 3 && rc == LV_AGAIN, "a batch is full some time");
    (void) sealed(&b);
    ok(b.len <= LV_BUS_BATCH_MAX, "with its signature");

    ok(lv_bus_carries(&e), "messages go to the others");
    e.flags = LV_ROOM_REMOTE;
    ok(!lv_bus_carries(&e), "not what they know");
    e.flags = 0;
    e.kind = LV_ROOM_VOTE;
    ok(!lv_bus_carries(&e), "nor votes");
}


static void
url(const char *text, int expected, const char *user, const char *password,
    const char *host, unsigned port, unsigned db)
{
    int             rc;
    const char     *err;
    lv_redis_url_t  u;

    err = "";
    rc = lv_redis_url_parse(str(text), &u, &err);

    ok(rc == expected
       && (rc != LV_OK
           || (strcmp(u.user, user) == 0 && strcmp(u.password, password) == 0
               && same(u.host, host) && u.port == port && u.db == db)),
       "%s", text);
}


static void
test_urls(void)
{
    char  text[600];

    url("redis://h", LV_OK, "", "", "h", 6379, 0);
    url("rediss://h:1/15", LV_OK, "", "", "h", 1, 15);
    url("redis://:p@h/", LV_OK, "", "p", "h", 6379, 0);
    url("redis://u@h", LV_OK, "u", "", "h", 6379, 0);
    url("redis://u:p%40%3a%25@h:65535", LV_OK, "u", "p@:%", "h", 65535, 0);
    url("redis://u:a@b@h", LV_OK, "u", "a@b", "h", 6379, 0);
    url("redis://[::1]:7/2", LV_OK, "", "", "[::1]", 7, 2);
    url("redis://[::1]", LV_OK, "", "", "[::1]", 6379, 0);
    url("unix:///run/r.sock", LV_OK, "", "", "/run/r.sock", 0, 0);

    url("", LV_ERROR, "", "", "", 0, 0);
    url("http://h", LV_ERROR, "", "", "", 0, 0);
    url("unix://run", LV_ERROR, "", "", "", 0, 0);
    url("redis://", LV_ERROR, "", "", "", 0, 0);
    url("redis://h:", LV_ERROR, "", "", "", 0, 0);
    url("redis://h:0", LV_ERROR, "", "", "", 0, 0);
    url("redis://h:65536", LV_ERROR, "", "", "", 0, 0);
    url("redis://h:6379x", LV_ERROR, "", "", "", 0, 0);
    url("redis://h/x", LV_ERROR, "", "", "", 0, 0);
    url("redis://h/123456", LV_ERROR, "", "", "", 0, 0);
    url("redis://@h", LV_ERROR, "", "", "", 0, 0);
    url("redis://u:@h", LV_ERROR, "", "", "", 0, 0);
    url("redis://u:%4@h", LV_ERROR, "", "", "", 0, 0);
    url("redis://u:%00@h", LV_ERROR, "", "", "", 0, 0);
    url("redis://u:%zz@h", LV_ERROR, "", "", "", 0, 0);
    url("redis://h h", LV_ERROR, "", "", "", 0, 0);

    memset(text, 'x', sizeof(text));
    memcpy(text, "redis://:", 9);
    strcpy(text + sizeof(text) - 3, "@h");
    url(text, LV_ERROR, "", "", "", 0, 0);
}


int
main(void)
{
    const char  *err;

    keys = lv_nodekeys_load(str("0123456789abcdef0123456789abcdef\n"), &err);
    others = lv_nodekeys_load(str("0123456789abcdef0123456789abcdee\n"), &err);

    test_round_trip();
    test_forged();
    test_malformed();
    test_bounds();
    test_urls();

    lv_nodekeys_free(keys);
    lv_nodekeys_free(others);

    return done_testing();
}

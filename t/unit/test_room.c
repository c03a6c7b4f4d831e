/*
 * Rooms: order, history, saving, memory that runs out, blobs, bans; and a
 * process that is killed at every step of every one of them.
 */

#define _GNU_SOURCE                      /* memmem() */

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tap.h"

#define LV_STORE_KILL

#include "../../ngx_live_module/lib/lv_store_bell.c"
#include "../../ngx_live_module/lib/lv_room.c"
#include "../../ngx_live_module/lib/lv_room_bell.c"
#include "../../ngx_live_module/lib/lv_room_bus.c"
#include "../../ngx_live_module/lib/lv_room_check.c"
#include "../../ngx_live_module/lib/lv_room_log.c"
#include "../../ngx_live_module/lib/lv_room_rate.c"
#include "../../ngx_live_module/lib/lv_room_set.c"
#include "../../ngx_live_module/lib/lv_room_who.c"

#define SIZE   (8u << 20)
#define OWNER  "/run/test.pid"
#define NOW    1790000000000ULL


static int           kill_after = -1;    /* hooks until death */
static unsigned      rung;


void
lv_store_kill_hook(const char *name)
{
    (void) name;

    if (kill_after > 0 && --kill_after == 0) {
        raise(SIGKILL);
    }
}


static void
ring(void *ctx, unsigned slot)
{
    (void) ctx;
    rung |= 1u << slot;
}


static lv_store_t *
attach(void *base)
{
    const char  *err;

    return lv_store_attach(base, SIZE, OWNER, ring, NULL, &err);
}


static void *
format(void)
{
    void             *base;
    const char       *err;
    lv_store_conf_t   conf = { .owner = OWNER, .secret = { 7 },
                               .now_ms = NOW };

    base = mmap(NULL, SIZE, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS,
                -1, 0);

    return lv_store_format(base, SIZE, &conf, &err) == LV_OK ? base : NULL;
}


static lv_str_t
str(const char *s)
{
    lv_str_t  t = { (const uint8_t *) s, strlen(s) };

    return t;
}


static int
say(lv_store_t *st, lv_room_t *room, uint32_t gen, const char *text,
    lv_room_entry_t *e)
{
    memset(e, 0, sizeof(lv_room_entry_t));
    e->kind = LV_ROOM_MESSAGE;
    e->user = str("17");
    e->name = str("Ann");
    e->text = str(text);

    return lv_room_append(st, room, gen, NOW, e);
}


static bool
sound(lv_store_t *st)
{
    char  err[200] = "";

    if (lv_rooms_check(st, err, sizeof(err)) == LV_OK) {
        return true;
    }

    diag("%s", err);

    return false;
}


static void
test_log(void)
{
    int               i;
    bool              same;
    char              text[32];
    size_t            len, at;
    uint8_t           buf[65536];
    uint32_t          gen, gen2;
    uint64_t          from, last;
    lv_room_t        *room;
    lv_store_t       *st;
    lv_room_info_t    info;
    lv_room_entry_t   e;

    st = attach(format());

    ok(lv_room_open(st, "a/b", 3, NOW, &room, &gen) == LV_ERROR,
       "a room has a stream's id");
    ok(lv_room_find(st, "demo", 4, &gen) == NULL, "no room before it is made");
    ok(lv_room_open(st, "demo", 4, NOW, &room, &gen) == LV_OK, "made");
    ok(lv_room_find(st, "demo", 4, &gen2) == room && gen == gen2, "found");

    for (i = 1, last = 0, same = true; i <= 100; i++) {
        snprintf(text, sizeof(text), "text %d", i);
        same &= say(st, room, gen, text, &e) == LV_OK && e.id > last
                && e.offset == (uint64_t) i
                && LV_ROOM_ID_MS(e.id) - NOW < 2;
        last = e.id;
    }

    ok(same, "ids go up within a millisecond, offsets by one");

    from = 1;
    ok(lv_room_read(st, room, gen, &from, buf, sizeof(buf), &len) == LV_OK
       && from == 101, "all is read");

    for (i = 1, at = 0, same = true; lv_room_entry_next(buf, len, &at, &e);
         i++)
    {
        snprintf(text, sizeof(text), "text %d", i);
        same &= lv_str_eq(e.text, text) && lv_str_eq(e.name, "Ann")
                && lv_str_eq(e.user, "17") && e.subject.len == 0;
    }

    ok(same && i == 101, "as it was written");

    from = 101;
    ok(lv_room_read(st, room, gen, &from, buf, sizeof(buf), &len) == LV_OK
       && len == 0, "nothing behind the end");
    from = 102;
    ok(lv_room_read(st, room, gen, &from, buf, sizeof(buf), &len)
       == LV_DECLINED, "and nothing newer than that");

    ok(lv_room_last(st, room, gen, 10, &from) == LV_OK && from == 91,
       "the last ten begin at 91");
    ok(lv_room_last(st, room, gen, 1000, &from) == LV_OK && from == 1,
       "the last thousand are all");

    ok(lv_room_entry(st, room, gen, last, buf, &e) == LV_OK
       && lv_str_eq(e.text, "text 100"), "an entry by its id");

    memset(&e, 0, sizeof(e));
    e.kind = LV_ROOM_DELETE;
    e.target = last;
    ok(lv_room_append(st, room, gen, NOW, &e) == LV_OK
       && lv_room_entry(st, room, gen, last, buf, &e) == LV_OK
       && (e.flags & LV_ROOM_DELETED), "which is deleted then");

    memset(&e, 0, sizeof(e));
    e.kind = LV_ROOM_CLEAR;
    e.subject = str("17");
    from = 1;
    ok(lv_room_append(st, room, gen, NOW, &e) == LV_OK
       && lv_room_read(st, room, gen, &from, buf, sizeof(buf), &len) == LV_OK,
       "all of a user's");

    for (at = 0, same = true; lv_room_entry_next(buf, len, &at, &e); ) {
        same &= e.kind != LV_ROOM_MESSAGE || (e.flags & LV_ROOM_DELETED);
    }

    ok(same, "are deleted");
    ok(lv_room_info(st, room, gen, &info) == LV_OK && info.next == 103
       && info.epoch == NOW && info.saved == 103,
       "without saving all counts as saved");
    ok(sound(st), "everything is where it belongs");

    lv_rooms_reap(st, NOW + LV_ROOM_IDLE_MS + 1);
    ok(!lv_room_alive(room, gen), "a room that nobody uses goes");
    ok(say(st, room, gen, "x", &e) == LV_DECLINED, "and takes nothing");
    ok(lv_room_open(st, "demo", 4, NOW, &room, &gen) == LV_OK
       && lv_room_info(st, room, gen, &info) == LV_OK && info.epoch != NOW,
       "made again it has another epoch");
    ok(sound(st), "and everything is where it belongs");
    lv_store_detach(st);
}


static void
test_saving(void)
{
    int               i, n;
    char              text[1000];
    uint32_t          gen, gen2, cursor;
    uint64_t          from;
    lv_room_t        *room, *found;
    lv_store_t       *st;
    lv_room_info_t    info;
    lv_rooms_stat_t   stat;
    lv_room_entry_t   e;

    st = attach(format());
    lv_rooms_saving(st, true);
    (void) lv_room_open(st, "demo", 4, NOW, &room, &gen);

    cursor = 0;
    ok(lv_room_unsaved(st, &cursor, &gen2, &from) == NULL, "nothing to save");

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';

    for (n = 0; say(st, room, gen, text, &e) == LV_OK; n++) { /* void */ }

    ok(n > 100 && say(st, room, gen, text, &e) == LV_AGAIN,
       "when all memory waits to be saved, writers are refused");

    lv_rooms_stat(st, &stat);
    ok(stat.unsaved == (uint64_t) n && stat.refused == 2
       && stat.blocks_free == 0, "which is counted");

    found = lv_room_unsaved(st, &cursor, &gen2, &from);
    ok(found == room && from == 1, "the room is to be saved, from the first");

    lv_room_saved(st, room, gen, 101);
    lv_room_saved(st, room, gen, 50);
    (void) lv_room_info(st, room, gen, &info);
    ok(info.saved == 101 && info.first > 1 && info.first <= 101,
       "what is saved makes room");

    for (i = 0; i < 50 && say(st, room, gen, text, &e) == LV_OK; i++) { }

    ok(i == 50, "writers go on");
    lv_room_saved(st, room, gen, UINT64_MAX);
    ok(lv_room_unsaved(st, &cursor, &gen2, &from) == NULL, "all is saved");
    ok(sound(st), "everything is where it belongs");
    lv_store_detach(st);
}


static void
test_members(void)
{
    void             *base;
    uint32_t          gen;
    uint64_t          dirty[LV_STREAM_WORDS];
    lv_room_t        *room;
    lv_store_t       *one, *two;
    const char       *err;
    lv_room_entry_t   e;

    base = format();
    one = attach(base);
    two = attach(base);
    (void) lv_store_join(one, 1, 1, NOW, &err);
    (void) lv_store_join(two, 2, 1, NOW, &err);
    (void) lv_room_open(one, "demo", 4, NOW, &room, &gen);

    rung = 0;
    (void) say(one, room, gen, "x", &e);
    ok(rung == 0, "nobody is rung who has no members");

    room = lv_room_find(two, "demo", 4, &gen);
    ok(lv_room_join(two, room, gen) == LV_OK
       && lv_room_join(two, room, gen) == LV_OK
       && lv_room_members(two, room) == 2, "two members");

    room = lv_room_find(one, "demo", 4, &gen);
    (void) say(one, room, gen, "x", &e);
    ok(rung == 1u << lv_store_slot(two), "who has members is rung");
    ok(lv_room_dirty(two, dirty) == 1
       && dirty[lv_room_index(one, room) / 64] != 0
       && lv_room_dirty(two, dirty) == 0, "and told which room, once");

    lv_store_detach(two);
    ok(lv_room_members(one, room) == 0, "a slot that leaves has no members");
    lv_store_detach(one);
}


static void
test_blobs(void)
{
    char         big[40000], out[40000];
    size_t       len;
    uint32_t     gen, version, i;
    lv_room_t   *room, *all;
    lv_store_t  *st;

    st = attach(format());
    (void) lv_room_open(st, "demo", 4, NOW, &room, &gen);

    for (i = 0; i < sizeof(big); i++) {
        big[i] = (char) (i * 7 + i / 251);
    }

    ok(lv_room_blob_version(room, LV_ROOM_BLOB_WORDS) == 0, "no words yet");
    ok(lv_room_blob_put(st, room, gen, LV_ROOM_BLOB_WORDS, big, sizeof(big))
       == LV_OK && lv_room_blob_version(room, LV_ROOM_BLOB_WORDS) == 1,
       "words are put");
    ok(lv_room_blob_get(st, room, gen, LV_ROOM_BLOB_WORDS, &version, out, 10,
                        &len) == LV_OK && len == sizeof(big),
       "how long they are is told first");
    ok(lv_room_blob_get(st, room, gen, LV_ROOM_BLOB_WORDS, &version, out,
                        sizeof(out), &len) == LV_OK
       && memcmp(big, out, sizeof(big)) == 0 && version == 1, "and read");
    ok(lv_room_blob_put(st, room, gen, LV_ROOM_BLOB_WORDS, NULL, 0) == LV_OK
       && lv_room_blob_get(st, room, gen, LV_ROOM_BLOB_WORDS, &version, out,
                           sizeof(out), &len) == LV_OK
       && len == 0 && version == 2, "and taken away");

    all = lv_room_global(st, &gen);
    ok(lv_room_blob_put(st, all, gen, LV_ROOM_BLOB_WORDS, big, 9000) == LV_OK,
       "there are some for all rooms");
    ok(sound(st), "everything is where it belongs");
    lv_store_detach(st);
}


static int
banned(lv_store_t *st, lv_room_t *room, uint32_t gen, const char *user,
    const uint8_t *addr, size_t len, uint64_t now)
{
    uint64_t  until;
    lv_str_t  none = { NULL, 0 }, at = { addr, len };

    return lv_room_banned(st, room, gen, str(user), none, at, now, &until);
}


static void
test_bans(void)
{
    int              i;
    bool             same;
    char             name[20];
    uint8_t          v4[4] = { 10, 1, 2, 3 }, other[4] = { 10, 1, 3, 3 };
    uint8_t          mapped[16] = { [10] = 0xff, [11] = 0xff, [12] = 10,
                                    [13] = 1, [14] = 2, [15] = 9 };
    uint32_t         gen;
    lv_ban_t         ban;
    lv_room_t       *room;
    lv_store_t      *st;
    lv_room_info_t   info;

    st = attach(format());
    (void) lv_room_open(st, "demo", 4, NOW, &room, &gen);

    memset(&ban, 0, sizeof(ban));
    ban.kind = LV_BAN_USER;
    ban.action = LV_BAN_TIMEOUT;
    ban.until_ms = NOW + 1000;
    ban.value = str("17");
    ok(lv_room_ban(st, room, gen, &ban, NOW) == LV_OK
       && lv_room_bans_version(room) == 1, "a timeout");
    ok(banned(st, room, gen, "17", NULL, 0, NOW) == LV_BAN_TIMEOUT,
       "counts for that account");
    ok(banned(st, room, gen, "18", NULL, 0, NOW) == LV_BAN_NONE,
       "not for another");
    ok(banned(st, room, gen, "17", NULL, 0, NOW + 1000) == LV_BAN_NONE,
       "and until its end");

    ban.kind = LV_BAN_ADDR;
    ban.action = LV_BAN_FULL;
    ban.until_ms = 0;
    ban.bits = 24;
    ban.value.data = v4;
    ban.value.len = 4;
    (void) lv_room_ban(st, room, gen, &ban, NOW);
    ok(banned(st, room, gen, "", v4, 4, NOW) == LV_BAN_FULL
       && banned(st, room, gen, "", mapped, 16, NOW) == LV_BAN_FULL
       && banned(st, room, gen, "", other, 4, NOW) == LV_BAN_NONE,
       "a range of addresses, in either form");
    ok(banned(st, room, gen, "17", v4, 4, NOW) == LV_BAN_FULL,
       "the heaviest counts");

    ban.action = LV_BAN_NONE;
    (void) lv_room_ban(st, room, gen, &ban, NOW);
    ok(banned(st, room, gen, "", v4, 4, NOW) == LV_BAN_NONE, "lifted");

    ban.kind = LV_BAN_USER;
    ban.action = LV_BAN_SHADOW;

    for (i = 0, same = true; i < 2000; i++) {
        snprintf(name, sizeof(name), "user %d", i);
        ban.value = str(name);
        same &= lv_room_ban(st, room, gen, &ban, NOW) == LV_OK;
    }

    for (i = 0; i < 2000; i += 99) {
        snprintf(name, sizeof(name), "user %d", i);
        same &= banned(st, room, gen, name, NULL, 0, NOW) == LV_BAN_SHADOW;
    }

    (void) lv_room_info(st, room, gen, &info);
    ok(same && info.bans >= 2000, "many of them");
    ok(sound(st), "everything is where it belongs");

    ban.value = str("only");
    ok(lv_room_bans_put(st, room, gen, &ban, 1, NOW) == LV_OK
       && banned(st, room, gen, "only", NULL, 0, NOW) == LV_BAN_SHADOW
       && banned(st, room, gen, "user 99", NULL, 0, NOW) == LV_BAN_NONE,
       "all replaced by one");
    ok(sound(st), "everything is where it belongs");
    lv_store_detach(st);
}


static void
test_writers(void)
{
    bool         same;
    uint32_t     gen;
    lv_room_t   *room;
    lv_store_t  *st;

    st = attach(format());
    (void) lv_room_open(st, "demo", 4, NOW, &room, &gen);

    ok(lv_room_writes(st, room, 5, 9, 3000, NOW, &same) == 0 && !same,
       "the first may be written");
    ok(lv_room_writes(st, room, 5, 8, 3000, NOW + 1000, &same) == 2000,
       "the next one in two seconds");
    ok(lv_room_writes(st, room, 6, 9, 3000, NOW + 1000, &same) == 0 && !same,
       "another author now");
    ok(lv_room_writes(st, room, 5, 9, 0, NOW + 5000, &same) == 0 && same,
       "not the same text");
    ok(lv_room_writes(st, room, 5, 8, 0, NOW + 5000, &same) == 0 && !same,
       "but another");

    ok(lv_room_react(st, room, gen, str("heart"), 3) == LV_OK
       && lv_room_react(st, room, gen, str("heart"), 4) == LV_OK,
       "reactions add up");
    lv_store_detach(st);
}


static lv_room_person_t
person(const char *user, const char *name, lv_role_e role, uint64_t looks)
{
    lv_room_person_t  p;

    memset(&p, 0, sizeof(p));
    p.author = (uint64_t) user[0] << 32 | strlen(user) << 16
               | (uint8_t) user[strlen(user) - 1];
    p.looks = looks;
    p.role = role;
    p.user_len = (uint8_t) strlen(user);
    p.name_len = (uint8_t) strlen(name);
    memcpy(p.user, user, p.user_len);
    memcpy(p.name, name, p.name_len);

    return p;
}


static void
test_who(void)
{
    int                i;
    char               name[16];
    void              *base;
    uint32_t           gen, version;
    lv_room_t         *room;
    lv_store_t        *st, *other;
    const char        *err;
    lv_room_person_t   ann, ben, out[4];

    base = format();
    st = attach(base);
    other = attach(base);
    (void) lv_store_join(st, 1, 1, NOW, &err);
    (void) lv_store_join(other, 2, 1, NOW, &err);
    (void) lv_room_open(st, "demo", 4, NOW, &room, &gen);

    ann = person("17", "Ann", LV_ROLE_VIEWER, 5);
    ben = person("23", "Ben", LV_ROLE_MODERATOR, 6);
    version = lv_room_who_version(room);

    lv_room_enter(st, room, gen, &ann);
    lv_room_enter(st, room, gen, &ann);
    lv_room_enter(other, room, gen, &ann);
    lv_room_enter(other, room, gen, &ben);
    ok(lv_room_who(st, room, gen, out, 4) == 2
       && out[0].role == LV_ROLE_MODERATOR && out[1].author == ann.author,
       "everybody once, moderators first");
    ok(lv_room_who(st, room, gen, out, 1) == 2
       && out[0].author == ben.author, "... as many as there is room for");
    ok(lv_room_who_version(room) != version, "the list has changed");
    ok(lv_room_looks(st, room, gen, 5, 99)
       && !lv_room_looks(st, room, gen, 5, ann.author)
       && !lv_room_looks(st, room, gen, 7, 99), "who looks like whom");

    lv_room_exit(st, room, gen, ann.author);
    lv_room_exit(st, room, gen, ann.author);
    ok(lv_room_who(st, room, gen, out, 4) == 2, "still there elsewhere");
    lv_room_exit(st, room, gen, ann.author);
    lv_room_exit(other, room, gen, ann.author);
    ok(lv_room_who(st, room, gen, out, 4) == 1, "and then not");

    (void) lv_room_join(other, room, gen);
    lv_store_leave(other);
    ok(lv_room_who(st, room, gen, out, 4) == 0, "a slot that goes takes its "
       "own along");

    for (i = 0; i < 3000; i++) {
        snprintf(name, sizeof(name), "%d", i);
        ann = person(name, name, LV_ROLE_VIEWER, 1);
        ann.author = (uint64_t) i + 1;
        lv_room_enter(st, room, gen, &ann);
    }

    i = (int) lv_room_who(st, room, gen, out, 0);
    ok(i >= 100 && i < 1100, "the list is bounded: %d", i);
    ok(sound(st), "everything is where it belongs");
    lv_store_detach(other);
    lv_store_detach(st);
}


static void
test_erase(void)
{
    size_t            len, at, n;
    uint8_t           buf[8192];
    uint64_t          from;
    uint32_t          gen;
    lv_room_t        *room;
    lv_store_t       *st;
    lv_room_entry_t   e;

    st = attach(format());
    (void) lv_room_open(st, "demo", 4, NOW, &room, &gen);

    memset(&e, 0, sizeof(e));
    e.kind = LV_ROOM_MESSAGE;
    e.user = str("1701");
    e.name = str("Ann");
    e.text = str("my words");
    (void) lv_room_append(st, room, gen, NOW, &e);
    memset(&e, 0, sizeof(e));
    e.kind = LV_ROOM_BAN;
    e.user = str("23");
    e.name = str("Ben");
    e.subject = str("1701");
    e.text = str("why");
    (void) lv_room_append(st, room, gen, NOW, &e);
    (void) say(st, room, gen, "others stay", &e);

    ok(lv_rooms_erase(st, str("1701")) == 2, "two entries are about the user");

    from = 1;
    n = 0;
    (void) lv_room_read(st, room, gen, &from, buf, sizeof(buf), &len);

    for (at = 0; lv_room_entry_next(buf, len, &at, &e); n++) {
        if (n == 0) {
            ok(e.user.len == 0 && e.name.len == 0 && e.text.len == 0
               && (e.flags & LV_ROOM_DELETED), "nothing of what he wrote");

        } else if (n == 1) {
            ok(lv_str_eq(e.user, "23") && lv_str_eq(e.name, "Ben")
               && e.subject.len == 0 && e.text.len == 0,
               "nor of what was done to him, but by whom");

        } else {
            ok(lv_str_eq(e.text, "others stay"), "others' words stay");
        }
    }

    ok(n == 3 && memmem(buf, len, "my words", 8) == NULL,
       "all entries are there");
    ok(sound(st), "everything is where it belongs");
    lv_store_detach(st);
}


static void
test_rates(void)
{
    int              n;
    uint8_t          a6[16] = { 0x20, 1, 0xd, 0xb8 };
    uint32_t         gen;
    lv_str_t         addr = { (const uint8_t *) "\x7f\0\0\1", 4 };
    lv_room_t       *room;
    lv_store_t      *st;
    lv_room_rate_t   rate = { 2000, 3 }, none = { 0, 1 };

    st = attach(format());
    (void) lv_room_open(st, "demo", 4, NOW, &room, &gen);

    for (n = 0; lv_room_rate(st, room, gen, &rate, NOW) == 0; n++) {
        /* void */
    }

    ok(n == 3, "a burst of three");
    ok(lv_room_rate(st, room, gen, &rate, NOW + 100) == 401,
       "then when there is room for it");
    ok(lv_room_rate(st, room, gen, &rate, NOW + 600) == 0, "which there is");
    ok(lv_room_rate(st, room, gen, &none, NOW) == 0, "no limit is none");

    for (n = 0; lv_room_addr_rate(st, addr, &rate, NOW) == 0; n++) {
        /* void */
    }

    ok(n == 3, "an address likewise");
    addr.data = a6;
    addr.len = 16;
    ok(lv_room_addr_rate(st, addr, &rate, NOW) == 0, "another has its own");
    (void) lv_room_addr_rate(st, addr, &rate, NOW);
    (void) lv_room_addr_rate(st, addr, &rate, NOW);
    a6[15] = 9;
    ok(lv_room_addr_rate(st, addr, &rate, NOW) != 0,
       "and a network of IPv6 is one");

    ok(!lv_room_settled(room), "a new room waits for its settings");
    lv_room_settle(st, room, gen);
    ok(lv_room_settled(room), "and then not");
    lv_store_detach(st);
}


/* ---- deaths ------------------------------------------------------------- */

#define FOREIGN  10

/* What another node said, again and again. */
static void
hear(lv_store_t *st)
{
    int               i;
    uint32_t          gen;
    unsigned          peer;
    lv_room_t        *room;
    lv_room_entry_t   e;

    if (lv_room_open(st, "old", 3, NOW, &room, &gen) != LV_OK
        || lv_bus_peer(st, str("other"), NOW, NOW, &peer) != LV_OK)
    {
        return;
    }

    for (i = 0; i < 2 * FOREIGN; i++) {
        memset(&e, 0, sizeof(lv_room_entry_t));
        e.kind = LV_ROOM_MESSAGE;
        e.flags = LV_ROOM_REMOTE;
        e.origin = (uint8_t) (peer + 1);
        e.id = 1000 + (uint64_t) i % FOREIGN;
        e.text = str("from there");
        (void) lv_room_append(st, room, gen, NOW, &e);
        lv_bus_hear(st, peer, 3, (uint64_t) i % FOREIGN + 1);
    }
}


/* Is each there once, in order? */
static bool
heard_once(lv_store_t *st)
{
    size_t            len, at;
    uint8_t           buf[65536];
    uint32_t          gen;
    uint64_t          from, id;
    lv_room_t        *room;
    lv_room_entry_t   e;

    from = 1;
    id = 1000;
    hear(st);
    room = lv_room_find(st, "old", 3, &gen);

    if (room == NULL
        || lv_room_read(st, room, gen, &from, buf, sizeof(buf), &len)
           != LV_OK)
    {
        return false;
    }

    for (at = 0; lv_room_entry_next(buf, len, &at, &e); ) {
        if (e.origin != 0 && e.id != id++) {
            return false;
        }
    }

    return id == 1000 + FOREIGN;
}


/* Everything that changes a room, in a child of its own. */
static void
life(lv_store_t *st)
{
    int               i;
    char              text[3000];
    uint32_t          gen;
    lv_ban_t          ban;
    lv_room_t        *room;
    const char       *err;
    lv_room_entry_t   e;
    lv_room_person_t  who;

    (void) lv_store_join(st, (uint32_t) getpid(), 1, NOW, &err);
    lv_bus_on(st, true);
    hear(st);
    (void) lv_room_open(st, "demo", 4, NOW, &room, &gen);
    (void) lv_bus_command_put(st, str("{}"));
    (void) lv_bus_once(st, str("one"));
    (void) lv_room_join(st, room, gen);

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';

    for (i = 0; i < 30; i++) {
        (void) say(st, room, gen, text, &e);
    }

    lv_room_saved(st, room, gen, 20);
    lv_room_sent(st, room, gen, 10);

    memset(&ban, 0, sizeof(ban));
    ban.kind = LV_BAN_USER;
    ban.action = LV_BAN_FULL;

    for (i = 0; i < 400; i++) {
        snprintf(text, sizeof(text), "%d", i);
        ban.value = str(text);
        (void) lv_room_ban(st, room, gen, &ban, NOW);
    }

    memset(text, 'y', sizeof(text));

    for (i = 0; i < 3; i++) {
        (void) lv_room_blob_put(st, room, gen, LV_ROOM_BLOB_WORDS, text,
                                sizeof(text));
        (void) lv_room_react(st, room, gen, str("heart"), 1);
    }

    (void) lv_room_bans_put(st, room, gen, &ban, 1, NOW);

    for (i = 0; i < 50; i++) {
        who = person("x", "y", LV_ROLE_VIEWER, 1);
        who.author = (uint64_t) i + 1;
        lv_room_enter(st, room, gen, &who);
    }

    lv_room_exit(st, room, gen, 7);
    (void) lv_rooms_erase(st, str("17"));
    lv_room_leave(st, room, gen);
    lv_rooms_reap(st, NOW + LV_ROOM_IDLE_MS + 1);
}


/* What was said before is there, and the room takes more. */
static bool
goes_on(lv_store_t *st)
{
    uint32_t          gen;
    lv_room_t        *room;
    lv_room_info_t    before, after;
    lv_room_entry_t   e;

    return sound(st) && heard_once(st)
           && lv_room_open(st, "demo", 4, NOW, &room, &gen) == LV_OK
           && lv_room_info(st, room, gen, &before) == LV_OK
           && say(st, room, gen, "more", &e) == LV_OK
           && lv_room_info(st, room, gen, &after) == LV_OK
           && after.next == before.next + 1 && lv_room_members(st, room) == 0
           && sound(st);
}


static void
test_deaths(void)
{
    int          n, status, died, wrong_at;
    pid_t        pid;
    void        *base;
    lv_store_t  *st;

    died = 0;
    wrong_at = 0;

    for (n = 1; wrong_at == 0; n++) {
        base = format();
        st = attach(base);
        lv_rooms_saving(st, true);

        pid = fork();

        if (pid == 0) {
            kill_after = n;
            life(attach(base));
            _exit(0);
        }

        waitpid(pid, &status, 0);
        died += WIFSIGNALED(status);
        (void) lv_store_reap(st, NOW);

        if (!goes_on(st)) {
            wrong_at = n;
        }

        lv_store_detach(st);
        munmap(base, SIZE);

        if (!WIFSIGNALED(status)) {
            break;
        }
    }

    ok(died > 500, "killed at %d steps", died);
    ok(wrong_at == 0, "and what is left is whole each time (%d)", wrong_at);
}


int
main(void)
{
    test_log();
    test_saving();
    test_members();
    test_blobs();
    test_bans();
    test_writers();
    test_who();
    test_erase();
    test_rates();
    test_deaths();

    return done_testing();
}

/* What workers share about the control plane: t/unit of lv_cluster.h. */

#define _GNU_SOURCE                     /* memmem() */

#include <sys/wait.h>
#include "lv_cluster.h"
#include "lv_siphash.h"
#include "store_fixture.h"


static lv_store_t *
attach(void *base, size_t size)
{
    const char  *err;

    return lv_store_attach(base, size, FIX_OWNER, NULL, NULL, &err);
}


static void
test_siphash(void)
{
    uint8_t   key[16], in[64];
    unsigned  i;

    for (i = 0; i < 64; i++) {
        in[i] = (uint8_t) i;
    }

    memcpy(key, in, 16);

    /* the vectors of the paper's appendix, and of its reference code */
    ok(lv_siphash(key, in, 15) == 0xa129ca6149be45e5ULL, "the paper's vector");
    ok(lv_siphash(key, in, 0) == 0x726fdb47dd0e0e31ULL, "nothing");
    ok(lv_siphash(key, in, 63) == 0x958a324ceb064572ULL, "63 bytes");
}


static void
test_leader(void *base, size_t size)
{
    int          status;
    pid_t        pid;
    lv_store_t  *a, *b;

    a = attach(base, size);
    ok(lv_lead_try(a, 1) && lv_lead_try(a, 1), "the first one leads");
    is_int(lv_lead_pid(a), 1, "and is named");

    pid = fork();

    if (pid == 0) {
        b = attach(base, size);
        _exit(lv_lead_try(b, 2) ? 1 : 0);
    }

    waitpid(pid, &status, 0);
    is_int(WEXITSTATUS(status), 0, "another process does not");

    lv_lead_leave(a);
    is_int(lv_lead_pid(a), 0, "nobody");

    pid = fork();

    if (pid == 0) {
        b = attach(base, size);

        if (!lv_lead_try(b, 3)) {
            _exit(1);
        }

        kill(getpid(), SIGKILL);
    }

    waitpid(pid, &status, 0);
    ok(WIFSIGNALED(status), "one leads and is killed");
    ok(lv_lead_try(a, 4), "the next one takes over at once");
    lv_store_detach(a);
}


static void
test_keys(lv_store_t *st)
{
    size_t             len;
    uint8_t            buf[LV_KEYSET_SIZE_MAX];
    uint32_t           serial, before;
    lv_str_t           text = lv_str("{\"keys\":[]}");
    lv_str_t           other = lv_str("other");
    lv_cluster_stat_t  stat;

    is_int(lv_keys_serial(st), 0, "no keys at first");
    is_int(lv_keys_get(st, buf, &len, &serial), LV_DECLINED, "none to get");
    is_int(lv_keys_put(st, "v1", text, 2, true), LV_OK, "put");
    before = lv_keys_serial(st);
    ok(before != 0, "they have a serial");
    is_int(lv_keys_get(st, buf, &len, &serial), LV_OK, "get");
    ok(len == text.len && memcmp(buf, text.data, len) == 0
       && serial == before, "the same text");
    is_int(lv_keys_put(st, "v2", other, 1, true), LV_OK, "as the first only");
    ok(lv_keys_serial(st) == before, "changes nothing");
    is_int(lv_keys_put(st, "v2", other, 1, false), LV_OK, "replaced");
    ok(lv_keys_serial(st) != before, "another serial");
    lv_cluster_stat(st, &stat);
    is_str(stat.keys_version, "v2", "another version");
    is_int(stat.keys, 1, "and number");
    other.len = LV_KEYSET_SIZE_MAX + 1;
    is_int(lv_keys_put(st, "v3", other, 1, false), LV_ERROR, "too long");
}


static lv_revocation_t
revocation(lv_revoke_e kind, const char *value, int64_t before)
{
    lv_revocation_t  r;

    r.kind = kind;
    r.value.data = (const uint8_t *) value;
    r.value.len = strlen(value);
    r.before = before;
    r.until = 5000;

    return r;
}


static bool
dead(lv_store_t *st, const char *sub, const char *jti, int64_t iat,
    const char *stream)
{
    lv_str_t    s;
    lv_token_t  t;

    memset(&t, 0, sizeof(t));
    strcpy(t.sub, sub);
    strcpy(t.jti, jti);
    t.iat_s = iat;
    s.data = (const uint8_t *) stream;
    s.len = strlen(stream);

    return lv_revoked(st, &t, s);
}


static void
test_revocations(lv_store_t *st)
{
    char               name[20];
    unsigned           i, lost, cap;
    lv_revocation_t    r[4];
    lv_cluster_stat_t  stat;

    ok(!dead(st, "17", "j", 0, "demo"), "nothing is revoked at first");

    r[0] = revocation(LV_REVOKE_JTI, "j1", 0);
    r[1] = revocation(LV_REVOKE_SUB, "17", 1000);
    r[2] = revocation(LV_REVOKE_STREAM, "secret", 2000);
    r[3] = revocation(LV_REVOKE_SUB_STREAM, "18\ndemo", 1000);
    is_int(lv_revoke_update(st, r, 4, false, 7, 100), 0, "four of them");
    is_int((long long) lv_revoke_version(st), 7, "the version");

    ok(dead(st, "1", "j1", 99999, "demo"), "a jti, whenever it was made");
    ok(dead(st, "17", "x", 999, "demo"), "a sub, made before");
    ok(dead(st, "17", "x", 0, "demo"), "a sub, without iat");
    ok(!dead(st, "17", "x", 1000, "demo"), "a sub, made afterwards");
    ok(dead(st, "1", "x", 1999, "secret"), "a stream, made before");
    ok(!dead(st, "1", "x", 2000, "secret"), "a stream, made afterwards");
    ok(dead(st, "18", "x", 1, "demo"), "a sub's tokens of a stream");
    ok(!dead(st, "18", "x", 1, "other"), "not of another one");
    ok(!dead(st, "j1", "17", 1, "x"), "kinds are kept apart");

    r[0] = revocation(LV_REVOKE_SUB, "17", 3000);
    is_int(lv_revoke_update(st, r, 1, false, 8, 100), 0, "once more");
    ok(dead(st, "17", "x", 2999, "demo"), "the later one counts");
    lv_cluster_stat(st, &stat);
    is_int(stat.revocations, 4, "it is still four");

    r[0] = revocation(LV_REVOKE_JTI, "only", 0);
    lv_revoke_update(st, r, 1, true, 9, 100);
    ok(dead(st, "", "only", 1, "x") && !dead(st, "17", "x", 1, "demo"),
       "all are replaced");

    for (i = 0, lost = 0; i < 20000; i++) {
        snprintf(name, sizeof(name), "n%u", i);
        r[0] = revocation(LV_REVOKE_JTI, name, 0);
        r[0].until = i < 500 ? 200 : 5000;
        lost += lv_revoke_update(st, r, 1, false, 10, 100);
    }

    lv_cluster_stat(st, &stat);
    cap = stat.revocations;
    ok(lost > 0 && cap > 700 && cap + lost == 20001, "full: %u fit", cap);
    is_int((long long) stat.revocations_lost, lost, "and it is counted");

    r[0] = revocation(LV_REVOKE_JTI, "later", 0);
    is_int(lv_revoke_update(st, r, 1, false, 11, 201), 0,
           "what is over makes room");
    ok(dead(st, "", "later", 1, "x") && !dead(st, "", "n3", 1, "x")
       && dead(st, "", "n600", 1, "x"), "and only that");

    lv_revoke_update(st, r, 0, true, 12, 201);
    lv_cluster_stat(st, &stat);
    ok(!dead(st, "", "later", 1, "x") && stat.revocations == 0, "none");
}


static bool
watch(lv_store_t *st, const char *jti, uint64_t who, uint32_t limit,
    uint32_t now)
{
    lv_str_t  stream = lv_str("demo");

    return lv_token_session(st, jti, stream, who, limit, now, 30);
}


static void
test_sessions(lv_store_t *st)
{
    char              name[20];
    size_t            n, all;
    uint32_t          cursor, i;
    lv_token_seen_t   seen[64];

    ok(watch(st, "a", 10, 2, 100) && watch(st, "a", 11, 2, 100),
       "two of two");
    ok(!watch(st, "a", 12, 2, 101), "not a third one");
    ok(watch(st, "a", 10, 2, 110) && watch(st, "a", 11, 2, 110),
       "the two go on");
    ok(watch(st, "b", 12, 1, 110), "another token");
    ok(watch(st, "a", 10, 2, 125), "one goes on");
    ok(watch(st, "a", 12, 2, 141), "the other one's place is free again");
    ok(!watch(st, "a", 11, 2, 141), "for one");
    ok(watch(st, "a", 10, 2, 141), "the first still goes on");

    for (i = 0; i < 100; i++) {
        ok(watch(st, "many", 100 + i, 0, 200) || i, "without a limit");
        if (i == 1) {
            break;
        }
    }

    for (i = 0; i < 40; i++) {
        snprintf(name, sizeof(name), "t%u", i);
        watch(st, name, 1, 3, 300);
    }

    cursor = 0;
    all = 0;

    for (i = 0; i < 400; i++) {
        n = lv_token_seen(st, &cursor, 301, 30, seen, 64);
        all += n;

        if (n && strcmp(seen[0].stream, "demo") != 0) {
            break;
        }

        if (cursor >= 16) {
            break;
        }
    }

    is_int((long long) all, 40, "all that were seen lately, once");
}


static void
test_passphrase(const lv_decision_t *of)
{
    char           text[LV_DECISION_TEXT];
    uint8_t        secret[32], other[32];
    lv_str_t       key = { (const uint8_t *) "a key", 5 };
    lv_str_t       no_key = { (const uint8_t *) "no key", 6 };
    lv_decision_t  d = *of;

    is_int(lv_decision_secret(key, secret), LV_OK, "a key's secret");
    is_int(lv_decision_secret(no_key, other), LV_OK, "another's");

    strcpy(text, "not touched");
    is_int(lv_decision_open(&d, secret, text), LV_OK, "no passphrase");
    is_str(text, "", "is an empty one");

    is_int(lv_decision_seal(&d, secret, "correct-horse"), LV_OK, "sealed");
    ok(memmem(&d, sizeof(d), "correct", 7) == NULL, "it is not to be seen");
    is_int(lv_decision_open(&d, other, text), LV_ERROR, "another key");
    is_str(text, "", "gets nothing");
    is_int(lv_decision_open(&d, secret, text), LV_OK, "the key");
    is_str(text, "correct-horse", "has it back");

    strcpy(d.stream, "else");
    is_int(lv_decision_open(&d, secret, text), LV_ERROR, "another stream");
}


static void
test_decisions(lv_store_t *st)
{
    uint8_t        h[32];
    unsigned       i;
    lv_decision_t  d, out;

    memset(h, 1, sizeof(h));
    memset(&d, 0, sizeof(d));
    strcpy(d.stream, "demo");

    is_int(lv_decision_get(st, h, 1, &out), LV_DECLINED, "none");
    lv_decision_put(st, h, &d, 1000);
    is_int(lv_decision_get(st, h, 999, &out), LV_OK, "remembered");
    is_str(out.stream, "demo", "the same");
    is_int(lv_decision_get(st, h, 1000, &out), LV_DECLINED, "for a while");
    d.expires_s = 2;
    lv_decision_put(st, h, &d, 9000);
    is_int(lv_decision_get(st, h, 2000, &out), LV_DECLINED,
           "not beyond its own end");
    is_int(lv_decision_get(st, h, 1999, &out), LV_OK, "but until then");
    lv_decision_drop(st, h);
    is_int(lv_decision_get(st, h, 1, &out), LV_DECLINED, "dropped");

    test_passphrase(&d);

    for (i = 0; i < 5000; i++) {
        memcpy(h, &i, sizeof(i));
        lv_decision_put(st, h, &d, 9000 + i);
    }

    is_int(lv_decision_get(st, h, 1, &out), LV_OK, "the newest fits");
}


static void
test_events(lv_store_t *st)
{
    size_t             n;
    unsigned           i;
    lv_event_t         ev, out[10];
    lv_cluster_stat_t  stat;

    memset(&ev, 0, sizeof(ev));
    ev.type = LV_EVENT_PUBLISH_START;

    lv_event_add(st, &ev);
    is_int((long long) lv_event_list(st, out, 10), 0, "not while nobody asks");

    lv_cluster_set_active(st, true);

    for (i = 0; i < 5; i++) {
        ev.bytes = i;
        lv_event_add(st, &ev);
    }

    n = lv_event_list(st, out, 3);
    ok(n == 3 && out[0].bytes == 0 && out[2].bytes == 2
       && out[1].id == out[0].id + 1, "in order");
    lv_event_ack(st, out[1].id);
    n = lv_event_list(st, out, 10);
    ok(n == 3 && out[0].bytes == 2, "again, until they are acknowledged");
    lv_event_ack(st, out[2].id + 1);
    is_int((long long) lv_event_list(st, out, 10), 3, "none of the future");
    lv_event_ack(st, out[2].id);
    lv_event_ack(st, out[0].id);
    is_int((long long) lv_event_list(st, out, 10), 0, "all");

    for (i = 0; i < 1000; i++) {
        ev.bytes = i;
        lv_event_add(st, &ev);
    }

    lv_cluster_stat(st, &stat);
    is_int((long long) (stat.events + stat.events_lost), 1000,
           "what does not fit is counted");
    n = lv_event_list(st, out, 10);
    is_int((long long) out[0].bytes, (long long) stat.events_lost,
           "the oldest went");

    lv_event_ack(st, out[0].id + stat.events - 1);
    ev.type = LV_EVENT_PUBLISH_REFUSED;

    for (i = 0; i < 1000; i++) {
        lv_event_add(st, &ev);
    }

    n = stat.events;
    lv_cluster_stat(st, &stat);
    is_int(stat.events, (long long) n / 2, "refusals take half the room");
    ev.type = LV_EVENT_PUBLISH_STOP;
    lv_event_add(st, &ev);
    lv_cluster_stat(st, &stat);
    is_int(stat.events, (long long) n / 2 + 1, "what counts has its place");
}


static void
test_commands(lv_store_t *st)
{
    char      done[LV_CLUSTER_DONE][LV_CLUSTER_TEXT], name[20];
    unsigned  i;
    lv_str_t  id = lv_str("17");

    ok(lv_command_once(st, id), "a command");
    ok(!lv_command_once(st, id), "is carried out once");
    is_int((long long) lv_command_done(st, done, LV_CLUSTER_DONE), 1, "told");
    is_str(done[0], "17", "its id");

    for (i = 0; i < 200; i++) {
        id.data = (const uint8_t *) name;
        id.len = (size_t) snprintf(name, sizeof(name), "c%u", i);
        lv_command_once(st, id);
    }

    is_int((long long) lv_command_done(st, done, LV_CLUSTER_DONE),
           LV_CLUSTER_DONE, "the last ones are remembered");
}


int
main(void)
{
    void        *base;
    lv_store_t  *st;

    test_siphash();

    base = fix_format(8 * MIB);
    test_leader(base, 8 * MIB);

    st = attach(base, 8 * MIB);
    test_keys(st);
    test_revocations(st);
    test_sessions(st);
    test_decisions(st);
    test_events(st);
    test_commands(st);
    lv_store_detach(st);

    return done_testing();
}

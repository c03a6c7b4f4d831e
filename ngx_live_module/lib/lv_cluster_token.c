/*
 * Tokens: which are revoked, who uses them.
 *
 * Revocations are a hash table that is read without a lock. New ones are put
 * in where they belong; when it gets full, or all is replaced, the other table
 * is filled with what is still needed and then becomes the one. A reader
 * looks at the serial again afterwards, since by then the one it had may be
 * being filled anew.
 */

#include "lv_cluster_int.h"

#define REVOKED_VALUE_MAX  256


static const uint8_t *
seed(lv_store_t *st)
{
    return st->h->secret;
}


/* ---- revocations -------------------------------------------------------- */

static lv_cluster_revoked_t *
revoked_table(lv_store_t *st, uint32_t serial)
{
    return lv_cluster_at(st, st->cgeo.revoked_off[serial % 2]);
}


static uint64_t
revoked_key(lv_store_t *st, lv_revoke_e kind, lv_str_t a, lv_str_t b)
{
    uint8_t   buf[REVOKED_VALUE_MAX + 2];
    size_t    n;
    uint64_t  key;

    if (a.len + b.len > REVOKED_VALUE_MAX) {
        return 0;
    }

    buf[0] = (uint8_t) kind;
    memcpy(buf + 1, a.data, a.len);
    n = 1 + a.len;

    if (b.len) {
        buf[n++] = '\n';
        memcpy(buf + n, b.data, b.len);
        n += b.len;
    }

    key = lv_siphash(seed(st), buf, n);

    return key ? key : 1;
}


/* The entry of that key, or the free one where it would go; NULL: full. */
static lv_cluster_revoked_t *
revoked_find(lv_store_t *st, lv_cluster_revoked_t *table, uint64_t key)
{
    uint32_t               i, n;
    uint64_t               k;
    lv_cluster_revoked_t  *e;

    n = st->cgeo.revoked;

    for (i = 0; i < n; i++) {
        e = &table[(key + i) & (n - 1)];
        k = lv_get(&e->key);

        if (k == key || k == 0) {
            return e;
        }
    }

    return NULL;
}


static bool
revoked_insert(lv_store_t *st, lv_cluster_revoked_t *table, uint32_t *used,
    uint64_t key, int64_t before, int64_t until)
{
    lv_cluster_revoked_t  *e;

    /* three quarters: a miss is to end soon */
    e = revoked_find(st, table, key);

    if (e == NULL || (lv_get(&e->key) == 0
                      && *used >= st->cgeo.revoked / 4 * 3))
    {
        return false;
    }

    if (lv_get(&e->key) == key) {
        if (before > lv_get(&e->before)) {
            lv_set(&e->before, before);
        }

        if (until > lv_get(&e->until)) {
            lv_set(&e->until, until);
        }

        return true;
    }

    lv_set(&e->before, before);
    lv_set(&e->until, until);
    lv_set(&e->key, key);
    (*used)++;

    return true;
}


/* What is still needed of the table (keep), or nothing, into the other one;
 * returns how many that is. Nobody looks there yet. */
static uint32_t
revoked_rebuild(lv_store_t *st, bool keep, int64_t now_s)
{
    uint32_t               i, n, used, serial;
    uint64_t               key;
    lv_cluster_revoked_t  *from, *to;

    n = st->cgeo.revoked;
    serial = lv_get(&st->cluster->revoke_serial);
    from = revoked_table(st, serial);
    to = revoked_table(st, serial + 1);
    used = 0;

    for (i = 0; i < n; i++) {
        lv_set(&to[i].key, 0);
    }

    for (i = 0; keep && i < n; i++) {
        key = lv_get(&from[i].key);

        if (key && lv_get(&from[i].until) > now_s) {
            (void) revoked_insert(st, to, &used, key, lv_get(&from[i].before),
                                  lv_get(&from[i].until));
        }
    }

    return used;
}


uint32_t
lv_revoke_update(lv_store_t *st, const lv_revocation_t *items, size_t n,
    bool full, uint64_t version, int64_t now_s)
{
    size_t                 i;
    int64_t                before;
    uint32_t               used, lost, serial;
    uint64_t               key;
    lv_str_t               none;
    lv_cluster_t          *c;
    lv_cluster_revoked_t  *table;

    c = st->cluster;
    lost = 0;
    none.data = NULL;
    none.len = 0;

    if (lv_cluster_lock(st) != LV_OK) {
        return (uint32_t) n;
    }

    serial = lv_get(&c->revoke_serial);
    used = lv_get(&c->revoke_used);

    if (full || used + n > st->cgeo.revoked / 4 * 3) {
        used = revoked_rebuild(st, !full, now_s);
        serial++;
    }

    table = revoked_table(st, serial);

    for (i = 0; i < n; i++) {
        if (items[i].until <= now_s) {
            continue;
        }

        key = revoked_key(st, items[i].kind, items[i].value, none);
        before = items[i].before ? items[i].before : INT64_MAX;

        if (key == 0 || !revoked_insert(st, table, &used, key, before,
                                        items[i].until))
        {
            lost++;
        }
    }

    lv_set(&c->revoke_used, used);
    atomic_store(&c->revoke_serial, serial);
    lv_set(&c->revoke_version, version);

    if (lost) {
        atomic_fetch_add(&c->revoke_lost, lost);
    }

    lv_cluster_unlock(st);

    return lost;
}


uint64_t
lv_revoke_version(lv_store_t *st)
{
    return lv_get(&st->cluster->revoke_version);
}


static bool
revoked_by(lv_store_t *st, lv_cluster_revoked_t *table, lv_revoke_e kind,
    lv_str_t a, lv_str_t b, int64_t iat)
{
    uint64_t               key;
    lv_cluster_revoked_t  *e;

    key = revoked_key(st, kind, a, b);
    e = key ? revoked_find(st, table, key) : NULL;

    return e && lv_get(&e->key) == key && iat < lv_get(&e->before);
}


bool
lv_revoked(lv_store_t *st, const lv_token_t *token, lv_str_t stream)
{
    bool                   dead;
    uint32_t               serial;
    lv_str_t               sub, jti, none;
    lv_cluster_t          *c;
    lv_cluster_revoked_t  *table;

    c = st->cluster;

    sub.data = (const uint8_t *) token->sub;
    sub.len = strlen(token->sub);
    jti.data = (const uint8_t *) token->jti;
    jti.len = strlen(token->jti);
    none.data = NULL;
    none.len = 0;

    do {
        serial = atomic_load(&c->revoke_serial);

        if (lv_get(&c->revoke_used) == 0) {
            return false;
        }

        table = revoked_table(st, serial);

        dead = (jti.len && revoked_by(st, table, LV_REVOKE_JTI, jti, none,
                                      token->iat_s))
               || (sub.len && revoked_by(st, table, LV_REVOKE_SUB, sub, none,
                                         token->iat_s))
               || (stream.len && revoked_by(st, table, LV_REVOKE_STREAM,
                                            stream, none, token->iat_s))
               || (sub.len && stream.len
                   && revoked_by(st, table, LV_REVOKE_SUB_STREAM, sub, stream,
                                 token->iat_s));

        atomic_thread_fence(memory_order_seq_cst);

    } while (serial != atomic_load(&c->revoke_serial));

    return dead;
}


/* ---- who uses a token --------------------------------------------------- */

uint64_t
lv_token_who(lv_store_t *st, const void *p, size_t n, uint64_t more)
{
    uint64_t  h;

    h = lv_siphash(seed(st), p, n) ^ (more << 1 | more >> 63);

    return h ? h : 1;
}


static bool
seen_lately(uint32_t seen, uint32_t now_s, uint32_t idle_s)
{
    return (int32_t) (now_s - seen) <= (int32_t) idle_s;
}


/* Gives the place to a session; the texts are for the status only. */
static void
session_take(lv_cluster_bucket_t *b, unsigned i, uint64_t key, uint64_t who,
    const char *jti, lv_str_t stream, uint32_t now_s)
{
    lv_token_seen_t  text;

    memset(&text, 0, sizeof(text));
    lv_cluster_text(text.jti, sizeof(text.jti), jti, strlen(jti));
    lv_cluster_text(text.stream, sizeof(text.stream), stream.data,
                    stream.len);

    lv_set(&b->key[i], 0);
    memcpy(&b->text[i], &text, sizeof(text));
    lv_set(&b->who[i], who);
    lv_set(&b->seen[i], now_s);
    lv_set(&b->key[i], key);
}


/* What a look through a bucket found for one session of one token. */
typedef struct {
    int       own;        /* its place, lately used or not; -1: none */
    int       room;       /* the place that is best given up */
    unsigned  others;     /* living sessions of the same token … */
    unsigned  before;     /* … in places before its own */
} session_look_t;


static void
session_look(lv_cluster_bucket_t *b, uint64_t key, uint64_t who,
    uint32_t now_s, uint32_t idle_s, session_look_t *look)
{
    int       i;
    uint32_t  age, oldest;
    uint64_t  k;

    look->own = -1;
    look->room = -1;
    look->others = 0;
    look->before = 0;
    oldest = 0;

    for (i = 0; i < LV_TOKEN_WHO_MAX; i++) {
        k = lv_get(&b->key[i]);

        if (k == key && lv_get(&b->who[i]) == who) {
            look->own = i;
            look->before = look->others;
            continue;
        }

        /* free places are older than any, and the first of them is taken */

        age = now_s - lv_get(&b->seen[i]);

        if (k == 0 || !seen_lately(lv_get(&b->seen[i]), now_s, idle_s)) {
            age = UINT32_MAX;

        } else if (k == key) {
            look->others++;
        }

        if (look->room == -1 || age > oldest) {
            look->room = i;
            oldest = age;
        }
    }
}


bool
lv_token_session(lv_store_t *st, const char *jti, lv_str_t stream,
    uint64_t who, uint32_t limit, uint32_t now_s, uint32_t idle_s)
{
    int                   at;
    uint64_t              key;
    session_look_t        look;
    lv_cluster_bucket_t  *b;

    key = lv_siphash(seed(st), jti, strlen(jti));
    key = key ? key : 1;

    /* of those without a limit one is noted */
    who = limit ? who : 1;
    limit = limit && limit <= LV_TOKEN_WHO_MAX ? limit : UINT32_MAX;

    b = lv_cluster_at(st, st->cgeo.bucket_off);
    b += key & (st->cgeo.buckets - 1);

    session_look(b, key, who, now_s, idle_s, &look);
    at = look.own;

    if (at >= 0 && seen_lately(lv_get(&b->seen[at]), now_s, idle_s)) {

        /* of two that came at the same moment the first place wins */
        if (look.before >= limit) {
            return false;
        }

        if (lv_get(&b->seen[at]) != now_s) {
            lv_set(&b->seen[at], now_s);
        }

        return true;
    }

    if (look.others >= limit) {
        return false;
    }

    session_take(b, (unsigned) (at >= 0 ? at : look.room), key, who, jti,
                 stream, now_s);

    return true;
}


size_t
lv_token_seen(lv_store_t *st, uint32_t *cursor, uint32_t now_s,
    uint32_t idle_s, lv_token_seen_t *out, size_t max)
{
    size_t                found;
    unsigned              i;
    uint32_t              n, buckets;
    uint64_t              key;
    lv_cluster_bucket_t  *all, *b;

    all = lv_cluster_at(st, st->cgeo.bucket_off);
    buckets = st->cgeo.buckets;
    found = 0;

    /* whole buckets, so that the next call goes on behind this one */

    for (n = 0; n < buckets && found + LV_TOKEN_WHO_MAX <= max; n++) {
        b = &all[(*cursor)++ & (buckets - 1)];

        for (i = 0; i < LV_TOKEN_WHO_MAX; i++) {
            key = lv_get(&b->key[i]);

            if (key == 0 || !seen_lately(lv_get(&b->seen[i]), now_s, idle_s)) {
                continue;
            }

            memcpy(&out[found], &b->text[i], sizeof(lv_token_seen_t));
            out[found].jti[LV_CLUSTER_TEXT - 1] = '\0';
            out[found].stream[LV_CLUSTER_TEXT - 1] = '\0';

            /* somebody may be writing there: the key tells */
            found += lv_siphash(seed(st), out[found].jti,
                                strlen(out[found].jti)) == key;
        }
    }

    return found;
}

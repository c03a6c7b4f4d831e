#include "ctl/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "db/migrate.h"
#include "db/pool.h"

#define STATEMENT_MS  5000
#define SENTENCE_MAX  600

/* A replica that is so far behind shows what is long over. */
#define REPLICA_LAG_S  10

/* Lives of tokens and leases are the database's clock and ours. */
#define CLOCK_ODD_S    2
#define CLOCK_WRONG_S  30

static const db_query_t  q_check_clock = {
    "check_clock",
    "SELECT extract(epoch FROM clock_timestamp())::bigint,"
    " current_setting('server_version')", 0
};
DB_REGISTER(q_check_clock);

static const db_query_t  q_check_replica = {
    "check_replica",
    "SELECT pg_is_in_recovery(),"
    " CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0"
    "  ELSE coalesce(extract(epoch FROM clock_timestamp()"
    "   - pg_last_xact_replay_timestamp()), 0) END::bigint", 0
};
DB_REGISTER(q_check_replica);

static const db_query_t  q_check_signing = {
    "check_signing",
    "SELECT kid, sealed, signs_at <= now()"
    "  AND (retires_at IS NULL OR retires_at > now())"
    " FROM signing_keys WHERE gone_at IS NULL OR gone_at > now()"
    " ORDER BY signs_at DESC LIMIT 100", 0
};
DB_REGISTER(q_check_signing);

static const db_query_t  q_check_webhooks = {
    "check_webhooks",
    "SELECT id::text, sealed FROM webhooks ORDER BY id LIMIT 10000", 0
};
DB_REGISTER(q_check_webhooks);

static const db_query_t  q_check_passphrases = {
    "check_passphrases",
    "SELECT stream_id, sealed FROM stream_passphrases ORDER BY stream_id"
    " LIMIT 10000", 0
};
DB_REGISTER(q_check_passphrases);

static const db_query_t  q_check_jobs = {
    "check_jobs",
    "SELECT name, failures FROM timers WHERE failures > 2 ORDER BY name", 0
};
DB_REGISTER(q_check_jobs);

static const db_query_t  q_check_admins = {
    "check_admins",
    "SELECT EXISTS (SELECT FROM users WHERE role = 'admin'"
    " AND suspended_at IS NULL)", 0
};
DB_REGISTER(q_check_admins);


/* NULL for those who may not know. */
static const db_query_t  q_check_folder = {
    "check_folder",
    "SELECT CASE WHEN pg_has_role('pg_read_all_settings', 'member')"
    " THEN current_setting('data_directory') END", 0
};
DB_REGISTER(q_check_folder);


static void
check_clock(check_t *c)
{
    long long     off;
    db_result_t  *res;

    res = db_run(c->db, &q_check_clock);

    if (res == NULL) {
        return;
    }

    off = llabs((long long) db_int(res, 0, 0) - (long long) time(NULL));
    check_ok(c, "database", "PostgreSQL %s", db_text(res, 0, 1));

    if (off > CLOCK_WRONG_S) {
        check_wrong(c, "database clock", "run NTP on both hosts",
            "%lld s away from this host's", off);

    } else if (off > CLOCK_ODD_S) {
        check_odd(c, "database clock", "run NTP on both hosts",
            "%lld s away from this host's", off);
    }
}


/* The database's disk, when it is this host's. */
static void
check_folder(check_t *c)
{
    db_result_t  *res;

    res = db_run(c->db, &q_check_folder);

    if (res != NULL && !db_null(res, 0, 0)
        && access(db_text(res, 0, 0), F_OK) == 0)
    {
        check_disk(c, db_text(res, 0, 0));
    }
}


static void
check_replica(check_t *c)
{
    db_t         *db;
    db_result_t  *res;
    const char   *url;

    url = conf_text(c->conf, "database_replica");

    if (url == NULL) {
        return;
    }

    db = db_open(url, STATEMENT_MS);

    if (db_connect(db) != 0
        || (res = db_run(db, &q_check_replica)) == NULL)
    {
        check_wrong(c, "replica", "the primary answers for it meanwhile; "
            "start the replica, or correct database_replica", "%s",
            db_message(db));

    } else if (!db_bool(res, 0, 0)) {
        check_odd(c, "replica", "let it stream from the primary, or take "
            "database_replica out", "it is no standby");

    } else if (db_int(res, 0, 1) > REPLICA_LAG_S) {
        check_wrong(c, "replica", "look at its log and its disk",
            "%lld s behind", (long long) db_int(res, 0, 1));

    } else {
        check_ok(c, "replica", "it follows");
    }

    db_release(db);
    db_close(db);
}


void
check_database(check_t *c)
{
    char         err[SENTENCE_MAX];
    db_t        *db;
    const char  *why;

    if (conf_text(c->conf, "database") == NULL) {
        check_wrong(c, "database", "database postgresql:///live",
            "not configured");
        return;
    }

    db = db_open(conf_text(c->conf, "database"), STATEMENT_MS);

    if (db_connect(db) != 0) {
        check_wrong(c, "database", "start PostgreSQL, or correct \"database\"",
            "%s", db_message(db));
        db_close(db);
        return;
    }

    c->db = db;
    check_clock(c);
    check_folder(c);
    check_replica(c);

    if (migrate_load(conf_text(c->conf, "sql_dir"), err, sizeof(err)) != 0) {
        check_wrong(c, "schema", "correct sql_dir", "%s", err);
        why = err;

    } else {
        why = migrate_wrong(db);

        if (why == NULL) {
            check_ok(c, "schema", "as this program wants it");
        } else {
            check_wrong(c, "schema", "see above; control-plane --migrate "
                "brings an older one to this program's", "%s", why);
        }
    }

    migrate_unload();

    if (why != NULL) {
        db_release(db);
        db_close(db);
        c->db = NULL;
    }
}


static bool
check_opens(check_t *c, const char *place, const char *key,
    const char *sealed)
{
    bool            ok;
    char            what[160];
    size_t          len;
    unsigned char   plain[CRYPT_PLAIN_MAX];

    snprintf(what, sizeof(what), "%s:%s", place, key);
    ok = crypt_open(c->crypt, what, sealed, plain, sizeof(plain), &len) == 0;
    OPENSSL_cleanse(plain, sizeof(plain));

    return ok;
}


static void
check_sealed(check_t *c, const db_query_t *q, const char *place,
    const char *what)
{
    int           i, closed;
    db_result_t  *res;

    res = db_run(c->db, q);

    if (res == NULL) {
        return;
    }

    closed = 0;

    for (i = 0; i < db_rows(res); i++) {
        closed += !check_opens(c, place, db_text(res, i, 0),
            db_text(res, i, 1));
    }

    if (closed > 0) {
        check_wrong(c, what, "put the key that sealed them back into the "
            "secret_key file, behind the first one",
            "%d of %d do not open with any key of secret_key", closed,
            db_rows(res));

    } else if (db_rows(res) > 0) {
        check_ok(c, what, "%d, all open", db_rows(res));
    }
}


static void
check_signing(check_t *c)
{
    int           i, now;
    db_result_t  *res;

    res = db_run(c->db, &q_check_signing);

    if (res == NULL) {
        return;
    }

    now = 0;

    for (i = 0; i < db_rows(res); i++) {
        now += db_bool(res, i, 2);
    }

    if (now == 0) {
        check_wrong(c, "signing keys", "start the control plane: it makes the "
            "first one; or control-plane --rotate-key",
            "none signs now: nobody can log in or watch with a token");
    }
}


void
check_secrets(check_t *c)
{
    int           i;
    db_result_t  *res;

    check_signing(c);

    if (c->crypt != NULL) {
        check_sealed(c, &q_check_signing, "signing_keys.sealed",
            "signing keys");
        check_sealed(c, &q_check_webhooks, "webhooks.sealed",
            "webhook secrets");
        check_sealed(c, &q_check_passphrases, "stream_passphrases.sealed",
            "SRT passphrases");
    }

    res = db_run(c->db, &q_check_admins);

    if (res != NULL && !db_bool(res, 0, 0)) {
        check_odd(c, "admins", "live-ctl admin create NAME EMAIL",
            "there is none");
    }

    res = db_run(c->db, &q_check_jobs);

    for (i = 0; res != NULL && i < db_rows(res); i++) {
        check_wrong(c, "job", "look for it in the control plane's log",
            "%s failed %s times in a row", db_text(res, i, 0),
            db_text(res, i, 1));
    }
}

#include "ctl/ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "ctl/terminal.h"
#include "db/migrate.h"
#include "db/pool.h"
#include "http/text.h"
#include "main/conf.h"
#include "main/event.h"
#include "main/password.h"

#define SENTENCE_MAX  600

/*
 * The first admin: nobody is logged in who could make one. Whoever can read
 * the configuration vouches for the address.
 */
static const db_query_t  q_admin_create = {
    "ctl_admin_create",
    "WITH u AS (INSERT INTO users (username, email, email_verified_at,"
    "  password_hash, role) VALUES ($1, $2, now(), $3, 'admin')"
    "  ON CONFLICT ((lower(username))) DO NOTHING RETURNING id),"
    " a AS (INSERT INTO audit_log (action, object, object_id, details)"
    "  SELECT 'admin.create', 'user', id::text,"
    "  '{\"by\": \"live-ctl\"}'::jsonb FROM u)"
    " SELECT id FROM u",
    3
};
DB_REGISTER(q_admin_create);


/* A password into hash. CTL_OK, or an exit code after a message. */
static int
admin_password(ctl_t *ctl, char hash[PASSWORD_TEXT])
{
    int          rc;
    char         password[PASSWORD_MAX + 2], again[PASSWORD_MAX + 2];
    const char  *weak;

    if (terminal_line("Password: ", true, password, sizeof(password)) != 0
        || (terminal_is() && terminal_line("Once more: ", true, again,
                                 sizeof(again)) != 0))
    {
        return CTL_FAILED;
    }

    rc = CTL_OK;

    if (terminal_is() && strcmp(password, again) != 0) {
        rc = ctl_fail(CTL_FAILED, "these are two different passwords");

    } else if (strlen(password) < PASSWORD_MIN
               || strlen(password) > PASSWORD_MAX
               || utf8_count(password, strlen(password)) < 0)
    {
        rc = ctl_fail(CTL_FAILED, "a password has %d to %d bytes of UTF-8",
            PASSWORD_MIN, PASSWORD_MAX);

    } else {
        weak = password_weakness(password, ctl->argv[0], ctl->argv[1]);

        if (weak != NULL) {
            rc = ctl_fail(CTL_FAILED, "%s", weak);
        } else if (password_hash(password, hash) != 0) {
            rc = ctl_fail(CTL_FAILED, "there is not enough memory");
        }
    }

    OPENSSL_cleanse(password, sizeof(password));
    OPENSSL_cleanse(again, sizeof(again));

    return rc;
}


static int
admin_insert(ctl_t *ctl, db_t *db, const char *hash)
{
    const char   *id;
    db_result_t  *res;

    if (db_begin(db) != 0) {
        return ctl_fail(CTL_UNREACHABLE, "database: %s", db_message(db));
    }

    res = db_run(db, &q_admin_create, ctl->argv[0], ctl->argv[1], hash);

    if (res == NULL && db_error(db) == DB_DUPLICATE) {
        return ctl_fail(CTL_FAILED, "there is an account with this e-mail "
            "address");
    }

    if (res == NULL) {
        return ctl_fail(CTL_FAILED, "database: %s", db_message(db));
    }

    if (db_rows(res) == 0) {
        return ctl_fail(CTL_FAILED, "there is a user \"%s\" already; an admin "
            "changes roles: PATCH /admin/users/{id}", ctl->argv[0]);
    }

    id = db_text(res, 0, 0);

    if (event_emit(db, "user.created", NULL, NULL, json_pack("{s:s,s:s}",
            "user", id, "username", ctl->argv[0])) != 0)
    {
        return ctl_fail(CTL_FAILED, "database: %s", db_message(db));
    }

    printf("admin %s, user %s\n", ctl->argv[0], id);

    return db_commit(db) == 0 ? CTL_OK
           : ctl_fail(CTL_UNREACHABLE, "database: %s", db_message(db));
}


static int
admin_with(ctl_t *ctl, conf_t *conf)
{
    int          rc;
    char         err[SENTENCE_MAX], hash[PASSWORD_TEXT];
    db_t        *db;
    const char  *why;

    if (conf_text(conf, "database") == NULL) {
        return ctl_fail(CTL_USAGE, "\"database\" is not configured: -c FILE");
    }

    if (password_init((unsigned long long) conf_int(conf, "argon2_ops"),
            (size_t) conf_int(conf, "argon2_mem")) != 0)
    {
        return ctl_fail(CTL_FAILED, "argon2_ops, argon2_mem: libsodium does "
            "not take these values");
    }

    if (migrate_load(conf_text(conf, "sql_dir"), err, sizeof(err)) != 0) {
        return ctl_fail(CTL_FAILED, "%s", err);
    }

    db = db_open(conf_text(conf, "database"), 5000);

    if (db_connect(db) != 0) {
        rc = ctl_fail(CTL_UNREACHABLE, "database: %s", db_message(db));

    } else if ((why = migrate_wrong(db)) != NULL) {
        rc = ctl_fail(CTL_FAILED, "%s", why);

    } else {
        rc = admin_password(ctl, hash);
        rc = rc == CTL_OK ? admin_insert(ctl, db, hash) : rc;
        db_rollback(db);
        db_release(db);
    }

    db_close(db);
    migrate_unload();

    return rc;
}


int
ctl_admin_create(ctl_t *ctl)
{
    int      rc;
    char     err[SENTENCE_MAX];
    conf_t  *conf;

    if (!username_valid(ctl->argv[0])) {
        return ctl_fail(CTL_USAGE, "not a username: 2 to 32 letters, digits, "
            "_ . - (the first one a letter or digit)");
    }

    if (!email_valid(ctl->argv[1])) {
        return ctl_fail(CTL_USAGE, "not an e-mail address: %s", ctl->argv[1]);
    }

    conf = conf_load(ctl->conf, err, sizeof(err));

    if (conf == NULL) {
        return ctl_fail(CTL_FAILED, "%s", err);
    }

    rc = admin_with(ctl, conf);
    conf_free(conf);

    return rc;
}

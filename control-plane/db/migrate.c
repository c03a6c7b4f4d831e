/* Migrations: see migrate.h. */

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "db/migrate.h"
#include "db/pool.h"

#define FILES_MAX     1000
#define SQL_MAX       4194304
#define HASH_HEX      65
#define SENTENCE_MAX  600

typedef struct {
    int    number;
    char   name[100];           /* the file's */
    char  *sql;
    char   hash[HASH_HEX];
} migration_t;

static struct {
    int           count;
    migration_t  *files;        /* in order */
} known;

/* "live migr" */
#define LOCK_SQL    "SELECT pg_advisory_lock(7811888316)"
#define UNLOCK_SQL  "SELECT pg_advisory_unlock(7811888316)"

static const char  table_sql[] =
    "CREATE TABLE IF NOT EXISTS schema_migrations ("
    " number integer PRIMARY KEY, name text NOT NULL, hash text NOT NULL,"
    " applied_at timestamptz NOT NULL DEFAULT now())";

static const db_query_t  exists_sql = {
    "migrate_exists", "SELECT to_regclass('schema_migrations') IS NOT NULL", 0
};

static const db_query_t  list_sql = {
    "migrate_list",
    "SELECT number, name, hash FROM schema_migrations ORDER BY number", 0
};

static const db_query_t  insert_sql = {
    "migrate_insert",
    "INSERT INTO schema_migrations (number, name, hash) VALUES ($1, $2, $3)",
    3
};


static int
by_number(const void *a, const void *b)
{
    return ((const migration_t *) a)->number
           - ((const migration_t *) b)->number;
}


static int
file_read(const char *dir, migration_t *m, char *err, int size)
{
    char            path[1200];
    FILE           *file;
    size_t          len;
    unsigned char   hash[crypto_hash_sha256_BYTES];

    snprintf(path, sizeof(path), "%s/%s", dir, m->name);
    file = fopen(path, "re");

    if (file == NULL) {
        snprintf(err, size, "%s: %s", path, strerror(errno));
        return -1;
    }

    m->sql = calloc(1, SQL_MAX + 1);
    if (m->sql == NULL) {
        abort();
    }

    len = fread(m->sql, 1, SQL_MAX, file);
    fclose(file);

    crypto_hash_sha256(hash, (unsigned char *) m->sql, len);
    sodium_bin2hex(m->hash, sizeof(m->hash), hash, sizeof(hash));
    m->sql = realloc(m->sql, len + 1);

    return 0;
}


int
migrate_load(const char *dir, char *err, int size)
{
    int             rc;
    DIR            *d;
    size_t          len;
    migration_t    *m;
    struct dirent  *entry;

    d = opendir(dir);
    if (d == NULL) {
        snprintf(err, size, "sql_dir %s: %s", dir, strerror(errno));
        return -1;
    }

    known.files = calloc(FILES_MAX, sizeof(*known.files));
    if (known.files == NULL) {
        abort();
    }

    rc = 0;

    while (rc == 0 && (entry = readdir(d)) != NULL) {
        len = strlen(entry->d_name);

        if (len < 10 || len >= sizeof(m->name) || known.count == FILES_MAX
            || strcmp(entry->d_name + len - 4, ".sql") != 0
            || strspn(entry->d_name, "0123456789") != 4
            || entry->d_name[4] != '_')
        {
            continue;
        }

        m = &known.files[known.count++];
        m->number = atoi(entry->d_name);
        memcpy(m->name, entry->d_name, len + 1);
        rc = file_read(dir, m, err, size);
    }

    closedir(d);

    if (rc == 0 && known.count == 0) {
        snprintf(err, size, "sql_dir %s: there are no migrations in it", dir);
        rc = -1;
    }

    qsort(known.files, known.count, sizeof(*known.files), by_number);

    for (int i = 1; rc == 0 && i < known.count; i++) {
        if (known.files[i].number == known.files[i - 1].number) {
            snprintf(err, size, "%s and %s have the same number",
                     known.files[i - 1].name, known.files[i].name);
            rc = -1;
        }
    }

    return rc;
}


void
migrate_unload(void)
{
    for (int i = 0; i < known.count; i++) {
        free(known.files[i].sql);
    }

    free(known.files);
    memset(&known, 0, sizeof(known));
}


static migration_t *
migration_find(int number)
{
    for (int i = 0; i < known.count; i++) {
        if (known.files[i].number == number) {
            return &known.files[i];
        }
    }

    return NULL;
}


/*
 * Compares what was applied with the files; applied[i] is set for each file
 * that was. -1 with a sentence when they do not belong together.
 */
static int
migrate_compare(db_t *db, bool *applied, char *err, int size)
{
    int           number;
    migration_t  *m;
    db_result_t  *res;

    res = db_run(db, &list_sql);
    if (res == NULL) {
        snprintf(err, size, "The database does not answer: %s",
                 db_message(db));
        return -1;
    }

    for (int i = 0; i < db_rows(res); i++) {
        number = (int) db_int(res, i, 0);
        m = migration_find(number);

        if (m == NULL) {
            snprintf(err, size, "The schema is newer than this program: it has"
                     " %s, which is not in sql_dir. Install the release that"
                     " has it.", db_text(res, i, 1));
            db_free(res);
            return -1;
        }

        if (strcmp(m->hash, db_text(res, i, 2)) != 0) {
            snprintf(err, size, "%s was changed after it was applied. Put the"
                     " file back as it was; changes are new files.", m->name);
            db_free(res);
            return -1;
        }

        applied[m - known.files] = true;
    }

    db_free(res);

    return 0;
}


static int
migrate_one(db_t *db, migration_t *m, char *err, int size)
{
    char          number[16];
    db_result_t  *res;

    snprintf(number, sizeof(number), "%d", m->number);

    if (db_begin(db) != 0 || db_script(db, m->sql) != 0) {
        snprintf(err, size, "%s: %s", m->name, db_message(db));
        db_rollback(db);
        return -1;
    }

    res = db_run(db, &insert_sql, number, m->name, m->hash);
    db_free(res);

    if (res == NULL || db_commit(db) != 0) {
        snprintf(err, size, "%s: %s", m->name, db_message(db));
        db_rollback(db);
        return -1;
    }

    printf("%s\n", m->name);
    fflush(stdout);

    return 0;
}


int
migrate_run(db_t *db, char *err, int size)
{
    int   rc, done;
    bool  applied[FILES_MAX] = { false };

    /* waits for the other one that migrates, however long that takes */

    if (db_script(db, "SET statement_timeout = 0; SET lock_timeout = 0;"
                      " SET idle_in_transaction_session_timeout = 0") != 0
        || db_script(db, LOCK_SQL) != 0 || db_script(db, table_sql) != 0)
    {
        snprintf(err, size, "The database does not answer: %s",
                 db_message(db));
        return -1;
    }

    rc = migrate_compare(db, applied, err, size);
    done = 0;

    for (int i = 0; rc == 0 && i < known.count; i++) {
        if (!applied[i]) {
            rc = migrate_one(db, &known.files[i], err, size);
            done++;
        }
    }

    if (rc == 0 && done == 0) {
        printf("nothing to do\n");
    }

    (void) db_script(db, UNLOCK_SQL);

    return rc;
}


const char *
migrate_wrong(db_t *db)
{
    bool                 applied[FILES_MAX] = { false };
    db_result_t         *res;
    static _Thread_local char  err[SENTENCE_MAX];

    res = db_run(db, &exists_sql);

    if (res == NULL) {
        return "The database does not answer.";
    }

    if (!db_bool(res, 0, 0)) {
        db_free(res);
        return "The database is empty: run control-plane --migrate.";
    }

    db_free(res);

    if (migrate_compare(db, applied, err, sizeof(err)) != 0) {
        return err;
    }

    for (int i = 0; i < known.count; i++) {
        if (!applied[i]) {
            snprintf(err, sizeof(err), "The schema is older than this program:"
                     " %s is missing. Run control-plane --migrate.",
                     known.files[i].name);
            return err;
        }
    }

    return NULL;
}

#include "job/watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "job/job.h"
#include "main/app.h"
#include "main/log.h"

/*
 * Seals anew what another key of secret_key than the first one has sealed: (a
 * hundred of each kind in one run), so that an old key can be taken out of the
 * file. A text that does not open stays as it is and is counted in the log.
 */
#define ROTATION_BATCH  "100"

/* Those before and those behind the key in an index: few, once all are done,
 * however many there are. */
#define ROTATION_SIDE(table, key, side)                                       \
    "(SELECT " key "::text, sealed FROM " table                               \
    " WHERE split_part(sealed, '.', 2) " side " $1"                           \
    " ORDER BY split_part(sealed, '.', 2) LIMIT " ROTATION_BATCH ")"

#define ROTATION_SELECT(table, key)                                           \
    ROTATION_SIDE(table, key, "<") " UNION ALL " ROTATION_SIDE(table, key, ">")

/* Unless somebody else has changed it meanwhile. */
#define ROTATION_UPDATE(table, key, type)                                     \
    "UPDATE " table " SET sealed = $3"                                        \
    " WHERE " key " = $1::" type " AND sealed = $2"

static const db_query_t  q_rotation_keys = {
    "rotation_keys", ROTATION_SELECT("signing_keys", "kid"), 1
};
DB_REGISTER(q_rotation_keys);

static const db_query_t  q_rotation_keys_set = {
    "rotation_keys_set", ROTATION_UPDATE("signing_keys", "kid", "text"), 3
};
DB_REGISTER(q_rotation_keys_set);

static const db_query_t  q_rotation_webhooks = {
    "rotation_webhooks", ROTATION_SELECT("webhooks", "id"), 1
};
DB_REGISTER(q_rotation_webhooks);

static const db_query_t  q_rotation_webhooks_set = {
    "rotation_webhooks_set", ROTATION_UPDATE("webhooks", "id", "bigint"), 3
};
DB_REGISTER(q_rotation_webhooks_set);

static const db_query_t  q_rotation_reviews = {
    "rotation_reviews", ROTATION_SELECT("chat_reviews", "stream_id"), 1
};
DB_REGISTER(q_rotation_reviews);

static const db_query_t  q_rotation_reviews_set = {
    "rotation_reviews_set",
    ROTATION_UPDATE("chat_reviews", "stream_id", "text"), 3
};
DB_REGISTER(q_rotation_reviews_set);

static const db_query_t  q_rotation_passphrases = {
    "rotation_passphrases", ROTATION_SELECT("stream_passphrases", "stream_id"),
    1
};
DB_REGISTER(q_rotation_passphrases);

static const db_query_t  q_rotation_passphrases_set = {
    "rotation_passphrases_set",
    ROTATION_UPDATE("stream_passphrases", "stream_id", "text"), 3
};
DB_REGISTER(q_rotation_passphrases_set);

/* Every sealed column. */
static const struct {
    const char        *place;       /* crypt.h: "table.column" */
    const db_query_t  *select;
    const db_query_t  *update;
} rotation_columns[] = {
    { "signing_keys.sealed", &q_rotation_keys, &q_rotation_keys_set },
    { "webhooks.sealed", &q_rotation_webhooks, &q_rotation_webhooks_set },
    { "chat_reviews.sealed", &q_rotation_reviews, &q_rotation_reviews_set },
    { "stream_passphrases.sealed", &q_rotation_passphrases,
      &q_rotation_passphrases_set },
};

#define ROTATION_COLUMNS                                                      \
    (sizeof(rotation_columns) / sizeof(rotation_columns[0]))


/* 1: sealed anew; 0: it does not open; -1: the database, memory. */
static int
rotation_row(const crypt_t *crypt, db_t *db, size_t column, const char *key,
    const char *sealed)
{
    int             rc;
    char            what[160], *text;
    size_t          len;
    unsigned char   plain[CRYPT_PLAIN_MAX];

    snprintf(what, sizeof(what), "%s:%s", rotation_columns[column].place, key);

    if (crypt_open(crypt, what, sealed, plain, sizeof(plain), &len) != 0) {
        return 0;
    }

    text = crypt_seal(crypt, what, plain, len);
    OPENSSL_cleanse(plain, len);

    if (text == NULL) {
        return -1;
    }

    rc = db_run(db, rotation_columns[column].update, key, sealed, text) != NULL
         ? 1 : -1;
    free(text);

    return rc;
}


static int
rotation_column(const crypt_t *crypt, db_t *db, size_t column)
{
    int           i, rc, done, closed;
    db_result_t  *res;

    res = db_run(db, rotation_columns[column].select, crypt_key_id(crypt));

    if (res == NULL) {
        return -1;
    }

    done = 0;
    closed = 0;

    for (i = 0; i < db_rows(res); i++) {
        rc = rotation_row(crypt, db, column, db_text(res, i, 0),
            db_text(res, i, 1));

        if (rc < 0) {
            return -1;
        }

        done += rc == 1;
        closed += rc == 0;
    }

    if (done > 0) {
        log_line(LOG_INFO, "%s: %d secrets sealed with key %s",
            rotation_columns[column].place, done, crypt_key_id(crypt));
    }

    if (closed > 0) {
        log_line(LOG_ERROR, "%s: %d secrets open with no key of secret_key",
            rotation_columns[column].place, closed);
    }

    return 0;
}


static int
secret_rotation_job(struct app_s *app, db_t *db)
{
    size_t  i;

    for (i = 0; i < ROTATION_COLUMNS; i++) {
        if (rotation_column(app->crypt, db, i) != 0) {
            return -1;
        }
    }

    return 0;
}


void
secret_rotation_jobs(struct app_s *app)
{
    if (app->crypt != NULL) {
        job_every(app, "secret_rotation", 60, secret_rotation_job);
    }
}

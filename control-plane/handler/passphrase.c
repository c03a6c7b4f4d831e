#include "handler/passphrase.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "handler/stream_access.h"
#include "handler/stream_json.h"
#include "http/router.h"
#include "main/app.h"
#include "main/log.h"

#define SEALED_PLACE  "stream_passphrases.sealed:%s"

static const db_query_t  q_passphrase = {
    "passphrase",
    "SELECT json_build_object('set', p.stream_id IS NOT NULL,"
    " 'created_at', " SQL_TIME("p.created_at") ")"
    " FROM (SELECT $1::text AS id) s"
    " LEFT JOIN stream_passphrases p ON p.stream_id = s.id",
    1
};
DB_REGISTER(q_passphrase);

static const db_query_t  q_passphrase_put = {
    "passphrase_put",
    "INSERT INTO stream_passphrases (stream_id, sealed) VALUES ($1, $2)"
    " ON CONFLICT (stream_id) DO UPDATE SET sealed = excluded.sealed,"
    "  created_at = now()",
    2
};
DB_REGISTER(q_passphrase_put);

static const db_query_t  q_passphrase_delete = {
    "passphrase_delete",
    "DELETE FROM stream_passphrases WHERE stream_id = $1",
    1
};
DB_REGISTER(q_passphrase_delete);


static int
passphrase_get(request_t *r)
{
    int           rc;
    stream_t      stream;
    db_result_t  *res;

    rc = stream_open(r, STREAM_EDIT, &stream);
    if (rc != 0) {
        return rc;
    }

    res = db_run(r->db, &q_passphrase, stream.id);
    if (res == NULL) {
        return problem_db(r);
    }

    return respond_text(r, 200, db_text(res, 0, 0));
}


/* Encoders take it on a command line or in a URL: nothing but what can be
 * typed there. */
static bool
passphrase_printable(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text < 0x20 || *text > 0x7e) {
            return false;
        }
    }

    return true;
}


static int
passphrase_put(request_t *r)
{
    int           rc;
    char         *sealed;
    stream_t      stream;
    const char   *text;
    db_result_t  *res;

    rc = stream_open(r, STREAM_OWN, &stream);
    if (rc != 0) {
        return rc;
    }

    text = body_text(r->body, "passphrase");

    if (!passphrase_printable(text)) {
        return problem_field(r, "passphrase",
                             "has printable ASCII characters alone.");
    }

    sealed = crypt_seal(r->app->crypt,
                        request_printf(r, SEALED_PLACE, stream.id), text,
                        strlen(text));
    if (sealed == NULL) {
        abort();
    }

    res = db_run(r->db, &q_passphrase_put, stream.id, sealed);
    free(sealed);

    if (res == NULL
        || audit(r, "stream.passphrase.set", "stream", stream.id, NULL) != 0)
    {
        return problem_db(r);
    }

    return respond_empty(r);
}


/* None is what is asked for: so it is well if there was none. */
static int
passphrase_delete(request_t *r)
{
    int           rc;
    stream_t      stream;
    db_result_t  *res;

    rc = stream_open(r, STREAM_OWN, &stream);
    if (rc != 0) {
        return rc;
    }

    res = db_run(r->db, &q_passphrase_delete, stream.id);

    if (res == NULL
        || (db_affected(res) > 0
            && audit(r, "stream.passphrase.remove", "stream", stream.id, NULL)
               != 0))
    {
        return problem_db(r);
    }

    return respond_empty(r);
}


int
passphrase_open(request_t *r, const char *stream, const char *sealed,
    char text[PASSPHRASE_MAX + 1])
{
    size_t  len;

    if (crypt_open(r->app->crypt, request_printf(r, SEALED_PLACE, stream),
            sealed, text, PASSPHRASE_MAX, &len) != 0)
    {
        log_line(LOG_ERROR, "stream %s: its passphrase does not open: set it"
            " anew", stream);
        return -1;
    }

    text[len] = '\0';

    return 0;
}


static const field_t  passphrase_fields[] = {
    { .name = "passphrase", .type = FIELD_SECRET, .flags = FIELD_REQUIRED,
      .min = PASSPHRASE_MIN, .max = PASSPHRASE_MAX },
    { 0 }
};

const route_t  routes_passphrase[] = {
    { "GET", "/streams/{id}/passphrase", passphrase_get, ACCESS_USER, 0,
      "keys:read", NULL, NULL, NULL },
    { "PUT", "/streams/{id}/passphrase", passphrase_put, ACCESS_USER, 0,
      "keys:write", passphrase_fields, NULL, NULL },
    { "DELETE", "/streams/{id}/passphrase", passphrase_delete, ACCESS_USER, 0,
      "keys:write", NULL, NULL, NULL },
    { 0 }
};

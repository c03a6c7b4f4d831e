#include "handler/internal.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <sodium.h>

#include "lv_streamkeys.h"

#include "handler/node_json.h"
#include "handler/passphrase.h"
#include "main/app.h"
#include "main/event.h"
#include "main/log.h"

/*
 * One statement: the credential's stream, whether it may be live, and when it
 * may, the broadcast (opened, or the open one continued), the key's last use
 * (written once a minute) and, when the stream moves here from another node,
 * the order to that node to let go of it.
 *
 * The first part, k, is (key_id, stream_id, sub, used, expires_at, refusal).
 * $1 the stream that was asked for or NULL, $2 node, $3 protocol, $4 address,
 * $5 encoder, $6 owner.
 */
#define PUBLISH_SQL                                                           \
    " d AS (SELECT k.key_id, k.used, k.expires_at, s.id AS stream_id,"        \
    "  s.user_id, s.title, s.settings, s.scheduled_at,"                       \
    "  b.node_id AS from_node,"                                               \
    "  CASE WHEN k.refusal IS NOT NULL THEN k.refusal"                        \
    "   WHEN $1::text <> s.id THEN 'stream'"                                  \
    "   WHEN u.suspended_at IS NOT NULL OR c.suspended_at IS NOT NULL"        \
    "    THEN 'suspended'"                                                    \
    "   WHEN m.role = 'banned' THEN 'banned'"                                 \
    "   WHEN k.key_id IS NULL AND coalesce(m.role, '') NOT IN"                \
    "    ('owner', 'co-host') AND c.role IS DISTINCT FROM 'admin'"            \
    "    THEN 'role'"                                                         \
    "   WHEN s.status = 'scheduled' AND s.scheduled_at > now()"               \
    "    AND s.armed_at IS NULL THEN 'scheduled'"                             \
    "   WHEN s.status = 'ended' AND s.armed_at IS NULL THEN 'ended'"          \
    "   WHEN b.owner IS DISTINCT FROM $6 AND l.state = 'live'"                \
    "    AND (l.stats ->> 'bitrate')::bigint > 0"                             \
    "    AND l.last_seen_at > now() - interval '6s' THEN 'busy'"              \
    "   END AS refusal"                                                       \
    "  FROM k JOIN streams s ON s.id = k.stream_id"                           \
    "  JOIN users u ON u.id = s.user_id"                                      \
    "  LEFT JOIN users c ON c.id = k.sub"                                     \
    "  LEFT JOIN stream_members m ON m.stream_id = s.id AND m.user_id = k.sub"\
    "  LEFT JOIN broadcasts b ON b.stream_id = s.id AND b.ended_at IS NULL"   \
    "  LEFT JOIN live_streams l ON l.stream_id = s.id),"                      \
    " b AS (INSERT INTO broadcasts AS b (stream_id, user_id, title, node_id," \
    "   key_id, protocol, addr, encoder, owner)"                              \
    "  SELECT stream_id, user_id, title, $2, key_id, $3, $4::inet, $5, $6"    \
    "  FROM d WHERE refusal IS NULL"                                          \
    "  ON CONFLICT (stream_id) WHERE ended_at IS NULL DO UPDATE"              \
    "  SET node_id = excluded.node_id,"                                       \
    "   epoch = CASE WHEN b.node_id = excluded.node_id THEN b.epoch END,"     \
    "   key_id = excluded.key_id, protocol = excluded.protocol,"              \
    "   addr = excluded.addr, encoder = excluded.encoder,"                    \
    "   owner = excluded.owner, stop_reason = NULL, last_seen_at = now()"     \
    "  RETURNING id),"                                                        \
    " l AS (UPDATE live_streams l SET node_id = $2, epoch = NULL,"            \
    "  last_seen_at = now() FROM d WHERE d.refusal IS NULL"                   \
    "   AND l.stream_id = d.stream_id AND l.node_id <> $2),"                  \
    " c AS (INSERT INTO node_commands (node_id, type, stream_id, reason)"     \
    "  SELECT n.id, 'kick', d.stream_id,"                                     \
    "   'The broadcast continues on another node.' FROM d"                    \
    "  JOIN nodes n ON n.id = d.from_node"                                    \
    "  WHERE d.refusal IS NULL AND d.from_node <> $2),"                       \
    " u AS (UPDATE stream_keys s SET last_used_at = now() FROM d"             \
    "  WHERE s.id = d.key_id AND d.refusal IS NULL"                           \
    "   AND (d.used IS NULL OR d.used < now() - interval '1 minute'))"        \
    " SELECT d.refusal, d.stream_id, d.user_id, b.id, d.settings,"            \
    "  extract(epoch FROM d.expires_at)::bigint,"                             \
    "  to_char(d.scheduled_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'),"     \
    "  (SELECT p.sealed FROM stream_passphrases p"                            \
    "   WHERE p.stream_id = d.stream_id)               "                      \
    " FROM d LEFT JOIN b ON true"

enum {
    COL_REFUSAL,
    COL_STREAM,
    COL_USER,
    COL_BROADCAST,
    COL_SETTINGS,
    COL_EXPIRES,
    COL_SCHEDULED,
    COL_PASSPHRASE
};

/* $7 SHA-256 of the key. */
static const db_query_t  q_publish_key = {
    "publish_key",
    "WITH k AS (SELECT k.id AS key_id, k.stream_id, k.created_by AS sub,"
    "  k.last_used_at AS used, k.expires_at,"
    "  CASE WHEN k.revoked_at IS NOT NULL THEN 'revoked'"
    "   WHEN k.expires_at <= now() THEN 'expired' END AS refusal"
    "  FROM stream_keys k WHERE k.hash = decode($7, 'hex')),"
    PUBLISH_SQL,
    7
};
DB_REGISTER(q_publish_key);

/* $7 the token's stream, $8 its user, $9 its jti, $10 iat, $11 exp. */
static const db_query_t  q_publish_token = {
    "publish_token",
    "WITH k AS (SELECT NULL::bigint AS key_id, $7::text AS stream_id,"
    "  $8::text::bigint AS sub, NULL::timestamptz AS used,"
    "  to_timestamp($11::bigint) AS expires_at,"
    "  (SELECT 'revoked' FROM revocations v WHERE v.until > now()"
    "   AND (v.before IS NULL OR v.before > to_timestamp($10::bigint))"
    "   AND (v.kind, v.value) IN (('jti', $9::text), ('sub', $8::text),"
    "    ('stream', $7), ('sub_stream', $8::text || chr(10) || $7))"
    "   LIMIT 1) AS refusal),"
    PUBLISH_SQL,
    11
};
DB_REGISTER(q_publish_token);

typedef struct {
    const char  *node;
    const char  *stream;            /* or NULL */
    const char  *protocol;
    const char  *addr;              /* or NULL */
    const char  *encoder;           /* or NULL */
    char         owner[65];
} publish_t;


static int
publish_refuse(request_t *r, const char *why, const char *scheduled)
{
    size_t  i;

    static const struct {
        const char  *why;
        const char  *sentence;
    } sentences[] = {
        { "revoked", "This stream key was revoked." },
        { "expired", "This stream key has expired." },
        { "stream", "This stream key belongs to another stream." },
        { "suspended", "This account is suspended." },
        { "banned", "You are banned from this stream." },
        { "role", "You may no longer publish to this stream." },
        { "ended", "This stream was stopped: start it again first." },
        { "busy", "This stream is live from another encoder." },
    };

    if (strcmp(why, "scheduled") == 0) {
        return problem(r, 403, "publish-refused", request_printf(r,
            "This stream is scheduled for %s UTC: start it to go live now.",
            scheduled));
    }

    for (i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++) {
        if (strcmp(why, sentences[i].why) == 0) {
            return problem(r, 403, "publish-refused", sentences[i].sentence);
        }
    }

    return problem(r, 403, "publish-refused", "This stream key is not known.");
}


/*
 * For webhooks; the refusal itself changes nothing, so this is a transaction
 * of its own. An encoder that comes back all the time is told of once a minute.
 */
static void
publish_refused(request_t *r, publish_t *p, const char *stream,
    const char *why)
{
    if (event_emit(r->db, "publish.refused", stream,
            request_printf(r, "%s %s", stream, why),
            json_pack("{s:s,s:s?,s:s?}", "why", why, "protocol", p->protocol,
                "encoder", p->encoder)) != 0)
    {
        log_line(LOG_WARN, "publish refused for stream %s: webhooks are not "
            "told", stream);
    }
}


/* The answer to whatever one of the statements says. */
static int
publish_answer(request_t *r, publish_t *p, db_result_t *res)
{
    char         passphrase[PASSPHRASE_MAX + 1];
    json_t      *answer;
    const char  *stream;

    if (res == NULL) {
        return problem_db(r);
    }

    if (db_rows(res) == 0) {
        return publish_refuse(r, "unknown", NULL);
    }

    if (!db_null(res, 0, COL_REFUSAL)) {
        publish_refused(r, p, db_text(res, 0, COL_STREAM),
            db_text(res, 0, COL_REFUSAL));

        return publish_refuse(r, db_text(res, 0, COL_REFUSAL),
            db_text(res, 0, COL_SCHEDULED));
    }

    stream = db_text(res, 0, COL_STREAM);
    passphrase[0] = '\0';

    /* not without one because it cannot be read */

    if (!db_null(res, 0, COL_PASSPHRASE)
        && passphrase_open(r, stream, db_text(res, 0, COL_PASSPHRASE),
                           passphrase)
           != 0)
    {
        return problem(r, 503, "unavailable",
            "This stream's passphrase cannot be read: set it anew.");
    }

    answer = json_pack("{s:s,s:s,s:s,s:s,s:o*}",
        "stream", stream,
        "user", db_text(res, 0, COL_USER),
        "broadcast", db_text(res, 0, COL_BROADCAST),
        "owner", p->owner,
        "settings", json_loads(db_text(res, 0, COL_SETTINGS), 0, NULL));

    json_object_set_new(answer, "expires", db_null(res, 0, COL_EXPIRES)
        ? json_null() : json_integer(db_int(res, 0, COL_EXPIRES)));

    if (passphrase[0] != '\0') {
        json_object_set_new(answer, "passphrase", json_string(passphrase));
        OPENSSL_cleanse(passphrase, sizeof(passphrase));
    }

    return respond(r, 200, answer);
}


/*
 * A statement of its own, without a transaction around it: one round trip. It
 * can be repeated: when it met another writer, and once when the connection
 * turned out to be gone.
 */
#define PUBLISH_TRIES  3


static bool
publish_again(request_t *r, int tries)
{
    switch (db_error(r->db)) {

    case DB_AGAIN:
        return tries < PUBLISH_TRIES;

    case DB_DOWN:
        return tries == 1;

    default:
        return false;
    }
}


static int
publish_with_key(request_t *r, publish_t *p, const char *key)
{
    int           tries;
    char          hex[LV_STREAMKEY_HASH * 2 + 1];
    uint8_t       hash[LV_STREAMKEY_HASH];
    lv_str_t      text;
    db_result_t  *res;

    text.data = (const uint8_t *) key;
    text.len = strlen(key);

    if (lv_streamkey_hash(text, hash) != LV_OK) {
        return publish_refuse(r, "unknown", NULL);
    }

    sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash));
    memcpy(p->owner, hex, sizeof(p->owner));

    tries = 0;

    do {
        res = db_run(r->db, &q_publish_key, p->stream, p->node, p->protocol,
            p->addr, p->encoder, p->owner, hex);

    } while (res == NULL && publish_again(r, ++tries));

    return publish_answer(r, p, res);
}


static bool
publish_can(json_t *claims)
{
    size_t   i;
    json_t  *can, *one;

    can = json_object_get(claims, "can");

    for (i = 0; i < json_array_size(can); i++) {
        one = json_array_get(can, i);

        if (json_is_string(one)
            && strcmp(json_string_value(one), "publish") == 0)
        {
            return true;
        }
    }

    return false;
}


static int
publish_with_token(request_t *r, publish_t *p, const char *token)
{
    int             tries;
    char           *owner;
    json_t         *claims;
    const char     *stream, *sub, *jti, *iat, *exp;
    db_result_t    *res;
    unsigned char   hash[SHA256_DIGEST_LENGTH];

    if (r->app->signing == NULL
        || signing_verify(r->app, token, r->now, &claims) != 0)
    {
        return problem(r, 403, "publish-refused",
            "This publish token is not valid, or has expired.");
    }

    stream = node_stream_id(r, claims, "stream");
    sub = node_id(r, claims, "sub");
    jti = node_text(r, claims, "jti", 64);
    iat = node_number(r, node_int(claims, "iat", 0, INT64_MAX, 0));
    exp = node_number(r, node_int(claims, "exp", 0, INT64_MAX, 0));

    if (!publish_can(claims) || stream == NULL || sub == NULL || jti == NULL) {
        json_decref(claims);
        return problem(r, 403, "publish-refused",
            "This token is not for publishing.");
    }

    json_decref(claims);

    /* a user's next token takes over from the one before */

    owner = request_printf(r, "publish token\n%s\n%s", sub, stream);
    SHA256((unsigned char *) owner, strlen(owner), hash);
    sodium_bin2hex(p->owner, sizeof(p->owner), hash, sizeof(hash));

    tries = 0;

    do {
        res = db_run(r->db, &q_publish_token, p->stream, p->node,
            p->protocol, p->addr, p->encoder, p->owner, stream, sub, jti,
            iat, exp);

    } while (res == NULL && publish_again(r, ++tries));

    return publish_answer(r, p, res);
}


int
publish_post(request_t *r)
{
    publish_t    p;
    const char  *credential, *addr;

    memset(&p, 0, sizeof(p));

    p.node = node_text(r, r->body, "node", 64);
    p.protocol = node_text(r, r->body, "protocol", 16);
    p.encoder = node_text(r, r->body, "encoder", 200);

    if (p.node == NULL) {
        return problem_field(r, "node", "It is missing.");
    }

    addr = node_text(r, r->body, "addr", 64);
    p.addr = addr != NULL && node_is_addr(addr) ? addr : NULL;

    if (json_is_string(json_object_get(r->body, "stream"))) {
        p.stream = node_stream_id(r, r->body, "stream");

        if (p.stream == NULL) {
            return publish_refuse(r, "unknown", NULL);
        }
    }

    credential = json_string_value(json_object_get(r->body, "credential"));

    if (credential == NULL || *credential == '\0') {
        return problem(r, 403, "publish-refused",
            "A stream key is needed to publish here.");
    }

    /* a JSON Web Token has two dots, a stream key none */

    return strchr(credential, '.') != NULL
           ? publish_with_token(r, &p, credential)
           : publish_with_key(r, &p, credential);
}

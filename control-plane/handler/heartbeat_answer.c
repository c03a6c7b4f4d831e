#include "handler/heartbeat.h"

#include <stdlib.h>
#include <string.h>

#include "handler/chat_room.h"
#include "handler/node_json.h"
#include "main/app.h"
#include "main/command.h"

#define HEARTBEAT_MS           2000

/* An answer stays below 1 MiB: more follow with the next one. */
#define HEARTBEAT_REVOCATIONS  "5000"
#define HEARTBEAT_COMMANDS     "200"

static const db_query_t  q_heartbeat_commands = {
    "heartbeat_commands",
    "SELECT id, type, stream_id, reason, data FROM node_commands"
    " WHERE node_id = $1 AND done_at IS NULL AND expires_at > now()"
    " ORDER BY id LIMIT " HEARTBEAT_COMMANDS,
    1
};
DB_REGISTER(q_heartbeat_commands);

/*
 * $1 the version that the node has. A version above ours (the database was
 * restored) counts as none. The counter is read in the same snapshot as the
 * rows, and grows in the order of commits: nothing at or below it is missing.
 */
static const db_query_t  q_heartbeat_revocations = {
    "heartbeat_revocations",
    "SELECT c.value, v.version, v.kind, v.value,"
    " coalesce(extract(epoch FROM v.before)::bigint, 0),"
    " extract(epoch FROM v.until)::bigint"
    " FROM counters c LEFT JOIN revocations v ON v.until > now()"
    "  AND v.version > CASE WHEN $1::bigint > c.value THEN 0"
    "   ELSE $1::bigint END"
    " WHERE c.name = 'revocations'"
    " ORDER BY v.version LIMIT " HEARTBEAT_REVOCATIONS,
    1
};
DB_REGISTER(q_heartbeat_revocations);


static int
heartbeat_answer_revocations(request_t *r, json_t *answer, int64_t seen)
{
    int           i, rows;
    json_t       *items;
    int64_t       version;
    db_result_t  *res;

    res = db_run(r->db, &q_heartbeat_revocations, node_number(r, seen));

    if (res == NULL) {
        return -1;
    }

    rows = db_rows(res);
    version = db_int(res, 0, 0);

    if (seen == version) {
        return 0;
    }

    items = json_array();

    for (i = 0; i < rows && !db_null(res, i, 1); i++) {
        json_array_append_new(items, json_pack("{s:s,s:s,s:I,s:I}",
            "kind", db_text(res, i, 2), "value", db_text(res, i, 3),
            "before", (json_int_t) db_int(res, i, 4),
            "until", (json_int_t) db_int(res, i, 5)));
    }

    json_object_set_new(answer, "revocations", json_pack("{s:I,s:b,s:o}",
        "version", (json_int_t) (rows == atoi(HEARTBEAT_REVOCATIONS)
                                 ? db_int(res, rows - 1, 1) : version),
        "full", seen == 0 || seen > version, "items", items));

    return 0;
}


static int
heartbeat_answer_commands(request_t *r, json_t *answer, const char *node)
{
    int           i;
    json_t       *list;
    db_result_t  *res;

    res = db_run(r->db, &q_heartbeat_commands, node);

    if (res == NULL) {
        return -1;
    }

    list = json_array();

    for (i = 0; i < db_rows(res); i++) {
        json_array_append_new(list, command_json(res, i, 0));
    }

    json_object_set_new(answer, "commands", list);

    return 0;
}


static void
heartbeat_answer_keys(request_t *r, json_t *answer, const char *seen)
{
    char  version[SIGNING_VERSION_LEN + 1], *jwks;

    if (r->app->signing == NULL) {
        return;
    }

    jwks = signing_jwks(r->app->signing, version);

    if (jwks != NULL && (seen == NULL || strcmp(seen, version) != 0)) {
        json_object_set_new(answer, "keys", json_pack("{s:s,s:o}",
            "version", version, "jwks", json_loads(jwks, 0, NULL)));
    }

    free(jwks);
}


int
heartbeat_answer(request_t *r, heartbeat_t *hb, json_t *seen)
{
    json_t  *answer;

    answer = json_pack("{s:s,s:i}", "events", node_number(r, hb->last_event),
        "interval_ms", HEARTBEAT_MS);

    heartbeat_answer_keys(r, answer, node_text(r, seen, "keys", 100));

    if (heartbeat_answer_revocations(r, answer,
            node_int(seen, "revocations", 0, INT64_MAX, 0)) != 0
        || heartbeat_answer_commands(r, answer, hb->node) != 0
        || chat_rooms_answer(r, answer, seen) != 0)
    {
        json_decref(answer);
        return problem_db(r);
    }

    return respond(r, 200, answer);
}

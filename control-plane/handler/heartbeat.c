#include "handler/heartbeat.h"

#include <stdio.h>
#include <string.h>

#include "handler/internal.h"
#include "handler/node_json.h"

#define HEARTBEAT_SESSIONS_MAX  2000
#define HEARTBEAT_DONE_MAX      1000

/* A report of a store that is older than the known one is late, unless the
 * known one has not been heard of for a while (a clock was set back). */
static const db_query_t  q_heartbeat_node = {
    "heartbeat_node",
    "INSERT INTO nodes AS n (id, epoch, version, started_at, draining,"
    " rtmp_url, http_url, addr, cpu, workers, store_size, store_used,"
    " publishers, publishers_max, viewers, keys_seen, revocations_seen)"
    " VALUES ($1, $2::bigint, $3, to_timestamp($4::bigint), $5::boolean,"
    " $6, $7, $8::inet, $9::real, $10::int, $11::bigint, $12::bigint,"
    " $13::int, $14::int, $15::int, $16, $17::bigint)"
    " ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch,"
    " last_event = CASE WHEN n.epoch = excluded.epoch THEN n.last_event"
    "  ELSE 0 END,"
    " last_seen_at = now(), version = excluded.version,"
    " started_at = excluded.started_at, draining = excluded.draining,"
    " rtmp_url = excluded.rtmp_url, http_url = excluded.http_url,"
    " addr = excluded.addr, cpu = excluded.cpu, workers = excluded.workers,"
    " store_size = excluded.store_size, store_used = excluded.store_used,"
    " publishers = excluded.publishers,"
    " publishers_max = excluded.publishers_max, viewers = excluded.viewers,"
    " keys_seen = excluded.keys_seen,"
    " revocations_seen = excluded.revocations_seen"
    " WHERE excluded.epoch >= n.epoch"
    "  OR n.last_seen_at < now() - interval '10s'"
    " RETURNING last_event, drain_wanted AND NOT draining",
    17
};
DB_REGISTER(q_heartbeat_node);

static const db_query_t  q_heartbeat_events = {
    "heartbeat_events",
    "UPDATE nodes SET last_event = $2::bigint WHERE id = $1",
    2
};
DB_REGISTER(q_heartbeat_events);

/* $1 node, $2 jtis. Each token's first sight is a view. */
static const db_query_t  q_heartbeat_sessions = {
    "heartbeat_sessions",
    "WITH seen AS (SELECT p.jti, p.stream_id, p.last_seen_at IS NULL AS first"
    "  FROM playback_sessions p WHERE p.jti = ANY ($2::text[])"
    "  AND (p.last_seen_at IS NULL"
    "   OR p.last_seen_at < now() - interval '10s')"
    "  ORDER BY p.jti FOR UPDATE),"
    " p AS (UPDATE playback_sessions p SET last_seen_at = now(),"
    "  node_id = $1 FROM seen WHERE p.jti = seen.jti),"
    " v AS (SELECT stream_id, count(*) AS views FROM seen WHERE first"
    "  GROUP BY stream_id),"
    " b AS (UPDATE broadcasts b SET views = b.views + v.views FROM v"
    "  WHERE b.id = (SELECT max(x.id) FROM broadcasts x"
    "    WHERE x.stream_id = v.stream_id)"
    "   AND (b.ended_at IS NULL OR b.ended_at > now() - interval '30s'))"
    " UPDATE streams s SET view_count = s.view_count + v.views FROM v"
    " WHERE s.id = v.stream_id",
    2
};
DB_REGISTER(q_heartbeat_sessions);

static const db_query_t  q_heartbeat_done = {
    "heartbeat_done",
    "UPDATE node_commands SET done_at = now() WHERE node_id = $1"
    " AND id = ANY ($2::bigint[]) AND done_at IS NULL",
    2
};
DB_REGISTER(q_heartbeat_done);

/* The node that came back without its drain is told again. */
static const db_query_t  q_heartbeat_drain = {
    "heartbeat_drain",
    "INSERT INTO node_commands (node_id, type) SELECT $1, 'drain'"
    " WHERE NOT EXISTS (SELECT 1 FROM node_commands c WHERE c.node_id = $1"
    "  AND c.type = 'drain' AND c.done_at IS NULL AND c.expires_at > now())",
    1
};
DB_REGISTER(q_heartbeat_drain);

/* 1: take it; 0: a late one; -1: the database. */
static int
heartbeat_node(request_t *r, heartbeat_t *hb, json_t *node, json_t *seen)
{
    char          cpu[32];
    json_t       *store, *capacity;
    const char   *max;
    db_result_t  *res;

    store = json_object_get(node, "store");
    capacity = json_object_get(node, "capacity");
    max = NULL;

    if (json_is_integer(json_object_get(capacity, "publishers_max"))) {
        max = node_number(r, node_int(capacity, "publishers_max", 0,
            INT32_MAX, 0));
    }

    snprintf(cpu, sizeof(cpu), "%.4f", node_real(node, "cpu", 0, 1));

    res = db_run(r->db, &q_heartbeat_node, hb->node,
        node_number(r, node_int(node, "epoch", 0, INT64_MAX, 0)),
        node_text(r, node, "version", 100),
        node_number(r, node_int(node, "started", 0, UINT32_MAX, r->now)),
        json_is_true(json_object_get(node, "draining")) ? "t" : "f",
        node_text(r, node, "rtmp_url", 500),
        node_text(r, node, "http_url", 500), r->addr, cpu,
        node_number(r, node_int(node, "workers", 0, 65535, 0)),
        node_number(r, node_int(store, "size", 0, INT64_MAX, 0)),
        node_number(r, node_int(store, "used", 0, INT64_MAX, 0)),
        node_number(r, hb->publishers), max, node_number(r, hb->viewers),
        node_text(r, seen, "keys", 100),
        node_number(r, node_int(seen, "revocations", 0, INT64_MAX, 0)));

    if (res == NULL) {
        return -1;
    }

    if (db_rows(res) == 0) {
        return 0;
    }

    hb->last_event = db_int(res, 0, 0);
    hb->drain = db_bool(res, 0, 1);

    return 1;
}


static int
heartbeat_events(request_t *r, heartbeat_t *hb)
{
    int64_t  last;

    last = hb->last_event;

    if (node_events(r, hb->node, json_object_get(r->body, "events"), &last)
        != 0)
    {
        return -1;
    }

    if (last == hb->last_event) {
        return 0;
    }

    hb->last_event = last;

    return db_run(r->db, &q_heartbeat_events, hb->node, node_number(r, last))
           != NULL ? 0 : -1;
}


/* A PostgreSQL array of what a list's elements are; NULL when it is empty. */
static const char *
heartbeat_array(request_t *r, json_t *list, size_t max, const char *member)
{
    char        *text, *p;
    size_t       i, n, size;
    json_t      *json;
    const char  *s;

    n = json_array_size(list);
    n = n < max ? n : max;
    size = n * 66 + 3;
    text = request_alloc(r, size);
    p = text;

    for (i = 0; i < n; i++) {
        json = json_array_get(list, i);
        s = json_string_value(member != NULL ? json_object_get(json, member)
                                             : json);

        if (s == NULL || *s == '\0' || strlen(s) > 64
            || strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                         "0123456789_-") != strlen(s)
            || (member == NULL && (strlen(s) > 18
                || strspn(s, "0123456789") != strlen(s))))
        {
            continue;
        }

        *p = p == text ? '{' : ',';
        memcpy(p + 1, s, strlen(s));
        p += strlen(s) + 1;
    }

    if (p == text) {
        return NULL;
    }

    *p++ = '}';
    *p = '\0';

    return text;
}


/* What the node has carried out; before its streams say how it went. */
static int
heartbeat_commands(request_t *r, heartbeat_t *hb, json_t *seen)
{
    const char  *list;

    list = heartbeat_array(r, json_object_get(seen, "commands"),
        HEARTBEAT_DONE_MAX, NULL);

    if (list != NULL
        && db_run(r->db, &q_heartbeat_done, hb->node, list) == NULL)
    {
        return -1;
    }

    if (hb->drain && db_run(r->db, &q_heartbeat_drain, hb->node) == NULL) {
        return -1;
    }

    return 0;
}


static int
heartbeat_sessions(request_t *r, heartbeat_t *hb)
{
    const char  *list;

    list = heartbeat_array(r, json_object_get(r->body, "sessions"),
        HEARTBEAT_SESSIONS_MAX, "jti");

    if (list == NULL) {
        return 0;
    }

    return db_run(r->db, &q_heartbeat_sessions, hb->node, list) != NULL
           ? 0 : -1;
}


int
heartbeat_post(request_t *r)
{
    int          rc;
    json_t      *node, *seen;
    heartbeat_t  hb;

    memset(&hb, 0, sizeof(hb));

    node = json_object_get(r->body, "node");
    seen = json_object_get(r->body, "seen");
    hb.node = node_text(r, node, "id", 64);
    hb.streams = json_object_get(r->body, "streams");

    if (hb.node == NULL
        || strspn(hb.node, "abcdefghijklmnopqrstuvwxyz"
                           "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
               != strlen(hb.node)
        || strchr("_.-", hb.node[0]) != NULL)
    {
        return problem_field(r, "node.id", "A node needs an id of letters, "
                             "digits, and _ . - in between.");
    }

    heartbeat_rows(r, &hb);

    rc = heartbeat_node(r, &hb, node, seen);

    if (rc == 0) {
        return problem(r, 409, "conflict", "A node with this id and a newer "
                       "store reports too.");
    }

    if (rc < 0 || heartbeat_events(r, &hb) != 0
        || heartbeat_commands(r, &hb, seen) != 0
        || heartbeat_streams(r, &hb) != 0
        || heartbeat_sessions(r, &hb) != 0)
    {
        return problem_db(r);
    }

    return heartbeat_answer(r, &hb, seen);
}

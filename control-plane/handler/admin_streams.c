#include <string.h>

#include "handler/stream_access.h"
#include "handler/stream_json.h"
#include "handler/streams.h"
#include "http/page.h"
#include "http/router.h"

/*
 * All streams, whatever their visibility, the newest first. With a user, with
 * words, or those that are live by viewers ($1 and $2: viewers and id of the
 * cursor): each its own query, for its own index.
 */

#define ITEM                                                                  \
    "json_build_object(" SQL_STREAM_FIELDS ","                                \
    " 'node', l.node_id, 'broadcast', l.broadcast_id::text,"                  \
    " 'owner_suspended', u.suspended_at IS NOT NULL)"

#define LIST(filter)                                                          \
    "SELECT " ITEM ", s.created_at::text, s.id"                               \
    " FROM streams s JOIN users u ON u.id = s.user_id"                        \
    " LEFT JOIN live_streams l ON l.stream_id = s.id"                         \
    " WHERE (s.created_at, s.id) < ($1::timestamptz, $2::text)" filter        \
    " ORDER BY s.created_at DESC, s.id DESC LIMIT $3::integer"

static const db_query_t q_admin_streams = {
    "admin_streams", LIST(""), 3
};
DB_REGISTER(q_admin_streams);

static const db_query_t q_admin_streams_user = {
    "admin_streams_user",
    LIST(" AND s.user_id = $4::bigint"
         " AND ($5::text IS NULL OR s.search @@"
         "  websearch_to_tsquery('simple', $5) OR s.title %> $5 OR s.id = $5)"),
    5
};
DB_REGISTER(q_admin_streams_user);

static const db_query_t q_admin_streams_words = {
    "admin_streams_words",
    LIST(" AND (s.search @@ websearch_to_tsquery('simple', $4)"
         " OR s.title %> $4 OR s.id = $4)"),
    4
};
DB_REGISTER(q_admin_streams_words);

#define LIVE(filter)                                                          \
    "SELECT " ITEM ", l.viewers, s.id"                                        \
    " FROM live_streams l JOIN streams s ON s.id = l.stream_id"               \
    " JOIN users u ON u.id = s.user_id"                                       \
    " WHERE (l.viewers, l.stream_id) < ($1::integer, $2::text)" filter        \
    " ORDER BY l.viewers DESC, l.stream_id DESC LIMIT $3::integer"

static const db_query_t q_admin_streams_live = {
    "admin_streams_live", LIVE(""), 3
};
DB_REGISTER(q_admin_streams_live);

static const db_query_t q_admin_streams_node = {
    "admin_streams_node", LIVE(" AND l.node_id = $4"), 4
};
DB_REGISTER(q_admin_streams_node);


static int
admin_streams_get(request_t *r)
{
    int           rc;
    bool          live;
    page_t        page;
    const char   *first, *id, *q, *user, *node;
    db_result_t  *res;

    rc = page_read(r, &page, 2);
    if (rc != 0) {
        return rc;
    }

    q = request_query(r, "q");
    user = request_query(r, "user");
    node = request_query(r, "node");
    live = request_query(r, "live") != NULL
           && strcmp(request_query(r, "live"), "true") == 0;

    if (node != NULL && !live) {
        return problem_field(r, "node", "goes with live=true");
    }

    if (live && (q != NULL || user != NULL)) {
        return problem_field(r, q != NULL ? "q" : "user",
                             "does not go with live=true");
    }

    first = page.keys ? page.key[0] : live ? "2147483647" : "infinity";
    id = page.keys ? page.key[1] : "";

    if (node != NULL) {
        res = db_run(r->db, &q_admin_streams_node, first, id,
                     page.limit_text, node);

    } else if (live) {
        res = db_run(r->db, &q_admin_streams_live, first, id,
                     page.limit_text);

    } else if (user != NULL) {
        res = db_run(r->db, &q_admin_streams_user, first, id,
                     page.limit_text, user, q);

    } else if (q != NULL) {
        res = db_run(r->db, &q_admin_streams_words, first, id,
                     page.limit_text, q);

    } else {
        res = db_run(r->db, &q_admin_streams, first, id, page.limit_text);
    }

    if (res == NULL) {
        return problem_db(r);
    }

    return respond_page(r, &page, res, 0, 1);
}


static int
admin_stream_kick(request_t *r)
{
    int          rc;
    stream_t     stream;
    const char  *reason;

    rc = stream_lock_live(r);
    if (rc != 0) {
        return rc;
    }

    rc = stream_open(r, STREAM_STOP, &stream);
    if (rc != 0) {
        return rc;
    }

    reason = body_text(r->body, "reason");

    rc = stream_end(r, stream.id, "kicked", "stream.kick",
                    reason != NULL ? reason
                                   : "The broadcast was stopped by a "
                                     "moderator.");
    if (rc != 0) {
        return rc;
    }

    return stream_respond(r, stream.id, 200, NULL, NULL);
}


static const field_t streams_query[] = {
    PAGE_FIELDS,
    { .name = "q", .type = FIELD_TEXT, .min = 1, .max = 200 },
    { .name = "user", .type = FIELD_ID },
    { .name = "live", .type = FIELD_BOOL },
    { .name = "node", .type = FIELD_TEXT, .min = 1, .max = 64 },
    { 0 }
};

static const field_t kick_fields[] = {
    { .name = "reason", .type = FIELD_TEXT, .min = 1, .max = 120 },
    { 0 }
};

const route_t routes_admin_streams[] = {
    { "GET", "/admin/streams", admin_streams_get, ACCESS_MODERATOR, 0,
      "admin:read", NULL, streams_query, NULL },
    { "POST", "/admin/streams/{id}/kick", admin_stream_kick,
      ACCESS_MODERATOR, 0, "admin:write", kick_fields, NULL, NULL },
    { 0 }
};

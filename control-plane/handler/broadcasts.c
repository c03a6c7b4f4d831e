#include "handler/report.h"
#include "handler/stream_access.h"
#include "handler/stream_json.h"
#include "http/page.h"
#include "http/router.h"

#define ID_FIRST  "9223372036854775807"     /* in front of the newest */

/* Where it came from and through which node is not for viewers ($4). */
static const db_query_t q_broadcast_list = {
    "broadcast_list",
    "SELECT json_build_object('id', b.id::text, 'title', b.title,"
    " 'started_at', " SQL_TIME("b.started_at") ","
    " 'ended_at', " SQL_TIME("b.ended_at") ","
    " 'ended_why', b.ended_why, 'media', b.media,"
    " 'views', b.views, 'peak_viewers', b.peak_viewers,"
    " 'ingest', CASE WHEN $4::boolean THEN"
    "  json_build_object('node', b.node_id, 'protocol', b.protocol,"
    "   'addr', host(b.addr), 'encoder', b.encoder, 'key', b.key_id::text,"
    "   'bytes', b.bytes, 'frames', b.frames) END), b.id"
    " FROM broadcasts b WHERE b.stream_id = $1 AND b.id < $2::bigint"
    "  AND b.started_at IS NOT NULL"
    " ORDER BY b.id DESC LIMIT $3::integer",
    4
};
DB_REGISTER(q_broadcast_list);


static int
broadcasts_get(request_t *r)
{
    int           rc;
    bool          all;
    page_t        page;
    stream_t      stream;
    db_result_t  *res;

    rc = page_read(r, &page, 1);
    if (rc != 0) {
        return rc;
    }

    rc = stream_open(r, STREAM_SEE, &stream);
    if (rc != 0) {
        return rc;
    }

    all = stream.rank >= RANK_CO_HOST || r->caller.role >= ROLE_MODERATOR;

    res = db_run(r->db, &q_broadcast_list, stream.id,
                 page.keys ? page.key[0] : ID_FIRST, page.limit_text,
                 all ? "t" : "f");
    if (res == NULL) {
        return problem_db(r);
    }

    return respond_page(r, &page, res, 0, 1);
}


static int
report_post(request_t *r)
{
    int       rc;
    stream_t  stream;

    rc = stream_open(r, STREAM_SEE, &stream);
    if (rc != 0) {
        return rc;
    }

    return report_create(r, stream.owner, stream.id);
}


static const field_t broadcasts_query[] = {
    PAGE_FIELDS,
    { 0 }
};

const route_t routes_broadcasts[] = {
    { "GET", "/streams/{id}/broadcasts", broadcasts_get, ACCESS_ANYONE, 0,
      "streams:read", NULL, broadcasts_query, NULL },
    { "POST", "/streams/{id}/report", report_post, ACCESS_USER,
      ROUTE_IDEMPOTENT, "profile:write", report_fields, NULL, "report" },
    { 0 }
};

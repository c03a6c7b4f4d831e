#include "handler/encoder_help.h"
#include "handler/ingest.h"
#include "handler/stream_settings.h"
#include "main/app.h"

/* A node beats every 2 s; one that missed two is not sent anybody. */
#define NODE_LOST  "interval '6 seconds'"

/*
 * Load is the scarcest of processor, store and places for publishers. A little
 * chance in it: between two heartbeats everybody would get the same node. A
 * node without a place left comes last, not never: its figures are 2 s old.
 */
static const db_query_t q_ingest_node = {
    "ingest_node",
    "SELECT n.id, n.rtmp_url FROM nodes n"
    " LEFT JOIN broadcasts b ON b.stream_id = $1 AND b.ended_at IS NULL"
    "  AND b.node_id = n.id"
    " WHERE n.last_seen_at > now() - " NODE_LOST
    "  AND n.rtmp_url IS NOT NULL"
    "  AND ((NOT n.draining AND NOT n.drain_wanted) OR b.id IS NOT NULL)"
    " ORDER BY b.id IS NULL, greatest(n.cpu,"
    "  n.store_used::real / nullif(n.store_size, 0),"
    "  n.publishers::real / nullif(n.publishers_max, 0))"
    "  + random() * 0.1 LIMIT 1",
    1
};
DB_REGISTER(q_ingest_node);


int
ingest_choose(request_t *r, const char *stream, const char *settings,
    json_t **ingest)
{
    int64_t       key_frame_ms, kbps;
    const char   *node, *server;
    db_result_t  *res;

    res = db_run(r->db, &q_ingest_node, stream);
    if (res == NULL) {
        return problem_db(r);
    }

    if (db_rows(res) != 0) {
        node = db_text(res, 0, 0);
        server = db_text(res, 0, 1);

    } else {
        node = NULL;
        server = conf_text(r->app->conf, "rtmp_url");
    }

    if (server == NULL) {
        respond_header(r, "Retry-After", "2");

        return problem(r, 503, "no-node",
                       "No node takes publishers at the moment.");
    }

    /* A segment begins at a key frame: one each segment. A tenth of the
     * bandwidth is left for sound and for peaks. */

    key_frame_ms = stream_setting(settings, "segment_ms");
    kbps = stream_setting(settings, "max_bitrate") * 9 / 10000;

    *ingest = json_pack("{s:s?, s:s, s:s, s:o}",
                        "node", node,
                        "server", server,
                        "url", request_printf(r, "%s/%s", server,
                                              ENCODER_KEY),
                        "encoders", encoder_help(server,
                                                 (int) (key_frame_ms / 1000),
                                                 (int) kbps));

    return 0;
}

#include "handler/stream_access.h"
#include "handler/stream_json.h"
#include "http/page.h"
#include "http/router.h"
#include "main/command.h"

/* "up": it has reported within three heartbeats. */
#define NODE_JSON                                                             \
    "json_build_object('id', n.id,"                                           \
    " 'up', n.last_seen_at > now() - interval '6s',"                          \
    " 'last_seen_at', " SQL_TIME("n.last_seen_at") ","                        \
    " 'started_at', " SQL_TIME("n.started_at") ","                            \
    " 'version', n.version, 'draining', n.draining,"                          \
    " 'drain_wanted', n.drain_wanted,"                                        \
    " 'rtmp_url', n.rtmp_url, 'http_url', n.http_url,"                        \
    " 'addr', host(n.addr), 'cpu', n.cpu, 'workers', n.workers,"              \
    " 'store', json_build_object('size', n.store_size,"                       \
    "  'used', n.store_used),"                                                \
    " 'publishers', n.publishers, 'publishers_max', n.publishers_max,"        \
    " 'viewers', n.viewers, 'streams', (SELECT count(*)"                      \
    "  FROM live_streams l WHERE l.node_id = n.id),"                          \
    " 'revocations_behind', greatest(0, (SELECT c.value FROM counters c"      \
    "  WHERE c.name = 'revocations') - n.revocations_seen))"

static const db_query_t  q_admin_nodes = {
    "admin_nodes",
    "SELECT " NODE_JSON ", n.id FROM nodes n"
    " WHERE n.id > $1 ORDER BY n.id LIMIT $2::integer",
    2
};
DB_REGISTER(q_admin_nodes);

static const db_query_t  q_admin_node = {
    "admin_node",
    "SELECT " NODE_JSON " FROM nodes n WHERE n.id = $1",
    1
};
DB_REGISTER(q_admin_node);


static int
admin_nodes_get(request_t *r)
{
    int           rc;
    page_t        page;
    db_result_t  *res;

    rc = page_read(r, &page, 1);

    if (rc != 0) {
        return rc;
    }

    res = db_run(r->db, &q_admin_nodes, page.keys ? page.key[0] : "",
        page.limit_text);

    if (res == NULL) {
        return problem_db(r);
    }

    return respond_page(r, &page, res, 0, 1);
}


static int
admin_node_command(request_t *r, const char *type, const char *action)
{
    const char   *id;
    db_result_t  *res;

    id = request_param(r, "id");

    if (command_node(r, id, type) != 0) {
        return problem_db(r);
    }

    res = db_run(r->db, &q_admin_node, id);

    if (res == NULL) {
        return problem_db(r);
    }

    if (db_rows(res) == 0) {
        return problem(r, 404, "not-found", "There is no such node.");
    }

    if (audit(r, action, "node", id, NULL) != 0) {
        return problem_db(r);
    }

    return respond_text(r, 200, db_text(res, 0, 0));
}


static int
admin_node_drain(request_t *r)
{
    return admin_node_command(r, "drain", "node.drain");
}


static int
admin_node_undrain(request_t *r)
{
    return admin_node_command(r, "undrain", "node.undrain");
}


static const field_t  nodes_query[] = {
    PAGE_FIELDS,
    { 0 }
};

const route_t  routes_admin_nodes[] = {
    { .method = "GET", .path = "/admin/nodes", .handler = admin_nodes_get,
      .access = ACCESS_MODERATOR, .scope = "admin:read",
      .query = nodes_query },
    { .method = "POST", .path = "/admin/nodes/{id}/drain",
      .handler = admin_node_drain, .access = ACCESS_ADMIN,
      .scope = "admin:write" },
    { .method = "POST", .path = "/admin/nodes/{id}/undrain",
      .handler = admin_node_undrain, .access = ACCESS_ADMIN,
      .scope = "admin:write" },
    { 0 }
};

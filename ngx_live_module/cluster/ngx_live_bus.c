/* Two connections to Redis, and when what is done: see ngx_live_bus.h. */

#include "ngx_live_bus.h"


#define NGX_LIVE_BUS_WRITE_MS   3000    /* for a reply to come */
#define NGX_LIVE_BUS_READ_MS    5000    /* likewise; it blocks for less */
#define NGX_LIVE_BUS_SILENT_MS  10000


static void ngx_live_bus_start(void);
static void ngx_live_bus_out_up(ngx_live_redis_t *r);
static void ngx_live_bus_out_down(ngx_live_redis_t *r);
static void ngx_live_bus_again(ngx_event_t *ev);


static ngx_live_redis_t  ngx_live_bus_writer, ngx_live_bus_reader;
static ngx_event_t       ngx_live_bus_later;
static ngx_connection_t  ngx_live_bus_dumb;


static void
ngx_live_bus_start(void)
{
    ngx_live_redis_t         *w, *r;
    ngx_live_cluster_conf_t  *ccf;

    w = &ngx_live_bus_writer;
    r = &ngx_live_bus_reader;

    if (w->started) {
        return;
    }

    ccf = ngx_live_cluster_conf((ngx_cycle_t *) ngx_cycle);

    w->conf = ccf->redis;
    w->name = "writing";
    w->timeout = NGX_LIVE_BUS_WRITE_MS;
    w->up = ngx_live_bus_out_up;
    w->down = ngx_live_bus_out_down;

    r->conf = ccf->redis;
    r->name = "reading";
    r->timeout = NGX_LIVE_BUS_READ_MS;
    r->up = ngx_live_bus_read;

    ngx_live_bus_dumb.fd = (ngx_socket_t) -1;
    ngx_live_bus_later.handler = ngx_live_bus_again;
    ngx_live_bus_later.data = &ngx_live_bus_dumb;
    ngx_live_bus_later.log = ngx_cycle->log;
    ngx_live_bus_later.cancelable = 1;

    ngx_live_redis_start(w);
    ngx_live_redis_start(r);
}


void
ngx_live_bus_lead(lv_store_t *st)
{
    uint64_t  now;

    ngx_live_bus_start();
    lv_bus_lead(st);

    lv_bus_set_up(st, ngx_live_bus_writer.ready && ngx_live_bus_reader.ready
                      && ngx_live_bus_writer.fails == 0
                      && ngx_live_bus_reader.fails == 0);

    now = ngx_live_now_ms();
    lv_bus_silent(st, now, NGX_LIVE_BUS_SILENT_MS);

    if (ngx_live_bus_writer.ready) {
        ngx_live_bus_tell(st, &ngx_live_bus_writer);
        ngx_live_bus_rung(st);
    }
}


void
ngx_live_bus_rung(lv_store_t *st)
{
    ngx_msec_t  ms;

    if (!ngx_live_bus_writer.ready) {
        return;
    }

    ms = ngx_live_bus_flush(st, &ngx_live_bus_writer);

    if (ms && !ngx_live_bus_later.timer_set) {
        ngx_add_timer(&ngx_live_bus_later, ms);
    }
}


static void
ngx_live_bus_again(ngx_event_t *ev)
{
    if (ngx_live_store()) {
        ngx_live_bus_rung(ngx_live_store());
    }
}


void
ngx_live_bus_stop(void)
{
    if (!ngx_live_bus_writer.started) {
        return;
    }

    ngx_live_redis_stop(&ngx_live_bus_writer);
    ngx_live_redis_stop(&ngx_live_bus_reader);

    if (ngx_live_bus_later.timer_set) {
        ngx_del_timer(&ngx_live_bus_later);
    }
}


static void
ngx_live_bus_out_up(ngx_live_redis_t *r)
{
    ngx_live_count(NGX_LIVE_C_BUS_CONNECTS, 1);
    ngx_live_bus_forget();
    ngx_live_bus_again(&ngx_live_bus_later);
}


static void
ngx_live_bus_out_down(ngx_live_redis_t *r)
{
    ngx_live_bus_forget();
}



/* What is said, or happens, in a room is an entry of its log, which goes to
 * the others as such. */

ngx_uint_t
ngx_live_bus_command(lv_store_t *st, json_t *command)
{
    int                       rc;
    char                     *text;
    u_char                    id[LV_CLUSTER_TEXT * 2 + 2], *p;
    json_t                   *copy;
    lv_str_t                  name, body;
    const char               *op;
    ngx_live_cluster_conf_t  *ccf;

    ccf = ngx_live_cluster_conf((ngx_cycle_t *) ngx_cycle);
    op = json_string_value(json_object_get(command, "op"));

    if (ccf->redis == NULL
        || (op && (ngx_strcmp(op, "message") == 0
                   || ngx_strcmp(op, "event") == 0)))
    {
        return 1;
    }

    copy = json_object_get(command, "once");
    name.data = (const u_char *) json_string_value(copy);
    name.len = json_string_length(copy);

    if (name.len == 0 || name.len >= LV_CLUSTER_TEXT) {
        p = ngx_snprintf(id, sizeof(id), "%V:%s", &ccf->node_id,
                         json_string_value(json_object_get(command, "id")));
        name.data = id;
        name.len = p - id;
    }

    if (!lv_bus_once(st, name)) {
        return 0;
    }

    copy = json_copy(command);
    (void) json_object_del(copy, "id");
    (void) json_object_set_new(copy, "once",
                               json_stringn((const char *) name.data,
                                            name.len));
    text = json_dumps(copy, JSON_COMPACT);
    json_decref(copy);

    body.data = (const u_char *) text;
    body.len = text ? ngx_strlen(text) : 0;
    rc = text ? lv_bus_command_put(st, body) : LV_ERROR;
    free(text);

    if (rc != LV_OK) {
        ngx_live_count(NGX_LIVE_C_BUS_DROPPED, 1);
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "live: a command does not go to the other nodes: %s; "
                      "their heartbeats have it",
                      rc == LV_AGAIN ? "too many wait" : "it is too long");
    }

    return 1;
}

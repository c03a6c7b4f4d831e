/*
 * The floor of an nginx module for viewers: what nginx itself needs to take
 * hls_swarm's requests and to answer them, with a content handler that does
 * nothing but send a buffer.
 *
 *   floor PERIOD_MS BODY_BYTES;        location
 *
 * It answers as t/tools/wake_floor.c does: a new part every period, for which
 * blocking reloads wait; a playlist of BODY_BYTES; a part of as many bytes as
 * the last folder of its path says. Built by the benchmark, for it alone.
 */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#define FLOOR_SEGMENT_PARTS  6
#define FLOOR_PART_MAX       (8 << 20)


typedef struct {
    ngx_queue_t          queue;
    ngx_http_request_t  *request;
    ngx_uint_t           waits;
} ngx_http_floor_ctx_t;


static char *ngx_http_floor(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static ngx_int_t ngx_http_floor_init_process(ngx_cycle_t *cycle);


static ngx_command_t  ngx_http_floor_commands[] = {

    { ngx_string("floor"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE2,
      ngx_http_floor,
      0,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_floor_module_ctx = {
    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
};


ngx_module_t  ngx_http_floor_module = {
    NGX_MODULE_V1,
    &ngx_http_floor_module_ctx,
    ngx_http_floor_commands,
    NGX_HTTP_MODULE,
    NULL, NULL, ngx_http_floor_init_process, NULL, NULL, NULL, NULL,
    NGX_MODULE_V1_PADDING
};


/* What nginx's configure would write for a dynamic module. */
ngx_module_t  *ngx_modules[] = { &ngx_http_floor_module, NULL };
char          *ngx_module_names[] = { "ngx_http_floor_module", NULL };
char          *ngx_module_order[] = { NULL };


static ngx_msec_t   ngx_http_floor_period;
static ngx_uint_t   ngx_http_floor_size;
static ngx_uint_t   ngx_http_floor_round;
static ngx_queue_t  ngx_http_floor_waiting;
static ngx_event_t  ngx_http_floor_timer;
static ngx_connection_t  ngx_http_floor_nobody;     /* for nginx's debug log */
static u_char      *ngx_http_floor_media;
static ngx_str_t    ngx_http_floor_list;


/* The playlist whose newest part is that of this round. */
static void
ngx_http_floor_render(void)
{
    u_char      *p;
    ngx_uint_t   i, msn;

    msn = 1000 + ngx_http_floor_round / FLOOR_SEGMENT_PARTS;
    p = ngx_sprintf(ngx_http_floor_list.data,
                    "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:2\n"
                    "#EXT-X-PART-INF:PART-TARGET=0.%03M\n"
                    "#EXT-X-MEDIA-SEQUENCE:%ui\n#EXTINF:2,\n%ui.m4s\n",
                    ngx_http_floor_period, msn - 1, msn - 1);

    for (i = 0; i <= ngx_http_floor_round % FLOOR_SEGMENT_PARTS; i++) {
        p = ngx_sprintf(p, "#EXT-X-PART:DURATION=0.333,URI=\"%ui.%ui.m4s\"\n",
                        msn, i);
    }

    while (p < ngx_http_floor_list.data + ngx_http_floor_size) {
        *p++ = '#';
    }

    ngx_http_floor_list.len = p - ngx_http_floor_list.data;
}


static ngx_int_t
ngx_http_floor_send(ngx_http_request_t *r, u_char *data, size_t len,
    const char *type)
{
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t   out;

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = len;
    r->headers_out.content_type.data = (u_char *) type;
    r->headers_out.content_type.len = ngx_strlen(type);
    r->headers_out.content_type_len = r->headers_out.content_type.len;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = data;
    b->last = data + len;
    b->memory = 1;
    b->last_buf = 1;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


static ngx_int_t
ngx_http_floor_playlist(ngx_http_request_t *r)
{
    return ngx_http_floor_send(r, ngx_http_floor_list.data,
                               ngx_http_floor_list.len,
                               "application/vnd.apple.mpegurl");
}


static void
ngx_http_floor_wake(ngx_event_t *ev)
{
    ngx_queue_t           *q;
    ngx_connection_t      *c;
    ngx_http_request_t    *r;
    ngx_http_floor_ctx_t  *ctx;

    ngx_add_timer(ev, ngx_http_floor_period);
    ngx_http_floor_round++;
    ngx_http_floor_render();

    while (!ngx_queue_empty(&ngx_http_floor_waiting)) {
        q = ngx_queue_head(&ngx_http_floor_waiting);
        ctx = ngx_queue_data(q, ngx_http_floor_ctx_t, queue);

        ngx_queue_remove(q);
        ctx->waits = 0;
        r = ctx->request;
        c = r->connection;

        ngx_http_finalize_request(r, ngx_http_floor_playlist(r));
        ngx_http_run_posted_requests(c);
    }
}


static void
ngx_http_floor_cleanup(void *data)
{
    ngx_http_floor_ctx_t  *ctx = data;

    if (ctx->waits) {
        ngx_queue_remove(&ctx->queue);
    }
}


static ngx_int_t
ngx_http_floor_wait(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t    *cln;
    ngx_http_floor_ctx_t  *ctx;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_floor_ctx_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    ctx = cln->data;
    ctx->request = r;
    ctx->waits = 1;
    cln->handler = ngx_http_floor_cleanup;
    ngx_queue_insert_tail(&ngx_http_floor_waiting, &ctx->queue);

    r->main->count++;
    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

    return NGX_DONE;
}


static ngx_int_t
ngx_http_floor_handler(ngx_http_request_t *r)
{
    u_char      *p, *slash;
    ngx_int_t    rc, n;
    ngx_str_t    value;
    ngx_uint_t   round;

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    /* /live/SIZE/NAME */
    slash = r->uri.data + r->uri.len;
    while (slash[-1] != '/') {
        slash--;
    }

    for (p = slash - 1; p[-1] != '/'; p--) { /* void */ }

    if (r->uri.data[r->uri.len - 1] == 's') {
        n = ngx_atoi(p, slash - 1 - p);

        return ngx_http_floor_send(r, ngx_http_floor_media,
                                   ngx_min(ngx_max(n, 0), FLOOR_PART_MAX),
                                   "video/mp4");
    }

    round = 0;

    if (ngx_http_arg(r, (u_char *) "_HLS_msn", 8, &value) == NGX_OK) {
        n = ngx_atoi(value.data, value.len) - 1000;
        round = ngx_max(n, 0) * FLOOR_SEGMENT_PARTS;
    }

    if (ngx_http_arg(r, (u_char *) "_HLS_part", 9, &value) == NGX_OK) {
        n = ngx_atoi(value.data, value.len);
        round += ngx_max(n, 0);
    }

    return round > ngx_http_floor_round ? ngx_http_floor_wait(r)
                                        : ngx_http_floor_playlist(r);
}


static char *
ngx_http_floor(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t                 *value;
    ngx_http_core_loc_conf_t  *clcf;

    value = cf->args->elts;
    ngx_http_floor_period = ngx_atoi(value[1].data, value[1].len);
    ngx_http_floor_size = ngx_atoi(value[2].data, value[2].len);

    if (ngx_http_floor_period == 0 || ngx_http_floor_size > 32000) {
        return "has a wrong value";
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_floor_handler;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_floor_init_process(ngx_cycle_t *cycle)
{
    if (ngx_http_floor_period == 0) {
        return NGX_OK;
    }

    ngx_http_floor_media = ngx_alloc(FLOOR_PART_MAX, cycle->log);
    ngx_http_floor_list.data = ngx_alloc(65536, cycle->log);

    if (ngx_http_floor_media == NULL || ngx_http_floor_list.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memset(ngx_http_floor_media, 'x', FLOOR_PART_MAX);
    ngx_queue_init(&ngx_http_floor_waiting);
    ngx_http_floor_render();

    ngx_http_floor_timer.handler = ngx_http_floor_wake;
    ngx_http_floor_nobody.fd = (ngx_socket_t) -1;
    ngx_http_floor_timer.data = &ngx_http_floor_nobody;
    ngx_http_floor_timer.log = cycle->log;
    ngx_http_floor_timer.cancelable = 1;
    ngx_add_timer(&ngx_http_floor_timer, ngx_http_floor_period);

    return NGX_OK;
}

/* The live_feed directive and its content handler. */

#include "ngx_live_feed.h"
#include "lv_stream_id.h"


static char *ngx_live_feed(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static ngx_int_t ngx_live_feed_handler(ngx_http_request_t *r);
static ngx_int_t ngx_live_feed_init_process(ngx_cycle_t *cycle);


static ngx_command_t  ngx_live_feed_commands[] = {

    { ngx_string("live_feed"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_live_feed,
      0,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_live_feed_module_ctx = {
    NULL,                          /* preconfiguration */
    NULL,                          /* postconfiguration */

    NULL,                          /* create main configuration */
    NULL,                          /* init main configuration */

    NULL,                          /* create server configuration */
    NULL,                          /* merge server configuration */

    NULL,                          /* create location configuration */
    NULL                           /* merge location configuration */
};


ngx_module_t  ngx_http_live_feed_module = {
    NGX_MODULE_V1,
    &ngx_live_feed_module_ctx,     /* module context */
    ngx_live_feed_commands,        /* module directives */
    NGX_HTTP_MODULE,               /* module type */
    NULL,                          /* init master */
    NULL,                          /* init module */
    ngx_live_feed_init_process,    /* init process */
    NULL,                          /* init thread */
    NULL,                          /* exit thread */
    NULL,                          /* exit process */
    NULL,                          /* exit master */
    NGX_MODULE_V1_PADDING
};


static char *
ngx_live_feed(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler) {
        return "conflicts with another content handler of this location";
    }

#if (NGX_PCRE)
    if (clcf->regex) {
        return "needs a location by prefix: what follows the prefix is the "
               "stream";
    }
#endif

    if (clcf->name.len == 0 || clcf->name.data[clcf->name.len - 1] != '/') {
        return "needs a location by a prefix that ends in \"/\"";
    }

    clcf->handler = ngx_live_feed_handler;

    return ngx_live_http_location(cf);
}


static ngx_int_t
ngx_live_feed_init_process(ngx_cycle_t *cycle)
{
    if (ngx_live_on_dirty(ngx_live_feed_dirty) != NGX_OK
        || ngx_live_on_second(ngx_live_feed_second) != NGX_OK
        || ngx_live_on_exit(ngx_live_feed_exit) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* A viewer token where the location asks for one, else the guard of what is
 * between our own parts. NGX_OK, or the status to refuse with. */
static ngx_int_t
ngx_live_feed_allowed(ngx_http_request_t *r, lv_str_t id, const char **detail)
{
    if (!ngx_live_http_token_needed(r)) {
        return ngx_live_http_node_check(r, detail);
    }

    *detail = "The token is for another stream.";

    return ngx_live_http_token_is_for(r, id) ? NGX_OK : NGX_HTTP_FORBIDDEN;
}


static ngx_int_t
ngx_live_feed_args(ngx_http_request_t *r, ngx_live_feed_t *f)
{
    ngx_int_t  n;
    ngx_str_t  value;

    if (ngx_http_arg(r, (u_char *) "msn", 3, &value) == NGX_OK) {
        n = ngx_atoi(value.data, value.len);

        if (n <= 0 || n > (ngx_int_t) NGX_MAX_INT32_VALUE * 2) {
            return NGX_DECLINED;
        }

        f->msn = (uint32_t) n;
    }

    if (ngx_http_arg(r, (u_char *) "tracks", 6, &value) == NGX_OK) {
        if (value.len == 0 || value.len > 8 * LV_STREAM_TRACKS) {
            return NGX_DECLINED;
        }

        f->wanted = value;
    }

    if (ngx_http_arg(r, (u_char *) "follow", 6, &value) == NGX_OK) {
        if (value.len != 1 || (value.data[0] | 1) != '1') {
            return NGX_DECLINED;
        }

        f->follow = value.data[0] == '1';
    }

    return NGX_OK;
}


static ngx_int_t
ngx_live_feed_handler(ngx_http_request_t *r)
{
    lv_str_t                   id;
    ngx_int_t                  rc;
    const char                *detail;
    ngx_live_feed_t           *f;
    ngx_http_core_loc_conf_t  *clcf;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return ngx_live_http_problem(r, NGX_HTTP_NOT_ALLOWED,
                                     "method not allowed",
                                     "A feed can be read only.");
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    id.data = r->uri.data + ngx_min(clcf->name.len, r->uri.len);
    id.len = r->uri.data + r->uri.len - id.data;

    if (!lv_stream_id_valid(id)) {
        return ngx_live_http_problem(r, NGX_HTTP_NOT_FOUND, "no such feed",
                                     "This is not the name of a stream.");
    }

    rc = ngx_live_feed_allowed(r, id, &detail);
    if (rc != NGX_OK) {
        return ngx_live_http_problem(r, rc, "not allowed", detail);
    }

    f = ngx_pcalloc(r->pool, sizeof(ngx_live_feed_t));
    if (f == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    f->request = r;

    if (ngx_live_feed_args(r, f) != NGX_OK) {
        return ngx_live_http_problem(r, NGX_HTTP_BAD_REQUEST, "bad argument",
                                     "\"msn\" is a number, \"tracks\" names "
                                     "with commas, \"follow\" 0 or 1.");
    }

    f->st = ngx_live_store();

    if (f->st == NULL) {
        return ngx_live_http_problem(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                                     "no store", "This server has no store.");
    }

    f->s = lv_stream_find(f->st, (const char *) id.data, id.len, &f->gen);

    if (f->s == NULL) {
        return ngx_live_http_problem(r, NGX_HTTP_NOT_FOUND, "no stream",
                                     "There is no such stream now.");
    }

    f->index = lv_stream_index(f->st, f->s);

    return ngx_live_feed_begin(f);
}

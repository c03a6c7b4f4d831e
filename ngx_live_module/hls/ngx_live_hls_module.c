/* The live_hls directive and its content handler. */

#include "ngx_live_hls.h"


static char *ngx_live_hls(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static ngx_int_t ngx_live_hls_handler(ngx_http_request_t *r);
static ngx_int_t ngx_live_hls_init_process(ngx_cycle_t *cycle);


static ngx_command_t  ngx_live_hls_commands[] = {

    { ngx_string("live_hls"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_live_hls,
      0,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_live_hls_module_ctx = {
    NULL,                          /* preconfiguration */
    NULL,                          /* postconfiguration */

    NULL,                          /* create main configuration */
    NULL,                          /* init main configuration */

    NULL,                          /* create server configuration */
    NULL,                          /* merge server configuration */

    NULL,                          /* create location configuration */
    NULL                           /* merge location configuration */
};


ngx_module_t  ngx_http_live_hls_module = {
    NGX_MODULE_V1,
    &ngx_live_hls_module_ctx,      /* module context */
    ngx_live_hls_commands,         /* module directives */
    NGX_HTTP_MODULE,               /* module type */
    NULL,                          /* init master */
    NULL,                          /* init module */
    ngx_live_hls_init_process,     /* init process */
    NULL,                          /* init thread */
    NULL,                          /* exit thread */
    NULL,                          /* exit process */
    NULL,                          /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_str_t  ngx_live_hls_methods = ngx_string("GET, HEAD");
static ngx_str_t  ngx_live_hls_one = ngx_string("1");


static char *
ngx_live_hls(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
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

    clcf->handler = ngx_live_hls_handler;

    return ngx_live_http_location(cf);
}


static ngx_int_t
ngx_live_hls_init_process(ngx_cycle_t *cycle)
{
    if (ngx_live_on_dirty(ngx_live_hls_dirty) != NGX_OK
        || ngx_live_on_second(ngx_live_hls_stream_second) != NGX_OK
        || ngx_live_on_second(ngx_live_hls_send_second) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_live_hls_etag(ngx_http_request_t *r, u_char *p, size_t len)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
    ngx_str_set(&h->key, "ETag");
    h->value.data = p;
    h->value.len = len;
#if (nginx_version >= 1023000)
    h->next = NULL;
#endif

    r->headers_out.etag = h;

    return NGX_OK;
}


ngx_int_t
ngx_live_hls_error(ngx_http_request_t *r, ngx_uint_t status,
    const char *reason, const char *detail)
{
    ngx_int_t  rc;

    rc = NGX_OK;

    switch (status) {

    case NGX_HTTP_NOT_FOUND:
    case NGX_LIVE_HLS_GONE:
        ngx_live_count(NGX_LIVE_C_HLS_NOT_FOUND, 1);
        break;

    case NGX_HTTP_BAD_REQUEST:
        ngx_live_count(NGX_LIVE_C_HLS_BAD_REQUEST, 1);
        break;

    case NGX_HTTP_NOT_ALLOWED:
        rc = ngx_live_http_header(r, "Allow", &ngx_live_hls_methods);
        break;

    case NGX_HTTP_SERVICE_UNAVAILABLE:
    case NGX_HTTP_TOO_MANY_REQUESTS:
        rc = ngx_live_http_header(r, "Retry-After", &ngx_live_hls_one);
        break;
    }

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_live_http_problem(r, status, reason, detail);
}


/* An error that a filter made of the answer is not as lasting as the answer. */
static void
ngx_live_hls_no_store(ngx_http_request_t *r)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &r->headers_out.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].key.len == sizeof("Cache-Control") - 1
                && ngx_strncmp(h[i].key.data, "Cache-Control", h[i].key.len)
                   == 0)
            {
                ngx_str_set(&h[i].value, "no-store");
            }
        }
    }
}


ngx_int_t
ngx_live_hls_output(ngx_http_request_t *r, ngx_chain_t *out)
{
    ngx_int_t  rc;

    r->headers_out.status = NGX_HTTP_OK;

    rc = ngx_http_send_header(r);

    if (rc == NGX_HTTP_RANGE_NOT_SATISFIABLE) {
        ngx_live_hls_no_store(r);
    }

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    return ngx_http_output_filter(r, out);
}


static ngx_int_t
ngx_live_hls_handler(ngx_http_request_t *r)
{
    ngx_int_t                  rc;
    ngx_str_t                  name;
    const char                *err;
    ngx_live_hls_ctx_t        *ctx;
    ngx_http_core_loc_conf_t  *clcf;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return ngx_live_hls_error(r, NGX_HTTP_NOT_ALLOWED,
                                  "method not allowed",
                                  "Playlists and media can be read only.");
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (r->uri.len < clcf->name.len) {
        ngx_str_null(&name);

    } else {
        name.data = r->uri.data + clcf->name.len;
        name.len = r->uri.len - clcf->name.len;
    }

    rc = ngx_live_hls_recent_send(r, &name);
    if (rc != NGX_DECLINED) {
        return rc;
    }

    ctx = ngx_pcalloc(r->pool, sizeof(ngx_live_hls_ctx_t));
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->request = r;
    ctx->name = name;
    ngx_http_set_ctx(r, ctx, ngx_http_live_hls_module);

    if (lv_hls_path_parse(name.data, name.len, &ctx->path) != LV_OK) {
        return ngx_live_hls_error(r, NGX_HTTP_NOT_FOUND, "no such file",
                                  "This is not the name of a playlist, init "
                                  "section, segment or part.");
    }

    if (!ngx_live_http_token_is_for(r, ctx->path.stream)) {
        return ngx_live_hls_error(r, NGX_HTTP_FORBIDDEN, "wrong stream",
                                  "The token is for another stream.");
    }

    if (r->args.len && ctx->path.kind == LV_HLS_MEDIA
        && lv_hls_query_parse(r->args.data, r->args.len, &ctx->query, &err)
           != LV_OK)
    {
        return ngx_live_hls_error(r, NGX_HTTP_BAD_REQUEST,
                                  "bad delivery directive", err);
    }

    return ngx_live_hls_process(r, ctx);
}


/* A media playlist, at once or when it holds what is asked for. */
static ngx_int_t
ngx_live_hls_media_playlist(ngx_http_request_t *r, ngx_live_hls_ctx_t *ctx,
    ngx_live_hls_find_t *f)
{
    int       rc;
    uint32_t  part;

    if (!ctx->query.has_msn) {
        return ngx_live_hls_playlist_send(r, ctx, f);
    }

    part = ctx->query.has_part ? ctx->query.part : LV_HLS_NO_PART;

    rc = lv_hls_reached(ngx_live_hls_edge(f->st, f->hs, f->rendition),
                        ctx->query.msn, part);

    if (rc == LV_OK) {
        return ngx_live_hls_playlist_send(r, ctx, f);
    }

    if (rc == LV_DECLINED) {
        return ngx_live_hls_error(r, NGX_HTTP_BAD_REQUEST,
                                  "too far ahead",
                                  "_HLS_msn or _HLS_part is further in the "
                                  "future than a playlist can lead to.");
    }

    return ngx_live_hls_wait(r, ctx, f, ctx->query.msn, part,
                             (ngx_msec_t) f->s->timing.target_s * 3000);
}


ngx_int_t
ngx_live_hls_process(ngx_http_request_t *r, ngx_live_hls_ctx_t *ctx)
{
    uint32_t             state;
    lv_token_result_e    result;
    ngx_live_hls_find_t  f;

    if (ctx->waited && !ngx_live_http_token_still(r, &result)) {
        return ngx_live_hls_error(r, result == LV_TOKEN_REVOKED
                                     ? NGX_HTTP_FORBIDDEN
                                     : NGX_HTTP_UNAUTHORIZED,
                                  lv_token_result_name(result),
                                  lv_token_result_text(result));
    }

    ngx_memzero(&f, sizeof(ngx_live_hls_find_t));

    f.st = ngx_live_store();
    if (f.st == NULL) {
        return ngx_live_hls_error(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                                  "no store", "This server has no store.");
    }

    f.s = lv_stream_find(f.st, (const char *) ctx->path.stream.data,
                         ctx->path.stream.len, &f.gen);
    if (f.s == NULL) {
        return ngx_live_hls_error(r, NGX_HTTP_NOT_FOUND, "no stream",
                                  "There is no such stream now.");
    }

    if (ngx_live_hls_stream(&f) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    state = atomic_load_explicit(&f.s->state, memory_order_acquire);

    if (state == LV_STREAM_STARTING) {

        if (ctx->path.kind != LV_HLS_MULTIVARIANT
            && ctx->path.kind != LV_HLS_MEDIA)
        {
            return ngx_live_hls_error(r, NGX_HTTP_NOT_FOUND, "not started",
                                      "The stream has no media yet.");
        }

        return ngx_live_hls_wait(r, ctx, &f, 0, 0, NGX_LIVE_HLS_START_WAIT);
    }

    if (ctx->path.kind == LV_HLS_MULTIVARIANT) {
        ngx_live_hls_playlist_begin(r, ctx, &f);
        return ngx_live_hls_playlist_send(r, ctx, &f);
    }

    if (ngx_live_hls_rendition(&f, &ctx->path.rendition) != NGX_OK) {
        return ngx_live_hls_error(r, NGX_HTTP_NOT_FOUND, "no rendition",
                                  "The stream has no such rendition.");
    }

    if (ctx->path.kind == LV_HLS_MEDIA) {
        ngx_live_hls_playlist_begin(r, ctx, &f);
        return ngx_live_hls_media_playlist(r, ctx, &f);
    }

    return ngx_live_hls_media_send(r, ctx, &f);
}

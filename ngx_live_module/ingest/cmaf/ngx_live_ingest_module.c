/* The live_ingest directive, and who may publish. */

#include "ngx_live_ingest.h"


static char *ngx_live_ingest(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static void *ngx_live_ingest_create_conf(ngx_conf_t *cf);
static char *ngx_live_ingest_merge_conf(ngx_conf_t *cf, void *parent,
    void *child);
static ngx_int_t ngx_live_ingest_handler(ngx_http_request_t *r);
static void ngx_live_ingest_begin(ngx_http_request_t *r);


#define NGX_LIVE_INGEST_ANY                                                   \
    (NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF)

/* live_token_keys is http/'s; its keys are taken for publishers, too */
static ngx_command_t  ngx_live_ingest_commands[] = {

    { ngx_string("live_ingest"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_live_ingest,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("live_publish_auth"),
      NGX_LIVE_INGEST_ANY|NGX_CONF_TAKE1,
      ngx_live_publish_auth_set,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_live_ingest_conf_t, publish),
      NULL },

    { ngx_string("live_stream_keys"),
      NGX_LIVE_INGEST_ANY|NGX_CONF_TAKE1,
      ngx_live_keyfile_set_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_live_ingest_conf_t, publish)
      + offsetof(ngx_live_publish_conf_t, stream_keys),
      &ngx_live_keyfile_streams },

    NGX_LIVE_MEDIA_COMMANDS(NGX_LIVE_INGEST_ANY, NGX_HTTP_LOC_CONF_OFFSET,
                            offsetof(ngx_live_ingest_conf_t, media)),

      ngx_null_command
};


static ngx_http_module_t  ngx_live_ingest_module_ctx = {
    NULL,                          /* preconfiguration */
    NULL,                          /* postconfiguration */

    NULL,                          /* create main configuration */
    NULL,                          /* init main configuration */

    NULL,                          /* create server configuration */
    NULL,                          /* merge server configuration */

    ngx_live_ingest_create_conf,   /* create location configuration */
    ngx_live_ingest_merge_conf     /* merge location configuration */
};


ngx_module_t  ngx_http_live_ingest_module = {
    NGX_MODULE_V1,
    &ngx_live_ingest_module_ctx,   /* module context */
    ngx_live_ingest_commands,      /* module directives */
    NGX_HTTP_MODULE,               /* module type */
    NULL,                          /* init master */
    NULL,                          /* init module */
    NULL,                          /* init process */
    NULL,                          /* init thread */
    NULL,                          /* exit thread */
    NULL,                          /* exit process */
    NULL,                          /* exit master */
    NGX_MODULE_V1_PADDING
};


static char *
ngx_live_ingest(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_live_ingest_conf_t  *icf = conf;

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

    clcf->handler = ngx_live_ingest_handler;
    icf->enabled = 1;
    ngx_live_core_need(cf);

    return ngx_live_http_location(cf);
}


static void *
ngx_live_ingest_create_conf(ngx_conf_t *cf)
{
    ngx_live_ingest_conf_t  *icf;

    icf = ngx_pcalloc(cf->pool, sizeof(ngx_live_ingest_conf_t));
    if (icf == NULL) {
        return NULL;
    }

    ngx_live_publish_conf_init(&icf->publish);
    ngx_live_media_conf_init(&icf->media);

    return icf;
}


/* What is unset comes from live{}, which may stand behind http{}. */

static char *
ngx_live_ingest_merge_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_live_ingest_conf_t  *prev = parent;
    ngx_live_ingest_conf_t  *conf = child;

    char                      *rv;
    ngx_live_http_conf_t      *hcf;
    ngx_live_media_conf_t      media;
    ngx_http_core_loc_conf_t  *clcf;

    if (conf->enabled) {
        hcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_live_auth_module);

        if (hcf->token_keys != NULL) {
            conf->publish.token_keys = hcf->token_keys;
        }
    }

    ngx_live_publish_conf_merge(&conf->publish, &prev->publish);
    ngx_live_media_conf_merge(&conf->media, &prev->media);

    if (!conf->enabled) {
        return NGX_CONF_OK;
    }

    /* a stream has no size */

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->client_max_body_size = 0;

    rv = ngx_live_publish_conf_check(&conf->publish);

    if (rv == NGX_CONF_OK) {
        media = conf->media;
        ngx_live_media_conf_get(cf->cycle, &media);
        rv = ngx_live_media_conf_check(&media);
    }

    if (rv != NGX_CONF_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "live_ingest in location "
                           "\"%V\": %s", &clcf->name, rv);
        return NGX_CONF_ERROR;
    }

    return ngx_live_decide_conf(cf, &conf->publish);
}


static ngx_int_t
ngx_live_ingest_handler(ngx_http_request_t *r)
{
    ngx_int_t                  rc;
    const char                *detail;
    ngx_live_ingest_t         *in;
    ngx_pool_cleanup_t        *cln;
    ngx_live_ingest_conf_t    *icf;
    ngx_http_core_loc_conf_t  *clcf;

    if (!(r->method & (NGX_HTTP_POST|NGX_HTTP_PUT))) {
        return ngx_live_http_problem(r, NGX_HTTP_NOT_ALLOWED,
                                     "method not allowed",
                                     "Publish with POST or PUT.");
    }

    icf = ngx_http_get_module_loc_conf(r, ngx_http_live_ingest_module);
    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (icf->publish.auth == NGX_LIVE_PUBLISH_OFF) {
        rc = ngx_live_http_node_check(r, &detail);

        if (rc != NGX_OK) {
            return ngx_live_http_problem(r, rc, "not allowed", detail);
        }
    }

    in = ngx_pcalloc(r->pool, sizeof(ngx_live_ingest_t));
    cln = ngx_pool_cleanup_add(r->pool, 0);

    if (in == NULL || cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_live_ingest_cleanup;
    cln->data = in;

    in->request = r;
    in->conf = icf;
    in->name.data = r->uri.data + ngx_min(clcf->name.len, r->uri.len);
    in->name.len = r->uri.data + r->uri.len - in->name.data;

    if (r->headers_in.user_agent) {
        in->encoder = r->headers_in.user_agent->value;
        in->encoder.len = ngx_min(in->encoder.len, 64);
    }

    ngx_http_set_ctx(r, in, ngx_http_live_ingest_module);

    r->request_body_no_buffering = 1;

    rc = ngx_http_read_client_request_body(r, ngx_live_ingest_begin);

    return rc >= NGX_HTTP_SPECIAL_RESPONSE ? rc : NGX_DONE;
}


/* From the query, or "Authorization: Bearer". */

static void
ngx_live_ingest_credential(ngx_http_request_t *r, ngx_str_t *credential)
{
    ngx_str_t             *value;
    ngx_live_http_ctx_t   *ctx;
    ngx_live_http_conf_t  *hcf;

    ngx_str_null(credential);
    ctx = ngx_live_http_ctx(r);

    if (ctx != NULL && ctx->key.len) {
        *credential = ctx->key;
        return;
    }

    if (ctx != NULL && ctx->token.len) {
        *credential = ctx->token;
        return;
    }

    if (r->headers_in.authorization == NULL) {
        return;
    }

    value = &r->headers_in.authorization->value;

    if (value->len > 7
        && ngx_strncasecmp(value->data, (u_char *) "Bearer ", 7) == 0)
    {
        credential->data = value->data + 7;
        credential->len = value->len - 7;

        hcf = ngx_http_get_module_loc_conf(r, ngx_http_live_auth_module);
        ngx_live_http_redact_header(r, hcf, NGX_LIVE_TOKEN_HEADER);
    }
}


static void
ngx_live_ingest_begin(ngx_http_request_t *r)
{
    ngx_int_t                     rc;
    ngx_connection_t             *c;
    ngx_live_ingest_t            *in;
    ngx_live_publish_request_t    req;
    ngx_live_publish_decision_t   decision;

    c = r->connection;
    in = ngx_http_get_module_ctx(r, ngx_http_live_ingest_module);

    ngx_memzero(&req, sizeof(ngx_live_publish_request_t));
    req.name = in->name;
    req.sockaddr = c->sockaddr;
    req.socklen = c->socklen;

    /* a key in the place of the name would be in every log */

    if (in->conf->publish.auth != NGX_LIVE_PUBLISH_OFF) {
        ngx_live_ingest_credential(r, &req.credential);

        if (req.credential.len == 0) {
            ngx_live_ingest_finish(in, NGX_LIVE_STOP_ERROR,
                                   NGX_HTTP_UNAUTHORIZED,
                                   "A key is needed: the argument key, or "
                                   "Authorization: Bearer.");
            return;
        }
    }

    rc = ngx_live_decide(&in->conf->publish, &req, "cmaf", &c->addr_text,
                         &in->encoder, &decision, ngx_live_ingest_decided, in,
                         &in->deciding);

    if (rc != NGX_AGAIN) {
        ngx_live_ingest_decided(in, rc, &decision);
        return;
    }

    /* nothing is read meanwhile, so nothing is late */

    if (c->read->timer_set) {
        ngx_del_timer(c->read);
    }
}

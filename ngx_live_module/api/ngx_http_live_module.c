/*
 * The module that gives the shared library its name, with what shows a node
 * to those who run it: live_status and live_metrics.
 *
 * Any worker answers for all of them: everything is read from the store.
 */

#include "ngx_http_live_module.h"
#include "ngx_live_http.h"
#include "ngx_live_view.h"


/* The text of one answer: a full page of streams stays below half of it. */
#define NGX_LIVE_API_TEXT_MAX  (4 * 1024 * 1024)


/* A page that is being written. */
typedef struct {
    lv_store_t  *st;
    lv_text_t    text;
    uint32_t    *viewers;       /* of each stream, by directory index */
} ngx_http_live_page_t;


static ngx_int_t ngx_http_live_module_init(ngx_cycle_t *cycle);
static char *ngx_http_live_status_directive(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static char *ngx_http_live_metrics_directive(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static ngx_int_t ngx_http_live_status_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_live_status_query(ngx_http_request_t *r,
    ngx_live_status_query_t *query);
static ngx_int_t ngx_http_live_metrics_handler(ngx_http_request_t *r);
static ngx_http_live_page_t *ngx_http_live_begin(ngx_http_request_t *r,
    ngx_int_t *rc);
static ngx_int_t ngx_http_live_page_send(ngx_http_request_t *r, lv_text_t *t,
    ngx_str_t *type);
static void ngx_http_live_page_free(void *data);


static ngx_live_node_t  ngx_http_live_node;


static ngx_command_t  ngx_http_live_commands[] = {

    { ngx_string("live_status"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_live_status_directive,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("live_metrics"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_live_metrics_directive,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("live_control"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_live_control_directive,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_live_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    NULL,                                  /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_live_module = {
    NGX_MODULE_V1,
    &ngx_http_live_module_ctx,             /* module context */
    ngx_http_live_commands,                /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_http_live_module_init,             /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


/* In the master, once for each configuration that it loads. */

static ngx_int_t
ngx_http_live_module_init(ngx_cycle_t *cycle)
{
    ngx_live_node_t  *node = &ngx_http_live_node;

    if (node->started == 0) {
        node->started = ngx_time();
    }

    node->loaded = ngx_time();
    node->generation++;

    return NGX_OK;
}


static char *
ngx_http_live_status_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_live_status_handler;

    return NGX_CONF_OK;
}


static char *
ngx_http_live_metrics_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_live_metrics_handler;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_live_status_handler(ngx_http_request_t *r)
{
    ngx_int_t                 rc;
    ngx_http_live_page_t     *page;
    ngx_live_status_query_t   query;

    static ngx_str_t  type = ngx_string("application/json");

    page = ngx_http_live_begin(r, &rc);

    if (page == NULL) {
        return rc;
    }

    if (ngx_http_live_status_query(r, &query) != NGX_OK) {
        return ngx_live_http_problem(r, NGX_HTTP_BAD_REQUEST, "bad query",
                                     "The query is stream=ID, or from=N "
                                     "and limit=N with N from 1 to 500.");
    }

    ngx_live_status_write(&page->text, page->st, &ngx_http_live_node, &query,
                          page->viewers);

    return ngx_http_live_page_send(r, &page->text, &type);
}


/* ?stream=ID, or ?from=N&limit=N as the answer before said in "next". */

static ngx_int_t
ngx_http_live_status_query(ngx_http_request_t *r,
    ngx_live_status_query_t *query)
{
    ngx_int_t  n;
    ngx_str_t  value;

    ngx_str_null(&query->stream);
    query->from = 1;
    query->limit = NGX_LIVE_STATUS_LIMIT;

    (void) ngx_http_arg(r, (u_char *) "stream", 6, &query->stream);

    if (ngx_http_arg(r, (u_char *) "from", 4, &value) == NGX_OK) {

        n = ngx_atoi(value.data, value.len);

        if (n < 1) {
            return NGX_ERROR;
        }

        query->from = n;
    }

    if (ngx_http_arg(r, (u_char *) "limit", 5, &value) == NGX_OK) {

        n = ngx_atoi(value.data, value.len);

        if (n < 1 || n > NGX_LIVE_STATUS_LIMIT_MAX) {
            return NGX_ERROR;
        }

        query->limit = n;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_live_metrics_handler(ngx_http_request_t *r)
{
    ngx_int_t              rc;
    ngx_http_live_page_t  *page;

    static ngx_str_t  type = ngx_string("text/plain; version=0.0.4; "
                                        "charset=utf-8");

    page = ngx_http_live_begin(r, &rc);

    if (page == NULL) {
        return rc;
    }

    ngx_live_metrics_write(&page->text, page->st, &ngx_http_live_node,
                           page->viewers);

    return ngx_http_live_page_send(r, &page->text, &type);
}


/* What both pages begin with. NULL: the answer is *rc instead. */

static ngx_http_live_page_t *
ngx_http_live_begin(ngx_http_request_t *r, ngx_int_t *rc)
{
    const char            *detail;
    ngx_pool_cleanup_t    *cln;
    ngx_http_live_page_t  *page;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        *rc = NGX_HTTP_NOT_ALLOWED;
        return NULL;
    }

    *rc = ngx_http_discard_request_body(r);

    if (*rc != NGX_OK) {
        return NULL;
    }

    *rc = ngx_live_http_node_check(r, &detail);

    if (*rc != NGX_OK) {
        *rc = ngx_live_http_problem(r, *rc, "not allowed", detail);
        return NULL;
    }

    *rc = NGX_HTTP_INTERNAL_SERVER_ERROR;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_live_page_t));
    if (cln == NULL) {
        return NULL;
    }

    page = cln->data;
    page->st = ngx_live_store();

    if (page->st == NULL) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "live: this worker has no part in a store");
        *rc = ngx_live_http_problem(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                                    "no store",
                                    "This worker has no part in a store.");
        return NULL;
    }

    page->viewers = ngx_pcalloc(r->pool, (lv_stream_count(page->st) + 1)
                                         * sizeof(uint32_t));
    if (page->viewers == NULL) {
        return NULL;
    }

    lv_session_count(page->st, (uint32_t) ngx_time(), NGX_LIVE_VIEW_IDLE,
                     page->viewers);

    lv_text_init(&page->text, NGX_LIVE_API_TEXT_MAX);
    cln->handler = ngx_http_live_page_free;

    return page;
}


static void
ngx_http_live_page_free(void *data)
{
    ngx_http_live_page_t  *page = data;

    lv_text_free(&page->text);
}


static ngx_int_t
ngx_http_live_page_send(ngx_http_request_t *r, lv_text_t *t, ngx_str_t *type)
{
    ngx_str_t  text;

    if (t->failed) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    text.data = t->data;
    text.len = t->len;

    return ngx_http_live_send(r, &text, type);
}


ngx_int_t
ngx_http_live_send(ngx_http_request_t *r, ngx_str_t *text, ngx_str_t *type)
{
    ngx_buf_t    *b;
    ngx_int_t     rc;
    ngx_chain_t   out;

    static ngx_str_t  no_store = ngx_string("no-store");

    b = ngx_calloc_buf(r->pool);

    if (b == NULL
        || ngx_live_http_header(r, "Cache-Control", &no_store) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_type = *type;
    r->headers_out.content_type_len = type->len;
    r->headers_out.content_length_n = text->len;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b->pos = text->data;
    b->last = text->data + text->len;
    b->memory = 1;
    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


/* Errors as problem documents (RFC 9457), for people and for players. */

#include "ngx_live_http.h"


static ngx_uint_t ngx_live_http_has_error_page(ngx_http_request_t *r,
    ngx_uint_t status);
static ngx_buf_t *ngx_live_http_problem_body(ngx_http_request_t *r,
    ngx_uint_t status, const char *reason, const char *detail);


ngx_int_t
ngx_live_http_problem(ngx_http_request_t *r, ngx_uint_t status,
    const char *reason, const char *detail)
{
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t   out;

    static ngx_str_t  no_store = ngx_string("no-store");

    if (ngx_live_http_has_error_page(r, status)) {
        return status;
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    b = ngx_live_http_problem_body(r, status, reason, detail);
    if (b == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_live_http_header(r, "Cache-Control", &no_store) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_out.status = status;
    r->headers_out.content_length_n = b->last - b->pos;
    ngx_str_set(&r->headers_out.content_type, "application/problem+json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


static ngx_uint_t
ngx_live_http_has_error_page(ngx_http_request_t *r, ngx_uint_t status)
{
    ngx_uint_t                 i;
    ngx_http_err_page_t       *page;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (clcf->error_pages == NULL || r->error_page) {
        return 0;
    }

    page = clcf->error_pages->elts;

    for (i = 0; i < clcf->error_pages->nelts; i++) {
        if (page[i].status == (ngx_int_t) status) {
            return 1;
        }
    }

    return 0;
}


static ngx_buf_t *
ngx_live_http_problem_body(ngx_http_request_t *r, ngx_uint_t status,
    const char *reason, const char *detail)
{
    size_t      len;
    ngx_buf_t  *b;

    len = sizeof("{\"status\":,\"title\":\"\",\"detail\":\"\"}\n")
          + NGX_INT_T_LEN + ngx_strlen(reason) + ngx_strlen(detail);

    b = ngx_create_temp_buf(r->pool, len);
    if (b == NULL) {
        return NULL;
    }

    b->last = ngx_snprintf(b->last, len,
                           "{\"status\":%ui,\"title\":\"%s\","
                           "\"detail\":\"%s\"}\n", status, reason, detail);
    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;

    return b;
}


ngx_int_t
ngx_live_http_header(ngx_http_request_t *r, const char *key, ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

#if (nginx_version >= 1023000)
    h->next = NULL;
#endif
    h->hash = 1;
    h->key.data = (u_char *) key;
    h->key.len = ngx_strlen(key);
    h->value = *value;

    return NGX_OK;
}

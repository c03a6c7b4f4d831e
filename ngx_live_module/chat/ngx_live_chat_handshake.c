/* From a request to a member (RFC 6455 section 4). */

#include "ngx_live_chat.h"
#include "lv_stream_id.h"


static ngx_int_t ngx_live_chat_stream(ngx_http_request_t *r,
    ngx_live_chat_conf_t *conf, ngx_str_t *stream);
static ngx_table_elt_t *ngx_live_chat_headers(ngx_http_request_t *r,
    lv_ws_handshake_t *hs);
static ngx_uint_t ngx_live_chat_origin_ok(ngx_http_request_t *r,
    ngx_live_chat_conf_t *conf, ngx_str_t *origin);
static ngx_int_t ngx_live_chat_refuse(ngx_http_request_t *r,
    lv_ws_verdict_e verdict, const char *err);
static ngx_int_t ngx_live_chat_switch(ngx_http_request_t *r,
    lv_ws_handshake_t *hs);
static ngx_int_t ngx_live_chat_lighten(ngx_http_request_t *r, u_char *head);


ngx_int_t
ngx_live_chat_handler(ngx_http_request_t *r)
{
    ngx_int_t                rc;
    ngx_str_t                stream;
    lv_str_t                 id;
    ngx_table_elt_t         *origin;
    lv_ws_verdict_e          verdict;
    lv_ws_handshake_t        hs;
    ngx_live_chat_conf_t    *conf;
    ngx_live_chat_member_t  *m;

    conf = ngx_http_get_module_loc_conf(r, ngx_http_live_chat_module);

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_live_chat_stream(r, conf, &stream);

    if (rc != NGX_OK) {
        return rc == NGX_DECLINED
               ? ngx_live_http_problem(r, NGX_HTTP_NOT_FOUND, "no stream",
                                       "No stream is named here.")
               : NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    id.data = stream.data;
    id.len = stream.len;

    if (!ngx_live_http_token_is_for(r, id)) {
        return ngx_live_http_problem(r, NGX_HTTP_FORBIDDEN, "wrong stream",
                                     "The token is for another stream.");
    }

    lv_ws_handshake_init(&hs, NGX_LIVE_CHAT_PROTOCOL);
    origin = ngx_live_chat_headers(r, &hs);

    verdict = lv_ws_handshake_check(&hs, r->method == NGX_HTTP_GET,
                                    (unsigned) r->http_version);

    if (verdict != LV_WS_UPGRADE) {
        return ngx_live_chat_refuse(r, verdict, hs.err);
    }

    if (origin && !ngx_live_chat_origin_ok(r, conf, &origin->value)) {
        return ngx_live_http_problem(r, NGX_HTTP_FORBIDDEN, "wrong origin",
                                     "Pages of this origin may not chat "
                                     "here.");
    }

    if (r != r->main || ngx_live_store() == NULL) {
        return ngx_live_http_problem(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                                     "no store",
                                     "This server has no store.");
    }

    m = ngx_pcalloc(r->pool, sizeof(ngx_live_chat_member_t));
    if (m == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    m->request = r;
    m->connection = r->connection;
    m->conf = conf;
    m->stream = stream;
    ngx_http_set_ctx(r, m, ngx_http_live_chat_module);

    rc = ngx_live_chat_switch(r, &hs);

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_live_chat_member_begin(m);
}


/* The text must last as long as the request. */
static ngx_int_t
ngx_live_chat_stream(ngx_http_request_t *r, ngx_live_chat_conf_t *conf,
    ngx_str_t *stream)
{
    lv_str_t                   id;
    ngx_http_core_loc_conf_t  *clcf;

    if (conf->stream) {
        if (ngx_http_complex_value(r, conf->stream, stream) != NGX_OK) {
            return NGX_ERROR;
        }

    } else {
        clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

        if (r->uri.len < clcf->name.len) {
            return NGX_DECLINED;
        }

        stream->data = r->uri.data + clcf->name.len;
        stream->len = r->uri.len - clcf->name.len;

        if (stream->len && stream->data[stream->len - 1] == '/') {
            stream->len--;
        }
    }

    id.data = stream->data;
    id.len = stream->len;

    return lv_stream_id_valid(id) ? NGX_OK : NGX_DECLINED;
}


/* Shows all headers to the check; returns Origin. */
static ngx_table_elt_t *
ngx_live_chat_headers(ngx_http_request_t *r, lv_ws_handshake_t *hs)
{
    lv_str_t          name, value;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h, *origin;

    origin = NULL;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            name.data = h[i].key.data;
            name.len = h[i].key.len;
            value.data = h[i].value.data;
            value.len = h[i].value.len;

            lv_ws_handshake_header(hs, name, value);

            if (name.len == sizeof("Origin") - 1
                && ngx_strncasecmp(h[i].key.data, (u_char *) "Origin",
                                   name.len)
                   == 0)
            {
                origin = &h[i];
            }
        }
    }

    return origin;
}


/*
 * Browsers send the origin of the page that connects. Without a list any may,
 * unless the browser adds a cookie of ours by itself: then the page has to be
 * of the same host.
 */
static ngx_uint_t
ngx_live_chat_origin_ok(ngx_http_request_t *r, ngx_live_chat_conf_t *conf,
    ngx_str_t *origin)
{
    u_char               *p;
    size_t                len;
    ngx_live_http_ctx_t  *ctx;

    if (conf->origins.any == 1) {
        return 1;
    }

    if (conf->origins.list) {
        return ngx_live_http_origins_has(&conf->origins, origin);
    }

    ctx = ngx_live_http_ctx(r);

    if (ctx == NULL || ctx->source != NGX_LIVE_TOKEN_COOKIE) {
        return 1;
    }

    p = ngx_strlchr(origin->data, origin->data + origin->len, '/');

    if (p == NULL || r->headers_in.host == NULL) {
        return 0;
    }

    p += 2;                              /* scheme://host[:port] */
    len = origin->data + origin->len > p ? origin->data + origin->len - p : 0;

    return len == r->headers_in.host->value.len
           && ngx_strncasecmp(r->headers_in.host->value.data, p, len) == 0;
}


static ngx_int_t
ngx_live_chat_refuse(ngx_http_request_t *r, lv_ws_verdict_e verdict,
    const char *err)
{
    ngx_int_t         rc;

    static ngx_str_t  websocket = ngx_string("websocket");
    static ngx_str_t  version = ngx_string("13");

    if (verdict == LV_WS_BAD_REQUEST) {
        return ngx_live_http_problem(r, NGX_HTTP_BAD_REQUEST,
                                     "bad handshake", err);
    }

    rc = NGX_OK;

    if (verdict == LV_WS_BAD_VERSION) {
        rc = ngx_live_http_header(r, "Sec-WebSocket-Version", &version);

    } else if (r->http_version < NGX_HTTP_VERSION_20) {
        rc = ngx_live_http_header(r, "Upgrade", &websocket);
    }

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_live_http_problem(r, 426, "upgrade required", err);
}


static ngx_int_t
ngx_live_chat_switch(ngx_http_request_t *r, lv_ws_handshake_t *hs)
{
    u_char           *head;
    ngx_int_t         rc;
    ngx_str_t         accept;

    static ngx_str_t  websocket = ngx_string("websocket");
    static ngx_str_t  protocol = ngx_string(NGX_LIVE_CHAT_PROTOCOL);

    accept.len = LV_WS_ACCEPT_LEN;
    accept.data = ngx_pnalloc(r->pool, accept.len);

    if (accept.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memcpy(accept.data, hs->accept, accept.len);

    r->keepalive = 0;
    r->headers_out.status = NGX_HTTP_SWITCHING_PROTOCOLS;
    ngx_str_set(&r->headers_out.status_line, "101 Switching Protocols");

    if (ngx_live_http_header(r, "Upgrade", &websocket) != NGX_OK
        || ngx_live_http_header(r, "Sec-WebSocket-Accept", &accept) != NGX_OK
        || (hs->protocol_agreed
            && ngx_live_http_header(r, "Sec-WebSocket-Protocol", &protocol)
               != NGX_OK))
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK) {
        return rc;
    }

    /* No body: its filters would only leave their contexts in the pool. Some
     * hundred bytes, the first of the connection: they fit. */

    head = NULL;

    if (r->out) {
        head = r->out->buf->start;
        r->out->buf->flush = 1;          /* TLS would wait for more */
    }

    if (ngx_http_write_filter(r, NULL) != NGX_OK || r->out != NULL) {
        return NGX_ERROR;
    }

    return ngx_live_chat_lighten(r, head);
}


/*
 * What only the answer needed, a quarter of what a member costs, is given back
 * where the request's pool is so small that nginx allocated it by itself: the
 * list of its headers and the text of it.
 */
static ngx_int_t
ngx_live_chat_lighten(ngx_http_request_t *r, u_char *head)
{
    void  *headers;

    if (head) {
        (void) ngx_pfree(r->pool, head);
    }

    headers = r->headers_out.headers.part.elts;

    if (ngx_pfree(r->pool, headers) != NGX_OK) {
        return NGX_OK;
    }

    return ngx_list_init(&r->headers_out.headers, r->pool, 1,
                         sizeof(ngx_table_elt_t));
}

/*
 * Playlists: rendered on the first request after a change, compressed on the
 * first request that wants it so, then sent to everybody out of one blob.
 */

#include "ngx_live_hls.h"
#include <zlib.h>


#define NGX_LIVE_HLS_GZIP_LEVEL  4
#define NGX_LIVE_HLS_TARGET_MAX  60      /* s; for Cache-Control */


static ngx_str_t  ngx_live_hls_bare = ngx_string("max-age=1");
static ngx_str_t  ngx_live_hls_accept_encoding = ngx_string("Accept-Encoding");
static ngx_str_t  ngx_live_hls_gzip = ngx_string("gzip");

static lv_hls_view_t  ngx_live_hls_view;     /* for rendering, one at a time */


/* A strong ETag: what the bytes are. */
static void
ngx_live_hls_blob_etag(ngx_live_hls_blob_t *b)
{
    size_t    i;
    uint64_t  h;

    h = 0xcbf29ce484222325ULL;                   /* FNV-1a, 64 bits */

    for (i = 0; i < b->len; i++) {
        h = (h ^ b->data[i]) * 0x100000001b3ULL;
    }

    b->etag_len = ngx_sprintf(b->etag, "\"%016xL\"", h) - b->etag;
}


static ngx_live_hls_blob_t *
ngx_live_hls_render(ngx_live_hls_find_t *f, ngx_uint_t skip, ngx_int_t *rc)
{
    ngx_live_hls_blob_t  *b;

    static lv_text_t  text;

    if (text.max == 0) {
        lv_text_init(&text, LV_M3U8_MAX);
    }

    lv_text_reset(&text);

    if (f->rendition == NGX_LIVE_HLS_TOP) {
        *rc = lv_m3u8_render_multivariant(&text, f->st, f->s);
    } else {
        *rc = lv_m3u8_render_media(&text, f->st, f->s, &f->src,
                                   &ngx_live_hls_view, skip);
    }

    if (*rc != LV_OK) {
        return NULL;
    }

    b = ngx_live_hls_blob_alloc(text.len);
    if (b == NULL) {
        *rc = LV_ERROR;
        return NULL;
    }

    ngx_memcpy(b->data, text.data, text.len);
    b->len = text.len;
    ngx_live_hls_blob_etag(b);

    ngx_live_count(NGX_LIVE_C_HLS_RENDERED, 1);

    return b;
}


static ngx_live_hls_blob_t *
ngx_live_hls_compress(ngx_live_hls_blob_t *plain)
{
    size_t                size;
    ngx_live_hls_blob_t  *b;

    static z_stream    z;
    static ngx_uint_t  ready;

    if (!ready) {
        ngx_memzero(&z, sizeof(z_stream));

        if (deflateInit2(&z, NGX_LIVE_HLS_GZIP_LEVEL, Z_DEFLATED, 14 + 16, 7,
                         Z_DEFAULT_STRATEGY)
            != Z_OK)
        {
            return NULL;
        }

        ready = 1;
    }

    if (deflateReset(&z) != Z_OK) {
        return NULL;
    }

    size = deflateBound(&z, plain->len);

    b = ngx_live_hls_blob_alloc(size);
    if (b == NULL) {
        return NULL;
    }

    z.next_in = plain->data;
    z.avail_in = (uInt) plain->len;
    z.next_out = b->data;
    z.avail_out = (uInt) size;

    if (deflate(&z, Z_FINISH) != Z_STREAM_END) {
        ngx_free(b);
        return NULL;
    }

    b->len = size - z.avail_out;
    ngx_live_hls_blob_etag(b);

    return b;
}


/* LV_OK with *blob, LV_AGAIN: nothing to list yet, or LV_ERROR. */
static ngx_int_t
ngx_live_hls_playlist_get(ngx_live_hls_find_t *f, ngx_uint_t skip,
    ngx_uint_t gzip, ngx_live_hls_blob_t **blob)
{
    ngx_int_t                 rc;
    ngx_live_hls_blob_t     **plain, **packed;
    ngx_live_hls_playlist_t  *pl;

    pl = &f->hs->playlist[f->rendition];
    plain = &pl->blob[skip][0];
    packed = &pl->blob[skip][1];

    if (*plain == NULL) {
        *plain = ngx_live_hls_render(f, skip, &rc);
        if (*plain == NULL) {
            return rc;
        }
    }

    *blob = *plain;

    if (gzip) {
        if (*packed == NULL) {
            *packed = ngx_live_hls_compress(*plain);
        }

        if (*packed) {
            *blob = *packed;
        }
    }

    return LV_OK;
}


static void
ngx_live_hls_blob_cleanup(void *data)
{
    ngx_live_hls_blob_release(data);
}


ngx_chain_t *
ngx_live_hls_blob_chain(ngx_http_request_t *r, ngx_live_hls_blob_t *b)
{
    ngx_buf_t           *buf;
    ngx_chain_t         *cl;
    ngx_pool_cleanup_t  *cln;

    cl = ngx_alloc_chain_link(r->pool);
    buf = ngx_calloc_buf(r->pool);
    cln = ngx_pool_cleanup_add(r->pool, 0);

    if (cl == NULL || buf == NULL || cln == NULL) {
        return NULL;
    }

    b->refs++;
    cln->handler = ngx_live_hls_blob_cleanup;
    cln->data = b;

    buf->pos = b->data;
    buf->last = b->data + b->len;
    buf->start = buf->pos;
    buf->end = buf->last;
    buf->memory = 1;
    buf->last_buf = (r == r->main) ? 1 : 0;
    buf->last_in_chain = 1;

    cl->buf = buf;
    cl->next = NULL;

    return cl;
}


/*
 * What is done once a request, when it comes, and not again when it is woken:
 * whether it takes gzip, and who watches (by the token's id, else by address
 * and player).
 */
void
ngx_live_hls_playlist_begin(ngx_http_request_t *r, ngx_live_hls_ctx_t *ctx,
    ngx_live_hls_find_t *f)
{
    uint64_t              hash;
    ngx_str_t             id, more;
    ngx_live_http_ctx_t  *hctx;

    if (ctx->begun) {
        return;
    }

    ctx->begun = 1;

#if (NGX_HTTP_GZIP)
    ctx->gzip = ngx_http_gzip_ok(r) == NGX_OK;
#endif

    hctx = ngx_live_http_ctx(r);

    if (hctx && hctx->jti.len) {
        id = hctx->jti;
        more = hctx->sub;

    } else {
        id = r->connection->addr_text;
        ngx_str_null(&more);

        if (r->headers_in.user_agent) {
            more = r->headers_in.user_agent->value;
        }
    }

    hash = (uint64_t) ngx_murmur_hash2(id.data, id.len) << 32
           | ngx_murmur_hash2(more.data, more.len);

    (void) lv_session_seen(f->st, lv_stream_index(f->st, f->s), f->gen,
                           hash ? hash : 1, (uint32_t) ngx_time());
}


/* Six target durations, of which there are few different ones. */
static ngx_str_t *
ngx_live_hls_max_age(uint32_t target_s)
{
    ngx_str_t  *value;

    static u_char     text[NGX_LIVE_HLS_TARGET_MAX + 1][sizeof("max-age=999")];
    static ngx_str_t  values[NGX_LIVE_HLS_TARGET_MAX + 1];

    target_s = ngx_min(target_s, NGX_LIVE_HLS_TARGET_MAX);
    value = &values[target_s];

    if (value->len == 0) {
        value->data = text[target_s];
        value->len = ngx_sprintf(value->data, "max-age=%uD", 6 * target_s)
                     - value->data;
    }

    return value;
}


static ngx_int_t
ngx_live_hls_playlist_headers(ngx_http_request_t *r, ngx_live_hls_ctx_t *ctx,
    ngx_live_hls_find_t *f, ngx_live_hls_blob_t *b, ngx_uint_t packed)
{
    ngx_str_t        *cache;
    ngx_table_elt_t  *h;

    cache = &ngx_live_hls_bare;

    if (ctx->query.has_msn
        && atomic_load_explicit(&f->s->state, memory_order_acquire)
           != LV_STREAM_ENDED)
    {
        /* names what it holds: as good for everybody who asks the same; but
         * of a stream that has ended, what the next one may hold */
        cache = ngx_live_hls_max_age(f->s->timing.target_s);
    }

    if (ngx_live_http_header(r, "Cache-Control", cache) != NGX_OK
        || ngx_live_http_header(r, "Vary",
                               &ngx_live_hls_accept_encoding) != NGX_OK
        || ngx_live_hls_etag(r, b->etag, b->etag_len) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (packed) {
        if (ngx_live_http_header(r, "Content-Encoding", &ngx_live_hls_gzip)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        h = r->headers_out.headers.last->elts;
        r->headers_out.content_encoding =
                              &h[r->headers_out.headers.last->nelts - 1];
    }

    ngx_str_set(&r->headers_out.content_type, "application/vnd.apple.mpegurl");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;
    r->headers_out.content_length_n = b->len;

    return NGX_OK;
}


/*
 * A rendition that is announced, but has nothing to list yet. One that began
 * in the middle of a segment has with its next segment, which is what must be
 * waited for: to wait for what is there already would be a busy loop.
 */
static ngx_int_t
ngx_live_hls_playlist_later(ngx_http_request_t *r, ngx_live_hls_ctx_t *ctx,
    ngx_live_hls_find_t *f)
{
    uint32_t        msn;
    lv_hls_edge_t  *edge;

    if (f->rendition == NGX_LIVE_HLS_TOP) {
        return ngx_live_hls_error(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                                  "not started",
                                  "The stream has no media yet.");
    }

    edge = ngx_live_hls_edge(f->st, f->hs, f->rendition);

    if (edge->ended) {
        return ngx_live_hls_error(r, NGX_HTTP_NOT_FOUND, "no media",
                                  "The stream ended without any media in "
                                  "this rendition.");
    }

    msn = edge->any ? edge->complete + (edge->last_parts ? 1 : 2) : 0;

    return ngx_live_hls_wait(r, ctx, f, msn, 0, NGX_LIVE_HLS_START_WAIT);
}


ngx_int_t
ngx_live_hls_playlist_send(ngx_http_request_t *r, ngx_live_hls_ctx_t *ctx,
    ngx_live_hls_find_t *f)
{
    ngx_int_t             rc;
    ngx_uint_t            skip;
    ngx_chain_t          *out;
    ngx_live_hls_blob_t  *b;

    skip = ctx->query.skip;
    rc = ngx_live_hls_playlist_get(f, skip, ctx->gzip, &b);

    if (rc == LV_AGAIN) {
        return ngx_live_hls_playlist_later(r, ctx, f);
    }

    if (rc != LV_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (!lv_stream_alive(f->s, f->gen)) {
        return ngx_live_hls_error(r, NGX_HTTP_NOT_FOUND, "no stream",
                                  "There is no such stream now.");
    }

    ngx_live_count(NGX_LIVE_C_HLS_PLAYLISTS, 1);
    ngx_live_count(NGX_LIVE_C_HLS_SENT_BYTES, b->len);

    if (ngx_live_hls_playlist_headers(r, ctx, f, b,
                           b == f->hs->playlist[f->rendition].blob[skip][1])
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    out = ngx_live_hls_blob_chain(r, b);
    if (out == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_live_hls_output(r, out);
}

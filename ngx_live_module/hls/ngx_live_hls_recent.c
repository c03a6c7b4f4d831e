/*
 * Parts that were asked for lately: all viewers ask for the same one within
 * moments, so the way from its name to its bytes is found once.
 *
 * An entry keeps nothing alive. Who uses it pins the parts as if they had just
 * been found; that the pins hold says that their memory is what it was, and
 * the stream's generation that its names are. When either fails, the request
 * goes the long way.
 */

#include "ngx_live_hls.h"


#define NGX_LIVE_HLS_RECENT  256         /* entries, a power of two */
#define NGX_LIVE_HLS_RUNS    8           /* of memory; parts in more are not
                                            remembered */
#define NGX_LIVE_HLS_NAME    96          /* stream/rendition/msn.part.m4s */
#define NGX_LIVE_HLS_PARTS   2           /* video and audio */


typedef struct {
    lv_stream_t    *s;                   /* NULL: empty */
    uint32_t        gen;
    uint32_t        hash;
    uint16_t        name_len;
    uint16_t        stream_len;          /* the name begins with it */
    uint16_t        etag_len;
    uint16_t        parts;
    uint16_t        runs;
    u_char          name[NGX_LIVE_HLS_NAME];
    u_char          etag[48];
    const char     *type;
    off_t           size;
    lv_part_ref_t   ref[NGX_LIVE_HLS_PARTS];
    ngx_str_t       run[NGX_LIVE_HLS_RUNS];
} ngx_live_hls_recent_t;

typedef struct {
    ngx_chain_t     link;
    ngx_buf_t       buf;
} ngx_live_hls_link_t;


static ngx_live_hls_recent_t  ngx_live_hls_recent[NGX_LIVE_HLS_RECENT];


static ngx_chain_t *
ngx_live_hls_recent_chain(ngx_http_request_t *r, ngx_live_hls_recent_t *e)
{
    ngx_uint_t            i;
    ngx_live_hls_link_t  *l;

    l = ngx_pcalloc(r->pool, e->runs * sizeof(ngx_live_hls_link_t));
    if (l == NULL) {
        return NULL;
    }

    for (i = 0; i < e->runs; i++) {
        l[i].buf.pos = e->run[i].data;
        l[i].buf.last = e->run[i].data + e->run[i].len;
        l[i].buf.start = l[i].buf.pos;
        l[i].buf.end = l[i].buf.last;
        l[i].buf.memory = 1;

        l[i].link.buf = &l[i].buf;
        l[i].link.next = &l[i + 1].link;
    }

    l[i - 1].link.next = NULL;
    l[i - 1].buf.last_buf = (r == r->main) ? 1 : 0;
    l[i - 1].buf.last_in_chain = 1;

    return &l->link;
}


ngx_int_t
ngx_live_hls_recent_send(ngx_http_request_t *r, ngx_str_t *name)
{
    uint32_t                hash;
    lv_str_t                stream;
    ngx_str_t               etag;
    lv_store_t             *st;
    ngx_chain_t            *out;
    ngx_live_hls_recent_t  *e;

    if (name->len == 0 || name->data[name->len - 1] != 's') {
        return NGX_DECLINED;
    }

    hash = ngx_murmur_hash2(name->data, name->len);
    e = &ngx_live_hls_recent[hash % NGX_LIVE_HLS_RECENT];

    if (e->s == NULL || e->hash != hash || e->name_len != name->len
        || ngx_memcmp(e->name, name->data, name->len) != 0)
    {
        return NGX_DECLINED;
    }

    stream.data = name->data;
    stream.len = e->stream_len;
    st = ngx_live_store();

    if (st == NULL || !lv_stream_alive(e->s, e->gen)
        || !ngx_live_http_token_is_for(r, stream)
        || ngx_live_hls_pin(r, st, e->s, e->ref, e->parts) != NGX_OK
        || !lv_stream_alive(e->s, e->gen))
    {
        return NGX_DECLINED;
    }

    out = ngx_live_hls_recent_chain(r, e);
    etag.data = e->etag;
    etag.len = e->etag_len;

    if (out == NULL
        || ngx_live_hls_media_headers(r, e->type, &etag, e->size) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_live_count(NGX_LIVE_C_HLS_PARTS, 1);

    return ngx_live_hls_output(r, out);
}


void
ngx_live_hls_recent_add(ngx_live_hls_ctx_t *ctx, ngx_live_hls_find_t *f,
    const lv_part_ref_t *ref, ngx_uint_t n, ngx_chain_t *out,
    const char *type, ngx_str_t *etag)
{
    uint32_t                hash;
    ngx_str_t              *name;
    ngx_live_hls_recent_t  *e;

    name = &ctx->name;

    /* one that has a token in front of the stream is not the only name */

    if (name->data != ctx->path.stream.data
        || name->len > NGX_LIVE_HLS_NAME || n > NGX_LIVE_HLS_PARTS
        || etag->len > sizeof(e->etag))
    {
        return;
    }

    hash = ngx_murmur_hash2(name->data, name->len);
    e = &ngx_live_hls_recent[hash % NGX_LIVE_HLS_RECENT];

    e->s = NULL;
    e->gen = f->gen;
    e->hash = hash;
    e->name_len = name->len;
    e->stream_len = ctx->path.stream.len;
    ngx_memcpy(e->name, name->data, name->len);
    e->etag_len = etag->len;
    ngx_memcpy(e->etag, etag->data, etag->len);
    e->type = type;
    e->parts = n;
    ngx_memcpy(e->ref, ref, n * sizeof(lv_part_ref_t));
    e->size = 0;

    for (e->runs = 0; out; out = out->next) {

        if (e->runs == NGX_LIVE_HLS_RUNS) {
            return;
        }

        e->run[e->runs].data = out->buf->pos;
        e->run[e->runs].len = ngx_buf_size(out->buf);
        e->size += e->run[e->runs++].len;
    }

    e->s = f->s;
}

/*
 * Init sections, segments and parts, sent out of the store's memory.
 *
 * A part is pinned while a request sends it; the request's pool lets go of it
 * (with HTTP/2 that is when its last frame is out). A client that reads so
 * slowly that its part has left the playlist and takes up room that the store
 * needs loses its connection; see ngx_live_hls_send_second().
 */

#include "ngx_live_hls.h"
#include "lv_fmp4.h"


#define NGX_LIVE_HLS_REFS          (2 * LV_RING)

#define NGX_LIVE_HLS_ETAG_MAX      (sizeof("\"i-.-\"") + 3 * NGX_INT32_LEN)

#define NGX_LIVE_HLS_VIDEO         "video/mp4"
#define NGX_LIVE_HLS_AUDIO         "audio/mp4"

/* What a request has pinned. */
typedef struct {
    ngx_queue_t          queue;
    ngx_http_request_t  *request;
    uint32_t             window_ms;
    ngx_uint_t           n;
    uint32_t             id[1];
} ngx_live_hls_pins_t;

typedef struct {
    ngx_uint_t           n;
    off_t                size;
    lv_part_ref_t        ref[NGX_LIVE_HLS_REFS];
} ngx_live_hls_refs_t;


/* without "public": a shared cache must not keep what was asked for with an
 * Authorization header */
static ngx_str_t  ngx_live_hls_forever =
                                  ngx_string("max-age=86400, immutable");

static ngx_live_hls_refs_t  ngx_live_hls_refs;   /* of one request at a time */
static ngx_queue_t          ngx_live_hls_pinned;


static void
ngx_live_hls_refs_add(const lv_part_ref_t *ref)
{
    ngx_live_hls_refs_t  *refs = &ngx_live_hls_refs;

    if (refs->n < NGX_LIVE_HLS_REFS) {
        refs->ref[refs->n++] = *ref;
        refs->size += ref->len;
    }
}


/* The video chunk, then the audio chunk of the same name. */
static int
ngx_live_hls_find_part(ngx_live_hls_find_t *f, uint32_t msn, uint32_t part)
{
    int            rc;
    lv_part_ref_t  ref;

    rc = lv_track_find(f->st, f->src.track, msn, part, &ref);
    if (rc != LV_OK) {
        return rc;
    }

    ngx_live_hls_refs_add(&ref);

    if (f->src.audio) {
        rc = lv_track_find(f->st, f->src.audio, msn, part, &ref);
        if (rc != LV_OK) {
            return rc;
        }

        ngx_live_hls_refs_add(&ref);
    }

    return LV_OK;
}


/* The part behind `ref`, if it is of the same segment. */
static ngx_uint_t
ngx_live_hls_next_part(lv_store_t *st, lv_track_t *t, lv_part_ref_t *ref)
{
    lv_part_ref_t  next;

    if (lv_track_part(st, t, ref->info.seq + 1, &next) != LV_OK
        || next.info.msn != ref->info.msn)
    {
        return 0;
    }

    *ref = next;

    return 1;
}


/* All parts of a segment. One that is not complete is in no playlist. */
static int
ngx_live_hls_find_segment(ngx_live_hls_find_t *f, uint32_t msn)
{
    int            rc;
    ngx_uint_t     more, more_audio;
    lv_part_ref_t  ref, audio;
    lv_hls_edge_t *edge;

    edge = ngx_live_hls_edge(f->st, f->hs, f->rendition);

    if (!edge->any || msn > edge->complete) {
        return LV_AGAIN;
    }

    rc = lv_track_find(f->st, f->src.track, msn, 0, &ref);
    if (rc != LV_OK) {
        return rc;
    }

    if (f->src.audio) {
        rc = lv_track_find(f->st, f->src.audio, msn, 0, &audio);
        if (rc != LV_OK) {
            return rc;
        }
    }

    more = 1;
    more_audio = f->src.audio != NULL;

    while (more || more_audio) {

        if (more) {
            ngx_live_hls_refs_add(&ref);
            more = ngx_live_hls_next_part(f->st, f->src.track, &ref);
        }

        if (more_audio) {
            ngx_live_hls_refs_add(&audio);
            more_audio = ngx_live_hls_next_part(f->st, f->src.audio, &audio);
        }
    }

    return LV_OK;
}


static void
ngx_live_hls_unpin(void *data)
{
    lv_store_t           *st;
    ngx_uint_t            i;
    ngx_live_hls_pins_t  *pins;

    pins = data;
    st = ngx_live_store();

    ngx_queue_remove(&pins->queue);

    if (st == NULL) {
        return;
    }

    for (i = 0; i < pins->n; i++) {
        lv_part_unpin(st, pins->id[i]);
    }

    ngx_live_count(NGX_LIVE_G_PINNED, -(int64_t) pins->n);
    ngx_live_count(NGX_LIVE_C_HLS_SENT_BYTES,
                   pins->request->connection->sent);
}


ngx_int_t
ngx_live_hls_pin(ngx_http_request_t *r, lv_store_t *st, lv_stream_t *s,
    const lv_part_ref_t *ref, ngx_uint_t n)
{
    ngx_uint_t            i;
    ngx_pool_cleanup_t   *cln;
    ngx_live_hls_pins_t  *pins;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_live_hls_pins_t)
                                        + n * sizeof(uint32_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    if (ngx_live_hls_pinned.next == NULL) {
        ngx_queue_init(&ngx_live_hls_pinned);
    }

    pins = cln->data;
    pins->request = r;
    pins->window_ms = s->timing.window_ms;
    pins->n = 0;
    ngx_queue_insert_tail(&ngx_live_hls_pinned, &pins->queue);
    cln->handler = ngx_live_hls_unpin;

    for (i = 0; i < n; i++) {

        if (lv_part_pin(st, &ref[i]) != LV_OK) {
            break;
        }

        pins->id[pins->n++] = ref[i].id;
    }

    ngx_live_count(NGX_LIVE_G_PINNED, pins->n);

    return i == n ? NGX_OK : NGX_DECLINED;
}


/* One buffer for each contiguous run of memory. */
static ngx_chain_t *
ngx_live_hls_chain(ngx_http_request_t *r, ngx_live_hls_find_t *f)
{
    size_t         size;
    lv_run_t       it;
    ngx_buf_t     *b;
    ngx_uint_t     i;
    ngx_chain_t   *out, *cl, **ll;
    const uint8_t *p;

    b = NULL;
    ll = &out;

    for (i = 0; i < ngx_live_hls_refs.n; i++) {
        ngx_memzero(&it, sizeof(lv_run_t));

        while (lv_part_run(f->st, &ngx_live_hls_refs.ref[i], &it, &p, &size)) {

            if (b && b->last == p) {
                b->last += size;
                b->end = b->last;
                continue;
            }

            b = ngx_calloc_buf(r->pool);
            cl = ngx_alloc_chain_link(r->pool);

            if (b == NULL || cl == NULL) {
                return NULL;
            }

            b->pos = (u_char *) p;
            b->last = b->pos + size;
            b->start = b->pos;
            b->end = b->last;
            b->memory = 1;

            cl->buf = b;
            *ll = cl;
            ll = &cl->next;
        }
    }

    if (b == NULL) {
        return NULL;
    }

    *ll = NULL;
    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;

    return out;
}


ngx_int_t
ngx_live_hls_media_headers(ngx_http_request_t *r, const char *type,
    ngx_str_t *etag, off_t size)
{
    u_char  *p;

    p = ngx_pnalloc(r->pool, etag->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, etag->data, etag->len);

    if (ngx_live_http_header(r, "Cache-Control",
                            &ngx_live_hls_forever) != NGX_OK
        || ngx_live_hls_etag(r, p, etag->len) != NGX_OK)
    {
        return NGX_ERROR;
    }

    r->headers_out.content_type.data = (u_char *) type;
    r->headers_out.content_type.len = ngx_strlen(type);
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;
    r->headers_out.content_length_n = size;

    /* several memory buffers and several ranges do not go together */
    r->allow_ranges = 1;
    r->single_range = 1;

    return NGX_OK;
}


/* The name says it all: never other bytes. */
static void
ngx_live_hls_media_etag(ngx_live_hls_ctx_t *ctx, ngx_live_hls_find_t *f,
    u_char *buf, ngx_str_t *etag)
{
    etag->data = buf;
    etag->len = ngx_sprintf(buf, "\"%xD-%xD.%xD%s\"", f->s->epoch,
                            ctx->path.msn, ctx->path.part,
                            ctx->path.kind == LV_HLS_INIT ? "i"
                            : ctx->path.kind == LV_HLS_PART ? "p" : "s")
                - buf;
}


/* 410 for what was once there, 404 for what never was. */
static ngx_int_t
ngx_live_hls_gone(ngx_http_request_t *r, ngx_live_hls_ctx_t *ctx,
    ngx_live_hls_find_t *f)
{
    lv_part_ref_t  oldest;

    if (ctx->path.kind != LV_HLS_INIT
        && lv_track_oldest(f->st, f->src.track, &oldest) == LV_OK
        && ctx->path.msn >= f->s->epoch
        && ctx->path.msn < oldest.info.msn)
    {
        return ngx_live_hls_error(r, NGX_LIVE_HLS_GONE, "gone",
                                  "This has left the playlist.");
    }

    return ngx_live_hls_error(r, NGX_HTTP_NOT_FOUND, "no media",
                              "There is no such init section, segment or "
                              "part.");
}


/* ---- the muxed view's init section ------------------------------------- */

/* Copies an init section. Returns its length, or NGX_ERROR. */
static ngx_int_t
ngx_live_hls_init_load(ngx_live_hls_find_t *f, lv_track_t *t, uint32_t msn,
    u_char *buf)
{
    size_t         size;
    u_char        *last;
    lv_run_t       it;
    lv_part_ref_t  ref;
    const uint8_t *p;

    if (lv_track_init(f->st, t, msn, &ref) != LV_OK
        || ref.len > LV_FMP4_INIT_MAX
        || lv_part_pin(f->st, &ref) != LV_OK)
    {
        return NGX_ERROR;
    }

    last = buf;
    ngx_memzero(&it, sizeof(lv_run_t));

    while (lv_part_run(f->st, &ref, &it, &p, &size)) {
        last = ngx_cpymem(last, p, size);
    }

    lv_part_unpin(f->st, ref.id);

    return last - buf;
}


/* Which init sections of the two tracks go together under this name: those of
 * a listed segment whose newer one it is. */
static ngx_int_t
ngx_live_hls_init_pair(ngx_live_hls_find_t *f, uint32_t msn, uint32_t *video,
    uint32_t *audio)
{
    uint32_t       i;
    lv_part_ref_t  v, a;

    static lv_hls_view_t  view;

    lv_hls_view(f->st, f->s, &f->src, &view);

    for (i = 0; i < view.segments; i++) {

        if (view.segment[i].init_msn == msn
            && lv_track_find(f->st, f->src.track, view.segment[i].msn, 0, &v)
               == LV_OK
            && lv_track_find(f->st, f->src.audio, view.segment[i].msn, 0, &a)
               == LV_OK)
        {
            *video = v.info.init_msn;
            *audio = a.info.init_msn;
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


static ngx_live_hls_blob_t *
ngx_live_hls_init_make(ngx_live_hls_find_t *f, uint32_t video, uint32_t audio)
{
    int                   n;
    lv_str_t              init[2];
    ngx_int_t             vlen, alen;
    ngx_live_hls_blob_t  *b;
    u_char                v[LV_FMP4_INIT_MAX], a[LV_FMP4_INIT_MAX];

    vlen = ngx_live_hls_init_load(f, f->src.track, video, v);
    alen = ngx_live_hls_init_load(f, f->src.audio, audio, a);

    if (vlen == NGX_ERROR || alen == NGX_ERROR) {
        return NULL;
    }

    b = ngx_live_hls_blob_alloc(vlen + alen);
    if (b == NULL) {
        return NULL;
    }

    init[0].data = v;
    init[0].len = vlen;
    init[1].data = a;
    init[1].len = alen;

    n = lv_fmp4_init_merge(b->data, vlen + alen, init, 2);

    if (n == LV_ERROR) {
        ngx_free(b);
        return NULL;
    }

    b->len = n;

    return b;
}


static ngx_int_t
ngx_live_hls_init_muxed(ngx_http_request_t *r, ngx_live_hls_ctx_t *ctx,
    ngx_live_hls_find_t *f)
{
    uint32_t                video, audio;
    ngx_str_t               etag;
    ngx_chain_t            *out;
    ngx_live_hls_stream_t  *hs;
    u_char                  buf[NGX_LIVE_HLS_ETAG_MAX];

    hs = f->hs;

    if (hs->init == NULL || hs->init_msn != ctx->path.msn) {

        if (ngx_live_hls_init_pair(f, ctx->path.msn, &video, &audio)
            != NGX_OK)
        {
            return ngx_live_hls_error(r, NGX_HTTP_NOT_FOUND, "no media",
                                      "There is no such init section.");
        }

        ngx_live_hls_blob_release(hs->init);
        hs->init = ngx_live_hls_init_make(f, video, audio);
        hs->init_msn = ctx->path.msn;

        if (hs->init == NULL || !lv_stream_alive(f->s, f->gen)) {
            return ngx_live_hls_error(r, NGX_HTTP_NOT_FOUND, "no media",
                                      "There is no such init section.");
        }
    }

    out = ngx_live_hls_blob_chain(r, hs->init);
    ngx_live_hls_media_etag(ctx, f, buf, &etag);

    if (out == NULL
        || ngx_live_hls_media_headers(r, NGX_LIVE_HLS_VIDEO, &etag,
                                      hs->init->len)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_live_count(NGX_LIVE_C_HLS_INITS, 1);

    return ngx_live_hls_output(r, out);
}


/* ---- the request -------------------------------------------------------- */

static int
ngx_live_hls_find_media(ngx_live_hls_ctx_t *ctx, ngx_live_hls_find_t *f)
{
    int            rc;
    lv_part_ref_t  ref;

    ngx_live_hls_refs.n = 0;
    ngx_live_hls_refs.size = 0;

    switch (ctx->path.kind) {

    case LV_HLS_PART:
        return ngx_live_hls_find_part(f, ctx->path.msn, ctx->path.part);

    case LV_HLS_SEGMENT:
        return ngx_live_hls_find_segment(f, ctx->path.msn);

    default:
        rc = lv_track_init(f->st, f->src.track, ctx->path.msn, &ref);
        if (rc == LV_OK) {
            ngx_live_hls_refs_add(&ref);
        }

        return rc;
    }
}


ngx_int_t
ngx_live_hls_media_send(ngx_http_request_t *r, ngx_live_hls_ctx_t *ctx,
    ngx_live_hls_find_t *f)
{
    int             rc;
    ngx_int_t       sent, pinned;
    ngx_str_t       etag;
    const char     *type;
    ngx_chain_t    *out;
    lv_hls_edge_t  *edge;
    u_char          buf[NGX_LIVE_HLS_ETAG_MAX];

    if (ctx->path.kind == LV_HLS_INIT && f->src.audio) {
        return ngx_live_hls_init_muxed(r, ctx, f);
    }

    if (ctx->waited) {

        /* mostly not the first one that is woken */
        sent = ngx_live_hls_recent_send(r, &ctx->name);
        if (sent != NGX_DECLINED) {
            return sent;
        }
    }

    rc = ngx_live_hls_find_media(ctx, f);

    if (rc == LV_AGAIN && ctx->path.kind == LV_HLS_PART) {

        /* a part that the playlist hints at is waited for */
        edge = ngx_live_hls_edge(f->st, f->hs, f->rendition);

        if (lv_hls_hinted(edge, ctx->path.msn, ctx->path.part)) {
            return ngx_live_hls_wait(r, ctx, f, ctx->path.msn,
                                     ctx->path.part,
                                     (ngx_msec_t) f->s->timing.target_s
                                     * 3000);
        }

        /* it may have come between the two looks */
        rc = ngx_live_hls_find_media(ctx, f);
    }

    if (rc != LV_OK) {
        return ngx_live_hls_gone(r, ctx, f);
    }

    pinned = ngx_live_hls_pin(r, f->st, f->s, ngx_live_hls_refs.ref,
                              ngx_live_hls_refs.n);

    if (pinned == NGX_DECLINED || !lv_stream_alive(f->s, f->gen)) {
        return ngx_live_hls_gone(r, ctx, f);
    }

    out = pinned == NGX_OK ? ngx_live_hls_chain(r, f) : NULL;
    type = lv_hls_track_kind(f->src.track) == LV_KIND_AUDIO
           ? NGX_LIVE_HLS_AUDIO : NGX_LIVE_HLS_VIDEO;
    ngx_live_hls_media_etag(ctx, f, buf, &etag);

    if (out == NULL
        || ngx_live_hls_media_headers(r, type, &etag, ngx_live_hls_refs.size)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->path.kind == LV_HLS_PART) {
        ngx_live_hls_recent_add(ctx, f, ngx_live_hls_refs.ref,
                                ngx_live_hls_refs.n, out, type, &etag);
    }

    ngx_live_count(ctx->path.kind == LV_HLS_PART ? NGX_LIVE_C_HLS_PARTS
                   : ctx->path.kind == LV_HLS_SEGMENT
                     ? NGX_LIVE_C_HLS_SEGMENTS : NGX_LIVE_C_HLS_INITS, 1);

    return ngx_live_hls_output(r, out);
}


/* ---- slow readers -------------------------------------------------------- */

static uint64_t
ngx_live_hls_limbo(lv_store_t *st, ngx_live_hls_pins_t *pins)
{
    uint64_t    since, first;
    ngx_uint_t  i;

    first = 0;

    for (i = 0; i < pins->n; i++) {
        since = lv_part_limbo_since(st, pins->id[i]);

        if (since && (first == 0 || since < first)) {
            first = since;
        }
    }

    return first;
}


void
ngx_live_hls_send_second(lv_store_t *st, uint64_t now_ms)
{
    uint64_t              since;
    ngx_queue_t          *q;
    ngx_live_hls_pins_t  *pins;

    if (ngx_live_hls_pinned.next == NULL) {
        return;
    }

    for (q = ngx_queue_head(&ngx_live_hls_pinned);
         q != ngx_queue_sentinel(&ngx_live_hls_pinned);
         q = ngx_queue_next(q))
    {
        pins = ngx_queue_data(q, ngx_live_hls_pins_t, queue);
        since = ngx_live_hls_limbo(st, pins);

        if (since
            && ngx_live_http_limbo_over(st, since, pins->window_ms, now_ms))
        {
            ngx_live_count(NGX_LIVE_C_HLS_RESET_SLOW, 1);
            ngx_live_http_reset(pins->request, since, now_ms);
        }
    }
}

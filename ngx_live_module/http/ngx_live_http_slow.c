/*
 * Clients that read more slowly than media leaves the store. What is being
 * sent stays pinned, "in limbo", when it is evicted; the store can spare only
 * so much for that, and nobody has use for what has long left the playlist.
 */

#include "ngx_live_http.h"

#define NGX_LIVE_HTTP_LIMBO_PERCENT  5


/* Whether the client that holds what was evicted at since_ms must go: when
 * the store is short of memory for that, and after one window anyway. */
ngx_uint_t
ngx_live_http_limbo_over(lv_store_t *st, uint64_t since_ms,
    uint32_t window_ms, uint64_t now_ms)
{
    lv_store_stat_t     stat;

    static ngx_uint_t   tight;
    static uint64_t     asked_ms;

    if (now_ms >= since_ms + window_ms) {
        return 1;
    }

    if (asked_ms != now_ms) {            /* once for all clients */
        asked_ms = now_ms;
        lv_store_stat(st, &stat);
        tight = (uint64_t) stat.extents_limbo * 100
                > (uint64_t) stat.extents * NGX_LIVE_HTTP_LIMBO_PERCENT;
    }

    return tight;
}


/*
 * Ends the connection that a request came by. Nothing is freed here: the
 * event loop finds the socket closed and finalizes what is on it, with HTTP/2
 * every stream and every queued frame, which closing one stream would not.
 */
void
ngx_live_http_reset(ngx_http_request_t *r, uint64_t since_ms, uint64_t now_ms)
{
    struct linger      linger;
    ngx_connection_t  *c;

    ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                  "live: client reads too slowly, connection reset: "
                  "what it is being sent left the playlist %uL ms ago",
                  now_ms > since_ms ? now_ms - since_ms : 0);

    c = r->connection;

#if (NGX_HTTP_V2)
    if (r->stream) {
        c = r->stream->connection->connection;
    }
#endif

#if (NGX_HTTP_V3)
    if (c->quic) {
        c->error = 1;
        ngx_post_event(c->write, &ngx_posted_events);
        return;
    }
#endif

    /* do not let the kernel go on feeding it */
    linger.l_onoff = 1;
    linger.l_linger = 0;

    (void) setsockopt(c->fd, SOL_SOCKET, SO_LINGER,
                      (const void *) &linger, sizeof(struct linger));
    (void) shutdown(c->fd, SHUT_RDWR);
}

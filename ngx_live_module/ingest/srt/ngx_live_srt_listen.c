/*
 * What comes to the listening socket. nginx has made a connection of each
 * peer's first datagram; one that only asks for a cookie is answered and gone
 * within this call, without a line in the log.
 */

#include "ngx_live_srt.h"
#include "ngx_live_limit.h"
#include "lv_siphash.h"


/* Of the handshakes that may be pending, those of one address. */
#define NGX_LIVE_SRT_PENDING_ADDR  16


static void ngx_live_srt_answer(ngx_connection_t *c, u_char *p, size_t n);
static void ngx_live_srt_forget(ngx_connection_t *c);
static ngx_uint_t ngx_live_srt_admit(ngx_stream_session_t *s,
    lv_srt_hello_t *hello);
static uint64_t ngx_live_srt_claim(ngx_connection_t *c,
    lv_srt_hello_t *hello);
static size_t ngx_live_srt_peer(struct sockaddr *sa, u_char *buf);


void
ngx_live_srt_init(ngx_stream_session_t *s)
{
    u_char             peer[32], out[LV_SRT_REPLY_MAX];
    size_t             n, peer_len;
    ngx_buf_t         *b;
    lv_store_t        *st;
    lv_srt_hello_t     hello;
    lv_srt_listen_e    rc;
    ngx_connection_t  *c;

    c = s->connection;
    b = c->buffer;
    st = ngx_live_store();

    if (c->type != SOCK_DGRAM) {
        ngx_log_error(NGX_LOG_ERR, c->log, 0,
                      "live: SRT comes by UDP: \"listen\" needs \"udp\"");
        ngx_stream_finalize_session(s, NGX_STREAM_BAD_REQUEST);
        return;
    }

    if (st == NULL || b == NULL || ngx_exiting) {
        ngx_live_srt_forget(c);
        return;
    }

    peer_len = ngx_live_srt_peer(c->sockaddr, peer);

    rc = lv_srt_listen(lv_store_secret(st), peer, peer_len,
                       (uint64_t) ngx_time(), b->pos, b->last - b->pos,
                       &hello, out, &n);

    if (rc == LV_SRT_LISTEN_REPLY) {
        ngx_live_srt_answer(c, out, n);
    }

    if (rc != LV_SRT_LISTEN_HELLO || !ngx_live_srt_admit(s, &hello)) {
        ngx_live_srt_forget(c);
        return;
    }

    ngx_live_srt_begin(s, &hello);
}


/* By nginx's own sending, which knows which address of the machine to send
 * from. */

static void
ngx_live_srt_answer(ngx_connection_t *c, u_char *p, size_t n)
{
    ngx_buf_t    b;
    ngx_chain_t  cl;

    ngx_memzero(&b, sizeof(ngx_buf_t));

    b.pos = p;
    b.last = p + n;
    b.memory = 1;
    b.last_buf = 1;
    b.flush = 1;

    cl.buf = &b;
    cl.next = NULL;

    (void) c->send_chain(c, &cl, 0);
}


/* As nginx ends a session, but without its log phase: anybody's datagrams would
 * fill the access log. */

static void
ngx_live_srt_forget(ngx_connection_t *c)
{
    ngx_pool_t  *pool;

#if (NGX_STAT_STUB)
    (void) ngx_atomic_fetch_add(ngx_stat_active, -1);
#endif

    pool = c->pool;
    ngx_close_connection(c);
    c->destroyed = 1;
    ngx_destroy_pool(pool);
}


/* 1: this one may begin a session. The same conclusion can come to two workers,
 * or twice to one: the first takes it, and by the time that its claim has ended
 * the peer's packets go to its own socket. */

static ngx_uint_t
ngx_live_srt_admit(ngx_stream_session_t *s, lv_srt_hello_t *hello)
{
    u_char                out[LV_SRT_REPLY_MAX];
    size_t                n;
    ngx_uint_t            from, all;
    ngx_connection_t     *c;
    ngx_live_srt_conf_t  *scf;

    c = s->connection;
    scf = ngx_stream_get_module_srv_conf(s, ngx_live_srt_module);

    if (!lv_store_claim(ngx_live_store(), ngx_live_srt_claim(c, hello),
                        (uint32_t) ngx_time(), NGX_LIVE_SRT_CLAIM_S))
    {
        return 0;
    }

    all = ngx_live_srt_pending(c->sockaddr, &from);

    if (all < scf->pending && from < NGX_LIVE_SRT_PENDING_ADDR) {
        return 1;
    }

    ngx_log_error(NGX_LOG_WARN, c->log, 0,
                  "live: SRT from %V refused: %ui handshakes are pending, %ui "
                  "from this address", &c->addr_text, all, from);

    ngx_live_count(NGX_LIVE_C_PUBLISH_REFUSED_BUSY, 1);

    n = lv_srt_reject(hello, LV_SRT_REJX_OVERLOAD, out);
    ngx_live_srt_answer(c, out, n);

    return 0;
}


/* A name for (peer, its socket id, its first sequence number). */

static uint64_t
ngx_live_srt_claim(ngx_connection_t *c, lv_srt_hello_t *hello)
{
    u_char  buf[40];
    size_t  n;

    n = ngx_live_srt_peer(c->sockaddr, buf);
    lv_put32(buf + n, hello->socket);
    lv_put32(buf + n + 4, hello->isn);

    return lv_siphash(lv_store_secret(ngx_live_store()) + 16, buf, n + 8);
}


static size_t
ngx_live_srt_peer(struct sockaddr *sa, u_char *buf)
{
    size_t   len;
    u_char  *ip, *p;

    ip = ngx_live_sockaddr_ip(sa, &len);
    p = ip ? ngx_cpymem(buf, ip, len) : buf;

    return (size_t) (lv_put16(p, ngx_inet_get_port(sa)) - buf);
}

/*
 * A publisher's own socket: bound to the address that its first packets came
 * to and connected to the peer. The kernel gives a peer's packets to the socket
 * that is connected to it, whatever becomes of the listening ones.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE                 /* recvmmsg() */
#endif

#include "ngx_live_srt.h"


#define NGX_LIVE_SRT_BATCH   32
#define NGX_LIVE_SRT_TURNS   4      /* batches before others have a turn */
#define NGX_LIVE_SRT_RCVBUF  (2 * 1024 * 1024)


static ngx_int_t ngx_live_srt_connect(ngx_connection_t *c, ngx_socket_t fd);
static ngx_uint_t ngx_live_srt_from_peer(ngx_connection_t *c,
    struct msghdr *msg);


static u_char  ngx_live_srt_buffer[NGX_LIVE_SRT_BATCH][2048];


ngx_int_t
ngx_live_srt_socket(ngx_connection_t *c)
{
    ngx_socket_t  fd;

    if (c->local_sockaddr == NULL) {
        return NGX_ERROR;
    }

    fd = ngx_socket(c->sockaddr->sa_family, SOCK_DGRAM, 0);

    if (fd == (ngx_socket_t) -1) {
        ngx_log_error(NGX_LOG_ALERT, c->log, ngx_socket_errno,
                      "live: socket() for an SRT publisher failed");
        return NGX_ERROR;
    }

    if (ngx_live_srt_connect(c, fd) != NGX_OK) {
        ngx_log_error(NGX_LOG_ALERT, c->log, ngx_socket_errno,
                      "live: an SRT publisher's socket cannot be connected");
        ngx_close_socket(fd);
        return NGX_ERROR;
    }

    /* from here on it is no connection of the listening socket's any more:
     * that one's number may mean something else after a reload */

    ngx_delete_udp_connection(c);

    c->fd = fd;
    c->shared = 0;
    c->read->active = 0;
    c->read->ready = 0;
    c->write->active = 0;
    c->write->ready = 1;

    if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_live_srt_connect(ngx_connection_t *c, ngx_socket_t fd)
{
    int  on, size;

    on = 1;
    size = NGX_LIVE_SRT_RCVBUF;

    if (ngx_nonblocking(fd) == -1
        || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(int)) == -1)
    {
        return NGX_ERROR;
    }

#if (NGX_HAVE_REUSEPORT)
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(int)) == -1) {
        return NGX_ERROR;
    }
#endif

    /* as much as the system allows */
    (void) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(int));

    if (bind(fd, c->local_sockaddr, c->local_socklen) == -1
        || connect(fd, c->sockaddr, c->socklen) == -1)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


int64_t
ngx_live_srt_now_us(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}


/* Between bind() and connect() the socket took what others sent, too: their
 * handshakes, which they repeat. */

static ngx_uint_t
ngx_live_srt_from_peer(ngx_connection_t *c, struct msghdr *msg)
{
    return ngx_cmp_sockaddr(msg->msg_name, msg->msg_namelen, c->sockaddr,
                            c->socklen, 1)
           == NGX_OK;
}


void
ngx_live_srt_receive(ngx_live_srt_ctx_t *ctx, int64_t now_us)
{
    int                i, n;
    ngx_uint_t         turn;
    ngx_connection_t  *c;
    struct iovec       iov[NGX_LIVE_SRT_BATCH];
    struct mmsghdr     msg[NGX_LIVE_SRT_BATCH];
    ngx_sockaddr_t     from[NGX_LIVE_SRT_BATCH];

    c = ctx->connection;

    for (turn = 0; turn < NGX_LIVE_SRT_TURNS; turn++) {

        ngx_memzero(msg, sizeof(msg));

        for (i = 0; i < NGX_LIVE_SRT_BATCH; i++) {
            iov[i].iov_base = ngx_live_srt_buffer[i];
            iov[i].iov_len = sizeof(ngx_live_srt_buffer[i]);
            msg[i].msg_hdr.msg_iov = &iov[i];
            msg[i].msg_hdr.msg_iovlen = 1;

            if (!ctx->alone) {
                msg[i].msg_hdr.msg_name = &from[i];
                msg[i].msg_hdr.msg_namelen = sizeof(ngx_sockaddr_t);
            }
        }

        n = recvmmsg(c->fd, msg, NGX_LIVE_SRT_BATCH, 0, NULL);

        if (n == -1) {

            if (ngx_socket_errno == NGX_EAGAIN) {
                c->read->ready = 0;
                ctx->alone = 1;
                return;
            }

            /* ECONNREFUSED: an ICMP message, the peer's port is closed. Anybody
             * on the way can make one; silence is what ends a session. */

            continue;
        }

        for (i = 0; i < n; i++) {

            if (!ctx->alone
                && !ngx_live_srt_from_peer(c, &msg[i].msg_hdr))
            {
                continue;
            }

            ctx->session->received += msg[i].msg_len;
            ngx_live_srt_packet(ctx, ngx_live_srt_buffer[i], msg[i].msg_len,
                                now_us);
        }

        if (n < NGX_LIVE_SRT_BATCH) {
            c->read->ready = 0;
            ctx->alone = 1;
            return;
        }
    }

    ngx_post_event(c->read, &ngx_posted_next_events);
}


void
ngx_live_srt_send(void *data, const uint8_t *p, size_t n)
{
    ssize_t              rc;
    ngx_live_srt_ctx_t  *ctx = data;

    /* what cannot be sent is lost like any packet */

    rc = send(ctx->connection->fd, p, n, 0);

    if (rc > 0) {
        ctx->connection->sent += rc;
    }
}

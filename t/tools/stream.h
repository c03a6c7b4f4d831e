/*
 * A connection of a load generator to a server anywhere: plain or TLS (HTTP/1.1
 * by ALPN, the certificate is checked unless told not to), by name, without
 * blocking, level-triggered.
 *
 *   stream_target(&target, "https://live.example.org/live/a/index.m3u8");
 *   stream_open(&s, ep, &target, ptr);
 *   per event of ptr:  stream_event(&s, events) == 1 ... stream_recv()
 *   stream_send() whenever it is open; what does not fit is kept, and bounded.
 */

#ifndef STREAM_H
#define STREAM_H

#include "tool.h"

#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#define STREAM_OUT  4096


typedef struct {
    bool                     tls;
    char                     host[256];
    char                     authority[264];   /* as in a Host header */
    char                     path[2200];
    struct sockaddr_storage  addr;
    socklen_t                addr_len;
} stream_target_t;

typedef struct {
    int          fd;
    int          ep;
    void        *ptr;
    SSL         *ssl;
    bool         connected;
    bool         open;
    bool         wants_out;             /* EPOLLOUT is asked for */
    uint32_t     out_len;
    uint8_t     *out;
} stream_t;


static bool  stream_insecure;


/* http, https, ws and wss; the name is looked up. */
static TOOL_UNUSED void
stream_target(stream_target_t *t, const char *url)
{
    int               rc;
    char              scheme[8], port[8];
    size_t            n;
    const char       *p, *colon;
    struct addrinfo   hints, *ai;

    memset(t, 0, sizeof(*t));

    if (sscanf(url, "%7[a-z]://", scheme) != 1
        || (p = strstr(url, "://")) == NULL)
    {
        die("not a URL: %s", url);
    }

    t->tls = strcmp(scheme, "https") == 0 || strcmp(scheme, "wss") == 0;

    if (!t->tls && strcmp(scheme, "http") != 0 && strcmp(scheme, "ws") != 0) {
        die("not http, https, ws or wss: %s", url);
    }

    p += 3;
    n = strcspn(p, "/?#");

    if (n == 0 || n >= sizeof(t->host) || strlen(p + n) >= sizeof(t->path)) {
        die("a URL that is too long, or without a host");
    }

    snprintf(t->authority, sizeof(t->authority), "%.*s", (int) n, p);
    snprintf(t->path, sizeof(t->path), "%s%s", p[n] == '/' ? "" : "/", p + n);

    colon = strrchr(t->authority, ':');

    if (colon && strchr(colon, ']') == NULL) {
        snprintf(t->host, sizeof(t->host), "%.*s",
                 (int) (colon - t->authority), t->authority);
        snprintf(port, sizeof(port), "%.7s", colon + 1);

    } else {
        snprintf(t->host, sizeof(t->host), "%.255s", t->authority);
        snprintf(port, sizeof(port), "%s", t->tls ? "443" : "80");
    }

    if (t->host[0] == '[') {
        memmove(t->host, t->host + 1, strlen(t->host));
        t->host[strcspn(t->host, "]")] = '\0';
    }

    memset(&hints, 0, sizeof(hints));
    hints.ai_socktype = SOCK_STREAM;
    rc = getaddrinfo(t->host, port, &hints, &ai);

    if (rc != 0) {
        die("%s: %s", t->host, gai_strerror(rc));
    }

    memcpy(&t->addr, ai->ai_addr, ai->ai_addrlen);
    t->addr_len = ai->ai_addrlen;
    freeaddrinfo(ai);
}


static SSL *
stream_ssl(const stream_target_t *t, int fd)
{
    SSL                         *ssl;
    static SSL_CTX              *ctx;
    static const unsigned char   alpn[] = "\x08http/1.1";

    if (ctx == NULL) {
        ctx = SSL_CTX_new(TLS_client_method());

        if (ctx == NULL
            || SSL_CTX_set_alpn_protos(ctx, alpn, sizeof(alpn) - 1) != 0
            || SSL_CTX_set_default_verify_paths(ctx) != 1)
        {
            die("no TLS");
        }

        SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS
                              | SSL_MODE_ENABLE_PARTIAL_WRITE
                              | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        SSL_CTX_set_verify(ctx, stream_insecure ? SSL_VERIFY_NONE
                                                : SSL_VERIFY_PEER, NULL);
    }

    ssl = SSL_new(ctx);

    if (ssl == NULL || SSL_set_fd(ssl, fd) != 1
        || SSL_set_tlsext_host_name(ssl, t->host) != 1
        || SSL_set1_host(ssl, t->host) != 1)
    {
        die("no TLS");
    }

    SSL_set_connect_state(ssl);

    return ssl;
}


/* To a loopback address several sources are used: ports would run out. */
static TOOL_UNUSED int
stream_open(stream_t *s, int ep, const stream_target_t *t, void *ptr,
    unsigned number)
{
    int                        on = 1;
    struct sockaddr_in         from;
    const struct sockaddr_in  *to = (const struct sockaddr_in *) &t->addr;

    memset(s, 0, sizeof(*s));
    s->ep = ep;
    s->ptr = ptr;
    s->fd = socket(t->addr.ss_family,
                   SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (s->fd == -1) {
        return -1;
    }

    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));

    if (t->addr.ss_family == AF_INET
        && ntohl(to->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET)
    {
        memset(&from, 0, sizeof(from));
        from.sin_family = AF_INET;
        from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + number % 16);
        (void) bind(s->fd, (struct sockaddr *) &from, sizeof(from));
    }

    if (connect(s->fd, (const struct sockaddr *) &t->addr, t->addr_len) == -1
        && errno != EINPROGRESS)
    {
        close(s->fd);
        s->fd = -1;
        return -1;
    }

    s->ssl = t->tls ? stream_ssl(t, s->fd) : NULL;
    s->out = tool_alloc(STREAM_OUT);
    s->wants_out = true;
    tool_epoll(ep, EPOLL_CTL_ADD, s->fd, EPOLLIN | EPOLLOUT, ptr);

    return 0;
}


static TOOL_UNUSED void
stream_close(stream_t *s)
{
    SSL_free(s->ssl);
    free(s->out);

    if (s->fd > 0) {
        close(s->fd);
    }

    memset(s, 0, sizeof(*s));
    s->fd = -1;
}


static void
stream_out(stream_t *s, bool wants)
{
    if (s->wants_out != wants) {
        s->wants_out = wants;
        tool_epoll(s->ep, EPOLL_CTL_MOD, s->fd,
                   wants ? EPOLLIN | EPOLLOUT : EPOLLIN, s->ptr);
    }
}


/* -1: it is broken; 0: later; otherwise what SSL_get_error() stands for. */
static int
stream_ssl_result(stream_t *s, int rc)
{
    rc = SSL_get_error(s->ssl, rc);
    ERR_clear_error();

    if (rc == SSL_ERROR_WANT_WRITE) {
        stream_out(s, true);
        return 0;
    }

    return rc == SSL_ERROR_WANT_READ ? 0 : -1;
}


static int
stream_flush(stream_t *s)
{
    ssize_t  n;

    while (s->out_len) {

        if (s->ssl) {
            n = SSL_write(s->ssl, s->out, (int) s->out_len);

            if (n <= 0) {
                return stream_ssl_result(s, (int) n);
            }

        } else {
            n = send(s->fd, s->out, s->out_len, MSG_NOSIGNAL);

            if (n == -1) {
                if (errno != EAGAIN) {
                    return -1;
                }

                stream_out(s, true);
                return 0;
            }
        }

        s->out_len -= (uint32_t) n;
        memmove(s->out, s->out + n, s->out_len);
    }

    stream_out(s, false);

    return 0;
}


/* -1: it is broken, or the peer does not read. */
static TOOL_UNUSED int
stream_send(stream_t *s, const void *p, size_t n)
{
    if (s->out_len + n > STREAM_OUT) {
        return -1;
    }

    memcpy(s->out + s->out_len, p, n);
    s->out_len += (uint32_t) n;

    return s->open ? stream_flush(s) : 0;
}


/* -1: broken; 0: not open yet; 1: open. */
static TOOL_UNUSED int
stream_event(stream_t *s)
{
    int        rc, err = 0;
    socklen_t  len = sizeof(err);

    if (!s->connected) {
        getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &err, &len);

        if (err != 0) {
            return -1;
        }

        s->connected = true;
    }

    if (!s->open) {

        if (s->ssl && (rc = SSL_do_handshake(s->ssl)) != 1) {
            stream_out(s, false);
            return stream_ssl_result(s, rc);
        }

        s->open = true;
    }

    return stream_flush(s) == 0 ? 1 : -1;
}


/* Bytes; 0: none now; -1: the end. */
static TOOL_UNUSED int
stream_recv(stream_t *s, void *p, size_t n)
{
    int      rc;
    ssize_t  got;

    if (s->ssl) {
        rc = SSL_read(s->ssl, p, (int) n);
        return rc > 0 ? rc : stream_ssl_result(s, rc);
    }

    got = recv(s->fd, p, n, 0);

    if (got > 0) {
        return (int) got;
    }

    return got == -1 && errno == EAGAIN ? 0 : -1;
}

#endif

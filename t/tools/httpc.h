/*
 * One keep-alive connection of a load generator: one request at a time, no
 * pipelining, driven by epoll. HTTP/1.1, or with c->tls HTTP/2 over TLS.
 * Bodies that nobody wants are dropped inside the kernel (MSG_TRUNC), so that
 * the generator costs little beside the server on the same machine.
 *
 *   httpc_open(c, ep, host, port, i);
 *   httpc_get(c, "/path", keep_body);       also before it is connected
 *   switch (httpc_event(c, events)) { case HTTPC_DONE: c->status ... }
 *
 * With keep_body the body is in c->body, c->body_len (de-chunked) until the
 * next request. Times are now_ns().
 */

#ifndef HTTPC_H
#define HTTPC_H

#include "tool.h"

#include <zlib.h>

#define HTTPC_AGAIN   0
#define HTTPC_DONE    1
#define HTTPC_CLOSED  2                 /* by the peer, between answers too */

#define HTTPC_HEAD    2048


typedef struct {
    int            fd;
    int            ep;
    bool           connected;
    bool           busy;                /* a request is under way */
    bool           keep;
    bool           in_body;
    bool           chunked;
    bool           gzip;
    bool           zip_ok;              /* ask for gzip */
    const char    *agent;               /* User-Agent; NULL: none; HTTP/1.1
                                           only */
    bool           tls;
    struct httpc_h2_s  *h2;             /* with tls */

    char           req[768];
    size_t         req_len;
    size_t         req_sent;

    char           head[HTTPC_HEAD];
    size_t         head_len;

    int            status;
    int64_t        left;
    uint8_t       *body;
    size_t         body_len;
    size_t         body_size;

    int64_t        asked_ns;
    int64_t        first_ns;            /* the first byte of the answer */
    uint64_t       rx_bytes;            /* since the connection was opened */
} httpc_t;


static void
httpc_keep(httpc_t *c, const void *data, size_t len)
{
    if (c->body_len + len + 1 > c->body_size) {
        c->body_size = (c->body_len + len + 1) * 2;
        c->body = realloc(c->body, c->body_size);
        if (c->body == NULL) {
            die("out of memory");
        }
    }

    memcpy(c->body + c->body_len, data, len);
    c->body_len += len;
    c->body[c->body_len] = '\0';
}


#include "httpc_h2.h"


static void
httpc_events(httpc_t *c, int op, uint32_t events)
{
    tool_epoll(c->ep, op, c->fd, events, c);
}


static TOOL_UNUSED void
httpc_open(httpc_t *c, int ep, const char *host, int port, unsigned spread)
{
    c->ep = ep;
    c->fd = tool_connect(host, port, spread);
    c->connected = false;
    c->busy = false;
    c->h2 = c->tls ? httpc_h2_new(c->fd) : NULL;
    httpc_events(c, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT);
}


static TOOL_UNUSED void
httpc_close(httpc_t *c)
{
    httpc_h2_free(c->h2);
    c->h2 = NULL;

    if (c->fd != -1) {
        close(c->fd);
        c->fd = -1;
    }

    free(c->body);
    c->body = NULL;
    c->body_size = 0;
    c->busy = false;
}


static int
httpc_write(httpc_t *c)
{
    ssize_t  n;

    if (c->req_sent == c->req_len) {
        return HTTPC_AGAIN;
    }

    n = send(c->fd, c->req + c->req_sent, c->req_len - c->req_sent, 0);

    if (n == -1) {
        return errno == EAGAIN ? HTTPC_AGAIN : HTTPC_CLOSED;
    }

    c->req_sent += (size_t) n;

    return HTTPC_AGAIN;
}


/* What stands in c->req, so many bytes, is sent (with tls: asked for). */
static TOOL_UNUSED void
httpc_ask(httpc_t *c, size_t len, bool keep)
{
    c->req_len = len;
    c->req_sent = 0;
    c->head_len = 0;
    c->body_len = 0;
    c->in_body = false;
    c->keep = keep;
    c->busy = true;
    c->status = 0;
    c->first_ns = 0;
    c->asked_ns = now_ns();

    if (c->connected && !c->tls) {
        (void) httpc_write(c);

    } else if (c->connected && c->h2->ready) {
        (void) httpc_h2_request(c);
    }
}


static TOOL_UNUSED void
httpc_get(httpc_t *c, const char *path, bool keep)
{
    int  n;

    if (c->tls) {
        n = snprintf(c->req, sizeof(c->req), "%s", path);

    } else {
        n = snprintf(c->req, sizeof(c->req),
                     "GET %s HTTP/1.1\r\nHost: localhost\r\n%s%s%s%s\r\n",
                     path,
                     c->zip_ok ? "Accept-Encoding: gzip, deflate, br\r\n" : "",
                     c->agent ? "User-Agent: " : "",
                     c->agent ? c->agent : "", c->agent ? "\r\n" : "");
    }

    if (n >= (int) sizeof(c->req)) {
        die("a long path: %s", path);
    }

    httpc_ask(c, (size_t) n, keep);
}


/* The value of a header line, or NULL. The head is terminated. */
static TOOL_UNUSED const char *
httpc_header(httpc_t *c, const char *name)
{
    size_t       n = strlen(name);
    const char  *p;

    for (p = strchr(c->head, '\n'); p != NULL; p = strchr(p, '\n')) {
        p++;

        if (strncasecmp(p, name, n) == 0 && p[n] == ':') {
            p += n + 1;
            return p + strspn(p, " ");
        }
    }

    return NULL;
}


/* De-chunks in place once the last chunk is there. */
static bool
httpc_unchunk(httpc_t *c)
{
    char    *p = (char *) c->body, *out = p, *end = p + c->body_len, *eol;
    size_t   n;

    if (c->body_len < 5 || memcmp(end - 5, "0\r\n\r\n", 5) != 0) {
        return false;
    }

    while (p < end) {
        n = strtoul(p, &eol, 16);
        eol = memchr(eol, '\n', (size_t) (end - eol));

        if (eol == NULL || n == 0 || n > (size_t) (end - eol - 1)) {
            break;
        }

        memmove(out, eol + 1, n);
        out += n;
        p = eol + 1 + n + 2;
    }

    c->body_len = (size_t) (out - (char *) c->body);
    c->body[c->body_len] = '\0';

    return true;
}


static void
httpc_parse_head(httpc_t *c)
{
    const char  *v;

    c->status = atoi(c->head + 9);
    v = httpc_header(c, "Transfer-Encoding");
    c->chunked = v != NULL && strncasecmp(v, "chunked", 7) == 0;
    v = httpc_header(c, "Content-Encoding");
    c->gzip = v != NULL && strncasecmp(v, "gzip", 4) == 0;
    v = httpc_header(c, "Content-Length");
    c->left = v != NULL ? atoll(v) : 0;
    c->in_body = true;

    if (c->chunked) {
        c->keep = true;
    }
}


/* Bytes at the start of the answer: the head, and some of the body. */
static int
httpc_read_head(httpc_t *c)
{
    char    *end, *body;
    size_t   n;
    ssize_t  got;

    got = recv(c->fd, c->head + c->head_len, HTTPC_HEAD - 1 - c->head_len, 0);

    if (got <= 0) {
        return got == -1 && errno == EAGAIN ? HTTPC_AGAIN : HTTPC_CLOSED;
    }

    if (c->first_ns == 0) {
        c->first_ns = now_ns();
    }

    c->rx_bytes += (uint64_t) got;
    c->head_len += (size_t) got;
    c->head[c->head_len] = '\0';

    end = memmem(c->head, c->head_len, "\r\n\r\n", 4);

    if (end == NULL) {
        return c->head_len == HTTPC_HEAD - 1 ? HTTPC_CLOSED : HTTPC_AGAIN;
    }

    body = end + 4;
    n = c->head_len - (size_t) (body - c->head);
    end[2] = '\0';
    httpc_parse_head(c);

    if (n > 0 && c->keep) {
        httpc_keep(c, body, n);
    }

    if (!c->chunked) {
        c->left -= (int64_t) n;
    }

    return HTTPC_DONE;
}


static int
httpc_read_body(httpc_t *c)
{
    char     buf[16384];
    ssize_t  n;

    for ( ;; ) {

        if (c->chunked ? (c->body_len && httpc_unchunk(c)) : c->left <= 0) {
            c->busy = false;
            return HTTPC_DONE;
        }

        if (c->keep) {
            n = recv(c->fd, buf, sizeof(buf), 0);

            if (n > 0) {
                httpc_keep(c, buf, (size_t) n);
            }

        } else {
            n = recv(c->fd, NULL, (size_t) c->left, MSG_TRUNC);
        }

        if (n <= 0) {
            return n == -1 && errno == EAGAIN ? HTTPC_AGAIN : HTTPC_CLOSED;
        }

        c->rx_bytes += (uint64_t) n;

        if (!c->chunked) {
            c->left -= n;
        }
    }
}


/* What an epoll event on the connection means. */
static TOOL_UNUSED int
httpc_event(httpc_t *c, uint32_t events)
{
    int        rc, err = 0;
    char       byte;
    socklen_t  len = sizeof(err);

    if (!c->connected) {
        getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len);

        if (err != 0) {
            return HTTPC_CLOSED;
        }

        c->connected = true;
        httpc_events(c, EPOLL_CTL_MOD, EPOLLIN);

        if (c->tls) {
            return httpc_h2_event(c);
        }

        if (c->busy) {
            return httpc_write(c);
        }

        return HTTPC_AGAIN;
    }

    if (c->tls) {
        return httpc_h2_event(c);
    }

    if (!c->busy) {
        return recv(c->fd, &byte, 1, 0) == -1 && errno == EAGAIN
               ? HTTPC_AGAIN : HTTPC_CLOSED;
    }

    if (!c->in_body) {
        rc = httpc_read_head(c);

        if (rc != HTTPC_DONE) {
            return rc;
        }
    }

    return httpc_read_body(c);
}


/* The kept body as text: unpacked where it was gzip. The caller frees it. */
static TOOL_UNUSED char *
httpc_text(httpc_t *c)
{
    char      *out;
    size_t     size = 1 << 20;
    z_stream   z;

    if (!c->gzip) {
        out = tool_alloc(c->body_len + 1);
        if (c->body_len) {
            memcpy(out, c->body, c->body_len);
        }
        return out;
    }

    out = tool_alloc(size);
    memset(&z, 0, sizeof(z));
    z.next_in = c->body;
    z.avail_in = (uInt) c->body_len;
    z.next_out = (Bytef *) out;
    z.avail_out = (uInt) size - 1;

    if (inflateInit2(&z, 15 + 16) != Z_OK
        || inflate(&z, Z_FINISH) != Z_STREAM_END)
    {
        die("a broken gzip body");
    }

    inflateEnd(&z);

    return out;
}


typedef struct {
    bool   tls;
    char   host[64];
    int    port;
    char   path[400];
} httpc_url_t;


static TOOL_UNUSED httpc_url_t
httpc_url(const char *text)
{
    httpc_url_t  u;

    u.tls = strncmp(text, "https:", 6) == 0;

    if (sscanf(text, u.tls ? "https://%63[^:/]:%d%399s"
                           : "http://%63[^:/]:%d%399s",
               u.host, &u.port, u.path)
        != 3
        || u.path[0] != '/')
    {
        die("not http[s]://A.B.C.D:PORT/PATH: %s", text);
    }

    return u;
}

#endif

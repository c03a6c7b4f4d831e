/*
 * HTTP/2 over TLS for httpc.h: the least of a client, one request at a time on
 * each connection. The windows are as wide as they can be, and no run is long
 * enough to use one up. Of an answer's header only the status is read.
 *
 * Included by httpc.h, behind httpc_t.
 */

#ifndef HTTPC_H2_H
#define HTTPC_H2_H

#include <openssl/ssl.h>

#define HTTPC_H2_DATA              0
#define HTTPC_H2_HEADERS           1
#define HTTPC_H2_RST_STREAM        3
#define HTTPC_H2_SETTINGS          4
#define HTTPC_H2_PING              6
#define HTTPC_H2_GOAWAY            7

#define HTTPC_H2_END_STREAM        0x01
#define HTTPC_H2_ACK               0x01
#define HTTPC_H2_END_HEADERS       0x04

#define HTTPC_H2_FRAME             9
#define HTTPC_H2_CONTROL_MAX       64   /* of a frame that we look into */


typedef struct httpc_h2_s {
    SSL           *ssl;
    bool           ready;               /* handshake and preface are done */
    bool           done;                /* the answer has come */
    uint32_t       stream;

    uint8_t        frame[HTTPC_H2_FRAME + HTTPC_H2_CONTROL_MAX];
    size_t         have;                /* of frame, then of its payload */
    size_t         left;                /* of the payload, not read yet */
} httpc_h2_t;


static SSL_CTX *
httpc_h2_ssl_ctx(void)
{
    static SSL_CTX              *ctx;
    static const unsigned char   alpn[] = "\x02h2";

    if (ctx == NULL) {
        ctx = SSL_CTX_new(TLS_client_method());

        if (ctx == NULL
            || SSL_CTX_set_alpn_protos(ctx, alpn, sizeof(alpn) - 1) != 0)
        {
            die("no TLS");
        }

        SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    }

    return ctx;
}


static httpc_h2_t *
httpc_h2_new(int fd)
{
    httpc_h2_t  *h2 = tool_alloc(sizeof(httpc_h2_t));

    h2->ssl = SSL_new(httpc_h2_ssl_ctx());

    if (h2->ssl == NULL || SSL_set_fd(h2->ssl, fd) != 1) {
        die("no TLS");
    }

    SSL_set_connect_state(h2->ssl);

    return h2;
}


static void
httpc_h2_free(httpc_h2_t *h2)
{
    if (h2) {
        SSL_free(h2->ssl);
        free(h2);
    }
}


/* What is written is small beside the socket's buffer: it goes at once. */
static int
httpc_h2_write(httpc_h2_t *h2, const void *data, size_t len)
{
    return SSL_write(h2->ssl, data, (int) len) == (int) len ? HTTPC_AGAIN
                                                            : HTTPC_CLOSED;
}


static size_t
httpc_h2_frame(uint8_t *p, size_t len, uint8_t type, uint8_t flags,
    uint32_t stream)
{
    p[0] = (uint8_t) (len >> 16);
    p[1] = (uint8_t) (len >> 8);
    p[2] = (uint8_t) len;
    p[3] = type;
    p[4] = flags;
    p[5] = (uint8_t) (stream >> 24);
    p[6] = (uint8_t) (stream >> 16);
    p[7] = (uint8_t) (stream >> 8);
    p[8] = (uint8_t) stream;

    return HTTPC_H2_FRAME + len;
}


/* A literal field, not indexed, of a name in the static table. */
static size_t
httpc_h2_field(uint8_t *p, uint8_t name, const char *value)
{
    size_t  len = strlen(value), n = 0;

    p[n++] = name;

    if (len < 127) {
        p[n++] = (uint8_t) len;

    } else {
        p[n++] = 127;
        p[n++] = (uint8_t) ((len - 127) | (len - 127 >= 128 ? 0x80 : 0));

        if (len - 127 >= 128) {
            p[n - 1] = (uint8_t) (((len - 127) & 0x7f) | 0x80);
            p[n++] = (uint8_t) ((len - 127) >> 7);
        }
    }

    memcpy(p + n, value, len);

    return n + len;
}


static int
httpc_h2_request(httpc_t *c)
{
    httpc_h2_t     *h2 = c->h2;
    size_t    n = HTTPC_H2_FRAME;
    uint8_t   buf[1024];

    buf[n++] = 0x82;                              /* :method GET */
    buf[n++] = 0x87;                              /* :scheme https */
    n += httpc_h2_field(buf + n, 0x04, c->req);         /* :path */
    n += httpc_h2_field(buf + n, 0x01, "localhost");    /* :authority */

    if (c->zip_ok) {
        buf[n++] = 0x90;                          /* gzip, deflate */
    }

    h2->stream += h2->stream ? 2 : 1;
    h2->done = false;
    httpc_h2_frame(buf, n - HTTPC_H2_FRAME, HTTPC_H2_HEADERS,
                   HTTPC_H2_END_HEADERS | HTTPC_H2_END_STREAM, h2->stream);

    return httpc_h2_write(h2, buf, n);
}


static int
httpc_h2_begin(httpc_t *c)
{
    httpc_h2_t   *h2 = c->h2;
    int     rc;

    static const char  preface[] =
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        /* SETTINGS: no header table, no push, a stream's window */
        "\0\0\x12\x04\0\0\0\0\0"
        "\0\x01\0\0\0\0" "\0\x02\0\0\0\0" "\0\x04\x7f\xff\xff\xff"
        /* WINDOW_UPDATE of the connection */
        "\0\0\x04\x08\0\0\0\0\0" "\x7f\xff\0\0";

    rc = SSL_do_handshake(h2->ssl);

    if (rc != 1) {
        rc = SSL_get_error(h2->ssl, rc);
        return rc == SSL_ERROR_WANT_READ ? HTTPC_AGAIN : HTTPC_CLOSED;
    }

    h2->ready = true;

    if (httpc_h2_write(h2, preface, sizeof(preface) - 1) != HTTPC_AGAIN) {
        return HTTPC_CLOSED;
    }

    return c->busy ? httpc_h2_request(c) : HTTPC_AGAIN;
}


/* The status is the first field; those that are common have a byte. */
static int
httpc_h2_status(const uint8_t *p, size_t len)
{
    static const int  known[] = { 200, 204, 206, 304, 400, 404, 500 };

    if (len && *p == 0x20) {                      /* the table's size */
        p++;
        len--;
    }

    if (len && *p >= 0x88 && *p <= 0x8e) {
        return known[*p - 0x88];
    }

    return len >= 5 && p[1] == 3
           ? (p[2] - '0') * 100 + (p[3] - '0') * 10 + p[4] - '0' : 0;
}


/* A frame is there whole, or, of a long one, its beginning. */
static int
httpc_h2_control(httpc_t *c)
{
    httpc_h2_t      *h2 = c->h2;
    uint8_t   *p = h2->frame, out[HTTPC_H2_FRAME + 8];
    size_t     len = h2->have - HTTPC_H2_FRAME;

    switch (p[3]) {

    case HTTPC_H2_HEADERS:
        if (c->status == 0) {
            c->status = httpc_h2_status(p + HTTPC_H2_FRAME, len);
            c->in_body = true;
        }
        break;

    case HTTPC_H2_SETTINGS:
        if (!(p[4] & HTTPC_H2_ACK)) {
            return httpc_h2_write(h2, out,
                                  httpc_h2_frame(out, 0, HTTPC_H2_SETTINGS,
                                                 HTTPC_H2_ACK, 0));
        }
        break;

    case HTTPC_H2_PING:
        if (!(p[4] & HTTPC_H2_ACK) && len == 8) {
            memcpy(out + HTTPC_H2_FRAME, p + HTTPC_H2_FRAME, 8);
            return httpc_h2_write(h2, out,
                                  httpc_h2_frame(out, 8, HTTPC_H2_PING,
                                                 HTTPC_H2_ACK, 0));
        }
        break;

    case HTTPC_H2_RST_STREAM:
    case HTTPC_H2_GOAWAY:
        return HTTPC_CLOSED;

    default:
        break;
    }

    return HTTPC_AGAIN;
}


static void
httpc_h2_data(httpc_t *c, const uint8_t *p, size_t n)
{
    if (c->keep) {
        httpc_keep(c, p, n);
        c->gzip = c->body_len >= 2 && c->body[0] == 0x1f
                  && c->body[1] == 0x8b;
    }
}


static int
httpc_h2_input(httpc_t *c, const uint8_t *p, size_t n)
{
    httpc_h2_t      *h2 = c->h2;
    size_t     part, room;
    uint8_t   *frame = h2->frame;

    while (n > 0) {

        if (h2->have < HTTPC_H2_FRAME) {
            part = HTTPC_H2_FRAME - h2->have;
            part = n < part ? n : part;
            memcpy(frame + h2->have, p, part);
            h2->have += part;
            p += part;
            n -= part;

            if (h2->have < HTTPC_H2_FRAME) {
                break;
            }

            h2->left = (size_t) frame[0] << 16 | (size_t) frame[1] << 8
                       | frame[2];
        }

        part = n < h2->left ? n : h2->left;

        if (frame[3] == HTTPC_H2_DATA) {
            httpc_h2_data(c, p, part);

        } else if (h2->have < sizeof(h2->frame)) {
            room = sizeof(h2->frame) - h2->have;
            room = part < room ? part : room;
            memcpy(frame + h2->have, p, room);
            h2->have += room;
        }

        p += part;
        n -= part;
        h2->left -= part;

        if (h2->left > 0) {
            break;
        }

        if (frame[3] != HTTPC_H2_DATA && httpc_h2_control(c) != HTTPC_AGAIN) {
            return HTTPC_CLOSED;
        }

        if (frame[3] <= HTTPC_H2_HEADERS && (frame[4] & HTTPC_H2_END_STREAM)) {
            h2->done = true;
        }

        h2->have = 0;
    }

    return HTTPC_AGAIN;
}


/* Reads all that there is: what TLS holds back makes no epoll event. */
static int
httpc_h2_event(httpc_t *c)
{
    int       n;
    httpc_h2_t     *h2 = c->h2;
    uint8_t   buf[16384];

    if (!h2->ready) {
        return httpc_h2_begin(c);
    }

    for ( ;; ) {
        n = SSL_read(h2->ssl, buf, sizeof(buf));

        if (n <= 0) {
            n = SSL_get_error(h2->ssl, n);

            if (n != SSL_ERROR_WANT_READ) {
                return HTTPC_CLOSED;
            }

            break;
        }

        if (c->busy && c->first_ns == 0) {
            c->first_ns = now_ns();
        }

        c->rx_bytes += (uint64_t) n;

        if (httpc_h2_input(c, buf, (size_t) n) != HTTPC_AGAIN) {
            return HTTPC_CLOSED;
        }
    }

    if (c->busy && h2->done) {
        c->busy = false;
        return HTTPC_DONE;
    }

    return HTTPC_AGAIN;
}

#endif

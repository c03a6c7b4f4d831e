/*
 * Reads one HTTP/1.x response (RFC 9112) as its bytes come: the status, how
 * the body is delimited, the body. No socket: bytes in, body bytes out.
 *
 * For talking to our own daemons, so strict where HTTP is lax: lines end in
 * CR LF, no folded headers, either Content-Length (once) or "chunked" alone.
 * Everything is bounded: LV_HTTP_LINE_MAX a line, LV_HTTP_HEAD_MAX all of the
 * header and all of the trailer, max_body the body. Interim answers (1xx)
 * are skipped; 101 is an error.
 *
 * The body is handed out in pieces of the caller's own buffer, as they come.
 */

#ifndef LV_HTTP_RESPONSE_H
#define LV_HTTP_RESPONSE_H

#include "lv_base.h"

#define LV_HTTP_LINE_MAX   4096
#define LV_HTTP_HEAD_MAX   16384
#define LV_HTTP_INTERIM    8         /* 1xx answers before the real one */

typedef struct {
    /* good once the header is complete (head_done) */
    unsigned     status;             /* 200 … 599 */
    bool         head_done;
    bool         keep_alive;         /* the connection may be used again, once
                                        the response is complete */
    const char  *err;                /* static, after LV_ERROR */

    /* private */
    int          state;
    bool         minor0;             /* HTTP/1.0 */
    bool         said_close, said_keep;
    bool         chunked, has_length, no_body;
    unsigned     interim;
    uint64_t     left;               /* of the body or the chunk */
    uint64_t     body_len, max_body;
    size_t       head_len;
    size_t       line_len;
    uint8_t      line[LV_HTTP_LINE_MAX];
} lv_http_response_t;

typedef void (*lv_http_body_pt)(void *ctx, const uint8_t *p, size_t n);

/* head: the answer to a HEAD request, which has no body. */
void lv_http_response_init(lv_http_response_t *r, bool head,
    uint64_t max_body);

/*
 * LV_AGAIN: all n bytes were taken, more are needed. LV_OK: the response is
 * complete; *used of the bytes belonged to it, what follows is not its.
 * LV_ERROR: r->err says why. body (with ctx) is called for pieces of it.
 */
int lv_http_response_input(lv_http_response_t *r, const uint8_t *p, size_t n,
    size_t *used, lv_http_body_pt body, void *ctx);

/* The peer has closed: LV_OK when that is how this response ends. */
int lv_http_response_eof(lv_http_response_t *r);

#endif

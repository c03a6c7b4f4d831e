#include <strings.h>
#include "lv_http_response.h"


enum {
    STATE_STATUS = 0,
    STATE_HEADER,
    STATE_BODY,             /* left bytes of it */
    STATE_BODY_CLOSE,       /* until the peer closes */
    STATE_CHUNK_SIZE,
    STATE_CHUNK_DATA,
    STATE_CHUNK_END,        /* the line end behind a chunk's data */
    STATE_TRAILER,
    STATE_DONE,
    STATE_FAILED
};


void
lv_http_response_init(lv_http_response_t *r, bool head, uint64_t max_body)
{
    memset(r, 0, offsetof(lv_http_response_t, line));
    r->no_body = head;
    r->max_body = max_body;
}


static int
fail(lv_http_response_t *r, const char *err)
{
    r->state = STATE_FAILED;
    r->err = err;

    return LV_ERROR;
}


static bool
digits(const uint8_t *p, size_t n)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9') {
            return false;
        }
    }

    return n > 0;
}


/* "HTTP/1.1 200 OK", without its line end. */
static int
status_line(lv_http_response_t *r)
{
    const uint8_t  *p;

    p = r->line;

    if (r->line_len < 12 || memcmp(p, "HTTP/1.", 7) != 0
        || (p[7] != '0' && p[7] != '1') || p[8] != ' ' || !digits(p + 9, 3)
        || (r->line_len > 12 && p[12] != ' '))
    {
        return fail(r, "not an HTTP/1 response");
    }

    r->minor0 = p[7] == '0';
    r->status = (unsigned) ((p[9] - '0') * 100 + (p[10] - '0') * 10
                            + p[11] - '0');

    if (r->status < 100 || r->status > 599 || r->status == 101) {
        return fail(r, "an unusable HTTP status");
    }

    r->state = STATE_HEADER;

    return LV_AGAIN;
}


static bool
value_is(lv_str_t v, const char *word)
{
    return v.len == strlen(word)
           && strncasecmp((const char *) v.data, word, v.len) == 0;
}


/* Is the word one of a list separated by commas? */
static bool
value_has(lv_str_t v, const char *word)
{
    size_t    i, end;
    lv_str_t  item;

    for (i = 0; i < v.len; i = end + 1) {
        for (end = i; end < v.len && v.data[end] != ','; end++) { /* void */ }

        item.data = v.data + i;
        item.len = end - i;

        while (item.len && (*item.data == ' ' || *item.data == '\t')) {
            item.data++;
            item.len--;
        }

        while (item.len && (item.data[item.len - 1] == ' '
                            || item.data[item.len - 1] == '\t'))
        {
            item.len--;
        }

        if (value_is(item, word)) {
            return true;
        }
    }

    return false;
}


static int
content_length(lv_http_response_t *r, lv_str_t v)
{
    size_t    i;
    uint64_t  n;

    if (!digits(v.data, v.len) || v.len > 18) {
        return fail(r, "a bad Content-Length");
    }

    for (n = 0, i = 0; i < v.len; i++) {
        n = n * 10 + (uint64_t) (v.data[i] - '0');
    }

    if (r->has_length && n != r->left) {
        return fail(r, "two different Content-Lengths");
    }

    r->has_length = true;
    r->left = n;

    return LV_AGAIN;
}


static int
header_line(lv_http_response_t *r)
{
    size_t    i;
    lv_str_t  name, v;

    for (i = 0; i < r->line_len && r->line[i] != ':'; i++) {
        if (r->line[i] <= ' ' || r->line[i] >= 0x7f) {
            return fail(r, "a bad header line");
        }
    }

    if (i == 0 || i == r->line_len) {
        return fail(r, "a bad header line");
    }

    name.data = r->line;
    name.len = i;
    v.data = r->line + i + 1;
    v.len = r->line_len - i - 1;

    while (v.len && (*v.data == ' ' || *v.data == '\t')) {
        v.data++;
        v.len--;
    }

    while (v.len
           && (v.data[v.len - 1] == ' ' || v.data[v.len - 1] == '\t'))
    {
        v.len--;
    }

    if (value_is(name, "content-length")) {
        return content_length(r, v);
    }

    if (value_is(name, "transfer-encoding")) {
        if (r->chunked || !value_is(v, "chunked")) {
            return fail(r, "a transfer coding that is not understood");
        }

        r->chunked = true;

    } else if (value_is(name, "connection")) {
        r->said_close |= value_has(v, "close");
        r->said_keep |= value_has(v, "keep-alive");
    }

    return LV_AGAIN;
}


/* The empty line behind the header. */
static int
header_end(lv_http_response_t *r)
{
    if (r->status < 200) {
        if (++r->interim > LV_HTTP_INTERIM) {
            return fail(r, "too many interim responses");
        }

        r->state = STATE_STATUS;
        r->chunked = false;
        r->has_length = false;
        r->left = 0;

        return LV_AGAIN;
    }

    if (r->chunked && (r->has_length || r->minor0)) {
        return fail(r, "a body that is delimited in two ways");
    }

    r->head_done = true;
    r->keep_alive = !r->said_close && (!r->minor0 || r->said_keep);
    r->head_len = 0;                    /* of the trailer, from here on */

    if (r->no_body || r->status == 204 || r->status == 304) {
        r->state = STATE_DONE;
        return LV_OK;
    }

    if (r->chunked) {
        r->state = STATE_CHUNK_SIZE;
        return LV_AGAIN;
    }

    if (!r->has_length) {
        r->keep_alive = false;
        r->state = STATE_BODY_CLOSE;
        return LV_AGAIN;
    }

    if (r->left > r->max_body) {
        return fail(r, "the response is too long");
    }

    r->state = r->left ? STATE_BODY : STATE_DONE;

    return r->left ? LV_AGAIN : LV_OK;
}


static int
chunk_size(lv_http_response_t *r)
{
    size_t    i;
    uint64_t  n;
    uint8_t   c;

    n = 0;

    for (i = 0; i < r->line_len; i++) {
        c = r->line[i] | 0x20;

        if (c >= '0' && c <= '9') {
            c -= '0';

        } else if (c >= 'a' && c <= 'f') {
            c = (uint8_t) (c - 'a' + 10);

        } else {
            break;
        }

        if (i == 15) {
            return fail(r, "a bad chunk size");
        }

        n = n * 16 + c;
    }

    /* an extension may follow */
    if (i == 0 || (i < r->line_len && r->line[i] != ';' && r->line[i] != ' '
                   && r->line[i] != '\t'))
    {
        return fail(r, "a bad chunk size");
    }

    if (n > r->max_body - r->body_len) {
        return fail(r, "the response is too long");
    }

    r->left = n;
    r->state = n ? STATE_CHUNK_DATA : STATE_TRAILER;

    return LV_AGAIN;
}


static int
line_complete(lv_http_response_t *r)
{
    switch (r->state) {

    case STATE_STATUS:
        return status_line(r);

    case STATE_HEADER:
        return r->line_len ? header_line(r) : header_end(r);

    case STATE_CHUNK_SIZE:
        return chunk_size(r);

    case STATE_CHUNK_END:
        if (r->line_len) {
            return fail(r, "a chunk that is longer than it says");
        }

        r->state = STATE_CHUNK_SIZE;
        return LV_AGAIN;

    default: /* STATE_TRAILER */
        if (r->line_len == 0) {
            r->state = STATE_DONE;
            return LV_OK;
        }

        return LV_AGAIN;
    }
}


/* One byte of whatever comes in lines. */
static int
line_byte(lv_http_response_t *r, uint8_t c)
{
    int  rc;

    /* chunk lines are as many as chunks: only their length is bounded */
    if (r->state != STATE_CHUNK_SIZE && r->state != STATE_CHUNK_END
        && ++r->head_len > LV_HTTP_HEAD_MAX)
    {
        return fail(r, "the response's header is too long");
    }

    if (c == '\n') {
        if (r->line_len == 0 || r->line[r->line_len - 1] != '\r') {
            return fail(r, "a line that ends without CR");
        }

        r->line_len--;
        rc = line_complete(r);
        r->line_len = 0;

        return rc;
    }

    if (c == '\0' || (r->line_len && r->line[r->line_len - 1] == '\r')) {
        return fail(r, "a control character in a line");
    }

    if (r->line_len == LV_HTTP_LINE_MAX) {
        return fail(r, "a line of the response is too long");
    }

    r->line[r->line_len++] = c;

    return LV_AGAIN;
}


/* A piece of the body; returns how many bytes of it there were. */
static size_t
body_piece(lv_http_response_t *r, const uint8_t *p, size_t n,
    lv_http_body_pt body, void *ctx)
{
    if (r->state != STATE_BODY_CLOSE) {
        n = n < r->left ? n : (size_t) r->left;
        r->left -= n;
    }

    r->body_len += n;

    if (body) {
        body(ctx, p, n);
    }

    if (r->left == 0 && r->state != STATE_BODY_CLOSE) {
        r->state = r->state == STATE_BODY ? STATE_DONE : STATE_CHUNK_END;
    }

    return n;
}


int
lv_http_response_input(lv_http_response_t *r, const uint8_t *p, size_t n,
    size_t *used, lv_http_body_pt body, void *ctx)
{
    int     rc;
    size_t  i;

    i = 0;
    rc = LV_AGAIN;

    while (i < n && rc == LV_AGAIN) {

        switch (r->state) {

        case STATE_BODY_CLOSE:
            if (n - i > r->max_body - r->body_len) {
                rc = fail(r, "the response is too long");
                break;
            }

            /* fall through */

        case STATE_BODY:
        case STATE_CHUNK_DATA:
            i += body_piece(r, p + i, n - i, body, ctx);
            rc = r->state == STATE_DONE ? LV_OK : LV_AGAIN;
            break;

        case STATE_DONE:
            rc = LV_OK;
            break;

        case STATE_FAILED:
            rc = LV_ERROR;
            break;

        default:
            rc = line_byte(r, p[i++]);
        }
    }

    *used = i;

    return rc == LV_AGAIN && r->state == STATE_DONE ? LV_OK : rc;
}


int
lv_http_response_eof(lv_http_response_t *r)
{
    if (r->state == STATE_DONE) {
        return LV_OK;
    }

    if (r->state == STATE_BODY_CLOSE) {
        r->state = STATE_DONE;
        return LV_OK;
    }

    if (r->state == STATE_FAILED) {
        return LV_ERROR;
    }

    return fail(r, "the connection was closed before the end of the response");
}

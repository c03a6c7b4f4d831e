#include "lv_http_response.h"
#include "tap.h"


static char                got[4096];
static size_t              got_len;
static lv_http_response_t  r;


static void
take(void *ctx, const uint8_t *p, size_t n)
{
    if (got_len + n < sizeof(got)) {
        memcpy(got + got_len, p, n);
    }

    got_len += n;
}


/* The whole text in pieces of `step` bytes; *left: what was not its. */
static int
feed(const char *text, size_t len, size_t step, bool eof, size_t *left)
{
    int     rc;
    size_t  at, n, used;

    lv_http_response_init(&r, false, 1000);
    got_len = 0;
    rc = LV_AGAIN;

    for (at = 0; at < len && rc == LV_AGAIN; at += used) {
        n = len - at < step ? len - at : step;
        rc = lv_http_response_input(&r, (const uint8_t *) text + at, n, &used,
                                    take, NULL);
    }

    if (rc == LV_AGAIN && eof) {
        rc = lv_http_response_eof(&r);
    }

    got[got_len < sizeof(got) ? got_len : sizeof(got) - 1] = '\0';
    *left = len - at;

    return rc;
}


static void
good(const char *name, const char *text, unsigned status, const char *body,
    bool keep, size_t rest)
{
    int     rc;
    bool    fine;
    size_t  step, left;

    fine = true;

    for (step = 1; step < 64; step++) {
        rc = feed(text, strlen(text), step, !keep, &left);

        if (rc != LV_OK || r.status != status || strcmp(got, body) != 0
            || r.keep_alive != keep || left != rest)
        {
            diag("step %zu: %d, status %u, body \"%s\", keep %d, left %zu, %s",
                 step, rc, r.status, got, r.keep_alive, left,
                 r.err ? r.err : "no error");
            fine = false;
            break;
        }
    }

    ok(fine, "%s", name);
}


static void
bad(const char *name, const char *text)
{
    int     rc;
    size_t  left, step;
    bool    fine;

    fine = true;

    for (step = 1; step < 64; step++) {
        rc = feed(text, strlen(text), step, true, &left);
        fine = fine && rc == LV_ERROR && r.err != NULL;
    }

    ok(fine, "refused: %s (%s)", name, r.err ? r.err : "taken!");
}


static void
test_good(void)
{
    good("Content-Length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"
         "X: y\r\n\r\nhello", 200, "hello", true, 0);
    good("what follows is left", "HTTP/1.1 200 OK\r\ncontent-length:2\r\n"
         "\r\nokHTTP", 200, "ok", true, 4);
    good("no reason phrase", "HTTP/1.1 403 \r\nContent-Length: 0\r\n\r\n",
         403, "", true, 0);
    good("no reason at all", "HTTP/1.1 403\r\nContent-Length: 0\r\n\r\n",
         403, "", true, 0);
    good("chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"
         "3\r\nabc\r\n00A;x=y\r\n0123456789\r\n0\r\n\r\n", 200,
         "abc0123456789", true, 0);
    good("a trailer", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
         "1\r\na\r\n0\r\nX: y\r\n\r\nmore", 200, "a", true, 4);
    good("interim answers", "HTTP/1.1 100 Continue\r\n\r\n"
         "HTTP/1.1 103 Early\r\nLink: x\r\n\r\n"
         "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", 200, "x", true, 0);
    good("no body with 204", "HTTP/1.1 204 No\r\n\r\n", 204, "", true, 0);
    good("close", "HTTP/1.1 200 OK\r\nConnection: x, Close\r\n"
         "Content-Length: 1\r\n\r\nx", 200, "x", false, 0);
    good("until the end", "HTTP/1.1 200 OK\r\n\r\nall of it", 200,
         "all of it", false, 0);
    good("HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", 200,
         "x", false, 0);
    good("HTTP/1.0 with keep-alive", "HTTP/1.0 200 OK\r\n"
         "Connection: keep-alive\r\nContent-Length: 1\r\n\r\nx", 200, "x",
         true, 0);
    good("the same length twice", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"
         "Content-Length: 1\r\n\r\nx", 200, "x", true, 0);
}


static void
test_bad(void)
{
    bad("not HTTP", "SSH-2.0-OpenSSH_9\r\n\r\n");
    bad("HTTP/2", "HTTP/2.0 200 OK\r\n\r\n");
    bad("a status of letters", "HTTP/1.1 2xx OK\r\n\r\n");
    bad("101", "HTTP/1.1 101 Switching\r\n\r\n");
    bad("nothing", "");
    bad("half a header", "HTTP/1.1 200 OK\r\nContent-Le");
    bad("half a body", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
    bad("half a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
        "\r\n9\r\nhalf");
    bad("line feeds alone", "HTTP/1.1 200 OK\nContent-Length: 0\n\n");
    bad("a folded header", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n");
    bad("a header without a colon", "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n");
    bad("a space before the colon",
        "HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\nx");
    bad("a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n");
    bad("a huge length",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n");
    bad("two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"
        "Content-Length: 2\r\n\r\nxx");
    bad("length and chunked", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    bad("another coding",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n");
    bad("a chunk size of letters", "HTTP/1.1 200 OK\r\n"
        "Transfer-Encoding: chunked\r\n\r\nzz\r\n");
    bad("a chunk size that overflows", "HTTP/1.1 200 OK\r\n"
        "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n");
    bad("a chunk that is too long for itself", "HTTP/1.1 200 OK\r\n"
        "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n");
    bad("more than is allowed",
        "HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n");
    bad("more than is allowed, in chunks", "HTTP/1.1 200 OK\r\n"
        "Transfer-Encoding: chunked\r\n\r\n3e9\r\n");
}


static void
test_bounds(void)
{
    int     rc;
    char   *text;
    size_t  left, n;

    n = 40000;
    text = malloc(n + 100);
    memset(text, 'a', n);
    memcpy(text, "HTTP/1.1 200 OK\r\n\r\n", 19);

    rc = feed(text, n, 5000, true, &left);
    ok(rc == LV_ERROR, "a body without an end: %s", r.err);

    memcpy(text, "HTTP/1.1 200 OK\r\nX: ", 20);
    rc = feed(text, n, 5000, true, &left);
    ok(rc == LV_ERROR, "a header line without an end: %s", r.err);

    for (n = 17; n < 39000; n += 5) {
        memcpy(text + n, "X:y\r\n", 5);
    }

    rc = feed(text, n, 5000, true, &left);
    ok(rc == LV_ERROR, "headers without an end: %s", r.err);

    free(text);
}


int
main(void)
{
    test_good();
    test_bad();
    test_bounds();

    return done_testing();
}

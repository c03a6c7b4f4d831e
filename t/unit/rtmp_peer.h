/*
 * What the RTMP tests share: bytes of a client, and a log of what came out.
 * Every test builds one buffer of input and feeds it whole, byte by byte and
 * in uneven pieces: the log must be the same each time.
 */

#ifndef RTMP_PEER_H
#define RTMP_PEER_H

#include "tap.h"
#include "lv_amf0.h"

#include <stdarg.h>

typedef struct {
    uint8_t  *p;
    size_t    len;
    size_t    size;
} buf_t;

typedef struct {
    char    text[16384];
    size_t  len;
} log_t;

__attribute__((unused)) static void
put(buf_t *b, const void *p, size_t n)
{
    if (b->len + n > b->size) {
        b->size = (b->len + n) * 2;
        b->p = realloc(b->p, b->size);
    }

    if (n) {
        memcpy(b->p + b->len, p, n);
        b->len += n;
    }
}

__attribute__((unused)) static void
put8(buf_t *b, unsigned v)
{
    uint8_t  c;

    c = (uint8_t) v;
    put(b, &c, 1);
}

__attribute__((unused)) static void
put_be(buf_t *b, uint32_t v, int bytes)
{
    while (bytes--) {
        put8(b, v >> (8 * bytes));
    }
}

__attribute__((unused)) static void
put_hex(buf_t *b, const char *hex)
{
    unsigned  v;

    for ( ; *hex; hex += 2) {
        while (*hex == ' ') {
            hex++;
        }
        if (sscanf(hex, "%2x", &v) != 1) {
            abort();
        }
        put8(b, v);
    }
}

__attribute__((unused)) static void
put_zero(buf_t *b, size_t n)
{
    while (n--) {
        put8(b, 0);
    }
}

__attribute__((unused)) static void
clear(buf_t *b)
{
    free(b->p);
    memset(b, 0, sizeof(*b));
}

__attribute__((format(printf, 2, 3), unused)) static void
note(log_t *log, const char *fmt, ...)
{
    int      n;
    va_list  ap;

    va_start(ap, fmt);
    n = vsnprintf(log->text + log->len, sizeof(log->text) - log->len, fmt, ap);
    va_end(ap);

    if (n > 0 && log->len + (size_t) n < sizeof(log->text)) {
        log->len += (size_t) n;
    }
}

/* the basic header, in its shortest form */
__attribute__((unused)) static void
put_basic(buf_t *b, int fmt, uint32_t csid)
{
    if (csid < 64) {
        put8(b, (unsigned) fmt << 6 | csid);

    } else if (csid < 320) {
        put8(b, (unsigned) fmt << 6);
        put8(b, csid - 64);

    } else {
        put8(b, (unsigned) fmt << 6 | 1);
        put8(b, (csid - 64) & 0xff);
        put8(b, (csid - 64) >> 8);
    }
}

/* headers; time 0xffffff is followed by what the test puts there itself */
__attribute__((unused)) static void
fmt0(buf_t *b, uint32_t csid, uint32_t time, uint32_t len, int type,
    uint32_t msid)
{
    put_basic(b, 0, csid);
    put_be(b, time, 3);
    put_be(b, len, 3);
    put8(b, (unsigned) type);
    put8(b, msid);
    put8(b, msid >> 8);
    put8(b, msid >> 16);
    put8(b, msid >> 24);
}

__attribute__((unused)) static void
fmt1(buf_t *b, uint32_t csid, uint32_t delta, uint32_t len, int type)
{
    put_basic(b, 1, csid);
    put_be(b, delta, 3);
    put_be(b, len, 3);
    put8(b, (unsigned) type);
}

__attribute__((unused)) static void
fmt2(buf_t *b, uint32_t csid, uint32_t delta)
{
    put_basic(b, 2, csid);
    put_be(b, delta, 3);
}

__attribute__((unused)) static void
fmt3(buf_t *b, uint32_t csid)
{
    put_basic(b, 3, csid);
}

/* n bytes of payload, recognisable */
__attribute__((unused)) static void
fill(buf_t *b, size_t n, unsigned v)
{
    while (n--) {
        put8(b, v++);
    }
}

/* a whole message: format 0, then format 3 chunks of that size */
__attribute__((unused)) static void
message(buf_t *b, uint32_t csid, uint32_t time, int type, uint32_t msid,
    const uint8_t *p, size_t n, size_t chunk)
{
    size_t  take;

    fmt0(b, csid, time, (uint32_t) n, type, msid);

    for ( ;; ) {
        take = n < chunk ? n : chunk;
        put(b, p, take);
        p += take;
        n -= take;

        if (n == 0) {
            return;
        }

        fmt3(b, csid);
    }
}

#endif

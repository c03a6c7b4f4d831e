#include "lv_rtmp_chunk.h"

#include <stdlib.h>

#define EXT_MARK     0xffffff
#define WRAP24       0x1000000
#define NEAR_MS      60000      /* how far a wrap or an absolute time may be
                                   from the time that is expected */
#define REPEAT_MS    1000       /* longest delta taken from a format 0 */
#define NEGATIVE_MS  0xff0000   /* 24-bit deltas from here on are negative */

/* What a chunk's header says, before any of it takes effect. */
typedef struct {
    uint32_t  csid;
    uint32_t  time;             /* as it came: 24 or, extended, 32 bits */
    uint32_t  len;
    uint32_t  msid;
    uint8_t   fmt;
    uint8_t   type;
    bool      ext;              /* the extended field was there */
} chunk_header_t;


static int
chunk_fail(lv_rtmp_chunk_t *c, const char *err)
{
    c->err = err;
    return LV_ERROR;
}


static lv_rtmp_chunk_stream_t *
chunk_stream_find(lv_rtmp_chunk_t *c, uint32_t csid)
{
    uint32_t  i;

    if (csid < 64) {
        i = c->index[csid];
        return i ? &c->streams[i - 1] : NULL;
    }

    for (i = 0; i < c->nstreams; i++) {
        if (c->streams[i].csid == csid) {
            return &c->streams[i];
        }
    }

    return NULL;
}


static lv_rtmp_chunk_stream_t *
chunk_stream_add(lv_rtmp_chunk_t *c, uint32_t csid)
{
    uint32_t                 nalloc;
    lv_rtmp_chunk_stream_t  *cs;

    if (c->nstreams == c->max_streams) {
        c->err = "too many chunk streams";
        return NULL;
    }

    if (c->nstreams == c->nalloc) {
        nalloc = c->nalloc ? c->nalloc * 2 : 8;

        cs = realloc(c->streams, nalloc * sizeof(*cs));
        if (cs == NULL) {
            c->err = "out of memory";
            return NULL;
        }

        c->streams = cs;
        c->nalloc = nalloc;
    }

    cs = &c->streams[c->nstreams++];
    memset(cs, 0, sizeof(*cs));
    cs->csid = csid;

    if (csid < 64) {
        c->index[csid] = (uint8_t) c->nstreams;
    }

    return cs;
}


static bool
chunk_near(uint32_t a, uint32_t b)
{
    return (uint32_t) (a - b + NEAR_MS) <= 2 * NEAR_MS;
}


/*
 * Are the bytes behind a format 3 header its extended time stamp? Returns 4
 * or 0, or -1 as long as the bytes that are there do not tell.
 */
static int
chunk_ext3_len(lv_rtmp_chunk_stream_t *cs, const uint8_t *p, size_t n)
{
    size_t   len;
    uint8_t  ext[4], abs[4];

    if (cs->no_ext3) {
        return 0;
    }

    if (!cs->busy) {
        /* a new message: its time may differ from that of the last one */
        if (n < 4) {
            return -1;
        }

        return (lv_be32(p) == cs->ext
                || chunk_near(lv_be32(p), cs->msg.timestamp_ms)) ? 4 : 0;
    }

    len = n < 4 ? n : 4;
    lv_put32(ext, cs->ext);
    lv_put32(abs, cs->msg.timestamp_ms);

    if (memcmp(p, ext, len) != 0 && memcmp(p, abs, len) != 0) {
        return 0;
    }

    return len == 4 ? 4 : -1;
}


/*
 * Reads a header out of n bytes. LV_OK with its length, LV_AGAIN when it
 * goes on beyond them.
 */
static int
chunk_header_read(lv_rtmp_chunk_t *c, const uint8_t *p, size_t n,
    chunk_header_t *h, size_t *len)
{
    int                      ext;
    size_t                   need;
    const uint8_t           *start;
    lv_rtmp_chunk_stream_t  *cs;

    static const uint8_t  message_header[4] = { 11, 7, 3, 0 };

    start = p;
    h->fmt = p[0] >> 6;
    h->csid = p[0] & 0x3f;
    h->ext = false;

    need = (h->csid > 1) ? 1 : 2 + h->csid;
    need += message_header[h->fmt];

    if (n < need) {
        return LV_AGAIN;
    }

    switch (h->csid) {

    case 0:
        h->csid = 64 + p[1];
        p += 2;
        break;

    case 1:
        h->csid = 64 + p[1] + 256 * (uint32_t) p[2];
        p += 3;
        break;

    default:
        p++;
    }

    if (h->fmt == 3) {
        cs = chunk_stream_find(c, h->csid);

        if (cs != NULL && cs->has_ext) {
            ext = chunk_ext3_len(cs, p, n - need);

            if (ext < 0) {
                return LV_AGAIN;
            }

            if (ext) {
                h->ext = true;
                h->time = lv_be32(p);
                p += 4;
            }
        }

        *len = (size_t) (p - start);
        return LV_OK;
    }

    h->time = lv_be24(p);

    if (h->fmt <= 1) {
        h->len = lv_be24(p + 3);
        h->type = p[6];
    }

    if (h->fmt == 0) {
        /* the one little-endian field of RTMP */
        h->msid = ((uint32_t) p[10] << 24) | ((uint32_t) p[9] << 16)
                  | ((uint32_t) p[8] << 8) | p[7];
    }

    p += message_header[h->fmt];

    if (h->time == EXT_MARK) {
        if (n < need + 4) {
            return LV_AGAIN;
        }

        h->ext = true;
        h->time = lv_be32(p);
        p += 4;
    }

    *len = (size_t) (p - start);
    return LV_OK;
}


/* An absolute time of 24 bits, undoing the wraps of 24-bit writers. */
static uint32_t
chunk_unwrap(lv_rtmp_chunk_stream_t *cs, uint32_t time)
{
    int64_t  step, wraps;

    if (cs->ever_ext || !cs->known) {
        return time;
    }

    time += cs->base_ms;
    step = (int64_t) cs->msg.timestamp_ms - time;
    wraps = (step + (step < 0 ? -WRAP24 / 2 : WRAP24 / 2)) / WRAP24;

    if (wraps == 0 || llabs(step - wraps * WRAP24) > NEAR_MS) {
        if (wraps != 0) {
            /* not a wrap but a jump: the writer starts anew */
            time -= cs->base_ms;
            cs->base_ms = 0;
        }

        return time;
    }

    cs->base_ms += (uint32_t) (wraps * WRAP24);

    return time + (uint32_t) (wraps * WRAP24);
}


static uint32_t
chunk_delta(lv_rtmp_chunk_stream_t *cs, const chunk_header_t *h)
{
    if (!h->ext) {
        return (h->time >= NEGATIVE_MS) ? h->time - WRAP24 : h->time;
    }

    /* Absolute only when the last time needed the extended field too: near
     * 0, a value just below 2^32 is librtmp's way to go back a little. */

    if (h->time >= EXT_MARK
        && cs->msg.timestamp_ms >= EXT_MARK - NEAR_MS
        && chunk_near(h->time, cs->msg.timestamp_ms))
    {
        return h->time - cs->msg.timestamp_ms;
    }

    return h->time;
}


static void
chunk_time(lv_rtmp_chunk_stream_t *cs, const chunk_header_t *h)
{
    uint32_t  time;

    if (h->fmt == 0) {
        if (h->ext) {
            cs->ever_ext = 1;
            cs->base_ms = 0;
        }

        time = h->ext ? h->time : chunk_unwrap(cs, h->time);
        cs->delta_ms = (h->time <= REPEAT_MS) ? h->time : 0;

    } else {
        if (h->fmt != 3 || h->ext) {
            cs->delta_ms = chunk_delta(cs, h);
        }

        time = cs->msg.timestamp_ms + cs->delta_ms;
    }

    cs->msg.timestamp_ms = time;

    if (h->fmt != 3) {
        cs->has_ext = h->ext;
    }

    if (h->ext) {
        cs->ext = h->time;
    }
}


/* A header in the middle of a message must say nothing new. */
static int
chunk_continue(lv_rtmp_chunk_t *c, lv_rtmp_chunk_stream_t *cs,
    const chunk_header_t *h)
{
    if (h->fmt == 3) {
        if (h->ext) {
            cs->ext3 = 1;

        } else if (cs->has_ext && !cs->ext3) {
            cs->no_ext3 = 1;
        }

        return LV_OK;
    }

    if ((h->fmt <= 1 && (h->len != cs->msg.len || h->type != cs->msg.type))
        || (h->fmt == 0
            && (h->msid != cs->msg.msid
                || (h->time != cs->msg.timestamp_ms
                    && h->time != (cs->msg.timestamp_ms & 0xffffff)))))
    {
        return chunk_fail(c, "a message begins before the last one on its "
                             "chunk stream is complete");
    }

    return LV_OK;
}


static int
chunk_begin(lv_rtmp_chunk_t *c, lv_rtmp_chunk_stream_t *cs,
    const chunk_header_t *h)
{
    chunk_time(cs, h);

    if (h->fmt <= 1) {
        cs->msg.len = h->len;
        cs->msg.type = h->type;
    }

    if (h->fmt == 0) {
        cs->msg.msid = h->msid;
    }

    cs->known = 1;
    cs->busy = 1;
    cs->got = 0;

    return c->handler->begin(c->ctx, &cs->msg);
}


static int
chunk_end(lv_rtmp_chunk_t *c, lv_rtmp_chunk_stream_t *cs)
{
    cs->busy = 0;

    return c->handler->end(c->ctx, &cs->msg);
}


/* One chunk begins: everything but its payload. */
static int
chunk_start(lv_rtmp_chunk_t *c, const chunk_header_t *h)
{
    int                      rc;
    lv_rtmp_chunk_stream_t  *cs;

    cs = chunk_stream_find(c, h->csid);

    if (h->fmt > 1 && (cs == NULL || !cs->known)) {
        return chunk_fail(c, "a chunk stream begins with a chunk that has "
                             "no message length");
    }

    if (cs == NULL) {
        cs = chunk_stream_add(c, h->csid);
        if (cs == NULL) {
            return LV_ERROR;
        }
    }

    c->current = (uint32_t) (cs - c->streams);

    rc = cs->busy ? chunk_continue(c, cs, h) : chunk_begin(c, cs, h);

    if (rc != LV_OK) {
        return rc;
    }

    c->left = cs->msg.len - cs->got;

    if (c->left > c->chunk_size) {
        c->left = c->chunk_size;
    }

    if (c->left < LV_RTMP_CHUNK_SMALL && c->rate) {
        if (c->tokens == 0) {
            return chunk_fail(c, "too many small chunks");
        }

        c->tokens--;
    }

    return c->left ? LV_OK : chunk_end(c, cs);
}


/* Reads a header, from the input or from what was kept of it. */
static int
chunk_header(lv_rtmp_chunk_t *c, const uint8_t *p, size_t n, size_t *used)
{
    int             rc;
    size_t          len, kept, add;
    chunk_header_t  h;

    kept = c->nheader;
    memset(&h, 0, sizeof(h));

    if (kept == 0) {
        rc = chunk_header_read(c, p, n, &h, &len);

        if (rc == LV_OK) {
            *used = len;
            return chunk_start(c, &h);
        }
    }

    add = sizeof(c->header) - kept;

    if (add > n) {
        add = n;
    }

    memcpy(c->header + kept, p, add);

    if (kept == 0
        || chunk_header_read(c, c->header, kept + add, &h, &len) != LV_OK)
    {
        c->nheader = (uint8_t) (kept + add);
        *used = add;
        return LV_OK;
    }

    c->nheader = 0;

    if (len >= kept) {
        *used = len - kept;

    } else {
        /* bytes that might have been an extended time stamp were not */
        c->npushed = (uint8_t) (kept - len);
        memcpy(c->pushed, c->header + len, c->npushed);
        *used = 0;
    }

    return chunk_start(c, &h);
}


static int
chunk_run(lv_rtmp_chunk_t *c, const uint8_t *p, size_t n, size_t *used)
{
    int                      rc;
    size_t                   take;
    lv_rtmp_chunk_stream_t  *cs;

    *used = 0;

    while (*used < n && c->npushed == 0) {

        if (c->left == 0) {
            rc = chunk_header(c, p + *used, n - *used, &take);
            *used += take;

            if (rc != LV_OK) {
                return rc;
            }

            continue;
        }

        take = n - *used;

        if (take > c->left) {
            take = c->left;
        }

        cs = &c->streams[c->current];

        rc = c->handler->data(c->ctx, &cs->msg, p + *used, take);

        if (rc != LV_OK) {
            return rc;
        }

        *used += take;
        c->left -= (uint32_t) take;
        cs->got += (uint32_t) take;

        if (c->left == 0 && cs->got == cs->msg.len) {
            rc = chunk_end(c, cs);

            if (rc != LV_OK) {
                return rc;
            }
        }
    }

    return LV_OK;
}


static void
chunk_refill(lv_rtmp_chunk_t *c, uint64_t now_ms)
{
    uint64_t  most, add;

    if (now_ms <= c->refilled_ms) {
        return;
    }

    most = 2 * (uint64_t) c->rate;
    add = now_ms - c->refilled_ms;
    add = (add > 2000) ? most : add * c->rate / 1000;

    if (add == 0) {
        return;
    }

    c->refilled_ms = now_ms;
    c->tokens = (c->tokens + add > most) ? most : c->tokens + add;
}


void
lv_rtmp_chunk_init(lv_rtmp_chunk_t *c, const lv_rtmp_chunk_handler_t *handler,
    void *ctx, uint32_t max_streams, uint32_t max_small)
{
    memset(c, 0, sizeof(*c));

    c->handler = handler;
    c->ctx = ctx;
    c->err = "";
    c->chunk_size = LV_RTMP_CHUNK_SIZE;
    c->max_streams = max_streams > 255 ? 255 : max_streams;
    c->rate = max_small;
    c->tokens = 2 * (uint64_t) max_small;
}


void
lv_rtmp_chunk_free(lv_rtmp_chunk_t *c)
{
    free(c->streams);
    c->streams = NULL;
    c->nstreams = 0;
    c->nalloc = 0;
}


int
lv_rtmp_chunk_input(lv_rtmp_chunk_t *c, const uint8_t *p, size_t n,
    uint64_t now_ms, size_t *consumed)
{
    int      rc;
    size_t   used, m;
    uint8_t  pushed[sizeof(c->pushed)];

    *consumed = 0;
    chunk_refill(c, now_ms);

    do {
        while (c->npushed) {
            m = c->npushed;
            memcpy(pushed, c->pushed, m);
            c->npushed = 0;

            rc = chunk_run(c, pushed, m, &used);

            if (rc != LV_OK) {
                c->npushed = (uint8_t) (m - used);
                memcpy(c->pushed, pushed + used, m - used);
                return rc;
            }
        }

        rc = chunk_run(c, p + *consumed, n - *consumed, &used);
        *consumed += used;

    } while (rc == LV_OK && (c->npushed || *consumed < n));

    return rc;
}


int
lv_rtmp_chunk_set_size(lv_rtmp_chunk_t *c, uint32_t size)
{
    size &= 0x7fffffff;

    if (size == 0) {
        return chunk_fail(c, "chunk size 0");
    }

    c->chunk_size = size > LV_RTMP_CHUNK_MAX ? LV_RTMP_CHUNK_MAX : size;

    return LV_OK;
}


lv_rtmp_message_t *
lv_rtmp_chunk_abort(lv_rtmp_chunk_t *c, uint32_t csid)
{
    lv_rtmp_chunk_stream_t  *cs;

    cs = chunk_stream_find(c, csid);

    if (cs == NULL || !cs->busy) {
        return NULL;
    }

    cs->busy = 0;
    cs->got = 0;

    return &cs->msg;
}

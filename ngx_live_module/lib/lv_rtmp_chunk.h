/*
 * The RTMP chunk stream, receiving side (Adobe's RTMP specification 1.0,
 * §5.3): bytes in; begin, data and end of messages out. Nothing is gathered
 * or copied: data points into the caller's buffer. A header that is cut off
 * by the end of the input is kept until the rest arrives.
 *
 * What encoders do beyond the specification:
 *
 *  - Extended time stamp on chunks of format 3: present with some, absent
 *    with others. In the middle of a message the 4 bytes are compared with
 *    what they would be; one mismatch settles it as absent for that chunk
 *    stream.
 *  - Extended time stamp on formats 1 and 2: a delta, or the absolute time
 *    if that lies within a minute of the last one.
 *  - Writers that know 24 bits only: on a chunk stream without extended time
 *    stamps, a step that is a multiple of 2^24 ms (up to a minute) is a wrap.
 *    A delta just below 2^24 is negative.
 *  - A message of format 3 directly behind one of format 0 repeats its time
 *    stamp as the delta, as the specification has it, but only up to a
 *    second: beyond that the delta is 0.
 *  - Format 1 as the first on a chunk stream (librtmp's ping): message
 *    stream 0. Formats 2 and 3 there have no length and are an error.
 *  - A repeated header in the middle of a message, with the same contents,
 *    continues it.
 *
 * Any chunk size from 1 on is accepted, values beyond 2^24 - 1 mean that.
 * Chunks under 128 bytes cost out of proportion to their bytes, so their
 * rate is limited.
 */

#ifndef LV_RTMP_CHUNK_H
#define LV_RTMP_CHUNK_H

#include "lv_base.h"

#define LV_RTMP_CHUNK_SIZE      128       /* until the peer sets another */
#define LV_RTMP_CHUNK_MAX       0xffffff
#define LV_RTMP_CHUNK_HEADER    18        /* the longest: 3 + 11 + 4 */
#define LV_RTMP_CHUNK_SMALL     128       /* below: counts for the rate */

typedef struct {
    uint32_t   timestamp_ms;  /* absolute, modulo 2^32 */
    uint32_t   len;
    uint32_t   msid;
    uint8_t    type;

    /* for the receiver of the events, untouched here; 0 at first */
    uint8_t    sink;
    uint32_t   serial;
    uint8_t   *buf;
    uint32_t   buf_len;
    uint32_t   buf_size;
} lv_rtmp_message_t;

typedef struct {
    uint32_t           csid;
    uint32_t           got;       /* bytes of the message so far */
    uint32_t           delta_ms;
    uint32_t           ext;       /* last extended time stamp as it came */
    uint32_t           base_ms;   /* what 24-bit wraps have added */
    unsigned           busy:1;    /* in the middle of a message */
    unsigned           known:1;   /* has had a header with a length */
    unsigned           has_ext:1;
    unsigned           ever_ext:1;
    unsigned           ext3:1;    /* format 3 has come with the field, */
    unsigned           no_ext3:1; /* or the first one without */
    lv_rtmp_message_t  msg;
} lv_rtmp_chunk_stream_t;

/*
 * begin and data: LV_OK or LV_ERROR. end: LV_AGAIN too, which makes input()
 * return at once, behind that message. A message of length 0 has no data.
 * The message is valid during the call only.
 */
typedef struct {
    int  (*begin)(void *ctx, lv_rtmp_message_t *m);
    int  (*data)(void *ctx, lv_rtmp_message_t *m, const uint8_t *p, size_t n);
    int  (*end)(void *ctx, lv_rtmp_message_t *m);
} lv_rtmp_chunk_handler_t;

typedef struct {
    const lv_rtmp_chunk_handler_t  *handler;
    void                           *ctx;
    const char                     *err;      /* static, after LV_ERROR of
                                                 our own; else "" */

    uint32_t                        chunk_size;
    uint32_t                        left;     /* of the current chunk */
    uint32_t                        current;  /* index of its stream */

    lv_rtmp_chunk_stream_t         *streams;
    uint32_t                        nstreams;
    uint32_t                        nalloc;
    uint32_t                        max_streams;
    uint8_t                         index[64]; /* of ids 2..63, plus one */

    uint32_t                        rate;     /* small chunks a second */
    uint64_t                        tokens;
    uint64_t                        refilled_ms;

    uint8_t                         header[LV_RTMP_CHUNK_HEADER];
    uint8_t                         nheader;
    uint8_t                         npushed;  /* bytes that were taken for a
                                                 header and are none */
    uint8_t                         pushed[4];
} lv_rtmp_chunk_t;

/*
 * max_streams: at most 255. max_small: small chunks a second, 0 for no
 * limit. The handler is kept by reference.
 */
void lv_rtmp_chunk_init(lv_rtmp_chunk_t *c,
    const lv_rtmp_chunk_handler_t *handler, void *ctx, uint32_t max_streams,
    uint32_t max_small);

/* Frees the streams, not what messages carry in buf. */
void lv_rtmp_chunk_free(lv_rtmp_chunk_t *c);

/*
 * LV_OK: all taken. LV_AGAIN: end() said so; the rest is to be fed again.
 * LV_ERROR: c->err, or a handler's own error when that is "".
 */
int lv_rtmp_chunk_input(lv_rtmp_chunk_t *c, const uint8_t *p, size_t n,
    uint64_t now_ms, size_t *consumed);

/* Set Chunk Size; counts from the next chunk on. LV_ERROR for 0. */
int lv_rtmp_chunk_set_size(lv_rtmp_chunk_t *c, uint32_t size);

/*
 * Abort Message: the message under way on that chunk stream, which will not
 * be completed, or NULL.
 */
lv_rtmp_message_t *lv_rtmp_chunk_abort(lv_rtmp_chunk_t *c, uint32_t csid);

#endif

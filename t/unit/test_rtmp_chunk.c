#include "rtmp_peer.h"
#include "lv_rtmp_chunk.h"

#define EXT  0xffffff

static lv_rtmp_chunk_t  chunk;
static log_t            out;
static const char      *pause_at;   /* the log's end at which end() pauses */
static uint64_t         payload;    /* sum of all data, to see every byte */


static int
on_begin(void *ctx, lv_rtmp_message_t *m)
{
    note(&out, "%u@%u+%u/%u ", m->type, m->timestamp_ms, m->len, m->msid);
    m->serial = 0;
    return LV_OK;
}


static int
on_data(void *ctx, lv_rtmp_message_t *m, const uint8_t *p, size_t n)
{
    m->serial += (uint32_t) n;

    while (n--) {
        payload = payload * 31 + *p++;
    }

    return LV_OK;
}


static int
on_end(void *ctx, lv_rtmp_message_t *m)
{
    note(&out, "%s", m->serial == m->len ? ". " : "SHORT ");

    return pause_at && strstr(out.text, pause_at) ? LV_AGAIN : LV_OK;
}


static const lv_rtmp_chunk_handler_t  handler = { on_begin, on_data, on_end };


/* piece 0: uneven pieces */
static const char *
feed(const buf_t *b, size_t piece, uint32_t size)
{
    int      rc;
    size_t   pos, n, used;
    uint8_t *exact;

    out.len = 0;
    out.text[0] = '\0';
    payload = 0;
    rc = LV_OK;

    lv_rtmp_chunk_init(&chunk, &handler, NULL, 64, 1000000);

    if (size) {
        lv_rtmp_chunk_set_size(&chunk, size);
    }

    for (pos = 0; pos < b->len && rc == LV_OK; pos += used) {
        n = piece ? piece : 1 + (pos * 7) % 13;
        n = n < b->len - pos ? n : b->len - pos;

        exact = malloc(n);
        memcpy(exact, b->p + pos, n);
        rc = lv_rtmp_chunk_input(&chunk, exact, n, 0, &used);
        free(exact);
    }

    if (rc == LV_ERROR) {
        note(&out, "error: %s", chunk.err);
    }

    lv_rtmp_chunk_free(&chunk);

    return out.text;
}


/* The log of b; fails the test when it depends on how b is cut. */
static void
expect(buf_t *b, uint32_t size, const char *want, const char *name)
{
    uint64_t     sum;
    const char  *text;

    text = feed(b, b->len, size);
    is_str(text, want, name);
    sum = payload;

    text = feed(b, 1, size);
    ok(strcmp(text, want) == 0 && payload == sum, "%s: byte by byte", name)
        || (diag("got \"%s\"", text), 0);

    text = feed(b, 0, size);
    ok(strcmp(text, want) == 0 && payload == sum, "%s: in uneven pieces",
       name) || (diag("got \"%s\"", text), 0);

    clear(b);
}


static void
test_formats(void)
{
    buf_t  b = { 0 };

    fmt0(&b, 4, 1000, 10, 8, 1);
    fill(&b, 10, 0);
    fmt1(&b, 4, 20, 5, 8);
    fill(&b, 5, 0);
    fmt2(&b, 4, 30);
    fill(&b, 5, 0);
    fmt3(&b, 4);
    fill(&b, 5, 0);
    expect(&b, 0, "8@1000+10/1 . 8@1020+5/1 . 8@1050+5/1 . 8@1080+5/1 . ",
           "the four formats");

    fmt0(&b, 6, 0, 300, 9, 1);
    fill(&b, 128, 0);
    fmt3(&b, 6);
    fill(&b, 128, 0);
    fmt3(&b, 6);
    fill(&b, 44, 0);
    expect(&b, 0, "9@0+300/1 . ", "a message in chunks");

    fmt0(&b, 6, 0, 200, 9, 1);
    fill(&b, 128, 0);
    fmt0(&b, 4, 5, 150, 8, 1);
    fill(&b, 128, 0);
    fmt3(&b, 6);
    fill(&b, 72, 0);
    fmt3(&b, 4);
    fill(&b, 22, 0);
    expect(&b, 0, "9@0+200/1 8@5+150/1 . . ", "two messages by turns");

    fmt0(&b, 4, 7, 0, 8, 1);
    fmt3(&b, 4);
    fmt1(&b, 4, 1, 2, 8);
    fill(&b, 2, 0);
    expect(&b, 0, "8@7+0/1 . 8@14+0/1 . 8@15+2/1 . ",
           "messages of no length");
}


static void
test_chunk_stream_ids(void)
{
    buf_t     b = { 0 };
    uint32_t  i;

    static const uint32_t  ids[] = { 2, 63, 64, 319, 320, 65599 };

    for (i = 0; i < 6; i++) {
        fmt0(&b, ids[i], i, 1, 8, 1);
        fill(&b, 1, i);
    }
    for (i = 0; i < 6; i++) {
        fmt2(&b, ids[i], 10);
        fill(&b, 1, i);
    }
    expect(&b, 0, "8@0+1/1 . 8@1+1/1 . 8@2+1/1 . 8@3+1/1 . 8@4+1/1 . "
           "8@5+1/1 . 8@10+1/1 . 8@11+1/1 . 8@12+1/1 . 8@13+1/1 . "
           "8@14+1/1 . 8@15+1/1 . ", "chunk stream ids of 1, 2 and 3 bytes");

    /* the long form of a short id is the same chunk stream */
    fmt0(&b, 70, 5, 1, 8, 1);
    fill(&b, 1, 0);
    put_hex(&b, "81 0600 00000a");
    fill(&b, 1, 0);
    expect(&b, 0, "8@5+1/1 . 8@15+1/1 . ", "an id in a longer form");

    for (i = 0; i < 65; i++) {
        fmt0(&b, 100 + i, 0, 0, 8, 1);
    }
    feed(&b, b.len, 0);
    is_str(chunk.err, "too many chunk streams",
           "chunk stream ids are limited");
    clear(&b);
}


static void
test_first_chunk(void)
{
    buf_t  b = { 0 };

    /* librtmp's ping */
    fmt1(&b, 2, 0, 6, 4);
    put_hex(&b, "0006 0000000d");
    expect(&b, 0, "4@0+6/0 . ", "format 1 as the first of a chunk stream");

    fmt2(&b, 33, 0);
    expect(&b, 0, "error: a chunk stream begins with a chunk that has no "
           "message length", "format 2 as the first (a DJI Osmo)");

    fmt3(&b, 4);
    expect(&b, 0, "error: a chunk stream begins with a chunk that has no "
           "message length", "format 3 as the first");

    /* FMLE's 0xC4: a new message with everything as before */
    fmt0(&b, 4, 40, 3, 8, 1);
    fill(&b, 3, 0);
    put8(&b, 0xc4);
    fill(&b, 3, 0);
    expect(&b, 0, "8@40+3/1 . 8@80+3/1 . ", "format 3 begins a message");

    fmt0(&b, 4, 50000, 3, 8, 1);
    fill(&b, 3, 0);
    fmt3(&b, 4);
    fill(&b, 3, 0);
    fmt2(&b, 4, 20);
    fill(&b, 3, 0);
    fmt3(&b, 4);
    fill(&b, 3, 0);
    expect(&b, 0, "8@50000+3/1 . 8@50000+3/1 . 8@50020+3/1 . 8@50040+3/1 . ",
           "a large time stamp is not taken for a delta");
}


static void
test_extended(void)
{
    int    absolute;
    buf_t  b = { 0 };

    /* present on format 3: Flash, FMLE, newer OBS */
    fmt0(&b, 6, EXT, 300, 9, 1);
    put_be(&b, 20000000, 4);
    fill(&b, 128, 0);
    fmt3(&b, 6);
    put_be(&b, 20000000, 4);
    fill(&b, 128, 0);
    fmt3(&b, 6);
    put_be(&b, 20000000, 4);
    fill(&b, 44, 0);
    fmt1(&b, 6, 40, 10, 9);
    fill(&b, 10, 0);
    expect(&b, 0, "9@20000000+300/1 . 9@20000040+10/1 . ",
           "extended time stamp on format 3 chunks");

    /* absent: older librtmp */
    fmt0(&b, 6, EXT, 300, 9, 1);
    put_be(&b, 20000000, 4);
    fill(&b, 128, 0);
    fmt3(&b, 6);
    fill(&b, 128, 0);
    fmt3(&b, 6);
    fill(&b, 44, 0);
    fmt1(&b, 6, 40, 10, 9);
    fill(&b, 10, 0);
    expect(&b, 0, "9@20000000+300/1 . 9@20000040+10/1 . ",
           "no extended time stamp on format 3 chunks");

    /* 20000000 is 01312d00: payload that looks like it for a while */
    fmt0(&b, 6, EXT, 131, 9, 1);
    put_be(&b, 20000000, 4);
    fill(&b, 128, 0);
    fmt3(&b, 6);
    put_hex(&b, "01312d");
    fmt0(&b, 4, 3, 2, 8, 1);
    fill(&b, 2, 0);
    expect(&b, 0, "9@20000000+131/1 . 8@3+2/1 . ",
           "payload that begins like the time stamp, then ends");

    fmt0(&b, 6, EXT, 140, 9, 1);
    put_be(&b, 20000000, 4);
    fill(&b, 128, 0);
    fmt3(&b, 6);
    put_hex(&b, "01312d01 ffffffffffffffff");
    fmt0(&b, 4, 3, 2, 8, 1);
    fill(&b, 2, 0);
    expect(&b, 0, "9@20000000+140/1 . 8@3+2/1 . ",
           "payload that differs in the last byte");

    /* once it is known to be absent, payload may be anything */
    fmt0(&b, 6, EXT, 300, 9, 1);
    put_be(&b, 20000000, 4);
    fill(&b, 128, 0);
    fmt3(&b, 6);
    fill(&b, 128, 0);
    fmt3(&b, 6);
    put_be(&b, 20000000, 4);
    fill(&b, 40, 0);
    fmt0(&b, 4, 3, 2, 8, 1);
    fill(&b, 2, 0);
    expect(&b, 0, "9@20000000+300/1 . 8@3+2/1 . ",
           "payload that is the time stamp, where none is sent");

    /* each chunk stream for itself */
    fmt0(&b, 6, EXT, 130, 9, 1);
    put_be(&b, 20000000, 4);
    fill(&b, 128, 0);
    fmt3(&b, 6);
    fill(&b, 2, 200);
    fmt0(&b, 7, EXT, 130, 8, 1);
    put_be(&b, 20000000, 4);
    fill(&b, 128, 0);
    fmt3(&b, 7);
    put_be(&b, 20000000, 4);
    fill(&b, 2, 200);
    expect(&b, 0, "9@20000000+130/1 . 8@20000000+130/1 . ",
           "with it and without it on two chunk streams");

    /* a new message of format 3 */
    fmt0(&b, 6, EXT, 2, 9, 1);
    put_be(&b, 20000000, 4);
    fill(&b, 2, 0);
    fmt3(&b, 6);
    put_be(&b, 20000040, 4);
    fill(&b, 2, 0);
    fmt3(&b, 6);
    put_be(&b, 20000080, 4);
    fill(&b, 2, 0);
    expect(&b, 0, "9@20000000+2/1 . 9@20000040+2/1 . 9@20000080+2/1 . ",
           "format 3 begins messages with absolute extended time stamps");

    /* formats 1 and 2: both meanings */
    for (absolute = 0; absolute < 2; absolute++) {
        fmt0(&b, 6, EXT, 2, 9, 1);
        put_be(&b, 20000000, 4);
        fill(&b, 2, 0);
        fmt1(&b, 6, absolute ? EXT : 40, 2, 9);
        put_be(&b, 20000040, absolute ? 4 : 0);
        fill(&b, 2, 0);
        fmt2(&b, 6, absolute ? EXT : 40);
        put_be(&b, 20000080, absolute ? 4 : 0);
        fill(&b, 2, 0);
        expect(&b, 0, "9@20000000+2/1 . 9@20000040+2/1 . 9@20000080+2/1 . ",
               absolute ? "extended field holds the absolute time"
                        : "deltas after an extended time stamp");
    }

    fmt0(&b, 6, 11000, 2, 9, 1);
    fill(&b, 2, 0);
    fmt1(&b, 6, EXT, 2, 9);
    put_be(&b, 16776216, 4);
    fill(&b, 2, 0);
    expect(&b, 0, "9@11000+2/1 . 9@16787216+2/1 . ",
           "extended field holds a delta of hours");

    /* librtmp: a time before the last one on the chunk stream */
    fmt0(&b, 4, 6014, 2, 8, 1);
    fill(&b, 2, 0);
    fmt1(&b, 4, EXT, 2, 9);
    put_be(&b, (uint32_t) -31, 4);
    fill(&b, 2, 0);
    expect(&b, 0, "8@6014+2/1 . 9@5983+2/1 . ",
           "extended field holds a negative delta");
}


static void
test_wraps(void)
{
    buf_t  b = { 0 };

    fmt0(&b, 6, 0xfffff0, 1, 9, 1);
    fill(&b, 1, 0);
    fmt0(&b, 6, 0x000018, 1, 9, 1);
    fill(&b, 1, 0);
    fmt2(&b, 6, 40);
    fill(&b, 1, 0);
    fmt0(&b, 6, 0x000068, 1, 9, 1);
    fill(&b, 1, 0);
    expect(&b, 0, "9@16777200+1/1 . 9@16777240+1/1 . 9@16777280+1/1 . "
           "9@16777320+1/1 . ", "a writer of 24 bits wraps");

    /* audio and video on one chunk stream, around the wrap */
    fmt0(&b, 4, 0xfffff0, 1, 9, 1);
    fill(&b, 1, 0);
    fmt0(&b, 4, 0x000008, 1, 9, 1);
    fill(&b, 1, 0);
    fmt0(&b, 4, 0xfffff8, 1, 8, 1);
    fill(&b, 1, 0);
    fmt0(&b, 4, 0x000030, 1, 9, 1);
    fill(&b, 1, 0);
    expect(&b, 0, "9@16777200+1/1 . 9@16777224+1/1 . 8@16777208+1/1 . "
           "9@16777264+1/1 . ", "back and forth over a 24-bit wrap");

    /* deltas that have gone beyond 24 bits, then a full header of 24 bits */
    fmt0(&b, 6, 0xfffff0, 1, 9, 1);
    fill(&b, 1, 0);
    fmt2(&b, 6, 40);
    fill(&b, 1, 0);
    fmt0(&b, 6, 0x000040, 1, 9, 1);
    fill(&b, 1, 0);
    expect(&b, 0, "9@16777200+1/1 . 9@16777240+1/1 . 9@16777280+1/1 . ",
           "deltas across, then 24 bits");

    fmt0(&b, 6, 7200000, 1, 9, 1);
    fill(&b, 1, 0);
    fmt0(&b, 6, 0, 1, 9, 1);
    fill(&b, 1, 0);
    expect(&b, 0, "9@7200000+1/1 . 9@0+1/1 . ",
           "an encoder that starts anew is no wrap");

    /* one that knows extended time stamps does not wrap at 24 bits */
    fmt0(&b, 6, EXT, 1, 9, 1);
    put_be(&b, 0x1000010, 4);
    fill(&b, 1, 0);
    fmt0(&b, 6, 0x20, 1, 9, 1);
    fill(&b, 1, 0);
    expect(&b, 0, "9@16777232+1/1 . 9@32+1/1 . ",
           "a writer of 32 bits may go back to the beginning");

    fmt0(&b, 6, EXT, 1, 9, 1);
    put_be(&b, 0xfffffff0, 4);
    fill(&b, 1, 0);
    fmt2(&b, 6, 40);
    fill(&b, 1, 0);
    fmt0(&b, 6, 0x40, 1, 9, 1);
    fill(&b, 1, 0);
    expect(&b, 0, "9@4294967280+1/1 . 9@24+1/1 . 9@64+1/1 . ",
           "the wrap at 2^32");

    fmt0(&b, 6, 1000, 1, 9, 1);
    fill(&b, 1, 0);
    fmt2(&b, 6, 0xfffff0);
    fill(&b, 1, 0);
    expect(&b, 0, "9@1000+1/1 . 9@984+1/1 . ", "a negative delta of 24 bits");
}


static void
test_chunk_sizes(void)
{
    int       i;
    buf_t     b = { 0 };
    uint32_t  sizes[] = { 1, 2, 127, 129, 0xffffff };

    for (i = 0; i < 5; i++) {
        uint8_t  body[300];

        memset(body, i, sizeof(body));
        message(&b, 6, 40, 9, 1, body, sizeof(body), sizes[i]);
        message(&b, 400, 80, 8, 1, body, sizes[i] < 200 ? 200 : 9, sizes[i]);
        expect(&b, sizes[i], sizes[i] < 200
               ? "9@40+300/1 . 8@80+200/1 . " : "9@40+300/1 . 8@80+9/1 . ",
               "chunk size");
    }

    lv_rtmp_chunk_init(&chunk, &handler, NULL, 64, 0);
    is_int(lv_rtmp_chunk_set_size(&chunk, 0), LV_ERROR, "chunk size 0");
    is_int(lv_rtmp_chunk_set_size(&chunk, 0x7fffffff), LV_OK,
           "chunk size 2^31 - 1");
    is_int(chunk.chunk_size, 0xffffff, "means 2^24 - 1");
    is_int(lv_rtmp_chunk_set_size(&chunk, 0x80000080), LV_OK,
           "the highest bit");
    is_int(chunk.chunk_size, 128, "does not count");
    lv_rtmp_chunk_free(&chunk);
}


static void
test_size_changes(void)
{
    buf_t   b = { 0 };
    size_t  used;

    out.len = 0;
    lv_rtmp_chunk_init(&chunk, &handler, NULL, 64, 0);

    fmt0(&b, 6, 0, 1000, 9, 1);
    fill(&b, 128, 0);
    lv_rtmp_chunk_input(&chunk, b.p, b.len, 0, &used);
    clear(&b);

    /* in the middle of a chunk it counts from the next one on */
    fmt3(&b, 6);
    fill(&b, 28, 128);
    lv_rtmp_chunk_input(&chunk, b.p, b.len, 0, &used);
    clear(&b);
    lv_rtmp_chunk_set_size(&chunk, 10);
    fill(&b, 100, 156);
    fmt3(&b, 6);
    fill(&b, 10, 0);
    lv_rtmp_chunk_input(&chunk, b.p, b.len, 0, &used);
    clear(&b);

    lv_rtmp_chunk_set_size(&chunk, 60000);
    fmt3(&b, 6);
    fill(&b, 734, 10);
    fmt0(&b, 4, 1, 1, 8, 1);
    fill(&b, 1, 0);
    lv_rtmp_chunk_input(&chunk, b.p, b.len, 0, &used);
    clear(&b);

    is_str(out.text, "9@0+1000/1 . 8@1+1/1 . ",
           "the chunk size changes within a message, both ways");
    lv_rtmp_chunk_free(&chunk);
}


static void
test_repeated_headers(void)
{
    buf_t  b = { 0 };

    fmt0(&b, 6, 5, 200, 9, 1);
    fill(&b, 128, 0);
    fmt0(&b, 6, 5, 200, 9, 1);
    fill(&b, 72, 0);
    fmt0(&b, 6, 6, 300, 9, 1);
    fill(&b, 128, 0);
    fmt1(&b, 6, 0, 300, 9);
    fill(&b, 128, 0);
    fmt2(&b, 6, 0);
    fill(&b, 44, 0);
    expect(&b, 0, "9@5+200/1 . 9@6+300/1 . ",
           "the same header again continues the message");

    fmt0(&b, 6, 5, 200, 9, 1);
    fill(&b, 128, 0);
    fmt0(&b, 6, 5, 100, 9, 1);
    expect(&b, 0, "9@5+200/1 error: a message begins before the last one on "
           "its chunk stream is complete", "another length does not");

    fmt0(&b, 6, 5, 200, 9, 1);
    fill(&b, 128, 0);
    fmt1(&b, 6, 5, 200, 8);
    expect(&b, 0, "9@5+200/1 error: a message begins before the last one on "
           "its chunk stream is complete", "nor another type");

    fmt0(&b, 6, 5, 200, 9, 1);
    fill(&b, 128, 0);
    fmt0(&b, 6, 45, 200, 9, 1);
    expect(&b, 0, "9@5+200/1 error: a message begins before the last one on "
           "its chunk stream is complete", "nor another time");
}


static void
test_pause(void)
{
    int     rc;
    buf_t   b = { 0 };
    size_t  used, pos;

    fmt0(&b, 3, 0, 4, 20, 1);
    fill(&b, 4, 0);
    pos = b.len;
    fmt0(&b, 4, 0, 2, 8, 1);
    fill(&b, 2, 0);

    out.len = 0;
    pause_at = "20@0+4/1 . ";
    lv_rtmp_chunk_init(&chunk, &handler, NULL, 64, 0);

    rc = lv_rtmp_chunk_input(&chunk, b.p, b.len, 0, &used);
    is_int(rc, LV_AGAIN, "end() can pause");
    is_int((long long) used, (long long) pos, "right behind its message");

    pause_at = NULL;
    rc = lv_rtmp_chunk_input(&chunk, b.p + used, b.len - used, 0, &used);
    is_int(rc, LV_OK, "and it goes on");
    is_str(out.text, "20@0+4/1 . 8@0+2/1 . ", "with the rest");
    lv_rtmp_chunk_free(&chunk);
    clear(&b);

    /* the last byte of the message was held back as a possible time stamp */
    fmt0(&b, 3, EXT, 129, 20, 1);
    put_be(&b, 20000000, 4);
    fill(&b, 128, 0);
    fmt3(&b, 3);
    put_hex(&b, "01");
    fmt0(&b, 4, 0, 2, 8, 1);
    fill(&b, 2, 0);

    out.len = 0;
    pause_at = "20@20000000+129/1 . ";
    lv_rtmp_chunk_init(&chunk, &handler, NULL, 64, 0);

    rc = LV_OK;
    for (pos = 0; pos < b.len && rc == LV_OK; pos += used) {
        rc = lv_rtmp_chunk_input(&chunk, b.p + pos, 1, 0, &used);
    }
    is_int(rc, LV_AGAIN, "a pause on bytes that were held back");
    pause_at = NULL;
    rc = lv_rtmp_chunk_input(&chunk, b.p + pos, b.len - pos, 0, &used);
    is_int(rc, LV_OK, "and it goes on");
    is_str(out.text, "20@20000000+129/1 . 8@0+2/1 . ", "with every byte");
    lv_rtmp_chunk_free(&chunk);
    clear(&b);
}


static void
test_abort(void)
{
    buf_t               b = { 0 };
    size_t              used;
    lv_rtmp_message_t  *m;

    out.len = 0;
    lv_rtmp_chunk_init(&chunk, &handler, NULL, 64, 0);

    fmt0(&b, 6, 100, 200, 9, 1);
    fill(&b, 128, 0);
    lv_rtmp_chunk_input(&chunk, b.p, b.len, 0, &used);
    clear(&b);

    ok(lv_rtmp_chunk_abort(&chunk, 5) == NULL, "nothing to abort there");
    m = lv_rtmp_chunk_abort(&chunk, 6);
    ok(m && m->type == 9, "the message is aborted");
    ok(lv_rtmp_chunk_abort(&chunk, 6) == NULL, "once");

    fmt1(&b, 6, 40, 3, 9);
    fill(&b, 3, 0);
    lv_rtmp_chunk_input(&chunk, b.p, b.len, 0, &used);
    is_str(out.text, "9@100+200/1 9@140+3/1 . ", "and a new one can begin");
    clear(&b);
    lv_rtmp_chunk_free(&chunk);
}


static void
test_small_chunk_rate(void)
{
    int     i, rc;
    buf_t   b = { 0 };
    size_t  used;

    out.len = 0;
    lv_rtmp_chunk_init(&chunk, &handler, NULL, 64, 1000);
    lv_rtmp_chunk_set_size(&chunk, 1);

    fmt0(&b, 6, 0, 1000000, 9, 1);
    fill(&b, 1, 0);
    for (i = 1; i < 5000; i++) {
        fmt3(&b, 6);
        fill(&b, 1, 0);
    }

    rc = lv_rtmp_chunk_input(&chunk, b.p, 12 + 1 + 2 * 1500, 1, &used);
    is_int(rc, LV_OK, "1500 chunks at once are fine at 1000 a second");
    rc = lv_rtmp_chunk_input(&chunk, b.p + 13 + 3000, 2000, 1001, &used);
    is_int(rc, LV_OK, "1000 more a second later too");
    rc = lv_rtmp_chunk_input(&chunk, b.p + 13 + 5000, 1000, 1101, &used);
    is_int(rc, LV_OK, "and what was saved up");
    rc = lv_rtmp_chunk_input(&chunk, b.p + 13 + 6000, 2000, 1102, &used);
    is_int(rc, LV_ERROR, "too many are refused");
    is_str(chunk.err, "too many small chunks", "with the reason");
    lv_rtmp_chunk_free(&chunk);
    clear(&b);

    lv_rtmp_chunk_init(&chunk, &handler, NULL, 64, 10);
    out.len = 0;
    for (i = 0; i < 100; i++) {
        fmt0(&b, 6, 0, 128, 9, 1);
        fill(&b, 128, 0);
    }
    rc = lv_rtmp_chunk_input(&chunk, b.p, b.len, 1, &used);
    is_int(rc, LV_OK, "chunks of 128 bytes are not limited");
    lv_rtmp_chunk_free(&chunk);
    clear(&b);
}


int
main(void)
{
    test_formats();
    test_chunk_stream_ids();
    test_first_chunk();
    test_extended();
    test_wraps();
    test_chunk_sizes();
    test_size_changes();
    test_repeated_headers();
    test_pause();
    test_abort();
    test_small_chunk_rate();

    return done_testing();
}

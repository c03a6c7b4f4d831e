/* A lv_flv_t on a packager that writes everything down, and ways to send it
 * messages. */

#ifndef FLV_SEND_H
#define FLV_SEND_H

#include "fake_packager.h"
#include "flv_file.h"
#include "lv_flv.h"
#include "tap.h"

#define FLV_NOW0  1700000000000ull

static lv_packager_t  pk;
static lv_flv_t       flv;
static char           told[16384];      /* events, "number text\n" */
static size_t         piece = 1 << 20;  /* bytes a call */

static void
flv_event(void *ctx, lv_flv_event_t ev, const char *text)
{
    size_t  used;

    used = strlen(told);
    snprintf(told + used, sizeof(told) - used, "%d %s\n", (int) ev, text);
}


static void
flv_reset(void)
{
    fake_reset(&pk);
    lv_flv_init(&flv, NULL, flv_event, NULL);
    told[0] = '\0';
    piece = 1 << 20;
}


__attribute__((unused)) static unsigned
told_count(int ev)
{
    char         want[8];
    unsigned     n;
    const char  *p;

    snprintf(want, sizeof(want), "%d ", ev);

    for (n = 0, p = told; p && *p; p = strchr(p, '\n'), p += p != NULL) {
        n += strncmp(p, want, strlen(want)) == 0;
    }

    return n;
}


static int
send_at(unsigned type, uint32_t ts, uint64_t now, const void *body, size_t len)
{
    int             rc;
    size_t          n;
    const uint8_t  *p;

    p = body;
    rc = lv_flv_begin(&flv, &pk, type, ts, (uint32_t) len, now);

    while (rc == LV_OK && len) {
        n = len < piece ? len : piece;
        rc = lv_flv_data(&flv, type, p, n);
        p += n;
        len -= n;
    }

    return rc == LV_OK ? lv_flv_end(&flv, type) : rc;
}


__attribute__((unused)) static int
send_msg(unsigned type, uint32_t ts, const void *body, size_t len)
{
    return send_at(type, ts, FLV_NOW0 + ts, body, len);
}


/* Builds a message piece by piece. */
typedef struct {
    uint8_t  data[1 << 17];
    size_t   len;
} msg_t;

static msg_t  msg;

__attribute__((unused)) static void
add(const void *p, size_t n)
{
    memcpy(msg.data + msg.len, p, n);
    msg.len += n;
}

#define ADD(lit)  add(lit, sizeof(lit) - 1)
#define START(lit)  (msg.len = 0, ADD(lit))

/* A NAL unit of `len` bytes with a length of `size` bytes, or (0) a start
 * code of 4, (-3) of 3. */
__attribute__((unused)) static void
add_nal(int size, uint8_t head, size_t len)
{
    size_t   i;
    uint8_t  b[4];

    lv_put32(b, (uint32_t) len);

    if (size > 0) {
        add(b + 4 - size, (size_t) size);
    } else if (size == 0) {
        ADD("\0\0\0\1");
    } else {
        ADD("\0\0\1");
    }

    for (i = 0; i < len; i++) {
        b[0] = i == 0 ? head : (uint8_t) (0x80 | i);
        add(b, 1);
    }
}


__attribute__((unused)) static int
send_built(unsigned type, uint32_t ts)
{
    return send_msg(type, ts, msg.data, msg.len);
}


/* A whole file; LV_ERROR ends it. */
__attribute__((unused)) static int
send_file(const char *name)
{
    int         rc;
    flv_tag_t   t;
    flv_file_t  f;

    if (flv_open(&f, name) != LV_OK) {
        return LV_ERROR;
    }

    rc = LV_OK;

    while (rc == LV_OK && flv_next(&f, &t) == LV_OK) {
        if (t.type == LV_FLV_AUDIO || t.type == LV_FLV_VIDEO) {
            rc = send_msg(t.type, t.timestamp, t.body, t.len);
        }
    }

    flv_close(&f);

    return rc;
}


/* Parameter sets by x264: A 176x144, A2 another PPS for it, B 854x480. */
#define SPS_A   "\x67\x42\xc0\x0b\xd9\x02\xc4\xec\x04\x40\x00\x00\x03\x00\x40" \
                "\x00\x00\x0c\x83\xc5\x0a\x92"
#define PPS_A   "\x68\xcb\x80\x59\x2c\x80"
#define PPS_A2  "\x68\xcb\x83\xcb\x20"
#define SPS_B   "\x67\x64\x00\x1f\xac\xd9\x40\xd8\x3d\xe6\xf0\x11\x00\x00\x03" \
                "\x00\x01\x00\x00\x03\x00\x3c\x0f\x18\x31\x96"
#define PPS_B   "\x68\xeb\xe0\x59\x2c\x8b"

#define ADD_SET(lit)  (add("\0\0\0", 3), ADD_LEN(lit), ADD(lit))
#define ADD_LEN(lit)  (msg.data[msg.len++] = sizeof(lit) - 1)
#define ADD_START(lit)  (ADD("\0\0\0\1"), ADD(lit))

/* Sequence headers; size of the NAL lengths to come. */
__attribute__((unused)) static void
add_record(int size, const char *sps, size_t sps_len, const char *pps,
    size_t pps_len)
{
    uint8_t  b[6] = { 1, 0, 0, 0, 0xfc, 0xe1 };

    memcpy(b + 1, sps + 1, 3);
    b[4] |= (uint8_t) (size - 1);
    add(b, 6);
    lv_put16(b, (uint16_t) sps_len);
    add(b, 2);
    add(sps, sps_len);
    b[0] = 1;
    lv_put16(b + 1, (uint16_t) pps_len);
    add(b, 3);
    add(pps, pps_len);
}

#define ADD_RECORD(size, sps, pps)                                            \
    add_record(size, sps, sizeof(sps) - 1, pps, sizeof(pps) - 1)

__attribute__((unused)) static int
send_avc(int size)
{
    START("\x17\0\0\0\0");
    ADD_RECORD(size, SPS_A, PPS_A);

    return send_built(LV_FLV_VIDEO, 0);
}

#endif

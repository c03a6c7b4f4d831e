/*
 * SRT packets: the 16-byte header of each, and what control packets carry.
 *
 *   data      |0| sequence (31)        |   control  |1| type (15) | sub (16)
 *             |PP|O|KK|R| message (26) |            | type-specific information
 *             | timestamp (32, µs)     |            | timestamp
 *             | destination socket id  |            | destination socket id
 *
 * Source: draft-sharabayko-srt-01, sections 3.1 to 3.2. Numbers are in network
 * order; sequence numbers wrap at 2^31, time stamps at 2^32 µs.
 */

#ifndef LV_SRT_PACKET_H
#define LV_SRT_PACKET_H

#include "lv_base.h"

#define LV_SRT_HEADER       16
#define LV_SRT_MTU          1500        /* with 28 bytes of IP and UDP */
#define LV_SRT_PACKET_MAX   (LV_SRT_MTU - 28)
#define LV_SRT_PAYLOAD_MAX  (LV_SRT_PACKET_MAX - LV_SRT_HEADER)
#define LV_SRT_SEQ_MASK     0x7fffffffu

enum {                                  /* control types */
    LV_SRT_HANDSHAKE = 0,
    LV_SRT_KEEPALIVE = 1,
    LV_SRT_ACK = 2,
    LV_SRT_NAK = 3,
    LV_SRT_SHUTDOWN = 5,
    LV_SRT_ACKACK = 6,
    LV_SRT_DROPREQ = 7,
    LV_SRT_USER = 0x7fff
};

enum {                                  /* extensions; subtypes of USER */
    LV_SRT_HSREQ = 1,
    LV_SRT_HSRSP,
    LV_SRT_KMREQ,
    LV_SRT_KMRSP,
    LV_SRT_SID,
    LV_SRT_CONGESTION,
    LV_SRT_FILTER,
    LV_SRT_GROUP
};

enum {                                  /* whose key: the KK bits */
    LV_SRT_PLAIN = 0,
    LV_SRT_EVEN = 1,
    LV_SRT_ODD = 2
};

typedef struct {
    uint32_t        ts;
    uint32_t        dst;
    const uint8_t  *body;       /* inside what was parsed */
    size_t          len;
    uint32_t        seq;        /* data */
    uint8_t         kk;         /* data; 3 is not valid */
    bool            rexmit;     /* data: sent again */
    bool            control;
    uint16_t        type;       /* control … */
    uint16_t        subtype;
    uint32_t        info;
} lv_srt_packet_t;

/* LV_ERROR: shorter than a header, or longer than a packet can be. */
int lv_srt_packet_parse(const uint8_t *p, size_t n, lv_srt_packet_t *out);

/* Writes a control packet's header; returns what is behind it. */
uint8_t *lv_srt_control(uint8_t *p, unsigned type, unsigned subtype,
    uint32_t info, uint32_t ts, uint32_t dst);

/* Adds [from, to] to a NAK's list: 4 bytes for one packet, 8 for more. */
uint8_t *lv_srt_loss_put(uint8_t *p, uint32_t from, uint32_t to);

/* a - b on the circle of 2^31. */
static inline int32_t
lv_srt_seq_diff(uint32_t a, uint32_t b)
{
    return (int32_t) ((a - b) << 1) / 2;
}

static inline uint32_t
lv_srt_seq_add(uint32_t seq, uint32_t n)
{
    return (seq + n) & LV_SRT_SEQ_MASK;
}

#endif

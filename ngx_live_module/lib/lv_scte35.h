/*
 * A splice information section, ANSI/SCTE 35 2019r1 9.6: what is spliced, and
 * when. Sections that are encrypted are not read.
 */

#ifndef LV_SCTE35_H
#define LV_SCTE35_H

#include "lv_base.h"

#define LV_SCTE35_MAX           4096    /* bytes of a section */
#define LV_SCTE35_SEGMENTS      8       /* descriptors that are kept */
#define LV_SCTE35_UPID          64      /* bytes of one that are kept */

enum {
    LV_SPLICE_NULL = 0,
    LV_SPLICE_SCHEDULE = 4,
    LV_SPLICE_INSERT = 5,
    LV_SPLICE_TIME_SIGNAL = 6,
    LV_SPLICE_BANDWIDTH = 7,
    LV_SPLICE_PRIVATE = 255
};

/* segmentation_descriptor(), 10.3.3 */
typedef struct {
    uint32_t  event_id;
    bool      cancel;
    bool      has_duration;
    uint64_t  duration;          /* 90 kHz */
    uint8_t   type;              /* segmentation_type_id */
    uint8_t   upid_type;
    uint8_t   upid_len;          /* kept */
    uint8_t   upid[LV_SCTE35_UPID];
    uint8_t   number, expected;
} lv_scte35_segment_t;

typedef struct {
    uint8_t              command;        /* LV_SPLICE_* */
    uint16_t             tier;           /* 0xfff: none */
    uint64_t             adjustment;     /* 33 bits, 90 kHz; already added to
                                            pts */
    bool                 has_pts;
    uint64_t             pts;            /* 33 bits; splice_insert of the whole
                                            program, and time_signal */
    /* splice_insert */
    uint32_t             event_id;
    bool                 cancel;
    bool                 out_of_network;
    bool                 immediate;
    bool                 has_duration;
    bool                 auto_return;
    uint64_t             duration;       /* 33 bits, 90 kHz */
    uint16_t             program_id;     /* unique_program_id */
    uint8_t              avail, avails;
    unsigned             segments;
    lv_scte35_segment_t  segment[LV_SCTE35_SEGMENTS];
} lv_scte35_t;

/* The whole section, table_id to CRC_32 (which the caller has checked, or
 * lv_ts_crc32() is not 0). LV_DECLINED: encrypted. LV_ERROR: damaged, or not
 * one. */
int lv_scte35_parse(lv_scte35_t *s, const uint8_t *p, size_t len);

#endif

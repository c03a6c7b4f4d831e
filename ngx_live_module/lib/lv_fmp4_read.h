/*
 * Reads fragmented MP4 (ISO/IEC 14496-12), checked: nothing is believed that
 * the bytes do not hold. No allocation; the iterators point into the caller's
 * memory.
 */

#ifndef LV_FMP4_READ_H
#define LV_FMP4_READ_H

#include "lv_base.h"
#include "lv_fmp4.h"

#define LV_FMP4_SAMPLES_MAX  65536   /* in one moof; more is refused */

/* A box at the start of [p, p + len). LV_OK: *size is its whole length (which
 * may reach beyond len), *head that of its header. LV_AGAIN: too few bytes to
 * say. LV_ERROR: no box begins so. *size 0: to the end of the file. */
int lv_fmp4_box(const uint8_t *p, size_t len, uint32_t *type, uint64_t *size,
    uint32_t *head);

/* What an init section says of a track. `config` points into it. */
int lv_fmp4_init_track(const uint8_t *init, size_t len, unsigned n,
    lv_fmp4_track_t *t, const char **err);

typedef struct {
    uint32_t  track_id;
    uint64_t  tfdt;              /* decode time of this sample, timescale */
    uint64_t  offset;            /* of its bytes, from the moof's first byte */
    uint32_t  size;
    uint32_t  duration;
    int32_t   cts;
    uint32_t  flags;             /* 14496-12 8.8.3.1 */
} lv_fmp4_read_sample_t;

#define LV_FMP4_NON_SYNC  0x00010000u

/* Walks the samples of a moof, over all trafs and truns. `trex_*` are the
 * defaults of the init section; zeros are right for what lv_fmp4_head() made
 * and for most others. */
typedef struct {
    const uint8_t  *moof;
    size_t          moof_len;
    uint32_t        sequence;
    uint32_t        trex_duration, trex_size, trex_flags;
    const char     *err;         /* why lv_fmp4_next() said LV_ERROR */

    /* private */
    const uint8_t  *traf, *traf_end;   /* what is left of this traf */
    const uint8_t  *next_traf;
    const uint8_t  *row;               /* next sample's row in the trun */
    uint32_t        rows;              /* left */
    uint32_t        total;
    uint32_t        columns;
    uint32_t        first_flags;
    bool            first, has_tfhd, has_tfdt;
    uint32_t        track_id, duration, size, flags;
    uint64_t        tfdt, offset;
} lv_fmp4_moof_t;

/* `p` begins with the moof, `len` is at least its length. */
int lv_fmp4_moof(lv_fmp4_moof_t *m, const uint8_t *p, size_t len,
    const char **err);

/* LV_OK: a sample; LV_DECLINED: no more; LV_ERROR: damaged, m->err. */
int lv_fmp4_next(lv_fmp4_moof_t *m, lv_fmp4_read_sample_t *s);

#endif

/*
 * FLAC (RFC 9639): the STREAMINFO metadata block (8.2), the 'dfLa' box
 * (Encapsulation of FLAC in ISO Base Media File Format 3.3.2) and a frame's
 * block size (9.1).
 */

#ifndef LV_FLAC_H
#define LV_FLAC_H

#include "lv_base.h"

#define LV_FLAC_INFO        34
#define LV_FLAC_DFLA        (4 + 4 + LV_FLAC_INFO)
#define LV_FLAC_HEADER_MAX  16      /* of a frame */
#define LV_FLAC_SAMPLES_MAX 16384   /* of a frame that is carried */

typedef struct {
    uint32_t  sample_rate;
    uint8_t   channels;
    uint8_t   bits;
    uint16_t  block_min, block_max;  /* samples */
    uint8_t   info[LV_FLAC_INFO];    /* the block as it came, without what is
                                        known only at the end of a file */
} lv_flac_t;

/* "fLaC" and metadata blocks, or the block alone, with or without its header.
 * LV_ERROR with *err: damaged, or frames too long. */
int lv_flac_info_parse(lv_flac_t *f, const uint8_t *p, size_t len,
    const char **err);

/* The contents of the 'dfLa' box (version and flags included). */
void lv_flac_dfla(const lv_flac_t *f, uint8_t out[LV_FLAC_DFLA]);

/* Samples of a frame, of which LV_FLAC_HEADER_MAX bytes (or all) are at p; 0:
 * not a frame. */
uint32_t lv_flac_samples(const uint8_t *p, size_t len);

#endif

/*
 * Writes fragmented MP4 (ISO/IEC 14496-12, CMAF: ISO/IEC 23000-19) into
 * memory that the caller gives: init sections and the heads of parts.
 *
 * A part is moof + mdat header (made here) and then the samples, which lie in
 * the store already. One moof has one traf with one trun; offsets count from
 * the moof (default-base-is-moof), so that parts of different tracks can be
 * chained as they are. Fields of the trun are there only where samples differ.
 */

#ifndef LV_FMP4_H
#define LV_FMP4_H

#include "lv_base.h"

#define LV_FOURCC(a, b, c, d)                                                 \
    ((uint32_t) (a) << 24 | (uint32_t) (b) << 16 | (uint32_t) (c) << 8        \
     | (uint32_t) (d))

#define LV_FMP4_TRACKS      8       /* in one init section */
#define LV_FMP4_CONFIG_MAX  2048    /* bytes of codec configuration */
#define LV_FMP4_INIT_MAX    4096    /* enough for an init section of two tracks
                                       with configurations of 512 bytes */

typedef struct {
    uint32_t        track_id;
    uint32_t        timescale;
    uint32_t        fourcc;          /* of the sample entry: 'avc1', … */
    bool            video;
    uint32_t        width, height;
    uint32_t        sample_rate, channels;
    const char     *language;        /* ISO 639-2/T, or NULL: "und" */
    const uint8_t  *config;          /* contents of avcC, hvcC, av1C, dOps,
                                        dac3, dec3, dfLa (with its version);
                                        'mp4a': an AudioSpecificConfig, or what
                                        lv_mp3.h says */
    size_t          config_len;
} lv_fmp4_track_t;

/* Is there a configuration box for this sample entry? */
bool lv_fmp4_known(uint32_t fourcc);

/* ftyp and moov of n tracks. Returns the length, or LV_ERROR: it does not fit,
 * or a sample entry is unknown. */
int lv_fmp4_init(uint8_t *buf, size_t size, const lv_fmp4_track_t *track,
    unsigned n);

/* One init section with the tracks of several, of one track each, that
 * lv_fmp4_init() made. Returns the length or LV_ERROR. */
int lv_fmp4_init_merge(uint8_t *buf, size_t size, const lv_str_t *init,
    unsigned n);

typedef struct {
    uint32_t  size;
    uint32_t  duration;              /* timescale */
    int32_t   cts;                   /* timescale, may be negative */
    bool      key;
} lv_fmp4_sample_t;

/* The most bytes that a head of n samples can need. */
static inline size_t
lv_fmp4_head_max(unsigned n)
{
    return 8 + 16 + 8 + 28 + 20 + 24 + (size_t) n * 16 + 8;
}

/* moof and mdat header in front of n samples (n >= 1) of a track. Returns the
 * length, or LV_ERROR: it does not fit. */
int lv_fmp4_head(uint8_t *buf, size_t size, uint32_t sequence,
    uint32_t track_id, uint64_t tfdt, const lv_fmp4_sample_t *s, unsigned n);

#endif

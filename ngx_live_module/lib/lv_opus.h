/*
 * Opus: the identification header (RFC 7845 5.1), the 'dOps' box
 * (Encapsulation of Opus in ISO Base Media File Format 4.3.2) and a packet's
 * duration (RFC 6716 3.1). Opus counts in 48 kHz, whatever it was made from.
 */

#ifndef LV_OPUS_H
#define LV_OPUS_H

#include "lv_base.h"

#define LV_OPUS_RATE        48000
#define LV_OPUS_SAMPLES     960     /* of a packet, as nearly everybody sends */
#define LV_OPUS_SAMPLES_MAX 5760    /* 120 ms */
#define LV_OPUS_HEAD_MAX    (21 + 8)
#define LV_OPUS_CHANNELS    8       /* of families 0 and 1 */

typedef struct {
    uint8_t   channels;
    uint16_t  pre_skip;          /* samples at 48 kHz */
    uint32_t  input_rate;        /* of what was encoded; a hint */
    int16_t   gain;              /* dB in Q7.8 */
    uint8_t   family;            /* 0 mono or stereo, 1 Vorbis order */
    uint8_t   streams, coupled;  /* family 1 */
    uint8_t   mapping[LV_OPUS_CHANNELS];
} lv_opus_t;

/* "OpusHead" … . LV_ERROR with *err: damaged, or a family without a defined
 * channel order. */
int lv_opus_head_parse(lv_opus_t *o, const uint8_t *p, size_t len,
    const char **err);

/* Without a header (MPEG-TS, or a sender that sends none): 1 … 8 channels. */
int lv_opus_default(lv_opus_t *o, unsigned channels);

/* The contents of the 'dOps' box; `out` has LV_OPUS_HEAD_MAX bytes. Returns
 * the length. */
size_t lv_opus_dops(const lv_opus_t *o, uint8_t *out);

/* Samples at 48 kHz of a packet of `len` bytes, of which at least two (or all)
 * are at p; 0: not a packet. */
uint32_t lv_opus_samples(const uint8_t *p, size_t len);

/* A packet of so many samples that decodes to zeros, for a track with this
 * 'dOps' box. `out` has LV_OPUS_SILENCE_MAX bytes. Returns the length, or
 * LV_DECLINED: several streams in a packet, or no such length. */
#define LV_OPUS_SILENCE_MAX  16
int lv_opus_silence(uint8_t *out, const uint8_t *dops, size_t len,
    uint32_t samples);

#endif

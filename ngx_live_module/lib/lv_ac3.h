/*
 * AC-3 and Enhanced AC-3 (ETSI TS 102 366): the head of a synchronisation frame
 * (4.3, 4.4, E.1.2) and the 'dac3' and 'dec3' boxes (F.4, F.6).
 */

#ifndef LV_AC3_H
#define LV_AC3_H

#include "lv_base.h"

#define LV_AC3_HEADER      8        /* bytes that are needed */
#define LV_AC3_CONFIG_MAX  5

typedef struct {
    bool      enhanced;          /* E-AC-3 */
    uint8_t   fscod;             /* as in the boxes */
    uint8_t   bsid, bsmod, acmod, lfe;
    uint8_t   rate_code;         /* AC-3: bit_rate_code */
    uint8_t   stream_type;       /* E-AC-3: 0 independent, 1 dependent */
    uint8_t   substream;
    uint32_t  sample_rate;
    uint32_t  channels;          /* LFE included */
    uint32_t  samples;           /* AC-3: 1536; E-AC-3: 256 … 1536 */
    uint32_t  frame_len;         /* bytes */
    uint32_t  kbps;
} lv_ac3_t;

/* Needs LV_AC3_HEADER bytes. LV_ERROR: not a frame. */
int lv_ac3_parse(lv_ac3_t *a, const uint8_t *p, size_t len);

/* The contents of the 'dac3' (3 bytes) or 'dec3' (5 bytes: one independent
 * substream) box. Returns the length. */
size_t lv_ac3_config(const lv_ac3_t *a, uint8_t out[LV_AC3_CONFIG_MAX]);

/* Is it the same configuration? The bit rate may differ. */
bool lv_ac3_same(const lv_ac3_t *a, const lv_ac3_t *b);

#endif

/*
 * AAC in LATM, as LOAS carries it: AudioSyncStream() and AudioMuxElement(1) of
 * ISO/IEC 14496-3 1.7. One program, one layer, frames of a length that stands
 * in front of them: what broadcasters send. Anything else is refused.
 */

#ifndef LV_LATM_H
#define LV_LATM_H

#include "lv_aac.h"
#include "lv_base.h"

#define LV_LOAS_HEADER      3
#define LV_LOAS_MAX         (LV_LOAS_HEADER + 8191)
#define LV_LATM_FRAMES      16       /* of an element; more are refused */

typedef struct {
    bool      configured;        /* a StreamMuxConfig() has come */
    bool      other;             /* otherDataPresent */
    uint32_t  other_bits;
    uint8_t   frames;            /* numSubFrames + 1 */
    uint8_t   config_len;
    uint8_t   config[LV_AAC_CONFIG_MAX];     /* AudioSpecificConfig */
} lv_latm_t;

/* The length of the frame that begins here, header included, or LV_ERROR: none
 * does. Needs LV_LOAS_HEADER bytes. */
int lv_loas_len(const uint8_t *p, size_t n);

/*
 * Reads an AudioMuxElement(), what stands behind a LOAS header. The frames'
 * bytes go to `out` one after the other (it has room for n bytes), their
 * lengths to `len`; returns how many there are. LV_DECLINED: no configuration
 * has come yet. LV_ERROR with *err: damaged, or of a kind that is refused.
 */
int lv_latm_read(lv_latm_t *l, const uint8_t *p, size_t n, uint8_t *out,
    uint16_t len[LV_LATM_FRAMES], const char **err);

#endif

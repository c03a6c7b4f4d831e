/*
 * Silent AAC frames: raw_data_block()s (ISO/IEC 14496-3 4.4.2.1) that decode to
 * zeros, for the channel layout that an AudioSpecificConfig tells. No spectral
 * data at all: max_sfb is 0 in every channel element.
 */

#ifndef LV_AAC_SILENCE_H
#define LV_AAC_SILENCE_H

#include "lv_base.h"

#define LV_AAC_SILENCE_MAX  64

/* Writes the frame for that configuration and returns its length, or
 * LV_DECLINED: an object type whose frames have another syntax, or more
 * elements than anybody uses. */
int lv_aac_silence(uint8_t out[LV_AAC_SILENCE_MAX], const uint8_t *config,
    size_t config_len);

#endif

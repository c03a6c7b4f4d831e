/*
 * HEVC configuration: the HEVCDecoderConfigurationRecord (ISO/IEC 14496-15
 * 8.3.3.1) and what a sequence parameter set says (ITU-T H.265 7.3.2.2, Annex
 * E). The twin of lv_avc.h.
 */

#ifndef LV_HEVC_H
#define LV_HEVC_H

#include "lv_base.h"
#include "lv_nal.h"

#define LV_HEVC_HEADER       2      /* bytes of a NAL unit's header */
#define LV_HEVC_CODEC_LEN    32     /* a codec string, with its end */

/* H.265 Table 7-1 */
enum {
    LV_HEVC_VCL_LAST = 31,
    LV_HEVC_BLA = 16,
    LV_HEVC_IDR_W_RADL = 19,
    LV_HEVC_IDR_N_LP = 20,
    LV_HEVC_CRA = 21,
    LV_HEVC_VPS = 32,
    LV_HEVC_SPS = 33,
    LV_HEVC_PPS = 34,
    LV_HEVC_AUD = 35,
    LV_HEVC_END_SEQUENCE = 36,
    LV_HEVC_END_STREAM = 37,
    LV_HEVC_FILLER = 38,
    LV_HEVC_SEI_PREFIX = 39,
    LV_HEVC_SEI_SUFFIX = 40
};

/* Of the first byte of a NAL unit. */
static inline unsigned
lv_hevc_type(uint8_t head)
{
    return (head >> 1) & 0x3f;
}

/* A picture at which decoding can begin: IDR, BLA, CRA. */
static inline bool
lv_hevc_is_key(unsigned type)
{
    return type >= LV_HEVC_BLA && type <= LV_HEVC_CRA;
}

/* What an SPS says. */
typedef struct {
    uint8_t   profile_space;     /* 0 … 3 */
    uint8_t   tier;              /* 0 main, 1 high */
    uint8_t   profile;           /* 1 Main, 2 Main 10, 4 RExt, … */
    uint32_t  compatibility;     /* as in the record, flag 0 first */
    uint8_t   constraints[6];
    uint8_t   level;             /* 30 times the level */
    uint8_t   id;
    uint8_t   vps_id;
    uint8_t   layers;            /* temporal: 1 … 7 */
    bool      nested;            /* temporal ids */
    uint8_t   chroma_format;     /* 0 mono, 1 4:2:0, 2 4:2:2, 3 4:4:4 */
    uint8_t   luma_bits, chroma_bits;
    uint32_t  coded_width, coded_height;
    uint32_t  width, height;     /* in the conformance window */
    uint32_t  sar_width, sar_height;    /* 1:1 where not said */
    uint32_t  display_width;     /* width in square pixels */
    uint32_t  rate_milli;        /* from VUI timing, a hint; 0: not said, or out
                                    of reason */
    uint8_t   transfer;          /* transfer_characteristics (ISO/IEC 23091-2),
                                    2: not said */
} lv_hevc_sps_t;

typedef lv_nal_config_t  lv_hevc_config_t;

/* Parses an SPS NAL unit (header first, emulation prevention bytes still in).
 * LV_ERROR: not an SPS of the base layer, truncated, or out of the standard's
 * limits. */
int lv_hevc_sps_parse(lv_hevc_sps_t *sps, const uint8_t *nal, size_t len);

/* The id of a VPS, SPS or PPS NAL unit, or LV_ERROR. */
int lv_hevc_set_id(const uint8_t *nal, size_t len);

/* Reads a record as an encoder sent it (or parameter sets with start codes in
 * its place) into normal form: arrays of VPS, SPS and PPS, complete (as 'hvc1'
 * wants), nothing else. *length_size is 1, 2 or 4 (3 is read, too; 4 for start
 * codes). LV_DECLINED: one of the three is not in it yet. LV_ERROR with *err:
 * damaged. */
int lv_hevc_config_read(lv_hevc_config_t *c, const uint8_t *p, size_t len,
    uint8_t *length_size, const char **err);

/* Adds a parameter set NAL unit, or replaces the one with its type and id.
 * LV_OK: changed; LV_DECLINED: it was in there already; LV_ERROR: not a usable
 * set, or no room. c may be empty. */
int lv_hevc_config_set(lv_hevc_config_t *c, const uint8_t *nal, size_t len);

/* It has a VPS, an SPS and a PPS. */
bool lv_hevc_config_complete(const lv_hevc_config_t *c);

/* The n-th set of a type (LV_HEVC_VPS, …); NULL: no more. */
const uint8_t *lv_hevc_config_get(const lv_hevc_config_t *c, unsigned type,
    unsigned n, size_t *len);

/* ISO/IEC 14496-15 E.3: "hvc1.1.6.L93.B0". `out` has LV_HEVC_CODEC_LEN
 * bytes; constraint bytes that do not fit are left out. */
void lv_hevc_codec_string(const lv_hevc_sps_t *sps, char *out);

#endif

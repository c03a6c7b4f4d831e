/*
 * H.264 configuration: the AVCDecoderConfigurationRecord (ISO/IEC 14496-15
 * 5.3.3.1) and what a sequence parameter set says (ISO/IEC 14496-10 7.3.2.1.1,
 * Annex E).
 */

#ifndef LV_AVC_H
#define LV_AVC_H

#include "lv_base.h"
#include "lv_nal.h"

#define LV_AVC_SET_MAX      LV_NAL_SET_MAX
#define LV_AVC_CONFIG_MAX   LV_NAL_CONFIG_MAX

enum {
    LV_NAL_SLICE = 1,
    LV_NAL_PARTITION_A = 2,
    LV_NAL_IDR = 5,
    LV_NAL_SEI = 6,
    LV_NAL_SPS = 7,
    LV_NAL_PPS = 8,
    LV_NAL_AUD = 9,
    LV_NAL_END_SEQUENCE = 10,
    LV_NAL_END_STREAM = 11,
    LV_NAL_FILLER = 12
};

/* What an SPS says. */
typedef struct {
    uint8_t   profile;
    uint8_t   constraints;       /* constraint_set flags, as in avcC */
    uint8_t   level;
    uint8_t   id;
    uint8_t   chroma_format;     /* 0 mono, 1 4:2:0, 2 4:2:2, 3 4:4:4 */
    uint8_t   luma_bits, chroma_bits;
    bool      interlaced;        /* frame_mbs_only_flag 0 */
    uint32_t  coded_width, coded_height;
    uint32_t  width, height;     /* after cropping */
    uint32_t  sar_width, sar_height;    /* 1:1 where not said */
    uint32_t  display_width;     /* width in square pixels */
    uint32_t  rate_milli;        /* from VUI timing, a hint; 0: not said, or out
                                    of reason */
} lv_avc_sps_t;

/* In normal form, with the profile extension where the profile has one. */
typedef lv_nal_config_t  lv_avc_config_t;

bool lv_avc_profile_is_avc(unsigned profile_idc);
/* … whose SPS and record carry the chroma format. */
bool lv_avc_profile_is_high(unsigned profile_idc);

/* Parses an SPS NAL unit (header byte first, emulation prevention bytes still
 * in). LV_ERROR: not an SPS, truncated, or out of the standard's limits. */
int lv_avc_sps_parse(lv_avc_sps_t *sps, const uint8_t *nal, size_t len);

/* The id of an SPS or PPS NAL unit, or LV_ERROR. */
int lv_avc_set_id(const uint8_t *nal, size_t len);

/* Reads a record as an encoder sent it (or parameter sets with start codes in
 * its place) into normal form. *length_size is 1, 2 or 4 (3 is read, too; 4
 * for start codes). LV_DECLINED: it has no SPS or no PPS yet. LV_ERROR with
 * *err: damaged. */
int lv_avc_config_read(lv_avc_config_t *c, const uint8_t *p, size_t len,
    uint8_t *length_size, const char **err);

/* Is it HEVC's record, or HEVC's parameter sets with start codes? Some send
 * those under H.264's codec id. */
bool lv_avc_config_is_hevc(const uint8_t *p, size_t len);

/* Adds a parameter set NAL unit, or replaces the one with its type and id.
 * LV_OK: changed; LV_DECLINED: it was in there already; LV_ERROR: not a usable
 * set, or no room. c may be empty. */
int lv_avc_config_set(lv_avc_config_t *c, const uint8_t *nal, size_t len);

/* It has an SPS and a PPS. */
bool lv_avc_config_complete(const lv_avc_config_t *c);

/* The n-th set of a type (LV_NAL_SPS, LV_NAL_PPS); NULL: no more. */
const uint8_t *lv_avc_config_get(const lv_avc_config_t *c, unsigned type,
    unsigned n, size_t *len);

/* RFC 6381: "avc1.PPCCLL". `out` has 12 bytes. */
void lv_avc_codec_string(const lv_avc_sps_t *sps, char *out);

#endif

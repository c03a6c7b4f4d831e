/*
 * What H.264 and HEVC have in common: a decoder configuration record that is
 * made of parameter sets (ISO/IEC 14496-15 5.3.3.1, 8.3.3.1), and supplemental
 * enhancement information (ISO/IEC 14496-10 and 23008-2, 7.3.2.3 and Annex D:
 * the payload types below are the same in both).
 */

#ifndef LV_NAL_H
#define LV_NAL_H

#include "lv_base.h"

#define LV_NAL_SET_MAX      1024    /* one parameter set */
#define LV_NAL_CONFIG_MAX   1024    /* a record that is kept */

/* A record in normal form: 4 byte lengths, parameter sets in the order of
 * their first coming. Equal content gives equal bytes. */
typedef struct {
    uint16_t  len;               /* 0: none */
    uint8_t   data[LV_NAL_CONFIG_MAX];
} lv_nal_config_t;

static inline bool
lv_nal_config_equal(const lv_nal_config_t *a, const lv_nal_config_t *b)
{
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

#define LV_SEI_USER_DATA_T35   4
#define LV_SEI_RECOVERY_POINT  6

/* The bytes of an SEI NAL unit behind its header, emulation prevention bytes
 * still in. Has it a message of this payload type? */
bool lv_sei_has(const uint8_t *p, size_t len, unsigned payload_type);

/* The captions (ATSC A/53 part 4) that it has, LV_CAPTIONS_*; padding, which
 * encoders send while nobody speaks, is none. */
unsigned lv_sei_captions(const uint8_t *p, size_t len);

#endif

/*
 * AAC configuration: AudioSpecificConfig (ISO/IEC 14496-3 1.6.2.1) and ADTS
 * headers (14496-3 1.A.2.2).
 */

#ifndef LV_AAC_H
#define LV_AAC_H

#include "lv_base.h"

#define LV_AAC_CONFIG_MAX   64      /* an AudioSpecificConfig that is kept */
#define LV_ADTS_MIN         7
#define LV_ADTS_MAX         9       /* with CRC */

enum {
    LV_AOT_MAIN = 1,
    LV_AOT_LC = 2,
    LV_AOT_SBR = 5,
    LV_AOT_ER_LD = 23,
    LV_AOT_PS = 29,
    LV_AOT_ER_ELD = 39
};

typedef struct {
    uint8_t   object_type;       /* of the core: 2 LC, … */
    bool      sbr, ps;           /* said explicitly, in either way */
    uint8_t   channel_config;    /* as in the config, 0: a PCE says */
    uint32_t  channels;          /* that come out: PS makes 2 of 1 */
    uint32_t  core_rate;
    uint32_t  sample_rate;       /* of the output: with SBR the extension's */
    uint32_t  frame_samples;     /* at sample_rate: 1024, 960, 2048, … */
} lv_aac_t;

/* LV_ERROR with *err: truncated, or nothing that can be played. SBR that is
 * not said (implicit) is not guessed: core rate and 1024 then, which is the
 * same duration. */
int lv_aac_config_parse(lv_aac_t *a, const uint8_t *p, size_t len,
    const char **err);

/* The same; *bits is how long it is, for where other things follow it. */
int lv_aac_config_bits(lv_aac_t *a, const uint8_t *p, size_t len,
    size_t *bits, const char **err);

/* RFC 6381: "mp4a.40.2", ".5" SBR, ".29" PS. `out` has 12 bytes. */
void lv_aac_codec_string(const lv_aac_t *a, char *out);

typedef struct {
    uint32_t  header_len;        /* 7 or 9 */
    uint32_t  frame_len;         /* header included */
    uint32_t  blocks;            /* raw data blocks: 1 … 4 */
    uint8_t   config[2];         /* the AudioSpecificConfig it amounts to */
} lv_adts_t;

/* Needs LV_ADTS_MIN bytes. LV_DECLINED: not ADTS. A header whose channel
 * configuration is 0 (a PCE follows) is declined, too. */
int lv_adts_parse(lv_adts_t *h, const uint8_t *p, size_t len);

#endif

/*
 * MPEG-1 and MPEG-2 audio layer III: a frame's header (ISO/IEC 11172-3 2.4.1.3,
 * 13818-3 2.4.2.3). In MP4 it is an 'mp4a' sample entry with the object type
 * 0x6b or 0x69 and no decoder specific information (14496-1 7.2.6.6); RFC 6381
 * names them "mp4a.6B" and "mp4a.69".
 *
 * As a track's configuration (lv_fmp4.h) stands its header: no
 * AudioSpecificConfig begins like one, as 11 bits set would be an audio object
 * type that does not exist.
 */

#ifndef LV_MP3_H
#define LV_MP3_H

#include "lv_base.h"

#define LV_MP3_HEADER  4

typedef struct {
    bool      mpeg2;             /* MPEG-2 or 2.5: half the rates */
    uint32_t  sample_rate;
    uint32_t  channels;
    uint32_t  samples;           /* 1152, MPEG-2: 576 */
    uint32_t  frame_len;         /* bytes, header included */
    uint32_t  kbps;
    uint8_t   config[LV_MP3_HEADER];    /* without what changes from frame to
                                           frame */
} lv_mp3_t;

/* Needs LV_MP3_HEADER bytes. LV_ERROR: not layer III, or free format. */
int lv_mp3_parse(lv_mp3_t *m, const uint8_t *p, size_t len);

/* Is an 'mp4a' configuration MP3's? */
static inline bool
lv_mp3_is_config(const uint8_t *p, size_t len)
{
    return len == LV_MP3_HEADER && p[0] == 0xff && (p[1] & 0xe0) == 0xe0;
}

/* "mp4a.6B"; `out` has 12 bytes. */
void lv_mp3_codec_string(const lv_mp3_t *m, char *out);

#endif

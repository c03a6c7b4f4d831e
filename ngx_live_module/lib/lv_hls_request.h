/*
 * What a player asks for: the path behind the location's prefix, and the
 * delivery directives (RFC 8216bis 6.2.5).
 *
 *     [~token/]{stream}/index.m3u8
 *     [~token/]{stream}/{rendition}/index.m3u8
 *                                   init-{msn}.mp4
 *                                   {msn}.m4s
 *                                   {msn}.{part}.m4s
 *
 * Names have one spelling only (no leading zeros, no escapes), so that a
 * cache never holds the same bytes twice. Nothing is copied: the strings
 * point into what was parsed.
 */

#ifndef LV_HLS_REQUEST_H
#define LV_HLS_REQUEST_H

#include "lv_base.h"

typedef enum {
    LV_HLS_MULTIVARIANT = 1,
    LV_HLS_MEDIA,
    LV_HLS_INIT,
    LV_HLS_SEGMENT,
    LV_HLS_PART
} lv_hls_kind_t;

typedef struct {
    lv_hls_kind_t  kind;
    lv_str_t       stream;
    lv_str_t       rendition;    /* empty for the multivariant playlist */
    uint32_t       msn;
    uint32_t       part;
} lv_hls_path_t;

/* LV_DECLINED: no such name can exist (404). */
int lv_hls_path_parse(const uint8_t *p, size_t len, lv_hls_path_t *path);

typedef struct {
    bool      has_msn;
    bool      has_part;
    bool      skip;              /* _HLS_skip=YES or v2 */
    uint32_t  msn;
    uint32_t  part;
} lv_hls_query_t;

/* Other parameters, and directives that are not known, are passed over.
 * LV_ERROR: 400, with *err. */
int lv_hls_query_parse(const uint8_t *p, size_t len, lv_hls_query_t *q,
    const char **err);

#endif

/* Between the files of lv_fmp4_publish.h; nobody else includes this. */

#ifndef LV_FMP4_PUBLISH_PRIV_H
#define LV_FMP4_PUBLISH_PRIV_H

#include "lv_fmp4.h"
#include "lv_fmp4_publish.h"

#define LV_FMP4_HEAD  32             /* of a message, and of a box */

typedef enum {
    LV_FMP4_S_BOX = 0,               /* the head of a box */
    LV_FMP4_S_KEEP,                  /* moov or moof: kept */
    LV_FMP4_S_MEDIA,                 /* mdat of one track: as it comes */
    LV_FMP4_S_MIXED,                 /* mdat of several: kept to its end */
    LV_FMP4_S_SKIP
} lv_fmp4_state_e;

typedef struct {
    uint32_t  id;
    uint32_t  timescale;
    uint32_t  fourcc;
    uint8_t   type;                  /* LV_FLV_*, 0: not used */
    uint8_t   index;
} lv_fmp4_from_t;

typedef struct {
    uint64_t  offset;                /* from the moof's first byte */
    uint64_t  tfdt;
    uint64_t  time_us;
    uint32_t  size;
    int32_t   cts;
    uint16_t  order;                 /* as listed: a sort must keep it */
    uint8_t   track;
    bool      key;
} lv_fmp4_taken_t;

struct lv_fmp4_publish_s {
    lv_fmp4_state_e  state;
    const char  *err;
    uint32_t     type;               /* of the box */
    uint64_t     left;               /* bytes of it to come */
    bool         begun;              /* a box has been seen */
    uint64_t     at;                 /* from the moof's first byte */
    uint64_t     media_at;           /* … of what is kept of an mdat */
    unsigned     head_len;
    uint8_t      head[LV_FMP4_HEAD];

    uint8_t     *box;
    size_t       box_len, box_size;

    unsigned     tracks;
    lv_fmp4_from_t  track[LV_FMP4_TRACKS];

    lv_fmp4_taken_t  *sample;
    unsigned     samples, next;
    bool         mixed;              /* they are of several tracks */
    uint32_t     sample_left;        /* of the open one; 0: none is open */
    uint64_t     count;

    lv_flv_t     flv;
};

/* All return LV_OK or LV_ERROR, t->err then being set. A sample begins; its
 * bytes, and its end, are lv_flv_data()'s and lv_flv_end()'s. */
int lv_fmp4_message_begin(lv_fmp4_publish_t *t, lv_packager_t *p,
    const lv_fmp4_taken_t *s, uint64_t now_ms);
int lv_fmp4_message_config(lv_fmp4_publish_t *t, lv_packager_t *p,
    const lv_fmp4_from_t *tr, const lv_fmp4_track_t *m, uint64_t now_ms);
/* What lv_flv.h says is the error. */
int lv_fmp4_message_failed(lv_fmp4_publish_t *t);

#endif

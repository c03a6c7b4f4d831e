/*
 * A publisher's MPEG transport stream as frames for the packager: the demuxer
 * of lv_ts.h, clean times (lv_timeline.h), the first usable video and the first
 * usable audio stream of the program. What lv_flv.h is for RTMP.
 *
 *   lv_ts_publish_data(t, packager, bytes, n, now_ms) …    as they come
 *   lv_ts_publish_flush() when the sender said goodbye, or
 *   lv_ts_publish_abort() when it is lost; before the packager is finished,
 *                         lost or destroyed
 *
 * lv_ts_publish_data() returns LV_OK or LV_ERROR. LV_ERROR ends the publishing:
 * lv_ts_publish_error() says why in words for the log and the sender's user,
 * lv_ts_publish_displaced() whether it is because the packager was displaced;
 * the only calls allowed then are _abort() and _destroy().
 *
 * Errors are: displaced; a program without a stream that can be carried (video
 * codec not supported, or nothing but refused streams); scrambled; bytes that
 * are no transport stream (LV_TS_PUBLISH_JUNK bytes without a packet).
 */

#ifndef LV_TS_PUBLISH_H
#define LV_TS_PUBLISH_H

#include "lv_base.h"
#include "lv_packager.h"
#include "lv_timeline.h"
#include "lv_ts.h"

#define LV_TS_PUBLISH_JUNK  (256 * 1024)

typedef enum {
    LV_TSP_CONFIG = 1,       /* a track's configuration is new or changed */
    LV_TSP_REFUSED,          /* a stream cannot be carried, others go on; once
                                a codec */
    LV_TSP_BROKEN,           /* loss, or nonsense; once a LV_TS_TOLD_MS */
    LV_TSP_JUMP,             /* the encoder's clock jumped */
    LV_TSP_PROGRAM           /* which program is taken */
} lv_ts_publish_event_t;

typedef struct {
    uint16_t  program;           /* 0: the first with video */
    uint32_t  audio_margin_ms;   /* 0: the default of lv_timeline.h */
    uint32_t  jump_ms;           /* 0: the default */
    /* `text` lives for the call and is printable ASCII. */
    void    (*event)(void *ctx, lv_ts_publish_event_t ev, const char *text);
    /* Timed metadata; pts on the packager's clock. NULL: not wanted. */
    void    (*meta)(void *ctx, const lv_ts_meta_t *m);
    void     *ctx;
} lv_ts_publish_conf_t;

typedef struct {
    uint64_t  video_frames, audio_frames, key_frames;
    uint64_t  declined;          /* by the packager */
    uint64_t  late;              /* too far back in time */
    uint64_t  configs;
} lv_ts_publish_stat_t;

typedef struct lv_ts_publish_s  lv_ts_publish_t;

/* NULL: no memory. */
lv_ts_publish_t *lv_ts_publish_create(const lv_ts_publish_conf_t *conf);
void lv_ts_publish_destroy(lv_ts_publish_t *t);

int lv_ts_publish_data(lv_ts_publish_t *t, lv_packager_t *p,
    const uint8_t *data, size_t n, uint64_t now_ms);
int lv_ts_publish_flush(lv_ts_publish_t *t, lv_packager_t *p,
    uint64_t now_ms);
void lv_ts_publish_abort(lv_ts_publish_t *t);

const char *lv_ts_publish_error(const lv_ts_publish_t *t);
bool lv_ts_publish_displaced(const lv_ts_publish_t *t);
/* Audio minus video, as lv_timeline_t's skew_ms. */
int32_t lv_ts_publish_skew_ms(const lv_ts_publish_t *t);
const lv_ts_publish_stat_t *lv_ts_publish_stat(const lv_ts_publish_t *t);
const lv_ts_stat_t *lv_ts_publish_ts_stat(const lv_ts_publish_t *t);

#endif

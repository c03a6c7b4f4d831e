/*
 * A publisher's progressive fragmented MP4 as frames for the packager. What
 * lv_ts_publish.h is for transport streams; codecs, times and what is refused
 * are those of lv_flv.h, through which every sample goes.
 *
 *   lv_fmp4_publish_data(t, packager, bytes, n, now_ms) …   in any pieces
 *   lv_fmp4_publish_end() when the body is complete
 *   lv_fmp4_publish_abort() before the packager is finished, lost or
 *                           destroyed
 *
 * _data() and _end() return LV_OK or LV_ERROR. LV_ERROR ends the publishing:
 * _error() says why in words for the log and the sender's user, _displaced()
 * whether it is because the packager was displaced; the only calls allowed then
 * are _abort() and _destroy().
 *
 * One moov with all tracks, then moof and mdat. Offsets are from the moof's
 * first byte (default-base-is-moof). The samples of a moof of one track are
 * taken as their bytes come. Those of several tracks are kept until their mdat
 * is complete and go on by their times, in one mdat at most
 * LV_FMP4_PUBLISH_MIXED. Later moov boxes are new configurations.
 * All other boxes (styp, sidx, emsg, prft, uuid, mfra, …) are passed over.
 * Edit lists are not looked at.
 *
 * Sources: ISO/IEC 14496-12; lv_fmp4_read.h.
 */

#ifndef LV_FMP4_PUBLISH_H
#define LV_FMP4_PUBLISH_H

#include "lv_base.h"
#include "lv_flv.h"

#define LV_FMP4_PUBLISH_BOX      (256 * 1024)        /* moov, moof */
#define LV_FMP4_PUBLISH_SKIP     (16 * 1024 * 1024)  /* what is passed over */
#define LV_FMP4_PUBLISH_MIXED    (16 * 1024 * 1024)  /* see above */
#define LV_FMP4_PUBLISH_SAMPLES  8192                /* of a moof */

typedef struct lv_fmp4_publish_s  lv_fmp4_publish_t;

/* Events are lv_flv.h's; event may be NULL. NULL: no memory. */
lv_fmp4_publish_t *lv_fmp4_publish_create(lv_flv_event_pt event, void *ctx);
void lv_fmp4_publish_destroy(lv_fmp4_publish_t *t);

int lv_fmp4_publish_data(lv_fmp4_publish_t *t, lv_packager_t *p,
    const uint8_t *data, size_t n, uint64_t now_ms);
/* LV_ERROR: it ended inside of a box, or there was no media. */
int lv_fmp4_publish_end(lv_fmp4_publish_t *t);
void lv_fmp4_publish_abort(lv_fmp4_publish_t *t);

const char *lv_fmp4_publish_error(const lv_fmp4_publish_t *t);
bool lv_fmp4_publish_displaced(const lv_fmp4_publish_t *t);
/* Audio minus video, as lv_timeline_t's skew_ms. */
int32_t lv_fmp4_publish_skew_ms(const lv_fmp4_publish_t *t);
/* The latest time of any track on the packager's clock, in ms. */
int64_t lv_fmp4_publish_media_ms(const lv_fmp4_publish_t *t);
/* Samples that were given to lv_flv.h. */
uint64_t lv_fmp4_publish_samples(const lv_fmp4_publish_t *t);

#endif

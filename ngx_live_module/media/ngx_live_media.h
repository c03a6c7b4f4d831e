/* What the files of media/ share. */

#ifndef NGX_LIVE_MEDIA_H
#define NGX_LIVE_MEDIA_H

#include "ngx_live_core.h"
#include "lv_cluster.h"
#include "lv_packager.h"

/* Logs and counts an event of a packager, once. */
void ngx_live_media_event(ngx_log_t *log, const char *id, lv_pack_event_t ev,
    const char *text);

/* The stop of a publish whose worker died before it could say so: logs and
 * counts it, once. Its record in the stream still has a pid; a publish that
 * stopped properly has left 0 there. */
void ngx_live_publisher_died(lv_stream_t *s, ngx_log_t *log);

/* Tells the control plane, if there is one. The rest is the stream's own: its
 * publisher's, as it was last. */
void ngx_live_media_tell(lv_event_e type, lv_stream_t *s, const char *reason);

ngx_int_t ngx_live_publisher_init(void);
ngx_int_t ngx_live_filler_init(ngx_cycle_t *cycle);

#endif

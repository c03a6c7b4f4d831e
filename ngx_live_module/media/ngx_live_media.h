/* What the files of media/ share. */

#ifndef NGX_LIVE_MEDIA_H
#define NGX_LIVE_MEDIA_H

#include "ngx_live_core.h"
#include "lv_packager.h"

/* Logs and counts an event of a packager, once. */
void ngx_live_media_event(ngx_log_t *log, const char *id, lv_pack_event_t ev,
    const char *text);

ngx_int_t ngx_live_publisher_init(void);
ngx_int_t ngx_live_filler_init(ngx_cycle_t *cycle);
void ngx_live_filler_exit(void);

#endif

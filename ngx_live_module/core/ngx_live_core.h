/*
 * The live{} block and what every part of the module shares: the store's
 * handle in this process, the clock, the doorbell, the once-a-second look.
 *
 * Everything here is for worker processes (ngx_live_store() is NULL in the
 * master and in helper processes) and belongs to the event loop's thread.
 */

#ifndef NGX_LIVE_CORE_H
#define NGX_LIVE_CORE_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "lv_base.h"
#include "lv_store.h"

/* Settings that live{} gives to every server and location below it. Each can
 * be NGX_CONF_UNSET* there and is merged by ngx_live_media_conf_merge(). */
typedef struct {
    ngx_msec_t  part;               /* live_part */
    ngx_msec_t  segment;            /* live_segment */
    ngx_msec_t  window;             /* live_window */
    ngx_msec_t  resume;             /* live_resume */
    ngx_flag_t  muxed;              /* live_muxed */
    size_t      max_bitrate;        /* live_max_bitrate, bit/s */
} ngx_live_media_conf_t;

typedef struct {
    ngx_msec_t             drain_timeout;
    ngx_int_t              drain_max;  /* newer generations, see media/ */
    uint32_t               generation; /* when it was loaded, Unix seconds */
    ngx_live_media_conf_t  media;
    ngx_str_t              needed;     /* a directive that needs live{} */
    unsigned               used:1;     /* there is a live{} block */
} ngx_live_core_conf_t;

#define NGX_LIVE_VERSION  "0.1.0"

/* The context of directives inside live{}. */
#define NGX_LIVE_CONF  0x02000000

/* The media directives for any module's command table: `type` is where they
 * may stand, `conf` nginx's NGX_*_SRV_CONF_OFFSET, `base` the offset of a
 * ngx_live_media_conf_t in the module's configuration. */
#define NGX_LIVE_MEDIA_COMMAND(name, type, conf, slot, off)                   \
    { ngx_string(name), (type)|NGX_CONF_TAKE1, slot, conf, off, NULL }

#define NGX_LIVE_MEDIA_COMMANDS(type, conf, base)                             \
    NGX_LIVE_MEDIA_COMMAND("live_part", type, conf, ngx_conf_set_msec_slot,   \
                     (base) + offsetof(ngx_live_media_conf_t, part)),         \
    NGX_LIVE_MEDIA_COMMAND("live_segment", type, conf,                        \
                     ngx_conf_set_msec_slot,                                  \
                     (base) + offsetof(ngx_live_media_conf_t, segment)),      \
    NGX_LIVE_MEDIA_COMMAND("live_window", type, conf, ngx_conf_set_msec_slot, \
                     (base) + offsetof(ngx_live_media_conf_t, window)),       \
    NGX_LIVE_MEDIA_COMMAND("live_resume", type, conf, ngx_conf_set_msec_slot, \
                     (base) + offsetof(ngx_live_media_conf_t, resume)),       \
    NGX_LIVE_MEDIA_COMMAND("live_muxed", type, conf, ngx_conf_set_flag_slot,  \
                     (base) + offsetof(ngx_live_media_conf_t, muxed)),        \
    NGX_LIVE_MEDIA_COMMAND("live_max_bitrate", type, conf,                    \
                     ngx_conf_set_size_slot,                                  \
                     (base) + offsetof(ngx_live_media_conf_t, max_bitrate))

extern ngx_module_t  ngx_live_core_module;

/* The live{} configuration of a cycle, NULL without a live{} block. */
ngx_live_core_conf_t *ngx_live_core_conf(ngx_cycle_t *cycle);

/* The directive that is being read is of no use without a live{} block: the
 * configuration is refused when there is none. */
void ngx_live_core_need(ngx_conf_t *cf);

void ngx_live_media_conf_init(ngx_live_media_conf_t *conf);
void ngx_live_media_conf_merge(ngx_live_media_conf_t *conf,
    ngx_live_media_conf_t *prev);
/* What is still unset, from live{} or the defaults. */
void ngx_live_media_conf_get(ngx_cycle_t *cycle, ngx_live_media_conf_t *conf);
/* NGX_CONF_OK or what is wrong with a merged configuration. */
char *ngx_live_media_conf_check(ngx_live_media_conf_t *conf);

/* The open store of this worker, or NULL; set by store/. */
lv_store_t *ngx_live_store(void);
void ngx_live_store_set(lv_store_t *st);

/* Wall clock, Unix ms, from nginx's cached time. */
uint64_t ngx_live_now_ms(void);

/* Called at module load (from a module's init_process); at most 8 of each. */
typedef void (*ngx_live_dirty_pt)(lv_store_t *st, uint32_t stream);
typedef void (*ngx_live_second_pt)(lv_store_t *st, uint64_t now_ms);

/* A watched stream changed (lv_stream_watch), possibly in another process;
 * also called for each watched stream when a bell may have been missed. */
ngx_int_t ngx_live_on_dirty(ngx_live_dirty_pt handler);
/* About once a second, in every worker, exiting ones included. */
ngx_int_t ngx_live_on_second(ngx_live_second_pt handler);
/* The worker exits, however (not when it is killed): the store is still there,
 * connections may still be open. */
typedef void (*ngx_live_exit_pt)(lv_store_t *st);
ngx_int_t ngx_live_on_exit(ngx_live_exit_pt handler);

/* The bell rang, or may have been missed; after the handlers above. */
typedef void (*ngx_live_rung_pt)(lv_store_t *st);
ngx_int_t ngx_live_on_rung(ngx_live_rung_pt handler);

/* Run by store/ when the bell rang and by its timer. */
void ngx_live_run_dirty(uint32_t stream);
void ngx_live_run_rung(void);
void ngx_live_run_second(void);
void ngx_live_run_exit(void);

/* Numbers of the counters in the store (lv_counter_add), summed over workers
 * for /metrics. Names are in api/. */
enum {
    NGX_LIVE_C_PUBLISH_STARTED = 0,
    NGX_LIVE_C_PUBLISH_STOPPED,
    NGX_LIVE_C_PUBLISH_REFUSED_AUTH,
    NGX_LIVE_C_PUBLISH_REFUSED_BUSY,
    NGX_LIVE_C_PUBLISH_REFUSED_FULL,
    NGX_LIVE_C_PUBLISH_REFUSED_BAD,
    NGX_LIVE_C_PUBLISH_REFUSED_DRAIN,
    NGX_LIVE_C_PUBLISH_RESUMED,
    NGX_LIVE_C_PUBLISH_DISPLACED,
    NGX_LIVE_C_PUBLISH_KICKED,
    NGX_LIVE_C_INGEST_BYTES,
    NGX_LIVE_C_INGEST_FRAMES,
    NGX_LIVE_C_INGEST_DROPPED,
    NGX_LIVE_C_INGEST_ERRORS,
    NGX_LIVE_C_SRT_PACKETS,
    NGX_LIVE_C_SRT_RETRANSMITTED,
    NGX_LIVE_C_SRT_LOST,
    NGX_LIVE_C_SRT_DROPPED,
    NGX_LIVE_C_HLS_PLAYLISTS,
    NGX_LIVE_C_HLS_RENDERED,
    NGX_LIVE_C_HLS_SEGMENTS,
    NGX_LIVE_C_HLS_PARTS,
    NGX_LIVE_C_HLS_INITS,
    NGX_LIVE_C_HLS_BLOCKED,
    NGX_LIVE_C_HLS_TIMEOUTS,
    NGX_LIVE_C_HLS_NOT_FOUND,
    NGX_LIVE_C_HLS_BAD_REQUEST,
    NGX_LIVE_C_HLS_SENT_BYTES,
    NGX_LIVE_C_HLS_RESET_SLOW,
    NGX_LIVE_C_TOKEN_ACCEPTED,
    NGX_LIVE_C_TOKEN_REFUSED,
    NGX_LIVE_C_TOKEN_LIMITED,
    NGX_LIVE_C_STREAM_ENDED,
    NGX_LIVE_C_FILLED,
    NGX_LIVE_C_DECIDE_ACCEPTED,
    NGX_LIVE_C_DECIDE_REFUSED,
    NGX_LIVE_C_DECIDE_REMEMBERED,
    NGX_LIVE_C_DECIDE_FAILED,
    NGX_LIVE_C_COMMANDS,
    NGX_LIVE_C_CHAT_JOINED,
    NGX_LIVE_C_CHAT_LEFT,
    NGX_LIVE_C_CHAT_RECEIVED,
    NGX_LIVE_C_CHAT_ACCEPTED,
    NGX_LIVE_C_CHAT_REFUSED,
    NGX_LIVE_C_CHAT_BAD,
    NGX_LIVE_C_CHAT_LIMITED,
    NGX_LIVE_C_CHAT_SENT,
    NGX_LIVE_C_CHAT_WRITES,
    NGX_LIVE_C_CHAT_SENT_BYTES,
    NGX_LIVE_C_CHAT_SLOW,
    NGX_LIVE_C_CHAT_REACTIONS,
    NGX_LIVE_C_BUS_OUT,
    NGX_LIVE_C_BUS_IN,
    NGX_LIVE_C_BUS_DOUBLE,
    NGX_LIVE_C_BUS_FORGED,
    NGX_LIVE_C_BUS_DROPPED,
    NGX_LIVE_C_BUS_LOST,
    NGX_LIVE_C_BUS_CONNECTS,
    NGX_LIVE_C_CHAT_REVIEWED,
    NGX_LIVE_C_CHAT_REVIEW_FAILED,
    NGX_LIVE_C_FEED_PARTS,
    NGX_LIVE_C_FEED_SENT_BYTES,
    NGX_LIVE_C_FEED_SKIPPED,
    NGX_LIVE_C_FEED_RESET_SLOW,
    /* gauges: added and taken back by the same worker (lv_gauge_sum) */
    NGX_LIVE_GAUGES,
    NGX_LIVE_G_WAITING = NGX_LIVE_GAUGES,
    NGX_LIVE_G_PINNED,
    NGX_LIVE_G_FEEDS,
    NGX_LIVE_G_CHAT_MEMBERS,
    NGX_LIVE_G_CHAT_QUEUED,
    NGX_LIVE_COUNTERS
};

static ngx_inline void
ngx_live_count(ngx_uint_t counter, int64_t n)
{
    lv_store_t  *st = ngx_live_store();

    if (st != NULL) {
        lv_counter_add(st, (unsigned) counter, (uint64_t) n);
    }
}

#endif

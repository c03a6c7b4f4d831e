/*
 * RTMP in stream{}: the socket and nginx side of lv_rtmp_session.h.
 *
 *   ngx_live_rtmp_module.c     directives
 *   ngx_live_rtmp_session.c    one connection: read, write, time-outs, end
 *   ngx_live_rtmp_publish.c    the session's handlers: publish and media
 *   ngx_live_rtmp_pace.c       media that comes faster than it plays
 */

#ifndef NGX_LIVE_RTMP_H
#define NGX_LIVE_RTMP_H

#include "ngx_stream_live.h"
#include "lv_flv.h"
#include "lv_rtmp_session.h"

typedef struct {
    ngx_msec_t                timeout;           /* no media for so long */
    ngx_msec_t                handshake_timeout; /* until the publish */
} ngx_live_rtmp_conf_t;

typedef struct {
    ngx_stream_session_t        *session;
    ngx_connection_t            *connection;
    ngx_live_rtmp_conf_t        *conf;
    ngx_stream_live_srv_conf_t  *live;
    lv_rtmp_session_t           *rtmp;
    lv_flv_t                    *flv;          /* while publishing */
    ngx_live_publisher_t        *publisher;    /* while publishing */
    ngx_str_t                    stream;       /* id, once known */
    ngx_str_t                    encoder;
    ngx_live_decide_t           *deciding;     /* the control plane is asked */
    ngx_buf_t                   *held;         /* read, but behind the publish
                                                  that it is asked about */
    const char                  *reason;       /* why it ended, for the log */
    int64_t                      media_ms;     /* newest frame, see _pace.c */
    int64_t                      ahead_ms;     /* of the wall clock */
    ngx_msec_t                   paced_ms;     /* when that was reckoned */
    ngx_msec_t                   told_ms;      /* since when events are ... */
    ngx_uint_t                   told;         /* ... counted, for the log */
    unsigned                     progress:1;   /* a message came */
    unsigned                     closing:1;    /* only its end is left */
    unsigned                     lingering:1;  /* timer set for that */
    unsigned                     refused:1;
    unsigned                     displaced:1;
    unsigned                     paused:1;     /* too far ahead: not read */
    unsigned                     waiting:1;    /* for a decision: not read */
} ngx_live_rtmp_ctx_t;

extern ngx_module_t             ngx_live_rtmp_module;
extern const lv_rtmp_handler_t  ngx_live_rtmp_handler;

/* The stream{} content handler. */
void ngx_live_rtmp_init(ngx_stream_session_t *s);

/* Ends the connection's publish, if there is one. */
void ngx_live_rtmp_unpublish(ngx_live_rtmp_ctx_t *ctx, ngx_live_stop_e why,
    const char *text);

/* _pace.c: a publish begins; a message is complete; may the next one be used;
 * how long not to read (ms, 0: go on). */
void ngx_live_rtmp_pace_start(ngx_live_rtmp_ctx_t *ctx);
void ngx_live_rtmp_pace(ngx_live_rtmp_ctx_t *ctx);
ngx_uint_t ngx_live_rtmp_pace_ok(ngx_live_rtmp_ctx_t *ctx);
ngx_msec_t ngx_live_rtmp_pace_pause(ngx_live_rtmp_ctx_t *ctx);

/* The decision about a publish that on_publish left pending; then the session
 * goes on with what was held back. */
void ngx_live_rtmp_decided(void *data, ngx_int_t rc,
    ngx_live_publish_decision_t *decision);
void ngx_live_rtmp_go_on(ngx_live_rtmp_ctx_t *ctx);

/* A ngx_live_publish_t's close. */
void ngx_live_rtmp_closed(void *data, ngx_live_stop_e why);

#endif

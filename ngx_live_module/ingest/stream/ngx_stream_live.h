/*
 * What every protocol that publishes through stream{} shares: who may publish
 * on a server and with which settings, $live_stream and $live_reason, and the
 * way from a decision to a publisher.
 *
 * A protocol is a module of its own (ingest/rtmp, ingest/srt) whose directive
 * calls ngx_stream_live_take().
 */

#ifndef NGX_STREAM_LIVE_H
#define NGX_STREAM_LIVE_H

#include "ngx_live_core.h"
#include "ngx_live_decide.h"
#include "ngx_live_publish.h"
#include "ngx_live_publisher.h"

#include <ngx_stream.h>

typedef struct {
    const char               *directive;    /* that takes publishers here */
    ngx_live_publish_conf_t   publish;
    ngx_live_media_conf_t     media;
} ngx_stream_live_srv_conf_t;

/* What the variables show; a session's context under this module. */
typedef struct {
    ngx_str_t                *stream;       /* id, once known */
    const char              **reason;       /* why it ended */
} ngx_stream_live_ctx_t;

extern ngx_module_t  ngx_stream_live_module;

/* For a directive without arguments: this server's sessions are the
 * handler's. NGX_CONF_OK or what is wrong. */
char *ngx_stream_live_take(ngx_conf_t *cf, const char *directive,
    ngx_stream_content_handler_pt handler);

/* Sets the variables' context. */
ngx_int_t ngx_stream_live_show(ngx_stream_session_t *s, ngx_str_t *stream,
    const char **reason);

/*
 * After a decision that lets somebody publish: starts it. req has protocol,
 * encoder, close and data; the rest is filled in here. *stream becomes a copy
 * of the stream's id that lives as long as the connection. NULL: *reason says
 * why not, it has been logged.
 */
ngx_live_publisher_t *ngx_stream_live_start(ngx_stream_session_t *s,
    ngx_live_publish_decision_t *decision, ngx_live_publish_t *req,
    ngx_str_t *stream, const char **reason);

/* After a refusal: logs, counts and tells it. */
void ngx_stream_live_refused(ngx_stream_session_t *s, const char *protocol,
    const char *reason);

/* A copy of a text that lives as long as the connection: the log may want it
 * later. */
const char *ngx_stream_live_text(ngx_connection_t *c, const char *text);

#endif

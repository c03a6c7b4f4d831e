/*
 * Publishing over HTTP: a POST whose body is a fragmented MP4.
 *
 *   _module.c  the directive, who may publish
 *   _body.c    the body as it comes, the publisher, the answer
 */

#ifndef NGX_LIVE_INGEST_H
#define NGX_LIVE_INGEST_H

#include "ngx_live_core.h"
#include "ngx_live_decide.h"
#include "ngx_live_http.h"
#include "ngx_live_publish.h"
#include "ngx_live_publisher.h"
#include "lv_fmp4_publish.h"

typedef struct {
    ngx_uint_t                enabled;      /* live_ingest */
    ngx_live_publish_conf_t   publish;
    ngx_live_media_conf_t     media;
} ngx_live_ingest_conf_t;

/* A request that publishes; in the request's pool. */
typedef struct {
    ngx_http_request_t       *request;
    ngx_live_ingest_conf_t   *conf;
    ngx_live_decide_t        *deciding;
    ngx_live_publisher_t     *publisher;
    lv_fmp4_publish_t        *mp4;
    ngx_str_t                 name;         /* what follows the prefix */
    ngx_str_t                 stream;       /* its id, once it is accepted */
    ngx_str_t                 encoder;
    ngx_event_t               again;        /* reading goes on */

    uint64_t                  samples;      /* counted so far */
    ngx_uint_t                told;         /* lines for the log … */
    ngx_msec_t                told_ms;      /* … since then */

    /* how far the media is ahead of the clock */
    int64_t                   media_ms;
    int64_t                   ahead_ms;
    ngx_msec_t                paced_ms;
} ngx_live_ingest_t;

extern ngx_module_t  ngx_http_live_ingest_module;

/* What ngx_live_decide() says, at once or later. */
void ngx_live_ingest_decided(void *data, ngx_int_t rc,
    ngx_live_publish_decision_t *decision);
/* The end: the publisher is stopped, the request is answered. text is what the
 * log and the client are told. */
void ngx_live_ingest_finish(ngx_live_ingest_t *in, ngx_live_stop_e why,
    ngx_uint_t status, const char *text);
/* A pool's cleanup. */
void ngx_live_ingest_cleanup(void *data);

#endif

/*
 * One publisher of a stream, whatever its protocol: who may take a stream
 * over, the packager's clock, what is logged and counted. Ingest modules give
 * it frames through ngx_live_publisher_packager() and hear of the end.
 *
 * Every successful start has exactly one stop.
 */

#ifndef NGX_LIVE_PUBLISHER_H
#define NGX_LIVE_PUBLISHER_H

#include "ngx_live_core.h"
#include "lv_packager.h"

typedef struct ngx_live_publisher_s  ngx_live_publisher_t;

typedef enum {
    NGX_LIVE_STOP_LOST = 0,     /* without a word: the stream is filled */
    NGX_LIVE_STOP_FINISHED,     /* it said goodbye: ENDLIST */
    NGX_LIVE_STOP_DISPLACED,    /* another publisher has the stream now */
    NGX_LIVE_STOP_ERROR,        /* bad input: filled, as lost */
    NGX_LIVE_STOP_KICKED        /* by command: ENDLIST */
} ngx_live_stop_e;

typedef struct {
    ngx_str_t               id;           /* stream id, checked here */
    const char             *protocol;     /* "rtmp", "rtmps" */
    ngx_str_t              *addr;         /* text, without a port */
    ngx_str_t               encoder;      /* may be empty; made printable */
    uint8_t                 owner_key[32];  /* SHA-256 of the credential or,
                                             where there is none, the address */
    const char             *broadcast;    /* the control plane's name of it,
                                             or "" */
    ngx_live_media_conf_t  *media;
    ngx_log_t              *log;          /* the connection's, outlives it */
    /* Called when the stream was taken over, kicked (lv_stream_kicked() tells
     * why), or this worker has drained long enough: close the connection (and
     * call ngx_live_publisher_stop()). */
    void                  (*close)(void *data, ngx_live_stop_e why);
    void                   *data;
} ngx_live_publish_t;

/* NULL: refused. *reason is for the encoder's user; it has been logged. */
ngx_live_publisher_t *ngx_live_publisher_start(ngx_live_publish_t *req,
    const char **reason);
void ngx_live_publisher_stop(ngx_live_publisher_t *p, ngx_live_stop_e why,
    const char *text);

lv_packager_t *ngx_live_publisher_packager(ngx_live_publisher_t *p);

/* A publish that was refused before it got here; for the control plane. */
void ngx_live_publisher_refused(ngx_str_t *stream, const char *protocol,
    ngx_str_t *addr, const char *reason);

#endif

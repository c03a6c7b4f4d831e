/* What the files of api/ share. */

#ifndef NGX_HTTP_LIVE_MODULE_H
#define NGX_HTTP_LIVE_MODULE_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "lv_text.h"
#include "ngx_live_core.h"

/* A page has at most this many streams; the next page is asked for. */
#define NGX_LIVE_STATUS_LIMIT      100
#define NGX_LIVE_STATUS_LIMIT_MAX  500

/* About this nginx: kept by the master, inherited by its workers. */
typedef struct {
    time_t      started;        /* this binary, Unix s */
    time_t      loaded;         /* its configuration, the last time */
    ngx_uint_t  generation;     /* configurations it has loaded, from 1 */
} ngx_live_node_t;

/* Which streams a status page is about. */
typedef struct {
    ngx_str_t   stream;         /* the one of that id, or empty: all */
    ngx_uint_t  from;           /* directory index to begin at, from 1 */
    ngx_uint_t  limit;
} ngx_live_status_query_t;

/* Sends a text that outlives the request: no cache keeps it. */
ngx_int_t ngx_http_live_send(ngx_http_request_t *r, ngx_str_t *text,
    ngx_str_t *type);

/* ngx_live_control.c */
char *ngx_live_control_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* `viewers` has lv_stream_count() + 1 places, by directory index. */
void ngx_live_status_write(lv_text_t *t, lv_store_t *st,
    const ngx_live_node_t *node, const ngx_live_status_query_t *query,
    const uint32_t *viewers);
void ngx_live_metrics_write(lv_text_t *t, lv_store_t *st,
    const ngx_live_node_t *node, const uint32_t *viewers);

#endif

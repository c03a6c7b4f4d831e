/*
 * The decision whether someone may publish, whatever live_publish_auth says.
 * With a URL the control plane is asked:
 *
 *   200  it may; the answer names the stream, the owner and settings
 *   403  it may not; "detail" is what the encoder is told
 *   else it could not be asked (no connection, no answer in 2 s, 5xx): the
 *        same credential may publish if it was accepted in the last ten
 *        minutes, by any worker; a 403 ends that
 *
 * Other statuses (400, 401 …) are a fault of the configuration: refused.
 */

#ifndef NGX_LIVE_DECIDE_H
#define NGX_LIVE_DECIDE_H

#include "ngx_live_cluster.h"
#include "ngx_live_publish.h"

typedef struct ngx_live_decide_s  ngx_live_decide_t;

/* rc: NGX_OK or NGX_DECLINED, as ngx_live_publish_decide() */
typedef void (*ngx_live_decide_pt)(void *data, ngx_int_t rc,
    ngx_live_publish_decision_t *decision);

/* At the end of merging a place that does take publishers. */
char *ngx_live_decide_conf(ngx_conf_t *cf, ngx_live_publish_conf_t *conf);

/*
 * NGX_OK, NGX_DECLINED: decided at once. NGX_AGAIN: the handler will be
 * called, with *pending to cancel that.
 */
ngx_int_t ngx_live_decide(ngx_live_publish_conf_t *conf,
    ngx_live_publish_request_t *req, const char *protocol, ngx_str_t *addr,
    ngx_str_t *encoder, ngx_live_publish_decision_t *decision,
    ngx_live_decide_pt handler, void *data, ngx_live_decide_t **pending);
void ngx_live_decide_cancel(ngx_live_decide_t *pending);

#endif

/*
 * The node and its control plane: what live{} says of it.
 *
 *   ngx_live_cluster_module.c  directives; election of the worker that leads
 *   ngx_live_endpoint.c        a URL: addresses, TLS, kept-alive connections
 *   ngx_live_client.c          one HTTP request
 *   ngx_live_call_head.c       what it begins with, signed
 *   ngx_live_public.c          to URLs of users'
 *   ngx_live_decide.c          may this publish: live_publish_auth http://…
 *   ngx_live_heartbeat.c       what is told every two seconds, by the leader
 *   ngx_live_answer.c          and what is made of the answer
 *   ngx_live_command.c         commands, from the answer or live_control
 *   ngx_live_keystore.c        the last good signing keys, on disk
 *   ngx_live_chat_*.c          rooms: ngx_live_chat_sync.h
 *   ngx_live_redis*.c          a connection to Redis: ngx_live_redis.h
 *   ngx_live_bus*.c            rooms of several nodes: ngx_live_bus.h
 *
 * What workers share is in the store (lib/lv_cluster.h); what is here belongs
 * to one worker's event loop.
 */

#ifndef NGX_LIVE_CLUSTER_H
#define NGX_LIVE_CLUSTER_H

#include "ngx_live_client.h"
#include "ngx_live_core.h"
#include "ngx_live_keyfile.h"
#include "lv_cluster.h"

#define NGX_LIVE_BEAT_MS       2000     /* between heartbeats */
#define NGX_LIVE_BEAT_MIN_MS   500      /* what an answer may ask for */
#define NGX_LIVE_BEAT_MAX_MS   4000     /* … and the most while it is down: it
                                           is to work again 5 s after it came
                                           back */
#define NGX_LIVE_CALL_MS       2000     /* a request, with all it takes */

typedef struct ngx_live_redis_conf_s  ngx_live_redis_conf_t;

typedef struct {
    ngx_live_endpoint_t  *control;      /* live_control_plane, or NULL */
    ngx_str_t             node_id;      /* live_node_id */
    ngx_live_keyfile_t   *node_key;     /* live_node_key in live{}, or NULL */
    ngx_str_t             rtmp_url;     /* live_node_urls */
    ngx_str_t             http_url;
    ngx_str_t             ca;           /* live_control_ca */
    ngx_str_t             state_dir;    /* live_state_dir, or empty */
    ngx_live_redis_conf_t *redis;       /* live_redis, or NULL */
    ngx_resolver_t       *resolver;     /* live_resolver, or NULL */
    ngx_flag_t            review_private;  /* live_review_private */
#if (NGX_SSL)
    ngx_ssl_t            *public_tls;   /* for URLs of users' */
#endif
    ngx_array_t           endpoints;    /* ngx_live_endpoint_t * */
    time_t                started;
} ngx_live_cluster_conf_t;

extern ngx_module_t  ngx_live_cluster_module;

ngx_live_cluster_conf_t *ngx_live_cluster_conf(ngx_cycle_t *cycle);

/* ngx_live_heartbeat.c: called by the leader's timer; ms to the next call */
ngx_msec_t ngx_live_heartbeat(lv_store_t *st);
void ngx_live_heartbeat_stop(void);

/* ngx_live_answer.c: NGX_ERROR, *err: it was not understood. *interval in ms */
ngx_int_t ngx_live_answer(lv_store_t *st, ngx_str_t *body,
    ngx_msec_t *interval, const char **err);

/* ngx_live_keystore.c: DIR/keys.json. Blocking file I/O: the first when a
 * worker starts, the second in the leader, when the control plane has made
 * new keys (some times a year). */
void ngx_live_keystore_load(lv_store_t *st, ngx_live_cluster_conf_t *ccf,
    ngx_log_t *log);
void ngx_live_keystore_save(ngx_live_cluster_conf_t *ccf, const char *version,
    lv_str_t jwks, ngx_log_t *log);

#endif

/*
 * One connection to Redis, on a worker's event loop. hiredis makes and reads
 * the bytes (RESP2), nginx does the rest.
 *
 *   start -> connect, TLS, AUTH, SELECT -> up() … send() … -> down() -> later
 *   again, with growing pauses -> … stop
 *
 * Everything is bounded: commands that wait for a reply (NGX_LIVE_REDIS_WAIT),
 * bytes that wait to be sent and bytes of a reply that is being read, and the
 * time until a reply comes. Whatever is wrong (an error reply that the caller
 * takes as such included) ends the connection; handlers of commands that are
 * under way are not called then, down() is.
 *
 * Logged once when it goes down (again when the next tries fail for another
 * reason), and once when it is up again; never what is sent, nor the text of an
 * error, which may quote it.
 */

#ifndef NGX_LIVE_REDIS_H
#define NGX_LIVE_REDIS_H

#include "ngx_live_endpoint.h"
#include "lv_redis_url.h"
#include "lv_text.h"

#include <hiredis/hiredis.h>

#define NGX_LIVE_REDIS_WAIT     64
#define NGX_LIVE_REDIS_OUT      (1024 * 1024)
#define NGX_LIVE_REDIS_IN       (4 * 1024 * 1024)
#define NGX_LIVE_REDIS_CONNECT  2000    /* ms, with TLS and AUTH */
#define NGX_LIVE_REDIS_RETRY    100     /* ms, the first time … */
#define NGX_LIVE_REDIS_RETRIES  3000    /* … and at most */

struct ngx_live_redis_conf_s {
    ngx_live_endpoint_t  *endpoint;
    lv_redis_url_t        url;
    ngx_str_t             password_file;  /* live_redis_password */
    ngx_str_t             ca;             /* live_redis_ca */
    ngx_uint_t            history;        /* entries of a stream */
};

typedef struct ngx_live_redis_s  ngx_live_redis_t;

typedef void (*ngx_live_redis_reply_pt)(ngx_live_redis_t *r,
    redisReply *reply, ngx_uint_t data);

struct ngx_live_redis_s {
    /* the caller's */
    ngx_live_redis_conf_t     *conf;
    const char                *name;    /* for logs */
    ngx_msec_t                 timeout; /* for a reply */
    void                     (*up)(ngx_live_redis_t *r);
    void                     (*down)(ngx_live_redis_t *r);   /* or NULL */

    ngx_event_t                timer;   /* time-out, or the next try */
    ngx_connection_t           dumb;    /* for its log */
    ngx_connection_t          *connection;
    ngx_live_addr_t           *addr;
    ngx_peer_connection_t      peer;
    redisReader               *reader;
    lv_text_t                  out;
    size_t                     sent;    /* of out */
    struct {
        ngx_live_redis_reply_pt  handler;
        ngx_uint_t               data;
    }                          wait[NGX_LIVE_REDIS_WAIT];
    ngx_uint_t                 first, waiting;
    ngx_uint_t                 greetings;    /* replies to come before up */
    ngx_uint_t                 fails;        /* in a row */
    char                       why[64];      /* the last one, as logged */
    unsigned                   started:1;
    unsigned                   connected:1;
    unsigned                   ready:1;      /* up */
};

void ngx_live_redis_start(ngx_live_redis_t *r);
void ngx_live_redis_stop(ngx_live_redis_t *r);
/* Sends a command. NGX_ERROR: not up, or too much waits. */
ngx_int_t ngx_live_redis_send(ngx_live_redis_t *r, int argc,
    const char **argv, const size_t *len, ngx_live_redis_reply_pt handler,
    ngx_uint_t data);
/* Gives the connection up, to try again later. */
void ngx_live_redis_failed(ngx_live_redis_t *r, const char *why);
/* NGX_ERROR, after ngx_live_redis_failed(), when it is an error reply. */
ngx_int_t ngx_live_redis_check(ngx_live_redis_t *r, redisReply *reply);

/* live_redis, live_redis_password; ngx_live_redis_conf.c */
char *ngx_live_redis_url(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_live_redis_file(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
/* When all of the configuration has been read. */
ngx_int_t ngx_live_redis_init(ngx_cycle_t *cycle, ngx_live_redis_conf_t *rcf,
    ngx_live_cluster_conf_t *ccf);

#endif

/*
 * SRT in stream{}: the sockets and nginx side of lv_srt_session.h. Why there is
 * a socket for each publisher: README.md.
 *
 *   ngx_live_srt_module.c    directives
 *   ngx_live_srt_listen.c    the listening socket: cookies, who may begin
 *   ngx_live_srt_socket.c    a publisher's own socket: made, read, written
 *   ngx_live_srt_publish.c   the handshake's end: decision, key, publisher
 *   ngx_live_srt_session.c   a publisher's packets, timer, end
 */

#ifndef NGX_LIVE_SRT_H
#define NGX_LIVE_SRT_H

#include "ngx_stream_live.h"
#include "lv_srt_session.h"
#include "lv_srt_streamid.h"
#include "lv_ts_publish.h"

#define NGX_LIVE_SRT_CLAIM_S  5     /* a conclusion is sent again for 3 s */

typedef struct {
    ngx_msec_t                   latency;
    ngx_msec_t                   timeout;
    ngx_uint_t                   pending;       /* handshakes at a time */
    ngx_str_t                    passphrase;
    ngx_str_t                    stream;        /* of who gives no stream id */
} ngx_live_srt_conf_t;

typedef struct {
    ngx_queue_t                  queue;         /* while not decided */
    ngx_stream_session_t        *session;
    ngx_connection_t            *connection;
    ngx_live_srt_conf_t         *conf;
    ngx_stream_live_srv_conf_t  *live;
    lv_srt_hello_t              *hello;         /* until accepted or refused */
    lv_srt_session_t            *srt;           /* after that, while ... */
    lv_ts_publish_t             *ts;            /* ... publishing */
    ngx_live_publisher_t        *publisher;
    ngx_live_decide_t           *deciding;      /* the control plane is asked */
    ngx_str_t                    stream;        /* id, once known */
    const char                  *reason;        /* why it ended */
    ngx_str_t                    encoder;
    lv_srt_stats_t               told;          /* in the counters already */
    int64_t                      told_us;
    int64_t                      came_us;       /* the conclusion */
    time_t                       events_s;      /* since when events … */
    ngx_uint_t                   events;        /* … are counted */
    size_t                       answer_len;    /* what was answered */
    u_char                       answer[LV_SRT_REPLY_MAX];
    unsigned                     alone:1;       /* only the peer's packets are
                                                   left in the socket */
    unsigned                     polled:1;      /* looked at by the timer */
    unsigned                     failed:1;      /* of the media: see _payload */
    unsigned                     pending:1;     /* in the queue */
    unsigned                     refused:1;     /* only lingers */
} ngx_live_srt_ctx_t;

extern ngx_module_t  ngx_live_srt_module;

/* The stream{} content handler. */
void ngx_live_srt_init(ngx_stream_session_t *s);

/* A conclusion with a proven cookie: takes hello over. */
void ngx_live_srt_begin(ngx_stream_session_t *s, lv_srt_hello_t *hello);
/* How many are pending in this worker, and of them from this address. */
ngx_uint_t ngx_live_srt_pending(struct sockaddr *sa, ngx_uint_t *from);

/* Gives the connection, until now one of the listening socket's, a socket of
 * its own. */
ngx_int_t ngx_live_srt_socket(ngx_connection_t *c);
/* Calls ngx_live_srt_packet() for all that has come. */
void ngx_live_srt_receive(ngx_live_srt_ctx_t *ctx, int64_t now_us);
void ngx_live_srt_packet(ngx_live_srt_ctx_t *ctx, u_char *p, size_t n,
    int64_t now_us);
void ngx_live_srt_send(void *data, const uint8_t *p, size_t n);

/* The publisher has begun: packets from now on go to ctx->srt. */
void ngx_live_srt_run(ngx_live_srt_ctx_t *ctx);
void ngx_live_srt_handler(ngx_event_t *rev);
void ngx_live_srt_closed(void *data, ngx_live_stop_e why);
void ngx_live_srt_unpublish(ngx_live_srt_ctx_t *ctx, ngx_live_stop_e why,
    const char *text);
void ngx_live_srt_finalize(ngx_live_srt_ctx_t *ctx, ngx_live_stop_e why,
    ngx_uint_t status, const char *reason);

extern const lv_srt_handler_t  ngx_live_srt_session_handler;

int64_t ngx_live_srt_now_us(void);

#endif

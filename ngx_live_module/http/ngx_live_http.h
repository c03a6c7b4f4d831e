/*
 * What every HTTP part of the module shares: tokens, their removal from the
 * request, CORS, errors as problem documents, and the guard of what is not for
 * viewers. README.md in this folder tells the order of things.
 *
 * For content handlers:
 *
 *   static char *
 *   ngx_live_hls(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
 *   {
 *       clcf->handler = ngx_live_hls_handler;
 *       return ngx_live_http_location(cf);       CORS, redaction, live_token
 *   }
 *
 *   if (...) {
 *       return ngx_live_http_problem(r, NGX_HTTP_NOT_FOUND, "no stream",
 *                                    "There is no such stream.");
 *   }
 *
 * A handler that runs in a location with live_token on can rely on the token
 * being good for the stream in the path; ngx_live_http_ctx() tells whose it is.
 */

#ifndef NGX_LIVE_HTTP_H
#define NGX_LIVE_HTTP_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_live_keyfile.h"

/* Where a request's token was. */
typedef enum {
    NGX_LIVE_TOKEN_NONE = 0,
    NGX_LIVE_TOKEN_PATH,
    NGX_LIVE_TOKEN_QUERY,
    NGX_LIVE_TOKEN_HEADER,
    NGX_LIVE_TOKEN_COOKIE
} ngx_live_token_source_e;

/*
 * Kept for the whole life of a request, internal redirects included; made for
 * every request in a server that has a live location.
 */
typedef struct {
    ngx_live_token_source_e  source;
    ngx_str_t                token;     /* not verified! */
    ngx_str_t                key;       /* the argument "key" */
    ngx_str_t                target;    /* the request's URI as it came, with
                                           its secrets: for signatures only */
    ngx_str_t                args;      /* with clean: the query as it came */
    /* from a verified token, otherwise empty */
    ngx_str_t                sub;
    ngx_str_t                jti;
    ngx_str_t                name;
    ngx_str_t                role;
    ngx_uint_t               can;       /* LV_TOKEN_WATCH | ... */
    int64_t                  exp_s;
    int64_t                  iat_s;
    uint32_t                 sessions;

    ngx_str_t                stream;    /* that it was checked for */

    const char              *status;    /* $live_token_status, or NULL */
    struct ngx_live_http_conf_s  *cors; /* the first live location's */
    unsigned                 redacted:1;
    unsigned                 clean:1;   /* no secret in the request line */
} ngx_live_http_ctx_t;

/* live_token on */
typedef struct {
    ngx_http_complex_value_t  *stream;  /* NULL: from the path */
    ngx_uint_t                 can;     /* LV_TOKEN_WATCH | ... */
} ngx_live_http_token_t;

/* live_cors, live_chat_origin; no list and not any: off, or not configured */
typedef struct {
    ngx_array_t            *list;       /* ngx_str_t, or NULL */
    ngx_uint_t              any;        /* "*"; or NGX_CONF_UNSET_UINT */
} ngx_live_http_origins_t;

typedef struct ngx_live_http_conf_s {
    ngx_live_http_token_t  *token;      /* NULL: off */
    ngx_live_keyfile_t     *token_keys;
    ngx_live_keyfile_t     *node_key;
    ngx_str_t               cookie;     /* its name; empty: off */
    ngx_live_http_origins_t  cors;
    ngx_flag_t              live;       /* has a handler of ours */
    ngx_flag_t              late;       /* which takes a token later, too */
} ngx_live_http_conf_t;

/* whether some location is live, in any server and in this one */
typedef struct {
    ngx_uint_t  live;
} ngx_live_http_main_conf_t;

typedef struct {
    ngx_uint_t  live;
} ngx_live_http_srv_conf_t;

extern ngx_module_t  ngx_http_live_auth_module;

/* Marks the location that is being configured as live. NGX_CONF_OK. */
char *ngx_live_http_location(ngx_conf_t *cf);
/* The same, and a request without a token is let in: its handler waits for one
 * and has it checked by ngx_live_http_token_verify(). */
char *ngx_live_http_location_late(ngx_conf_t *cf);

/* The context, also behind an internal redirect; NULL: none. */
ngx_live_http_ctx_t *ngx_live_http_ctx(ngx_http_request_t *r);
/* The same, made where there is none; NULL: out of memory. */
ngx_live_http_ctx_t *ngx_live_http_ctx_get(ngx_http_request_t *r);

/*
 * Answers with a problem document (RFC 9457) that no cache keeps: what a
 * content handler returns, for ngx_http_finalize_request() elsewhere. reason
 * is a short name in lower case, detail a sentence; static, no secret in
 * either. Where an error_page is configured for the status, that is shown.
 */
ngx_int_t ngx_live_http_problem(ngx_http_request_t *r, ngx_uint_t status,
    const char *reason, const char *detail);

/* Adds a header to the answer; key and value must outlive the request. */
ngx_int_t ngx_live_http_header(ngx_http_request_t *r, const char *key,
    ngx_str_t *value);

/* Whether a token is needed here, early or late. */
ngx_uint_t ngx_live_http_token_needed(ngx_http_request_t *r);

/*
 * Verifies a token that did not come with the request's header (the first
 * message of a WebSocket), with the location's keys and the limits by
 * address. NGX_OK, NGX_DECLINED (refused: *result), or NGX_BUSY (too many bad
 * ones from this address).
 */
ngx_int_t ngx_live_http_token_verify(ngx_http_request_t *r, ngx_str_t *token,
    ngx_str_t *stream, ngx_uint_t can, lv_token_result_e *result);

/*
 * For whoever has waited since the token was checked: is it still good? False:
 * it has been revoked, or is over.
 */
ngx_uint_t ngx_live_http_token_still(ngx_http_request_t *r,
    lv_token_result_e *result);

/*
 * For handlers that find the stream in the path: "stream=" may have made the
 * check one for another stream. False: it did.
 */
ngx_uint_t ngx_live_http_token_is_for(ngx_http_request_t *r, lv_str_t stream);

/*
 * The guard of feed, ingest, control, status and metrics: NGX_OK, or the
 * status to refuse with, *detail then being the sentence for it.
 *
 * With live_node_key the request must be signed (lib/lv_nodekey.h). Without,
 * the peer must be this machine, and nothing may say that the request was
 * forwarded for another.
 */
ngx_int_t ngx_live_http_node_check(ngx_http_request_t *r,
    const char **detail);
/* The same with that key, where the location has none of its own. */
ngx_int_t ngx_live_http_node_check_key(ngx_http_request_t *r,
    ngx_live_keyfile_t *key, const char **detail);

/* ngx_live_http_slow.c: a client that holds a pinned part which was evicted at
 * since_ms (lv_part_limbo_since()): must it go? And its end, logged. */
ngx_uint_t ngx_live_http_limbo_over(lv_store_t *st, uint64_t since_ms,
    uint32_t window_ms, uint64_t now_ms);
void ngx_live_http_reset(ngx_http_request_t *r, uint64_t since_ms,
    uint64_t now_ms);

/* ---- the parts of the module, called by ngx_live_http_auth.c ------------ */

/* ngx_live_http_redact.c; all are phase handlers but the last */
ngx_int_t ngx_live_http_redact_post_read(ngx_http_request_t *r);
ngx_int_t ngx_live_http_redact_rewrite(ngx_http_request_t *r);
ngx_int_t ngx_live_http_redact_log(ngx_http_request_t *r);
/* A URI without the arguments "token" and "key". */
ngx_int_t ngx_live_http_redact_strip(ngx_http_request_t *r, ngx_str_t *uri);
/* A query without them, and their values; NGX_DECLINED: has neither. */
ngx_int_t ngx_live_http_redact_args(ngx_http_request_t *r, ngx_str_t *args,
    ngx_str_t *token, ngx_str_t *key);
/* The value of the first cookie of that name, or NGX_DECLINED. */
ngx_int_t ngx_live_http_cookie(ngx_http_request_t *r, ngx_str_t *name,
    ngx_str_t *value);
/* Blanks the header that had the token, so that no upstream gets it. */
void ngx_live_http_redact_header(ngx_http_request_t *r,
    ngx_live_http_conf_t *conf, ngx_live_token_source_e source);

/* ngx_live_http_token.c */
ngx_int_t ngx_live_http_token_access(ngx_http_request_t *r);

/* ngx_live_http_use.c: a lv_token_use_t's revoked, ctx is the use */
bool ngx_live_http_token_revoked(void *ctx, const lv_token_t *token);
/* Counts who uses a token that has an id; false: too many others do. */
ngx_uint_t ngx_live_http_token_session(ngx_http_request_t *r,
    const lv_token_t *token, lv_str_t stream);

/* ngx_live_http_cors.c */
ngx_int_t ngx_live_http_cors_filter_init(ngx_conf_t *cf);
/* 1: was a preflight request, and is answered (status of the sending). */
ngx_uint_t ngx_live_http_cors_preflight(ngx_http_request_t *r,
    ngx_live_http_conf_t *conf, ngx_int_t *rc);

/* ngx_live_http_origins.c: the directive's `post`, not NULL: takes "off" */
void ngx_live_http_origins_init(ngx_live_http_origins_t *o);
void ngx_live_http_origins_merge(ngx_live_http_origins_t *o,
    const ngx_live_http_origins_t *prev);
char *ngx_live_http_origins_slot(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
ngx_uint_t ngx_live_http_origins_has(const ngx_live_http_origins_t *o,
    const ngx_str_t *origin);

/* ngx_live_http_node.c */
char *ngx_live_http_node_zone(ngx_conf_t *cf);

/* ngx_live_http_vars.c */
ngx_int_t ngx_live_http_add_variables(ngx_conf_t *cf);

#endif

/*
 * A good token may still not be used: it was revoked, or as many players use
 * it as it allows. Both by what all workers share in the store.
 */

#include "ngx_live_http.h"
#include "ngx_live_core.h"
#include "ngx_live_limit.h"
#include "lv_cluster.h"


#define NGX_LIVE_HTTP_SESSION_IDLE  30   /* seconds; as viewers are counted */


bool
ngx_live_http_token_revoked(void *ctx, const lv_token_t *token)
{
    lv_store_t      *st;
    lv_token_use_t  *use = ctx;

    st = ngx_live_store();

    return st != NULL && lv_revoked(st, token, use->stream);
}


ngx_uint_t
ngx_live_http_token_session(ngx_http_request_t *r, const lv_token_t *token,
    lv_str_t stream)
{
    size_t       len;
    u_char      *ip;
    uint64_t     who;
    lv_store_t  *st;

    st = ngx_live_store();

    if (st == NULL || token->jti[0] == '\0') {
        return 1;
    }

    who = 0;

    if (token->sessions) {
        ip = ngx_live_sockaddr_ip(r->connection->sockaddr, &len);
        who = lv_token_who(st, ip ? ip : (u_char *) "", len, 0);

        if (r->headers_in.user_agent) {
            who = lv_token_who(st, r->headers_in.user_agent->value.data,
                               r->headers_in.user_agent->value.len, who);
        }
    }

    return lv_token_session(st, token->jti, stream, who, token->sessions,
                            (uint32_t) ngx_time(),
                            NGX_LIVE_HTTP_SESSION_IDLE);
}


ngx_uint_t
ngx_live_http_token_still(ngx_http_request_t *r, lv_token_result_e *result)
{
    lv_str_t              stream;
    lv_token_t            token;
    lv_store_t           *st;
    ngx_live_http_ctx_t  *ctx;

    ctx = ngx_live_http_ctx(r);
    st = ngx_live_store();

    if (ctx == NULL || ctx->stream.len == 0 || ctx->exp_s == 0) {
        return 1;                       /* there is no token */
    }

    if (ngx_time() - LV_TOKEN_LEEWAY_S >= ctx->exp_s) {
        *result = LV_TOKEN_EXPIRED;
        return 0;
    }

    if (st == NULL) {
        return 1;
    }

    /* what revocations go by */

    ngx_memzero(&token, sizeof(lv_token_t));
    token.iat_s = ctx->iat_s;

    if (ctx->sub.len) {
        ngx_memcpy(token.sub, ctx->sub.data, ctx->sub.len);
    }

    if (ctx->jti.len) {
        ngx_memcpy(token.jti, ctx->jti.data, ctx->jti.len);
    }

    stream.data = ctx->stream.data;
    stream.len = ctx->stream.len;
    *result = LV_TOKEN_REVOKED;

    return !lv_revoked(st, &token, stream);
}

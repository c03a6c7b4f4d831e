/* What a request begins with, and how it is signed: see ngx_live_client.h. */

#include "ngx_live_call.h"

#include <openssl/hmac.h>
#include <openssl/rand.h>


static ngx_int_t ngx_live_call_sign(ngx_live_call_t *call, u_char *dst);
static ngx_int_t ngx_live_call_authorize(ngx_live_call_t *call, u_char *dst);


/* The head is made for each connection: a signature is good for once. */

ngx_int_t
ngx_live_call_head(ngx_live_call_t *call)
{
    u_char      *p;
    size_t       len;
    u_char       auth[LV_NODE_HEADER_MAX + sizeof("Authorization: \r\n")];
    ngx_str_t   *host;

    static const char  fmt[] =
        "POST %V HTTP/1.1\r\n"
        "Host: %V\r\n"
        "User-Agent: ngx_live\r\n"
        "Accept: application/json\r\n"
        "Content-Type: application/json\r\n"
        "Content-Length: %uz\r\n"
        "%s\r\n";

    if (ngx_live_call_authorize(call, auth) != NGX_OK) {
        return NGX_ERROR;
    }

    host = &call->endpoint->host_header;
    len = sizeof(fmt) + call->target.len + host->len + NGX_SIZE_T_LEN
          + sizeof(auth);

    p = ngx_pnalloc(call->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    call->head = p;
    call->head_len = ngx_snprintf(p, len, fmt, &call->target, host,
                                  call->body.len, auth)
                     - p;
    call->sent = 0;
    call->received = 0;

    lv_text_reset(&call->answer);
    lv_http_response_init(&call->response, false, ngx_live_call_limit(call));

    return NGX_OK;
}


/* "Live-Signature: ...\r\n" */

static ngx_int_t
ngx_live_call_sign(ngx_live_call_t *call, u_char *dst)
{
    u_char        mac[EVP_MAX_MD_SIZE], time[NGX_TIME_T_LEN + 2], *p;
    HMAC_CTX     *ctx;
    unsigned      len;
    ngx_uint_t    good;

    p = ngx_sprintf(time, "%T.", ngx_time());
    ctx = HMAC_CTX_new();

    good = ctx != NULL
           && HMAC_Init_ex(ctx, call->secret.data, (int) call->secret.len,
                           EVP_sha256(), NULL)
           && HMAC_Update(ctx, time, (size_t) (p - time))
           && HMAC_Update(ctx, call->body.data, call->body.len)
           && HMAC_Final(ctx, mac, &len);
    HMAC_CTX_free(ctx);

    if (!good) {
        return NGX_ERROR;
    }

    dst = ngx_sprintf(dst, "Live-Signature: t=%T,v1=", ngx_time());
    dst = ngx_hex_dump(dst, mac, len);
    (void) ngx_sprintf(dst, "\r\n%Z");

    return NGX_OK;
}


/* "Authorization: ...\r\n", or nothing where there is no key. */

static ngx_int_t
ngx_live_call_authorize(ngx_live_call_t *call, u_char *dst)
{
    char      value[LV_NODE_HEADER_MAX];
    u_char    nonce[LV_NODE_NONCE];
    lv_str_t  method, target;

    dst[0] = '\0';

    if (call->secret.len) {
        return ngx_live_call_sign(call, dst);
    }

    if (call->key == NULL) {
        return NGX_OK;
    }

    method.data = (u_char *) "POST";
    method.len = 4;
    target.data = call->target.data;
    target.len = call->target.len;

    if (RAND_bytes(nonce, sizeof(nonce)) != 1
        || lv_node_sign(call->key->nodes, method, target, ngx_time(), nonce,
                        value)
           != LV_OK)
    {
        return NGX_ERROR;
    }

    (void) ngx_sprintf(dst, "Authorization: %s\r\n%Z", value);

    return NGX_OK;
}

/* The decision whether someone may publish: see ngx_live_publish.h. */

#include <ngx_config.h>
#include <ngx_core.h>

#include <openssl/evp.h>

#include "ngx_live_limit.h"
#include "ngx_live_publish.h"


static ngx_int_t ngx_live_publish_open(ngx_live_publish_request_t *req,
    ngx_live_publish_decision_t *decision);
static ngx_int_t ngx_live_publish_closed(ngx_live_publish_conf_t *conf,
    ngx_live_publish_request_t *req, ngx_live_publish_decision_t *decision);
static ngx_int_t ngx_live_publish_stream_key(ngx_live_publish_conf_t *conf,
    ngx_str_t *id, ngx_live_publish_decision_t *decision);
static ngx_int_t ngx_live_publish_token(ngx_live_publish_conf_t *conf,
    ngx_live_publish_request_t *req, lv_str_t text, ngx_str_t *id,
    ngx_live_publish_decision_t *decision);
static ngx_uint_t ngx_live_publish_is_token(lv_str_t text);
static ngx_int_t ngx_live_publish_arg(ngx_str_t *args, u_char *buf,
    size_t size, lv_str_t *value);
static void ngx_live_publish_last_component(ngx_str_t *name, ngx_str_t *id);


char *
ngx_live_publish_auth_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t                *value;
    ngx_live_publish_conf_t  *pcf;

    pcf = (ngx_live_publish_conf_t *) ((char *) conf + cmd->offset);

    if (pcf->auth != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        pcf->auth = NGX_LIVE_PUBLISH_OFF;

    } else if (ngx_strcmp(value[1].data, "token") == 0) {
        pcf->auth = NGX_LIVE_PUBLISH_TOKEN;

    } else if (ngx_strncasecmp(value[1].data, (u_char *) "http://", 7) == 0
               || ngx_strncasecmp(value[1].data, (u_char *) "https://", 8)
                  == 0)
    {
        pcf->auth = NGX_LIVE_PUBLISH_HTTP;
        pcf->url = value[1];

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid value \"%V\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


void
ngx_live_publish_conf_init(ngx_live_publish_conf_t *conf)
{
    conf->auth = NGX_CONF_UNSET_UINT;
    conf->stream_keys = NGX_CONF_UNSET_PTR;
    conf->token_keys = NGX_CONF_UNSET_PTR;
}


void
ngx_live_publish_conf_merge(ngx_live_publish_conf_t *conf,
    ngx_live_publish_conf_t *prev)
{
    if (conf->auth == NGX_CONF_UNSET_UINT) {
        conf->url = prev->url;
    }

    /* closed unless somebody opens it */
    ngx_conf_merge_uint_value(conf->auth, prev->auth, NGX_LIVE_PUBLISH_TOKEN);
    ngx_conf_merge_ptr_value(conf->stream_keys, prev->stream_keys, NULL);
    ngx_conf_merge_ptr_value(conf->token_keys, prev->token_keys, NULL);
}


char *
ngx_live_publish_conf_check(ngx_live_publish_conf_t *conf)
{
    if (conf->auth == NGX_LIVE_PUBLISH_TOKEN && conf->stream_keys == NULL
        && conf->token_keys == NULL)
    {
        return "\"live_publish_auth token\" (the default) needs "
               "\"live_stream_keys\" or \"live_token_keys\"; "
               "with \"off\" anyone may publish";
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_live_publish_decide(ngx_live_publish_conf_t *conf,
    ngx_live_publish_request_t *req, ngx_live_publish_decision_t *decision)
{
    ngx_memzero(decision, sizeof(ngx_live_publish_decision_t));
    ngx_live_media_conf_init(&decision->media);

    if (conf->auth == NGX_LIVE_PUBLISH_OFF) {
        return ngx_live_publish_open(req, decision);
    }

    return ngx_live_publish_closed(conf, req, decision);
}


static ngx_int_t
ngx_live_publish_open(ngx_live_publish_request_t *req,
    ngx_live_publish_decision_t *decision)
{
    u_char     *ip;
    size_t      len;
    ngx_str_t   id;

    ngx_live_publish_last_component(&req->name, &id);

    if (ngx_live_publish_set_stream(&id, decision) != NGX_OK) {
        return NGX_DECLINED;
    }

    ip = ngx_live_sockaddr_ip(req->sockaddr, &len);

    if (EVP_Digest(ip ? ip : (u_char *) "", len, decision->owner, NULL,
                   EVP_sha256(), NULL)
        != 1)
    {
        decision->reason = "An internal error.";
        return NGX_DECLINED;
    }

    return NGX_OK;
}


ngx_int_t
ngx_live_publish_credential(ngx_live_publish_request_t *req, u_char *buf,
    lv_str_t *text, ngx_str_t *id, ngx_live_publish_decision_t *decision)
{
    ngx_memzero(decision, sizeof(ngx_live_publish_decision_t));
    ngx_live_media_conf_init(&decision->media);

    if (ngx_live_limit_blocked(&ngx_live_limit_publish, req->sockaddr)) {
        decision->reason = "Too many wrong keys came from this address, "
                           "wait a minute.";
        return NGX_DECLINED;
    }

    /* what stands beside the name comes first; without it the name is it */

    ngx_str_null(id);

    if (req->credential.len) {
        text->data = req->credential.data;
        text->len = req->credential.len;
        ngx_live_publish_last_component(&req->name, id);

    } else if (ngx_live_publish_arg(&req->args, buf, LV_STREAMKEY_MAX, text)
               == NGX_OK)
    {
        ngx_live_publish_last_component(&req->name, id);

    } else {
        text->data = req->name.data;
        text->len = req->name.len;
    }

    if (text->len == 0) {
        decision->reason = "No stream key was given.";

    } else if (lv_streamkey_hash(*text, decision->owner) != LV_OK) {
        decision->reason = "The stream key is too long.";

    } else {
        return NGX_OK;
    }

    ngx_live_limit_failed(&ngx_live_limit_publish, req->sockaddr);

    return NGX_DECLINED;
}


static ngx_int_t
ngx_live_publish_closed(ngx_live_publish_conf_t *conf,
    ngx_live_publish_request_t *req, ngx_live_publish_decision_t *decision)
{
    u_char      buf[LV_STREAMKEY_MAX];
    lv_str_t    text;
    ngx_str_t   id;

    if (ngx_live_publish_credential(req, buf, &text, &id, decision)
        != NGX_OK)
    {
        return NGX_DECLINED;
    }

    if (conf->stream_keys
        && ngx_live_publish_stream_key(conf, &id, decision) == NGX_OK)
    {
        return NGX_OK;
    }

    if (decision->reason == NULL) {

        if (conf->token_keys && ngx_live_publish_is_token(text)) {

            if (ngx_live_publish_token(conf, req, text, &id, decision)
                == NGX_OK)
            {
                return NGX_OK;
            }

        } else {
            decision->reason = "The stream key is not known.";
        }
    }

    ngx_live_limit_failed(&ngx_live_limit_publish, req->sockaddr);

    return NGX_DECLINED;
}


/* Without a reason when the key is not in the file: it may be a token. */
static ngx_int_t
ngx_live_publish_stream_key(ngx_live_publish_conf_t *conf, ngx_str_t *id,
    ngx_live_publish_decision_t *decision)
{
    ngx_str_t    of;
    const char  *stream, *secret;

    stream = lv_streamkeys_find(conf->stream_keys->streams, decision->owner);

    if (stream == NULL) {
        return NGX_DECLINED;
    }

    of.data = (u_char *) stream;
    of.len = ngx_strlen(stream);

    if (id->len
        && (id->len != of.len || ngx_memcmp(id->data, of.data, of.len) != 0))
    {
        decision->reason = "The stream key is for another stream.";
        return NGX_DECLINED;
    }

    secret = lv_streamkeys_passphrase(conf->stream_keys->streams,
                                      decision->owner);
    if (secret != NULL) {
        ngx_cpystrn((u_char *) decision->passphrase, (u_char *) secret,
                    sizeof(decision->passphrase));
    }

    return ngx_live_publish_set_stream(&of, decision);
}


static ngx_int_t
ngx_live_publish_token(ngx_live_publish_conf_t *conf,
    ngx_live_publish_request_t *req, lv_str_t text, ngx_str_t *id,
    ngx_live_publish_decision_t *decision)
{
    ngx_str_t            only;
    lv_token_use_t       use;
    const lv_token_t    *token;
    lv_token_result_e    result;

    if (ngx_live_keyfile_verify(conf->token_keys, text, 0, &result, &token)
        != LV_OK)
    {
        result = LV_TOKEN_MALFORMED;
    }

    if (result != LV_TOKEN_VALID) {
        decision->reason = lv_token_result_text(result);
        return NGX_DECLINED;
    }

    only = *id;

    if (only.len == 0) {
        if (token->any_stream || token->nstreams != 1) {
            decision->reason = "The token is for several streams; "
                               "publish with the stream's id as the name.";
            return NGX_DECLINED;
        }

        only.data = (u_char *) token->streams[0];
        only.len = ngx_strlen(only.data);
    }

    ngx_memzero(&use, sizeof(lv_token_use_t));

    use.now_s = ngx_time();
    use.stream.data = only.data;
    use.stream.len = only.len;
    use.can = LV_TOKEN_PUBLISH;
    use.addr = ngx_live_sockaddr_ip(req->sockaddr, &use.addr_len);

    result = lv_token_check(token, &use);

    if (result != LV_TOKEN_VALID) {
        decision->reason = lv_token_result_text(result);
        return NGX_DECLINED;
    }

    decision->expires_s = token->exp_s;

    return ngx_live_publish_set_stream(&only, decision);
}


static ngx_uint_t
ngx_live_publish_is_token(lv_str_t text)
{
    size_t      i;
    ngx_uint_t  dots;

    dots = 0;

    for (i = 0; i < text.len; i++) {
        dots += (text.data[i] == '.');
    }

    return dots == 2;
}


/* The last value of "key" or "token" that is not empty, decoded. */
static ngx_int_t
ngx_live_publish_arg(ngx_str_t *args, u_char *buf, size_t size,
    lv_str_t *value)
{
    u_char  *p, *end, *amp, *start, *last, *dst, *src;
    size_t   len;

    start = NULL;
    len = 0;

    p = args->data;
    end = p + args->len;

    while (p < end) {
        amp = ngx_strlchr(p, end, '&');
        last = amp ? amp : end;

        if (last - p > 4 && ngx_strncasecmp(p, (u_char *) "key=", 4) == 0) {
            start = p + 4;
            len = last - start;

        } else if (last - p > 6
                   && ngx_strncasecmp(p, (u_char *) "token=", 6) == 0)
        {
            start = p + 6;
            len = last - start;
        }

        p = last + 1;
    }

    if (start == NULL || len > size) {
        return NGX_DECLINED;
    }

    dst = buf;
    src = start;
    ngx_unescape_uri(&dst, &src, len, 0);

    value->data = buf;
    value->len = dst - buf;

    return NGX_OK;
}


ngx_int_t
ngx_live_publish_set_stream(ngx_str_t *id,
    ngx_live_publish_decision_t *decision)
{
    lv_str_t  text;

    text.data = id->data;
    text.len = id->len;

    if (!lv_stream_id_valid(text)) {
        decision->reason = "The stream's name is not valid: letters, digits, "
                           "- and _, at most 64.";
        return NGX_DECLINED;
    }

    ngx_memcpy(decision->stream, id->data, id->len);
    decision->stream[id->len] = '\0';

    return NGX_OK;
}


static void
ngx_live_publish_last_component(ngx_str_t *name, ngx_str_t *id)
{
    u_char  *p, *end;

    end = name->data + name->len;

    for (p = end; p > name->data && p[-1] != '/'; p--) { /* void */ }

    id->data = p;
    id->len = end - p;
}

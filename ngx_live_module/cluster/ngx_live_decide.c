/* Asking the control plane who may publish: see ngx_live_decide.h. */

#include "ngx_live_decide.h"
#include "ngx_live_limit.h"
#include "lv_json.h"

#include <jansson.h>
#include <openssl/crypto.h>


#define NGX_LIVE_DECIDE_MS       600000   /* that one is remembered */
#define NGX_LIVE_DECIDE_PENDING  512      /* a worker's, at a time */
#define NGX_LIVE_DECIDE_BODY     16384


struct ngx_live_decide_s {
    ngx_live_call_t              *call;
    ngx_live_decide_pt            handler;
    void                         *data;
    ngx_str_t                    *url;
    ngx_str_t                     id;         /* stream that was named */
    u_char                        name[LV_STREAM_ID_LEN];
    u_char                        hash[32];   /* of the credential */
    u_char                        secret[32]; /* lv_decision_secret() */
    ngx_sockaddr_t                sockaddr;
    ngx_live_publish_decision_t   decision;
};


static ngx_int_t ngx_live_decide_body(lv_text_t *t, lv_str_t credential,
    ngx_str_t *id, const char *protocol, ngx_str_t *addr,
    ngx_str_t *encoder);
static void ngx_live_decide_reply(void *data, ngx_live_reply_t *reply);
static ngx_int_t ngx_live_decide_accepted(ngx_live_decide_t *d,
    ngx_str_t *body);
static ngx_int_t ngx_live_decide_parse(json_t *root, lv_decision_t *ld);
static ngx_int_t ngx_live_decide_passphrase(ngx_live_decide_t *d,
    json_t *root, lv_decision_t *ld);
static ngx_int_t ngx_live_decide_owner(json_t *value, u_char *owner);
static uint32_t ngx_live_decide_ms(json_t *settings, const char *name);
static ngx_int_t ngx_live_decide_use(ngx_live_decide_t *d, lv_decision_t *ld);
static void ngx_live_decide_free(ngx_live_decide_t *d);
static void ngx_live_decide_refused(ngx_live_decide_t *d, ngx_str_t *body);
static ngx_int_t ngx_live_decide_remembered(ngx_live_decide_t *d,
    ngx_live_reply_t *reply);


static ngx_uint_t  ngx_live_decide_pending;


char *
ngx_live_decide_conf(ngx_conf_t *cf, ngx_live_publish_conf_t *conf)
{
    if (conf->auth == NGX_LIVE_PUBLISH_HTTP) {
        conf->endpoint = ngx_live_endpoint_add(cf, &conf->url);

        if (conf->endpoint == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_live_decide(ngx_live_publish_conf_t *conf,
    ngx_live_publish_request_t *req, const char *protocol, ngx_str_t *addr,
    ngx_str_t *encoder, ngx_live_publish_decision_t *decision,
    ngx_live_decide_pt handler, void *data, ngx_live_decide_t **pending)
{
    u_char                    buf[LV_STREAMKEY_MAX];
    lv_str_t                  text, body;
    ngx_str_t                 id;
    lv_text_t                 t;
    ngx_live_decide_t        *d;
    ngx_live_cluster_conf_t  *ccf;

    if (conf->auth != NGX_LIVE_PUBLISH_HTTP) {
        return ngx_live_publish_decide(conf, req, decision);
    }

    if (ngx_live_publish_credential(req, buf, &text, &id, decision)
        != NGX_OK
        || (id.len && ngx_live_publish_set_stream(&id, decision) != NGX_OK))
    {
        return NGX_DECLINED;
    }

    decision->reason = "The server is too busy, please try again.";

    if (ngx_live_decide_pending >= NGX_LIVE_DECIDE_PENDING) {
        return NGX_DECLINED;
    }

    lv_text_init(&t, NGX_LIVE_DECIDE_BODY);
    d = ngx_calloc(sizeof(ngx_live_decide_t), ngx_cycle->log);

    if (d == NULL
        || ngx_live_decide_body(&t, text, &id, protocol, addr, encoder)
           != NGX_OK
        || lv_decision_secret(text, d->secret) != LV_OK)
    {
        goto failed;
    }

    d->handler = handler;
    d->data = data;
    d->url = &conf->url;
    d->id.data = d->name;
    d->id.len = id.len;

    if (id.len) {
        ngx_memcpy(d->name, id.data, id.len);
    }

    ngx_memcpy(d->hash, decision->owner, sizeof(d->hash));
    ngx_memcpy(&d->sockaddr, req->sockaddr,
               ngx_min(sizeof(ngx_sockaddr_t), req->socklen));
    ngx_live_media_conf_init(&d->decision.media);

    ccf = ngx_live_cluster_conf((ngx_cycle_t *) ngx_cycle);
    body.data = t.data;
    body.len = t.len;

    d->call = ngx_live_call(conf->endpoint, "", body, ccf->node_key,
                            NGX_LIVE_CALL_MS, ngx_live_decide_reply, d);
    if (d->call == NULL) {
        goto failed;
    }

    lv_text_free(&t);
    ngx_live_decide_pending++;
    *pending = d;

    return NGX_AGAIN;

failed:

    lv_text_free(&t);

    if (d) {
        ngx_live_decide_free(d);
    }

    return NGX_DECLINED;
}


void
ngx_live_decide_cancel(ngx_live_decide_t *d)
{
    ngx_live_call_cancel(d->call);
    ngx_live_decide_pending--;
    ngx_live_decide_free(d);
}


static void
ngx_live_decide_free(ngx_live_decide_t *d)
{
    OPENSSL_cleanse(d, sizeof(ngx_live_decide_t));
    ngx_free(d);
}


static ngx_int_t
ngx_live_decide_body(lv_text_t *t, lv_str_t credential, ngx_str_t *id,
    const char *protocol, ngx_str_t *addr, ngx_str_t *encoder)
{
    lv_json_t                 j;
    ngx_live_cluster_conf_t  *ccf;

    ccf = ngx_live_cluster_conf((ngx_cycle_t *) ngx_cycle);

    lv_json_init(&j, t);
    lv_json_open(&j, NULL, '{');
    lv_json_str(&j, "node", (char *) ccf->node_id.data, ccf->node_id.len);
    lv_json_str(&j, "credential", (const char *) credential.data,
                credential.len);

    if (id->len) {
        lv_json_str(&j, "stream", (char *) id->data, id->len);

    } else {
        lv_json_null(&j, "stream");
    }

    lv_json_text(&j, "protocol", protocol);
    lv_json_str(&j, "addr", (char *) addr->data, addr->len);

    if (encoder->len) {
        lv_json_str(&j, "encoder", (char *) encoder->data, encoder->len);

    } else {
        lv_json_null(&j, "encoder");
    }

    lv_json_close(&j, '}');

    return t->failed ? NGX_ERROR : NGX_OK;
}


static void
ngx_live_decide_reply(void *data, ngx_live_reply_t *reply)
{
    ngx_int_t                     rc;
    ngx_live_decide_t            *d = data;
    ngx_live_decide_pt            handler;
    ngx_live_publish_decision_t   decision;

    rc = NGX_DECLINED;

    if (reply->status == 200) {
        rc = ngx_live_decide_accepted(d, &reply->body);

        if (rc == NGX_ERROR) {
            reply->error = "the answer makes no sense";
            rc = ngx_live_decide_remembered(d, reply);
        }

    } else if (reply->status == 403) {
        ngx_live_decide_refused(d, &reply->body);

    } else if (reply->status == 0 || reply->status >= 500) {
        rc = ngx_live_decide_remembered(d, reply);

    } else {
        ngx_live_count(NGX_LIVE_C_DECIDE_FAILED, 1);
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "live: \"%V\" answered %ui when it was asked who may "
                      "publish", d->url, reply->status);
        d->decision.reason = "The server could not check the stream key.";
    }

    handler = d->handler;
    data = d->data;
    decision = d->decision;

    if (decision.reason == d->decision.text) {
        decision.reason = decision.text;
    }

    ngx_live_decide_pending--;
    ngx_live_decide_free(d);

    handler(data, rc, &decision);

    OPENSSL_cleanse(decision.passphrase, sizeof(decision.passphrase));
}


/* NGX_ERROR: it is no such answer. */

static ngx_int_t
ngx_live_decide_accepted(ngx_live_decide_t *d, ngx_str_t *body)
{
    json_t         *root;
    ngx_int_t       rc;
    lv_store_t     *st;
    lv_decision_t   ld;

    root = json_loadb((char *) body->data, body->len, JSON_REJECT_DUPLICATES,
                      NULL);

    ngx_memzero(&ld, sizeof(lv_decision_t));
    ngx_memcpy(ld.owner, d->hash, sizeof(ld.owner));
    rc = ngx_live_decide_parse(root, &ld);

    if (rc == NGX_OK) {
        rc = ngx_live_decide_passphrase(d, root, &ld);
    }

    json_decref(root);

    if (rc != NGX_OK || ngx_live_decide_use(d, &ld) != NGX_OK) {
        return NGX_ERROR;
    }

    st = ngx_live_store();

    if (st != NULL) {
        lv_decision_put(st, d->hash, &ld,
                        ngx_live_now_ms() + NGX_LIVE_DECIDE_MS);
    }

    ngx_live_count(NGX_LIVE_C_DECIDE_ACCEPTED, 1);

    return NGX_OK;
}


static ngx_int_t
ngx_live_decide_parse(json_t *root, lv_decision_t *ld)
{
    json_t    *value, *set;
    lv_str_t   id;

    value = json_object_get(root, "stream");
    id.data = (const u_char *) json_string_value(value);
    id.len = json_string_length(value);

    if (id.data == NULL || !lv_stream_id_valid(id)) {
        return NGX_ERROR;
    }

    ngx_memcpy(ld->stream, id.data, id.len);

    value = json_object_get(root, "broadcast");

    if (json_is_string(value)) {
        lv_cluster_text(ld->broadcast, sizeof(ld->broadcast),
                        json_string_value(value), json_string_length(value));
    }

    value = json_object_get(root, "owner");

    if (value != NULL && ngx_live_decide_owner(value, ld->owner) != NGX_OK) {
        return NGX_ERROR;
    }

    value = json_object_get(root, "expires");

    if (json_is_integer(value)) {
        ld->expires_s = json_integer_value(value);
    }

    set = json_object_get(root, "settings");

    ld->part_ms = ngx_live_decide_ms(set, "part_ms");
    ld->segment_ms = ngx_live_decide_ms(set, "segment_ms");
    ld->window_ms = ngx_live_decide_ms(set, "window_ms");
    ld->resume_ms = ngx_live_decide_ms(set, "resume_ms");
    ld->max_bitrate = ngx_live_decide_ms(set, "max_bitrate");

    value = json_object_get(set, "muxed");
    ld->muxed = json_is_boolean(value) ? json_is_true(value) : -1;

    return NGX_OK;
}


/* One that cannot be used is no reason to go without. */

static ngx_int_t
ngx_live_decide_passphrase(ngx_live_decide_t *d, json_t *root,
    lv_decision_t *ld)
{
    size_t       len;
    json_t      *value;
    const char  *text;

    value = json_object_get(root, "passphrase");

    if (value == NULL || json_is_null(value)) {
        return NGX_OK;
    }

    text = json_string_value(value);
    len = json_string_length(value);

    if (text == NULL || len < LV_SRT_PASSPHRASE_MIN
        || len > LV_SRT_PASSPHRASE_MAX || ngx_strlen(text) != len
        || lv_decision_seal(ld, d->secret, text) != LV_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_live_decide_owner(json_t *value, u_char *owner)
{
    ngx_int_t    n;
    ngx_uint_t   i;
    const char  *p;

    p = json_string_value(value);

    if (p == NULL || json_string_length(value) != 64) {
        return NGX_ERROR;
    }

    for (i = 0; i < 32; i++) {
        n = ngx_hextoi((u_char *) p + 2 * i, 2);

        if (n == NGX_ERROR) {
            return NGX_ERROR;
        }

        owner[i] = (u_char) n;
    }

    return NGX_OK;
}


/* 0: it is not set, or no number that could be meant. */

static uint32_t
ngx_live_decide_ms(json_t *settings, const char *name)
{
    json_int_t  n;

    n = json_integer_value(json_object_get(settings, name));

    return n > 0 && n <= INT32_MAX ? (uint32_t) n : 0;
}


static ngx_int_t
ngx_live_decide_use(ngx_live_decide_t *d, lv_decision_t *ld)
{
    ngx_str_t               id;
    ngx_live_media_conf_t  *media;

    id.data = (u_char *) ld->stream;
    id.len = ngx_strlen(ld->stream);

    if (d->id.len
        && (d->id.len != id.len || ngx_memcmp(d->name, id.data, id.len) != 0))
    {
        return NGX_ERROR;
    }

    if (ngx_live_publish_set_stream(&id, &d->decision) != NGX_OK) {
        return NGX_ERROR;
    }

    if (lv_decision_open(ld, d->secret, d->decision.passphrase) != LV_OK) {
        return NGX_ERROR;
    }

    ngx_memcpy(d->decision.owner, ld->owner, sizeof(d->decision.owner));
    ngx_memcpy(d->decision.broadcast, ld->broadcast, sizeof(ld->broadcast));
    d->decision.expires_s = ld->expires_s;

    media = &d->decision.media;

    if (ld->part_ms) {
        media->part = ld->part_ms;
    }

    if (ld->segment_ms) {
        media->segment = ld->segment_ms;
    }

    if (ld->window_ms) {
        media->window = ld->window_ms;
    }

    if (ld->resume_ms) {
        media->resume = ld->resume_ms;
    }

    if (ld->max_bitrate) {
        media->max_bitrate = ld->max_bitrate;
    }

    if (ld->muxed != -1) {
        media->muxed = ld->muxed;
    }

    return NGX_OK;
}


static void
ngx_live_decide_refused(ngx_live_decide_t *d, ngx_str_t *body)
{
    json_t      *root, *detail;
    lv_store_t  *st;

    ngx_live_count(NGX_LIVE_C_DECIDE_REFUSED, 1);
    ngx_live_limit_failed(&ngx_live_limit_publish, &d->sockaddr.sockaddr);

    st = ngx_live_store();

    if (st != NULL) {
        lv_decision_drop(st, d->hash);
    }

    d->decision.reason = "The stream key is not accepted.";

    root = json_loadb((char *) body->data, body->len, JSON_REJECT_DUPLICATES,
                      NULL);
    detail = json_object_get(root, "detail");

    if (json_string_length(detail)) {
        lv_cluster_text(d->decision.text, sizeof(d->decision.text),
                        json_string_value(detail),
                        json_string_length(detail));
        d->decision.reason = d->decision.text;
    }

    json_decref(root);
}


/* It could not be asked. */

static ngx_int_t
ngx_live_decide_remembered(ngx_live_decide_t *d, ngx_live_reply_t *reply)
{
    lv_store_t     *st;
    lv_decision_t   ld;

    st = ngx_live_store();

    if (st != NULL
        && lv_decision_get(st, d->hash, ngx_live_now_ms(), &ld) == LV_OK
        && ngx_live_decide_use(d, &ld) == NGX_OK)
    {
        ngx_live_count(NGX_LIVE_C_DECIDE_REMEMBERED, 1);
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "live: \"%V\" could not be asked (%s, status %ui), the "
                      "publish of \"%s\" is let in, as it was before",
                      d->url, reply->error ? reply->error : "failed",
                      reply->status, d->decision.stream);
        return NGX_OK;
    }

    ngx_live_count(NGX_LIVE_C_DECIDE_FAILED, 1);
    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "live: \"%V\" could not be asked who may publish: %s, "
                  "status %ui", d->url,
                  reply->error ? reply->error : "failed", reply->status);

    d->decision.reason = "The server cannot check stream keys at the moment, "
                         "please try again.";

    return NGX_DECLINED;
}

/* From a decision to a publisher: see ngx_stream_live.h. */

#include "ngx_stream_live.h"


ngx_live_publisher_t *
ngx_stream_live_start(ngx_stream_session_t *s,
    ngx_live_publish_decision_t *decision, ngx_live_publish_t *req,
    ngx_str_t *stream, const char **reason)
{
    char                        *wrong;
    ngx_connection_t            *c;
    ngx_live_publisher_t        *publisher;
    ngx_live_media_conf_t        media, own;
    ngx_stream_live_srv_conf_t  *lscf;

    c = s->connection;
    lscf = ngx_stream_get_module_srv_conf(s, ngx_stream_live_module);

    own = lscf->media;
    ngx_live_media_conf_get((ngx_cycle_t *) ngx_cycle, &own);

    media = decision->media;
    ngx_live_media_conf_merge(&media, &own);

    wrong = ngx_live_media_conf_check(&media);

    if (wrong != NGX_CONF_OK) {
        ngx_log_error(NGX_LOG_WARN, c->log, 0,
                      "live: the settings for the publish of \"%s\" are left "
                      "out: %s", decision->stream, wrong);
        media = own;
    }

    req->id.data = decision->stream;
    req->id.len = ngx_strlen(decision->stream);
    ngx_memcpy(req->owner_key, decision->owner, sizeof(req->owner_key));
    req->addr = &c->addr_text;
    req->broadcast = decision->broadcast;
    req->media = &media;
    req->log = c->log;

    publisher = ngx_live_publisher_start(req, reason);

    if (publisher == NULL) {
        return NULL;
    }

    stream->data = ngx_pstrdup(c->pool, &req->id);
    stream->len = stream->data ? req->id.len : 0;

    return publisher;
}


void
ngx_stream_live_refused(ngx_stream_session_t *s, const char *protocol,
    const char *reason)
{
    ngx_str_t                    none;
    ngx_connection_t            *c;
    ngx_stream_live_srv_conf_t  *lscf;

    c = s->connection;
    lscf = ngx_stream_get_module_srv_conf(s, ngx_stream_live_module);

    ngx_live_count(NGX_LIVE_C_PUBLISH_REFUSED_AUTH, 1);
    ngx_log_error(NGX_LOG_ERR, c->log, 0,
                  "live: publish refused, %s from %V: %s", protocol,
                  &c->addr_text, reason);

    /* the control plane knows what it has refused itself */

    if (lscf->publish.auth != NGX_LIVE_PUBLISH_HTTP) {
        ngx_str_null(&none);
        ngx_live_publisher_refused(&none, protocol, &c->addr_text, reason);
    }
}


const char *
ngx_stream_live_text(ngx_connection_t *c, const char *text)
{
    char    *p;
    size_t   len;

    len = ngx_strlen(text) + 1;
    p = ngx_pnalloc(c->pool, len);

    if (p == NULL) {
        return "refused";
    }

    ngx_memcpy(p, text, len);

    return p;
}

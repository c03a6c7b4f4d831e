/* Directives and variables of ingest in stream{}. */

#include "ngx_live_rtmp.h"


static ngx_int_t ngx_stream_live_add_variables(ngx_conf_t *cf);
static ngx_int_t ngx_stream_live_variable(ngx_stream_session_t *s,
    ngx_stream_variable_value_t *v, uintptr_t data);
static void *ngx_stream_live_create_srv_conf(ngx_conf_t *cf);
static char *ngx_stream_live_merge_srv_conf(ngx_conf_t *cf, void *parent,
    void *child);
static char *ngx_stream_live_check(ngx_conf_t *cf,
    ngx_live_media_conf_t *media);
static char *ngx_stream_live_rtmp(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


static ngx_command_t  ngx_stream_live_commands[] = {

    { ngx_string("live_rtmp"),
      NGX_STREAM_SRV_CONF|NGX_CONF_NOARGS,
      ngx_stream_live_rtmp,
      NGX_STREAM_SRV_CONF_OFFSET,
      0,
      NULL },

    NGX_LIVE_PUBLISH_COMMANDS(NGX_STREAM_MAIN_CONF|NGX_STREAM_SRV_CONF,
                              NGX_STREAM_SRV_CONF_OFFSET,
                              offsetof(ngx_stream_live_srv_conf_t, publish)),

    { ngx_string("live_rtmp_timeout"),
      NGX_STREAM_MAIN_CONF|NGX_STREAM_SRV_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_STREAM_SRV_CONF_OFFSET,
      offsetof(ngx_stream_live_srv_conf_t, timeout),
      NULL },

    { ngx_string("live_rtmp_handshake_timeout"),
      NGX_STREAM_MAIN_CONF|NGX_STREAM_SRV_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_STREAM_SRV_CONF_OFFSET,
      offsetof(ngx_stream_live_srv_conf_t, handshake_timeout),
      NULL },

    NGX_LIVE_MEDIA_COMMANDS(NGX_STREAM_MAIN_CONF|NGX_STREAM_SRV_CONF,
                            NGX_STREAM_SRV_CONF_OFFSET,
                            offsetof(ngx_stream_live_srv_conf_t, media)),

      ngx_null_command
};


static ngx_stream_module_t  ngx_stream_live_module_ctx = {
    ngx_stream_live_add_variables,         /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    ngx_stream_live_create_srv_conf,       /* create server configuration */
    ngx_stream_live_merge_srv_conf         /* merge server configuration */
};


ngx_module_t  ngx_stream_live_module = {
    NGX_MODULE_V1,
    &ngx_stream_live_module_ctx,           /* module context */
    ngx_stream_live_commands,              /* module directives */
    NGX_STREAM_MODULE,                     /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


/* $live_stream: the stream id; $live_reason: how the session ended. */

static ngx_stream_variable_t  ngx_stream_live_variables[] = {

    { ngx_string("live_stream"), NULL, ngx_stream_live_variable, 0,
      NGX_STREAM_VAR_NOCACHEABLE, 0 },

    { ngx_string("live_reason"), NULL, ngx_stream_live_variable, 1,
      NGX_STREAM_VAR_NOCACHEABLE, 0 },

      ngx_stream_null_variable
};


static ngx_int_t
ngx_stream_live_add_variables(ngx_conf_t *cf)
{
    ngx_stream_variable_t  *var, *v;

    for (v = ngx_stream_live_variables; v->name.len; v++) {
        var = ngx_stream_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_stream_live_variable(ngx_stream_session_t *s,
    ngx_stream_variable_value_t *v, uintptr_t data)
{
    ngx_str_t             text;
    ngx_live_rtmp_ctx_t  *ctx;

    ctx = ngx_stream_get_module_ctx(s, ngx_stream_live_module);

    if (ctx == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    if (data == 0) {
        text = ctx->stream;

    } else {
        text.data = (u_char *) (ctx->reason ? ctx->reason : "");
        text.len = ngx_strlen(text.data);
    }

    if (text.len == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->data = text.data;
    v->len = text.len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


static void *
ngx_stream_live_create_srv_conf(ngx_conf_t *cf)
{
    ngx_stream_live_srv_conf_t  *lscf;

    lscf = ngx_pcalloc(cf->pool, sizeof(ngx_stream_live_srv_conf_t));
    if (lscf == NULL) {
        return NULL;
    }

    lscf->timeout = NGX_CONF_UNSET_MSEC;
    lscf->handshake_timeout = NGX_CONF_UNSET_MSEC;
    ngx_live_publish_conf_init(&lscf->publish);
    ngx_live_media_conf_init(&lscf->media);

    return lscf;
}


static char *
ngx_stream_live_merge_srv_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_stream_live_srv_conf_t  *prev = parent;
    ngx_stream_live_srv_conf_t  *conf = child;

    char                        *rv;
    ngx_stream_core_srv_conf_t  *cscf;

    ngx_conf_merge_msec_value(conf->timeout, prev->timeout, 10000);
    ngx_conf_merge_msec_value(conf->handshake_timeout,
                              prev->handshake_timeout, 10000);

    ngx_live_publish_conf_merge(&conf->publish, &prev->publish);
    ngx_live_media_conf_merge(&conf->media, &prev->media);

    cscf = ngx_stream_conf_get_module_srv_conf(cf, ngx_stream_core_module);

    if (cscf->handler != ngx_live_rtmp_init) {
        return NGX_CONF_OK;
    }

    rv = ngx_live_publish_conf_check(&conf->publish);

    if (rv != NGX_CONF_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "live_rtmp in %s:%ui: %s",
                           cscf->file_name, cscf->line, rv);
        return NGX_CONF_ERROR;
    }

    rv = ngx_live_decide_conf(cf, &conf->publish);

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    return ngx_stream_live_check(cf, &conf->media);
}


/* What is unset comes from live{}, which may stand behind stream{} and is not
 * complete here; see ngx_live_media_conf_get(). The check takes defaults. */

static char *
ngx_stream_live_check(ngx_conf_t *cf, ngx_live_media_conf_t *media)
{
    char                   *rv;
    ngx_live_media_conf_t   conf;

    conf = *media;
    ngx_live_media_conf_get(cf->cycle, &conf);

    rv = ngx_live_media_conf_check(&conf);

    if (rv != NGX_CONF_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s", rv);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_stream_live_rtmp(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_stream_core_srv_conf_t  *cscf;

    cscf = ngx_stream_conf_get_module_srv_conf(cf, ngx_stream_core_module);

    if (cscf->handler) {
        return "is duplicate, or the server has another handler";
    }

    cscf->handler = ngx_live_rtmp_init;
    ngx_live_core_need(cf);

    return NGX_CONF_OK;
}

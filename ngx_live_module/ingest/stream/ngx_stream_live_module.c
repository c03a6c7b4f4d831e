/* Directives and variables that all ingest in stream{} has. */

#include "ngx_stream_live.h"


static ngx_int_t ngx_stream_live_add_variables(ngx_conf_t *cf);
static ngx_int_t ngx_stream_live_variable(ngx_stream_session_t *s,
    ngx_stream_variable_value_t *v, uintptr_t data);
static void *ngx_stream_live_create_srv_conf(ngx_conf_t *cf);
static char *ngx_stream_live_merge_srv_conf(ngx_conf_t *cf, void *parent,
    void *child);
static char *ngx_stream_live_check(ngx_conf_t *cf,
    ngx_live_media_conf_t *media);


static ngx_command_t  ngx_stream_live_commands[] = {

    NGX_LIVE_PUBLISH_COMMANDS(NGX_STREAM_MAIN_CONF|NGX_STREAM_SRV_CONF,
                              NGX_STREAM_SRV_CONF_OFFSET,
                              offsetof(ngx_stream_live_srv_conf_t, publish)),

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
    ngx_str_t               text;
    ngx_stream_live_ctx_t  *ctx;

    ctx = ngx_stream_get_module_ctx(s, ngx_stream_live_module);

    if (ctx == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    if (data == 0) {
        text = *ctx->stream;

    } else {
        text.data = (u_char *) (*ctx->reason ? *ctx->reason : "");
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

    ngx_live_publish_conf_merge(&conf->publish, &prev->publish);
    ngx_live_media_conf_merge(&conf->media, &prev->media);

    if (conf->directive == NULL) {
        return NGX_CONF_OK;
    }

    cscf = ngx_stream_conf_get_module_srv_conf(cf, ngx_stream_core_module);

    rv = ngx_live_publish_conf_check(&conf->publish);

    if (rv != NGX_CONF_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s in %s:%ui: %s",
                           conf->directive, cscf->file_name, cscf->line, rv);
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


char *
ngx_stream_live_take(ngx_conf_t *cf, const char *directive,
    ngx_stream_content_handler_pt handler)
{
    ngx_stream_core_srv_conf_t  *cscf;
    ngx_stream_live_srv_conf_t  *lscf;

    cscf = ngx_stream_conf_get_module_srv_conf(cf, ngx_stream_core_module);
    lscf = ngx_stream_conf_get_module_srv_conf(cf, ngx_stream_live_module);

    if (cscf->handler) {
        return "is duplicate, or the server has another handler";
    }

    cscf->handler = handler;
    lscf->directive = directive;
    ngx_live_core_need(cf);

    return NGX_CONF_OK;
}


ngx_int_t
ngx_stream_live_show(ngx_stream_session_t *s, ngx_str_t *stream,
    const char **reason)
{
    ngx_stream_live_ctx_t  *ctx;

    ctx = ngx_palloc(s->connection->pool, sizeof(ngx_stream_live_ctx_t));
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    ctx->stream = stream;
    ctx->reason = reason;

    ngx_stream_set_ctx(s, ctx, ngx_stream_live_module);

    return NGX_OK;
}

/* RTMP's directives. */

#include "ngx_live_rtmp.h"


static void *ngx_live_rtmp_create_conf(ngx_conf_t *cf);
static char *ngx_live_rtmp_merge_conf(ngx_conf_t *cf, void *parent,
    void *child);
static char *ngx_live_rtmp_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


static ngx_command_t  ngx_live_rtmp_commands[] = {

    { ngx_string("live_rtmp"),
      NGX_STREAM_SRV_CONF|NGX_CONF_NOARGS,
      ngx_live_rtmp_set,
      NGX_STREAM_SRV_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("live_rtmp_timeout"),
      NGX_STREAM_MAIN_CONF|NGX_STREAM_SRV_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_STREAM_SRV_CONF_OFFSET,
      offsetof(ngx_live_rtmp_conf_t, timeout),
      NULL },

    { ngx_string("live_rtmp_handshake_timeout"),
      NGX_STREAM_MAIN_CONF|NGX_STREAM_SRV_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_STREAM_SRV_CONF_OFFSET,
      offsetof(ngx_live_rtmp_conf_t, handshake_timeout),
      NULL },

      ngx_null_command
};


static ngx_stream_module_t  ngx_live_rtmp_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    ngx_live_rtmp_create_conf,             /* create server configuration */
    ngx_live_rtmp_merge_conf               /* merge server configuration */
};


ngx_module_t  ngx_live_rtmp_module = {
    NGX_MODULE_V1,
    &ngx_live_rtmp_module_ctx,             /* module context */
    ngx_live_rtmp_commands,                /* module directives */
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


static void *
ngx_live_rtmp_create_conf(ngx_conf_t *cf)
{
    ngx_live_rtmp_conf_t  *rcf;

    rcf = ngx_pcalloc(cf->pool, sizeof(ngx_live_rtmp_conf_t));
    if (rcf == NULL) {
        return NULL;
    }

    rcf->timeout = NGX_CONF_UNSET_MSEC;
    rcf->handshake_timeout = NGX_CONF_UNSET_MSEC;

    return rcf;
}


static char *
ngx_live_rtmp_merge_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_live_rtmp_conf_t  *prev = parent;
    ngx_live_rtmp_conf_t  *conf = child;

    ngx_conf_merge_msec_value(conf->timeout, prev->timeout, 10000);
    ngx_conf_merge_msec_value(conf->handshake_timeout,
                              prev->handshake_timeout, 10000);

    return NGX_CONF_OK;
}


static char *
ngx_live_rtmp_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    return ngx_stream_live_take(cf, "live_rtmp", ngx_live_rtmp_init);
}

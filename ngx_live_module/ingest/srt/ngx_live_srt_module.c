/* SRT's directives. */

#include "ngx_live_srt.h"


static void *ngx_live_srt_create_conf(ngx_conf_t *cf);
static char *ngx_live_srt_merge_conf(ngx_conf_t *cf, void *parent,
    void *child);
static char *ngx_live_srt_check(ngx_conf_t *cf, ngx_live_srt_conf_t *scf);
static char *ngx_live_srt_set(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


static ngx_conf_num_bounds_t  ngx_live_srt_pending_bounds = {
    ngx_conf_check_num_bounds, 1, 65536
};


static ngx_command_t  ngx_live_srt_commands[] = {

    { ngx_string("live_srt"),
      NGX_STREAM_SRV_CONF|NGX_CONF_NOARGS,
      ngx_live_srt_set,
      NGX_STREAM_SRV_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("live_srt_latency"),
      NGX_STREAM_MAIN_CONF|NGX_STREAM_SRV_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_STREAM_SRV_CONF_OFFSET,
      offsetof(ngx_live_srt_conf_t, latency),
      NULL },

    { ngx_string("live_srt_timeout"),
      NGX_STREAM_MAIN_CONF|NGX_STREAM_SRV_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_STREAM_SRV_CONF_OFFSET,
      offsetof(ngx_live_srt_conf_t, timeout),
      NULL },

    { ngx_string("live_srt_pending"),
      NGX_STREAM_MAIN_CONF|NGX_STREAM_SRV_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_STREAM_SRV_CONF_OFFSET,
      offsetof(ngx_live_srt_conf_t, pending),
      &ngx_live_srt_pending_bounds },

    { ngx_string("live_srt_passphrase"),
      NGX_STREAM_MAIN_CONF|NGX_STREAM_SRV_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_STREAM_SRV_CONF_OFFSET,
      offsetof(ngx_live_srt_conf_t, passphrase),
      NULL },

    { ngx_string("live_srt_stream"),
      NGX_STREAM_SRV_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_str_slot,
      NGX_STREAM_SRV_CONF_OFFSET,
      offsetof(ngx_live_srt_conf_t, stream),
      NULL },

      ngx_null_command
};


static ngx_stream_module_t  ngx_live_srt_module_ctx = {
    NULL,                                  /* preconfiguration */
    NULL,                                  /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    ngx_live_srt_create_conf,              /* create server configuration */
    ngx_live_srt_merge_conf                /* merge server configuration */
};


ngx_module_t  ngx_live_srt_module = {
    NGX_MODULE_V1,
    &ngx_live_srt_module_ctx,              /* module context */
    ngx_live_srt_commands,                 /* module directives */
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
ngx_live_srt_create_conf(ngx_conf_t *cf)
{
    ngx_live_srt_conf_t  *scf;

    scf = ngx_pcalloc(cf->pool, sizeof(ngx_live_srt_conf_t));
    if (scf == NULL) {
        return NULL;
    }

    scf->latency = NGX_CONF_UNSET_MSEC;
    scf->timeout = NGX_CONF_UNSET_MSEC;
    scf->pending = NGX_CONF_UNSET_UINT;

    return scf;
}


static char *
ngx_live_srt_merge_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_live_srt_conf_t  *prev = parent;
    ngx_live_srt_conf_t  *conf = child;

    ngx_conf_merge_msec_value(conf->latency, prev->latency, 120);
    ngx_conf_merge_msec_value(conf->timeout, prev->timeout, 5000);
    ngx_conf_merge_uint_value(conf->pending, prev->pending, 256);
    ngx_conf_merge_str_value(conf->passphrase, prev->passphrase, "");

    return ngx_live_srt_check(cf, conf);
}


static char *
ngx_live_srt_check(ngx_conf_t *cf, ngx_live_srt_conf_t *scf)
{
    lv_str_t                     id;
    ngx_stream_live_srv_conf_t  *lscf;

    if (scf->latency < 20 || scf->latency > 30000) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"live_srt_latency\" must be 20ms to 30s");
        return NGX_CONF_ERROR;
    }

    /* the value itself is a secret */

    if (scf->passphrase.len != 0
        && (scf->passphrase.len < LV_SRT_PASSPHRASE_MIN
            || scf->passphrase.len > LV_SRT_PASSPHRASE_MAX))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"live_srt_passphrase\" must have %d to %d "
                           "characters", LV_SRT_PASSPHRASE_MIN,
                           LV_SRT_PASSPHRASE_MAX);
        return NGX_CONF_ERROR;
    }

    if (scf->stream.len == 0) {
        return NGX_CONF_OK;
    }

    id.data = scf->stream.data;
    id.len = scf->stream.len;

    if (!lv_stream_id_valid(id)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"live_srt_stream %V\" is not the id of a stream",
                           &scf->stream);
        return NGX_CONF_ERROR;
    }

    /* parents of servers cannot have it, so this is a server's own */

    lscf = ngx_stream_conf_get_module_srv_conf(cf, ngx_stream_live_module);

    if (scf->passphrase.len == 0 && lscf->publish.auth != NGX_LIVE_PUBLISH_OFF)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"live_srt_stream\" needs \"live_srt_passphrase\": "
                           "without one anybody could publish \"%V\"",
                           &scf->stream);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_live_srt_set(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    return ngx_stream_live_take(cf, "live_srt", ngx_live_srt_init);
}

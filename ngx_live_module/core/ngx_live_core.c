/* The live{} block. Its directives may belong to any core module of ours. */

#include "ngx_live_core.h"


static void *ngx_live_core_create_conf(ngx_cycle_t *cycle);
static char *ngx_live_core_init_conf(ngx_cycle_t *cycle, void *conf);
static char *ngx_live_core_block(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


static ngx_live_media_conf_t  ngx_live_media_defaults = {
    333, 2000, 30000, 30000, 1, 10485760
};


static ngx_command_t  ngx_live_core_commands[] = {

    { ngx_string("live"),
      NGX_MAIN_CONF|NGX_DIRECT_CONF|NGX_CONF_BLOCK|NGX_CONF_NOARGS,
      ngx_live_core_block,
      0,
      0,
      NULL },

    { ngx_string("live_drain_timeout"),
      NGX_LIVE_CONF|NGX_DIRECT_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      0,
      offsetof(ngx_live_core_conf_t, drain_timeout),
      NULL },

    { ngx_string("live_drain_max"),
      NGX_LIVE_CONF|NGX_DIRECT_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      0,
      offsetof(ngx_live_core_conf_t, drain_max),
      NULL },

    NGX_LIVE_MEDIA_COMMANDS(NGX_LIVE_CONF|NGX_DIRECT_CONF, 0,
                            offsetof(ngx_live_core_conf_t, media)),

      ngx_null_command
};


static ngx_core_module_t  ngx_live_core_module_ctx = {
    ngx_string("live"),
    ngx_live_core_create_conf,
    ngx_live_core_init_conf
};


ngx_module_t  ngx_live_core_module = {
    NGX_MODULE_V1,
    &ngx_live_core_module_ctx,             /* module context */
    ngx_live_core_commands,                /* module directives */
    NGX_CORE_MODULE,                       /* module type */
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
ngx_live_core_create_conf(ngx_cycle_t *cycle)
{
    ngx_live_core_conf_t  *lcf;

    lcf = ngx_pcalloc(cycle->pool, sizeof(ngx_live_core_conf_t));
    if (lcf == NULL) {
        return NULL;
    }

    lcf->drain_timeout = NGX_CONF_UNSET_MSEC;
    lcf->drain_max = NGX_CONF_UNSET;
    lcf->generation = (uint32_t) ngx_time();
    ngx_live_media_conf_init(&lcf->media);

    return lcf;
}


static char *
ngx_live_core_init_conf(ngx_cycle_t *cycle, void *conf)
{
    char                   *rv;
    ngx_live_core_conf_t   *lcf = conf;

    if (lcf->needed.len && !lcf->used) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "\"%V\" needs a live{} block with \"live_store\"",
                      &lcf->needed);
        return NGX_CONF_ERROR;
    }

    ngx_conf_init_msec_value(lcf->drain_timeout, 3600 * 1000);
    ngx_conf_init_value(lcf->drain_max, 8);
    ngx_live_media_conf_merge(&lcf->media, &ngx_live_media_defaults);

    rv = ngx_live_media_conf_check(&lcf->media);

    if (rv != NGX_CONF_OK) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0, "live{}: %s", rv);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


ngx_live_core_conf_t *
ngx_live_core_conf(ngx_cycle_t *cycle)
{
    ngx_live_core_conf_t  *lcf;

    lcf = (ngx_live_core_conf_t *) ngx_get_conf(cycle->conf_ctx,
                                                ngx_live_core_module);

    return lcf->used ? lcf : NULL;
}


void
ngx_live_core_need(ngx_conf_t *cf)
{
    ngx_str_t             *name;
    ngx_live_core_conf_t  *lcf;

    name = cf->args->elts;
    lcf = (ngx_live_core_conf_t *) ngx_get_conf(cf->cycle->conf_ctx,
                                                ngx_live_core_module);
    lcf->needed = name[0];
}


static char *
ngx_live_core_block(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char                  *rv;
    ngx_conf_t             pcf;
    ngx_live_core_conf_t  *lcf = conf;

    if (lcf->used) {
        return "is duplicate";
    }

    lcf->used = 1;

    pcf = *cf;
    cf->cmd_type = NGX_LIVE_CONF;
    cf->module_type = NGX_CORE_MODULE;

    rv = ngx_conf_parse(cf, NULL);

    *cf = pcf;

    return rv;
}


void
ngx_live_media_conf_init(ngx_live_media_conf_t *conf)
{
    conf->part = NGX_CONF_UNSET_MSEC;
    conf->segment = NGX_CONF_UNSET_MSEC;
    conf->window = NGX_CONF_UNSET_MSEC;
    conf->resume = NGX_CONF_UNSET_MSEC;
    conf->muxed = NGX_CONF_UNSET;
    conf->max_bitrate = NGX_CONF_UNSET_SIZE;
}


void
ngx_live_media_conf_merge(ngx_live_media_conf_t *conf,
    ngx_live_media_conf_t *prev)
{
    if (conf->part == NGX_CONF_UNSET_MSEC) {
        conf->part = prev->part;
    }

    if (conf->segment == NGX_CONF_UNSET_MSEC) {
        conf->segment = prev->segment;
    }

    if (conf->window == NGX_CONF_UNSET_MSEC) {
        conf->window = prev->window;
    }

    if (conf->resume == NGX_CONF_UNSET_MSEC) {
        conf->resume = prev->resume;
    }

    if (conf->muxed == NGX_CONF_UNSET) {
        conf->muxed = prev->muxed;
    }

    if (conf->max_bitrate == NGX_CONF_UNSET_SIZE) {
        conf->max_bitrate = prev->max_bitrate;
    }
}


void
ngx_live_media_conf_get(ngx_cycle_t *cycle, ngx_live_media_conf_t *conf)
{
    ngx_live_core_conf_t  *lcf;

    lcf = ngx_live_core_conf(cycle);

    if (lcf != NULL) {
        ngx_live_media_conf_merge(conf, &lcf->media);
    }

    ngx_live_media_conf_merge(conf, &ngx_live_media_defaults);
}


char *
ngx_live_media_conf_check(ngx_live_media_conf_t *conf)
{
    if (conf->part < 50 || conf->part > 2000) {
        return "live_part must be between 50ms and 2s";
    }

    if (conf->segment < 1000 || conf->segment > 10000) {
        return "live_segment must be between 1s and 10s";
    }

    if (conf->part > conf->segment / 2) {
        return "live_part must be at most half of live_segment";
    }

    if (conf->window < 8 * conf->segment
        || conf->window / conf->part > LV_RING - 64)
    {
        return "live_window must be at least 8 times live_segment "
               "and at most 960 times live_part";
    }

    if (conf->resume > 3600 * 1000) {
        return "live_resume must be at most 1h";
    }

    if (conf->max_bitrate < 64 * 1024
        || conf->max_bitrate > 1024 * 1024 * 1024)
    {
        return "live_max_bitrate must be between 64k and 1024m";
    }

    return NGX_CONF_OK;
}

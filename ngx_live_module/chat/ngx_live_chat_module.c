/* The live_chat directives. */

#include "ngx_live_chat.h"


static void *ngx_live_chat_create_main_conf(ngx_conf_t *cf);
static char *ngx_live_chat_init_main_conf(ngx_conf_t *cf, void *conf);
static void *ngx_live_chat_create_conf(ngx_conf_t *cf);
static char *ngx_live_chat_merge_conf(ngx_conf_t *cf, void *parent,
    void *child);
static char *ngx_live_chat(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static char *ngx_live_chat_rate(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_live_chat_bucket(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_int_t ngx_live_chat_init_process(ngx_cycle_t *cycle);
static void ngx_live_chat_second(lv_store_t *st, uint64_t now_ms);


#define NGX_LIVE_CHAT_ANY                                                     \
    NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF


static ngx_conf_num_bounds_t  ngx_live_chat_history_bounds = {
    ngx_conf_check_num_bounds, 0, 200
};


static ngx_command_t  ngx_live_chat_commands[] = {

    { ngx_string("live_chat"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE1,
      ngx_live_chat,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("live_chat_origin"),
      NGX_LIVE_CHAT_ANY|NGX_CONF_1MORE,
      ngx_live_http_origins_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_live_chat_conf_t, origins),
      NULL },

    { ngx_string("live_chat_rate"),
      NGX_LIVE_CHAT_ANY|NGX_CONF_TAKE12,
      ngx_live_chat_rate,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("live_chat_room_rate"),
      NGX_LIVE_CHAT_ANY|NGX_CONF_TAKE12,
      ngx_live_chat_bucket,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_live_chat_conf_t, room_rate),
      NULL },

    { ngx_string("live_chat_address_rate"),
      NGX_LIVE_CHAT_ANY|NGX_CONF_TAKE12,
      ngx_live_chat_bucket,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_live_chat_conf_t, addr_rate),
      NULL },

    { ngx_string("live_chat_tick"),
      NGX_LIVE_CHAT_ANY|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_live_chat_conf_t, tick),
      NULL },

    { ngx_string("live_chat_queue"),
      NGX_LIVE_CHAT_ANY|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_live_chat_conf_t, queue),
      NULL },

    { ngx_string("live_chat_history"),
      NGX_LIVE_CHAT_ANY|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_live_chat_conf_t, history),
      &ngx_live_chat_history_bounds },

    { ngx_string("live_chat_ping"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_live_chat_main_conf_t, ping),
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_live_chat_module_ctx = {
    NULL,                          /* preconfiguration */
    NULL,                          /* postconfiguration */

    ngx_live_chat_create_main_conf,  /* create main configuration */
    ngx_live_chat_init_main_conf,  /* init main configuration */

    NULL,                          /* create server configuration */
    NULL,                          /* merge server configuration */

    ngx_live_chat_create_conf,     /* create location configuration */
    ngx_live_chat_merge_conf       /* merge location configuration */
};


ngx_module_t  ngx_http_live_chat_module = {
    NGX_MODULE_V1,
    &ngx_live_chat_module_ctx,     /* module context */
    ngx_live_chat_commands,        /* module directives */
    NGX_HTTP_MODULE,               /* module type */
    NULL,                          /* init master */
    NULL,                          /* init module */
    ngx_live_chat_init_process,    /* init process */
    NULL,                          /* init thread */
    NULL,                          /* exit thread */
    NULL,                          /* exit process */
    NULL,                          /* exit master */
    NGX_MODULE_V1_PADDING
};


static void *
ngx_live_chat_create_main_conf(ngx_conf_t *cf)
{
    ngx_live_chat_main_conf_t  *mcf;

    mcf = ngx_pcalloc(cf->pool, sizeof(ngx_live_chat_main_conf_t));

    if (mcf) {
        mcf->ping = NGX_CONF_UNSET_MSEC;
    }

    return mcf;
}


static char *
ngx_live_chat_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_live_chat_main_conf_t  *mcf = conf;

    ngx_conf_init_msec_value(mcf->ping, 30000);

    return mcf->ping >= 1000 ? NGX_CONF_OK
                             : "live_chat_ping is less than a second";
}


static void *
ngx_live_chat_create_conf(ngx_conf_t *cf)
{
    ngx_live_chat_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_live_chat_conf_t));

    if (conf) {
        ngx_live_http_origins_init(&conf->origins);
        conf->tick = NGX_CONF_UNSET_MSEC;
        conf->queue = NGX_CONF_UNSET_SIZE;
        conf->rate = NGX_CONF_UNSET_UINT;
        conf->burst = NGX_CONF_UNSET_UINT;
        conf->room_rate.rate = NGX_LIVE_CHAT_UNSET;
        conf->addr_rate.rate = NGX_LIVE_CHAT_UNSET;
        conf->history = NGX_CONF_UNSET;
    }

    return conf;
}


static char *
ngx_live_chat_merge_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_live_chat_conf_t  *prev = parent;
    ngx_live_chat_conf_t  *conf = child;

    if (conf->stream == NULL) {
        conf->stream = prev->stream;
    }

    ngx_live_http_origins_merge(&conf->origins, &prev->origins);
    ngx_conf_merge_msec_value(conf->tick, prev->tick, 50);
    ngx_conf_merge_size_value(conf->queue, prev->queue, 65536);
    ngx_conf_merge_uint_value(conf->rate, prev->rate, 1000);
    ngx_conf_merge_uint_value(conf->burst, prev->burst, 10);
    if (conf->room_rate.rate == NGX_LIVE_CHAT_UNSET) {
        conf->room_rate = prev->room_rate;
    }

    if (conf->addr_rate.rate == NGX_LIVE_CHAT_UNSET) {
        conf->addr_rate = prev->addr_rate;
    }

    ngx_conf_merge_value(conf->history, prev->history, 50);

    if (conf->tick > 50) {
        return "live_chat_tick is more than 50ms";
    }

    return NGX_CONF_OK;
}


/* live_chat [stream=VALUE]; */
static char *
ngx_live_chat(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_live_chat_conf_t  *lcf = conf;

    ngx_str_t                         *value, text;
    ngx_http_core_loc_conf_t          *clcf;
    ngx_http_compile_complex_value_t   ccv;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler) {
        return "conflicts with another content handler of this location";
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2) {

        if (ngx_strncmp(value[1].data, "stream=", 7) != 0) {
            return "takes stream=VALUE";
        }

        text.data = value[1].data + 7;
        text.len = value[1].len - 7;

        lcf->stream = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
        if (lcf->stream == NULL) {
            return NGX_CONF_ERROR;
        }

        ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));
        ccv.cf = cf;
        ccv.value = &text;
        ccv.complex_value = lcf->stream;

        if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
            return NGX_CONF_ERROR;
        }

    } else if (clcf->name.len == 0
#if (NGX_PCRE)
               || clcf->regex
#endif
               || clcf->name.data[clcf->name.len - 1] != '/')
    {
        return "needs a location by a prefix that ends in \"/\", "
               "or stream=VALUE";
    }

    clcf->handler = ngx_live_chat_handler;

    return ngx_live_http_location_late(cf);
}


/* off | Nr/s [burst=N]: *rate in thousandths, 0: off; *burst stays when it is
 * not there. NULL, or what is wrong. */
static char *
ngx_live_chat_rate_parse(ngx_conf_t *cf, ngx_uint_t *rate, ngx_uint_t *burst)
{
    ngx_int_t   n;
    ngx_str_t  *value;

    value = cf->args->elts;
    *rate = 0;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        return NGX_CONF_OK;
    }

    if (value[1].len < 4
        || ngx_strncmp(value[1].data + value[1].len - 3, "r/s", 3) != 0)
    {
        return "takes off, or a rate such as 1r/s";
    }

    n = ngx_atofp(value[1].data, value[1].len - 3, 3);

    if (n <= 0 || n > 1000 * 1000) {
        return "takes a rate of up to 1000r/s";
    }

    *rate = n;

    if (cf->args->nelts == 3) {

        if (ngx_strncmp(value[2].data, "burst=", 6) != 0) {
            return "takes burst=N behind the rate";
        }

        n = ngx_atoi(value[2].data + 6, value[2].len - 6);

        if (n < 1 || n > 10000) {
            return "takes burst=1 to burst=10000";
        }

        *burst = n;
    }

    return NGX_CONF_OK;
}


/* live_chat_rate off | Nr/s [burst=N]; */
static char *
ngx_live_chat_rate(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_live_chat_conf_t  *lcf = conf;

    if (lcf->rate != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    return ngx_live_chat_rate_parse(cf, &lcf->rate, &lcf->burst);
}


/* live_chat_room_rate, live_chat_address_rate; the burst is ten seconds' worth
 * where it is not said. */
static char *
ngx_live_chat_bucket(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char            *rv, *p = conf;
    ngx_uint_t       rate, burst;
    lv_room_rate_t  *bucket;

    bucket = (lv_room_rate_t *) (void *) (p + cmd->offset);

    if (bucket->rate != NGX_LIVE_CHAT_UNSET) {
        return "is duplicate";
    }

    burst = 0;
    rv = ngx_live_chat_rate_parse(cf, &rate, &burst);

    if (rv == NGX_CONF_OK) {
        bucket->rate = (uint32_t) rate;
        bucket->burst = burst ? (uint32_t) burst
                              : (uint32_t) ngx_min(rate / 100 + 1, 10000);
    }

    return rv;
}


static ngx_int_t
ngx_live_chat_init_process(ngx_cycle_t *cycle)
{
    ngx_live_chat_member_init(cycle);
    ngx_live_chat_wait_init(cycle);
    ngx_live_chat_review_init();

    if (ngx_live_on_rung(ngx_live_chat_rung) != NGX_OK
        || ngx_live_on_exit(ngx_live_chat_exit) != NGX_OK
        || ngx_live_on_second(ngx_live_chat_second) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_live_chat_second(lv_store_t *st, uint64_t now_ms)
{
    ngx_live_chat_wait_second();
    ngx_live_chat_room_second(st, now_ms);
}

/* Directives of live{} about the node and its control plane; the election. */

#include "ngx_live_bus.h"
#include "ngx_live_chat_sync.h"
#include "ngx_live_endpoint.h"


#define NGX_LIVE_LEAD_MS  250       /* how often a worker would like to lead */


static void *ngx_live_cluster_create_conf(ngx_cycle_t *cycle);
static char *ngx_live_cluster_init_conf(ngx_cycle_t *cycle, void *conf);
static char *ngx_live_cluster_plane(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_live_cluster_id(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_live_cluster_urls(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_live_cluster_resolver(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_live_cluster_path(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_int_t ngx_live_cluster_init_module(ngx_cycle_t *cycle);
static ngx_int_t ngx_live_cluster_init_process(ngx_cycle_t *cycle);
static void ngx_live_cluster_exit(lv_store_t *st);
static void ngx_live_cluster_rung(lv_store_t *st);
static void ngx_live_cluster_timer(ngx_event_t *ev);
static void ngx_live_cluster_control(ngx_event_t *ev, lv_store_t *st,
    ngx_uint_t first);


static ngx_command_t  ngx_live_cluster_commands[] = {

    { ngx_string("live_control_plane"),
      NGX_LIVE_CONF|NGX_DIRECT_CONF|NGX_CONF_TAKE1,
      ngx_live_cluster_plane,
      0,
      0,
      NULL },

    { ngx_string("live_control_ca"),
      NGX_LIVE_CONF|NGX_DIRECT_CONF|NGX_CONF_TAKE1,
      ngx_live_cluster_path,
      0,
      offsetof(ngx_live_cluster_conf_t, ca),
      NULL },

    { ngx_string("live_resolver"),
      NGX_LIVE_CONF|NGX_DIRECT_CONF|NGX_CONF_1MORE,
      ngx_live_cluster_resolver,
      0,
      0,
      NULL },

    { ngx_string("live_node_id"),
      NGX_LIVE_CONF|NGX_DIRECT_CONF|NGX_CONF_TAKE1,
      ngx_live_cluster_id,
      0,
      0,
      NULL },

    { ngx_string("live_node_key"),
      NGX_LIVE_CONF|NGX_DIRECT_CONF|NGX_CONF_TAKE1,
      ngx_live_keyfile_set_slot,
      0,
      offsetof(ngx_live_cluster_conf_t, node_key),
      &ngx_live_keyfile_nodes },

    { ngx_string("live_node_urls"),
      NGX_LIVE_CONF|NGX_DIRECT_CONF|NGX_CONF_TAKE12,
      ngx_live_cluster_urls,
      0,
      0,
      NULL },

    { ngx_string("live_review_private"),
      NGX_LIVE_CONF|NGX_DIRECT_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      0,
      offsetof(ngx_live_cluster_conf_t, review_private),
      NULL },

    { ngx_string("live_state_dir"),
      NGX_LIVE_CONF|NGX_DIRECT_CONF|NGX_CONF_TAKE1,
      ngx_live_cluster_path,
      0,
      offsetof(ngx_live_cluster_conf_t, state_dir),
      NULL },

    { ngx_string("live_redis"),
      NGX_LIVE_CONF|NGX_DIRECT_CONF|NGX_CONF_TAKE12,
      ngx_live_redis_url,
      0,
      0,
      NULL },

    { ngx_string("live_redis_password"),
      NGX_LIVE_CONF|NGX_DIRECT_CONF|NGX_CONF_TAKE1,
      ngx_live_redis_file,
      0,
      offsetof(ngx_live_redis_conf_t, password_file),
      NULL },

    { ngx_string("live_redis_ca"),
      NGX_LIVE_CONF|NGX_DIRECT_CONF|NGX_CONF_TAKE1,
      ngx_live_redis_file,
      0,
      offsetof(ngx_live_redis_conf_t, ca),
      NULL },

      ngx_null_command
};


static ngx_core_module_t  ngx_live_cluster_module_ctx = {
    ngx_string("live_cluster"),
    ngx_live_cluster_create_conf,
    ngx_live_cluster_init_conf
};


ngx_module_t  ngx_live_cluster_module = {
    NGX_MODULE_V1,
    &ngx_live_cluster_module_ctx,          /* module context */
    ngx_live_cluster_commands,             /* module directives */
    NGX_CORE_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_live_cluster_init_module,          /* init module */
    ngx_live_cluster_init_process,         /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_event_t       ngx_live_cluster_event;
static ngx_connection_t  ngx_live_cluster_dumb;
static ngx_msec_t        ngx_live_cluster_beat_at;
static ngx_uint_t        ngx_live_cluster_leads;


ngx_live_cluster_conf_t *
ngx_live_cluster_conf(ngx_cycle_t *cycle)
{
    return (ngx_live_cluster_conf_t *) ngx_get_conf(cycle->conf_ctx,
                                                    ngx_live_cluster_module);
}


static void *
ngx_live_cluster_create_conf(ngx_cycle_t *cycle)
{
    ngx_live_cluster_conf_t  *ccf;

    ccf = ngx_pcalloc(cycle->pool, sizeof(ngx_live_cluster_conf_t));
    if (ccf == NULL) {
        return NULL;
    }

    ccf->node_key = NGX_CONF_UNSET_PTR;
    ccf->review_private = NGX_CONF_UNSET;
    ccf->started = ngx_time();

    if (ngx_array_init(&ccf->endpoints, cycle->pool, 2,
                       sizeof(ngx_live_endpoint_t *))
        != NGX_OK)
    {
        return NULL;
    }

    return ccf;
}


static char *
ngx_live_cluster_init_conf(ngx_cycle_t *cycle, void *conf)
{
    ngx_live_cluster_conf_t  *ccf = conf;

#if (NGX_SSL)
    ngx_str_t              system = ngx_null_string;
    ngx_live_endpoint_t    any;           /* of the public Internet */
#endif
    ngx_uint_t             i;
    ngx_live_endpoint_t  **eps;

    ngx_conf_init_ptr_value(ccf->node_key, NULL);
    ngx_conf_init_value(ccf->review_private, 0);

#if (NGX_SSL)
    if (ccf->control) {
        ngx_memzero(&any, sizeof(ngx_live_endpoint_t));
        any.ca = &system;

        if (ngx_live_endpoint_tls(cycle, &any) != NGX_OK) {
            return NGX_CONF_ERROR;
        }

        ccf->public_tls = any.tls;
    }
#endif

    if (ccf->node_id.len == 0) {
        ccf->node_id = cycle->hostname;
    }

    if (ngx_live_keyfile_control_used(cycle) && ccf->control == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "\"live_token on\" needs \"live_token_keys\", or "
                      "\"live_control_plane\" in live{}");
        return NGX_CONF_ERROR;
    }

    if (ccf->redis
        && ngx_live_redis_init(cycle, ccf->redis, ccf) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    eps = ccf->endpoints.elts;

    for (i = 0; i < ccf->endpoints.nelts; i++) {
        if (ngx_live_endpoint_init(cycle, eps[i], ccf) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_live_cluster_plane(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_live_cluster_conf_t  *ccf = conf;

    ngx_str_t  *value;

    if (ccf->control != NULL) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        return NGX_CONF_OK;
    }

    ccf->control = ngx_live_endpoint_add(cf, &value[1]);

    return ccf->control ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static char *
ngx_live_cluster_id(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_live_cluster_conf_t  *ccf = conf;

    u_char      c;
    size_t      i;
    ngx_str_t  *value;

    if (ccf->node_id.len) {
        return "is duplicate";
    }

    value = cf->args->elts;
    ccf->node_id = value[1];

    for (i = 0; i < value[1].len; i++) {
        c = value[1].data[i];

        if (!(c >= '0' && c <= '9')
            && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z')
            && (i == 0 || (c != '.' && c != '-' && c != '_')))
        {
            return "must be letters, digits, \".\", \"-\" and \"_\"";
        }
    }

    return i >= 1 && i <= 64 ? NGX_CONF_OK : "must have 1 to 64 characters";
}


static char *
ngx_live_cluster_urls(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_live_cluster_conf_t  *ccf = conf;

    ngx_str_t   *value;
    ngx_uint_t   i;

    if (ccf->rtmp_url.len || ccf->http_url.len) {
        return "is duplicate";
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (value[i].len > 5
            && ngx_strncmp(value[i].data, "rtmp=", 5) == 0)
        {
            ccf->rtmp_url.data = value[i].data + 5;
            ccf->rtmp_url.len = value[i].len - 5;

        } else if (value[i].len > 5
                   && ngx_strncmp(value[i].data, "http=", 5) == 0)
        {
            ccf->http_url.data = value[i].data + 5;
            ccf->http_url.len = value[i].len - 5;

        } else {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\": it is rtmp=URL or "
                               "http=URL", &value[i]);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_live_cluster_resolver(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_live_cluster_conf_t  *ccf = conf;

    ngx_str_t  *value;

    if (ccf->resolver) {
        return "is duplicate";
    }

    value = cf->args->elts;

    ccf->resolver = ngx_resolver_create(cf, &value[1], cf->args->nelts - 1);

    return ccf->resolver ? NGX_CONF_OK : NGX_CONF_ERROR;
}


/* A file or folder; relative ones as nginx has them. */

static char *
ngx_live_cluster_path(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t  *value, *path;

    path = (ngx_str_t *) ((char *) conf + cmd->offset);

    if (path->len) {
        return "is duplicate";
    }

    value = cf->args->elts;
    *path = value[1];

    /* what is written is not configuration: below the prefix */

    return ngx_conf_full_name(cf->cycle, path,
                              cmd->offset
                              == offsetof(ngx_live_cluster_conf_t, ca))
           == NGX_OK ? NGX_CONF_OK : NGX_CONF_ERROR;
}


/* The master makes the folder that workers write in. */

static ngx_int_t
ngx_live_cluster_init_module(ngx_cycle_t *cycle)
{
    ngx_core_conf_t          *core;
    ngx_file_info_t           fi;
    ngx_live_cluster_conf_t  *ccf;

    ccf = ngx_live_cluster_conf(cycle);

    if (ccf->state_dir.len == 0 || ngx_test_config) {
        return NGX_OK;
    }

    if (ngx_create_dir(ccf->state_dir.data, 0700) == NGX_FILE_ERROR
        && ngx_errno != NGX_EEXIST)
    {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "live_state_dir: " ngx_create_dir_n " \"%s\" failed",
                      ccf->state_dir.data);
        return NGX_ERROR;
    }

    if (ngx_file_info(ccf->state_dir.data, &fi) == NGX_FILE_ERROR
        || !ngx_is_dir(&fi))
    {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "live_state_dir: \"%s\" is no folder",
                      ccf->state_dir.data);
        return NGX_ERROR;
    }

    core = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    if (geteuid() == 0 && core->user != (ngx_uid_t) NGX_CONF_UNSET_UINT
        && fi.st_uid != core->user
        && chown((const char *) ccf->state_dir.data, core->user, -1) == -1)
    {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "live_state_dir: chown(\"%s\") failed",
                      ccf->state_dir.data);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_live_cluster_init_process(ngx_cycle_t *cycle)
{
    lv_store_t               *st;
    ngx_event_t              *ev;
    ngx_live_cluster_conf_t  *ccf;

    ccf = ngx_live_cluster_conf(cycle);
    st = ngx_live_store();

    if (ngx_process != NGX_PROCESS_WORKER
        && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    if (st != NULL) {
        lv_cluster_set_active(st, ccf->control != NULL);
        lv_rooms_saving(st, ccf->control != NULL);
        lv_bus_on(st, ccf->redis != NULL);
        ngx_live_keystore_load(st, ccf, cycle->log);
    }

    if (ccf->control == NULL && ccf->redis == NULL) {
        return NGX_OK;
    }

    if (ngx_live_on_exit(ngx_live_cluster_exit) != NGX_OK
        || ngx_live_on_rung(ngx_live_cluster_rung) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ccf->control) {
        ngx_live_endpoint_resolve(ccf->control);
    }

    ngx_live_cluster_dumb.fd = (ngx_socket_t) -1;

    ev = &ngx_live_cluster_event;
    ev->handler = ngx_live_cluster_timer;
    ev->data = &ngx_live_cluster_dumb;
    ev->log = cycle->log;
    ev->cancelable = 1;

    ngx_add_timer(ev, 1);

    return NGX_OK;
}


static void
ngx_live_cluster_exit(lv_store_t *st)
{
    ngx_live_heartbeat_stop();
    ngx_live_chat_push_stop();
    ngx_live_bus_stop();
    lv_lead_leave(st);
}


static void
ngx_live_cluster_timer(ngx_event_t *ev)
{
    ngx_uint_t                leads;
    lv_store_t               *st;
    ngx_live_cluster_conf_t  *ccf;

    st = ngx_live_store();

    if (ngx_exiting && st != NULL) {
        /* the next generation's turn */
        ngx_live_cluster_exit(st);
        return;
    }

    leads = st != NULL && lv_lead_try(st, (uint32_t) ngx_pid);
    ccf = ngx_live_cluster_conf((ngx_cycle_t *) ngx_cycle);

    if (leads && ccf->control) {
        ngx_live_cluster_control(ev, st, !ngx_live_cluster_leads);
    }

    if (leads && ccf->redis) {
        ngx_live_bus_lead(st);
    }

    ngx_live_cluster_leads = leads;

    ngx_add_timer(ev, NGX_LIVE_LEAD_MS);
}


static void
ngx_live_cluster_control(ngx_event_t *ev, lv_store_t *st, ngx_uint_t first)
{
    if (first) {
        ngx_live_cluster_beat_at = ngx_current_msec;
        ngx_log_error(NGX_LOG_NOTICE, ev->log, 0,
                      "live: this worker talks to the control plane now");
    }

    if ((ngx_msec_int_t) (ngx_current_msec - ngx_live_cluster_beat_at) >= 0
        || ngx_live_chat_asks(st))
    {
        ngx_live_cluster_beat_at = ngx_current_msec + ngx_live_heartbeat(st);
    }

    ngx_live_chat_push(st);
}


static void
ngx_live_cluster_rung(lv_store_t *st)
{
    if (ngx_live_cluster_leads) {
        ngx_live_bus_rung(st);
    }
}

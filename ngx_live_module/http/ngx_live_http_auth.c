/* The directives and phases that all live locations share. */

#include "ngx_live_http.h"


static void *ngx_live_http_create_main_conf(ngx_conf_t *cf);
static void *ngx_live_http_create_srv_conf(ngx_conf_t *cf);
static void *ngx_live_http_create_loc_conf(ngx_conf_t *cf);
static char *ngx_live_http_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static ngx_int_t ngx_live_http_init(ngx_conf_t *cf);
static char *ngx_live_http_token(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_live_http_token_can(ngx_str_t *value,
    ngx_live_http_token_t *token);
static char *ngx_live_http_token_cookie(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_live_http_node_key(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


#define NGX_LIVE_HTTP_ANY                                                     \
    NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF


static ngx_command_t  ngx_live_http_auth_commands[] = {

    { ngx_string("live_token"),
      NGX_LIVE_HTTP_ANY|NGX_CONF_TAKE123,
      ngx_live_http_token,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_live_http_conf_t, token),
      NULL },

    { ngx_string("live_token_keys"),
      NGX_LIVE_HTTP_ANY|NGX_CONF_TAKE1,
      ngx_live_keyfile_set_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_live_http_conf_t, token_keys),
      &ngx_live_keyfile_tokens },

    { ngx_string("live_token_cookie"),
      NGX_LIVE_HTTP_ANY|NGX_CONF_TAKE1,
      ngx_live_http_token_cookie,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_live_http_conf_t, cookie),
      NULL },

    { ngx_string("live_cors"),
      NGX_LIVE_HTTP_ANY|NGX_CONF_1MORE,
      ngx_live_http_origins_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_live_http_conf_t, cors),
      "off" },

    { ngx_string("live_node_key"),
      NGX_LIVE_HTTP_ANY|NGX_CONF_TAKE1,
      ngx_live_http_node_key,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_live_http_conf_t, node_key),
      &ngx_live_keyfile_nodes },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_live_auth_module_ctx = {
    ngx_live_http_add_variables,           /* preconfiguration */
    ngx_live_http_init,                    /* postconfiguration */

    ngx_live_http_create_main_conf,        /* create main configuration */
    NULL,                                  /* init main configuration */

    ngx_live_http_create_srv_conf,         /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_live_http_create_loc_conf,         /* create location configuration */
    ngx_live_http_merge_loc_conf           /* merge location configuration */
};


ngx_module_t  ngx_http_live_auth_module = {
    NGX_MODULE_V1,
    &ngx_http_live_auth_module_ctx,        /* module context */
    ngx_live_http_auth_commands,           /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
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
ngx_live_http_create_main_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_live_http_main_conf_t));
}


static void *
ngx_live_http_create_srv_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_live_http_srv_conf_t));
}


static void *
ngx_live_http_create_loc_conf(ngx_conf_t *cf)
{
    ngx_live_http_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_live_http_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    conf->token = NGX_CONF_UNSET_PTR;
    conf->token_keys = NGX_CONF_UNSET_PTR;
    conf->node_key = NGX_CONF_UNSET_PTR;
    ngx_live_http_origins_init(&conf->cors);

    return conf;
}


static char *
ngx_live_http_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_live_http_conf_t      *prev = parent;
    ngx_live_http_conf_t      *conf = child;

    ngx_http_core_loc_conf_t   *clcf;
    ngx_live_http_srv_conf_t   *sscf;
    ngx_live_http_main_conf_t  *mcf;

    ngx_conf_merge_ptr_value(conf->token, prev->token, NULL);
    ngx_conf_merge_ptr_value(conf->token_keys, prev->token_keys, NULL);
    ngx_conf_merge_ptr_value(conf->node_key, prev->node_key, NULL);
    ngx_conf_merge_str_value(conf->cookie, prev->cookie, "live_token");

    /* an empty name is "off", and has data */
    if (conf->cookie.len == 1 && conf->cookie.data[0] == '\0') {
        conf->cookie.len = 0;
    }

    ngx_live_http_origins_merge(&conf->cors, &prev->cors);

    /* an "if" in a location belongs to it */

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->noname) {
        conf->live |= prev->live;
        conf->late |= prev->late;
    }

    if (conf->token == NULL && !conf->live) {
        return NGX_CONF_OK;
    }

    if (conf->cors.any == NGX_CONF_UNSET_UINT) {
        conf->cors.any = 1;
    }

    sscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_live_auth_module);
    sscf->live = 1;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_live_auth_module);
    mcf->live = 1;

    if (conf->token == NULL) {
        return NGX_CONF_OK;
    }

    if (conf->token_keys == NULL) {
        /* whether there is one is known when all has been read */
        conf->token_keys = ngx_live_keyfile_control(cf);

        if (conf->token_keys == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    if (conf->token->stream == NULL && (clcf->named
#if (NGX_PCRE)
        || clcf->regex
#endif
        ))
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"live_token on\" needs \"stream=\" in location "
                      "\"%V\", which has no prefix", &clcf->name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_live_http_phase(ngx_conf_t *cf, ngx_uint_t phase, ngx_http_handler_pt pt)
{
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[phase].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = pt;

    return NGX_OK;
}


/*
 * Handlers that are added last run first in their phase, but for the log
 * phase, where it is the other way round: there ours has to go to the front,
 * because what it removes is what the access log writes.
 */
static ngx_int_t
ngx_live_http_init(ngx_conf_t *cf)
{
    ngx_array_t                *logs;
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    if (ngx_live_http_phase(cf, NGX_HTTP_POST_READ_PHASE,
                            ngx_live_http_redact_post_read)
            != NGX_OK
        || ngx_live_http_phase(cf, NGX_HTTP_REWRITE_PHASE,
                               ngx_live_http_redact_rewrite)
            != NGX_OK
        || ngx_live_http_phase(cf, NGX_HTTP_ACCESS_PHASE,
                               ngx_live_http_token_access)
            != NGX_OK
        || ngx_live_http_phase(cf, NGX_HTTP_LOG_PHASE,
                               ngx_live_http_redact_log)
            != NGX_OK)
    {
        return NGX_ERROR;
    }

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);
    logs = &cmcf->phases[NGX_HTTP_LOG_PHASE].handlers;
    h = logs->elts;

    ngx_memmove(h + 1, h, (logs->nelts - 1) * sizeof(ngx_http_handler_pt));
    h[0] = ngx_live_http_redact_log;

    return ngx_live_http_cors_filter_init(cf);
}


char *
ngx_live_http_location(ngx_conf_t *cf)
{
    ngx_live_http_conf_t  *conf;

    conf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_live_auth_module);
    conf->live = 1;
    ngx_live_core_need(cf);

    return NGX_CONF_OK;
}


char *
ngx_live_http_location_late(ngx_conf_t *cf)
{
    ngx_live_http_conf_t  *conf;

    conf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_live_auth_module);
    conf->late = 1;

    return ngx_live_http_location(cf);
}


/* live_token off | on [can=watch,chat,publish] [stream=VALUE]; */
static char *
ngx_live_http_token(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_live_http_conf_t  *lcf = conf;

    ngx_str_t                         *value, text;
    ngx_uint_t                         i;
    ngx_live_http_token_t             *token;
    ngx_http_compile_complex_value_t   ccv;

    if (lcf->token != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        lcf->token = NULL;
        return cf->args->nelts == 2 ? NGX_CONF_OK : "off takes no parameter";
    }

    if (ngx_strcmp(value[1].data, "on") != 0) {
        return "is neither \"on\" nor \"off\"";
    }

    token = ngx_pcalloc(cf->pool, sizeof(ngx_live_http_token_t));
    if (token == NULL) {
        return NGX_CONF_ERROR;
    }

    lcf->token = token;

    for (i = 2; i < cf->args->nelts; i++) {
        text = value[i];

        if (ngx_strncmp(text.data, "can=", 4) == 0 && token->can == 0) {
            text.data += 4;
            text.len -= 4;

            if (ngx_live_http_token_can(&text, token) != NGX_CONF_OK) {
                return "can= takes watch, chat, publish, "
                       "with commas between them";
            }

            continue;
        }

        if (ngx_strncmp(text.data, "stream=", 7) == 0
            && token->stream == NULL)
        {
            text.data += 7;
            text.len -= 7;

            token->stream = ngx_pcalloc(cf->pool,
                                        sizeof(ngx_http_complex_value_t));
            if (token->stream == NULL) {
                return NGX_CONF_ERROR;
            }

            ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));
            ccv.cf = cf;
            ccv.value = &text;
            ccv.complex_value = token->stream;

            if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
                return NGX_CONF_ERROR;
            }

            continue;
        }

        return "has an unknown or repeated parameter";
    }

    if (token->can == 0) {
        token->can = LV_TOKEN_WATCH;
    }

    return NGX_CONF_OK;
}


static char *
ngx_live_http_token_can(ngx_str_t *value, ngx_live_http_token_t *token)
{
    u_char    *p, *end, *comma;
    lv_str_t   word;

    p = value->data;
    end = p + value->len;

    do {
        comma = ngx_strlchr(p, end, ',');
        word.data = p;
        word.len = (comma ? comma : end) - p;

        if (lv_str_eq(word, "watch")) {
            token->can |= LV_TOKEN_WATCH;

        } else if (lv_str_eq(word, "chat")) {
            token->can |= LV_TOKEN_CHAT;

        } else if (lv_str_eq(word, "publish")) {
            token->can |= LV_TOKEN_PUBLISH;

        } else {
            return NGX_CONF_ERROR;
        }

        p = comma + 1;

    } while (comma);

    return NGX_CONF_OK;
}


static char *
ngx_live_http_token_cookie(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_live_http_conf_t  *lcf = conf;

    ngx_str_t  *value;

    if (lcf->cookie.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        /* not empty, or it would be inherited; merged to empty */
        lcf->cookie.data = (u_char *) "";
        lcf->cookie.len = 1;
        return NGX_CONF_OK;
    }

    if (value[1].len == 0) {
        return "needs a name";
    }

    lcf->cookie = value[1];

    return NGX_CONF_OK;
}


static char *
ngx_live_http_node_key(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char  *rv;

    rv = ngx_live_keyfile_set_slot(cf, cmd, conf);

    return rv == NGX_CONF_OK ? ngx_live_http_node_zone(cf) : rv;
}

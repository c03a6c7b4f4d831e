/* The live_redis directives. */

#include "ngx_live_redis.h"


#define NGX_LIVE_REDIS_HISTORY      10000
#define NGX_LIVE_REDIS_HISTORY_MAX  1000000


static ngx_live_redis_conf_t *ngx_live_redis_conf(ngx_conf_t *cf,
    ngx_live_cluster_conf_t *ccf);
static char *ngx_live_redis_where(ngx_conf_t *cf, ngx_live_redis_conf_t *rcf);
static ngx_int_t ngx_live_redis_password(ngx_cycle_t *cycle,
    ngx_live_redis_conf_t *rcf);


static ngx_live_redis_conf_t *
ngx_live_redis_conf(ngx_conf_t *cf, ngx_live_cluster_conf_t *ccf)
{
    if (ccf->redis == NULL) {
        ccf->redis = ngx_pcalloc(cf->cycle->pool,
                                 sizeof(ngx_live_redis_conf_t));
    }

    return ccf->redis;
}


/* live_redis off | URL [history=N]; */

char *
ngx_live_redis_url(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_int_t               n;
    lv_str_t                text;
    ngx_str_t              *value;
    const char             *err;
    ngx_live_redis_conf_t  *rcf;

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        return NGX_CONF_OK;
    }

    rcf = ngx_live_redis_conf(cf, conf);
    if (rcf == NULL) {
        return NGX_CONF_ERROR;
    }

    if (rcf->endpoint) {
        return "is duplicate";
    }

    text.data = value[1].data;
    text.len = value[1].len;

    if (lv_redis_url_parse(text, &rcf->url, &err) != LV_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the URL of live_redis is wrong: %s", err);
        return NGX_CONF_ERROR;
    }

    rcf->history = NGX_LIVE_REDIS_HISTORY;

    if (cf->args->nelts == 3) {
        n = value[2].len > 8
            && ngx_strncmp(value[2].data, "history=", 8) == 0
            ? ngx_atoi(value[2].data + 8, value[2].len - 8) : NGX_ERROR;

        if (n < 1 || n > NGX_LIVE_REDIS_HISTORY_MAX) {
            return "takes history=1 to history=1000000 behind the URL";
        }

        rcf->history = (ngx_uint_t) n;
    }

    return ngx_live_redis_where(cf, rcf);
}


/* Logs have the URL without user and password. */

static char *
ngx_live_redis_where(ngx_conf_t *cf, ngx_live_redis_conf_t *rcf)
{
    size_t           len;
    u_char          *p;
    ngx_str_t        where, shown, host;
    lv_redis_url_t  *url;

    url = &rcf->url;
    host.data = (u_char *) url->host.data;
    host.len = url->host.len;
    len = host.len + NGX_INT32_LEN * 2 + sizeof("rediss://:/");

    where.data = ngx_pnalloc(cf->cycle->pool, len);
    p = ngx_pnalloc(cf->cycle->pool, len);

    if (where.data == NULL || p == NULL) {
        return NGX_CONF_ERROR;
    }

    shown.data = p;

    if (url->local) {
        where.len = ngx_sprintf(where.data, "unix:%V", &host) - where.data;
        shown.len = ngx_sprintf(p, "unix://%V", &host) - p;

    } else {
        where.len = ngx_sprintf(where.data, "%V:%ui", &host,
                                (ngx_uint_t) url->port)
                    - where.data;
        shown.len = ngx_sprintf(p, "%s://%V:%ui/%uD",
                                url->tls ? "rediss" : "redis", &host,
                                (ngx_uint_t) url->port, url->db)
                    - p;
    }

    rcf->endpoint = ngx_live_endpoint_raw(cf, &where, url->port, &shown);

    if (rcf->endpoint == NULL) {
        return NGX_CONF_ERROR;
    }

    if (url->tls) {
#if (NGX_SSL)
        rcf->endpoint->ssl = 1;
        rcf->endpoint->ca = &rcf->ca;
        rcf->endpoint->ca_name = "live_redis_ca";
#else
        return "needs an nginx with SSL for rediss://";
#endif
    }

    return NGX_CONF_OK;
}


/* live_redis_password FILE; live_redis_ca FILE; */

char *
ngx_live_redis_file(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t              *value, *path;
    ngx_live_redis_conf_t  *rcf;

    rcf = ngx_live_redis_conf(cf, conf);
    if (rcf == NULL) {
        return NGX_CONF_ERROR;
    }

    path = (ngx_str_t *) ((char *) rcf + cmd->offset);

    if (path->len) {
        return "is duplicate";
    }

    value = cf->args->elts;
    *path = value[1];

    return ngx_conf_full_name(cf->cycle, path, 1) == NGX_OK ? NGX_CONF_OK
                                                            : NGX_CONF_ERROR;
}


/* Its first line. Read by the master: workers need not be able to. */

static ngx_int_t
ngx_live_redis_password(ngx_cycle_t *cycle, ngx_live_redis_conf_t *rcf)
{
    int      fd;
    char     buf[LV_REDIS_TEXT + 1];
    size_t   len;
    ssize_t  n;

    fd = open((char *) rcf->password_file.data, O_RDONLY|O_CLOEXEC);

    if (fd == -1) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "live_redis_password: \"%V\" cannot be read",
                      &rcf->password_file);
        return NGX_ERROR;
    }

    n = read(fd, buf, sizeof(buf) - 1);
    (void) close(fd);

    buf[n > 0 ? n : 0] = '\0';
    len = strcspn(buf, "\r\n");

    if (len == 0 || len >= LV_REDIS_TEXT) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "live_redis_password: the first line of \"%V\" is empty "
                      "or longer than %d characters", &rcf->password_file,
                      LV_REDIS_TEXT - 1);
        return NGX_ERROR;
    }

    ngx_memcpy(rcf->url.password, buf, len);
    rcf->url.password[len] = '\0';
    ngx_explicit_memzero(buf, sizeof(buf));

    return NGX_OK;
}


ngx_int_t
ngx_live_redis_init(ngx_cycle_t *cycle, ngx_live_redis_conf_t *rcf,
    ngx_live_cluster_conf_t *ccf)
{
    if (rcf->endpoint == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "live_redis_password and live_redis_ca need live_redis");
        return NGX_ERROR;
    }

    if (ccf->node_key == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "live_redis needs live_node_key in live{}: what nodes "
                      "tell each other is signed with it");
        return NGX_ERROR;
    }

    return rcf->password_file.len
           ? ngx_live_redis_password(cycle, rcf) : NGX_OK;
}

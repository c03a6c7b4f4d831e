/*
 * Lists of origins (scheme://host[:port], RFC 6454): whose pages may read
 * (live_cors), and whose may chat (live_chat_origin).
 */

#include "ngx_live_http.h"


void
ngx_live_http_origins_init(ngx_live_http_origins_t *o)
{
    o->list = NULL;
    o->any = NGX_CONF_UNSET_UINT;
}


void
ngx_live_http_origins_merge(ngx_live_http_origins_t *o,
    const ngx_live_http_origins_t *prev)
{
    if (o->any == NGX_CONF_UNSET_UINT) {
        *o = *prev;
    }
}


/* [off] | * | ORIGIN ... */
char *
ngx_live_http_origins_slot(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t                *value, *origin;
    ngx_uint_t                i;
    ngx_live_http_origins_t  *o;

    o = (ngx_live_http_origins_t *) ((char *) conf + cmd->offset);

    if (o->any != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;
    o->any = 0;

    if (cf->args->nelts == 2) {

        if (cmd->post && ngx_strcmp(value[1].data, "off") == 0) {
            return NGX_CONF_OK;
        }

        if (ngx_strcmp(value[1].data, "*") == 0) {
            o->any = 1;
            return NGX_CONF_OK;
        }
    }

    o->list = ngx_array_create(cf->pool, cf->args->nelts - 1,
                               sizeof(ngx_str_t));
    if (o->list == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 1; i < cf->args->nelts; i++) {

        if (ngx_strstr(value[i].data, "://") == NULL
            || value[i].data[value[i].len - 1] == '/')
        {
            return cmd->post
                   ? "takes off, *, or origins such as https://example.org"
                   : "takes *, or origins such as https://example.org";
        }

        origin = ngx_array_push(o->list);
        if (origin == NULL) {
            return NGX_CONF_ERROR;
        }

        *origin = value[i];
    }

    return NGX_CONF_OK;
}


ngx_uint_t
ngx_live_http_origins_has(const ngx_live_http_origins_t *o,
    const ngx_str_t *origin)
{
    ngx_str_t   *listed;
    ngx_uint_t   i;

    if (o->list == NULL) {
        return 0;
    }

    listed = o->list->elts;

    for (i = 0; i < o->list->nelts; i++) {
        if (listed[i].len == origin->len
            && ngx_strncasecmp(listed[i].data, origin->data, origin->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}

/* The store's handle of this worker, and who wants to hear of changes. */

#include "ngx_live_core.h"


#define NGX_LIVE_HOOKS  8


static lv_store_t          *ngx_live_store_handle;
static ngx_live_dirty_pt    ngx_live_dirty_hooks[NGX_LIVE_HOOKS];
static ngx_live_second_pt   ngx_live_second_hooks[NGX_LIVE_HOOKS];
static ngx_live_exit_pt     ngx_live_exit_hooks[NGX_LIVE_HOOKS];
static ngx_live_rung_pt     ngx_live_rung_hooks[NGX_LIVE_HOOKS];


lv_store_t *
ngx_live_store(void)
{
    return ngx_live_store_handle;
}


void
ngx_live_store_set(lv_store_t *st)
{
    ngx_live_store_handle = st;
}


uint64_t
ngx_live_now_ms(void)
{
    ngx_time_t  *tp;

    tp = ngx_timeofday();

    return (uint64_t) tp->sec * 1000 + tp->msec;
}


ngx_int_t
ngx_live_on_dirty(ngx_live_dirty_pt handler)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_LIVE_HOOKS; i++) {

        if (ngx_live_dirty_hooks[i] == NULL
            || ngx_live_dirty_hooks[i] == handler)
        {
            ngx_live_dirty_hooks[i] = handler;
            return NGX_OK;
        }
    }

    return NGX_ERROR;
}


ngx_int_t
ngx_live_on_second(ngx_live_second_pt handler)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_LIVE_HOOKS; i++) {

        if (ngx_live_second_hooks[i] == NULL
            || ngx_live_second_hooks[i] == handler)
        {
            ngx_live_second_hooks[i] = handler;
            return NGX_OK;
        }
    }

    return NGX_ERROR;
}


ngx_int_t
ngx_live_on_exit(ngx_live_exit_pt handler)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_LIVE_HOOKS; i++) {

        if (ngx_live_exit_hooks[i] == NULL
            || ngx_live_exit_hooks[i] == handler)
        {
            ngx_live_exit_hooks[i] = handler;
            return NGX_OK;
        }
    }

    return NGX_ERROR;
}


ngx_int_t
ngx_live_on_rung(ngx_live_rung_pt handler)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_LIVE_HOOKS; i++) {

        if (ngx_live_rung_hooks[i] == NULL
            || ngx_live_rung_hooks[i] == handler)
        {
            ngx_live_rung_hooks[i] = handler;
            return NGX_OK;
        }
    }

    return NGX_ERROR;
}


void
ngx_live_run_rung(void)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_LIVE_HOOKS && ngx_live_rung_hooks[i]; i++) {
        ngx_live_rung_hooks[i](ngx_live_store_handle);
    }
}


void
ngx_live_run_dirty(uint32_t stream)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_LIVE_HOOKS && ngx_live_dirty_hooks[i]; i++) {
        ngx_live_dirty_hooks[i](ngx_live_store_handle, stream);
    }
}


void
ngx_live_run_second(void)
{
    uint64_t    now;
    ngx_uint_t  i;

    now = ngx_live_now_ms();

    for (i = 0; i < NGX_LIVE_HOOKS && ngx_live_second_hooks[i]; i++) {
        ngx_live_second_hooks[i](ngx_live_store_handle, now);
    }
}


void
ngx_live_run_exit(void)
{
    ngx_uint_t  i;

    if (ngx_live_store_handle == NULL) {
        return;
    }

    for (i = 0; i < NGX_LIVE_HOOKS && ngx_live_exit_hooks[i]; i++) {
        ngx_live_exit_hooks[i](ngx_live_store_handle);
    }
}

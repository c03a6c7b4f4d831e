/* Key files, loaded and reloaded: see ngx_live_keyfile.h. */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <openssl/crypto.h>

#include "ngx_live_keyfile.h"

#define NGX_LIVE_KEYFILE_CHECK_MS  1000

/* Tokens that a worker remembers for one key file: at most 3.3 MB, of which
 * unused entries cost nothing. */
#define NGX_LIVE_KEYFILE_CACHE     4096


typedef struct {
    ngx_array_t          files;     /* ngx_live_keyfile_t * */
    ngx_live_keyfile_t  *control;   /* the control plane's, or NULL */
} ngx_live_auth_conf_t;


static void *ngx_live_auth_create_conf(ngx_cycle_t *cycle);
static ngx_int_t ngx_live_auth_init_process(ngx_cycle_t *cycle);
static void ngx_live_keyfile_timer(ngx_event_t *ev);
static void ngx_live_keyfile_check(ngx_live_keyfile_t *kf, ngx_log_t *log);
static ngx_int_t ngx_live_keyfile_load(ngx_live_keyfile_t *kf,
    ngx_uint_t level, ngx_log_t *log);
static u_char *ngx_live_keyfile_read(ngx_live_keyfile_t *kf, ngx_fd_t fd,
    size_t *len, const char **err);
static ngx_int_t ngx_live_keyfile_parse(ngx_live_keyfile_t *kf, lv_str_t bytes,
    ngx_uint_t level, ngx_log_t *log);
static void ngx_live_keyfile_drop(ngx_live_keyfile_t *kf);
static void ngx_live_keyfile_refresh(ngx_live_keyfile_t *kf);
static void ngx_live_keyfile_cleanup(void *data);


ngx_live_keyfile_e  ngx_live_keyfile_tokens = NGX_LIVE_KEYFILE_TOKENS;
ngx_live_keyfile_e  ngx_live_keyfile_streams = NGX_LIVE_KEYFILE_STREAMS;
ngx_live_keyfile_e  ngx_live_keyfile_nodes = NGX_LIVE_KEYFILE_NODES;


static ngx_event_t       ngx_live_keyfile_event;
static ngx_connection_t  ngx_live_keyfile_dumb;


static ngx_core_module_t  ngx_live_auth_module_ctx = {
    ngx_string("live_auth"),
    ngx_live_auth_create_conf,
    NULL
};


ngx_module_t  ngx_live_auth_module = {
    NGX_MODULE_V1,
    &ngx_live_auth_module_ctx,             /* module context */
    NULL,                                  /* module directives */
    NGX_CORE_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_live_auth_init_process,            /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static void *
ngx_live_auth_create_conf(ngx_cycle_t *cycle)
{
    ngx_live_auth_conf_t  *acf;

    acf = ngx_pcalloc(cycle->pool, sizeof(ngx_live_auth_conf_t));
    if (acf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&acf->files, cycle->pool, 4,
                       sizeof(ngx_live_keyfile_t *))
        != NGX_OK)
    {
        return NULL;
    }

    return acf;
}


char *
ngx_live_keyfile_set_slot(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t            *value;
    ngx_live_keyfile_e   *kind = cmd->post;
    ngx_live_keyfile_t  **kf;

    kf = (ngx_live_keyfile_t **) ((char *) conf + cmd->offset);

    if (*kf != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        *kf = NULL;
        return NGX_CONF_OK;
    }

    *kf = ngx_live_keyfile_add(cf, &value[1], *kind);

    return *kf ? NGX_CONF_OK : NGX_CONF_ERROR;
}


ngx_live_keyfile_t *
ngx_live_keyfile_add(ngx_conf_t *cf, ngx_str_t *name, ngx_live_keyfile_e kind)
{
    ngx_str_t              full;
    ngx_uint_t             i;
    ngx_pool_cleanup_t    *cln;
    ngx_live_keyfile_t    *kf, **files, **slot;
    ngx_live_auth_conf_t  *acf;

    full = *name;

    if (ngx_conf_full_name(cf->cycle, &full, 1) != NGX_OK) {
        return NULL;
    }

    acf = (ngx_live_auth_conf_t *) ngx_get_conf(cf->cycle->conf_ctx,
                                                ngx_live_auth_module);
    files = acf->files.elts;

    for (i = 0; i < acf->files.nelts; i++) {
        if (files[i]->kind == kind && files[i]->name.len == full.len
            && ngx_strncmp(files[i]->name.data, full.data, full.len) == 0)
        {
            return files[i];
        }
    }

    cln = ngx_pool_cleanup_add(cf->cycle->pool, sizeof(ngx_live_keyfile_t));
    slot = ngx_array_push(&acf->files);

    if (cln == NULL || slot == NULL) {
        return NULL;
    }

    kf = cln->data;
    ngx_memzero(kf, sizeof(ngx_live_keyfile_t));

    kf->name = full;
    kf->kind = kind;
    *slot = kf;
    cln->handler = ngx_live_keyfile_cleanup;

    if (ngx_live_keyfile_load(kf, NGX_LOG_EMERG, cf->log) != NGX_OK) {
        return NULL;
    }

    return kf;
}


ngx_live_keyfile_t *
ngx_live_keyfile_control(ngx_conf_t *cf)
{
    ngx_pool_cleanup_t    *cln;
    ngx_live_auth_conf_t  *acf;

    acf = (ngx_live_auth_conf_t *) ngx_get_conf(cf->cycle->conf_ctx,
                                                ngx_live_auth_module);
    if (acf->control) {
        return acf->control;
    }

    cln = ngx_pool_cleanup_add(cf->cycle->pool, sizeof(ngx_live_keyfile_t));
    if (cln == NULL) {
        return NULL;
    }

    acf->control = cln->data;
    ngx_memzero(acf->control, sizeof(ngx_live_keyfile_t));
    acf->control->kind = NGX_LIVE_KEYFILE_TOKENS;
    acf->control->control = 1;
    cln->handler = ngx_live_keyfile_cleanup;

    return acf->control;
}


ngx_uint_t
ngx_live_keyfile_control_used(ngx_cycle_t *cycle)
{
    ngx_live_auth_conf_t  *acf;

    acf = (ngx_live_auth_conf_t *) ngx_get_conf(cycle->conf_ctx,
                                                ngx_live_auth_module);

    return acf->control != NULL;
}


static ngx_int_t
ngx_live_auth_init_process(ngx_cycle_t *cycle)
{
    ngx_event_t           *ev;
    ngx_live_auth_conf_t  *acf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    acf = (ngx_live_auth_conf_t *) ngx_get_conf(cycle->conf_ctx,
                                                ngx_live_auth_module);

    if (acf->files.nelts == 0) {
        return NGX_OK;
    }

    ngx_live_keyfile_dumb.fd = (ngx_socket_t) -1;

    ev = &ngx_live_keyfile_event;
    ngx_memzero(ev, sizeof(ngx_event_t));
    ev->handler = ngx_live_keyfile_timer;
    ev->data = &ngx_live_keyfile_dumb;
    ev->log = cycle->log;
    ev->cancelable = 1;

    ngx_add_timer(ev, NGX_LIVE_KEYFILE_CHECK_MS);

    return NGX_OK;
}


static void
ngx_live_keyfile_timer(ngx_event_t *ev)
{
    ngx_uint_t             i;
    ngx_live_keyfile_t   **files;
    ngx_live_auth_conf_t  *acf;

    acf = (ngx_live_auth_conf_t *) ngx_get_conf(ngx_cycle->conf_ctx,
                                                ngx_live_auth_module);
    files = acf->files.elts;

    for (i = 0; i < acf->files.nelts; i++) {
        ngx_live_keyfile_check(files[i], ev->log);
    }

    ngx_add_timer(ev, NGX_LIVE_KEYFILE_CHECK_MS);
}


static void
ngx_live_keyfile_check(ngx_live_keyfile_t *kf, ngx_log_t *log)
{
    ngx_file_info_t  fi;

    if (ngx_file_info(kf->name.data, &fi) == NGX_FILE_ERROR) {

        if (!kf->missing) {
            kf->missing = 1;
            ngx_log_error(NGX_LOG_ERR, log, ngx_errno,
                          ngx_file_info_n " \"%s\" failed, "
                          "its keys stay in use", kf->name.data);
        }

        return;
    }

    kf->missing = 0;

    if (fi.st_mtim.tv_sec == kf->mtime.tv_sec
        && fi.st_mtim.tv_nsec == kf->mtime.tv_nsec
        && ngx_file_size(&fi) == kf->size
        && ngx_file_uniq(&fi) == kf->inode)
    {
        return;
    }

    if (ngx_live_keyfile_load(kf, NGX_LOG_ERR, log) == NGX_OK) {
        ngx_log_error(NGX_LOG_NOTICE, log, 0, "\"%s\" was loaded again",
                      kf->name.data);
        return;
    }

    /* the same bad file is not tried again */
    kf->mtime = fi.st_mtim;
    kf->size = ngx_file_size(&fi);
    kf->inode = ngx_file_uniq(&fi);
}


/* Replaces the keys only when the new ones are good. */
static ngx_int_t
ngx_live_keyfile_load(ngx_live_keyfile_t *kf, ngx_uint_t level, ngx_log_t *log)
{
    size_t       len;
    u_char      *buf;
    ngx_fd_t     fd;
    lv_str_t     bytes;
    ngx_int_t    rc;
    const char  *err;

    fd = ngx_open_file(kf->name.data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                       NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        ngx_log_error(level, log, ngx_errno, ngx_open_file_n " \"%s\" failed",
                      kf->name.data);
        return NGX_ERROR;
    }

    buf = ngx_live_keyfile_read(kf, fd, &len, &err);

    if (ngx_close_file(fd) == NGX_FILE_ERROR) {
        ngx_log_error(NGX_LOG_ALERT, log, ngx_errno,
                      ngx_close_file_n " \"%s\" failed", kf->name.data);
    }

    if (buf == NULL) {
        ngx_log_error(level, log, 0, "key file \"%s\": %s", kf->name.data,
                      err);
        return NGX_ERROR;
    }

    bytes.data = buf;
    bytes.len = len;

    rc = ngx_live_keyfile_parse(kf, bytes, level, log);

    OPENSSL_cleanse(buf, len);
    ngx_free(buf);

    return rc;
}


/* The whole file in memory of its own. Sets what the next look compares. */
static u_char *
ngx_live_keyfile_read(ngx_live_keyfile_t *kf, ngx_fd_t fd, size_t *len,
    const char **err)
{
    u_char           *buf;
    size_t            size;
    ssize_t           n;
    ngx_file_info_t   fi;

    if (ngx_fd_info(fd, &fi) == NGX_FILE_ERROR || !ngx_is_file(&fi)) {
        *err = "not a regular file";
        return NULL;
    }

    if (ngx_file_size(&fi) > LV_STREAMKEYS_FILE_MAX) {
        *err = "the file is too large";
        return NULL;
    }

    size = (size_t) ngx_file_size(&fi);

    buf = malloc(size + 1);
    if (buf == NULL) {
        *err = "out of memory";
        return NULL;
    }

    *len = 0;

    while (*len < size) {
        n = ngx_read_fd(fd, buf + *len, size - *len);

        if (n == -1) {
            ngx_free(buf);
            *err = "cannot be read";
            return NULL;
        }

        if (n == 0) {
            break;
        }

        *len += (size_t) n;
    }

    kf->mtime = fi.st_mtim;
    kf->size = ngx_file_size(&fi);
    kf->inode = ngx_file_uniq(&fi);

    return buf;
}


static ngx_int_t
ngx_live_keyfile_parse(ngx_live_keyfile_t *kf, lv_str_t bytes,
    ngx_uint_t level, ngx_log_t *log)
{
    size_t               line;
    const char          *err;
    ngx_live_keyfile_t   fresh;

    ngx_memzero(&fresh, sizeof(ngx_live_keyfile_t));

    err = NULL;
    line = 0;

    switch (kf->kind) {

    case NGX_LIVE_KEYFILE_TOKENS:
        fresh.tokens = lv_keyset_load(bytes, &err);
        break;

    case NGX_LIVE_KEYFILE_STREAMS:
        fresh.streams = lv_streamkeys_load(bytes, &err, &line);
        break;

    default:
        fresh.nodes = lv_nodekeys_load(bytes, &err);
        break;
    }

    if (err != NULL && line) {
        ngx_log_error(level, log, 0, "key file \"%s\", line %uz: %s",
                      kf->name.data, line, err);
        return NGX_ERROR;
    }

    if (err != NULL) {
        ngx_log_error(level, log, 0, "key file \"%s\": %s", kf->name.data,
                      err);
        return NGX_ERROR;
    }

    ngx_live_keyfile_drop(kf);

    kf->tokens = fresh.tokens;
    kf->streams = fresh.streams;
    kf->nodes = fresh.nodes;

    if (kf->tokens && lv_keyset_skipped(kf->tokens)) {
        ngx_log_error(NGX_LOG_WARN, log, 0,
                      "key file \"%s\": %uz of its keys cannot verify tokens "
                      "and are left out", kf->name.data,
                      lv_keyset_skipped(kf->tokens));
    }

    return NGX_OK;
}


static void
ngx_live_keyfile_drop(ngx_live_keyfile_t *kf)
{
    lv_keyset_free(kf->tokens);
    lv_streamkeys_free(kf->streams);
    lv_nodekeys_free(kf->nodes);

    kf->tokens = NULL;
    kf->streams = NULL;
    kf->nodes = NULL;

    /* what was verified with keys that may be gone */

    if (kf->cache) {
        lv_token_cache_clear(kf->cache);
    }
}


static void
ngx_live_keyfile_cleanup(void *data)
{
    ngx_live_keyfile_t  *kf = data;

    ngx_live_keyfile_drop(kf);
    lv_token_cache_destroy(kf->cache);
}


/* The store's keys, when they are others than those that we have. */
static void
ngx_live_keyfile_refresh(ngx_live_keyfile_t *kf)
{
    u_char       *buf;
    size_t        len;
    uint32_t      serial;
    lv_str_t      text;
    lv_store_t   *st;
    const char   *err;
    lv_keyset_t  *set;

    st = ngx_live_store();

    if (st == NULL || lv_keys_serial(st) == kf->serial) {
        return;
    }

    buf = ngx_alloc(LV_KEYSET_SIZE_MAX, ngx_cycle->log);

    if (buf == NULL || lv_keys_get(st, buf, &len, &serial) != LV_OK) {
        ngx_free(buf);
        return;
    }

    kf->serial = serial;

    text.data = buf;
    text.len = len;
    set = lv_keyset_load(text, &err);

    if (set == NULL) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "live: the control plane's keys cannot be used: %s",
                      err);

    } else {
        ngx_live_keyfile_drop(kf);
        kf->tokens = set;
    }

    ngx_free(buf);
}


int
ngx_live_keyfile_verify(ngx_live_keyfile_t *kf, lv_str_t text,
    ngx_uint_t cached_only, lv_token_result_e *result,
    const lv_token_t **token)
{
    static lv_token_t  uncached;

    if (kf->control) {
        ngx_live_keyfile_refresh(kf);

        if (kf->tokens == NULL) {
            *result = LV_TOKEN_UNKNOWN_KEY;
            return LV_OK;
        }
    }

    if (kf->cache == NULL) {
        kf->cache = lv_token_cache_create(NGX_LIVE_KEYFILE_CACHE);
    }

    if (kf->cache) {
        return lv_token_cache_verify(kf->cache, kf->tokens, text,
                                     cached_only ? true : false, result,
                                     token);
    }

    /* out of memory: slower, but right */

    if (cached_only) {
        return LV_AGAIN;
    }

    *result = lv_token_verify(kf->tokens, text, &uncached);
    *token = &uncached;

    return LV_OK;
}

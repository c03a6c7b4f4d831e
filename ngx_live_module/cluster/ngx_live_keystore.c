/*
 * The last good signing keys, kept in live_state_dir for a start without a
 * control plane: {"version":"…","jwks":{"keys":[…]}}. Public keys: no secret.
 * A new file is written beside the old one and renamed.
 */

#include "ngx_live_cluster.h"

#include <jansson.h>


static u_char *ngx_live_keystore_name(ngx_live_cluster_conf_t *ccf,
    const char *suffix, u_char *buf);
static ngx_int_t ngx_live_keystore_write(u_char *name, const char *text,
    ngx_log_t *log);


void
ngx_live_keystore_load(lv_store_t *st, ngx_live_cluster_conf_t *ccf,
    ngx_log_t *log)
{
    char         *text;
    u_char        name[NGX_MAX_PATH];
    json_t       *root, *version, *jwks;
    lv_str_t      keys;
    const char   *err;
    lv_keyset_t  *set;

    if (ccf->state_dir.len == 0 || ccf->control == NULL
        || lv_keys_serial(st) != 0
        || ngx_live_keystore_name(ccf, "keys.json", name) == NULL)
    {
        return;
    }

    root = json_load_file((char *) name, 0, NULL);

    if (root == NULL) {
        return;                         /* the first start */
    }

    version = json_object_get(root, "version");
    jwks = json_object_get(root, "jwks");
    text = jwks ? json_dumps(jwks, JSON_COMPACT) : NULL;

    keys.data = (u_char *) text;
    keys.len = text ? ngx_strlen(text) : 0;
    err = "it is not what was written";
    set = text && json_is_string(version) ? lv_keyset_load(keys, &err) : NULL;

    if (set == NULL) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "live: the keys in \"%s\" cannot be used: %s", name,
                      err);

    } else {
        (void) lv_keys_put(st, json_string_value(version), keys,
                           (uint32_t) lv_keyset_count(set), true);
    }

    lv_keyset_free(set);
    free(text);
    json_decref(root);
}


void
ngx_live_keystore_save(ngx_live_cluster_conf_t *ccf, const char *version,
    lv_str_t jwks, ngx_log_t *log)
{
    char    *text;
    u_char   name[NGX_MAX_PATH], fresh[NGX_MAX_PATH];
    json_t  *root;

    if (ccf->state_dir.len == 0
        || ngx_live_keystore_name(ccf, "keys.json", name) == NULL
        || ngx_live_keystore_name(ccf, "keys.json.new", fresh) == NULL)
    {
        return;
    }

    root = json_pack("{s:s, s:o}", "version", version, "jwks",
                     json_loadb((char *) jwks.data, jwks.len, 0, NULL));
    text = root ? json_dumps(root, JSON_COMPACT) : NULL;

    if (text != NULL && ngx_live_keystore_write(fresh, text, log) == NGX_OK
        && ngx_rename_file(fresh, name) == NGX_FILE_ERROR)
    {
        ngx_log_error(NGX_LOG_ERR, log, ngx_errno,
                      ngx_rename_file_n " \"%s\" to \"%s\" failed", fresh,
                      name);
    }

    free(text);
    json_decref(root);
}


static u_char *
ngx_live_keystore_name(ngx_live_cluster_conf_t *ccf, const char *suffix,
    u_char *buf)
{
    u_char  *p;

    p = ngx_snprintf(buf, NGX_MAX_PATH - 1, "%V/%s", &ccf->state_dir, suffix);

    if (p == buf + NGX_MAX_PATH - 1) {
        return NULL;
    }

    *p = '\0';

    return buf;
}


static ngx_int_t
ngx_live_keystore_write(u_char *name, const char *text, ngx_log_t *log)
{
    size_t     len;
    ngx_fd_t   fd;
    ngx_int_t  rc;

    fd = ngx_open_file(name, NGX_FILE_WRONLY, NGX_FILE_TRUNCATE, 0600);

    if (fd == NGX_INVALID_FILE) {
        ngx_log_error(NGX_LOG_ERR, log, ngx_errno,
                      ngx_open_file_n " \"%s\" failed", name);
        return NGX_ERROR;
    }

    len = ngx_strlen(text);
    rc = NGX_OK;

    if (ngx_write_fd(fd, (void *) text, len) != (ssize_t) len
        || fsync(fd) == -1)
    {
        ngx_log_error(NGX_LOG_ERR, log, ngx_errno,
                      ngx_write_fd_n " \"%s\" failed", name);
        rc = NGX_ERROR;
    }

    if (ngx_close_file(fd) == NGX_FILE_ERROR) {
        rc = NGX_ERROR;
    }

    return rc;
}

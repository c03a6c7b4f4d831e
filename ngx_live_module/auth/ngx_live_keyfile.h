/*
 * Files with keys: read when the configuration is, and read again by each
 * worker when they change.
 *
 * The master reads a file while it reads the configuration; one that does not
 * load is an error there. Afterwards each worker looks once a second whether
 * the file is another one (time of change to the nanosecond, size, inode) and
 * then reads it itself, so that a new key works within a second or two without
 * a reload. For that the worker's user must be able to read the file. One that
 * has disappeared, cannot be read, or does not load leaves the keys as they
 * are, and says so once. Write a new file beside the old one and rename it.
 *
 * The look is one stat() a file; reading happens only after a change and is
 * bounded by the limits of lib/ (in practice some kilobytes).
 *
 * The same file used in several places is one object. It lives as long as the
 * configuration; what it points to may change between two events, so nobody
 * keeps those pointers.
 */

#ifndef NGX_LIVE_KEYFILE_H
#define NGX_LIVE_KEYFILE_H

#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_live_core.h"
#include "lv_cluster.h"
#include "lv_keyset.h"
#include "lv_nodekey.h"
#include "lv_streamkeys.h"
#include "lv_token_cache.h"

typedef enum {
    NGX_LIVE_KEYFILE_TOKENS = 0,    /* a JSON Web Key Set */
    NGX_LIVE_KEYFILE_STREAMS,       /* stream keys */
    NGX_LIVE_KEYFILE_NODES          /* node keys */
} ngx_live_keyfile_e;

typedef struct {
    ngx_str_t           name;
    ngx_live_keyfile_e  kind;

    /* the one of the kind is set, the others are NULL */
    lv_keyset_t        *tokens;
    lv_streamkeys_t    *streams;
    lv_nodekeys_t      *nodes;

    lv_token_cache_t   *cache;      /* of tokens; made at the first use */

    uint32_t            serial;     /* of the store's keys, see below */
    unsigned            control:1;

    struct timespec     mtime;      /* of what was read, or tried, last */
    off_t               size;
    ino_t               inode;
    unsigned            missing:1;  /* said so already */
} ngx_live_keyfile_t;

/* The file, loaded; NULL after an error that was logged. */
ngx_live_keyfile_t *ngx_live_keyfile_add(ngx_conf_t *cf, ngx_str_t *name,
    ngx_live_keyfile_e kind);

/*
 * No file, but the keys that the control plane has given to the node: looked
 * up in the store at each use, so that new ones work at once. `used`: whether
 * the configuration asked for them.
 */
ngx_live_keyfile_t *ngx_live_keyfile_control(ngx_conf_t *cf);
ngx_uint_t ngx_live_keyfile_control_used(ngx_cycle_t *cycle);

/*
 * A directive with one argument, FILE or "off", for a field of type
 * ngx_live_keyfile_t * that starts as NGX_CONF_UNSET_PTR; "off" makes it NULL.
 * post points to a static ngx_live_keyfile_e.
 */
char *ngx_live_keyfile_set_slot(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

extern ngx_live_keyfile_e  ngx_live_keyfile_tokens;
extern ngx_live_keyfile_e  ngx_live_keyfile_streams;
extern ngx_live_keyfile_e  ngx_live_keyfile_nodes;

/*
 * lv_token_verify() with the file's keys, from this worker's memory where
 * possible. LV_AGAIN with cached_only when the token is not remembered. *token
 * is good until the next call.
 */
int ngx_live_keyfile_verify(ngx_live_keyfile_t *kf, lv_str_t text,
    ngx_uint_t cached_only, lv_token_result_e *result,
    const lv_token_t **token);

/* Holds the list of files and the workers' timers. */
extern ngx_module_t  ngx_live_auth_module;

#endif

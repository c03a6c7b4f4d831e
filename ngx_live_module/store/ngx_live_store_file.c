#include "ngx_live_store_file.h"

#include <sys/file.h>
#include <sys/mman.h>
#include <openssl/rand.h>


/* Since Linux 5.14; an older kernel refuses, and pages come as they are
 * used. */
#define NGX_LIVE_POPULATE_READ   22
#define NGX_LIVE_POPULATE_WRITE  23

#define NGX_LIVE_STORE_POPULATE  ((size_t) 4 << 30)


typedef struct {
    void       *base;
    size_t      size;
    size_t      rooms;          /* of it, for the chat */
    uint32_t    born_min;    /* of the store that was here before */
    ngx_fd_t    fd;
    char        path[NGX_MAX_PATH];
    char        owner[NGX_MAX_PATH];
} ngx_live_store_file_t;


static ngx_int_t ngx_live_store_file_map(ngx_cycle_t *cycle,
    ngx_live_store_file_t *f);
static ngx_int_t ngx_live_store_file_free(ngx_cycle_t *cycle,
    ngx_live_store_file_t *f);
static ngx_int_t ngx_live_store_file_format(ngx_cycle_t *cycle,
    ngx_live_store_file_t *f);
static ngx_int_t ngx_live_store_file_check(ngx_cycle_t *cycle,
    ngx_live_store_file_t *f);
static ngx_int_t ngx_live_store_file_attach(ngx_cycle_t *cycle,
    ngx_live_store_file_t *f);


/* One a process; workers inherit it over fork. */
static ngx_live_store_file_t  ngx_live_store_file = { .fd = -1 };


ngx_int_t
ngx_live_store_file_open(ngx_cycle_t *cycle, ngx_str_t *path, size_t size,
    size_t rooms)
{
    ngx_core_conf_t        *ccf;
    ngx_live_store_file_t  *f = &ngx_live_store_file;

    if (f->base != NULL) {
        if (size != f->size
            || ngx_strncmp(path->data, f->path, path->len + 1) != 0)
        {
            ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                          "live_store cannot change from \"%s\" %uz to \"%V\" "
                          "%uz on reload: restart nginx", f->path, f->size,
                          path, size);
            return NGX_ERROR;
        }

        return NGX_OK;
    }

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    if (path->len >= NGX_MAX_PATH || ccf->pid.len >= NGX_MAX_PATH) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "live_store path is too long");
        return NGX_ERROR;
    }

    f->size = size;
    f->rooms = rooms;
    ngx_cpystrn((u_char *) f->path, path->data, path->len + 1);
    ngx_cpystrn((u_char *) f->owner, ccf->pid.data, ccf->pid.len + 1);

    f->fd = open(f->path, O_RDWR|O_CREAT|O_CLOEXEC|O_NOFOLLOW, 0600);

    if (f->fd == -1) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "live_store: open() \"%s\" failed", f->path);
        return NGX_ERROR;
    }

    if (ngx_live_store_file_map(cycle, f) != NGX_OK) {
        (void) close(f->fd);
        f->fd = -1;
        f->base = NULL;
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_live_store_file_map(ngx_cycle_t *cycle, ngx_live_store_file_t *f)
{
    ngx_int_t  first, rc;

    first = (flock(f->fd, LOCK_EX|LOCK_NB) == 0);

    if (first) {

        if (ngx_live_store_file_free(cycle, f) != NGX_OK) {
            return NGX_ERROR;
        }

        /* empty first: a store of another size leaves nothing behind */

        if (ftruncate(f->fd, 0) == -1 || ftruncate(f->fd, f->size) == -1) {
            ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                          "live_store: ftruncate() \"%s\" failed", f->path);
            return NGX_ERROR;
        }

        rc = posix_fallocate(f->fd, 0, f->size);

        if (rc != 0) {
            ngx_log_error(NGX_LOG_EMERG, cycle->log, rc,
                          "live_store: no room for %uz bytes in \"%s\"",
                          f->size, f->path);
            (void) ftruncate(f->fd, 0);
            return NGX_ERROR;
        }

    } else if (ngx_live_store_file_check(cycle, f) != NGX_OK) {
        return NGX_ERROR;
    }

    f->base = mmap(NULL, f->size, PROT_READ|PROT_WRITE, MAP_SHARED, f->fd, 0);

    if (f->base == MAP_FAILED) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "live_store: mmap() \"%s\" failed", f->path);
        f->base = NULL;
        return NGX_ERROR;
    }

    (void) madvise(f->base, f->size, MADV_DONTDUMP);

    if (first) {
        /* pages are cleared now, once, not while media comes in */
        (void) madvise(f->base, ngx_min(f->size, NGX_LIVE_STORE_POPULATE),
                       NGX_LIVE_POPULATE_WRITE);
    }

    rc = first ? ngx_live_store_file_format(cycle, f)
               : ngx_live_store_file_attach(cycle, f);

    if (rc != NGX_OK) {
        goto failed;
    }

    /* not atomic, but whoever else gets the exclusive lock in between can
     * only be a master of ours that is starting at the same time */

    if (flock(f->fd, LOCK_SH|LOCK_NB) == -1) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "live_store: flock() \"%s\" failed, it is just being "
                      "opened by another nginx", f->path);
        goto failed;
    }

    return NGX_OK;

failed:

    (void) munmap(f->base, f->size);
    f->base = NULL;
    return NGX_ERROR;
}


/* The file may be emptied: a mistyped path must not cost what is there, and
 * nobody else may read or write what becomes a store. */

static ngx_int_t
ngx_live_store_file_free(ngx_cycle_t *cycle, ngx_live_store_file_t *f)
{
    ssize_t      n;
    u_char       head[4096];
    struct stat  sb;

    n = pread(f->fd, head, sizeof(head), 0);

    if (n == -1 || fstat(f->fd, &sb) == -1) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "live_store: \"%s\" cannot be read", f->path);
        return NGX_ERROR;
    }

    if (!S_ISREG(sb.st_mode) || !lv_store_replaceable(head, n)) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "live_store: \"%s\" is something else than a store, "
                      "it is left as it is", f->path);
        return NGX_ERROR;
    }

    f->born_min = lv_store_born_min(head, n);

    if (sb.st_uid != geteuid()) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "live_store: \"%s\" belongs to another user", f->path);
        return NGX_ERROR;
    }

    if (fchmod(f->fd, 0600) == -1) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "live_store: fchmod() \"%s\" failed", f->path);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_live_store_file_check(ngx_cycle_t *cycle, ngx_live_store_file_t *f)
{
    struct stat  sb;

    if (fstat(f->fd, &sb) == -1) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                      "live_store: fstat() \"%s\" failed", f->path);
        return NGX_ERROR;
    }

    if ((size_t) sb.st_size != f->size) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "live_store \"%s\" is in use with a size of %O bytes, "
                      "not %uz: stop the running nginx first", f->path,
                      sb.st_size, f->size);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* Workers attach; whether they can is tried here, where it can be refused. */

static ngx_int_t
ngx_live_store_file_attach(ngx_cycle_t *cycle, ngx_live_store_file_t *f)
{
    const char  *err;
    lv_store_t  *st;

    st = lv_store_attach(f->base, f->size, f->owner, NULL, NULL, &err);

    if (st == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0, "live_store \"%s\": %s",
                      f->path, err);
        return NGX_ERROR;
    }

    lv_store_detach(st);

    return NGX_OK;
}


static ngx_int_t
ngx_live_store_file_format(ngx_cycle_t *cycle, ngx_live_store_file_t *f)
{
    const char       *err;
    ngx_time_t       *tp;
    lv_store_conf_t   conf;

    tp = ngx_timeofday();

    ngx_memzero(&conf, sizeof(lv_store_conf_t));
    conf.owner = f->owner;
    conf.born_min = f->born_min;
    conf.now_ms = (uint64_t) tp->sec * 1000 + tp->msec;
    conf.rooms = f->rooms;

    if (RAND_bytes(conf.secret, sizeof(conf.secret)) != 1) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "live_store: RAND_bytes() failed");
        return NGX_ERROR;
    }

    if (lv_store_format(f->base, f->size, &conf, &err) != LV_OK) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0, "live_store \"%s\": %s",
                      f->path, err);
        return NGX_ERROR;
    }

    return NGX_OK;
}


void *
ngx_live_store_file_base(size_t *size)
{
    *size = ngx_live_store_file.size;
    return ngx_live_store_file.base;
}


void
ngx_live_store_file_populate(void)
{
    ngx_live_store_file_t  *f = &ngx_live_store_file;

    (void) madvise(f->base, ngx_min(f->size, NGX_LIVE_STORE_POPULATE),
                   NGX_LIVE_POPULATE_READ);
}


const char *
ngx_live_store_file_owner(void)
{
    return ngx_live_store_file.owner;
}

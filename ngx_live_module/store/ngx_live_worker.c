/* Directive live_store; init and exit of workers; the bell; the janitor. */

#include "ngx_live_bell.h"
#include "ngx_live_evictions.h"
#include "ngx_live_store_file.h"
#include "ngx_live_worker.h"


#define NGX_LIVE_STORE_SIZE_MIN  (8 * 1024 * 1024)
#define NGX_LIVE_STORE_ROOMS     (64 * 1024 * 1024)
#define NGX_LIVE_LOOK_MS         1000


typedef struct {
    ngx_str_t     path;
    size_t        size;
    size_t        rooms;       /* of it, live_chat_buffer */
    ngx_cycle_t  *cycle;       /* the new one: ngx_cycle is still the old */
} ngx_live_store_conf_t;


static void *ngx_live_store_create_conf(ngx_cycle_t *cycle);
static char *ngx_live_store_init_conf(ngx_cycle_t *cycle, void *conf);
static char *ngx_live_store_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_int_t ngx_live_store_zone_init(ngx_shm_zone_t *zone, void *data);
static ngx_int_t ngx_live_worker_init(ngx_cycle_t *cycle);
static void ngx_live_worker_exit(ngx_cycle_t *cycle);
static ngx_int_t ngx_live_worker_join(ngx_cycle_t *cycle);
static void ngx_live_worker_rung(void);
static void ngx_live_worker_look(ngx_event_t *ev);


static ngx_command_t  ngx_live_store_commands[] = {

    { ngx_string("live_store"),
      NGX_LIVE_CONF|NGX_DIRECT_CONF|NGX_CONF_TAKE2,
      ngx_live_store_directive,
      0,
      0,
      NULL },

    { ngx_string("live_chat_buffer"),
      NGX_LIVE_CONF|NGX_DIRECT_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      0,
      offsetof(ngx_live_store_conf_t, rooms),
      NULL },

      ngx_null_command
};


static ngx_core_module_t  ngx_live_store_module_ctx = {
    ngx_string("live_store"),
    ngx_live_store_create_conf,
    ngx_live_store_init_conf
};


ngx_module_t  ngx_live_store_module = {
    NGX_MODULE_V1,
    &ngx_live_store_module_ctx,            /* module context */
    ngx_live_store_commands,               /* module directives */
    NGX_CORE_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_live_worker_init,                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_live_worker_exit,                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_event_t       ngx_live_look_event;
static ngx_connection_t  ngx_live_look_conn;   /* for the timer's log only */

/* Attached; ngx_live_store() is set once there is a slot, too. */
static lv_store_t       *ngx_live_worker_store;


static void *
ngx_live_store_create_conf(ngx_cycle_t *cycle)
{
    ngx_live_store_conf_t  *scf;

    scf = ngx_pcalloc(cycle->pool, sizeof(ngx_live_store_conf_t));

    if (scf) {
        scf->rooms = NGX_CONF_UNSET_SIZE;
    }

    return scf;
}


static char *
ngx_live_store_init_conf(ngx_cycle_t *cycle, void *conf)
{
    ngx_live_store_conf_t  *scf = conf;

    if (scf->size == 0 && ngx_live_core_conf(cycle) != NULL) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "live{} needs \"live_store\"");
        return NGX_CONF_ERROR;
    }

    ngx_conf_init_size_value(scf->rooms,
                             ngx_min(NGX_LIVE_STORE_ROOMS, scf->size / 8));

    if (scf->size != 0 && scf->rooms > scf->size / 2) {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "live_chat_buffer is more than half of live_store");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_live_store_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    off_t                   size;
    ngx_str_t              *value, name;
    ngx_shm_zone_t         *zone;
    ngx_live_store_conf_t  *scf = conf;

    if (scf->size != 0) {
        return "is duplicate";
    }

    value = cf->args->elts;

    scf->path = value[1];

    if (ngx_conf_full_name(cf->cycle, &scf->path, 0) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    size = ngx_parse_offset(&value[2]);

    if (size == NGX_ERROR) {
        return "has an invalid size";
    }

    if (size < NGX_LIVE_STORE_SIZE_MIN) {
        return "is smaller than 8m";
    }

    scf->size = ngx_align(size, ngx_pagesize);
    scf->cycle = cf->cycle;

    /* A zone for its init callback alone: it runs in the master once the
     * configuration is known to be good, and its failure rolls back. */

    ngx_str_set(&name, "ngx_live_store");

    zone = ngx_shared_memory_add(cf, &name, 8 * ngx_pagesize,
                                 &ngx_live_store_module);
    if (zone == NULL) {
        return NGX_CONF_ERROR;
    }

    zone->init = ngx_live_store_zone_init;
    zone->data = scf;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_live_store_zone_init(ngx_shm_zone_t *zone, void *data)
{
    ngx_live_store_conf_t  *scf = zone->data;

    if (ngx_test_config) {
        return NGX_OK;
    }

    return ngx_live_store_file_open(scf->cycle, &scf->path, scf->size,
                                    scf->rooms);
}


static ngx_int_t
ngx_live_worker_init(ngx_cycle_t *cycle)
{
    void                   *base;
    size_t                  size;
    lv_store_t             *st;
    const char             *err;
    ngx_live_store_conf_t  *scf;

    scf = (ngx_live_store_conf_t *) ngx_get_conf(cycle->conf_ctx,
                                                 ngx_live_store_module);
    if (scf->size == 0
        || (ngx_process != NGX_PROCESS_WORKER
            && ngx_process != NGX_PROCESS_SINGLE))
    {
        return NGX_OK;
    }

    base = ngx_live_store_file_base(&size);

    if (base == NULL) {
        return NGX_OK;
    }

    ngx_live_store_file_populate();

    st = lv_store_attach(base, size, ngx_live_store_file_owner(),
                         ngx_live_bell_ring, NULL, &err);
    if (st == NULL) {
        /* The worker serves everything else; to exit here would make the
         * master respawn it for ever. */
        ngx_log_error(NGX_LOG_ALERT, cycle->log, 0,
                      "live: this worker has no part in the store: %s", err);
        return NGX_OK;
    }

    ngx_live_worker_store = st;

    (void) ngx_live_worker_join(cycle);

    ngx_live_look_conn.fd = (ngx_socket_t) -1;
    ngx_live_look_event.handler = ngx_live_worker_look;
    ngx_live_look_event.data = &ngx_live_look_conn;
    ngx_live_look_event.log = cycle->log;
    ngx_live_look_event.cancelable = 1;

    ngx_add_timer(&ngx_live_look_event, NGX_LIVE_LOOK_MS);

    return NGX_OK;
}


/* Tried again each second: slots of the dead become free, and those of old
 * generations. */

static ngx_int_t
ngx_live_worker_join(ngx_cycle_t *cycle)
{
    ngx_uint_t   i;
    lv_store_t  *st;
    const char  *err;

    static ngx_uint_t  told;

    st = ngx_live_worker_store;

    if (lv_store_join(st, (uint32_t) ngx_pid,
                      ngx_live_core_conf(cycle)->generation,
                      ngx_live_now_ms(), &err)
        == LV_OK)
    {
        for (i = NGX_LIVE_GAUGES; i < NGX_LIVE_COUNTERS; i++) {
            lv_gauge_reset(st, (unsigned) i);
        }

        if (ngx_live_bell_open(cycle, lv_store_secret(st), lv_store_slot(st),
                               ngx_live_worker_rung)
            == NGX_OK)
        {
            ngx_live_store_set(st);
            return NGX_OK;
        }

        lv_store_leave(st);
        err = "its doorbell cannot be opened";
    }

    if (!told) {
        told = 1;
        ngx_log_error(NGX_LOG_ALERT, cycle->log, 0,
                      "live: this worker has no part in the store yet: %s",
                      err);
    }

    return NGX_ERROR;
}


static void
ngx_live_worker_exit(ngx_cycle_t *cycle)
{
    ngx_live_run_exit();

    /* the bell first: who takes the slot next has one of the same name */

    ngx_live_bell_close();

    ngx_live_store_set(NULL);
    lv_store_detach(ngx_live_worker_store);
    ngx_live_worker_store = NULL;
}


static void
ngx_live_worker_rung(void)
{
    int          n;
    uint64_t     dirty[LV_STREAM_WORDS], bits;
    ngx_uint_t   i;
    lv_store_t  *st;

    st = ngx_live_store();

    if (st == NULL) {
        return;
    }

    n = lv_bell_take(st, dirty);

    for (i = 0; n > 0 && i < LV_STREAM_WORDS; i++) {

        if (dirty[i] == 0) {
            continue;
        }

        n--;

        for (bits = dirty[i]; bits != 0; bits &= bits - 1) {
            ngx_live_run_dirty((uint32_t) (i * 64 + __builtin_ctzll(bits)));
        }
    }

    ngx_live_run_rung();
}


static void
ngx_live_worker_look(ngx_event_t *ev)
{
    lv_store_t  *st;

    st = ngx_live_worker_store;

    if (st == NULL) {
        return;
    }

    if (ngx_live_store() == NULL) {
        (void) lv_store_reap(st, ngx_live_now_ms());

        if (ngx_live_worker_join((ngx_cycle_t *) ngx_cycle) != NGX_OK) {
            ngx_add_timer(ev, NGX_LIVE_LOOK_MS);
            return;
        }
    }

    ngx_live_worker_rung();

    if (lv_store_reap(st, ngx_live_now_ms()) > 0) {
        ngx_log_error(NGX_LOG_WARN, ev->log, 0,
                      "live: cleaned up after a worker that died");
    }

    ngx_live_evictions_look(st, ev->log);

    ngx_live_run_second();

    ngx_add_timer(ev, NGX_LIVE_LOOK_MS);
}

/*
 * The store's file: a tmpfs file, opened by the master, mapped before fork.
 *
 * flock(2) tells the first instance from the others: who gets the exclusive
 * lock finds nobody alive and formats; everybody then keeps a shared lock for
 * life (workers inherit it), so that a new binary's master attaches to what
 * the old one's workers still write.
 */

#ifndef NGX_LIVE_STORE_FILE_H
#define NGX_LIVE_STORE_FILE_H

#include "ngx_live_core.h"

/* Master, in ngx_init_cycle(); logs what is wrong. The second call with the
 * same path and size is a reload and does nothing; with others it fails.
 * `rooms` bytes are for the chat; they count when the store is made. */
ngx_int_t ngx_live_store_file_open(ngx_cycle_t *cycle, ngx_str_t *path,
    size_t size, size_t rooms);

/* The mapping, NULL before it was opened. */
void *ngx_live_store_file_base(size_t *size);

/* Maps the store's pages into this worker, some milliseconds for a gigabyte:
 * a fork inherits the mapping, but each page would cost a fault at its first
 * use. */
void ngx_live_store_file_populate(void);

/* What the header remembers as the owner: the pid file's path. */
const char *ngx_live_store_file_owner(void);

#endif

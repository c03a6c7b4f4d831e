/* This process's life in the store: the master opens the file, each worker
 * takes a slot, listens at its doorbell, and looks once a second. */

#ifndef NGX_LIVE_WORKER_H
#define NGX_LIVE_WORKER_H

#include "ngx_live_core.h"

extern ngx_module_t  ngx_live_store_module;

#endif

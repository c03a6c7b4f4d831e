/* Says in the log which streams lose segments before their time. */

#ifndef NGX_LIVE_EVICTIONS_H
#define NGX_LIVE_EVICTIONS_H

#include "ngx_live_core.h"

/*
 * Once a second, in every worker. Whoever needs memory evicts, perhaps in
 * another process and from another stream; the worker that owns the stream is
 * the one that tells, so that each eviction is told once.
 */
void ngx_live_evictions_look(lv_store_t *st, ngx_log_t *log);

#endif

/* Says in the log which streams lose segments before their time. */

#ifndef NGX_LIVE_EVICTIONS_H
#define NGX_LIVE_EVICTIONS_H

#include "ngx_live_core.h"

/*
 * Once a second, in every worker. Whoever needs memory evicts, perhaps from
 * the stream of another process, in the middle of a commit; the first one that
 * comes here afterwards tells, the others see that it was told.
 */
void ngx_live_evictions_look(lv_store_t *st, ngx_log_t *log);

#endif

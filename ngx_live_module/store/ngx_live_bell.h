/*
 * Doorbells: one AF_UNIX datagram socket a slot, in the abstract name space
 * under the store's secret, so that a process of any generation rings any
 * other's by slot number alone. A datagram says only "look"; what changed is
 * in the store's dirty bits.
 */

#ifndef NGX_LIVE_BELL_H
#define NGX_LIVE_BELL_H

#include "ngx_live_core.h"

/* Opens this worker's bell; `handler` is called when it was rung. Fails as long
 * as the one who had the slot before has not closed its own. */
ngx_int_t ngx_live_bell_open(ngx_cycle_t *cycle, const uint8_t *secret,
    unsigned slot, void (*handler)(void));
/* Nobody can ring here any more; others can still be rung. */
void ngx_live_bell_close(void);

/* A lv_store_ring_pt; does nothing before ngx_live_bell_open(). */
void ngx_live_bell_ring(void *ctx, unsigned slot);

#endif

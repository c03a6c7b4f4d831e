/*
 * Rooms of several nodes, by way of Redis: for the worker that leads.
 *
 *   ngx_live_bus.c      the two connections, and when what is done
 *   ngx_live_bus_out.c  what was said here -> batches -> XADD
 *   ngx_live_bus_in.c   XREAD -> batches -> rooms of this node
 *
 * Each room belongs to one of LV_BUS_SHARDS streams, live:chat:0 and so on.
 * A node has at most one batch of a stream under way; what it holds counts as
 * sent when Redis has answered. Else it is said again, in a new batch; rooms
 * take each entry once (lib/lv_room_bus.h). One connection writes, one reads,
 * which begins behind what was dealt with last, whoever led then.
 *
 * A node tells of itself every two seconds; who has not been heard of for ten
 * has no members.
 */

#ifndef NGX_LIVE_BUS_H
#define NGX_LIVE_BUS_H

#include "ngx_live_redis.h"
#include "lv_room_bus.h"

#include <jansson.h>

#define NGX_LIVE_BUS_KEY      "live:chat:%d%Z"
#define NGX_LIVE_BUS_KEY_LEN  (sizeof("live:chat:") + NGX_INT_T_LEN)

/* Called by the leader's timer; when there may be something to send; when it
 * leads no more. */
void ngx_live_bus_lead(lv_store_t *st);
void ngx_live_bus_rung(lv_store_t *st);
void ngx_live_bus_stop(void);
/* What a command says is for the other nodes, too; from any worker. False: it
 * has come from them already. */
ngx_uint_t ngx_live_bus_command(lv_store_t *st, json_t *command);

/* _out.c: everything that can be sent now; ms until more may be, or 0 */
ngx_msec_t ngx_live_bus_flush(lv_store_t *st, ngx_live_redis_t *r);
/* Members and reactions, every now and then; then ngx_live_bus_flush(). */
void ngx_live_bus_tell(lv_store_t *st, ngx_live_redis_t *r);
/* What is under way is to be said again. */
void ngx_live_bus_forget(void);

/* _in.c */
void ngx_live_bus_read(ngx_live_redis_t *r);

#endif

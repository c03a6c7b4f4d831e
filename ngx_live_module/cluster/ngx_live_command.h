/*
 * Commands of the control plane: kick, drain, undrain, chat. They come with a
 * heartbeat's answer and, to be quick, through live_control; each is carried
 * out once, by its id.
 */

#ifndef NGX_LIVE_COMMAND_H
#define NGX_LIVE_COMMAND_H

#include "ngx_live_cluster.h"

#include <jansson.h>

#define NGX_LIVE_COMMANDS_MAX  256      /* at a time; more are not looked at */

/* A list of commands, or NULL. What makes no sense is logged and left out.
 * Returns how many were carried out now. */
ngx_uint_t ngx_live_commands(lv_store_t *st, json_t *commands,
    ngx_log_t *log);

/* One that was given to another node (ngx_live_bus_command()). late: so long
 * ago that only what is done in rooms is still to be done. */
void ngx_live_command_foreign(lv_store_t *st, json_t *command,
    ngx_uint_t late, ngx_log_t *log);

#endif

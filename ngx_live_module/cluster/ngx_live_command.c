/* Carries out commands: see ngx_live_command.h. */

#include "ngx_live_command.h"
#include "ngx_live_bus.h"
#include "ngx_live_chat_sync.h"


static ngx_int_t ngx_live_command(lv_store_t *st, json_t *command,
    ngx_log_t *log);
static void ngx_live_command_kick(lv_store_t *st, json_t *command,
    ngx_log_t *log);


ngx_uint_t
ngx_live_commands(lv_store_t *st, json_t *commands, ngx_log_t *log)
{
    size_t      i, n;
    ngx_uint_t  done, odd;

    odd = 0;
    n = ngx_min(json_array_size(commands), NGX_LIVE_COMMANDS_MAX);
    done = 0;

    for (i = 0; i < n; i++) {

        switch (ngx_live_command(st, json_array_get(commands, i), log)) {

        case NGX_OK:
            done++;
            ngx_live_count(NGX_LIVE_C_COMMANDS, 1);
            break;

        case NGX_ERROR:
            odd++;
            break;

        default: /* NGX_DECLINED: was done before */
            break;
        }
    }

    if (odd) {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "live: %ui commands of the control plane are not "
                      "understood", odd);
    }

    return done;
}


static ngx_int_t
ngx_live_command(lv_store_t *st, json_t *command, ngx_log_t *log)
{
    json_t      *value;
    lv_str_t     id;
    const char  *type;

    value = json_object_get(command, "id");
    id.data = (const u_char *) json_string_value(value);
    id.len = json_string_length(value);
    type = json_string_value(json_object_get(command, "type"));

    if (id.len == 0 || id.len >= LV_CLUSTER_TEXT || type == NULL) {
        return NGX_ERROR;
    }

    if (ngx_strcmp(type, "kick") != 0 && ngx_strcmp(type, "drain") != 0
        && ngx_strcmp(type, "undrain") != 0
        && ngx_strcmp(type, "chat") != 0)
    {
        return NGX_ERROR;
    }

    if (!lv_command_once(st, id)) {
        return NGX_DECLINED;
    }

    if ((type[0] == 'c' || type[0] == 'k')
        && !ngx_live_bus_command(st, command))
    {
        return NGX_OK;
    }

    if (type[0] == 'c') {
        return ngx_live_chat_command(st, command);
    }

    if (type[0] == 'k') {
        ngx_live_command_kick(st, command, log);
        return NGX_OK;
    }

    lv_cluster_drain(st, type[0] == 'd');

    ngx_log_error(NGX_LOG_NOTICE, log, 0,
                  type[0] == 'd' ? "live: no new publishers from now on"
                                 : "live: new publishers are let in again");

    return NGX_OK;
}


void
ngx_live_command_foreign(lv_store_t *st, json_t *command, ngx_uint_t late,
    ngx_log_t *log)
{
    json_t      *value;
    lv_str_t     name;
    const char  *type;

    value = json_object_get(command, "once");
    name.data = (const u_char *) json_string_value(value);
    name.len = json_string_length(value);
    type = json_string_value(json_object_get(command, "type"));

    if (name.len == 0 || type == NULL || !lv_bus_once(st, name)) {
        return;
    }

    if (ngx_strcmp(type, "chat") == 0) {
        (void) ngx_live_chat_command(st, command);
        ngx_live_count(NGX_LIVE_C_COMMANDS, 1);

    } else if (ngx_strcmp(type, "kick") == 0 && !late) {
        ngx_live_command_kick(st, command, log);
        ngx_live_count(NGX_LIVE_C_COMMANDS, 1);
    }
}


/* A stream that is not here, or has ended, is what was asked for. */

static void
ngx_live_command_kick(lv_store_t *st, json_t *command, ngx_log_t *log)
{
    char         reason[LV_CLUSTER_REASON];
    json_t      *stream, *value;
    lv_str_t     id;

    stream = json_object_get(command, "stream");
    id.data = (const u_char *) json_string_value(stream);
    id.len = json_string_length(stream);

    if (id.data == NULL || !lv_stream_id_valid(id)) {
        return;
    }

    value = json_object_get(command, "reason");

    lv_cluster_text(reason, sizeof(reason),
                    json_string_length(value) ? json_string_value(value)
                                              : "The stream was ended.",
                    json_string_length(value)
                    ? json_string_length(value)
                    : sizeof("The stream was ended.") - 1);

    if (lv_stream_kick(st, (const char *) id.data, id.len, reason) == LV_OK) {
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "live: stream \"%*s\" is to end: %s", id.len, id.data,
                      reason);
    }
}

#include "lv_rtmp_command_i.h"

#include <stdio.h>

#define MAX_STREAMS  64    /* createStream calls of one connection */

typedef struct {
    const char  *name;
    int        (*run)(lv_rtmp_command_t *cmd);
} command_handler_t;


uint32_t
lv_rtmp_command_u32(double d)
{
    return (d >= 0 && d < 4294967296.0) ? (uint32_t) d : 0;
}


int
lv_rtmp_command_arg(lv_rtmp_command_t *cmd, lv_amf0_type_e type,
    lv_amf0_value_t *v)
{
    while (lv_amf0_read(&cmd->args, v) == LV_OK) {
        if (v->type == type) {
            return LV_OK;
        }
    }

    return LV_DECLINED;
}


void
lv_rtmp_command_write_begin(lv_amf0_writer_t *w, uint8_t *body,
    const char *name, double tx)
{
    lv_amf0_write_init(w, body, LV_RTMP_COMMAND_LEN);
    lv_amf0_put_string(w, name);
    lv_amf0_put_number(w, tx);
}


void
lv_rtmp_command_write_pair(lv_amf0_writer_t *w, const char *key,
    const char *value)
{
    lv_amf0_put_key(w, key);
    lv_amf0_put_string(w, value);
}


int
lv_rtmp_command_write_end(lv_rtmp_session_t *s, lv_amf0_writer_t *w)
{
    return lv_rtmp_output_message(s, LV_RTMP_CS_COMMAND, LV_RTMP_AMF0_COMMAND,
                                  0, w->start, (size_t) (w->p - w->start));
}


int
lv_rtmp_command_info(lv_rtmp_session_t *s, const char *name, double tx,
    const char *level, const char *code, const char *description)
{
    uint8_t           body[LV_RTMP_COMMAND_LEN];
    lv_amf0_writer_t  w;

    lv_rtmp_command_write_begin(&w, body, name, tx);
    lv_amf0_put_null(&w);
    lv_amf0_put_object(&w);
    lv_rtmp_command_write_pair(&w, "level", level);
    lv_rtmp_command_write_pair(&w, "code", code);
    lv_rtmp_command_write_pair(&w, "description", description);
    lv_amf0_put_end(&w);

    return lv_rtmp_command_write_end(s, &w);
}


int
lv_rtmp_command_result(lv_rtmp_session_t *s, double tx)
{
    uint8_t           body[LV_RTMP_COMMAND_LEN];
    lv_amf0_writer_t  w;

    if (tx == 0) {
        return LV_OK;
    }

    lv_rtmp_command_write_begin(&w, body, "_result", tx);
    lv_amf0_put_null(&w);
    lv_amf0_put_undefined(&w);

    return lv_rtmp_command_write_end(s, &w);
}


static int
command_result_number(lv_rtmp_session_t *s, double tx, double num)
{
    uint8_t           body[LV_RTMP_COMMAND_LEN];
    lv_amf0_writer_t  w;

    lv_rtmp_command_write_begin(&w, body, "_result", tx);
    lv_amf0_put_null(&w);
    lv_amf0_put_number(&w, num);

    return lv_rtmp_command_write_end(s, &w);
}


void
lv_rtmp_command_split(lv_str_t *name, lv_str_t *args)
{
    const uint8_t  *q;

    args->data = name->data;
    args->len = 0;

    if (name->len == 0) {
        return;
    }

    q = memchr(name->data, '?', name->len);

    if (q == NULL) {
        return;
    }

    args->data = q + 1;
    args->len = (size_t) (name->data + name->len - args->data);
    name->len = (size_t) (q - name->data);
}


lv_str_t
lv_rtmp_command_copy(uint8_t **p, lv_str_t from)
{
    lv_str_t  to;

    to.data = *p;
    to.len = from.len;

    if (from.len) {
        memcpy(*p, from.data, from.len);
        *p += from.len;
    }

    return to;
}


void
lv_rtmp_command_reason(lv_rtmp_session_t *s, const char *code,
    const char *text)
{
    snprintf(s->code, sizeof(s->code), "%s", code);
    snprintf(s->text, sizeof(s->text), "%s", text);
}


static int
command_release_stream(lv_rtmp_command_t *cmd)
{
    return lv_rtmp_command_result(cmd->s, cmd->tx);
}


static int
command_fcpublish(lv_rtmp_command_t *cmd)
{
    if (lv_rtmp_command_info(cmd->s, "onFCPublish", cmd->tx, "status",
                             "NetStream.Publish.Start", "FCPublish")
        != LV_OK)
    {
        return LV_ERROR;
    }

    return lv_rtmp_command_result(cmd->s, cmd->tx);
}


static int
command_create_stream(lv_rtmp_command_t *cmd)
{
    lv_rtmp_session_t  *s = cmd->s;

    if (s->last_msid == MAX_STREAMS) {
        return lv_rtmp_session_fail(s, "too many createStream");
    }

    return command_result_number(s, cmd->tx, ++s->last_msid);
}


static int
command_get_stream_length(lv_rtmp_command_t *cmd)
{
    return command_result_number(cmd->s, cmd->tx, 0);
}


static int
command_play(lv_rtmp_command_t *cmd)
{
    lv_rtmp_session_t  *s = cmd->s;

    if (s->publish != LV_RTMP_PUBLISH_ACTIVE) {
        s->state = LV_RTMP_STATE_CLOSING;
    }

    if (lv_rtmp_output_status(s, cmd->msid, "error", "NetStream.Play.Failed",
                              "Playing over RTMP is not offered.") != LV_OK)
    {
        return LV_ERROR;
    }

    return s->state == LV_RTMP_STATE_CLOSING ? LV_AGAIN : LV_OK;
}


static int
command_ignore(lv_rtmp_command_t *cmd)
{
    return LV_OK;
}


static const command_handler_t  command_handlers[] = {
    { "connect", lv_rtmp_command_connect },
    { "releaseStream", command_release_stream },
    { "FCPublish", command_fcpublish },
    { "createStream", command_create_stream },
    { "publish", lv_rtmp_command_publish },
    { "FCUnpublish", lv_rtmp_command_fcunpublish },
    { "deleteStream", lv_rtmp_command_delete_stream },
    { "closeStream", lv_rtmp_command_close_stream },
    { "getStreamLength", command_get_stream_length },
    { "_checkbw", command_release_stream },
    { "play", command_play },
    { "play2", command_play },
    { "_result", command_ignore },
    { "_error", command_ignore },
    { "onStatus", command_ignore },
    { "onBWDone", command_ignore }
};


static bool
command_is_data(lv_str_t name)
{
    return lv_str_eq(name, "@setDataFrame")
           || lv_str_eq(name, "@clearDataFrame")
           || lv_str_eq(name, "onMetaData");
}


int
lv_rtmp_command(lv_rtmp_session_t *s, uint32_t msid, uint32_t timestamp_ms,
    const uint8_t *p, size_t n)
{
    size_t             i;
    lv_amf0_value_t    name, tx;
    lv_amf0_reader_t   after_name;
    lv_rtmp_command_t  cmd;

    cmd.s = s;
    cmd.msid = msid;
    cmd.tx = 0;
    lv_amf0_read_init(&cmd.args, p, n);

    if (lv_amf0_read(&cmd.args, &name) != LV_OK
        || name.type != LV_AMF0_STRING)
    {
        return lv_rtmp_session_fail(s, "command without a name");
    }

    /* some send data messages as commands */
    if (command_is_data(name.str)) {
        return lv_rtmp_data(s, msid, timestamp_ms, p, n);
    }

    after_name = cmd.args;

    if (lv_amf0_read(&cmd.args, &tx) == LV_OK
        && tx.type == LV_AMF0_NUMBER)
    {
        cmd.tx = tx.num;

    } else {
        cmd.args = after_name;
    }

    if (s->state != LV_RTMP_STATE_READY && !lv_str_eq(name.str, "connect")) {
        return lv_rtmp_session_fail(s, "command before connect");
    }

    for (i = 0; i < sizeof(command_handlers) / sizeof(command_handlers[0]);
         i++)
    {
        if (lv_str_eq(name.str, command_handlers[i].name)) {
            return command_handlers[i].run(&cmd);
        }
    }

    if (cmd.tx == 0) {
        return LV_OK;
    }

    return lv_rtmp_command_info(s, "_error", cmd.tx, "error",
                                "NetConnection.Call.Failed",
                                "Unknown command.");
}


int
lv_rtmp_session_close_notice(lv_rtmp_session_t *s, const char *level,
    const char *code, const char *description)
{
    static const char  connection[] = "NetConnection.";

    uint32_t  msid;

    msid = strncmp(code, connection, sizeof(connection) - 1) == 0
           ? 0 : s->publish_msid;

    return lv_rtmp_output_status(s, msid, level, code, description);
}

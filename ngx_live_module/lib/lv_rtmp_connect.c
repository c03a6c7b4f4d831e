#include "lv_rtmp_command_i.h"

#include <stdlib.h>

/* Enhanced RTMP v2: what a side can do with a codec, and capsEx. */
#define CAN_FORWARD      4

#define CAN_RECONNECT    0x01
#define CAN_MULTITRACK   0x02
#define CAN_MODEX        0x04
#define CAN_NANOSECONDS  0x08


static int
connect_refuse(lv_rtmp_command_t *cmd)
{
    lv_rtmp_session_t  *s = cmd->s;

    s->state = LV_RTMP_STATE_CLOSING;

    if (lv_rtmp_command_info(s, "_error", cmd->tx, "error", s->code, s->text)
        != LV_OK)
    {
        return LV_ERROR;
    }

    return LV_AGAIN;
}


/* To those that speak enhanced RTMP: which codecs are taken (lv_flv.h), and
 * what else. */
static void
connect_capabilities(lv_amf0_writer_t *w)
{
    unsigned  i;

    static const char *const  video[] = { "avc1", "hvc1", "av01", NULL };
    static const char *const  audio[] = { "mp4a", "Opus", "fLaC", "ac-3",
                                          "ec-3", ".mp3", NULL };

    lv_amf0_put_key(w, "videoFourCcInfoMap");
    lv_amf0_put_object(w);

    for (i = 0; video[i]; i++) {
        lv_amf0_put_key(w, video[i]);
        lv_amf0_put_number(w, CAN_FORWARD);
    }

    lv_amf0_put_end(w);
    lv_amf0_put_key(w, "audioFourCcInfoMap");
    lv_amf0_put_object(w);

    for (i = 0; audio[i]; i++) {
        lv_amf0_put_key(w, audio[i]);
        lv_amf0_put_number(w, CAN_FORWARD);
    }

    lv_amf0_put_end(w);
    lv_amf0_put_key(w, "fourCcList");
    lv_amf0_put_array(w, sizeof(video) / sizeof(video[0])
                         + sizeof(audio) / sizeof(audio[0]) - 2);

    for (i = 0; video[i]; i++) {
        lv_amf0_put_string(w, video[i]);
    }

    for (i = 0; audio[i]; i++) {
        lv_amf0_put_string(w, audio[i]);
    }

    lv_amf0_put_key(w, "capsEx");
    lv_amf0_put_number(w, CAN_RECONNECT | CAN_MULTITRACK | CAN_MODEX
                          | CAN_NANOSECONDS);
}


static int
connect_answer(lv_rtmp_command_t *cmd, double encoding, bool enhanced)
{
    uint8_t             body[LV_RTMP_COMMAND_LEN];
    lv_amf0_writer_t    w;
    lv_rtmp_session_t  *s = cmd->s;

    if (lv_rtmp_output_u32(s, LV_RTMP_WINDOW_ACK_SIZE, s->conf.ack_window)
        != LV_OK
        || lv_rtmp_output_u32(s, LV_RTMP_PEER_BANDWIDTH, s->conf.ack_window)
           != LV_OK
        || lv_rtmp_output_u32(s, LV_RTMP_SET_CHUNK_SIZE,
                              s->conf.out_chunk_size) != LV_OK)
    {
        return LV_ERROR;
    }

    s->out_chunk_size = s->conf.out_chunk_size;

    lv_rtmp_command_write_begin(&w, body, "_result", cmd->tx);

    lv_amf0_put_object(&w);
    lv_rtmp_command_write_pair(&w, "fmsVer", "FMS/3,5,7,7009");
    lv_amf0_put_key(&w, "capabilities");
    lv_amf0_put_number(&w, 31);
    lv_amf0_put_key(&w, "mode");
    lv_amf0_put_number(&w, 1);

    if (enhanced) {
        connect_capabilities(&w);
    }

    lv_amf0_put_end(&w);

    lv_amf0_put_object(&w);
    lv_rtmp_command_write_pair(&w, "level", "status");
    lv_rtmp_command_write_pair(&w, "code", "NetConnection.Connect.Success");
    lv_rtmp_command_write_pair(&w, "description", "Connection succeeded.");
    lv_amf0_put_key(&w, "objectEncoding");
    lv_amf0_put_number(&w, encoding);
    lv_amf0_put_end(&w);

    return lv_rtmp_command_write_end(s, &w);
}


/* Keeps what publish needs later: app and tcUrl, each without its query. */
static int
connect_keep(lv_rtmp_session_t *s, lv_rtmp_connect_t *c)
{
    uint8_t  *p;

    lv_rtmp_command_split(&c->app, &c->app_args);
    lv_rtmp_command_split(&c->tc_url, &c->tc_url_args);

    while (c->app.len && c->app.data[c->app.len - 1] == '/') {
        c->app.len--;
    }

    p = malloc(c->app.len + c->app_args.len + c->tc_url.len
               + c->tc_url_args.len + 1);

    if (p == NULL) {
        return lv_rtmp_session_fail(s, "out of memory");
    }

    s->connect_mem = p;
    s->app = lv_rtmp_command_copy(&p, c->app);
    s->app_args = lv_rtmp_command_copy(&p, c->app_args);
    s->tc_url = lv_rtmp_command_copy(&p, c->tc_url);
    s->tc_url_args = lv_rtmp_command_copy(&p, c->tc_url_args);

    return LV_OK;
}


int
lv_rtmp_command_connect(lv_rtmp_command_t *cmd)
{
    int                 rc;
    bool                enhanced;
    double              encoding, caps;
    lv_amf0_value_t     obj, value;
    lv_rtmp_connect_t   c;
    lv_rtmp_session_t  *s = cmd->s;

    if (s->state != LV_RTMP_STATE_CONNECT) {
        return lv_rtmp_session_fail(s, "second connect");
    }

    memset(&c, 0, sizeof(c));
    encoding = 0;
    caps = 0;

    do {
        if (lv_amf0_read(&cmd->args, &obj) != LV_OK) {
            return lv_rtmp_session_fail(s, "connect without its object");
        }
    } while (!lv_amf0_is_container(&obj));

    lv_amf0_find_string(&obj, "app", &c.app);
    lv_amf0_find_string(&obj, "tcUrl", &c.tc_url);
    lv_amf0_find_string(&obj, "flashVer", &c.flash_ver);
    lv_amf0_find_number(&obj, "objectEncoding", &encoding);
    lv_amf0_find_number(&obj, "capsEx", &caps);

    enhanced = lv_amf0_find(&obj, "fourCcList", &value) == LV_OK
               || lv_amf0_find(&obj, "videoFourCcInfoMap", &value) == LV_OK
               || lv_amf0_find(&obj, "audioFourCcInfoMap", &value) == LV_OK
               || lv_amf0_find(&obj, "capsEx", &value) == LV_OK;

    c.caps_ex = lv_rtmp_command_u32(caps);
    s->caps_ex = c.caps_ex;

    lv_rtmp_command_reason(s, "NetConnection.Connect.Rejected",
                           "Connection refused.");

    if (c.app.len > s->conf.max_name_len
        || c.tc_url.len > s->conf.max_name_len)
    {
        lv_rtmp_command_reason(s, "NetConnection.Connect.Rejected",
                               "The URL is too long.");
        return connect_refuse(cmd);
    }

    if (connect_keep(s, &c) != LV_OK) {
        return LV_ERROR;
    }

    if (s->handler.on_connect != NULL) {
        s->deciding = LV_RTMP_DECIDE_CONNECT;
        rc = s->handler.on_connect(s->ctx, &c);
        s->deciding = LV_RTMP_DECIDE_NONE;

        if (rc != LV_OK) {
            return connect_refuse(cmd);
        }
    }

    s->state = LV_RTMP_STATE_READY;

    return connect_answer(cmd, encoding, enhanced);
}

#include "lv_rtmp_command_i.h"

#include <stdlib.h>

#define MAX_PUBLISHES  64    /* publish calls of one connection */


static int
publish_refuse(lv_rtmp_session_t *s)
{
    s->publish = LV_RTMP_PUBLISH_NONE;
    s->state = LV_RTMP_STATE_CLOSING;

    return lv_rtmp_output_status(s, s->publish_msid, "error", s->code,
                                 s->text);
}


static int
publish_accept(lv_rtmp_session_t *s)
{
    s->publish = LV_RTMP_PUBLISH_ACTIVE;

    if (lv_rtmp_output_event(s, 0, s->publish_msid) != LV_OK) {
        return LV_ERROR;
    }

    return lv_rtmp_output_status(s, s->publish_msid, "status",
                                 "NetStream.Publish.Start",
                                 "Publishing has started.");
}


/* The queries of tcUrl, app and name as one; *mem is the caller's to free. */
static int
publish_args(lv_rtmp_session_t *s, lv_str_t name_args, lv_str_t *args,
    uint8_t **mem)
{
    uint8_t   *p;
    unsigned   i;
    lv_str_t   part[3];

    part[0] = s->tc_url_args;
    part[1] = s->app_args;
    part[2] = name_args;

    /* by default clients put app's query into tcUrl as well */
    if (part[0].len == part[1].len
        && memcmp(part[0].data, part[1].data, part[0].len) == 0)
    {
        part[0].len = 0;
    }

    p = malloc(part[0].len + part[1].len + part[2].len + 3);

    if (p == NULL) {
        return lv_rtmp_session_fail(s, "out of memory");
    }

    *mem = p;

    for (i = 0; i < 3; i++) {
        if (part[i].len == 0) {
            continue;
        }

        if (p != *mem) {
            *p++ = '&';
        }

        (void) lv_rtmp_command_copy(&p, part[i]);
    }

    args->data = *mem;
    args->len = (size_t) (p - *mem);

    return LV_OK;
}


static int
publish_ask(lv_rtmp_session_t *s, lv_rtmp_publish_t *pub, lv_str_t name_args)
{
    int       rc;
    uint8_t  *args, *name;

    args = NULL;

    if (publish_args(s, name_args, &pub->args, &args) != LV_OK) {
        return LV_ERROR;
    }

    name = malloc(pub->name.len + 1);

    if (name == NULL) {
        free(args);
        return lv_rtmp_session_fail(s, "out of memory");
    }

    free(s->name_mem);
    s->name_mem = name;
    s->name = lv_rtmp_command_copy(&name, pub->name);
    s->publish_msid = pub->msid;

    lv_rtmp_command_reason(s, "NetStream.Publish.BadName",
                           "Publishing refused.");

    s->deciding = LV_RTMP_DECIDE_PUBLISH;
    rc = s->handler.on_publish(s->ctx, pub);
    s->deciding = LV_RTMP_DECIDE_NONE;

    free(args);

    switch (rc) {

    case LV_OK:
        return publish_accept(s);

    case LV_AGAIN:
        s->publish = LV_RTMP_PUBLISH_PENDING;
        return LV_AGAIN;

    default:
        return publish_refuse(s) == LV_OK ? LV_AGAIN : LV_ERROR;
    }
}


/*
 * A publish while one is active. LV_OK: go on with the new one; LV_DECLINED:
 * it has been dealt with.
 */
static int
publish_again(lv_rtmp_session_t *s, const lv_rtmp_publish_t *pub,
    lv_str_t name_args)
{
    /* publish() without a name ends a publish in ActionScript; Wirecast
     * sends one so when it stops */

    if (pub->name.len == 0 && name_args.len == 0 && s->name.len) {
        lv_rtmp_session_unpublish(s, LV_RTMP_CLOSE_STREAM);

        return lv_rtmp_output_status(s, s->publish_msid, "status",
                                     "NetStream.Unpublish.Success",
                                     "Publishing has ended.") == LV_OK
               ? LV_DECLINED : LV_ERROR;
    }

    if (pub->msid == s->publish_msid
        || (pub->name.len == s->name.len
            && (s->name.len == 0
                || memcmp(pub->name.data, s->name.data, s->name.len) == 0)))
    {
        lv_rtmp_session_unpublish(s, LV_RTMP_REPLACED);
        return LV_OK;
    }

    return lv_rtmp_output_status(s, pub->msid, "error",
                                 "NetStream.Publish.BadName",
                                 "This connection publishes another stream.")
               == LV_OK
           ? LV_DECLINED : LV_ERROR;
}


int
lv_rtmp_command_publish(lv_rtmp_command_t *cmd)
{
    int                 rc;
    lv_str_t            name_args;
    lv_amf0_value_t     v;
    lv_rtmp_publish_t   pub;
    lv_rtmp_session_t  *s = cmd->s;

    memset(&pub, 0, sizeof(pub));
    pub.app = s->app;
    pub.tc_url = s->tc_url;
    pub.msid = cmd->msid;

    if (lv_rtmp_command_arg(cmd, LV_AMF0_STRING, &v) == LV_OK) {
        pub.name = v.str;

        if (lv_rtmp_command_arg(cmd, LV_AMF0_STRING, &v) == LV_OK) {
            pub.type = v.str;
        }
    }

    if (pub.name.len > s->conf.max_name_len) {
        lv_rtmp_output_status(s, pub.msid, "error",
                              "NetStream.Publish.BadName",
                              "The stream name is too long.");
        return lv_rtmp_session_fail(s, "the stream name is too long");
    }

    /* each costs a stream's beginning and end */
    if (s->publishes++ == MAX_PUBLISHES) {
        return lv_rtmp_session_fail(s, "too many publish");
    }

    lv_rtmp_command_split(&pub.name, &name_args);

    if (s->publish == LV_RTMP_PUBLISH_ACTIVE) {
        rc = publish_again(s, &pub, name_args);

        if (rc != LV_OK) {
            return rc == LV_DECLINED ? LV_OK : rc;
        }
    }

    return publish_ask(s, &pub, name_args);
}


int
lv_rtmp_command_fcunpublish(lv_rtmp_command_t *cmd)
{
    lv_str_t            name, args;
    lv_amf0_value_t     v;
    lv_rtmp_session_t  *s = cmd->s;

    name.len = 0;
    name.data = NULL;

    if (lv_rtmp_command_arg(cmd, LV_AMF0_STRING, &v) == LV_OK) {
        name = v.str;
        lv_rtmp_command_split(&name, &args);
    }

    if (lv_rtmp_command_info(s, "onFCUnpublish", cmd->tx, "status",
                             "NetStream.Unpublish.Success", "FCUnpublish")
        != LV_OK
        || lv_rtmp_command_result(s, cmd->tx) != LV_OK)
    {
        return LV_ERROR;
    }

    if (s->publish != LV_RTMP_PUBLISH_ACTIVE) {
        return LV_OK;
    }

    if (name.len && (name.len != s->name.len
                     || memcmp(name.data, s->name.data, name.len) != 0))
    {
        return LV_OK;
    }

    if (s->replaced) {
        /* meant for the publish whose place this one has taken */
        s->replaced = false;
        return LV_OK;
    }

    lv_rtmp_session_unpublish(s, LV_RTMP_FCUNPUBLISH);

    return lv_rtmp_output_status(s, s->publish_msid, "status",
                                 "NetStream.Unpublish.Success",
                                 "Publishing has ended.");
}


int
lv_rtmp_command_delete_stream(lv_rtmp_command_t *cmd)
{
    uint32_t            msid;
    lv_amf0_value_t     v;
    lv_rtmp_session_t  *s = cmd->s;

    msid = s->publish_msid;

    if (lv_rtmp_command_arg(cmd, LV_AMF0_NUMBER, &v) == LV_OK) {
        msid = lv_rtmp_command_u32(v.num);
    }

    if (s->publish == LV_RTMP_PUBLISH_ACTIVE && msid == s->publish_msid) {
        lv_rtmp_session_unpublish(s, LV_RTMP_DELETE_STREAM);
    }

    return LV_OK;
}


int
lv_rtmp_command_close_stream(lv_rtmp_command_t *cmd)
{
    lv_rtmp_session_t  *s = cmd->s;

    if (!lv_rtmp_session_is_published(s, cmd->msid)) {
        return LV_OK;
    }

    lv_rtmp_session_unpublish(s, LV_RTMP_CLOSE_STREAM);

    return lv_rtmp_output_status(s, s->publish_msid, "status",
                                 "NetStream.Unpublish.Success",
                                 "Publishing has ended.");
}


int
lv_rtmp_session_accept(lv_rtmp_session_t *s)
{
    if (s->publish != LV_RTMP_PUBLISH_PENDING
        || s->state != LV_RTMP_STATE_READY)
    {
        return LV_DECLINED;
    }

    return publish_accept(s);
}


int
lv_rtmp_session_reject(lv_rtmp_session_t *s, const char *code,
    const char *description)
{
    if (s->deciding != LV_RTMP_DECIDE_NONE) {
        lv_rtmp_command_reason(s, code, description);
        return LV_OK;
    }

    if (s->publish != LV_RTMP_PUBLISH_PENDING
        || s->state != LV_RTMP_STATE_READY)
    {
        return LV_DECLINED;
    }

    lv_rtmp_command_reason(s, code, description);

    return publish_refuse(s);
}

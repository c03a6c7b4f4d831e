#include "lv_rtmp_session_i.h"

#include <stdlib.h>

#define CONTROL_LEN  64    /* the longest control message that is looked at */


bool
lv_rtmp_session_is_published(const lv_rtmp_session_t *s, uint32_t msid)
{
    /* Streams that were created and not published are other ones; ids that
     * were never given out, and 0, come from encoders that leave them out. */

    return s->publish == LV_RTMP_PUBLISH_ACTIVE
           && (msid == s->publish_msid || msid == 0 || msid > s->last_msid);
}


static int
media_begin(lv_rtmp_session_t *s, lv_rtmp_message_t *m)
{
    int        rc;
    uint32_t  *open;

    if (m->len > s->conf.max_media_len) {
        return lv_rtmp_session_fail(s, "media message is too long");
    }

    if (m->len == 0 || !lv_rtmp_session_is_published(s, m->msid)) {
        s->stats.skipped_messages++;
        return LV_OK;
    }

    open = &s->media[m->type - LV_RTMP_AUDIO];

    if (*open) {
        return lv_rtmp_session_fail(s, m->type == LV_RTMP_VIDEO
                   ? "a video message begins within another"
                   : "an audio message begins within another");
    }

    rc = s->handler.on_message_begin
         ? s->handler.on_message_begin(s->ctx, m->msid, m->type,
                                       m->timestamp_ms, m->len)
         : LV_DECLINED;

    if (rc == LV_DECLINED) {
        s->stats.skipped_messages++;
        return LV_OK;
    }

    if (rc != LV_OK) {
        return lv_rtmp_session_fail(s, "stopped by the application");
    }

    *open = m->serial;
    m->sink = LV_RTMP_SINK_MEDIA;

    return LV_OK;
}


/* Its message may have been aborted under way: by an unpublish. */
static bool
media_is_open(const lv_rtmp_session_t *s, const lv_rtmp_message_t *m)
{
    return s->media[m->type - LV_RTMP_AUDIO] == m->serial;
}


static int
media_data(lv_rtmp_session_t *s, lv_rtmp_message_t *m,
    const uint8_t *p, size_t n)
{
    if (media_is_open(s, m)
        && s->handler.on_message_data != NULL
        && s->handler.on_message_data(s->ctx, m->type, p, n) != LV_OK)
    {
        return lv_rtmp_session_fail(s, "stopped by the application");
    }

    return LV_OK;
}


static int
media_end(lv_rtmp_session_t *s, lv_rtmp_message_t *m)
{
    if (!media_is_open(s, m)) {
        return LV_OK;
    }

    s->media[m->type - LV_RTMP_AUDIO] = 0;

    if (m->type == LV_RTMP_AUDIO) {
        s->stats.audio_messages++;

    } else {
        s->stats.video_messages++;
    }

    if (s->handler.on_message_end != NULL
        && s->handler.on_message_end(s->ctx, m->type) != LV_OK)
    {
        return lv_rtmp_session_fail(s, "stopped by the application");
    }

    return LV_OK;
}


static void
media_abort(lv_rtmp_session_t *s, int type)
{
    uint32_t  *open;

    open = &s->media[type - LV_RTMP_AUDIO];

    if (*open == 0) {
        return;
    }

    *open = 0;

    if (s->handler.on_message_abort != NULL) {
        s->handler.on_message_abort(s->ctx, type);
    }
}


void
lv_rtmp_session_unpublish(lv_rtmp_session_t *s, lv_rtmp_unpublish_e why)
{
    media_abort(s, LV_RTMP_AUDIO);
    media_abort(s, LV_RTMP_VIDEO);

    s->publish = LV_RTMP_PUBLISH_NONE;
    s->replaced = (why == LV_RTMP_REPLACED);

    if (s->handler.on_unpublish != NULL) {
        s->handler.on_unpublish(s->ctx, s->publish_msid, why);
    }
}


/* The buffer grows with what has arrived, not with what was announced. */
static int
gather(lv_rtmp_session_t *s, lv_rtmp_message_t *m, const uint8_t *p,
    size_t n)
{
    size_t    need, size;
    uint8_t  *buf;

    need = m->buf_len + n;

    if (need > m->buf_size) {
        size = m->buf_size ? 2 * (size_t) m->buf_size : 256;

        if (size < need) {
            size = need;
        }

        if (size > m->len) {
            size = m->len;
        }

        if (s->gathered + (size - m->buf_size) > s->conf.max_gather_total) {
            return lv_rtmp_session_fail(s, "too many incomplete messages");
        }

        buf = realloc(m->buf, size);

        if (buf == NULL) {
            return lv_rtmp_session_fail(s, "out of memory");
        }

        s->gathered += (uint32_t) size - m->buf_size;
        m->buf = buf;
        m->buf_size = (uint32_t) size;
    }

    memcpy(m->buf + m->buf_len, p, n);
    m->buf_len = (uint32_t) need;

    return LV_OK;
}


static void
gather_free(lv_rtmp_session_t *s, lv_rtmp_message_t *m)
{
    s->gathered -= m->buf_size;
    free(m->buf);
    m->buf = NULL;
    m->buf_len = 0;
    m->buf_size = 0;
}


void
lv_rtmp_message_abort(lv_rtmp_session_t *s, lv_rtmp_message_t *m)
{
    lv_rtmp_aggregate_t  *a;

    switch (m->sink) {

    case LV_RTMP_SINK_GATHER:
        gather_free(s, m);
        break;

    case LV_RTMP_SINK_MEDIA:
        if (media_is_open(s, m)) {
            media_abort(s, m->type);
        }
        break;

    case LV_RTMP_SINK_AGGREGATE:
        a = &s->aggregate;

        if (a->inside) {
            lv_rtmp_message_abort(s, &a->msg);
        }

        a->busy = false;
        break;
    }

    m->sink = LV_RTMP_SINK_SKIP;
}


int
lv_rtmp_message_begin(void *ctx, lv_rtmp_message_t *m)
{
    lv_rtmp_session_t  *s = ctx;

    if (++s->serial == 0) {
        s->serial = 1;
    }

    m->serial = s->serial;
    m->sink = LV_RTMP_SINK_SKIP;

    switch (m->type) {

    case LV_RTMP_AUDIO:
    case LV_RTMP_VIDEO:
        return media_begin(s, m);

    case LV_RTMP_AGGREGATE:
        return lv_rtmp_aggregate_begin(s, m);

    case LV_RTMP_SET_CHUNK_SIZE:
    case LV_RTMP_ABORT:
    case LV_RTMP_ACK:
    case LV_RTMP_USER_CONTROL:
    case LV_RTMP_WINDOW_ACK_SIZE:
    case LV_RTMP_PEER_BANDWIDTH:
        if (m->len > CONTROL_LEN) {
            return lv_rtmp_session_fail(s, "control message is too long");
        }
        m->sink = LV_RTMP_SINK_GATHER;
        return LV_OK;

    case LV_RTMP_AMF3_COMMAND:
    case LV_RTMP_AMF0_COMMAND:
        if (m->len > s->conf.max_gather_len) {
            return lv_rtmp_session_fail(s, "command is too long");
        }
        m->sink = LV_RTMP_SINK_GATHER;
        return LV_OK;

    case LV_RTMP_AMF3_DATA:
    case LV_RTMP_AMF0_DATA:
        if (m->len <= s->conf.max_gather_len) {
            m->sink = LV_RTMP_SINK_GATHER;
            return LV_OK;
        }
        /* fall through */

    default:
        s->stats.skipped_messages++;
        return LV_OK;
    }
}


int
lv_rtmp_message_data(void *ctx, lv_rtmp_message_t *m, const uint8_t *p,
    size_t n)
{
    lv_rtmp_session_t  *s = ctx;

    switch (m->sink) {

    case LV_RTMP_SINK_MEDIA:
        return media_data(s, m, p, n);

    case LV_RTMP_SINK_GATHER:
        return gather(s, m, p, n);

    case LV_RTMP_SINK_AGGREGATE:
        return lv_rtmp_aggregate_data(s, m, p, n);

    default:
        return LV_OK;
    }
}


static int
gathered(lv_rtmp_session_t *s, lv_rtmp_message_t *m)
{
    size_t          n;
    const uint8_t  *p;

    p = m->buf;
    n = m->buf_len;

    switch (m->type) {

    case LV_RTMP_AMF3_COMMAND:
    case LV_RTMP_AMF3_DATA:
        /* a byte that says which AMF follows; always 0, some leave it out */
        if (n && p[0] == 0) {
            p++;
            n--;
        }
        break;

    case LV_RTMP_AMF0_COMMAND:
    case LV_RTMP_AMF0_DATA:
        break;

    default:
        return lv_rtmp_control(s, m->type, p, n);
    }

    if (m->type == LV_RTMP_AMF0_DATA || m->type == LV_RTMP_AMF3_DATA) {
        return lv_rtmp_data(s, m->msid, m->timestamp_ms, p, n);
    }

    return lv_rtmp_command(s, m->msid, m->timestamp_ms, p, n);
}


int
lv_rtmp_message_end(void *ctx, lv_rtmp_message_t *m)
{
    int                 rc;
    lv_rtmp_session_t  *s = ctx;

    switch (m->sink) {

    case LV_RTMP_SINK_MEDIA:
        return media_end(s, m);

    case LV_RTMP_SINK_GATHER:
        rc = gathered(s, m);
        gather_free(s, m);
        return rc;

    case LV_RTMP_SINK_AGGREGATE:
        s->aggregate.busy = false;
        return LV_OK;

    default:
        return LV_OK;
    }
}

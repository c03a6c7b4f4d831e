#include "lv_rtmp_session_i.h"


int
lv_rtmp_aggregate_begin(lv_rtmp_session_t *s, lv_rtmp_message_t *m)
{
    lv_rtmp_aggregate_t  *a;

    a = &s->aggregate;

    if (a->busy) {
        return lv_rtmp_session_fail(s, "an aggregate begins within another");
    }

    a->busy = true;
    a->first = true;
    a->inside = false;
    a->nheader = 0;
    a->trailer = 0;
    a->sub_left = 0;
    a->left = m->len;

    m->sink = LV_RTMP_SINK_AGGREGATE;

    return LV_OK;
}


/* The header of a message in an aggregate is complete. */
static int
aggregate_header(lv_rtmp_session_t *s, lv_rtmp_message_t *m)
{
    uint32_t              time;
    const uint8_t        *h;
    lv_rtmp_aggregate_t  *a;

    a = &s->aggregate;
    h = a->header;
    a->nheader = 0;

    time = ((uint32_t) h[7] << 24) | lv_be24(h + 4);

    if (a->first) {
        a->first = false;
        a->base_ms = time;
    }

    a->sub_left = lv_be24(h + 1);

    if (a->sub_left > a->left) {
        return lv_rtmp_session_fail(s, "a message is longer than the "
                                       "aggregate that holds it");
    }

    a->msg.type = h[0] & 0x1f;
    a->msg.len = a->sub_left;
    a->msg.msid = m->msid;
    a->msg.timestamp_ms = m->timestamp_ms + (time - a->base_ms);
    a->msg.sink = LV_RTMP_SINK_SKIP;
    a->inside = true;

    switch (a->msg.type) {

    case LV_RTMP_AUDIO:
    case LV_RTMP_VIDEO:
    case LV_RTMP_AMF0_DATA:
    case LV_RTMP_AMF3_DATA:
        return lv_rtmp_message_begin(s, &a->msg);

    default:
        s->stats.skipped_messages++;
        return LV_OK;
    }
}


int
lv_rtmp_aggregate_data(lv_rtmp_session_t *s, lv_rtmp_message_t *m,
    const uint8_t *p, size_t n)
{
    size_t                take;
    const uint8_t        *end;
    lv_rtmp_aggregate_t  *a;

    a = &s->aggregate;

    for (end = p + n; p < end; p += take) {
        take = (size_t) (end - p);

        if (a->trailer) {
            take = take < a->trailer ? take : a->trailer;
            a->trailer -= (uint8_t) take;
            a->left -= (uint32_t) take;
            continue;
        }

        if (!a->inside) {
            if (take > sizeof(a->header) - a->nheader) {
                take = sizeof(a->header) - a->nheader;
            }

            memcpy(a->header + a->nheader, p, take);
            a->nheader += (uint8_t) take;
            a->left -= (uint32_t) take;

            if (a->nheader == sizeof(a->header)
                && aggregate_header(s, m) != LV_OK)
            {
                return LV_ERROR;
            }

        } else {
            take = take < a->sub_left ? take : a->sub_left;

            if (lv_rtmp_message_data(s, &a->msg, p, take) != LV_OK) {
                return LV_ERROR;
            }

            a->sub_left -= (uint32_t) take;
            a->left -= (uint32_t) take;
        }

        if (a->inside && a->sub_left == 0) {
            a->inside = false;
            a->trailer = 4;

            if (lv_rtmp_message_end(s, &a->msg) != LV_OK) {
                return LV_ERROR;
            }
        }
    }

    return LV_OK;
}

#include "lv_rtmp_session_i.h"


static int
data_metadata(lv_rtmp_session_t *s, uint32_t msid, const lv_amf0_value_t *v)
{
    if (s->handler.on_metadata == NULL) {
        return LV_OK;
    }

    if (s->handler.on_metadata(s->ctx, msid, v) != LV_OK) {
        return lv_rtmp_session_fail(s, "stopped by the application");
    }

    return LV_OK;
}


static int
data_named(lv_rtmp_session_t *s, uint32_t msid, uint32_t timestamp_ms,
    lv_str_t name, const lv_amf0_reader_t *r)
{
    lv_rtmp_data_t  d;

    if (s->handler.on_data == NULL) {
        return LV_OK;
    }

    d.msid = msid;
    d.timestamp_ms = timestamp_ms;
    d.name = name;
    d.values.data = r->p;
    d.values.len = (size_t) (r->end - r->p);

    if (s->handler.on_data(s->ctx, &d) != LV_OK) {
        return lv_rtmp_session_fail(s, "stopped by the application");
    }

    return LV_OK;
}


/*
 * The usual form is "@setDataFrame", "onMetaData", object. Seen as well:
 * without the first, without the second, with an object and no name at all,
 * with a number in front, with an array for the object. Anything else that
 * has a name goes to on_data. Broken data is skipped: it has never been a
 * reason to lose the picture.
 */
int
lv_rtmp_data(lv_rtmp_session_t *s, uint32_t msid, uint32_t timestamp_ms,
    const uint8_t *p, size_t n)
{
    lv_amf0_value_t   v;
    lv_amf0_reader_t  r;

    if (!lv_rtmp_session_is_published(s, msid)) {
        s->stats.skipped_messages++;
        return LV_OK;
    }

    lv_amf0_read_init(&r, p, n);

    while (lv_amf0_read(&r, &v) == LV_OK) {

        if (lv_amf0_is_container(&v)) {
            return data_metadata(s, msid, &v);
        }

        if (v.type != LV_AMF0_STRING || v.str.len == 0
            || lv_str_eq(v.str, "@setDataFrame")
            || lv_str_eq(v.str, "onMetaData"))
        {
            continue;
        }

        if (lv_str_eq(v.str, "@clearDataFrame")) {
            return LV_OK;
        }

        return data_named(s, msid, timestamp_ms, v.str, &r);
    }

    s->stats.skipped_messages++;
    return LV_OK;
}

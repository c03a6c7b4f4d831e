#include <stdarg.h>
#include <stdio.h>

#include "lv_ts_int.h"


static void
lv_ts_vtell(lv_ts_t *ts, lv_ts_event_t ev, const char *fmt, va_list ap)
{
    char  text[256];

    if (ts->failed) {
        return;
    }

    (void) vsnprintf(text, sizeof(text), fmt, ap);
    ts->sink.event(ts->ctx, ev, text);
}


void
lv_ts_tell(lv_ts_t *ts, lv_ts_event_t ev, const char *fmt, ...)
{
    va_list  ap;

    va_start(ap, fmt);
    lv_ts_vtell(ts, ev, fmt, ap);
    va_end(ap);
}


void
lv_ts_tell_now_and_then(lv_ts_t *ts, lv_ts_event_t ev, const char *fmt, ...)
{
    va_list  ap;

    if (ts->told[ev] && ts->now_ms >= ts->told_ms[ev]
        && ts->now_ms - ts->told_ms[ev] < LV_TS_TOLD_MS)
    {
        return;
    }

    ts->told[ev] = true;
    ts->told_ms[ev] = ts->now_ms;

    va_start(ap, fmt);
    lv_ts_vtell(ts, ev, fmt, ap);
    va_end(ap);
}


void
lv_ts_broken(lv_ts_t *ts, const char *what, unsigned pid)
{
    ts->stat.broken++;
    lv_ts_tell_now_and_then(ts, LV_TS_BROKEN, "%s on PID %u makes no sense",
                            what, pid);
}


int
lv_ts_sink_track(lv_ts_t *ts, lv_ts_stream_t *s, const lv_codec_config_t *c)
{
    int  rc;

    if (ts->failed) {
        return LV_ERROR;
    }

    rc = ts->sink.track(ts->ctx, lv_ts_index(ts, s), s->item.codec, c);
    ts->failed = rc == LV_ERROR;

    return rc;
}


int
lv_ts_sink_frame(lv_ts_t *ts, lv_ts_stream_t *s, lv_ts_frame_t *f)
{
    int  rc;

    if (ts->failed) {
        return LV_ERROR;
    }

    f->discontinuity = s->disc;
    s->disc = false;

    rc = ts->sink.frame(ts->ctx, lv_ts_index(ts, s), f);
    ts->failed = rc == LV_ERROR;

    return rc;
}


int
lv_ts_sink_data(lv_ts_t *ts, lv_ts_stream_t *s, const void *p, size_t n)
{
    int  rc;

    if (ts->failed) {
        return LV_ERROR;
    }

    rc = ts->sink.data(ts->ctx, lv_ts_index(ts, s), p, n);
    ts->failed = rc == LV_ERROR;

    return rc;
}


void
lv_ts_sink_patch(lv_ts_t *ts, lv_ts_stream_t *s, uint32_t at, const void *p,
    size_t n)
{
    if (!ts->failed) {
        ts->sink.patch(ts->ctx, lv_ts_index(ts, s), at, p, n);
    }
}


void
lv_ts_sink_end(lv_ts_t *ts, lv_ts_stream_t *s)
{
    if (!ts->failed) {
        ts->stat.frames++;
        ts->failed = ts->sink.end(ts->ctx, lv_ts_index(ts, s)) == LV_ERROR;
    }
}


void
lv_ts_sink_abort(lv_ts_t *ts, lv_ts_stream_t *s)
{
    if (!ts->failed) {
        ts->stat.aborted++;
        ts->sink.abort(ts->ctx, lv_ts_index(ts, s));
    }
}

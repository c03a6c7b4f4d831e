#include "lv_ts_int.h"

/*
 * Bytes of an elementary stream in, access units out.
 *
 * PES packets matter for the time stamps alone: a stamp belongs to the access
 * unit that begins next. Where one begins is seen from the NAL units, so that
 * PES packets may hold half a picture or several.
 *
 * Units are written with a length of 0, which is overwritten when the end is
 * seen (the next start code). What stands in front of the first slice is held,
 * since only that slice says whether it is a key frame.
 *
 * An interlaced picture's second field, in the PES packet of the first, goes
 * into the same sample.
 */

#define LV_TS_SEI_COUNT    8         /* a picture, as in lv_flv.h */
#define LV_TS_SEI_BYTES    16384
#define LV_TS_IDR_WAIT_MS  10000     /* then a recovery point will do … */
#define LV_TS_RECOVERIES   2         /* … or after as many without an IDR */
#define LV_TS_DELTA        3003      /* 90 kHz; where nothing says more */
#define LV_TS_DELTA_MAX    90000

static void lv_ts_picture(lv_ts_t *ts, lv_ts_stream_t *s,
    const lv_ts_nal_t *nal);


/* ---- writing ----------------------------------------------------------- */

/* Nothing of this access unit goes on. */
static void
lv_ts_au_skip(lv_ts_video_t *v)
{
    v->skip = true;
    v->hold_len = 0;
    v->nal.to = LV_TS_TO_NOTHING;
}


static void
lv_ts_au_abort(lv_ts_t *ts, lv_ts_stream_t *s)
{
    if (s->video->frame) {
        s->video->frame = false;
        lv_ts_sink_abort(ts, s);
    }

    lv_ts_au_skip(s->video);
}


/* Too much stands in front of the first slice: what else is known of the
 * picture has to say whether it is a key frame. */
static void
lv_ts_picture_early(lv_ts_t *ts, lv_ts_stream_t *s)
{
    lv_ts_nal_t  nal;

    memset(&nal, 0, sizeof(nal));
    nal.first = true;
    nal.refers = true;
    nal.idr = nal.random = s->video->sets || s->video->random;

    lv_ts_picture(ts, s, &nal);
}


static void
lv_ts_sample_write(lv_ts_t *ts, lv_ts_stream_t *s, const uint8_t *p, size_t n)
{
    lv_ts_video_t  *v;

    v = s->video;

    if (v->skip) {
        return;
    }

    if (!v->frame) {

        if (n <= LV_TS_HOLD - v->hold_len) {
            memcpy(v->hold + v->hold_len, p, n);
            v->hold_len += (uint32_t) n;
            return;
        }

        lv_ts_picture_early(ts, s);

        if (!v->frame) {
            return;
        }
    }

    if (n > LV_TS_PICTURE_MAX - v->out) {
        lv_ts_broken(ts, "a picture", s->item.pid);
        lv_ts_au_abort(ts, s);
        v->awaiting = true;
        return;
    }

    if (lv_ts_sink_data(ts, s, p, n) != LV_OK) {
        v->frame = false;
        lv_ts_au_skip(v);
        return;
    }

    v->out += (uint32_t) n;
}


static void
lv_ts_sample_patch(lv_ts_t *ts, lv_ts_stream_t *s, uint32_t at,
    const uint8_t *p, size_t n)
{
    lv_ts_video_t  *v;

    v = s->video;

    if (v->frame) {
        lv_ts_sink_patch(ts, s, at, p, n);

    } else if (!v->skip) {
        memcpy(v->hold + at, p, n);
    }
}


/* ---- pictures ---------------------------------------------------------- */

static bool
lv_ts_picture_is_key(lv_ts_t *ts, lv_ts_video_t *v, const lv_ts_nal_t *nal)
{
    if (!v->started || nal->idr) {
        v->started = true;
        v->idr_ms = ts->now_ms;
        v->recoveries = 0;
    }

    if (v->hevc) {
        return nal->random;
    }

    if (nal->idr) {
        return true;
    }

    if (!v->recovery) {
        return false;
    }

    if (v->recoveries < LV_TS_RECOVERIES) {
        v->recoveries++;
    }

    return v->recoveries == LV_TS_RECOVERIES
           || ts->now_ms >= v->idr_ms + LV_TS_IDR_WAIT_MS;
}


/* Where no stamp came: the one before, and a frame more. */
static void
lv_ts_picture_stamp(lv_ts_video_t *v, lv_ts_frame_t *f)
{
    int64_t  delta;

    f->estimated = !v->au_stamp.has;

    if (v->au_stamp.has) {
        f->pts = v->au_stamp.pts;
        f->dts = v->au_stamp.dts;

        if (v->last && f->dts > v->last_dts
            && f->dts - v->last_dts <= LV_TS_DELTA_MAX)
        {
            v->delta = f->dts - v->last_dts;
        }

    } else {
        delta = v->delta;

        if (v->rate_milli >= 1000) {
            delta = (int64_t) 90000 * 1000 / v->rate_milli;
        }

        f->dts = v->last_dts + (delta ? delta : LV_TS_DELTA);
        f->pts = f->dts + v->last_cts;
    }

    v->last = true;
    v->last_dts = f->dts;
    v->last_cts = f->pts - f->dts;
}


/* A picture parameter set may change between key frames; then it has to be
 * where it came. */
static void
lv_ts_picture_sets(lv_ts_t *ts, lv_ts_stream_t *s)
{
    size_t          len;
    uint8_t         length[4];
    unsigned        n;
    const uint8_t  *nal;

    s->video->sets_changed = false;

    for (n = 0; /* void */ ; n++) {
        nal = lv_ts_nal_pps(s->video, n, &len);

        if (nal == NULL) {
            return;
        }

        lv_put32(length, (uint32_t) len);
        lv_ts_sample_write(ts, s, length, 4);
        lv_ts_sample_write(ts, s, nal, len);
    }
}


/* Is this picture wanted? Its first slice is here. */
static bool
lv_ts_picture_wanted(lv_ts_t *ts, lv_ts_stream_t *s, const lv_ts_nal_t *nal,
    bool key)
{
    lv_ts_video_t  *v;

    v = s->video;

    if (!nal->first || (v->awaiting && !key)
        || (!v->au_stamp.has && !v->last))
    {
        v->awaiting = true;
        ts->stat.awaiting++;
        return false;
    }

    if (v->hevc) {
        if (nal->random) {
            /* where decoding begins, what leads it refers to what is not
             * there; so it does at a splice */
            v->leading = v->awaiting || nal->splice;

        } else if (nal->leading && v->leading) {
            ts->stat.awaiting++;
            return false;
        }
    }

    if (key && !lv_ts_nal_configure(ts, s)) {
        v->awaiting = true;
        ts->stat.held++;
        return false;
    }

    return !ts->failed;
}


static void
lv_ts_picture(lv_ts_t *ts, lv_ts_stream_t *s, const lv_ts_nal_t *nal)
{
    bool            key;
    uint32_t        held;
    lv_ts_frame_t   f;
    lv_ts_video_t  *v;

    v = s->video;
    v->refers = nal->refers;
    v->fields = 1;

    key = lv_ts_picture_is_key(ts, v, nal);

    if (!lv_ts_picture_wanted(ts, s, nal, key)) {
        lv_ts_au_skip(v);
        return;
    }

    memset(&f, 0, sizeof(f));
    f.key = key;
    lv_ts_picture_stamp(v, &f);

    if (lv_ts_sink_frame(ts, s, &f) != LV_OK) {
        lv_ts_au_skip(v);
        return;
    }

    v->awaiting = false;
    v->frame = true;
    v->out = 0;

    if (v->captions != v->captions_had) {
        v->captions_had = v->captions;
        ts->sink.captions(ts->ctx, lv_ts_index(ts, s), v->captions);
    }

    if (v->sets_changed) {
        lv_ts_picture_sets(ts, s);
    }

    v->nal_at += v->out;
    held = v->hold_len;
    v->hold_len = 0;

    if (held) {
        lv_ts_sample_write(ts, s, v->hold, held);
    }
}


/* ---- access units ------------------------------------------------------ */

static void
lv_ts_au_end(lv_ts_t *ts, lv_ts_stream_t *s)
{
    lv_ts_video_t  *v;

    v = s->video;

    if (v->frame) {
        v->frame = false;
        lv_ts_sink_end(ts, s);
    }

    v->au = false;
    v->vcl = false;
    v->skip = false;
    v->fields = 0;
    v->recovery = false;
    v->random = false;
    v->sets = false;
    v->hold_len = 0;
    v->sei_count = 0;
    v->sei_bytes = 0;
}


/* Could what begins here be the second field of the picture before? */
static bool
lv_ts_au_is_field(const lv_ts_video_t *v)
{
    return v->interlaced && v->fields == 1 && v->au_pes == v->pes;
}


/* A unit comes: of which access unit? */
static void
lv_ts_au_unit(lv_ts_t *ts, lv_ts_stream_t *s, const lv_ts_nal_t *nal)
{
    lv_ts_video_t  *v;

    v = s->video;

    if (nal->starts && v->vcl) {

        if (!lv_ts_au_is_field(v)) {
            lv_ts_au_end(ts, s);

        } else if (nal->slice) {
            v->fields = 2;
        }
    }

    if (!v->au) {
        v->au = true;
        v->au_pes = v->pes;
        v->au_stamp = v->stamp;
        v->stamp.has = false;
    }

    if (nal->to == LV_TS_TO_SET) {
        v->sets = true;
    }
}


/* ---- units ------------------------------------------------------------- */

static bool
lv_ts_unit_sei_fits(lv_ts_video_t *v)
{
    return v->sei_count < LV_TS_SEI_COUNT && v->sei_bytes < LV_TS_SEI_BYTES;
}


/* A unit's head is complete. */
static void
lv_ts_unit_begin(lv_ts_t *ts, lv_ts_stream_t *s)
{
    lv_ts_nal_t     nal;
    lv_ts_video_t  *v;

    static const uint8_t  length[4];

    v = s->video;
    v->begun = true;
    v->nal_len = 0;

    lv_ts_nal_class(v, &nal, v->head, v->head_len);

    lv_ts_au_unit(ts, s, &nal);
    v->nal = nal;
    v->set_len = 0;

    if (nal.slice && !v->vcl) {
        v->vcl = true;

        if (!v->skip && !v->frame) {
            lv_ts_picture(ts, s, &nal);
        }
    }

    if (nal.sei) {
        if (!lv_ts_unit_sei_fits(v)) {
            v->nal.to = LV_TS_TO_NOTHING;
        } else {
            v->sei_count++;
        }
    }

    if (v->skip && v->nal.to == LV_TS_TO_SAMPLE) {
        v->nal.to = LV_TS_TO_NOTHING;
    }

    if (v->nal.to == LV_TS_TO_SAMPLE) {
        v->nal_at = v->frame ? v->out : v->hold_len;
        lv_ts_sample_write(ts, s, length, sizeof(length));
    }
}


/* That an SEI unit is too long is known only when it is: what is there of it
 * is made filler data, which nobody reads. */
static size_t
lv_ts_unit_sei_cut(lv_ts_t *ts, lv_ts_stream_t *s, size_t n)
{
    lv_ts_video_t  *v;

    static const uint8_t  filler[2] = { LV_NAL_FILLER, 0xff };
    static const uint8_t  filler_hevc[2] = { LV_HEVC_FILLER << 1, 1 };

    v = s->video;

    if (n <= LV_TS_SEI_BYTES - v->sei_bytes) {
        v->sei_bytes += (uint32_t) n;
        return n;
    }

    v->sei_bytes = LV_TS_SEI_BYTES;

    if (v->nal_len >= 2) {
        lv_ts_sample_patch(ts, s, v->nal_at + 4,
                           v->hevc ? filler_hevc : filler, 2);
    }

    return 0;
}


/* Bytes of a unit whose head has been looked at. */
static void
lv_ts_unit_body(lv_ts_t *ts, lv_ts_stream_t *s, const uint8_t *p, size_t n)
{
    lv_ts_video_t  *v;

    v = s->video;

    if (n == 0) {
        return;
    }

    switch (v->nal.to) {

    case LV_TS_TO_SET:
        if (n > LV_NAL_SET_MAX - v->set_len) {
            lv_ts_broken(ts, "a parameter set", s->item.pid);
            v->nal.to = LV_TS_TO_NOTHING;
            return;
        }

        memcpy(v->set + v->set_len, p, n);
        v->set_len += (uint32_t) n;
        return;

    case LV_TS_TO_SAMPLE:
        if (v->nal.sei) {
            n = lv_ts_unit_sei_cut(ts, s, n);
        }

        v->nal_len += (uint32_t) n;

        if (n) {
            lv_ts_sample_write(ts, s, p, n);
        }

        return;
    }
}


static void
lv_ts_unit_bytes(lv_ts_t *ts, lv_ts_stream_t *s, const uint8_t *p, size_t n)
{
    lv_ts_video_t  *v;

    v = s->video;

    while (n && !v->begun) {
        v->head[v->head_len++] = *p++;
        n--;

        if (v->head_len >= lv_ts_nal_head(v, v->head[0])) {
            lv_ts_unit_begin(ts, s);
            lv_ts_unit_body(ts, s, v->head, v->head_len);
        }
    }

    lv_ts_unit_body(ts, s, p, n);
}


/* The unit is whole: a start code, or the end of everything, is behind it. */
static void
lv_ts_unit_end(lv_ts_t *ts, lv_ts_stream_t *s)
{
    uint8_t         length[4];
    lv_ts_video_t  *v;

    v = s->video;

    if (!v->unit) {
        return;
    }

    v->unit = false;

    if (!v->begun && v->head_len) {
        /* shorter than the head of its kind: only the first byte counts */
        lv_ts_unit_begin(ts, s);
        lv_ts_unit_body(ts, s, v->head, v->head_len);
    }

    if (v->begun && v->nal.to == LV_TS_TO_SET && !lv_ts_nal_set(v)) {
        lv_ts_broken(ts, "a parameter set", s->item.pid);
    }

    if (v->begun && v->nal.to == LV_TS_TO_SAMPLE) {

        if (v->nal.sei && !v->frame && !v->skip) {
            lv_ts_nal_sei(v, v->hold + v->nal_at + 4, v->nal_len);
        }

        lv_put32(length, v->nal_len);
        lv_ts_sample_patch(ts, s, v->nal_at, length, 4);
    }

    v->nal.to = LV_TS_TO_NOTHING;
    v->begun = false;
    v->head_len = 0;
}


/* ---- start codes ------------------------------------------------------- */

/* Zero bytes that turned out to be the unit's own. */
static void
lv_ts_scan_zeros(lv_ts_t *ts, lv_ts_stream_t *s)
{
    size_t          n;
    lv_ts_video_t  *v;

    static const uint8_t  zeros[64];

    v = s->video;

    while (v->zeros) {
        n = v->zeros < sizeof(zeros) ? v->zeros : sizeof(zeros);
        v->zeros -= (uint32_t) n;
        lv_ts_unit_bytes(ts, s, zeros, n);
    }
}


/* How many bytes there are in front of what could be a start code. */
static size_t
lv_ts_scan_plain(const uint8_t *p, size_t n)
{
    const uint8_t  *zero, *end;

    end = p + n;

    for (zero = p; zero < end; zero += 2) {
        zero = memchr(zero, 0, (size_t) (end - zero));

        if (zero == NULL) {
            return n;
        }

        if (zero + 1 == end || zero[1] == 0) {
            return (size_t) (zero - p);
        }
    }

    return n;
}


void
lv_ts_video_data(lv_ts_t *ts, lv_ts_stream_t *s, const uint8_t *p, size_t n)
{
    size_t          take;
    lv_ts_video_t  *v;

    v = s->video;

    while (n && !ts->failed) {

        if (*p == 0) {
            v->zeros++;
            p++;
            n--;
            continue;
        }

        if (v->zeros >= 2 && *p == 1) {
            lv_ts_unit_end(ts, s);
            v->unit = true;
            v->zeros = 0;
            p++;
            n--;
            continue;
        }

        take = lv_ts_scan_plain(p, n);

        if (v->unit) {
            lv_ts_scan_zeros(ts, s);
            lv_ts_unit_bytes(ts, s, p, take);
        }

        v->zeros = 0;
        p += take;
        n -= take;
    }
}


/* ---- PES, loss, the end ------------------------------------------------ */

void
lv_ts_video_pes(lv_ts_t *ts, lv_ts_stream_t *s, const lv_ts_stamp_t *st,
    bool random)
{
    lv_ts_video_t  *v;

    v = s->video;

    v->pes++;
    v->stamp = *st;
    v->random = random;
}


void
lv_ts_video_lost(lv_ts_t *ts, lv_ts_stream_t *s, bool start)
{
    lv_ts_video_t  *v;

    v = s->video;

    /* a picture that no other refers to, and that ends here */
    if (!(start && v->vcl && !v->refers)) {
        v->awaiting = true;
    }

    v->unit = false;
    v->begun = false;
    v->head_len = 0;
    v->zeros = 0;
    v->stamp.has = false;

    lv_ts_au_abort(ts, s);
    v->vcl = true;               /* the next that may begins a new one */
    v->fields = 0;
}


void
lv_ts_video_flush(lv_ts_t *ts, lv_ts_stream_t *s)
{
    lv_ts_unit_end(ts, s);
    lv_ts_au_end(ts, s);
    s->video->zeros = 0;
}


void
lv_ts_video_abort(lv_ts_t *ts, lv_ts_stream_t *s)
{
    lv_ts_au_abort(ts, s);
    s->video->unit = false;
    s->video->awaiting = true;
}

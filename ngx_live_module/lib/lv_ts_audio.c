#include "lv_ts_int.h"

/*
 * Frames follow each other without regard for PES packets, whose time stamp
 * belongs to the first frame that begins in them. They are small: one is
 * collected whole. Where frames were lost, or the first has yet to be found,
 * one counts only where a PES packet begins with it or another follows it;
 * Opus, which has no sync word, is found where PES packets begin.
 */

#define LV_TS_HEAD_MAX  9            /* what a header needs, at most */


/* ---- one frame --------------------------------------------------------- */

static int64_t
lv_ts_audio_stamp(lv_ts_audio_t *a, uint32_t at, const lv_ts_audio_head_t *h,
    bool *estimated)
{
    int64_t   pts;
    uint64_t  n;

    *estimated = !(a->stamp.has && (int32_t) at >= a->start);

    if (*estimated) {
        pts = a->next_pts;
        *estimated = !a->exact;

    } else {
        pts = a->stamp.pts;
        a->stamp.has = false;
        a->rem = 0;
    }

    a->exact = false;

    n = (uint64_t) h->samples * 90000 + a->rem;
    a->next_pts = pts + (int64_t) (n / h->c.sample_rate);
    a->rem = (uint32_t) (n % h->c.sample_rate);

    return pts;
}


static bool
lv_ts_audio_configure(lv_ts_t *ts, lv_ts_stream_t *s,
    const lv_ts_audio_head_t *h)
{
    int             rc;
    lv_ts_audio_t  *a;

    a = s->audio;

    if (a->configured && a->c.config_len == h->c.config_len
        && a->c.sample_rate == h->c.sample_rate
        && a->c.fourcc == h->c.fourcc
        && memcmp(a->config, h->config, h->c.config_len) == 0)
    {
        return !a->refused;
    }

    a->c = h->c;
    memcpy(a->config, h->config, sizeof(a->config));
    a->c.config = a->config;
    a->configured = true;
    a->rem = 0;

    rc = lv_ts_sink_track(ts, s, &a->c);
    a->refused = rc != LV_OK;

    return !a->refused;
}


/* `at` is where in the buffer it was found. */
static void
lv_ts_audio_frame(lv_ts_t *ts, lv_ts_stream_t *s, uint32_t at,
    const lv_ts_audio_head_t *h, const uint8_t *p, size_t n)
{
    lv_ts_frame_t   f;
    lv_ts_audio_t  *a;

    a = s->audio;

    if (n == 0 || !lv_ts_audio_configure(ts, s, h)) {
        return;
    }

    if (!a->last && !a->stamp.has) {
        ts->stat.held++;                     /* nobody knows when */
        return;
    }

    memset(&f, 0, sizeof(f));
    f.pts = f.dts = lv_ts_audio_stamp(a, at, h, &f.estimated);
    f.key = true;
    f.samples = h->samples;
    a->last = true;

    if (lv_ts_sink_frame(ts, s, &f) == LV_OK
        && lv_ts_sink_data(ts, s, p, n) == LV_OK)
    {
        lv_ts_sink_end(ts, s);
    }
}


/* What does not begin anything that is known; once a run. */
static void
lv_ts_audio_nonsense(lv_ts_t *ts, lv_ts_stream_t *s)
{
    s->audio->synced = false;

    if (!s->audio->told) {
        s->audio->told = true;
        lv_ts_broken(ts, "audio", s->item.pid);
    }
}


static void
lv_ts_audio_useless(lv_ts_t *ts, lv_ts_stream_t *s, const char *err)
{
    s->audio->useless = true;
    lv_ts_tell(ts, LV_TS_REFUSED_STREAM, "%s on PID %u is not supported", err,
               s->item.pid);
}


static void
lv_ts_audio_loas(lv_ts_t *ts, lv_ts_stream_t *s, uint32_t at,
    const uint8_t *p, size_t n)
{
    int                 i, frames;
    uint8_t             out[LV_LOAS_MAX], *frame;
    uint16_t            len[LV_LATM_FRAMES];
    const char         *err;
    lv_ts_audio_t      *a;
    lv_ts_audio_head_t  h;

    a = s->audio;
    frames = lv_latm_read(&a->latm, p, n, out, len, &err);

    if (frames == LV_DECLINED) {
        ts->stat.held++;
        return;
    }

    memset(&h, 0, sizeof(h));

    if (frames < 0
        || !lv_ts_audio_describe_aac(&h, a->latm.config, a->latm.config_len,
                                     &err))
    {
        ts->stat.broken++;
        lv_ts_tell_now_and_then(ts, LV_TS_BROKEN, "PID %u: %s", s->item.pid,
                                err);
        return;
    }

    for (i = 0, frame = out; i < frames; frame += len[i++]) {
        lv_ts_audio_frame(ts, s, at, &h, frame, len[i]);
    }
}


/* ---- frames ------------------------------------------------------------ */

/* Is what looks like a frame one? LV_AGAIN: what follows it is not here yet. */
static int
lv_ts_audio_sure(lv_ts_audio_t *a, lv_ts_codec_t codec, uint32_t at,
    const lv_ts_audio_head_t *h, size_t n)
{
    const char          *err;
    lv_ts_audio_head_t   next;

    if (a->synced || (int32_t) at == a->start || codec == LV_TS_OPUS) {
        return LV_OK;
    }

    if (n < h->len + LV_TS_HEAD_MAX) {
        return LV_AGAIN;
    }

    return lv_ts_audio_head(a, codec, &next, a->buf + at + h->len,
                            n - h->len, &err) == LV_OK ? LV_OK : LV_DECLINED;
}


/* Some say ADTS and send LATM, or the other way round. */
static int
lv_ts_audio_other(lv_ts_audio_t *a, lv_ts_audio_head_t *h, const uint8_t *p,
    size_t n)
{
    int             rc;
    const char     *err;
    lv_ts_codec_t   other;

    if (a->codec != LV_TS_AAC && a->codec != LV_TS_LATM) {
        return LV_DECLINED;
    }

    other = a->codec == LV_TS_AAC ? LV_TS_LATM : LV_TS_AAC;
    rc = lv_ts_audio_head(a, other, h, p, n, &err);

    if (rc != LV_OK) {
        return LV_DECLINED;
    }

    a->codec = other;

    return LV_OK;
}


/* Takes one frame, or a byte that begins none, from buf + at; returns how many
 * bytes, 0: more are needed. */
static uint32_t
lv_ts_audio_next(lv_ts_t *ts, lv_ts_stream_t *s, uint32_t at)
{
    int                  rc;
    uint32_t             n;
    const char          *err;
    lv_ts_audio_t       *a;
    lv_ts_codec_t        codec;
    lv_ts_audio_head_t   h;

    a = s->audio;
    n = a->len - at;

    rc = lv_ts_audio_head(a, a->codec, &h, a->buf + at, n, &err);

    if (rc == LV_DECLINED && !a->configured && (int32_t) at == a->start) {
        rc = lv_ts_audio_other(a, &h, a->buf + at, n);
    }

    codec = a->codec;

    if (rc == LV_OK && h.len > sizeof(a->buf) - LV_TS_HEAD_MAX) {
        rc = LV_DECLINED;
    }

    if (rc == LV_ERROR && (int32_t) at == a->start) {
        lv_ts_audio_useless(ts, s, err);
        return n;
    }

    if (rc == LV_AGAIN || (rc == LV_OK && n < h.len)) {
        return 0;
    }

    if (rc == LV_OK) {
        rc = lv_ts_audio_sure(a, codec, at, &h, n);

        if (rc == LV_AGAIN) {
            return 0;
        }
    }

    if (rc != LV_OK) {
        lv_ts_audio_nonsense(ts, s);
        return codec == LV_TS_OPUS ? n : 1;
    }

    a->synced = true;
    a->told = false;

    if (codec == LV_TS_LATM) {
        lv_ts_audio_loas(ts, s, at, a->buf + at + h.head, h.len - h.head);

    } else if (h.samples) {
        lv_ts_audio_frame(ts, s, at, &h, a->buf + at + h.head, h.len - h.head);

    } else {
        ts->stat.broken++;
    }

    return h.len;
}


static void
lv_ts_audio_take(lv_ts_t *ts, lv_ts_stream_t *s)
{
    uint32_t        at, used;
    lv_ts_audio_t  *a;

    a = s->audio;

    for (at = 0; at < a->len && !ts->failed; at += used) {
        used = lv_ts_audio_next(ts, s, at);

        if (used == 0) {
            break;
        }
    }

    if (at == 0 && a->len == sizeof(a->buf)) {
        lv_ts_audio_nonsense(ts, s);
        at = a->len;
    }

    a->len -= at;
    memmove(a->buf, a->buf + at, a->len);
    a->start = a->start >= (int32_t) at ? a->start - (int32_t) at : -1;
}


void
lv_ts_audio_data(lv_ts_t *ts, lv_ts_stream_t *s, const uint8_t *p, size_t n)
{
    size_t          take;
    lv_ts_audio_t  *a;

    a = s->audio;

    while (n && !a->lost && !a->useless && !ts->failed) {
        take = sizeof(a->buf) - a->len;
        take = take < n ? take : n;

        memcpy(a->buf + a->len, p, take);
        a->len += (uint32_t) take;
        p += take;
        n -= take;

        lv_ts_audio_take(ts, s);
    }
}


void
lv_ts_audio_pes(lv_ts_t *ts, lv_ts_stream_t *s, const lv_ts_stamp_t *st)
{
    lv_ts_audio_t  *a;

    a = s->audio;
    a->lost = false;

    if (s->item.codec == LV_TS_OPUS && a->len) {
        lv_ts_audio_nonsense(ts, s);
        a->len = 0;
    }

    if (a->len && a->stamp.has && a->start <= 0) {
        /* it is that of the frame which has begun, and ends here */
        a->next_pts = a->stamp.pts;
        a->last = a->exact = true;
        a->rem = 0;
    }

    a->stamp = *st;
    a->start = (int32_t) a->len;
}


void
lv_ts_audio_lost(lv_ts_t *ts, lv_ts_stream_t *s)
{
    lv_ts_audio_t  *a;

    a = s->audio;

    if (a->len) {
        ts->stat.aborted++;
    }

    a->len = 0;
    a->synced = false;
    a->lost = true;
    a->exact = false;
    a->stamp.has = false;
}

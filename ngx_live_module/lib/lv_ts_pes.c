#include "lv_ts_int.h"

/*
 * A PES packet, 2.4.3.6:
 *
 *   00 00 01 | stream_id | 2 length (0: up to the next)
 *   10 scrambling(2) … | PTS_DTS_flags(2) … | header_data_length
 *   5 PTS | 5 DTS | … header_data_length bytes in all
 *
 * A stamp is xxxx | 3 bits | 1 | 15 bits | 1 | 15 bits | 1.
 */

#define LV_TS_PES_FIXED  9


/* ---- clocks ------------------------------------------------------------ */

static int64_t
lv_ts_near(int64_t base, uint64_t stamp)
{
    return base + ((int64_t) ((stamp - (uint64_t) base) << 31) >> 31);
}


static bool
lv_ts_far(int64_t a, int64_t b)
{
    return a > b ? a - b > LV_TS_JUMP : b - a > LV_TS_JUMP;
}


int64_t
lv_ts_unwrap(const lv_ts_t *ts, uint64_t stamp)
{
    return ts->clock_set ? lv_ts_near(ts->clock, stamp) : (int64_t) stamp;
}


/*
 * One clock for all streams, but each may meet a jump at its own time: a stamp
 * that goes on from the stream's own last is no jump, whatever the others did
 * meanwhile.
 */
static int64_t
lv_ts_clock(lv_ts_t *ts, lv_ts_stream_t *s, uint64_t stamp)
{
    int64_t  at, own;

    at = lv_ts_unwrap(ts, stamp);

    if (!ts->clock_set) {
        ts->clock_set = true;
        ts->clock = at;

    } else if (!lv_ts_far(at, ts->clock)) {

        if (s->clock && lv_ts_far(at, s->last_dts)) {
            s->disc = true;
        }

        ts->clock = at;

    } else {
        own = s->clock ? lv_ts_near(s->last_dts, stamp) : at;

        if (s->clock && !lv_ts_far(own, s->last_dts)) {
            at = own;

        } else {
            ts->stat.jumps++;
            ts->clock = at;
            s->disc = true;
            lv_ts_tell(ts, LV_TS_JUMPED, "the clock jumped to %lld ms",
                       (long long) (at / 90));
        }
    }

    s->clock = true;
    s->last_dts = at;

    return at;
}


/* What depends on the clock hears of a jump before its own stamps tell. */
void
lv_ts_pcr(lv_ts_t *ts, uint64_t base, bool discontinuity)
{
    int64_t   at;
    unsigned  i;

    at = ts->pcr_set ? lv_ts_near(ts->pcr, base) : (int64_t) base;

    if (ts->pcr_set && (discontinuity || lv_ts_far(at, ts->pcr))) {
        for (i = 0; i < LV_TS_STREAMS; i++) {
            ts->stream[i].disc = true;
        }
    }

    ts->pcr_set = true;
    ts->pcr = at;
}


static uint64_t
lv_ts_pes_stamp(const uint8_t *p)
{
    return ((uint64_t) (p[0] & 0x0e) << 29)
           | ((uint64_t) (lv_be16(p + 1) >> 1) << 15)
           | (lv_be16(p + 3) >> 1);
}


/* ---- streams ----------------------------------------------------------- */

static void
lv_ts_es_begin(lv_ts_t *ts, lv_ts_stream_t *s, const lv_ts_stamp_t *st,
    bool random)
{
    if (s->video) {
        lv_ts_video_pes(ts, s, st, random);

    } else if (s->audio) {
        lv_ts_audio_pes(ts, s, st);

    } else {
        lv_ts_meta_pes(ts, s, st, s->pes.head[3]);
    }
}


static void
lv_ts_es_data(lv_ts_t *ts, lv_ts_stream_t *s, const uint8_t *p, size_t n)
{
    if (s->video) {
        lv_ts_video_data(ts, s, p, n);

    } else if (s->audio) {
        lv_ts_audio_data(ts, s, p, n);

    } else {
        lv_ts_meta_data(ts, s, p, n);
    }
}


/* What a PES packet holds is whole. Pictures and audio frames know their own
 * ends, and may go on in the next. */
static void
lv_ts_es_end(lv_ts_t *ts, lv_ts_stream_t *s)
{
    s->pes.open = false;

    if (s->meta && s->pes.body) {
        lv_ts_meta_end(ts, s);
    }
}


/* ---- headers ----------------------------------------------------------- */

/* stream_ids whose packets have no header of the usual kind. */
static bool
lv_ts_pes_bare(unsigned id)
{
    return id == 0xbc || id == 0xbe || id == 0xbf || id == 0xf0 || id == 0xf1
           || id == 0xf2 || id == 0xf8 || id == 0xff;
}


static unsigned
lv_ts_pes_stamps(const lv_ts_pes_t *pes)
{
    /* 10 bits: PTS; 11: both */
    switch (pes->head[7] >> 6) {

    case 2:
        return pes->head[8] >= 5 ? 1 : 0;

    case 3:
        return pes->head[8] >= 10 ? 2 : pes->head[8] >= 5 ? 1 : 0;

    default:
        return 0;
    }
}


/* The header is here as far as it is of interest. */
static void
lv_ts_pes_header(lv_ts_t *ts, lv_ts_stream_t *s, bool random)
{
    uint64_t       pts, dts;
    unsigned       stamps;
    lv_ts_pes_t   *pes;
    lv_ts_stamp_t  st;

    pes = &s->pes;
    stamps = lv_ts_pes_stamps(pes);
    memset(&st, 0, sizeof(st));

    if (stamps) {
        pts = lv_ts_pes_stamp(pes->head + 9);
        dts = stamps == 2 ? lv_ts_pes_stamp(pes->head + 14) : pts;

        st.has = true;
        st.dts = lv_ts_clock(ts, s, dts);
        st.pts = lv_ts_near(st.dts, pts);
    }

    lv_ts_es_begin(ts, s, &st, random);
}


/* The fixed part is here: false where it makes no sense. */
static bool
lv_ts_pes_fixed(lv_ts_t *ts, lv_ts_stream_t *s)
{
    uint32_t      len, head;
    lv_ts_pes_t  *pes;

    pes = &s->pes;

    if (lv_be24(pes->head) != 1 || (pes->head[6] & 0xc0) != 0x80) {
        lv_ts_broken(ts, "a PES header", s->item.pid);
        return false;
    }

    if (pes->head[6] & 0x30) {
        ts->stat.scrambled++;

        if (!s->scrambled) {
            s->scrambled = true;
            lv_ts_tell(ts, LV_TS_SCRAMBLED, "PID %u is scrambled",
                       s->item.pid);
        }

        return false;
    }

    len = lv_be16(pes->head + 4);
    head = 3u + pes->head[8];
    pes->bounded = len != 0;

    if (pes->bounded && len < head) {
        lv_ts_broken(ts, "a PES header", s->item.pid);
        return false;
    }

    pes->left = pes->bounded ? len - head : 0;
    pes->skip = pes->head[8];

    return true;
}


/* Takes header bytes; returns how many, or -1: this packet is of no use. */
static int
lv_ts_pes_head(lv_ts_t *ts, lv_ts_stream_t *s, const uint8_t *p, size_t n,
    bool random)
{
    size_t        used;
    lv_ts_pes_t  *pes;

    pes = &s->pes;

    for (used = 0; used < n; used++) {

        if (pes->head_len >= LV_TS_PES_FIXED && pes->skip == 0) {
            break;
        }

        if (pes->head_len < sizeof(pes->head)) {
            pes->head[pes->head_len] = p[used];
        }

        if (pes->head_len < LV_TS_PES_FIXED) {
            pes->head_len++;

            if (pes->head_len == 4 && lv_ts_pes_bare(pes->head[3])) {
                return -1;
            }

            if (pes->head_len == LV_TS_PES_FIXED && !lv_ts_pes_fixed(ts, s)) {
                return -1;
            }

            continue;
        }

        pes->skip--;

        if (pes->head_len < sizeof(pes->head)) {
            pes->head_len++;
        }
    }

    if (pes->head_len >= LV_TS_PES_FIXED && pes->skip == 0) {
        pes->body = true;
        lv_ts_pes_header(ts, s, random);
    }

    return (int) used;
}


void
lv_ts_pes_data(lv_ts_t *ts, lv_ts_stream_t *s, const uint8_t *p, size_t n,
    bool start, bool random)
{
    int           used;
    lv_ts_pes_t  *pes;

    pes = &s->pes;

    if (start) {
        if (pes->open) {
            lv_ts_es_end(ts, s);
        }

        memset(pes, 0, sizeof(lv_ts_pes_t));
        pes->open = true;
    }

    if (!pes->open) {
        return;
    }

    if (!pes->body) {
        used = lv_ts_pes_head(ts, s, p, n, random);

        if (used < 0) {
            pes->open = false;
            return;
        }

        p += used;
        n -= (size_t) used;

        if (!pes->body || (n == 0 && (!pes->bounded || pes->left))) {
            return;
        }
    }

    if (pes->bounded && n >= pes->left) {
        n = pes->left;                       /* more than it said: padding */
    }

    if (n) {
        lv_ts_es_data(ts, s, p, n);
        pes->left -= pes->bounded ? (uint32_t) n : 0;
    }

    if (pes->bounded && pes->left == 0) {
        lv_ts_es_end(ts, s);
    }
}


void
lv_ts_pes_lost(lv_ts_t *ts, lv_ts_stream_t *s, bool start)
{
    s->pes.open = false;

    if (s->video) {
        lv_ts_video_lost(ts, s, start);

    } else if (s->audio) {
        lv_ts_audio_lost(ts, s);

    } else if (s->meta) {
        s->meta->over = true;                /* up to the next */
    }
}


void
lv_ts_pes_flush(lv_ts_t *ts, lv_ts_stream_t *s)
{
    if (s->pes.open && s->pes.body && !s->pes.bounded) {
        lv_ts_es_end(ts, s);
    }

    if (s->video) {
        lv_ts_video_flush(ts, s);
    }

    s->pes.open = false;
}

#include "lv_ts_int.h"


lv_ts_t *
lv_ts_create(const lv_ts_conf_t *conf, const lv_ts_sink_t *sink, void *ctx)
{
    lv_ts_t  *ts;

    ts = calloc(1, sizeof(lv_ts_t));

    if (ts == NULL) {
        return NULL;
    }

    if (conf) {
        ts->conf = *conf;
    }

    if (ts->conf.videos == 0) {
        ts->conf.videos = 1;
    }

    if (ts->conf.audios == 0) {
        ts->conf.audios = 1;
    }

    ts->sink = *sink;
    ts->ctx = ctx;
    ts->chosen = -1;
    ts->pcr_pid = LV_TS_PID_NULL;

    (void) lv_ts_pid_take(ts, 0, LV_TS_PID_PAT);

    return ts;
}


void
lv_ts_destroy(lv_ts_t *ts)
{
    unsigned  i;

    if (ts == NULL) {
        return;
    }

    for (i = 0; i < LV_TS_STREAMS; i++) {
        free(ts->stream[i].video);
        free(ts->stream[i].audio);
        free(ts->stream[i].meta);
    }

    for (i = 0; i < LV_TS_ENTRIES; i++) {
        free(ts->pid[i].section.buf);
    }

    free(ts);
}


const lv_ts_stat_t *
lv_ts_stat(const lv_ts_t *ts)
{
    return &ts->stat;
}


/* ---- PIDs -------------------------------------------------------------- */

/* NULL: in use already, or too many. */
lv_ts_pid_t *
lv_ts_pid_take(lv_ts_t *ts, uint16_t pid, lv_ts_pid_type_t type)
{
    unsigned      i;
    lv_ts_pid_t  *e;

    if (pid >= LV_TS_PID_NULL || ts->map[pid]) {
        return NULL;
    }

    for (i = 0; i < LV_TS_ENTRIES; i++) {
        e = &ts->pid[i];

        if (e->type == LV_TS_PID_FREE) {
            e->type = type;
            e->pid = pid;
            e->cc = -1;
            e->duplicate = false;
            ts->map[pid] = (uint8_t) (i + 1);
            return e;
        }
    }

    return NULL;
}


void
lv_ts_pid_drop(lv_ts_t *ts, lv_ts_pid_t *e)
{
    ts->map[e->pid] = 0;
    free(e->section.buf);
    memset(e, 0, sizeof(lv_ts_pid_t));
}


/* ---- packets ----------------------------------------------------------- */

/*
 * A packet with a payload has come: is it the next one? LV_DECLINED: the last
 * one again, which may be sent twice (2.4.3.3); LV_AGAIN: something is missing.
 */
static int
lv_ts_continues(lv_ts_t *ts, lv_ts_pid_t *e, unsigned cc, bool discontinuity)
{
    int  last;

    last = e->cc;

    if (last == (int) cc && !e->duplicate && !discontinuity) {
        e->duplicate = true;
        ts->stat.duplicates++;
        return LV_DECLINED;
    }

    e->cc = (int8_t) cc;
    e->duplicate = false;

    if (last < 0 || discontinuity || ((last + 1) & 15) == (int) cc) {
        return LV_OK;
    }

    ts->stat.losses++;
    lv_ts_tell_now_and_then(ts, LV_TS_LOSS, "packets of PID %u are missing",
                            e->pid);

    return LV_AGAIN;
}


static void
lv_ts_lost(lv_ts_t *ts, lv_ts_pid_t *e, bool start)
{
    lv_ts_section_lost(e);

    if (e->type == LV_TS_PID_STREAM) {
        lv_ts_pes_lost(ts, &ts->stream[e->stream], start);
    }
}


static void
lv_ts_scrambled(lv_ts_t *ts, lv_ts_pid_t *e)
{
    lv_ts_stream_t  *s;

    if (e->type != LV_TS_PID_STREAM) {
        return;
    }

    ts->stat.scrambled++;
    s = &ts->stream[e->stream];
    lv_ts_pes_lost(ts, s, false);

    if (!s->scrambled) {
        s->scrambled = true;
        lv_ts_tell(ts, LV_TS_SCRAMBLED, "PID %u is scrambled", e->pid);
    }
}


static uint64_t
lv_ts_pcr_base(const uint8_t *p)
{
    return ((uint64_t) lv_be32(p) << 1) | (p[4] >> 7);
}


/* `at` is where the payload begins. */
static void
lv_ts_payload(lv_ts_t *ts, lv_ts_pid_t *e, const uint8_t *p, unsigned at,
    bool discontinuity, bool random)
{
    int              rc;
    bool             start;
    lv_ts_stream_t  *s;

    start = p[1] & 0x40;
    rc = lv_ts_continues(ts, e, p[3] & 15, discontinuity);

    if (rc == LV_DECLINED) {
        return;
    }

    if (rc == LV_AGAIN) {
        lv_ts_lost(ts, e, start);
    }

    if (p[3] & 0xc0) {
        lv_ts_scrambled(ts, e);
        return;
    }

    if (ts->failed || at >= LV_TS_PACKET) {
        return;
    }

    if (e->type == LV_TS_PID_PAT || e->type == LV_TS_PID_PMT) {
        lv_ts_section_data(ts, e, p + at, LV_TS_PACKET - at, start);
        return;
    }

    if (e->type != LV_TS_PID_STREAM) {
        return;
    }

    s = &ts->stream[e->stream];
    s->scrambled = false;

    if (discontinuity) {
        s->disc = true;
    }

    if (s->item.codec == LV_TS_SCTE35) {
        lv_ts_section_data(ts, e, p + at, LV_TS_PACKET - at, start);

    } else {
        lv_ts_pes_data(ts, s, p + at, LV_TS_PACKET - at, start, random);
    }
}


static void
lv_ts_packet(lv_ts_t *ts, const uint8_t *p)
{
    bool          discontinuity, random;
    unsigned      pid, at;
    lv_ts_pid_t  *e;

    ts->stat.packets++;

    if (p[1] & 0x80) {
        ts->stat.errors++;       /* its PID may be wrong, too */
        return;
    }

    pid = lv_be16(p + 1) & 0x1fff;

    if (ts->map[pid] == 0) {
        if (pid == LV_TS_PID_NULL) {
            ts->stat.nulls++;
        } else {
            ts->stat.unknown++;
        }

        return;
    }

    e = &ts->pid[ts->map[pid] - 1];
    discontinuity = random = false;
    at = 4;

    if (p[3] & 0x20) {
        at = 5u + p[4];

        if (at > LV_TS_PACKET) {
            ts->stat.broken++;
            return;
        }

        if (p[4]) {
            discontinuity = p[5] & 0x80;
            random = p[5] & 0x40;
        }

        if (p[4] >= 7 && (p[5] & 0x10) && pid == ts->pcr_pid) {
            lv_ts_pcr(ts, lv_ts_pcr_base(p + 6), discontinuity);
        }
    }

    if (p[3] & 0x10) {
        lv_ts_payload(ts, e, p, at, discontinuity, random);
    }
}


/* ---- bytes ------------------------------------------------------------- */

static void
lv_ts_carry_drop(lv_ts_t *ts, uint32_t n)
{
    ts->carry_len -= n;
    memmove(ts->carry, ts->carry + n, ts->carry_len);
}


/* Looks for three packets in a row in what is carried. What cannot be the
 * beginning of one is dropped. */
static void
lv_ts_search(lv_ts_t *ts)
{
    uint32_t        i, stride;
    unsigned        k;
    const uint8_t  *p;

    static const uint8_t  strides[] = { LV_TS_PACKET, 192, 204 };

    for (i = 0; i < ts->carry_len; i++) {
        p = memchr(ts->carry + i, LV_TS_SYNC_BYTE, ts->carry_len - i);

        if (p == NULL) {
            i = ts->carry_len;
            break;
        }

        i = (uint32_t) (p - ts->carry);

        for (k = 0; k < sizeof(strides); k++) {
            stride = strides[k];

            if (i + 2 * stride >= ts->carry_len) {
                lv_ts_carry_drop(ts, i);
                return;                      /* more is needed to tell */
            }

            if (p[stride] == LV_TS_SYNC_BYTE
                && p[2 * stride] == LV_TS_SYNC_BYTE)
            {
                ts->stride = stride;
                ts->was_synced = true;
                lv_ts_carry_drop(ts, i);
                return;
            }
        }
    }

    lv_ts_carry_drop(ts, i);
}


static void
lv_ts_unsynced(lv_ts_t *ts)
{
    ts->stride = 0;
    ts->stat.resyncs++;
    lv_ts_tell_now_and_then(ts, LV_TS_SYNC, "packets do not follow each"
                            " other");
}


/* Takes whole packets from memory; returns how many bytes. */
static size_t
lv_ts_packets(lv_ts_t *ts, const uint8_t *p, size_t n)
{
    size_t  at;

    for (at = 0; n - at >= ts->stride && !ts->failed; at += ts->stride) {

        if (p[at] != LV_TS_SYNC_BYTE) {
            lv_ts_unsynced(ts);
            break;
        }

        lv_ts_packet(ts, p + at);
    }

    return at;
}


/* Bytes go through the carry where packets have yet to be found, or where one
 * is cut by the end of what came. Returns how many were taken. */
static size_t
lv_ts_carried(lv_ts_t *ts, const uint8_t *p, size_t n)
{
    size_t  take, used;

    take = ts->stride ? ts->stride - ts->carry_len % ts->stride
                      : LV_TS_CARRY - ts->carry_len;
    take = take < n ? take : n;

    if (take > LV_TS_CARRY - ts->carry_len) {
        take = LV_TS_CARRY - ts->carry_len;
    }

    memcpy(ts->carry + ts->carry_len, p, take);
    ts->carry_len += (uint32_t) take;

    do {
        if (ts->stride == 0) {
            lv_ts_search(ts);
        }

        if (ts->stride == 0) {
            break;
        }

        used = lv_ts_packets(ts, ts->carry, ts->carry_len);
        lv_ts_carry_drop(ts, (uint32_t) used);

    } while (ts->stride == 0 && ts->carry_len);

    return take;
}


int
lv_ts_data(lv_ts_t *ts, const uint8_t *p, size_t n, uint64_t now_ms)
{
    size_t  used;

    ts->now_ms = now_ms;
    lv_ts_program_tick(ts);

    while (n && !ts->failed) {

        if (ts->stride && ts->carry_len == 0 && n >= ts->stride) {
            used = lv_ts_packets(ts, p, n);

        } else {
            used = lv_ts_carried(ts, p, n);
        }

        p += used;
        n -= used;
    }

    return ts->failed ? LV_ERROR : LV_OK;
}


int
lv_ts_flush(lv_ts_t *ts)
{
    unsigned  i;

    /* what stands between packets need not come behind the last */
    if (ts->stride && ts->carry_len >= LV_TS_PACKET
        && ts->carry[0] == LV_TS_SYNC_BYTE && !ts->failed)
    {
        lv_ts_packet(ts, ts->carry);
        ts->carry_len = 0;
    }

    for (i = 0; i < LV_TS_STREAMS && !ts->failed; i++) {
        if (ts->stream[i].used) {
            lv_ts_pes_flush(ts, &ts->stream[i]);
        }
    }

    return ts->failed ? LV_ERROR : LV_OK;
}


void
lv_ts_abort(lv_ts_t *ts)
{
    unsigned  i;

    for (i = 0; i < LV_TS_STREAMS; i++) {
        if (ts->stream[i].used && ts->stream[i].video) {
            lv_ts_video_abort(ts, &ts->stream[i]);
        }
    }
}

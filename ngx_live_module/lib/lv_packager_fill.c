/*
 * What is put where nothing came: the last key frame again, silence.
 *
 * When is a track filled? When the cell that it should have a part of has been
 * over for so long, by the other tracks' media time or by the clock, that what
 * it still has to say about it is not waited for. How long depends on how late
 * it usually is (an encoder may always send sound half a second behind the
 * picture), and a track that has been silent for a while is not waited for at
 * all, until it comes back.
 */

#include "lv_fmp4_read.h"
#include "lv_hevc.h"
#include "lv_packager_int.h"

#define MOOF_MAX  8448               /* of LV_PACK_SAMPLES samples */


/* ---- repeated samples -------------------------------------------------- */

/* The newest part of the track that has a key frame. */
int
lv_pack_key_find(lv_packager_t *p, lv_pack_track_t *t, lv_part_ref_t *ref)
{
    uint32_t  i, seq;

    if (t->track == NULL || lv_track_newest(p->st, t->track, ref) != LV_OK) {
        return LV_DECLINED;
    }

    for (i = 0, seq = ref->info.seq; i < LV_RING; i++, seq--) {
        if (ref->info.key_len) {
            return LV_OK;
        }

        if (seq == 0 || lv_track_part(p->st, t->track, seq - 1, ref) != LV_OK)
        {
            break;
        }
    }

    return LV_DECLINED;
}


/* Bytes [at, at + n) of a part, at most `size` of them. */
static size_t
part_read(lv_packager_t *p, const lv_part_ref_t *ref, uint32_t at,
    uint8_t *buf, size_t size)
{
    size_t          n, len, done;
    lv_run_t        it;
    const uint8_t  *data;

    memset(&it, 0, sizeof(it));
    done = 0;

    while (done < size && lv_part_run(p->st, ref, &it, &data, &n)) {
        if (at >= n) {
            at -= (uint32_t) n;
            continue;
        }

        len = n - at < size - done ? n - at : size - done;
        memcpy(buf + done, data + at, len);
        done += len;
        at = 0;
    }

    return done;
}


/* The composition offset of the sample at key_off. */
static int32_t
key_cts(lv_packager_t *p, const lv_part_ref_t *ref)
{
    size_t                 len;
    uint8_t                buf[MOOF_MAX];
    const char            *err;
    lv_fmp4_moof_t         moof;
    lv_fmp4_read_sample_t  s;

    len = part_read(p, ref, 0, buf, sizeof(buf));

    if (lv_fmp4_moof(&moof, buf, len, &err) != LV_OK) {
        return 0;
    }

    while (lv_fmp4_next(&moof, &s) == LV_OK) {
        if (s.offset == ref->info.key_off) {
            return s.cts;
        }
    }

    return 0;
}


/*
 * A CRA picture of HEVC that comes twice would be two pictures with one order
 * count in one coded video sequence. As a BLA picture, whose syntax is the
 * same, it begins a new one (H.265 7.4.2.2, 8.1.3).
 */
static void
key_splice(lv_pack_track_t *t, uint32_t at)
{
    uint8_t   head[5];
    uint32_t  end;
    uint64_t  next;

    if (t->fourcc != LV_FOURCC('h', 'v', 'c', '1')) {
        return;
    }

    for (end = t->w.len; end - at > sizeof(head); at = (uint32_t) next) {
        lv_part_peek(&t->w, at, head, sizeof(head));
        next = (uint64_t) at + 4 + lv_be32(head);

        if (lv_hevc_type(head[4]) == LV_HEVC_CRA) {
            head[4] = (uint8_t) ((head[4] & 0x81) | LV_HEVC_BLA << 1);
            lv_part_patch(&t->w, at + 4, head + 4, 1);
        }

        if (next > end) {
            break;
        }
    }
}


static int
key_write(lv_packager_t *p, lv_pack_track_t *t, const lv_part_ref_t *ref)
{
    int             rc;
    size_t          n, left;
    uint32_t        at;
    lv_run_t        it;
    const uint8_t  *data;

    memset(&it, 0, sizeof(it));
    at = ref->info.key_off;
    left = ref->info.key_len;
    rc = LV_OK;

    while (left && rc == LV_OK && lv_part_run(p->st, ref, &it, &data, &n)) {
        if (at >= n) {
            at -= (uint32_t) n;
            continue;
        }

        n = n - at < left ? n - at : left;
        rc = lv_part_write(&t->w, data + at, n);
        left -= n;
        at = 0;
    }

    return rc == LV_OK && left == 0 ? LV_OK : LV_AGAIN;
}


/* One more sample: the track's last key frame, for that long. */
static int
key_repeat(lv_packager_t *p, lv_pack_track_t *t, int64_t duration)
{
    int                rc;
    int32_t            cts;
    uint32_t           at;
    lv_part_ref_t      ref;
    lv_fmp4_sample_t  *s;

    if (t->n == LV_PACK_SAMPLES) {
        return LV_AGAIN;
    }

    if (lv_pack_key_find(p, t, &ref) != LV_OK
        || lv_part_pin(p->st, &ref) != LV_OK)
    {
        return LV_DECLINED;
    }

    rc = lv_pack_part_open(p, t);

    if (rc == LV_OK) {
        cts = key_cts(p, &ref);
        at = t->w.len;
        rc = key_write(p, t, &ref);

        if (rc == LV_OK) {
            key_splice(t, at);
            s = &t->sample[t->n++];
            s->size = ref.info.key_len;
            s->duration = (uint32_t) duration;
            s->cts = cts;
            s->key = true;

            t->pos += duration;
            t->filled++;

        } else {
            lv_part_rewind(&t->w, at);
            lv_pack_event_rare(p, LV_PACK_NO_MEMORY, "the store is full");
        }
    }

    lv_part_unpin(p->st, ref.id);

    return rc;
}


/* ---- sound ------------------------------------------------------------- */

/* One more sample of silence. Where a codec's silence is not known, its last
 * frame once, for as long as `pos` is away (or as a part is long). */
static int
silence_add(lv_packager_t *p, lv_pack_track_t *t, int64_t duration,
    int64_t pos)
{
    int64_t  most;

    if (t->silence_len > 0) {
        return lv_pack_sample_add(p, t, t->silence, (uint32_t) t->silence_len,
                                  (uint32_t) duration, 0, true);
    }

    most = lv_pack_from_90k(t, p->part_90k);
    pos -= t->pos;

    if (pos > most) {
        pos = most;
    }

    return key_repeat(p, t, pos > duration ? pos : duration);
}


/* As many frames as bring it nearest to `pos`, where a real frame begins; the
 * rest is slewed. */
int
lv_pack_fill_audio(lv_packager_t *p, lv_pack_track_t *t, int64_t pos)
{
    int  rc;

    lv_pack_frame_drop(t);

    if (t->parts == 0 && t->n == 0) {
        /* a track may begin anywhere */
        t->pos += (pos - t->pos) % t->frame_ts;
        t->start = t->pos;
    }

    while (pos - t->pos > t->frame_ts / 2) {
        rc = silence_add(p, t, lv_pack_audio_step(t, t->step), pos);

        if (rc == LV_DECLINED) {
            break;
        }

        if (rc == LV_AGAIN && t->n == LV_PACK_SAMPLES && t->joined) {
            /* closed cells that wait for it may take some */
            rc = t == p->lead ? lv_pack_cut_audio(p, t, false)
                              : lv_pack_follow(p, t);
            if (rc == LV_OK && t->n == LV_PACK_SAMPLES) {
                return LV_AGAIN;
            }
        }

        if (rc != LV_OK) {
            return rc;
        }
    }

    return LV_OK;
}


/* ---- waiting ----------------------------------------------------------- */

/* How far the other tracks are, by what really came: two tracks that are
 * filled must not drive each other. */
int64_t
lv_pack_front(const lv_packager_t *p, const lv_pack_track_t *but)
{
    int64_t           front;
    unsigned          i;
    lv_pack_track_t  *t;

    front = INT64_MIN;

    for (i = 0; i < p->tracks; i++) {
        t = p->track[i];

        if (t != but && (t->joined || t->joining) && t->heard > front) {
            front = t->heard;
        }
    }

    return front;
}


/* How long a track is waited for, 90 kHz. */
int64_t
lv_pack_wait(const lv_packager_t *p, const lv_pack_track_t *t)
{
    int64_t  wait, least;

    least = p->live ? p->target_90k : LV_PACK_START_MS * 90;
    wait = t->lag * 5 / 4 + p->target_90k / 4;

    if (wait < least) {
        wait = least;
    }

    if (wait > LV_PACK_WAIT_MAX_MS * 90) {
        wait = LV_PACK_WAIT_MAX_MS * 90;
    }

    return wait;
}


/* Is a track's part of a cell that ended at `end` not waited for any more? The
 * others have been beyond it since since_ms, and are at `front` now. */
bool
lv_pack_waited(lv_packager_t *p, lv_pack_track_t *t, int64_t end,
    int64_t front, uint64_t since_ms)
{
    int64_t  wait;

    if (p->filling || t->dead || !t->configured) {
        return true;
    }

    wait = lv_pack_wait(p, t);

    if (t->in_frame) {
        wait += LV_PACK_FRAME_MS * 90;
    }

    return front - end > wait
           || (int64_t) (p->now_ms - since_ms) * 90 > wait;
}


static void
filled(lv_packager_t *p, lv_pack_track_t *t, int64_t len)
{
    if (p->filling) {
        return;
    }

    t->filled_90k += len;

    if (t->filled_90k >= LV_PACK_DEAD_MS * 90) {
        t->dead = true;
    }

    if (!t->told) {
        t->told = true;
        lv_pack_event(p, LV_PACK_FILLED,
                      t->video ? "no video comes: the last key frame is shown"
                               : "no audio comes: silence");
    }
}


/* ---- filling ----------------------------------------------------------- */

/* Makes a follower's part of the cell whole, or at least longer. */
int
lv_pack_fill_follower(lv_packager_t *p, lv_pack_track_t *t,
    const lv_pack_cell_t *c)
{
    int      rc;
    int64_t  pos;

    lv_pack_frame_drop(t);

    pos = lv_pack_from_90k(t, c->end);
    t->anchored = false;

    do {
        rc = silence_add(p, t, lv_pack_audio_step(t, t->step), pos);
        if (rc != LV_OK) {
            return rc;
        }

        filled(p, t, lv_pack_to_90k(t, t->frame_ts));

    } while (t->pos < pos);

    return LV_OK;
}


int
lv_pack_fill_video(lv_packager_t *p, lv_pack_track_t *t, int64_t end)
{
    int      rc;
    int64_t  len;

    len = end - t->pos;
    rc = key_repeat(p, t, len);

    if (rc == LV_OK) {
        /* what came after that key frame cannot be decoded behind it */
        t->need_key = true;
        filled(p, t, len);
    }

    return rc;
}


static int
fill_lead_video(lv_packager_t *p, lv_pack_track_t *t, int64_t end)
{
    int      rc;
    int64_t  last;

    if (t->n) {
        /* what is there is shown a little longer */
        last = t->pos - t->sample[t->n - 1].duration;

        lv_pack_pos_set(t, end > last ? end : last + 1);
        return LV_OK;
    }

    lv_pack_pos_set(t, p->end);

    rc = key_repeat(p, t, end - p->end);

    if (rc == LV_OK) {
        /* what came after that key frame cannot be decoded behind it */
        t->need_key = true;
        filled(p, t, end - p->end);
    }

    return rc;
}


static int
fill_lead_audio(lv_packager_t *p, lv_pack_track_t *t, int64_t end)
{
    int      rc;
    int64_t  pos;

    pos = lv_pack_from_90k(t, end);
    t->anchored = false;

    while (t->n == 0 || pos - t->pos > t->frame_ts / 2) {
        rc = silence_add(p, t, lv_pack_audio_step(t, t->step), pos);
        if (rc != LV_OK) {
            return rc;
        }
    }

    return LV_OK;
}


/* Closes the open cell at `end` with what there is and what is made. */
int
lv_pack_fill_lead(lv_packager_t *p, int64_t end, uint16_t flags)
{
    int               rc;
    lv_pack_track_t  *t;

    t = p->lead;

    lv_pack_frame_drop(t);

    rc = t->video ? fill_lead_video(p, t, end) : fill_lead_audio(p, t, end);
    if (rc != LV_OK) {
        return rc;
    }

    return lv_pack_close(p, lv_pack_to_90k(t, t->pos), t->n, flags);
}


/* Where the next part ends that is filled without a publisher's say, and
 * whether its segment does. */
int64_t
lv_pack_fill_end(lv_packager_t *p, uint16_t *flags)
{
    int64_t  end, most;

    end = p->end + p->part_90k;
    most = p->seg_start + p->limit_90k;
    *flags = lv_pack_segment_end(p, end);

    if (end > most && p->lead->video) {
        end = most;
    }

    if (!p->filling && lv_pack_pending(p)) {
        *flags |= LV_PART_LAST | LV_PART_BREAK;
    }

    return end;
}


/* The wall clock was set while it is what a filler goes by: no hour is filled
 * at once, and none is waited for. */
void
lv_pack_clock_check(lv_packager_t *p)
{
    int64_t  off;

    off = (int64_t) p->now_ms * 90 - p->keep.pace_90k - p->end;

    if (off > -LV_PACK_STEP_90K && off < LV_PACK_STEP_90K) {
        return;
    }

    p->keep.pace_90k += off;

    if (p->keep.lost_ms != 0) {
        p->keep.lost_ms += (uint64_t) (off / 90);
    }

    lv_pack_keep(p);
}


/* By the wall clock: everything that is due, and nothing before its time. */
int
lv_pack_fill_due(lv_packager_t *p)
{
    int       rc;
    int64_t   media, end;
    unsigned  n;
    uint16_t  flags;

    lv_pack_clock_check(p);

    media = (int64_t) p->now_ms * 90 - p->keep.pace_90k;

    for (n = 0; n < LV_RING; n++) {
        end = lv_pack_fill_end(p, &flags);

        if (end > media) {
            break;
        }

        rc = lv_pack_fill_lead(p, end, flags);
        if (rc != LV_OK) {
            return rc;
        }
    }

    return LV_OK;
}


/* Is the leading video silent while the others go on? */
int
lv_pack_check_lead(lv_packager_t *p)
{
    int               rc;
    int64_t           end, front;
    uint16_t          flags;
    lv_pack_track_t  *t;

    t = p->lead;

    while (t && t->video && p->started && !p->filling && !lv_pack_gone(p)) {
        end = lv_pack_fill_end(p, &flags);
        front = lv_pack_front(p, t);

        /* it may be that frames come, but none that can be shown */
        if (t->need_key && t->heard > front) {
            front = t->heard;
        }

        if (front <= end) {
            p->late_ms = 0;
            break;
        }

        if (p->late_ms == 0) {
            p->late_ms = p->now_ms;
        }

        if (!lv_pack_waited(p, t, end, front, p->late_ms)) {
            break;
        }

        rc = lv_pack_fill_lead(p, end, flags);
        if (rc != LV_OK) {
            return rc == LV_ERROR ? rc : LV_OK;
        }
    }

    return LV_OK;
}

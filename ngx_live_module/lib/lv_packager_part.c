/*
 * Samples to parts: the open part of a track, its commit under the name of a
 * cell, and what of it belongs to the next cell. Also init sections.
 */

#include "lv_packager_int.h"


/* Lets go of the stream when the store says that it has another owner. */
static int
part_result(lv_packager_t *p, int rc)
{
    if (rc == LV_OK) {
        return LV_OK;
    }

    if (rc == LV_DECLINED) {
        lv_pack_displaced(p);
        return LV_ERROR;
    }

    lv_pack_event_rare(p, LV_PACK_NO_MEMORY, "the store is full");

    return LV_AGAIN;
}


int
lv_pack_part_open(lv_packager_t *p, lv_pack_track_t *t)
{
    int       rc;
    size_t    room;
    uint32_t  n;

    if (lv_pack_gone(p)) {
        return LV_ERROR;
    }

    if (t->w.part != LV_NONE) {
        return LV_OK;
    }

    if (t->track == NULL) {
        t->track = lv_track_add(p->st, p->stream, p->epoch, &t->desc);

        if (t->track == NULL) {
            return part_result(p, lv_stream_owned(p->st, p->stream, p->epoch)
                                  ? LV_AGAIN : LV_DECLINED);
        }
    }

    /* as many samples as last time, and some more: a longer head costs an
     * extent of its own */

    n = t->last_samples + t->last_samples / 4 + 2;
    room = lv_fmp4_head_max(n);

    if (room > LV_EXTENT / 2) {
        room = LV_EXTENT / 2;
    }

    rc = lv_part_open(&t->w, p->st, p->stream, t->track, p->epoch,
                      (uint32_t) room);
    if (rc != LV_OK) {
        t->w.part = LV_NONE;
        return part_result(p, rc);
    }

    t->n = 0;
    t->filled = 0;
    t->start = t->pos;

    return LV_OK;
}


/* As if no sample of the open part had come. */
void
lv_pack_part_discard(lv_packager_t *p, lv_pack_track_t *t)
{
    if (t->w.part != LV_NONE) {
        lv_part_abort(&t->w);
        t->w.part = LV_NONE;
    }

    if (t->n) {
        t->pos = t->start;
    }

    t->n = 0;
    t->filled = 0;
    t->in_frame = false;
    t->may_grow = false;
}


/* The frame that comes in never came. */
void
lv_pack_frame_abort(lv_pack_track_t *t)
{
    if (t->in_frame) {
        lv_part_rewind(&t->w, t->frame_at);
        t->in_frame = false;
        t->need_key |= t->video && t->frame_key;
    }
}


/* The frame that comes in is lost: what is predicted from it is no use. */
void
lv_pack_frame_drop(lv_pack_track_t *t)
{
    if (t->in_frame) {
        lv_pack_frame_abort(t);
        t->need_key = t->video;
    }
}


/* The last sample lasts until `pos`. */
void
lv_pack_pos_set(lv_pack_track_t *t, int64_t pos)
{
    lv_fmp4_sample_t  *s;

    if (t->n) {
        s = &t->sample[t->n - 1];
        s->duration = (uint32_t) ((int64_t) s->duration + pos - t->pos);

    } else {
        t->start = pos;
    }

    t->pos = pos;
}


/* The duration of the next audio frame (of t->step, or of what it is): in the
 * track's timescale it need not be a whole number (after a change of the
 * sample rate), the sum is right. */
uint32_t
lv_pack_audio_step(lv_pack_track_t *t, uint64_t step)
{
    uint32_t  n;

    t->rest += step;
    n = (uint32_t) (t->rest / t->desc.sample_rate);
    t->rest %= t->desc.sample_rate;

    return n;
}


/* A whole sample that is made here; no frame may be coming in. */
int
lv_pack_sample_add(lv_packager_t *p, lv_pack_track_t *t, const void *data,
    uint32_t size, uint32_t duration, int32_t cts, bool key)
{
    int                rc;
    lv_fmp4_sample_t  *s;

    if (t->n == LV_PACK_SAMPLES) {
        return LV_AGAIN;
    }

    rc = lv_pack_part_open(p, t);
    if (rc != LV_OK) {
        return rc;
    }

    rc = lv_part_write(&t->w, data, size);
    if (rc != LV_OK) {
        return part_result(p, LV_AGAIN);
    }

    s = &t->sample[t->n++];
    s->size = size;
    s->duration = duration;
    s->cts = cts;
    s->key = key;

    t->pos += duration;
    t->filled++;
    t->may_grow = false;

    return LV_OK;
}


/* ---- init section ------------------------------------------------------ */

static int
init_make(const lv_pack_track_t *t, uint8_t *buf, size_t size)
{
    lv_fmp4_track_t  f;

    memset(&f, 0, sizeof(f));

    f.track_id = t->track_id;
    f.timescale = t->desc.timescale;
    f.fourcc = t->fourcc;
    f.video = t->video;
    f.width = t->desc.width;
    f.height = t->desc.height;
    f.sample_rate = t->desc.sample_rate;
    f.channels = t->desc.channels;
    f.language = t->desc.language;
    f.config = t->desc.config;
    f.config_len = t->desc.config_len;

    return lv_fmp4_init(buf, size, &f, 1);
}


/* Puts the init section in front of segment `msn`. Somebody that died between
 * its init section and its first part may have left one of that name: nobody
 * has seen that one, and the newer counts. */
int
lv_pack_init_write(lv_packager_t *p, lv_pack_track_t *t, uint32_t msn)
{
    int               rc, len;
    uint8_t           buf[LV_FMP4_INIT_MAX];
    lv_part_info_t    info;
    lv_part_writer_t  w;

    len = init_make(t, buf, sizeof(buf));
    if (len < 0) {
        return LV_AGAIN;
    }

    rc = lv_part_open(&w, p->st, p->stream, t->track, p->epoch, 0);
    if (rc != LV_OK) {
        return part_result(p, rc);
    }

    rc = lv_part_write(&w, buf, (size_t) len);

    if (rc == LV_OK) {
        memset(&info, 0, sizeof(info));
        info.msn = msn;
        info.init_msn = msn;
        info.flags = LV_PART_INIT;
        info.commit_ms = p->now_ms;

        rc = lv_part_commit(&w, NULL, 0, &info);
    }

    if (rc != LV_OK) {
        if (w.part != LV_NONE) {
            lv_part_abort(&w);
        }

        return part_result(p, rc);
    }

    t->init_msn = msn;

    return LV_OK;
}


/* ---- commit ------------------------------------------------------------ */

/* What is behind the first k samples goes over to a part of its own, the frame
 * that comes in included. It is a few audio frames, mostly none. */
static int
part_carry(lv_packager_t *p, lv_pack_track_t *t, uint32_t at,
    lv_part_writer_t *to)
{
    int       rc;
    size_t    n;
    uint8_t   buf[2048];
    uint32_t  end;

    rc = lv_part_open(to, p->st, p->stream, t->track, p->epoch,
                      t->w.head_room);

    for (end = t->w.len; rc == LV_OK && at < end; at += (uint32_t) n) {
        n = end - at < sizeof(buf) ? end - at : sizeof(buf);
        lv_part_peek(&t->w, at, buf, n);
        rc = lv_part_write(to, buf, n);
    }

    if (rc != LV_OK) {
        lv_part_abort(to);
        to->part = LV_NONE;
    }

    return rc;
}


/* The samples behind the first k are the new open part's. */
static void
part_shift(lv_pack_track_t *t, unsigned k, uint32_t bytes)
{
    unsigned  i;

    for (i = 0; i < k; i++) {
        t->start += t->sample[i].duration;
    }

    t->n -= k;
    t->filled = t->filled > k ? t->filled - k : 0;
    memmove(t->sample, t->sample + k, t->n * sizeof(lv_fmp4_sample_t));

    if (t->in_frame) {
        t->frame_at -= bytes;
    }
}


/* The first k samples (of that many bytes) never came. */
int
lv_pack_part_forget(lv_packager_t *p, lv_pack_track_t *t, unsigned k,
    uint32_t bytes)
{
    int               rc;
    lv_part_writer_t  next;

    if (k == t->n && !t->in_frame) {
        lv_part_rewind(&t->w, 0);
        t->start = t->pos;
        t->n = 0;
        t->filled = 0;
        return LV_OK;
    }

    rc = part_carry(p, t, bytes, &next);
    if (rc != LV_OK) {
        lv_pack_part_discard(p, t);
        return part_result(p, rc);
    }

    lv_part_abort(&t->w);
    t->w = next;
    part_shift(t, k, bytes);

    return LV_OK;
}


static void
part_info(lv_packager_t *p, lv_pack_track_t *t, const lv_pack_cell_t *c,
    unsigned k, uint32_t head_len, lv_part_info_t *info)
{
    uint32_t           at;
    unsigned           i;
    lv_fmp4_sample_t  *s;

    memset(info, 0, sizeof(lv_part_info_t));

    info->msn = c->msn;
    info->part = c->part;
    info->flags = c->flags;
    info->init_msn = t->init_msn;
    info->disc_seq = c->disc_seq;
    info->tfdt = (uint64_t) t->start;
    info->samples = k;
    info->pdt_ms = (uint64_t) (p->keep.pdt_ms + t->start * 1000
                                                / t->desc.timescale);
    info->commit_ms = p->now_ms;

    if (t->sample[0].key) {
        info->flags |= LV_PART_INDEPENDENT;
    }

    if (t->filled * 2 > k) {
        info->flags |= LV_PART_FILLER;
    }

    for (i = 0, at = head_len; i < k; i++) {
        s = &t->sample[i];
        info->duration += s->duration;

        if (s->key && info->key_len == 0) {
            info->key_off = at;
            info->key_len = s->size;
        }

        at += s->size;
    }
}


/* A segment is complete: what players and status pages are told. */
static void
part_figures(lv_packager_t *p, lv_pack_track_t *t)
{
    uint64_t          scale;
    lv_track_desc_t  *d;

    d = &t->desc;
    scale = d->timescale;

    if (t->seg_time == 0) {
        return;
    }

    t->sum_bytes += t->seg_bytes;
    t->sum_time += t->seg_time;

    d->last_bps = (uint32_t) (t->seg_bytes * 8 * scale / t->seg_time);
    d->avg_bps = (uint32_t) (t->sum_bytes * 8 * scale / t->sum_time);
    d->fps_milli = (uint32_t) (t->seg_frames * 1000 * scale / t->seg_time);

    /* RFC 8216bis 4.4.6.2: of what lasts half a target duration or more; the
     * rest of a segment that was cut off says nothing */

    if (d->last_bps > d->peak_bps
        && 2 * t->seg_time >= p->stream->timing.target_s * scale)
    {
        d->peak_bps = d->last_bps;
    }

    if (t->video) {
        d->gop_ms = (uint32_t) (p->gop_90k / 90);
        d->frame_ts = t->frame_ts;
    }

    /* the average of the last minutes, not of all time: and so that the sums
     * stay small */

    if (t->sum_time > scale * 600) {
        t->sum_time /= 2;
        t->sum_bytes /= 2;
    }

    t->seg_bytes = 0;
    t->seg_time = 0;
    t->seg_frames = 0;

    lv_track_set_desc(p->st, p->stream, t->track, p->epoch, d);
}


/* What was committed last is in front of a discontinuity: the configuration
 * that waits is in force now. Frames of the old one that are left belong
 * nowhere. */
static void
part_break(lv_packager_t *p, lv_pack_track_t *t)
{
    if (!t->pending || t->cell - 1 < t->pending_cell) {
        return;                  /* that one was for an earlier change */
    }

    lv_pack_part_discard(p, t);

    t->next.peak_bps = t->desc.peak_bps;
    t->next.avg_bps = t->desc.avg_bps;
    t->next.last_bps = t->desc.last_bps;
    t->next.gop_ms = t->desc.gop_ms;
    t->next.fps_milli = t->desc.fps_milli;

    lv_pack_track_desc(t, &t->next);
    t->start = t->pos;
    t->pending = false;
    t->renew = true;
    t->anchored = false;

    lv_pack_event(p, LV_PACK_CODEC_CHANGED, t->desc.name);
}


/*
 * Commits the first k samples of the open part as the track's part of cell c;
 * k > 0. LV_AGAIN: there is no memory; the samples are lost, and the track is
 * where it was.
 */
int
lv_pack_part_commit(lv_packager_t *p, lv_pack_track_t *t,
    const lv_pack_cell_t *c, unsigned k)
{
    int               rc, len;
    uint8_t           head[8192 + 256];
    uint32_t          i, bytes;
    lv_part_info_t    info;
    lv_part_writer_t  next;

    next.part = LV_NONE;

    if (t->parts == 0 || t->disc_seq != c->disc_seq) {
        rc = lv_pack_init_write(p, t, c->msn);
        if (rc != LV_OK) {
            return rc;
        }
    }

    for (i = 0, bytes = 0; i < k; i++) {
        bytes += t->sample[i].size;
    }

    rc = LV_OK;

    if (bytes < t->w.len || t->in_frame) {
        rc = part_carry(p, t, bytes, &next);
        lv_part_rewind(&t->w, bytes);
    }

    len = lv_fmp4_head(head, sizeof(head), t->sequence, t->track_id,
                       (uint64_t) t->start, t->sample, k);

    if (rc == LV_OK && len <= 0) {
        rc = LV_AGAIN;
    }

    if (rc == LV_OK) {
        part_info(p, t, c, k, (uint32_t) len, &info);
        rc = lv_part_commit(&t->w, head, (size_t) len, &info);
    }

    if (rc != LV_OK) {
        if (next.part != LV_NONE) {
            lv_part_abort(&next);
        }

        lv_pack_part_discard(p, t);
        t->need_key = t->video;

        return part_result(p, rc);
    }

    if (t->renew) {
        t->renew = false;
        lv_track_set_desc(p->st, p->stream, t->track, p->epoch, &t->desc);
    }

    t->w = next;
    t->disc_seq = c->disc_seq;
    t->cell++;
    t->parts++;
    t->sequence++;
    t->last_samples = k;
    t->seg_bytes += (uint32_t) len + bytes;
    t->seg_time += info.duration;
    t->seg_frames += k;
    p->notify = true;

    if (t == p->lead && t->video && info.key_len) {
        p->key_msn = c->msn;
    }

    part_shift(t, k, bytes);

    if (c->flags & LV_PART_LAST) {
        part_figures(p, t);
    }

    if (c->flags & LV_PART_BREAK) {
        part_break(p, t);
    }

    return LV_OK;
}

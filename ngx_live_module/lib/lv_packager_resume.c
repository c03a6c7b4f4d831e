/*
 * A stream's way from one owner to the next. Everything a successor needs is
 * in the store: the parts that were committed, the timing, the descriptions
 * and a few constants in scratch. It may be in another process, and the one
 * before may have been killed anywhere.
 */

#include <stdlib.h>
#include "lv_packager_int.h"

_Static_assert(sizeof(lv_pack_scratch_t)
               <= sizeof(((lv_stream_t *) 0)->scratch), "scratch is small");


/* Not over the head of whoever has taken the stream over meanwhile. */
void
lv_pack_keep(lv_packager_t *p)
{
    if (!lv_stream_owned(p->st, p->stream, p->epoch)) {
        return;
    }

    memcpy(p->stream->scratch, &p->keep, sizeof(lv_pack_scratch_t));
}


/* ---- loading ----------------------------------------------------------- */

static int
load_track(lv_packager_t *p, lv_track_t *track)
{
    int               rc;
    lv_part_ref_t     head;
    lv_track_desc_t   desc;
    lv_pack_track_t  *t;

    if (lv_track_desc(track, &desc) != LV_OK || desc.timescale == 0
        || (desc.kind == LV_KIND_AUDIO
            && (desc.sample_rate == 0 || desc.frame_ts == 0)))
    {
        return LV_DECLINED;
    }

    t = lv_pack_track_new(p, desc.kind == LV_KIND_VIDEO,
                          (unsigned) (desc.name[1] - '0') & 7);
    if (t == NULL) {
        return LV_AGAIN;
    }

    t->track = track;
    lv_pack_track_desc(t, &desc);

    rc = lv_track_newest(p->st, track, &head);

    if (rc == LV_OK) {
        t->joined = true;
        t->parts = head.info.seq + 1;
        t->sequence = head.info.seq + 2;
        t->init_msn = head.info.init_msn;
        t->disc_seq = head.info.disc_seq;
        t->last_samples = head.info.samples;
        t->pos = (int64_t) (head.info.tfdt + head.info.duration);
        t->start = t->pos;
    }

    return LV_OK;
}


/* Video before sound, the first one before the others. */
static bool
leads(const lv_pack_track_t *t, const lv_pack_track_t *other)
{
    return other == NULL || (t->video && !other->video)
           || (t->video == other->video && t->index < other->index);
}


/* The leading track, and its newest part. */
static int
load_lead(lv_packager_t *p, lv_part_ref_t *head)
{
    unsigned          i;
    lv_pack_track_t  *t;

    for (i = 0; i < p->tracks; i++) {
        t = p->track[i];

        if (t->joined && leads(t, p->lead)) {
            p->lead = t;
        }
    }

    if (p->lead == NULL) {
        return LV_DECLINED;
    }

    return lv_track_newest(p->st, p->lead->track, head);
}


static void
load_cell(lv_packager_t *p, const lv_part_info_t *info)
{
    lv_pack_cell_t   *c;
    lv_pack_track_t  *t;

    t = p->lead;
    c = &p->cell[p->cells++ % LV_PACK_CELLS];

    c->start = lv_pack_to_90k(t, (int64_t) info->tfdt);
    c->end = lv_pack_to_90k(t, (int64_t) (info->tfdt + info->duration));
    c->at_ms = info->commit_ms;
    c->msn = info->msn;
    c->part = info->part;
    c->disc_seq = info->disc_seq;
    c->flags = info->flags & (LV_PART_LAST | LV_PART_UNLISTED
                              | LV_PART_DISCONTINUITY | LV_PART_FORCED
                              | LV_PART_BREAK);
}


static bool
name_before(const lv_part_info_t *a, const lv_part_info_t *b)
{
    return a->msn < b->msn || (a->msn == b->msn && a->part < b->part);
}


/* Cells that followers have no part of yet, from the lead's parts. */
static void
load_cells(lv_packager_t *p, const lv_part_ref_t *head)
{
    uint32_t          n, seq, behind;
    unsigned          i;
    lv_part_ref_t     ref, own;
    lv_pack_track_t  *t;

    behind = 0;

    for (i = 0; i < p->tracks; i++) {
        t = p->track[i];

        if (!t->joined || t == p->lead
            || lv_track_newest(p->st, t->track, &own) != LV_OK)
        {
            continue;
        }

        ref = *head;

        for (n = 0; n < LV_PACK_CELLS && n < head->info.seq
                    && name_before(&own.info, &ref.info); /* void */ )
        {
            n++;

            if (lv_track_part(p->st, p->lead->track, head->info.seq - n, &ref)
                != LV_OK)
            {
                break;
            }
        }

        t->cell = n;                 /* for now: how many it is behind */

        if (n > behind) {
            behind = n;
        }
    }

    for (n = behind; n > 0; n--) {
        seq = head->info.seq + 1 - n;

        if (lv_track_part(p->st, p->lead->track, seq, &ref) == LV_OK) {
            load_cell(p, &ref.info);
        }
    }

    for (i = 0; i < p->tracks; i++) {
        t = p->track[i];
        n = t == p->lead ? 0 : t->cell;
        t->cell = p->cells > n ? p->cells - n : 0;
    }
}


static void
load_grid(lv_packager_t *p, const lv_part_ref_t *head)
{
    lv_part_ref_t  ref;

    p->end = lv_pack_to_90k(p->lead, p->lead->pos);
    p->msn = head->info.msn;
    p->part = head->info.part + 1;
    p->disc_seq = head->info.disc_seq;
    p->seg_flags = head->info.flags & LV_PART_UNLISTED;
    p->last_flags = head->info.flags;

    if (lv_track_find(p->st, p->lead->track, p->msn, 0, &ref) != LV_OK) {
        ref = *head;
    }

    p->seg_start = lv_pack_to_90k(p->lead, (int64_t) ref.info.tfdt);

    if (head->info.flags & LV_PART_LAST) {
        p->msn++;
        p->part = 0;
        p->seg_flags = 0;
        p->seg_start = p->end;

        if (head->info.flags & LV_PART_BREAK) {
            p->seg_flags = LV_PART_DISCONTINUITY;
            p->disc_seq++;
        }
    }
}


/* LV_DECLINED: there is nothing to go on from. */
int
lv_pack_load(lv_packager_t *p)
{
    unsigned        i;
    lv_track_t     *track;
    lv_part_ref_t   head, key;

    memcpy(&p->keep, p->stream->scratch, sizeof(lv_pack_scratch_t));

    if (p->keep.magic != LV_PACK_MAGIC
        || p->stream->timing.part_target_us == 0
        || p->keep.part_90k == 0)
    {
        return LV_DECLINED;
    }

    p->window_ms = p->stream->timing.window_ms;
    p->resume_ms = p->stream->timing.resume_ms;
    p->muxed = p->stream->timing.muxed;

    for (i = 0; i < LV_STREAM_TRACKS; i++) {
        track = lv_stream_track_at(p->st, p->stream, i);

        if (track && load_track(p, track) == LV_AGAIN) {
            return LV_DECLINED;
        }
    }

    if (load_lead(p, &head) != LV_OK
        || lv_pack_key_find(p, p->lead, &key) != LV_OK)
    {
        return LV_DECLINED;
    }

    p->key_msn = key.info.msn;

    lv_pack_durations_load(p);
    load_grid(p, &head);
    load_cells(p, &head);
    lv_pack_durations_join(p);

    p->started = true;
    p->filling = true;
    p->live = true;
    p->first_cells = 1;

    return LV_OK;
}


/* ---- resuming ---------------------------------------------------------- */

int
lv_pack_resume(lv_packager_t *p, int64_t dts)
{
    int       rc;
    int64_t   media, end;
    uint16_t  flags;

    rc = lv_pack_fill_due(p);
    if (rc != LV_OK) {
        return rc;
    }

    /* the next segment begins now; what was hinted at comes before it */

    media = (int64_t) p->now_ms * 90 - p->keep.pace_90k;
    end = p->end + LV_PACK_MIN_90K;

    if (media > end && media <= p->end + p->target_90k) {
        end = media;
    }

    if (end > p->seg_start + p->limit_90k && p->lead->video) {
        end = p->seg_start + p->limit_90k;
    }

    flags = LV_PART_LAST;

    if (lv_pack_pending(p)) {
        flags |= LV_PART_BREAK;
    }

    rc = lv_pack_fill_lead(p, end, flags);
    if (rc != LV_OK) {
        return rc;
    }

    p->filling = false;
    p->origin = dts - p->end;
    p->last_key = INT64_MIN;
    p->keep.lost_ms = 0;
    lv_pack_keep(p);

    if (!lv_stream_set_state(p->st, p->stream, p->epoch, LV_STREAM_LIVE,
                             p->now_ms))
    {
        lv_pack_displaced(p);
        return LV_ERROR;
    }

    lv_pack_event(p, LV_PACK_RESUMED, "the stream goes on");

    return LV_OK;
}


lv_packager_t *
lv_packager_adopt(lv_store_t *st, lv_stream_t *s, uint64_t now_ms,
    lv_pack_event_pt event, void *ctx)
{
    uint64_t        seen;
    lv_packager_t  *p;

    seen = atomic_load(&s->owner);

    if (atomic_load(&s->state) != LV_STREAM_INTERRUPTED
        || (uint32_t) seen != LV_SLOTS)
    {
        return NULL;
    }

    p = lv_pack_new(st, now_ms, event, ctx);
    if (p == NULL) {
        return NULL;
    }

    p->stream = s;
    p->filler = true;

    if (lv_stream_adopt(st, s, seen, &p->epoch) != LV_OK) {
        p->released = true;
        lv_packager_destroy(p);
        return NULL;
    }

    if (lv_pack_load(p) != LV_OK) {
        lv_pack_release(p, LV_STREAM_ENDED);
        lv_packager_destroy(p);
        return NULL;
    }

    if (p->keep.lost_ms == 0) {
        p->keep.lost_ms = atomic_load(&s->state_ms);
        lv_pack_keep(p);
    }

    return p;
}


/* ---- giving up --------------------------------------------------------- */

void
lv_pack_release(lv_packager_t *p, uint32_t state)
{
    if (lv_pack_gone(p)) {
        return;
    }

    lv_pack_flush(p);
    lv_stream_release(p->st, p->stream, p->epoch, state, p->now_ms);
    p->released = true;
}


/* What is whole of the open part goes out and ends its segment, since it may
 * be short. Where that would make too many segments, it is made as long as it
 * should have been. */
static void
lost_part(lv_packager_t *p, lv_pack_track_t *t)
{
    int64_t   end;
    uint16_t  flags;

    end = lv_pack_to_90k(t, t->pos);
    flags = LV_PART_LAST;

    if (!lv_pack_segment_may_end(p, end) || end - p->end > p->target_90k) {
        end = lv_pack_fill_end(p, &flags);
    }

    p->filling = true;
    (void) lv_pack_fill_lead(p, end, flags);
}


void
lv_packager_lost(lv_packager_t *p, uint64_t now_ms)
{
    unsigned  i;

    if (lv_pack_gone(p)) {
        return;
    }

    p->now_ms = now_ms;

    for (i = 0; i < p->tracks; i++) {
        lv_pack_frame_drop(p->track[i]);
    }

    if (!p->live) {
        /* nobody has seen anything */
        lv_pack_release(p, LV_STREAM_ENDED);
        return;
    }

    if (p->keep.lost_ms == 0) {
        p->keep.lost_ms = now_ms;
        lv_pack_keep(p);
    }

    if (!p->filling && p->lead->n) {
        lost_part(p, p->lead);
    }

    p->filling = true;
    (void) lv_pack_follow_all(p);

    lv_pack_release(p, LV_STREAM_INTERRUPTED);
}


void
lv_packager_finish(lv_packager_t *p, uint64_t now_ms)
{
    unsigned          i;
    lv_pack_track_t  *t;

    if (lv_pack_gone(p)) {
        return;
    }

    p->now_ms = now_ms;

    for (i = 0; i < p->tracks; i++) {
        lv_pack_frame_drop(p->track[i]);
    }

    t = p->lead;

    if (p->live && !p->filling && t->n) {
        if (t->video && t->pos - t->start > p->target_90k) {
            lv_pack_pos_set(t, t->start + p->target_90k);
        }

        (void) lv_pack_close(p, lv_pack_to_90k(t, t->pos), t->n,
                             LV_PART_LAST);
    }

    if (p->live) {
        p->filling = true;
        (void) lv_pack_follow_all(p);
    }

    lv_pack_release(p, LV_STREAM_ENDED);
}

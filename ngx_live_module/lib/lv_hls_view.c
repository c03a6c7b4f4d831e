#include "lv_hls_view.h"


uint8_t
lv_hls_track_kind(lv_track_t *t)
{
    /* the same in both, whichever is being written */
    return t->desc[atomic_load_explicit(&t->desc_seq, memory_order_acquire)
                   % 2].kind;
}


/* The first track of that kind; *n: how many there are. */
static lv_track_t *
lv_hls_first(lv_store_t *st, lv_stream_t *s, uint8_t kind, unsigned *n)
{
    unsigned     i, count;
    lv_track_t  *t, *found;

    found = NULL;
    *n = 0;
    count = atomic_load_explicit(&s->track_count, memory_order_acquire);

    for (i = 0; i < count; i++) {
        t = lv_stream_track_at(st, s, i);

        if (t == NULL || lv_hls_track_kind(t) != kind) {
            continue;
        }

        if (found == NULL || strcmp(t->name, found->name) < 0) {
            found = t;
        }

        (*n)++;
    }

    return found;
}


int
lv_hls_source(lv_store_t *st, lv_stream_t *s, const char *name, size_t len,
    lv_hls_source_t *src)
{
    unsigned  n;

    src->audio = NULL;

    if (len != sizeof(LV_HLS_MUXED) - 1
        || memcmp(name, LV_HLS_MUXED, len) != 0)
    {
        src->track = lv_stream_track(st, s, name, len);
        return src->track ? LV_OK : LV_DECLINED;
    }

    if (!s->timing.muxed) {
        return LV_DECLINED;
    }

    src->track = lv_hls_first(st, s, LV_KIND_VIDEO, &n);
    src->audio = lv_hls_first(st, s, LV_KIND_AUDIO, &n);

    return src->track && src->audio ? LV_OK : LV_DECLINED;
}


bool
lv_hls_is_muxed(lv_store_t *st, lv_stream_t *s)
{
    unsigned         videos, audios;
    lv_hls_edge_t    edge;
    lv_hls_source_t  src;

    if (lv_hls_source(st, s, LV_HLS_MUXED, sizeof(LV_HLS_MUXED) - 1, &src)
        != LV_OK)
    {
        return false;
    }

    (void) lv_hls_first(st, s, LV_KIND_VIDEO, &videos);
    (void) lv_hls_first(st, s, LV_KIND_AUDIO, &audios);

    if (videos > 1 || audios > 1) {
        return false;
    }

    lv_hls_edge(st, s, &src, &edge);

    return edge.any;
}


/* The newest part of the rendition, as the video track describes it. *last: it
 * ends its segment. */
static int
lv_hls_newest(lv_store_t *st, const lv_hls_source_t *src, lv_part_ref_t *ref,
    bool *last)
{
    uint32_t       part;
    lv_part_ref_t  a, next;

    if (lv_track_newest(st, src->track, ref) != LV_OK) {
        return LV_DECLINED;
    }

    *last = (ref->info.flags & LV_PART_LAST) != 0;

    if (src->audio == NULL) {
        return LV_OK;
    }

    if (lv_track_newest(st, src->audio, &a) != LV_OK) {
        return LV_DECLINED;
    }

    if (a.info.msn > ref->info.msn
        || (a.info.msn == ref->info.msn && a.info.part >= ref->info.part))
    {
        return LV_OK;
    }

    /* audio is behind: the video part of its newest one's name */

    for (part = a.info.part + 1u; part > 0; part--) {
        if (lv_track_find(st, src->track, a.info.msn, part - 1, ref) == LV_OK) {
            break;
        }
    }

    if (part == 0) {
        return LV_DECLINED;
    }

    *last = (ref->info.flags & LV_PART_LAST) != 0
            || (lv_track_part(st, src->track, ref->info.seq + 1, &next)
                == LV_OK
                && next.info.msn != ref->info.msn);

    return LV_OK;
}


void
lv_hls_edge(lv_store_t *st, lv_stream_t *s, const lv_hls_source_t *src,
    lv_hls_edge_t *edge)
{
    bool           last, listed;
    lv_part_ref_t  ref;

    memset(edge, 0, sizeof(lv_hls_edge_t));

    /* before the parts: with ENDED seen, no part is still to come */
    edge->ended = atomic_load_explicit(&s->state, memory_order_acquire)
                  == LV_STREAM_ENDED;
    edge->part_target_us = s->timing.part_target_us;

    if (lv_hls_newest(st, src, &ref, &last) != LV_OK) {
        return;
    }

    edge->any = true;
    edge->broken = (ref.info.flags & LV_PART_BREAK) != 0;
    listed = (ref.info.flags & LV_PART_UNLISTED) == 0;

    if (last || edge->ended) {
        edge->complete = ref.info.msn;
        edge->last_parts = ref.info.part + 1u;
        edge->last_msn = ref.info.msn;
        edge->last_part = listed ? ref.info.part : LV_HLS_NO_PART;
        return;
    }

    edge->complete = ref.info.msn - 1;
    edge->unlisted = !listed;

    if (listed) {
        edge->parts = ref.info.part + 1u;
        edge->last_msn = ref.info.msn;
        edge->last_part = ref.info.part;

    } else {
        edge->last_msn = edge->complete;
        edge->last_part = LV_HLS_NO_PART;
    }
}


/* RFC 8216bis 6.2.5.2: the Advance Part Limit, three seconds' worth of parts,
 * at least three. */
static uint32_t
lv_hls_advance_limit(const lv_hls_edge_t *edge)
{
    if (edge->part_target_us == 0 || edge->part_target_us >= 1000000) {
        return 3;
    }

    return (3000000 + edge->part_target_us - 1) / edge->part_target_us;
}


int
lv_hls_reached(const lv_hls_edge_t *edge, uint32_t msn, uint32_t part)
{
    uint32_t  known;

    if (edge->ended) {
        return LV_OK;
    }

    if (!edge->any) {
        return LV_AGAIN;
    }

    /* "the last Media Segment plus two" leaves open whether the last one is
     * complete: one more is let pass */

    if (msn > edge->complete && msn - edge->complete > 3) {
        return LV_DECLINED;
    }

    if (msn < edge->complete) {
        return LV_OK;
    }

    if (part == LV_HLS_NO_PART) {
        return msn == edge->complete ? LV_OK : LV_AGAIN;
    }

    if (msn == edge->complete) {
        return edge->last_parts == 0 || part < edge->last_parts
               ? LV_OK : LV_AGAIN;
    }

    known = msn == edge->complete + 1 ? edge->parts : 0;

    if (part < known) {
        return LV_OK;
    }

    return part - known < lv_hls_advance_limit(edge) ? LV_AGAIN : LV_DECLINED;
}


bool
lv_hls_hinted(const lv_hls_edge_t *edge, uint32_t msn, uint32_t part)
{
    if (!edge->any || edge->ended || edge->broken || edge->unlisted
        || msn != edge->complete + 1)
    {
        return false;
    }

    return part == edge->parts;
}


/* Appends a part; a name that does not follow on the last one starts the view
 * anew, since a playlist cannot say that something is missing. */
static void
lv_hls_view_add(lv_hls_view_t *view, const lv_part_info_t *info, bool audio)
{
    lv_hls_part_t     *part;
    lv_hls_segment_t  *seg;

    seg = view->segments ? &view->segment[view->segments - 1] : NULL;

    if (seg && info->msn == seg->msn && info->part == seg->count) {
        /* goes on */

    } else {
        if (seg && (info->msn != seg->msn + 1 || info->part != 0)) {
            view->segments = 0;
            view->parts = 0;
        }

        if (info->part != 0 || view->segments == LV_RING) {
            return;
        }

        if (view->segments) {
            view->segment[view->segments - 1].complete = true;
        }

        seg = &view->segment[view->segments++];
        memset(seg, 0, sizeof(lv_hls_segment_t));
        seg->msn = info->msn;
        seg->first = view->parts;
        seg->init_msn = info->init_msn;
        seg->disc_seq = info->disc_seq;
        seg->pdt_ms = info->pdt_ms;
        seg->discontinuity = (info->flags & LV_PART_DISCONTINUITY) != 0;
        seg->independent = audio
                           || (info->flags & LV_PART_INDEPENDENT) != 0;
    }

    if (view->parts == LV_RING) {
        return;
    }

    part = &view->part[view->parts++];
    part->duration = info->duration;
    part->independent = audio || (info->flags & LV_PART_INDEPENDENT) != 0;

    if (!(info->flags & LV_PART_UNLISTED) && seg->listed == seg->count) {
        seg->listed++;
    }

    seg->count++;
    seg->duration += info->duration;
    seg->complete = (info->flags & LV_PART_LAST) != 0;
}


/* Leaves what the audio track has as well. */
static void
lv_hls_view_mux(lv_store_t *st, const lv_hls_source_t *src,
    lv_hls_view_t *view)
{
    uint32_t           i, from;
    lv_part_ref_t      ref;
    lv_hls_segment_t  *seg;

    from = 0;

    for (i = 0; i < view->segments; i++) {
        seg = &view->segment[i];

        if (lv_track_find(st, src->audio, seg->msn, 0, &ref) != LV_OK) {
            from = i + 1;
            continue;
        }

        if (ref.info.init_msn > seg->init_msn) {
            seg->init_msn = ref.info.init_msn;
        }
    }

    if (from) {
        view->segments -= from;
        memmove(view->segment, view->segment + from,
                view->segments * sizeof(lv_hls_segment_t));
    }
}


void
lv_hls_view(lv_store_t *st, lv_stream_t *s, const lv_hls_source_t *src,
    lv_hls_view_t *view)
{
    bool              last, audio;
    uint32_t          seq;
    lv_part_ref_t     ref, newest;
    lv_track_desc_t   desc;
    lv_hls_segment_t *seg;

    view->segments = 0;
    view->parts = 0;
    view->ended = atomic_load_explicit(&s->state, memory_order_acquire)
                  == LV_STREAM_ENDED;

    if (lv_track_desc(src->track, &desc) != LV_OK
        || lv_hls_newest(st, src, &newest, &last) != LV_OK
        || lv_track_oldest(st, src->track, &ref) != LV_OK)
    {
        return;
    }

    audio = desc.kind == LV_KIND_AUDIO;
    view->broken = (newest.info.flags & LV_PART_BREAK) != 0;
    view->timescale = desc.timescale ? desc.timescale : 1;
    view->target_s = s->timing.target_s;
    view->part_target_us = s->timing.part_target_us;

    for (seq = ref.info.seq; seq != newest.info.seq + 1; seq++) {

        if (lv_track_part(st, src->track, seq, &ref) != LV_OK) {
            /* evicted meanwhile, and all before it */
            view->segments = 0;
            view->parts = 0;
            continue;
        }

        lv_hls_view_add(view, &ref.info, audio);
    }

    if (src->audio) {
        lv_hls_view_mux(st, src, view);
    }

    if (view->segments) {
        seg = &view->segment[view->segments - 1];
        seg->complete = last || view->ended;
    }
}


void
lv_hls_version(lv_store_t *st, lv_stream_t *s, lv_hls_version_t *v)
{
    unsigned     i;
    uint64_t     head;
    lv_track_t  *t;

    memset(v, 0, sizeof(lv_hls_version_t));

    v->state = atomic_load_explicit(&s->state, memory_order_acquire);
    v->tracks = atomic_load_explicit(&s->track_count, memory_order_acquire);

    for (i = 0; i < v->tracks && i < LV_STREAM_TRACKS; i++) {
        t = lv_stream_track_at(st, s, i);

        if (t == NULL) {
            continue;
        }

        head = atomic_load(&t->head);

        if ((uint32_t) head != LV_NONE) {
            v->newest[i] = head;
        }

        v->oldest[i] = atomic_load_explicit(&t->tail_seq,
                                            memory_order_acquire);
        v->desc[i] = atomic_load_explicit(&t->desc_seq, memory_order_acquire);
    }
}

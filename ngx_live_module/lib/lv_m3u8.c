#include "lv_m3u8.h"


/* What the writer of a media playlist carries from line to line. */
typedef struct {
    lv_text_t            *out;
    const lv_hls_view_t  *view;
    uint64_t              end;       /* timescale, from the first segment */
    uint32_t              init_msn;  /* of the last EXT-X-MAP */
} lv_m3u8_writer_t;


static uint64_t
lv_m3u8_us(const lv_hls_view_t *view, uint64_t duration)
{
    return (duration * 1000000 + view->timescale / 2) / view->timescale;
}


/* The playlist's length: complete segments, and what is listed of an open
 * one. */
static uint64_t
lv_m3u8_end(const lv_hls_view_t *view)
{
    uint32_t                 i, k;
    uint64_t                 end;
    const lv_hls_segment_t  *seg;

    end = 0;

    for (i = 0; i < view->segments; i++) {
        seg = &view->segment[i];

        if (seg->complete) {
            end += seg->duration;
            continue;
        }

        for (k = 0; k < seg->listed; k++) {
            end += view->part[seg->first + k].duration;
        }
    }

    return end;
}


static bool
lv_m3u8_independent(const lv_hls_view_t *view)
{
    uint32_t  i;

    for (i = 0; i < view->segments; i++) {
        if (!view->segment[i].independent) {
            return false;
        }
    }

    return true;
}


static void
lv_m3u8_header(lv_m3u8_writer_t *w, bool skip)
{
    lv_text_t               *out;
    const lv_hls_view_t     *view;
    const lv_hls_segment_t  *first;

    out = w->out;
    view = w->view;
    first = &view->segment[0];

    lv_text_str(out, skip ? "#EXTM3U\n#EXT-X-VERSION:9\n"
                          : "#EXTM3U\n#EXT-X-VERSION:6\n");

    if (lv_m3u8_independent(view)) {
        lv_text_lit(out, "#EXT-X-INDEPENDENT-SEGMENTS\n");
    }

    lv_text_lit(out, "#EXT-X-TARGETDURATION:");
    lv_text_uint(out, view->target_s);

    lv_text_lit(out, "\n#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,"
                     "PART-HOLD-BACK=");
    lv_text_seconds(out, (uint64_t) view->part_target_us * 3);
    lv_text_lit(out, ",HOLD-BACK=");
    lv_text_seconds(out, (uint64_t) view->target_s * 3000000);
    lv_text_lit(out, ",CAN-SKIP-UNTIL=");
    lv_text_seconds(out, (uint64_t) view->target_s * 6000000);

    lv_text_lit(out, "\n#EXT-X-PART-INF:PART-TARGET=");
    lv_text_seconds(out, view->part_target_us);

    lv_text_lit(out, "\n#EXT-X-MEDIA-SEQUENCE:");
    lv_text_uint(out, first->msn);

    lv_text_lit(out, "\n#EXT-X-DISCONTINUITY-SEQUENCE:");
    lv_text_uint(out, first->disc_seq
                      - (first->discontinuity && first->disc_seq));
    lv_text_lit(out, "\n");
}


static void
lv_m3u8_parts(lv_m3u8_writer_t *w, const lv_hls_segment_t *seg)
{
    uint32_t              k;
    uint64_t              us;
    lv_text_t            *out;
    const lv_hls_part_t  *part;

    out = w->out;

    for (k = 0; k < seg->listed; k++) {
        part = &w->view->part[seg->first + k];
        us = lv_m3u8_us(w->view, part->duration);

        /* rounding must not make a part longer than its target */
        if (us == w->view->part_target_us + 1u) {
            us--;
        }

        lv_text_lit(out, "#EXT-X-PART:DURATION=");
        lv_text_seconds(out, us);
        lv_text_lit(out, ",URI=\"");
        lv_text_uint(out, seg->msn);
        lv_text_lit(out, ".");
        lv_text_uint(out, k);

        if (part->independent) {
            lv_text_lit(out, ".m4s\",INDEPENDENT=YES\n");
        } else {
            lv_text_lit(out, ".m4s\"\n");
        }
    }
}


/* `left` is what the playlist has from this segment's end on, timescale. */
static void
lv_m3u8_segment(lv_m3u8_writer_t *w, const lv_hls_segment_t *seg,
    uint64_t left)
{
    uint64_t    recent;
    lv_text_t  *out;

    out = w->out;
    recent = (uint64_t) 3 * w->view->target_s * w->view->timescale;

    if (!seg->complete && seg->listed == 0) {
        return;
    }

    if (seg->discontinuity) {
        lv_text_lit(out, "#EXT-X-DISCONTINUITY\n");
    }

    if (seg->init_msn != w->init_msn) {
        lv_text_lit(out, "#EXT-X-MAP:URI=\"init-");
        lv_text_uint(out, seg->init_msn);
        lv_text_lit(out, ".mp4\"\n");
        w->init_msn = seg->init_msn;
    }

    lv_text_lit(out, "#EXT-X-PROGRAM-DATE-TIME:");
    lv_text_date(out, seg->pdt_ms);
    lv_text_lit(out, "\n");

    if (left < recent) {
        lv_m3u8_parts(w, seg);
    }

    if (seg->complete) {
        lv_text_lit(out, "#EXTINF:");
        lv_text_seconds(out, lv_m3u8_us(w->view, seg->duration));
        lv_text_lit(out, ",\n");
        lv_text_uint(out, seg->msn);
        lv_text_lit(out, ".m4s\n");
    }
}


static void
lv_m3u8_tail(lv_m3u8_writer_t *w, const lv_m3u8_report_t *reports,
    unsigned nreports)
{
    unsigned                 i;
    lv_text_t               *out;
    const lv_hls_segment_t  *last;

    out = w->out;

    if (w->view->ended) {
        lv_text_lit(out, "#EXT-X-ENDLIST\n");
        return;
    }

    last = &w->view->segment[w->view->segments - 1];

    if (!w->view->broken && (last->complete || last->listed == last->count)) {
        lv_text_lit(out, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"");
        lv_text_uint(out, last->complete ? last->msn + 1 : last->msn);
        lv_text_lit(out, ".");
        lv_text_uint(out, last->complete ? 0 : last->count);
        lv_text_lit(out, ".m4s\"\n");
    }

    for (i = 0; i < nreports; i++) {
        lv_text_lit(out, "#EXT-X-RENDITION-REPORT:URI=\"../");
        lv_text_str(out, reports[i].name);
        lv_text_lit(out, "/index.m3u8\",LAST-MSN=");
        lv_text_uint(out, reports[i].last_msn);

        if (reports[i].last_part != LV_HLS_NO_PART) {
            lv_text_lit(out, ",LAST-PART=");
            lv_text_uint(out, reports[i].last_part);
        }

        lv_text_lit(out, "\n");
    }
}


void
lv_m3u8_media(lv_text_t *out, const lv_hls_view_t *view,
    const lv_m3u8_report_t *reports, unsigned nreports, bool skip)
{
    uint32_t          i, skipped;
    uint64_t          at, boundary;
    lv_m3u8_writer_t  w;

    w.out = out;
    w.view = view;
    w.end = lv_m3u8_end(view);
    w.init_msn = 0;

    at = 0;
    i = 0;
    boundary = (uint64_t) 6 * view->target_s * view->timescale;

    if (skip) {
        for ( /* void */ ; i < view->segments; i++) {

            if (at + view->segment[i].duration + boundary > w.end) {
                break;
            }

            at += view->segment[i].duration;
            w.init_msn = view->segment[i].init_msn;
        }
    }

    skipped = i;
    lv_m3u8_header(&w, skipped != 0);

    if (skipped) {
        lv_text_lit(out, "#EXT-X-SKIP:SKIPPED-SEGMENTS=");
        lv_text_uint(out, skipped);
        lv_text_lit(out, "\n");
    }

    for ( /* void */ ; i < view->segments; i++) {
        at += view->segment[i].duration;
        lv_m3u8_segment(&w, &view->segment[i], w.end > at ? w.end - at : 0);
    }

    lv_m3u8_tail(&w, reports, nreports);
}


int
lv_m3u8_render_media(lv_text_t *out, lv_store_t *st, lv_stream_t *s,
    const lv_hls_source_t *src, lv_hls_view_t *scratch, bool skip)
{
    unsigned          i, n, nreports;
    lv_track_t       *t;
    lv_hls_edge_t     edge;
    lv_hls_source_t   other;
    lv_m3u8_report_t  reports[LV_STREAM_TRACKS];

    lv_hls_view(st, s, src, scratch);

    if (scratch->segments == 0
        || (scratch->segments == 1 && !scratch->segment[0].complete
            && scratch->segment[0].listed == 0))
    {
        return LV_AGAIN;
    }

    nreports = 0;
    n = atomic_load_explicit(&s->track_count, memory_order_acquire);

    /* the muxed view is offered alone */

    for (i = 0; src->audio == NULL && i < n && i < LV_STREAM_TRACKS; i++) {
        t = lv_stream_track_at(st, s, i);

        if (t == NULL || t == src->track) {
            continue;
        }

        other.track = t;
        other.audio = NULL;
        lv_hls_edge(st, s, &other, &edge);

        if (!edge.any) {
            continue;
        }

        memcpy(reports[nreports].name, t->name, sizeof(t->name));
        reports[nreports].name[sizeof(t->name) - 1] = '\0';
        reports[nreports].last_msn = edge.last_msn;
        reports[nreports].last_part = edge.last_part;
        nreports++;
    }

    lv_m3u8_media(out, scratch, reports, nreports, skip);

    return out->failed ? LV_ERROR : LV_OK;
}

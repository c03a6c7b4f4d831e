/* /status: the node, its store and its streams as JSON. */

#include "ngx_http_live_module.h"
#include "ngx_live_view.h"
#include "lv_cluster.h"
#include "lv_json.h"
#include "lv_room.h"


static void ngx_live_status_node(lv_json_t *j, lv_store_t *st,
    const ngx_live_node_t *node);
static void ngx_live_status_workers(lv_json_t *j, lv_store_t *st);
static void ngx_live_status_store(lv_json_t *j, lv_store_t *st);
static void ngx_live_status_chat(lv_json_t *j, lv_store_t *st);
static void ngx_live_status_control(lv_json_t *j, lv_store_t *st);
static void ngx_live_status_streams(lv_json_t *j, lv_store_t *st,
    const ngx_live_status_query_t *query, const uint32_t *viewers);
static void ngx_live_status_stream(lv_json_t *j, const ngx_live_view_t *view,
    uint32_t viewers);
static void ngx_live_status_publisher(lv_json_t *j,
    const ngx_live_view_t *view);
static void ngx_live_status_link(lv_json_t *j, const ngx_live_view_t *view);
static void ngx_live_status_track(lv_json_t *j,
    const ngx_live_view_track_t *vt);


void
ngx_live_status_write(lv_text_t *t, lv_store_t *st,
    const ngx_live_node_t *node, const ngx_live_status_query_t *query,
    const uint32_t *viewers)
{
    lv_json_t  j;

    lv_json_init(&j, t);

    lv_json_open(&j, NULL, '{');
    ngx_live_status_node(&j, st, node);
    ngx_live_status_workers(&j, st);
    ngx_live_status_store(&j, st);
    ngx_live_status_chat(&j, st);
    ngx_live_status_control(&j, st);
    ngx_live_status_streams(&j, st, query, viewers);
    lv_json_close(&j, '}');

    lv_text_lit(t, "\n");
}


static void
ngx_live_status_node(lv_json_t *j, lv_store_t *st,
    const ngx_live_node_t *node)
{
    lv_json_open(j, "node", '{');
    lv_json_text(j, "version", NGX_LIVE_VERSION);
    lv_json_text(j, "nginx", NGINX_VERSION);
    lv_json_int(j, "pid", ngx_pid);                /* who wrote this page */
    lv_json_int(j, "generation", (int64_t) node->generation);
    lv_json_int(j, "uptime_s", ngx_time() - node->started);
    lv_json_int(j, "loaded_s", ngx_time() - node->loaded);
    lv_json_int(j, "now_ms", (int64_t) ngx_live_now_ms());
    lv_json_close(j, '}');
}


static void
ngx_live_status_workers(lv_json_t *j, lv_store_t *st)
{
    unsigned        slot;
    uint64_t        now;
    lv_slot_info_t  info;

    now = ngx_live_now_ms();

    lv_json_open(j, "workers", '[');

    for (slot = 0; slot < LV_SLOTS; slot++) {

        lv_store_slot_info(st, slot, &info);

        if (!info.used) {
            continue;
        }

        lv_json_open(j, NULL, '{');
        lv_json_int(j, "pid", info.pid);
        lv_json_int(j, "slot", slot);
        lv_json_int(j, "uptime_s",
                    now > info.since_ms
                    ? (int64_t) (now - info.since_ms) / 1000 : 0);
        lv_json_close(j, '}');
    }

    lv_json_close(j, ']');
}


static void
ngx_live_status_store(lv_json_t *j, lv_store_t *st)
{
    lv_store_stat_t  stat;

    lv_store_stat(st, &stat);

    lv_json_open(j, "store", '{');
    lv_json_int(j, "bytes", (int64_t) stat.extents * LV_EXTENT);
    lv_json_int(j, "bytes_free", (int64_t) stat.extents_free * LV_EXTENT);
    lv_json_int(j, "bytes_pinned", (int64_t) stat.extents_limbo * LV_EXTENT);
    lv_json_int(j, "bytes_reserved",
                (int64_t) stat.extents_reserved * LV_EXTENT);
    lv_json_int(j, "parts", stat.parts);
    lv_json_int(j, "parts_free", stat.parts_free);
    lv_json_int(j, "streams", stat.streams_used);
    lv_json_int(j, "streams_max", stat.streams);
    lv_json_int(j, "tracks", stat.tracks_used);
    lv_json_int(j, "tracks_max", stat.tracks);
    lv_json_int(j, "slots", stat.slots_used);
    lv_json_int(j, "slots_max", LV_SLOTS);
    lv_json_int(j, "evicted_segments", (int64_t) stat.evictions);
    lv_json_int(j, "repairs", (int64_t) stat.repairs);
    lv_json_close(j, '}');
}


static void
ngx_live_status_chat(lv_json_t *j, lv_store_t *st)
{
    lv_rooms_stat_t  stat;

    lv_rooms_stat(st, &stat);

    lv_json_open(j, "chat", '{');
    lv_json_int(j, "members",
                (int64_t) lv_gauge_sum(st, NGX_LIVE_G_CHAT_MEMBERS));
    lv_json_int(j, "rooms", stat.rooms_used);
    lv_json_int(j, "rooms_max", stat.rooms);
    lv_json_int(j, "buffer_bytes",
                (int64_t) stat.blocks * stat.block_size);
    lv_json_int(j, "buffer_bytes_free",
                (int64_t) stat.blocks_free * stat.block_size);
    lv_json_int(j, "entries", (int64_t) stat.entries);
    lv_json_int(j, "entries_refused", (int64_t) stat.refused);
    lv_json_int(j, "entries_unsaved", (int64_t) stat.unsaved);
    lv_json_int(j, "repairs", (int64_t) stat.repairs);
    lv_json_bool(j, "saving", stat.saving);
    lv_json_close(j, '}');
}


/* null without a control plane */

static void
ngx_live_status_control(lv_json_t *j, lv_store_t *st)
{
    uint64_t           now;
    lv_cluster_stat_t  stat;

    lv_cluster_stat(st, &stat);
    lv_json_bool(j, "draining", stat.draining);

    if (!stat.active) {
        lv_json_null(j, "control_plane");
        return;
    }

    now = ngx_live_now_ms();

    lv_json_open(j, "control_plane", '{');
    lv_json_bool(j, "up", stat.up);
    lv_json_int(j, "leader", stat.leader);

    if (stat.beat_ms) {
        lv_json_int(j, "heartbeat_age_ms",
                    now > stat.beat_ms ? (int64_t) (now - stat.beat_ms) : 0);

    } else {
        lv_json_null(j, "heartbeat_age_ms");
    }

    lv_json_int(j, "heartbeats", (int64_t) stat.beats);
    lv_json_int(j, "heartbeats_failed", (int64_t) stat.failures);

    if (stat.keys) {
        lv_json_text(j, "keys_version", stat.keys_version);

    } else {
        lv_json_null(j, "keys_version");
    }

    lv_json_int(j, "keys", stat.keys);
    lv_json_int(j, "revocations_version",
                (int64_t) stat.revocations_version);
    lv_json_int(j, "revocations", stat.revocations);
    lv_json_int(j, "revocations_lost", (int64_t) stat.revocations_lost);
    lv_json_int(j, "events", stat.events);
    lv_json_int(j, "events_lost", (int64_t) stat.events_lost);
    lv_json_close(j, '}');
}


static void
ngx_live_status_streams(lv_json_t *j, lv_store_t *st,
    const ngx_live_status_query_t *query, const uint32_t *viewers)
{
    uint32_t         i, count, gen;
    lv_stream_t     *s;
    ngx_uint_t       n;
    ngx_live_view_t  view;

    count = lv_stream_count(st);
    i = query->from;

    if (query->stream.len) {
        s = lv_stream_find(st, (char *) query->stream.data,
                           query->stream.len, &gen);

        i = (s != NULL) ? lv_stream_index(st, s) : count + 1;
        count = (s != NULL) ? i : count;
    }

    lv_json_open(j, "streams", '[');

    for (n = 0; i <= count && n < query->limit; i++) {

        if (ngx_live_view_stream(st, i, &view) == NGX_OK) {
            ngx_live_status_stream(j, &view, viewers[i]);
            n++;
        }
    }

    lv_json_close(j, ']');

    if (i <= count) {
        lv_json_int(j, "next", i);

    } else {
        lv_json_null(j, "next");
    }
}


static void
ngx_live_status_stream(lv_json_t *j, const ngx_live_view_t *view,
    uint32_t viewers)
{
    ngx_uint_t  i;

    lv_json_open(j, NULL, '{');
    lv_json_str(j, "id", view->id, view->id_len);
    lv_json_int(j, "epoch", view->epoch);
    lv_json_text(j, "state", ngx_live_view_state(view->state));
    lv_json_int(j, "since_ms", (int64_t) view->state_ms);
    lv_json_int(j, "input_ms", (int64_t) view->input_ms);
    lv_json_int(j, "viewers", viewers);

    ngx_live_status_publisher(j, view);

    lv_json_int(j, "bytes_in", (int64_t) view->bytes_in);
    lv_json_int(j, "frames_in", (int64_t) view->frames_in);
    lv_json_int(j, "frames_dropped", (int64_t) view->frames_dropped);
    lv_json_int(j, "av_skew_ms", view->skew_ms);
    lv_json_int(j, "target_duration_s", view->timing.target_s);
    lv_json_milli(j, "part_target_ms", view->timing.part_target_us);
    lv_json_int(j, "window_ms", view->timing.window_ms);
    lv_json_int(j, "resume_ms", view->timing.resume_ms);
    lv_json_bool(j, "muxed", view->timing.muxed);
    lv_json_int(j, "store_bytes", (int64_t) view->used);
    lv_json_int(j, "store_bytes_reserved", (int64_t) view->reserved);
    lv_json_int(j, "evicted_segments", view->evicted);

    lv_json_open(j, "tracks", '[');

    for (i = 0; i < view->tracks; i++) {
        ngx_live_status_track(j, &view->track[i]);
    }

    lv_json_close(j, ']');
    lv_json_close(j, '}');
}


/* The last one while nobody publishes; `connected` tells. */

static void
ngx_live_status_publisher(lv_json_t *j, const ngx_live_view_t *view)
{
    const lv_publisher_t  *p = &view->publisher;

    lv_json_open(j, "publisher", '{');
    lv_json_bool(j, "connected", view->state == LV_STREAM_STARTING
                                 || view->state == LV_STREAM_LIVE);
    lv_json_str(j, "protocol", p->protocol,
                strnlen(p->protocol, sizeof(p->protocol)));
    lv_json_str(j, "address", p->addr, strnlen(p->addr, sizeof(p->addr)));
    lv_json_str(j, "encoder", p->encoder,
                strnlen(p->encoder, sizeof(p->encoder)));
    lv_json_int(j, "since_ms", (int64_t) p->since_ms);
    lv_json_int(j, "pid", p->pid);

    if (ngx_strncmp(p->protocol, "srt", sizeof(p->protocol)) == 0) {
        ngx_live_status_link(j, view);
    }

    lv_json_close(j, '}');
}


/* The network between the encoder and here, as SRT sees it. */

static void
ngx_live_status_link(lv_json_t *j, const ngx_live_view_t *view)
{
    lv_json_open(j, "link", '{');
    lv_json_milli(j, "rtt_ms", view->rtt_us);
    lv_json_int(j, "latency_ms", view->latency_ms);
    lv_json_int(j, "bitrate", view->rate_bps);
    lv_json_int(j, "key_bits", view->key_bits);
    lv_json_int(j, "buffered", view->buffered);
    lv_json_int(j, "packets", (int64_t) view->packets);
    lv_json_int(j, "lost", (int64_t) view->lost);
    lv_json_int(j, "retransmitted", (int64_t) view->retransmitted);
    lv_json_int(j, "dropped", (int64_t) view->dropped);
    lv_json_int(j, "undecrypted", (int64_t) view->undecrypted);
    lv_json_close(j, '}');
}


static void
ngx_live_status_track(lv_json_t *j, const ngx_live_view_track_t *vt)
{
    const lv_track_desc_t  *d = &vt->desc;

    lv_json_open(j, NULL, '{');
    lv_json_str(j, "name", d->name, strnlen(d->name, sizeof(d->name)));
    lv_json_text(j, "kind", d->kind == LV_KIND_VIDEO ? "video" : "audio");
    lv_json_str(j, "codecs", d->codecs, strnlen(d->codecs, sizeof(d->codecs)));

    if (d->language[0] != '\0') {
        lv_json_str(j, "language", d->language,
                    strnlen(d->language, sizeof(d->language)));
    }

    if (d->kind == LV_KIND_VIDEO) {
        lv_json_int(j, "width", d->width);
        lv_json_int(j, "height", d->height);
        lv_json_milli(j, "frame_rate", d->rate_milli);
        lv_json_milli(j, "fps", d->fps_milli);
        lv_json_int(j, "gop_ms", d->gop_ms);

    } else {
        lv_json_int(j, "sample_rate", d->sample_rate);
        lv_json_int(j, "channels", d->channels);
    }

    /* bits a second of media: the last segment, all of them, the largest */

    lv_json_int(j, "bitrate", d->last_bps);
    lv_json_int(j, "bitrate_avg", d->avg_bps);
    lv_json_int(j, "bitrate_peak", d->peak_bps);

    if (vt->commit_ms != 0) {
        lv_json_int(j, "first_msn", vt->first_msn);
        lv_json_int(j, "last_msn", vt->last_msn);
        lv_json_int(j, "last_part", vt->last_part);
        lv_json_int(j, "last_part_ms", (int64_t) vt->commit_ms);
        lv_json_int(j, "parts", vt->parts);
        lv_json_int(j, "held_ms", vt->window_ms);
        lv_json_bool(j, "filler", vt->filler);
    }

    lv_json_close(j, '}');
}

/*
 * /metrics: Prometheus text format, version 0.0.4.
 *
 * Labels come from fixed sets only: no stream, address or viewer is ever a
 * label, so that the number of series does not depend on what peers do.
 */

#include "ngx_http_live_module.h"
#include "ngx_live_view.h"
#include "lv_cluster.h"
#include "lv_room_bus.h"


/* A counter, or a gauge (added and taken back), of core/. Entries of one name
 * follow each other; only the first has a help text. */
typedef struct {
    ngx_uint_t   counter;       /* NGX_LIVE_C_*, NGX_LIVE_G_* */
    const char  *name;
    const char  *label;         /* name="value", or NULL */
    const char  *help;
} ngx_live_metric_t;

/* What is added up over the streams. */
typedef struct {
    uint64_t  state[LV_STREAM_ENDED + 1];
    uint64_t  publishers;
    uint64_t  viewers;
    uint64_t  tracks;
    uint64_t  bitrate;
    uint64_t  skew_ms;
    uint64_t  silence_ms;
} ngx_live_metric_sums_t;


static void ngx_live_metrics_counters(lv_text_t *t, lv_store_t *st);
static void ngx_live_metrics_node(lv_text_t *t, lv_store_t *st,
    const ngx_live_node_t *node);
static void ngx_live_metrics_streams(lv_text_t *t, lv_store_t *st,
    const uint32_t *viewers);
static void ngx_live_metrics_sum(lv_store_t *st, const uint32_t *viewers,
    ngx_live_metric_sums_t *sums);
static void ngx_live_metrics_store(lv_text_t *t, lv_store_t *st);
static void ngx_live_metrics_rooms(lv_text_t *t, lv_store_t *st);
static void ngx_live_metrics_control(lv_text_t *t, lv_store_t *st);
static void ngx_live_metrics_bus(lv_text_t *t, lv_store_t *st);
static void ngx_live_metrics_head(lv_text_t *t, const char *name,
    const char *type, const char *help);
static void ngx_live_metrics_value(lv_text_t *t, const char *name,
    const char *label, uint64_t n);
static void ngx_live_metrics_gauge(lv_text_t *t, const char *name,
    const char *help, uint64_t n);
static void ngx_live_metrics_counter(lv_text_t *t, const char *name,
    const char *help, uint64_t n);
static void ngx_live_metrics_gauge_ms(lv_text_t *t, const char *name,
    const char *help, uint64_t ms);


static const ngx_live_metric_t  ngx_live_metrics[] = {

    { NGX_LIVE_C_PUBLISH_STARTED,
      "ngx_live_publish_started_total", NULL,
      "Publishers that were accepted." },
    { NGX_LIVE_C_PUBLISH_STOPPED,
      "ngx_live_publish_stopped_total", NULL,
      "Publishers that have gone, for whatever reason." },
    { NGX_LIVE_C_PUBLISH_RESUMED,
      "ngx_live_publish_resumed_total", NULL,
      "Publishers that came back and continued their stream." },
    { NGX_LIVE_C_PUBLISH_DISPLACED,
      "ngx_live_publish_displaced_total", NULL,
      "Publishers whose stream was taken over by another connection." },

    { NGX_LIVE_C_PUBLISH_REFUSED_AUTH,
      "ngx_live_publish_refused_total", "reason=\"auth\"",
      "Publishers that were refused." },
    { NGX_LIVE_C_PUBLISH_REFUSED_BUSY,
      "ngx_live_publish_refused_total", "reason=\"busy\"", NULL },
    { NGX_LIVE_C_PUBLISH_REFUSED_FULL,
      "ngx_live_publish_refused_total", "reason=\"full\"", NULL },
    { NGX_LIVE_C_PUBLISH_REFUSED_BAD,
      "ngx_live_publish_refused_total", "reason=\"bad_request\"", NULL },
    { NGX_LIVE_C_PUBLISH_REFUSED_DRAIN,
      "ngx_live_publish_refused_total", "reason=\"drain\"", NULL },

    { NGX_LIVE_C_PUBLISH_KICKED,
      "ngx_live_publish_kicked_total", NULL,
      "Publishers that a command has ended." },

    { NGX_LIVE_C_DECIDE_ACCEPTED,
      "ngx_live_publish_decisions_total", "result=\"accepted\"",
      "Decisions about publishers that the control plane was asked for." },
    { NGX_LIVE_C_DECIDE_REFUSED,
      "ngx_live_publish_decisions_total", "result=\"refused\"", NULL },
    { NGX_LIVE_C_DECIDE_REMEMBERED,
      "ngx_live_publish_decisions_total", "result=\"remembered\"", NULL },
    { NGX_LIVE_C_DECIDE_FAILED,
      "ngx_live_publish_decisions_total", "result=\"failed\"", NULL },

    { NGX_LIVE_C_COMMANDS,
      "ngx_live_control_commands_total", NULL,
      "Commands of the control plane that were carried out." },

    { NGX_LIVE_C_CHAT_JOINED,
      "ngx_live_chat_connections_total", NULL,
      "WebSocket connections that were opened." },
    { NGX_LIVE_C_CHAT_LEFT,
      "ngx_live_chat_connections_ended_total", NULL,
      "WebSocket connections that have ended." },
    { NGX_LIVE_C_CHAT_RECEIVED,
      "ngx_live_chat_received_total", NULL,
      "What members sent, of any kind." },
    { NGX_LIVE_C_CHAT_ACCEPTED,
      "ngx_live_chat_accepted_total", NULL,
      "Messages and actions of members that were accepted." },
    { NGX_LIVE_C_CHAT_REACTIONS,
      "ngx_live_chat_reactions_total", NULL,
      "Reactions of members." },
    { NGX_LIVE_C_CHAT_REVIEWED,
      "ngx_live_chat_reviews_total", NULL,
      "Messages that a service was to be asked about." },
    { NGX_LIVE_C_CHAT_REVIEW_FAILED,
      "ngx_live_chat_reviews_failed_total", NULL,
      "Of them those without a verdict: not asked, not in time, not "
      "understood." },
    { NGX_LIVE_C_CHAT_REFUSED,
      "ngx_live_chat_refused_total", "reason=\"rules\"",
      "What members were refused: by the room's rules or their own rights; "
      "beyond the rate; not valid." },
    { NGX_LIVE_C_CHAT_LIMITED,
      "ngx_live_chat_refused_total", "reason=\"rate\"", NULL },
    { NGX_LIVE_C_CHAT_BAD,
      "ngx_live_chat_refused_total", "reason=\"invalid\"", NULL },
    { NGX_LIVE_C_CHAT_SENT,
      "ngx_live_chat_deliveries_total", NULL,
      "What was given to members by rounds; one may hold several messages." },
    { NGX_LIVE_C_CHAT_WRITES,
      "ngx_live_chat_writes_total", NULL,
      "Writes to members' connections." },
    { NGX_LIVE_C_CHAT_SENT_BYTES,
      "ngx_live_chat_sent_bytes_total", NULL,
      "Bytes written to members." },
    { NGX_LIVE_C_CHAT_SLOW,
      "ngx_live_chat_closed_slow_total", NULL,
      "Members closed because they read too slowly." },

    { NGX_LIVE_C_BUS_OUT,
      "ngx_live_redis_sent_total", NULL,
      "What was told the other nodes: messages, actions, counts." },
    { NGX_LIVE_C_BUS_IN,
      "ngx_live_redis_received_total", NULL,
      "What was told by them." },
    { NGX_LIVE_C_BUS_DOUBLE,
      "ngx_live_redis_doubled_total", NULL,
      "What came twice, and was left out." },
    { NGX_LIVE_C_BUS_DROPPED,
      "ngx_live_redis_dropped_total", "reason=\"refused\"",
      "What could not be told, or taken: no memory, too long, too long ago; "
      "batches without a good signature." },
    { NGX_LIVE_C_BUS_FORGED,
      "ngx_live_redis_dropped_total", "reason=\"forged\"", NULL },
    { NGX_LIVE_C_BUS_LOST,
      "ngx_live_redis_gaps_total", NULL,
      "Times that members were told that something is missing." },
    { NGX_LIVE_C_BUS_CONNECTS,
      "ngx_live_redis_connects_total", NULL,
      "Connections to write that were made; all but the first are "
      "reconnects." },

    { NGX_LIVE_C_INGEST_BYTES,
      "ngx_live_ingest_bytes_total", NULL,
      "Media bytes received from publishers." },
    { NGX_LIVE_C_INGEST_FRAMES,
      "ngx_live_ingest_frames_total", NULL,
      "Frames received from publishers." },
    { NGX_LIVE_C_INGEST_DROPPED,
      "ngx_live_ingest_dropped_frames_total", NULL,
      "Frames that were received and could not be used." },
    { NGX_LIVE_C_INGEST_ERRORS,
      "ngx_live_ingest_errors_total", NULL,
      "Publisher connections closed for bad input." },
    { NGX_LIVE_C_SRT_PACKETS,
      "ngx_live_srt_packets_total", NULL,
      "SRT packets with media that came." },
    { NGX_LIVE_C_SRT_RETRANSMITTED,
      "ngx_live_srt_retransmitted_packets_total", NULL,
      "Of them, those that were sent again." },
    { NGX_LIVE_C_SRT_LOST,
      "ngx_live_srt_lost_packets_total", NULL,
      "SRT packets that were missing when a later one came." },
    { NGX_LIVE_C_SRT_DROPPED,
      "ngx_live_srt_dropped_packets_total", NULL,
      "Of them, those that did not come in time." },
    { NGX_LIVE_C_STREAM_ENDED,
      "ngx_live_streams_ended_total", NULL,
      "Streams that have ended." },
    { NGX_LIVE_C_FILLED,
      "ngx_live_fills_total", NULL,
      "Times that a stream whose publisher was away, or a silent track, began "
      "to be filled." },

    { NGX_LIVE_C_HLS_PLAYLISTS,
      "ngx_live_hls_responses_total", "type=\"playlist\"",
      "HLS requests answered with what was asked for." },
    { NGX_LIVE_C_HLS_SEGMENTS,
      "ngx_live_hls_responses_total", "type=\"segment\"", NULL },
    { NGX_LIVE_C_HLS_PARTS,
      "ngx_live_hls_responses_total", "type=\"part\"", NULL },
    { NGX_LIVE_C_HLS_INITS,
      "ngx_live_hls_responses_total", "type=\"init\"", NULL },

    { NGX_LIVE_C_HLS_NOT_FOUND,
      "ngx_live_hls_errors_total", "reason=\"not_found\"",
      "HLS requests that could not be answered." },
    { NGX_LIVE_C_HLS_BAD_REQUEST,
      "ngx_live_hls_errors_total", "reason=\"bad_request\"", NULL },
    { NGX_LIVE_C_HLS_TIMEOUTS,
      "ngx_live_hls_errors_total", "reason=\"timeout\"", NULL },

    { NGX_LIVE_C_HLS_RENDERED,
      "ngx_live_hls_playlist_renders_total", NULL,
      "Playlists rendered; all other answers used one again." },
    { NGX_LIVE_C_HLS_BLOCKED,
      "ngx_live_hls_blocked_requests_total", NULL,
      "HLS requests that had to wait for media." },
    { NGX_LIVE_C_HLS_SENT_BYTES,
      "ngx_live_hls_sent_bytes_total", NULL,
      "Bytes of HLS answers, without their headers." },
    { NGX_LIVE_C_HLS_RESET_SLOW,
      "ngx_live_hls_slow_readers_reset_total", NULL,
      "Connections reset because they held evicted media for too long." },

    { NGX_LIVE_C_FEED_PARTS,
      "ngx_live_feed_parts_total", NULL,
      "Parts sent to the readers of feeds." },
    { NGX_LIVE_C_FEED_SENT_BYTES,
      "ngx_live_feed_sent_bytes_total", NULL,
      "Bytes of feeds that have ended, without their headers." },
    { NGX_LIVE_C_FEED_SKIPPED,
      "ngx_live_feed_skips_total", NULL,
      "Times that a reader of a feed was too slow and went on at the newest "
      "segment." },
    { NGX_LIVE_C_FEED_RESET_SLOW,
      "ngx_live_feed_slow_readers_reset_total", NULL,
      "Readers of feeds that were cut off, having held an evicted part for "
      "too long." },

    { NGX_LIVE_C_TOKEN_ACCEPTED,
      "ngx_live_token_checks_total", "result=\"accepted\"",
      "Viewer tokens checked." },
    { NGX_LIVE_C_TOKEN_REFUSED,
      "ngx_live_token_checks_total", "result=\"refused\"", NULL },
    { NGX_LIVE_C_TOKEN_LIMITED,
      "ngx_live_token_checks_total", "result=\"limited\"", NULL },

    { NGX_LIVE_G_WAITING,
      "ngx_live_hls_waiting_requests", NULL,
      "HLS requests that wait for media now." },
    { NGX_LIVE_G_PINNED,
      "ngx_live_hls_pinned_parts", NULL,
      "Parts that are being sent now, once for each request." },
    { NGX_LIVE_G_FEEDS,
      "ngx_live_feed_readers", NULL,
      "Feeds that are being read now." },
    { NGX_LIVE_G_CHAT_MEMBERS,
      "ngx_live_chat_members", NULL,
      "WebSocket connections that are open." },
    { NGX_LIVE_G_CHAT_QUEUED,
      "ngx_live_chat_queued_bytes", NULL,
      "Bytes that wait for members to read." }
};

#define NGX_LIVE_METRICS                                                      \
    (sizeof(ngx_live_metrics) / sizeof(ngx_live_metric_t))


void
ngx_live_metrics_write(lv_text_t *t, lv_store_t *st,
    const ngx_live_node_t *node, const uint32_t *viewers)
{
    ngx_live_metrics_node(t, st, node);
    ngx_live_metrics_streams(t, st, viewers);
    ngx_live_metrics_counters(t, st);
    ngx_live_metrics_store(t, st);
    ngx_live_metrics_rooms(t, st);
    ngx_live_metrics_control(t, st);
    ngx_live_metrics_bus(t, st);
}


static void
ngx_live_metrics_counters(lv_text_t *t, lv_store_t *st)
{
    uint64_t                  n;
    ngx_uint_t                i, gauge;
    const ngx_live_metric_t  *m;

    for (i = 0; i < NGX_LIVE_METRICS; i++) {

        m = &ngx_live_metrics[i];
        gauge = (m->counter >= NGX_LIVE_GAUGES);

        n = gauge ? lv_gauge_sum(st, (unsigned) m->counter)
                  : lv_counter_sum(st, (unsigned) m->counter);

        if (m->help != NULL) {
            ngx_live_metrics_head(t, m->name, gauge ? "gauge" : "counter",
                                  m->help);
        }

        ngx_live_metrics_value(t, m->name, m->label, n);
    }
}


static void
ngx_live_metrics_rooms(lv_text_t *t, lv_store_t *st)
{
    lv_rooms_stat_t  stat;

    lv_rooms_stat(st, &stat);

    ngx_live_metrics_gauge(t, "ngx_live_chat_rooms",
                           "Rooms in the store.", stat.rooms_used);
    ngx_live_metrics_gauge(t, "ngx_live_chat_rooms_max",
                           "Rooms that it can hold.", stat.rooms);
    ngx_live_metrics_gauge(t, "ngx_live_chat_buffer_bytes",
                           "Memory of all rooms.",
                           (uint64_t) stat.blocks * stat.block_size);
    ngx_live_metrics_gauge(t, "ngx_live_chat_buffer_free_bytes",
                           "What is free of it.",
                           (uint64_t) stat.blocks_free * stat.block_size);
    ngx_live_metrics_gauge(t, "ngx_live_chat_unsaved_entries",
                           "Messages and actions that wait for the control "
                           "plane.", stat.unsaved);
    ngx_live_metrics_counter(t, "ngx_live_chat_buffer_refused_total",
                             "Messages refused because all of it waits to be "
                             "saved.", stat.refused);
}


static void
ngx_live_metrics_node(lv_text_t *t, lv_store_t *st,
    const ngx_live_node_t *node)
{
    unsigned        slot;
    uint64_t        workers;
    lv_slot_info_t  info;

    workers = 0;

    for (slot = 0; slot < LV_SLOTS; slot++) {
        lv_store_slot_info(st, slot, &info);
        workers += info.used ? 1 : 0;
    }

    ngx_live_metrics_head(t, "ngx_live_build_info", "gauge",
                          "Always 1; the labels tell the versions.");
    ngx_live_metrics_value(t, "ngx_live_build_info",
                           "version=\"" NGX_LIVE_VERSION "\","
                           "nginx=\"" NGINX_VERSION "\"", 1);

    ngx_live_metrics_gauge(t, "ngx_live_start_time_seconds",
                           "When this nginx was started, Unix time.",
                           (uint64_t) node->started);
    ngx_live_metrics_gauge(t, "ngx_live_config_load_time_seconds",
                           "When its configuration was loaded, Unix time.",
                           (uint64_t) node->loaded);
    ngx_live_metrics_gauge(t, "ngx_live_workers",
                           "Worker processes of all generations.", workers);
}


static void
ngx_live_metrics_streams(lv_text_t *t, lv_store_t *st,
    const uint32_t *viewers)
{
    char                    label[32];
    uint32_t                state;
    ngx_live_metric_sums_t  sums;

    ngx_live_metrics_sum(st, viewers, &sums);

    ngx_live_metrics_head(t, "ngx_live_streams", "gauge",
                          "Streams in the store.");

    for (state = LV_STREAM_STARTING; state <= LV_STREAM_ENDED; state++) {
        (void) ngx_snprintf((u_char *) label, sizeof(label), "state=\"%s\"%Z",
                            ngx_live_view_state(state));
        ngx_live_metrics_value(t, "ngx_live_streams", label,
                               sums.state[state]);
    }

    ngx_live_metrics_gauge(t, "ngx_live_publishers",
                           "Publishers that are connected.", sums.publishers);
    ngx_live_metrics_gauge(t, "ngx_live_viewers",
                           "Viewer sessions seen in the last 30 seconds.",
                           sums.viewers);
    ngx_live_metrics_gauge(t, "ngx_live_tracks",
                           "Tracks of all streams.", sums.tracks);
    ngx_live_metrics_gauge(t, "ngx_live_media_bytes_per_second",
                           "Media that all live streams make together, by "
                           "their last segments.", sums.bitrate / 8);
    ngx_live_metrics_gauge_ms(t, "ngx_live_av_skew_max_seconds",
                              "The largest distance between audio and video "
                              "among live streams, as they arrive.",
                              sums.skew_ms);
    ngx_live_metrics_gauge_ms(t, "ngx_live_input_silence_max_seconds",
                              "The longest time since a live stream's last "
                              "input.", sums.silence_ms);
}


static void
ngx_live_metrics_sum(lv_store_t *st, const uint32_t *viewers,
    ngx_live_metric_sums_t *sums)
{
    uint32_t         i, count;
    uint64_t         now;
    ngx_uint_t       n;
    ngx_live_view_t  view;

    ngx_memzero(sums, sizeof(ngx_live_metric_sums_t));

    now = ngx_live_now_ms();
    count = lv_stream_count(st);

    for (i = 1; i <= count; i++) {

        if (ngx_live_view_stream(st, i, &view) != NGX_OK) {
            continue;
        }

        sums->viewers += viewers[i];
        sums->tracks += view.tracks;

        if (view.state <= LV_STREAM_ENDED) {
            sums->state[view.state]++;
        }

        if (view.state == LV_STREAM_STARTING) {
            sums->publishers++;
        }

        if (view.state != LV_STREAM_LIVE) {
            continue;
        }

        sums->publishers++;

        for (n = 0; n < view.tracks; n++) {
            sums->bitrate += view.track[n].desc.last_bps;
        }

        sums->skew_ms = ngx_max(sums->skew_ms, (uint64_t) ngx_abs(
                                                   (int64_t) view.skew_ms));

        if (view.input_ms != 0 && now > view.input_ms) {
            sums->silence_ms = ngx_max(sums->silence_ms, now - view.input_ms);
        }
    }
}


static void
ngx_live_metrics_store(lv_text_t *t, lv_store_t *st)
{
    lv_store_stat_t  stat;

    lv_store_stat(st, &stat);

    ngx_live_metrics_gauge(t, "ngx_live_store_size_bytes",
                           "Memory of the store for media.",
                           (uint64_t) stat.extents * LV_EXTENT);
    ngx_live_metrics_gauge(t, "ngx_live_store_free_bytes",
                           "Memory of the store that is free.",
                           (uint64_t) stat.extents_free * LV_EXTENT);
    ngx_live_metrics_gauge(t, "ngx_live_store_pinned_bytes",
                           "Evicted media that is still being sent.",
                           (uint64_t) stat.extents_limbo * LV_EXTENT);
    ngx_live_metrics_gauge(t, "ngx_live_store_reserved_bytes",
                           "Memory promised to the streams at admission.",
                           (uint64_t) stat.extents_reserved * LV_EXTENT);
    ngx_live_metrics_gauge(t, "ngx_live_store_streams_limit",
                           "Streams that the store has room for.",
                           stat.streams);
    ngx_live_metrics_gauge(t, "ngx_live_store_workers_limit",
                           "Worker processes that the store has room for.",
                           LV_SLOTS);
    ngx_live_metrics_counter(t, "ngx_live_store_evicted_segments_total",
                             "Segments evicted before their time for want of "
                             "memory.", stat.evictions);
    ngx_live_metrics_counter(t, "ngx_live_store_repairs_total",
                             "Times that the store was put right after a "
                             "process died.", stat.repairs);
}


static void
ngx_live_metrics_control(lv_text_t *t, lv_store_t *st)
{
    uint64_t           now;
    lv_cluster_stat_t  stat;

    lv_cluster_stat(st, &stat);
    now = ngx_live_now_ms();

    ngx_live_metrics_gauge(t, "ngx_live_draining",
                           "1: no new publishers are let in.",
                           stat.draining ? 1 : 0);
    ngx_live_metrics_gauge(t, "ngx_live_control_up",
                           "1: the control plane answered the last heartbeat.",
                           stat.active && stat.up ? 1 : 0);
    ngx_live_metrics_gauge_ms(t, "ngx_live_control_heartbeat_age_seconds",
                              "Since the last heartbeat that was answered; 0 "
                              "before the first one.",
                              stat.beat_ms && now > stat.beat_ms
                              ? now - stat.beat_ms : 0);
    ngx_live_metrics_counter(t, "ngx_live_control_heartbeats_total",
                             "Heartbeats that were answered.", stat.beats);
    ngx_live_metrics_counter(t, "ngx_live_control_heartbeats_failed_total",
                             "Heartbeats that were not.", stat.failures);
    ngx_live_metrics_gauge(t, "ngx_live_control_keys",
                           "Signing keys that the control plane has given.",
                           stat.keys);
    ngx_live_metrics_gauge(t, "ngx_live_control_revocations",
                           "Revocations that are in force.",
                           stat.revocations);
    ngx_live_metrics_counter(t, "ngx_live_control_revocations_lost_total",
                             "Revocations that found no room.",
                             stat.revocations_lost);
    ngx_live_metrics_gauge(t, "ngx_live_control_events",
                           "Events that the control plane has not taken yet.",
                           stat.events);
    ngx_live_metrics_counter(t, "ngx_live_control_events_lost_total",
                             "Events that it has not taken in time.",
                             stat.events_lost);
}


static void
ngx_live_metrics_bus(lv_text_t *t, lv_store_t *st)
{
    lv_bus_stat_t  stat;

    lv_bus_stat(st, &stat);

    ngx_live_metrics_gauge(t, "ngx_live_redis_up",
                           "1: Redis answers, both ways.", stat.up ? 1 : 0);
    ngx_live_metrics_gauge(t, "ngx_live_redis_nodes",
                           "Other nodes that are heard of.", stat.peers);
    ngx_live_metrics_gauge(t, "ngx_live_redis_unsent_entries",
                           "What was said in the rooms and is not with the "
                           "other nodes yet.", stat.unsent);
    ngx_live_metrics_gauge_ms(t, "ngx_live_redis_lag_seconds",
                              "How old the last batch of another node was "
                              "when it was read.", stat.lag_ms);
}


static void
ngx_live_metrics_head(lv_text_t *t, const char *name, const char *type,
    const char *help)
{
    lv_text_lit(t, "# HELP ");
    lv_text_str(t, name);
    lv_text_lit(t, " ");
    lv_text_str(t, help);
    lv_text_lit(t, "\n# TYPE ");
    lv_text_str(t, name);
    lv_text_lit(t, " ");
    lv_text_str(t, type);
    lv_text_lit(t, "\n");
}


static void
ngx_live_metrics_value(lv_text_t *t, const char *name, const char *label,
    uint64_t n)
{
    lv_text_str(t, name);

    if (label != NULL) {
        lv_text_lit(t, "{");
        lv_text_str(t, label);
        lv_text_lit(t, "}");
    }

    lv_text_lit(t, " ");
    lv_text_uint(t, n);
    lv_text_lit(t, "\n");
}


static void
ngx_live_metrics_gauge(lv_text_t *t, const char *name, const char *help,
    uint64_t n)
{
    ngx_live_metrics_head(t, name, "gauge", help);
    ngx_live_metrics_value(t, name, NULL, n);
}


static void
ngx_live_metrics_counter(lv_text_t *t, const char *name, const char *help,
    uint64_t n)
{
    ngx_live_metrics_head(t, name, "counter", help);
    ngx_live_metrics_value(t, name, NULL, n);
}


static void
ngx_live_metrics_gauge_ms(lv_text_t *t, const char *name, const char *help,
    uint64_t ms)
{
    ngx_live_metrics_head(t, name, "gauge", help);
    lv_text_str(t, name);
    lv_text_lit(t, " ");
    lv_text_seconds(t, ms * 1000);
    lv_text_lit(t, "\n");
}

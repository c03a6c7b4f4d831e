/* What the leader tells the control plane every two seconds. */

#include "ngx_live_chat_sync.h"
#include "lv_json.h"


#define NGX_LIVE_BEAT_BODY      (8 * 1024 * 1024)
#define NGX_LIVE_BEAT_EVENTS    256     /* at a time */
#define NGX_LIVE_BEAT_SESSIONS  2000
#define NGX_LIVE_BEAT_IDLE      30      /* s, of viewers */


static ngx_int_t ngx_live_heartbeat_send(lv_store_t *st);
static void ngx_live_heartbeat_node(lv_json_t *j, lv_store_t *st,
    lv_cluster_stat_t *stat);
static int64_t ngx_live_heartbeat_capacity(lv_store_stat_t *store);
static void ngx_live_heartbeat_cpu(lv_json_t *j);
static void ngx_live_heartbeat_seen(lv_json_t *j, lv_store_t *st,
    lv_cluster_stat_t *stat);
static void ngx_live_heartbeat_streams(lv_json_t *j, lv_store_t *st);
static void ngx_live_heartbeat_stream(lv_json_t *j, lv_store_t *st,
    lv_stream_t *s, uint32_t state, uint32_t viewers);
static void ngx_live_heartbeat_tracks(lv_json_t *j, lv_store_t *st,
    lv_stream_t *s);
static void ngx_live_heartbeat_track(lv_json_t *j, lv_track_desc_t *d);
static void ngx_live_heartbeat_events(lv_json_t *j, lv_store_t *st);
static void ngx_live_heartbeat_sessions(lv_json_t *j, lv_store_t *st);
static void ngx_live_heartbeat_reply(void *data, ngx_live_reply_t *reply);
static void ngx_live_heartbeat_field(lv_json_t *j, const char *name,
    const char *text, size_t size);


static ngx_live_call_t  *ngx_live_heartbeat_call;
static ngx_uint_t        ngx_live_heartbeat_fails;
static ngx_msec_t        ngx_live_heartbeat_interval = NGX_LIVE_BEAT_MS;
static uint32_t          ngx_live_heartbeat_cursor;
static uint32_t          ngx_live_heartbeat_viewers[LV_STREAMS_MAX + 1];
static lv_event_t        ngx_live_heartbeat_list[NGX_LIVE_BEAT_EVENTS];
static lv_token_seen_t   ngx_live_heartbeat_tokens[NGX_LIVE_BEAT_SESSIONS];


ngx_msec_t
ngx_live_heartbeat(lv_store_t *st)
{
    ngx_msec_t  ms;

    if (ngx_live_heartbeat_call != NULL) {
        return 1;
    }

    (void) ngx_live_heartbeat_send(st);

    if (ngx_live_heartbeat_fails == 0) {
        return ngx_live_heartbeat_interval;
    }

    /* from the beginning of one to that of the next; nodes are not to come
     * back all at once */

    ms = ngx_min(NGX_LIVE_BEAT_MS + 500 * ngx_live_heartbeat_fails,
                 NGX_LIVE_BEAT_MAX_MS);

    return ms - (ngx_msec_t) ngx_random() % (ms / 4);
}


void
ngx_live_heartbeat_stop(void)
{
    if (ngx_live_heartbeat_call != NULL) {
        ngx_live_call_cancel(ngx_live_heartbeat_call);
        ngx_live_heartbeat_call = NULL;
    }
}


static ngx_int_t
ngx_live_heartbeat_send(lv_store_t *st)
{
    lv_str_t                  body;
    lv_json_t                 j;
    lv_text_t                 t;
    lv_cluster_stat_t         stat;
    ngx_live_cluster_conf_t  *ccf;

    ccf = ngx_live_cluster_conf((ngx_cycle_t *) ngx_cycle);

    lv_cluster_stat(st, &stat);

    lv_text_init(&t, NGX_LIVE_BEAT_BODY);
    lv_json_init(&j, &t);

    lv_json_open(&j, NULL, '{');
    ngx_live_heartbeat_node(&j, st, &stat);
    ngx_live_heartbeat_seen(&j, st, &stat);
    ngx_live_heartbeat_streams(&j, st);
    ngx_live_heartbeat_events(&j, st);
    ngx_live_heartbeat_sessions(&j, st);
    lv_json_close(&j, '}');

    body.data = t.data;
    body.len = t.len;

    if (!t.failed) {
        ngx_live_heartbeat_call = ngx_live_call(ccf->control,
                                      "/internal/heartbeat", body,
                                      ccf->node_key, NGX_LIVE_CALL_MS,
                                      ngx_live_heartbeat_reply, st);
    }

    lv_text_free(&t);

    if (ngx_live_heartbeat_call == NULL) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "live: a heartbeat could not be made");
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* A field of the store: not always terminated; empty is null. */

static void
ngx_live_heartbeat_field(lv_json_t *j, const char *name, const char *text,
    size_t size)
{
    size_t  len;

    len = size ? strnlen(text, size) : 0;

    if (len) {
        lv_json_str(j, name, text, len);

    } else {
        lv_json_null(j, name);
    }
}


static void
ngx_live_heartbeat_node(lv_json_t *j, lv_store_t *st,
    lv_cluster_stat_t *stat)
{
    unsigned                  slot;
    ngx_uint_t                workers;
    lv_slot_info_t            info;
    lv_store_stat_t           store;
    ngx_live_cluster_conf_t  *ccf;

    ccf = ngx_live_cluster_conf((ngx_cycle_t *) ngx_cycle);

    workers = 0;

    for (slot = 0; slot < LV_SLOTS; slot++) {
        lv_store_slot_info(st, slot, &info);
        workers += info.used ? 1 : 0;
    }

    lv_store_stat(st, &store);

    lv_json_open(j, "node", '{');
    lv_json_str(j, "id", (char *) ccf->node_id.data, ccf->node_id.len);
    lv_json_int(j, "epoch", (int64_t) stat->created_ms);
    lv_json_text(j, "version", NGX_LIVE_VERSION);
    lv_json_int(j, "started", (int64_t) (stat->created_ms / 1000));
    lv_json_bool(j, "draining", stat->draining);
    ngx_live_heartbeat_field(j, "rtmp_url", (char *) ccf->rtmp_url.data,
                             ccf->rtmp_url.len);
    ngx_live_heartbeat_field(j, "http_url", (char *) ccf->http_url.data,
                             ccf->http_url.len);
    ngx_live_heartbeat_cpu(j);
    lv_json_int(j, "workers", (int64_t) workers);

    lv_json_open(j, "store", '{');
    lv_json_int(j, "size", (int64_t) store.extents * LV_EXTENT);
    lv_json_int(j, "used", (int64_t) (store.extents - store.extents_free)
                           * LV_EXTENT);
    lv_json_close(j, '}');

    lv_json_open(j, "capacity", '{');
    lv_json_int(j, "publishers_max", ngx_live_heartbeat_capacity(&store));
    lv_json_close(j, '}');
    lv_json_close(j, '}');
}


/* Publishers with the settings of live{} that the store promises room to: 95 %
 * of it, four segments each. */

static int64_t
ngx_live_heartbeat_capacity(lv_store_stat_t *store)
{
    uint64_t               room, one;
    ngx_live_media_conf_t  media;

    ngx_live_media_conf_init(&media);
    ngx_live_media_conf_get((ngx_cycle_t *) ngx_cycle, &media);

    room = (uint64_t) store->extents * LV_EXTENT / 100 * 95;
    one = 4 * (uint64_t) media.segment * media.max_bitrate / 8000;

    return (int64_t) ngx_min(room / one, store->streams);
}


/* The machine's load since the last heartbeat: /proc/stat is memory, reading
 * it does not wait for a disk. */

static void
ngx_live_heartbeat_cpu(lv_json_t *j)
{
    int                  fd, n;
    char                 buf[256];
    ssize_t              len;
    uint64_t             v[8], all, idle;
    static uint64_t      last_all, last_idle;

    ngx_memzero(v, sizeof(v));
    len = 0;

    fd = open("/proc/stat", O_RDONLY|O_CLOEXEC);

    if (fd != -1) {
        len = read(fd, buf, sizeof(buf) - 1);
        (void) close(fd);
    }

    buf[len > 0 ? len : 0] = '\0';

    n = sscanf(buf, "cpu %lu %lu %lu %lu %lu %lu %lu %lu", &v[0], &v[1],
               &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]);

    all = v[0] + v[1] + v[2] + v[3] + v[4] + v[5] + v[6] + v[7];
    idle = v[3] + v[4];

    if (n == 8 && last_all != 0 && all > last_all && idle >= last_idle) {
        lv_json_milli(j, "cpu", 1000 - (idle - last_idle) * 1000
                                       / (all - last_all));

    } else {
        lv_json_int(j, "cpu", 0);
    }

    last_all = all;
    last_idle = idle;
}


static void
ngx_live_heartbeat_seen(lv_json_t *j, lv_store_t *st,
    lv_cluster_stat_t *stat)
{
    char    done[LV_CLUSTER_DONE][LV_CLUSTER_TEXT];
    size_t  i, n;

    n = lv_command_done(st, done, LV_CLUSTER_DONE);

    lv_json_open(j, "seen", '{');
    ngx_live_heartbeat_field(j, "keys", stat->keys_version,
                             sizeof(stat->keys_version));
    lv_json_int(j, "revocations", (int64_t) stat->revocations_version);
    ngx_live_chat_seen(j, st);
    lv_json_open(j, "commands", '[');

    for (i = 0; i < n; i++) {
        lv_json_text(j, NULL, done[i]);
    }

    lv_json_close(j, ']');
    lv_json_close(j, '}');
}


static void
ngx_live_heartbeat_streams(lv_json_t *j, lv_store_t *st)
{
    uint32_t      i, n, gen, state;
    lv_stream_t  *s;

    lv_session_count(st, (uint32_t) ngx_time(), NGX_LIVE_BEAT_IDLE,
                     ngx_live_heartbeat_viewers);

    n = lv_stream_count(st);

    lv_json_open(j, "streams", '[');

    for (i = 1; i <= n; i++) {
        s = lv_stream_at(st, i, &gen);
        state = s ? atomic_load(&s->state) : LV_STREAM_FREE;

        if (state != LV_STREAM_FREE) {
            ngx_live_heartbeat_stream(j, st, s, state,
                                      ngx_live_heartbeat_viewers[i]);
        }
    }

    lv_json_close(j, ']');
}


static void
ngx_live_heartbeat_stream(lv_json_t *j, lv_store_t *st, lv_stream_t *s,
    uint32_t state, uint32_t viewers)
{
    u_char           session[NGX_INT64_LEN + NGX_INT32_LEN + 2];
    const char      *name;
    lv_publisher_t   pub;

    lv_stream_publisher(s, &pub);

    name = state == LV_STREAM_ENDED ? "ended"
           : state == LV_STREAM_INTERRUPTED ? "filling" : "live";

    (void) ngx_sprintf(session, "%uL-%uD%Z", pub.since_ms,
                       (uint32_t) (atomic_load(&s->owner) >> 32));

    lv_json_open(j, NULL, '{');
    lv_json_str(j, "id", s->id, ngx_min(s->id_len, LV_STREAM_ID_MAX));
    lv_json_int(j, "epoch", atomic_load(&s->epoch));
    lv_json_text(j, "state", name);
    ngx_live_heartbeat_field(j, "broadcast", pub.broadcast,
                             sizeof(pub.broadcast));
    lv_json_text(j, "session", (char *) session);
    ngx_live_heartbeat_field(j, "protocol", pub.protocol,
                             sizeof(pub.protocol));
    ngx_live_heartbeat_field(j, "addr", pub.addr, sizeof(pub.addr));
    ngx_live_heartbeat_field(j, "encoder", pub.encoder, sizeof(pub.encoder));
    lv_json_int(j, "since", (int64_t) (pub.since_ms / 1000));
    lv_json_int(j, "viewers", viewers);
    lv_json_int(j, "skew_ms", atomic_load(&s->skew_ms));
    ngx_live_heartbeat_tracks(j, st, s);
    lv_json_close(j, '}');
}


static void
ngx_live_heartbeat_tracks(lv_json_t *j, lv_store_t *st, lv_stream_t *s)
{
    unsigned          i, n;
    uint64_t          bitrate;
    uint32_t          fps, gop;
    lv_track_t       *t;
    lv_track_desc_t   d;

    n = ngx_min(atomic_load(&s->track_count), LV_STREAM_TRACKS);
    bitrate = 0;
    fps = 0;
    gop = 0;

    lv_json_open(j, "tracks", '[');

    for (i = 0; i < n; i++) {
        t = lv_stream_track_at(st, s, i);

        if (t == NULL || lv_track_desc(t, &d) != LV_OK) {
            continue;
        }

        ngx_live_heartbeat_track(j, &d);
        bitrate += d.last_bps;

        if (d.kind == LV_KIND_VIDEO) {
            fps = d.fps_milli;
            gop = d.gop_ms;
        }
    }

    lv_json_close(j, ']');
    lv_json_int(j, "bitrate", (int64_t) bitrate);
    lv_json_milli(j, "fps", fps);
    lv_json_int(j, "gop_ms", gop);
}


static void
ngx_live_heartbeat_track(lv_json_t *j, lv_track_desc_t *d)
{
    lv_json_open(j, NULL, '{');
    ngx_live_heartbeat_field(j, "name", d->name, sizeof(d->name));
    lv_json_text(j, "type", d->kind == LV_KIND_VIDEO ? "video" : "audio");
    ngx_live_heartbeat_field(j, "codec", d->codecs, sizeof(d->codecs));

    if (d->kind == LV_KIND_VIDEO) {
        lv_json_int(j, "width", d->width);
        lv_json_int(j, "height", d->height);
        lv_json_milli(j, "fps", d->fps_milli);
    }

    lv_json_int(j, "bitrate", d->last_bps);
    lv_json_close(j, '}');
}


static void
ngx_live_heartbeat_events(lv_json_t *j, lv_store_t *st)
{
    u_char       id[NGX_INT64_LEN + 1];
    size_t       i, n;
    lv_event_t  *ev;

    static const char  *types[] = {
        "", "publish.start", "publish.stop", "publish.refused", "stream.ended"
    };

    n = lv_event_list(st, ngx_live_heartbeat_list, NGX_LIVE_BEAT_EVENTS);

    lv_json_open(j, "events", '[');

    for (i = 0; i < n; i++) {
        ev = &ngx_live_heartbeat_list[i];

        if (ev->type < LV_EVENT_PUBLISH_START
            || ev->type > LV_EVENT_STREAM_ENDED)
        {
            continue;
        }

        (void) ngx_sprintf(id, "%uL%Z", ev->id);

        lv_json_open(j, NULL, '{');
        lv_json_text(j, "id", (char *) id);
        lv_json_text(j, "type", types[ev->type]);
        ngx_live_heartbeat_field(j, "stream", ev->stream,
                                 sizeof(ev->stream));
        ngx_live_heartbeat_field(j, "broadcast", ev->broadcast,
                                 sizeof(ev->broadcast));
        lv_json_int(j, "time", (int64_t) (ev->time_ms / 1000));
        ngx_live_heartbeat_field(j, "reason", ev->reason,
                                 sizeof(ev->reason));
        lv_json_int(j, "bytes", (int64_t) ev->bytes);
        lv_json_int(j, "frames", (int64_t) ev->frames);
        ngx_live_heartbeat_field(j, "protocol", ev->protocol,
                                 sizeof(ev->protocol));
        ngx_live_heartbeat_field(j, "addr", ev->addr, sizeof(ev->addr));
        lv_json_close(j, '}');
    }

    lv_json_close(j, ']');
}


static void
ngx_live_heartbeat_sessions(lv_json_t *j, lv_store_t *st)
{
    size_t            i, n;
    lv_token_seen_t  *seen;

    n = lv_token_seen(st, &ngx_live_heartbeat_cursor, (uint32_t) ngx_time(),
                      NGX_LIVE_BEAT_IDLE, ngx_live_heartbeat_tokens,
                      NGX_LIVE_BEAT_SESSIONS);

    lv_json_open(j, "sessions", '[');

    for (i = 0; i < n; i++) {
        seen = &ngx_live_heartbeat_tokens[i];

        lv_json_open(j, NULL, '{');
        lv_json_text(j, "jti", seen->jti);
        lv_json_text(j, "stream", seen->stream);
        lv_json_close(j, '}');
    }

    lv_json_close(j, ']');
}


static void
ngx_live_heartbeat_reply(void *data, ngx_live_reply_t *reply)
{
    lv_store_t               *st = data;
    const char               *err;
    ngx_live_cluster_conf_t  *ccf;

    ngx_live_heartbeat_call = NULL;
    ccf = ngx_live_cluster_conf((ngx_cycle_t *) ngx_cycle);
    err = reply->error;

    if (reply->status == 200) {
        ngx_live_heartbeat_interval = NGX_LIVE_BEAT_MS;

        if (ngx_live_answer(st, &reply->body, &ngx_live_heartbeat_interval,
                            &err)
            != NGX_OK)
        {
            reply->status = 0;
        }
    }

    lv_cluster_beat(st, reply->status == 200, ngx_live_now_ms());

    if (reply->status == 200) {

        if (ngx_live_heartbeat_fails) {
            ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                          "live: the control plane \"%V\" answers again",
                          ngx_live_endpoint_url(ccf->control));
        }

        ngx_live_heartbeat_fails = 0;
        return;
    }

    if (ngx_live_heartbeat_fails++ == 0) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "live: the control plane \"%V\" does not answer the "
                      "heartbeat (%s, status %ui); what runs goes on",
                      ngx_live_endpoint_url(ccf->control),
                      err ? err : "refused", reply->status);
    }
}

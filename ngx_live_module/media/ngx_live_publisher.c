#include "ngx_live_publisher.h"
#include "ngx_live_media.h"
#include "ngx_live_ticker.h"

#include <openssl/crypto.h>


#define NGX_LIVE_SILENCE_MS         3000    /* then anybody may take over */
#define NGX_LIVE_DISPLACED_MS       10000   /* the loser does not come back … */
#define NGX_LIVE_SENDING_MS         1000    /* … while media came since */
#define NGX_LIVE_ALONE_MS           2000    /* nobody takes viewers any more */


struct ngx_live_publisher_s {
    ngx_queue_t            queue;
    ngx_live_tick_t        tick;
    ngx_log_t             *log;
    lv_packager_t         *packager;
    void                 (*close)(void *data, ngx_live_stop_e why);
    void                  *data;
    uint64_t               started_ms;
    uint64_t               dropped;      /* frames, as counted so far */
    char                   id[LV_STREAM_ID_MAX + 1];
};


static ngx_int_t ngx_live_publisher_id(ngx_str_t *id);
static ngx_uint_t ngx_live_publisher_is(const char *addr,
    ngx_live_publish_t *req);
static const char *ngx_live_publisher_admit(lv_store_t *st,
    ngx_live_publish_t *req, lv_publisher_t *pub, uint64_t now,
    ngx_uint_t *counter);
static const char *ngx_live_publisher_conflict(ngx_live_publish_t *req,
    lv_publisher_t *pub, uint64_t now);
static void ngx_live_publisher_before(lv_store_t *st,
    ngx_live_publish_t *req);
static void ngx_live_publisher_describe(ngx_live_publish_t *req,
    lv_publisher_t *pub, uint64_t now);
static void ngx_live_publisher_event(void *ctx, lv_pack_event_t ev,
    const char *text);
static void ngx_live_publisher_tick(void *data);
static void ngx_live_publisher_dirty(lv_store_t *st, uint32_t stream);
static void ngx_live_publisher_count(ngx_live_publisher_t *p);
static ngx_uint_t ngx_live_publisher_outdated(lv_store_t *st,
    ngx_live_core_conf_t *lcf);
static ngx_uint_t ngx_live_publisher_alone(lv_store_t *st);
static void ngx_live_publisher_close_all(void);
static void ngx_live_publisher_second(lv_store_t *st, uint64_t now_ms);
static void ngx_live_publisher_exit(lv_store_t *st);


static ngx_queue_t  ngx_live_publishers;
static ngx_msec_t   ngx_live_exiting_since;
static ngx_msec_t   ngx_live_others_seen;


static ngx_int_t
ngx_live_publisher_id(ngx_str_t *id)
{
    u_char  c;
    size_t  i;

    if (id->len == 0 || id->len > LV_STREAM_ID_MAX) {
        return NGX_ERROR;
    }

    for (i = 0; i < id->len; i++) {
        c = id->data[i];

        if ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')
            || (i > 0 && (c == '-' || c == '_')))
        {
            continue;
        }

        return NGX_ERROR;
    }

    return NGX_OK;
}


/* NULL, or why it may not publish; what of that is counted. */

static const char *
ngx_live_publisher_admit(lv_store_t *st, ngx_live_publish_t *req,
    lv_publisher_t *pub, uint64_t now, ngx_uint_t *counter)
{
    *counter = NGX_LIVE_C_PUBLISH_REFUSED_BAD;

    if (st == NULL) {
        return "the server has no live{ live_store … }";
    }

    if (ngx_live_publisher_id(&req->id) != NGX_OK) {
        return "a stream id is 1 to 64 letters, digits, \"-\" and \"_\"";
    }

    if (lv_cluster_draining(st)) {
        *counter = NGX_LIVE_C_PUBLISH_REFUSED_DRAIN;
        return "this server is being emptied, please publish to another one";
    }

    *counter = NGX_LIVE_C_PUBLISH_REFUSED_BUSY;

    return ngx_live_publisher_conflict(req, pub, now);
}


ngx_live_publisher_t *
ngx_live_publisher_start(ngx_live_publish_t *req, const char **reason)
{
    uint64_t               now;
    ngx_uint_t             counter;
    lv_store_t            *st;
    lv_publisher_t         pub;
    lv_packager_conf_t     conf;
    ngx_live_publisher_t  *p;

    st = ngx_live_store();
    now = ngx_live_now_ms();
    ngx_memzero(&pub, sizeof(lv_publisher_t));

    *reason = ngx_live_publisher_admit(st, req, &pub, now, &counter);

    if (*reason != NULL) {
        goto refused;
    }

    ngx_live_publisher_describe(req, &pub, now);

    p = ngx_calloc(sizeof(ngx_live_publisher_t), req->log);
    if (p == NULL) {
        *reason = "the server is out of memory";
        counter = NGX_LIVE_C_PUBLISH_REFUSED_FULL;
        goto refused;
    }

    p->log = req->log;
    p->close = req->close;
    p->data = req->data;
    p->started_ms = now;
    ngx_memcpy(p->id, req->id.data, req->id.len);

    conf.part_us = (uint32_t) req->media->part * 1000;
    conf.segment_ms = (uint32_t) req->media->segment;
    conf.window_ms = (uint32_t) req->media->window;
    conf.resume_ms = (uint32_t) req->media->resume;
    conf.max_bitrate = req->media->max_bitrate;
    conf.muxed = req->media->muxed;

    ngx_live_publisher_before(st, req);

    p->packager = lv_packager_create(st, p->id, req->id.len, &conf, &pub, now,
                                     ngx_live_publisher_event, p, reason);
    if (p->packager == NULL) {
        ngx_free(p);
        counter = NGX_LIVE_C_PUBLISH_REFUSED_FULL;
        goto refused;
    }

    p->dropped = atomic_load(
                     &lv_packager_stream(p->packager)->frames_dropped);

    p->tick.handler = ngx_live_publisher_tick;
    p->tick.data = p;
    p->tick.keep = 1;

    ngx_live_tick_add(&p->tick);
    ngx_queue_insert_tail(&ngx_live_publishers, &p->queue);

    ngx_live_count(NGX_LIVE_C_PUBLISH_STARTED, 1);

    ngx_log_error(NGX_LOG_NOTICE, req->log, 0,
                  "live: publish of \"%s\" started, %s from %V", p->id,
                  req->protocol, req->addr);

    ngx_live_media_tell(LV_EVENT_PUBLISH_START,
                        lv_packager_stream(p->packager), "");

    return p;

refused:

    ngx_live_count(counter, 1);

    ngx_log_error(NGX_LOG_ERR, req->log, 0,
                  "live: publish refused, %s from %V: %s", req->protocol,
                  req->addr, *reason);

    ngx_live_publisher_refused(&req->id, req->protocol, req->addr, *reason);

    return NULL;
}


static ngx_uint_t
ngx_live_publisher_is(const char *addr, ngx_live_publish_t *req)
{
    size_t  len;

    len = ngx_min(req->addr->len, sizeof(((lv_publisher_t *) 0)->addr) - 1);

    return ngx_strncmp(addr, req->addr->data, len) == 0 && addr[len] == '\0';
}


/*
 * The same broadcaster takes its stream over at once, anybody else after
 * three seconds of silence, whether the publisher is still connected or has
 * gone. Who has just been displaced by the same broadcaster's other encoder
 * waits as long as that one sends, or the two would take turns for ever. Of
 * two that have one address nobody can tell who comes back: there, too, the
 * one that sends keeps the stream.
 */

static const char *
ngx_live_publisher_conflict(ngx_live_publish_t *req, lv_publisher_t *pub,
    uint64_t now)
{
    uint32_t         gen, state;
    uint64_t         input, heard;
    ngx_uint_t       recent;
    lv_store_t      *st;
    lv_stream_t     *s;
    lv_publisher_t   cur;

    st = ngx_live_store();

    s = lv_stream_find(st, (char *) req->id.data, req->id.len, &gen);
    if (s == NULL) {
        return NULL;
    }

    state = atomic_load(&s->state);

    if (state == LV_STREAM_FREE || state == LV_STREAM_ENDED) {
        return NULL;
    }

    lv_stream_publisher(s, &cur);

    /* one that has just begun has sent nothing yet */

    input = atomic_load(&s->input_ms);
    heard = ngx_max(input, cur.since_ms);

    if (CRYPTO_memcmp(cur.owner_key, req->owner_key, 32) != 0) {
        return now > heard + NGX_LIVE_SILENCE_MS
               ? NULL : "somebody else is publishing this stream";
    }

    recent = now < cur.displaced_ms + NGX_LIVE_DISPLACED_MS;

    if (state == LV_STREAM_INTERRUPTED) {
        /* nobody is displaced; who was before is still not to come back */
        ngx_memcpy(pub->displaced_addr, cur.displaced_addr,
                   sizeof(cur.displaced_addr));
        pub->displaced_ms = cur.displaced_ms;

        return NULL;
    }

    if (recent && ngx_live_publisher_is(cur.displaced_addr, req)
        && now <= input + NGX_LIVE_SENDING_MS)
    {
        return "another encoder with the same key has taken over";
    }

    if (recent && ngx_live_publisher_is(cur.addr, req)
        && !ngx_live_publisher_is(cur.displaced_addr, req))
    {
        /* the winner comes back: the loser is still the other one */
        ngx_memcpy(pub->displaced_addr, cur.displaced_addr,
                   sizeof(cur.displaced_addr));
        pub->displaced_ms = cur.displaced_ms;

        return NULL;
    }

    ngx_memcpy(pub->displaced_addr, cur.addr, sizeof(cur.addr));
    pub->displaced_ms = now;

    return NULL;
}


static void
ngx_live_publisher_describe(ngx_live_publish_t *req, lv_publisher_t *pub,
    uint64_t now)
{
    size_t  i, len;

    len = ngx_min(req->addr->len, sizeof(pub->addr) - 1);
    ngx_memcpy(pub->addr, req->addr->data, len);

    ngx_cpystrn((u_char *) pub->protocol, (u_char *) req->protocol,
                sizeof(pub->protocol));

    len = ngx_min(req->encoder.len, sizeof(pub->encoder) - 1);

    for (i = 0; i < len; i++) {
        pub->encoder[i] = (req->encoder.data[i] >= 0x20
                           && req->encoder.data[i] < 0x7f)
                          ? (char) req->encoder.data[i] : '?';
    }

    if (req->broadcast != NULL) {
        ngx_cpystrn((u_char *) pub->broadcast, (u_char *) req->broadcast,
                    sizeof(pub->broadcast));
    }

    ngx_memcpy(pub->owner_key, req->owner_key, 32);
    pub->since_ms = now;
    pub->pid = (uint32_t) ngx_pid;
}


/* Somebody comes back before anyone has noticed that a worker died. */

static void
ngx_live_publisher_before(lv_store_t *st, ngx_live_publish_t *req)
{
    uint32_t         gen;
    lv_stream_t     *s;
    lv_publisher_t   pub;

    s = lv_stream_find(st, (char *) req->id.data, req->id.len, &gen);
    if (s == NULL) {
        return;
    }

    lv_stream_publisher(s, &pub);

    if (pub.pid != 0 && kill((pid_t) pub.pid, 0) == -1
        && ngx_errno == NGX_ESRCH)
    {
        ngx_live_publisher_died(s, req->log);
    }
}


void
ngx_live_publisher_died(lv_stream_t *s, ngx_log_t *log)
{
    lv_publisher_t   pub;

    lv_stream_publisher(s, &pub);

    if (!lv_stream_publisher_stopped(ngx_live_store(), s, pub.pid,
                                     pub.since_ms))
    {
        return;
    }

    ngx_live_count(NGX_LIVE_C_PUBLISH_STOPPED, 1);

    ngx_log_error(NGX_LOG_NOTICE, log, 0,
                  "live: publish of \"%s\" lost: its worker %uD died", s->id,
                  pub.pid);

    ngx_live_media_tell(LV_EVENT_PUBLISH_STOP, s, "the worker died");
}


void
ngx_live_publisher_stop(ngx_live_publisher_t *p, ngx_live_stop_e why,
    const char *text)
{
    lv_stream_t        *s;
    uint64_t            now;
    ngx_uint_t          ended;
    static const char  *how[] = {
        "lost", "finished", "displaced", "ended", "kicked"
    };

    now = ngx_live_now_ms();
    s = lv_packager_stream(p->packager);
    ended = (why == NGX_LIVE_STOP_FINISHED || why == NGX_LIVE_STOP_KICKED);

    ngx_live_tick_del(&p->tick);
    ngx_queue_remove(&p->queue);

    if (why != NGX_LIVE_STOP_DISPLACED) {
        ngx_live_publisher_count(p);
    }

    ngx_live_media_tell(LV_EVENT_PUBLISH_STOP, s, text);

    if (why != NGX_LIVE_STOP_DISPLACED) {
        (void) lv_stream_publisher_stopped(ngx_live_store(), s,
                                           (uint32_t) ngx_pid, p->started_ms);
    }

    if (ended) {
        ngx_live_media_tell(LV_EVENT_STREAM_ENDED, s, text);
        lv_packager_finish(p->packager, now);

    } else if (why != NGX_LIVE_STOP_DISPLACED) {
        lv_packager_lost(p->packager, now);
    }

    lv_packager_destroy(p->packager);

    ngx_live_count(NGX_LIVE_C_PUBLISH_STOPPED, 1);

    if (why == NGX_LIVE_STOP_DISPLACED) {
        ngx_live_count(NGX_LIVE_C_PUBLISH_DISPLACED, 1);
    }

    if (why == NGX_LIVE_STOP_KICKED) {
        ngx_live_count(NGX_LIVE_C_PUBLISH_KICKED, 1);
    }

    if (ended) {
        ngx_live_count(NGX_LIVE_C_STREAM_ENDED, 1);
    }

    ngx_log_error(NGX_LOG_NOTICE, p->log, 0,
                  "live: publish of \"%s\" %s after %uL ms: %s", p->id,
                  how[why], now - p->started_ms, text);

    ngx_free(p);
}


lv_packager_t *
ngx_live_publisher_packager(ngx_live_publisher_t *p)
{
    return p->packager;
}


static void
ngx_live_publisher_event(void *ctx, lv_pack_event_t ev, const char *text)
{
    ngx_live_publisher_t  *p = ctx;

    ngx_live_media_event(p->log, p->id, ev, text);
}


static void
ngx_live_publisher_tick(void *data)
{
    ngx_live_publisher_t  *p = data;

    if (lv_packager_tick(p->packager, ngx_live_now_ms()) != LV_OK) {
        p->close(p->data, NGX_LIVE_STOP_DISPLACED);
        return;
    }

    if (lv_stream_kicked(lv_packager_stream(p->packager)) != NULL) {
        p->close(p->data, NGX_LIVE_STOP_KICKED);
        return;
    }

    ngx_live_publisher_count(p);
}


/* The bell that goes with a kick is quicker than the tick. */

static void
ngx_live_publisher_dirty(lv_store_t *st, uint32_t stream)
{
    uint32_t               gen;
    ngx_queue_t           *q;
    lv_stream_t           *s;
    ngx_live_publisher_t  *p;

    s = lv_stream_at(st, stream, &gen);

    if (s == NULL || lv_stream_kicked(s) == NULL) {
        return;
    }

    for (q = ngx_queue_head(&ngx_live_publishers);
         q != ngx_queue_sentinel(&ngx_live_publishers);
         q = ngx_queue_next(q))
    {
        p = ngx_queue_data(q, ngx_live_publisher_t, queue);

        if (lv_packager_stream(p->packager) == s) {
            ngx_live_publisher_tick(p);
            return;
        }
    }
}


/* Adds the frames that were dropped since the last time to the metric. */

static void
ngx_live_publisher_count(ngx_live_publisher_t *p)
{
    uint64_t  n;

    n = atomic_load(&lv_packager_stream(p->packager)->frames_dropped);

    if (n > p->dropped) {
        ngx_live_count(NGX_LIVE_C_INGEST_DROPPED, (int64_t) (n - p->dropped));
    }

    p->dropped = n;
}


/* Are there live_drain_max newer generations, or has this one, the oldest, to
 * make room since few slots are left? */

static ngx_uint_t
ngx_live_publisher_outdated(lv_store_t *st, ngx_live_core_conf_t *lcf)
{
    ngx_int_t       i, newer;
    unsigned        slot, used, older;
    uint32_t        seen[LV_SLOTS];
    lv_slot_info_t  info;

    newer = 0;
    used = 0;
    older = 0;

    for (slot = 0; slot < LV_SLOTS; slot++) {

        lv_store_slot_info(st, slot, &info);

        if (!info.used) {
            continue;
        }

        used++;

        if (info.generation < lcf->generation) {
            older++;
        }

        if (info.generation <= lcf->generation) {
            continue;
        }

        for (i = 0; i < newer; i++) {
            if (seen[i] == info.generation) {
                break;
            }
        }

        if (i == newer) {
            seen[newer++] = info.generation;
        }
    }

    return newer >= lcf->drain_max
           || (older == 0 && used > LV_SLOTS - LV_SLOTS / 8);
}


/* Nginx stops, rather than to be loaded anew or upgraded: for a while there has
 * been no worker that takes viewers, so what is published nobody can see. */

static ngx_uint_t
ngx_live_publisher_alone(lv_store_t *st)
{
    unsigned        slot;
    lv_slot_info_t  info;

    for (slot = 0; slot < LV_SLOTS; slot++) {
        lv_store_slot_info(st, slot, &info);

        if (info.used && !info.leaving) {
            ngx_live_others_seen = ngx_current_msec;
            return 0;
        }
    }

    return ngx_current_msec - ngx_live_others_seen >= NGX_LIVE_ALONE_MS;
}


static void
ngx_live_publisher_close_all(void)
{
    ngx_queue_t           *q, *next;
    ngx_live_publisher_t  *p;

    for (q = ngx_queue_head(&ngx_live_publishers);
         q != ngx_queue_sentinel(&ngx_live_publishers);
         q = next)
    {
        next = ngx_queue_next(q);
        p = ngx_queue_data(q, ngx_live_publisher_t, queue);
        p->close(p->data, NGX_LIVE_STOP_LOST);
    }
}


/* An old worker keeps its publishers for live_drain_timeout, or until too many
 * generations have come after it, or while there is another one. */

static void
ngx_live_publisher_second(lv_store_t *st, uint64_t now_ms)
{
    ngx_live_core_conf_t  *lcf;

    if (!ngx_exiting) {
        return;
    }

    if (ngx_live_exiting_since == 0) {
        ngx_live_exiting_since = ngx_current_msec;
        ngx_live_others_seen = ngx_current_msec;
        lv_store_leaving(st);
        return;
    }

    lcf = ngx_live_core_conf((ngx_cycle_t *) ngx_cycle);

    if (lcf == NULL
        || (ngx_current_msec - ngx_live_exiting_since < lcf->drain_timeout
            && !ngx_live_publisher_outdated(st, lcf)
            && !ngx_live_publisher_alone(st)))
    {
        return;
    }

    ngx_live_publisher_close_all();
}


/* Told to stop at once (TERM): nginx closes no connection then, and calls no
 * pool's cleanups. */

static void
ngx_live_publisher_exit(lv_store_t *st)
{
    ngx_live_publisher_close_all();
}


ngx_int_t
ngx_live_publisher_init(void)
{
    ngx_queue_init(&ngx_live_publishers);

    if (ngx_live_on_dirty(ngx_live_publisher_dirty) != NGX_OK
        || ngx_live_on_exit(ngx_live_publisher_exit) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_live_on_second(ngx_live_publisher_second);
}

/*
 * Media that comes faster than it plays: a file sent without a clock, or time
 * stamps made up. Names and dates of a live stream must not run ahead of the
 * wall clock, so such a peer is read no faster than it plays; TCP tells it to
 * wait and nothing is lost.
 *
 * A leaky bucket of media time. It may be some seconds ahead from the start
 * (an encoder's first GOP comes at once), and whoever fell behind, after a
 * network stall, may catch up. It leaks a little faster than the clock, since
 * encoders' clocks are off by some parts in 10,000.
 */

#include "ngx_live_rtmp.h"


#define NGX_LIVE_PACE_AHEAD    10000    /* ms; then reading pauses */
#define NGX_LIVE_PACE_RESUME   9000     /* ms; until it is no more than that */
#define NGX_LIVE_PACE_MOST     30000    /* ms; messages beyond are dropped */
#define NGX_LIVE_PACE_BEHIND   (-30000)
#define NGX_LIVE_PACE_PAUSE    2000     /* ms; the longest pause at a time */


static int64_t
ngx_live_rtmp_media_ms(ngx_live_rtmp_ctx_t *ctx)
{
    int64_t                     last;
    ngx_uint_t                  i;
    const lv_timeline_track_t  *t;

    last = 0;

    for (i = 0; i < LV_TIMELINE_TRACKS; i++) {
        t = &ctx->flv->timeline.track[i];

        if (t->started && t->last > last) {
            last = t->last;
        }
    }

    return last / 90;
}


void
ngx_live_rtmp_pace_start(ngx_live_rtmp_ctx_t *ctx)
{
    ctx->media_ms = -1;
    ctx->ahead_ms = 0;
    ctx->paced_ms = ngx_current_msec;
}


static void
ngx_live_rtmp_pace_leak(ngx_live_rtmp_ctx_t *ctx)
{
    int64_t  passed;

    passed = (ngx_msec_int_t) (ngx_current_msec - ctx->paced_ms);

    if (passed > 0) {
        ctx->ahead_ms -= passed + passed / 1000;
        ctx->paced_ms = ngx_current_msec;
    }

    ctx->ahead_ms = ngx_max(ctx->ahead_ms, NGX_LIVE_PACE_BEHIND);
}


void
ngx_live_rtmp_pace(ngx_live_rtmp_ctx_t *ctx)
{
    int64_t  media;

    media = ngx_live_rtmp_media_ms(ctx);

    if (ctx->media_ms >= 0 && media > ctx->media_ms) {
        ctx->ahead_ms += media - ctx->media_ms;
    }

    ctx->media_ms = ngx_max(media, ctx->media_ms);

    ngx_live_rtmp_pace_leak(ctx);
}


ngx_uint_t
ngx_live_rtmp_pace_ok(ngx_live_rtmp_ctx_t *ctx)
{
    return ctx->ahead_ms < NGX_LIVE_PACE_MOST;
}


ngx_msec_t
ngx_live_rtmp_pace_pause(ngx_live_rtmp_ctx_t *ctx)
{
    if (ctx->publisher == NULL) {
        return 0;
    }

    ngx_live_rtmp_pace_leak(ctx);

    if (ctx->ahead_ms <= NGX_LIVE_PACE_AHEAD) {
        return 0;
    }

    return (ngx_msec_t) ngx_min(ctx->ahead_ms - NGX_LIVE_PACE_RESUME,
                                NGX_LIVE_PACE_PAUSE);
}

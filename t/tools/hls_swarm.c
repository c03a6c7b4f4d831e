/*
 * Many HLS viewers of one stream, in one process.
 *
 *   hls_swarm [-n viewers] [-t seconds] [-r ramp_seconds] [-p | -B] [-L log]
 *             http://A.B.C.D:PORT/PATH/index.m3u8 [second media playlist]
 *
 * With https: it is HTTP/2 over TLS.
 *
 * Each viewer has one keep-alive connection for each media playlist given
 * (video and audio renditions: two; muxed: one). Low-latency viewers do what
 * hls.js does: a blocking reload for the next part (_HLS_msn, _HLS_part, with
 * _HLS_skip=YES where the playlist offers it, gzip accepted), then that part,
 * and so on. With -p they are plain ones: the playlist every target duration,
 * and each new segment. With -B they only reload, and fetch nothing: for how
 * long it takes to wake them all.
 *
 * A playlist is read only by the first viewer that gets it; what it says is
 * shared, and the others' copies are dropped unread. So the generator costs
 * little, and asks for the same as real players.
 *
 * The numbers are from the end of the ramp to the end of the run, printed as
 * one line of name=value. "late" is how long after the first viewer a viewer
 * had a part; one that is later than the hold-back (3 part targets, or plain 3
 * target durations) counts as a stall. "due" is how many parts all viewers
 * together should have had: those that became known meanwhile, times viewers.
 * "spread" is, for each blocking reload that at least half of the viewers were
 * waiting for, the time from the first viewer's first byte to the last one's.
 * With -L each is also written to a file:
 *
 *   first_ns last_ns waiting msn part
 *
 * Prints "ready" at the end of the ramp.
 */

#include "httpc.h"
#include "hls_track.h"

#define RELOAD_PAUSE_NS  (80 * MS_NS)   /* with -B */


typedef struct {
    track_t       list;
    httpc_url_t   url;
    char          base[400];
    uint64_t      measured;             /* list.n when we began to measure */
} rendition_t;

typedef enum { V_PLAYLIST, V_INIT, V_RELOAD, V_PART, V_IDLE } step_e;

typedef struct {
    httpc_t       http;                 /* first: epoll events point at it */
    rendition_t  *rendition;
    track_t      *track;                /* its list */
    step_e        step;
    bool          alive;
    bool          started;
    uint64_t      next;                 /* the part to have next */
    uint64_t      ask_msn;
    unsigned      ask_part;
    bool          waits;                /* asked for what was not there yet */
    int64_t       reload_ns;            /* plain: when the playlist is due */
} viewer_t;


static struct {
    unsigned      n;
    double        seconds;
    double        ramp;
    bool          plain;
    bool          reload_only;
    FILE         *log;
} opt = { .n = 1, .seconds = 10, .ramp = 2 };

static struct {
    uint64_t        playlists;
    uint64_t        parts;
    uint64_t        bytes;
    uint64_t        bad;
    uint64_t        closed;
    uint64_t        stalls;
    int             last_bad;
    tool_samples_t  late;
    tool_samples_t  spread;
} stat;

static rendition_t  renditions[2];
static unsigned     nrenditions;
static int          ep;
static bool         measuring;


/* ---- a viewer ---- */

static void
viewer_get(viewer_t *v, const char *uri, step_e step, bool keep)
{
    char  path[600];

    snprintf(path, sizeof(path), "%s%s",
             uri[0] == '/' ? "" : v->rendition->base, uri);
    v->step = step;
    v->http.zip_ok = step <= V_RELOAD && step != V_INIT;
    httpc_get(&v->http, path, keep);
}


static void
viewer_reload(viewer_t *v)
{
    char      path[600];
    track_t  *t = v->track;

    v->waits = v->next >= t->n;

    if (v->waits) {
        v->ask_msn = t->next_msn;
        v->ask_part = t->next_part;
    } else {
        v->ask_msn = t->parts[v->next % TRACK_RING].msn;
        v->ask_part = t->parts[v->next % TRACK_RING].part;
    }

    snprintf(path, sizeof(path), "%s?_HLS_msn=%llu&_HLS_part=%u%s",
             v->rendition->url.path, (unsigned long long) v->ask_msn,
             v->ask_part,
             t->skip ? "&_HLS_skip=YES" : "");

    viewer_get(v, path, V_RELOAD, true);
}


/* After a playlist: the next part or segment; plain: or wait for the next. */
static void
viewer_next(viewer_t *v)
{
    track_t  *t = v->track;

    if (opt.reload_only) {

        /* The next reload only when all have this answer: sending it now
         * would delay reading the others'. */

        v->next = t->n;
        v->reload_ns = now_ns() + RELOAD_PAUSE_NS;
        v->step = V_IDLE;
        return;
    }

    if (v->next < t->n) {

        if (t->n - v->next > TRACK_RING / 2) {
            v->next = t->n - 1;
        }

        viewer_get(v, t->parts[v->next % TRACK_RING].uri, V_PART, false);
        return;
    }

    if (!opt.plain) {
        viewer_reload(v);
        return;
    }

    v->step = V_IDLE;
}


static void
viewer_playlist(viewer_t *v)
{
    char      *text;
    bool       fresh;
    track_part_t    *p;
    track_t   *t = v->track;
    int64_t    now = now_ns();
    uint64_t   before = t->n;

    /* An answer that cannot hold anything new is not read. */

    fresh = !v->started || opt.plain || v->next >= t->n;

    if (fresh) {
        text = httpc_text(&v->http);
        track_parse(t, text);
        free(text);
    }

    stat.playlists += measuring;

    if (v->step == V_RELOAD && v->waits && v->next < t->n) {
        p = &t->parts[v->next % TRACK_RING];
        p->waiting++;

        if (p->first_ns == 0 || v->http.first_ns < p->first_ns) {
            p->first_ns = v->http.first_ns;
        }

        if (v->http.first_ns > p->last_ns) {
            p->last_ns = v->http.first_ns;
        }
    }

    if (opt.plain) {
        v->reload_ns = now + (int64_t) (t->target * SEC_NS
                                        / (t->n == before && v->started
                                           && v->next >= t->n ? 2 : 1));
    }

    if (!v->started) {
        v->started = true;
        v->next = t->n > 3 ? t->n - 3 : 0;

        if (t->map[0] != '\0') {
            viewer_get(v, t->map, V_INIT, false);
            return;
        }
    }

    viewer_next(v);
}


static void
viewer_part(viewer_t *v)
{
    track_t  *t = v->track;
    track_part_t   *p = &t->parts[v->next % TRACK_RING];
    int64_t   late, limit;

    v->next++;

    if (measuring) {
        late = now_ns() - p->seen_ns;
        limit = (int64_t) (3 * (opt.plain ? t->target : t->part_target)
                           * SEC_NS);
        stat.parts++;
        stat.stalls += late > limit && limit > 0;
        tool_samples_add(&stat.late, late);
    }

    if (opt.plain) {
        viewer_next(v);
    } else {
        viewer_reload(v);
    }
}


static void
viewer_open(viewer_t *v, unsigned number)
{
    v->alive = true;
    v->http.tls = v->rendition->url.tls;
    httpc_open(&v->http, ep, v->rendition->url.host, v->rendition->url.port,
               number + 1);
    viewer_get(v, v->rendition->url.path, V_PLAYLIST, true);
}


static void
viewer_event(viewer_t *v, uint32_t events)
{
    int  rc = httpc_event(&v->http, events);

    if (rc == HTTPC_AGAIN) {
        return;
    }

    if (rc == HTTPC_CLOSED) {
        stat.closed++;
        stat.bytes += measuring ? v->http.rx_bytes : 0;
        v->http.rx_bytes = 0;
        v->started = false;
        httpc_close(&v->http);
        viewer_open(v, (unsigned) stat.closed);
        return;
    }

    if (v->http.status != 200) {
        stat.bad++;
        stat.last_bad = v->http.status;

        if (stat.bad <= 5) {
            fprintf(stderr, "%d: %.120s\n", v->http.status,
                    v->http.req);
        }

        if (v->http.status == 503 && v->step == V_RELOAD) {
            viewer_reload(v);
            return;
        }

        if (v->step == V_PART) {
            v->next = v->track->n > 3 ? v->track->n - 3 : 0;
        }

        v->reload_ns = now_ns() + SEC_NS;
        v->step = V_IDLE;
        return;
    }

    switch (v->step) {

    case V_PLAYLIST:
    case V_RELOAD:
        viewer_playlist(v);
        break;

    case V_INIT:
        viewer_next(v);
        break;

    case V_PART:
        viewer_part(v);
        break;

    default:
        break;
    }
}


/* ---- */

static void
options(int argc, char **argv)
{
    int          i, n;
    char        *slash;
    httpc_url_t  url;

    static const tool_option_t  table[] = {
        { 'n', TOOL_UNSIGNED, &opt.n },
        { 't', TOOL_REAL, &opt.seconds },
        { 'r', TOOL_REAL, &opt.ramp },
        { 'p', TOOL_FLAG, &opt.plain },
        { 'B', TOOL_FLAG, &opt.reload_only },
        { 'L', TOOL_FILE, &opt.log },
        { 0, TOOL_FLAG, NULL }
    };

    n = tool_options(argc, argv, table);

    nrenditions = (unsigned) n;

    if (nrenditions < 1 || nrenditions > 2 || opt.n < 1 || opt.seconds <= 0) {
        die("hls_swarm [-n viewers] [-t seconds] [-r ramp_seconds] [-p | -B] "
            "[-L log] http://A.B.C.D:PORT/PATH/index.m3u8 [another]");
    }

    for (i = 0; i < n; i++) {
        url = httpc_url(argv[optind + i]);
        snprintf(renditions[i].base, sizeof(renditions[i].base), "%s",
                 url.path);
        renditions[i].url = url;
        renditions[i].list.plain = opt.plain;
        slash = strrchr(renditions[i].base, '/');
        slash[1] = '\0';
    }
}


/* Spreads of the blocking reloads that ended while we measured. */
static void
spreads(track_t *t, int64_t from_ns)
{
    track_part_t    *p;
    uint64_t   i;

    for (i = t->n > TRACK_RING ? t->n - TRACK_RING : 0; i < t->n; i++) {
        p = &t->parts[i % TRACK_RING];

        if (p->first_ns < from_ns || p->waiting < (opt.n + 1) / 2) {
            continue;
        }

        tool_samples_add(&stat.spread, p->last_ns - p->first_ns);

        if (opt.log != NULL) {
            fprintf(opt.log, "%lld %lld %u %llu %u\n", (long long) p->first_ns,
                    (long long) p->last_ns, p->waiting,
                    (unsigned long long) p->msn, p->part);
        }
    }
}


static void
report(viewer_t *viewers, unsigned total, double seconds)
{
    unsigned        i;
    uint64_t        due = 0;
    struct rusage   ru;

    for (i = 0; i < total; i++) {
        stat.bytes += viewers[i].http.rx_bytes;
    }

    for (i = 0; i < nrenditions; i++) {
        due += (renditions[i].list.n - renditions[i].measured) * opt.n;
    }

    getrusage(RUSAGE_SELF, &ru);

    printf("viewers=%u playlists=%llu parts=%llu due=%llu bytes=%llu bad=%llu "
           "last_bad=%d closed=%llu stalls=%llu seconds=%.3f "
           "late_ms_p50=%.1f late_ms_p99=%.1f late_ms_max=%.1f "
           "spread_ms_p50=%.2f spread_ms_max=%.2f spreads=%zu "
           "own_cpu=%.2f\n",
           opt.n, (unsigned long long) stat.playlists,
           (unsigned long long) stat.parts, (unsigned long long) due,
           (unsigned long long) stat.bytes,
           (unsigned long long) stat.bad, stat.last_bad,
           (unsigned long long) stat.closed,
           (unsigned long long) stat.stalls, seconds,
           (double) tool_samples_at(&stat.late, 0.5) / MS_NS,
           (double) tool_samples_at(&stat.late, 0.99) / MS_NS,
           (double) tool_samples_at(&stat.late, 1) / MS_NS,
           (double) tool_samples_at(&stat.spread, 0.5) / MS_NS,
           (double) tool_samples_at(&stat.spread, 1) / MS_NS, stat.spread.n,
           (double) (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec)
           + (double) (ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6);
}


/* Starts the viewers whose time has come, and plain ones' due reloads. */
static unsigned
timers(viewer_t *viewers, unsigned total, unsigned opened, int64_t begin,
    int64_t now)
{
    unsigned   i;
    int64_t    ramp = (int64_t) (opt.ramp * SEC_NS);
    viewer_t  *v;

    while (opened < total
           && begin + ramp * (int64_t) opened / (int64_t) total <= now)
    {
        viewer_open(&viewers[opened], opened);
        opened++;
    }

    for (i = 0; i < opened; i++) {
        v = &viewers[i];

        if (v->step == V_IDLE && v->alive && now >= v->reload_ns
            && v->reload_ns != 0 && !v->http.busy)
        {
            if (opt.reload_only && v->started) {
                viewer_reload(v);
            } else {
                viewer_get(v, v->rendition->url.path, V_PLAYLIST, true);
            }
        }
    }

    return opened;
}


int
main(int argc, char **argv)
{
    int                  i, n;
    viewer_t            *viewers;
    unsigned             k, total, opened = 0;
    int64_t              begin, now, from = 0, end, tick = 0;
    struct epoll_event   events[512];

    options(argc, argv);
    tool_signals();
    tool_raise_files();

    ep = epoll_create1(EPOLL_CLOEXEC);
    total = opt.n * nrenditions;
    viewers = tool_alloc(total * sizeof(viewer_t));

    for (k = 0; k < total; k++) {
        viewers[k].rendition = &renditions[k % nrenditions];
        viewers[k].track = &viewers[k].rendition->list;
        viewers[k].http.fd = -1;
    }

    begin = now_ns();
    end = begin + (int64_t) ((opt.ramp + opt.seconds) * SEC_NS);

    while (!tool_stop && (now = now_ns()) < end) {

        if (now >= tick) {
            opened = timers(viewers, total, opened, begin, now);
            tick = now + 5 * MS_NS;
        }

        if (!measuring && now >= begin + (int64_t) (opt.ramp * SEC_NS)) {
            measuring = true;
            from = now;

            for (k = 0; k < total; k++) {
                viewers[k].http.rx_bytes = 0;
            }

            for (k = 0; k < nrenditions; k++) {
                renditions[k].measured = renditions[k].list.n;
            }

            puts("ready");
            fflush(stdout);
        }

        n = epoll_wait(ep, events, 512, 5);

        for (i = 0; i < n; i++) {
            viewer_event(events[i].data.ptr, events[i].events);
        }
    }

    for (k = 0; k < nrenditions; k++) {
        spreads(&renditions[k].list, from);
    }

    report(viewers, total, (double) (now_ns() - from) / SEC_NS);

    if (opt.log != NULL) {
        fclose(opt.log);
    }

    return 0;
}

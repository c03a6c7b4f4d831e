/*
 * Viewers and chat members for an installation of one's own, in one process.
 *
 *   live_load [-V playlist] [-v viewers] [-C chat] [-c members] [-m messages]
 *             [-e reactions] [-T token] [-t seconds] [-r ramp] [-p] [-k] [-q]
 *
 *   -V URL   a playlist, http: or https:; of a multivariant one the first
 *            variant is played, and its audio where that is apart
 *   -v N     viewers (1): each does what a low-latency player does, a blocking
 *            reload for the next part and then that part; -p: plain ones
 *   -C URL   a room, http:, https:, ws: or wss:
 *   -c N     members (1)
 *   -m N     messages a second, -e N reactions a second, of all of them
 *   -T TEXT  a token for all, or @FILE: one a line, in turn
 *   -t N     seconds (30), -r N seconds over which they come (5)
 *   -k       certificates are not checked        -q  the summary only
 *
 * Each second a line says what was in it; the last line is the whole run after
 * the ramp, as name=value. Times are in ms. Of viewers, "fetch" is from asking
 * for a part to having it whole, and a stall is when a player that began three
 * parts behind the edge has nothing left to play. Of members, "late" is from
 * writing a message to having it back, at any of them; "missing" is what was
 * accepted and has not come. Who is closed comes back after a second or more.
 *
 * Exits with 1 when there was a stall, an error, or something missing.
 */

#include "live_load.h"
#include "live_load_viewer.h"
#include "live_load_member.h"


static const char  *token_text;


static double
hist_ms(const load_hist_t *h, double part)
{
    size_t    i;
    uint64_t  sum = 0, to;

    if (h->n == 0) {
        return 0;
    }

    to = (uint64_t) (part * (double) (h->n - 1)) + 1;

    for (i = 0; i < LOAD_HIST && (sum += h->count[i]) < to; i++) {
        /* void */
    }

    return pow(1.05, (double) i + 0.5) / 1000;
}


static void
hist_merge(load_hist_t *to, const load_hist_t *from)
{
    size_t  i;

    for (i = 0; i < LOAD_HIST; i++) {
        to->count[i] += from->count[i];
    }

    to->n += from->n;
}


/* ---- the run ---- */

static void
read_tokens(void)
{
    FILE    *f;
    char     line[4096];
    size_t   n;

    if (token_text == NULL) {
        return;
    }

    if (token_text[0] != '@') {
        tokens = tool_alloc(sizeof(char *));
        tokens[ntokens++] = strdup(token_text);
        return;
    }

    f = fopen(token_text + 1, "r");

    if (f == NULL) {
        die("%s: %s", token_text + 1, strerror(errno));
    }

    while (fgets(line, sizeof(line), f)) {
        n = strcspn(line, "\r\n");
        line[n] = '\0';

        if (n) {
            tokens = realloc(tokens, (ntokens + 1) * sizeof(char *));

            if (tokens == NULL) {
                die("out of memory");
            }

            tokens[ntokens++] = strdup(line);
        }
    }

    fclose(f);
}


/* What came in this second; what counts is added to the whole. */
static void
second(double at, double passed)
{
    load_stat_t  *s = &now_stat;

    if (!opt.quiet) {
        printf("%6.1fs%s", at, load_measuring ? "" : " ramp");

        if (opt.playlist) {
            printf("  viewers %u: %.0f parts/s %.1f Mbit/s fetch p50 %.1f p99 "
                   "%.1f stalls %llu", viewers_live,
                   (double) s->parts / passed,
                   (double) s->bytes * 8 / 1e6 / passed,
                   hist_ms(&s->fetch, 0.5), hist_ms(&s->fetch, 0.99),
                   (unsigned long long) s->stalls);
        }

        if (opt.chat) {
            printf("  members %u: %.0f sent/s %.0f delivered/s late p50 %.1f "
                   "p99 %.1f refused %llu", members_live,
                   (double) s->sent / passed, (double) s->delivered / passed,
                   hist_ms(&s->late, 0.5), hist_ms(&s->late, 0.99),
                   (unsigned long long) s->refused);
        }

        printf("  closed %llu errors %llu\n", (unsigned long long) s->closed,
               (unsigned long long) s->errors);
        fflush(stdout);
    }

    all_stat.closed += s->closed;
    all_stat.errors += s->errors;

    if (load_measuring) {
        all_stat.parts += s->parts;
        all_stat.playlists += s->playlists;
        all_stat.bytes += s->bytes;
        all_stat.stalls += s->stalls;
        all_stat.sent += s->sent;
        all_stat.accepted += s->accepted;
        all_stat.refused += s->refused;
        all_stat.expected += s->expected;
        all_stat.delivered += s->delivered;
        all_stat.doubled += s->doubled;
        all_stat.reactions += s->reactions;
        hist_merge(&all_stat.fetch, &s->fetch);
        hist_merge(&all_stat.late, &s->late);
    }

    memset(s, 0, sizeof(*s));
}


static int
summary(double seconds)
{
    uint64_t      missing;
    load_stat_t  *s = &all_stat;

    missing = s->expected > s->delivered ? s->expected - s->delivered : 0;

    printf("seconds=%.1f", seconds);

    if (opt.playlist) {
        printf(" viewers=%u playlists=%llu parts=%llu bytes=%llu stalls=%llu "
               "fetch_ms_p50=%.1f fetch_ms_p99=%.1f", opt.viewers,
               (unsigned long long) s->playlists,
               (unsigned long long) s->parts, (unsigned long long) s->bytes,
               (unsigned long long) s->stalls, hist_ms(&s->fetch, 0.5),
               hist_ms(&s->fetch, 0.99));
    }

    if (opt.chat) {
        printf(" members=%u sent=%llu accepted=%llu refused=%llu "
               "delivered=%llu missing=%llu doubled=%llu reactions=%llu "
               "late_ms_p50=%.1f late_ms_p99=%.1f", opt.members,
               (unsigned long long) s->sent,
               (unsigned long long) s->accepted,
               (unsigned long long) s->refused,
               (unsigned long long) s->delivered,
               (unsigned long long) missing,
               (unsigned long long) s->doubled,
               (unsigned long long) s->reactions, hist_ms(&s->late, 0.5),
               hist_ms(&s->late, 0.99));
    }

    printf(" closed=%llu errors=%llu\n", (unsigned long long) s->closed,
           (unsigned long long) s->errors);

    return s->stalls || missing || s->doubled || s->errors ? 1 : 0;
}


static void
wait_events(int ms)
{
    int                 i, n;
    load_client_t      *c;
    struct epoll_event  events[512];

    n = epoll_wait(load_ep, events, 512, ms);

    for (i = 0; i < n; i++) {
        c = events[i].data.ptr;

        if (c->stream.fd != -1) {
            c->event(c);
        }
    }
}


/* What was accepted and is still under way. */
static bool
under_way(void)
{
    return all_stat.delivered + now_stat.delivered
           < all_stat.expected + now_stat.expected;
}


/* The end of the messages, then half a second for those under way, and some
 * more while any are. */
static double
run(void)
{
    double    at;
    int64_t   begin, now, last, tick, from, stop, end;

    begin = last = tick = now_ns();
    from = begin + (int64_t) (opt.ramp * SEC_NS);
    stop = from + (int64_t) (opt.seconds * SEC_NS);
    end = stop + (opt.chat ? SEC_NS / 2 : 0);

    while (!tool_stop
           && ((now = now_ns()) < end
               || (now < stop + 5 * SEC_NS && under_way())))
    {

        if (now - last >= SEC_NS || (!load_measuring && now >= from)) {
            at = (double) (now - begin) / SEC_NS;
            second(at, (double) (now - last) / SEC_NS);
            last = now;
            load_measuring = now >= from;
        }

        if (now - tick >= 5 * MS_NS) {
            at = opt.ramp > 0 ? (double) (now - begin) / (opt.ramp * SEC_NS)
                              : 1;
            viewers_tick(at < 1 ? at : 1, now);
            members_tick(at < 1 ? at : 1, now,
                         load_measuring && now < stop
                         ? (double) (now - tick) / SEC_NS : 0);
            tick = now;
        }

        wait_events(5);
    }

    now = now_ns();
    second((double) (now - begin) / SEC_NS, (double) (now - last) / SEC_NS);

    return now > from ? (double) ((now < stop ? now : stop) - from) / SEC_NS
                      : 0;
}


int
main(int argc, char **argv)
{
    double                      seconds;
    static const tool_option_t  table[] = {
        { 'V', TOOL_TEXT, &opt.playlist },
        { 'v', TOOL_UNSIGNED, &opt.viewers },
        { 'C', TOOL_TEXT, &opt.chat },
        { 'c', TOOL_UNSIGNED, &opt.members },
        { 'm', TOOL_REAL, &opt.messages },
        { 'e', TOOL_REAL, &opt.reactions },
        { 'T', TOOL_TEXT, &token_text },
        { 't', TOOL_REAL, &opt.seconds },
        { 'r', TOOL_REAL, &opt.ramp },
        { 'p', TOOL_FLAG, &opt.plain },
        { 'k', TOOL_FLAG, &stream_insecure },
        { 'q', TOOL_FLAG, &opt.quiet },
        { 0, TOOL_FLAG, NULL }
    };

    if (tool_options(argc, argv, table) != 0
        || (opt.playlist == NULL && opt.chat == NULL)
        || opt.viewers == 0 || opt.members == 0)
    {
        die("usage: live_load [-V playlist-URL] [-v viewers] [-C chat-URL] "
            "[-c members]\n    [-m messages] [-e reactions] [-T token|@file] "
            "[-t seconds] [-r ramp] [-p] [-k] [-q]");
    }

    tool_signals();
    tool_raise_files();
    read_tokens();

    load_ep = epoll_create1(EPOLL_CLOEXEC);

    if (load_ep == -1) {
        die("epoll_create1: %s", strerror(errno));
    }

    if (opt.playlist) {
        viewers_init();
    }

    if (opt.chat) {
        members_init();
    }

    seconds = run();

    return summary(seconds);
}

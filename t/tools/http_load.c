/*
 * Asks for the same URLs again and again on keep-alive connections.
 *
 *   http_load [-c connections] [-t seconds | -n requests] [-z] [-u]
 *             http://A.B.C.D:PORT/PATH ...
 *
 * Each connection asks for the URLs in turn; -z accepts gzip; with -u every
 * request has a User-Agent of its own, as if it were another viewer. Prints one
 * line of name=value: the requests answered with 200, others, bytes, latencies.
 */

#include "httpc.h"


static struct {
    unsigned      n;
    double        seconds;
    uint64_t      requests;
    bool          zip;
    bool          agents;
    httpc_url_t  *urls;
    unsigned      nurls;
} opt = { .n = 8 };


static void
options(int argc, char **argv)
{
    int  i, n;

    static const tool_option_t  table[] = {
        { 'c', TOOL_UNSIGNED, &opt.n },
        { 't', TOOL_REAL, &opt.seconds },
        { 'n', TOOL_NUMBER, &opt.requests },
        { 'z', TOOL_FLAG, &opt.zip },
        { 'u', TOOL_FLAG, &opt.agents },
        { 0, TOOL_FLAG, NULL }
    };

    n = tool_options(argc, argv, table);

    if (n == 0 || opt.n < 1
        || (opt.seconds > 0) == (opt.requests > 0))
    {
        die("http_load [-c connections] [-t seconds | -n requests] [-z] "
            "[-u] http://A.B.C.D:PORT/PATH ...");
    }

    opt.nurls = (unsigned) n;
    opt.urls = tool_alloc(opt.nurls * sizeof(httpc_url_t));

    for (i = 0; i < n; i++) {
        opt.urls[i] = httpc_url(argv[optind + i]);
    }
}


static void
ask(httpc_t *c, uint64_t number)
{
    char  agent[32];

    if (opt.agents) {
        snprintf(agent, sizeof(agent), "viewer-%llu",
                 (unsigned long long) number);
        c->agent = agent;
    }

    httpc_get(c, opt.urls[number % opt.nurls].path, false);
    c->agent = NULL;
}


int
main(int argc, char **argv)
{
    int                  i, n, ep;
    bool                 stopping = false;
    httpc_t             *conns, *c;
    int64_t              begin, now, end, last = 0;
    unsigned             k, busy = 0;
    uint64_t             asked = 0, good = 0, bad = 0, bytes = 0;
    tool_samples_t       times = { 0 };
    struct epoll_event   events[256];

    options(argc, argv);
    tool_signals();
    tool_raise_files();

    ep = epoll_create1(EPOLL_CLOEXEC);
    conns = tool_alloc(opt.n * sizeof(httpc_t));
    begin = now_ns();
    end = opt.seconds > 0 ? begin + (int64_t) (opt.seconds * SEC_NS)
                          : INT64_MAX;

    for (k = 0; k < opt.n; k++) {
        c = &conns[k];
        c->zip_ok = opt.zip;
        httpc_open(c, ep, opt.urls[0].host, opt.urls[0].port, k);
        ask(c, asked++);
        busy++;
    }

    while (busy > 0 && !tool_stop) {
        n = epoll_wait(ep, events, 256, 1000);
        now = now_ns();
        stopping = now >= end || (opt.requests && asked >= opt.requests);

        if (now >= end + 5 * SEC_NS) {
            break;
        }

        for (i = 0; i < n; i++) {
            c = events[i].data.ptr;

            switch (httpc_event(c, events[i].events)) {

            case HTTPC_AGAIN:
                continue;

            case HTTPC_CLOSED:
                bad += c->busy;
                bytes += c->rx_bytes;
                c->rx_bytes = 0;
                httpc_close(c);
                httpc_open(c, ep, opt.urls[0].host, opt.urls[0].port, 1);
                break;

            default:
                good += c->status == 200 || c->status == 206;
                bad += c->status != 200 && c->status != 206;
                last = now_ns();
                tool_samples_add(&times, last - c->asked_ns);
            }

            if (stopping) {
                bytes += c->rx_bytes;
                httpc_close(c);
                busy--;
                continue;
            }

            ask(c, asked++);
        }
    }

    printf("requests=%llu bad=%llu bytes=%llu seconds=%.3f "
           "us_p50=%lld us_p99=%lld us_max=%lld\n",
           (unsigned long long) good, (unsigned long long) bad,
           (unsigned long long) bytes, (double) (now_ns() - begin) / SEC_NS,
           (long long) tool_samples_at(&times, 0.5) / 1000,
           (long long) tool_samples_at(&times, 0.99) / 1000,
           (long long) tool_samples_at(&times, 1) / 1000);

    return bad != 0;
}

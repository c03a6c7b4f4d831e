/*
 * API requests again and again on keep-alive connections, each with another
 * number in it.
 *
 *   api_load [-c connections] -t seconds [-m METHOD] [-b body] [-H header]
 *            [-k node-key-file] [-r N] http://A.B.C.D:PORT/PATH
 *
 * "%d" in path and body (once each) is a random number of 1..N. With -k each
 * request is signed as a node's. Prints one line of name=value: the requests
 * answered with 2xx, others (and the last such status), latencies.
 */

#include "httpc.h"
#include "lv_nodekey.h"

#include <sys/random.h>


static struct {
    unsigned        n;
    double          seconds;
    unsigned        range;
    const char     *method;
    const char     *body;
    const char     *header;
    lv_nodekeys_t  *keys;
    httpc_url_t     url;
} opt = { .n = 8, .range = 1, .method = "GET", .body = "" };


static lv_nodekeys_t *
node_keys(const char *path)
{
    FILE           *f;
    char            buf[LV_NODE_FILE_MAX];
    lv_str_t        text;
    const char     *err;
    lv_nodekeys_t  *keys;

    f = fopen(path, "r");
    if (f == NULL) {
        die("%s: %s", path, strerror(errno));
    }

    text.data = (uint8_t *) buf;
    text.len = fread(buf, 1, sizeof(buf), f);
    fclose(f);

    keys = lv_nodekeys_load(text, &err);
    if (keys == NULL) {
        die("%s: %s", path, err);
    }

    return keys;
}


static void
options(int argc, char **argv)
{
    int  c;

    while ((c = getopt(argc, argv, "c:t:m:b:H:k:r:")) != -1) {
        switch (c) {
        case 'c':
            opt.n = (unsigned) atoi(optarg);
            break;

        case 't':
            opt.seconds = atof(optarg);
            break;

        case 'm':
            opt.method = optarg;
            break;

        case 'b':
            opt.body = optarg;
            break;

        case 'H':
            opt.header = optarg;
            break;

        case 'k':
            opt.keys = node_keys(optarg);
            break;

        case 'r':
            opt.range = (unsigned) atoi(optarg);
            break;

        default:
            exit(2);
        }
    }

    if (optind + 1 != argc || opt.n < 1 || opt.seconds <= 0 || opt.range < 1) {
        die("api_load [-c connections] -t seconds [-m METHOD] [-b body] "
            "[-H header] [-k node-key-file] [-r N] "
            "http://A.B.C.D:PORT/PATH");
    }

    opt.url = httpc_url(argv[optind]);
}


/* text with the number in the place of its first "%d". */

static void
numbered(char *dst, size_t size, const char *text, unsigned number)
{
    const char  *at = strstr(text, "%d");

    if (at == NULL) {
        snprintf(dst, size, "%s", text);
        return;
    }

    snprintf(dst, size, "%.*s%u%s", (int) (at - text), text, number, at + 2);
}


static lv_str_t
text_str(const char *text)
{
    lv_str_t  str;

    str.data = (const uint8_t *) text;
    str.len = strlen(text);

    return str;
}


static void
ask(httpc_t *c)
{
    int       n;
    char      path[512], body[400], sign[LV_NODE_HEADER_MAX] = "";
    uint8_t   nonce[LV_NODE_NONCE];
    unsigned  number = 1 + (unsigned) random() % opt.range;

    numbered(path, sizeof(path), opt.url.path, number);
    numbered(body, sizeof(body), opt.body, number);

    if (opt.keys != NULL) {
        /* once each, in other runs too */
        if (getrandom(nonce, sizeof(nonce), 0) != sizeof(nonce)) {
            die("getrandom: %s", strerror(errno));
        }

        lv_node_sign(opt.keys, text_str(opt.method), text_str(path),
                     time(NULL), nonce, sign);
    }

    n = snprintf(c->req, sizeof(c->req),
                 "%s %s HTTP/1.1\r\nHost: localhost\r\n%s%s%s%s%s"
                 "Content-Length: %zu\r\n%s\r\n%s",
                 opt.method, path,
                 *sign ? "Authorization: " : "", sign, *sign ? "\r\n" : "",
                 opt.header ? opt.header : "", opt.header ? "\r\n" : "",
                 strlen(body),
                 *body ? "Content-Type: application/json\r\n" : "", body);

    if (n >= (int) sizeof(c->req)) {
        die("a long request");
    }

    httpc_ask(c, (size_t) n, false);
}


int
main(int argc, char **argv)
{
    int                  i, n, ep, status = 0;
    bool                 stopping = false;
    httpc_t             *conns, *c;
    int64_t              begin, now, end;
    unsigned             k, busy = 0;
    uint64_t             good = 0, bad = 0;
    tool_samples_t       times = { 0 };
    struct epoll_event   events[256];

    options(argc, argv);
    tool_signals();
    tool_raise_files();

    ep = epoll_create1(EPOLL_CLOEXEC);
    conns = tool_alloc(opt.n * sizeof(httpc_t));
    begin = now_ns();
    end = begin + (int64_t) (opt.seconds * SEC_NS);

    for (k = 0; k < opt.n; k++) {
        c = &conns[k];
        httpc_open(c, ep, opt.url.host, opt.url.port, k);
        ask(c);
        busy++;
    }

    while (busy > 0 && !tool_stop) {
        n = epoll_wait(ep, events, 256, 1000);
        now = now_ns();
        stopping = now >= end;

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
                httpc_close(c);
                httpc_open(c, ep, opt.url.host, opt.url.port, 1);
                break;

            default:
                if (c->status / 100 == 2) {
                    good++;
                } else {
                    bad++;
                    status = c->status;
                }

                tool_samples_add(&times, now_ns() - c->asked_ns);
            }

            if (stopping) {
                httpc_close(c);
                busy--;
                continue;
            }

            ask(c);
        }
    }

    printf("requests=%llu bad=%llu status=%d seconds=%.3f "
           "us_p50=%lld us_p99=%lld us_max=%lld\n",
           (unsigned long long) good, (unsigned long long) bad, status,
           (double) (now_ns() - begin) / SEC_NS,
           (long long) tool_samples_at(&times, 0.5) / 1000,
           (long long) tool_samples_at(&times, 0.99) / 1000,
           (long long) tool_samples_at(&times, 1) / 1000);

    return bad != 0;
}

/*
 * Receives one SRT publisher with the library's receiver and writes what it
 * sends into a file: for comparing with what went in, without nginx.
 *
 *   srt_recv PORT FILE [latency=MS] [passphrase=TEXT] [reject=CODE]
 *
 * Says "listening" when it does, then the figures as name=value when the
 * publisher has gone. Exits with 1 when nobody came within 20 s.
 */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <sys/socket.h>

#include "lv_srt_session.h"

#define IDLE_US   5000000

typedef struct {
    int                  fd;
    struct sockaddr_in   peer;
    FILE                *file;
    const char          *pass;
    unsigned             latency, reject;
    lv_srt_session_t    *session;
    lv_srt_reject_e      refused;
} state_t;

static const uint8_t  secret[16] = "not a secret";


static int64_t
now_us(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}


static void
on_send(void *data, const uint8_t *p, size_t n)
{
    state_t  *st = data;

    if (sendto(st->fd, p, n, 0, (struct sockaddr *) &st->peer,
               sizeof(st->peer)) == -1)
    {
        perror("sendto");
    }
}


static int
on_payload(void *data, const uint8_t *p, size_t n)
{
    state_t  *st = data;

    return fwrite(p, 1, n, st->file) == n ? LV_OK : LV_ERROR;
}


static const lv_srt_handler_t  handler = { on_send, on_payload };


static void
begin(state_t *st, const lv_srt_hello_t *hello)
{
    size_t           n;
    uint8_t          out[LV_SRT_REPLY_MAX];
    lv_srt_terms_t   terms;

    terms.socket = 0x1234567;
    terms.latency_ms = st->latency;
    terms.window = LV_SRT_WINDOW_MAX;
    terms.crypto = st->pass ? lv_srt_crypto_create(st->pass,
                                                   strlen(st->pass)) : NULL;

    st->refused = st->reject ? st->reject
                             : lv_srt_accept(hello, &terms, out, &n);

    if (st->refused != LV_SRT_REJ_NONE) {
        lv_srt_crypto_destroy(terms.crypto);
        n = lv_srt_reject(hello, st->refused, out);
        on_send(st, out, n);
        return;
    }

    st->session = lv_srt_session_create(hello, &terms, 16 << 20, out, n,
                                        &handler, st, now_us());
    printf("streamid=%.*s\n", (int) hello->sid_len, hello->sid);
    on_send(st, out, n);
}


static void
input(state_t *st)
{
    ssize_t             n;
    size_t              len;
    uint8_t             buf[2048], out[LV_SRT_REPLY_MAX];
    socklen_t           socklen;
    lv_srt_hello_t      hello;
    struct sockaddr_in  peer;

    for ( ;; ) {
        socklen = sizeof(peer);
        n = recvfrom(st->fd, buf, sizeof(buf), MSG_DONTWAIT,
                     (struct sockaddr *) &peer, &socklen);
        if (n == -1) {
            return;
        }

        if (st->session != NULL) {
            lv_srt_session_input(st->session, buf, (size_t) n, now_us());
            continue;
        }

        st->peer = peer;

        switch (lv_srt_listen(secret, &peer, socklen, (uint64_t) time(NULL),
                              buf, (size_t) n, &hello, out, &len))
        {
        case LV_SRT_LISTEN_REPLY:
            on_send(st, out, len);
            break;

        case LV_SRT_LISTEN_HELLO:
            begin(st, &hello);
            break;

        default:
            break;
        }
    }
}


static void
report(state_t *st)
{
    lv_srt_stats_t  s;

    if (st->session == NULL) {
        printf("refused=%d\n", (int) st->refused);
        return;
    }

    lv_srt_session_stats(st->session, &s);

    printf("packets=%llu\nretransmitted=%llu\nlost=%llu\nrecovered=%llu\n"
           "dropped=%llu\nduplicates=%llu\nbelated=%llu\nundecrypted=%llu\n"
           "strange=%llu\nrefused_packets=%llu\nrebased=%llu\nnaks=%llu\n"
           "rtt_us=%u\nrtt_var_us=%u\nlatency_ms=%u\nkey_len=%u\n",
           (unsigned long long) s.packets,
           (unsigned long long) s.retransmitted,
           (unsigned long long) s.recv.lost,
           (unsigned long long) s.recv.recovered,
           (unsigned long long) s.recv.dropped,
           (unsigned long long) s.recv.duplicates,
           (unsigned long long) s.recv.belated,
           (unsigned long long) s.undecrypted,
           (unsigned long long) s.strange,
           (unsigned long long) s.recv.refused,
           (unsigned long long) s.recv.rebased,
           (unsigned long long) s.naks,
           s.rtt_us, s.rtt_var_us, s.latency_ms, s.key_len);
}


static void
run(state_t *st)
{
    int64_t        now, next, end;
    struct pollfd  pfd;

    end = now_us() + 20000000;
    next = LV_SRT_NEVER;

    for ( ;; ) {
        now = now_us();

        if (st->session != NULL) {
            end = lv_srt_session_heard_us(st->session) + IDLE_US;
            next = lv_srt_session_tick(st->session, now);

            if (lv_srt_session_closed(st->session)) {
                return;
            }
        }

        if (now >= end || st->refused != LV_SRT_REJ_NONE) {
            return;
        }

        next = next < end ? next : end;
        pfd.fd = st->fd;
        pfd.events = POLLIN;

        if (poll(&pfd, 1, (int) ((next - now + 999) / 1000)) == -1
            && errno != EINTR)
        {
            return;
        }

        input(st);
    }
}


int
main(int argc, char **argv)
{
    int                 i;
    state_t             st;
    struct sockaddr_in  sin;

    memset(&st, 0, sizeof(st));
    st.latency = 120;

    if (argc < 3 || (st.file = fopen(argv[2], "wb")) == NULL) {
        fprintf(stderr, "usage: srt_recv PORT FILE [name=value …]\n");
        return 2;
    }

    for (i = 3; i < argc; i++) {
        if (strncmp(argv[i], "latency=", 8) == 0) {
            st.latency = (unsigned) atoi(argv[i] + 8);
        } else if (strncmp(argv[i], "passphrase=", 11) == 0) {
            st.pass = argv[i] + 11;
        } else if (strncmp(argv[i], "reject=", 7) == 0) {
            st.reject = (unsigned) atoi(argv[i] + 7);
        }
    }

    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_port = htons((uint16_t) atoi(argv[1]));
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    st.fd = socket(AF_INET, SOCK_DGRAM, 0);

    i = 4 << 20;
    (void) setsockopt(st.fd, SOL_SOCKET, SO_RCVBUF, &i, sizeof(i));

    if (st.fd == -1
        || bind(st.fd, (struct sockaddr *) &sin, sizeof(sin)) == -1)
    {
        perror("bind");
        return 2;
    }

    printf("listening\n");
    fflush(stdout);

    run(&st);
    report(&st);

    if (st.session != NULL) {
        lv_srt_session_flush(st.session);
        lv_srt_session_destroy(st.session);
    }

    fclose(st.file);
    close(st.fd);

    return st.session || st.refused ? 0 : 1;
}

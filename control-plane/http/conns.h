/*
 * Who is connected: no more than so many from one address, and nobody who
 * keeps a connection without asking for anything.
 *
 * The HTTP library bounds the connections altogether, and the time in which
 * nothing at all comes. It does not bound the time in which a request line
 * comes byte by byte, which is done here; what comes after that line is
 * server.c's.
 *
 * A peer that is a trusted proxy is not counted: it is everybody, and counts
 * its own clients (nginx: limit_conn). IPv6 is counted by /64.
 */

#ifndef CONNS_H
#define CONNS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "http/proxy.h"

typedef struct conns_s  conns_t;
typedef struct conn_s   conn_t;

struct metrics_s;

/* per_address 0: no bound. head_ms: for the first request line of a
 * connection; idle_ms: for each further one. */
conns_t *conns_create(const proxies_t *proxies, struct metrics_s *metrics,
    int per_address, int head_ms, int idle_ms);
void conns_free(conns_t *conns);

/* Whether there is room for one more from there; any thread. */
bool conns_admit(conns_t *conns, const struct sockaddr *addr);

/*
 * A connection is there; fd stays open until conns_close(). A request line has
 * come, and the request was answered: its own thread.
 */
conn_t *conns_open(conns_t *conns, int fd, const struct sockaddr *addr);
void conns_busy(conns_t *conns, conn_t *conn);
void conns_idle(conns_t *conns, conn_t *conn);
void conns_close(conns_t *conns, conn_t *conn);

/* Cuts those that were silent for too long. */
void conns_tick(conns_t *conns, int64_t now_ms);

/*
 * An answer around the library, which has none before a request is complete:
 * a problem document, as the last thing that is sent. Nothing else may have
 * been sent for this request.
 */
void conns_answer(int fd, int status);

/* An address as text; "0.0.0.0" when it is none. */
void conns_text(const struct sockaddr *addr, char dst[PROXY_ADDR]);

#endif

/*
 * The HTTP side: libmicrohttpd, epoll, some threads, each with its connections
 * and its connection to the database. Bodies are gathered here, requests of
 * ROUTE_SLOW go to the slow pool while their connection is suspended.
 *
 * Whoever takes longer than body_timeout to send a request, from its first
 * line to the end of its body, gets a 408 and is cut off (server_tick).
 */

#ifndef SERVER_H
#define SERVER_H

struct app_s;

typedef struct server_s server_t;

/* NULL on error, with a sentence in err. */
server_t *server_start(struct app_s *app, char *err, int size);

/* Once a second, by the main thread. */
void server_tick(server_t *server);

/* No new connections; then how many requests are under way. */
void server_quiesce(server_t *server);
int server_active(server_t *server);

/* Closes everything. The slow pool must be empty. */
void server_stop(server_t *server);

#endif

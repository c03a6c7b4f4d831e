/*
 * Whose word is taken for the client's address: conf "trusted_proxies", blocks
 * "a.b.c.d/n" or IPv6's, separated by spaces or commas.
 */

#ifndef PROXY_H
#define PROXY_H

#include <stdbool.h>
#include <stddef.h>

typedef struct proxies_s proxies_t;

/* NULL when text is not a list of blocks. */
proxies_t *proxies_parse(const char *text);
void proxies_free(proxies_t *proxies);
bool proxies_trust(const proxies_t *proxies, const char *addr);

/*
 * The client's address into dst: peer, unless that is a trusted proxy; then
 * the last entry of X-Forwarded-For that is none. What does not look like an
 * address ends the search. forwarded may be NULL.
 */
#define PROXY_ADDR  46      /* INET6_ADDRSTRLEN */
void proxies_client(const proxies_t *proxies, const char *peer,
    const char *forwarded, char dst[PROXY_ADDR]);

/*
 * Whose an address is, for limits: "192.0.2.1/32", "2001:db8:1:2::/64" (so
 * much IPv6 everybody has to themselves); an IPv4 address in an IPv6 one is
 * that. Anything else: as it is.
 */
#define PROXY_NETWORK  64
void proxies_network(const char *addr, char network[PROXY_NETWORK]);

#endif

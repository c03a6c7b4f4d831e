/*
 * Which addresses a URL of a user may lead to: those of the public Internet.
 * Not this host, not the networks behind it, not the cloud's metadata.
 *
 * Pure. To be asked about the address that a socket is about to connect to,
 * after the name was resolved: what the name resolves to another time says
 * nothing.
 *
 * Source: IANA's special-purpose address registries (RFC 6890 and updates).
 */

#ifndef LV_ADDRESS_H
#define LV_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

/* false for everything but AF_INET and AF_INET6, too. */
bool lv_address_is_public(const struct sockaddr *addr, socklen_t len);

#endif

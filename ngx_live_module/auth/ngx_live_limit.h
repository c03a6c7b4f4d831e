/*
 * Failures counted by address, so that guessing keys and sending tokens with
 * bad signatures (each costs 0.1 ms) stays cheap for us.
 *
 * An address has a bucket: each failure puts one in, time takes them out; a
 * full bucket blocks. IPv6 counts by /64. Per worker, of fixed size: under
 * pressure the address that failed longest ago is forgotten.
 *
 * Blocked is an address, and behind it may sit many honest people: callers go
 * on accepting what costs nothing to check.
 */

#ifndef NGX_LIVE_LIMIT_H
#define NGX_LIVE_LIMIT_H

#include <ngx_config.h>
#include <ngx_core.h>

#define NGX_LIVE_LIMIT_SETS  512
#define NGX_LIVE_LIMIT_WAYS  8

typedef struct {
    u_char        addr[8];          /* IPv4, or the /64 of an IPv6 */
    ngx_msec_t    last;
    uint32_t      level;            /* thousandths of a failure */
    u_char        family;           /* 0: empty */
} ngx_live_limit_entry_t;

typedef struct {
    uint32_t                burst;      /* failures */
    uint32_t                per_second; /* thousandths of a failure */
    ngx_live_limit_entry_t  entries[NGX_LIVE_LIMIT_SETS][NGX_LIVE_LIMIT_WAYS];
} ngx_live_limit_t;

/* Tokens of viewers, and credentials of publishers. */
extern ngx_live_limit_t  ngx_live_limit_tokens;
extern ngx_live_limit_t  ngx_live_limit_publish;

/* 1 when the address has failed too often; addresses that are not IP never
 * are. */
ngx_uint_t ngx_live_limit_blocked(ngx_live_limit_t *limit,
    struct sockaddr *sa);
void ngx_live_limit_failed(ngx_live_limit_t *limit, struct sockaddr *sa);

/* The bytes of an IP address in network order (4 or 16), or NULL and 0. */
u_char *ngx_live_sockaddr_ip(struct sockaddr *sa, size_t *len);

#endif

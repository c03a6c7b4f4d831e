/* Failures by address: see ngx_live_limit.h. */

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_live_limit.h"


/* 20 wrong tokens at once, then 2 a second: 0.02 % of a processor. */
ngx_live_limit_t  ngx_live_limit_tokens = { .burst = 20, .per_second = 2000 };

/* 10 wrong keys at once, then one in 5 s. */
ngx_live_limit_t  ngx_live_limit_publish = { .burst = 10, .per_second = 200 };


static ngx_int_t ngx_live_limit_key(struct sockaddr *sa,
    ngx_live_limit_entry_t *key);
static ngx_live_limit_entry_t *ngx_live_limit_find(ngx_live_limit_t *limit,
    ngx_live_limit_entry_t *key, ngx_live_limit_entry_t **victim);
static void ngx_live_limit_drain(ngx_live_limit_t *limit,
    ngx_live_limit_entry_t *entry);


ngx_uint_t
ngx_live_limit_blocked(ngx_live_limit_t *limit, struct sockaddr *sa)
{
    ngx_live_limit_entry_t  key, *entry, *victim;

    if (ngx_live_limit_key(sa, &key) != NGX_OK) {
        return 0;
    }

    entry = ngx_live_limit_find(limit, &key, &victim);

    if (entry == NULL) {
        return 0;
    }

    ngx_live_limit_drain(limit, entry);

    return entry->level + 1000 > limit->burst * 1000;
}


void
ngx_live_limit_failed(ngx_live_limit_t *limit, struct sockaddr *sa)
{
    ngx_live_limit_entry_t  key, *entry, *victim;

    if (ngx_live_limit_key(sa, &key) != NGX_OK) {
        return;
    }

    entry = ngx_live_limit_find(limit, &key, &victim);

    if (entry == NULL) {
        entry = victim;
        *entry = key;
        entry->level = 0;
        entry->last = ngx_current_msec;
    }

    ngx_live_limit_drain(limit, entry);

    entry->level = ngx_min(entry->level + 1000, limit->burst * 1000);
}


static ngx_int_t
ngx_live_limit_key(struct sockaddr *sa, ngx_live_limit_entry_t *key)
{
    u_char  *ip;
    size_t   len;

    ip = ngx_live_sockaddr_ip(sa, &len);

    if (ip == NULL) {
        return NGX_DECLINED;
    }

    ngx_memzero(key, sizeof(ngx_live_limit_entry_t));
    ngx_memcpy(key->addr, ip, len == 4 ? 4 : 8);
    key->family = (u_char) len;

    return NGX_OK;
}


static ngx_live_limit_entry_t *
ngx_live_limit_find(ngx_live_limit_t *limit, ngx_live_limit_entry_t *key,
    ngx_live_limit_entry_t **victim)
{
    uint32_t                 hash;
    ngx_uint_t               i;
    ngx_live_limit_entry_t  *set, *old;

    hash = ngx_crc32_short(key->addr, sizeof(key->addr));
    set = limit->entries[hash % NGX_LIVE_LIMIT_SETS];
    old = set;

    for (i = 0; i < NGX_LIVE_LIMIT_WAYS; i++) {

        if (set[i].family == key->family
            && ngx_memcmp(set[i].addr, key->addr, sizeof(key->addr)) == 0)
        {
            return &set[i];
        }

        if (old->family
            && (set[i].family == 0
                || (ngx_msec_int_t) (set[i].last - old->last) < 0))
        {
            old = &set[i];
        }
    }

    *victim = old;

    return NULL;
}


static void
ngx_live_limit_drain(ngx_live_limit_t *limit, ngx_live_limit_entry_t *entry)
{
    uint64_t    out;
    ngx_msec_t  elapsed;

    elapsed = ngx_current_msec - entry->last;
    out = (uint64_t) elapsed * limit->per_second / 1000;

    entry->level = out < entry->level ? entry->level - (uint32_t) out : 0;
    entry->last = ngx_current_msec;
}


u_char *
ngx_live_sockaddr_ip(struct sockaddr *sa, size_t *len)
{
    u_char  *ip;

    switch (sa->sa_family) {

    case AF_INET:
        *len = 4;
        return (u_char *) &((struct sockaddr_in *) sa)->sin_addr;

#if (NGX_HAVE_INET6)
    case AF_INET6:
        ip = (u_char *) &((struct sockaddr_in6 *) sa)->sin6_addr;

        if (IN6_IS_ADDR_V4MAPPED((struct in6_addr *) ip)) {
            *len = 4;
            return ip + 12;
        }

        *len = 16;
        return ip;
#endif

    default:
        *len = 0;
        return NULL;
    }
}

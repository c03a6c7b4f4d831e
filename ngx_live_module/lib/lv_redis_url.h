/*
 * Where a Redis is:
 *
 *   redis://[[user][:password]@]host[:port][/db]      rediss://… with TLS
 *   unix:///path/of/socket
 *
 * User and password may hold any byte as %XX.
 */

#ifndef LV_REDIS_URL_H
#define LV_REDIS_URL_H

#include "lv_base.h"

#define LV_REDIS_TEXT  256           /* of a user or a password, with its end */
#define LV_REDIS_PORT  6379

typedef struct {
    bool       tls;
    bool       local;                /* a socket: host is its path */
    lv_str_t   host;                 /* in the URL; an IPv6 address with its
                                        brackets */
    uint16_t   port;
    uint32_t   db;
    char       user[LV_REDIS_TEXT];  /* "": the default one */
    char       password[LV_REDIS_TEXT];  /* "": none */
} lv_redis_url_t;

/* LV_ERROR with a static text in *err, which never has a part of the URL. */
int lv_redis_url_parse(lv_str_t text, lv_redis_url_t *url, const char **err);

#endif

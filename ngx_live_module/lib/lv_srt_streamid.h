/*
 * SRT stream ids: what encoders put into the one text that they can send.
 *
 *   #!::r=app/stream,m=publish,key=…      the form of libsrt's access control
 *   app/stream?key=…                      as in RTMP
 *   host/app/stream   srt://host:port/app/stream?key=…
 *   publish:path:user:password:query      MediaMTX
 *   stream, or a stream key by itself
 *
 * In the first form r (or h, where there is no r) is the resource, with a query
 * of its own perhaps; m is publish, request or bidirectional; key, token, pass,
 * secret and s (the session) are the credential; others are left out. Percent
 * codes are decoded everywhere but in the query, which is decoded where it is
 * used. What follows a '#' in a form without "#!" is an encoder's own note.
 */

#ifndef LV_SRT_STREAMID_H
#define LV_SRT_STREAMID_H

#include "lv_base.h"

#define LV_SRT_STREAMID_MAX  512

typedef struct {
    bool      watch;            /* m=request, "read:": it wants to play */
    size_t    name_len, args_len, credential_len;
    uint8_t   name[LV_SRT_STREAMID_MAX];        /* without "?" and query */
    uint8_t   args[LV_SRT_STREAMID_MAX];        /* "a=b&c=d" */
    uint8_t   credential[LV_SRT_STREAMID_MAX];  /* given on its own */
} lv_srt_streamid_t;

/* LV_ERROR: too long, control characters, or a form that is not known. An
 * empty text is LV_OK with an empty name. */
int lv_srt_streamid_parse(const uint8_t *p, size_t n, lv_srt_streamid_t *out);

#endif

/* What the parts of live_load share. Included by live_load.c only, before
 * live_load_viewer.h and live_load_member.h. */

#ifndef LIVE_LOAD_H
#define LIVE_LOAD_H

#include "stream.h"

#include <math.h>

#define LOAD_HIST  400
#define LOAD_IN    (256 * 1024)


/* Durations, in buckets of 5 % each, from a microsecond on. */
typedef struct {
    uint64_t      n;
    uint32_t      count[LOAD_HIST];
} load_hist_t;

typedef struct {
    uint64_t      playlists, parts, bytes, stalls;
    uint64_t      sent, accepted, refused, expected, delivered, doubled;
    uint64_t      reactions;
    uint64_t      closed, errors;
    load_hist_t   fetch, late;
} load_stat_t;

/* A viewer or a member: epoll events point at it. */
typedef struct load_client_s {
    stream_t      stream;
    void        (*event)(struct load_client_s *client);
    int64_t       again_ns;             /* when it comes (back) */
} load_client_t;

static struct {
    const char   *playlist;
    const char   *chat;
    unsigned      viewers;
    unsigned      members;
    double        messages;
    double        reactions;
    double        seconds;
    double        ramp;
    bool          plain;
    bool          quiet;
} opt = { .viewers = 1, .members = 1, .seconds = 30, .ramp = 5 };

static load_stat_t   now_stat;          /* of this second */
static load_stat_t   all_stat;          /* since the ramp */
static int           load_ep;
static bool          load_measuring;
static uint8_t       load_in[LOAD_IN];
static char        **tokens;
static unsigned      ntokens;


static const char *
load_token(unsigned number)
{
    return ntokens ? tokens[number % ntokens] : NULL;
}


static void
load_hist_add(load_hist_t *h, int64_t ns)
{
    size_t  i = 0;

    if (ns > 1000) {
        i = (size_t) (log((double) ns / 1000) / log(1.05));
    }

    h->count[i < LOAD_HIST ? i : LOAD_HIST - 1]++;
    h->n++;
}


/* The first few are shown. */
static void
load_error(const char *what, const void *text, size_t len)
{
    now_stat.errors++;

    if (all_stat.errors + now_stat.errors <= 5) {
        fprintf(stderr, "%s: %.*s\n", what, (int) (len < 200 ? len : 200),
                (const char *) text);
    }
}


/* Comes back after one to four seconds. */
static void
load_later(load_client_t *c)
{
    stream_close(&c->stream);
    c->again_ns = now_ns() + SEC_NS + rand() % (3 * SEC_NS);
}

#endif

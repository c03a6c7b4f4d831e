/*
 * A media playlist as a player reads it: the parts (or, plain, the segments)
 * that it has listed so far, and what to ask for next. Shared by all viewers
 * of it in a load generator.
 */

#ifndef HLS_TRACK_H
#define HLS_TRACK_H

#include "tool.h"

#define TRACK_RING  4096                /* parts that are remembered */
#define TRACK_URI   256


typedef struct {
    uint64_t      msn;
    unsigned      part;
    double        duration;             /* seconds */
    char          uri[TRACK_URI];
    int64_t       seen_ns;              /* a viewer knew of it */

    unsigned      waiting;              /* asked for it before it was there */
    int64_t       first_ns;             /* of the answers to those */
    int64_t       last_ns;
} track_part_t;

typedef struct {
    bool          plain;                /* segments, not parts */

    track_part_t  parts[TRACK_RING];
    uint64_t      n;                    /* so far; index modulo TRACK_RING */
    uint64_t      next_msn;             /* what a viewer at the edge asks for */
    unsigned      next_part;
    double        target;               /* seconds */
    double        part_target;
    bool          skip;                 /* delta updates are offered */
    bool          ended;
    char          map[TRACK_URI];
} track_t;


static TOOL_UNUSED void
track_add(track_t *t, uint64_t msn, unsigned part, double duration,
    const char *uri, size_t len)
{
    track_part_t  *p;

    if (t->n > 0) {
        p = &t->parts[(t->n - 1) % TRACK_RING];

        if (msn < p->msn || (msn == p->msn && part <= p->part)) {
            return;
        }
    }

    p = &t->parts[t->n++ % TRACK_RING];
    memset(p, 0, sizeof(*p));
    p->msn = msn;
    p->part = part;
    p->duration = duration;
    p->seen_ns = now_ns();

    if (len >= sizeof(p->uri)) {
        die("a long URI in a playlist");
    }

    memcpy(p->uri, uri, len);
}


static TOOL_UNUSED const char *
track_attribute(const char *line, const char *name)
{
    const char  *p = strstr(line, name);

    return p ? p + strlen(name) : NULL;
}


/* Low latency: the parts are what counts. Plain: the segments. */
static TOOL_UNUSED void
track_parse(track_t *t, char *text)
{
    char       *line, *save = NULL;
    double      duration = 0;
    const char *v, *d;
    uint64_t    msn = 0;
    unsigned    part = 0;

    for (line = strtok_r(text, "\r\n", &save); line != NULL;
         line = strtok_r(NULL, "\r\n", &save))
    {
        if ((v = track_attribute(line, "#EXT-X-MEDIA-SEQUENCE:")) != NULL) {
            msn = strtoull(v, NULL, 10);

        } else if ((v = track_attribute(line, "#EXT-X-TARGETDURATION:"))
                   != NULL)
        {
            t->target = atof(v);

        } else if ((v = track_attribute(line, "PART-TARGET=")) != NULL) {
            t->part_target = atof(v);

        } else if (strstr(line, "#EXT-X-SERVER-CONTROL:") != NULL) {
            t->skip = strstr(line, "CAN-SKIP-UNTIL=") != NULL;

        } else if ((v = track_attribute(line, "SKIPPED-SEGMENTS=")) != NULL) {
            msn += strtoull(v, NULL, 10);

        } else if ((v = track_attribute(line, "#EXTINF:")) != NULL) {
            duration = atof(v);

        } else if (strstr(line, "#EXT-X-ENDLIST") != NULL) {
            t->ended = true;

        } else if (strncmp(line, "#EXT-X-MAP:", 11) == 0
                   && (v = track_attribute(line, "URI=\"")) != NULL)
        {
            snprintf(t->map, sizeof(t->map), "%.*s", (int) strcspn(v, "\""),
                     v);

        } else if (strncmp(line, "#EXT-X-PART:", 12) == 0 && !t->plain
                   && (v = track_attribute(line, "URI=\"")) != NULL)
        {
            d = track_attribute(line, "DURATION=");
            track_add(t, msn, part++, d ? atof(d) : 0, v, strcspn(v, "\""));

        } else if (line[0] != '#') {

            if (t->plain) {
                track_add(t, msn, 0, duration, line, strlen(line));
            }

            msn++;
            part = 0;
        }
    }

    if (msn > t->next_msn || (msn == t->next_msn && part > t->next_part)) {
        t->next_msn = msn;
        t->next_part = part;
    }
}

#endif

/*
 * What the files behind /internal share: publish.c (may this encoder
 * publish?), heartbeat.c (a node's report and its answer), node_events.c
 * and follow.c (what a report means for broadcasts).
 */

#ifndef INTERNAL_H
#define INTERNAL_H

#include "http/request.h"
#include "main/broadcast.h"

int publish_post(request_t *r);
int heartbeat_post(request_t *r);

/*
 * The report's events that were not yet seen; *last is the highest id seen
 * before, and becomes the highest one now. 0, or -1 as db calls do.
 */
int node_events(request_t *r, const char *node, json_t *events, int64_t *last);

/* What the broadcast tables say about a stream that a node reports. */
typedef struct {
    bool         exists;            /* the stream */
    bool         reported;          /* the node knows a broadcast of ours */
    bool         barred;            /* stopped, or its user suspended */
    bool         media;             /* "live" or "filling", with tracks */
    bool         ended;             /* the node says so */

    const char  *found;             /* the report's broadcast, or NULL */
    bool         found_open;
    bool         found_here;        /* it is on this node */
    bool         found_old;         /* ended a while ago */
    const char  *found_why;         /* why it ended, or "" */

    const char  *open;              /* the stream's open one, or NULL */
    bool         open_here;
    bool         open_fresh;        /* has no epoch yet */
} follow_facts_t;

typedef enum {
    FOLLOW_NOTHING = 0,
    FOLLOW_KICK,                    /* the node is to stop it */
    FOLLOW_LIVE,                    /* the found (or open) one is live */
    FOLLOW_END,                     /* the found one has ended */
    FOLLOW_OPEN                     /* a new one; the open one, if any, was
                                       lost */
} follow_e;

/* Pure. */
follow_e follow_decide(const follow_facts_t *facts);

/* Brings the database in line with one reported stream. 0, or -1. */
int follow_stream(request_t *r, const broadcast_report_t *report);

#endif

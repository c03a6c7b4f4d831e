/*
 * When a broadcast begins and ends: the only place that writes broadcasts,
 * live_streams and the live/ended status of streams.
 *
 * A row of live_streams exists exactly while the stream's status is 'live';
 * a broadcast is open (ended_at NULL) from the moment that a publisher was
 * allowed. What nodes report decides; see handler/heartbeat.c.
 */

#ifndef BROADCAST_H
#define BROADCAST_H

#include <stdbool.h>
#include <stdint.h>

#include "db/db.h"

/*
 * Ends by our own decision: a node that goes on with such a broadcast is told
 * to stop, again and again.
 */
#define BROADCAST_WHY_STOPPED    "stopped"
#define BROADCAST_WHY_KICKED     "kicked"
#define BROADCAST_WHY_DELETED    "deleted"
#define BROADCAST_WHY_SUSPENDED  "suspended"
#define BROADCAST_WHY_REVOKED    "revoked"
#define BROADCAST_WHY_MOVED      "moved"

/* Ends for want of news: when the node has it after all, it goes on. */
#define BROADCAST_WHY_NODE_LOST  "node lost"
#define BROADCAST_WHY_LOST       "lost"
#define BROADCAST_WHY_NO_MEDIA   "no media"

bool broadcast_why_is_order(const char *why);
bool broadcast_why_is_silence(const char *why);

/*
 * Ends an open broadcast: figures are taken over from what was live, the
 * stream is 'ended', or 'scheduled' when its next time was announced while it
 * was live (and stays armed: its encoder may come back before that). why NULL:
 * what its last publisher left with, else "encoder stopped". Nothing happens to
 * one that has ended. 0, or -1 as db calls do.
 */
int broadcast_end(db_t *db, const char *broadcast, const char *why);

/* A stream as a node reports it. Texts are the caller's. */
typedef struct {
    const char  *node;
    const char  *stream;
    const char  *broadcast;         /* as the node knows it, or NULL */
    const char  *epoch;             /* decimal */
    const char  *session;           /* or NULL */
    const char  *state;             /* "live", "filling" */
    const char  *since;             /* Unix seconds, or NULL */
    const char  *stats;             /* JSON text: the whole entry */
    const char  *viewers;           /* decimal */
} broadcast_report_t;

/* Media has come: the broadcast (open, or ended for want of news) is live on
 * that node with that epoch. */
int broadcast_live(db_t *db, const char *broadcast,
    const broadcast_report_t *report);

/* Opens one for a stream that a node has without having asked (the control
 * plane was down). NULL on error; the id lives as long as the request. */
const char *broadcast_open(db_t *db, const broadcast_report_t *report);

#endif

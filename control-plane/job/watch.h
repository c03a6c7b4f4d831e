/*
 * What nobody reports: nodes that died, publishers that were allowed and never
 * sent, what is kept of nodes and viewers, and secrets that an old key seals.
 *
 * "lifecycle_watch" (2 s): a live stream that no heartbeat had for
 * WATCH_SILENT_S has ended: "node lost" when its node is as silent, else
 * "lost". A broadcast without media WATCH_MEDIA_S after it was allowed:
 * "no media". When nobody watched for WATCH_GAP_S (no daemon, no database) it
 * ends nothing for WATCH_QUIET_S: the nodes could not report either.
 *
 * "nodes_retention" (10 min): see job/retention.c. "secret_rotation" (1 min):
 * see job/secret_rotation.c.
 */

#ifndef WATCH_H
#define WATCH_H

#define WATCH_SILENT_S  6       /* heartbeats come every 2 s */
#define WATCH_MEDIA_S   30
#define WATCH_GAP_S     10
#define WATCH_QUIET_S   15

struct app_s;

/* Registers the jobs. */
void watch_jobs(struct app_s *app);
void retention_jobs(struct app_s *app);
void secret_rotation_jobs(struct app_s *app);

#endif

/*
 * A node's report (POST /internal/heartbeat) in three files: heartbeat.c (the
 * node and its lists), heartbeat_streams.c, heartbeat_answer.c. Functions that
 * return int: 0, or -1 as db calls do.
 */

#ifndef HEARTBEAT_H
#define HEARTBEAT_H

#include "http/request.h"

typedef struct {
    const char  *node;              /* its id */
    json_t      *streams;           /* of the body */
    const char  *rows;              /* the same, checked, as JSON text */
    size_t       nrows;
    int64_t      viewers;
    int64_t      publishers;
    bool         drain;             /* it is to be told to */
    int64_t      last_event;
} heartbeat_t;

/* Fills in rows, nrows, viewers and publishers. */
void heartbeat_rows(request_t *r, heartbeat_t *hb);
int heartbeat_streams(request_t *r, heartbeat_t *hb);

/* Answers; the status. */
int heartbeat_answer(request_t *r, heartbeat_t *hb, json_t *seen);

#endif

/*
 * Deliveries in the database: taken, and put back with how it went. What holds
 * them together is in webhooks.h. Called by the sender's thread only.
 */

#ifndef WEBHOOK_QUEUE_H
#define WEBHOOK_QUEUE_H

#include <stdbool.h>

#include "db/db.h"

/* One that was taken. Owned texts: malloc'd. */
typedef struct {
    char   webhook[24];
    char   delivery[24];
    char   attempts[16];        /* with this one; a fence against a second
                                   daemon that took it after the lease */
    char   lease[64];
    char   event[72];
    int    tries;               /* attempts as a number */
    int    failures;            /* of the webhook, in a row, before */
    char  *payload;
    char  *url;
    char  *sealed;
} taken_t;

/* How it went. */
typedef struct {
    bool        delivered;
    int         status;         /* of HTTP; 0: no answer */
    int         ms;
    const char *response;       /* the answer's beginning, or NULL */
    const char *error;          /* a sentence, when not delivered */
} outcome_t;

/* Up to max; their number, or -1. */
int queue_take(db_t *db, taken_t *taken, int max);
void taken_free(taken_t *taken);

/* *dead: it will not be tried again; *disabled: nor will the webhook. 0, or
 * -1: the lease runs out, and it is sent again. */
int queue_done(db_t *db, const taken_t *taken, const outcome_t *outcome,
    bool *dead, bool *disabled);

/* Nobody knows how it went: at once for somebody else. */
void queue_release(db_t *db, const taken_t *taken);

#endif

/*
 * Who may do what with one stream.
 *
 * A stream that the caller may not even see does not exist for them (404);
 * one that they see, but may not change, is 403. Roles within a stream have
 * nothing to do with platform roles:
 *
 *   see        public, unlisted: everybody. followers: who follows the owner.
 *              private: who is on the list of viewers. The banned no more than
 *              public and unlisted ones, and nobody's whose owner is
 *              suspended. Always: members, platform moderators, admins
 *   moderate   owner, co-host, moderator; admins
 *   stop       owner, co-host; platform moderators, admins
 *   edit       owner, co-host; admins
 *   own        owner; admins
 *
 * Platform moderators may read whatever a right opens, and change nothing.
 *
 * What only reads (GET), platform moderators may with any of these.
 */

#ifndef STREAM_ACCESS_H
#define STREAM_ACCESS_H

#include "http/request.h"

typedef enum {
    STREAM_SEE,
    STREAM_MODERATE,
    STREAM_STOP,
    STREAM_EDIT,
    STREAM_OWN
} stream_right_e;

/* A member's rank: nobody changes someone of their own rank or above, or
 * gives a role of their own rank. */
enum {
    RANK_BANNED = -1,
    RANK_NONE,
    RANK_VIP,
    RANK_MODERATOR,
    RANK_CO_HOST,
    RANK_OWNER,
    RANK_ADMIN
};

/* Texts live as long as the request. */
typedef struct {
    const char  *id;
    const char  *owner;         /* users.id */
    const char  *status;
    const char  *visibility;
    const char  *version;
    const char  *settings;      /* JSON text */
    int          rank;          /* of the caller in this stream */
} stream_t;

/*
 * The stream of the path's {id}, when the caller has that right; for anything
 * but GET its row is locked until the transaction ends. 0, or the status of
 * the problem that was answered.
 */
int stream_open(request_t *r, stream_right_e right, stream_t *stream);

/*
 * Before stream_open() by whoever may end what is live: locks its row of
 * live_streams, in the order in which heartbeats lock these rows. 0, or the
 * status answered.
 */
int stream_lock_live(request_t *r);

int stream_rank(const char *role);

/* The caller as a query's parameter; nobody's id for who is not logged in. */
const char *caller_id(request_t *r);

/* 404 for a stream. */
int problem_no_stream(request_t *r);

#endif

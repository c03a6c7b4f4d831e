/*
 * What the workers of a node share about the control plane: a part of the
 * store (lv_store.h), so that it outlives workers, reloads and upgrades.
 *
 *   leader      one worker of the node talks to the control plane. It holds a
 *               robust mutex; another one gets it as soon as it is dead.
 *   health      whether the control plane answers; for status and metrics.
 *   keys        the key set that viewer tokens are verified with, as text.
 *   revocations what tokens are dead although their signature holds.
 *   sessions    who uses a token, for its "sessions" claim.
 *   decisions   who may publish, remembered for when nobody can be asked.
 *   events      what the control plane is to hear of, until it has.
 *   commands    ids of those that were carried out, so that none is twice.
 *
 * Texts are terminated and cut to their field. Every function may be called
 * by any process that has attached the store; the reading ones without a slot,
 * too. Those for each request (lv_revoked, lv_token_session, lv_keys_version)
 * take no lock.
 */

#ifndef LV_CLUSTER_H
#define LV_CLUSTER_H

#include "lv_store.h"
#include "lv_token.h"

#define LV_CLUSTER_TEXT      65      /* ids: 64 bytes and the terminator */
#define LV_CLUSTER_REASON    160
#define LV_CLUSTER_BROADCAST 24
#define LV_DECISION_TEXT     80      /* a passphrase and the terminator */
#define LV_DECISION_SEALED   (12 + LV_DECISION_TEXT + 16)
#define LV_CLUSTER_DONE      64      /* ids of commands that are remembered */
#define LV_TOKEN_WHO_MAX     16      /* sessions of one token that are counted;
                                        more are not told apart from any */


/* ---- leader, health ----------------------------------------------------- */

/* True: this process leads now (again). For the thread that will hold it. */
bool lv_lead_try(lv_store_t *st, uint32_t pid);
void lv_lead_leave(lv_store_t *st);
/* The process that leads, or did last; 0: none. */
uint32_t lv_lead_pid(lv_store_t *st);

typedef struct {
    bool      active;            /* a control plane is configured */
    bool      up;                /* the last heartbeat was answered */
    bool      draining;
    uint64_t  beat_ms;           /* last answered heartbeat, Unix ms; 0: none */
    uint64_t  beats, failures;   /* heartbeats answered, and not */
    uint32_t  leader;            /* pid */
    uint32_t  keys;              /* of the key set, 0: none */
    char      keys_version[LV_CLUSTER_TEXT];
    uint64_t  revocations_version;
    uint32_t  revocations;
    uint64_t  revocations_lost;  /* for want of room */
    uint32_t  events;            /* not acknowledged yet */
    uint64_t  events_lost;
    uint64_t  created_ms;        /* when the store was made */
} lv_cluster_stat_t;

void lv_cluster_stat(lv_store_t *st, lv_cluster_stat_t *stat);
/* Nothing is noted (events) where nobody would take it. */
void lv_cluster_set_active(lv_store_t *st, bool active);
bool lv_cluster_active(lv_store_t *st);
void lv_cluster_beat(lv_store_t *st, bool answered, uint64_t now_ms);

/* No new publishers. */
void lv_cluster_drain(lv_store_t *st, bool on);
bool lv_cluster_draining(lv_store_t *st);


/* ---- keys --------------------------------------------------------------- */

/* A number that changes with the keys; 0: there are none yet. */
uint32_t lv_keys_serial(lv_store_t *st);
/* Replaces them. keys: how many are in the text, for the status. LV_ERROR:
 * longer than LV_KEYSET_SIZE_MAX. only_first: not if there are some. */
int lv_keys_put(lv_store_t *st, const char *version, lv_str_t text,
    uint32_t keys, bool only_first);
/* A copy into buf (LV_KEYSET_SIZE_MAX bytes). LV_DECLINED: there are none. */
int lv_keys_get(lv_store_t *st, uint8_t *buf, size_t *len, uint32_t *serial);


/* ---- revocations -------------------------------------------------------- */

typedef enum {
    LV_REVOKE_JTI = 1,
    LV_REVOKE_SUB,
    LV_REVOKE_STREAM,
    LV_REVOKE_SUB_STREAM         /* sub, a line feed, stream id */
} lv_revoke_e;

typedef struct {
    lv_revoke_e  kind;
    lv_str_t     value;
    int64_t      before;         /* tokens with an earlier iat, or none, are
                                    dead; 0: all of them */
    int64_t      until;          /* may be forgotten then */
} lv_revocation_t;

/*
 * Adds to what is known, or replaces all of it (full), then sets the version.
 * Returns how many found no room.
 */
uint32_t lv_revoke_update(lv_store_t *st, const lv_revocation_t *items,
    size_t n, bool full, uint64_t version, int64_t now_s);
uint64_t lv_revoke_version(lv_store_t *st);
/* For a use of the token on that stream. */
bool lv_revoked(lv_store_t *st, const lv_token_t *token, lv_str_t stream);


/* ---- who uses a token --------------------------------------------------- */

/* A keyed hash of a viewer's address and the like; never 0. */
uint64_t lv_token_who(lv_store_t *st, const void *p, size_t n, uint64_t seed);

/*
 * Notes a use of the token by `who`. False: `limit` others (0: no limit) have
 * used it in the last idle_s seconds, so that this one may not.
 */
bool lv_token_session(lv_store_t *st, const char *jti, lv_str_t stream,
    uint64_t who, uint32_t limit, uint32_t now_s, uint32_t idle_s);

typedef struct {
    char  jti[LV_CLUSTER_TEXT];
    char  stream[LV_CLUSTER_TEXT];
} lv_token_seen_t;

/* Tokens used in the last idle_s seconds, from *cursor on, which goes round.
 * A token that several use may appear as often. */
size_t lv_token_seen(lv_store_t *st, uint32_t *cursor, uint32_t now_s,
    uint32_t idle_s, lv_token_seen_t *out, size_t max);


/* ---- decisions ---------------------------------------------------------- */

typedef struct {
    char      stream[LV_CLUSTER_TEXT];
    char      broadcast[LV_CLUSTER_BROADCAST];    /* or "" */
    uint8_t   owner[32];
    int64_t   expires_s;                          /* 0: does not */
    /* settings of this publish; 0 (muxed: -1): as the server has it */
    uint32_t  part_ms, segment_ms, window_ms, resume_ms;
    int32_t   muxed;
    uint64_t  max_bitrate;
    uint8_t   sealed[LV_DECISION_SEALED];         /* see below; zeros: none */
} lv_decision_t;

/*
 * A passphrase lies in the store only as what the credential opens: AES-256-GCM
 * under HMAC-SHA256(credential, a label), bound to the stream, each time with
 * another nonce. The store has no more of a credential than its SHA-256.
 */
int lv_decision_secret(lv_str_t credential, uint8_t secret[32]);
/* text: terminated, up to 79 bytes; "": none. LV_ERROR: OpenSSL failed. */
int lv_decision_seal(lv_decision_t *d, const uint8_t secret[32],
    const char *text);
/* text: terminated, "" if there is none. LV_ERROR: another credential's. */
int lv_decision_open(const lv_decision_t *d, const uint8_t secret[32],
    char text[LV_DECISION_TEXT]);

/* By the SHA-256 of the credential. */
void lv_decision_put(lv_store_t *st, const uint8_t hash[32],
    const lv_decision_t *d, uint64_t until_ms);
int lv_decision_get(lv_store_t *st, const uint8_t hash[32], uint64_t now_ms,
    lv_decision_t *d);
void lv_decision_drop(lv_store_t *st, const uint8_t hash[32]);


/* ---- events ------------------------------------------------------------- */

typedef enum {
    LV_EVENT_PUBLISH_START = 1,
    LV_EVENT_PUBLISH_STOP,
    LV_EVENT_PUBLISH_REFUSED,
    LV_EVENT_STREAM_ENDED
} lv_event_e;

typedef struct {
    uint64_t    id;                      /* given here; increasing */
    lv_event_e  type;
    uint64_t    time_ms;
    uint64_t    bytes, frames;
    char        stream[LV_CLUSTER_TEXT];
    char        broadcast[LV_CLUSTER_BROADCAST];
    char        protocol[8];
    char        addr[48];
    char        reason[LV_CLUSTER_REASON];
} lv_event_t;

/* Of what is full the oldest goes, and is counted; half full no more refusals
 * are taken. */
void lv_event_add(lv_store_t *st, const lv_event_t *ev);
/* The oldest that are not acknowledged. */
size_t lv_event_list(lv_store_t *st, lv_event_t *out, size_t max);
/* All up to that id have been taken. */
void lv_event_ack(lv_store_t *st, uint64_t id);


/* ---- commands ----------------------------------------------------------- */

/* False: it was carried out before. Otherwise it counts as carried out. */
bool lv_command_once(lv_store_t *st, lv_str_t id);
size_t lv_command_done(lv_store_t *st, char out[][LV_CLUSTER_TEXT],
    size_t max);

/* Copies a text into a field of `size` bytes, cut and terminated; bytes that
 * are not printable ASCII become '?'. */
void lv_cluster_text(char *dst, size_t size, const void *p, size_t n);

#endif

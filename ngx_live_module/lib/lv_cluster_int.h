/*
 * Where the parts of lv_cluster.h are in the store. Nobody else includes this.
 *
 *   lv_cluster_t | events | decisions | revocations 0, 1 | session buckets
 *
 * What `lock` guards is written so that a writer may die anywhere: an entry
 * first, then what makes it count. Keys and revocations exist twice; the one
 * that is not in use is written, then the number that says which is.
 */

#ifndef LV_CLUSTER_INT_H
#define LV_CLUSTER_INT_H

#include "lv_cluster.h"
#include "lv_siphash.h"
#include "lv_store_int.h"

#define LV_DECISION_WAYS  4

typedef struct {
    uint32_t          len;
    uint32_t          keys;
    char              version[LV_CLUSTER_TEXT + 3];
    uint8_t           text[LV_KEYSET_SIZE_MAX];
} lv_cluster_keys_t;

typedef struct {
    uint64_t          until_ms;          /* 0: free */
    uint8_t           hash[32];
    lv_decision_t     d;
} lv_cluster_decision_t;

/* Open addressing; key 0: free. An entry's times go before its key. */
typedef struct {
    _Atomic uint64_t  key;
    _Atomic int64_t   before;            /* INT64_MAX: all tokens */
    _Atomic int64_t   until;
} lv_cluster_revoked_t;

/* The users of a few tokens. What is looked through lies together. */
typedef struct {
    _Atomic uint64_t  key[LV_TOKEN_WHO_MAX];   /* of the jti; 0: free */
    _Atomic uint64_t  who[LV_TOKEN_WHO_MAX];
    _Atomic uint32_t  seen[LV_TOKEN_WHO_MAX];  /* Unix second */
    lv_token_seen_t   text[LV_TOKEN_WHO_MAX];
} lv_cluster_bucket_t;

struct lv_cluster_s {
    pthread_mutex_t    lead;
    _Atomic uint32_t   lead_pid;

    _Atomic uint32_t   active;
    _Atomic uint32_t   draining;
    _Atomic uint32_t   up;
    _Atomic uint64_t   beat_ms;
    _Atomic uint64_t   beats;
    _Atomic uint64_t   failures;
    uint64_t           created_ms;

    _Atomic uint32_t   keys_serial;      /* keys[serial % 2]; 0: none */
    _Atomic uint64_t   revoke_version;
    _Atomic uint32_t   revoke_serial;    /* table serial % 2 */
    _Atomic uint32_t   revoke_used;
    _Atomic uint64_t   revoke_lost;

    _Alignas(64) pthread_mutex_t  lock;  /* … and what it guards: */
    uint64_t           event_next;       /* id of the next one */
    uint64_t           event_first;      /* the oldest not acknowledged */
    uint64_t           event_lost;
    uint64_t           done_next;
    char               done[LV_CLUSTER_DONE][LV_CLUSTER_TEXT];
    lv_cluster_keys_t  keys[2];
};

static inline void *
lv_cluster_at(lv_store_t *st, uint64_t off)
{
    return (uint8_t *) st->cluster + off;
}

int lv_cluster_lock(lv_store_t *st);
void lv_cluster_unlock(lv_store_t *st);

#endif

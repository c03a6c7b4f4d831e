/*
 * Who may call routes of ACCESS_NODE: who signs with the node key
 * (lib/lv_nodekey.h). Without a key file only loopback peers, and only
 * requests that no proxy has forwarded.
 */

#ifndef NODEAUTH_H
#define NODEAUTH_H

#include "http/request.h"

typedef struct nodeauth_s nodeauth_t;

/* path may be NULL: no key. NULL on error, with a text in *err. */
nodeauth_t *nodeauth_create(const char *path, const char **err);
void nodeauth_free(nodeauth_t *auth);

/* Reads the key file again (SIGHUP); what was held stays when it is wrong. */
int nodeauth_reload(nodeauth_t *auth, const char **err);

/* peer: the address of the connection, not the forwarded one. 0, or the status
 * that was answered (401). */
int nodeauth_check(nodeauth_t *auth, request_t *r, const char *target,
    const char *peer);

/* Signs a request to a node; -1 without a key. dst: LV_NODE_HEADER_MAX. */
int nodeauth_sign(nodeauth_t *auth, const char *method, const char *target,
    char *dst);

#endif

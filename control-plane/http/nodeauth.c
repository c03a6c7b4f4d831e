/* Signed requests of nodes: see nodeauth.h. */

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sodium.h>

#include "http/nodeauth.h"
#include "lv_nodekey.h"

/* A heartbeat every 2 s and some publishes, of a thousand nodes. */
#define NONCES  262144

struct nodeauth_s {
    pthread_mutex_t    lock;
    const char        *path;
    lv_nodekeys_t     *keys;            /* NULL: loopback only */
    void              *memory;
    lv_node_nonces_t  *nonces;
};


static lv_nodekeys_t *
keys_read(const char *path, const char **err)
{
    char            data[LV_NODE_FILE_MAX + 1];
    FILE           *file;
    size_t          len;
    lv_nodekeys_t  *keys;

    file = fopen(path, "re");
    if (file == NULL) {
        *err = strerror(errno);
        return NULL;
    }

    len = fread(data, 1, sizeof(data), file);
    fclose(file);

    keys = lv_nodekeys_load((lv_str_t) { (uint8_t *) data, len }, err);
    sodium_memzero(data, sizeof(data));

    return keys;
}


nodeauth_t *
nodeauth_create(const char *path, const char **err)
{
    nodeauth_t  *auth;

    auth = calloc(1, sizeof(*auth));
    if (auth == NULL) {
        abort();
    }

    pthread_mutex_init(&auth->lock, NULL);
    auth->path = path;

    if (path == NULL) {
        return auth;
    }

    auth->keys = keys_read(path, err);

    if (auth->keys == NULL) {
        nodeauth_free(auth);
        return NULL;
    }

    auth->memory = malloc(LV_NODE_NONCES_SIZE(NONCES));
    if (auth->memory == NULL) {
        abort();
    }

    auth->nonces = lv_node_nonces_init(auth->memory,
                                       LV_NODE_NONCES_SIZE(NONCES));

    return auth;
}


void
nodeauth_free(nodeauth_t *auth)
{
    if (auth == NULL) {
        return;
    }

    lv_nodekeys_free(auth->keys);
    free(auth->memory);
    pthread_mutex_destroy(&auth->lock);
    free(auth);
}


int
nodeauth_reload(nodeauth_t *auth, const char **err)
{
    lv_nodekeys_t  *keys;

    if (auth->path == NULL) {
        return 0;
    }

    keys = keys_read(auth->path, err);
    if (keys == NULL) {
        return -1;
    }

    pthread_mutex_lock(&auth->lock);
    lv_nodekeys_free(auth->keys);
    auth->keys = keys;
    pthread_mutex_unlock(&auth->lock);

    return 0;
}


static lv_str_t
str(const char *text)
{
    return (lv_str_t) { (uint8_t *) text, strlen(text) };
}


int
nodeauth_check(nodeauth_t *auth, request_t *r, const char *target,
    const char *peer)
{
    const char        *header;
    lv_node_result_e   result;

    if (auth->path == NULL) {

        if ((strncmp(peer, "127.", 4) == 0 || strcmp(peer, "::1") == 0)
            && request_header(r, "X-Forwarded-For") == NULL
            && request_header(r, "Forwarded") == NULL
            && request_header(r, "X-Real-IP") == NULL)
        {
            return 0;
        }

        return problem(r, 401, "node-key", "Without a node key only the same"
                                           " machine may ask this.");
    }

    header = request_header(r, "Authorization");
    if (header == NULL) {
        return problem(r, 401, "node-key", "The request must be signed with"
                                           " the node key.");
    }

    pthread_mutex_lock(&auth->lock);
    result = lv_node_verify(auth->keys, auth->nonces, str(r->method),
                            str(target), str(header), r->now);
    pthread_mutex_unlock(&auth->lock);

    if (result == LV_NODE_OK) {
        return 0;
    }

    return problem(r, 401, "node-key", lv_node_result_text(result));
}


int
nodeauth_sign(nodeauth_t *auth, const char *method, const char *target,
    char *dst)
{
    int      rc;
    uint8_t  nonce[LV_NODE_NONCE];

    if (auth->path == NULL) {
        return -1;
    }

    randombytes_buf(nonce, sizeof(nonce));

    pthread_mutex_lock(&auth->lock);
    rc = lv_node_sign(auth->keys, str(method), str(target), time(NULL), nonce,
                      dst);
    pthread_mutex_unlock(&auth->lock);

    return rc == LV_OK ? 0 : -1;
}

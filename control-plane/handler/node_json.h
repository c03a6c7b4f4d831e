/*
 * Members of what nodes send. Nodes are ours, but what they pass on came from
 * encoders: texts are made printable and cut, numbers are brought into their
 * range, and what has another type counts as absent. One odd encoder does not
 * make a node's whole report unreadable.
 */

#ifndef NODE_JSON_H
#define NODE_JSON_H

#include "http/request.h"

/* A copy of up to max bytes, whole characters, control characters replaced;
 * NULL when absent or empty. */
const char *node_text(request_t *r, json_t *object, const char *name,
    size_t max);
/* The same when it is a stream id, or NULL. */
const char *node_stream_id(request_t *r, json_t *object, const char *name);
/* The same when it is a positive number of the database, also as a JSON
 * number; or NULL. */
const char *node_id(request_t *r, json_t *object, const char *name);
/* A number (also in a string); min..max. */
int64_t node_int(json_t *object, const char *name, int64_t min, int64_t max,
    int64_t dflt);
double node_real(json_t *object, const char *name, double min, double max);

/* An IPv4 or IPv6 address, as the database takes it. */
bool node_is_addr(const char *text);

/* A number as a query's parameter. */
const char *node_number(request_t *r, int64_t n);

#endif

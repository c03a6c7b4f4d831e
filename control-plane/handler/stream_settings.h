/*
 * Settings of a stream: what a node's directives of the same names say, for
 * this stream alone. Bounds are those of the directives.
 */

#ifndef STREAM_SETTINGS_H
#define STREAM_SETTINGS_H

#include "http/request.h"
#include "http/validate.h"

extern const field_t stream_settings_fields[];

/*
 * Changes as in a merge patch (RFC 7396): a null takes a setting out, changes
 * itself may be NULL or null (no settings at all). current: JSON text of what
 * there is. *text: JSON text of the result, which lives as long as the
 * request. 0, or the status answered (422: settings that contradict each
 * other).
 */
int stream_settings_merge(request_t *r, const char *current,
    const json_t *changes, const char **text);

/* A number of the JSON text; when absent the directive's default for part_ms,
 * segment_ms and window_ms, 0 for others. */
int64_t stream_setting(const char *settings, const char *name);

#endif

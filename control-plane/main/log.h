/*
 * The log: one JSON object a line, on standard error or in a file (conf
 * "log", opened again by SIGHUP). A line is one write(), so that threads and
 * daemons do not mix theirs. Never a key, token, password or body in it.
 */

#ifndef LOG_H
#define LOG_H

#include <jansson.h>

typedef enum { LOG_ERROR = 0, LOG_WARN, LOG_INFO, LOG_DEBUG } log_level_e;

/* path NULL: standard error. level: "error", "warn", "info", "debug". -1 and
 * errno when the file does not open. */
int log_open(const char *path, const char *level);
int log_reopen(void);

/* {"time", "level", "message"}; long texts are cut. */
void log_line(log_level_e level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* An object of its own; "time" and "level" are put in front. Takes over the
 * reference. */
void log_json(log_level_e level, json_t *object);

#endif

/*
 * The configuration: lines "name value" of the file given by -c ("#" begins a
 * comment), and the environment (LIVE_<NAME>, upper case), which wins. The
 * names and their defaults are the table in conf.c; README.md lists them.
 *
 * Immutable once loaded; may be read by several threads.
 */

#ifndef CONF_H
#define CONF_H

#include <stdbool.h>
#include <stdint.h>

typedef struct conf_s conf_t;

/* path may be NULL: the environment only. NULL on error, with a sentence in
 * err that names the line, but never the value of a secret. */
conf_t *conf_load(const char *path, char *err, int size);
void conf_free(conf_t *conf);

/*
 * By name; a name that is not in the table ends the process (it is a mistake
 * in the code). conf_text: NULL when it is neither given nor has a default.
 */
const char *conf_text(const conf_t *conf, const char *name);
int64_t conf_int(const conf_t *conf, const char *name);  /* durations: s */
bool conf_bool(const conf_t *conf, const char *name);

/*
 * rate_<name>: "count/seconds". -1 when there is no such limit; count 0: not
 * limited ("off").
 */
int conf_rate(const conf_t *conf, const char *name, int *count, int *seconds);

/* Every name and value for "--check", secrets left out. */
void conf_print(const conf_t *conf);

#endif

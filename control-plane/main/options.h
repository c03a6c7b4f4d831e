/* The command line. */

#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>

typedef struct {
    const char  *conf;              /* -c FILE */
    bool         migrate, routes, queries, rotate_key, check;
} options_t;

/* false after a message: the line makes no sense. */
bool options_parse(options_t *options, int argc, char **argv);

#endif

/* The command line: see options.h. */

#include <stdio.h>
#include <string.h>

#include "main/options.h"

static const char  usage[] =
    "control-plane [-c FILE]      run\n"
    "control-plane --migrate      bring the database to this schema\n"
    "control-plane --check        what is configured, and does it work\n"
    "control-plane --rotate-key   make a new signing key now\n"
    "control-plane --routes       what is served, as JSON\n"
    "control-plane --queries      every statement, as JSON\n";


bool
options_parse(options_t *options, int argc, char **argv)
{
    memset(options, 0, sizeof(*options));

    for (int i = 1; i < argc; i++) {

        if (strcmp(argv[i], "-c") == 0 && i + 1 < argc) {
            options->conf = argv[++i];
        } else if (strcmp(argv[i], "--migrate") == 0) {
            options->migrate = true;
        } else if (strcmp(argv[i], "--routes") == 0) {
            options->routes = true;
        } else if (strcmp(argv[i], "--queries") == 0) {
            options->queries = true;
        } else if (strcmp(argv[i], "--rotate-key") == 0) {
            options->rotate_key = true;
        } else if (strcmp(argv[i], "--check") == 0) {
            options->check = true;
        } else {
            fputs(usage, stderr);
            return false;
        }
    }

    return true;
}

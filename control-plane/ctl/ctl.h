/*
 * live-ctl: the control plane from a terminal, for those who run it. Most
 * commands speak the API with an API token; "admin create" and "check" work on
 * the control plane's own host, straight with its configuration.
 *
 * One thread. A command prints what it found on standard output, and one
 * sentence on standard error when it fails; it returns an exit code.
 */

#ifndef CTL_H
#define CTL_H

#include <stdbool.h>
#include <jansson.h>

enum {
    CTL_OK = 0,
    CTL_FAILED,             /* refused, not found, something is wrong */
    CTL_USAGE,
    CTL_UNREACHABLE,        /* the server, the database */
    CTL_DENIED              /* no token, or not with this one */
};

#define CTL_ARGS_MAX  8

typedef struct {
    const char  *conf;              /* -c; NULL: the environment only */
    const char  *url;               /* --url; NULL: as stored */
    const char  *label, *expires, *node, *query;
    bool         json;              /* --json */
    bool         http;              /* --http: tokens over plain HTTP */
    int          argc;              /* of the command, its name not counted */
    const char  *argv[CTL_ARGS_MAX];
} ctl_t;

typedef int (*command_pt)(ctl_t *ctl);

int ctl_admin_create(ctl_t *ctl);
int ctl_login(ctl_t *ctl);
int ctl_token(ctl_t *ctl);
int ctl_logout(ctl_t *ctl);
int ctl_live(ctl_t *ctl);
int ctl_streams(ctl_t *ctl);
int ctl_kick(ctl_t *ctl);
int ctl_key_create(ctl_t *ctl);
int ctl_key_list(ctl_t *ctl);
int ctl_key_revoke(ctl_t *ctl);
int ctl_nodes(ctl_t *ctl);
int ctl_drain(ctl_t *ctl);
int ctl_undrain(ctl_t *ctl);
int ctl_check(ctl_t *ctl);

/* "live-ctl: …" on standard error; returns code. */
int ctl_fail(int code, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif

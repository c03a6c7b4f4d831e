/*
 * Where the API is, and the API token: LIVE_CTL_URL and LIVE_CTL_TOKEN, or
 * $XDG_CONFIG_HOME/live-ctl/credentials.json (~/.config/…), which is readable
 * by its owner only; one that is not is refused.
 */

#ifndef CREDENTIALS_H
#define CREDENTIALS_H

#include "ctl/ctl.h"

#define CREDENTIALS_TOKEN  512
#define CREDENTIALS_URL    1024

typedef struct {
    char  url[CREDENTIALS_URL];         /* without a slash at its end */
    char  token[CREDENTIALS_TOKEN];     /* "": none */
} credentials_t;

/* --url wins; a token goes to no other URL than the one it was stored with.
 * CTL_OK, or an exit code after a message. */
int credentials_load(ctl_t *ctl, credentials_t *cred);
/* The URL alone, for who has no token yet. */
int credentials_url(ctl_t *ctl, credentials_t *cred);
int credentials_save(const credentials_t *cred);
int credentials_remove(void);

#endif

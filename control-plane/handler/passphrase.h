/*
 * A stream's SRT passphrase: what encoders encrypt with, kept sealed. Users
 * set it and never see it again; nodes are told with each publish.
 */

#ifndef PASSPHRASE_H
#define PASSPHRASE_H

#include "http/request.h"

/* libsrt's bounds, in bytes. */
#define PASSPHRASE_MIN  10
#define PASSPHRASE_MAX  79

/*
 * The text that `sealed` (stream_passphrases.sealed) holds. 0, or -1: it does
 * not open, which is in the log. Erase it (OPENSSL_cleanse) after use.
 */
int passphrase_open(request_t *r, const char *stream, const char *sealed,
    char text[PASSPHRASE_MAX + 1]);

#endif

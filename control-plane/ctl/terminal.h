/* What is typed in, or comes from standard input. */

#ifndef TERMINAL_H
#define TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

/*
 * A line without its end, into dst. From a terminal: after the prompt (on
 * standard error), and unseen when hidden. 0; -1 when there was none, it was
 * too long or interrupted, after a message.
 */
int terminal_line(const char *prompt, bool hidden, char *dst, size_t size);

bool terminal_is(void);

#endif

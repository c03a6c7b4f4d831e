#include "ctl/terminal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "ctl/ctl.h"

static volatile sig_atomic_t  interrupted;


static void
on_signal(int sig)
{
    interrupted = sig;
}


bool
terminal_is(void)
{
    return isatty(STDIN_FILENO) == 1;
}


/* Bytes one by one: what follows the line is left for the next one. */
static int
line_read(char *dst, size_t size)
{
    char     c;
    size_t   len;
    ssize_t  n;

    len = 0;

    for ( ;; ) {
        n = read(STDIN_FILENO, &c, 1);

        if (n < 0 && errno == EINTR && !interrupted) {
            continue;
        }

        if (n < 0 || (n == 0 && len == 0)) {
            return -1;
        }

        if (n == 0 || c == '\n') {
            break;
        }

        if (len + 1 == size || c == '\0') {
            return -1;
        }

        dst[len++] = c;
    }

    if (len > 0 && dst[len - 1] == '\r') {
        len--;
    }

    dst[len] = '\0';

    return 0;
}


/* With the echo off; the terminal is put right before a signal takes effect. */
static int
line_hidden(char *dst, size_t size)
{
    int               rc;
    struct termios    seen, unseen;
    struct sigaction  action, old_int, old_term;

    if (tcgetattr(STDIN_FILENO, &seen) != 0) {
        return -1;
    }

    memset(&action, 0, sizeof(action));
    action.sa_handler = on_signal;
    sigaction(SIGINT, &action, &old_int);
    sigaction(SIGTERM, &action, &old_term);

    unseen = seen;
    unseen.c_lflag &= ~(tcflag_t) ECHO;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &unseen);

    rc = line_read(dst, size);

    tcsetattr(STDIN_FILENO, TCSAFLUSH, &seen);
    fputs("\n", stderr);
    sigaction(SIGINT, &old_int, NULL);
    sigaction(SIGTERM, &old_term, NULL);

    if (interrupted) {
        raise(interrupted);
    }

    return rc;
}


int
terminal_line(const char *prompt, bool hidden, char *dst, size_t size)
{
    int  rc;

    if (terminal_is()) {
        fputs(prompt, stderr);
        rc = hidden ? line_hidden(dst, size) : line_read(dst, size);
    } else {
        rc = line_read(dst, size);
    }

    if (rc != 0 || dst[0] == '\0') {
        return ctl_fail(-1, "nothing usable was typed in");
    }

    return 0;
}

/* The Test Anything Protocol for unit tests in C: one process, one plan. */

#ifndef TAP_H
#define TAP_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int  tap_count;
static int  tap_failed;

__attribute__((format(printf, 2, 3), unused)) static int
ok(int cond, const char *fmt, ...)
{
    va_list  ap;

    printf("%sok %d - ", cond ? "" : "not ", ++tap_count);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
    fflush(stdout);

    if (!cond) {
        tap_failed++;
    }

    return cond;
}

__attribute__((format(printf, 1, 2), unused)) static void
diag(const char *fmt, ...)
{
    va_list  ap;

    fprintf(stderr, "# ");
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\n");
}

__attribute__((unused)) static int
is_int(long long got, long long want, const char *name)
{
    if (!ok(got == want, "%s", name)) {
        diag("got %lld, expected %lld", got, want);
        return 0;
    }

    return 1;
}

__attribute__((unused)) static int
is_str(const char *got, const char *want, const char *name)
{
    if (!ok(got && want && strcmp(got, want) == 0, "%s", name)) {
        diag("got \"%s\", expected \"%s\"", got ? got : "(null)",
             want ? want : "(null)");
        return 0;
    }

    return 1;
}

__attribute__((unused)) static int
done_testing(void)
{
    printf("1..%d\n", tap_count);
    return tap_failed ? 1 : 0;
}

#endif

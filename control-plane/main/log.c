/* The log: see log.h. */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "main/log.h"

#define LOG_TEXT_MAX  1000

static const char *const  log_levels[] = { "error", "warn", "info", "debug" };

static struct {
    pthread_rwlock_t  lock;         /* guards fd against reopening */
    int               fd;
    char             *path;
    log_level_e       level;
} logger = { PTHREAD_RWLOCK_INITIALIZER, STDERR_FILENO, NULL, LOG_INFO };


int
log_open(const char *path, const char *level)
{
    for (log_level_e l = LOG_ERROR; l <= LOG_DEBUG; l++) {
        if (strcmp(log_levels[l], level) == 0) {
            logger.level = l;
        }
    }

    free(logger.path);
    logger.path = path != NULL ? strdup(path) : NULL;

    return log_reopen();
}


int
log_reopen(void)
{
    int  fd, old;

    if (logger.path == NULL) {
        return 0;
    }

    fd = open(logger.path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (fd < 0) {
        return -1;
    }

    pthread_rwlock_wrlock(&logger.lock);
    old = logger.fd;
    logger.fd = fd;
    pthread_rwlock_unlock(&logger.lock);

    if (old != STDERR_FILENO) {
        close(old);
    }

    return 0;
}


void
log_line(log_level_e level, const char *fmt, ...)
{
    char     text[LOG_TEXT_MAX];
    va_list  args;

    if (level > logger.level) {
        return;
    }

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);

    /* texts of others (libpq, the system) need not be UTF-8 */
    for (char *p = text; *p != '\0'; p++) {
        if ((unsigned char) *p >= 0x80 || (unsigned char) *p < 0x20) {
            *p = '?';
        }
    }

    log_json(level, json_pack("{s:s}", "message", text));
}


void
log_json(log_level_e level, json_t *object)
{
    char             stamp[40], *text, *line;
    size_t           len;
    ssize_t          n;
    struct tm        tm;
    struct timespec  ts;

    if (level > logger.level || object == NULL) {
        json_decref(object);
        return;
    }

    /* 15 digits: 13.924 and not 13.923999999999999 */
    text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(15));
    json_decref(object);

    if (text == NULL) {
        return;
    }

    clock_gettime(CLOCK_REALTIME, &ts);
    gmtime_r(&ts.tv_sec, &tm);
    len = strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(stamp + len, sizeof(stamp) - len, ".%03ldZ",
             ts.tv_nsec / 1000000);

    len = strlen(text) + 100;
    line = malloc(len);

    if (line != NULL) {
        n = snprintf(line, len, "{\"time\":\"%s\",\"level\":\"%s\"%s%s\n",
                     stamp, log_levels[level], text[1] == '}' ? "" : ",",
                     text + 1);

        pthread_rwlock_rdlock(&logger.lock);
        /* a full disk must not stop the service */
        if (write(logger.fd, line, n) < 0) {
            errno = 0;
        }
        pthread_rwlock_unlock(&logger.lock);
    }

    free(line);
    free(text);
}

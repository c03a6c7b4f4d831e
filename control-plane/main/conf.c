/* The configuration: see conf.h. */

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "main/conf.h"

typedef enum {
    CONF_TEXT = 0,
    CONF_SECRET,                    /* never printed: URLs with passwords */
    CONF_INT,
    CONF_TIME,                      /* "90", "90s", "15m", "1h", "30d" */
    CONF_BOOL,
    CONF_RATE
} conf_e;

typedef struct {
    const char  *name;
    conf_e       type;
    const char  *dflt;
    int64_t      min, max;
} conf_name_t;

#define DAY  86400

static const conf_name_t  conf_names[] = {
    { "listen", CONF_TEXT, "127.0.0.1:8090", 0, 0 },
    { "database", CONF_SECRET, NULL, 0, 0 },
    { "database_replica", CONF_SECRET, NULL, 0, 0 },
    { "statement_timeout_ms", CONF_INT, "5000", 100, 60000 },
    { "sql_dir", CONF_TEXT, SQL_DIR, 0, 0 },
    { "openapi", CONF_TEXT, OPENAPI_FILE, 0, 0 },
    { "threads", CONF_INT, "8", 1, 128 },
    { "slow_threads", CONF_INT, "2", 1, 32 },
    { "slow_queue", CONF_INT, "64", 1, 4096 },
    { "connections", CONF_INT, "1024", 8, 65536 },
    { "connections_per_address", CONF_INT, "64", 0, 65536 },
    { "body_timeout", CONF_TIME, "15", 1, 300 },
    { "idle_timeout", CONF_TIME, "65", 1, 3600 },
    { "drain_timeout", CONF_TIME, "15", 1, 300 },
    { "node_key", CONF_TEXT, NULL, 0, 0 },
    { "secret_key", CONF_TEXT, NULL, 0, 0 },
    { "redis", CONF_SECRET, NULL, 0, 0 },
    { "public_url", CONF_TEXT, "http://127.0.0.1:8080", 0, 0 },
    { "rtmp_url", CONF_TEXT, "rtmp://127.0.0.1:1935/live", 0, 0 },
    { "trusted_proxies", CONF_TEXT, "127.0.0.0/8 ::1/128", 0, 0 },
    { "log", CONF_TEXT, NULL, 0, 0 },
    { "log_level", CONF_TEXT, "info", 0, 0 },
    { "registration", CONF_TEXT, "open", 0, 0 },
    { "argon2_ops", CONF_INT, "0", 0, 100 },
    { "argon2_mem", CONF_INT, "0", 0, 4294967296 },
    { "token_ttl", CONF_TIME, "4h", 60, DAY },
    { "token_sessions", CONF_INT, "5", 1, 1000 },
    { "publish_token_ttl", CONF_TIME, "1h", 10, DAY },
    { "access_ttl", CONF_TIME, "15m", 60, DAY },
    { "refresh_ttl", CONF_TIME, "30d", 3600, 400 * DAY },
    { "webhook_allow_private", CONF_BOOL, "off", 0, 0 },
    { "audit_keep", CONF_TIME, "730d", 31 * DAY, 36500LL * DAY },
    { "chat_keep", CONF_TIME, "90d", DAY, 3650LL * DAY },
    { "rate_read", CONF_RATE, "600/60", 0, 0 },
    { "rate_write", CONF_RATE, "120/60", 0, 0 },
    { "rate_search", CONF_RATE, "120/60", 0, 0 },
    { "rate_login", CONF_RATE, "20/60", 0, 0 },
    { "rate_register", CONF_RATE, "10/3600", 0, 0 },
    { "rate_token", CONF_RATE, "600/60", 0, 0 },
    { "rate_report", CONF_RATE, "20/3600", 0, 0 },
    { "rate_invalid", CONF_RATE, "60/60", 0, 0 },
};

#define CONF_COUNT  (sizeof(conf_names) / sizeof(conf_names[0]))

struct conf_s {
    char  *values[CONF_COUNT];
};


static int conf_file(conf_t *conf, const char *path, char *err, int size);
static int conf_environment(conf_t *conf, char *err, int size);
static int conf_set(conf_t *conf, const char *name, const char *value,
    const char *where, char *err, int size);
static bool conf_parse(const conf_name_t *n, const char *value, int64_t *num);
static bool conf_parse_rate(const char *value, int *count, int *seconds);


conf_t *
conf_load(const char *path, char *err, int size)
{
    conf_t  *conf;

    conf = calloc(1, sizeof(*conf));
    if (conf == NULL) {
        abort();
    }

    if ((path != NULL && conf_file(conf, path, err, size) != 0)
        || conf_environment(conf, err, size) != 0)
    {
        conf_free(conf);
        return NULL;
    }

    for (size_t i = 0; i < CONF_COUNT; i++) {
        if (conf->values[i] == NULL && conf_names[i].dflt != NULL) {
            conf->values[i] = strdup(conf_names[i].dflt);
        }
    }

    return conf;
}


void
conf_free(conf_t *conf)
{
    if (conf == NULL) {
        return;
    }

    for (size_t i = 0; i < CONF_COUNT; i++) {
        free(conf->values[i]);
    }

    free(conf);
}


static int
conf_file(conf_t *conf, const char *path, char *err, int size)
{
    int    line, rc;
    char   text[4096], where[300], *name, *value, *end;
    FILE  *file;

    file = fopen(path, "re");
    if (file == NULL) {
        snprintf(err, size, "%s: %s", path, strerror(errno));
        return -1;
    }

    rc = 0;

    for (line = 1; rc == 0 && fgets(text, sizeof(text), file) != NULL; line++)
    {
        snprintf(where, sizeof(where), "%.250s line %d", path, line);

        if (strchr(text, '\n') == NULL && !feof(file)) {
            snprintf(err, size, "%s is too long", where);
            rc = -1;
            break;
        }

        name = text + strspn(text, " \t\r\n");

        if (*name == '\0' || *name == '#') {
            continue;
        }

        value = name + strcspn(name, " \t\r\n");

        if (*value != '\0') {
            *value++ = '\0';
            value += strspn(value, " \t\r\n");
        }

        /* a comment behind a value needs a space in front: URLs have # */
        end = strstr(value, " #");
        end = end != NULL ? end : value + strlen(value);

        while (end > value && isspace((unsigned char) end[-1])) {
            end--;
        }

        *end = '\0';
        rc = conf_set(conf, name, value, where, err, size);
    }

    fclose(file);

    return rc;
}


static int
conf_environment(conf_t *conf, char *err, int size)
{
    char         name[64];
    const char  *value;

    for (size_t i = 0; i < CONF_COUNT; i++) {
        snprintf(name, sizeof(name), "LIVE_%s", conf_names[i].name);

        for (char *p = name; *p; p++) {
            *p = (char) toupper((unsigned char) *p);
        }

        value = getenv(name);

        if (value != NULL
            && conf_set(conf, conf_names[i].name, value, name, err, size) != 0)
        {
            return -1;
        }
    }

    return 0;
}


static int
conf_set(conf_t *conf, const char *name, const char *value, const char *where,
    char *err, int size)
{
    size_t   i;
    int64_t  num;

    for (i = 0; i < CONF_COUNT; i++) {
        if (strcmp(conf_names[i].name, name) == 0) {
            break;
        }
    }

    if (i == CONF_COUNT) {
        snprintf(err, size, "%s: unknown name \"%.64s\"", where, name);
        return -1;
    }

    if (*value == '\0') {
        snprintf(err, size, "%s: \"%s\" has no value", where, name);
        return -1;
    }

    if (!conf_parse(&conf_names[i], value, &num)) {
        snprintf(err, size, "%s: the value of \"%s\" is not one that it can"
                 " have", where, name);
        return -1;
    }

    free(conf->values[i]);
    conf->values[i] = strdup(value);

    if (conf->values[i] == NULL) {
        abort();
    }

    return 0;
}


static bool
conf_parse(const conf_name_t *n, const char *value, int64_t *num)
{
    int         count, seconds;
    char       *end;
    long long   v;

    *num = 0;

    switch (n->type) {

    case CONF_TEXT:
    case CONF_SECRET:
        return true;

    case CONF_BOOL:
        *num = strcmp(value, "on") == 0;
        return *num || strcmp(value, "off") == 0;

    case CONF_RATE:
        return conf_parse_rate(value, &count, &seconds);

    case CONF_INT:
    case CONF_TIME:
        break;
    }

    errno = 0;
    v = strtoll(value, &end, 10);

    if (errno != 0 || end == value || v < 0 || v > n->max) {
        return false;
    }

    if (n->type == CONF_TIME && *end != '\0' && end[1] == '\0') {
        v *= *end == 's'   ? 1
             : *end == 'm' ? 60
             : *end == 'h' ? 3600
             : *end == 'd' ? DAY
                           : -1;
        end++;
    }

    *num = v;

    return *end == '\0' && v >= n->min && v <= n->max;
}


static bool
conf_parse_rate(const char *value, int *count, int *seconds)
{
    char  more;

    if (strcmp(value, "off") == 0) {
        *count = 0;
        *seconds = 1;
        return true;
    }

    return sscanf(value, "%9d/%9d%c", count, seconds, &more) == 2
           && *count > 0 && *seconds > 0 && *seconds <= DAY;
}


static size_t
conf_index(const char *name)
{
    for (size_t i = 0; i < CONF_COUNT; i++) {
        if (strcmp(conf_names[i].name, name) == 0) {
            return i;
        }
    }

    fprintf(stderr, "conf: no such name: %s\n", name);
    abort();
}


const char *
conf_text(const conf_t *conf, const char *name)
{
    return conf->values[conf_index(name)];
}


int64_t
conf_int(const conf_t *conf, const char *name)
{
    size_t   i;
    int64_t  num;

    i = conf_index(name);

    if (conf->values[i] == NULL) {
        return 0;
    }

    (void) conf_parse(&conf_names[i], conf->values[i], &num);

    return num;
}


bool
conf_bool(const conf_t *conf, const char *name)
{
    return conf_int(conf, name) != 0;
}


int
conf_rate(const conf_t *conf, const char *name, int *count, int *seconds)
{
    char  full[64];

    snprintf(full, sizeof(full), "rate_%s", name);

    for (size_t i = 0; i < CONF_COUNT; i++) {
        if (strcmp(conf_names[i].name, full) == 0) {
            (void) conf_parse_rate(conf->values[i], count, seconds);
            return 0;
        }
    }

    return -1;
}


void
conf_print(const conf_t *conf)
{
    const char  *value;

    for (size_t i = 0; i < CONF_COUNT; i++) {
        value = conf->values[i];

        if (value != NULL) {
            printf("%s %s\n", conf_names[i].name,
                   conf_names[i].type == CONF_SECRET ? "(set)" : value);
        }
    }
}

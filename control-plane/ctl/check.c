#include "ctl/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "db/pool.h"

#define SENTENCE_MAX  1000


static void
check_line(check_t *c, const char *state, const char *what,
    const char *advice, const char *fmt, va_list args)
{
    char  detail[SENTENCE_MAX];

    vsnprintf(detail, sizeof(detail), fmt, args);

    if (c->json) {
        json_array_append_new(c->found, json_pack("{s:s,s:s,s:o,s:s?}",
            "check", what, "state", state, "detail",
            json_sprintf("%s", detail), "advice", advice));
        return;
    }

    printf("%-6s %-16s %s\n", state, what, detail);

    if (advice != NULL) {
        printf("%-6s %-16s -> %s\n", "", "", advice);
    }
}


void
check_ok(check_t *c, const char *what, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    check_line(c, "ok", what, NULL, fmt, args);
    va_end(args);
}


void
check_odd(check_t *c, const char *what, const char *advice, const char *fmt,
    ...)
{
    va_list  args;

    c->odd++;
    va_start(args, fmt);
    check_line(c, "odd", what, advice, fmt, args);
    va_end(args);
}


void
check_wrong(check_t *c, const char *what, const char *advice, const char *fmt,
    ...)
{
    va_list  args;

    c->wrong++;
    va_start(args, fmt);
    check_line(c, "WRONG", what, advice, fmt, args);
    va_end(args);
}


static void
check_all(check_t *c, const char *path)
{
    check_files(c, path);
    check_database(c);

    if (c->db != NULL) {
        check_secrets(c);
        check_nodes(c);
    }

    check_services(c);
}


int
ctl_check(ctl_t *ctl)
{
    char     err[SENTENCE_MAX];
    check_t  c;

    memset(&c, 0, sizeof(c));
    c.json = ctl->json;
    c.found = json_array();
    c.conf = conf_load(ctl->conf, err, sizeof(err));

    if (c.conf == NULL) {
        check_wrong(&c, "configuration", "correct the file; control-plane/"
            "README.md lists the names", "%s", err);
    } else {
        check_ok(&c, "configuration", "%s", ctl->conf != NULL ? ctl->conf
            : "the environment (no -c)");
        check_all(&c, ctl->conf);
    }

    if (c.db != NULL) {
        db_release(c.db);
        db_close(c.db);
    }

    crypt_free(c.crypt);
    conf_free(c.conf);

    if (c.json) {
        json_dumpf(c.found, stdout, JSON_INDENT(1));
        printf("\n");
    } else if (c.wrong > 0) {
        printf("%d wrong\n", c.wrong);
    } else {
        printf("all is well%s\n", c.odd > 0 ? ", but for what is odd" : "");
    }

    json_decref(c.found);

    return c.wrong > 0 ? CTL_FAILED : CTL_OK;
}

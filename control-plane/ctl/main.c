#include "ctl/ctl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>
#include <sodium.h>

#include "main/log.h"

enum {
    OPT_CONF = 0x01,
    OPT_URL = 0x02,
    OPT_JSON = 0x04,
    OPT_HTTP = 0x08,
    OPT_LABEL = 0x10,
    OPT_EXPIRES = 0x20,
    OPT_NODE = 0x40,
    OPT_QUERY = 0x80
};

#define OPT_API  (OPT_URL | OPT_HTTP | OPT_JSON)

typedef struct {
    const char  *first, *second;    /* words of its name; second may be NULL */
    const char  *args;              /* for the usage */
    int          min, max;          /* arguments */
    unsigned     options;
    command_pt   run;
    const char  *what;
} command_t;

static const command_t  commands[] = {
    { "admin", "create", "NAME EMAIL", 2, 2, OPT_CONF, ctl_admin_create,
      "make an admin; the password is asked for, or read from stdin" },
    { "check", NULL, "", 0, 0, OPT_CONF | OPT_JSON, ctl_check,
      "the configuration and all it depends on; what to do about it" },
    { "login", NULL, "[NAME] --url URL", 0, 1, OPT_URL | OPT_HTTP, ctl_login,
      "make an API token with a password, and store it" },
    { "token", NULL, "--url URL", 0, 0, OPT_URL | OPT_HTTP, ctl_token,
      "store an API token that is typed in, or read from stdin" },
    { "logout", NULL, "", 0, 0, 0, ctl_logout,
      "forget the stored token" },
    { "live", NULL, "[--node NODE]", 0, 0, OPT_API | OPT_NODE, ctl_live,
      "what is live, on which node" },
    { "streams", NULL, "[--query WORDS]", 0, 0, OPT_API | OPT_QUERY,
      ctl_streams, "all streams, the newest first" },
    { "kick", NULL, "STREAM [REASON]", 1, 2, OPT_API, ctl_kick,
      "end what is live; the reason reaches the encoder" },
    { "key", "create", "STREAM [--label TEXT] [--expires TIME]", 1, 1,
      OPT_API | OPT_LABEL | OPT_EXPIRES, ctl_key_create,
      "make a stream key (TIME: 30d, 12h, or RFC 3339)" },
    { "key", "list", "STREAM", 1, 1, OPT_API, ctl_key_list,
      "keys of a stream, without the keys themselves" },
    { "key", "revoke", "STREAM KEY", 2, 2, OPT_API, ctl_key_revoke,
      "revoke a key by its id; who publishes with it is dropped" },
    { "nodes", NULL, "", 0, 0, OPT_API, ctl_nodes,
      "nodes, and how they are" },
    { "drain", NULL, "NODE", 1, 1, OPT_API, ctl_drain,
      "no new publishers for a node" },
    { "undrain", NULL, "NODE", 1, 1, OPT_API, ctl_undrain,
      "publishers for it again" },
};

#define COMMANDS  (sizeof(commands) / sizeof(commands[0]))

static const struct {
    const char  *name;
    unsigned     bit;
    bool         value;
} options[] = {
    { "-c", OPT_CONF, true },
    { "--url", OPT_URL, true },
    { "--json", OPT_JSON, false },
    { "--http", OPT_HTTP, false },
    { "--label", OPT_LABEL, true },
    { "--expires", OPT_EXPIRES, true },
    { "--node", OPT_NODE, true },
    { "--query", OPT_QUERY, true },
};

#define OPTIONS  (sizeof(options) / sizeof(options[0]))


int
ctl_fail(int code, const char *fmt, ...)
{
    va_list  args;

    fputs("live-ctl: ", stderr);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputs("\n", stderr);

    return code;
}


static void
usage(FILE *out)
{
    size_t            i;
    char              left[80];
    const command_t  *c;

    fputs("usage: live-ctl COMMAND [ARGUMENTS] [OPTIONS]\n\n", out);

    for (i = 0; i < COMMANDS; i++) {
        c = &commands[i];
        snprintf(left, sizeof(left), "%s%s%s %s", c->first,
            c->second != NULL ? " " : "", c->second != NULL ? c->second : "",
            c->args);
        fprintf(out, "  %s\n        %s\n", left, c->what);
    }

    fputs("\n  -c FILE     the control plane's configuration (admin create,"
          " check); without\n              it the environment's LIVE_…\n"
          "  --url URL   the site, as https://example.org\n"
          "  --http      allow plain HTTP to another host\n"
          "  --json      for programs\n\n"
          "LIVE_CTL_URL and LIVE_CTL_TOKEN win over what is stored.\n"
          "exit codes: 0 done, 1 refused or wrong, 2 usage, 3 not reachable,"
          " 4 not allowed\n", out);
}


static void
option_set(ctl_t *ctl, unsigned bit, const char *value)
{
    switch (bit) {
    case OPT_CONF:
        ctl->conf = value;
        break;
    case OPT_URL:
        ctl->url = value;
        break;
    case OPT_JSON:
        ctl->json = true;
        break;
    case OPT_HTTP:
        ctl->http = true;
        break;
    case OPT_LABEL:
        ctl->label = value;
        break;
    case OPT_EXPIRES:
        ctl->expires = value;
        break;
    case OPT_NODE:
        ctl->node = value;
        break;
    case OPT_QUERY:
        ctl->query = value;
        break;
    default:
        break;
    }
}


/* The words that are no options, and the options that were given. -1 after a
 * message. */
static int
arguments(ctl_t *ctl, int argc, char **argv, unsigned *given)
{
    int     i;
    bool    plain;
    size_t  n;

    plain = false;

    for (i = 1; i < argc; i++) {
        if (!plain && strcmp(argv[i], "--") == 0) {
            plain = true;
            continue;
        }

        if (plain || argv[i][0] != '-') {
            if (ctl->argc == CTL_ARGS_MAX) {
                return ctl_fail(-1, "too many arguments");
            }

            ctl->argv[ctl->argc++] = argv[i];
            continue;
        }

        for (n = 0; n < OPTIONS && strcmp(options[n].name, argv[i]) != 0; n++)
        {
            /* the one that it is */
        }

        if (n == OPTIONS) {
            return ctl_fail(-1, "no such option: %s", argv[i]);
        }

        if (options[n].value && i + 1 == argc) {
            return ctl_fail(-1, "%s needs a value", argv[i]);
        }

        *given |= options[n].bit;
        option_set(ctl, options[n].bit, options[n].value ? argv[++i] : NULL);
    }

    return 0;
}


/* The command of these words, which are then taken off. */
static const command_t *
command_find(ctl_t *ctl)
{
    int               words;
    size_t            i;
    const command_t  *c;

    for (i = 0; i < COMMANDS && ctl->argc > 0; i++) {
        c = &commands[i];
        words = c->second != NULL ? 2 : 1;

        if (strcmp(c->first, ctl->argv[0]) == 0
            && (words == 1 || (ctl->argc > 1
                && strcmp(c->second, ctl->argv[1]) == 0)))
        {
            ctl->argc -= words;
            memmove(ctl->argv, ctl->argv + words,
                (size_t) ctl->argc * sizeof(char *));
            return c;
        }
    }

    return NULL;
}


int
main(int argc, char **argv)
{
    int               rc;
    ctl_t             ctl;
    unsigned          given;
    const command_t  *c;

    if (argc == 2 && (strcmp(argv[1], "--help") == 0
        || strcmp(argv[1], "help") == 0))
    {
        usage(stdout);
        return CTL_OK;
    }

    memset(&ctl, 0, sizeof(ctl));
    given = 0;

    if (arguments(&ctl, argc, argv, &given) != 0) {
        return CTL_USAGE;
    }

    c = command_find(&ctl);

    if (c == NULL) {
        usage(stderr);
        return CTL_USAGE;
    }

    if (ctl.argc < c->min || ctl.argc > c->max || (given & ~c->options) != 0) {
        return ctl_fail(CTL_USAGE, "usage: live-ctl %s%s%s %s", c->first,
            c->second != NULL ? " " : "", c->second != NULL ? c->second : "",
            c->args);
    }

    if (sodium_init() < 0 || curl_global_init(CURL_GLOBAL_DEFAULT) != 0) {
        return ctl_fail(CTL_FAILED, "libsodium or libcurl does not start");
    }

    /* what the daemon's parts would log: commands say it in their own words */
    (void) log_open("/dev/null", "error");

    rc = c->run(&ctl);
    curl_global_cleanup();

    if (fflush(stdout) != 0 || ferror(stdout)) {
        return CTL_FAILED;
    }

    return rc;
}

/* Commands that list or order over the API. */

#include "ctl/ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ctl/api.h"
#include "ctl/table.h"
#include "http/text.h"

#define PATH_MAX_CTL  2048


/* "/streams/%s/keys" with the argument in place of %s, encoded. */
static void
path_make(char path[PATH_MAX_CTL], const char *before, const char *id,
    const char *after)
{
    char  *text;

    text = api_escape(id);
    snprintf(path, PATH_MAX_CTL, "%.1000s%.900s%.100s", before, text, after);
    free(text);
}


/* What is asked for with a parameter, or everything; printed. */
static int
list_print(ctl_t *ctl, const char *path, const char *query,
    const char *const *heads, json_t *(*row)(json_t *item))
{
    int            rc;
    size_t         i;
    json_t        *items, *rows;
    credentials_t  cred;

    rc = credentials_load(ctl, &cred);

    if (rc != CTL_OK) {
        return rc;
    }

    rc = api_list(&cred, path, query, &items);

    if (rc != CTL_OK) {
        return rc;
    }

    if (ctl->json) {
        table_json(items);

    } else {
        rows = json_array();

        for (i = 0; i < json_array_size(items); i++) {
            json_array_append_new(rows, row(json_array_get(items, i)));
        }

        table_print(heads, rows);
    }

    json_decref(items);

    return CTL_OK;
}


static json_t *
live_row(json_t *item)
{
    return json_pack("[o,o,o,o,o,o]", table_text(item, "id"),
        table_text(item, "node"),
        table_text(json_object_get(item, "user"), "username"),
        table_text(item, "viewers"), table_text(item, "start_time"),
        table_text(item, "title"));
}


static json_t *
streams_row(json_t *item)
{
    return json_pack("[o,o,o,o,o]", table_text(item, "id"),
        table_text(item, "status"),
        table_text(json_object_get(item, "user"), "username"),
        table_text(item, "visibility"), table_text(item, "title"));
}


static json_t *
keys_row(json_t *item)
{
    return json_pack("[o,o,o,o,o,o]", table_text(item, "id"),
        table_text(item, "created_at"), table_text(item, "expires_at"),
        table_text(item, "revoked_at"), table_text(item, "last_used_at"),
        table_text(item, "label"));
}


int
ctl_live(ctl_t *ctl)
{
    char  query[PATH_MAX_CTL];

    static const char *const  heads[] = {
        "STREAM", "NODE", "USER", "VIEWERS", "SINCE", "TITLE", NULL
    };

    path_make(query, ctl->node != NULL ? "?live=true&node=" : "?live=true",
        ctl->node != NULL ? ctl->node : "", "");

    return list_print(ctl, "/admin/streams", query, heads, live_row);
}


int
ctl_streams(ctl_t *ctl)
{
    char  query[PATH_MAX_CTL];

    static const char *const  heads[] = {
        "STREAM", "STATUS", "USER", "VISIBILITY", "TITLE", NULL
    };

    path_make(query, ctl->query != NULL ? "?q=" : "",
        ctl->query != NULL ? ctl->query : "", "");

    return list_print(ctl, "/admin/streams", query, heads, streams_row);
}


int
ctl_key_list(ctl_t *ctl)
{
    char  path[PATH_MAX_CTL];

    static const char *const  heads[] = {
        "KEY", "CREATED", "EXPIRES", "REVOKED", "LAST USED", "LABEL", NULL
    };

    path_make(path, "/streams/", ctl->argv[0], "/keys");

    return list_print(ctl, path, "", heads, keys_row);
}


/* RFC 3339 as it is, or "30d", "12h", "45m" from now. */
static int
time_read(const char *text, char *dst, size_t size)
{
    char        *end;
    long long    n;
    time_t       when;
    struct tm    tm;

    if (time_valid(text)) {
        snprintf(dst, size, "%s", text);
        return CTL_OK;
    }

    n = strtoll(text, &end, 10);
    n *= *end == 'd' ? 86400 : *end == 'h' ? 3600 : *end == 'm' ? 60 : 0;

    if (n < 1 || n > 86400LL * 36500 || end[1] != '\0') {
        return ctl_fail(CTL_USAGE, "not a time: %s (30d, 12h, 45m, or "
            "2030-01-31T12:00:00Z)", text);
    }

    when = time(NULL) + n;
    gmtime_r(&when, &tm);
    strftime(dst, size, "%Y-%m-%dT%H:%M:%SZ", &tm);

    return CTL_OK;
}


int
ctl_key_create(ctl_t *ctl)
{
    int            rc;
    char           path[PATH_MAX_CTL], when[64];
    json_t        *body, *answer;
    credentials_t  cred;

    body = json_object();

    if (ctl->expires != NULL) {
        if (time_read(ctl->expires, when, sizeof(when)) != CTL_OK) {
            json_decref(body);
            return CTL_USAGE;
        }

        json_object_set_new(body, "expires_at", json_string(when));
    }

    if (ctl->label != NULL) {
        json_object_set_new(body, "label", json_string(ctl->label));
    }

    rc = credentials_load(ctl, &cred);

    if (rc != CTL_OK) {
        json_decref(body);
        return rc;
    }

    path_make(path, "/streams/", ctl->argv[0], "/keys");
    rc = api_call(&cred, "POST", path, body, &answer);

    if (rc != CTL_OK) {
        return rc;
    }

    if (ctl->json) {
        table_json(answer);

    } else {
        /* the key alone on standard output: for a pipe */
        fprintf(stderr, "key %s of stream %s; it is shown this once\n",
            json_string_value(json_object_get(answer, "id")), ctl->argv[0]);
        printf("%s\n", json_string_value(json_object_get(answer, "key")));
    }

    json_decref(answer);

    return CTL_OK;
}


/* One request whose answer is of no interest but for programs. */
static int
order(ctl_t *ctl, const char *method, const char *path, json_t *body,
    const char *done, const char *what)
{
    int            rc;
    json_t        *answer;
    credentials_t  cred;

    rc = credentials_load(ctl, &cred);

    if (rc != CTL_OK) {
        json_decref(body);
        return rc;
    }

    rc = api_call(&cred, method, path, body, &answer);

    if (rc != CTL_OK) {
        return rc;
    }

    if (ctl->json && answer != NULL) {
        table_json(answer);
    } else if (!ctl->json) {
        printf("%s %s\n", what, done);
    }

    json_decref(answer);

    return CTL_OK;
}


int
ctl_key_revoke(ctl_t *ctl)
{
    char   path[PATH_MAX_CTL], before[PATH_MAX_CTL];

    path_make(before, "/streams/", ctl->argv[0], "/keys/");
    path_make(path, before, ctl->argv[1], "");

    return order(ctl, "DELETE", path, NULL, "is revoked",
        ctl->argv[1]);
}


int
ctl_kick(ctl_t *ctl)
{
    char     path[PATH_MAX_CTL];
    json_t  *body;

    path_make(path, "/admin/streams/", ctl->argv[0], "/kick");
    body = json_object();

    if (ctl->argc > 1) {
        json_object_set_new(body, "reason", json_string(ctl->argv[1]));
    }

    return order(ctl, "POST", path, body, "is stopped: its encoder is refused "
        "until somebody starts it again", ctl->argv[0]);
}


static json_t *
nodes_row(json_t *item)
{
    bool        draining;
    json_t     *state;
    const char *text;

    draining = json_is_true(json_object_get(item, "draining"));
    text = !json_is_true(json_object_get(item, "up")) ? "down"
           : draining != json_is_true(json_object_get(item, "drain_wanted"))
             ? (draining ? "undraining" : "drain wanted")
           : draining ? "draining" : "up";
    state = json_string(text);

    return json_pack("[o,o,o,o,o,o,o,o]", table_text(item, "id"), state,
        table_text(item, "streams"), table_text(item, "viewers"),
        json_sprintf("%.0f%%",
            100 * json_number_value(json_object_get(item, "cpu"))),
        table_text(item, "last_seen_at"), table_text(item, "version"),
        table_text(item, "rtmp_url"));
}


int
ctl_nodes(ctl_t *ctl)
{
    static const char *const  heads[] = {
        "NODE", "STATE", "STREAMS", "VIEWERS", "CPU", "LAST SEEN", "VERSION",
        "RTMP", NULL
    };

    return list_print(ctl, "/admin/nodes", "", heads, nodes_row);
}


int
ctl_drain(ctl_t *ctl)
{
    char  path[PATH_MAX_CTL];

    path_make(path, "/admin/nodes/", ctl->argv[0], "/drain");

    return order(ctl, "POST", path, NULL, "gets no new publishers",
        ctl->argv[0]);
}


int
ctl_undrain(ctl_t *ctl)
{
    char  path[PATH_MAX_CTL];

    path_make(path, "/admin/nodes/", ctl->argv[0], "/undrain");

    return order(ctl, "POST", path, NULL, "takes publishers again",
        ctl->argv[0]);
}

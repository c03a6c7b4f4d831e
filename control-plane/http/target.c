/* The request's target: path and query, see request_int.h. */

#include <stdlib.h>
#include <string.h>

#include "http/request_int.h"
#include "http/text.h"


static int
target_bad(request_t *r, const char *detail)
{
    return problem(r, 400, "bad-address", detail);
}


static int
target_query(request_t *r, char *query)
{
    char            *next, *value;
    request_priv_t  *p = r->priv;

    for ( /* void */ ; query != NULL; query = next) {
        next = strchr(query, '&');

        if (next != NULL) {
            *next++ = '\0';
        }

        if (*query == '\0') {
            continue;
        }

        if (p->nquery == REQUEST_QUERY_MAX) {
            return target_bad(r, "There are too many parameters.");
        }

        value = strchr(query, '=');

        if (value != NULL) {
            *value++ = '\0';
        } else {
            value = request_printf(r, "%s", "");
        }

        if (percent_decode(query, true) != 0
            || percent_decode(value, true) != 0)
        {
            return target_bad(r, "The parameters are not UTF-8.");
        }

        p->query[p->nquery++] = (pair_t) { query, value };
    }

    return 0;
}


int
request_target(request_t *r, const char *target)
{
    char  *path, *query;

    if (strlen(target) > REQUEST_TARGET_MAX) {
        return problem(r, 414, "bad-address", "The address is too long.");
    }

    path = request_printf(r, "%s", target);
    query = strchr(path, '?');

    if (query != NULL) {
        *query++ = '\0';
    }

    r->path = path;

    if (path[0] != '/') {
        return target_bad(r, "The address does not begin with a slash.");
    }

    return target_query(r, query);
}

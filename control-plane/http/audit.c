/* The audit log: see request.h. */

#include <stdio.h>
#include <stdlib.h>

#include "http/caller.h"
#include "http/request.h"

static const db_query_t  audit_sql = {
    "audit",
    "INSERT INTO audit_log (actor_id, actor_role, session_id, api_token_id,"
    " action, object, object_id, addr, request_id, details)"
    " VALUES (nullif($1::bigint, 0), $2, nullif($3::bigint, 0),"
    " nullif($4::bigint, 0), $5, $6, $7, nullif($8, '')::inet, $9,"
    " $10::jsonb)",
    10
};
DB_REGISTER(audit_sql);


int
audit(request_t *r, const char *what, const char *object, const char *id,
    json_t *details)
{
    char         *text;
    const char   *user, *session, *token;
    db_result_t  *res;

    text = details != NULL ? json_dumps(details, JSON_COMPACT) : NULL;
    json_decref(details);

    user = request_printf(r, "%lld", (long long) r->caller.user);
    session = request_printf(r, "%lld", (long long) r->caller.session);
    token = request_printf(r, "%lld", (long long) r->caller.api_token);

    res = db_run(r->db, &audit_sql, user, role_name(r->caller.role), session,
                 token, what, object, id, r->addr, r->request_id, text);
    free(text);

    return res != NULL ? 0 : -1;
}

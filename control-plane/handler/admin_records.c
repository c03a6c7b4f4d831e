/* Reports and the audit log, for the platform's staff: see admin.h. */

#include "handler/admin.h"
#include "handler/stream_json.h"
#include "http/page.h"


#define AUDIT_ID_FIRST  "9223372036854775807"   /* in front of the newest */


static int admin_report_respond(request_t *r, const char *id);


/* For the alias p of reports. */
#define SQL_REPORT                                                            \
    "json_build_object('id', p.id::text,"                                     \
    " 'reporter', p.reporter_id::text, 'user', p.user_id::text,"              \
    " 'stream', p.stream_id, 'reason', p.reason, 'text', p.text,"             \
    " 'status', p.status, 'resolution', p.resolution,"                        \
    " 'handled_by', p.handled_by::text,"                                      \
    " 'handled_at', " SQL_TIME("p.handled_at") ","                            \
    " 'created_at', " SQL_TIME("p.created_at") ")"


static const db_query_t  admin_reports_list_sql = {
    "admin_reports_list",
    "SELECT " SQL_REPORT ", p.id"
    "  FROM reports p"
    " WHERE ($1::text IS NULL OR p.status = $1)"
    "   AND ($2::bigint IS NULL OR p.user_id = $2)"
    "   AND ($3::text IS NULL OR p.stream_id = $3)"
    "   AND ($4::bigint IS NULL OR p.id < $4::bigint)"
    " ORDER BY p.id DESC LIMIT $5::integer",
    5
};
DB_REGISTER(admin_reports_list_sql);

static const db_query_t  admin_report_get_sql = {
    "admin_report_get",
    "SELECT " SQL_REPORT ", p.version FROM reports p WHERE p.id = $1", 1
};
DB_REGISTER(admin_report_get_sql);

static const db_query_t  admin_report_lock_sql = {
    "admin_report_lock",
    "SELECT status, version FROM reports WHERE id = $1 FOR NO KEY UPDATE", 1
};
DB_REGISTER(admin_report_lock_sql);

static const db_query_t  admin_report_change_sql = {
    "admin_report_change",
    "UPDATE reports SET status = $2, resolution = coalesce($3, resolution),"
    "  handled_by = CASE WHEN $2 <> 'open' THEN $4::bigint END,"
    "  handled_at = CASE WHEN $2 <> 'open' THEN now() END,"
    "  version = version + 1"
    " WHERE id = $1",
    4
};
DB_REGISTER(admin_report_change_sql);

/*
 * The log grows without end, so what is asked for most has a query and an
 * index of its own; the rest of the filters is applied to what that finds.
 */
#define SQL_AUDIT(where)                                                      \
    "SELECT json_build_object('id', a.id::text, 'at', " SQL_TIME("a.at") ","  \
    "  'actor', a.actor_id::text, 'actor_role', a.actor_role,"                \
    "  'session', a.session_id::text, 'api_token', a.api_token_id::text,"     \
    "  'action', a.action, 'object', a.object, 'object_id', a.object_id,"     \
    "  'addr', host(a.addr), 'request_id', a.request_id,"                     \
    "  'details', a.details), a.id"                                           \
    "  FROM audit_log a"                                                      \
    " WHERE " where                                                           \
    "   AND ($5::timestamptz IS NULL OR a.at >= $5::timestamptz)"             \
    "   AND ($6::timestamptz IS NULL OR a.at < $6::timestamptz)"              \
    "   AND a.id < $7::bigint"                                                \
    " ORDER BY a.id DESC LIMIT $8::integer"

#define SQL_AUDIT_ACTOR   "($1::bigint IS NULL OR a.actor_id = $1)"
#define SQL_AUDIT_ACTION  "($2::text IS NULL OR a.action = $2)"
#define SQL_AUDIT_OBJECT                                                      \
    "($3::text IS NULL OR a.object = $3)"                                     \
    " AND ($4::text IS NULL OR a.object_id = $4)"

static const db_query_t  admin_audit_list_sql = {
    "admin_audit_list",
    SQL_AUDIT(SQL_AUDIT_ACTOR " AND " SQL_AUDIT_ACTION " AND "
              SQL_AUDIT_OBJECT),
    8
};
DB_REGISTER(admin_audit_list_sql);

static const db_query_t  admin_audit_object_sql = {
    "admin_audit_object",
    SQL_AUDIT("a.object = $3 AND a.object_id = $4 AND " SQL_AUDIT_ACTOR
              " AND " SQL_AUDIT_ACTION),
    8
};
DB_REGISTER(admin_audit_object_sql);

static const db_query_t  admin_audit_actor_sql = {
    "admin_audit_actor",
    SQL_AUDIT("a.actor_id = $1 AND " SQL_AUDIT_ACTION " AND "
              SQL_AUDIT_OBJECT),
    8
};
DB_REGISTER(admin_audit_actor_sql);

static const db_query_t  admin_audit_action_sql = {
    "admin_audit_action",
    SQL_AUDIT("a.action = $2 AND " SQL_AUDIT_ACTOR " AND " SQL_AUDIT_OBJECT),
    8
};
DB_REGISTER(admin_audit_action_sql);


int
admin_reports_list(request_t *r)
{
    int           status;
    page_t        page;
    db_result_t  *res;

    status = page_read(r, &page, 1);
    if (status != 0) {
        return status;
    }

    res = db_run(r->db, &admin_reports_list_sql, request_query(r, "status"),
                 request_query(r, "user"), request_query(r, "stream"),
                 page.keys ? page.key[0] : NULL, page.limit_text);

    return res == NULL ? problem_db(r) : respond_page(r, &page, res, 0, 1);
}


int
admin_reports_change(request_t *r)
{
    const char   *id, *status;
    db_result_t  *res;

    id = request_param(r, "id");
    status = body_text(r->body, "status");

    res = db_run(r->db, &admin_report_lock_sql, id);
    if (res == NULL) {
        return problem_db(r);
    }

    if (db_rows(res) == 0) {
        return problem(r, 404, "not-found", "There is no such report.");
    }

    if (!request_version(r, db_text(res, 0, 1))) {
        return 412;
    }

    if (db_run(r->db, &admin_report_change_sql, id, status,
               body_text(r->body, "resolution"), r->caller.user_text) == NULL)
    {
        return db_error(r->db) == DB_DUPLICATE
                   ? problem(r, 409, "conflict", "There is a newer report of "
                             "the same by the same user.")
                   : problem_db(r);
    }

    if (audit(r, "admin.report.change", "report", id,
              json_pack("{s:s, s:s}", "from", db_text(res, 0, 0), "status",
                        status)) != 0)
    {
        return problem_db(r);
    }

    return admin_report_respond(r, id);
}


static int
admin_report_respond(request_t *r, const char *id)
{
    db_result_t  *res;

    res = db_run(r->db, &admin_report_get_sql, id);
    if (res == NULL) {
        return problem_db(r);
    }

    respond_header(r, "ETag", request_printf(r, "\"%s\"", db_text(res, 0, 1)));

    return respond_text(r, 200, db_text(res, 0, 0));
}


int
admin_audit_list(request_t *r)
{
    int                status;
    page_t             page;
    const char        *actor, *action, *object, *id;
    db_result_t       *res;
    const db_query_t  *q;

    status = page_read(r, &page, 1);
    if (status != 0) {
        return status;
    }

    actor = request_query(r, "actor");
    action = request_query(r, "action");
    object = request_query(r, "object");
    id = request_query(r, "object_id");

    if (id != NULL && object == NULL) {
        return problem_field(r, "object_id", "This goes with object.");
    }

    q = id != NULL       ? &admin_audit_object_sql
        : actor != NULL  ? &admin_audit_actor_sql
        : action != NULL ? &admin_audit_action_sql
                         : &admin_audit_list_sql;

    res = db_run(r->db, q, actor, action, object, id,
                 request_query(r, "from"), request_query(r, "to"),
                 page.keys ? page.key[0] : AUDIT_ID_FIRST, page.limit_text);

    return res == NULL ? problem_db(r) : respond_page(r, &page, res, 0, 1);
}

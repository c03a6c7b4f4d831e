/* Reports: see report.h. */

#include <string.h>

#include "handler/report.h"
#include "handler/stream_json.h"
#include "main/event.h"


#define TEXT(x)     TEXT_OF(x)
#define TEXT_OF(x)  #x


const field_t  report_fields[] = {
    { .name = "reason", .type = FIELD_ONE_OF, .flags = FIELD_REQUIRED,
      .of = REPORT_REASONS },
    { .name = "text", .type = FIELD_LINES, .max = 2000 },
    { 0 }
};


static const db_query_t  report_count_sql = {
    "report_count",
    "SELECT count(*) >= " TEXT(REPORTS_MAX)
    "  FROM reports WHERE reporter_id = $1 AND status = 'open'",
    1
};
DB_REGISTER(report_count_sql);

static const db_query_t  report_create_sql = {
    "report_create",
    "INSERT INTO reports (reporter_id, user_id, stream_id, reason, text)"
    " VALUES ($1, $2, $3, $4, coalesce($5, ''))"
    " ON CONFLICT (reporter_id, user_id, coalesce(stream_id, ''))"
    "  WHERE status = 'open' DO NOTHING"
    " RETURNING id, json_build_object('id', id::text, 'reason', reason,"
    "  'status', status, 'created_at', " SQL_TIME("created_at") ")",
    5
};
DB_REGISTER(report_create_sql);


int
report_create(request_t *r, const char *user, const char *stream)
{
    db_result_t  *res;

    if (strcmp(user, r->caller.user_text) == 0) {
        return problem(r, 422, "validation", "You cannot report yourself.");
    }

    res = db_run(r->db, &report_count_sql, r->caller.user_text);
    if (res == NULL) {
        return problem_db(r);
    }

    if (db_bool(res, 0, 0)) {
        return problem(r, 409, "too-many",
                       "You have " TEXT(REPORTS_MAX) " reports that nobody "
                       "has looked at yet.");
    }

    res = db_run(r->db, &report_create_sql, r->caller.user_text, user, stream,
                 body_text(r->body, "reason"), body_text(r->body, "text"));
    if (res == NULL) {
        return problem_db(r);
    }

    if (db_rows(res) == 0) {
        return problem(r, 409, "already-reported",
                       "You have reported this already.");
    }

    if (audit(r, "report.create", stream ? "stream" : "user",
              stream ? stream : user,
              json_pack("{s:s}", "report", db_text(res, 0, 0))) != 0
        || event_emit(r->db, "report.created", stream, NULL,
                      json_pack("{s:s, s:s, s:s?}", "report",
                                db_text(res, 0, 0), "user", user, "reason",
                                body_text(r->body, "reason"))) != 0)
    {
        return problem_db(r);
    }

    return respond_text(r, 201, db_text(res, 0, 1));
}

#include "handler/webhooks.h"

#include <string.h>

#include "handler/stream_json.h"
#include "http/page.h"
#include "main/event.h"

/* Asked for by hand: far fewer than events (EVENT_WAITING_MAX). */
#define BY_HAND_MAX  "100"

#define DELIVERY_JSON                                                         \
    "json_build_object('id', d.id::text, 'event_id', d.event_id,"             \
    " 'event', d.event, 'status', d.status, 'attempts', d.attempts,"          \
    " 'created_at', " SQL_TIME("d.created_at") ","                            \
    " 'tried_at', " SQL_TIME("d.tried_at") ","                                \
    " 'next_at', CASE WHEN d.status = 'pending'"                              \
    "  THEN " SQL_TIME("d.next_at") " END,"                                   \
    " 'done_at', " SQL_TIME("d.done_at") ","                                  \
    " 'response_status', d.last_status, 'response_ms', d.last_ms,"            \
    " 'response', d.response, 'error', d.last_error,"                         \
    " 'replay_of', d.replay_of::text, 'payload', d.payload)"

static const db_query_t  q_delivery_list = {
    "delivery_list",
    "SELECT " DELIVERY_JSON ", d.id FROM webhook_deliveries d"
    " WHERE d.webhook_id = $1::bigint AND d.id < $2::bigint"
    "  AND ($3::text IS NULL OR d.status = $3)"
    " ORDER BY d.id DESC LIMIT $4::integer",
    4
};
DB_REGISTER(q_delivery_list);

static const db_query_t  q_delivery_status = {
    "delivery_status",
    "SELECT d.status FROM webhook_deliveries d"
    " WHERE d.id = $2::bigint AND d.webhook_id = $1::bigint",
    2
};
DB_REGISTER(q_delivery_status);

/* Only while not too many wait: else no row. */
#define DELIVERY_ROOM                                                         \
    " (SELECT count(*) FROM (SELECT FROM webhook_deliveries p"                \
    "  WHERE p.webhook_id = $1::bigint AND p.status = 'pending'"              \
    "  LIMIT " BY_HAND_MAX ") x) < " BY_HAND_MAX

static const db_query_t  q_delivery_replay = {
    "delivery_replay",
    "INSERT INTO webhook_deliveries AS d (webhook_id, event_id, event,"
    " payload, replay_of)"
    " SELECT o.webhook_id, o.event_id, o.event, o.payload, o.id"
    " FROM webhook_deliveries o"
    " WHERE o.id = $2::bigint AND o.webhook_id = $1::bigint"
    "  AND" DELIVERY_ROOM " RETURNING " DELIVERY_JSON,
    2
};
DB_REGISTER(q_delivery_replay);

static const db_query_t  q_delivery_test = {
    "delivery_test",
    "INSERT INTO webhook_deliveries AS d (webhook_id, event_id, event,"
    " payload)"
    " SELECT $1::bigint, e.id, $2, jsonb_build_object('id', e.id,"
    "  'type', $2::text, 'time', rfc3339(now()), 'data',"
    "  jsonb_build_object('webhook', $1::bigint::text))"
    " FROM (SELECT 'evt_' || replace(gen_random_uuid()::text, '-', '') AS id)"
    "  e WHERE" DELIVERY_ROOM " RETURNING " DELIVERY_JSON,
    2
};
DB_REGISTER(q_delivery_test);


int
deliveries_get(request_t *r)
{
    int           rc;
    page_t        page;
    webhook_t     webhook;
    db_result_t  *res;

    rc = page_read(r, &page, 1);

    if (rc != 0) {
        return rc;
    }

    rc = webhook_open(r, &webhook);

    if (rc != 0) {
        return rc;
    }

    res = db_run(r->db, &q_delivery_list, webhook.id,
        page.keys ? page.key[0] : "9223372036854775807",
        request_query(r, "status"), page.limit_text);

    return res == NULL ? problem_db(r) : respond_page(r, &page, res, 0, 1);
}


/* What both ways of asking for a delivery answer. */
static int
delivery_made(request_t *r, db_result_t *res, const char *action,
    const char *webhook)
{
    if (res == NULL) {
        return problem_db(r);
    }

    if (db_rows(res) == 0) {
        return problem(r, 409, "limit", BY_HAND_MAX
            " deliveries are waiting already.");
    }

    if (audit(r, action, "webhook", webhook, NULL) != 0) {
        return problem_db(r);
    }

    return respond_text(r, 202, db_text(res, 0, 0));
}


static int
delivery_prepare(request_t *r, webhook_t *webhook)
{
    int  rc;

    rc = webhook_open(r, webhook);

    if (rc == 0 && webhook->disabled) {
        rc = problem(r, 409, "disabled",
            "The webhook is disabled: enable it first.");
    }

    return rc;
}


int
delivery_replay(request_t *r)
{
    int           rc;
    webhook_t     webhook;
    const char   *id;
    db_result_t  *res;

    rc = delivery_prepare(r, &webhook);

    if (rc != 0) {
        return rc;
    }

    id = request_param(r, "delivery");
    res = db_run(r->db, &q_delivery_status, webhook.id, id);

    if (res == NULL) {
        return problem_db(r);
    }

    if (db_rows(res) == 0) {
        return problem(r, 404, "not-found",
            "This webhook has no such delivery.");
    }

    if (strcmp(db_text(res, 0, 0), "pending") == 0) {
        return problem(r, 409, "conflict",
            "This delivery is still under way.");
    }

    res = db_run(r->db, &q_delivery_replay, webhook.id, id);

    return delivery_made(r, res, "webhook.replay", webhook.id);
}


int
webhook_test(request_t *r)
{
    int        rc;
    webhook_t  webhook;

    rc = delivery_prepare(r, &webhook);

    if (rc != 0) {
        return rc;
    }

    return delivery_made(r,
        db_run(r->db, &q_delivery_test, webhook.id, EVENT_TEST),
        "webhook.test", webhook.id);
}

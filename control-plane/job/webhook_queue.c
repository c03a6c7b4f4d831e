#include "job/webhook_queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "db/pool.h"
#include "job/webhooks.h"

#define TEXT(x)     TEXT_OF(x)
#define TEXT_OF(x)  #x
#define SECONDS(s)  " interval '" TEXT(s) "s'"

#define RETRY_FIRST_S  5
#define RETRY_MAX_S    3600

/* Which of a webhook's deliveries may go now: none behind the first that is
 * still waited for. */
#define QUEUE_DUE(webhook)                                                    \
    " d.webhook_id = " webhook " AND d.status = 'pending'"                    \
    " AND d.next_at <= now() AND d.id <= (SELECT coalesce(min(h.id),"         \
    "  9223372036854775807) FROM webhook_deliveries h"                        \
    "  WHERE h.webhook_id = " webhook " AND h.status = 'pending'"             \
    "  AND h.attempts < " TEXT(WEBHOOK_ORDERED) ")"

/*
 * p steps through the webhooks that have something waiting, an index probe
 * each, however many deliveries wait. Whoever was tried longest ago comes
 * first: slow ones do not keep others out.
 */
static const db_query_t  q_webhook_claim = {
    "webhook_claim",
    "WITH RECURSIVE p AS ((SELECT d.webhook_id AS id"
    "   FROM webhook_deliveries d WHERE d.status = 'pending'"
    "   ORDER BY d.webhook_id LIMIT 1)"
    "  UNION ALL SELECT (SELECT d.webhook_id FROM webhook_deliveries d"
    "   WHERE d.status = 'pending' AND d.webhook_id > p.id"
    "   ORDER BY d.webhook_id LIMIT 1) FROM p WHERE p.id IS NOT NULL),"
    " c AS (SELECT w.id FROM webhooks w JOIN users u ON u.id = w.user_id"
    "  WHERE w.id = ANY (ARRAY (SELECT p.id FROM p WHERE p.id IS NOT NULL))"
    "   AND w.disabled_at IS NULL AND u.suspended_at IS NULL"
    "   AND (w.leased_until IS NULL OR w.leased_until < now())"
    "   AND (w.retry_at IS NULL OR w.retry_at <= now())"
    "   AND (SELECT true FROM webhook_deliveries d"
    "    WHERE" QUEUE_DUE("w.id") " LIMIT 1)"
    "  ORDER BY w.tried_at NULLS FIRST, w.id LIMIT $1::integer"
    "  FOR NO KEY UPDATE OF w SKIP LOCKED)"
    " UPDATE webhooks w SET tried_at = now(),"
    "  leased_until = clock_timestamp() +" SECONDS(WEBHOOK_LEASE_S)
    " FROM c WHERE w.id = c.id RETURNING w.id",
    1
};
DB_REGISTER(q_webhook_claim);

/*
 * A statement of its own, that sees what another daemon wrote before it let go
 * of the webhook. $1 the webhooks. No delivery: it was done meanwhile.
 */
static const db_query_t  q_webhook_take = {
    "webhook_take",
    "WITH t AS (SELECT d.id FROM unnest($1::bigint[]) x (id)"
    "  CROSS JOIN LATERAL (SELECT d.id FROM webhook_deliveries d"
    "   WHERE" QUEUE_DUE("x.id") " ORDER BY d.id LIMIT 1) d),"
    " u AS (UPDATE webhook_deliveries d SET attempts = d.attempts + 1,"
    "  tried_at = now() FROM t WHERE d.id = t.id AND d.status = 'pending'"
    "  RETURNING d.webhook_id, d.id, d.attempts, d.event, d.payload)"
    " SELECT w.id, u.id, u.attempts, w.leased_until::text, u.event,"
    "  u.payload::text, w.url, w.sealed, w.failures"
    " FROM unnest($1::bigint[]) x (id) JOIN webhooks w ON w.id = x.id"
    " LEFT JOIN u ON u.webhook_id = w.id",
    1
};
DB_REGISTER(q_webhook_take);

static const db_query_t  q_webhook_release = {
    "webhook_release",
    "UPDATE webhooks SET leased_until = NULL"
    " WHERE id = $1::bigint AND leased_until = $2::timestamptz",
    2
};
DB_REGISTER(q_webhook_release);

/* $1 delivery, $2 attempts, $3 webhook, $4 lease, $5 status, $6 ms, $7
 * response. */
#define QUEUE_ANSWER                                                          \
    " last_status = nullif($5::int, 0), last_ms = $6::int, response = $7"

static const db_query_t  q_webhook_delivered = {
    "webhook_delivered",
    "WITH d AS (UPDATE webhook_deliveries SET status = 'delivered',"
    "  done_at = now(), last_error = NULL," QUEUE_ANSWER
    "  WHERE id = $1::bigint AND attempts = $2::int AND status = 'pending')"
    " UPDATE webhooks SET leased_until = NULL, failures = 0,"
    "  failing_since = NULL, retry_at = NULL"
    " WHERE id = $3::bigint AND leased_until = $4::timestamptz",
    7
};
DB_REGISTER(q_webhook_delivered);

/* $8 error, $9 the delivery's delay, $10 the webhook's, in seconds. */
static const db_query_t  q_webhook_failed = {
    "webhook_failed",
    "WITH d AS (UPDATE webhook_deliveries d SET last_error = $8,"
    QUEUE_ANSWER ", status = x.status,"
    "  next_at = now() + make_interval(secs => $9::int),"
    "  done_at = CASE WHEN x.status = 'failed' THEN now() END"
    "  FROM (SELECT id, CASE WHEN created_at +" SECONDS(WEBHOOK_LIFE_S)
    "    < now() + make_interval(secs => $9::int)"
    "   THEN 'failed' ELSE 'pending' END AS status"
    "   FROM webhook_deliveries WHERE id = $1::bigint) x"
    "  WHERE d.id = x.id AND d.attempts = $2::int AND d.status = 'pending'"
    "  RETURNING d.status),"
    " w AS (UPDATE webhooks w SET leased_until = NULL,"
    "  failures = w.failures + 1,"
    "  failing_since = coalesce(w.failing_since, now()),"
    "  retry_at = now() + make_interval(secs => $10::int),"
    "  disabled_at = CASE WHEN o.over THEN now() ELSE w.disabled_at END,"
    "  disabled_why = CASE WHEN o.over THEN left('Every attempt failed for"
    " three days; the last one: ' || $8, 200) ELSE w.disabled_why END,"
    "  version = w.version + CASE WHEN o.over THEN 1 ELSE 0 END"
    "  FROM (SELECT id, disabled_at IS NULL AND coalesce(failing_since <"
    "    now() -" SECONDS(WEBHOOK_FAILING_S) ", false) AS over"
    "   FROM webhooks WHERE id = $3::bigint) o"
    "  WHERE w.id = o.id AND w.leased_until = $4::timestamptz"
    "  RETURNING o.over)"
    " SELECT coalesce((SELECT d.status = 'failed' FROM d), false),"
    "  coalesce((SELECT w.over FROM w), false)",
    10
};
DB_REGISTER(q_webhook_failed);


static char *
text_copy(const char *text)
{
    char  *copy;

    copy = strdup(text);

    if (copy == NULL) {
        abort();
    }

    return copy;
}


static void
taken_read(taken_t *t, db_result_t *res, int row)
{
    memset(t, 0, sizeof(*t));

    snprintf(t->webhook, sizeof(t->webhook), "%s", db_text(res, row, 0));
    snprintf(t->delivery, sizeof(t->delivery), "%s", db_text(res, row, 1));
    snprintf(t->attempts, sizeof(t->attempts), "%s", db_text(res, row, 2));
    snprintf(t->lease, sizeof(t->lease), "%s", db_text(res, row, 3));
    snprintf(t->event, sizeof(t->event), "%s", db_text(res, row, 4));
    t->tries = (int) db_int(res, row, 2);
    t->failures = (int) db_int(res, row, 8);
}


void
taken_free(taken_t *taken)
{
    free(taken->payload);
    free(taken->url);
    free(taken->sealed);
}


static int
queue_take_tx(db_t *db, taken_t *taken, int max)
{
    int           i, n;
    char          text[16], ids[24 * WEBHOOK_FLIGHTS_MAX + 3];
    size_t        len;
    taken_t       empty;
    db_result_t  *res;

    snprintf(text, sizeof(text), "%d", max);
    res = db_run(db, &q_webhook_claim, text);

    if (res == NULL || db_rows(res) == 0) {
        return res == NULL ? -1 : 0;
    }

    len = 0;

    for (i = 0; i < db_rows(res); i++) {
        len += (size_t) snprintf(ids + len, sizeof(ids) - len, "%c%s",
            i == 0 ? '{' : ',', db_text(res, i, 0));
    }

    snprintf(ids + len, sizeof(ids) - len, "}");
    res = db_run(db, &q_webhook_take, ids);

    if (res == NULL) {
        return -1;
    }

    n = 0;

    for (i = 0; i < db_rows(res) && n < max; i++) {
        if (db_null(res, i, 1)) {
            taken_read(&empty, res, i);
            queue_release(db, &empty);
            continue;
        }

        taken_read(&taken[n], res, i);
        taken[n].payload = text_copy(db_text(res, i, 5));
        taken[n].url = text_copy(db_text(res, i, 6));
        taken[n].sealed = text_copy(db_text(res, i, 7));
        n++;
    }

    return n;
}


int
queue_take(db_t *db, taken_t *taken, int max)
{
    int  n;

    max = max < WEBHOOK_FLIGHTS_MAX ? max : WEBHOOK_FLIGHTS_MAX;

    if (db_begin(db) != 0) {
        return -1;
    }

    n = queue_take_tx(db, taken, max);

    if (n < 0) {
        db_rollback(db);

    } else if (db_commit(db) != 0) {
        while (n > 0) {
            taken_free(&taken[--n]);
        }

        n = -1;
    }

    db_release(db);

    return n;
}


/* first, doubled with every failure but the first, up to max; give or take a
 * quarter, so that what failed together does not come back together. */
static int
queue_delay(int failures, int first, int max)
{
    int  delay;

    delay = first;

    while (--failures > 0 && delay < max) {
        delay *= 2;
    }

    delay = delay < max ? delay : max;

    return delay - delay / 4 + (int) randombytes_uniform(delay / 2 + 1);
}


int
queue_done(db_t *db, const taken_t *t, const outcome_t *o, bool *dead,
    bool *disabled)
{
    int           rc;
    char          status[16], ms[16], delay[16], pause[16];
    db_result_t  *res;

    *dead = false;
    *disabled = false;

    snprintf(status, sizeof(status), "%d", o->status);
    snprintf(ms, sizeof(ms), "%d", o->ms);

    if (o->delivered) {
        res = db_run(db, &q_webhook_delivered, t->delivery, t->attempts,
            t->webhook, t->lease, status, ms, o->response);

    } else {
        snprintf(delay, sizeof(delay), "%d",
            queue_delay(t->tries, RETRY_FIRST_S, RETRY_MAX_S));
        snprintf(pause, sizeof(pause), "%d",
            queue_delay(t->failures + 1, 1, WEBHOOK_PAUSE_MAX_S));

        res = db_run(db, &q_webhook_failed, t->delivery, t->attempts,
            t->webhook, t->lease, status, ms, o->response, o->error, delay,
            pause);

        if (res != NULL) {
            *dead = db_bool(res, 0, 0);
            *disabled = db_bool(res, 0, 1);
        }
    }

    rc = res != NULL ? 0 : -1;
    db_release(db);

    return rc;
}


void
queue_release(db_t *db, const taken_t *taken)
{
    (void) db_run(db, &q_webhook_release, taken->webhook, taken->lease);
}

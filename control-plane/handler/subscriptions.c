/*
 * Subscriptions to a user: who has one is a subscriber in the rooms of all of
 * that user's streams. The user gives and takes them, and so do admins; what
 * is paid for goes through here, too.
 */

#include <stdlib.h>
#include <string.h>

#include "handler/node_json.h"
#include "handler/stream_json.h"
#include "http/caller.h"
#include "http/page.h"
#include "http/router.h"
#include "http/text.h"
#include "main/revoke.h"

#define SUBSCRIPTION_JSON(user)                                               \
    "json_build_object('user', " SQL_USER_JSON ","                            \
    " 'until', " SQL_TIME("x.until") ","                                      \
    " 'created_at', " SQL_TIME("x.created_at") "), x." user

#define ID_FIRST  "0"               /* in front of every user's id */

/* $1 a user, $2 behind this one, $3 rows. */
static const db_query_t  q_subscribers = {
    "subscribers",
    "SELECT " SUBSCRIPTION_JSON("subscriber_id")
    " FROM subscriptions x JOIN users u ON u.id = x.subscriber_id"
    " WHERE x.user_id = $1::bigint AND x.subscriber_id > $2::bigint"
    "  AND (x.until IS NULL OR x.until > now())"
    " ORDER BY x.subscriber_id LIMIT $3::integer",
    3
};
DB_REGISTER(q_subscribers);

static const db_query_t  q_subscriptions = {
    "subscriptions",
    "SELECT " SUBSCRIPTION_JSON("user_id")
    " FROM subscriptions x JOIN users u ON u.id = x.user_id"
    " WHERE x.subscriber_id = $1::bigint AND x.user_id > $2::bigint"
    "  AND (x.until IS NULL OR x.until > now())"
    "  AND u.suspended_at IS NULL"
    " ORDER BY x.user_id LIMIT $3::integer",
    3
};
DB_REGISTER(q_subscriptions);

static const db_query_t  q_subscription_users = {
    "subscription_users",
    "SELECT count(*) FROM users WHERE id IN ($1::bigint, $2::bigint)",
    2
};
DB_REGISTER(q_subscription_users);

/* $3 seconds from now, or NULL: until it is taken away; $4 by whom. */
static const db_query_t  q_subscription_put = {
    "subscription_put",
    "INSERT INTO subscriptions AS x (user_id, subscriber_id, until,"
    " created_by) VALUES ($1::bigint, $2::bigint,"
    " now() + $3::bigint * interval '1s', $4::bigint)"
    " ON CONFLICT (user_id, subscriber_id) DO UPDATE"
    " SET until = excluded.until, created_by = excluded.created_by",
    4
};
DB_REGISTER(q_subscription_put);

static const db_query_t  q_subscription_show = {
    "subscription_show",
    "SELECT " SUBSCRIPTION_JSON("subscriber_id")
    " FROM subscriptions x JOIN users u ON u.id = x.subscriber_id"
    " WHERE x.user_id = $1::bigint AND x.subscriber_id = $2::bigint",
    2
};
DB_REGISTER(q_subscription_show);

static const db_query_t  q_subscription_delete = {
    "subscription_delete",
    "DELETE FROM subscriptions"
    " WHERE user_id = $1::bigint AND subscriber_id = $2::bigint",
    2
};
DB_REGISTER(q_subscription_delete);

/* Streams of $1 that $2 has tokens of: they say that he is a subscriber. */
static const db_query_t  q_subscription_tokens = {
    "subscription_tokens",
    "SELECT DISTINCT s.id FROM playback_sessions p"
    " JOIN streams s ON s.id = p.stream_id"
    " WHERE p.subject = $2 AND p.expires_at > now()"
    "  AND p.revoked_at IS NULL AND s.user_id = $1::bigint ORDER BY s.id",
    2
};
DB_REGISTER(q_subscription_tokens);


/* Whose they are, or admins; reading: the platform's moderators, too. 0, or
 * the status answered. */
static int
subscriptions_access(request_t *r)
{
    if (strcmp(request_param(r, "id"), r->caller.user_text) == 0
        || r->caller.role == ROLE_ADMIN
        || (caller_is_staff(&r->caller) && strcmp(r->method, "GET") == 0))
    {
        return 0;
    }

    return problem(r, 403, "forbidden", "They are another user's to give.");
}


static int
subscriptions_list(request_t *r, const db_query_t *q)
{
    int           rc;
    page_t        page;
    db_result_t  *res;

    rc = page_read(r, &page, 1);
    if (rc != 0) {
        return rc;
    }

    if (page.keys && !id_valid(page.key[0])) {
        return problem_field(r, "cursor", "is not one of this list.");
    }

    res = db_run(r->db, q, q == &q_subscribers ? request_param(r, "id")
                                               : r->caller.user_text,
                 page.keys ? page.key[0] : ID_FIRST, page.limit_text);

    return res != NULL ? respond_page(r, &page, res, 0, 1) : problem_db(r);
}


static int
subscribers_get(request_t *r)
{
    int  rc;

    rc = subscriptions_access(r);

    return rc != 0 ? rc : subscriptions_list(r, &q_subscribers);
}


static int
subscriptions_get(request_t *r)
{
    return subscriptions_list(r, &q_subscriptions);
}


static int
subscriber_put(request_t *r)
{
    int           rc;
    const char   *id, *user, *seconds;
    db_result_t  *res;

    rc = subscriptions_access(r);
    if (rc != 0) {
        return rc;
    }

    id = request_param(r, "id");
    user = request_param(r, "user");
    seconds = body_has(r->body, "seconds")
              ? node_number(r, body_int(r->body, "seconds", 0)) : NULL;

    if (strcmp(id, user) == 0) {
        return problem(r, 422, "invalid", "Nobody subscribes to himself.");
    }

    res = db_run(r->db, &q_subscription_users, id, user);
    if (res == NULL) {
        return problem_db(r);
    }

    if (db_int(res, 0, 0) != 2) {
        return problem(r, 404, "not-found", "There is no such user.");
    }

    if (db_run(r->db, &q_subscription_put, id, user, seconds,
               r->caller.user_text) == NULL
        || audit(r, "subscription.set", "user", id,
                 json_pack("{s:s,s:s*}", "user", user, "seconds", seconds))
               != 0)
    {
        return problem_db(r);
    }

    res = db_run(r->db, &q_subscription_show, id, user);

    return res != NULL ? respond_text(r, 200, db_text(res, 0, 0))
                       : problem_db(r);
}


static int
subscriber_delete(request_t *r)
{
    int           rc, i;
    const char   *id, *user;
    db_result_t  *res;

    rc = subscriptions_access(r);
    if (rc != 0) {
        return rc;
    }

    id = request_param(r, "id");
    user = request_param(r, "user");

    res = db_run(r->db, &q_subscription_delete, id, user);
    if (res == NULL) {
        return problem_db(r);
    }

    if (db_affected(res) == 0) {
        return problem(r, 404, "not-found", "There is no such subscription.");
    }

    res = db_run(r->db, &q_subscription_tokens, id, user);

    if (res == NULL
        || audit(r, "subscription.remove", "user", id,
                 json_pack("{s:s}", "user", user)) != 0)
    {
        return problem_db(r);
    }

    for (i = 0; i < db_rows(res); i++) {
        if (revoke_stream_user(r, db_text(res, i, 0), user) != 0) {
            return problem_db(r);
        }
    }

    return respond_empty(r);
}


static const field_t  subscription_fields[] = {
    { .name = "seconds", .type = FIELD_INT, .min = 60, .max = 315360000 },
    { 0 }
};

static const field_t  subscriptions_query[] = {
    PAGE_FIELDS,
    { 0 }
};

const route_t  routes_subscriptions[] = {
    { "GET", "/users/{id}/subscribers", subscribers_get, ACCESS_USER, 0,
      "profile:read", NULL, subscriptions_query, NULL },
    { "PUT", "/users/{id}/subscribers/{user}", subscriber_put, ACCESS_USER,
      0, "profile:write", subscription_fields, NULL, NULL },
    { "DELETE", "/users/{id}/subscribers/{user}", subscriber_delete,
      ACCESS_USER, 0, "profile:write", NULL, NULL, NULL },
    { "GET", "/users/me/subscriptions", subscriptions_get, ACCESS_USER, 0,
      "profile:read", NULL, subscriptions_query, NULL },
    { 0 }
};

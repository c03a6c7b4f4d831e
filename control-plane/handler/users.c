/*
 * Users as others see them: profile, followers, blocks, reports.
 *
 * Profiles are public; those of suspended users are there for the platform's
 * staff only. E-mail address and role are shown to oneself and to staff (the
 * address to admins). Blocking somebody ends following in both directions,
 * keeps them from following again, and from getting viewer tokens; it hides
 * nothing that is public.
 */

#include <stdlib.h>
#include <string.h>

#include "handler/report.h"
#include "handler/stream_json.h"
#include "http/caller.h"
#include "http/router.h"
#include "http/validate.h"
#include "main/revoke.h"


#define TEXT(x)     TEXT_OF(x)
#define TEXT_OF(x)  #x

#define FOLLOWS_MAX    5000
#define BLOCKS_MAX     5000

#define USER_LINKS     5
#define USER_LINK_LEN  200


static int user_profile(request_t *r);
static int user_change(request_t *r);
static int user_follow(request_t *r);
static int user_unfollow(request_t *r);
static int user_followers(request_t *r);
static int user_block(request_t *r);
static int user_unblock(request_t *r);
static int user_report(request_t *r);

static int user_respond(request_t *r, const char *id);
static int user_find(request_t *r, const char *id);
static int user_links(request_t *r, const char **links);
static const char *user_text(request_t *r, const char *name);
static int user_shut_out(request_t *r, const char *owner, const char *viewer,
    bool followers);
static int problem_no_user(request_t *r);


static const field_t  profile_fields[] = {
    { .name = "display_name", .type = FIELD_TEXT, .flags = FIELD_NULLABLE,
      .min = 1, .max = 64 },
    { .name = "bio", .type = FIELD_LINES, .flags = FIELD_NULLABLE,
      .max = 2000 },
    { .name = "avatar_url", .type = FIELD_URL, .flags = FIELD_NULLABLE,
      .max = 2048 },
    { .name = "language", .type = FIELD_TEXT, .flags = FIELD_NULLABLE,
      .min = 2, .max = 35 },
    { .name = "links", .type = FIELD_LIST, .flags = FIELD_NULLABLE,
      .max = USER_LINKS, .each = USER_LINK_LEN },
    { 0 }
};


const route_t  routes_users[] = {
    { .method = "GET", .path = "/users/{id}/profile",
      .handler = user_profile, .scope = "profile:read" },

    { .method = "PATCH", .path = "/users/me", .handler = user_change,
      .access = ACCESS_USER, .scope = "profile:write",
      .body = profile_fields },

    { .method = "POST", .path = "/users/{id}/follow",
      .handler = user_follow, .access = ACCESS_USER,
      .scope = "profile:write" },

    { .method = "DELETE", .path = "/users/{id}/follow",
      .handler = user_unfollow, .access = ACCESS_USER,
      .scope = "profile:write" },

    { .method = "GET", .path = "/users/{id}/followers",
      .handler = user_followers, .scope = "profile:read" },

    { .method = "PUT", .path = "/users/{id}/block", .handler = user_block,
      .access = ACCESS_USER, .scope = "profile:write" },

    { .method = "DELETE", .path = "/users/{id}/block",
      .handler = user_unblock, .access = ACCESS_USER,
      .scope = "profile:write" },

    { .method = "POST", .path = "/users/{id}/report",
      .handler = user_report, .access = ACCESS_USER,
      .scope = "profile:write", .body = report_fields,
      .rate = "report" },

    { 0 }
};


/* $2: the caller or NULL; $3, $4: whether that is staff, an admin. */
static const db_query_t  user_profile_sql = {
    "user_profile",
    "SELECT u.version, json_build_object("
    "  'id', u.id::text, 'username', u.username,"
    "  'display_name', u.display_name, 'bio', u.bio,"
    "  'avatar_url', u.avatar_url, 'language', u.language,"
    "  'links', u.links, 'created_at', " SQL_TIME("u.created_at") ","
    "  'followers', u.followers, 'live', coalesce("
    "   (SELECT json_agg(s.id ORDER BY l.viewers DESC, s.id)"
    "      FROM streams s JOIN live_streams l ON l.stream_id = s.id"
    "     WHERE s.user_id = u.id AND s.visibility = 'public'), '[]'),"
    "  'relation', CASE WHEN $2::bigint <> u.id THEN json_build_object("
    "   'following', EXISTS (SELECT FROM follows f"
    "     WHERE f.follower_id = $2::bigint AND f.user_id = u.id),"
    "   'follows_you', EXISTS (SELECT FROM follows f"
    "     WHERE f.follower_id = u.id AND f.user_id = $2::bigint),"
    "   'blocked', EXISTS (SELECT FROM blocks b"
    "     WHERE b.user_id = $2::bigint AND b.blocked_id = u.id)) END)"
    "  ::jsonb || CASE WHEN $3::boolean OR $2::bigint = u.id"
    "   THEN jsonb_build_object('role', u.role, 'suspended_at', "
    SQL_TIME("u.suspended_at") ") ELSE '{}' END"
    "  || CASE WHEN $4::boolean OR $2::bigint = u.id"
    "   THEN jsonb_build_object('email', u.email, 'email_verified',"
    "    u.email_verified_at IS NOT NULL) ELSE '{}' END"
    "  FROM users u"
    " WHERE u.id = $1 AND (u.suspended_at IS NULL OR $3::boolean)",
    4
};
DB_REGISTER(user_profile_sql);

static const db_query_t  user_version_sql = {
    "user_version",
    "SELECT version FROM users WHERE id = $1 FOR NO KEY UPDATE", 1
};
DB_REGISTER(user_version_sql);

/* NULL leaves what there is, '' takes it out. */
static const db_query_t  user_change_sql = {
    "user_change",
    "UPDATE users SET display_name = nullif(coalesce($2, display_name), ''),"
    "  bio = nullif(coalesce($3, bio), ''),"
    "  avatar_url = nullif(coalesce($4, avatar_url), ''),"
    "  language = nullif(coalesce($5, language), ''),"
    "  links = coalesce($6::jsonb, links),"
    "  updated_at = now(), version = version + 1"
    " WHERE id = $1",
    6
};
DB_REGISTER(user_change_sql);

static const db_query_t  user_find_sql = {
    "user_find",
    "SELECT FROM users WHERE id = $1 AND suspended_at IS NULL", 1
};
DB_REGISTER(user_find_sql);

/* Whether the two have blocked one another, and how many $2 follows. */
static const db_query_t  user_follow_check_sql = {
    "user_follow_check",
    "SELECT EXISTS (SELECT FROM blocks"
    "         WHERE (user_id = $1 AND blocked_id = $2)"
    "            OR (user_id = $2 AND blocked_id = $1)),"
    "  (SELECT count(*) FROM follows WHERE follower_id = $2)"
    "   >= " TEXT(FOLLOWS_MAX),
    2
};
DB_REGISTER(user_follow_check_sql);

static const db_query_t  user_follow_sql = {
    "user_follow",
    "INSERT INTO follows (user_id, follower_id) VALUES ($1, $2)"
    " ON CONFLICT DO NOTHING",
    2
};
DB_REGISTER(user_follow_sql);

static const db_query_t  user_unfollow_sql = {
    "user_unfollow",
    "DELETE FROM follows WHERE user_id = $1 AND follower_id = $2", 2
};
DB_REGISTER(user_unfollow_sql);

static const db_query_t  user_followers_sql = {
    "user_followers",
    "SELECT json_build_object('followers', followers, 'following',"
    "  (SELECT count(*) FROM follows f WHERE f.follower_id = u.id))"
    "  FROM users u"
    " WHERE id = $1 AND (suspended_at IS NULL OR $2::boolean)",
    2
};
DB_REGISTER(user_followers_sql);

static const db_query_t  user_block_sql = {
    "user_block",
    "INSERT INTO blocks (user_id, blocked_id)"
    " SELECT $2, $1 WHERE (SELECT count(*) FROM blocks WHERE user_id = $2)"
    "  < " TEXT(BLOCKS_MAX)
    " ON CONFLICT (user_id, blocked_id) DO UPDATE SET user_id = $2",
    2
};
DB_REGISTER(user_block_sql);

static const db_query_t  user_block_follows_sql = {
    "user_block_follows",
    "DELETE FROM follows WHERE (user_id = $1 AND follower_id = $2)"
    "    OR (user_id = $2 AND follower_id = $1)",
    2
};
DB_REGISTER(user_block_follows_sql);

static const db_query_t  user_unblock_sql = {
    "user_unblock",
    "DELETE FROM blocks WHERE blocked_id = $1 AND user_id = $2", 2
};
DB_REGISTER(user_unblock_sql);

/* Of which streams of $1 has $2 viewer tokens ($3: only of those that are for
 * followers)? Not live yet does not matter: the token would be good later. */
static const db_query_t  user_watched_sql = {
    "user_watched",
    "SELECT DISTINCT s.id FROM playback_sessions p"
    "  JOIN streams s ON s.id = p.stream_id"
    " WHERE p.subject = $2 AND p.expires_at > now()"
    "   AND p.revoked_at IS NULL AND s.user_id = $1"
    "   AND (s.visibility = 'followers' OR NOT $3::boolean)"
    " ORDER BY s.id",
    3
};
DB_REGISTER(user_watched_sql);


static int
user_profile(request_t *r)
{
    return user_respond(r, request_param(r, "id"));
}


static int
user_respond(request_t *r, const char *id)
{
    db_result_t  *res;

    res = db_run(r->db, &user_profile_sql, id,
                 r->caller.user ? r->caller.user_text : NULL,
                 caller_is_staff(&r->caller) ? "t" : "f",
                 r->caller.role == ROLE_ADMIN ? "t" : "f");
    if (res == NULL) {
        return problem_db(r);
    }

    if (db_rows(res) == 0) {
        return problem_no_user(r);
    }

    /* followers come and go without a new version: the tag is for If-Match */
    respond_header(r, "ETag", request_printf(r, "\"%s\"", db_text(res, 0, 0)));

    return respond_text(r, 200, db_text(res, 0, 1));
}


static int
user_change(request_t *r)
{
    int           status;
    const char   *links, *me;
    db_result_t  *res;

    me = r->caller.user_text;

    status = user_links(r, &links);
    if (status != 0) {
        return status;
    }

    res = db_run(r->db, &user_version_sql, me);
    if (res == NULL || db_rows(res) == 0) {
        return res == NULL ? problem_db(r) : problem_no_user(r);
    }

    if (!request_version(r, db_text(res, 0, 0))) {
        return 412;
    }

    res = db_run(r->db, &user_change_sql, me, user_text(r, "display_name"),
                 user_text(r, "bio"), user_text(r, "avatar_url"),
                 user_text(r, "language"), links);
    if (res == NULL || audit(r, "user.change", "user", me, NULL) != 0) {
        return problem_db(r);
    }

    return user_respond(r, me);
}


/* A text of the body: NULL when absent, "" for null. */
static const char *
user_text(request_t *r, const char *name)
{
    return json_is_null(json_object_get(r->body, name))
               ? "" : body_text(r->body, name);
}


/* Links are shown to everybody: nothing but the web. 0, or the status. */
static int
user_links(request_t *r, const char **links)
{
    char        *dump;
    size_t       i;
    json_t      *list;
    const char  *link;

    *links = NULL;
    list = json_object_get(r->body, "links");

    if (list == NULL) {
        return 0;
    }

    if (json_is_null(list)) {
        *links = "[]";
        return 0;
    }

    for (i = 0; i < json_array_size(list); i++) {
        link = json_string_value(json_array_get(list, i));

        if (strncmp(link, "https://", 8) != 0
            && strncmp(link, "http://", 7) != 0)
        {
            return problem_field(r, "links",
                                 "A link begins with https:// or http://.");
        }
    }

    dump = json_dumps(list, JSON_COMPACT);
    *links = request_printf(r, "%s", dump);
    free(dump);

    return 0;
}


/* 0 for a user who is there, else the status that was answered. */
static int
user_find(request_t *r, const char *id)
{
    db_result_t  *res;

    res = db_run(r->db, &user_find_sql, id);
    if (res == NULL) {
        return problem_db(r);
    }

    return db_rows(res) == 0 ? problem_no_user(r) : 0;
}


static int
user_follow(request_t *r)
{
    int           status;
    const char   *id;
    db_result_t  *res;

    id = request_param(r, "id");

    status = user_find(r, id);
    if (status != 0) {
        return status;
    }

    if (strcmp(id, r->caller.user_text) == 0) {
        return problem(r, 422, "validation", "You cannot follow yourself.");
    }

    res = db_run(r->db, &user_follow_check_sql, id, r->caller.user_text);
    if (res == NULL) {
        return problem_db(r);
    }

    if (db_bool(res, 0, 0)) {
        return problem(r, 403, "blocked", "You cannot follow this user.");
    }

    if (db_bool(res, 0, 1)) {
        return problem(r, 409, "too-many",
                       "You follow " TEXT(FOLLOWS_MAX) " users.");
    }

    if (db_run(r->db, &user_follow_sql, id, r->caller.user_text) == NULL) {
        return problem_db(r);
    }

    return respond_empty(r);
}


static int
user_unfollow(request_t *r)
{
    const char   *id;
    db_result_t  *res;

    id = request_param(r, "id");

    res = db_run(r->db, &user_unfollow_sql, id, r->caller.user_text);
    if (res == NULL
        || (db_affected(res) > 0
            && user_shut_out(r, id, r->caller.user_text, true) != 0))
    {
        return problem_db(r);
    }

    return respond_empty(r);
}


static int
user_followers(request_t *r)
{
    db_result_t  *res;

    res = db_run(r->db, &user_followers_sql, request_param(r, "id"),
                 caller_is_staff(&r->caller) ? "t" : "f");
    if (res == NULL) {
        return problem_db(r);
    }

    if (db_rows(res) == 0) {
        return problem_no_user(r);
    }

    return respond_text(r, 200, db_text(res, 0, 0));
}


static int
user_block(request_t *r)
{
    int           status;
    const char   *id;
    db_result_t  *res;

    id = request_param(r, "id");

    status = user_find(r, id);
    if (status != 0) {
        return status;
    }

    if (strcmp(id, r->caller.user_text) == 0) {
        return problem(r, 422, "validation", "You cannot block yourself.");
    }

    res = db_run(r->db, &user_block_sql, id, r->caller.user_text);
    if (res == NULL) {
        return problem_db(r);
    }

    if (db_affected(res) == 0) {
        return problem(r, 409, "too-many",
                       "You have blocked " TEXT(BLOCKS_MAX) " users.");
    }

    if (db_run(r->db, &user_block_follows_sql, id, r->caller.user_text)
            == NULL
        || audit(r, "user.block", "user", id, NULL) != 0
        || user_shut_out(r, r->caller.user_text, id, false) != 0
        || user_shut_out(r, id, r->caller.user_text, true) != 0)
    {
        return problem_db(r);
    }

    return respond_empty(r);
}


/* Who would get no viewer tokens any more: those of now end with it. */
static int
user_shut_out(request_t *r, const char *owner, const char *viewer,
    bool followers)
{
    int           i;
    db_result_t  *res;

    res = db_run(r->db, &user_watched_sql, owner, viewer,
                 followers ? "t" : "f");
    if (res == NULL) {
        return -1;
    }

    for (i = 0; i < db_rows(res); i++) {
        if (revoke_stream_user(r, db_text(res, i, 0), viewer) != 0) {
            return -1;
        }
    }

    return 0;
}


static int
user_unblock(request_t *r)
{
    const char   *id;
    db_result_t  *res;

    id = request_param(r, "id");

    res = db_run(r->db, &user_unblock_sql, id, r->caller.user_text);
    if (res == NULL
        || (db_affected(res) > 0
            && audit(r, "user.unblock", "user", id, NULL) != 0))
    {
        return problem_db(r);
    }

    return respond_empty(r);
}


static int
user_report(request_t *r)
{
    int  status;

    status = user_find(r, request_param(r, "id"));

    return status != 0 ? status
                       : report_create(r, request_param(r, "id"), NULL);
}


static int
problem_no_user(request_t *r)
{
    return problem(r, 404, "not-found", "There is no such user.");
}

#include <string.h>

#include "handler/stream_access.h"
#include "handler/stream_json.h"
#include "http/page.h"
#include "http/router.h"

/*
 * Lists of streams: what is live by viewers, then the rest by its age; or what
 * is announced, by its time. Others' streams only where they are public.
 *
 * A prepared statement's plan is made for any parameters. So each way to begin
 * a search (by words, by a tag, …) is a query of its own, which names its
 * index; filters besides are looked at row by row, and are no filter when
 * NULL.
 *
 * Parameters of a list:
 *   $1, $2  live streams behind these viewers and this id
 *   $3, $4  others behind this creation time and this id
 *   $5      rows
 *   $6      words, $7 category, $8 tag, $9 users.id, $10 the caller
 * A page's cursor has what the row was sorted by: "1", viewers, id or "0",
 * creation time, id.
 *
 * Words are looked up as words. Only when no stream has them, titles that look
 * alike are the answer ("gitar"); their cursors begin with "3" and "2".
 */

#define PHASE_LIVE          '1'
#define PHASE_SIMILAR       '2'     /* and above */
#define PHASE_SIMILAR_LIVE  '3'

#define VIEWERS_FIRST  "2147483647"     /* in front of the first row */
#define VIEWERS_END    "-1"             /* behind the last one */

#define PUBLIC                                                                \
    "s.visibility = 'public' AND u.suspended_at IS NULL"

/* A user sees all of their own. */
#define PUBLIC_OR_OWN                                                         \
    "((" PUBLIC ") OR s.user_id = $10::bigint)"

#define WORDS     "s.search @@ websearch_to_tsquery('simple', $6)"
#define SIMILAR   "s.title %> $6"
#define CATEGORY  "s.category = lower($7)"
#define TAG       "s.tags @> ARRAY[lower($8)]"
#define USER      "s.user_id = $9::bigint"

/* The residual filters, in front of which each query has its own. */
#define AND_CATEGORY  " AND ($7::text IS NULL OR " CATEGORY ")"
#define AND_TAG       " AND ($8::text IS NULL OR " TAG ")"
#define AND_WORDS                                                             \
    " AND ($6::text IS NULL OR " WORDS " OR " SIMILAR ")"

/* A column that nobody reads: parameters that a query does not use have a
 * type by it, at no cost to the plan. */
#define UNUSED                                                                \
    "num_nonnulls($1::integer, $2::text, $6::text, $7::text, $8::text,"       \
    " $9::bigint, $10::bigint)"

#define FROM_LIVE                                                             \
    " FROM live_streams l JOIN streams s ON s.id = l.stream_id"               \
    " JOIN users u ON u.id = s.user_id"
#define FROM_REST                                                             \
    " FROM streams s JOIN users u ON u.id = s.user_id"                        \
    " LEFT JOIN LATERAL (SELECT NULL::integer AS viewers) l ON true"

#define LIST(live, rest, filter)                                              \
    "SELECT item, phase, key, id, " UNUSED " FROM ("                          \
    "(SELECT " SQL_STREAM_ITEM " AS item, " live " AS phase,"                 \
    " l.viewers::text AS key, s.id, l.viewers,"                               \
    " NULL::timestamptz AS created_at" FROM_LIVE                              \
    " WHERE (l.viewers, l.stream_id) < ($1::integer, $2::text)"               \
    " AND " filter                                                            \
    " ORDER BY l.viewers DESC, l.stream_id DESC LIMIT $5::integer)"           \
    " UNION ALL "                                                             \
    "(SELECT " SQL_STREAM_ITEM ", " rest ", s.created_at::text, s.id, NULL,"  \
    " s.created_at" FROM_REST                                                 \
    " WHERE (s.created_at, s.id) < ($3::timestamptz, $4::text)"               \
    " AND s.status <> 'live' AND " filter                                     \
    " ORDER BY s.created_at DESC, s.id DESC LIMIT $5::integer)"               \
    ") x ORDER BY phase DESC, viewers DESC, created_at DESC, id DESC"         \
    " LIMIT $5::integer"

/* An announced stream that is an hour late is not coming. Behind $3, $4. */
#define UPCOMING(filter)                                                      \
    "SELECT " SQL_STREAM_ITEM ", 0, s.scheduled_at::text, s.id, " UNUSED      \
    FROM_REST                                                                 \
    " WHERE s.status = 'scheduled'"                                           \
    " AND s.scheduled_at > now() - interval '1 hour'"                         \
    " AND (s.scheduled_at, s.id) > ($3::timestamptz, $4::text)"               \
    " AND " filter                                                            \
    " ORDER BY s.scheduled_at, s.id LIMIT $5::integer"

static const db_query_t q_list_all = {
    "list_all", LIST("1", "0", PUBLIC), 10
};
DB_REGISTER(q_list_all);

static const db_query_t q_list_words = {
    "list_words",
    LIST("1", "0", WORDS " AND " PUBLIC AND_CATEGORY AND_TAG), 10
};
DB_REGISTER(q_list_words);

static const db_query_t q_list_similar = {
    "list_similar",
    LIST("3", "2", SIMILAR " AND " PUBLIC AND_CATEGORY AND_TAG), 10
};
DB_REGISTER(q_list_similar);

static const db_query_t q_list_tag = {
    "list_tag", LIST("1", "0", TAG " AND " PUBLIC AND_CATEGORY), 10
};
DB_REGISTER(q_list_tag);

static const db_query_t q_list_category = {
    "list_category", LIST("1", "0", CATEGORY " AND " PUBLIC), 10
};
DB_REGISTER(q_list_category);

static const db_query_t q_list_user = {
    "list_user",
    LIST("1", "0",
         USER " AND " PUBLIC_OR_OWN AND_WORDS AND_CATEGORY AND_TAG), 10
};
DB_REGISTER(q_list_user);

static const db_query_t q_upcoming = {
    "upcoming", UPCOMING(PUBLIC), 10
};
DB_REGISTER(q_upcoming);

static const db_query_t q_upcoming_some = {
    "upcoming_some", UPCOMING(PUBLIC AND_WORDS AND_CATEGORY AND_TAG), 10
};
DB_REGISTER(q_upcoming_some);

static const db_query_t q_upcoming_user = {
    "upcoming_user",
    UPCOMING(USER " AND " PUBLIC_OR_OWN AND_WORDS AND_CATEGORY AND_TAG), 10
};
DB_REGISTER(q_upcoming_user);

/*
 * The first page of what is live is what everybody asks for. Its plan is made
 * once only when the number of rows stands in the statement: for a number that
 * is not known the planner expects a tenth of the table, finds that dear, and
 * plans each time anew, which takes longer than the query.
 */
#define LIVE(rows)                                                            \
    "SELECT " SQL_STREAM_ITEM ", l.viewers, s.id" FROM_LIVE                   \
    " WHERE (l.viewers, l.stream_id) < ($1::integer, $2::text)"               \
    " AND " PUBLIC                                                            \
    " ORDER BY l.viewers DESC, l.stream_id DESC LIMIT " rows

#define LIVE_SHORT  20

static const db_query_t q_live = {
    "live", LIVE("21"), 2
};
DB_REGISTER(q_live);

static const db_query_t q_live_long = {
    "live_long", LIVE("101"), 2
};
DB_REGISTER(q_live_long);


static int
live_get(request_t *r)
{
    int           rc;
    page_t        page;
    db_result_t  *res;

    rc = page_read(r, &page, 2);
    if (rc != 0) {
        return rc;
    }

    res = db_run(r->db, page.limit <= LIVE_SHORT ? &q_live : &q_live_long,
                 page.keys ? page.key[0] : VIEWERS_FIRST,
                 page.keys ? page.key[1] : "");
    if (res == NULL) {
        return problem_db(r);
    }

    return respond_page(r, &page, res, 0, 1);
}


typedef struct {
    bool         upcoming;
    const char  *q, *category, *tag, *user;
    const char  *viewers, *live_id;         /* $1, $2 */
    const char  *at, *at_id;                /* $3, $4 */
} list_t;


static const db_query_t *
list_query(const list_t *list)
{
    if (list->upcoming && list->user != NULL) {
        return &q_upcoming_user;
    }

    if (list->upcoming) {
        return list->q != NULL || list->category != NULL || list->tag != NULL
                   ? &q_upcoming_some : &q_upcoming;
    }

    if (list->user != NULL) {
        return &q_list_user;
    }

    if (list->q != NULL) {
        return &q_list_words;
    }

    if (list->tag != NULL) {
        return &q_list_tag;
    }

    return list->category != NULL ? &q_list_category : &q_list_all;
}


/* Where the page begins. The end of one order is the beginning of the next. */

static void
list_seek(list_t *list, const page_t *page)
{
    char  phase;

    list->viewers = VIEWERS_FIRST;
    list->live_id = "";
    list->at = list->upcoming ? "-infinity" : "infinity";
    list->at_id = "";

    if (page->keys == 0) {
        return;
    }

    phase = page->key[0][0];

    if (phase == PHASE_LIVE || phase == PHASE_SIMILAR_LIVE) {
        list->viewers = page->key[1];
        list->live_id = page->key[2];
        return;
    }

    list->viewers = VIEWERS_END;
    list->at = page->key[1];
    list->at_id = page->key[2];
}


static int
streams_list(request_t *r)
{
    int                rc;
    list_t             list;
    page_t             page;
    const char        *upcoming;
    db_result_t       *res;
    const db_query_t  *query;

    rc = page_read(r, &page, 3);
    if (rc != 0) {
        return rc;
    }

    upcoming = request_query(r, "upcoming");

    list.upcoming = upcoming != NULL && strcmp(upcoming, "true") == 0;
    list.q = request_query(r, "q");
    list.category = request_query(r, "category");
    list.tag = request_query(r, "tag");
    list.user = request_query(r, "user");

    list_seek(&list, &page);
    query = list_query(&list);

    if (query == &q_list_words && page.keys != 0
        && page.key[0][0] >= PHASE_SIMILAR)
    {
        query = &q_list_similar;
    }

    for ( ;; ) {
        res = db_run(r->db, query, list.viewers, list.live_id, list.at,
                     list.at_id, page.limit_text, list.q, list.category,
                     list.tag, list.user, caller_id(r));
        if (res == NULL) {
            return problem_db(r);
        }

        if (query != &q_list_words || page.keys != 0 || db_rows(res) != 0) {
            break;
        }

        query = &q_list_similar;
    }

    return respond_page(r, &page, res, 0, 1);
}


static const field_t live_query[] = {
    PAGE_FIELDS,
    { 0 }
};

static const field_t list_query_fields[] = {
    PAGE_FIELDS,
    { .name = "q", .type = FIELD_TEXT, .min = 1, .max = 200 },
    { .name = "category", .type = FIELD_TEXT, .min = 1, .max = 64 },
    { .name = "tag", .type = FIELD_TEXT, .min = 1, .max = 32 },
    { .name = "user", .type = FIELD_ID },
    { .name = "upcoming", .type = FIELD_BOOL },
    { 0 }
};

const route_t routes_discovery[] = {
    { "GET", "/streams/live", live_get, ACCESS_ANYONE,
      ROUTE_REPLICA | ROUTE_NO_CALLER,
      "streams:read", NULL, live_query, NULL },
    { "GET", "/streams", streams_list, ACCESS_ANYONE, ROUTE_REPLICA,
      "streams:read", NULL, list_query_fields, "search" },
    { 0 }
};

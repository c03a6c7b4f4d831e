#include <string.h>

#include "handler/stream_access.h"
#include "handler/stream_json.h"

#define ACCESS_SQL                                                            \
    "SELECT s.user_id, s.status, s.visibility, s.version, s.settings,"        \
    " m.role, " SQL_STREAM_ADMITTED("$2::bigint")                             \
    " FROM streams s JOIN users u ON u.id = s.user_id"                        \
    " LEFT JOIN stream_members m"                                             \
    "  ON m.stream_id = s.id AND m.user_id = $2::bigint"                      \
    " WHERE s.id = $1"

enum {
    COL_OWNER,
    COL_STATUS,
    COL_VISIBILITY,
    COL_VERSION,
    COL_SETTINGS,
    COL_ROLE,
    COL_ADMITTED
};

static const db_query_t q_stream_access = {
    "stream_access", ACCESS_SQL, 2
};
DB_REGISTER(q_stream_access);

static const db_query_t q_stream_access_lock = {
    "stream_access_lock", ACCESS_SQL " FOR NO KEY UPDATE OF s", 2
};
DB_REGISTER(q_stream_access_lock);

static const db_query_t q_live_lock = {
    "live_lock",
    "SELECT FROM live_streams WHERE stream_id = $1 FOR UPDATE",
    1
};
DB_REGISTER(q_live_lock);


int
stream_rank(const char *role)
{
    static const struct {
        const char  *role;
        int          rank;
    } ranks[] = {
        { "owner", RANK_OWNER },
        { "co-host", RANK_CO_HOST },
        { "moderator", RANK_MODERATOR },
        { "vip", RANK_VIP },
        { "banned", RANK_BANNED },
    };

    for (size_t i = 0; i < sizeof(ranks) / sizeof(ranks[0]); i++) {
        if (strcmp(role, ranks[i].role) == 0) {
            return ranks[i].rank;
        }
    }

    return RANK_NONE;
}


const char *
caller_id(request_t *r)
{
    return r->caller.user != 0 ? r->caller.user_text : "0";
}


static bool
stream_reads(request_t *r)
{
    return strcmp(r->method, "GET") == 0 || strcmp(r->method, "HEAD") == 0;
}


int
problem_no_stream(request_t *r)
{
    return problem(r, 404, "not-found", "There is no such stream.");
}


static bool
stream_may(request_t *r, stream_right_e right, int rank)
{
    if (stream_reads(r) && r->caller.role >= ROLE_MODERATOR) {
        return true;
    }

    switch (right) {

    case STREAM_SEE:
        return true;

    case STREAM_MODERATE:
        return rank >= RANK_MODERATOR;

    case STREAM_STOP:
        return rank >= RANK_CO_HOST || r->caller.role >= ROLE_MODERATOR;

    case STREAM_EDIT:
        return rank >= RANK_CO_HOST;

    case STREAM_OWN:
        return rank >= RANK_OWNER;
    }

    return false;
}


int
stream_lock_live(request_t *r)
{
    return db_run(r->db, &q_live_lock, request_param(r, "id")) == NULL
               ? problem_db(r) : 0;
}


int
stream_open(request_t *r, stream_right_e right, stream_t *stream)
{
    bool               seen;
    db_result_t       *res;
    const db_query_t  *q;

    stream->id = request_param(r, "id");

    q = stream_reads(r) ? &q_stream_access : &q_stream_access_lock;

    res = db_run(r->db, q, stream->id, caller_id(r));
    if (res == NULL) {
        return problem_db(r);
    }

    if (db_rows(res) == 0) {
        return problem_no_stream(r);
    }

    stream->owner = db_text(res, 0, COL_OWNER);
    stream->status = db_text(res, 0, COL_STATUS);
    stream->visibility = db_text(res, 0, COL_VISIBILITY);
    stream->version = db_text(res, 0, COL_VERSION);
    stream->settings = db_text(res, 0, COL_SETTINGS);
    stream->rank = stream_rank(db_text(res, 0, COL_ROLE));

    seen = stream->rank > RANK_NONE || db_bool(res, 0, COL_ADMITTED)
           || r->caller.role >= ROLE_MODERATOR;

    if (r->caller.role == ROLE_ADMIN) {
        stream->rank = RANK_ADMIN;
    }

    if (!seen) {
        return problem_no_stream(r);
    }

    if (!stream_may(r, right, stream->rank)
        && !(stream_reads(r) && r->caller.role >= ROLE_MODERATOR))
    {
        return problem(r, 403, "forbidden",
                       "Your role in this stream does not allow that.");
    }

    return 0;
}

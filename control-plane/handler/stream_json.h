/*
 * A stream as JSON, made in the database: parts of constant SQL texts for the
 * aliases s (streams), u (its owner in users) and l (live_streams, or NULLs).
 */

#ifndef STREAM_JSON_H
#define STREAM_JSON_H

/* RFC 3339, UTC, milliseconds; NULL stays NULL. See sql/0030. */
#define SQL_TIME(t)  "rfc3339(" t ")"

#define SQL_USER_JSON                                                         \
    "json_build_object('id', u.id::text, 'username', u.username,"             \
    " 'display_name', u.display_name, 'avatar_url', u.avatar_url)"

#define SQL_STREAM_FIELDS                                                     \
    "'id', s.id, 'title', s.title, 'category', s.category, 'tags', s.tags,"   \
    " 'language', s.language, 'status', s.status,"                            \
    " 'visibility', s.visibility,"                                            \
    " 'scheduled_at', " SQL_TIME("s.scheduled_at") ","                        \
    " 'start_time', " SQL_TIME("s.start_time") ","                            \
    " 'end_time', " SQL_TIME("s.end_time") ","                                \
    " 'viewers', coalesce(l.viewers, 0), 'view_count', s.view_count,"         \
    " 'created_at', " SQL_TIME("s.created_at") ","                            \
    " 'user', " SQL_USER_JSON

/* What a list has of each stream. */
#define SQL_STREAM_ITEM  "json_build_object(" SQL_STREAM_FIELDS ")"

/*
 * Whether the visibility lets a user in, who may have a role as member m (or
 * NULLs): see stream_access.h. Only what the visibility asks for is looked up.
 */
#define SQL_STREAM_ADMITTED(user)                                             \
    "(u.suspended_at IS NULL AND CASE s.visibility"                           \
    "  WHEN 'followers' THEN m.role IS DISTINCT FROM 'banned'"                \
    "   AND EXISTS (SELECT FROM follows f"                                    \
    "    WHERE f.follower_id = " user " AND f.user_id = s.user_id)"           \
    "  WHEN 'private' THEN m.role IS DISTINCT FROM 'banned'"                  \
    "   AND EXISTS (SELECT FROM stream_viewers v"                             \
    "    WHERE v.stream_id = s.id AND v.user_id = " user ")"                  \
    "  ELSE true END)"

#endif

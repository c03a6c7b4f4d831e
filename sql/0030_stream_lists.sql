-- Lists of streams go backwards through these indexes, beginning behind the
-- cursor's row: both columns in the same direction, so that the comparison
-- (created_at, id) < (x, y) is a condition of the index.

DROP INDEX streams_user, streams_public, streams_category;

CREATE INDEX streams_user ON streams (user_id, created_at, id);
CREATE INDEX streams_public ON streams (created_at, id)
    WHERE visibility = 'public';
CREATE INDEX streams_category ON streams (category, created_at, id)
    WHERE visibility = 'public';
-- for platform moderators
CREATE INDEX streams_created_at ON streams (created_at, id);

DROP INDEX live_streams_viewers;
CREATE INDEX live_streams_viewers ON live_streams (viewers, stream_id);

-- A user's schedule.
CREATE INDEX streams_upcoming_user ON streams (user_id, scheduled_at, id)
    WHERE status = 'scheduled';

-- Keys that still open the door: few, whatever was revoked before.
CREATE INDEX stream_keys_valid ON stream_keys (stream_id, id)
    WHERE revoked_at IS NULL;

-- A time as every answer has it: RFC 3339, UTC, milliseconds. Of one SQL
-- expression, so that the planner puts it in place.
CREATE FUNCTION rfc3339(timestamptz) RETURNS text
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT to_char($1 AT TIME ZONE 'UTC',
                         'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') $$;

-- Chat: what was said in streams' rooms, and how rooms are kept in order.
--
-- Nodes give messages their ids: milliseconds since 2020 (UTC) << 20, and a
-- number that tells those of one millisecond apart. So an id is a time, and
-- the partitions' bounds are ids.

CREATE FUNCTION chat_id(timestamptz) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
    AS $$ SELECT greatest(0, floor(extract(epoch FROM $1) * 1000)::bigint
                 - 1577836800000) << 20 $$;

-- Everything that a room accepted, once by (stream_id, id): messages,
-- questions, votes, what moderators did. stream_id and user_id refer to
-- nothing: writing must not wait for anybody, and rows go with their
-- partition, or by jobs.
CREATE TABLE chat_messages (
    stream_id    text NOT NULL,
    id           bigint NOT NULL,
    kind         text NOT NULL CHECK (length(kind) <= 16),
    -- users.id; subject: the same as text, or "anon:…"
    user_id      bigint,
    subject      text CHECK (length(subject) <= 64),
    name         text CHECK (length(name) <= 64),
    message_text text CHECK (length(message_text) <= 4096),
    "timestamp"  timestamptz NOT NULL,
    -- the stream's media time, for a replay in step
    media_ms     bigint,
    reply_to     bigint,
    -- the message that it is about
    target       bigint,
    -- held: waits for a moderator; shadow: nobody but its writer saw it
    status       text NOT NULL DEFAULT 'ok'
                 CHECK (status IN ('ok', 'held', 'shadow', 'rejected',
                                   'deleted')),
    decided_by   bigint,
    decided_at   timestamptz,
    -- what else the kind has
    data         jsonb,
    node_id      text,
    PRIMARY KEY (stream_id, id)
) PARTITION BY RANGE (id);

-- What is shown; one's own; what waits.
CREATE INDEX chat_messages_shown ON chat_messages (stream_id, id)
    WHERE kind IN ('message', 'question', 'event');
CREATE INDEX chat_messages_user ON chat_messages (user_id, stream_id, id);
CREATE INDEX chat_messages_held ON chat_messages (stream_id, id)
    WHERE status = 'held';

-- Whatever has no day of its own (a node's clock is wrong): never lost.
CREATE TABLE chat_messages_other PARTITION OF chat_messages DEFAULT;

-- Makes the days (UTC) from yesterday on, and returns how many it made. A day
-- of which rows already are among the others stays there.
CREATE FUNCTION chat_partitions(ahead integer) RETURNS integer
    LANGUAGE plpgsql AS $$
DECLARE
    today timestamp := date_trunc('day', now() AT TIME ZONE 'UTC');
    first bigint;
    after bigint;
    part  text;
    made  integer := 0;
BEGIN
    FOR i IN -1 .. ahead LOOP
        first := chat_id((today + i * interval '1 day') AT TIME ZONE 'UTC');
        after := chat_id((today + (i + 1) * interval '1 day')
                         AT TIME ZONE 'UTC');
        part := 'chat_messages_'
            || to_char(today + i * interval '1 day', 'YYYYMMDD');
        IF to_regclass(part) IS NULL AND NOT EXISTS (
            SELECT FROM chat_messages_other WHERE id >= first AND id < after)
        THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF chat_messages '
                           'FOR VALUES FROM (%L) TO (%L)', part, first, after);
            made := made + 1;
        END IF;
    END LOOP;
    RETURN made;
END
$$;

SELECT chat_partitions(7);

-- Drops the days that ended `keep` ago, or earlier; returns how many.
CREATE FUNCTION chat_forget(keep interval) RETURNS integer
    LANGUAGE plpgsql AS $$
DECLARE
    part    text;
    dropped integer := 0;
BEGIN
    FOR part IN SELECT inhrelid::regclass::text FROM pg_inherits
                 WHERE inhparent = 'chat_messages'::regclass
                  AND inhrelid::regclass::text ~ '_[0-9]{8}$'
    LOOP
        IF (to_date(right(part, 8), 'YYYYMMDD') + interval '1 day')
           < (now() - keep) AT TIME ZONE 'UTC'
        THEN
            EXECUTE 'DROP TABLE ' || part;
            dropped := dropped + 1;
        END IF;
    END LOOP;
    RETURN dropped;
END
$$;

-- What nodes are told of a room. No row: as rooms are when nobody changed
-- anything. Versions are from counters, name 'chat_rooms': a node that has
-- version n gets what is above it. The room '*' has the words for all rooms.
CREATE TABLE chat_rooms (
    stream_id      text PRIMARY KEY,
    settings       jsonb NOT NULL DEFAULT '{}'
                   CHECK (jsonb_typeof(settings) = 'object'),
    -- of messages, in days; NULL: the platform's
    keep_days      integer CHECK (keep_days BETWEEN 1 AND 3650),
    pinned         bigint,
    -- the pinned message as it was then
    pinned_json    jsonb,
    version        bigint NOT NULL,
    words_version  bigint NOT NULL DEFAULT 0,
    bans_version   bigint NOT NULL DEFAULT 0,
    -- the stream was deleted: its messages below this id are to go
    gone_before    bigint,
    gone           boolean NOT NULL DEFAULT false
);

CREATE UNIQUE INDEX chat_rooms_version ON chat_rooms (version);
CREATE INDEX chat_rooms_gone ON chat_rooms (stream_id)
    WHERE gone_before IS NOT NULL;
CREATE INDEX chat_rooms_keep ON chat_rooms (keep_days, stream_id)
    WHERE keep_days IS NOT NULL;

-- 0 is the version of a node that has none
INSERT INTO counters (name, value) VALUES ('chat_rooms', 1);

-- Removes messages of a room below that id, up to `batch` of them.
CREATE FUNCTION chat_forget_room(room text, below bigint, batch integer)
    RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    last bigint;
    n    integer;
BEGIN
    SELECT max(x.id) INTO last FROM (SELECT id FROM chat_messages
        WHERE stream_id = room AND id < below ORDER BY id LIMIT batch) x;
    IF last IS NULL THEN
        RETURN 0;
    END IF;
    DELETE FROM chat_messages WHERE stream_id = room AND id <= last
        AND id < below;
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n;
END
$$;

-- What days as a whole do not settle: rooms that keep their messages for less
-- than the platform does (or for more, so that others' are still there), and
-- those of streams that are gone. Room by room, through the index; up to
-- `batch` messages, the next run goes on.
CREATE FUNCTION chat_retain(keep interval, batch integer) RETURNS integer
    LANGUAGE plpgsql AS $$
DECLARE
    room record;
    next text := '';
    n    integer := 0;
BEGIN
    FOR room IN SELECT stream_id, gone_before AS below FROM chat_rooms
            WHERE gone_before IS NOT NULL
        UNION ALL SELECT stream_id,
            chat_id(now() - keep_days * interval '1 day') FROM chat_rooms
            WHERE keep_days IS NOT NULL
    LOOP
        n := n + chat_forget_room(room.stream_id, room.below, batch - n);
        EXIT WHEN n >= batch;
    END LOOP;
    WHILE n < batch LOOP
        SELECT m.stream_id INTO next FROM chat_messages m
            WHERE m.stream_id > next AND m.id < chat_id(now() - keep)
            ORDER BY m.stream_id LIMIT 1;
        EXIT WHEN NOT FOUND;
        IF NOT EXISTS (SELECT FROM chat_rooms c WHERE c.stream_id = next
                       AND c.keep_days IS NOT NULL)
        THEN
            n := n + chat_forget_room(next, chat_id(now() - keep), batch - n);
        END IF;
    END LOOP;
    RETURN n;
END
$$;

-- A room has news. Call it late: the counter's row stays locked.
CREATE FUNCTION chat_touch(room text, words boolean, bans boolean)
    RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v bigint;
BEGIN
    UPDATE counters SET value = value + 1 WHERE name = 'chat_rooms'
        RETURNING value INTO v;
    INSERT INTO chat_rooms AS c (stream_id, version, words_version,
                                 bans_version)
    VALUES (room, v, CASE WHEN words THEN v ELSE 0 END,
            CASE WHEN bans THEN v ELSE 0 END)
    ON CONFLICT (stream_id) DO UPDATE SET version = v, gone = false,
        words_version = CASE WHEN words OR c.gone THEN v
                             ELSE c.words_version END,
        bans_version = CASE WHEN bans OR c.gone THEN v
                            ELSE c.bans_version END;
    RETURN v;
END
$$;

-- Pins a message of the room as it is now; NULL, or one that cannot be seen:
-- nothing is pinned. The room's row is there (chat_touch() first).
CREATE FUNCTION chat_pin(room text, message bigint) RETURNS void
    LANGUAGE sql AS $$
    UPDATE chat_rooms c SET pinned = m.id, pinned_json = CASE
        WHEN m.id IS NOT NULL THEN jsonb_strip_nulls(jsonb_build_object(
            'type', m.kind, 'id', m.id::text, 'user', m.subject,
            'name', m.name, 'text', m.message_text, 'media_time', m.media_ms,
            'time', (extract(epoch FROM m."timestamp") * 1000)::bigint)) END
    FROM (SELECT) x LEFT JOIN chat_messages m ON m.stream_id = room
        AND m.id = message AND m.status = 'ok'
        AND m.kind IN ('message', 'question')
    WHERE c.stream_id = room
$$;

-- A user's rank in a stream; -1 for one who is banned, 0 without a role.
CREATE FUNCTION chat_rank(room text, subject text) RETURNS integer
    LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT CASE m.role WHEN 'owner' THEN 4
            WHEN 'co-host' THEN 3 WHEN 'moderator' THEN 2 WHEN 'vip' THEN 1
            ELSE -1 END
        FROM stream_members m WHERE m.stream_id = room
            AND m.user_id = CASE WHEN subject ~ '^[0-9]{1,18}$'
                THEN subject::bigint END), 0)
$$;

-- Words that a room does not let through. list: "s:" and a stream's id, "u:"
-- and a user's (for all of his streams), "*" for all.
CREATE TABLE chat_words (
    id         bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    list       text NOT NULL,
    word       text NOT NULL CHECK (octet_length(word) BETWEEN 1 AND 128),
    kind       text NOT NULL CHECK (kind IN ('exact', 'pattern')),
    action     text NOT NULL
               CHECK (action IN ('allow', 'block', 'hold', 'mask')),
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by bigint
);

CREATE UNIQUE INDEX chat_words_word ON chat_words (list, word);
CREATE INDEX chat_words_list ON chat_words (list, id);

-- Who may not write. until: a timeout.
CREATE TABLE chat_bans (
    id         bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    stream_id  text NOT NULL REFERENCES streams ON DELETE CASCADE,
    kind       text NOT NULL CHECK (kind IN ('sub', 'addr', 'device')),
    value      text NOT NULL CHECK (length(value) BETWEEN 1 AND 64),
    -- of an address or a device: whose it was
    user_id    bigint REFERENCES users ON DELETE CASCADE,
    until      timestamptz,
    shadow     boolean NOT NULL DEFAULT false,
    reason     text CHECK (length(reason) <= 500),
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by bigint
);

CREATE UNIQUE INDEX chat_bans_value ON chat_bans (stream_id, kind, value);
CREATE INDEX chat_bans_stream ON chat_bans (stream_id, id);
CREATE INDEX chat_bans_until ON chat_bans (until) WHERE until IS NOT NULL;
CREATE INDEX chat_bans_user ON chat_bans (user_id) WHERE user_id IS NOT NULL;

-- What moderators tell each other about somebody.
CREATE TABLE chat_notes (
    id         bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    stream_id  text NOT NULL REFERENCES streams ON DELETE CASCADE,
    user_id    bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    text       text NOT NULL CHECK (length(text) BETWEEN 1 AND 1000),
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by bigint REFERENCES users ON DELETE SET NULL
);

CREATE INDEX chat_notes_user ON chat_notes (stream_id, user_id, id);
CREATE INDEX chat_notes_of ON chat_notes (user_id);
CREATE INDEX chat_notes_by ON chat_notes (created_by)
    WHERE created_by IS NOT NULL;

-- What viewers told the moderators about a message.
CREATE TABLE chat_flags (
    id         bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    stream_id  text NOT NULL REFERENCES streams ON DELETE CASCADE,
    message_id bigint NOT NULL,
    subject    text NOT NULL CHECK (length(subject) <= 64),
    reason     text CHECK (length(reason) <= 500),
    created_at timestamptz NOT NULL DEFAULT now(),
    done_at    timestamptz,
    done_by    bigint
);

CREATE UNIQUE INDEX chat_flags_once ON chat_flags
    (stream_id, message_id, subject);
CREATE INDEX chat_flags_open ON chat_flags (stream_id, id)
    WHERE done_at IS NULL;

-- Polls and quizzes; at most one of a stream is open.
CREATE TABLE chat_polls (
    id         bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    stream_id  text NOT NULL REFERENCES streams ON DELETE CASCADE,
    question   text NOT NULL CHECK (length(question) BETWEEN 1 AND 200),
    choices    jsonb NOT NULL,
    -- of a quiz: the right choice
    correct    integer,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by bigint REFERENCES users ON DELETE SET NULL,
    closes_at  timestamptz,
    closed_at  timestamptz
);

CREATE UNIQUE INDEX chat_polls_open ON chat_polls (stream_id)
    WHERE closed_at IS NULL;
CREATE INDEX chat_polls_stream ON chat_polls (stream_id, id);
CREATE INDEX chat_polls_due ON chat_polls (closes_at) WHERE closed_at IS NULL;
CREATE INDEX chat_polls_by ON chat_polls (created_by)
    WHERE created_by IS NOT NULL;

CREATE TABLE chat_votes (
    poll_id    bigint NOT NULL REFERENCES chat_polls ON DELETE CASCADE,
    subject    text NOT NULL CHECK (length(subject) <= 64),
    name       text CHECK (length(name) <= 64),
    choice     integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (poll_id, subject)
);

-- A poll as nodes and clients get it; the right answer when it is closed.
CREATE FUNCTION chat_poll_json(p chat_polls) RETURNS jsonb
    LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object('id', p.id::text, 'question', p.question,
        'choices', p.choices, 'quiz', p.correct IS NOT NULL,
        'state', CASE WHEN p.closed_at IS NULL THEN 'open' ELSE 'closed' END,
        'closes_at', extract(epoch FROM p.closes_at)::bigint,
        'correct', CASE WHEN p.closed_at IS NOT NULL THEN p.correct END,
        'tally', (SELECT jsonb_agg(coalesce(v.n, 0) ORDER BY c.i)
            FROM generate_series(0, jsonb_array_length(p.choices) - 1) c (i)
            LEFT JOIN (SELECT choice, count(*) AS n FROM chat_votes
                WHERE poll_id = p.id GROUP BY choice) v ON v.choice = c.i))
$$;

-- Questions of the audience, and who wants to hear the answer too.
CREATE TABLE chat_questions (
    stream_id   text NOT NULL REFERENCES streams ON DELETE CASCADE,
    id          bigint NOT NULL,
    upvotes     integer NOT NULL DEFAULT 0,
    answered_at timestamptz,
    PRIMARY KEY (stream_id, id)
);

CREATE INDEX chat_questions_top ON chat_questions (stream_id, upvotes, id)
    WHERE answered_at IS NULL;

CREATE TABLE chat_upvotes (
    stream_id  text NOT NULL,
    message_id bigint NOT NULL,
    subject    text NOT NULL CHECK (length(subject) <= 64),
    PRIMARY KEY (stream_id, message_id, subject),
    FOREIGN KEY (stream_id, message_id) REFERENCES chat_questions
        ON DELETE CASCADE
);

-- A viewer's lasting like.
CREATE TABLE chat_likes (
    stream_id  text NOT NULL REFERENCES streams ON DELETE CASCADE,
    subject    text NOT NULL CHECK (length(subject) <= 64),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (stream_id, subject)
);

CREATE TABLE chat_like_counts (
    stream_id text PRIMARY KEY REFERENCES streams ON DELETE CASCADE,
    likes     bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

-- Counted once a statement, so that a batch of likes takes the row once.
CREATE FUNCTION chat_likes_count() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO chat_like_counts AS c (stream_id, likes)
        SELECT stream_id, count(*) FROM rows GROUP BY stream_id
        ORDER BY stream_id
        ON CONFLICT (stream_id) DO UPDATE SET likes = c.likes
            + excluded.likes;
    ELSE
        UPDATE chat_like_counts c SET likes = c.likes - d.n
        FROM (SELECT stream_id, count(*) AS n FROM rows GROUP BY stream_id) d
        WHERE c.stream_id = d.stream_id;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER chat_likes_more AFTER INSERT ON chat_likes
    REFERENCING NEW TABLE AS rows
    FOR EACH STATEMENT EXECUTE FUNCTION chat_likes_count();
CREATE TRIGGER chat_likes_less AFTER DELETE ON chat_likes
    REFERENCING OLD TABLE AS rows
    FOR EACH STATEMENT EXECUTE FUNCTION chat_likes_count();

-- How often each reaction came, by the hour.
CREATE TABLE chat_reactions (
    stream_id text NOT NULL REFERENCES streams ON DELETE CASCADE,
    hour      timestamptz NOT NULL,
    reaction  text NOT NULL CHECK (length(reaction) <= 32),
    count     bigint NOT NULL,
    PRIMARY KEY (stream_id, hour, reaction)
);

-- A stream that is deleted takes its room along; its messages are too many
-- for the request, a job removes them.
CREATE FUNCTION streams_chat_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM chat_touch(OLD.id, true, true);
    UPDATE chat_rooms SET gone = true, settings = '{}', pinned = NULL,
        pinned_json = NULL, keep_days = NULL,
        gone_before = chat_id(clock_timestamp()) WHERE stream_id = OLD.id;
    DELETE FROM chat_words WHERE list = 's:' || OLD.id;
    RETURN NULL;
END
$$;

CREATE TRIGGER streams_chat_gone AFTER DELETE ON streams
    FOR EACH ROW EXECUTE FUNCTION streams_chat_gone();

-- The words of its owner hold in a new stream, too.
CREATE FUNCTION streams_chat_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM chat_words WHERE list = 'u:' || NEW.user_id)
       OR EXISTS (SELECT FROM chat_rooms WHERE stream_id = NEW.id)
    THEN
        PERFORM chat_touch(NEW.id, true, true);
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER streams_chat_words AFTER INSERT ON streams
    FOR EACH ROW EXECUTE FUNCTION streams_chat_words();

-- Of a user who is erased nothing stays: the rows do, so that answers do not
-- hang in the air, without name and words.
CREATE FUNCTION users_chat_erase() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE chat_messages SET user_id = NULL, subject = NULL, name = NULL,
        message_text = NULL, data = NULL, status = 'deleted'
        WHERE user_id = OLD.id;
    DELETE FROM chat_likes WHERE subject = OLD.id::text;
    DELETE FROM chat_votes WHERE subject = OLD.id::text;
    DELETE FROM chat_upvotes WHERE subject = OLD.id::text;
    DELETE FROM chat_flags WHERE subject = OLD.id::text;
    DELETE FROM chat_bans WHERE kind = 'sub' AND value = OLD.id::text;
    DELETE FROM chat_words WHERE list = 'u:' || OLD.id;
    RETURN NULL;
END
$$;

CREATE TRIGGER users_chat_erase AFTER DELETE ON users
    FOR EACH ROW EXECUTE FUNCTION users_chat_erase();

CREATE INDEX chat_likes_subject ON chat_likes (subject);
CREATE INDEX chat_votes_subject ON chat_votes (subject);
CREATE INDEX chat_upvotes_subject ON chat_upvotes (subject);
CREATE INDEX chat_flags_subject ON chat_flags (subject);
CREATE INDEX chat_bans_sub ON chat_bans (value) WHERE kind = 'sub';

-- Commands for rooms: what else they say is in data.
ALTER TABLE node_commands DROP CONSTRAINT node_commands_type_check;
ALTER TABLE node_commands ADD CONSTRAINT node_commands_type_check
    CHECK (type IN ('kick', 'drain', 'undrain', 'chat'));
ALTER TABLE node_commands ADD COLUMN data jsonb
    CHECK (jsonb_typeof(data) = 'object');

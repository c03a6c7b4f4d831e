-- Of a user who is erased nothing stays in the rooms, either: nodes keep the
-- last messages in memory, and a message of his may be pinned.
CREATE OR REPLACE FUNCTION users_chat_erase() RETURNS trigger
    LANGUAGE plpgsql AS $$
DECLARE
    room text;
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
    -- a node that is away carries it out when it is back
    INSERT INTO node_commands (node_id, type, data, expires_at)
        SELECT n.id, 'chat', jsonb_build_object('op', 'erase',
            'target_user', OLD.id::text), now() + interval '1 day'
        FROM nodes n;
    FOR room IN SELECT c.stream_id FROM chat_rooms c
        WHERE c.pinned_json ->> 'user' = OLD.id::text ORDER BY 1
    LOOP
        PERFORM chat_touch(room, false, false), chat_pin(room, NULL);
    END LOOP;
    RETURN NULL;
END
$$;

CREATE INDEX chat_rooms_pinned_user ON chat_rooms ((pinned_json ->> 'user'))
    WHERE pinned_json IS NOT NULL;

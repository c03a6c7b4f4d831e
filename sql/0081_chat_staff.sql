-- Nodes know who owns a stream and who moderates it, so that nobody acts
-- against them, or goes by their names, before they have said anything.
CREATE INDEX stream_members_staff ON stream_members (stream_id)
    WHERE role IN ('owner', 'co-host', 'moderator');

CREATE FUNCTION chat_staff(room text) RETURNS jsonb
    LANGUAGE sql STABLE AS $$
    SELECT coalesce(jsonb_agg(jsonb_build_object('user', x.user_id::text,
        'role', x.role, 'name', x.name)), '[]') FROM (
        SELECT m.user_id, m.role, coalesce(u.display_name, u.username) AS name
        FROM stream_members m JOIN users u ON u.id = m.user_id
        WHERE m.stream_id = room
            AND m.role IN ('owner', 'co-host', 'moderator')
        ORDER BY m.role = 'owner' DESC, m.role = 'co-host' DESC, m.user_id
        LIMIT 256) x
$$;

-- At the end of the transaction: the counter's row is taken late.
CREATE FUNCTION stream_members_chat() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' AND OLD.role IN ('co-host', 'moderator')
        AND EXISTS (SELECT FROM streams WHERE id = OLD.stream_id)
    THEN
        PERFORM chat_touch(OLD.stream_id, false, false);
    ELSIF TG_OP <> 'DELETE' AND NEW.role IN ('co-host', 'moderator') THEN
        PERFORM chat_touch(NEW.stream_id, false, false);
    END IF;
    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER stream_members_chat
    AFTER INSERT OR UPDATE OR DELETE ON stream_members
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION stream_members_chat();

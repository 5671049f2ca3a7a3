-- Ways into a media room for devices and programs beside our own apps: to publish
-- (WHIP, RFC 9725) or to play (WHEP). Each is used by one session at a time.
CREATE TABLE crm.stream_links (
    id            uuid PRIMARY KEY,
    -- The call's room, or one of its own for a test stream.
    room_id       uuid NOT NULL,
    call_id       uuid REFERENCES crm.calls,
    direction     text NOT NULL CHECK (direction IN ('publish', 'play')),
    -- SHA-256 of the bearer token.
    token_hash    bytea NOT NULL,
    created_by    uuid NOT NULL REFERENCES crm.people,
    created_at    timestamptz NOT NULL DEFAULT now(),
    expires_at    timestamptz NOT NULL,
    revoked_at    timestamptz,
    -- The relay of a test stream's room; a call's own is in its row.
    relay_node    uuid,
    -- The session that uses the link now: its participant in the room, the entity tag
    -- of its ICE session, and its offer without addresses, which a restart of ICE needs.
    session_id    uuid,
    session_tag   text,
    session_offer text,
    CHECK (call_id IS NULL OR call_id = room_id),
    CHECK ((session_id IS NULL) = (session_tag IS NULL)),
    CHECK ((session_id IS NULL) = (session_offer IS NULL))
);

CREATE INDEX stream_links_room ON crm.stream_links (room_id);

-- Conversations and their messages. Written by the chat router; system messages
-- are appended by whoever changes the state they report, in the same transaction,
-- through chat.append().
CREATE SCHEMA chat;

CREATE TABLE chat.conversations (
    id         uuid PRIMARY KEY,
    patient_id uuid NOT NULL UNIQUE,
    last_seq   bigint NOT NULL DEFAULT 0 CHECK (last_seq >= 0),
    last_at    timestamptz
);

CREATE TABLE chat.messages (
    conversation_id   uuid NOT NULL REFERENCES chat.conversations,
    seq               bigint NOT NULL,
    -- Null for system messages.
    sender_id         uuid,
    client_message_id uuid,
    consultation_id   uuid,
    -- text, file, note, system
    kind              text NOT NULL CHECK (kind IN ('text', 'file', 'note', 'system')),
    -- Text of the message, caption of a file.
    text              text NOT NULL DEFAULT '',
    file_id           uuid,
    -- The event of a system message, as the protocol's SystemEvent.
    event             jsonb,
    sent_at           timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (conversation_id, seq),
    CHECK ((kind = 'file') = (file_id IS NOT NULL)),
    CHECK ((kind = 'system') = (event IS NOT NULL)),
    CHECK ((kind = 'system') = (sender_id IS NULL))
);

-- Makes a resend idempotent for as long as the message lives.
CREATE UNIQUE INDEX messages_client_id
    ON chat.messages (conversation_id, sender_id, client_message_id)
    WHERE client_message_id IS NOT NULL;

CREATE INDEX messages_consultation ON chat.messages (consultation_id, seq);

CREATE TABLE chat.receipts (
    conversation_id uuid NOT NULL REFERENCES chat.conversations,
    person_id       uuid NOT NULL,
    delivered_seq   bigint NOT NULL DEFAULT 0,
    read_seq        bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (conversation_id, person_id),
    CHECK (read_seq <= delivered_seq)
);

-- Appends one message and returns its seq. The row lock on the conversation
-- makes seq gapless and equal to the commit order. A resend (same sender and
-- client message id) returns the row that is already there, with is_new false.
CREATE FUNCTION chat.append(
    p_conversation uuid,
    p_sender       uuid,
    p_client_id    uuid,
    p_consultation uuid,
    p_kind         text,
    p_text         text,
    p_file         uuid,
    p_event        jsonb
) RETURNS TABLE (seq bigint, sent_at timestamptz, is_new boolean)
LANGUAGE plpgsql AS $$
DECLARE
    v_seq bigint;
    v_at  timestamptz;
BEGIN
    PERFORM 1 FROM chat.conversations c WHERE c.id = p_conversation FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no conversation %', p_conversation USING ERRCODE = 'no_data_found';
    END IF;
    IF p_client_id IS NOT NULL THEN
        SELECT m.seq, m.sent_at INTO v_seq, v_at FROM chat.messages m
        WHERE m.conversation_id = p_conversation AND m.sender_id = p_sender
          AND m.client_message_id = p_client_id;
        IF FOUND THEN
            RETURN QUERY SELECT v_seq, v_at, false;
            RETURN;
        END IF;
    END IF;
    -- clock_timestamp, not now(): the transaction may have waited for the lock,
    -- and times must not run against the order.
    v_at := clock_timestamp();
    UPDATE chat.conversations c SET last_seq = c.last_seq + 1, last_at = v_at
    WHERE c.id = p_conversation RETURNING c.last_seq INTO v_seq;
    INSERT INTO chat.messages (conversation_id, seq, sender_id, client_message_id,
                               consultation_id, kind, text, file_id, event, sent_at)
    VALUES (p_conversation, v_seq, p_sender, p_client_id, p_consultation, p_kind,
            coalesce(p_text, ''), p_file, p_event, v_at);
    RETURN QUERY SELECT v_seq, v_at, true;
END $$;

-- Replies, edits and deletions. A change has a number of its own in its conversation,
-- without gaps and in the order of commits, as messages have: who missed some asks for
-- what changed after the last one they know.

ALTER TABLE chat.conversations
    ADD COLUMN last_change bigint NOT NULL DEFAULT 0 CHECK (last_change >= 0),
    ADD COLUMN changed_at  timestamptz;

ALTER TABLE chat.messages
    -- seq of an earlier message of the conversation.
    ADD COLUMN reply_to   bigint,
    -- Number of the last change of this message.
    ADD COLUMN change     bigint,
    ADD COLUMN edited_at  timestamptz,
    -- The text, the caption and the file are gone from this row.
    ADD COLUMN deleted_at timestamptz,
    ADD CONSTRAINT messages_reply FOREIGN KEY (conversation_id, reply_to)
        REFERENCES chat.messages (conversation_id, seq),
    ADD CONSTRAINT messages_reply_earlier CHECK (reply_to < seq),
    DROP CONSTRAINT messages_check,
    ADD CONSTRAINT messages_file_kind
        CHECK ((kind = 'file' AND deleted_at IS NULL) = (file_id IS NOT NULL)),
    ADD CONSTRAINT messages_deleted_empty CHECK (deleted_at IS NULL OR text = '');

CREATE UNIQUE INDEX messages_change ON chat.messages (conversation_id, change)
    WHERE change IS NOT NULL;

-- What messages said before they were changed. Append-only: the audit reads it.
CREATE TABLE chat.changes (
    conversation_id  uuid NOT NULL,
    change           bigint NOT NULL,
    seq              bigint NOT NULL,
    kind             text NOT NULL CHECK (kind IN ('edited', 'deleted')),
    actor_id         uuid NOT NULL REFERENCES crm.people,
    client_change_id uuid NOT NULL,
    changed_at       timestamptz NOT NULL,
    old_text         text NOT NULL,
    old_file_id      uuid,
    PRIMARY KEY (conversation_id, change),
    -- Makes a resend idempotent.
    UNIQUE (conversation_id, actor_id, client_change_id),
    FOREIGN KEY (conversation_id, seq) REFERENCES chat.messages (conversation_id, seq)
);

CREATE INDEX changes_message ON chat.changes (conversation_id, seq);
CREATE INDEX changes_file ON chat.changes (old_file_id) WHERE old_file_id IS NOT NULL;

CREATE FUNCTION chat.forbid_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what was changed stays on record';
END $$;
CREATE TRIGGER changes_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON chat.changes
    FOR EACH STATEMENT EXECUTE FUNCTION chat.forbid_change();

-- Edits (p_text given) or deletes (p_text null) a person's own message, not later than
-- p_window after it was sent. Outcomes:
--
--   new        changed now, as number `change`
--   stored     was changed so before (same actor and client change id)
--   forbidden  the actor may not write here
--   not_found  there is no such message of the actor's
--   deleted    it is gone already
--   late       the time to change it is over
--   empty      only a file's caption may be empty
CREATE FUNCTION chat.change(
    p_conversation  uuid,
    p_actor         uuid,
    p_client_change uuid,
    p_seq           bigint,
    p_text          text,
    p_window        interval
) RETURNS TABLE (outcome text, change bigint, changed_at timestamptz)
LANGUAGE plpgsql AS $$
DECLARE
    v_message chat.messages%ROWTYPE;
    v_change  bigint;
    v_at      timestamptz;
BEGIN
    PERFORM 1 FROM chat.conversations c WHERE c.id = p_conversation FOR NO KEY UPDATE;
    SELECT h.change, h.changed_at INTO v_change, v_at FROM chat.changes h
    WHERE h.conversation_id = p_conversation AND h.actor_id = p_actor
      AND h.client_change_id = p_client_change;
    IF FOUND THEN
        RETURN QUERY SELECT 'stored', v_change, v_at;
        RETURN;
    END IF;
    IF NOT crm.may_write(p_actor, p_conversation) THEN
        RETURN QUERY SELECT 'forbidden', NULL::bigint, NULL::timestamptz;
        RETURN;
    END IF;
    SELECT m.* INTO v_message FROM chat.messages m
    WHERE m.conversation_id = p_conversation AND m.seq = p_seq AND m.sender_id = p_actor;
    v_at := clock_timestamp();
    IF NOT FOUND OR v_message.deleted_at IS NOT NULL OR v_message.sent_at < v_at - p_window THEN
        RETURN QUERY SELECT CASE WHEN v_message.seq IS NULL THEN 'not_found'
                                 WHEN v_message.deleted_at IS NOT NULL THEN 'deleted'
                                 ELSE 'late' END, NULL::bigint, NULL::timestamptz;
        RETURN;
    END IF;
    IF v_message.kind <> 'file' AND p_text ~ '^\s*$' THEN
        RETURN QUERY SELECT 'empty', NULL::bigint, NULL::timestamptz;
        RETURN;
    END IF;
    UPDATE chat.conversations c SET last_change = c.last_change + 1, changed_at = v_at
    WHERE c.id = p_conversation RETURNING c.last_change INTO v_change;
    INSERT INTO chat.changes (conversation_id, change, seq, kind, actor_id, client_change_id,
                              changed_at, old_text, old_file_id)
    VALUES (p_conversation, v_change, p_seq,
            CASE WHEN p_text IS NULL THEN 'deleted' ELSE 'edited' END, p_actor,
            p_client_change, v_at, v_message.text, v_message.file_id);
    IF p_text IS NULL THEN
        UPDATE chat.messages m
        SET text = '', file_id = NULL, reply_to = NULL, deleted_at = v_at, change = v_change
        WHERE m.conversation_id = p_conversation AND m.seq = p_seq;
    ELSE
        UPDATE chat.messages m SET text = p_text, edited_at = v_at, change = v_change
        WHERE m.conversation_id = p_conversation AND m.seq = p_seq;
    END IF;
    RETURN QUERY SELECT 'new', v_change, v_at;
END $$;

DROP FUNCTION chat.append_many(uuid[], uuid[], uuid[], text[], text[], uuid[], uuid[]);

-- Appends messages; each array holds one value per message, in the order in which
-- messages of one conversation are to be stored. One row per message comes back:
--
--   new        stored now under `seq`
--   stored     was there before (same sender and client message id), under `seq`
--   locked     another transaction holds the conversation: try again
--   forbidden  the sender may not write here, or there is no such conversation
--   no_file    a file message whose file is null
--
-- A message that is refused changes nothing for its neighbours, and no lock is
-- waited for: neither can one stuck conversation hold up the others, nor can two
-- such statements wait for each other. No two messages may be the same one.
--
-- A reply is to an earlier message that the sender sees and that still says something;
-- to a note only by a note. Any other reply is stored as a message of its own.
--
-- A patient's message into a conversation without an open consultation opens one;
-- the first such message's row brings the system message before it.
CREATE FUNCTION chat.append_many(
    p_conversations uuid[],
    p_senders       uuid[],
    p_client_ids    uuid[],
    p_kinds         text[],
    p_texts         text[],
    p_files         uuid[],
    p_replies       bigint[],
    -- Ids for consultations that have to be opened.
    p_consultations uuid[]
) RETURNS TABLE (
    place        bigint,
    outcome      text,
    seq          bigint,
    sent_at      timestamptz,
    consultation uuid,
    sender_name  text,
    sender_kind  text,
    reply_to     bigint,
    opened_seq   bigint,
    opened_at    timestamptz,
    opened_event jsonb
)
LANGUAGE plpgsql
-- A few rows of large tables, always: neither may the statistics of a young table
-- choose to read the whole of it, nor is there anything to plan anew.
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
    v_locked uuid[];
    v_opened uuid[] := '{}';
    v_first  record;
    v_at     timestamptz;
BEGIN
    -- A statement of its own: what follows must see what the holders before committed.
    SELECT array_agg(l.id) INTO v_locked FROM (
        SELECT c.id FROM chat.conversations c WHERE c.id = ANY (p_conversations)
        FOR NO KEY UPDATE SKIP LOCKED) l;

    FOR v_first IN
        SELECT DISTINCT ON (g.conversation) g.conversation, g.fresh
        FROM unnest(p_conversations, p_senders, p_client_ids, p_kinds, p_files, p_consultations)
             WITH ORDINALITY AS g (conversation, sender, client_id, kind, file, fresh, n)
        WHERE g.conversation IN (SELECT unnest(v_locked))
          AND NOT EXISTS (SELECT 1 FROM crm.consultations k
                          WHERE k.conversation_id = g.conversation AND k.state <> 'closed')
          AND EXISTS (SELECT 1 FROM chat.conversations c
                      WHERE c.id = g.conversation AND c.patient_id = g.sender)
          AND NOT EXISTS (SELECT 1 FROM chat.messages m
                          WHERE m.conversation_id = g.conversation AND m.sender_id = g.sender
                            AND m.client_message_id = g.client_id)
          AND (g.kind <> 'file' OR g.file IS NOT NULL)
        ORDER BY g.conversation, g.n
    LOOP
        PERFORM 1 FROM crm.open_consultation(v_first.conversation, v_first.fresh, NULL);
        v_opened := v_opened || v_first.conversation;
    END LOOP;

    -- After the locks, so that times do not run against the order.
    v_at := clock_timestamp();
    RETURN QUERY
    WITH judged AS MATERIALIZED (
        SELECT g.*, c.last_seq, p.name, p.kind AS person_kind, k.id AS open,
               m.seq AS stored_seq, m.sent_at AS stored_at,
               CASE WHEN g.conversation NOT IN (SELECT unnest(v_locked))
                    THEN CASE WHEN c.id IS NULL THEN 'forbidden' ELSE 'locked' END
                    WHEN m.seq IS NOT NULL THEN 'stored'
                    WHEN p.id IS NULL OR NOT crm.may_write(g.sender, g.conversation)
                    THEN 'forbidden'
                    WHEN g.kind = 'file' AND g.file IS NULL THEN 'no_file'
                    ELSE 'new' END AS verdict,
               (SELECT q.seq FROM chat.messages q
                WHERE q.conversation_id = g.conversation AND q.seq = g.reply
                  AND q.deleted_at IS NULL
                  AND (q.kind IN ('text', 'file') OR q.kind = 'note' AND g.kind = 'note')
               ) AS quoted
        FROM unnest(p_conversations, p_senders, p_client_ids, p_kinds, p_texts, p_files,
                    p_replies)
             WITH ORDINALITY AS g (conversation, sender, client_id, kind, text, file, reply, n)
        LEFT JOIN chat.conversations c ON c.id = g.conversation
        LEFT JOIN crm.people p ON p.id = g.sender
        LEFT JOIN crm.consultations k
               ON k.conversation_id = g.conversation AND k.state <> 'closed'
        LEFT JOIN chat.messages m
               ON m.conversation_id = g.conversation AND m.sender_id = g.sender
              AND m.client_message_id = g.client_id
    ), numbered AS MATERIALIZED (
        SELECT j.*, CASE WHEN j.verdict = 'new' THEN row_number() OVER (
                        PARTITION BY j.conversation, j.verdict ORDER BY j.n) END AS nth
        FROM judged j
    ), inserted AS (
        INSERT INTO chat.messages (conversation_id, seq, sender_id, client_message_id,
                                   consultation_id, kind, text, file_id, reply_to, sent_at)
        SELECT b.conversation, b.last_seq + b.nth, b.sender, b.client_id, b.open, b.kind,
               b.text, b.file, b.quoted, v_at
        FROM numbered b WHERE b.nth IS NOT NULL
    ), counted AS (
        UPDATE chat.conversations c SET last_seq = b.last_seq + b.added, last_at = v_at
        FROM (SELECT s.conversation, s.last_seq, max(s.nth) AS added
              FROM numbered s WHERE s.nth IS NOT NULL
              GROUP BY s.conversation, s.last_seq) b
        WHERE c.id = b.conversation
    )
    SELECT b.n, b.verdict, coalesce(b.stored_seq, b.last_seq + b.nth),
           coalesce(b.stored_at, v_at), b.open, b.name, b.person_kind,
           b.quoted, o.seq, o.sent_at, o.event
    FROM numbered b
    -- Just opened: its event is the last one before this statement's messages.
    LEFT JOIN chat.messages o
           ON b.nth = 1 AND b.conversation = ANY (v_opened)
          AND o.conversation_id = b.conversation AND o.seq = b.last_seq;
END $$;

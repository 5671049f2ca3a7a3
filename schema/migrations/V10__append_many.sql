-- Many messages of many conversations in one statement, and so in one commit.

-- As before, but a lock that foreign keys' checks do not wait for: marks are stored
-- while messages are.
CREATE OR REPLACE FUNCTION chat.append(
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
    PERFORM 1 FROM chat.conversations c WHERE c.id = p_conversation FOR NO KEY UPDATE;
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

CREATE OR REPLACE FUNCTION crm.open_consultation(p_conversation uuid, p_id uuid, p_specialty text)
RETURNS TABLE (id uuid, is_new boolean, event_seq bigint)
LANGUAGE plpgsql AS $$
DECLARE
    v_id      uuid;
    v_patient uuid;
    v_number  bigint;
    v_seq     bigint;
BEGIN
    SELECT c.patient_id INTO v_patient FROM chat.conversations c
    WHERE c.id = p_conversation FOR NO KEY UPDATE;
    SELECT k.id INTO v_id FROM crm.consultations k
    WHERE k.conversation_id = p_conversation AND k.state <> 'closed';
    IF FOUND THEN
        RETURN QUERY SELECT v_id, false, NULL::bigint;
        RETURN;
    END IF;
    INSERT INTO crm.consultations (id, conversation_id, patient_id, state, specialty)
    VALUES (p_id, p_conversation, v_patient, 'waiting', p_specialty)
    RETURNING number INTO v_number;
    SELECT a.seq INTO v_seq FROM chat.append(
        p_conversation, NULL, NULL, p_id, 'system', NULL, NULL,
        jsonb_build_object('event', 'consultation_opened', 'consultation', p_id,
                           'number', v_number, 'specialty', p_specialty)) a;
    RETURN QUERY SELECT p_id, true, v_seq;
END $$;

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
-- A patient's message into a conversation without an open consultation opens one;
-- the first such message's row brings the system message before it.
CREATE FUNCTION chat.append_many(
    p_conversations uuid[],
    p_senders       uuid[],
    p_client_ids    uuid[],
    p_kinds         text[],
    p_texts         text[],
    p_files         uuid[],
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
                    ELSE 'new' END AS verdict
        FROM unnest(p_conversations, p_senders, p_client_ids, p_kinds, p_texts, p_files)
             WITH ORDINALITY AS g (conversation, sender, client_id, kind, text, file, n)
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
                                   consultation_id, kind, text, file_id, sent_at)
        SELECT b.conversation, b.last_seq + b.nth, b.sender, b.client_id, b.open, b.kind,
               b.text, b.file, v_at
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
           o.seq, o.sent_at, o.event
    FROM numbered b
    -- Just opened: its event is the last one before this statement's messages.
    LEFT JOIN chat.messages o
           ON b.nth = 1 AND b.conversation = ANY (v_opened)
          AND o.conversation_id = b.conversation AND o.seq = b.last_seq;
END $$;

-- People, consultations, callbacks, calls, files, identity, audit.
CREATE SCHEMA crm;

CREATE TABLE crm.specialties (
    code      text PRIMARY KEY,
    name_ru   text NOT NULL,
    name_en   text NOT NULL,
    doctor_ru text NOT NULL,
    doctor_en text NOT NULL
);

INSERT INTO crm.specialties (code, name_ru, name_en, doctor_ru, doctor_en) VALUES
    ('therapy',      'Терапия',      'General practice', 'Терапевт',     'General practitioner'),
    ('cardiology',   'Кардиология',  'Cardiology',       'Кардиолог',    'Cardiologist'),
    ('pediatrics',   'Педиатрия',    'Pediatrics',       'Педиатр',      'Pediatrician'),
    ('dermatology',  'Дерматология', 'Dermatology',      'Дерматолог',   'Dermatologist'),
    ('neurology',    'Неврология',   'Neurology',        'Невролог',     'Neurologist'),
    ('gynecology',   'Гинекология',  'Gynecology',       'Гинеколог',    'Gynecologist');

CREATE TABLE crm.people (
    id         uuid PRIMARY KEY,
    kind       text NOT NULL CHECK (kind IN ('patient', 'operator')),
    name       text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE crm.patients (
    id         uuid PRIMARY KEY REFERENCES crm.people,
    -- E.164.
    phone      text NOT NULL UNIQUE,
    birth_date date,
    city       text,
    time_zone  text
);

CREATE TABLE crm.operators (
    id            uuid PRIMARY KEY REFERENCES crm.people,
    -- Lower case.
    email         text NOT NULL UNIQUE,
    password_hash text NOT NULL,
    role          text NOT NULL CHECK (role IN ('doctor', 'desk', 'supervisor', 'admin')),
    specialty     text REFERENCES crm.specialties,
    disabled      boolean NOT NULL DEFAULT false
);

ALTER TABLE chat.conversations
    ADD CONSTRAINT conversations_patient FOREIGN KEY (patient_id) REFERENCES crm.patients;

-- Consultations: waiting -> active -> closed, one open per conversation, exactly
-- one holder while active.
CREATE SEQUENCE crm.consultation_number START 10001;

CREATE TABLE crm.consultations (
    id              uuid PRIMARY KEY,
    number          bigint NOT NULL UNIQUE DEFAULT nextval('crm.consultation_number'),
    conversation_id uuid NOT NULL REFERENCES chat.conversations,
    patient_id      uuid NOT NULL REFERENCES crm.patients,
    state           text NOT NULL CHECK (state IN ('waiting', 'active', 'closed')),
    specialty       text REFERENCES crm.specialties,
    operator_id     uuid REFERENCES crm.operators,
    opened_at       timestamptz NOT NULL DEFAULT now(),
    waiting_since   timestamptz DEFAULT now(),
    claimed_at      timestamptz,
    closed_at       timestamptz,
    summary         text,
    CHECK ((state = 'waiting') = (waiting_since IS NOT NULL)),
    CHECK (state <> 'active' OR (operator_id IS NOT NULL AND claimed_at IS NOT NULL)),
    CHECK (state <> 'waiting' OR operator_id IS NULL),
    CHECK ((state = 'closed') = (closed_at IS NOT NULL))
);

CREATE UNIQUE INDEX consultations_one_open ON crm.consultations (conversation_id)
    WHERE state <> 'closed';
CREATE INDEX consultations_queue ON crm.consultations (waiting_since, id) WHERE state = 'waiting';
CREATE INDEX consultations_holder ON crm.consultations (operator_id, claimed_at) WHERE state = 'active';
CREATE INDEX consultations_archive ON crm.consultations (closed_at DESC, id DESC) WHERE state = 'closed';
CREATE INDEX consultations_patient ON crm.consultations (patient_id, opened_at DESC);

ALTER TABLE chat.messages
    ADD CONSTRAINT messages_consultation_exists FOREIGN KEY (consultation_id) REFERENCES crm.consultations,
    ADD CONSTRAINT messages_sender FOREIGN KEY (sender_id) REFERENCES crm.people;

-- The open consultation of a conversation; opens one, with its system message,
-- when there is none. Called in the transaction that appends a patient's message,
-- so that no question is ever without a consultation.
CREATE FUNCTION crm.open_consultation(p_conversation uuid, p_id uuid, p_specialty text)
RETURNS TABLE (id uuid, is_new boolean, event_seq bigint)
LANGUAGE plpgsql AS $$
DECLARE
    v_id      uuid;
    v_patient uuid;
    v_number  bigint;
    v_seq     bigint;
BEGIN
    SELECT c.patient_id INTO v_patient FROM chat.conversations c
    WHERE c.id = p_conversation FOR UPDATE;
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

-- Callback requests: new -> in_progress -> done | cancelled; a failed attempt
-- returns the request to new.
CREATE TABLE crm.callbacks (
    id              uuid PRIMARY KEY,
    conversation_id uuid NOT NULL REFERENCES chat.conversations,
    patient_id      uuid NOT NULL REFERENCES crm.patients,
    state           text NOT NULL CHECK (state IN ('new', 'in_progress', 'done', 'cancelled')),
    reason          text NOT NULL,
    call_at         timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    operator_id     uuid REFERENCES crm.operators,
    taken_at        timestamptz,
    finished_at     timestamptz,
    CHECK (state <> 'in_progress' OR operator_id IS NOT NULL),
    CHECK (state <> 'new' OR operator_id IS NULL),
    CHECK ((state IN ('done', 'cancelled')) = (finished_at IS NOT NULL))
);

CREATE UNIQUE INDEX callbacks_one_open ON crm.callbacks (patient_id)
    WHERE state IN ('new', 'in_progress');
CREATE INDEX callbacks_open ON crm.callbacks ((coalesce(call_at, created_at)), id)
    WHERE state IN ('new', 'in_progress');
CREATE INDEX callbacks_archive ON crm.callbacks (finished_at DESC, id DESC)
    WHERE state IN ('done', 'cancelled');

-- Calls. The signaling instance named in owner_node drives a call and beats
-- owner_seen_at; a call whose owner stopped beating is ended by any other.
CREATE TABLE crm.calls (
    id              uuid PRIMARY KEY,
    conversation_id uuid NOT NULL REFERENCES chat.conversations,
    consultation_id uuid REFERENCES crm.consultations,
    callback_id     uuid REFERENCES crm.callbacks,
    caller_id       uuid NOT NULL REFERENCES crm.people,
    callee_id       uuid NOT NULL REFERENCES crm.people,
    media           text NOT NULL CHECK (media IN ('audio', 'video')),
    owner_node      uuid NOT NULL,
    owner_seen_at   timestamptz NOT NULL DEFAULT now(),
    created_at      timestamptz NOT NULL DEFAULT now(),
    accepted_at     timestamptz,
    ended_at        timestamptz,
    end_reason      text CHECK (end_reason IN ('hung_up', 'declined', 'no_answer', 'busy',
                                               'cancelled', 'connection_lost', 'failed')),
    -- Aggregates over the call, by participant id: loss, rtt, jitter, freezes, first frame.
    quality         jsonb NOT NULL DEFAULT '{}',
    CHECK ((consultation_id IS NULL) <> (callback_id IS NULL)),
    CHECK ((ended_at IS NULL) = (end_reason IS NULL)),
    CHECK (caller_id <> callee_id)
);

CREATE INDEX calls_open ON crm.calls (owner_seen_at) WHERE ended_at IS NULL;
CREATE INDEX calls_conversation ON crm.calls (conversation_id, created_at DESC);

-- Who is in a call now. The primary key is the rule that nobody is in two calls:
-- the insert of a second one fails, and the caller is told "busy".
CREATE TABLE crm.call_parties (
    person_id uuid PRIMARY KEY REFERENCES crm.people,
    call_id   uuid NOT NULL REFERENCES crm.calls
);
CREATE INDEX call_parties_call ON crm.call_parties (call_id);

CREATE TABLE crm.callback_attempts (
    callback_id uuid NOT NULL REFERENCES crm.callbacks,
    call_id     uuid NOT NULL REFERENCES crm.calls,
    operator_id uuid NOT NULL REFERENCES crm.operators,
    at          timestamptz NOT NULL DEFAULT now(),
    outcome     text NOT NULL,
    duration_s  bigint NOT NULL,
    PRIMARY KEY (callback_id, call_id)
);

-- Ends a call once: frees its parties, writes the call record into the
-- conversation and settles the callback it belongs to (a talk finishes it, a
-- failed attempt returns it to the queue). Returns nothing when it had ended.
CREATE FUNCTION crm.finish_call(p_call uuid, p_reason text)
RETURNS TABLE (conversation_id uuid, seq bigint, duration_s bigint, callback_id uuid)
LANGUAGE plpgsql AS $$
DECLARE
    v_call     crm.calls%ROWTYPE;
    v_duration bigint;
    v_seq      bigint;
    v_operator uuid;
    v_name     text;
BEGIN
    UPDATE crm.calls c SET ended_at = clock_timestamp(), end_reason = p_reason
    WHERE c.id = p_call AND c.ended_at IS NULL RETURNING c.* INTO v_call;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    DELETE FROM crm.call_parties p WHERE p.call_id = p_call;
    v_duration := coalesce(round(extract(epoch FROM v_call.ended_at - v_call.accepted_at)), 0);
    SELECT name INTO v_name FROM crm.people WHERE id = v_call.caller_id;
    SELECT a.seq INTO v_seq FROM chat.append(
        v_call.conversation_id, NULL, NULL, v_call.consultation_id, 'system', NULL, NULL,
        jsonb_build_object('event', 'call_ended', 'call', p_call, 'media', v_call.media,
                           'reason', p_reason, 'started_by', v_call.caller_id,
                           'started_by_name', v_name, 'duration_s', v_duration)) a;
    IF v_call.callback_id IS NOT NULL THEN
        SELECT o.id INTO v_operator FROM crm.operators o
        WHERE o.id IN (v_call.caller_id, v_call.callee_id);
        INSERT INTO crm.callback_attempts (callback_id, call_id, operator_id, at, outcome, duration_s)
        VALUES (v_call.callback_id, p_call, v_operator, v_call.created_at, p_reason, v_duration);
        IF v_call.accepted_at IS NOT NULL THEN
            UPDATE crm.callbacks b SET state = 'done', finished_at = v_call.ended_at
            WHERE b.id = v_call.callback_id AND b.state = 'in_progress';
            IF FOUND THEN
                SELECT a.seq INTO v_seq FROM chat.append(
                    v_call.conversation_id, NULL, NULL, NULL, 'system', NULL, NULL,
                    jsonb_build_object('event', 'callback_done', 'callback', v_call.callback_id)) a;
            END IF;
        ELSE
            UPDATE crm.callbacks b SET state = 'new', operator_id = NULL, taken_at = NULL
            WHERE b.id = v_call.callback_id AND b.state = 'in_progress';
        END IF;
    END IF;
    RETURN QUERY SELECT v_call.conversation_id, v_seq, v_duration, v_call.callback_id;
END $$;

-- Files. Bytes are in the object store under the id.
CREATE TABLE crm.files (
    id              uuid PRIMARY KEY,
    conversation_id uuid NOT NULL REFERENCES chat.conversations,
    uploader_id     uuid NOT NULL REFERENCES crm.people,
    name            text NOT NULL,
    media_type      text NOT NULL,
    size_bytes      bigint NOT NULL CHECK (size_bytes >= 0),
    sha256          bytea NOT NULL,
    width           int,
    height          int,
    created_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (conversation_id, id)
);

-- A message can only carry a file of its own conversation.
ALTER TABLE chat.messages ADD CONSTRAINT messages_file
    FOREIGN KEY (conversation_id, file_id) REFERENCES crm.files (conversation_id, id);

-- Who may read a conversation. A patient: their own. An operator: while its
-- consultation waits in a queue they serve, while they hold it or its callback,
-- and afterwards if they ever held one there; a supervisor always, an
-- administrator never.
CREATE FUNCTION crm.may_read(p_person uuid, p_conversation uuid) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT 1 FROM chat.conversations c
                   WHERE c.id = p_conversation AND c.patient_id = p_person)
        OR EXISTS (
            SELECT 1 FROM crm.operators o
            WHERE o.id = p_person AND NOT o.disabled AND o.role <> 'admin'
              AND (o.role = 'supervisor'
                OR EXISTS (SELECT 1 FROM crm.consultations k
                           WHERE k.conversation_id = p_conversation
                             AND (k.operator_id = o.id
                               OR (k.state = 'waiting'
                                   AND (o.role = 'desk' OR k.specialty IS NULL
                                        OR k.specialty = o.specialty))))
                OR EXISTS (SELECT 1 FROM crm.callbacks b
                           WHERE b.conversation_id = p_conversation AND b.operator_id = o.id)))
$$;

-- Who may write. A patient: their own. An operator: while they hold the active
-- consultation.
CREATE FUNCTION crm.may_write(p_person uuid, p_conversation uuid) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT 1 FROM chat.conversations c
                   WHERE c.id = p_conversation AND c.patient_id = p_person)
        OR EXISTS (SELECT 1 FROM crm.consultations k JOIN crm.operators o ON o.id = k.operator_id
                   WHERE k.conversation_id = p_conversation AND k.state = 'active'
                     AND k.operator_id = p_person AND NOT o.disabled AND o.role <> 'admin')
$$;

-- Identity. A session is one signed-in device: a family of refresh tokens of
-- which only the newest is valid. Reuse of an older one revokes the family.
CREATE TABLE crm.signing_keys (
    -- The JWK's kid.
    id          text PRIMARY KEY,
    private_der bytea NOT NULL,
    public_jwk  jsonb NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    -- Signs no more, still verifies.
    retired_at  timestamptz
);

CREATE TABLE crm.sessions (
    id           uuid PRIMARY KEY,
    person_id    uuid NOT NULL REFERENCES crm.people,
    device       text NOT NULL,
    user_agent   text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    revoked_at   timestamptz
);
CREATE INDEX sessions_person ON crm.sessions (person_id) WHERE revoked_at IS NULL;

CREATE TABLE crm.refresh_tokens (
    -- SHA-256 of the token.
    hash       bytea PRIMARY KEY,
    session_id uuid NOT NULL REFERENCES crm.sessions ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    used_at    timestamptz
);
CREATE INDEX refresh_tokens_session ON crm.refresh_tokens (session_id);

CREATE TABLE crm.one_time_codes (
    phone      text PRIMARY KEY,
    -- SHA-256 of phone and code with a server secret.
    hash       bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    tries      int NOT NULL DEFAULT 0
);

-- Who touched which patient's record, and how. Append-only.
CREATE TABLE crm.audit_log (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT now(),
    actor_id   uuid,
    patient_id uuid,
    action     text NOT NULL,
    object_id  text
);
CREATE INDEX audit_log_patient ON crm.audit_log (patient_id, at DESC);

CREATE FUNCTION crm.forbid_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only';
END $$;
CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON crm.audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION crm.forbid_change();

-- Who was in a call beside its two sides: invited colleagues, and supervisors who
-- listened. One row each time they came.
CREATE TABLE crm.call_guests (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    call_id    uuid NOT NULL REFERENCES crm.calls,
    person_id  uuid NOT NULL REFERENCES crm.people,
    -- As the protocol's ParticipantRole.
    role       text NOT NULL CHECK (role IN ('member', 'listener', 'hidden')),
    invited_by uuid NOT NULL REFERENCES crm.people,
    created_at timestamptz NOT NULL DEFAULT now(),
    left_at    timestamptz
);

CREATE INDEX call_guests_call ON crm.call_guests (call_id, id);

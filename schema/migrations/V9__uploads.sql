-- Uploads that arrive in pieces, and whether a file was found harmless.

ALTER TABLE crm.files
    -- checking: stored, not yet scanned, not served. refused: the scanner found
    -- something; the bytes are gone.
    ADD COLUMN state text NOT NULL DEFAULT 'ready'
        CHECK (state IN ('ready', 'checking', 'refused')),
    -- Somebody has it scanned since then.
    ADD COLUMN checking_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN has_thumbnail boolean NOT NULL DEFAULT false;

CREATE INDEX files_checking ON crm.files (created_at) WHERE state = 'checking';
-- How much a person uploaded in the last day.
CREATE INDEX files_uploader ON crm.files (uploader_id, created_at);

CREATE TABLE crm.uploads (
    -- The file's id once the upload is whole.
    id              uuid PRIMARY KEY,
    conversation_id uuid NOT NULL REFERENCES chat.conversations,
    uploader_id     uuid NOT NULL REFERENCES crm.people,
    name            text NOT NULL,
    length_bytes    bigint NOT NULL CHECK (length_bytes > 0),
    -- What has arrived without a gap.
    offset_bytes    bigint NOT NULL DEFAULT 0
        CHECK (offset_bytes BETWEEN 0 AND length_bytes),
    -- Of the whole, as the uploader says.
    sha256          bytea,
    -- Somebody makes the file of it since then.
    finishing_at    timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX uploads_uploader ON crm.uploads (uploader_id, created_at);
CREATE INDEX uploads_created ON crm.uploads (created_at);

-- Pieces in the object store, in order.
CREATE TABLE crm.upload_parts (
    upload_id    uuid NOT NULL REFERENCES crm.uploads ON DELETE CASCADE,
    start_bytes  bigint NOT NULL,
    length_bytes bigint NOT NULL CHECK (length_bytes > 0),
    -- Two tries of one piece are two objects; the one named here counts.
    object       uuid NOT NULL,
    PRIMARY KEY (upload_id, start_bytes)
);

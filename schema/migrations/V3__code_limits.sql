-- How many codes a phone was sent in the present window. In the database, not in
-- memory, so that the bound holds across processes and restarts.
ALTER TABLE crm.one_time_codes
    ADD COLUMN window_started_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN sent_in_window    int NOT NULL DEFAULT 1;

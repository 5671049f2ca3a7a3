-- The relay that carries a call's room, so that whoever ends a call in its dead
-- owner's place can close the room too.
ALTER TABLE crm.calls ADD COLUMN relay_node uuid;

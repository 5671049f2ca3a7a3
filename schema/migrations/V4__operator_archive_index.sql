-- The archive of one operator: what they held, newest first. The index of active
-- holders does not cover closed consultations.
CREATE INDEX consultations_operator ON crm.consultations (operator_id, closed_at DESC, id DESC);
CREATE INDEX callbacks_operator ON crm.callbacks (operator_id, conversation_id);

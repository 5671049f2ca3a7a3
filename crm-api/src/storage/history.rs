//! What happened with a patient: consultations, callbacks and calls in one list.

use deadpool_postgres::GenericClient;
use housecall_protocol::ConversationId;
use housecall_protocol::rest::HistoryItem;
use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::Result;
use super::briefs::{self, OPERATOR_COLUMNS};

/// Newest first, at most 100.
pub(crate) async fn list(
    client: &impl GenericClient,
    conversation: ConversationId,
) -> Result<Vec<HistoryItem>> {
    let operator_joins = briefs::operator_joins("h");
    let rows = client
        .query(
            &format!(
                "SELECT h.kind, h.id, h.at, h.state, h.duration_s, h.media, {OPERATOR_COLUMNS}
                 FROM (
                     SELECT 'consultation' AS kind, k.id, k.opened_at AS at, k.state,
                            NULL::bigint AS duration_s, NULL AS media, k.operator_id
                     FROM crm.consultations k WHERE k.conversation_id = $1
                     UNION ALL
                     SELECT 'callback', b.id, b.created_at, b.state, NULL, NULL, b.operator_id
                     FROM crm.callbacks b WHERE b.conversation_id = $1
                     UNION ALL
                     SELECT 'call', c.id, c.created_at, c.end_reason,
                            coalesce(round(extract(epoch FROM c.ended_at - c.accepted_at)), 0)::bigint,
                            c.media, side.id
                     FROM crm.calls c
                     LEFT JOIN crm.operators side ON side.id IN (c.caller_id, c.callee_id)
                     WHERE c.conversation_id = $1 AND c.ended_at IS NOT NULL
                 ) h
                 {operator_joins}
                 ORDER BY h.at DESC, h.id DESC LIMIT 100"
            ),
            &[&conversation.0],
        )
        .await?;
    Ok(rows.iter().map(item).collect())
}

fn item(row: &Row) -> HistoryItem {
    HistoryItem {
        kind: row.get("kind"),
        id: row.get::<_, Uuid>("id").to_string(),
        at: row.get::<_, Timestamp>("at").into(),
        operator: briefs::operator(row),
        state: row.get("state"),
        duration_s: row.get("duration_s"),
        media: row.get("media"),
    }
}

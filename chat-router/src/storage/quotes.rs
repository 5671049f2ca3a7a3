//! The messages that replies of a batch quote.

use std::collections::HashMap;

use deadpool_postgres::Object;
use housecall_protocol::domain::Quote;
use housecall_protocol::ids::ConversationId;
use uuid::Uuid;

use super::messages::quote;
use super::{NewMessage, StorageError};

#[derive(Default)]
pub(super) struct Quotes {
    quotes: HashMap<(ConversationId, i64), Quote>,
}

impl Quotes {
    /// What the batch's replies name. Read before the batch is stored: which of them
    /// may be quoted is the batch's own decision, and what changes in between is told
    /// by the change.
    pub(super) async fn of(client: &Object, batch: &[&NewMessage]) -> Result<Self, StorageError> {
        let named = batch.iter().filter_map(|new| Some((new.conversation.0, new.reply_to?)));
        let (conversations, seqs): (Vec<Uuid>, Vec<i64>) = named.unzip();
        if seqs.is_empty() {
            return Ok(Self::default());
        }
        let statement = client
            .prepare_cached(
                "SELECT q.conversation_id, q.seq AS q_seq, q.sender_id AS q_sender_id,
                        p.name AS q_sender_name, p.kind AS q_sender_kind, q.kind AS q_kind,
                        left(q.text, 161) AS q_text, q.deleted_at IS NOT NULL AS q_is_deleted,
                        f.name AS q_file_name, f.media_type AS q_media_type
                 FROM unnest($1::uuid[], $2::bigint[]) AS g (conversation, seq)
                 JOIN chat.messages q ON q.conversation_id = g.conversation AND q.seq = g.seq
                 LEFT JOIN crm.people p ON p.id = q.sender_id
                 LEFT JOIN crm.files f ON f.id = q.file_id
                 WHERE q.kind <> 'system'",
            )
            .await?;
        let rows = client.query(&statement, &[&conversations, &seqs]).await?;
        let mut quotes = HashMap::new();
        for row in &rows {
            if let Some(quote) = quote(row)? {
                quotes.insert((ConversationId(row.get("conversation_id")), quote.seq), quote);
            }
        }
        Ok(Self { quotes })
    }

    pub(super) fn find(&self, new: &NewMessage, seq: i64) -> Option<Quote> {
        self.quotes.get(&(new.conversation, seq)).cloned()
    }
}

//! High-water marks of what each person has received and read.

use housecall_protocol::client::ReceiptView;
use housecall_protocol::domain::PersonKind;
use housecall_protocol::ids::{ConversationId, PersonId};

use super::{Storage, StorageError, person_kind};

impl Storage {
    /// Everybody's marks in a conversation.
    pub(crate) async fn receipts(
        &self,
        conversation: ConversationId,
    ) -> Result<Vec<ReceiptView>, StorageError> {
        let client = self.pool.get().await?;
        let statement = client
            .prepare_cached(
                "SELECT r.person_id, p.kind, r.delivered_seq, r.read_seq
                 FROM chat.receipts r JOIN crm.people p ON p.id = r.person_id
                 WHERE r.conversation_id = $1 ORDER BY r.person_id",
            )
            .await?;
        let rows = client.query(&statement, &[&conversation.0]).await?;
        rows.iter()
            .map(|row| {
                Ok(ReceiptView {
                    conversation,
                    person: PersonId(row.get(0)),
                    kind: person_kind(row.get(1))?,
                    delivered_seq: row.get(2),
                    read_seq: row.get(3),
                })
            })
            .collect()
    }

    /// Moves a person's marks forward, never past the newest message and never
    /// back. `None` when nothing moved.
    pub(crate) async fn advance_receipt(
        &self,
        conversation: ConversationId,
        person: PersonId,
        kind: PersonKind,
        delivered_seq: i64,
        read_seq: i64,
    ) -> Result<Option<ReceiptView>, StorageError> {
        let client = self.pool.get().await?;
        // The foreign key locks the conversation anyway; locking it first keeps
        // the one order of locks and so avoids a deadlock with the sender's own
        // message, which locks the conversation and then this row.
        let statement = client
            .prepare_cached(
                "WITH head AS (SELECT last_seq FROM chat.conversations
                               WHERE id = $1 FOR KEY SHARE),
                      marks AS (SELECT least(greatest($3::bigint, $4::bigint), last_seq) AS delivered,
                                       least($4::bigint, last_seq) AS read FROM head)
                 INSERT INTO chat.receipts AS r (conversation_id, person_id, delivered_seq, read_seq)
                 SELECT $1, $2, delivered, read FROM marks WHERE delivered > 0
                 ON CONFLICT (conversation_id, person_id) DO UPDATE
                 SET delivered_seq = greatest(r.delivered_seq, excluded.delivered_seq),
                     read_seq = greatest(r.read_seq, excluded.read_seq)
                 WHERE r.delivered_seq < excluded.delivered_seq OR r.read_seq < excluded.read_seq
                 RETURNING delivered_seq, read_seq",
            )
            .await?;
        let (delivered, read) = (delivered_seq.max(0), read_seq.max(0));
        let row =
            client.query_opt(&statement, &[&conversation.0, &person.0, &delivered, &read]).await?;
        Ok(row.map(|row| ReceiptView {
            conversation,
            person,
            kind,
            delivered_seq: row.get(0),
            read_seq: row.get(1),
        }))
    }
}

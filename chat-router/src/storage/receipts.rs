//! High-water marks of what each person has received and read.

use housecall_protocol::client::ReceiptView;
use housecall_protocol::ids::{ConversationId, PersonId};
use tokio_postgres::Row;
use uuid::Uuid;

use super::{Storage, StorageError, on_connection, person_kind};

/// How far a person has got in a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) conversation: ConversationId,
    pub(crate) person: PersonId,
    pub(crate) delivered_seq: i64,
    pub(crate) read_seq: i64,
}

/// A mark that moved.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Moved {
    pub(crate) view: ReceiptView,
    /// What had been read before.
    pub(crate) read_before: i64,
}

impl Storage {
    /// Everybody's marks in a conversation.
    pub(crate) async fn receipts(
        &self,
        conversation: ConversationId,
    ) -> Result<Vec<ReceiptView>, StorageError> {
        let rows = on_connection(&self.pool, async |client| {
            let statement = client
                .prepare_cached(
                    "SELECT r.person_id, p.kind, r.delivered_seq, r.read_seq
                     FROM chat.receipts r JOIN crm.people p ON p.id = r.person_id
                     WHERE r.conversation_id = $1 ORDER BY r.person_id",
                )
                .await?;
            Ok(client.query(&statement, &[&conversation.0]).await?)
        })
        .await?;
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

    /// Moves marks forward, never past the newest message and never back. Returns
    /// those that moved. No two marks of one person in one conversation.
    pub(crate) async fn advance(&self, marks: &[Mark]) -> Result<Vec<Moved>, StorageError> {
        let column = |value: fn(&Mark) -> i64| marks.iter().map(value).collect::<Vec<i64>>();
        let conversations: Vec<Uuid> = marks.iter().map(|mark| mark.conversation.0).collect();
        let people: Vec<Uuid> = marks.iter().map(|mark| mark.person.0).collect();
        let delivered = column(|mark| mark.delivered_seq.max(0));
        let read = column(|mark| mark.read_seq.max(0));
        let rows = on_connection(&self.pool, async |client| {
            let statement = client.prepare_cached(ADVANCE).await?;
            Ok(client.query(&statement, &[&conversations, &people, &delivered, &read]).await?)
        })
        .await?;
        rows.iter().map(moved).collect()
    }
}

/// In one order everywhere, so that two of these cannot wait for each other.
const ADVANCE: &str = "
    WITH given AS (
        SELECT g.*, c.last_seq, coalesce(r.read_seq, 0) AS read_before
        FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[])
             AS g (conversation, person, delivered, read)
        JOIN chat.conversations c ON c.id = g.conversation
        LEFT JOIN chat.receipts r
          ON r.conversation_id = g.conversation AND r.person_id = g.person
    ), moved AS (
        INSERT INTO chat.receipts AS r (conversation_id, person_id, delivered_seq, read_seq)
        SELECT conversation, person, least(greatest(delivered, read), last_seq),
               least(read, last_seq)
        FROM given WHERE greatest(delivered, read) > 0 AND last_seq > 0
        ORDER BY conversation, person
        ON CONFLICT (conversation_id, person_id) DO UPDATE
        SET delivered_seq = greatest(r.delivered_seq, excluded.delivered_seq),
            read_seq = greatest(r.read_seq, excluded.read_seq)
        WHERE r.delivered_seq < excluded.delivered_seq OR r.read_seq < excluded.read_seq
        RETURNING conversation_id, person_id, delivered_seq, read_seq
    )
    SELECT m.*, g.read_before, p.kind FROM moved m
    JOIN given g ON g.conversation = m.conversation_id AND g.person = m.person_id
    JOIN crm.people p ON p.id = m.person_id";

fn moved(row: &Row) -> Result<Moved, StorageError> {
    let view = ReceiptView {
        conversation: ConversationId(row.get("conversation_id")),
        person: PersonId(row.get("person_id")),
        kind: person_kind(row.get("kind"))?,
        delivered_seq: row.get("delivered_seq"),
        read_seq: row.get("read_seq"),
    };
    Ok(Moved { view, read_before: row.get("read_before") })
}

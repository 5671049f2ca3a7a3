//! Reading what was written.

use deadpool_postgres::Object;
use housecall_protocol::domain::{Message, MessageBody};
use housecall_protocol::ids::{ClientMessageId, ConsultationId, ConversationId, PersonId};
use tokio_postgres::Row;

use super::{Storage, StorageError, files, on_connection, person_kind};

/// Which part of a conversation. Pages are ascending by seq whatever the direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    /// The first ones with a greater seq.
    After(i64),
    /// The last ones with a smaller seq.
    Before(i64),
    Newest,
}

macro_rules! page {
    ($order:literal) => {
        concat!(
            "SELECT m.seq, m.sender_id, p.name AS sender_name, p.kind AS sender_kind,
                    m.client_message_id, m.consultation_id, m.kind, m.text, m.event, m.sent_at,
                    f.id AS file_id, f.name AS file_name, f.media_type, f.size_bytes,
                    f.width, f.height, f.state AS file_state, f.has_thumbnail
             FROM chat.messages m
             LEFT JOIN crm.people p ON p.id = m.sender_id
             LEFT JOIN crm.files f ON f.id = m.file_id
             WHERE m.conversation_id = $1 AND m.seq > $2 AND m.seq <= $3
             ORDER BY m.seq ",
            $order,
            " LIMIT $4"
        )
    };
}

const ASCENDING: &str = page!("ASC");
const DESCENDING: &str = page!("DESC");

impl Storage {
    /// Up to `limit` messages of `span`, none newer than `head_seq`, and whether
    /// more exist in that direction.
    pub(crate) async fn page(
        &self,
        conversation: ConversationId,
        span: Span,
        head_seq: i64,
        limit: u16,
    ) -> Result<(Vec<Message>, bool), StorageError> {
        let limit = usize::from(limit);
        // One row more than asked for tells whether there are more.
        let mut rows = on_connection(&self.pool, async |client| {
            rows(client, conversation, span, head_seq, limit + 1).await
        })
        .await?;
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        if !matches!(span, Span::After(_)) {
            rows.reverse();
        }
        let messages = rows.iter().map(message).collect::<Result<_, _>>()?;
        Ok((messages, has_more))
    }

    /// Conversations written within the last `seconds`, newest first, with their
    /// heads. Reads the whole table: for the start only.
    pub(crate) async fn recent_heads(
        &self,
        seconds: f64,
        limit: i64,
    ) -> Result<Vec<(ConversationId, i64)>, StorageError> {
        let client = self.pool.get().await?;
        let rows = client
            .query(
                "SELECT id, last_seq FROM chat.conversations
                 WHERE last_at > now() - make_interval(secs => $1)
                 ORDER BY last_at DESC LIMIT $2",
                &[&seconds, &limit],
            )
            .await?;
        Ok(rows.iter().map(|row| (ConversationId(row.get(0)), row.get(1))).collect())
    }
}

async fn rows(
    client: &Object,
    conversation: ConversationId,
    span: Span,
    head_seq: i64,
    limit: usize,
) -> Result<Vec<Row>, StorageError> {
    let (query, after, up_to) = match span {
        Span::After(seq) => (ASCENDING, seq, head_seq),
        Span::Before(seq) => (DESCENDING, 0, head_seq.min(seq.saturating_sub(1))),
        Span::Newest => (DESCENDING, 0, head_seq),
    };
    let statement = client.prepare_cached(query).await?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    Ok(client.query(&statement, &[&conversation.0, &after, &up_to, &limit]).await?)
}

fn message(row: &Row) -> Result<Message, StorageError> {
    let kind: Option<&str> = row.get("sender_kind");
    Ok(Message {
        seq: row.get("seq"),
        sender: row.get::<_, Option<_>>("sender_id").map(PersonId),
        sender_name: row.get("sender_name"),
        sender_kind: kind.map(person_kind).transpose()?,
        client_message_id: row.get::<_, Option<_>>("client_message_id").map(ClientMessageId),
        consultation: row.get::<_, Option<_>>("consultation_id").map(ConsultationId),
        sent_at: row.get::<_, jiff::Timestamp>("sent_at").into(),
        body: body(row)?,
    })
}

fn body(row: &Row) -> Result<MessageBody, StorageError> {
    let text: String = row.get("text");
    match row.get("kind") {
        "text" => Ok(MessageBody::Text { text }),
        "note" => Ok(MessageBody::Note { text }),
        "system" => Ok(MessageBody::System { event: serde_json::from_value(row.get("event"))? }),
        "file" => Ok(MessageBody::File { file: files::view(row), caption: text }),
        other => Err(StorageError::Unknown { field: "message kind", value: other.to_owned() }),
    }
}

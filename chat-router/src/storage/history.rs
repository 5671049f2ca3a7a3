//! Reading what was written.

use deadpool_postgres::Object;
use housecall_protocol::domain::Message;
use housecall_protocol::ids::ConversationId;
use tokio_postgres::Row;

use super::access::Head;
use super::messages::{message, select};
use super::{Storage, StorageError, on_connection};

/// Which part of a conversation. Pages are ascending by seq whatever the direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    /// The first ones with a greater seq.
    After(i64),
    /// The last ones with a smaller seq.
    Before(i64),
    Newest,
}

const ASCENDING: &str = select!(
    "WHERE m.conversation_id = $1 AND m.seq > $2 AND m.seq <= $3 ORDER BY m.seq ASC LIMIT $4"
);
const DESCENDING: &str = select!(
    "WHERE m.conversation_id = $1 AND m.seq > $2 AND m.seq <= $3 ORDER BY m.seq DESC LIMIT $4"
);

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

    /// Conversations written or changed within the last `seconds`, newest first, with
    /// their heads. Reads the whole table: for the start only.
    pub(crate) async fn recent_heads(
        &self,
        seconds: f64,
        limit: i64,
    ) -> Result<Vec<(ConversationId, Head)>, StorageError> {
        let client = self.pool.get().await?;
        let rows = client
            .query(
                "SELECT id, last_seq, last_change FROM chat.conversations
                 WHERE greatest(last_at, changed_at) > now() - make_interval(secs => $1)
                 ORDER BY greatest(last_at, changed_at) DESC LIMIT $2",
                &[&seconds, &limit],
            )
            .await?;
        let head = |row: &Row| Head { seq: row.get(1), change: row.get(2) };
        Ok(rows.iter().map(|row| (ConversationId(row.get(0)), head(row))).collect())
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

//! Edits and deletions.

use std::time::Duration;

use housecall_protocol::domain::Message;
use housecall_protocol::ids::{ClientChangeId, ConversationId, PersonId};

use super::messages::{message, select};
use super::{Storage, StorageError, on_connection};

/// A change that passed validation.
#[derive(Clone)]
pub(crate) struct NewChange {
    pub(crate) conversation: ConversationId,
    pub(crate) actor: PersonId,
    pub(crate) client_change_id: ClientChangeId,
    pub(crate) seq: i64,
    pub(crate) what: Change,
}

#[derive(Clone)]
pub(crate) enum Change {
    Edit { text: String },
    Delete,
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Changed {
    /// Made now, under this number.
    New(i64),
    /// Was made before.
    Stored(i64),
    Refused(Unchanged),
}

/// Why a message stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unchanged {
    /// The actor may not write here.
    Forbidden,
    /// The actor wrote no such message.
    NotFound,
    /// It is gone already.
    Deleted,
    /// It was sent too long ago.
    Late,
    /// It would say nothing any more.
    Empty,
}

const CHANGED: &str =
    select!("WHERE m.conversation_id = $1 AND m.change > $2 ORDER BY m.change LIMIT $3");
const ONE: &str = select!("WHERE m.conversation_id = $1 AND m.seq = $2");

impl Storage {
    /// Makes the change and commits, unless the message is older than `window`. Safe
    /// to repeat after any failure.
    pub(crate) async fn change(
        &self,
        new: &NewChange,
        window: Duration,
    ) -> Result<Changed, StorageError> {
        let text = match &new.what {
            Change::Edit { text } => Some(text),
            Change::Delete => None,
        };
        let window_s = window.as_secs_f64();
        let row = on_connection(&self.writers, async |client| {
            let statement = client
                .prepare_cached(
                    "SELECT outcome, change
                     FROM chat.change($1, $2, $3, $4, $5, make_interval(secs => $6))",
                )
                .await?;
            let (conversation, actor) = (&new.conversation.0, &new.actor.0);
            let id = &new.client_change_id.0;
            let row = client
                .query_one(&statement, &[conversation, actor, id, &new.seq, &text, &window_s])
                .await?;
            Ok(row)
        })
        .await?;
        Ok(match row.get("outcome") {
            "new" => Changed::New(row.get("change")),
            "stored" => Changed::Stored(row.get("change")),
            "forbidden" => Changed::Refused(Unchanged::Forbidden),
            "not_found" => Changed::Refused(Unchanged::NotFound),
            "deleted" => Changed::Refused(Unchanged::Deleted),
            "late" => Changed::Refused(Unchanged::Late),
            "empty" => Changed::Refused(Unchanged::Empty),
            other => {
                return Err(StorageError::Unknown { field: "outcome", value: other.to_owned() });
            }
        })
    }

    /// One message as it is now.
    pub(crate) async fn message(
        &self,
        conversation: ConversationId,
        seq: i64,
    ) -> Result<Option<Message>, StorageError> {
        let row = on_connection(&self.pool, async |client| {
            let statement = client.prepare_cached(ONE).await?;
            Ok(client.query_opt(&statement, &[&conversation.0, &seq]).await?)
        })
        .await?;
        row.as_ref().map(message).transpose()
    }

    /// Up to `limit` messages whose last change is after `after`, in the order of
    /// those, and whether more exist.
    pub(crate) async fn changes(
        &self,
        conversation: ConversationId,
        after: i64,
        limit: u16,
    ) -> Result<(Vec<Message>, bool), StorageError> {
        let rows = on_connection(&self.pool, async |client| {
            let statement = client.prepare_cached(CHANGED).await?;
            let most = i64::from(limit) + 1;
            Ok(client.query(&statement, &[&conversation.0, &after, &most]).await?)
        })
        .await?;
        let messages = rows.iter().take(limit.into()).map(message).collect::<Result<_, _>>()?;
        Ok((messages, rows.len() > usize::from(limit)))
    }
}

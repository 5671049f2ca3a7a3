//! Who may read and write a conversation, and the log of who did.

use housecall_protocol::ids::{ConversationId, PersonId};

use super::{Storage, StorageError, on_connection};

/// What a person asks to do with a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Right {
    Read,
    Write,
}

/// How far a conversation has got, in messages and in changes of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) seq: i64,
    pub(crate) change: i64,
}

/// A person's access to a conversation, as it was in one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) allowed: bool,
    pub(crate) head: Head,
    /// The person's display name.
    pub(crate) name: String,
}

impl Storage {
    /// Nobody has access to a conversation that does not exist.
    pub(crate) async fn access(
        &self,
        person: PersonId,
        conversation: ConversationId,
        right: Right,
    ) -> Result<Option<Access>, StorageError> {
        let query = match right {
            Right::Read => {
                "SELECT crm.may_read(p.id, c.id), c.last_seq, c.last_change, p.name
                 FROM chat.conversations c, crm.people p WHERE c.id = $1 AND p.id = $2"
            }
            Right::Write => {
                "SELECT crm.may_write(p.id, c.id), c.last_seq, c.last_change, p.name
                 FROM chat.conversations c, crm.people p WHERE c.id = $1 AND p.id = $2"
            }
        };
        let row = on_connection(&self.pool, async |client| {
            let statement = client.prepare_cached(query).await?;
            Ok(client.query_opt(&statement, &[&conversation.0, &person.0]).await?)
        })
        .await?;
        Ok(row.map(|row| Access {
            allowed: row.get(0),
            head: Head { seq: row.get(1), change: row.get(2) },
            name: row.get(3),
        }))
    }

    /// Notes in the append-only log that an operator looked at a patient's record.
    pub(crate) async fn audit(
        &self,
        operator: PersonId,
        conversation: ConversationId,
        action: &str,
    ) -> Result<(), StorageError> {
        on_connection(&self.pool, async |client| {
            let statement = client
                .prepare_cached(
                    "INSERT INTO crm.audit_log (actor_id, patient_id, action, object_id)
                     SELECT $1, c.patient_id, $3, c.id::text
                     FROM chat.conversations c WHERE c.id = $2",
                )
                .await?;
            client.execute(&statement, &[&operator.0, &conversation.0, &action]).await?;
            Ok(())
        })
        .await
    }
}

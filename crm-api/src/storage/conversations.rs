//! Conversations: system messages, and who may read and write.

use deadpool_postgres::{GenericClient, Transaction};
use housecall_protocol::domain::SystemEvent;
use housecall_protocol::{ConsultationId, ConversationId, PersonId};

use super::{Result, StorageError};

/// Appends a system message and returns its `seq`.
pub(crate) async fn append_system(
    transaction: &Transaction<'_>,
    conversation: ConversationId,
    consultation: Option<ConsultationId>,
    event: &SystemEvent,
) -> Result<i64> {
    let event = serde_json::to_value(event).map_err(|_| StorageError::Corrupt("system event"))?;
    let row = transaction
        .query_one(
            "SELECT seq FROM chat.append($1, NULL, NULL, $2, 'system', NULL, NULL, $3)",
            &[&conversation.0, &consultation.map(|id| id.0), &event],
        )
        .await?;
    Ok(row.get("seq"))
}

pub(crate) async fn may_read(
    client: &impl GenericClient,
    person: PersonId,
    conversation: ConversationId,
) -> Result<bool> {
    let row =
        client.query_one("SELECT crm.may_read($1, $2)", &[&person.0, &conversation.0]).await?;
    Ok(row.get(0))
}

pub(crate) async fn may_write(
    client: &impl GenericClient,
    person: PersonId,
    conversation: ConversationId,
) -> Result<bool> {
    let row =
        client.query_one("SELECT crm.may_write($1, $2)", &[&person.0, &conversation.0]).await?;
    Ok(row.get(0))
}

/// Whose conversation it is.
pub(crate) async fn patient(
    client: &impl GenericClient,
    conversation: ConversationId,
) -> Result<Option<PersonId>> {
    let row = client
        .query_opt("SELECT patient_id FROM chat.conversations WHERE id = $1", &[&conversation.0])
        .await?;
    Ok(row.map(|row| PersonId(row.get(0))))
}

/// Locks the patient's conversation until the transaction ends and returns it.
/// Everything that changes a consultation or a callback takes this lock first,
/// as the chat does, so that they see each other's work and cannot deadlock.
pub(crate) async fn lock_of_patient(
    transaction: &Transaction<'_>,
    patient: PersonId,
) -> Result<Option<ConversationId>> {
    let row = transaction
        .query_opt(
            "SELECT id FROM chat.conversations WHERE patient_id = $1 FOR UPDATE",
            &[&patient.0],
        )
        .await?;
    Ok(row.map(|row| ConversationId(row.get(0))))
}

/// Messages of the other side that the patient has not read.
pub(crate) async fn patient_unread(client: &impl GenericClient, patient: PersonId) -> Result<u32> {
    let row = client
        .query_one(
            "SELECT count(*) AS unread FROM chat.conversations c
             LEFT JOIN chat.receipts r ON r.conversation_id = c.id AND r.person_id = c.patient_id
             JOIN chat.messages m ON m.conversation_id = c.id AND m.seq > coalesce(r.read_seq, 0)
             WHERE c.patient_id = $1 AND m.kind IN ('text', 'file') AND m.sender_id <> $1
               AND m.deleted_at IS NULL",
            &[&patient.0],
        )
        .await?;
    super::briefs::count(&row, "unread")
}

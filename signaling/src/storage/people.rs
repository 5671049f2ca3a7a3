//! Sessions, conversations and who may read them.

use housecall_platform::postgres::Pool;
use housecall_protocol::{ConversationId, PersonId, SessionId};
use uuid::Uuid;

use super::StorageError;

/// Whether the session still stands: not ended, not expired, its operator not disabled.
pub(crate) async fn session_stands(
    pool: &Pool,
    session: SessionId,
    person: PersonId,
) -> Result<bool, StorageError> {
    let client = pool.get().await?;
    let statement = client
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM crm.sessions s
                            WHERE s.id = $1 AND s.person_id = $2 AND s.revoked_at IS NULL
                              AND s.expires_at > now())
                AND NOT EXISTS (SELECT 1 FROM crm.operators o WHERE o.id = $2 AND o.disabled)",
        )
        .await?;
    Ok(client.query_one(&statement, &[&session.0, &person.0]).await?.get(0))
}

/// The patient's own conversation.
pub(crate) async fn conversation_of_patient(
    pool: &Pool,
    patient: PersonId,
) -> Result<Option<ConversationId>, StorageError> {
    conversation(pool, "SELECT id FROM chat.conversations WHERE patient_id = $1", patient.0).await
}

pub(crate) async fn conversation_of_consultation(
    pool: &Pool,
    consultation: Uuid,
) -> Result<Option<ConversationId>, StorageError> {
    let query = "SELECT conversation_id FROM crm.consultations WHERE id = $1";
    conversation(pool, query, consultation).await
}

pub(crate) async fn conversation_of_callback(
    pool: &Pool,
    callback: Uuid,
) -> Result<Option<ConversationId>, StorageError> {
    let query = "SELECT conversation_id FROM crm.callbacks WHERE id = $1";
    conversation(pool, query, callback).await
}

async fn conversation(
    pool: &Pool,
    query: &str,
    id: Uuid,
) -> Result<Option<ConversationId>, StorageError> {
    let client = pool.get().await?;
    let statement = client.prepare_cached(query).await?;
    let row = client.query_opt(&statement, &[&id]).await?;
    Ok(row.map(|row| ConversationId(row.get(0))))
}

pub(crate) async fn may_read(
    pool: &Pool,
    person: PersonId,
    conversation: ConversationId,
) -> Result<bool, StorageError> {
    let client = pool.get().await?;
    let statement = client.prepare_cached("SELECT crm.may_read($1, $2)").await?;
    Ok(client.query_one(&statement, &[&person.0, &conversation.0]).await?.get(0))
}

/// Whether all of `people` are operators: a patient may watch no others.
pub(crate) async fn all_operators(pool: &Pool, people: &[PersonId]) -> Result<bool, StorageError> {
    let ids: Vec<Uuid> = people.iter().map(|person| person.0).collect();
    let client = pool.get().await?;
    let statement = client
        .prepare_cached(
            "SELECT NOT EXISTS (SELECT 1 FROM unnest($1::uuid[]) AS wanted (id)
                                WHERE NOT EXISTS (SELECT 1 FROM crm.operators o
                                                  WHERE o.id = wanted.id))",
        )
        .await?;
    Ok(client.query_one(&statement, &[&ids]).await?.get(0))
}

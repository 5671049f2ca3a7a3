//! Changes of a consultation's state, each on the condition of the state before.

use deadpool_postgres::{GenericClient, Transaction};
use housecall_protocol::domain::{ConsultationState, Role};
use housecall_protocol::rest::PersonName;
use housecall_protocol::{ConsultationId, ConversationId, PersonId};
use uuid::Uuid;

use super::parse_state;
use crate::storage::Result;

/// A consultation whose conversation is locked, so that nothing about it changes
/// until the transaction ends.
pub(crate) struct Locked {
    pub(crate) id: ConsultationId,
    pub(crate) conversation: ConversationId,
    pub(crate) patient: PersonId,
    pub(crate) state: ConsultationState,
    pub(crate) specialty: Option<String>,
    pub(crate) holder: Option<PersonName>,
}

pub(crate) async fn lock(
    transaction: &Transaction<'_>,
    id: ConsultationId,
) -> Result<Option<Locked>> {
    transaction
        .execute(
            "SELECT 1 FROM chat.conversations WHERE id =
                 (SELECT conversation_id FROM crm.consultations WHERE id = $1) FOR UPDATE",
            &[&id.0],
        )
        .await?;
    // A second statement: it sees what was committed while the first one waited.
    let row = transaction
        .query_opt(
            "SELECT k.conversation_id, k.patient_id, k.state, k.specialty,
                    k.operator_id, op.name AS operator_name
             FROM crm.consultations k LEFT JOIN crm.people op ON op.id = k.operator_id
             WHERE k.id = $1",
            &[&id.0],
        )
        .await?;
    row.map(|row| {
        let holder = row.get::<_, Option<Uuid>>("operator_id");
        Ok(Locked {
            id,
            conversation: ConversationId(row.get("conversation_id")),
            patient: PersonId(row.get("patient_id")),
            state: parse_state(row.get("state"))?,
            specialty: row.get("specialty"),
            holder: holder
                .map(|id| PersonName { id: PersonId(id), name: row.get("operator_name") }),
        })
    })
    .transpose()
}

/// Whether the operator serves the queue of `specialty`.
pub(crate) async fn serves(
    client: &impl GenericClient,
    operator: PersonId,
    role: Role,
    specialty: Option<&str>,
) -> Result<bool> {
    let (Role::Doctor, Some(specialty)) = (role, specialty) else {
        return Ok(role != Role::Admin);
    };
    let row = client
        .query_opt(
            "SELECT 1 FROM crm.operators WHERE id = $1 AND specialty = $2",
            &[&operator.0, &specialty],
        )
        .await?;
    Ok(row.is_some())
}

/// Gives a waiting consultation to the operator. Returns the seconds it waited,
/// or nothing when it does not wait (any more): the loser of a race.
pub(crate) async fn claim(
    transaction: &Transaction<'_>,
    id: ConsultationId,
    operator: PersonId,
) -> Result<Option<i64>> {
    let row = transaction
        .query_opt(
            "UPDATE crm.consultations k SET state = 'active', operator_id = $2,
                    claimed_at = clock_timestamp(), waiting_since = NULL
             FROM crm.consultations before
             WHERE k.id = $1 AND k.state = 'waiting' AND before.id = k.id
             RETURNING greatest(0, extract(epoch FROM k.claimed_at - before.waiting_since))::bigint
                 AS waited_s",
            &[&id.0, &operator.0],
        )
        .await?;
    Ok(row.map(|row| row.get("waited_s")))
}

/// Closes an open consultation.
pub(crate) async fn close(
    transaction: &Transaction<'_>,
    id: ConsultationId,
    conclusion: &str,
) -> Result<bool> {
    let closed = transaction
        .execute(
            "UPDATE crm.consultations SET state = 'closed', closed_at = clock_timestamp(),
                    waiting_since = NULL, summary = $2
             WHERE id = $1 AND state <> 'closed'",
            &[&id.0, &conclusion],
        )
        .await?;
    Ok(closed > 0)
}

/// Hands an open consultation to another operator.
pub(crate) async fn hand_over(
    transaction: &Transaction<'_>,
    id: ConsultationId,
    operator: PersonId,
) -> Result<bool> {
    let moved = transaction
        .execute(
            "UPDATE crm.consultations SET state = 'active', operator_id = $2,
                    claimed_at = coalesce(claimed_at, clock_timestamp()), waiting_since = NULL
             WHERE id = $1 AND state <> 'closed'",
            &[&id.0, &operator.0],
        )
        .await?;
    Ok(moved > 0)
}

/// Puts an open consultation back into the queue, of a specialty or the general one.
pub(crate) async fn requeue(
    transaction: &Transaction<'_>,
    id: ConsultationId,
    specialty: Option<&str>,
) -> Result<bool> {
    let moved = transaction
        .execute(
            "UPDATE crm.consultations SET state = 'waiting', operator_id = NULL,
                    claimed_at = NULL, specialty = $2,
                    waiting_since = coalesce(waiting_since, clock_timestamp())
             WHERE id = $1 AND state <> 'closed'",
            &[&id.0, &specialty],
        )
        .await?;
    Ok(moved > 0)
}

/// What opening did.
pub(crate) struct Opened {
    pub(crate) id: ConsultationId,
    pub(crate) is_new: bool,
    pub(crate) event_seq: Option<i64>,
}

/// The conversation's open consultation, or a new one.
pub(crate) async fn open(
    transaction: &Transaction<'_>,
    conversation: ConversationId,
    specialty: Option<&str>,
) -> Result<Opened> {
    let row = transaction
        .query_one(
            "SELECT id, is_new, event_seq FROM crm.open_consultation($1, $2, $3)",
            &[&conversation.0, &ConsultationId::generate().0, &specialty],
        )
        .await?;
    Ok(Opened {
        id: ConsultationId(row.get("id")),
        is_new: row.get("is_new"),
        event_seq: row.get("event_seq"),
    })
}

/// Changes the wish of a consultation that still waits.
pub(crate) async fn wish(
    transaction: &Transaction<'_>,
    id: ConsultationId,
    specialty: &str,
) -> Result<()> {
    transaction
        .execute(
            "UPDATE crm.consultations SET specialty = $2 WHERE id = $1 AND state = 'waiting'",
            &[&id.0, &specialty],
        )
        .await?;
    Ok(())
}

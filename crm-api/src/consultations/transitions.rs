//! Claim, transfer, close.

use axum::Json;
use axum::extract::State;
use deadpool_postgres::{Client, Transaction};
use housecall_protocol::client::Topic;
use housecall_protocol::domain::{ConsultationState, Role, SystemEvent};
use housecall_protocol::rest::{
    ConsultationClose, ConsultationSummary, ConsultationTransfer, PersonName,
};
use housecall_protocol::{ConsultationId, PersonId};

use crate::app::App;
use crate::extract::{Body, Id};
use crate::identity::caller::{Account, DeskCaller};
use crate::problem::ApiError;
use crate::storage::audit::{self, Action};
use crate::storage::consultations::{Locked, Reader};
use crate::{announce, storage, text};

/// Longest conclusion, characters.
const MAX_SUMMARY: usize = 4000;

/// Takes a waiting consultation. Of several who try at once exactly one gets it;
/// the others are told who. Taking what one already holds changes nothing.
#[utoipa::path(post, path = "/api/v1/consultations/{id}/claim", tag = "consultations",
    operation_id = "claimConsultation", params(("id" = Uuid, Path)),
    responses((status = 200, body = ConsultationSummary)))]
pub(crate) async fn claim(
    State(app): State<App>,
    caller: DeskCaller,
    Id(id): Id<ConsultationId>,
) -> Result<Json<ConsultationSummary>, ApiError> {
    let mut client = app.client().await?;
    let transaction = client.transaction().await?;
    let locked = lock(&transaction, id, caller).await?;
    match (locked.state, &locked.holder) {
        (ConsultationState::Closed, _) => return Err(ApiError::ConsultationClosed),
        (ConsultationState::Active, Some(holder)) if holder.id != caller.person => {
            return Err(ApiError::AlreadyClaimed { holder: holder.clone() });
        }
        (ConsultationState::Active, _) => {
            drop(transaction);
            return reply(&client, caller, id).await;
        }
        (ConsultationState::Waiting, _) => {}
    }
    let waited_s = storage::consultations::claim(&transaction, id, caller.person)
        .await?
        .ok_or(ApiError::Conflict("the consultation does not wait any more"))?;
    let event = SystemEvent::ConsultationClaimed {
        consultation: id,
        operator: caller.person,
        operator_name: name_of(&transaction, caller.person).await?,
        waited_s,
    };
    finish(&app, transaction, &locked, caller, Action::ConsultationClaim, &event).await?;
    app.metrics.claimed_after(waited_s);
    reply(&client, caller, id).await
}

/// Ends a consultation, with a conclusion for the patient.
#[utoipa::path(post, path = "/api/v1/consultations/{id}/close", tag = "consultations",
    operation_id = "closeConsultation", params(("id" = Uuid, Path)),
    request_body = ConsultationClose, responses((status = 200, body = ConsultationSummary)))]
pub(crate) async fn close(
    State(app): State<App>,
    caller: DeskCaller,
    Id(id): Id<ConsultationId>,
    Body(body): Body<ConsultationClose>,
) -> Result<Json<ConsultationSummary>, ApiError> {
    let conclusion = text::block("summary", &body.summary, 0, MAX_SUMMARY)?;
    let mut client = app.client().await?;
    let transaction = client.transaction().await?;
    let locked = lock(&transaction, id, caller).await?;
    may_dispose(&locked, caller)?;
    if !storage::consultations::close(&transaction, id, &conclusion).await? {
        return Err(ApiError::ConsultationClosed);
    }
    let event = SystemEvent::ConsultationClosed {
        consultation: id,
        operator: Some(caller.person),
        operator_name: Some(name_of(&transaction, caller.person).await?),
        summary: conclusion,
    };
    finish(&app, transaction, &locked, caller, Action::ConsultationClose, &event).await?;
    reply(&client, caller, id).await
}

/// Hands a consultation to another operator, or back to the queue: of a
/// specialty, or the general one.
#[utoipa::path(post, path = "/api/v1/consultations/{id}/transfer", tag = "consultations",
    operation_id = "transferConsultation", params(("id" = Uuid, Path)),
    request_body = ConsultationTransfer, responses((status = 200, body = ConsultationSummary)))]
pub(crate) async fn transfer(
    State(app): State<App>,
    caller: DeskCaller,
    Id(id): Id<ConsultationId>,
    Body(body): Body<ConsultationTransfer>,
) -> Result<Json<ConsultationSummary>, ApiError> {
    let mut client = app.client().await?;
    let specialty = super::check_specialty(&client, body.specialty.as_deref()).await?;
    let transaction = client.transaction().await?;
    let locked = lock(&transaction, id, caller).await?;
    may_dispose(&locked, caller)?;
    let operator = match body.operator {
        Some(operator) => Some(recipient(&transaction, &locked, operator).await?),
        None => None,
    };
    let moved = match &operator {
        Some(operator) => storage::consultations::hand_over(&transaction, id, operator.id).await?,
        None => storage::consultations::requeue(&transaction, id, specialty).await?,
    };
    if !moved {
        return Err(ApiError::ConsultationClosed);
    }
    let event = SystemEvent::ConsultationTransferred {
        consultation: id,
        operator: operator.as_ref().map(|operator| operator.id),
        operator_name: operator.map(|operator| operator.name),
        specialty: if body.operator.is_some() { None } else { specialty.map(str::to_owned) },
    };
    finish(&app, transaction, &locked, caller, Action::ConsultationTransfer, &event).await?;
    reply(&client, caller, id).await
}

/// The consultation with its conversation locked, when the caller may know of it:
/// it is in a queue they serve, or they may read the conversation.
async fn lock(
    transaction: &Transaction<'_>,
    id: ConsultationId,
    caller: DeskCaller,
) -> Result<Locked, ApiError> {
    let locked = storage::consultations::lock(transaction, id).await?.ok_or(ApiError::NotFound)?;
    let specialty = locked.specialty.as_deref();
    let known = storage::consultations::serves(transaction, caller.person, caller.role, specialty)
        .await?
        || storage::conversations::may_read(transaction, caller.person, locked.conversation)
            .await?;
    if known { Ok(locked) } else { Err(ApiError::NotFound) }
}

/// Only the holder decides what becomes of a consultation, or a supervisor.
fn may_dispose(locked: &Locked, caller: DeskCaller) -> Result<(), ApiError> {
    if locked.state == ConsultationState::Closed {
        return Err(ApiError::ConsultationClosed);
    }
    match &locked.holder {
        _ if caller.role == Role::Supervisor => Ok(()),
        Some(holder) if holder.id == caller.person => Ok(()),
        Some(holder) => Err(ApiError::AlreadyClaimed { holder: holder.clone() }),
        None => Err(ApiError::Conflict("take the consultation first")),
    }
}

/// An operator who can be given the consultation.
async fn recipient(
    transaction: &Transaction<'_>,
    locked: &Locked,
    operator: PersonId,
) -> Result<PersonName, ApiError> {
    if locked.holder.as_ref().is_some_and(|holder| holder.id == operator) {
        return Err(ApiError::invalid("operator", "has it already"));
    }
    let found = storage::operators::find(transaction, operator).await?;
    found
        .filter(|operator| !operator.disabled && operator.role != Role::Admin)
        .map(|operator| PersonName { id: operator.id, name: operator.name })
        .ok_or_else(|| ApiError::invalid("operator", "an operator who works with patients"))
}

async fn name_of(transaction: &Transaction<'_>, operator: PersonId) -> Result<String, ApiError> {
    let operator = storage::operators::find(transaction, operator).await?;
    Ok(operator.ok_or(ApiError::SessionEnded)?.name)
}

/// Writes the system message and the audit line, commits, and tells everybody.
async fn finish(
    app: &App,
    transaction: Transaction<'_>,
    locked: &Locked,
    caller: DeskCaller,
    action: Action,
    event: &SystemEvent,
) -> Result<(), ApiError> {
    let Locked { id, conversation, patient, .. } = *locked;
    let head_seq =
        storage::conversations::append_system(&transaction, conversation, Some(id), event).await?;
    let object = id.to_string();
    audit::record(&transaction, caller.person, Some(patient), action, &object).await?;
    transaction.commit().await?;
    let bus = &app.context.bus;
    announce::appended(bus, conversation, head_seq).await;
    announce::changed(bus, Topic::Consultations, object, Some(patient)).await;
    Ok(())
}

/// The answer, over the connection at hand: a second one, asked for while the first
/// is held, could make requests wait for each other.
async fn reply(
    client: &Client,
    caller: DeskCaller,
    id: ConsultationId,
) -> Result<Json<ConsultationSummary>, ApiError> {
    let reader = Reader { person: caller.person, account: Account::Operator(caller.role) };
    let summary = storage::consultations::find(client, reader, id).await?;
    Ok(Json(summary.ok_or(ApiError::NotFound)?))
}

//! Take, release, cancel, done.

use axum::Json;
use axum::extract::State;
use deadpool_postgres::{Client, Transaction};
use housecall_protocol::client::Topic;
use housecall_protocol::domain::{CallbackState, Role, SystemEvent};
use housecall_protocol::rest::Callback;
use housecall_protocol::{CallbackId, PersonId};

use crate::app::App;
use crate::extract::Id;
use crate::identity::caller::{Account, Caller, DeskCaller};
use crate::problem::ApiError;
use crate::storage::audit::{self, Action};
use crate::storage::callbacks::Locked;
use crate::{announce, storage};

/// Takes a new request. Of several who try at once exactly one gets it; the others
/// are told who. Taking what one already has changes nothing.
#[utoipa::path(post, path = "/api/v1/callbacks/{id}/take", tag = "callbacks",
    operation_id = "takeCallback", params(("id" = Uuid, Path)),
    responses((status = 200, body = Callback)))]
pub(crate) async fn take(
    State(app): State<App>,
    caller: DeskCaller,
    Id(id): Id<CallbackId>,
) -> Result<Json<Callback>, ApiError> {
    let mut client = app.client().await?;
    let transaction = client.transaction().await?;
    let locked = storage::callbacks::lock(&transaction, id).await?.ok_or(ApiError::NotFound)?;
    match (locked.state, &locked.holder) {
        (CallbackState::New, _) => {}
        (CallbackState::InProgress, Some(holder)) if holder.id != caller.person => {
            return Err(ApiError::AlreadyTaken { holder: holder.clone() });
        }
        (CallbackState::InProgress, _) => {
            drop(transaction);
            return reply(&client, id).await;
        }
        (CallbackState::Done | CallbackState::Cancelled, _) => {
            return Err(finished(&transaction, id, caller).await?);
        }
    }
    if !storage::callbacks::take(&transaction, id, caller.person).await? {
        return Err(ApiError::Conflict("the request is not new any more"));
    }
    finish(&app, transaction, &locked, caller.person, Action::CallbackTake, None).await?;
    reply(&client, id).await
}

/// Gives a taken request back to the others.
#[utoipa::path(post, path = "/api/v1/callbacks/{id}/release", tag = "callbacks",
    operation_id = "releaseCallback", params(("id" = Uuid, Path)),
    responses((status = 200, body = Callback)))]
pub(crate) async fn release(
    State(app): State<App>,
    caller: DeskCaller,
    Id(id): Id<CallbackId>,
) -> Result<Json<Callback>, ApiError> {
    let mut client = app.client().await?;
    let transaction = client.transaction().await?;
    let locked = lock_visible(&transaction, id, caller).await?;
    held_by(&locked, caller)?;
    if !storage::callbacks::release(&transaction, id).await? {
        return Err(ApiError::CallbackFinished);
    }
    finish(&app, transaction, &locked, caller.person, Action::CallbackRelease, None).await?;
    reply(&client, id).await
}

/// Marks a request done by hand: the patient was reached some other way.
#[utoipa::path(post, path = "/api/v1/callbacks/{id}/done", tag = "callbacks",
    operation_id = "finishCallback", params(("id" = Uuid, Path)),
    responses((status = 200, body = Callback)))]
pub(crate) async fn done(
    State(app): State<App>,
    caller: DeskCaller,
    Id(id): Id<CallbackId>,
) -> Result<Json<Callback>, ApiError> {
    let mut client = app.client().await?;
    let transaction = client.transaction().await?;
    let locked = lock_visible(&transaction, id, caller).await?;
    held_by(&locked, caller)?;
    if !storage::callbacks::finish(&transaction, id, "done").await? {
        return Err(ApiError::CallbackFinished);
    }
    let event = SystemEvent::CallbackDone { callback: id };
    finish(&app, transaction, &locked, caller.person, Action::CallbackDone, Some(&event)).await?;
    reply(&client, id).await
}

/// Cancels a request: the patient their own, an operator one that is new or
/// theirs, a supervisor any.
#[utoipa::path(post, path = "/api/v1/callbacks/{id}/cancel", tag = "callbacks",
    operation_id = "cancelCallback", params(("id" = Uuid, Path)),
    responses((status = 200, body = Callback)))]
pub(crate) async fn cancel(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<CallbackId>,
) -> Result<Json<Callback>, ApiError> {
    let mut client = app.client().await?;
    let transaction = client.transaction().await?;
    let locked = match caller.account {
        Account::Patient => storage::callbacks::lock(&transaction, id)
            .await?
            .filter(|locked| locked.patient == caller.person)
            .ok_or(ApiError::NotFound)?,
        Account::Operator(Role::Admin) => return Err(ApiError::Forbidden),
        Account::Operator(role) => {
            let desk = DeskCaller { person: caller.person, role };
            let locked = lock_visible(&transaction, id, desk).await?;
            if locked.state == CallbackState::InProgress {
                held_by(&locked, desk)?;
            }
            locked
        }
    };
    if !storage::callbacks::finish(&transaction, id, "cancelled").await? {
        return Err(ApiError::CallbackFinished);
    }
    let event = SystemEvent::CallbackCancelled { callback: id };
    finish(&app, transaction, &locked, caller.person, Action::CallbackCancel, Some(&event)).await?;
    reply(&client, id).await
}

async fn lock_visible(
    transaction: &Transaction<'_>,
    id: CallbackId,
    caller: DeskCaller,
) -> Result<Locked, ApiError> {
    let locked = storage::callbacks::lock(transaction, id).await?.ok_or(ApiError::NotFound)?;
    let role = caller.role.as_str();
    let visible = storage::callbacks::visible(transaction, id, caller.person, role).await?;
    if visible { Ok(locked) } else { Err(ApiError::NotFound) }
}

fn held_by(locked: &Locked, caller: DeskCaller) -> Result<(), ApiError> {
    match (locked.state, &locked.holder) {
        (CallbackState::Done | CallbackState::Cancelled, _) => Err(ApiError::CallbackFinished),
        (CallbackState::New, _) | (_, None) => Err(ApiError::Conflict("take the request first")),
        (CallbackState::InProgress, Some(holder))
            if holder.id == caller.person || caller.role == Role::Supervisor =>
        {
            Ok(())
        }
        (CallbackState::InProgress, Some(holder)) => {
            Err(ApiError::AlreadyTaken { holder: holder.clone() })
        }
    }
}

/// What to say of a finished request: nothing to who may not see it.
async fn finished(
    transaction: &Transaction<'_>,
    id: CallbackId,
    caller: DeskCaller,
) -> Result<ApiError, ApiError> {
    let role = caller.role.as_str();
    let visible = storage::callbacks::visible(transaction, id, caller.person, role).await?;
    Ok(if visible { ApiError::CallbackFinished } else { ApiError::NotFound })
}

/// Writes the system message, if any, and the audit line, commits, tells everybody.
async fn finish(
    app: &App,
    transaction: Transaction<'_>,
    locked: &Locked,
    actor: PersonId,
    action: Action,
    event: Option<&SystemEvent>,
) -> Result<(), ApiError> {
    let Locked { id, conversation, patient, .. } = *locked;
    let head_seq = match event {
        Some(event) => Some(
            storage::conversations::append_system(&transaction, conversation, None, event).await?,
        ),
        None => None,
    };
    let object = id.to_string();
    audit::record(&transaction, actor, Some(patient), action, &object).await?;
    transaction.commit().await?;
    let bus = &app.context.bus;
    if let Some(head_seq) = head_seq {
        announce::appended(bus, conversation, head_seq).await;
    }
    announce::changed(bus, Topic::Callbacks, object, Some(patient)).await;
    Ok(())
}

/// The answer, over the connection at hand: a second one, asked for while the first
/// is held, could make requests wait for each other.
async fn reply(client: &Client, id: CallbackId) -> Result<Json<Callback>, ApiError> {
    Ok(Json(storage::callbacks::find(client, id).await?.ok_or(ApiError::NotFound)?))
}

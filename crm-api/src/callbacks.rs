//! Callback requests: `new -> in_progress -> done | cancelled`. Calls settle them
//! through `crm.finish_call`; here is what people do by hand.

mod transitions;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use housecall_protocol::CallbackId;
use housecall_protocol::client::Topic;
use housecall_protocol::domain::{Role, SystemEvent, TimestampMs};
use housecall_protocol::rest::{Callback, CallbackCounts, CallbackCreate, CallbackPage};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::cursor::Page;
use crate::extract::{Body, Id, Parameters};
use crate::identity::caller::{Account, Caller, PatientCaller};
use crate::problem::ApiError;
use crate::storage::audit::{self, Action};
use crate::storage::callbacks::List;
use crate::{announce, storage, text};

pub(crate) use transitions::{
    __path_cancel, __path_done, __path_release, __path_take, cancel, done, release, take,
};

/// How far ahead a call can be ordered.
const MAX_AHEAD: SignedDuration = SignedDuration::from_hours(60 * 24);
/// A chosen time may pass while the form is being filled in.
const MAX_BEHIND: SignedDuration = SignedDuration::from_mins(5);

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CallbackList {
    New,
    InProgress,
    Overdue,
    Archive,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListParameters {
    /// `new` when absent. Patients get all of theirs, newest first.
    #[serde(default)]
    #[param(inline)]
    state: Option<CallbackList>,
    /// `next` of the page before.
    #[serde(default)]
    after: Option<String>,
    /// 1 to 100; 50 when absent.
    #[serde(default)]
    limit: Option<u32>,
}

/// Callback requests the caller may see; open ones by when they are due.
#[utoipa::path(get, path = "/api/v1/callbacks", tag = "callbacks",
    operation_id = "listCallbacks", params(ListParameters),
    responses((status = 200, body = CallbackPage)))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Parameters(parameters): Parameters<ListParameters>,
) -> Result<Json<CallbackPage>, ApiError> {
    let page = Page::parse(parameters.after.as_deref(), parameters.limit)?;
    let client = app.client().await?;
    let role = match caller.account {
        Account::Operator(Role::Admin) => return Err(ApiError::Forbidden),
        Account::Operator(role) => role.as_str(),
        Account::Patient => {
            let rows = storage::callbacks::list_of(&client, caller.person, &page).await?;
            let (items, next) = page.finish(rows);
            let counts = CallbackCounts { new: 0, in_progress: 0, overdue: 0 };
            return Ok(Json(CallbackPage { items, next, counts }));
        }
    };
    let (list, name) = match parameters.state {
        None | Some(CallbackList::New) => (List::New, "new"),
        Some(CallbackList::InProgress) => (List::InProgress, "in_progress"),
        Some(CallbackList::Overdue) => (List::Overdue, "overdue"),
        Some(CallbackList::Archive) => (List::Archive, "archive"),
    };
    let rows = storage::callbacks::list(&client, caller.person, role, list, &page).await?;
    audit::record(&client, caller.person, None, Action::CallbackList, name).await?;
    let counts = storage::callbacks::counts(&client, caller.person, role).await?;
    let (items, next) = page.finish(rows);
    Ok(Json(CallbackPage { items, next, counts }))
}

/// Asks to be called.
#[utoipa::path(post, path = "/api/v1/callbacks", tag = "callbacks",
    operation_id = "requestCallback", request_body = CallbackCreate,
    responses((status = 201, body = Callback)))]
pub(crate) async fn create(
    State(app): State<App>,
    caller: PatientCaller,
    Body(body): Body<CallbackCreate>,
) -> Result<(StatusCode, Json<Callback>), ApiError> {
    let reason = text::block("reason", &body.reason, 1, 500)?;
    let call_at = body.call_at.map(parse_call_at).transpose()?;
    let patient = caller.person;
    let mut client = app.client().await?;
    let transaction = client.transaction().await?;
    let conversation = storage::conversations::lock_of_patient(&transaction, patient)
        .await?
        .ok_or(ApiError::SessionEnded)?;
    let id = storage::callbacks::insert(&transaction, conversation, patient, &reason, call_at)
        .await?
        .ok_or(ApiError::CallbackOpen)?;
    let event = SystemEvent::CallbackRequested {
        callback: id,
        reason,
        call_at: call_at.map(TimestampMs::from),
    };
    let head_seq =
        storage::conversations::append_system(&transaction, conversation, None, &event).await?;
    transaction.commit().await?;
    let bus = &app.context.bus;
    announce::appended(bus, conversation, head_seq).await;
    announce::changed(bus, Topic::Callbacks, id.to_string(), Some(patient)).await;
    let callback = storage::callbacks::find(&client, id).await?.ok_or(ApiError::NotFound)?;
    Ok((StatusCode::CREATED, Json(callback)))
}

fn parse_call_at(at: TimestampMs) -> Result<Timestamp, ApiError> {
    let invalid = || ApiError::invalid("call_at", "a time within the next 60 days");
    let at = Timestamp::from_millisecond(at.0).map_err(|_| invalid())?;
    let ahead = at.duration_since(Timestamp::now());
    if ahead >= -MAX_BEHIND && ahead <= MAX_AHEAD { Ok(at) } else { Err(invalid()) }
}

/// One callback request.
#[utoipa::path(get, path = "/api/v1/callbacks/{id}", tag = "callbacks",
    operation_id = "getCallback", params(("id" = Uuid, Path)),
    responses((status = 200, body = Callback)))]
pub(crate) async fn read(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<CallbackId>,
) -> Result<Json<Callback>, ApiError> {
    let client = app.client().await?;
    let callback = storage::callbacks::find(&client, id).await?.ok_or(ApiError::NotFound)?;
    let patient = callback.patient.id;
    match caller.account {
        Account::Patient if patient == caller.person => {}
        Account::Operator(role)
            if storage::callbacks::visible(&client, id, caller.person, role.as_str()).await? =>
        {
            let object = id.to_string();
            audit::record(&client, caller.person, Some(patient), Action::CallbackRead, &object)
                .await?;
        }
        Account::Patient | Account::Operator(_) => return Err(ApiError::NotFound),
    }
    Ok(Json(callback))
}

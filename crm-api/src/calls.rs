//! Calls that run and calls that were: the list, and the record of each.

use axum::Json;
use axum::extract::State;
use housecall_protocol::CallId;
use housecall_protocol::domain::Role;
use housecall_protocol::rest::{CallPage, CallRecord};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::cursor::Page;
use crate::extract::{Id, Parameters};
use crate::identity::caller::DeskCaller;
use crate::problem::ApiError;
use crate::storage;
use crate::storage::audit::{self, Action};
use crate::storage::calls::List;

#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum CallList {
    /// Those that run and were answered.
    Running,
    #[default]
    Ended,
    /// Ended ones with a mean opinion score below 3.6 or a track that did not flow.
    Poor,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListParameters {
    /// `ended` when absent.
    #[serde(default)]
    #[param(inline)]
    list: CallList,
    /// `next` of the page before.
    #[serde(default)]
    after: Option<String>,
    /// 1 to 100; 50 when absent.
    #[serde(default)]
    limit: Option<u32>,
}

/// Calls the operator was in, or all for a supervisor; newest first.
#[utoipa::path(get, path = "/api/v1/calls", tag = "calls", operation_id = "listCalls",
    params(ListParameters), responses((status = 200, body = CallPage)))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: DeskCaller,
    Parameters(parameters): Parameters<ListParameters>,
) -> Result<Json<CallPage>, ApiError> {
    let page = Page::parse(parameters.after.as_deref(), parameters.limit)?;
    let (list, name) = match parameters.list {
        CallList::Running => (List::Running, "running"),
        CallList::Ended => (List::Ended, "ended"),
        CallList::Poor => (List::Poor, "poor"),
    };
    let client = app.client().await?;
    let role = caller.role.as_str();
    let rows = storage::calls::list(&client, caller.person, role, list, &page).await?;
    audit::record(&client, caller.person, None, Action::CallList, name).await?;
    let (items, next) = page.finish(rows);
    Ok(Json(CallPage { items, next }))
}

/// Who was in a call, and how it was for each of them.
#[utoipa::path(get, path = "/api/v1/calls/{id}", tag = "calls", operation_id = "getCall",
    params(("id" = Uuid, Path)), responses((status = 200, body = CallRecord)))]
pub(crate) async fn read(
    State(app): State<App>,
    caller: DeskCaller,
    Id(id): Id<CallId>,
) -> Result<Json<CallRecord>, ApiError> {
    let client = app.client().await?;
    let call = storage::calls::find(&client, id).await?.ok_or(ApiError::NotFound)?;
    // A guest may have no right to the conversation, but was in the call.
    let may = storage::conversations::may_read(&client, caller.person, call.conversation).await?
        || storage::calls::took_part(&client, id, caller.person).await?;
    if !may {
        return Err(ApiError::NotFound);
    }
    let (patient, object) = (call.patient.id, id.to_string());
    audit::record(&client, caller.person, Some(patient), Action::CallRead, &object).await?;
    let with_hidden = caller.role == Role::Supervisor;
    let participants = storage::calls::participants(&client, id, with_hidden).await?;
    Ok(Json(CallRecord { call, participants }))
}

//! Patients as the desk sees them.

use axum::Json;
use axum::extract::State;
use housecall_protocol::PersonId;
use housecall_protocol::rest::{PatientCard, PatientPage};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::app::App;
use crate::cursor::Page;
use crate::extract::{Id, Parameters};
use crate::identity::caller::DeskCaller;
use crate::problem::ApiError;
use crate::storage;
use crate::storage::audit::{self, Action};
use crate::storage::patients::Search;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListParameters {
    /// Part of the name or phone.
    #[serde(default)]
    q: Option<String>,
    /// `next` of the page before.
    #[serde(default)]
    after: Option<String>,
    /// 1 to 100; 50 when absent.
    #[serde(default)]
    limit: Option<u32>,
}

/// Patients whose conversation the operator may read, last contact first.
#[utoipa::path(get, path = "/api/v1/patients", tag = "patients", operation_id = "listPatients",
    params(ListParameters), responses((status = 200, body = PatientPage)))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: DeskCaller,
    Parameters(parameters): Parameters<ListParameters>,
) -> Result<Json<PatientPage>, ApiError> {
    let page = Page::parse(parameters.after.as_deref(), parameters.limit)?;
    let search = parameters.q.as_deref().and_then(Search::parse);
    let client = app.client().await?;
    let rows = storage::patients::list(&client, caller.person, caller.role, search.as_ref(), &page)
        .await?;
    let object = if search.is_some() { "search" } else { "all" };
    audit::record(&client, caller.person, None, Action::PatientList, object).await?;
    let (items, next) = page.finish(rows);
    Ok(Json(PatientPage { items, next }))
}

/// The patient's card: who they are, what happened, their files.
#[utoipa::path(get, path = "/api/v1/patients/{id}", tag = "patients",
    operation_id = "getPatient", params(("id" = Uuid, Path)),
    responses((status = 200, body = PatientCard)))]
pub(crate) async fn read(
    State(app): State<App>,
    caller: DeskCaller,
    Id(id): Id<PersonId>,
) -> Result<Json<PatientCard>, ApiError> {
    let client = app.client().await?;
    let mut card = storage::patients::card(&client, id).await?.ok_or(ApiError::NotFound)?;
    if !storage::conversations::may_read(&client, caller.person, card.conversation).await? {
        return Err(ApiError::NotFound);
    }
    let object = id.to_string();
    audit::record(&client, caller.person, Some(id), Action::PatientRead, &object).await?;
    card.history = storage::history::list(&client, card.conversation).await?;
    card.files = storage::files::sent(&client, card.conversation).await?;
    Ok(Json(card))
}

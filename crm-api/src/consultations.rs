//! Consultations: `waiting -> active -> closed`, one holder while active.
//!
//! Each transition is one transaction that locks the conversation, changes the
//! row on the condition of its state and writes the system message; only after
//! the commit is anybody told.

mod transitions;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use housecall_protocol::ConsultationId;
use housecall_protocol::client::Topic;
use housecall_protocol::domain::ConsultationState;
use housecall_protocol::rest::{
    ConsultationCounts, ConsultationOpen, ConsultationPage, ConsultationSummary, PatientHome,
};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::app::App;
use crate::cursor::Page;
use crate::extract::{Body, Id, Parameters};
use crate::identity::caller::{Account, Caller, PatientCaller};
use crate::problem::ApiError;
use crate::storage::audit::{self, Action};
use crate::storage::consultations::{ListQuery, Reader};
use crate::storage::patients::Search;
use crate::{announce, presence, storage};
use housecall_protocol::domain::Role;

pub(crate) use transitions::{__path_claim, __path_close, __path_transfer, claim, close, transfer};

impl From<Caller> for Reader {
    fn from(caller: Caller) -> Self {
        Self { person: caller.person, account: caller.account }
    }
}

/// The patient's start page.
#[utoipa::path(get, path = "/api/v1/patient/home", tag = "consultations",
    operation_id = "getPatientHome", responses((status = 200, body = PatientHome)))]
pub(crate) async fn home(
    State(app): State<App>,
    caller: PatientCaller,
) -> Result<Json<PatientHome>, ApiError> {
    let online = presence::operators_online(&app.context.bus).await;
    let client = app.client().await?;
    let patient = caller.person;
    let profile =
        storage::patients::profile(&client, patient).await?.ok_or(ApiError::SessionEnded)?;
    let working = storage::operators::working(&client).await?;
    let doctors_online = online.iter().filter(|id| working.contains(id)).count();
    Ok(Json(PatientHome {
        conversation: profile.conversation,
        doctors_online: u32::try_from(doctors_online).unwrap_or(u32::MAX),
        typical_wait_s: storage::consultations::typical_wait_s(&client).await?,
        open: storage::consultations::open_of(&client, patient).await?,
        last: storage::consultations::last_closed_of(&client, patient).await?,
        callback: storage::callbacks::open_of(&client, patient).await?,
        unread: storage::conversations::patient_unread(&client, patient).await?,
    }))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListParameters {
    /// All states, newest first, when absent.
    #[serde(default)]
    #[param(inline)]
    state: Option<ConsultationState>,
    /// Only those the operator holds or held.
    #[serde(default, deserialize_with = "flag")]
    #[param(value_type = bool, required = false)]
    mine: bool,
    /// Part of the patient's name or phone, or the consultation's number.
    #[serde(default)]
    q: Option<String>,
    /// `next` of the page before.
    #[serde(default)]
    after: Option<String>,
    /// 1 to 100; 50 when absent.
    #[serde(default)]
    limit: Option<u32>,
}

/// `true` or `1`, as links are written by hand too; empty is false.
fn flag<'de, D: serde::Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    let text = String::deserialize(value)?;
    match text.as_str() {
        "" | "0" | "false" => Ok(false),
        "1" | "true" => Ok(true),
        _ => Err(serde::de::Error::custom("true or false")),
    }
}

/// Consultations the caller may see: the queue (longest wait first), active ones
/// (last taken first), the archive (last closed first). Patients see their own.
#[utoipa::path(get, path = "/api/v1/consultations", tag = "consultations",
    operation_id = "listConsultations", params(ListParameters),
    responses((status = 200, body = ConsultationPage)))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
    Parameters(parameters): Parameters<ListParameters>,
) -> Result<Json<ConsultationPage>, ApiError> {
    if caller.account == Account::Operator(Role::Admin) {
        return Err(ApiError::Forbidden);
    }
    let page = Page::parse(parameters.after.as_deref(), parameters.limit)?;
    let query = ListQuery {
        state: parameters.state,
        // A patient holds nothing; all they see is theirs.
        mine: parameters.mine && caller.account != Account::Patient,
        search: parameters.q.as_deref().and_then(Search::parse),
    };
    let client = app.client().await?;
    let reader = Reader::from(caller);
    let rows = storage::consultations::list(&client, reader, &query, &page).await?;
    let counts = match caller.account {
        Account::Patient => ConsultationCounts { waiting: 0, mine: 0, active: 0 },
        Account::Operator(_) => {
            let state = query.state.map_or("all", state_name);
            audit::record(&client, caller.person, None, Action::ConsultationList, state).await?;
            storage::consultations::counts(&client, reader).await?
        }
    };
    let (items, next) = page.finish(rows);
    Ok(Json(ConsultationPage { items, next, counts }))
}

const fn state_name(state: ConsultationState) -> &'static str {
    match state {
        ConsultationState::Waiting => "waiting",
        ConsultationState::Active => "active",
        ConsultationState::Closed => "closed",
    }
}

/// Opens a consultation before the first message, with the wish for a specialty.
/// When one is open it is returned; while it waits, the wish is changed.
#[utoipa::path(post, path = "/api/v1/consultations", tag = "consultations",
    operation_id = "openConsultation", request_body = ConsultationOpen,
    responses((status = 201, body = ConsultationSummary), (status = 200, body = ConsultationSummary)))]
pub(crate) async fn open(
    State(app): State<App>,
    caller: PatientCaller,
    Body(body): Body<ConsultationOpen>,
) -> Result<(StatusCode, Json<ConsultationSummary>), ApiError> {
    let patient = caller.person;
    let mut client = app.client().await?;
    let specialty = check_specialty(&client, body.specialty.as_deref()).await?;
    let transaction = client.transaction().await?;
    let conversation = storage::conversations::lock_of_patient(&transaction, patient)
        .await?
        .ok_or(ApiError::SessionEnded)?;
    let opened = storage::consultations::open(&transaction, conversation, specialty).await?;
    if let (false, Some(specialty)) = (opened.is_new, specialty) {
        storage::consultations::wish(&transaction, opened.id, specialty).await?;
    }
    transaction.commit().await?;
    let bus = &app.context.bus;
    if let Some(head_seq) = opened.event_seq {
        announce::appended(bus, conversation, head_seq).await;
    }
    announce::changed(bus, Topic::Consultations, opened.id.to_string(), Some(patient)).await;
    let reader = Reader { person: patient, account: Account::Patient };
    let summary = storage::consultations::find(&client, reader, opened.id)
        .await?
        .ok_or(ApiError::NotFound)?;
    let status = if opened.is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(summary)))
}

/// The specialty when it is given, is not empty and exists.
pub(crate) async fn check_specialty<'a>(
    client: &impl deadpool_postgres::GenericClient,
    code: Option<&'a str>,
) -> Result<Option<&'a str>, ApiError> {
    let Some(code) = code.filter(|code| !code.is_empty()) else { return Ok(None) };
    if !storage::operators::specialty_exists(client, code).await? {
        return Err(ApiError::invalid("specialty", "the code of a specialty"));
    }
    Ok(Some(code))
}

/// One consultation.
#[utoipa::path(get, path = "/api/v1/consultations/{id}", tag = "consultations",
    operation_id = "getConsultation", params(("id" = Uuid, Path)),
    responses((status = 200, body = ConsultationSummary)))]
pub(crate) async fn read(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<ConsultationId>,
) -> Result<Json<ConsultationSummary>, ApiError> {
    let client = app.client().await?;
    let summary = storage::consultations::find(&client, caller.into(), id)
        .await?
        .ok_or(ApiError::NotFound)?;
    if !storage::conversations::may_read(&client, caller.person, summary.conversation).await? {
        return Err(ApiError::NotFound);
    }
    if caller.account != Account::Patient {
        let (patient, object) = (summary.patient.id, id.to_string());
        audit::record(&client, caller.person, Some(patient), Action::ConsultationRead, &object)
            .await?;
    }
    Ok(Json(summary))
}

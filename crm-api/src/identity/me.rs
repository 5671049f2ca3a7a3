//! The signed-in person's own account.

use axum::Json;
use axum::extract::State;
use deadpool_postgres::GenericClient;
use housecall_protocol::client::Topic;
use housecall_protocol::domain::PersonKind;
use housecall_protocol::rest::{Me, MeUpdate};
use housecall_protocol::{PersonId, SessionId};
use jiff::civil::Date;

use super::caller::{Account, Caller};
use crate::app::App;
use crate::extract::Body;
use crate::problem::ApiError;
use crate::storage::audit::{self, Action};
use crate::storage::patients::ProfileChange;
use crate::text;
use crate::{announce, storage};

/// The signed-in person.
#[utoipa::path(get, path = "/api/v1/me", tag = "me", operation_id = "getMe",
    responses((status = 200, body = Me)))]
pub(crate) async fn read(State(app): State<App>, caller: Caller) -> Result<Json<Me>, ApiError> {
    let client = app.client().await?;
    Ok(Json(load(&client, caller.person, caller.session, caller.kind()).await?))
}

/// Changes a patient's own profile. Operators' names are their administrator's.
#[utoipa::path(patch, path = "/api/v1/me", tag = "me", operation_id = "updateMe",
    request_body = MeUpdate, responses((status = 200, body = Me)))]
pub(crate) async fn update(
    State(app): State<App>,
    caller: Caller,
    Body(body): Body<MeUpdate>,
) -> Result<Json<Me>, ApiError> {
    if caller.account != Account::Patient {
        return Err(ApiError::Forbidden);
    }
    let change = ProfileChange {
        name: body.name.map(|name| text::line("name", &name, 1, 100)).transpose()?,
        birth_date: body.birth_date.map(|date| parse_birth_date(&date)).transpose()?,
        city: body.city.map(|city| text::line("city", &city, 0, 100)).transpose()?,
        time_zone: body.time_zone.map(parse_time_zone).transpose()?,
    };
    let mut client = app.client().await?;
    let transaction = client.transaction().await?;
    storage::patients::update(&transaction, caller.person, &change).await?;
    let id = caller.person.to_string();
    audit::record(&transaction, caller.person, Some(caller.person), Action::PatientUpdate, &id)
        .await?;
    transaction.commit().await?;
    announce::changed(&app.context.bus, Topic::Patient, id, None).await;
    Ok(Json(load(&client, caller.person, caller.session, caller.kind()).await?))
}

fn parse_birth_date(typed: &str) -> Result<Date, ApiError> {
    let invalid = || ApiError::invalid("birth_date", "a past date as YYYY-MM-DD");
    let date: Date = typed.parse().map_err(|_| invalid())?;
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    // East of Greenwich it may be tomorrow already.
    let latest = today.tomorrow().unwrap_or(today);
    let possible = date <= latest && date.year() >= today.year() - 130;
    if possible { Ok(date) } else { Err(invalid()) }
}

fn parse_time_zone(name: String) -> Result<String, ApiError> {
    // Its shape only: the zones this machine knows are not those the phone knows.
    let part = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphabetic())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+-".contains(&byte))
    };
    let fits = name.len() <= 64 && name.split('/').count() <= 3 && name.split('/').all(part);
    if fits { Ok(name) } else { Err(ApiError::invalid("time_zone", "an IANA time zone")) }
}

/// Reads the account a session belongs to.
pub(crate) async fn load(
    client: &impl GenericClient,
    person: PersonId,
    session: SessionId,
    kind: PersonKind,
) -> Result<Me, ApiError> {
    match kind {
        PersonKind::Patient => patient(client, person, session).await,
        PersonKind::Operator => operator(client, person, session).await,
    }
}

async fn patient(
    client: &impl GenericClient,
    person: PersonId,
    session: SessionId,
) -> Result<Me, ApiError> {
    let profile =
        storage::patients::profile(client, person).await?.ok_or(ApiError::SessionEnded)?;
    Ok(Me {
        id: person,
        kind: PersonKind::Patient,
        session,
        needs_profile: profile.name.is_empty(),
        name: profile.name,
        phone: Some(profile.phone),
        conversation: Some(profile.conversation),
        birth_date: profile.birth_date.map(|date| date.to_string()),
        city: profile.city,
        time_zone: profile.time_zone,
        email: None,
        role: None,
        specialty: None,
    })
}

async fn operator(
    client: &impl GenericClient,
    person: PersonId,
    session: SessionId,
) -> Result<Me, ApiError> {
    let operator = storage::operators::find(client, person).await?.ok_or(ApiError::SessionEnded)?;
    Ok(Me {
        id: person,
        kind: PersonKind::Operator,
        session,
        name: operator.name,
        phone: None,
        conversation: None,
        birth_date: None,
        city: None,
        time_zone: None,
        needs_profile: false,
        email: Some(operator.email),
        role: Some(operator.role),
        specialty: operator.specialty,
    })
}

//! Operators: the staff list, and its management by administrators.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use housecall_protocol::PersonId;
use housecall_protocol::client::Topic;
use housecall_protocol::domain::{PresenceStatus, Role};
use housecall_protocol::rest::{Operator, OperatorCreate, OperatorUpdate};
use secrecy::SecretString;

use crate::app::App;
use crate::consultations::check_specialty;
use crate::extract::{Body, Id};
use crate::identity::caller::{AdminCaller, OperatorCaller};
use crate::identity::passwords;
use crate::problem::ApiError;
use crate::storage::operators::{NewOperatorRow, OperatorChange};
use crate::{announce, presence, storage, text};

/// The staff with their presence. Disabled ones are for administrators only.
#[utoipa::path(get, path = "/api/v1/operators", tag = "operators",
    operation_id = "listOperators", responses((status = 200, body = Vec<Operator>)))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: OperatorCaller,
) -> Result<Json<Vec<Operator>>, ApiError> {
    let mut operators = storage::operators::list(&app.client().await?).await?;
    operators.retain(|operator| caller.role == Role::Admin || !operator.disabled);
    let ids: Vec<PersonId> = operators.iter().map(|operator| operator.id).collect();
    let statuses = presence::statuses(&app.context.bus, &ids).await;
    for operator in &mut operators {
        operator.presence = statuses.get(&operator.id).copied().unwrap_or(PresenceStatus::Offline);
    }
    Ok(Json(operators))
}

/// Adds an operator.
#[utoipa::path(post, path = "/api/v1/operators", tag = "operators",
    operation_id = "createOperator", request_body = OperatorCreate,
    responses((status = 201, body = Operator)))]
pub(crate) async fn create(
    State(app): State<App>,
    _admin: AdminCaller,
    Body(body): Body<OperatorCreate>,
) -> Result<(StatusCode, Json<Operator>), ApiError> {
    let name = text::line("name", &body.name, 1, 100)?;
    let email = parse_email(&body.email)?;
    let password = parse_password(body.password)?;
    let mut client = app.client().await?;
    let specialty = check_specialty(&client, body.specialty.as_deref()).await?;
    let password_hash = hash(&app, password).await?;
    let new = NewOperatorRow {
        name: &name,
        email: &email,
        password_hash: &password_hash,
        role: body.role,
        specialty,
    };
    let transaction = client.transaction().await?;
    let id = storage::operators::insert(&transaction, &new).await?.ok_or(ApiError::EmailTaken)?;
    transaction.commit().await?;
    announce::changed(&app.context.bus, Topic::Operators, id.to_string(), None).await;
    let operator = storage::operators::find(&client, id).await?.ok_or(ApiError::NotFound)?;
    Ok((StatusCode::CREATED, Json(operator)))
}

/// Changes an operator. A new role or password, and disabling, sign them out.
#[utoipa::path(patch, path = "/api/v1/operators/{id}", tag = "operators",
    operation_id = "updateOperator", params(("id" = Uuid, Path)),
    request_body = OperatorUpdate, responses((status = 200, body = Operator)))]
pub(crate) async fn update(
    State(app): State<App>,
    admin: AdminCaller,
    Id(id): Id<PersonId>,
    Body(body): Body<OperatorUpdate>,
) -> Result<Json<Operator>, ApiError> {
    let mut client = app.client().await?;
    let change = parse_change(&app, &client, body).await?;
    let transaction = client.transaction().await?;
    let admins = storage::operators::lock_admins(&transaction).await?;
    let before = storage::operators::find(&transaction, id).await?.ok_or(ApiError::NotFound)?;
    let loses_admin =
        change.disabled == Some(true) || change.role.is_some_and(|role| role != Role::Admin);
    if loses_admin && admins == [id] {
        return Err(ApiError::LastAdmin);
    }
    storage::operators::update(&transaction, id, &change).await?;
    let signs_out = signs_out(&before, &change);
    if signs_out {
        storage::sessions::revoke_all(&transaction, id).await?;
    }
    transaction.commit().await?;
    let bus = &app.context.bus;
    if signs_out {
        tracing::info!(operator = %id, by = %admin.person, "operator signed out by a change");
        announce::session_revoked(bus, id, None).await;
    }
    announce::changed(bus, Topic::Operators, id.to_string(), None).await;
    Ok(Json(storage::operators::find(&client, id).await?.ok_or(ApiError::NotFound)?))
}

fn signs_out(before: &Operator, change: &OperatorChange) -> bool {
    change.password_hash.is_some()
        || change.disabled.is_some_and(|disabled| disabled && !before.disabled)
        || change.role.is_some_and(|role| role != before.role)
}

async fn parse_change(
    app: &App,
    client: &impl deadpool_postgres::GenericClient,
    body: OperatorUpdate,
) -> Result<OperatorChange, ApiError> {
    let password_hash = match body.password {
        Some(password) => Some(hash(app, parse_password(password)?).await?),
        None => None,
    };
    let specialty = match body.specialty {
        // An empty code takes the specialty away.
        Some(code) => Some(check_specialty(client, Some(&code)).await?.map(str::to_owned)),
        None => None,
    };
    Ok(OperatorChange {
        name: body.name.map(|name| text::line("name", &name, 1, 100)).transpose()?,
        role: body.role,
        specialty,
        disabled: body.disabled,
        password_hash,
    })
}

async fn hash(app: &App, password: SecretString) -> Result<String, ApiError> {
    app.passwords.hash(password).await.map_err(|error| {
        tracing::error!(%error, "password");
        ApiError::Unavailable
    })
}

/// Lower case; one `@` with something on both sides. More is for the mail server.
pub(crate) fn parse_email(typed: &str) -> Result<String, ApiError> {
    let email = typed.trim().to_lowercase();
    let plausible = email.len() <= 254
        && email.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty() && !domain.is_empty() && !domain.contains('@')
        })
        && !email.chars().any(|character| character.is_whitespace() || character.is_control());
    if plausible { Ok(email) } else { Err(ApiError::invalid("email", "an e-mail address")) }
}

pub(crate) fn parse_password(typed: String) -> Result<SecretString, ApiError> {
    if passwords::LENGTH.contains(&typed.chars().count()) {
        return Ok(SecretString::from(typed));
    }
    let (min, max) = (passwords::LENGTH.start(), passwords::LENGTH.end());
    Err(ApiError::invalid("password", format!("{min} to {max} characters")))
}

//! Sessions: one per signed-in device, begun by a sign-in, kept by refreshes,
//! ended by the person, an administrator or a stolen token.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use deadpool_postgres::Transaction;
use housecall_platform::token::Claims;
use housecall_protocol::domain::PersonKind;
use housecall_protocol::rest::{DeviceSession, TokenResponse};
use housecall_protocol::{PersonId, SessionId};

use super::caller::{Caller, Client};
use super::cookies::SetCookie;
use super::{cookies, me, refresh};
use crate::app::App;
use crate::extract::Id;
use crate::problem::ApiError;
use crate::{announce, storage};

pub(crate) const fn kind_name(kind: PersonKind) -> &'static str {
    match kind {
        PersonKind::Patient => "patient",
        PersonKind::Operator => "operator",
    }
}

/// A device identifier as the client chose it.
pub(crate) fn check_device(device: &str) -> Result<(), ApiError> {
    let fits = (1..=64).contains(&device.chars().count()) && !device.contains(char::is_control);
    if fits { Ok(()) } else { Err(ApiError::invalid("device", "1 to 64 characters")) }
}

/// Tokens for a browser: the refresh token in its cookie.
pub(crate) type SignedIn = (SetCookie, Json<TokenResponse>);
/// The cookie removed.
pub(crate) type SignedOut = (StatusCode, SetCookie);

/// A session begun within a transaction that is still to be committed.
pub(crate) struct Begun {
    person: PersonId,
    session: SessionId,
    refresh_token: String,
    replaced: Vec<SessionId>,
}

/// Begins a session; it replaces earlier ones of the person on this device.
pub(crate) async fn begin(
    app: &App,
    transaction: &Transaction<'_>,
    person: PersonId,
    device: &str,
    client: &Client,
) -> Result<Begun, ApiError> {
    let session = SessionId::generate();
    let days = app.config.session_days;
    let fresh = refresh::generate()?;
    let replaced = storage::sessions::revoke_device(transaction, person, device).await?;
    let user_agent = &client.user_agent;
    storage::sessions::insert(transaction, session, person, device, user_agent, days).await?;
    storage::sessions::insert_token(transaction, &fresh.hash, session).await?;
    Ok(Begun { person, session, refresh_token: fresh.token, replaced })
}

/// Answers a sign-in whose transaction was committed.
pub(crate) async fn signed_in(
    app: &App,
    kind: PersonKind,
    begun: Begun,
) -> Result<SignedIn, ApiError> {
    for session in begun.replaced {
        announce::session_revoked(&app.context.bus, begun.person, Some(session)).await;
    }
    tokens(app, kind, begun.person, begun.session, &begun.refresh_token).await
}

/// Answers `refresh`.
pub(crate) async fn refreshed(
    app: &App,
    kind: PersonKind,
    client: &Client,
) -> Result<SignedIn, ApiError> {
    cookies::check_origin(&client.headers, &app.context.settings)?;
    let presented = cookies::read(&client.headers, kind).ok_or(ApiError::Unauthenticated)?;
    let rotated = refresh::rotate(app, &presented, kind).await?;
    tokens(app, kind, rotated.person, rotated.session, &rotated.token).await
}

/// Answers `logout`: ends the session of the cookie, if any, and removes it.
pub(crate) async fn logged_out(
    app: &App,
    kind: PersonKind,
    client: &Client,
) -> Result<SignedOut, ApiError> {
    let settings = &app.context.settings;
    cookies::check_origin(&client.headers, settings)?;
    if let Some(presented) = cookies::read(&client.headers, kind) {
        end_of_token(app, kind, &presented).await?;
    }
    Ok((StatusCode::NO_CONTENT, cookies::clear(kind, settings)))
}

async fn end_of_token(app: &App, kind: PersonKind, presented: &str) -> Result<(), ApiError> {
    let mut client = app.client().await?;
    let transaction = client.transaction().await?;
    let row = storage::sessions::lock_token(&transaction, &refresh::hash(presented)).await?;
    let Some(row) = row.filter(|row| row.kind == kind_name(kind)) else { return Ok(()) };
    let ended = storage::sessions::revoke(&transaction, row.session, row.person).await?;
    transaction.commit().await?;
    if ended {
        announce::session_revoked(&app.context.bus, row.person, Some(row.session)).await;
    }
    Ok(())
}

async fn tokens(
    app: &App,
    kind: PersonKind,
    person: PersonId,
    session: SessionId,
    refresh_token: &str,
) -> Result<SignedIn, ApiError> {
    let client = app.client().await?;
    let me = me::load(&client, person, session, kind).await?;
    let lifetime_s = app.config.access_token_s;
    let now_s = jiff::Timestamp::now().as_second();
    let access_token = app
        .keys
        .sign(Claims {
            iss: String::new(),
            aud: String::new(),
            sub: person.0,
            sid: session.0,
            kind: kind_name(kind).to_owned(),
            role: me.role.map(|role| role.as_str().to_owned()),
            iat: now_s,
            exp: now_s + i64::from(lifetime_s),
        })
        .map_err(|error| {
            tracing::error!(%error, "access token");
            ApiError::Internal
        })?;
    let cookie = cookies::set(kind, refresh_token, app.config.session_days, &app.context.settings);
    Ok((cookie, Json(TokenResponse { access_token, expires_in_s: lifetime_s, me })))
}

/// Where the person is signed in.
#[utoipa::path(get, path = "/api/v1/me/sessions", tag = "me", operation_id = "listMySessions",
    responses((status = 200, body = Vec<DeviceSession>)))]
pub(crate) async fn list(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<Vec<DeviceSession>>, ApiError> {
    let client = app.client().await?;
    Ok(Json(storage::sessions::list(&client, caller.person, caller.session).await?))
}

/// Signs one of the person's devices out.
#[utoipa::path(delete, path = "/api/v1/me/sessions/{id}", tag = "me",
    operation_id = "endMySession", params(("id" = Uuid, Path)),
    responses((status = 204, description = "Signed out")))]
pub(crate) async fn end(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<SessionId>,
) -> Result<StatusCode, ApiError> {
    let client = app.client().await?;
    if !storage::sessions::revoke(&client, id, caller.person).await? {
        return Err(ApiError::NotFound);
    }
    announce::session_revoked(&app.context.bus, caller.person, Some(id)).await;
    Ok(StatusCode::NO_CONTENT)
}

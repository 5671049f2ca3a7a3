//! Operators' sign-in: an e-mail and a password.

use axum::extract::State;
use housecall_protocol::domain::PersonKind;
use housecall_protocol::rest::{PasswordLogin, TokenResponse};
use secrecy::SecretString;

use super::caller::Client;
use super::sessions::{SignedIn, SignedOut};
use super::{cookies, passwords, sessions};
use crate::app::App;
use crate::extract::Body;
use crate::metrics::SignIn;
use crate::problem::ApiError;
use crate::storage;

/// Exchanges a password for tokens.
#[utoipa::path(post, path = "/api/v1/auth/operator/login", tag = "auth",
    operation_id = "loginOperator", request_body = PasswordLogin,
    responses((status = 200, body = TokenResponse)), security(()))]
pub(crate) async fn login(
    State(app): State<App>,
    client: Client,
    Body(body): Body<PasswordLogin>,
) -> Result<SignedIn, ApiError> {
    cookies::check_origin(&client.headers, &app.context.settings)?;
    let outcome = sign_in(&app, &client, body).await;
    app.metrics.sign_in(
        PersonKind::Operator,
        match &outcome {
            Ok(_) => SignIn::Success,
            Err(ApiError::RateLimited { .. }) => SignIn::RateLimited,
            Err(_) => SignIn::Refused,
        },
    );
    sessions::signed_in(&app, PersonKind::Operator, outcome?).await
}

async fn sign_in(
    app: &App,
    from: &Client,
    body: PasswordLogin,
) -> Result<sessions::Begun, ApiError> {
    sessions::check_device(&body.device)?;
    let email = body.email.trim().to_lowercase();
    // What cannot be anybody's is refused before it costs a hash, or a key in the
    // limiter's memory.
    if email.len() > 254 || body.password.chars().count() > *passwords::LENGTH.end() {
        return Err(ApiError::InvalidCredentials);
    }
    app.limits.logins_by_address.check(&from.address)?;
    app.limits.logins_by_email.check(&email)?;
    let known = storage::operators::credentials(&app.client().await?, &email).await?;
    let (id, stored) = match known {
        // A disabled account answers as an unknown one.
        Some(known) if !known.disabled => (Some(known.id), Some(known.password_hash)),
        _ => (None, None),
    };
    let matches = app.passwords.verify(SecretString::from(body.password), stored).await;
    let (Some(id), Ok(true)) = (id, &matches) else {
        return Err(matches.map_or(ApiError::Unavailable, |_| ApiError::InvalidCredentials));
    };
    let mut client = app.client().await?;
    let transaction = client.transaction().await?;
    let begun = sessions::begin(app, &transaction, id, &body.device, from).await?;
    transaction.commit().await?;
    Ok(begun)
}

/// A new access token, by the refresh token's cookie.
#[utoipa::path(post, path = "/api/v1/auth/operator/refresh", tag = "auth",
    operation_id = "refreshOperator", responses((status = 200, body = TokenResponse)),
    security(()))]
pub(crate) async fn refresh(State(app): State<App>, client: Client) -> Result<SignedIn, ApiError> {
    sessions::refreshed(&app, PersonKind::Operator, &client).await
}

/// Ends the session of the refresh token's cookie.
#[utoipa::path(post, path = "/api/v1/auth/operator/logout", tag = "auth",
    operation_id = "logoutOperator",
    responses((status = 204, description = "Signed out")), security(()))]
pub(crate) async fn logout(State(app): State<App>, client: Client) -> Result<SignedOut, ApiError> {
    sessions::logged_out(&app, PersonKind::Operator, &client).await
}

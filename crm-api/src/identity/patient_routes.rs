//! Patients' sign-in: a phone and a one-time code.

use axum::Json;
use axum::extract::State;
use housecall_protocol::domain::PersonKind;
use housecall_protocol::rest::{CodeRequest, CodeSent, CodeVerify, TokenResponse};

use super::caller::Client;
use super::sessions::{SignedIn, SignedOut};
use super::{codes, cookies, phone, sessions};
use crate::app::App;
use crate::extract::Body;
use crate::metrics::SignIn;
use crate::problem::ApiError;
use crate::storage;

/// Sends a one-time code to a phone. The answer is the same for a phone that is
/// known and one that is not.
#[utoipa::path(post, path = "/api/v1/auth/patient/code", tag = "auth",
    operation_id = "requestPatientCode", request_body = CodeRequest,
    responses((status = 200, body = CodeSent)), security(()))]
pub(crate) async fn code(
    State(app): State<App>,
    client: Client,
    Body(body): Body<CodeRequest>,
) -> Result<Json<CodeSent>, ApiError> {
    cookies::check_origin(&client.headers, &app.context.settings)?;
    let phone = parse_phone(&body.phone)?;
    app.limits.codes_by_address.check(&client.address)?;
    let connection = app.client().await?;
    let code = codes::issue(&app, &connection, &phone).await?;
    if let Err(error) = app.sms.send_code(&phone, &code, &app.config.brand.name).await {
        storage::codes::take_back(&connection, &phone).await?;
        return Err(error);
    }
    Ok(Json(CodeSent {
        expires_in_s: app.config.code_life_s,
        resend_after_s: app.config.code_resend_s,
        demo_code: app.context.settings.demo.then_some(code),
    }))
}

/// Exchanges a code for tokens; registers a new phone.
#[utoipa::path(post, path = "/api/v1/auth/patient/verify", tag = "auth",
    operation_id = "verifyPatientCode", request_body = CodeVerify,
    responses((status = 200, body = TokenResponse)), security(()))]
pub(crate) async fn verify(
    State(app): State<App>,
    client: Client,
    Body(body): Body<CodeVerify>,
) -> Result<SignedIn, ApiError> {
    cookies::check_origin(&client.headers, &app.context.settings)?;
    let outcome = sign_in(&app, &client, &body).await;
    app.metrics.sign_in(
        PersonKind::Patient,
        match &outcome {
            Ok(_) => SignIn::Success,
            Err(ApiError::RateLimited { .. }) => SignIn::RateLimited,
            Err(_) => SignIn::Refused,
        },
    );
    sessions::signed_in(&app, PersonKind::Patient, outcome?).await
}

async fn sign_in(app: &App, from: &Client, body: &CodeVerify) -> Result<sessions::Begun, ApiError> {
    let phone = parse_phone(&body.phone)?;
    sessions::check_device(&body.device)?;
    app.limits.verifies_by_address.check(&from.address)?;
    let mut client = app.client().await?;
    let proof = codes::check(app, &client, &phone, &body.code).await?;
    let transaction = client.transaction().await?;
    if !storage::codes::consume(&transaction, &phone, &proof).await? {
        return Err(ApiError::CodeExpired);
    }
    let patient = storage::patients::find_or_register(&transaction, &phone).await?;
    let begun = sessions::begin(app, &transaction, patient, &body.device, from).await?;
    transaction.commit().await?;
    Ok(begun)
}

fn parse_phone(typed: &str) -> Result<String, ApiError> {
    phone::normalise(typed).ok_or_else(|| ApiError::invalid("phone", "a phone number"))
}

/// A new access token, by the refresh token's cookie.
#[utoipa::path(post, path = "/api/v1/auth/patient/refresh", tag = "auth",
    operation_id = "refreshPatient", responses((status = 200, body = TokenResponse)), security(()))]
pub(crate) async fn refresh(State(app): State<App>, client: Client) -> Result<SignedIn, ApiError> {
    sessions::refreshed(&app, PersonKind::Patient, &client).await
}

/// Ends the session of the refresh token's cookie.
#[utoipa::path(post, path = "/api/v1/auth/patient/logout", tag = "auth",
    operation_id = "logoutPatient",
    responses((status = 204, description = "Signed out")), security(()))]
pub(crate) async fn logout(State(app): State<App>, client: Client) -> Result<SignedOut, ApiError> {
    sessions::logged_out(&app, PersonKind::Patient, &client).await
}

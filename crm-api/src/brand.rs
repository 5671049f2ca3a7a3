//! What needs no sign-in: the brand, and the keys that verify tokens.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use housecall_protocol::rest::{Brand, Specialty};

use crate::app::App;
use crate::identity::caller::Caller;
use crate::problem::ApiError;
use crate::storage;

/// Brand and public settings.
#[utoipa::path(get, path = "/api/v1/brand", tag = "house", operation_id = "getBrand",
    responses((status = 200, body = Brand)), security(()))]
pub(crate) async fn brand(State(app): State<App>) -> Json<Brand> {
    let settings = &app.context.settings;
    let brand = &app.config.brand;
    let some = |text: &String| (!text.is_empty()).then(|| text.clone());
    Json(Brand {
        name: brand.name.clone(),
        colors: brand.colors.clone(),
        logo_url: some(&brand.logo_url),
        support_phone: some(&brand.support_phone),
        demo: settings.demo,
        max_file_bytes: settings.max_file_bytes,
        max_message_characters: settings.max_message_characters,
    })
}

/// Specialties patients can wish for.
#[utoipa::path(get, path = "/api/v1/specialties", tag = "house",
    operation_id = "listSpecialties", responses((status = 200, body = Vec<Specialty>)))]
pub(crate) async fn specialties(
    State(app): State<App>,
    _caller: Caller,
) -> Result<Json<Vec<Specialty>>, ApiError> {
    let client = app.client().await?;
    Ok(Json(storage::operators::specialties(&client).await?))
}

/// `/.well-known/jwks.json` (RFC 7517).
pub(crate) async fn jwks(State(app): State<App>) -> impl IntoResponse {
    ([(header::CACHE_CONTROL, "public, max-age=300")], Json(app.keys.set().clone()))
}

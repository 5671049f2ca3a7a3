//! The refresh token's cookie, one per kind of account so that both apps can be
//! signed in in one browser, and the check of where a request comes from.

use axum::http::{HeaderMap, HeaderName, header};
use axum::response::AppendHeaders;
use axum_extra::extract::CookieJar;
use housecall_platform::service::Settings;
use housecall_protocol::domain::PersonKind;

use crate::problem::ApiError;

const fn name_and_path(kind: PersonKind) -> (&'static str, &'static str) {
    match kind {
        PersonKind::Patient => ("housecall_patient", "/api/v1/auth/patient"),
        PersonKind::Operator => ("housecall_operator", "/api/v1/auth/operator"),
    }
}

/// The presented refresh token.
pub(crate) fn read(headers: &HeaderMap, kind: PersonKind) -> Option<String> {
    let jar = CookieJar::from_headers(headers);
    jar.get(name_and_path(kind).0).map(|cookie| cookie.value().to_owned())
}

/// `Set-Cookie` with the refresh token, for as long as the session lives unused.
pub(crate) fn set(kind: PersonKind, token: &str, days: u32, settings: &Settings) -> SetCookie {
    render(kind, token, u64::from(days) * 24 * 60 * 60, settings)
}

/// `Set-Cookie` that removes it.
pub(crate) fn clear(kind: PersonKind, settings: &Settings) -> SetCookie {
    render(kind, "", 0, settings)
}

/// The header, ready to go into a response.
pub(crate) type SetCookie = AppendHeaders<[(HeaderName, String); 1]>;

fn render(kind: PersonKind, value: &str, max_age_s: u64, settings: &Settings) -> SetCookie {
    let (name, path) = name_and_path(kind);
    let https = settings.public_origins.iter().any(|origin| origin.starts_with("https://"));
    let secure = if https { "; Secure" } else { "" };
    AppendHeaders([(
        header::SET_COOKIE,
        format!(
            "{name}={value}; Path={path}; Max-Age={max_age_s}; HttpOnly; SameSite=Strict{secure}"
        ),
    )])
}

/// Refuses a request that a page of another origin made: the cookie is
/// `SameSite=Strict`, but a sibling subdomain is the same site.
pub(crate) fn check_origin(headers: &HeaderMap, settings: &Settings) -> Result<(), ApiError> {
    if let Some(origin) = headers.get(header::ORIGIN) {
        let ours =
            settings.public_origins.iter().any(|known| known.as_bytes() == origin.as_bytes());
        return if ours { Ok(()) } else { Err(ApiError::ForeignOrigin) };
    }
    // Browsers that leave `Origin` out of a same-origin request still send this one;
    // programs that are not browsers send neither and have no ambient cookie.
    match headers.get("sec-fetch-site").map(axum::http::HeaderValue::as_bytes) {
        None | Some(b"same-origin" | b"none") => Ok(()),
        Some(_) => Err(ApiError::ForeignOrigin),
    }
}

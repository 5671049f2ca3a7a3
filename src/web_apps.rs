//! The two web apps, built into the binary: the patient's at `/`, the
//! operators' portal at `/portal`.
//!
//! Files named by their content's hash (`/assets/`) may be cached for ever; the
//! rest is revalidated by its hash. Text is served from the `.br` file made at
//! build time when the browser takes Brotli.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use rust_embed::{EmbeddedFile, RustEmbed};

#[derive(RustEmbed)]
#[folder = "web/patient/dist"]
struct PatientApp;

#[derive(RustEmbed)]
#[folder = "web/operator/dist"]
struct OperatorApp;

/// Scripts only from ourselves; pictures and media also from blobs, since files
/// are fetched with the access token; styles inline, since both component
/// libraries set them. Connections, WebSockets among them, only to where the page
/// came from: older browsers do not count those under `'self'`, so the host is
/// named.
fn content_security_policy(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok());
    let sockets = host
        .filter(|host| host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b)))
        .map(|host| format!(" ws://{host} wss://{host}"))
        .unwrap_or_default();
    format!(
        "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; \
         style-src 'self' 'unsafe-inline'; connect-src 'self'{sockets}; worker-src 'self'; \
         object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
}

/// Routes of both apps. Unknown paths without a file extension are pages of the
/// app that owns the prefix.
pub(crate) fn router() -> Router {
    Router::new()
        .route("/portal", get(|| async { Redirect::permanent("/portal/") }))
        .route("/portal/", get(portal))
        .route("/portal/{*path}", get(portal))
        .fallback(get(patient))
}

async fn portal(uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().strip_prefix("/portal/").unwrap_or_default().to_owned();
    serve(OperatorApp::get, &path, &headers)
}

async fn patient(uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/').to_owned();
    // An unknown API path is a missing resource, not a page of the app.
    if ["api/", "rt/", ".well-known/", "oauth2/"].iter().any(|prefix| path.starts_with(prefix)) {
        return StatusCode::NOT_FOUND.into_response();
    }
    serve(PatientApp::get, &path, &headers)
}

fn serve(app: fn(&str) -> Option<EmbeddedFile>, path: &str, headers: &HeaderMap) -> Response {
    let is_page = !path.rsplit('/').next().unwrap_or_default().contains('.');
    let path = if is_page { "index.html" } else { path };
    let Some(file) = app(path) else {
        if is_page {
            let hint = "The web apps are not built into this binary. Run: make web\n";
            return (StatusCode::SERVICE_UNAVAILABLE, hint).into_response();
        }
        return StatusCode::NOT_FOUND.into_response();
    };
    let hash = file.metadata.sha256_hash();
    let etag =
        format!("\"{}\"", hash.iter().take(16).map(|b| format!("{b:02x}")).collect::<String>());
    if accepts(headers, header::IF_NONE_MATCH.as_str(), &etag) {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    let compressed = accepts(headers, header::ACCEPT_ENCODING.as_str(), "br")
        .then(|| app(&format!("{path}.br")))
        .flatten();
    let mut response = Response::builder()
        .header(header::CONTENT_TYPE, content_type(path))
        .header(header::ETAG, &etag)
        .header(header::VARY, "accept-encoding")
        .header(header::CACHE_CONTROL, cache_control(path));
    if path.ends_with(".html") {
        response =
            response.header(header::CONTENT_SECURITY_POLICY, content_security_policy(headers));
    }
    if compressed.is_some() {
        response = response.header(header::CONTENT_ENCODING, "br");
    }
    let bytes = compressed.unwrap_or(file).data.into_owned();
    response.body(Body::from(bytes)).expect("header values are ASCII")
}

fn accepts(headers: &HeaderMap, name: &str, token: &str) -> bool {
    headers.get(name).and_then(|value| value.to_str().ok()).is_some_and(|value| {
        value.split(',').any(|item| item.split(';').next().unwrap_or("").trim() == token)
    })
}

fn content_type(path: &str) -> String {
    match path.rsplit('.').next() {
        Some("webmanifest") => "application/manifest+json".to_owned(),
        _ => {
            let guess = mime_guess::from_path(path).first_or_octet_stream();
            if guess.type_() == "text" {
                format!("{guess}; charset=utf-8")
            } else {
                guess.to_string()
            }
        }
    }
}

fn cache_control(path: &str) -> &'static str {
    if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" }
}

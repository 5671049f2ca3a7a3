//! All routes, and what wraps them: limits, headers, request ids, traces, counts.

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware;
use axum::routing::{any, get};
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::trace::TraceLayer;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::SwaggerUi;

use crate::app::App;
use crate::extract::MAX_BODY_BYTES;
use crate::identity::{me, operator_routes, patient_routes, sessions};
use crate::openapi::{self, Document};
use crate::problem::ApiError;
use crate::{
    brand, callbacks, calls, consultations, files, metrics, operators, patients, search, streams,
};

/// The described routes and their description.
pub(crate) fn described() -> (Router<App>, OpenApi) {
    let (router, mut document) = OpenApiRouter::with_openapi(Document::skeleton())
        .merge(identity())
        .merge(work())
        .routes(routes!(brand::brand))
        .routes(routes!(brand::specialties))
        .split_for_parts();
    openapi::refine(&mut document);
    (router, document)
}

fn identity() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(patient_routes::code))
        .routes(routes!(patient_routes::verify))
        .routes(routes!(patient_routes::refresh))
        .routes(routes!(patient_routes::logout))
        .routes(routes!(operator_routes::login))
        .routes(routes!(operator_routes::refresh))
        .routes(routes!(operator_routes::logout))
        .routes(routes!(me::read, me::update))
        .routes(routes!(sessions::list))
        .routes(routes!(sessions::end))
}

fn work() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(consultations::home))
        .routes(routes!(consultations::list, consultations::open))
        .routes(routes!(consultations::read))
        .routes(routes!(consultations::claim))
        .routes(routes!(consultations::close))
        .routes(routes!(consultations::transfer))
        .routes(routes!(callbacks::list, callbacks::create))
        .routes(routes!(callbacks::read))
        .routes(routes!(callbacks::take))
        .routes(routes!(callbacks::release))
        .routes(routes!(callbacks::cancel))
        .routes(routes!(callbacks::done))
        .routes(routes!(calls::list))
        .routes(routes!(calls::read))
        .routes(routes!(streams::list, streams::create))
        .routes(routes!(streams::revoke))
        .routes(routes!(streams::create_test))
        .routes(routes!(patients::list))
        .routes(routes!(patients::read))
        .routes(routes!(operators::list, operators::create))
        .routes(routes!(operators::update))
        .routes(routes!(search::search))
        .routes(routes!(files::upload))
        .routes(routes!(files::download))
        .routes(routes!(files::thumbnail))
        .routes(routes!(files::view))
        .routes(routes!(files::uploads::options, files::uploads::create))
        .routes(routes!(files::uploads::read, files::uploads::append, files::uploads::end))
}

/// The whole router.
pub(crate) fn router(app: App) -> Router {
    let (described, document) = described();
    let described = described
        .route("/.well-known/jwks.json", get(brand::jwks))
        .route("/api/v1/{*rest}", any(|| async { ApiError::NotFound }))
        .method_not_allowed_fallback(|| async { ApiError::MethodNotAllowed })
        // Uploads bound their bodies themselves, while they stream.
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(set_if_absent(
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ))
        .layer(set_if_absent(header::CACHE_CONTROL, "no-store"));
    let docs = Router::from(SwaggerUi::new("/api/v1/docs").url("/api/v1/openapi.json", document))
        .layer(set_if_absent(
            header::CONTENT_SECURITY_POLICY,
            "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
             frame-ancestors 'none'",
        ));
    let request_id = HeaderName::from_static("x-request-id");
    described
        .merge(docs)
        .layer(middleware::from_fn_with_state(app.clone(), metrics::count))
        .layer(set_if_absent(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(set_if_absent(header::REFERRER_POLICY, "no-referrer"))
        .layer(PropagateRequestIdLayer::new(request_id.clone()))
        .layer(TraceLayer::new_for_http().make_span_with(span))
        .layer(SetRequestIdLayer::new(request_id, MakeRequestUuid))
        .with_state(app)
}

/// The route's pattern and the request's id. Not the address: it holds ids, names
/// and phones somebody searches for.
fn span(request: &Request) -> tracing::Span {
    let route = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str);
    let id = request.headers().get("x-request-id").and_then(|value| value.to_str().ok());
    tracing::debug_span!("rest", method = %request.method(), route, request = id)
}

fn set_if_absent(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}

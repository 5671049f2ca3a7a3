//! The two listeners: public (apps, REST, WebSocket) and private (metrics, health).

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::anyhow;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::set_header::SetResponseHeaderLayer;

/// Whether the process serves: true after start, false once it drains.
#[derive(Clone, Default)]
pub(crate) struct Readiness(Arc<AtomicBool>);

impl Readiness {
    pub(crate) fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Release);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Binds `address`, or says in one sentence why not and what to do.
pub(crate) async fn bind(address: SocketAddr, option: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => anyhow!(
            "the address {address} is in use by another program; stop that program, or choose another address with {option}"
        ),
        ErrorKind::PermissionDenied => anyhow!(
            "this user may not listen on {address}; choose a port above 1023 with {option}"
        ),
        _ => anyhow!("cannot listen on {address}: {error}; choose another address with {option}"),
    })
}

/// Serves `router` until `shutdown`, then lets requests under way finish.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).with_graceful_shutdown(shutdown.cancelled_owned()).await
}

/// Adds the headers every public response carries.
pub(crate) fn with_security_headers(router: Router) -> Router {
    let headers = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(self), microphone=(self), display-capture=(self), geolocation=()",
        ),
    ];
    headers.into_iter().fold(router, |router, (name, value)| {
        router.layer(SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value)))
    })
}

#[derive(Clone)]
struct Private {
    metrics: prometheus::Registry,
    ready: Readiness,
}

/// `/metrics`, `/healthz`, `/readyz`.
pub(crate) fn private_router(metrics: prometheus::Registry, ready: Readiness) -> Router {
    Router::new()
        .route("/metrics", get(metrics_page))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readiness))
        .with_state(Private { metrics, ready })
}

async fn metrics_page(State(private): State<Private>) -> impl IntoResponse {
    let page = housecall_platform::telemetry::render(&private.metrics);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], page)
}

async fn readiness(State(private): State<Private>) -> impl IntoResponse {
    if private.ready.is_set() {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "starting or draining\n")
    }
}

//! The two listeners: public (apps, REST, WebSocket) and private (metrics, health).

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use anyhow::anyhow;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use housecall_platform::bus::Bus;
use housecall_platform::token::Verifier;
use tokio::net::{TcpListener, TcpSocket};
use tower_http::set_header::SetResponseHeaderLayer;

/// Connections that wait to be taken. The system's own bound is the usual limit.
const BACKLOG: u32 = 4096;

/// Whether the process serves: from the end of its start until it drains, and
/// while it reaches the others.
#[derive(Clone, Default)]
pub(crate) struct Readiness(Arc<Facts>);

#[derive(Default)]
struct Facts {
    serving: AtomicBool,
    bus: OnceLock<Bus>,
    verifier: OnceLock<Verifier>,
}

impl Readiness {
    pub(crate) fn set(&self, serving: bool) {
        self.0.serving.store(serving, Ordering::Release);
    }

    /// Without the bus a process of many is cut off.
    pub(crate) fn depends_on(&self, bus: Bus) {
        // A process has one bus, opened once.
        let _ = self.0.bus.set(bus);
    }

    /// Without keys a gateway can welcome nobody.
    pub(crate) fn needs_keys(&self, verifier: Verifier) {
        // As above.
        let _ = self.0.verifier.set(verifier);
    }

    /// `Err`: why not.
    fn check(&self) -> Result<(), &'static str> {
        if self.0.bus.get().is_some_and(|bus| !bus.is_connected()) {
            return Err("the bus cannot be reached\n");
        }
        if self.0.verifier.get().is_some_and(|verifier| !verifier.has_keys()) {
            return Err("no keys to verify tokens yet: is the crm-api up?\n");
        }
        if self.0.serving.load(Ordering::Acquire) { Ok(()) } else { Err("starting or draining\n") }
    }
}

/// Binds `address`, or says in one sentence why not and what to do.
pub(crate) fn bind(address: SocketAddr, option: &str) -> anyhow::Result<TcpListener> {
    listen(address).map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => anyhow!(
            "the address {address} is in use by another program; stop that program, or choose another address with {option}"
        ),
        ErrorKind::PermissionDenied => anyhow!(
            "this user may not listen on {address}; choose a port above 1023 with {option}"
        ),
        _ => anyhow!("cannot listen on {address}: {error}; choose another address with {option}"),
    })
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A restart must not wait for the last one's connections to be forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
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
    match private.ready.check() {
        Ok(()) => (StatusCode::OK, "ready\n"),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, why),
    }
}

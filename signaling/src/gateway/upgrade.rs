//! The HTTP side of `/rt/v1`: who may open a WebSocket at all.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::connect_info::ConnectInfo;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::Gateway;
use super::admission::{Permit, Refused};
use crate::connection;
use crate::websocket::{Socket, accept_key};

/// Slower than any server hands over a connection whose answer has been written.
const UPGRADE_PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn router(gateway: Arc<Gateway>) -> Router {
    Router::new().route("/rt/v1", get(upgrade)).with_state(gateway)
}

async fn upgrade(State(gateway): State<Arc<Gateway>>, mut request: Request) -> Response {
    let (answer, upgrading) = match handshake(&mut request) {
        Ok(begun) => begun,
        Err(status) => return (status, "a WebSocket of version 13 is wanted").into_response(),
    };
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
    let permit = match admit(&gateway, peer, request.headers()) {
        Ok(permit) => permit,
        Err((reason, status)) => {
            gateway.metrics.refused.with_label_values(&[reason]).inc();
            return (status, reason).into_response();
        }
    };
    let tracker = gateway.connections.clone();
    tokio::spawn(tracker.track_future(run(gateway, upgrading, permit)));
    answer
}

async fn run(gateway: Arc<Gateway>, upgrading: OnUpgrade, permit: Permit) {
    // Fails when the client left before it could read the answer.
    let Ok(Ok(stream)) = tokio::time::timeout(UPGRADE_PATIENCE, upgrading).await else { return };
    // Beyond the bound the client gets an error and stays; beyond twice the bound
    // the bytes are not read at all.
    let hard_bound = gateway.config.max_frame_bytes.saturating_mul(2);
    let socket = Socket::new(TokioIo::new(stream), hard_bound);
    connection::serve(gateway, socket, permit).await;
}

/// The server's half of the opening handshake (RFC 6455, 4.2): its answer, and the
/// connection once that is written.
fn handshake(request: &mut Request) -> Result<(Response, OnUpgrade), StatusCode> {
    let headers = request.headers();
    let says = |name: HeaderName, word: &str| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|one| one.trim().eq_ignore_ascii_case(word))
    };
    if !says(header::CONNECTION, "upgrade") || !says(header::UPGRADE, "websocket") {
        return Err(StatusCode::UPGRADE_REQUIRED);
    }
    if !says(header::SEC_WEBSOCKET_VERSION, "13") {
        return Err(StatusCode::BAD_REQUEST);
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).ok_or(StatusCode::BAD_REQUEST)?;
    let accept = accept_key(key.as_bytes());
    let upgrading =
        request.extensions_mut().remove::<OnUpgrade>().ok_or(StatusCode::UPGRADE_REQUIRED)?;
    let answer = (
        StatusCode::SWITCHING_PROTOCOLS,
        [
            (header::CONNECTION, "upgrade"),
            (header::UPGRADE, "websocket"),
            (header::SEC_WEBSOCKET_ACCEPT, accept.as_str()),
        ],
    );
    Ok((answer.into_response(), upgrading))
}

fn admit(
    gateway: &Gateway,
    peer: Option<IpAddr>,
    headers: &HeaderMap,
) -> Result<Permit, (&'static str, StatusCode)> {
    if gateway.context.shutdown.is_cancelled() {
        return Err(("the server is stopping", StatusCode::SERVICE_UNAVAILABLE));
    }
    if !origin_allowed(headers, &gateway.context.settings.public_origins) {
        return Err(("this origin is not allowed", StatusCode::FORBIDDEN));
    }
    gateway.admission.admit(client_address(gateway, peer, headers)).map_err(|refused| match refused
    {
        Refused::Process => ("too many connections", StatusCode::SERVICE_UNAVAILABLE),
        Refused::Address => {
            ("too many connections from this address", StatusCode::TOO_MANY_REQUESTS)
        }
    })
}

/// Browsers always send `Origin`; a native app sends none.
fn origin_allowed(headers: &HeaderMap, allowed: &[String]) -> bool {
    headers.get(header::ORIGIN).is_none_or(|origin| {
        allowed.iter().any(|one| one.trim_end_matches('/').as_bytes() == origin.as_bytes())
    })
}

/// The address a request counts for.
pub(crate) fn client_address(
    gateway: &Gateway,
    peer: Option<IpAddr>,
    headers: &HeaderMap,
) -> Option<IpAddr> {
    if gateway.config.behind_proxy { forwarded_for(headers) } else { peer }
}

/// The last address is the one our own proxy saw; the ones before it are hearsay.
fn forwarded_for(headers: &HeaderMap) -> Option<IpAddr> {
    let values = headers.get_all("x-forwarded-for");
    let last = values.iter().next_back()?.to_str().ok()?;
    last.rsplit(',').next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_must_be_ours_or_absent() {
        let allowed = ["https://clinic.example".to_owned()];
        let mut headers = HeaderMap::new();
        assert!(origin_allowed(&headers, &allowed));
        headers.insert(header::ORIGIN, "https://clinic.example".parse().unwrap());
        assert!(origin_allowed(&headers, &allowed));
        for foreign in ["https://clinic.example.evil", "null", "http://clinic.example"] {
            headers.insert(header::ORIGIN, foreign.parse().unwrap());
            assert!(!origin_allowed(&headers, &allowed), "{foreign}");
        }
    }

    #[test]
    fn the_proxys_own_word_counts() {
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", "10.0.0.9, 192.0.2.7".parse().unwrap());
        headers.append("x-forwarded-for", "192.0.2.1, 198.51.100.4".parse().unwrap());
        assert_eq!(forwarded_for(&headers), Some(IpAddr::from([198, 51, 100, 4])));
    }
}

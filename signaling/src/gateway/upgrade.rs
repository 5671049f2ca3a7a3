//! The HTTP side of `/rt/v1`: who may open a WebSocket at all.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Extension;
use axum::Router;
use axum::extract::connect_info::ConnectInfo;
use axum::extract::{State, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::Gateway;
use super::admission::{Permit, Refused};
use crate::connection;

/// Per connection. The default of 128 KiB would cost 1.3 GB at ten thousand
/// connections; frames longer than the buffer are read in steps.
const READ_BUFFER_BYTES: usize = 4 * 1024;
const WRITE_BUFFER_BYTES: usize = 4 * 1024;

pub(crate) fn router(gateway: Arc<Gateway>) -> Router {
    Router::new().route("/rt/v1", get(upgrade)).with_state(gateway)
}

async fn upgrade(
    State(gateway): State<Arc<Gateway>>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    socket: WebSocketUpgrade,
) -> Response {
    let peer = peer.map(|Extension(ConnectInfo(address))| address.ip());
    let permit = match admit(&gateway, peer, &headers) {
        Ok(permit) => permit,
        Err((reason, status)) => {
            gateway.metrics.refused.with_label_values(&[reason]).inc();
            return (status, reason).into_response();
        }
    };
    let config = &gateway.config;
    // Beyond the bound the client gets an error and stays; beyond twice the bound
    // the bytes are not read at all.
    let hard_bound = config.max_frame_bytes.saturating_mul(2);
    socket
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        // Each frame is flushed before the next, so this holds one, the longest allowed.
        .max_write_buffer_size(config.outbound_bytes.saturating_add(16 * 1024 * 1024))
        .max_message_size(hard_bound)
        .max_frame_size(hard_bound)
        .on_upgrade(move |socket| {
            let tracker = gateway.connections.clone();
            tracker.track_future(connection::serve(gateway, socket, permit))
        })
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

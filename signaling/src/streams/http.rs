//! The resources: `/whip/v1/{link}` and `/whep/v1/{link}` take an offer, and
//! `/{whip,whep}/v1/{link}/{session}` is the session that came of it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use aws_lc_rs::digest;
use axum::body::Body;
use axum::extract::connect_info::ConnectInfo;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, options};
use axum::{Extension, Router};
use housecall_protocol::client::IceServer;
use housecall_protocol::media::StreamDirection;
use housecall_protocol::{PersonId, StreamLinkId};
use jiff::Timestamp;

use super::fragment;
use super::limits::Limits;
use super::refusal::Refusal;
use super::session::{self, Opened, Patched};
use crate::gateway::Gateway;
use crate::gateway::upgrade::client_address;
use crate::ice;
use crate::storage::streams::{self, Link, Session};

const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";
const ENDPOINT_METHODS: &str = "POST, OPTIONS";
const SESSION_METHODS: &str = "PATCH, DELETE, OPTIONS";
const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");
const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");

#[derive(Clone)]
struct Streams {
    gateway: Arc<Gateway>,
    limits: Arc<Limits>,
}

pub(crate) fn router(gateway: Arc<Gateway>) -> Router {
    let limits = Arc::new(Limits::new(&gateway.config.streams));
    let streams = Streams { gateway, limits };
    [StreamDirection::Publish, StreamDirection::Play]
        .into_iter()
        .map(|direction| resources(direction, &streams))
        .fold(Router::new(), Router::merge)
}

fn resources(direction: StreamDirection, streams: &Streams) -> Router {
    let path = direction.path();
    Router::new()
        .route(&format!("{path}/{{link}}"), endpoint())
        .route(&format!("{path}/{{link}}/{{session}}"), resource())
        // The last one is the first to see a request.
        .layer(middleware::from_fn_with_state(streams.clone(), wrap))
        .layer(Extension(direction))
        .with_state(streams.clone())
}

fn endpoint() -> MethodRouter<Streams> {
    let allow = ENDPOINT_METHODS;
    options(|| async { ([(ACCEPT_POST, SDP)], StatusCode::OK) })
        .post(create)
        .fallback(move || async move { Refusal::MethodNotAllowed { allow } })
}

fn resource() -> MethodRouter<Streams> {
    let allow = SESSION_METHODS;
    options(|| async { ([(ACCEPT_PATCH, FRAGMENT)], StatusCode::OK) })
        .patch(patch)
        .delete(delete)
        .fallback(move || async move { Refusal::MethodNotAllowed { allow } })
}

/// Bounds before, and the headers of CORS and the count after. Any origin may ask: what
/// opens a link is its token, and no cookie is looked at.
async fn wrap(
    State(streams): State<Streams>,
    Extension(direction): Extension<StreamDirection>,
    request: Request,
    next: Next,
) -> Response {
    let gateway = &streams.gateway;
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer: Option<IpAddr> = peer.map(|ConnectInfo(address)| address.ip());
    let address = client_address(gateway, peer, request.headers());
    let is_preflight = request.method() == axum::http::Method::OPTIONS;
    let mut response = if gateway.context.shutdown.is_cancelled() {
        Refusal::Unavailable.into_response()
    } else if is_preflight {
        next.run(request).await
    } else {
        match streams.limits.admit(address) {
            Ok(_permit) => next.run(request).await,
            Err(refusal) => refusal.into_response(),
        }
    };
    if !is_preflight {
        gateway.metrics.stream_request(direction, response.status());
    }
    let headers = response.headers_mut();
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "POST, PATCH, DELETE, OPTIONS"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type, if-match"),
        (
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            "location, link, etag, accept-patch, accept-post, retry-after",
        ),
        (header::ACCESS_CONTROL_MAX_AGE, "86400"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn create(
    State(streams): State<Streams>,
    Extension(direction): Extension<StreamDirection>,
    Path(link): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let gateway = &streams.gateway;
    let link = authorise(gateway, direction, &link, &headers).await?;
    check_type(&headers, SDP)?;
    let offer = read(body, gateway.config.streams.max_sdp_bytes).await?;
    let opened = session::open(gateway, &link, &offer).await?;
    let Opened { session, tag, answer } = opened;
    let location = format!("{}/{}/{session}", direction.path(), link.id);
    let mut response = (StatusCode::CREATED, answer).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(SDP));
    headers.insert(ACCEPT_PATCH, HeaderValue::from_static(FRAGMENT));
    headers.insert(header::LOCATION, header_value(&location)?);
    headers.insert(header::ETAG, header_value(&entity_tag(&tag))?);
    let now_s = Timestamp::now().as_second();
    for server in ice::servers(&gateway.config, session, now_s) {
        for link in ice_links(&server) {
            headers.append(header::LINK, header_value(&link)?);
        }
    }
    Ok(response)
}

async fn patch(
    State(streams): State<Streams>,
    Extension(direction): Extension<StreamDirection>,
    Path((link, session)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let gateway = &streams.gateway;
    let link = authorise(gateway, direction, &link, &headers).await?;
    let session = current(&link, &session)?;
    check_type(&headers, FRAGMENT)?;
    check_tag(&headers, session)?;
    let body = read(body, gateway.config.streams.max_fragment_bytes).await?;
    let fragment = fragment::parse(&body).map_err(Refusal::BadFragment)?;
    Ok(match session::patch(gateway, &link, session, fragment).await? {
        Patched::Noted => StatusCode::NO_CONTENT.into_response(),
        Patched::Restarted { tag, fragment } => {
            let headers = [
                (header::CONTENT_TYPE, HeaderValue::from_static(FRAGMENT)),
                (header::ETAG, header_value(&entity_tag(&tag))?),
            ];
            (headers, fragment).into_response()
        }
    })
}

async fn delete(
    State(streams): State<Streams>,
    Extension(direction): Extension<StreamDirection>,
    Path((link, session)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<StatusCode, Refusal> {
    let gateway = &streams.gateway;
    let link = authorise(gateway, direction, &link, &headers).await?;
    session::close(gateway, &link, current(&link, &session)?).await?;
    Ok(StatusCode::OK)
}

/// The link that the request's token opens.
async fn authorise(
    gateway: &Gateway,
    direction: StreamDirection,
    link: &str,
    headers: &HeaderMap,
) -> Result<Link, Refusal> {
    let token = bearer(headers).ok_or(Refusal::Unauthenticated)?;
    let link: StreamLinkId = link.parse().map_err(|_| Refusal::Unauthenticated)?;
    let hash = digest::digest(&digest::SHA256, token.as_bytes());
    let link = streams::find(&gateway.context.pool, link, hash.as_ref()).await?;
    let link = link.ok_or(Refusal::Unauthenticated)?;
    if link.direction == direction { Ok(link) } else { Err(Refusal::WrongDirection) }
}

/// The token of `Authorization: Bearer` (RFC 6750 section 2.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The link's session, if it is the one that is named.
fn current<'a>(link: &'a Link, session: &str) -> Result<&'a Session, Refusal> {
    let named: Option<PersonId> = session.parse().ok();
    link.session.as_ref().filter(|session| Some(session.id) == named).ok_or(Refusal::NotFound)
}

fn check_type(headers: &HeaderMap, expected: &'static str) -> Result<(), Refusal> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    // Parameters, as a character set, change nothing.
    let given = given.and_then(|value| value.split(';').next()).map(str::trim);
    match given {
        Some(given) if given.eq_ignore_ascii_case(expected) => Ok(()),
        _ => Err(Refusal::MediaType { expected }),
    }
}

/// RFC 9725 section 4.3.1: the entity tag is that of the ICE session; a restart, which
/// makes a new one, names any.
fn check_tag(headers: &HeaderMap, session: &Session) -> Result<(), Refusal> {
    let given = headers.get(header::IF_MATCH).ok_or(Refusal::NoPrecondition)?;
    let given = given.to_str().map_err(|_| Refusal::PreconditionFailed)?;
    let own = entity_tag(&session.tag);
    let matches = |tag: &str| matches!(tag, "*" | "\"*\"") || tag == own;
    if given.split(',').map(str::trim).any(matches) {
        Ok(())
    } else {
        Err(Refusal::PreconditionFailed)
    }
}

async fn read(body: Body, limit_bytes: usize) -> Result<String, Refusal> {
    let bytes = axum::body::to_bytes(body, limit_bytes).await;
    let bytes = bytes.map_err(|_| Refusal::TooLarge { limit_bytes })?;
    String::from_utf8(bytes.into()).map_err(|_| Refusal::BadOffer("not UTF-8".to_owned()))
}

fn entity_tag(tag: &str) -> String {
    format!("\"{tag}\"")
}

fn header_value(text: &str) -> Result<HeaderValue, Refusal> {
    HeaderValue::from_str(text).map_err(|_| {
        tracing::error!("a setting cannot stand in a header");
        Refusal::Internal
    })
}

/// RFC 9725 section 4.6.
fn ice_links(server: &IceServer) -> impl Iterator<Item = String> {
    server.urls.iter().map(|url| {
        let mut link = format!("<{url}>; rel=\"ice-server\"");
        if let (Some(username), Some(credential)) = (&server.username, &server.credential) {
            let (username, credential) = (quoted(username), quoted(credential));
            link.push_str(&format!(
                "; username={username}; credential={credential}; credential-type=\"password\""
            ));
        }
        link
    })
}

/// A quoted string (RFC 9110 section 5.6.4).
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_by_the_book() {
        let mut headers = HeaderMap::new();
        assert_eq!(bearer(&headers), None);
        for (value, expected) in
            [("Bearer abc", Some("abc")), ("bearer abc ", Some("abc")), ("Basic abc", None)]
        {
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            assert_eq!(bearer(&headers), expected, "{value}");
        }
    }

    #[test]
    fn the_entity_tag_is_asked_for_and_compared() {
        let session =
            Session { id: PersonId::generate(), tag: "abcd".to_owned(), offer: String::new() };
        let mut headers = HeaderMap::new();
        assert_eq!(check_tag(&headers, &session), Err(Refusal::NoPrecondition));
        for (value, expected) in [
            ("\"abcd\"", Ok(())),
            ("\"other\", \"abcd\"", Ok(())),
            ("*", Ok(())),
            ("\"*\"", Ok(())),
            ("\"other\"", Err(Refusal::PreconditionFailed)),
            ("abcd", Err(Refusal::PreconditionFailed)),
        ] {
            headers.insert(header::IF_MATCH, value.parse().unwrap());
            assert_eq!(check_tag(&headers, &session), expected, "{value}");
        }
    }

    #[test]
    fn ice_servers_are_links() {
        let server = IceServer {
            urls: vec!["turn:turn.example?transport=udp".to_owned()],
            username: Some("1:2".to_owned()),
            credential: Some("a\"b".to_owned()),
        };
        let expected = "<turn:turn.example?transport=udp>; rel=\"ice-server\"; username=\"1:2\"; \
             credential=\"a\\\"b\"; credential-type=\"password\"";
        assert_eq!(ice_links(&server).collect::<Vec<_>>(), [expected]);
    }
}

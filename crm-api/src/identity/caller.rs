//! Who makes a request: extractors that verify the access token and that its
//! session still lives.
//!
//! The session is looked up on every request, one row by its primary key. A cache
//! would save a fraction of a millisecond and let an ended session work on.

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use housecall_protocol::domain::{PersonKind, Role};
use housecall_protocol::{PersonId, SessionId};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::app::App;
use crate::identity::limits::address_key;
use crate::problem::ApiError;
use crate::storage;

/// Any signed-in person.
#[derive(Clone, Copy)]
pub(crate) struct Caller {
    pub(crate) person: PersonId,
    pub(crate) session: SessionId,
    pub(crate) account: Account,
}

/// What the person signed in with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Account {
    Patient,
    Operator(Role),
}

/// A signed-in patient.
#[derive(Clone, Copy)]
pub(crate) struct PatientCaller {
    pub(crate) person: PersonId,
}

/// A signed-in operator who works with patients: not an administrator.
#[derive(Clone, Copy)]
pub(crate) struct DeskCaller {
    pub(crate) person: PersonId,
    pub(crate) role: Role,
}

/// Any signed-in operator.
#[derive(Clone, Copy)]
pub(crate) struct OperatorCaller {
    pub(crate) role: Role,
}

/// An administrator.
#[derive(Clone, Copy)]
pub(crate) struct AdminCaller {
    pub(crate) person: PersonId,
}

impl Caller {
    pub(crate) const fn is_admin(&self) -> bool {
        matches!(self.account, Account::Operator(Role::Admin))
    }

    pub(crate) const fn kind(&self) -> PersonKind {
        match self.account {
            Account::Patient => PersonKind::Patient,
            Account::Operator(_) => PersonKind::Operator,
        }
    }
}

/// The role a database row or a token names.
pub(crate) fn parse_role(role: &str) -> Option<Role> {
    [Role::Doctor, Role::Desk, Role::Supervisor, Role::Admin]
        .into_iter()
        .find(|known| known.as_str() == role)
}

impl FromRequestParts<App> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let token = bearer(&parts.headers).ok_or(ApiError::Unauthenticated)?;
        let claims = app.context.verifier.verify(token).await?;
        let (person, session) = (PersonId(claims.sub), SessionId(claims.sid));
        let client = app.client().await?;
        let live = storage::sessions::live(&client, session, person)
            .await?
            .ok_or(ApiError::SessionEnded)?;
        let account = match (claims.kind.as_str(), live.role.as_deref().map(parse_role)) {
            ("patient", None) => Account::Patient,
            // The role as it is now: a demotion does not wait for the token to expire.
            ("operator", Some(Some(role))) => Account::Operator(role),
            _ => return Err(ApiError::Unauthenticated),
        };
        Ok(Self { person, session, account })
    }
}

impl FromRequestParts<App> for PatientCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, app).await?;
        match caller.account {
            Account::Patient => Ok(Self { person: caller.person }),
            Account::Operator(_) => Err(ApiError::Forbidden),
        }
    }
}

impl FromRequestParts<App> for DeskCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, app).await?;
        match caller.account {
            Account::Operator(role) if role != Role::Admin => {
                Ok(Self { person: caller.person, role })
            }
            _ => Err(ApiError::Forbidden),
        }
    }
}

impl FromRequestParts<App> for OperatorCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        match Caller::from_request_parts(parts, app).await?.account {
            Account::Operator(role) => Ok(Self { role }),
            Account::Patient => Err(ApiError::Forbidden),
        }
    }
}

impl FromRequestParts<App> for AdminCaller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, app).await?;
        match caller.account {
            Account::Operator(Role::Admin) => Ok(Self { person: caller.person }),
            _ => Err(ApiError::Forbidden),
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Where a request that carries no token comes from.
pub(crate) struct Client {
    /// For rate limits.
    pub(crate) address: IpAddr,
    /// At most 200 characters.
    pub(crate) user_agent: String,
    pub(crate) headers: HeaderMap,
}

impl FromRequestParts<App> for Client {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        let user_agent = parts.headers.get(header::USER_AGENT);
        Ok(Self {
            address: address_key(address(parts, &app.config.client_address_header)),
            user_agent: user_agent
                .map(|value| String::from_utf8_lossy(value.as_bytes()).chars().take(200).collect())
                .unwrap_or_default(),
            headers: parts.headers.clone(),
        })
    }
}

/// The last element of the proxy's header: what comes before it, the client can
/// have written itself.
fn address(parts: &Parts, proxy_header: &str) -> IpAddr {
    let forwarded = (!proxy_header.is_empty())
        .then(|| parts.headers.get_all(proxy_header).iter().next_back())
        .flatten()
        .and_then(|value| value.to_str().ok())
        .and_then(|list| list.rsplit(',').next()?.trim().parse().ok());
    let connection = || parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    forwarded.or_else(connection).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

//! Every way to say no, as problem details (RFC 9457).

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use housecall_protocol::client::ErrorCode;
use housecall_protocol::cluster;
use housecall_protocol::rest::Problem;

use crate::storage::StorageError;

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("the resource has no such method")]
    MethodNotAllowed { allow: &'static str },
    #[error("no bearer token that opens this link")]
    Unauthenticated,
    #[error("the link is for the other direction")]
    WrongDirection,
    #[error("there is no such session any more")]
    NotFound,
    #[error("the body is to be {expected}")]
    MediaType { expected: &'static str },
    #[error("larger than {limit_bytes} bytes")]
    TooLarge { limit_bytes: usize },
    #[error("the offer was not understood: {0}")]
    BadOffer(String),
    #[error("the fragment was not understood: {0}")]
    BadFragment(&'static str),
    #[error("name the session's entity tag in If-Match")]
    NoPrecondition,
    #[error("the session's entity tag is another one by now")]
    PreconditionFailed,
    #[error("the room has no place left")]
    Full,
    #[error("too many requests")]
    RateLimited { retry_after_s: u64 },
    #[error("a part of the house is away; try again")]
    Unavailable,
    #[error("internal error")]
    Internal,
}

/// How long to wait for a part of the house that is away.
const UNAVAILABLE_RETRY_S: u64 = 2;

impl Refusal {
    /// Status, name of the problem and its title.
    pub(super) const fn describe(&self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::MethodNotAllowed { .. } => {
                (S::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed")
            }
            Self::Unauthenticated => (S::UNAUTHORIZED, "unauthenticated", "No valid token"),
            Self::WrongDirection => (S::FORBIDDEN, "wrong-direction", "The other direction"),
            Self::NotFound => (S::NOT_FOUND, "not-found", "Not found"),
            Self::MediaType { .. } => {
                (S::UNSUPPORTED_MEDIA_TYPE, "media-type", "Another content type")
            }
            Self::TooLarge { .. } => (S::PAYLOAD_TOO_LARGE, "too-large", "Too large"),
            Self::BadOffer(_) => (S::BAD_REQUEST, "bad-offer", "The offer cannot be taken"),
            Self::BadFragment(_) => {
                (S::BAD_REQUEST, "bad-fragment", "The SDP fragment cannot be read")
            }
            Self::NoPrecondition => {
                (S::PRECONDITION_REQUIRED, "no-precondition", "If-Match is missing")
            }
            Self::PreconditionFailed => {
                (S::PRECONDITION_FAILED, "precondition-failed", "Another ICE session")
            }
            Self::Full => (S::CONFLICT, "room-full", "The room is full"),
            Self::RateLimited { .. } => (S::TOO_MANY_REQUESTS, "rate-limited", "Too many requests"),
            Self::Unavailable => {
                (S::SERVICE_UNAVAILABLE, "unavailable", "A part of the house is away")
            }
            Self::Internal => (S::INTERNAL_SERVER_ERROR, "internal", "Internal error"),
        }
    }

    const fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::RateLimited { retry_after_s } => Some(*retry_after_s),
            Self::Unavailable => Some(UNAVAILABLE_RETRY_S),
            _ => None,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, slug, title) = self.describe();
        let retry_after_s = self.retry_after_s();
        let problem = Problem {
            kind: format!("/problems/{slug}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: Some(self.to_string()),
            retry_after_s: retry_after_s.and_then(|seconds| u32::try_from(seconds).ok()),
            holder: None,
            field: None,
            tries_left: None,
        };
        let mut response = (status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        match self {
            Self::MethodNotAllowed { allow } => {
                headers.insert(header::ALLOW, HeaderValue::from_static(allow));
            }
            Self::Unauthenticated => {
                let challenge = HeaderValue::from_static("Bearer realm=\"housecall\"");
                headers.insert(header::WWW_AUTHENTICATE, challenge);
            }
            _ => {}
        }
        response
    }
}

impl From<StorageError> for Refusal {
    fn from(error: StorageError) -> Self {
        tracing::error!(%error, "streams");
        Self::Unavailable
    }
}

/// What the relay refused.
impl From<cluster::Refusal> for Refusal {
    fn from(refusal: cluster::Refusal) -> Self {
        match refusal.code {
            ErrorCode::NotFound => Self::NotFound,
            ErrorCode::BadFrame | ErrorCode::TooLarge => Self::BadOffer(refusal.message),
            ErrorCode::Conflict => Self::Full,
            ErrorCode::Unavailable => Self::Unavailable,
            code => {
                tracing::error!(?code, "the relay refused a stream");
                Self::Internal
            }
        }
    }
}

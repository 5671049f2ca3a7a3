//! The one error of the HTTP surface: RFC 9457 problem details.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use housecall_platform::token::TokenError;
use housecall_protocol::rest::{PersonName, Problem};
use tokio_postgres::error::SqlState;

use crate::storage::StorageError;

/// Why a request was refused or failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    #[error("the body cannot be read: {0}")]
    BadRequest(String),
    #[error("{field}: {detail}")]
    InvalidBody { field: &'static str, detail: String },
    #[error("no valid access token")]
    Unauthenticated,
    #[error("the session has ended")]
    SessionEnded,
    #[error("wrong e-mail or password")]
    InvalidCredentials,
    #[error("wrong code")]
    WrongCode { tries_left: u32 },
    #[error("the code is no longer valid")]
    CodeExpired,
    #[error("this kind of account or role may not do it")]
    Forbidden,
    #[error("the request comes from an origin that is not ours")]
    ForeignOrigin,
    #[error("there is no such thing, or it is not yours to see")]
    NotFound,
    #[error("the route has no such method")]
    MethodNotAllowed,
    #[error("another operator has it")]
    AlreadyClaimed { holder: PersonName },
    #[error("another operator has it")]
    AlreadyTaken { holder: PersonName },
    #[error("the state does not allow it: {0}")]
    Conflict(&'static str),
    #[error("the consultation is closed")]
    ConsultationClosed,
    #[error("the callback is done or cancelled")]
    CallbackFinished,
    #[error("there is an open callback request already")]
    CallbackOpen,
    #[error("another operator has this e-mail")]
    EmailTaken,
    #[error("the last administrator must stay one")]
    LastAdmin,
    #[error("larger than {limit_bytes} bytes")]
    TooLarge { limit_bytes: u64 },
    #[error("files of this type are not accepted")]
    FileType,
    #[error("the file is empty")]
    FileEmpty,
    #[error("the scanner found something in the file")]
    FileInfected,
    #[error("the file was removed: the scanner found something in it")]
    FileRefused,
    #[error("the file is being checked")]
    FileChecking,
    #[error("the bytes are not those that were announced")]
    ChecksumMismatch,
    #[error("tus 1.0.0 is spoken here; say Tus-Resumable: 1.0.0")]
    TusVersion,
    #[error("the body of an upload is application/offset+octet-stream")]
    UploadType,
    #[error("the upload is elsewhere; ask for its offset")]
    UploadOffset,
    #[error("the file is being made")]
    UploadBusy,
    #[error("at most {limit} uploads at a time")]
    TooManyUploads { limit: u32 },
    #[error("at most {limit_bytes} bytes in a day")]
    UploadQuota { limit_bytes: u64 },
    #[error("the search took too long: more words help")]
    SearchTooBroad,
    #[error("too many requests")]
    RateLimited { retry_after_s: u32 },
    #[error("the text message could not be sent")]
    SmsUnavailable,
    #[error("a part of the house is away")]
    Unavailable,
    #[error("internal error")]
    Internal,
}

impl ApiError {
    pub(crate) fn invalid(field: &'static str, detail: impl Into<String>) -> Self {
        Self::InvalidBody { field, detail: detail.into() }
    }

    /// Status, name of the problem and its title.
    const fn describe(&self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::BadRequest(_) => (S::BAD_REQUEST, "bad-request", "The request cannot be read"),
            Self::InvalidBody { .. } => {
                (S::UNPROCESSABLE_ENTITY, "invalid-body", "A field is not valid")
            }
            Self::Unauthenticated => (S::UNAUTHORIZED, "unauthenticated", "Sign in first"),
            Self::SessionEnded => (S::UNAUTHORIZED, "session-ended", "The session has ended"),
            Self::InvalidCredentials => {
                (S::UNAUTHORIZED, "invalid-credentials", "Wrong e-mail or password")
            }
            Self::WrongCode { .. } => (S::UNPROCESSABLE_ENTITY, "wrong-code", "Wrong code"),
            Self::CodeExpired => {
                (S::UNPROCESSABLE_ENTITY, "code-expired", "The code is no longer valid")
            }
            Self::Forbidden => (S::FORBIDDEN, "forbidden", "Not allowed"),
            Self::ForeignOrigin => (S::FORBIDDEN, "foreign-origin", "Foreign origin"),
            Self::NotFound => (S::NOT_FOUND, "not-found", "Not found"),
            Self::MethodNotAllowed => {
                (S::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed")
            }
            Self::AlreadyClaimed { .. } => {
                (S::CONFLICT, "already-claimed", "Another operator has this consultation")
            }
            Self::AlreadyTaken { .. } => {
                (S::CONFLICT, "already-taken", "Another operator has this callback")
            }
            Self::Conflict(_) => (S::CONFLICT, "wrong-state", "The state does not allow it"),
            Self::ConsultationClosed => {
                (S::CONFLICT, "consultation-closed", "The consultation is closed")
            }
            Self::CallbackFinished => {
                (S::CONFLICT, "callback-finished", "The callback is done or cancelled")
            }
            Self::CallbackOpen => (S::CONFLICT, "callback-open", "A callback is requested already"),
            Self::EmailTaken => (S::CONFLICT, "email-taken", "The e-mail is taken"),
            Self::LastAdmin => (S::CONFLICT, "last-admin", "The last administrator must stay one"),
            Self::TooLarge { .. } => (S::PAYLOAD_TOO_LARGE, "too-large", "Too large"),
            Self::FileType => {
                (S::UNSUPPORTED_MEDIA_TYPE, "file-type", "Files of this type are not accepted")
            }
            Self::FileEmpty => (S::UNPROCESSABLE_ENTITY, "file-empty", "The file is empty"),
            Self::FileInfected => {
                (S::UNPROCESSABLE_ENTITY, "file-infected", "The file is not safe")
            }
            Self::FileRefused => (S::GONE, "file-refused", "The file was not safe"),
            Self::FileChecking => (S::LOCKED, "file-checking", "The file is being checked"),
            Self::ChecksumMismatch => {
                (S::UNPROCESSABLE_ENTITY, "checksum-mismatch", "The bytes were changed on the way")
            }
            Self::TusVersion => {
                (S::PRECONDITION_FAILED, "tus-version", "Another version of tus is spoken here")
            }
            Self::UploadType => {
                (S::UNSUPPORTED_MEDIA_TYPE, "upload-type", "The body has the wrong type")
            }
            Self::UploadOffset => (S::CONFLICT, "upload-offset", "The upload is elsewhere"),
            Self::UploadBusy => (S::LOCKED, "upload-busy", "The file is being made"),
            Self::TooManyUploads { .. } => {
                (S::CONFLICT, "too-many-uploads", "Too many uploads at a time")
            }
            Self::UploadQuota { .. } => {
                (S::TOO_MANY_REQUESTS, "upload-quota", "Too much for one day")
            }
            Self::SearchTooBroad => {
                (S::UNPROCESSABLE_ENTITY, "search-too-broad", "The search took too long")
            }
            Self::RateLimited { .. } => (S::TOO_MANY_REQUESTS, "rate-limited", "Too many requests"),
            Self::SmsUnavailable => {
                (S::SERVICE_UNAVAILABLE, "sms-unavailable", "The code could not be sent")
            }
            Self::Unavailable => {
                (S::SERVICE_UNAVAILABLE, "unavailable", "A part of the house is away")
            }
            Self::Internal => (S::INTERNAL_SERVER_ERROR, "internal", "Internal error"),
        }
    }

    fn into_problem(self) -> Problem {
        let (status, slug, title) = self.describe();
        let mut problem = Problem {
            kind: format!("/problems/{slug}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: Some(self.to_string()),
            retry_after_s: None,
            holder: None,
            field: None,
            tries_left: None,
        };
        match self {
            Self::InvalidBody { field, detail } => {
                problem.field = Some(field.to_owned());
                problem.detail = Some(detail);
            }
            Self::WrongCode { tries_left } => problem.tries_left = Some(tries_left),
            Self::AlreadyClaimed { holder } | Self::AlreadyTaken { holder } => {
                problem.holder = Some(holder);
            }
            Self::RateLimited { retry_after_s } => problem.retry_after_s = Some(retry_after_s),
            _ => {}
        }
        problem
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let problem = self.into_problem();
        let status = StatusCode::from_u16(problem.status).expect("made from a status above");
        let retry_after_s = problem.retry_after_s;
        let invalid_token = problem.kind != "/problems/invalid-credentials";
        let mut response = (status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED && invalid_token {
            let challenge = HeaderValue::from_static("Bearer realm=\"housecall\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

impl From<StorageError> for ApiError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Pool(error) => {
                tracing::error!(%error, "no database connection");
                Self::Unavailable
            }
            // Only searches have a time limit.
            StorageError::Database(error) if error.code() == Some(&SqlState::QUERY_CANCELED) => {
                Self::SearchTooBroad
            }
            StorageError::Database(error) if is_unstorable(&error) => {
                Self::BadRequest("a value that cannot be stored".to_owned())
            }
            StorageError::Database(error) => {
                // The driver's own display leaves out the server's message; that
                // message may quote a row, so only its code and table are logged.
                let server = error.as_db_error();
                tracing::error!(
                    code = server.map(|error| error.code().code()),
                    table = server.and_then(tokio_postgres::error::DbError::table),
                    constraint = server.and_then(tokio_postgres::error::DbError::constraint),
                    %error,
                    "database"
                );
                Self::Internal
            }
            StorageError::Corrupt(what) => {
                tracing::error!(what, "a row is not what the schema promises");
                Self::Internal
            }
        }
    }
}

/// Whether a value was given that no column holds: a string with a zero character,
/// a time before or after the database's calendar. Asked here, for every field at
/// once, since one forgotten field would be an internal error at anybody's will.
fn is_unstorable(error: &tokio_postgres::Error) -> bool {
    let codes = [SqlState::CHARACTER_NOT_IN_REPERTOIRE, SqlState::DATETIME_FIELD_OVERFLOW];
    error.code().is_some_and(|code| codes.contains(code))
}

impl From<TokenError> for ApiError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Expired | TokenError::Invalid => Self::Unauthenticated,
            TokenError::KeysUnavailable => Self::Unavailable,
        }
    }
}

impl From<tokio_postgres::Error> for ApiError {
    fn from(error: tokio_postgres::Error) -> Self {
        StorageError::from(error).into()
    }
}

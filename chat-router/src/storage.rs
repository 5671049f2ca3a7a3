//! The chat router's SQL. Nothing above this module knows a table's name.

mod access;
mod append;
mod history;
mod receipts;

use deadpool_postgres::PoolError;
use housecall_platform::postgres::Pool;
use housecall_protocol::domain::PersonKind;
use tokio_postgres::error::SqlState;

pub(crate) use access::{Access, Right};
pub(crate) use append::{AppendError, Content, Fresh, NewMessage, Stored};
pub(crate) use history::Span;

/// Conversations as PostgreSQL holds them. Clones share the pool.
#[derive(Clone)]
pub(crate) struct Storage {
    pool: Pool,
}

/// Why the database gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StorageError {
    #[error("no database connection: {0}")]
    Pool(#[from] PoolError),
    #[error("database: {0}")]
    Database(#[from] tokio_postgres::Error),
    #[error("a stored system event cannot be read: {0}")]
    Event(#[from] serde_json::Error),
    #[error("a stored row has the unknown {field} {value:?}")]
    Unknown { field: &'static str, value: String },
}

impl StorageError {
    /// Whether the same step may succeed when run again: the connection went
    /// away, the server restarts, or this transaction lost to another.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Pool(PoolError::Timeout(_) | PoolError::Closed) => true,
            Self::Pool(PoolError::Backend(error)) => is_passing(error),
            Self::Pool(PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_)) => false,
            Self::Database(error) => is_passing(error),
            Self::Event(_) | Self::Unknown { .. } => false,
        }
    }
}

fn is_passing(error: &tokio_postgres::Error) -> bool {
    // Without a code the error is the connection's, not the server's.
    let Some(code) = error.code() else { return true };
    // Class 08 is "connection exception", 53 "insufficient resources", 57P0x
    // "the server goes or is not up yet".
    code.code().starts_with("08")
        || code.code().starts_with("53")
        || code.code().starts_with("57P0")
        || [
            SqlState::T_R_SERIALIZATION_FAILURE,
            SqlState::T_R_DEADLOCK_DETECTED,
            SqlState::LOCK_NOT_AVAILABLE,
            SqlState::QUERY_CANCELED,
        ]
        .contains(code)
}

impl Storage {
    pub(crate) const fn new(pool: Pool) -> Self {
        Self { pool }
    }
}

fn person_kind(value: &str) -> Result<PersonKind, StorageError> {
    match value {
        "patient" => Ok(PersonKind::Patient),
        "operator" => Ok(PersonKind::Operator),
        _ => Err(StorageError::Unknown { field: "person kind", value: value.to_owned() }),
    }
}

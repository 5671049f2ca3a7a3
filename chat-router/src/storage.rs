//! The chat router's SQL. Nothing above this module knows a table's name.

mod access;
mod append;
mod changes;
mod files;
mod history;
mod messages;
mod quotes;
mod receipts;

use std::time::Duration;

use deadpool_postgres::{Object, PoolError};
use housecall_platform::postgres::{self, Patience, Pool};
use housecall_protocol::domain::PersonKind;
use tokio_postgres::error::SqlState;

pub(crate) use access::{Access, Head, Right};
pub(crate) use append::{Content, Fresh, NewMessage, Outcome, Refused, Stored};
pub(crate) use changes::{Change, Changed, NewChange, Unchanged};
pub(crate) use history::Span;
pub(crate) use receipts::Mark;

/// What a batch of messages may take. It waits for no conversation's lock; longer
/// waits mean that something is stuck, and the client's resend is better than a
/// blocked lane.
const WRITING: Patience =
    Patience { lock: Some(Duration::from_millis(250)), statement: Some(Duration::from_secs(4)) };

/// When a server that keeps its own time limits has not answered by then, it hangs,
/// or the network swallows what it says.
const SILENCE: Duration = Duration::from_secs(6);

/// Conversations as PostgreSQL holds them. Clones share the pools.
#[derive(Clone)]
pub(crate) struct Storage {
    pool: Pool,
    /// The writer lanes' own connections: no page of history keeps a message waiting.
    writers: Pool,
}

/// Why the database gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StorageError {
    #[error("no database connection: {0}")]
    Pool(#[from] PoolError),
    #[error("database: {0}")]
    Database(#[from] tokio_postgres::Error),
    #[error("the database has not answered for {} s", SILENCE.as_secs())]
    Silent,
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
            Self::Silent => true,
            Self::Event(_) | Self::Unknown { .. } => false,
        }
    }

    /// Whether a batch may have failed for the sake of one row, so that the others
    /// would succeed without it.
    pub(crate) fn may_be_one_rows(&self) -> bool {
        match self {
            Self::Pool(_) | Self::Silent => false,
            Self::Database(error) => error.code().is_some_and(|code| {
                !is_passing(error)
                    || [SqlState::LOCK_NOT_AVAILABLE, SqlState::QUERY_CANCELED].contains(code)
            }),
            Self::Event(_) | Self::Unknown { .. } => true,
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

/// Waits for `work` on a connection of the pool. A connection that stays silent is
/// thrown away: whatever is asked on it next would wait behind this.
async fn on_connection<T>(
    pool: &Pool,
    work: impl AsyncFnOnce(&Object) -> Result<T, StorageError>,
) -> Result<T, StorageError> {
    let client = pool.get().await?;
    match tokio::time::timeout(SILENCE, work(&client)).await {
        Ok(outcome) => outcome,
        Err(_) => {
            drop(Object::take(client));
            Err(StorageError::Silent)
        }
    }
}

impl Storage {
    pub(crate) fn new(pool: Pool, writers: usize) -> Result<Self, postgres::PoolError> {
        // One more, for the changes of messages, which go past the lanes.
        let writers = pool.apart(writers + 1, WRITING)?;
        Ok(Self { pool, writers })
    }
}

fn person_kind(value: &str) -> Result<PersonKind, StorageError> {
    match value {
        "patient" => Ok(PersonKind::Patient),
        "operator" => Ok(PersonKind::Operator),
        _ => Err(StorageError::Unknown { field: "person kind", value: value.to_owned() }),
    }
}

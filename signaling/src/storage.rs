//! SQL of the gateway: reads for the hello, and the rows of calls and streams.

pub(crate) mod calls;
pub(crate) mod guests;
pub(crate) mod people;
pub(crate) mod streams;

/// Why the database did not do it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StorageError {
    #[error("no database connection: {0}")]
    Pool(#[from] deadpool_postgres::PoolError),
    #[error("database: {0}")]
    Database(#[from] tokio_postgres::Error),
    /// A row says something that no version of ours writes.
    #[error("a row of {0} is not readable")]
    Unreadable(&'static str),
}

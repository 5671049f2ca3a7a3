//! All SQL of the service, one module per aggregate. Each function is one step;
//! steps that belong together take a transaction.

pub(crate) mod audit;
pub(crate) mod briefs;
pub(crate) mod callbacks;
pub(crate) mod calls;
pub(crate) mod codes;
pub(crate) mod consultations;
pub(crate) mod conversations;
pub(crate) mod files;
pub(crate) mod history;
pub(crate) mod keys;
pub(crate) mod operators;
pub(crate) mod patients;
pub(crate) mod search;
pub(crate) mod sessions;
pub(crate) mod streams;
pub(crate) mod uploads;

use tokio_postgres::error::SqlState;

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StorageError {
    #[error("no database connection: {0}")]
    Pool(#[from] deadpool_postgres::PoolError),
    #[error("database: {0}")]
    Database(#[from] tokio_postgres::Error),
    #[error("a row is not what the schema promises: {0}")]
    Corrupt(&'static str),
}

pub(crate) type Result<T, E = StorageError> = std::result::Result<T, E>;

/// Whether a statement failed on a unique constraint.
pub(crate) fn is_unique_violation(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&SqlState::UNIQUE_VIOLATION)
}

/// `text` as a pattern that finds it anywhere, its own wildcards taken literally.
pub(crate) fn contains_pattern(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

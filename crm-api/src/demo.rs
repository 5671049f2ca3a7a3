//! Demo data: a small clinic with a history, filled in once.
//!
//! Everything goes through the same functions the service uses (`chat.append`,
//! `crm.open_consultation`), then is moved into the past.

mod people;
mod stories;
mod write;

use housecall_platform::service::Context;
use secrecy::SecretString;

use crate::config::Config;
use crate::files::FileStore;
use crate::identity::passwords;
use crate::storage::{self, StorageError};
use people::{OPERATORS, PATIENTS};

/// Of all demo operators. Known to everybody: demo mode is never for production.
const PASSWORD: &str = "demo-housecall";

/// Advisory lock under which one process fills the data in.
const DEMO_LOCK: i64 = 0x686f_7573_6465_6d6f;

/// Who can sign in to the demo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoSignIns {
    /// Of all operators.
    pub password: String,
    pub operators: Vec<DemoOperator>,
    pub patients: Vec<DemoPatient>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoOperator {
    pub email: String,
    pub name: String,
    pub role: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoPatient {
    pub phone: String,
    pub name: String,
}

/// Why the demo data could not be filled in.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error("demo data: {0}")]
    Database(String),
    #[error("demo data: {0}")]
    Hash(#[from] crate::HashError),
    #[error("demo data: {0}")]
    Files(#[from] crate::StoreError),
    #[error("demo data: a file could not be stored")]
    File,
}

impl From<StorageError> for DemoError {
    fn from(error: StorageError) -> Self {
        Self::Database(error.to_string())
    }
}

impl From<tokio_postgres::Error> for DemoError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error.as_db_error().map_or_else(|| error.to_string(), ToString::to_string))
    }
}

/// Fills the demo data in, unless they are there, and says who can sign in.
///
/// # Errors
/// See [`DemoError`].
pub async fn seed(context: &Context, config: &Config) -> Result<DemoSignIns, DemoError> {
    let files = FileStore::open(config)?;
    let mut client = context.pool.get().await.map_err(StorageError::from)?;
    let transaction = client.transaction().await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&DEMO_LOCK]).await?;
    // The first demo operator marks that the data were filled in.
    if storage::operators::credentials(&transaction, OPERATORS[0].email).await?.is_none() {
        let password_hash =
            tokio::task::spawn_blocking(|| passwords::hash(&SecretString::from(PASSWORD)))
                .await
                .map_err(|_| passwords::HashError)??;
        write::everything(&transaction, &files, context.node, &password_hash).await?;
        transaction.commit().await?;
    }
    Ok(sign_ins())
}

fn sign_ins() -> DemoSignIns {
    DemoSignIns {
        password: PASSWORD.to_owned(),
        operators: OPERATORS
            .iter()
            .map(|operator| DemoOperator {
                email: operator.email.to_owned(),
                name: operator.name.to_owned(),
                role: operator.specialty.unwrap_or(operator.role.as_str()).to_owned(),
            })
            .collect(),
        patients: PATIENTS
            .iter()
            .map(|patient| DemoPatient {
                phone: patient.phone.to_owned(),
                name: patient.name.to_owned(),
            })
            .collect(),
    }
}

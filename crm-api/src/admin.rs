//! What the command line does to the house: `housecall admin ...`.

use housecall_platform::postgres::Pool;
use housecall_protocol::PersonId;
use housecall_protocol::domain::Role;
use secrecy::{ExposeSecret, SecretString};

use crate::identity::caller::parse_role;
use crate::identity::passwords;
use crate::operators::{parse_email, parse_password};
use crate::problem::ApiError;
use crate::storage::operators::NewOperatorRow;
use crate::storage::{self, StorageError};
use crate::text;

/// A new operator as the command line describes them.
pub struct NewOperator {
    pub name: String,
    pub email: String,
    /// `doctor`, `desk`, `supervisor` or `admin`.
    pub role: String,
    /// Code of a specialty.
    pub specialty: Option<String>,
    /// 10 to 200 characters.
    pub password: SecretString,
}

/// Why an operator was not created.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error("{0}")]
    Invalid(String),
    #[error("another operator has this e-mail")]
    EmailTaken,
    #[error("{0}")]
    Hash(#[from] crate::HashError),
    #[error("{0}")]
    Database(String),
}

impl From<StorageError> for AdminError {
    fn from(error: StorageError) -> Self {
        Self::Database(error.to_string())
    }
}

impl From<tokio_postgres::Error> for AdminError {
    fn from(error: tokio_postgres::Error) -> Self {
        StorageError::from(error).into()
    }
}

impl From<ApiError> for AdminError {
    fn from(error: ApiError) -> Self {
        Self::Invalid(error.to_string())
    }
}

/// Creates an operator.
///
/// # Errors
/// See [`AdminError`].
pub async fn create_operator(pool: &Pool, operator: NewOperator) -> Result<PersonId, AdminError> {
    let name = text::line("name", &operator.name, 1, 100)?;
    let email = parse_email(&operator.email)?;
    let role: Role = parse_role(&operator.role).ok_or_else(|| {
        AdminError::Invalid("role: one of doctor, desk, supervisor, admin".to_owned())
    })?;
    let password = parse_password(operator.password.expose_secret().to_owned())?;
    let mut client = pool.get().await.map_err(StorageError::from)?;
    if let Some(code) = &operator.specialty
        && !storage::operators::specialty_exists(&client, code).await?
    {
        return Err(AdminError::Invalid(format!("there is no specialty {code}")));
    }
    let password_hash = tokio::task::spawn_blocking(move || passwords::hash(&password))
        .await
        .map_err(|_| passwords::HashError)??;
    let new = NewOperatorRow {
        name: &name,
        email: &email,
        password_hash: &password_hash,
        role,
        specialty: operator.specialty.as_deref(),
    };
    let transaction = client.transaction().await?;
    let id = storage::operators::insert(&transaction, &new).await?;
    let id = id.ok_or(AdminError::EmailTaken)?;
    transaction.commit().await?;
    Ok(id)
}

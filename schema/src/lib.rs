//! The database schemas `crm` and `chat`: the meeting place of the services.
//!
//! All migrations live here in one order, since the two schemas refer to each
//! other. Steps that must be atomic across both are SQL functions (`chat.append`,
//! `crm.open_consultation`, `crm.finish_call`), and so are the rules of who may
//! read and write a conversation (`crm.may_read`, `crm.may_write`): every service
//! obeys the same ones.

#[cfg(feature = "testing")]
pub mod testing;

use std::ops::DerefMut;

use housecall_platform::postgres::Pool;

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// Key of the advisory lock that lets one process migrate at a time.
const MIGRATION_LOCK: i64 = 0x686f_7573_6563_616c;

/// Why the schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    #[error("no database connection: {0}")]
    Pool(#[from] deadpool_postgres::PoolError),
    #[error("migration: {0}")]
    Migration(#[from] refinery::Error),
    #[error("database: {0}")]
    Database(#[from] tokio_postgres::Error),
}

/// Applies the migrations that are missing and returns their names. Safe to call
/// from several processes at once: one migrates, the others wait.
///
/// # Errors
/// See [`MigrateError`].
pub async fn migrate(pool: &Pool) -> Result<Vec<String>, MigrateError> {
    let mut connection = pool.get().await?;
    let client = connection.deref_mut().deref_mut();
    client.execute("SELECT pg_advisory_lock($1)", &[&MIGRATION_LOCK]).await?;
    let report = embedded::migrations::runner().run_async(client).await;
    client.execute("SELECT pg_advisory_unlock($1)", &[&MIGRATION_LOCK]).await?;
    Ok(report?.applied_migrations().iter().map(ToString::to_string).collect())
}

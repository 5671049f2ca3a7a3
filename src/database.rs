//! The database of this process: the configured one, or a private cluster.

use std::path::Path;

use anyhow::Context as _;
use housecall_platform::postgres::{self, Pool, PrivateCluster};
use secrecy::SecretString;

use crate::config;

/// Name of the database inside a private cluster.
const DATABASE: &str = "housecall";

pub(crate) struct OpenDatabase {
    pub(crate) pool: Pool,
    cluster: Option<PrivateCluster>,
}

/// Connects, starting a private cluster first when no address is configured.
pub(crate) async fn open(
    settings: &config::Database,
    data_dir: &Path,
) -> anyhow::Result<OpenDatabase> {
    if let Some(url) = &settings.url {
        return Ok(OpenDatabase {
            pool: postgres::pool(url, settings.max_connections)?,
            cluster: None,
        });
    }
    let directory = data_dir.join("postgres");
    if !directory.join("data/PG_VERSION").exists() {
        say("creating a private PostgreSQL in the data directory");
    }
    let cluster =
        tokio::task::spawn_blocking(move || PrivateCluster::start(&directory, &[])).await??;
    create_database(&cluster).await?;
    let pool = postgres::pool(&cluster.url(DATABASE), settings.max_connections)?;
    Ok(OpenDatabase { pool, cluster: Some(cluster) })
}

impl OpenDatabase {
    /// Brings the schema up to date.
    pub(crate) async fn migrate(&self) -> anyhow::Result<()> {
        let applied = housecall_schema::migrate(&self.pool)
            .await
            .context("the database cannot be used: is the server up, and its address right?")?;
        for migration in applied {
            say(&format!("applied migration {migration}"));
        }
        Ok(())
    }

    pub(crate) async fn close(self) {
        self.pool.close();
        if let Some(mut cluster) = self.cluster {
            let stopped = tokio::task::spawn_blocking(move || cluster.stop()).await;
            if let Ok(Err(error)) = stopped {
                tracing::warn!(%error, "private PostgreSQL did not stop");
            }
        }
    }
}

async fn create_database(cluster: &PrivateCluster) -> anyhow::Result<()> {
    let maintenance: SecretString = cluster.url("postgres");
    let pool = postgres::pool(&maintenance, 1)?;
    let client = pool.get().await.context("the private PostgreSQL does not answer")?;
    let exists = client
        .query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[&DATABASE])
        .await?
        .is_some();
    if !exists {
        client.batch_execute(&format!("CREATE DATABASE {DATABASE}")).await?;
    }
    Ok(())
}

/// A line for the person at the terminal.
pub(crate) fn say(line: &str) {
    println!("  {line}");
}

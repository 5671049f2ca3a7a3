//! PostgreSQL: the pool every service shares, and a private cluster for a
//! process that was given no address.

mod cluster;

use std::str::FromStr;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, RecyclingMethod, Runtime, Timeouts};
use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::NoTls;

pub use cluster::{ClusterError, PrivateCluster, THROWAWAY_SETTINGS, find_server_binaries};

/// A pool of connections; clones share it.
pub type Pool = deadpool_postgres::Pool;

/// Why no pool could be made.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    #[error("the database address cannot be read: {0}")]
    Address(tokio_postgres::Error),
    #[error("the connection pool could not be built: {0}")]
    Build(#[from] deadpool_postgres::BuildError),
}

/// A pool for `url` (`postgres://user:password@host/database`, or with a `host`
/// parameter that names a socket directory). Connects when first used.
///
/// # Errors
/// When the address cannot be read.
pub fn pool(url: &SecretString, max_connections: usize) -> Result<Pool, PoolError> {
    let config =
        tokio_postgres::Config::from_str(url.expose_secret()).map_err(PoolError::Address)?;
    // `Fast` asks the driver whether the connection is closed and sends nothing:
    // a round trip per checkout would double the cost of a chat message.
    let manager = Manager::from_config(
        config,
        NoTls,
        ManagerConfig { recycling_method: RecyclingMethod::Fast },
    );
    let timeouts = Timeouts {
        wait: Some(Duration::from_secs(5)),
        create: Some(Duration::from_secs(5)),
        recycle: Some(Duration::from_secs(5)),
    };
    Ok(Pool::builder(manager)
        .max_size(max_connections)
        .timeouts(timeouts)
        .runtime(Runtime::Tokio1)
        .build()?)
}

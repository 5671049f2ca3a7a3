//! PostgreSQL: the pool every service shares, and a private cluster for a
//! process that was given no address.

mod cluster;

use std::ops::Deref;
use std::str::FromStr;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, RecyclingMethod, Runtime, Timeouts};
use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::{Config, NoTls};

pub use cluster::{ClusterError, PrivateCluster, THROWAWAY_SETTINGS, find_server_binaries};

/// A pool of connections; clones share it.
#[derive(Clone)]
pub struct Pool {
    connections: deadpool_postgres::Pool,
    config: Config,
}

/// How long the statements of a pool may take; absent means for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Patience {
    /// `lock_timeout`: waiting for one lock.
    pub lock: Option<Duration>,
    /// `statement_timeout`: one statement as a whole.
    pub statement: Option<Duration>,
}

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
    let config = Config::from_str(url.expose_secret()).map_err(PoolError::Address)?;
    Pool::build(config, max_connections)
}

impl Pool {
    /// Connections to the same database apart from the others, so that neither can
    /// use up the other's, and with time limits of their own.
    ///
    /// # Errors
    /// When it cannot be built.
    pub fn apart(&self, max_connections: usize, patience: Patience) -> Result<Self, PoolError> {
        let mut config = self.config.clone();
        config.options(patience.options(config.get_options()));
        Self::build(config, max_connections)
    }

    fn build(config: Config, max_connections: usize) -> Result<Self, PoolError> {
        // `Fast` asks the driver whether the connection is closed and sends nothing:
        // a round trip per checkout would double the cost of a chat message.
        let manager = Manager::from_config(
            config.clone(),
            NoTls,
            ManagerConfig { recycling_method: RecyclingMethod::Fast },
        );
        let timeouts = Timeouts {
            wait: Some(Duration::from_secs(5)),
            create: Some(Duration::from_secs(5)),
            recycle: Some(Duration::from_secs(5)),
        };
        let connections = deadpool_postgres::Pool::builder(manager)
            .max_size(max_connections)
            .timeouts(timeouts)
            .runtime(Runtime::Tokio1)
            .build()?;
        Ok(Self { connections, config })
    }
}

impl Deref for Pool {
    type Target = deadpool_postgres::Pool;

    fn deref(&self) -> &Self::Target {
        &self.connections
    }
}

impl Patience {
    /// As the startup message's `options`, after those that are there.
    fn options(self, before: Option<&str>) -> String {
        let mut options = before.unwrap_or_default().to_owned();
        for (name, limit) in [("lock_timeout", self.lock), ("statement_timeout", self.statement)] {
            if let Some(limit) = limit {
                options += &format!(" -c {name}={}", limit.as_millis());
            }
        }
        options.trim_start().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_limits_are_said_after_what_was_said_before() {
        let patience = Patience {
            lock: Some(Duration::from_millis(20)),
            statement: Some(Duration::from_secs(3)),
        };
        let limits = "-c lock_timeout=20 -c statement_timeout=3000";
        assert_eq!(patience.options(None), limits);
        assert_eq!(patience.options(Some("-c jit=off")), format!("-c jit=off {limits}"));
        assert_eq!(Patience::default().options(Some("-c jit=off")), "-c jit=off");
    }
}

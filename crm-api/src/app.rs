//! What every handler shares.

use std::sync::Arc;

use deadpool_postgres::Client;
use housecall_platform::postgres::Pool;
use housecall_platform::service::Context;
use tokio::sync::Semaphore;

use crate::config::Config;
use crate::files::{FileStore, Scanner};
use crate::identity::keys::Keys;
use crate::identity::limits::Limits;
use crate::identity::passwords::Passwords;
use crate::identity::sms::SmsSender;
use crate::metrics::Metrics;
use crate::storage::Result;

/// Shared by all handlers; cheap to clone.
#[derive(Clone)]
pub(crate) struct App {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) context: Context,
    pub(crate) config: Config,
    pub(crate) keys: Keys,
    pub(crate) limits: Limits,
    pub(crate) passwords: Passwords,
    pub(crate) sms: SmsSender,
    pub(crate) files: FileStore,
    /// Absent: files are served unscanned.
    pub(crate) scanner: Option<Scanner>,
    /// Pictures decoded at once.
    pub(crate) image_workers: Semaphore,
    pub(crate) metrics: Metrics,
    /// Connections for searches alone.
    pub(crate) searches: Pool,
}

impl App {
    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared: Arc::new(shared) }
    }

    /// A connection from the pool.
    pub(crate) async fn client(&self) -> Result<Client> {
        Ok(self.context.pool.get().await?)
    }

    /// A connection for a search. Apart from the others, few, and with a time limit.
    pub(crate) async fn searcher(&self) -> Result<Client> {
        Ok(self.searches.get().await?)
    }
}

impl std::ops::Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

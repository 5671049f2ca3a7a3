//! Starting the service: keys, file store, limits, routes, and the tasks that run
//! beside them.

use std::time::Duration;

use housecall_platform::bus::{BusError, Subscription};
use housecall_platform::postgres::{Patience, Pool, PoolError};
use housecall_platform::service::{Context, Running};
use housecall_protocol::cluster::subject;
use tokio::sync::Semaphore;
use tokio::time::MissedTickBehavior;
use tokio_util::task::TaskTracker;

use crate::app::{App, Shared};
use crate::config::Config;
use crate::files::{self, FileStore, Scanner, ScannerError, StoreError};
use crate::identity::keys::{KeyError, Keys};
use crate::identity::limits::Limits;
use crate::identity::passwords::{HashError, Passwords};
use crate::identity::sms::{SmsError, SmsSender};
use crate::metrics::Metrics;
use crate::{routes, search, storage};

/// Who answers for the key set when several processes could.
const JWKS_GROUP: &str = "crm-api";
const SWEEP_INTERVAL: Duration = Duration::from_secs(10 * 60);

/// Why the service did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("signing keys: {0}")]
    Keys(#[from] KeyError),
    #[error(transparent)]
    Files(#[from] StoreError),
    #[error(transparent)]
    Scanner(#[from] ScannerError),
    #[error(transparent)]
    Passwords(#[from] HashError),
    #[error(transparent)]
    Sms(#[from] SmsError),
    #[error("database: {0}")]
    Pool(#[from] PoolError),
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    #[error("bus: {0}")]
    Bus(#[from] BusError),
}

/// Starts the service on a migrated database.
///
/// # Errors
/// See [`StartError`].
pub async fn start(context: Context, config: Config) -> Result<Running, StartError> {
    let app = App::new(Shared {
        keys: Keys::load(&context.pool).await?,
        limits: Limits::new(&config),
        passwords: Passwords::new(config.password_hashers)?,
        sms: SmsSender::new(&config, &context.settings)?,
        files: FileStore::open(&config)?,
        scanner: Scanner::new(&config.scanner, Duration::from_secs(config.scan_timeout_s.into()))?,
        image_workers: Semaphore::new(config.image_workers.max(1) as usize),
        metrics: Metrics::register(&context.metrics)?,
        searches: searches(&context, &config)?,
        context,
        config,
    });
    let requests = app.context.bus.subscribe_queue(subject::IDENTITY_JWKS, JWKS_GROUP).await?;
    let tasks = TaskTracker::new();
    tasks.spawn(serve_key_set(app.clone(), requests));
    tasks.spawn(sweep(app.clone()));
    tasks.spawn(files::check::run(app.clone()));
    tasks.spawn(search::merge::run(app.clone()));
    tasks.close();
    Ok(Running { router: routes::router(app), tasks })
}

fn searches(context: &Context, config: &Config) -> Result<Pool, PoolError> {
    let statement = Some(Duration::from_millis(config.search_timeout_ms.into()));
    context.pool.apart(config.search_connections.max(1), Patience { statement, lock: None })
}

/// Answers requests for the key set until the process stops.
async fn serve_key_set(app: App, mut requests: Subscription) {
    loop {
        let request = tokio::select! {
            biased;
            () = app.context.shutdown.cancelled() => return,
            request = requests.next() => request,
        };
        let Some(request) = request else { return };
        if let Err(error) = app.context.bus.reply(&request, app.keys.set()).await {
            tracing::warn!(%error, "key set");
        }
    }
}

/// Forgets what bounds nothing any more.
async fn sweep(app: App) {
    let mut ticks = tokio::time::interval(SWEEP_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = app.context.shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        app.limits.sweep();
        if let Err(error) = sweep_database(&app).await {
            tracing::warn!(%error, "sweep");
        }
    }
}

async fn sweep_database(app: &App) -> storage::Result<()> {
    let client = app.client().await?;
    storage::codes::sweep(&client).await?;
    storage::sessions::sweep(&client).await?;
    for id in storage::files::sweep_unsent(&client).await? {
        app.files.remove(id).await;
    }
    let life_hours = i32::try_from(app.config.upload_life_h).unwrap_or(i32::MAX);
    for id in storage::uploads::sweep(&client, life_hours).await? {
        app.files.discard_parts(id).await;
    }
    Ok(())
}

//! Files that wait for the scanner's word: asked at once when a file comes, and
//! again and again when the scanner was away. Until then nobody gets the bytes.

use std::io;
use std::time::Duration;

use futures::TryStreamExt;
use housecall_protocol::FileId;
use housecall_protocol::domain::FileState;
use tokio::time::MissedTickBehavior;

use super::scanner::{ScanError, Scanner, Verdict};
use crate::app::App;
use crate::problem::ApiError;
use crate::storage;

/// Between two rounds over files whose scan failed.
const RETRY_INTERVAL: Duration = Duration::from_secs(15);

/// Has a file scanned that was just stored; its state then.
pub(super) async fn now(app: &App, id: FileId) -> FileState {
    match scan_and_settle(app, id).await {
        Ok(state) => state,
        Err(error) => {
            tracing::warn!(%error, file = %id, "not scanned; it waits");
            FileState::Checking
        }
    }
}

/// Scans what waits, until the process stops.
pub(crate) async fn run(app: App) {
    let mut ticks = tokio::time::interval(RETRY_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = app.context.shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        while !app.context.shutdown.is_cancelled() {
            match retry_one(&app).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::warn!(%error, "scanning what waits");
                    break;
                }
            }
        }
    }
}

/// Scans one file that waits. False when none does.
async fn retry_one(app: &App) -> Result<bool, CheckError> {
    let id = {
        let client = app.client().await.map_err(ApiError::from)?;
        storage::files::claim_unchecked(&client).await.map_err(ApiError::from)?
    };
    let Some(id) = id else { return Ok(false) };
    scan_and_settle(app, id).await.map(|_| true)
}

#[derive(Debug, thiserror::Error)]
enum CheckError {
    #[error(transparent)]
    Scan(#[from] ScanError),
    #[error(transparent)]
    Other(#[from] ApiError),
}

async fn scan_and_settle(app: &App, id: FileId) -> Result<FileState, CheckError> {
    let state = match verdict(app, id).await? {
        Verdict::Clean => FileState::Ready,
        Verdict::Infected => FileState::Refused,
    };
    if state == FileState::Refused {
        tracing::warn!(file = %id, "the scanner found something");
        app.files.remove(id).await;
    }
    let client = app.client().await.map_err(ApiError::from)?;
    storage::files::settle(&client, id, state).await.map_err(ApiError::from)?;
    app.metrics.scanned(state);
    Ok(state)
}

async fn verdict(app: &App, id: FileId) -> Result<Verdict, CheckError> {
    // The scanner was taken out of the configuration while a file waited.
    let Some(scanner) = &app.scanner else { return Ok(Verdict::Clean) };
    Ok(ask(app, scanner, id).await?)
}

async fn ask(app: &App, scanner: &Scanner, id: FileId) -> Result<Verdict, ScanError> {
    let bytes = app.files.stream_file(id).await.map_err(io::Error::other)?;
    scanner.scan(bytes.map_err(io::Error::other)).await
}

//! Merges the words of new messages into the search index.
//!
//! PostgreSQL notes them in a list, which searches read too, and which somebody has to
//! merge sooner or later. Left to the writers, the one whose message fills the list
//! would wait for all.

use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::app::App;
use crate::storage;

/// After a failure: the database is away, or is not ours to tend.
const REST: Duration = Duration::from_mins(1);

/// Merges again and again until the process stops. Two CRMs that do it at once are in
/// nobody's way: the second finds nothing.
pub(crate) async fn run(app: App) {
    let interval = Duration::from_millis(app.config.search_merge_ms.max(1).into());
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = app.context.shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        match merge(&app).await {
            Ok(pages) => app.metrics.search_merged(pages),
            Err(error) => {
                tracing::warn!(%error, "merging the search index");
                ticks.reset_after(REST);
            }
        }
    }
}

/// Pages that were merged.
async fn merge(app: &App) -> storage::Result<u64> {
    let client = app.client().await?;
    storage::search::merge(&client).await
}

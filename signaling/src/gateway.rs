//! What the connections of one process share, and the tasks that serve them all.

pub(crate) mod access;
pub(crate) mod admission;
pub(crate) mod alarm;
pub(crate) mod beats;
pub(crate) mod close;
pub(crate) mod desk;
pub(crate) mod dispatch;
pub(crate) mod drain;
pub(crate) mod gate;
pub(crate) mod handle;
mod jitter;
pub(crate) mod mailbox;
pub(crate) mod meter;
pub(crate) mod registry;
pub(crate) mod share;
pub(crate) mod upgrade;
pub(crate) mod watchers;

use std::sync::{Arc, OnceLock};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use housecall_platform::bus::BusError;
use housecall_platform::service::Context;
use housecall_protocol::NodeId;
use housecall_protocol::client::ErrorCode;
use housecall_protocol::cluster::{Answer, BeatKind, Refusal};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Config;
use crate::call::Calls;
use crate::metrics::Metrics;
use admission::Admission;
use alarm::Alarm;
use gate::Gate;
use registry::Registry;
use watchers::Watchers;

/// Shared by every task of the service.
pub(crate) struct Gateway {
    pub(crate) context: Context,
    pub(crate) config: Config,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) registry: Registry,
    pub(crate) watchers: Watchers,
    pub(crate) admission: Arc<Admission>,
    pub(crate) gate: Gate,
    pub(crate) alarm: Alarm,
    /// To the task that publishes them; see [`desk`].
    pub(crate) words: mpsc::Sender<BeatKind>,
    pub(crate) calls: Calls,
    /// Connection tasks, apart from the others so that a drain can wait for them.
    pub(crate) connections: TaskTracker,
    /// Cancelled once calls have ended: every connection closes.
    pub(crate) draining: CancellationToken,
    /// How many connections there were then.
    pub(crate) leaving: OnceLock<usize>,
}

impl Gateway {
    pub(crate) const fn node(&self) -> NodeId {
        NodeId(self.context.node)
    }

    /// A request to another service, with its failures in the words of the protocol.
    pub(crate) async fn ask<T, R>(&self, subject: &str, request: &T) -> Answer<R>
    where
        T: Serialize + Sync,
        R: DeserializeOwned,
    {
        let timeout = self.config.request_timeout();
        match self.context.bus.request::<T, Answer<R>>(subject, request, timeout).await {
            Ok(answer) => answer,
            Err(error) => Err(refusal(&error)),
        }
    }

    /// As [`Self::ask`], for requests that have their effect once however often they
    /// are heard: when no answer comes they are asked again, of whichever instance
    /// it then is, and the first answer counts. One instance that hangs without being
    /// dead holds nobody up for the whole timeout.
    pub(crate) async fn ask_again<T, R>(&self, subject: &str, request: &T) -> Answer<R>
    where
        T: Serialize + Sync,
        R: DeserializeOwned,
    {
        let mut asked = FuturesUnordered::new();
        for wait in self.config.ask_again() {
            asked.push(self.ask(subject, request));
            tokio::select! {
                biased;
                Some(answer) = asked.next() => return answer,
                () = tokio::time::sleep(wait) => self.metrics.asked_again.inc(),
            }
        }
        asked.push(self.ask(subject, request));
        // The first of them to end has waited longest.
        asked.next().await.unwrap_or_else(|| Err(away()))
    }

    /// Publishes, or says in the log that it could not: whoever needed it reads
    /// the database sooner or later.
    pub(crate) async fn publish<T: Serialize + Sync>(&self, subject: &str, message: &T) {
        if let Err(error) = self.context.bus.publish(subject, message).await {
            tracing::warn!(%error, "publish");
        }
    }
}

fn away() -> Refusal {
    Refusal::new(ErrorCode::Unavailable, "a part of the house is away; try again")
}

fn refusal(error: &BusError) -> Refusal {
    match error {
        BusError::NoResponders { .. } | BusError::Timeout { .. } | BusError::Connection(_) => {
            tracing::warn!(%error, "request");
            away()
        }
        BusError::Malformed { .. } => {
            log_malformed(error);
            Refusal::new(ErrorCode::Internal, "two parts of the house misunderstood each other")
        }
    }
}

/// A message that cannot be read, by its place alone: the reader's own words for
/// it quote the value, which may be what a patient wrote.
pub(crate) fn log_malformed(error: &BusError) {
    match error {
        BusError::Malformed { subject, error } => {
            tracing::error!(subject, column = error.column(), "unreadable message");
        }
        BusError::NoResponders { .. } | BusError::Timeout { .. } | BusError::Connection(_) => {
            tracing::error!(%error, "bus");
        }
    }
}

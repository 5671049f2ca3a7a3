//! The gateway's leases at the presence service: it alone writes its connections.

use std::sync::Arc;
use std::time::Duration;

use housecall_protocol::cluster::{BeatKind, PresenceBeat, subject};
use tokio_util::sync::CancellationToken;

use super::Gateway;
use super::handle::Handle;

/// Leases live for 60 s; two of these fit, so one lost beat harms nobody.
const FULL_INTERVAL: Duration = Duration::from_secs(27);

impl Gateway {
    pub(crate) async fn beat(&self, kind: BeatKind) {
        self.publish(subject::PRESENCE_BEAT, &PresenceBeat { gateway: self.node(), kind }).await;
    }

    pub(crate) async fn beat_joined(&self, handle: &Handle) {
        let Handle { id, person, kind, .. } = handle;
        self.beat(BeatKind::Joined { connection: *id, person: *person, kind: *kind }).await;
    }

    pub(crate) async fn beat_left(&self, handle: &Handle) {
        self.beat(BeatKind::Left { connection: handle.id, person: handle.person }).await;
    }
}

/// Sends the whole list again and again: it mends what a lost beat broke.
pub(crate) async fn run(gateway: Arc<Gateway>, stop: CancellationToken) {
    let mut interval = tokio::time::interval(FULL_INTERVAL);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            _ = interval.tick() => {
                let connections = gateway
                    .registry
                    .all()
                    .iter()
                    .map(|handle| (handle.id, handle.person, handle.kind))
                    .collect();
                gateway.beat(BeatKind::Full { connections }).await;
            }
        }
    }
    gateway.beat(BeatKind::Stopping).await;
}

//! The gateway's leases at the presence service: it alone writes its connections.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use housecall_platform::bus::Subscription;
use housecall_protocol::cluster::{BeatKind, FullBeat, PresenceBeat, subject};
use housecall_protocol::domain::PersonKind;
use housecall_protocol::{ConnectionId, PersonId};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::Gateway;
use super::handle::Handle;
use super::registry::Notes;

/// Leases live for 60 s; two of these fit, so one lost beat harms nobody.
const FULL_INTERVAL: Duration = Duration::from_secs(27);

/// Presence gives a gateway up that it has not heard for a few of these.
const ALIVE_INTERVAL: Duration = Duration::from_secs(1);

/// Connections in one part of a full beat. Each takes about 95 bytes, and about
/// 220 more when its operator chose a status, uses a device and is in a call: 790 KB
/// at worst, below the 1 MB at which NATS refuses a message.
const PART_CONNECTIONS: usize = 2500;

/// One connection, as presence knows it.
type Lease = (ConnectionId, PersonId, PersonKind);

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

    async fn beat_full(&self, round: u64) {
        let all = self.registry.all();
        let connections: Vec<_> = all.iter().map(|one| (one.id, one.person, one.kind)).collect();
        for full in full_beats(round, &connections, &self.registry.notes()) {
            self.beat(BeatKind::Full(full)).await;
        }
    }
}

/// Sends the whole list again and again: it mends what a lost beat broke. Also at
/// once when a presence instance starts and asks. Between them, that we live.
pub(crate) async fn run(
    gateway: Arc<Gateway>,
    mut asked: Subscription,
    mut said: mpsc::Receiver<BeatKind>,
    stop: CancellationToken,
) {
    let mut full = tokio::time::interval(FULL_INTERVAL);
    let mut alive = tokio::time::interval(ALIVE_INTERVAL);
    for interval in [&mut full, &mut alive] {
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    }
    let mut round = 0;
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            _ = full.tick() => {}
            request = asked.next() => {
                if request.is_none() {
                    break;
                }
                // One answer is for all who asked meanwhile.
                while let Some(Some(_)) = asked.next().now_or_never() {}
            }
            _ = alive.tick() => {
                gateway.beat(BeatKind::Alive).await;
                continue;
            }
            // The gateway holds the other end.
            Some(word) = said.recv() => {
                gateway.beat(word).await;
                continue;
            }
        }
        round += 1;
        gateway.beat_full(round).await;
    }
    gateway.beat(BeatKind::Stopping).await;
}

/// Always at least one part: an empty gateway says so.
fn full_beats(
    round: u64,
    connections: &[Lease],
    notes: &HashMap<PersonId, Notes>,
) -> Vec<FullBeat> {
    let mut chunks: Vec<&[Lease]> = connections.chunks(PART_CONNECTIONS).collect();
    if chunks.is_empty() {
        chunks.push(&[]);
    }
    // More than 65,535 parts are more connections than ports.
    let parts = u16::try_from(chunks.len()).unwrap_or(u16::MAX);
    (0..parts)
        .zip(chunks)
        .map(|(part, leases)| full_beat(round, part, parts, leases, notes))
        .collect()
}

fn full_beat(
    round: u64,
    part: u16,
    parts: u16,
    leases: &[Lease],
    notes: &HashMap<PersonId, Notes>,
) -> FullBeat {
    let noted = || leases.iter().filter_map(|(_, person, _)| Some((*person, notes.get(person)?)));
    FullBeat {
        round,
        part,
        parts,
        connections: leases.to_vec(),
        chosen: noted().filter_map(|(_, notes)| notes.chosen).collect(),
        active: noted().filter_map(|(person, notes)| Some((person, notes.active_at?))).collect(),
        in_call: noted().filter(|(_, notes)| notes.talking).map(|(person, _)| person).collect(),
    }
}

#[cfg(test)]
mod tests {
    use housecall_protocol::NodeId;
    use housecall_protocol::cluster::ChosenStatus;
    use housecall_protocol::domain::{PresenceStatus, TimestampMs};

    use super::*;

    #[test]
    fn parts_hold_everybody_once_and_fit_the_bus() {
        let lease = |_| (ConnectionId::generate(), PersonId::generate(), PersonKind::Operator);
        let leases: Vec<Lease> = (0..2 * PART_CONNECTIONS + 1).map(lease).collect();
        let status = PresenceStatus::Offline;
        let at = TimestampMs(i64::MAX);
        let notes = |person| Notes {
            talking: true,
            chosen: Some(ChosenStatus { person, status, at }),
            active_at: Some(at),
            ..Notes::default()
        };
        let notes = leases.iter().map(|(_, person, _)| (*person, notes(*person))).collect();
        let beats = full_beats(u64::MAX, &leases, &notes);
        let sizes: Vec<_> = beats.iter().map(|beat| beat.connections.len()).collect();
        assert_eq!(sizes, [PART_CONNECTIONS, PART_CONNECTIONS, 1]);
        for (part, full) in beats.into_iter().enumerate() {
            assert_eq!((usize::from(full.part), full.parts), (part, 3));
            let beat = PresenceBeat { gateway: NodeId::generate(), kind: BeatKind::Full(full) };
            assert!(serde_json::to_vec(&beat).unwrap().len() < 1024 * 1024);
        }
        assert_eq!(full_beats(1, &[], &HashMap::new()).len(), 1);
    }
}

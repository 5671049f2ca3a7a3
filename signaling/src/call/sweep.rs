//! Signs of life of this process's calls and of their relays, and the end of calls whose
//! owner has none.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use housecall_platform::bus::BusError;
use housecall_protocol::client::{CallUpdate, ServerFrame};
use housecall_protocol::cluster::{Answer, PersonEvent, SfuCheck, SfuMissing, subject};
use housecall_protocol::domain::EndReason;
use housecall_protocol::{CallId, NodeId};
use tokio_util::sync::CancellationToken;

use super::actor::{Message, patient_of};
use super::finish;
use crate::gateway::Gateway;
use crate::storage::StorageError;
use crate::storage::calls::{self, Orphan};

/// Looks at a relay that went by without an answer in time, until it counts as gone.
const MAX_SILENCES: u32 = 2;

/// Beats, looks at the relays and sweeps until `stop`.
pub(crate) async fn run(gateway: Arc<Gateway>, stop: CancellationToken) {
    let period = Duration::from_secs(gateway.config.call.beat_s.max(1));
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut silent = HashMap::new();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = interval.tick() => {}
        }
        if let Err(error) = beat(&gateway).await {
            tracing::error!(%error, "sign of life of calls");
        }
        check_relays(&gateway, &mut silent).await;
        if let Err(error) = sweep(&gateway).await {
            tracing::error!(%error, "sweep of calls");
        }
    }
}

async fn beat(gateway: &Gateway) -> Result<(), StorageError> {
    // Taken before the query: a call that starts meanwhile is in neither list.
    let driven: Vec<CallId> = gateway.calls.local_calls().keys().copied().collect();
    if driven.is_empty() {
        return Ok(());
    }
    let open = calls::beat(&gateway.context.pool, gateway.node(), &driven).await?;
    for call in driven.into_iter().filter(|call| !open.contains(call)) {
        if let Some(inbox) = gateway.calls.inbox(call) {
            // A full inbox: the next beat tries again.
            let _ = inbox.try_send(Message::EndedElsewhere);
        }
    }
    Ok(())
}

/// Asks the relays of this process's calls which of their rooms they lack. `silent`: how
/// often in a row each did not answer in time.
async fn check_relays(gateway: &Gateway, silent: &mut HashMap<NodeId, u32>) {
    let mut rooms: HashMap<NodeId, Vec<CallId>> = HashMap::new();
    for (call, driven) in gateway.calls.local_calls().iter() {
        rooms.entry(driven.relay).or_default().push(*call);
    }
    silent.retain(|relay, _| rooms.contains_key(relay));
    let asked = rooms
        .into_iter()
        .map(|(relay, rooms)| async move { (relay, missing(gateway, relay, rooms).await) });
    for (relay, missing) in futures::future::join_all(asked).await {
        let lost = match missing {
            Missing::These(rooms) => {
                silent.remove(&relay);
                rooms
            }
            Missing::NoAnswer(rooms) => {
                let times = silent.entry(relay).or_default();
                *times += 1;
                if *times < MAX_SILENCES { Vec::new() } else { rooms }
            }
            Missing::Unknown => Vec::new(),
        };
        for call in lost {
            tracing::warn!(%call, %relay, "the relay does not have the room any more");
            if let Some(inbox) = gateway.calls.inbox(call) {
                // A full inbox: the next look tries again.
                let _ = inbox.try_send(Message::RelayLost { relay });
            }
        }
    }
}

enum Missing {
    These(Vec<CallId>),
    /// All of them, perhaps: the relay did not answer in time.
    NoAnswer(Vec<CallId>),
    /// The bus is away, which says nothing of the relay.
    Unknown,
}

async fn missing(gateway: &Gateway, relay: NodeId, rooms: Vec<CallId>) -> Missing {
    let (subject, timeout) = (subject::sfu_check(relay), gateway.config.request_timeout());
    let check = SfuCheck { rooms };
    let answer = gateway.context.bus.request::<_, Answer<SfuMissing>>(&subject, &check, timeout);
    match answer.await {
        Ok(Ok(SfuMissing { rooms })) => Missing::These(rooms),
        Err(BusError::NoResponders { .. }) => Missing::These(check.rooms),
        Err(BusError::Timeout { .. }) => Missing::NoAnswer(check.rooms),
        Ok(Err(_)) | Err(BusError::Connection(_) | BusError::Malformed { .. }) => Missing::Unknown,
    }
}

async fn sweep(gateway: &Gateway) -> Result<(), StorageError> {
    let lost_s = Duration::from_secs(gateway.config.call.owner_lost_s).as_secs_f64();
    for orphan in calls::orphans(&gateway.context.pool, lost_s).await? {
        end(gateway, orphan).await?;
    }
    Ok(())
}

/// Several gateways find the same orphan; the database lets one of them end it.
async fn end(gateway: &Gateway, orphan: Orphan) -> Result<(), StorageError> {
    let Orphan { view, relay } = orphan;
    let pool = &gateway.context.pool;
    let Some(finished) = calls::finish(pool, view.id, EndReason::Failed, &[], None).await? else {
        return Ok(());
    };
    tracing::warn!(call = %view.id, "ended a call whose owner is gone");
    gateway.metrics.calls_swept.inc();
    gateway.metrics.ended(EndReason::Failed);
    finish::announce(gateway, view.subject, patient_of(&view), finished).await;
    for person in [view.caller.person, view.callee.person] {
        let frame = ServerFrame::CallUpdated(CallUpdate { call: view.clone() });
        let event = PersonEvent::Frame(Box::new(frame));
        gateway.publish(&subject::person_event(person), &event).await;
    }
    if let Some(relay) = relay {
        finish::close_room(gateway, view.id, relay).await;
    }
    Ok(())
}

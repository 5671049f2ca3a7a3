//! Signs of life of this process's calls, and the end of calls whose owner has none.

use std::sync::Arc;
use std::time::Duration;

use housecall_protocol::CallId;
use housecall_protocol::client::{CallUpdate, ServerFrame};
use housecall_protocol::cluster::{PersonEvent, subject};
use housecall_protocol::domain::EndReason;
use tokio_util::sync::CancellationToken;

use super::actor::{Message, patient_of};
use super::finish;
use crate::gateway::Gateway;
use crate::storage::StorageError;
use crate::storage::calls::{self, Orphan};

/// Beats and sweeps until `stop`.
pub(crate) async fn run(gateway: Arc<Gateway>, stop: CancellationToken) {
    let period = Duration::from_secs(gateway.config.call.beat_s.max(1));
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = interval.tick() => {}
        }
        if let Err(error) = beat(&gateway).await {
            tracing::error!(%error, "sign of life of calls");
        }
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

//! Calls. Each is a [`machine::CallMachine`] driven by one task in the gateway that
//! received `call.start`: the owner. Other gateways forward their requests to it.

mod actor;
mod finish;
mod machine;
mod mos;
pub(crate) mod quality;
mod relay;
mod seek;
mod start;
pub(crate) mod sweep;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use housecall_platform::bus::{Delivery, Subscription};
use housecall_protocol::client::{CallStart, CallStarted, ErrorCode};
use housecall_protocol::cluster::{
    Actor, Answer, CallCommand, CallReply, CallRequest, Refusal, subject,
};
use housecall_protocol::domain::CallView;
use housecall_protocol::{CallId, ConnectionId, NodeId};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::gateway::{Gateway, log_malformed};
use crate::storage::{StorageError, calls};
use actor::{Message, Responder};
use machine::Rules;

/// Owners remembered; more than calls are open at once, or the database is asked.
const MAX_KNOWN_OWNERS: usize = 4096;

/// The calls this process drives, and where the others are driven.
pub(crate) struct Calls {
    local: Mutex<HashMap<CallId, Driven>>,
    owners: Mutex<HashMap<CallId, NodeId>>,
    /// Tasks of calls, apart so that a drain can wait for them.
    tasks: TaskTracker,
    /// Ends every call of this process.
    stop: CancellationToken,
}

/// A call that this process drives.
struct Driven {
    inbox: mpsc::Sender<Message>,
    /// Where its room is.
    relay: NodeId,
}

impl Calls {
    pub(crate) fn new() -> Self {
        Self {
            local: Mutex::default(),
            owners: Mutex::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        }
    }

    /// Places and rings. Runs in a task of its own: when the caller's connection
    /// ends meanwhile, the call must still come to one end or the other.
    pub(crate) async fn start(
        &self,
        gateway: &Arc<Gateway>,
        actor: &Actor,
        connection: ConnectionId,
        start: CallStart,
    ) -> Answer<CallStarted> {
        if self.stop.is_cancelled() {
            return Err(Refusal::new(ErrorCode::Unavailable, "the server is stopping"));
        }
        let task = start::run(Arc::clone(gateway), actor.clone(), connection, start);
        let started = self.tasks.spawn(task).await;
        started.unwrap_or_else(|error| {
            tracing::error!(%error, "start of a call");
            Err(Refusal::new(ErrorCode::Internal, "the call could not be started"))
        })
    }

    /// Takes a request to whoever drives the call.
    pub(crate) async fn request(
        &self,
        gateway: &Gateway,
        request: CallRequest,
    ) -> Answer<CallReply> {
        if let Some(inbox) = self.inbox(request.call) {
            return ask_local(&inbox, request).await;
        }
        let node = match self.owner(gateway, &request).await? {
            Ok(node) => node,
            Err(reply) => return reply,
        };
        let answer = gateway.ask(&subject::call_request(node), &request).await;
        if answer.is_err() {
            // Ended or moved: the database is asked the next time.
            self.known_owners().remove(&request.call);
        }
        answer
    }

    /// The owner of a call elsewhere, or what to answer at once.
    async fn owner(
        &self,
        gateway: &Gateway,
        request: &CallRequest,
    ) -> Answer<Result<NodeId, Answer<CallReply>>> {
        let known = self.known_owners().get(&request.call).copied();
        if let Some(node) = known {
            return Ok(Ok(node));
        }
        let owner = calls::owner(&gateway.context.pool, request.call, request.actor.person)
            .await
            .map_err(|error| refuse(&error))?
            .ok_or_else(not_found)?;
        // Ours, but no longer driven: it is ending right now.
        if owner.ended || owner.node == gateway.node() {
            return Ok(Err(after_the_end(&request.command)));
        }
        let mut owners = self.known_owners();
        if owners.len() >= MAX_KNOWN_OWNERS {
            owners.clear();
        }
        owners.insert(request.call, owner.node);
        Ok(Ok(owner.node))
    }

    /// A person's new connection: tells the owner of their call and returns it.
    pub(crate) async fn connected(
        &self,
        gateway: &Gateway,
        actor: &Actor,
        connection: ConnectionId,
        previous: Option<ConnectionId>,
    ) -> Result<Vec<CallView>, StorageError> {
        let open = calls::open_of_person(&gateway.context.pool, actor.person).await?;
        let Some((call, _)) = open else { return Ok(Vec::new()) };
        let command = CallCommand::Connected { previous };
        let request = CallRequest { actor: actor.clone(), connection, call, command };
        match self.request(gateway, request).await {
            Ok(CallReply::View(view)) => {
                gateway.registry.note_call(actor.person, call, true);
                Ok(vec![*view])
            }
            Ok(_) => Ok(Vec::new()),
            Err(refusal) => {
                // Its owner is gone or it has just ended; a sweep will say so.
                tracing::info!(%call, code = ?refusal.code, "open call without an answer");
                Ok(Vec::new())
            }
        }
    }

    /// A connection of a person in a call is gone. Best effort: media tells, too.
    pub(crate) async fn disconnected(
        &self,
        gateway: &Gateway,
        actor: Actor,
        connection: ConnectionId,
        call: CallId,
    ) {
        if self.stop.is_cancelled() {
            return;
        }
        let command = CallCommand::Disconnected;
        let request = CallRequest { actor, connection, call, command };
        if let Err(refusal) = self.request(gateway, request).await {
            tracing::debug!(%call, code = ?refusal.code, "owner not told of a disconnect");
        }
    }

    /// Serves the requests that other gateways forward.
    pub(crate) async fn serve(
        gateway: Arc<Gateway>,
        mut requests: Subscription,
        stop: CancellationToken,
    ) {
        loop {
            let delivery = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                delivery = requests.next() => delivery,
            };
            let Some(delivery) = delivery else { return };
            gateway.calls.forwarded(&gateway, delivery).await;
        }
    }

    async fn forwarded(&self, gateway: &Gateway, delivery: Delivery) {
        let request = match delivery.parse::<CallRequest>() {
            Ok(request) => request,
            Err(error) => {
                log_malformed(&error);
                return;
            }
        };
        let Some(inbox) = self.inbox(request.call) else {
            let answer = after_the_end(&request.command);
            Responder::Bus(delivery).respond(&gateway.context.bus, answer).await;
            return;
        };
        let message =
            Message::Request { request: Box::new(request), responder: Responder::Bus(delivery) };
        // Full or just closed: the other gateway is told at once, not after a time-out.
        if let Err(error) = inbox.try_send(message)
            && let Message::Request { responder, .. } = error.into_inner()
        {
            responder.respond(&gateway.context.bus, Err(overloaded())).await;
        }
    }

    /// Ends this process's calls and waits for their records.
    pub(crate) async fn drain(&self, patience: Duration) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(patience, self.tasks.wait()).await.is_err() {
            tracing::warn!("calls did not end in time; others will end them");
        }
    }

    fn inbox(&self, call: CallId) -> Option<mpsc::Sender<Message>> {
        self.local_calls().get(&call).map(|driven| driven.inbox.clone())
    }

    fn local_calls(&self) -> std::sync::MutexGuard<'_, HashMap<CallId, Driven>> {
        self.local.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known_owners(&self) -> std::sync::MutexGuard<'_, HashMap<CallId, NodeId>> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn ask_local(inbox: &mpsc::Sender<Message>, request: CallRequest) -> Answer<CallReply> {
    let (responder, answer) = oneshot::channel();
    let after = after_the_end(&request.command);
    let message =
        Message::Request { request: Box::new(request), responder: Responder::Local(responder) };
    match inbox.try_send(message) {
        Ok(()) => answer.await.unwrap_or(after),
        Err(mpsc::error::TrySendError::Closed(_)) => after,
        Err(mpsc::error::TrySendError::Full(_)) => Err(overloaded()),
    }
}

/// The answer once there is no call any more. What wanted its end has got it.
fn after_the_end(command: &CallCommand) -> Answer<CallReply> {
    match command {
        CallCommand::HangUp
        | CallCommand::Decline
        | CallCommand::Report(_)
        | CallCommand::Tiles(_)
        | CallCommand::Data { .. }
        | CallCommand::Disconnected => Ok(CallReply::Done),
        CallCommand::Prepare { .. }
        | CallCommand::Accept(_)
        | CallCommand::Offer { .. }
        | CallCommand::Media(_)
        | CallCommand::Mute { .. }
        | CallCommand::Invite { .. }
        | CallCommand::Remove { .. }
        | CallCommand::Listen { .. }
        | CallCommand::Connected { .. } => {
            Err(Refusal::new(ErrorCode::Conflict, "the call has ended"))
        }
    }
}

fn not_found() -> Refusal {
    Refusal::new(ErrorCode::NotFound, "there is no such call of yours")
}

fn overloaded() -> Refusal {
    Refusal::new(ErrorCode::Unavailable, "too many requests for this call; try again")
}

fn refuse(error: &StorageError) -> Refusal {
    tracing::error!(%error, "calls");
    Refusal::new(ErrorCode::Unavailable, "the database is away; try again")
}

fn rules(gateway: &Gateway) -> Rules {
    let config = gateway.config.call;
    Rules {
        ring: Duration::from_secs(config.ring_s),
        connecting: Duration::from_secs(config.connecting_s),
        away: Duration::from_secs(config.away_s),
        media_lost: Duration::from_secs(config.media_lost_s),
        max_guests: config.max_guests,
        listen_in: config.listen_in,
        data_per_second: config.data_per_second,
        data_burst: config.data_burst,
    }
}

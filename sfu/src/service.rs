//! Between the bus and the workers.

#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use housecall_platform::bus::{Bus, BusError, Delivery, Subscription};
use housecall_platform::service::{Context, Running};
use housecall_protocol::client::ErrorCode;
use housecall_protocol::cluster::{
    Answer, Placement as Placed, Refusal, SfuCheck, SfuEvent, SfuMissing, SfuReply, SfuRequest,
    subject,
};
use housecall_protocol::ids::{CallId, NodeId, PersonId};
use housecall_sfu_core::congestion;
use housecall_sfu_core::{CoreConfig, Limits, RequestError};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::addresses::{self, Sockets};
use crate::config::Config;
use crate::links;
use crate::metrics::Metrics;
use crate::placement::{Closed, Place, Placement};
use crate::tcp;
use crate::worker::{Answered, Command, Parts, Told, Worker};

/// A worker that rests longer hears no orders meanwhile, and what comes overflows its socket.
const MAX_GATHER: Duration = Duration::from_millis(10);
/// Events that may wait to be published, for all workers together.
const EVENT_QUEUE: usize = 4096;
/// The queue group in which relays share the requests for a place.
const GROUP: &str = "sfu";

/// Why the relay could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(
        "the media port {address} ({transport}) cannot be opened: {error}; choose other ports with sfu.port_base, or another address with sfu.bind"
    )]
    Socket { address: SocketAddr, transport: &'static str, error: std::io::Error },
    #[error("sfu.port_base leaves no port below 65536 for every worker")]
    Ports,
    #[error(
        "clients cannot reach the media at {address}; name the addresses they can reach in sfu.advertised"
    )]
    Unreachable { address: IpAddr },
    #[error(
        "sfu.advertised names {address}, but sfu.bind no address of its family for it to lead to"
    )]
    NoSocket { address: IpAddr },
    #[error("sfu.bind names no address to listen on")]
    NoAddress,
    #[error("a worker thread could not start: {0}")]
    Thread(std::io::Error),
    #[error(transparent)]
    Bus(#[from] BusError),
    #[error(transparent)]
    Metrics(#[from] prometheus::Error),
}

/// Opens the sockets, starts the workers, and serves `sfu.place` and the requests to
/// this node until `context.shutdown`. Then no new room is taken; the owners of those
/// here are told, and have a while to move or end them. What is left is closed, which
/// clients and owners are told.
///
/// # Errors
/// When an address is wrong, a port is taken or the bus is closed.
pub async fn start(context: Context, config: Config) -> Result<Running, StartError> {
    let Opened { relay, threads, told } = open(&context, &config)?;
    let shutdown = context.shutdown;
    let places = context.bus.subscribe_queue(subject::SFU_PLACE, GROUP).await?;
    let requests = context.bus.subscribe(&subject::sfu_request(relay.node)).await?;
    let checks = context.bus.subscribe(&subject::sfu_check(relay.node)).await?;
    let tasks = TaskTracker::new();
    // Requests are served until the rooms are gone, or their time is over.
    let drained = CancellationToken::new();
    tasks.spawn(serve_places(Arc::clone(&relay), places, shutdown.clone()));
    tasks.spawn(serve_requests(Arc::clone(&relay), requests, tasks.clone(), drained.clone()));
    tasks.spawn(serve_checks(Arc::clone(&relay), checks, drained.clone()));
    tasks.spawn(publish_events(Arc::clone(&relay), told));
    let patience = Duration::from_secs(config.drain_s);
    tasks.spawn(drain(Arc::clone(&relay), shutdown.clone(), patience, drained.clone()));
    tasks.spawn(stop_workers(relay, threads, drained));
    Ok(Running::without_routes(tasks))
}

/// A relay whose workers run.
struct Opened {
    relay: Arc<Relay>,
    threads: Vec<JoinHandle<()>>,
    told: mpsc::Receiver<Told>,
}

fn open(context: &Context, config: &Config) -> Result<Opened, StartError> {
    let metrics = Metrics::register(&context.metrics)?;
    let (events, told) = mpsc::channel(EVENT_QUEUE);
    let sockets = open_sockets(config)?;
    let mut workers = Vec::new();
    let mut threads = Vec::new();
    let ends = links::connect(sockets.len(), config.relay_queue).map_err(StartError::Thread)?;
    for (index, (sockets, end)) in sockets.into_iter().zip(ends).enumerate() {
        let port = sockets.port;
        let parts = Parts {
            index,
            core: core_config(config, &sockets),
            end,
            sockets,
            tcp: tcp_limits(config),
            events: events.clone(),
            metrics: metrics.clone(),
            queue: config.request_queue,
            gather: Duration::from_micros(config.gather_us.into()).min(MAX_GATHER),
        };
        let (worker, thread) = Worker::spawn(parts).map_err(StartError::Thread)?;
        tracing::info!(worker = index, port, "media sockets open");
        workers.push(worker);
        threads.push(thread);
    }
    drop(events);

    let relay = Arc::new(Relay {
        bus: context.bus.clone(),
        node: NodeId(context.node),
        placement: Mutex::new(Placement::new(
            workers.len(),
            config.room_participants_per_worker,
            config.max_room_participants,
        )),
        workers,
        metrics,
        emptied: Notify::new(),
        draining: context.shutdown.clone(),
    });
    Ok(Opened { relay, threads, told })
}

fn open_sockets(config: &Config) -> Result<Vec<Sockets>, StartError> {
    let plan = addresses::plan(config)?;
    let workers = match config.workers {
        0 => thread::available_parallelism().map_or(1, usize::from),
        workers => workers,
    };
    (0..workers)
        .map(|index| {
            let port = match config.port_base {
                0 => 0,
                base => u16::try_from(index)
                    .ok()
                    .and_then(|index| base.checked_add(index))
                    .ok_or(StartError::Ports)?,
            };
            addresses::open(&plan, port, config.tcp)
        })
        .collect()
}

const fn tcp_limits(config: &Config) -> tcp::Limits {
    tcp::Limits {
        connections: config.max_tcp_connections,
        connections_per_address: config.max_tcp_connections_per_address,
        connection: tcp::ConnectionLimits {
            unproven: Duration::from_secs(config.tcp_unproven_s),
            stall: Duration::from_secs(config.tcp_stall_s),
            queue_bytes: config.tcp_queue_bytes,
        },
    }
}

fn core_config(config: &Config, sockets: &Sockets) -> CoreConfig {
    let (seed, _) = uuid::Uuid::new_v4().as_u64_pair();
    CoreConfig {
        tcp_candidates: sockets.tcp_candidates(),
        limits: Limits {
            rooms: config.max_rooms,
            participants: config.max_participants,
            room_participants: config.max_room_participants,
            sdp_bytes: config.max_sdp_bytes,
            media_lines: config.max_media_lines,
            ssrcs: config.max_ssrcs,
            publish_bps: config.max_publish_kbps * 1_000,
            publish_packets_per_second: config.max_publish_packets_per_s,
            reports_per_second: config.max_reports_per_s,
            nacks: config.max_nacks,
            queue_packets: config.max_queue_packets,
            queue_bytes: config.max_queue_bytes,
            history_bytes: config.history_bytes,
        },
        congestion: config.congestion_control.then(congestion::Config::default),
        patience: Duration::from_secs(config.patience_s),
        room_linger: Duration::from_secs(config.room_linger_s),
        quality_interval: Duration::from_secs(config.quality_interval_s.max(1)),
        ..CoreConfig::new(sockets.candidates(), seed)
    }
}

/// What the tasks share.
struct Relay {
    bus: Bus,
    node: NodeId,
    workers: Vec<Worker>,
    placement: Mutex<Placement>,
    metrics: Metrics,
    /// The last room has gone.
    emptied: Notify,
    /// Cancelled: no new room is taken.
    draining: CancellationToken,
}

impl Relay {
    fn with_placement<T>(&self, work: impl FnOnce(&mut Placement) -> T) -> T {
        // The table is whole between any two statements that touch it.
        work(&mut self.placement.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Gives a request to the worker that it is for. The order of requests is kept: this
    /// is called from one task, and a worker's queue is first in, first out.
    fn dispatch(&self, request: SfuRequest) -> Dispatched {
        match &request {
            SfuRequest::Join { room, participant, .. } => {
                let (room, participant) = (*room, *participant);
                self.dispatch_join(room, participant, request)
            }
            SfuRequest::Leave { room, participant } => {
                let worker = self.with_placement(|placement| {
                    let worker = placement.worker_of(*room, *participant);
                    placement.left(*room, *participant);
                    worker
                });
                self.give(worker, request)
            }
            SfuRequest::Offer { room, participant, .. }
            | SfuRequest::SetMedia { room, participant, .. }
            | SfuRequest::SetAllowed { room, participant, .. }
            | SfuRequest::SetTiles { room, participant, .. } => {
                let (room, participant) = (*room, *participant);
                let worker = self.with_placement(|it| it.worker_of(room, participant));
                self.give(worker, request)
            }
            // The home tells the others, and its end is the room's.
            SfuRequest::SetForwarding { room, .. } | SfuRequest::Close { room } => {
                let room = *room;
                self.give(self.with_placement(|placement| placement.home(room)), request)
            }
        }
    }

    fn dispatch_join(
        &self,
        room: CallId,
        participant: PersonId,
        request: SfuRequest,
    ) -> Dispatched {
        if self.draining.is_cancelled() && !self.with_placement(|placement| placement.has(room)) {
            let stopping = Refusal::new(ErrorCode::Unavailable, "the media relay is stopping");
            return Dispatched::Refused(Err(stopping));
        }
        // A room that is being closed at its workers (see `closed`) is closed before this.
        self.with_placement(|placement| {
            let Some(Place { worker, others }) = placement.join(room, participant) else {
                return Dispatched::Refused(Err(refusal(&RequestError::RoomFull)));
            };
            let dispatched = self.send(worker, Some((room, participant)), others, request);
            if matches!(dispatched, Dispatched::Refused(_)) {
                placement.joined(room, participant, None);
            }
            dispatched
        })
    }

    fn give(&self, worker: Option<usize>, request: SfuRequest) -> Dispatched {
        match worker {
            Some(worker) => self.send(worker, None, Vec::new(), request),
            None => Dispatched::Refused(unplaced(&request)),
        }
    }

    fn send(
        &self,
        worker: usize,
        joins: Option<(CallId, PersonId)>,
        others: Vec<usize>,
        request: SfuRequest,
    ) -> Dispatched {
        let (answer, answered) = oneshot::channel();
        match self.workers[worker].send(Command::Request { request, others, answer }) {
            Ok(()) => Dispatched::Sent { joins, answered },
            Err(_) => Dispatched::Refused(Err(Refusal::new(
                ErrorCode::Unavailable,
                "the media relay is overloaded",
            ))),
        }
    }

    async fn finish(
        &self,
        joins: Option<(CallId, PersonId)>,
        answered: oneshot::Receiver<Answered>,
    ) -> Answer<SfuReply> {
        let answered = answered.await.ok();
        if let Some((room, participant)) = joins {
            let stamp =
                answered.as_ref().filter(|answer| answer.result.is_ok()).map(|answer| answer.stamp);
            let lasts = self.with_placement(|placement| placement.joined(room, participant, stamp));
            if stamp.is_some() && !lasts {
                let over = "the room was closed before the answer was given";
                return Err(Refusal::new(ErrorCode::Unavailable, over));
            }
        }
        match answered {
            Some(answered) => answered.result.map_err(|error| refusal(&error)),
            None => Err(Refusal::new(ErrorCode::Unavailable, "the media relay is stopping")),
        }
    }

    /// Takes the news that a room is closed at a worker. Whether its owner is to hear it.
    fn closed(&self, room: CallId, worker: usize, stamp: u64) -> bool {
        let (is_over, is_empty) = self.with_placement(|placement| {
            let closed = placement.closed(room, worker, stamp);
            if let Closed::Room { rest } = &closed {
                rest.iter().for_each(|worker| self.close_at(*worker, room));
            }
            (matches!(closed, Closed::Room { .. }), placement.is_empty())
        });
        if is_empty {
            self.emptied.notify_one();
        }
        is_over
    }

    fn close_at(&self, worker: usize, room: CallId) {
        let sent = self.send(worker, None, Vec::new(), SfuRequest::Close { room });
        // A worker that has ended has closed its rooms.
        if matches!(sent, Dispatched::Refused(_)) && !self.draining.is_cancelled() {
            tracing::warn!(%room, worker, "a room that is over could not be closed");
        }
    }

    async fn answer<T: serde::Serialize + Sync>(&self, delivery: &Delivery, answer: &T) {
        if let Err(error) = self.bus.reply(delivery, answer).await {
            tracing::warn!(subject = delivery.subject, %error, "answer not sent");
        }
    }
}

enum Dispatched {
    Sent { joins: Option<(CallId, PersonId)>, answered: oneshot::Receiver<Answered> },
    Refused(Answer<SfuReply>),
}

/// The answer to a request for a room that is nowhere: to leave or close it is
/// done already.
fn unplaced(request: &SfuRequest) -> Answer<SfuReply> {
    match request {
        SfuRequest::Leave { .. } | SfuRequest::Close { .. } => Ok(SfuReply::Done),
        SfuRequest::Join { .. }
        | SfuRequest::Offer { .. }
        | SfuRequest::SetForwarding { .. }
        | SfuRequest::SetMedia { .. }
        | SfuRequest::SetAllowed { .. }
        | SfuRequest::SetTiles { .. } => Err(refusal(&RequestError::UnknownRoom)),
    }
}

fn refusal(error: &RequestError) -> Refusal {
    let code = match error {
        RequestError::UnknownRoom | RequestError::UnknownParticipant => ErrorCode::NotFound,
        RequestError::Full => ErrorCode::Unavailable,
        RequestError::RoomFull => ErrorCode::Conflict,
        RequestError::TooLarge { .. } => ErrorCode::TooLarge,
        RequestError::BadOffer { .. } => ErrorCode::BadFrame,
        RequestError::Internal => ErrorCode::Internal,
    };
    Refusal::new(code, error.to_string())
}

async fn serve_places(relay: Arc<Relay>, mut places: Subscription, shutdown: CancellationToken) {
    loop {
        let delivery = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            delivery = places.next() => delivery,
        };
        let Some(delivery) = delivery else { return };
        let place: Answer<Placed> = Ok(Placed { node: relay.node });
        relay.answer(&delivery, &place).await;
    }
}

async fn serve_requests(
    relay: Arc<Relay>,
    mut requests: Subscription,
    tasks: TaskTracker,
    shutdown: CancellationToken,
) {
    loop {
        let delivery = tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            delivery = requests.next() => delivery,
        };
        let Some(delivery) = delivery else { return };
        let request = match delivery.parse::<SfuRequest>() {
            Ok(request) => request,
            Err(error) => {
                let refused: Answer<SfuReply> =
                    Err(Refusal::new(ErrorCode::BadFrame, error.to_string()));
                relay.answer(&delivery, &refused).await;
                continue;
            }
        };
        match relay.dispatch(request) {
            Dispatched::Refused(refused) => relay.answer(&delivery, &refused).await,
            // Bounded by the workers' queues, which refuse what is too much.
            Dispatched::Sent { joins, answered } => {
                let relay = Arc::clone(&relay);
                tasks.spawn(async move {
                    let answer = relay.finish(joins, answered).await;
                    relay.answer(&delivery, &answer).await;
                });
            }
        }
    }
}

/// Ends when the last worker has ended and all it said is published.
async fn publish_events(relay: Arc<Relay>, mut told: mpsc::Receiver<Told>) {
    while let Some(Told { worker, stamp, room, event }) = told.recv().await {
        match &event {
            SfuEvent::RoomClosed if !relay.closed(room, worker, stamp) => continue,
            SfuEvent::Gone { participant } => {
                relay.with_placement(|placement| placement.gone(room, *participant, worker, stamp));
            }
            SfuEvent::Connected { dtls_ms, .. } => {
                relay.metrics.join_ms.observe(f64::from(*dtls_ms));
            }
            SfuEvent::RoomClosed
            | SfuEvent::Disconnected { .. }
            | SfuEvent::Slots { .. }
            | SfuEvent::OfferNeeded { .. }
            | SfuEvent::Flowing { .. }
            | SfuEvent::Quality { .. }
            | SfuEvent::LayersWanted { .. }
            | SfuEvent::Speakers { .. }
            | SfuEvent::StuckMedia { .. }
            | SfuEvent::Moving => {}
        }
        if let Err(error) = relay.bus.publish(&subject::sfu_event(relay.node, room), &event).await {
            tracing::warn!(%room, %error, "event not published");
        }
    }
}

/// Answers which of the rooms somebody asks for are not here.
async fn serve_checks(relay: Arc<Relay>, mut checks: Subscription, drained: CancellationToken) {
    loop {
        let delivery = tokio::select! {
            biased;
            () = drained.cancelled() => return,
            delivery = checks.next() => delivery,
        };
        let Some(delivery) = delivery else { return };
        let answer: Answer<SfuMissing> = match delivery.parse::<SfuCheck>() {
            Ok(SfuCheck { mut rooms }) => {
                relay.with_placement(|placement| {
                    rooms.retain(|room| !placement.has(*room));
                });
                Ok(SfuMissing { rooms })
            }
            Err(error) => Err(Refusal::new(ErrorCode::BadFrame, error.to_string())),
        };
        relay.answer(&delivery, &answer).await;
    }
}

/// Waits for the process to be told to stop, then for the rooms to end or to move.
async fn drain(
    relay: Arc<Relay>,
    shutdown: CancellationToken,
    patience: Duration,
    drained: CancellationToken,
) {
    shutdown.cancelled().await;
    let rooms: Vec<_> = relay.with_placement(|placement| placement.rooms().collect());
    for room in &rooms {
        let subject = subject::sfu_event(relay.node, *room);
        if let Err(error) = relay.bus.publish(&subject, &SfuEvent::Moving).await {
            tracing::warn!(%room, %error, "event not published");
        }
    }
    let emptied = async {
        while !relay.with_placement(|placement| placement.is_empty()) {
            relay.emptied.notified().await;
        }
    };
    if tokio::time::timeout(patience, emptied).await.is_err() {
        let rooms = relay.with_placement(|placement| placement.rooms().count());
        tracing::warn!(rooms, "rooms that neither ended nor moved are closed");
    }
    drained.cancel();
}

async fn stop_workers(relay: Arc<Relay>, threads: Vec<JoinHandle<()>>, drained: CancellationToken) {
    drained.cancelled().await;
    for worker in &relay.workers {
        // A full queue is emptied in a moment; the thread never waits for us.
        while worker
            .send(Command::Stop)
            .is_err_and(|_| !threads.iter().all(JoinHandle::is_finished))
        {
            tokio::task::yield_now().await;
        }
    }
    let joined = tokio::task::spawn_blocking(move || {
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a worker thread ended by a panic");
            }
        }
    });
    if let Err(error) = joined.await {
        tracing::error!(%error, "waiting for the workers");
    }
}

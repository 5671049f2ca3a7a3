//! One thread, its sockets, one core.
//!
//! The thread sleeps until a datagram comes, a connection can be read, a command is
//! sent or the core's next time has come. All that arrived is given to the core before its
//! output is taken, so that packets to one destination leave in a run. After a turn that
//! took datagrams it does not look again before `gather` has passed, as a network card
//! moderates its interrupts: to be woken costs as much as a packet, and what came meanwhile
//! is taken in one turn. The first packet after a silence waits for nothing.
//!
//! The command queue is bounded: when it is full the request is refused, and the
//! caller tells so. Events go the other way through a bounded channel: when their
//! reader is behind, quality reports are dropped and all other events wait here;
//! their number is bounded by the number of participants.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use housecall_protocol::cluster::{SfuEvent, SfuReply, SfuRequest};
use housecall_protocol::ids::CallId;
use housecall_sfu_core::{
    Core, CoreConfig, Flow, Input, Output, RelayId, RelayMessage, RequestError, Transport,
};
use nix::sys::epoll::EpollTimeout;
use tokio::sync::{mpsc, oneshot};

use crate::addresses::Sockets;
use crate::links::{self, Links};
use crate::metrics::{Metrics, Share};
use crate::socket::{MAX_DATAGRAM_BYTES, MediaSocket, UdpPort};
use crate::tcp::{self, TcpPort};
use crate::watch::{Ready, Source, Watch};

/// What a worker is told.
pub(crate) enum Command {
    Request {
        request: SfuRequest,
        /// Other workers at which the room that is joined lives, its home first. They come
        /// with the join: told apart, a restart of the worker in between would lose them,
        /// and the join would begin a second room.
        others: Vec<usize>,
        answer: oneshot::Sender<Answered>,
    },
    /// Close all rooms and end the thread.
    Stop,
    /// A bug that is met when so many further commands were obeyed, for the tests of what
    /// comes after one.
    #[cfg(test)]
    Panic { after: usize },
}

/// A worker's answer, with its place in the order of all the worker says.
pub(crate) struct Answered {
    pub(crate) stamp: u64,
    pub(crate) result: Result<SfuReply, RequestError>,
}

/// An event of a room, with its place in the order of all the worker says.
pub(crate) struct Told {
    pub(crate) worker: usize,
    pub(crate) stamp: u64,
    pub(crate) room: CallId,
    pub(crate) event: SfuEvent,
}

/// The handle to a running worker.
pub(crate) struct Worker {
    commands: SyncSender<Command>,
    waker: UnixStream,
}

/// What a worker is made of.
pub(crate) struct Parts {
    pub(crate) index: usize,
    pub(crate) sockets: Sockets,
    pub(crate) tcp: tcp::Limits,
    pub(crate) core: CoreConfig,
    /// The ways to and from the other workers.
    pub(crate) end: links::End,
    pub(crate) events: mpsc::Sender<Told>,
    pub(crate) metrics: Metrics,
    pub(crate) queue: usize,
    /// From when a turn took datagrams to when the next one looks.
    pub(crate) gather: Duration,
}

impl Worker {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system gives no thread or no further descriptor.
    pub(crate) fn spawn(parts: Parts) -> io::Result<(Self, JoinHandle<()>)> {
        let (commands, inbox) = sync_channel(parts.queue.max(1));
        let links::End { inbox: relayed, links, waker, woken } = parts.end;
        let sockets = parts.sockets.udp.into_iter();
        let udp = UdpPort {
            sockets: sockets
                .map(|(socket, candidates)| MediaSocket::new(socket, candidates))
                .collect::<io::Result<_>>()?,
        };
        let tcp = TcpPort::new(parts.sockets.tcp, parts.tcp, parts.metrics.tcp.clone())?;
        let watch = Watch::new()?;
        watch.add(Source::Waker, &woken)?;
        watch.add(Source::Tcp, &tcp)?;
        for (index, socket) in udp.sockets.iter().enumerate() {
            watch.add(Source::Udp(index), socket)?;
        }
        let mut state = Thread {
            udp,
            tcp,
            watch,
            index: parts.index,
            woken,
            inbox,
            relayed,
            links,
            events: parts.events,
            metrics: parts.metrics,
            waiting: VecDeque::new(),
            share: Share::default(),
            stamp: 0,
            gather: parts.gather,
        };
        let config = parts.core;
        let thread = thread::Builder::new()
            .name(format!("sfu-{}", parts.index))
            .spawn(move || state.run_until_stopped(&config))?;
        Ok((Self { commands, waker }, thread))
    }

    /// Queues a command and wakes the thread.
    ///
    /// # Errors
    /// Gives the command back when the queue is full or the thread has ended.
    pub(crate) fn send(&self, command: Command) -> Result<(), Command> {
        self.commands.try_send(command).map_err(|error| match error {
            TrySendError::Full(command) | TrySendError::Disconnected(command) => command,
        })?;
        // A full pipe wakes the thread as well as one more byte would.
        let _ = (&self.waker).write(&[0]);
        Ok(())
    }
}

/// What the thread owns besides the core.
struct Thread {
    index: usize,
    udp: UdpPort,
    tcp: TcpPort,
    watch: Watch,
    woken: UnixStream,
    inbox: Receiver<Command>,
    /// What other workers tell.
    relayed: Receiver<(RelayId, RelayMessage)>,
    links: Links,
    events: mpsc::Sender<Told>,
    metrics: Metrics,
    /// Events that the channel had no room for.
    waiting: VecDeque<Told>,
    share: Share,
    stamp: u64,
    gather: Duration,
}

/// How long events and messages wait when their reader is behind, before the next try.
const RETRY: Duration = Duration::from_millis(10);
/// Messages of other workers taken in a turn; the sockets have their turn between.
const RELAYED_PER_TURN: usize = 1_024;

/// The core, as TCP sees it.
struct Taker<'a> {
    now: Instant,
    core: &'a mut Core,
}

impl tcp::Receiver for Taker<'_> {
    fn receive(&mut self, flow: Flow, packet: &[u8]) {
        self.core.handle(self.now, Input::Datagram { flow, contents: packet });
    }

    fn knows(&self, flow: &Flow) -> bool {
        self.core.knows(flow)
    }
}

enum Next {
    Continue,
    Stop,
}

impl Thread {
    /// Runs one core after another: a bug that panics in one costs its rooms, and
    /// the worker goes on with a fresh one.
    fn run_until_stopped(&mut self, config: &CoreConfig) {
        let mut config = config.clone();
        loop {
            let mut core = Core::new(config.clone());
            let ended = catch_unwind(AssertUnwindSafe(|| self.run(&mut core)));
            self.share.clear(&self.metrics);
            if ended.is_ok() {
                return;
            }
            self.tcp.close_all();
            self.metrics.worker_restarts.inc();
            let rooms = core.room_ids();
            tracing::error!(
                worker = self.index,
                rooms = rooms.len(),
                "worker panicked; restarting it"
            );
            for room in rooms {
                self.tell(room, SfuEvent::RoomClosed);
            }
            config.seed = config.seed.wrapping_add(1);
        }
    }

    fn run(&mut self, core: &mut Core) {
        let mut buffer = [0; MAX_DATAGRAM_BYTES];
        // The first turn waits for nothing: what woke a worker whose core was lost is gone
        // with it, and what was queued then is still there.
        let mut now = clock();
        let mut timeout = Some(now);
        let mut earliest = now;
        loop {
            if let Some(early) = earliest.checked_duration_since(now).filter(|it| !it.is_zero()) {
                thread::sleep(early);
                now = clock();
            }
            let ready = self.sleep(now, timeout);
            // All that came is taken as come now.
            let woken = clock();
            if ready.has_media() {
                earliest = woken + self.gather;
            }
            if ready.includes(Source::Waker) {
                self.empty_waker();
            }
            let next = self.obey(woken, core);
            let is_behind = self.hear(woken, core);
            self.receive(woken, core, &ready, &mut buffer);
            core.handle(woken, Input::Timeout);
            self.links.retry(woken, core);
            timeout = earlier(self.drain(woken, core), self.tcp.timeout());
            if is_behind {
                timeout = Some(woken);
            }
            self.links.wake();
            self.share.update(&self.metrics, core);
            self.flush_events();
            now = clock();
            let took = now.saturating_duration_since(woken);
            self.metrics.turn_ms.observe(took.as_secs_f64() * 1e3);
            if let Next::Stop = next {
                return;
            }
        }
    }

    fn sleep(&self, now: Instant, until: Option<Instant>) -> Ready {
        let waits = !self.waiting.is_empty() || self.links.is_behind();
        let retry = waits.then(|| now + RETRY);
        self.watch.wait(sleep_timeout(now, earlier(until, retry)))
    }

    /// Takes what other workers told. Whether there is more.
    fn hear(&mut self, now: Instant, core: &mut Core) -> bool {
        for _ in 0..RELAYED_PER_TURN {
            let Ok((from, message)) = self.relayed.try_recv() else { return false };
            core.handle(now, Input::Relayed { from, message });
        }
        true
    }

    fn receive(&mut self, now: Instant, core: &mut Core, ready: &Ready, buffer: &mut [u8]) {
        let mut tcp_is_ready = self.tcp.timeout().is_some_and(|due| due <= now);
        for source in ready.sources() {
            match source {
                Source::Waker => {}
                Source::Tcp => tcp_is_ready = true,
                Source::Udp(index) => self.udp.sockets[index].receive(buffer, |flow, contents| {
                    core.handle(now, Input::Datagram { flow, contents });
                }),
            }
        }
        if tcp_is_ready {
            self.tcp.turn(now, &mut Taker { now, core });
        }
    }

    /// Before the queues are read, so that nothing in them is left asleep.
    fn empty_waker(&self) {
        let mut bytes = [0; 64];
        while matches!((&self.woken).read(&mut bytes), Ok(length) if length == bytes.len()) {}
    }

    fn obey(&mut self, now: Instant, core: &mut Core) -> Next {
        loop {
            let command = match self.inbox.try_recv() {
                Ok(command) => command,
                Err(TryRecvError::Disconnected) => Command::Stop,
                Err(TryRecvError::Empty) => return Next::Continue,
            };
            if let Next::Stop = self.obey_one(now, core, command) {
                return Next::Stop;
            }
        }
    }

    fn obey_one(&mut self, now: Instant, core: &mut Core, command: Command) -> Next {
        match command {
            Command::Request { request, others, answer } => {
                if let SfuRequest::Join { room, .. } = &request {
                    for (position, other) in others.into_iter().enumerate() {
                        core.link_room(now, *room, RelayId(other), position == 0);
                    }
                }
                let result = core.request(now, &request);
                self.stamp += 1;
                // The asker may have given up.
                let _ = answer.send(Answered { stamp: self.stamp, result });
                // Events of this request come after its answer and before others'.
                self.drain(now, core);
                Next::Continue
            }
            Command::Stop => {
                core.close_all(now);
                Next::Stop
            }
            #[cfg(test)]
            Command::Panic { after } => {
                for _ in 0..after {
                    let command = self.inbox.recv().expect("the test sends more");
                    self.obey_one(now, core, command);
                }
                panic!("as the test wants it");
            }
        }
    }

    fn drain(&mut self, now: Instant, core: &mut Core) -> Option<Instant> {
        loop {
            match core.poll(now) {
                Output::Transmit { flow, contents, segment_bytes } => match flow.transport {
                    Transport::Udp => {
                        let unsent = self.udp.send(&flow, contents, segment_bytes);
                        self.count_unsent(unsent);
                    }
                    Transport::Tcp => {
                        let packets = contents.chunks(segment_bytes);
                        packets.for_each(|packet| self.tcp.send(&flow, packet));
                    }
                },
                Output::Event { room, event } => self.tell(room, event),
                Output::Relay { to, message } => {
                    self.links.send(to, message, &self.metrics.unrelayed);
                }
                Output::Timeout(at) => {
                    self.tcp.flush(now);
                    return at;
                }
            }
        }
    }

    fn count_unsent(&self, datagrams: u64) {
        if datagrams > 0 {
            self.metrics.unsent_datagrams.inc_by(datagrams);
        }
    }

    fn tell(&mut self, room: CallId, event: SfuEvent) {
        self.stamp += 1;
        let told = Told { worker: self.index, stamp: self.stamp, room, event };
        if !self.waiting.is_empty() && matches!(told.event, SfuEvent::Quality { .. }) {
            self.metrics.lost_events.inc();
            return;
        }
        self.waiting.push_back(told);
        self.flush_events();
    }

    fn flush_events(&mut self) {
        while let Some(told) = self.waiting.pop_front() {
            match self.events.try_send(told) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(told)) => {
                    self.waiting.push_front(told);
                    return;
                }
                Err(mpsc::error::TrySendError::Closed(_)) => {
                    self.waiting.clear();
                    return;
                }
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the relay's one clock")]
fn clock() -> Instant {
    Instant::now()
}

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    [one, other].into_iter().flatten().min()
}

/// Milliseconds to sleep, rounded up: waking early would spin.
fn sleep_timeout(now: Instant, until: Option<Instant>) -> EpollTimeout {
    let Some(until) = until else { return EpollTimeout::NONE };
    let left = until.saturating_duration_since(now);
    let milliseconds = left.as_micros().div_ceil(1000);
    EpollTimeout::try_from(milliseconds).unwrap_or(EpollTimeout::MAX)
}

#[cfg(test)]
pub(crate) mod tests {
    use housecall_protocol::ids::PersonId;
    use housecall_protocol::media::ParticipantRole;
    use str0m::Rtc;
    use str0m::media::{Direction, MediaKind};

    use super::*;
    use crate::addresses;
    use crate::config::Config;

    pub(crate) fn offer() -> String {
        let mut rtc = Rtc::new(clock());
        let mut change = rtc.sdp_api();
        change.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None);
        change.apply().expect("something to offer").0.to_sdp_string()
    }

    async fn join(worker: &Worker, room: CallId) -> Result<SfuReply, RequestError> {
        let (participant, role) = (PersonId::generate(), ParticipantRole::Member);
        let request = SfuRequest::Join { room, participant, sdp: offer(), role };
        let (answer, answered) = oneshot::channel();
        assert!(worker.send(Command::Request { request, others: Vec::new(), answer }).is_ok());
        answered.await.expect("the worker answers").result
    }

    #[tokio::test]
    async fn a_bug_costs_the_rooms_and_not_the_worker() {
        let config = Config::default();
        let plan = addresses::plan(&config).expect("loopback");
        let sockets = addresses::open(&plan, 0, true).expect("a free port");
        let metrics = Metrics::register(&prometheus::Registry::new()).expect("a new registry");
        let (events, mut told) = mpsc::channel(100);
        let second = Duration::from_secs(1);
        let parts = Parts {
            index: 0,
            core: CoreConfig::new(sockets.candidates(), 1),
            end: links::connect(1, 10).expect("a descriptor").remove(0),
            sockets,
            tcp: tcp::Limits {
                connections: 1,
                connections_per_address: 1,
                connection: tcp::ConnectionLimits {
                    unproven: second,
                    stall: second,
                    queue_bytes: 1,
                },
            },
            events,
            metrics: metrics.clone(),
            queue: 10,
            gather: Duration::ZERO,
        };
        let (worker, thread) = Worker::spawn(parts).expect("a thread");
        let room = CallId::generate();
        assert!(matches!(join(&worker, room).await, Ok(SfuReply::Answer { .. })));

        assert!(worker.send(Command::Panic { after: 0 }).is_ok());
        let closed = loop {
            let told = told.recv().await.expect("the worker lives");
            if told.event == SfuEvent::RoomClosed {
                break told.room;
            }
        };
        assert_eq!(closed, room);
        assert_eq!(metrics.worker_restarts.get(), 1);
        // On the same sockets, with a fresh core: the room may come again.
        assert!(matches!(join(&worker, room).await, Ok(SfuReply::Answer { .. })));
        assert!(worker.send(Command::Stop).is_ok());
        tokio::task::spawn_blocking(|| thread.join()).await.expect("joined").expect("no panic");
    }
}

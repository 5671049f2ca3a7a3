//! The thread that drives all clients: sends when it is time, reads what came,
//! counts.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::clock;
use crate::doze::Doze;
use crate::headers::{Head, Line};
use crate::media::Mark;
use crate::peer::{Arrived, Peer};
use crate::socket::Inbound;

/// How often each session is asked whether it is due, and orders are read.
const SWEEP: Duration = Duration::from_millis(5);
/// Sessions asked at a time. All at once would take milliseconds, in which no stream is sent,
/// and then all are.
const ASKED: usize = 8;
/// Latencies kept: every one of a small run, a bounded number of a large one.
const MAX_LATENCIES: usize = 4_000_000;

/// What the thread is told.
enum Order {
    Add(Box<Peer>),
    Publish,
    /// Packets sent from now on count.
    Measure,
    /// Packets sent from now on no longer count.
    Settle,
    Stop,
}

/// What everybody may read meanwhile.
#[derive(Default)]
pub struct Progress {
    pub connected: AtomicUsize,
    /// Pairs of a stream and a client that receives it.
    pub flowing: AtomicUsize,
    pub failed: AtomicUsize,
}

/// The handle to the thread.
pub struct Fleet {
    orders: Sender<Order>,
    pub progress: Arc<Progress>,
    thread: JoinHandle<anyhow::Result<Totals>>,
}

/// What arrived of what was sent between `measure` and `settle`.
#[derive(Debug, Default)]
pub struct Totals {
    /// Packets received, all clients together.
    pub received: u64,
    /// Packets that should have been.
    pub expected: u64,
    /// Nanoseconds from the client's send to the kernel's receipt.
    pub latencies_ns: Vec<u32>,
    /// Packets the publishers sent.
    pub sent: u64,
}

impl Fleet {
    /// Starts the thread for clients whose streams number less than `streams`.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(streams: u32) -> anyhow::Result<Self> {
        let (orders, inbox) = channel();
        let progress = Arc::new(Progress::default());
        let mut driver = Driver::new(streams, inbox, Arc::clone(&progress))?;
        let thread = thread::Builder::new()
            .name("clients".to_owned())
            .spawn(move || driver.run())
            .context("the clients' thread")?;
        Ok(Self { orders, progress, thread })
    }

    /// Takes over an answered client.
    pub fn add(&self, peer: Peer) {
        self.order(Order::Add(Box::new(peer)));
    }

    pub fn publish(&self) {
        self.order(Order::Publish);
    }

    pub fn measure(&self) {
        self.order(Order::Measure);
    }

    pub fn settle(&self) {
        self.order(Order::Settle);
    }

    /// Ends the thread.
    ///
    /// # Errors
    /// When the thread failed.
    pub fn stop(self) -> anyhow::Result<Totals> {
        self.order(Order::Stop);
        self.thread.join().map_err(|_| anyhow::anyhow!("the clients' thread panicked"))?
    }

    fn order(&self, order: Order) {
        // A thread that has ended says why when it is joined.
        let _ = self.orders.send(order);
    }
}

struct Driver {
    peers: Vec<Peer>,
    doze: Doze,
    inbox: Receiver<Order>,
    progress: Arc<Progress>,
    counts: Counts,
    /// When which stream of which client sends next.
    schedule: BinaryHeap<Reverse<(Instant, usize, usize)>>,
    next_sweep: Instant,
    /// The first of the sessions that are asked then.
    next_asked: usize,
    inbound: Inbound,
}

/// By client, then by stream.
struct Counts {
    streams: usize,
    seen: Vec<Vec<bool>>,
    received: Vec<Vec<u32>>,
    /// Of these streams receivers get all or nothing.
    whole: Vec<bool>,
    /// What counts of the others, by client and the SSRC it comes by: the relay changes
    /// what that carries, and its numbers go on.
    arrived: Vec<HashMap<u32, Span>>,
    /// By client: the streams of those that only count.
    lines: Vec<Vec<Line>>,
    /// What they get now counts.
    counting: bool,
    /// The numbers that count, by stream.
    from: Vec<u32>,
    to: Vec<u32>,
    flowing: usize,
    latencies_ns: Vec<u32>,
}

impl Driver {
    fn new(streams: u32, inbox: Receiver<Order>, progress: Arc<Progress>) -> anyhow::Result<Self> {
        let streams = streams as usize;
        Ok(Self {
            peers: Vec::new(),
            doze: Doze::new()?,
            inbox,
            progress,
            counts: Counts {
                streams,
                seen: Vec::new(),
                received: Vec::new(),
                whole: vec![true; streams],
                arrived: Vec::new(),
                lines: Vec::new(),
                counting: false,
                from: vec![u32::MAX; streams],
                to: vec![u32::MAX; streams],
                flowing: 0,
                latencies_ns: Vec::new(),
            },
            schedule: BinaryHeap::new(),
            next_sweep: clock(),
            next_asked: 0,
            inbound: Inbound::new(),
        })
    }

    fn run(&mut self) -> anyhow::Result<Totals> {
        loop {
            let now = clock();
            self.send_due(now);
            if now >= self.next_sweep {
                if self.next_asked == 0 && self.obey(now)? {
                    return Ok(self.totals());
                }
                self.sweep(now);
            }
            let patience = self.patience();
            let Self { doze, peers, inbound, counts, .. } = self;
            let ready = doze.wait(patience)?;
            let now = clock();
            for index in ready {
                let Some(peer) = peers.get_mut(index) else { continue };
                while peer.read(now, inbound, &mut |arrived| counts.note(index, &arrived)) {}
            }
        }
    }

    /// Until something is due.
    fn patience(&self) -> Duration {
        let next = self.schedule.peek().map_or(self.next_sweep, |Reverse((at, ..))| *at);
        next.min(self.next_sweep).saturating_duration_since(clock())
    }

    /// Whether to stop.
    fn obey(&mut self, now: Instant) -> anyhow::Result<bool> {
        loop {
            match self.inbox.try_recv() {
                Ok(Order::Add(peer)) => self.add(now, *peer)?,
                Ok(Order::Publish) => self.publish(now),
                Ok(Order::Measure) => {
                    (self.counts.from, self.counts.counting) = (self.next_numbers(), true);
                }
                Ok(Order::Settle) => {
                    (self.counts.to, self.counts.counting) = (self.next_numbers(), false);
                }
                Ok(Order::Stop) | Err(TryRecvError::Disconnected) => return Ok(true),
                Err(TryRecvError::Empty) => return Ok(false),
            }
        }
    }

    fn add(&mut self, now: Instant, mut peer: Peer) -> anyhow::Result<()> {
        self.doze.add(peer.socket.inner(), self.peers.len())?;
        peer.wake(now, &mut |_| {});
        self.counts.seen.push(vec![false; self.counts.streams]);
        self.counts.received.push(vec![0; self.counts.streams]);
        self.counts.arrived.push(HashMap::new());
        self.counts.lines.push(Vec::new());
        for sending in &peer.session.sending {
            self.counts.whole[sending.source.stream() as usize] = sending.rid.is_none();
        }
        self.peers.push(peer);
        Ok(())
    }

    /// Begins to send, each stream at another moment.
    fn publish(&mut self, now: Instant) {
        let count = self.counts.streams.max(1) as u32;
        for (index, peer) in self.peers.iter().enumerate() {
            for (stream, sending) in peer.session.sending.iter().enumerate() {
                let source = &sending.source;
                let phase = source.interval() * source.stream() / count;
                self.schedule.push(Reverse((now + phase, index, stream)));
            }
        }
    }

    fn send_due(&mut self, now: Instant) {
        while let Some(&Reverse((at, index, stream))) = self.schedule.peek() {
            if at > now {
                return;
            }
            self.schedule.pop();
            let peer = &mut self.peers[index];
            let Some(sending) = peer.session.sending.get(stream) else { continue };
            let next = at + sending.source.interval();
            peer.send_frame(now, stream);
            self.schedule.push(Reverse((next, index, stream)));
        }
    }

    fn sweep(&mut self, now: Instant) {
        let count = self.peers.len();
        self.next_sweep = now + SWEEP / u32::try_from(count.div_ceil(ASKED)).unwrap_or(1).max(1);
        let asked = self.peers.iter_mut().enumerate().skip(self.next_asked).take(ASKED);
        for (index, peer) in asked {
            if peer.session.due <= now && !peer.session.failed {
                let counts = &mut self.counts;
                peer.wake(now, &mut |arrived| counts.note(index, &arrived));
            }
        }
        self.next_asked += ASKED;
        if self.next_asked < count {
            return;
        }
        self.next_asked = 0;
        let count = |wanted: fn(&Peer) -> bool| self.peers.iter().filter(|p| wanted(p)).count();
        let (connected, failed) = (count(|p| p.session.connected), count(|p| p.session.failed));
        self.progress.connected.store(connected, Ordering::Relaxed);
        self.progress.failed.store(failed, Ordering::Relaxed);
        self.progress.flowing.store(self.counts.flowing, Ordering::Relaxed);
    }

    fn next_numbers(&self) -> Vec<u32> {
        let mut numbers = vec![0; self.counts.streams];
        for sending in self.peers.iter().flat_map(|peer| &peer.session.sending) {
            numbers[sending.source.stream() as usize] = sending.source.next_number();
        }
        numbers
    }

    fn totals(&mut self) -> Totals {
        let counts = &mut self.counts;
        let span = |stream: usize| u64::from(counts.to[stream].saturating_sub(counts.from[stream]));
        let mut totals = Totals {
            sent: (0..counts.streams).map(span).sum(),
            latencies_ns: std::mem::take(&mut counts.latencies_ns),
            ..Totals::default()
        };
        for (seen, received) in counts.seen.iter().zip(&counts.received) {
            for stream in (0..counts.streams).filter(|at| seen[*at] && counts.whole[*at]) {
                totals.expected += span(stream);
                totals.received += u64::from(received[stream]);
            }
        }
        for arrived in counts.arrived.iter().flat_map(HashMap::values) {
            totals.expected += arrived.last - arrived.first + 1;
            totals.received += arrived.packets;
        }
        for (received, expected) in counts.lines.iter().flatten().map(Line::totals) {
            totals.received += received;
            totals.expected += expected;
        }
        totals
    }
}

/// Packets of one stream.
struct Span {
    first: u64,
    last: u64,
    packets: u64,
}

impl Span {
    fn add(&mut self, seq: u64) {
        self.first = self.first.min(seq);
        self.last = self.last.max(seq);
        self.packets += 1;
    }
}

impl Counts {
    fn note(&mut self, client: usize, arrived: &Arrived) {
        match *arrived {
            Arrived::Read { mark, at, ssrc, seq } => self.read(client, mark, at, ssrc, seq),
            Arrived::Counted(head) => self.count(client, head),
        }
    }

    fn count(&mut self, client: usize, head: Head) {
        let lines = &mut self.lines[client];
        let known = lines.iter().position(|line| line.ssrc == head.ssrc);
        let index = known.unwrap_or_else(|| {
            lines.push(Line::new(head));
            self.flowing += 1;
            lines.len() - 1
        });
        lines[index].note(head, self.counting);
    }

    fn read(&mut self, client: usize, mark: Mark, at: Duration, ssrc: u32, seq: u64) {
        let stream = mark.stream as usize;
        if stream >= self.streams {
            return;
        }
        if !std::mem::replace(&mut self.seen[client][stream], true) {
            self.flowing += 1;
        }
        if mark.number < self.from[stream] || mark.number >= self.to[stream] {
            return;
        }
        if self.whole[stream] {
            self.received[client][stream] += 1;
        } else {
            let span = Span { first: seq, last: seq, packets: 0 };
            self.arrived[client].entry(ssrc).or_insert(span).add(seq);
        }
        let sent = Duration::from_nanos(mark.sent_ns);
        if let Some(took) = at.checked_sub(sent)
            && self.latencies_ns.len() < MAX_LATENCIES
        {
            self.latencies_ns.push(u32::try_from(took.as_nanos()).unwrap_or(u32::MAX));
        }
    }
}

//! What the workers of a process tell each other of rooms that several of them have:
//! bounded queues in memory, and a pipe that wakes who sleeps.
//!
//! A full queue loses packets, as a network would. Anything else waits for room; when too
//! much waits, it is dropped, and the core says all of it again, room by room.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Instant;

use housecall_protocol::ids::CallId;
use housecall_sfu_core::{Core, RelayId, RelayMessage};
use prometheus::IntCounter;

/// Messages that are not packets may wait for one worker beside its queue, so many times as
/// fit the queue.
const WAITING_QUEUES: usize = 8;

/// What one worker is told, and by whom.
type Told = (RelayId, RelayMessage);

/// A worker's end of everything that leads to it and from it.
pub(crate) struct End {
    pub(crate) inbox: Receiver<Told>,
    pub(crate) links: Links,
    /// Wakes the worker by a byte.
    pub(crate) waker: UnixStream,
    /// Where that byte arrives.
    pub(crate) woken: UnixStream,
}

/// The ways from one worker to the others.
pub(crate) struct Links {
    own: RelayId,
    max_waiting: usize,
    /// By worker; of its own it makes no use.
    peers: Vec<Peer>,
}

struct Peer {
    queue: SyncSender<Told>,
    waker: UnixStream,
    /// What the queue had no room for.
    waiting: VecDeque<RelayMessage>,
    /// Something was queued since the worker was woken.
    unwoken: bool,
    /// Something that waited was dropped.
    lost: bool,
    /// Rooms of which all is to be said again.
    again: Vec<CallId>,
}

/// Connects `workers` with each other. `capacity`: messages that wait for one of them.
///
/// # Errors
/// When the system has no descriptor left.
pub(crate) fn connect(workers: usize, capacity: usize) -> io::Result<Vec<End>> {
    let mut queues = Vec::new();
    let mut wakers = Vec::new();
    let mut inboxes = Vec::new();
    for _ in 0..workers {
        let (queue, inbox) = sync_channel(capacity.max(1));
        let (waker, woken) = UnixStream::pair()?;
        waker.set_nonblocking(true)?;
        woken.set_nonblocking(true)?;
        queues.push(queue);
        wakers.push(waker);
        inboxes.push((inbox, woken));
    }
    let ends = inboxes.into_iter().zip(&wakers).enumerate();
    ends.map(|(own, ((inbox, woken), waker))| {
        let peers = queues.iter().zip(&wakers);
        let peers = peers.map(|(queue, waker)| Peer::new(queue.clone(), waker));
        let max_waiting = capacity.max(1) * WAITING_QUEUES;
        let peers = peers.collect::<io::Result<_>>()?;
        let links = Links { own: RelayId(own), max_waiting, peers };
        Ok(End { inbox, links, waker: waker.try_clone()?, woken })
    })
    .collect()
}

impl Peer {
    fn new(queue: SyncSender<Told>, waker: &UnixStream) -> io::Result<Self> {
        let (waker, waiting) = (waker.try_clone()?, VecDeque::new());
        Ok(Self { queue, waker, waiting, unwoken: false, lost: false, again: Vec::new() })
    }

    /// Queues a message; gives it back when there is no room.
    fn queue(&mut self, from: RelayId, message: RelayMessage) -> Option<RelayMessage> {
        match self.queue.try_send((from, message)) {
            Ok(()) => {
                self.unwoken = true;
                None
            }
            Err(TrySendError::Full((_, message))) => Some(message),
            // The worker has ended, and its rooms with it.
            Err(TrySendError::Disconnected(_)) => None,
        }
    }

    fn send(
        &mut self,
        from: RelayId,
        message: RelayMessage,
        max_waiting: usize,
        dropped: &IntCounter,
    ) {
        let is_media = message.is_media();
        let late = if is_media || self.waiting.is_empty() {
            self.queue(from, message)
        } else {
            Some(message)
        };
        let Some(message) = late else { return };
        if is_media {
            dropped.inc();
        } else if self.waiting.len() < max_waiting {
            self.waiting.push_back(message);
        } else {
            self.waiting.clear();
            self.lost = true;
        }
    }
}

impl Links {
    /// Sends a message; counts it when it was a packet for which there was no room.
    pub(crate) fn send(&mut self, to: RelayId, message: RelayMessage, dropped: &IntCounter) {
        if let Some(peer) = self.peers.get_mut(to.0) {
            peer.send(self.own, message, self.max_waiting, dropped);
        }
    }

    /// Tries again what waits.
    pub(crate) fn retry(&mut self, now: Instant, core: &mut Core) {
        for (index, peer) in self.peers.iter_mut().enumerate() {
            while let Some(message) = peer.waiting.pop_front() {
                if let Some(message) = peer.queue(self.own, message) {
                    peer.waiting.push_front(message);
                    break;
                }
            }
            let relay = RelayId(index);
            if peer.waiting.is_empty() {
                if std::mem::take(&mut peer.lost) {
                    peer.again = core.rooms_shared_with(relay);
                }
                if let Some(room) = peer.again.pop() {
                    core.repeat_to(now, relay, room);
                }
            }
        }
    }

    /// Whether something waits to be tried again.
    pub(crate) fn is_behind(&self) -> bool {
        self.peers
            .iter()
            .any(|peer| !peer.waiting.is_empty() || peer.lost || !peer.again.is_empty())
    }

    /// Wakes the workers that were sent something, once for all of it.
    pub(crate) fn wake(&mut self) {
        for peer in &mut self.peers {
            if std::mem::take(&mut peer.unwoken) {
                // A full pipe wakes the thread as well as one more byte would.
                let _ = peer.waker.write(&[0]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use housecall_sfu_core::{CoreConfig, Input, Output};

    use super::*;

    #[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
    fn now() -> Instant {
        Instant::now()
    }

    fn core(rooms: usize) -> Core {
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], 9));
        let mut config = CoreConfig::new(vec![address], 1);
        config.limits.rooms = rooms;
        Core::new(config)
    }

    /// Sends all that a core has to tell; how many messages.
    fn send_all(core: &mut Core, links: &mut Links, dropped: &IntCounter) -> usize {
        let mut sent = 0;
        loop {
            match core.poll(now()) {
                Output::Relay { to, message } => {
                    links.send(to, message, dropped);
                    sent += 1;
                }
                Output::Timeout(_) => return sent,
                Output::Transmit { .. } | Output::Event { .. } => {}
            }
        }
    }

    #[test]
    fn what_finds_no_room_waits_and_what_is_too_much_is_said_again() {
        let dropped = IntCounter::new("dropped", "packets").expect("a valid name");
        let mut ends = connect(2, 8).expect("descriptors");
        let (other, mut own) = (ends.pop().expect("two"), ends.pop().expect("two"));
        let rooms = 8 * WAITING_QUEUES + 20;
        let (mut one, mut two) = (core(rooms), core(rooms));
        let ids: Vec<_> = (0..rooms).map(|_| CallId::generate()).collect();
        for room in &ids {
            two.link_room(now(), *room, RelayId(0), true);
            one.link_room(now(), *room, RelayId(1), false);
        }
        assert_eq!(send_all(&mut one, &mut own.links, &dropped), rooms);
        assert!(own.links.is_behind());

        let mut greeted = 0;
        let mut said = 0;
        while own.links.is_behind() || said == 0 {
            for (from, message) in other.inbox.try_iter() {
                greeted += 1;
                two.handle(now(), Input::Relayed { from, message });
            }
            own.links.retry(now(), &mut one);
            said += send_all(&mut one, &mut own.links, &dropped);
        }
        // What had waited was dropped, and everything said once more.
        assert!(said >= rooms && greeted < rooms + said, "{greeted} of {rooms} and {said}");
        assert!(greeted >= rooms, "each room was spoken of");
        assert_eq!(dropped.get(), 0, "none of it was a packet");
    }
}

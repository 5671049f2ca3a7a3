//! Clients that reach the relay by TCP only (RFC 6544, passive candidates): a listener
//! beside each of the worker's UDP sockets, and the connections it has accepted.
//!
//! All sockets here are watched by one epoll instance, which the worker watches with
//! its UDP sockets: a thousand idle connections cost a packet over UDP nothing.
//!
//! Everything is bounded: connections, also of one address; what a connection may send
//! before a session owns it, and how long that may take; what may wait for a slow
//! reader, who first loses packets and is then closed.

mod connection;
mod framing;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use housecall_sfu_core::{Flow, Transport};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

pub(crate) use connection::Limits as ConnectionLimits;
use connection::{Closed, Connection};

use crate::metrics::TcpMetrics;

/// Sockets looked at in one turn, so that TCP cannot keep UDP waiting.
const EVENTS_PER_TURN: usize = 64;
/// Connections accepted in one turn of one listener.
const ACCEPTS_PER_TURN: usize = 32;
/// Connections the system holds until they are accepted.
const BACKLOG: i32 = 128;
/// Bytes read from a connection in one turn.
const READ_BYTES: usize = 16 * 1024;
/// The kernel's part of what waits for a reader, bytes. What waits there cannot be
/// dropped any more, so it is kept to some 200 ms of video.
const KERNEL_SEND_BYTES: usize = 64 * 1024;
/// Between two looks at whether connections may stay.
const REVIEW_INTERVAL: Duration = Duration::from_secs(1);
/// Keys of connections in epoll begin here; those below are listeners.
const FIRST_CONNECTION: u64 = 1 << 32;

/// Bounds of a worker's TCP port.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) connections: usize,
    pub(crate) connections_per_address: usize,
    pub(crate) connection: ConnectionLimits,
}

/// Who takes the packets of connections: the core.
pub(crate) trait Receiver {
    fn receive(&mut self, flow: Flow, packet: &[u8]);
    /// Whether a session owns the flow: it has proved by STUN who it is.
    fn knows(&self, flow: &Flow) -> bool;
}

/// Opens a non-blocking listener.
///
/// # Errors
/// When the address is not ours or the port is taken.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Connections of an earlier process still linger; they are no reason not to start.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

struct Listener {
    socket: TcpListener,
    /// The first of the candidates that lead here: it stands for all, as with UDP.
    local: SocketAddr,
}

/// A worker's TCP listeners and connections.
pub(crate) struct TcpPort {
    epoll: Epoll,
    listeners: Vec<Listener>,
    connections: HashMap<u64, Connection>,
    by_flow: HashMap<Flow, u64>,
    by_address: HashMap<IpAddr, usize>,
    next_key: u64,
    /// Connections with packets to send.
    touched: Vec<u64>,
    /// When to look at all of them; `None` without any, and while all listeners accept.
    review_at: Option<Instant>,
    /// The system had no socket to give; accepting goes on at the next review.
    exhausted: bool,
    limits: Limits,
    metrics: TcpMetrics,
    buffer: Box<[u8]>,
}

impl TcpPort {
    /// `listeners`: each with the candidates that lead to it, at least one.
    ///
    /// # Errors
    /// When the system has no descriptor left.
    pub(crate) fn new(
        listeners: Vec<(TcpListener, Vec<SocketAddr>)>,
        limits: Limits,
        metrics: TcpMetrics,
    ) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let listeners: Vec<_> = listeners
            .into_iter()
            .map(|(socket, candidates)| Listener { socket, local: candidates[0] })
            .collect();
        let port = Self {
            epoll,
            listeners,
            connections: HashMap::new(),
            by_flow: HashMap::new(),
            by_address: HashMap::new(),
            next_key: FIRST_CONNECTION,
            touched: Vec::new(),
            review_at: None,
            exhausted: false,
            limits,
            metrics,
            buffer: vec![0; READ_BYTES].into_boxed_slice(),
        };
        port.watch_listeners()?;
        Ok(port)
    }

    /// When [`Self::turn`] is due without anything having happened.
    pub(crate) const fn timeout(&self) -> Option<Instant> {
        self.review_at
    }

    /// Accepts, reads, sends and reviews what is due.
    pub(crate) fn turn(&mut self, now: Instant, receiver: &mut impl Receiver) {
        let mut events = [EpollEvent::empty(); EVENTS_PER_TURN];
        let ready = match self.epoll.wait(&mut events, EpollTimeout::ZERO) {
            Ok(ready) => ready,
            Err(error) => {
                if error != nix::errno::Errno::EINTR {
                    tracing::error!(%error, "epoll");
                }
                0
            }
        };
        for event in &events[..ready] {
            match usize::try_from(event.data()) {
                Ok(index) if event.data() < FIRST_CONNECTION => self.accept(now, index),
                _ => self.serve(now, event.data(), event.events(), receiver),
            }
        }
        if self.review_at.is_some_and(|at| at <= now) {
            self.review(now, receiver);
        }
    }

    /// Puts a packet into its connection's queue. One whose connection is gone is
    /// dropped: its session finds another way or ends.
    pub(crate) fn send(&mut self, flow: &Flow, packet: &[u8]) {
        let Some(key) = self.by_flow.get(flow) else { return };
        let Some(connection) = self.connections.get_mut(key) else { return };
        if !connection.push(packet, self.limits.connection) {
            self.metrics.dropped_packets.inc();
            return;
        }
        if !connection.touched {
            connection.touched = true;
            self.touched.push(*key);
        }
    }

    /// Sends what [`Self::send`] has queued.
    pub(crate) fn flush(&mut self, now: Instant) {
        for key in std::mem::take(&mut self.touched) {
            if let Some(connection) = self.connections.get_mut(&key) {
                connection.touched = false;
                self.write(now, key);
            }
        }
    }

    /// Closes all connections: the sessions that owned them are gone.
    pub(crate) fn close_all(&mut self) {
        for key in self.connections.keys().copied().collect::<Vec<_>>() {
            self.remove(key);
        }
    }

    fn accept(&mut self, now: Instant, index: usize) {
        for _ in 0..ACCEPTS_PER_TURN {
            let Some(listener) = self.listeners.get(index) else { return };
            match listener.socket.accept() {
                Ok((stream, remote)) => {
                    let flow = Flow { transport: Transport::Tcp, local: listener.local, remote };
                    if let Err(error) = self.admit(now, stream, flow) {
                        tracing::debug!(%error, "connection not admitted");
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if is_of_the_client(&error) => {}
                Err(error) => {
                    // Out of descriptors: to be told again and again would spin.
                    tracing::warn!(%error, "no connection can be accepted for a while");
                    self.exhausted = true;
                    self.unwatch_listeners();
                    self.review_at.get_or_insert(now + REVIEW_INTERVAL);
                    return;
                }
            }
        }
    }

    fn admit(&mut self, now: Instant, stream: std::net::TcpStream, flow: Flow) -> io::Result<()> {
        let of_address = self.by_address.get(&flow.remote.ip()).copied().unwrap_or(0);
        if self.connections.len() >= self.limits.connections
            || of_address >= self.limits.connections_per_address
        {
            self.metrics.refused.inc();
            return Ok(());
        }
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        // A smaller or larger buffer than wanted only changes how late packets get.
        let _ = SockRef::from(&stream).set_send_buffer_size(KERNEL_SEND_BYTES);
        let key = self.next_key;
        self.epoll.add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, key))?;
        self.next_key += 1;
        let connection = Connection::new(stream, flow, now, self.limits.connection);
        self.connections.insert(key, connection);
        *self.by_address.entry(flow.remote.ip()).or_default() += 1;
        self.by_flow.insert(flow, key);
        self.metrics.connections.inc();
        self.review_at.get_or_insert(now + REVIEW_INTERVAL);
        Ok(())
    }

    fn serve(&mut self, now: Instant, key: u64, events: EpollFlags, receiver: &mut impl Receiver) {
        let readable = EpollFlags::EPOLLIN | EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR;
        if events.intersects(readable) {
            self.read(key, receiver);
        }
        if events.contains(EpollFlags::EPOLLOUT) {
            self.write(now, key);
        }
    }

    fn read(&mut self, key: u64, receiver: &mut impl Receiver) {
        let Some(connection) = self.connections.get_mut(&key) else { return };
        let flow = connection.flow;
        let read = connection.read(&mut self.buffer, |packet| receiver.receive(flow, packet));
        if let Err(why) = read {
            self.close(key, &why);
        } else if !connection.is_proven() && receiver.knows(&flow) {
            connection.prove();
        }
    }

    fn write(&mut self, now: Instant, key: u64) {
        let Some(connection) = self.connections.get_mut(&key) else { return };
        if let Err(why) = connection.flush(now) {
            return self.close(key, &why);
        }
        let waits = connection.is_waiting();
        if waits == connection.watches_writable {
            return;
        }
        connection.watches_writable = waits;
        let mut events = EpollFlags::EPOLLIN;
        events.set(EpollFlags::EPOLLOUT, waits);
        let mut event = EpollEvent::new(events, key);
        if let Err(error) = self.epoll.modify(&connection.stream, &mut event) {
            self.close(key, &Closed::Io(error.into()));
        }
    }

    fn review(&mut self, now: Instant, receiver: &impl Receiver) {
        let limits = self.limits.connection;
        let mut over = Vec::new();
        for (key, connection) in &mut self.connections {
            let known = receiver.knows(&connection.flow);
            if let Err(why) = connection.review(now, known, limits) {
                over.push((*key, why));
            }
        }
        for (key, why) in over {
            self.close(key, &why);
        }
        if std::mem::take(&mut self.exhausted)
            && let Err(error) = self.watch_listeners()
        {
            tracing::error!(%error, "connections cannot be accepted any more");
        }
        self.review_at = (!self.connections.is_empty()).then(|| now + REVIEW_INTERVAL);
    }

    fn close(&mut self, key: u64, why: &Closed) {
        tracing::debug!(%why, "connection closed");
        if let Some(cause) = why.cause() {
            self.metrics.closed.with_label_values(&[cause]).inc();
        }
        self.remove(key);
    }

    /// Dropping the stream takes it out of epoll, too.
    fn remove(&mut self, key: u64) {
        let Some(connection) = self.connections.remove(&key) else { return };
        self.metrics.connections.dec();
        if self.by_flow.get(&connection.flow) == Some(&key) {
            self.by_flow.remove(&connection.flow);
        }
        let address = connection.flow.remote.ip();
        if let Some(count) = self.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&address);
            }
        }
    }

    fn watch_listeners(&self) -> io::Result<()> {
        for (index, listener) in (0..).zip(&self.listeners) {
            self.epoll.add(&listener.socket, EpollEvent::new(EpollFlags::EPOLLIN, index))?;
        }
        Ok(())
    }

    fn unwatch_listeners(&self) {
        for listener in &self.listeners {
            // It may be out already.
            let _ = self.epoll.delete(&listener.socket);
        }
    }
}

impl AsFd for TcpPort {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }
}

impl Drop for TcpPort {
    fn drop(&mut self) {
        self.close_all();
    }
}

/// The connection ended before it was accepted, or its network failed (accept(2)).
fn is_of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionReset, HostUnreachable, Interrupted, NetworkUnreachable,
    };
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | Interrupted | HostUnreachable | NetworkUnreachable
    )
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpStream;

    use super::*;

    const QUEUE_BYTES: usize = 20_000;
    const STALL: Duration = Duration::from_secs(10);

    /// A core that knows everybody.
    #[derive(Default)]
    struct Open {
        received: Vec<(Flow, Vec<u8>)>,
    }

    impl Receiver for Open {
        fn receive(&mut self, flow: Flow, packet: &[u8]) {
            self.received.push((flow, packet.to_vec()));
        }

        fn knows(&self, _: &Flow) -> bool {
            true
        }
    }

    /// A port with one client, whose flow is known by its first packet.
    fn connected(now: Instant) -> (TcpPort, TcpStream, Flow) {
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        let address = listener.local_addr().expect("bound");
        let connection =
            ConnectionLimits { unproven: STALL, stall: STALL, queue_bytes: QUEUE_BYTES };
        let limits = Limits { connections: 10, connections_per_address: 10, connection };
        let metrics = crate::metrics::Metrics::register(&prometheus::Registry::new());
        let metrics = metrics.expect("an empty registry").tcp;
        let mut port = TcpPort::new(vec![(listener, vec![address])], limits, metrics).unwrap();
        let mut client = TcpStream::connect(address).expect("it listens");
        let mut framed = Vec::new();
        framing::frame(b"hello", &mut framed);
        io::Write::write_all(&mut client, &framed).expect("it is taken");
        let mut core = Open::default();
        while core.received.is_empty() {
            port.turn(now, &mut core);
        }
        let (flow, packet) = core.received.remove(0);
        assert_eq!(packet, b"hello");
        assert_eq!(flow.remote, client.local_addr().unwrap());
        (port, client, flow)
    }

    #[expect(clippy::disallowed_methods, reason = "the beginning of the test's own time")]
    fn beginning() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_slow_reader_loses_whole_packets_and_gets_the_others_in_order() {
        let now = beginning();
        let (mut port, mut client, flow) = connected(now);
        let mut sent = 0_u32;
        while port.metrics.dropped_packets.get() < 10 {
            let mut packet = vec![7; 1_000];
            packet[..4].copy_from_slice(&sent.to_be_bytes());
            port.send(&flow, &packet);
            port.flush(now);
            sent += 1;
        }
        let connection = port.connections.values().next().unwrap();
        assert!(connection.watches_writable && connection.is_waiting());

        // It reads again: whole packets, rising numbers, and less than was sent.
        client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let (mut deframer, mut numbers) = (framing::Deframer::default(), Vec::new());
        let mut buffer = [0; 4096];
        while port.connections.values().any(Connection::is_waiting) {
            let length = client.read(&mut buffer).expect("more is there");
            let taken = deframer.push(&buffer[..length], |packet| {
                assert_eq!(packet.len(), 1_000);
                numbers.push(u32::from_be_bytes(*packet.first_chunk().unwrap()));
            });
            taken.expect("the framing holds");
            port.turn(now, &mut Open::default());
        }
        assert!(numbers.is_sorted() && numbers.len() < sent as usize);
        assert!(!port.connections.values().next().unwrap().watches_writable);
    }

    #[test]
    fn who_takes_nothing_for_long_is_closed() {
        let now = beginning();
        let (mut port, _client, flow) = connected(now);
        while port.metrics.dropped_packets.get() == 0 {
            port.send(&flow, &[7; 1_000]);
            port.flush(now);
        }
        port.turn(now + STALL / 2, &mut Open::default());
        assert_eq!(port.metrics.connections.get(), 1);
        port.turn(now + STALL * 2, &mut Open::default());
        assert_eq!(port.metrics.connections.get(), 0);
        assert_eq!(port.metrics.closed.with_label_values(&["stalled"]).get(), 1);
        assert!(port.timeout().is_none() && port.by_flow.is_empty() && port.by_address.is_empty());
        // What comes for it later goes nowhere.
        port.send(&flow, b"late");
        port.flush(now);
    }
}

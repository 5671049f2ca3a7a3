//! Sockets of clients: plain ones, as browsers have, whose datagrams the kernel
//! stamps with the time they came.

use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, Socket, Type};

const BUFFER_BYTES: usize = 4 * 1024 * 1024;
const DATAGRAM_BYTES: usize = 2_048;

/// A bound socket of 127.0.0.1.
pub struct LoadSocket {
    socket: UdpSocket,
    state: UdpSocketState,
    pub address: SocketAddr,
}

/// Where received datagrams are put; one serves all sockets of a thread.
pub struct Inbound {
    buffer: Vec<u8>,
    meta: [RecvMeta; BATCH_SIZE],
}

impl Inbound {
    pub fn new() -> Self {
        let meta = [RecvMeta::default(); BATCH_SIZE];
        Self { buffer: vec![0; BATCH_SIZE * DATAGRAM_BYTES], meta }
    }
}

impl Default for Inbound {
    fn default() -> Self {
        Self::new()
    }
}

impl LoadSocket {
    /// A socket as a client has it. The kernel hands it one datagram at a time, so
    /// that taking a burst apart is paid by its sender, as on a network.
    ///
    /// # Errors
    /// When the system gives none.
    pub fn plain() -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        let _ = socket.set_recv_buffer_size(BUFFER_BYTES);
        let _ = socket.set_send_buffer_size(BUFFER_BYTES);
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        let socket = UdpSocket::from(socket);
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        // quinn-udp switches joining on.
        setsockopt(&socket, sockopt::UdpGroSegment, &false)?;
        let address = socket.local_addr()?;
        Ok(Self { socket, state, address })
    }

    pub const fn inner(&self) -> &UdpSocket {
        &self.socket
    }

    pub fn send(&self, destination: SocketAddr, contents: &[u8]) -> bool {
        self.socket.send_to(contents, destination).is_ok()
    }

    /// Sends datagrams of `segment` bytes (the last may be smaller) together.
    pub fn send_run(&self, destination: SocketAddr, contents: &[u8], segment: usize) -> bool {
        let transmit = Transmit {
            destination,
            ecn: None,
            contents,
            segment_size: Some(segment),
            src_ip: None,
        };
        self.state.try_send(UdpSockRef::from(&self.socket), &transmit).is_ok()
    }

    /// Gives at most one batch of waiting datagrams to `take`: sender, contents, and
    /// when the kernel got it. Whether there may be more.
    pub fn receive(
        &self,
        inbound: &mut Inbound,
        mut take: impl FnMut(SocketAddr, &[u8], Duration),
    ) -> bool {
        let mut chunks = inbound.buffer.chunks_exact_mut(DATAGRAM_BYTES);
        let mut slices: [IoSliceMut<'_>; BATCH_SIZE] =
            std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
        let received =
            self.state.recv(UdpSockRef::from(&self.socket), &mut slices, &mut inbound.meta);
        let Ok(count) = received else { return false };
        let buffers = inbound.buffer.chunks_exact(DATAGRAM_BYTES);
        for (buffer, meta) in buffers.zip(&inbound.meta).take(count) {
            let at = meta.timestamp.unwrap_or_default();
            let run = buffer.get(..meta.len).unwrap_or_default();
            run.chunks(meta.stride.max(1)).for_each(|datagram| take(meta.addr, datagram, at));
        }
        count == BATCH_SIZE
    }
}

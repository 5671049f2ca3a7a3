//! A worker's UDP sockets. The core hands out datagrams of one size to one destination
//! together, and together they leave by generic segmentation offload: a system call
//! and the kernel's way through its stack cost more than all else that is done for a
//! packet. Where the kernel or the network card refuses, datagrams go one by one.
//!
//! Datagrams come in one by one: publishers' packets are a small part of the
//! traffic, and `recvmmsg` with its control messages was measured to cost more than
//! `recvfrom` (docs/relay.md).

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};

use housecall_sfu_core::{Flow, Transport};
use nix::sys::socket::{setsockopt, sockopt};
use quinn_udp::{Transmit, UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// Kernel buffers, bytes: a second of video for a hundred receivers. The kernel
/// grants at most `net.core.rmem_max` and `wmem_max`.
const BUFFER_BYTES: usize = 4 * 1024 * 1024;
/// Larger than any datagram a client sends; more is not ours.
pub(crate) const MAX_DATAGRAM_BYTES: usize = 2048;
/// Datagrams taken before a turn ends, so that a flood cannot keep the worker from
/// sending what it has.
const RECEIVE_BATCH: usize = 128;

/// Opens a non-blocking socket.
///
/// # Errors
/// When the address is not ours or the port is taken.
pub(crate) fn open(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        // IPv4 has sockets of its own, where its addresses are not written as IPv6.
        socket.set_only_v6(true)?;
    }
    // Smaller buffers than wanted only mean less patience with bursts.
    let _ = socket.set_recv_buffer_size(BUFFER_BYTES);
    let _ = socket.set_send_buffer_size(BUFFER_BYTES);
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::from(address))?;
    Ok(socket.into())
}

/// One socket with what the kernel offers for it.
pub(crate) struct MediaSocket {
    socket: UdpSocket,
    /// The candidates that lead here; at least one.
    candidates: Vec<SocketAddr>,
    state: UdpSocketState,
    /// Datagrams one send may hold; 1 where the kernel does not segment.
    max_segments: usize,
}

impl MediaSocket {
    /// # Errors
    /// When the system refuses the socket's options.
    pub(crate) fn new(socket: UdpSocket, candidates: Vec<SocketAddr>) -> io::Result<Self> {
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        if state.gro_segments() > 1 {
            // quinn-udp switches joining on; here every datagram is read by itself.
            setsockopt(&socket, sockopt::UdpGroSegment, &false)?;
        }
        // It also asks for times of arrival, which nobody here reads.
        setsockopt(&socket, sockopt::ReceiveTimestampns, &false)?;
        let max_segments = state.max_gso_segments();
        Ok(Self { socket, candidates, state, max_segments })
    }

    /// Gives the datagrams that have come to `take`. Which of several candidates a
    /// client used for one socket cannot be seen, and makes no difference: the first
    /// stands for all.
    pub(crate) fn receive(&self, buffer: &mut [u8], mut take: impl FnMut(Flow, &[u8])) {
        let (transport, local) = (Transport::Udp, self.candidates[0]);
        for _ in 0..RECEIVE_BATCH {
            match self.socket.recv_from(buffer) {
                Ok((length, remote)) => {
                    take(Flow { transport, local, remote }, &buffer[..length]);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // Errors of earlier sends come up here; they concern nobody else.
                Err(error) => tracing::debug!(%error, "receive"),
            }
        }
    }

    /// Sends datagrams of `segment` bytes; the last may be smaller. Returns how many the
    /// system did not take: a full send buffer drops as a full network would, and RTP
    /// recovers.
    pub(crate) fn send(&mut self, destination: SocketAddr, contents: &[u8], segment: usize) -> u64 {
        let most = self.max_segments.saturating_mul(segment).max(1);
        contents.chunks(most).map(|run| self.send_run(destination, run, segment)).sum()
    }

    fn send_run(&mut self, destination: SocketAddr, contents: &[u8], segment: usize) -> u64 {
        let datagrams = contents.len().div_ceil(segment.max(1)) as u64;
        match self.transmit(destination, contents, segment) {
            Ok(()) => 0,
            Err(_) if datagrams > 1 && self.state.max_gso_segments() == 1 => {
                tracing::info!("the system does not segment datagrams; sending one by one");
                self.max_segments = 1;
                let datagrams = contents.chunks(segment);
                datagrams.filter(|one| self.transmit(destination, one, one.len()).is_err()).count()
                    as u64
            }
            Err(error) => {
                tracing::debug!(%error, "send");
                datagrams
            }
        }
    }

    fn transmit(&self, destination: SocketAddr, contents: &[u8], segment: usize) -> io::Result<()> {
        if contents.len() <= segment {
            // A datagram that goes alone needs no control messages.
            return self.socket.send_to(contents, destination).map(drop);
        }
        let transmit = Transmit {
            destination,
            ecn: None,
            contents,
            segment_size: Some(segment),
            src_ip: None,
        };
        self.state.try_send(UdpSockRef::from(&self.socket), &transmit)
    }
}

/// All UDP sockets of a worker.
pub(crate) struct UdpPort {
    pub(crate) sockets: Vec<MediaSocket>,
}

impl UdpPort {
    /// Sends by the flow's socket. See [`MediaSocket::send`].
    pub(crate) fn send(&mut self, flow: &Flow, contents: &[u8], segment: usize) -> u64 {
        let socket = match self.sockets.as_mut_slice() {
            [only] => Some(only),
            several => several.iter_mut().find(|socket| socket.candidates.contains(&flow.local)),
        };
        socket.map_or(1, |socket| socket.send(flow.remote, contents, segment))
    }
}

impl AsFd for MediaSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn bound() -> UdpSocket {
        let socket = open(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        socket.set_nonblocking(false).expect("a usable socket");
        socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a usable socket");
        socket
    }

    fn media_socket() -> MediaSocket {
        let socket = bound();
        let candidates = vec![socket.local_addr().unwrap()];
        MediaSocket::new(socket, candidates).expect("the kernel batches")
    }

    fn arrive(max_segments: usize) {
        let receiver = bound();
        let to = receiver.local_addr().unwrap();
        let mut sender = media_socket();
        sender.max_segments = sender.max_segments.min(max_segments);
        // A single one, full runs, and runs whose last datagram is smaller.
        for (segment, length) in
            [(80, 80), (1_100, 5_500), (1_200, 3_601), (300, 299), (500, 30_100)]
        {
            let contents: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            assert_eq!(sender.send(to, &contents, segment), 0);
            let mut buffer = [0; 2048];
            for expected in contents.chunks(segment) {
                let length = receiver.recv(&mut buffer).expect("every datagram arrives");
                assert_eq!(&buffer[..length], expected);
            }
        }
    }

    #[test]
    fn datagrams_arrive_whole_and_in_order_with_and_without_segmentation() {
        arrive(usize::MAX);
        arrive(7);
        arrive(1);
    }

    #[test]
    fn a_burst_is_received_one_by_one() {
        let receiver = media_socket();
        let to = receiver.candidates[0];
        let mut sender = media_socket();
        let sent: Vec<u8> = (0..30_u8).flat_map(|number| [number; 500]).collect();
        sender.send(to, &sent, 500);

        // Loopback delivers within the send.
        let mut buffer = [0; MAX_DATAGRAM_BYTES];
        let mut taken = Vec::new();
        receiver.receive(&mut buffer, |flow, datagram| {
            assert_eq!((flow.local, flow.remote), (to, sender.candidates[0]));
            taken.push(datagram.to_vec());
        });
        let expected: Vec<_> = (0..30_u8).map(|number| vec![number; 500]).collect();
        assert_eq!(taken, expected);
    }
}

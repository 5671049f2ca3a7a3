//! A worker's UDP socket.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// Kernel buffers, bytes: a second of video for a hundred receivers. The kernel
/// grants at most `net.core.rmem_max` and `wmem_max`.
const BUFFER_BYTES: usize = 4 * 1024 * 1024;

/// Opens a non-blocking socket.
///
/// # Errors
/// When the address is not ours or the port is taken.
pub(crate) fn open(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    // Smaller buffers than wanted only mean less patience with bursts.
    let _ = socket.set_recv_buffer_size(BUFFER_BYTES);
    let _ = socket.set_send_buffer_size(BUFFER_BYTES);
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::from(address))?;
    Ok(socket.into())
}

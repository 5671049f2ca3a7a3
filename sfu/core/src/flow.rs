//! The two ends between which packets travel.

use std::net::SocketAddr;

/// How packets travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// One packet, one datagram.
    Udp,
    /// A connection that the client opened, packets behind their length (RFC 4571).
    Tcp,
}

/// A client as the relay sees it: its address, and which of the relay's it uses. Of
/// two flows only one is meant by a packet, also when a client uses the same port for
/// two addresses of the relay, or for UDP and TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flow {
    pub transport: Transport,
    /// One of the relay's candidates.
    pub local: SocketAddr,
    /// The client, as its packets say.
    pub remote: SocketAddr,
}

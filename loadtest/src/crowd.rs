//! Many WebSocket clients: each a patient on a device, from a source address of
//! its own, as the web app would behave. They live in processes beside the house,
//! so that their memory and CPU are not counted as its own.
//!
//! - [`client`]: one client's connection, hello, requests;
//! - [`member`]: what one client does at an order;
//! - [`worker`]: the process that holds many of them;
//! - [`fleet`]: the other end, that gives the orders.

pub mod client;
pub mod fleet;
pub mod member;
pub mod worker;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where and as whom a client connects.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Place {
    pub door: SocketAddr,
    /// An address of this machine's loopback network.
    pub source: IpAddr,
    /// Access token; empty when no hello is said.
    pub token: String,
}

/// What all clients of one process have in common.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Crowd {
    pub places: Vec<Place>,
    pub speech: Speech,
}

/// What the clients speak.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Speech {
    /// The realtime protocol over a WebSocket.
    Plain,
    /// The same inside TLS, trusting this certificate (PEM).
    Tls { certificate: PathBuf },
    /// Bytes over TCP: six are answered to every two, as a pong to a ping.
    Bare,
}

impl Speech {
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Plain => "WebSocket",
            Self::Tls { .. } => "WebSocket inside TLS",
            Self::Bare => "TCP",
        }
    }
}

/// What a crowd is told to do. Each order is answered by one [`Done`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Order {
    /// Everybody connects, so many at once.
    Connect { at_once: usize },
    /// Everybody opens their conversation and writes so many messages into it.
    Write { messages: usize, at_once: usize },
    /// Everybody loses their connection at the same moment, connects at once and
    /// resumes from before their last messages.
    Storm,
    /// Everybody writes a message every `interval_ms`, for so long.
    Talk { seconds: u64, interval_ms: u64 },
}

/// The answer to an [`Order`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Done {
    /// Clients that did all of it.
    pub clients: usize,
    /// Why others did not, each reason with how often it was met.
    pub failures: Vec<(String, usize)>,
    /// [`Order::Storm`]: when each client had resumed.
    /// [`Order::Talk`]: when each message was acknowledged.
    pub moments: Vec<Moment>,
    /// Refusals that were tried again with success.
    pub refusals: usize,
}

/// Something that took a while and ended at a time of day.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Moment {
    /// Milliseconds since 1970.
    pub at_ms: u64,
    pub took_ms: f64,
}

//! Load for the media relay, and what it costs the relay.
//!
//! Many WebRTC clients (str0m, each with a socket of its own) driven by one thread
//! join rooms of a relay over the bus, send what a microphone and a camera would,
//! and count what arrives. Beside it a floor: the least that any relay must do for
//! the same packets.
//!
//! - [`scenario`]: how many rooms, who sends and receives what;
//! - [`media`]: sizes and times of packets, and the mark each carries;
//! - [`peer`], [`fleet`]: one client, and the thread that drives all;
//! - [`rooms`]: joining over the bus;
//! - [`run`]: a scenario from the first join to the figures;
//! - [`floor`]: receive, encrypt, send, and nothing else;
//! - [`witness`]: receivers on another WebRTC stack, which look at every packet;
//! - [`metrics`]: what a process counts;
//! - [`process`]: what the system says of another process;
//! - [`report`]: the figures as JSON.
//!
//! And load for the front door, from clients in processes of their own:
//!
//! - [`deployment`]: a house of one or several processes, and its people;
//! - [`crowd`]: the clients;
//! - [`chat`]: what messages cost, and how long they take;
//! - [`idle`]: what a silent connection costs; [`accept_floor`]: the least it could;
//! - [`storm`]: all return at once; [`presence`]: how soon changes are told;
//! - [`quantiles`]: times in the order of their length.

pub mod accept_floor;
pub mod chat;
pub mod crowd;
pub mod deployment;
mod doze;
pub mod fleet;
pub mod floor;
pub mod headers;
pub mod idle;
pub mod media;
pub mod metrics;
pub mod peer;
pub mod presence;
pub mod process;
pub mod quantiles;
pub mod report;
pub mod rooms;
pub mod run;
pub mod scenario;
pub mod socket;
pub mod storm;
pub mod witness;

use std::time::Instant;

/// The one clock of this tool.
#[expect(clippy::disallowed_methods, reason = "a load generator lives in real time")]
pub(crate) fn clock() -> Instant {
    Instant::now()
}

/// Nanoseconds since this process first asked.
pub(crate) fn nanoseconds() -> u64 {
    static FIRST: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    u64::try_from(FIRST.get_or_init(clock).elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// The kernel's clock for received datagrams, nanoseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "compared with the kernel's receive timestamps")]
pub(crate) fn wall_ns() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

//! What a participant sends to the relay, as streams of packets: which numbers came,
//! what is missing, how fast it comes, and what the client has to be told of it.
//!
//! Knows packets by number, size and time only: no payload, no keys, no subscriber.

pub(crate) mod arrivals;
pub(crate) mod bindings;
mod missing;
mod rate;
mod sequence;
pub(crate) mod stream;

pub(crate) use arrivals::Arrivals;
pub(crate) use bindings::{Bindings, Role, Source};
pub(crate) use stream::{Moment, Stream};

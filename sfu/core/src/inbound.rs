//! What a participant sends to the relay: packets opened, assigned to streams, counted,
//! asked for when missing, and reported.
//!
//! Refuses to know what packets are for: no rooms, no subscribers.

mod allowance;
pub(crate) mod arrivals;
pub(crate) mod bindings;
mod missing;
mod rate;
mod sequence;
pub(crate) mod stream;

use std::time::Instant;

pub(crate) use allowance::Allowance;
pub(crate) use arrivals::Arrivals;
pub(crate) use bindings::{Bindings, Role, Source};
pub(crate) use stream::{Received, Stream};

use crate::config::Limits;
use crate::formats::Formats;
use crate::srtp::Opener;
use crate::wire::extensions::ExtensionMap;

/// The receiving side of one participant, besides the streams themselves, which belong
/// to tracks.
pub(crate) struct Inbound {
    /// Once the keys are there.
    pub(crate) opener: Option<Opener>,
    /// Ids of header extensions; one map for all m-lines, since they share a transport
    /// (RFC 9143 section 7.1.2.3).
    pub(crate) extensions: ExtensionMap,
    pub(crate) formats: Formats,
    pub(crate) bindings: Bindings,
    pub(crate) arrivals: Arrivals,
    pub(crate) allowance: Allowance,
    /// Datagram bytes of media and RTCP received so far.
    pub(crate) bytes: u64,
    /// Packets of media and RTCP that were opened.
    pub(crate) authentic_packets: u64,
}

impl Inbound {
    pub(crate) fn new(now: Instant, limits: &Limits) -> Self {
        Self {
            opener: None,
            extensions: ExtensionMap::new(false),
            formats: Formats::default(),
            bindings: Bindings::new(limits.ssrcs),
            arrivals: Arrivals::new(now),
            allowance: Allowance::new(now, limits),
            bytes: 0,
            authentic_packets: 0,
        }
    }
}

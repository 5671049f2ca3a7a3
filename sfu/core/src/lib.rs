//! The media relay's core: rooms, participants and forwarding as a state machine.
//!
//! [`Core`] owns everything of one worker and does no input or output: the shell
//! gives it datagrams and requests with the time they came at, and drains it:
//!
//! ```text
//! core.handle(now, Input::Datagram { .. })     any number of times
//! core.request(now, &SfuRequest::Join { .. })  any number of times
//! loop { match core.poll(now) { Transmit | Event => act, Timeout(at) => break } }
//! ```
//!
//! It reads no clock, opens no socket and takes no randomness of its own: choices
//! that must differ between runs come from [`CoreConfig::seed`]. (Keys, ICE
//! credentials and SSRCs come from str0m and its crypto provider.)
//!
//! Each participant is one str0m `Rtc`, ICE-lite, that only ever answers offers. It
//! keeps to the session description, ICE and DTLS; media takes another way:
//!
//! ```text
//! demux -> media (open, count, read) -> forward -> rewrite -> outbound (queue)
//!          feedback (RTCP that comes)      reports (RTCP that goes)
//! poll  -> outbound (number, pace, seal) -> one burst per send
//! ```
//!
//! A received packet is one allocation, shared by all its subscribers.
//!
//! A room may live at several cores; `relay` is what they tell each other, as
//! [`Output::Relay`] here and [`Input::Relayed`] there.

mod allocate;
pub mod codec;
mod config;
pub mod congestion;
mod core;
mod demux;
mod feedback;
mod flow;
mod formats;
mod forward;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod heap;
#[cfg(test)]
mod hostile;
mod inbound;
mod keyframe;
mod keys;
pub mod layers;
mod media;
mod membership;
#[cfg(test)]
#[path = "../tests/it/mutate.rs"]
mod mutate;
mod negotiation;
mod outbound;
mod packet;
mod participant;
mod quality;
mod random;
mod relay;
mod reports;
mod room;
mod routes;
mod sdp;
mod slab;
mod slot;
mod slots;
mod speech;
mod srtp;
mod stuck;
mod timers;
mod track;
pub mod voices;
mod watched;
mod wire;

pub use crate::config::{CoreConfig, Limits};
pub use crate::core::{Core, Counters, Input, Output, RequestError};
pub use crate::flow::{Flow, Transport};
pub use crate::relay::{RelayId, RelayMessage};

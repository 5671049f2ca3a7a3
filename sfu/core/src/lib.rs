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
//! Each participant is one str0m `Rtc` in RTP mode, ICE-lite, that only ever
//! answers offers. Payloads are shared between subscribers, never copied here.

pub mod codec;
mod config;
pub mod congestion;
mod core;
mod demux;
mod flow;
mod forward;
#[cfg(test)]
mod fuzz;
#[allow(dead_code, unused_imports)]
mod inbound;
mod keyframe;
#[allow(dead_code)]
mod keys;
pub mod layers;
mod membership;
#[cfg(test)]
#[path = "../tests/it/mutate.rs"]
mod mutate;
mod negotiation;
#[allow(dead_code, unused_imports)]
mod outbound;
#[allow(dead_code)]
mod packet;
mod participant;
mod quality;
mod random;
mod rewrite;
mod room;
mod routes;
mod sdp;
mod slab;
mod slots;
#[allow(dead_code, unused_imports)]
mod srtp;
mod timers;
pub mod voices;
#[allow(dead_code, unused_imports)]
mod wire;

pub use crate::config::{CoreConfig, Limits};
pub use crate::core::{Core, Counters, Input, Output, RequestError};
pub use crate::flow::{Flow, Transport};

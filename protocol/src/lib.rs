//! Wire messages and ids: everything that crosses a process boundary.
//!
//! [`client`] is what browsers and apps speak over `/rt/v1`, [`rest`] what they
//! speak over `/api/v1`, [`cluster`] what services say to each other over the
//! bus; [`media`] and [`domain`] hold the words they share. The crate is pure: no I/O, no clock, no product logic. TypeScript is
//! generated from it into `web/sdk/src/generated/`.

pub mod client;
pub mod cluster;
pub mod domain;
pub mod ids;
pub mod media;
pub mod rest;

pub use ids::*;

/// Version of the realtime protocol, sent in `hello`. A server accepts this
/// version only; adding an optional field or a frame does not change it.
pub const PROTOCOL_VERSION: u16 = 1;

//! The relay over real sockets, with peers of a WebRTC stack that is not its own.

mod calls;
mod drain;
mod flood;
mod peer;
mod reach;
mod relay;
mod stuck;
mod traveller;

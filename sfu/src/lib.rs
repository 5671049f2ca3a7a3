//! The media relay's shell: worker threads with their sockets and the clock, and
//! the requests and events of the bus.
//!
//! What is decided is decided in `housecall-sfu-core`. Here:
//! - `worker`: a thread that owns its sockets and one core, and shares nothing;
//! - `addresses`: where the workers listen and how clients reach them;
//! - `socket`: UDP; `tcp`: connections of clients that have no UDP;
//! - `placement`: which worker a room lives on;
//! - `service`: the bus subjects, between asynchronous requests and the threads;
//! - `metrics`.

mod addresses;
mod config;
mod links;
mod metrics;
mod placement;
mod service;
mod socket;
mod tcp;
mod watch;
mod worker;

pub use config::{Config, SAMPLE};
pub use service::{StartError, start};

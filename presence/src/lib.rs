//! Who is reachable: device leases, operator statuses, watchers.
//!
//! Gateways beat for the connections they hold; every presence instance hears
//! all beats and keeps a whole replica, so any of them answers any question.
//! Nothing is stored: after a restart the next full beats tell everything that
//! matters.

mod config;
mod core;
mod metrics;
mod service;

pub use config::{Config, SAMPLE};
pub use service::{StartError, start};

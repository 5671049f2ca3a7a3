//! Conversations: order, durability, delivery, receipts, recovery.
//!
//! Requests arrive over the bus ([`housecall_protocol::cluster::ChatRequest`]);
//! the router authorises each by the database's own rules. A message is
//! acknowledged after its commit and announced after its acknowledgement. The
//! router keeps nothing that PostgreSQL does not: any number of them share the
//! work.

mod announce;
mod config;
mod handler;
mod marks;
mod metrics;
mod recent;
mod refusal;
mod retry;
mod service;
mod storage;
mod validate;
mod writer;

pub use config::{Config, SAMPLE};
pub use service::{StartError, start};

//! The core in virtual time, with str0m clients as peers over a seeded link.

mod calls;
mod client;
mod estimator;
mod hostile;
mod link;
mod network;
mod wishes;
mod world;

//! The core in virtual time, with str0m clients as peers over a seeded link.

mod calls;
mod client;
mod hostile;
mod network;
mod wishes;
mod world;

//! The core in virtual time, with str0m clients as peers over a seeded link.

mod calls;
mod camera;
mod client;
mod estimator;
mod hostile;
mod layers;
mod link;
mod network;
mod relays;
mod scenarios;
mod speech;
mod wishes;
mod world;

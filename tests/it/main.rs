//! Tests of the whole: the arrows between crates, and the running binary.

mod access;
mod arrows;
mod claim_race;
mod client;
mod cluster;
mod house;
mod kill;
mod launcher;
mod slow_clients;
mod slow_reader;
mod tls;

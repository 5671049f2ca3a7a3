//! Tests of the whole: the arrows between crates, and the running binary.

mod arrows;
mod client;
mod claim_race;
mod house;
mod kill;
mod launcher;

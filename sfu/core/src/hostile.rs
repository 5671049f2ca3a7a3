//! What participants and strangers should not do, and what it costs the others: nothing.
//!
//! The peers here seal their own packets, so that they can send whatever they like; the
//! honest ones among them are the measure. All of it runs in virtual time.

mod anything;
mod crossing;
mod memory;
mod panics;
mod peer;
mod publishers;
mod scene;
mod strangers;
mod subscribers;

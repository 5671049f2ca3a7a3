//! The router against a real database and a real bus, in both of the bus's shapes.

mod access;
mod batch;
mod changes;
mod delivery;
mod history;
mod house;
mod model;
mod order;
mod outage;
mod receipts;
mod recovery;

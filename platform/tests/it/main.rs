//! Platform parts against real servers.

mod bus;
mod token;

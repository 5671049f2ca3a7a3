//! Platform parts against real servers.

mod bus;

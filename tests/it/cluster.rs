//! Many processes over NATS and PostgreSQL: they behave as one house, and any one
//! of them, or of the two they stand on, may die.

mod checker;
mod device;
mod grid;
mod one_house;
mod peer;
mod start;
mod storm;

use tokio::sync::Mutex;

/// One grid at a time: it has a dozen processes, and the machine few cores.
static ALONE: Mutex<()> = Mutex::const_new(());

//! Load for chat: what many people's messages cost, from the WebSocket to the
//! committed row and on to everybody's device.
//!
//! - [`durable`]: as many messages as are acknowledged, beside a floor;
//! - [`latency`]: how long a message takes at a steady rate;
//! - [`floor`]: the same rows by plain batched inserts;
//! - [`town`]: patients with conversations, and desks that follow them;
//! - [`load`]: the process that holds their connections;
//! - [`mod@line`], [`wire`], [`script`]: one connection, its frames, and what is written;
//! - [`costs`]: CPU of the house, of PostgreSQL and of the clients;
//! - [`sections`]: the file that all benchmarks of chat share.

pub mod costs;
pub mod durable;
pub mod floor;
pub mod latency;
pub mod line;
pub mod load;
pub mod script;
pub mod sections;
pub mod town;
pub mod wire;

//! What every service stands on. Knows no word of the product.
//!
//! - [`bus`]: subject-based messages, in one process or over NATS.
//! - [`postgres`]: the connection pool, and a private cluster for when none is configured.
//! - [`token`]: verification of access tokens by JWKS.
//! - [`service`]: what a service is given at start, and what it gives back.
//! - [`telemetry`]: logs, metrics.
//! - [`heap`]: how often a thread asks for memory.
//! - [`wheel`]: very many deadlines at the price of one timer.

pub mod bus;
pub mod heap;
pub mod postgres;
pub mod service;
pub mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
pub mod token;
pub mod wheel;

//! REST: identity, consultations, callbacks, patients, operators, files.
//!
//! The service owns the schema `crm` together with its SQL functions, issues the
//! tokens all services verify, and tells the others over the bus what changed.
//! Chat and calls are not its business.

pub mod admin;
mod announce;
mod app;
mod brand;
mod callbacks;
mod calls;
mod config;
mod consultations;
mod cursor;
pub mod demo;
mod extract;
mod files;
mod identity;
mod metrics;
mod openapi;
mod operators;
mod patients;
mod presence;
mod problem;
mod routes;
mod search;
mod start;
mod storage;
mod streams;
mod text;

pub use config::{BrandConfig, Config, RateLimit};
pub use files::{ScannerError, StoreError};
pub use identity::keys::KeyError;
pub use identity::passwords::HashError;
pub use identity::sms::SmsError;
pub use start::{StartError, start};

/// The OpenAPI document as JSON.
pub fn openapi() -> String {
    let (_, document) = routes::described();
    serde_json::to_string_pretty(&document)
        .expect("a document of strings and maps with string keys is JSON")
}

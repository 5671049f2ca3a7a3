//! Who signs in and how: one-time codes for patients, passwords for operators,
//! signed access tokens, rotating refresh tokens, sessions a person can end.
//!
//! It issues what the other services verify by the key set; it knows nothing of
//! consultations.

pub(crate) mod caller;
pub(crate) mod codes;
pub(crate) mod cookies;
pub(crate) mod keys;
pub(crate) mod limits;
pub(crate) mod me;
pub(crate) mod operator_routes;
pub(crate) mod passwords;
pub(crate) mod patient_routes;
pub(crate) mod phone;
pub(crate) mod refresh;
pub(crate) mod sessions;
pub(crate) mod sms;

//! What a service is given at start and what it gives back.

use std::sync::Arc;

use axum::Router;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::bus::Bus;
use crate::postgres::Pool;
use crate::token::Verifier;

/// Shared by the services of one process. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    /// This process, new at every start.
    pub node: Uuid,
    pub bus: Bus,
    /// PostgreSQL. Connects when first used, so roles that never do need no database.
    pub pool: Pool,
    pub verifier: Verifier,
    pub metrics: prometheus::Registry,
    /// Settings that several services share.
    pub settings: Arc<Settings>,
    /// Cancelled when the process is told to stop: finish what is under way.
    pub shutdown: CancellationToken,
}

/// Settings that several services share.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Origins browsers may come from, as `https://clinic.example`. Requests and
    /// WebSockets with another `Origin` are refused.
    pub public_origins: Vec<String>,
    /// Demo data are loaded and demo hints are shown. Never in production.
    pub demo: bool,
    /// Longest text of one message, characters.
    pub max_message_characters: u32,
    /// Largest uploaded file, bytes.
    pub max_file_bytes: u64,
    /// Seconds after sending for which a message may be edited or deleted.
    pub message_change_seconds: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            public_origins: vec![
                "http://127.0.0.1:8080".to_owned(),
                "http://localhost:8080".to_owned(),
            ],
            demo: false,
            max_message_characters: 4000,
            max_file_bytes: 25 * 1024 * 1024,
            message_change_seconds: 3600,
        }
    }
}

/// A started service.
pub struct Running {
    /// Routes for the public listener.
    pub router: Router,
    /// Everything the service runs; empty once it has stopped.
    pub tasks: TaskTracker,
}

impl Running {
    /// A service without HTTP routes.
    pub fn without_routes(tasks: TaskTracker) -> Self {
        Self { router: Router::new(), tasks }
    }
}

//! Servers that tests start for themselves.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// Where Debian puts it, which is not in every user's `PATH`.
const DEBIAN_PATH: &str = "/usr/sbin/nats-server";
const START_PATIENCE: Duration = Duration::from_secs(10);

/// A NATS server of its own for one test, on a free port of 127.0.0.1. Stopped
/// when dropped.
pub struct NatsServer {
    child: Child,
    port: u16,
    directory: TempDir,
}

impl NatsServer {
    /// Starts a server and waits until it accepts connections.
    ///
    /// # Panics
    /// When there is none: a test without its bus has failed.
    pub async fn start() -> Self {
        Self::start_on(0).await
    }

    /// As [`Self::start`], on the port of a server that was stopped.
    ///
    /// # Panics
    /// See [`Self::start`].
    pub async fn start_on(port: u16) -> Self {
        // A port chosen here could be taken before the server binds it, so the
        // server chooses for itself and writes its choice into a file.
        let directory = TempDir::with_prefix("housecall-nats-").expect("a temporary directory");
        let port = if port == 0 { "-1".to_owned() } else { port.to_string() };
        let child = Command::new(binary())
            .args(["--addr", "127.0.0.1", "--port", &port, "--ports_file_dir"])
            .arg(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the bootstrap installs nats-server");
        let mut server = Self { child, port: 0, directory };
        server.port = tokio::time::timeout(START_PATIENCE, server.announced_port())
            .await
            .expect("nats-server starts within ten seconds");
        server
    }

    /// Address for [`crate::bus::Bus::nats`].
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub const fn port(&self) -> u16 {
        self.port
    }

    async fn announced_port(&mut self) -> u16 {
        let file = self.directory.path().join(format!("nats-server_{}.ports", self.child.id()));
        loop {
            if let Some(port) = std::fs::read_to_string(&file).ok().and_then(|text| port_in(&text))
            {
                return port;
            }
            let exited = self.child.try_wait().expect("our own child");
            assert!(exited.is_none(), "nats-server ended at its start: {exited:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        // Gone already is as good as stopped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn binary() -> PathBuf {
    let debian = PathBuf::from(DEBIAN_PATH);
    if debian.exists() { debian } else { PathBuf::from("nats-server") }
}

/// From `{"nats": ["nats://127.0.0.1:41234"], ...}`.
fn port_in(ports: &str) -> Option<u16> {
    let ports: serde_json::Value = serde_json::from_str(ports).ok()?;
    ports["nats"][0].as_str()?.rsplit(':').next()?.parse().ok()
}

//! The real binary on free ports, with a data directory of its own.

use std::os::unix::fs::PermissionsExt;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

/// Long enough for a cold start on a loaded machine; a test that hits it has failed.
const START_LIMIT: Duration = Duration::from_secs(120);

pub(crate) struct House {
    child: Child,
    /// `http://127.0.0.1:port`.
    pub(crate) public: String,
    pub(crate) private: String,
    pub(crate) data_dir: Arc<TempDir>,
    pub(crate) http: reqwest::Client,
}

/// Everything the process wrote into its log, once it has ended.
pub(crate) type Stderr = tokio::task::JoinHandle<String>;

/// A directory that a server run as another user can reach.
pub(crate) fn data_dir() -> Arc<TempDir> {
    let directory = TempDir::with_prefix("housecall-it-").unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    Arc::new(directory)
}

/// The binary with its ports and data directory set, ready to spawn.
pub(crate) fn command(data_dir: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_housecall"));
    command
        .args(["serve", "--demo", "--listen", "127.0.0.1:0", "--private-listen", "127.0.0.1:0"])
        .args(["--media-port", "0"])
        .arg("--data-dir")
        .arg(data_dir.path().join("var"))
        .current_dir(data_dir.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true);
    command
}

impl House {
    pub(crate) async fn start() -> Self {
        Self::start_in(data_dir()).await
    }

    pub(crate) async fn start_in(data_dir: Arc<TempDir>) -> Self {
        let child = command(&data_dir).spawn().unwrap();
        Self::ready(child, data_dir).await
    }

    /// With settings from the environment, and its log kept to be searched.
    pub(crate) async fn start_watched(settings: &[(&str, String)]) -> (Self, Stderr) {
        let data_dir = data_dir();
        let mut command = command(&data_dir);
        command.envs(settings.iter().map(|(name, value)| (name, value)));
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let log = tokio::spawn(async move {
            let mut bytes = Vec::new();
            // What could not be read is as good as its end.
            let _ = stderr.read_to_end(&mut bytes).await;
            String::from_utf8_lossy(&bytes).into_owned()
        });
        (Self::ready(child, data_dir).await, log)
    }

    /// Waits until a spawned [`command`] says where it listens.
    pub(crate) async fn ready(mut child: Child, data_dir: Arc<TempDir>) -> Self {
        let stdout = child.stdout.take().unwrap();
        let (public, private) = tokio::time::timeout(START_LIMIT, addresses(stdout))
            .await
            .expect("housecall is ready in time");
        Self { child, public, private, data_dir, http: reqwest::Client::new() }
    }

    /// `kill -9`: no drain, no goodbye. The data directory stays.
    pub(crate) async fn kill(mut self) -> Arc<TempDir> {
        self.child.kill().await.unwrap();
        self.data_dir
    }

    /// SIGTERM, as an orderly stop.
    pub(crate) async fn stop(mut self) -> ExitStatus {
        let id = self.child.id().expect("still running");
        kill(Pid::from_raw(i32::try_from(id).unwrap()), Signal::SIGTERM).unwrap();
        self.child.wait().await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, token: Option<&str>, body: &Value) -> (u16, Value) {
        let mut request = self
            .http
            .post(format!("{}{path}", self.public))
            .header("content-type", "application/json")
            .header("origin", &self.public)
            .body(body.to_string());
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> (u16, Value) {
        let response = self
            .http
            .get(format!("{}{path}", self.public))
            .bearer_auth(token)
            .send()
            .await
            .unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// Signs a patient in by the code that demo mode returns; a new phone registers.
    pub(crate) async fn patient(&self, phone: &str) -> SignedIn {
        let (status, sent) =
            self.post("/api/v1/auth/patient/code", None, &json!({ "phone": phone })).await;
        assert_eq!(status, 200, "{sent}");
        let body = json!({ "phone": phone, "code": sent["demo_code"], "device": "test" });
        let (status, answer) = self.post("/api/v1/auth/patient/verify", None, &body).await;
        assert_eq!(status, 200, "{answer}");
        SignedIn::from(&answer)
    }

    pub(crate) async fn operator(&self, email: &str) -> SignedIn {
        let body = json!({ "email": email, "password": DEMO_PASSWORD, "device": "test" });
        let (status, answer) = self.post("/api/v1/auth/operator/login", None, &body).await;
        assert_eq!(status, 200, "{answer}");
        SignedIn::from(&answer)
    }
}

/// What the demo prints.
pub(crate) const DEMO_PASSWORD: &str = "demo-housecall";

#[derive(Clone)]
pub(crate) struct SignedIn {
    pub(crate) token: String,
    pub(crate) conversation: Option<String>,
}

impl From<&Value> for SignedIn {
    fn from(answer: &Value) -> Self {
        Self {
            token: answer["access_token"].as_str().unwrap().to_owned(),
            conversation: answer["me"]["conversation"].as_str().map(str::to_owned),
        }
    }
}

/// Reads the announcement, then keeps the pipe drained so that the child never blocks.
async fn addresses(stdout: tokio::process::ChildStdout) -> (String, String) {
    let mut lines = BufReader::new(stdout).lines();
    let mut found = Vec::new();
    while found.len() < 2 {
        let line = lines.next_line().await.unwrap().expect("housecall ended before it was ready");
        let line = line.trim();
        if line.starts_with("Patient app") || line.starts_with("Metrics") {
            let url = line.split_whitespace().last().unwrap();
            let end = url.match_indices('/').nth(2).map_or(url.len(), |(at, _)| at);
            found.push(url[..end].to_owned());
        }
    }
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    let private = found.pop().unwrap();
    (found.pop().unwrap(), private)
}

//! A house of its own for a benchmark: the real binary over a PostgreSQL, and over
//! a NATS server when it is divided among several processes.
//!
//! - [`people`]: patients who can sign in, with their access tokens.

pub mod people;

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use housecall_platform::postgres::PrivateCluster;
use housecall_platform::testing::NatsServer;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use secrecy::ExposeSecret;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio_postgres::NoTls;

/// Long enough for a cold start on a loaded machine.
const START_LIMIT: Duration = Duration::from_secs(120);
const DATABASE: &str = "housecall";
/// Files that a gateway's process needs beside its clients' sockets.
const SPARE_FILES: u64 = 600;

/// What is started.
#[derive(Clone, Debug)]
pub struct Plan {
    pub housecall: std::path::PathBuf,
    /// One: everything in one process. More: so many gateways, and the other roles
    /// in one process beside them.
    pub gateways: usize,
    /// Presence instances, each in a process of its own; 0: none apart from the other
    /// roles.
    pub presence: usize,
    /// Settings of PostgreSQL.
    pub postgres: Vec<&'static str>,
    /// `HOUSECALL_*` variables beside the usual ones.
    pub settings: Vec<(String, String)>,
}

impl Plan {
    /// As many gateways as it takes to hold so many connections under the system's
    /// limit of open files.
    pub fn holding(housecall: &Path, connections: usize) -> Self {
        let limit = crate::process::open_files_limit().saturating_sub(SPARE_FILES).max(1);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Self {
            housecall: housecall.to_owned(),
            gateways: connections.div_ceil(limit).max(1),
            presence: 0,
            postgres: vec!["max_connections=300"],
            settings: vec![
                ("HOUSECALL_LOG__FILTER".to_owned(), "warn".to_owned()),
                ("HOUSECALL_SFU__PORT_BASE".to_owned(), "0".to_owned()),
                ("HOUSECALL_SIGNALING__MAX_CONNECTIONS".to_owned(), "1000000".to_owned()),
                ("HOUSECALL_LIMITS__OPEN_FILES".to_owned(), "1000000".to_owned()),
            ],
        }
    }

    /// One gateway and two presence instances, each a process, and the rest in another.
    pub fn many(housecall: &Path) -> Self {
        Self { presence: 2, ..Self::holding(housecall, 1) }
    }

    const fn is_divided(&self) -> bool {
        self.gateways > 1 || self.presence > 0
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.settings.push((name.to_owned(), value.into()));
        self
    }
}

/// A running house. Its processes are stopped when it is dropped.
pub struct Deployment {
    pub gateways: Vec<Process>,
    /// The other roles, when the gateways stand alone.
    pub rest: Option<Process>,
    pub presence: Vec<Process>,
    pub database_url: String,
    /// Where the processes meet, when there are several.
    pub bus_url: Option<String>,
    // Dropped after the processes that use them.
    _nats: Option<NatsServer>,
    _postgres: PrivateCluster,
    _directory: TempDir,
}

impl Deployment {
    /// # Errors
    /// When a part does not start.
    pub async fn start(plan: &Plan) -> anyhow::Result<Self> {
        let directory = TempDir::with_prefix("housecall-bench-")?;
        // PostgreSQL runs as another user when this one is root.
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755))?;
        let postgres = start_postgres(directory.path(), plan.postgres.clone()).await?;
        let database_url = postgres.url(DATABASE).expose_secret().to_owned();
        let mut settings = plan.settings.clone();
        settings.push(("DATABASE_URL".to_owned(), database_url.clone()));
        let nats = if plan.is_divided() { Some(NatsServer::start().await) } else { None };
        if let Some(nats) = &nats {
            settings.push(("HOUSECALL_BUS__NATS_URL".to_owned(), nats.url()));
        }
        let start = |name: String, roles| {
            Process::start(&plan.housecall, directory.path().join(name), roles, &settings)
        };
        let mut rest = None;
        let (mut gateways, mut presence) = (Vec::new(), Vec::new());
        if plan.is_divided() {
            let roles = match plan.presence {
                0 => "presence,chat-router,crm-api",
                _ => "chat-router,crm-api",
            };
            rest = Some(start("rest".to_owned(), Some(roles)).await?);
            for number in 0..plan.presence {
                presence.push(start(format!("presence-{number}"), Some("presence")).await?);
            }
            for number in 0..plan.gateways {
                gateways.push(start(format!("gateway-{number}"), Some("signaling")).await?);
            }
        } else {
            gateways.push(start("house".to_owned(), None).await?);
        }
        let bus_url = nats.as_ref().map(NatsServer::url);
        let (_nats, _postgres, _directory) = (nats, postgres, directory);
        Ok(Self { gateways, rest, presence, database_url, bus_url, _nats, _postgres, _directory })
    }

    /// All processes of ours.
    pub fn processes(&self) -> impl Iterator<Item = &Process> {
        self.gateways.iter().chain(&self.rest).chain(&self.presence)
    }

    /// A connection to its database.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn database(&self) -> anyhow::Result<tokio_postgres::Client> {
        connect(&self.database_url).await
    }
}

/// One `housecall serve`. Told to stop when dropped.
pub struct Process {
    child: Child,
    pub pid: u32,
    pub public: SocketAddr,
    pub private: SocketAddr,
}

impl Process {
    async fn start(
        housecall: &Path,
        data_dir: std::path::PathBuf,
        roles: Option<&str>,
        settings: &[(String, String)],
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(housecall);
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--private-listen", "127.0.0.1:0"])
            .arg("--data-dir")
            .arg(&data_dir);
        if let Some(roles) = roles {
            command.args(["--roles", roles]);
        }
        let mut child = command
            .envs(settings.iter().map(|(name, value)| (name, value)))
            .current_dir(data_dir.parent().context("a directory above")?)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .context("the housecall binary cannot be started")?;
        let pid = child.id().context("just started")?;
        let (public, private) = tokio::time::timeout(START_LIMIT, addresses(&mut child)).await??;
        Ok(Self { child, pid, public, private })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // In order first, so that nothing it started outlives it; then `kill_on_drop`.
        let Ok(pid) = i32::try_from(self.pid) else { return };
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        for _ in 0..100 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// What the process prints when it is ready.
async fn addresses(child: &mut Child) -> anyhow::Result<(SocketAddr, SocketAddr)> {
    let mut lines = BufReader::new(child.stdout.take().context("piped")?).lines();
    let mut public = None;
    while let Some(line) = lines.next_line().await? {
        let line = line.trim();
        let address = |name: &str| {
            let rest = line.strip_prefix(name)?.trim().split_once("://")?.1;
            rest.split('/').next()?.parse::<SocketAddr>().ok()
        };
        public = public.or_else(|| address("Patient app"));
        if let (Some(public), Some(private)) = (public, address("Metrics")) {
            // Whatever it prints later must not fill the pipe.
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Ok((public, private));
        }
    }
    bail!("housecall ended before it was ready")
}

async fn start_postgres(
    directory: &Path,
    settings: Vec<&'static str>,
) -> anyhow::Result<PrivateCluster> {
    let path = directory.join("postgres");
    let cluster =
        tokio::task::spawn_blocking(move || PrivateCluster::start(&path, &settings)).await??;
    let client = connect(cluster.url("postgres").expose_secret()).await?;
    client.batch_execute(&format!("CREATE DATABASE {DATABASE}")).await?;
    Ok(cluster)
}

pub(crate) async fn connect(url: &str) -> anyhow::Result<tokio_postgres::Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

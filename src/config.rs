//! The configuration: defaults, then a TOML file, then `HOUSECALL_*` variables
//! (`HOUSECALL_SERVER__LISTEN`), then the command line.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use figment::Figment;
use figment::providers::{Env, Format, Toml};
use housecall_platform::telemetry::LogFormat;
use secrecy::SecretString;
use serde::Deserialize;

use crate::listener::{Bounds, tls};

/// Everything a process can be told.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) server: Server,
    pub(crate) database: Database,
    pub(crate) bus: BusConfig,
    pub(crate) log: Log,
    pub(crate) limits: Limits,
    pub(crate) crm_api: housecall_crm_api::Config,
    pub(crate) signaling: housecall_signaling::Config,
    pub(crate) chat_router: housecall_chat_router::Config,
    pub(crate) presence: housecall_presence::Config,
    pub(crate) sfu: housecall_sfu::Config,
}

/// `[server]`
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Server {
    pub(crate) listen: SocketAddr,
    pub(crate) private_listen: SocketAddr,
    pub(crate) public_origins: Vec<String>,
    pub(crate) data_dir: PathBuf,
    pub(crate) demo: bool,
    pub(crate) drain_seconds: u64,
    pub(crate) head_timeout_seconds: u64,
    pub(crate) body_timeout_seconds: u64,
    pub(crate) max_connections: usize,
    pub(crate) accepts_per_second: u32,
    pub(crate) tls: Option<tls::Files>,
}

impl Server {
    pub(crate) const fn bounds(&self) -> Bounds {
        Bounds {
            head: Duration::from_secs(self.head_timeout_seconds),
            body: Duration::from_secs(self.body_timeout_seconds),
            connections: self.max_connections,
            accepts_per_second: self.accepts_per_second,
        }
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            private_listen: SocketAddr::from(([127, 0, 0, 1], 8081)),
            public_origins: Vec::new(),
            data_dir: PathBuf::from("var"),
            demo: false,
            drain_seconds: 10,
            head_timeout_seconds: 20,
            body_timeout_seconds: 30,
            max_connections: 4096,
            accepts_per_second: 2000,
            tls: None,
        }
    }
}

/// `[database]`
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Database {
    pub(crate) url: Option<SecretString>,
    pub(crate) max_connections: usize,
}

impl Default for Database {
    fn default() -> Self {
        Self { url: None, max_connections: 32 }
    }
}

/// `[bus]`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct BusConfig {
    pub(crate) nats_url: Option<String>,
}

/// `[log]`
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Log {
    pub(crate) filter: String,
    pub(crate) format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            filter: "info,str0m=warn,refinery_core=warn,tokio_postgres=warn".to_owned(),
            format: LogFormat::Text,
        }
    }
}

/// `[limits]`
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Limits {
    pub(crate) max_message_characters: u32,
    pub(crate) max_file_bytes: u64,
    pub(crate) message_change_seconds: u32,
    pub(crate) open_files: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_message_characters: 4000,
            max_file_bytes: 25 * 1024 * 1024,
            message_change_seconds: 3600,
            open_files: 100_000,
        }
    }
}

const SAMPLE: &str = r#"# Housecall's settings with their defaults. Uncomment what you change.
# Any of them can be given in the environment too: HOUSECALL_SERVER__LISTEN, and so on.

[server]
# Public listener: the web apps, REST and WebSocket. Give it a certificate (below)
# or a TLS proxy, or browsers on other machines will refuse the camera.
#listen = "127.0.0.1:8080"
# Private listener: /metrics, /healthz, /readyz. Keep it off the internet.
#private_listen = "127.0.0.1:8081"
# Origins browsers may come from, as "https://clinic.example". Empty means the
# public listener itself, by address and as localhost.
#public_origins = []
# Directory for the private database and uploaded files.
#data_dir = "var"
# Fill an empty database with demo people and show demo hints. Never in production.
#demo = false
# Seconds to finish what is under way when told to stop.
#drain_seconds = 10
# Seconds a client has for a request's head, and for the next request on an open connection.
#head_timeout_seconds = 20
# Longest pause between two pieces of a request's body, seconds.
#body_timeout_seconds = 30
# HTTP connections at once, WebSockets not counted; further ones wait.
#max_connections = 4096
# Connections taken per second; further ones wait in the system's queue.
#accepts_per_second = 2000

# TLS on the public listener. The files are read again when they change.
#[server.tls]
# The certificate and those that lead to its issuer, PEM.
#certificate = "/etc/housecall/certificate.pem"
# Its private key, PEM.
#key = "/etc/housecall/key.pem"

[database]
# postgres://user:password@host/database. Absent (and DATABASE_URL unset too): a
# private PostgreSQL in the data directory.
#url = "postgres://housecall@localhost/housecall"
# Connections at most, for all services of this process together.
#max_connections = 32

[bus]
# nats://host:4222. Absent: services meet inside this process, so it must run all roles.
#nats_url = "nats://127.0.0.1:4222"

[log]
# As RUST_LOG: "info", "warn,housecall_sfu=debug".
#filter = "info,str0m=warn,refinery_core=warn,tokio_postgres=warn"
# "text" for people, "json" for collectors.
#format = "text"

[limits]
# Longest text of one message, characters.
#max_message_characters = 4000
# Largest uploaded file, bytes.
#max_file_bytes = 26214400
# Seconds after sending for which a message may be edited or deleted by its author.
#message_change_seconds = 3600
# Open files to ask the system for; every connection takes one.
#open_files = 100000
"#;

/// The whole commented sample: ours and every service's own section.
pub(crate) fn sample() -> String {
    [
        SAMPLE,
        housecall_crm_api::Config::SAMPLE,
        housecall_signaling::Config::SAMPLE,
        housecall_chat_router::SAMPLE,
        housecall_presence::SAMPLE,
        housecall_sfu::Config::SAMPLE,
    ]
    .map(str::trim_end)
    .join("\n\n")
        + "\n"
}

/// Reads the configuration. Without `file`, `housecall.toml` in the working
/// directory is read when it is there.
pub(crate) fn load(file: Option<&Path>) -> anyhow::Result<Config> {
    if let Some(path) = file {
        anyhow::ensure!(path.exists(), "the configuration file {} does not exist", path.display());
    }
    let path = file.unwrap_or(Path::new("housecall.toml"));
    let mut figment = Figment::new();
    if path.exists() {
        figment = figment.merge(Toml::file_exact(path));
    }
    let mut config: Config = figment
        .merge(
            // Every setting is in a section; a name without one is not a setting.
            Env::prefixed("HOUSECALL_").filter(|name| name.as_str().contains("__")).split("__"),
        )
        .extract()
        .context("the configuration cannot be read")?;
    if config.database.url.is_none() {
        config.database.url = std::env::var("DATABASE_URL").ok().map(SecretString::from);
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_valid_and_says_the_defaults() {
        // An optional setting's commented line is an example, not its default.
        let examples = ["url = ", "nats_url = ", "[server.tls]", "certificate = ", "key = "];
        let uncommented: String = SAMPLE
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(setting)
                    if !setting.starts_with(' ')
                        && !examples.iter().any(|e| setting.starts_with(e)) =>
                {
                    setting
                }
                _ => line,
            })
            .collect::<Vec<_>>()
            .join("\n");
        let config: Config = Figment::from(Toml::string(&uncommented)).extract().unwrap();
        assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()));
        let whole: Result<Config, _> = Figment::from(Toml::string(&sample())).extract();
        whole.unwrap();
    }

    #[test]
    fn an_unknown_setting_is_refused_by_name() {
        let read: Result<Config, _> =
            Figment::from(Toml::string("[server]\nlisten_on = 1")).extract();
        assert!(read.unwrap_err().to_string().contains("listen_on"));
    }
}

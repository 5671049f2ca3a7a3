//! A private PostgreSQL cluster in a data directory, from the server binaries
//! that the distribution installed.
//!
//! It listens on a Unix socket inside its own directory only: no port to
//! collide, nobody else to let in. The server binaries refuse to run as root,
//! so a process started by root hands the directory to the `postgres` user.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::unistd::{Gid, Uid, User};
use secrecy::SecretString;

const DATABASE_USER: &str = "housecall";

/// Why the private cluster could not be started. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    #[error(
        "PostgreSQL's server programs were not found. Install them (on Debian: apt-get install postgresql), or set DATABASE_URL to a running server"
    )]
    NotInstalled,
    #[error(
        "PostgreSQL does not run as root and there is no user \"postgres\" to run it as. Install the postgresql package, or start Housecall as an ordinary user"
    )]
    NoServerUser,
    #[error(
        "the data directory {path} cannot be used: {error}. Choose another one with --data-dir, or mend its permissions"
    )]
    Directory { path: PathBuf, error: std::io::Error },
    #[error(
        "the directory {0} lets no other user in, and PostgreSQL does not run as root. Choose another place with --data-dir, or allow it: chmod o+x {0}"
    )]
    Closed(PathBuf),
    #[error(
        "the database in {path} was made by PostgreSQL {found}, but version {installed} is installed. Install PostgreSQL {found}, or move the directory away to start afresh"
    )]
    Version { path: PathBuf, found: String, installed: String },
    #[error(
        "the path {0} is too long for a Unix socket (100 bytes at most). Choose a shorter --data-dir"
    )]
    PathTooLong(PathBuf),
    #[error("{program} failed: {message}. The server's log is {log}")]
    Program { program: String, message: String, log: PathBuf },
}

/// A running private cluster. [`Self::stop`] shuts it down; dropping it does the
/// same without reporting errors.
#[derive(Debug)]
pub struct PrivateCluster {
    paths: Paths,
    server: ServerUser,
    running: bool,
}

#[derive(Debug)]
struct Paths {
    binaries: PathBuf,
    data: PathBuf,
    sockets: PathBuf,
    log: PathBuf,
}

/// Who runs the server: ourselves, or `postgres` when we are root.
#[derive(Clone, Copy, Debug)]
enum ServerUser {
    Own,
    Other { uid: Uid, gid: Gid },
}

/// Extra server settings for a cluster that only tests use: nothing in it
/// outlives the run, so nothing needs to reach the disk.
pub const THROWAWAY_SETTINGS: [&str; 4] =
    ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=300"];

impl PrivateCluster {
    /// Starts the cluster in `directory`, creating it when it is not there. A
    /// server that an earlier process left running (after `kill -9`) is taken over.
    ///
    /// # Errors
    /// See [`ClusterError`]. Blocks for a second or two when it creates a cluster.
    pub fn start(directory: &Path, settings: &[&str]) -> Result<Self, ClusterError> {
        let server = ServerUser::choose()?;
        let paths = Paths::prepare(directory, server)?;
        let mut cluster = Self { paths, server, running: false };
        if cluster.paths.data.join("PG_VERSION").exists() {
            cluster.check_version()?;
        } else {
            cluster.initialise()?;
        }
        if !cluster.is_running() {
            cluster.launch(settings)?;
        }
        cluster.running = true;
        Ok(cluster)
    }

    /// The address of `database` in this cluster.
    pub fn url(&self, database: &str) -> SecretString {
        let sockets = percent_encode(&self.paths.sockets.to_string_lossy());
        SecretString::from(format!("postgres://{DATABASE_USER}@/{database}?host={sockets}"))
    }

    /// Shuts the server down: open transactions roll back, committed ones are kept.
    ///
    /// # Errors
    /// When the server does not stop.
    pub fn stop(&mut self) -> Result<(), ClusterError> {
        if !self.running {
            return Ok(());
        }
        self.running = false;
        self.pg_ctl(&["stop", "--mode=fast", "--wait", "--silent"]).map(drop)
    }

    fn initialise(&self) -> Result<(), ClusterError> {
        let data = self.paths.data.to_string_lossy().into_owned();
        self.run(
            "initdb",
            &[
                "--pgdata",
                &data,
                "--username",
                DATABASE_USER,
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--no-instructions",
            ],
        )
        .map(drop)
    }

    fn check_version(&self) -> Result<(), ClusterError> {
        let path = self.paths.data.join("PG_VERSION");
        let found = fs::read_to_string(&path)
            .map_err(|error| ClusterError::Directory { path: path.clone(), error })?;
        let found = found.trim().to_owned();
        let installed = self.run("postgres", &["--version"])?;
        let installed_major =
            installed.split_whitespace().nth(2).and_then(|v| v.split('.').next()).unwrap_or("");
        if found == installed_major {
            return Ok(());
        }
        Err(ClusterError::Version {
            path: self.paths.data.clone(),
            found,
            installed: installed_major.to_owned(),
        })
    }

    fn is_running(&self) -> bool {
        self.pg_ctl(&["status"]).is_ok()
    }

    fn launch(&self, settings: &[&str]) -> Result<(), ClusterError> {
        let mut options = format!(
            "-c listen_addresses='' -c unix_socket_directories='{}' -c unix_socket_permissions=0700",
            self.paths.sockets.display()
        );
        for setting in settings {
            options.push_str(" -c ");
            options.push_str(setting);
        }
        let log = self.paths.log.to_string_lossy().into_owned();
        self.pg_ctl(&["start", "--wait", "--silent", "--log", &log, "--options", &options])
            .map(drop)
    }

    fn pg_ctl(&self, arguments: &[&str]) -> Result<String, ClusterError> {
        let data = self.paths.data.to_string_lossy().into_owned();
        let mut all = vec!["--pgdata", data.as_str()];
        all.extend_from_slice(arguments);
        self.run("pg_ctl", &all)
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<String, ClusterError> {
        let failure = |message: String| ClusterError::Program {
            program: program.to_owned(),
            message,
            log: self.paths.log.clone(),
        };
        let mut command = Command::new(self.paths.binaries.join(program));
        command
            .args(arguments)
            .current_dir(&self.paths.sockets)
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null());
        // pg_ctl's server inherits its output; a pipe would stay open for the
        // server's whole life and never come to its end.
        let starts = arguments.contains(&"start");
        if starts {
            command.stdout(Stdio::null()).stderr(Stdio::null());
        }
        // A terminal's Ctrl-C goes to its whole process group. The server must
        // outlive that signal until we have drained and stop it ourselves.
        command.process_group(0);
        if let ServerUser::Other { uid, gid } = self.server {
            command.uid(uid.as_raw()).gid(gid.as_raw());
        }
        let output = command.output().map_err(|error| failure(error.to_string()))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let message = String::from_utf8_lossy(&output.stderr);
        let message = if starts { last_line(&self.paths.log) } else { message.trim().to_owned() };
        Err(failure(message))
    }
}

impl Drop for PrivateCluster {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            tracing::warn!(%error, "private PostgreSQL did not stop");
        }
    }
}

impl ServerUser {
    fn choose() -> Result<Self, ClusterError> {
        if !Uid::effective().is_root() {
            return Ok(Self::Own);
        }
        let user = User::from_name("postgres").ok().flatten().ok_or(ClusterError::NoServerUser)?;
        Ok(Self::Other { uid: user.uid, gid: user.gid })
    }

    /// Whether every directory above `root` lets the server's user through.
    fn check_reach(self, root: &Path) -> Result<(), ClusterError> {
        if matches!(self, Self::Own) {
            return Ok(());
        }
        let lets_in = |path: &Path| {
            fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o001 != 0)
        };
        match root.ancestors().skip(1).find(|path| !lets_in(path)) {
            Some(closed) => Err(ClusterError::Closed(closed.to_owned())),
            None => Ok(()),
        }
    }

    /// Gives `path` to the server's user and to nobody else.
    fn own(self, path: &Path, mode: u32) -> Result<(), std::io::Error> {
        if let Self::Other { uid, gid } = self {
            std::os::unix::fs::chown(path, Some(uid.as_raw()), Some(gid.as_raw()))?;
        }
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
    }
}

impl Paths {
    fn prepare(directory: &Path, server: ServerUser) -> Result<Self, ClusterError> {
        let binaries = find_server_binaries().ok_or(ClusterError::NotInstalled)?;
        let unusable = |error| ClusterError::Directory { path: directory.to_owned(), error };
        fs::create_dir_all(directory).map_err(unusable)?;
        let root = directory.canonicalize().map_err(unusable)?;
        let paths = Self {
            binaries,
            data: root.join("data"),
            sockets: root.join("run"),
            log: root.join("postgresql.log"),
        };
        // sun_path holds 107 bytes; the socket's own name takes the rest.
        if paths.sockets.as_os_str().len() > 85 {
            return Err(ClusterError::PathTooLong(root));
        }
        server.own(&root, 0o755).map_err(unusable)?;
        server.check_reach(&root)?;
        // Whoever reaches the socket is trusted (`--auth=trust`): the server's user and
        // root, not everybody with an account on the machine.
        for (path, mode) in [(&paths.data, 0o700), (&paths.sockets, 0o700)] {
            fs::create_dir_all(path).map_err(unusable)?;
            server.own(path, mode).map_err(unusable)?;
        }
        Ok(paths)
    }
}

/// The directory of the newest installed server's programs: Debian keeps them out
/// of `PATH`.
pub fn find_server_binaries() -> Option<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .filter(|(_, bin)| bin.join("initdb").exists() && bin.join("postgres").exists())
        .collect();
    versions.sort();
    versions.pop().map(|(_, bin)| bin).or_else(|| {
        std::env::var_os("PATH").and_then(|path| {
            std::env::split_paths(&path)
                .find(|dir| dir.join("initdb").exists() && dir.join("postgres").exists())
        })
    })
}

fn last_line(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    text.lines().last().unwrap_or("the server did not start").to_owned()
}

fn percent_encode(path: &str) -> String {
    path.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

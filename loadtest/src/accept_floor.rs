//! The least a process must do to hold connections: accept, read what comes, and
//! send two bytes to each at every heartbeat. No HTTP, no frames, no people.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use crate::process;

/// The heartbeat is spread over so many steps, as the gateway spreads its pings.
const STEPS: usize = 100;

/// The floor's process. Killed when dropped.
pub struct Floor {
    pub address: SocketAddr,
    pub pid: u32,
    _process: Child,
}

impl Floor {
    /// # Errors
    /// When the process cannot be started.
    pub async fn start(heartbeat: Duration) -> anyhow::Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["accept-floor", &heartbeat.as_millis().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let pid = process.id().context("just started")?;
        let mut lines = BufReader::new(process.stdout.take().context("piped")?).lines();
        let address = lines.next_line().await?.context("the floor ended at once")?.parse()?;
        Ok(Self { address, pid, _process: process })
    }
}

/// Runs until it is killed.
///
/// # Errors
/// When no address can be bound.
pub fn serve(heartbeat: Duration) -> anyhow::Result<()> {
    process::raise_open_files();
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        let open: Arc<Mutex<Vec<Arc<TcpStream>>>> = Arc::default();
        tokio::spawn(beat(Arc::clone(&open), heartbeat));
        loop {
            let (stream, _) = listener.accept().await?;
            let stream = Arc::new(stream);
            open.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&stream));
            tokio::spawn(read(stream));
        }
    })
}

async fn read(stream: Arc<TcpStream>) {
    let mut buffer = [0; 16];
    while stream.readable().await.is_ok() {
        match stream.try_read(&mut buffer) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

async fn beat(open: Arc<Mutex<Vec<Arc<TcpStream>>>>, heartbeat: Duration) {
    let steps = u32::try_from(STEPS).unwrap_or(1);
    let mut ticks = tokio::time::interval(heartbeat / steps);
    for step in 0.. {
        ticks.tick().await;
        let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
        for stream in open.iter().skip(step % STEPS).step_by(STEPS) {
            // Gone or full: the reader finds out.
            let _ = stream.try_write(&[0; 2]);
        }
        if step % STEPS == 0 {
            open.retain(|stream| Arc::strong_count(stream) > 1);
        }
    }
}

//! Crowds in processes of their own, and the orders they get.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::{Crowd, Done, Order, Place, Speech};

/// A process of clients. Killed when dropped.
pub struct Fleet {
    process: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    _directory: TempDir,
}

impl Fleet {
    /// Starts a process that will speak for `places`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(places: Vec<Place>, speech: Speech) -> anyhow::Result<Self> {
        let directory = TempDir::with_prefix("housecall-crowd-")?;
        let file = directory.path().join("crowd.json");
        std::fs::write(&file, serde_json::to_vec(&Crowd { places, speech })?)?;
        let mut process = worker(&file)?;
        let orders = process.stdin.take().context("piped")?;
        let answers = BufReader::new(process.stdout.take().context("piped")?).lines();
        Ok(Self { process, orders, answers, _directory: directory })
    }

    /// Gives an order without waiting for its end; see [`Self::done`].
    ///
    /// # Errors
    /// When the process is gone.
    pub async fn order(&mut self, order: &Order) -> anyhow::Result<()> {
        let line = serde_json::to_string(order)? + "\n";
        self.orders.write_all(line.as_bytes()).await.context("a crowd is gone")
    }

    /// Waits for the end of the order given.
    ///
    /// # Errors
    /// When the process is gone.
    pub async fn done(&mut self) -> anyhow::Result<Done> {
        let line = self.answers.next_line().await?.context("a crowd is gone")?;
        Ok(serde_json::from_str(&line)?)
    }

    pub fn pid(&self) -> Option<u32> {
        self.process.id()
    }
}

/// Gives an order to all and waits for all; everybody must have succeeded.
///
/// # Errors
/// When somebody did not.
pub async fn all(fleets: &mut [Fleet], order: &Order) -> anyhow::Result<Done> {
    for fleet in fleets.iter_mut() {
        fleet.order(order).await?;
    }
    let mut sum = Done::default();
    for fleet in fleets {
        let done = fleet.done().await?;
        sum.clients += done.clients;
        sum.refusals += done.refusals;
        sum.moments.extend(done.moments);
        sum.failures.extend(done.failures);
    }
    ensure!(sum.failures.is_empty(), "{order:?}: {:?}", sum.failures);
    Ok(sum)
}

fn worker(crowd: &Path) -> anyhow::Result<Child> {
    Command::new(std::env::current_exe()?)
        .arg("crowd")
        .arg(crowd)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("the crowd's process cannot start")
}

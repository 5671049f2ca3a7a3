//! The process that holds the connections of a load: one thread, so that what it
//! costs is small beside what it causes.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use super::line::{Line, Pace, Seen, Window};
use super::script::Script;
use super::town::{FOLLOWED, Town};
use crate::{nanoseconds, process};

/// Connections that greet at the same time.
const AT_ONCE: usize = 32;
/// For what is under way at the end, and for the machine to be late.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is to be done.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    pub door: SocketAddr,
    /// Access tokens of patients who write, and of desks that listen.
    pub writers: Vec<String>,
    pub listeners: Vec<String>,
    pub rate: Rate,
    pub warm_up: Duration,
    pub time: Duration,
    /// Makes the messages of this load differ from those of others.
    pub number: u32,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Rate {
    /// As fast as it goes, with so many messages of each writer under way.
    Full { depth: usize },
    /// So many messages a second, of all writers together.
    Steady { per_second: f64 },
}

/// What came of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// In the measured time.
    pub acknowledged: u64,
    pub seconds: f64,
    pub ack_ms: Milliseconds,
    pub received: u64,
    pub receive_ms: Milliseconds,
    /// Before and after it too.
    pub acknowledged_in_all: u64,
    pub refused: u64,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Milliseconds {
    pub p50: f64,
    pub p99: f64,
}

impl Milliseconds {
    fn of_ns(values: Vec<u32>) -> Self {
        let us = crate::report::Percentiles::of_ns(values);
        Self { p50: us.p50 / 1e3, p99: us.p99 / 1e3 }
    }
}

impl Plan {
    pub fn new(door: SocketAddr, town: &Town, rate: Rate, time: Duration, number: u32) -> Self {
        let tokens = |people: &[crate::deployment::people::Person]| {
            people.iter().map(|person| person.token.clone()).collect()
        };
        Self {
            door,
            writers: tokens(&town.patients),
            listeners: tokens(&town.desks),
            rate,
            warm_up: Duration::from_secs(2),
            time,
            number,
        }
    }
}

/// The process, from its start to its outcome.
pub struct Load {
    process: Child,
    lines: tokio::io::Lines<BufReader<tokio::process::ChildStdout>>,
    pub pid: u32,
    _directory: TempDir,
}

impl Load {
    /// Starts it and returns when what counts begins.
    ///
    /// # Errors
    /// When it cannot be started, or the house does not serve it.
    pub async fn start(plan: &Plan) -> anyhow::Result<Self> {
        let directory = TempDir::with_prefix("housecall-load-")?;
        let file = directory.path().join("plan.json");
        std::fs::write(&file, serde_json::to_vec(plan)?)?;
        let mut process = Command::new(std::env::current_exe()?)
            .arg("chat-load")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let pid = process.id().context("just started")?;
        let mut lines = BufReader::new(process.stdout.take().context("piped")?).lines();
        let first = lines.next_line().await?;
        ensure!(first.as_deref() == Some("measuring"), "the load could not begin: {first:?}");
        Ok(Self { process, lines, pid, _directory: directory })
    }

    /// # Errors
    /// When it failed.
    pub async fn outcome(mut self) -> anyhow::Result<Outcome> {
        let line = self.lines.next_line().await?.context("the load failed")?;
        self.process.wait().await?;
        Ok(serde_json::from_str(&line)?)
    }
}

/// The process's own part.
///
/// # Errors
/// When a connection is lost or a message is not acknowledged.
pub fn serve(plan: &Path) -> anyhow::Result<()> {
    process::raise_open_files();
    let plan: Plan = serde_json::from_slice(&std::fs::read(plan)?)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(run(plan))?;
    println!("{}", serde_json::to_string(&outcome)?);
    Ok(())
}

async fn run(plan: Plan) -> anyhow::Result<Outcome> {
    let writers = connect(plan.door, &plan.writers, 0).await?;
    let mut listeners = connect(plan.door, &plan.listeners, writers.len()).await?;
    let conversations: Vec<String> =
        writers.iter().filter_map(|line| line.conversation.clone()).collect();
    ensure!(conversations.len() == writers.len(), "a patient without a conversation");
    for (line, followed) in listeners.iter_mut().zip(conversations.chunks(FOLLOWED)) {
        for conversation in followed {
            line.follow(conversation).await?;
        }
    }
    let begin = nanoseconds();
    let from_ns = begin + nanos(plan.warm_up);
    let window = Window { from_ns, to_ns: from_ns + nanos(plan.time) };
    let received = Arc::new(Mutex::new(Vec::new()));
    let mut listening = JoinSet::new();
    for line in listeners {
        let received = Arc::clone(&received);
        listening.spawn(line.listen(window, move |ns| {
            received.lock().unwrap_or_else(PoisonError::into_inner).push(ns);
        }));
    }
    let mut writing = JoinSet::new();
    let count = writers.len();
    for (number, (line, conversation)) in writers.into_iter().zip(&conversations).enumerate() {
        let identity = u64::from(plan.number) << 32 | number as u64;
        let script = Script::new(conversation, identity);
        writing.spawn(line.write(script, pace(plan.rate, number, count, begin), window));
    }
    tokio::time::sleep(Duration::from_nanos(window.from_ns.saturating_sub(nanoseconds()))).await;
    println!("measuring");
    let limit = plan.time + PATIENCE;
    let seen = tokio::time::timeout(limit, writing.join_all())
        .await
        .context("an acknowledgement did not come")?;
    // What was acknowledged last is on its way to the others.
    tokio::time::sleep(Duration::from_secs(1)).await;
    listening.abort_all();
    let received = std::mem::take(&mut *received.lock().unwrap_or_else(PoisonError::into_inner));
    outcome(seen.into_iter().collect::<anyhow::Result<_>>()?, received, plan.time)
}

async fn connect(door: SocketAddr, tokens: &[String], first: usize) -> anyhow::Result<Vec<Line>> {
    let mut lines: Vec<Option<Line>> = tokens.iter().map(|_| None).collect();
    let mut opening = FuturesUnordered::new();
    let mut waiting = tokens.iter().enumerate();
    loop {
        while opening.len() < AT_ONCE
            && let Some((number, token)) = waiting.next()
        {
            opening.push(async move { (number, Line::connect(door, token, first + number).await) });
        }
        let Some((number, line)) = opening.next().await else { break };
        lines[number] = Some(line?);
    }
    Ok(lines.into_iter().flatten().collect())
}

/// Writers of a steady rate take turns, evenly over the time between their messages.
fn pace(rate: Rate, number: usize, writers: usize, begin: u64) -> Pace {
    match rate {
        Rate::Full { depth } => Pace::Closed { depth },
        Rate::Steady { per_second } => {
            let interval = 1e9 * writers as f64 / per_second;
            let phase = interval * number as f64 / writers as f64;
            Pace::Open { first_ns: begin + phase as u64, interval_ns: interval as u64 }
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn outcome(seen: Vec<Seen>, received: Vec<u32>, time: Duration) -> anyhow::Result<Outcome> {
    let acknowledged_in_all = seen.iter().map(|one| one.acknowledged).sum();
    let refused = seen.iter().map(|one| one.refused).sum();
    let ack_ns: Vec<u32> = seen.into_iter().flat_map(|one| one.ack_ns).collect();
    Ok(Outcome {
        acknowledged: ack_ns.len() as u64,
        seconds: time.as_secs_f64(),
        ack_ms: Milliseconds::of_ns(ack_ns),
        received: received.len() as u64,
        receive_ms: Milliseconds::of_ns(received),
        acknowledged_in_all,
        refused,
    })
}

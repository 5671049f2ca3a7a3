//! One connection of a load: hello, then either writing or listening.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};

use super::script::{Heard, Script, hear};
use super::wire::Wire;
use crate::crowd::client::tcp;
use crate::nanoseconds;

/// Of the hello and of everything before the load.
const PATIENCE: Duration = Duration::from_secs(60);

/// Connections of one source address; the house bounds them.
const PER_SOURCE: usize = 200;

/// A welcomed connection.
pub struct Line {
    wire: Wire,
    /// A patient's own.
    pub conversation: Option<String>,
}

/// What a connection saw while it was measured.
#[derive(Debug, Default)]
pub struct Seen {
    /// Nanoseconds from when a message was due to its acknowledgement.
    pub ack_ns: Vec<u32>,
    /// The same to its arrival at another person's device.
    pub receive_ns: Vec<u32>,
    /// All acknowledged, also before and after the measured time.
    pub acknowledged: u64,
    pub refused: u64,
}

/// When to write.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// So many messages are always under way.
    Closed { depth: usize },
    /// One is due at these times, whether or not those before were answered.
    Open { first_ns: u64, interval_ns: u64 },
}

/// Which part of a load counts.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub from_ns: u64,
    pub to_ns: u64,
}

impl Window {
    const fn holds(&self, at_ns: u64) -> bool {
        self.from_ns <= at_ns && at_ns < self.to_ns
    }
}

impl Line {
    /// # Errors
    /// When the house does not welcome it.
    pub async fn connect(door: SocketAddr, token: &str, number: usize) -> anyhow::Result<Self> {
        tokio::time::timeout(PATIENCE, async {
            let stream = tcp(source(number), door).await?;
            let wire = Wire::open(stream, &door.to_string()).await?;
            let mut line = Self { wire, conversation: None };
            let hello =
                json!({ "protocol": 1, "token": token, "device": "load", "previous": null });
            let welcome = line.ask("hello", &hello).await?;
            line.conversation = welcome["conversation"].as_str().map(str::to_owned);
            Ok(line)
        })
        .await
        .context("the hello took too long")?
    }

    /// # Errors
    /// When it is refused.
    pub async fn follow(&mut self, conversation: &str) -> anyhow::Result<()> {
        self.ask("chat.open", &json!({ "conversation": conversation })).await.map(drop)
    }

    async fn ask(&mut self, kind: &str, data: &Value) -> anyhow::Result<Value> {
        let request = json!({ "id": 1, "type": kind, "data": data });
        self.wire.push(request.to_string().as_bytes());
        self.wire.flush().await?;
        loop {
            let mut answer: Value = serde_json::from_slice(&self.wire.text().await?)?;
            if answer["re"] == 1 {
                ensure!(answer["type"] != "error", "{kind} refused: {}", answer["data"]);
                return Ok(answer["data"].take());
            }
        }
    }

    /// Writes until `window` ends, then waits for what is under way.
    ///
    /// # Errors
    /// When the connection is lost, or an answer does not come.
    pub async fn write(
        mut self,
        mut script: Script,
        pace: Pace,
        window: Window,
    ) -> anyhow::Result<Seen> {
        let mut seen = Seen::default();
        let mut under_way: VecDeque<(u32, u64)> = VecDeque::new();
        let mut next_due = match pace {
            Pace::Closed { .. } => 0,
            Pace::Open { first_ns, .. } => first_ns,
        };
        loop {
            let now = nanoseconds();
            if now < window.to_ns {
                while is_due(pace, now, next_due, under_way.len()) {
                    let due = if matches!(pace, Pace::Closed { .. }) { now } else { next_due };
                    let (id, frame) = script.next(due);
                    self.wire.push(frame);
                    under_way.push_back((id, due));
                    if let Pace::Open { interval_ns, .. } = pace {
                        next_due += interval_ns;
                    }
                }
            } else if under_way.is_empty() {
                return Ok(seen);
            }
            self.wire.flush().await?;
            self.wait(pace, next_due, window).await?;
            let Self { wire, .. } = &mut self;
            let mut stray = None;
            wire.take(|frame| match hear(frame) {
                Heard::Ack(id) => match under_way.pop_front() {
                    Some((expected, due)) if expected == id => seen.acknowledged(due, window),
                    _ => stray = Some(id),
                },
                Heard::Refused(id) => {
                    seen.refused += 1;
                    under_way.retain(|(one, _)| *one != id);
                }
                Heard::Message { .. } | Heard::Other => {}
            })?;
            if let Some(id) = stray {
                bail!("an acknowledgement of {id} out of order");
            }
        }
    }

    /// Until bytes come, or the next message is due.
    async fn wait(&mut self, pace: Pace, next_due: u64, window: Window) -> anyhow::Result<()> {
        let now = nanoseconds();
        if matches!(pace, Pace::Closed { .. }) || now >= window.to_ns {
            return self.wire.fill().await;
        }
        let until = Duration::from_nanos(next_due.min(window.to_ns).saturating_sub(now));
        tokio::select! {
            biased;
            filled = self.wire.fill() => filled,
            () = tokio::time::sleep(until) => Ok(()),
        }
    }

    /// Listens until it is aborted, or the connection is lost.
    ///
    /// # Errors
    /// When it is lost.
    pub async fn listen(mut self, window: Window, mut each: impl FnMut(u32)) -> anyhow::Result<()> {
        loop {
            self.wire.fill().await?;
            let now = nanoseconds();
            self.wire.take(|frame| {
                if let Heard::Message { due_ns } = hear(frame)
                    && window.holds(due_ns)
                {
                    each(u32::try_from(now.saturating_sub(due_ns)).unwrap_or(u32::MAX));
                }
            })?;
            self.wire.flush().await?;
        }
    }
}

fn is_due(pace: Pace, now: u64, next_due: u64, under_way: usize) -> bool {
    match pace {
        Pace::Closed { depth } => under_way < depth,
        Pace::Open { .. } => next_due <= now,
    }
}

impl Seen {
    fn acknowledged(&mut self, due_ns: u64, window: Window) {
        self.acknowledged += 1;
        let now = nanoseconds();
        // What counts is what was acknowledged in the time, whenever it was sent.
        if window.holds(now) {
            self.ack_ns.push(u32::try_from(now.saturating_sub(due_ns)).unwrap_or(u32::MAX));
        }
    }
}

fn source(number: usize) -> IpAddr {
    let [_, _, high, low] = u32::try_from(number / PER_SOURCE).unwrap_or(0).to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(127, 78, high, low.max(1)))
}

//! The process that holds clients: reads orders, one a line, and answers each.
//!
//! One thread. A client keeps its task between two orders, to answer pings.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinHandle;

use super::client::Dialer;
use super::member::{Member, moment};
use super::{Crowd, Done, Moment, Order, Speech};
use crate::{clock, process};

/// Serves orders from standard input until it closes.
///
/// # Errors
/// When an order cannot be read.
pub fn serve(crowd: &Path) -> anyhow::Result<()> {
    process::raise_open_files();
    let crowd: Crowd = serde_json::from_slice(&std::fs::read(crowd)?)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut worker = Worker::new(crowd)?;
        let mut orders = BufReader::new(tokio::io::stdin()).lines();
        while let Some(line) = orders.next_line().await? {
            let done = worker.obey(serde_json::from_str(&line)?).await;
            let mut out = std::io::stdout().lock();
            writeln!(out, "{}", serde_json::to_string(&done)?)?;
            out.flush()?;
        }
        anyhow::Ok(())
    })
}

struct Worker {
    speech: Speech,
    members: Vec<Arc<Mutex<Member>>>,
    /// Tasks of those who stay connected.
    staying: Vec<JoinHandle<()>>,
}

/// What one client's part of an order came to.
type Part = anyhow::Result<(usize, Vec<Moment>)>;

impl Worker {
    fn new(crowd: Crowd) -> anyhow::Result<Self> {
        let dialer = Dialer::new(&crowd.speech)?;
        let members = crowd.places.into_iter();
        let members = members.map(|place| Member::new(place, dialer.clone()));
        let members = members.map(|one| Arc::new(Mutex::new(one))).collect();
        Ok(Self { speech: crowd.speech, members, staying: Vec::new() })
    }

    async fn obey(&mut self, order: Order) -> Done {
        self.interrupt().await;
        let bare = self.speech == Speech::Bare;
        let done = match order {
            Order::Connect { at_once } => {
                self.each(at_once, async move |member| {
                    if bare {
                        member.connect_bare().await?;
                        return Ok((0, Vec::new()));
                    }
                    Ok((member.connect().await?, Vec::new()))
                })
                .await
            }
            Order::Write { messages, at_once } => {
                self.each(at_once, async move |member| {
                    member.write(messages).await?;
                    Ok((0, Vec::new()))
                })
                .await
            }
            Order::Storm => {
                for member in &self.members {
                    member.lock().await.lose();
                }
                let began = clock();
                self.each(usize::MAX >> 4, async move |member| {
                    let refusals = member.resume().await?;
                    Ok((refusals, vec![moment(began)]))
                })
                .await
            }
            Order::Talk { seconds, interval_ms } => {
                self.each(usize::MAX >> 4, async move |member| {
                    talk(member, seconds, interval_ms).await
                })
                .await
            }
        };
        self.stay();
        done
    }

    /// Takes every member's connection back from its waiting task.
    async fn interrupt(&mut self) {
        for task in self.staying.drain(..) {
            task.abort();
            // Aborted, as just asked for.
            let _ = task.await;
        }
    }

    fn stay(&mut self) {
        let staying = self.members.iter().map(|member| {
            let member = Arc::clone(member);
            tokio::spawn(async move {
                let error = member.lock().await.stay().await;
                eprintln!("a client ended: {error:#}");
            })
        });
        self.staying = staying.collect();
    }

    /// Lets all do the same, so many at once; who has finished goes on answering pings.
    async fn each<W>(&self, at_once: usize, work: W) -> Done
    where
        W: AsyncFn(&mut Member) -> Part + Clone + 'static,
    {
        let places = Arc::new(Semaphore::new(at_once.min(Semaphore::MAX_PERMITS)));
        let parts: FuturesUnordered<_> = self
            .members
            .iter()
            .map(|member| {
                let (member, places, work) =
                    (Arc::clone(member), Arc::clone(&places), work.clone());
                async move {
                    let place = places.acquire().await;
                    let part = work(&mut *member.lock().await).await;
                    drop(place);
                    part
                }
            })
            .collect();
        sum_up(parts).await
    }
}

async fn sum_up(mut parts: FuturesUnordered<impl Future<Output = Part>>) -> Done {
    let mut done = Done::default();
    let mut failures = BTreeMap::new();
    while let Some(part) = parts.next().await {
        match part {
            Ok((refusals, moments)) => {
                done.clients += 1;
                done.refusals += refusals;
                done.moments.extend(moments);
            }
            Err(error) => *failures.entry(format!("{error:#}")).or_default() += 1,
        }
    }
    done.failures = failures.into_iter().collect();
    done
}

/// A message every interval, whether or not the one before was answered quickly.
async fn talk(member: &mut Member, seconds: u64, interval_ms: u64) -> Part {
    member.write(0).await.context("opening")?;
    let mut ticks = tokio::time::interval(Duration::from_millis(interval_ms));
    let rounds = usize::try_from(seconds * 1000 / interval_ms.max(1))?;
    let mut moments = Vec::with_capacity(rounds);
    for number in 0..rounds {
        ticks.tick().await;
        moments.push(member.talk(number).await?);
    }
    Ok((0, moments))
}

//! One lane: collects, stores, answers.

use std::time::Duration;

use housecall_protocol::client::{ChatAck, ErrorCode};
use housecall_protocol::cluster::Refusal;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::batch::{Backlog, Batch};
use super::{Job, Pace, Tools};
use crate::refusal;
use crate::retry::{GIVE_UP_AFTER, retrying};
use crate::storage::{Fresh, Head, NewMessage, Outcome, Refused, StorageError, Stored};

/// Pauses between attempts on conversations that others hold. A holder needs about a
/// millisecond; one that is stuck is not to be asked all the time.
const HELD_PAUSES: [Duration; 5] = [
    Duration::from_millis(2),
    Duration::from_millis(4),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
];

/// Commits whose announcements may still be on their way. More, and the lane waits
/// for the bus.
const UNANNOUNCED_COMMITS: usize = 4;

/// What the announcing task is told.
struct News {
    fresh: Vec<Fresh>,
    /// Stored earlier, perhaps by an attempt whose end nobody saw, so that nobody was
    /// told either.
    found: Vec<ChatAck>,
}

pub(super) struct Lane {
    jobs: mpsc::Receiver<Job>,
    backlog: Backlog,
    pace: Pace,
    tools: Tools,
    news: mpsc::Sender<News>,
    /// The batch before this one had company: more is likely to come.
    is_busy: bool,
    /// Attempts in a row that left jobs behind, and when the next one is due.
    held: usize,
    held_until: Instant,
}

impl Lane {
    pub(super) fn start(jobs: mpsc::Receiver<Job>, pace: Pace, tools: Tools, tasks: &TaskTracker) {
        let (news, to_announce) = mpsc::channel(UNANNOUNCED_COMMITS);
        tasks.spawn(announce(to_announce, tools.clone()));
        let lane = Self {
            jobs,
            backlog: Backlog::default(),
            pace,
            tools,
            news,
            is_busy: false,
            held: 0,
            held_until: Instant::now(),
        };
        tasks.spawn(lane.run());
    }

    async fn run(mut self) {
        while let Some(batch) = self.collect().await {
            self.is_busy = batch.len() > 1;
            self.write(batch.into_jobs()).await;
        }
    }

    /// Waits for something to write. An idle lane writes at once; a busy one lets the
    /// batch grow for a moment. `None` once all handles are gone and nothing is left.
    async fn collect(&mut self) -> Option<Batch> {
        let first = if self.backlog.is_empty() {
            Some(self.jobs.recv().await?)
        } else {
            // A job that comes meanwhile makes an earlier attempt worth it.
            tokio::select! {
                biased;
                Some(job) = self.jobs.recv() => Some(job),
                () = tokio::time::sleep_until(self.held_until) => None,
            }
        };
        let mut batch = Batch::from(&mut self.backlog, self.pace.batch);
        if let Some(job) = first {
            batch.add(job, &mut self.backlog);
        }
        self.take_queued(&mut batch);
        if self.is_busy && !batch.is_full() {
            let until = Instant::now() + self.pace.window;
            while !batch.is_full() {
                let Ok(Some(job)) = tokio::time::timeout_at(until, self.jobs.recv()).await else {
                    break;
                };
                batch.add(job, &mut self.backlog);
            }
        }
        Some(batch)
    }

    fn take_queued(&mut self, batch: &mut Batch) {
        while !batch.is_full() {
            let Ok(job) = self.jobs.try_recv() else { return };
            batch.add(job, &mut self.backlog);
        }
    }

    /// Stores a batch. When the database finds fault with it as a whole, halves are
    /// tried, down to the message that is at fault.
    async fn write(&mut self, jobs: Vec<Job>) {
        let mut parts = vec![jobs];
        let mut locked = Vec::new();
        while let Some(mut part) = parts.pop() {
            match self.store(&part).await {
                Ok(outcomes) => self.settle(part, outcomes, &mut locked).await,
                Err(error) if part.len() > 1 && error.may_be_one_rows() => {
                    tracing::warn!(%error, messages = part.len(), "a batch is stored in parts");
                    let second = part.split_off(part.len() / 2);
                    // The last one is taken first.
                    parts.extend([second, part]);
                }
                Err(error) => {
                    for job in part {
                        let refusal = refusal::storage(&error, job.message.conversation);
                        job.answer(Err(refusal));
                    }
                }
            }
        }
        self.keep(locked);
    }

    async fn store(&self, jobs: &[Job]) -> Result<Vec<Outcome>, StorageError> {
        let Tools { storage, metrics, .. } = &self.tools;
        let alone = jobs.len() == 1;
        let is_passing =
            |error: &StorageError| error.is_passing() && (alone || !error.may_be_one_rows());
        let timer = metrics.batch_seconds.start_timer();
        let outcomes = retrying(metrics, is_passing, |_| storage.append_many(jobs)).await;
        timer.observe_duration();
        metrics.batch_messages.observe(jobs.len() as f64);
        outcomes
    }

    async fn settle(&self, jobs: Vec<Job>, outcomes: Vec<Outcome>, locked: &mut Vec<Job>) {
        let metrics = &self.tools.metrics;
        let (mut fresh, mut found) = (Vec::with_capacity(jobs.len()), Vec::new());
        for (job, outcome) in jobs.into_iter().zip(outcomes) {
            match outcome {
                Outcome::Locked => locked.push(job),
                Outcome::Refused(refused) => job.answer(Err(refuse(refused))),
                Outcome::Stored(stored) => {
                    metrics.send_seconds.observe(job.arrived.elapsed().as_secs_f64());
                    let ack = acknowledgement(&job.message, &stored);
                    match stored.fresh {
                        Some(one) => {
                            metrics.stored(job.message.content.kind());
                            fresh.push(one);
                        }
                        None => {
                            metrics.resent();
                            found.push(ack.clone());
                        }
                    }
                    job.answer(Ok(ack));
                }
            }
        }
        let told = self.news.send(News { fresh, found }).await;
        debug_assert!(told.is_ok(), "the announcing task ends after the lane");
    }

    /// Keeps what is held by others for the next attempt, or gives it up.
    fn keep(&mut self, locked: Vec<Job>) {
        if locked.is_empty() {
            self.held = 0;
            return;
        }
        let now = Instant::now();
        let (late, rest): (Vec<_>, Vec<_>) =
            locked.into_iter().partition(|job| now - job.arrived > GIVE_UP_AFTER);
        for job in late {
            tracing::warn!(conversation = %job.message.conversation, "held by another for too long");
            job.answer(Err(refusal::overloaded()));
        }
        self.tools.metrics.held.inc_by(rest.len() as u64);
        self.backlog.put_back(rest);
        self.held_until = now + HELD_PAUSES[self.held.min(HELD_PAUSES.len() - 1)];
        self.held += 1;
    }
}

/// Tells, in the order of the commits. Apart from the lane, whose next commit need not
/// wait for it.
async fn announce(mut news: mpsc::Receiver<News>, tools: Tools) {
    while let Some(News { fresh, found }) = news.recv().await {
        for fresh in fresh {
            tools.marks.imply(fresh.conversation, &fresh.message, fresh.opened.is_some());
            tools.announcer.stored(fresh).await;
        }
        for ack in found {
            tools.announcer.head(ack.conversation, Head { seq: ack.seq, change: 0 }).await;
        }
    }
}

fn acknowledgement(new: &NewMessage, stored: &Stored) -> ChatAck {
    ChatAck {
        conversation: new.conversation,
        client_message_id: new.client_message_id,
        seq: stored.seq,
        sent_at: stored.sent_at,
    }
}

fn refuse(refused: Refused) -> Refusal {
    match refused {
        Refused::Forbidden => refusal::forbidden(),
        Refused::NoFile => Refusal::new(
            ErrorCode::NotFound,
            "no file with this id was uploaded by you into this conversation",
        ),
    }
}

//! The writer: stores messages, answers after the commit, then announces.
//!
//! Lanes are tasks; a conversation always has the same one, so that within a
//! process its messages are announced in the order of their seq and never wait
//! for each other's row lock with a database connection in hand. A full lane
//! refuses: the client sends again.

use std::sync::Arc;

use housecall_protocol::client::{ChatAck, ErrorCode};
use housecall_protocol::cluster::Refusal;
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

use crate::announce::Announcer;
use crate::metrics::Metrics;
use crate::refusal;
use crate::retry::retrying;
use crate::storage::{AppendError, NewMessage, Storage, Stored};

/// A handle to the lanes. They end when the last handle is gone and their
/// queues are empty.
#[derive(Clone)]
pub(crate) struct Writer {
    lanes: Arc<[mpsc::Sender<Job>]>,
}

struct Job {
    message: NewMessage,
    answer: oneshot::Sender<Result<ChatAck, Refusal>>,
}

struct Lane {
    jobs: mpsc::Receiver<Job>,
    storage: Storage,
    announcer: Announcer,
    metrics: Metrics,
}

impl Writer {
    pub(crate) fn start(
        lanes: usize,
        queue: usize,
        storage: &Storage,
        announcer: &Announcer,
        metrics: &Metrics,
        tasks: &TaskTracker,
    ) -> Self {
        let lanes = (0..lanes)
            .map(|_| {
                let (sender, jobs) = mpsc::channel(queue);
                let lane = Lane {
                    jobs,
                    storage: storage.clone(),
                    announcer: announcer.clone(),
                    metrics: metrics.clone(),
                };
                tasks.spawn(lane.run());
                sender
            })
            .collect();
        Self { lanes }
    }

    /// Returns once the message is committed, or refused.
    pub(crate) async fn send(&self, message: NewMessage) -> Result<ChatAck, Refusal> {
        let (answer, answered) = oneshot::channel();
        // The low bits of a version 7 id are random.
        let lane = message.conversation.0.as_u128() % self.lanes.len() as u128;
        let lane = &self.lanes[usize::try_from(lane).expect("less than a usize")];
        lane.try_send(Job { message, answer }).map_err(|_| refusal::overloaded())?;
        answered.await.unwrap_or_else(|_| Err(refusal::overloaded()))
    }
}

impl Lane {
    async fn run(mut self) {
        while let Some(Job { message, answer }) = self.jobs.recv().await {
            self.write(message, answer).await;
        }
    }

    async fn write(&self, new: NewMessage, answer: oneshot::Sender<Result<ChatAck, Refusal>>) {
        let timer = self.metrics.send_seconds.start_timer();
        let mut uncertain = false;
        let outcome = retrying(&self.metrics, is_passing, |again| {
            uncertain = again;
            self.storage.append(&new)
        })
        .await;
        timer.observe_duration();
        match outcome {
            Ok(Stored { seq, sent_at, fresh }) => {
                let ack = ChatAck {
                    conversation: new.conversation,
                    client_message_id: new.client_message_id,
                    seq,
                    sent_at,
                };
                // Whoever asked may be gone; the message is stored all the same.
                let _ = answer.send(Ok(ack));
                match fresh {
                    Some(fresh) => {
                        self.metrics.stored(new.content.kind());
                        self.announcer.stored(new.conversation, fresh).await;
                    }
                    None => {
                        self.metrics.resent();
                        // An attempt whose connection broke had committed: nobody
                        // has been told yet.
                        if uncertain {
                            self.announcer.head(new.conversation, seq).await;
                        }
                    }
                }
            }
            Err(error) => {
                let _ = answer.send(Err(refuse(error, &new)));
            }
        }
    }
}

fn is_passing(error: &AppendError) -> bool {
    match error {
        AppendError::Storage(error) => error.is_passing(),
        AppendError::Forbidden | AppendError::NoFile => false,
    }
}

fn refuse(error: AppendError, new: &NewMessage) -> Refusal {
    match error {
        AppendError::Forbidden => refusal::forbidden(),
        AppendError::NoFile => Refusal::new(
            ErrorCode::NotFound,
            "no file with this id was uploaded by you into this conversation",
        ),
        AppendError::Storage(error) => refusal::storage(&error, new.conversation),
    }
}

//! The writer: stores messages, answers after the commit, then announces.
//!
//! Lanes are tasks; a conversation always has the same one, so that within a
//! process its messages are stored and announced in the order of their arrival. A
//! lane commits the messages of many conversations together. A full lane refuses:
//! the client sends again.

mod batch;
mod lane;

use std::sync::Arc;
use std::time::Duration;

use housecall_protocol::client::ChatAck;
use housecall_protocol::cluster::{Answer, Refusal};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::announce::Announcer;
use crate::marks::Marks;
use crate::metrics::Metrics;
use crate::refusal;
use crate::storage::{NewMessage, Storage};
use lane::Lane;

/// A handle to the lanes. They end when the last handle is gone and their
/// queues are empty.
#[derive(Clone)]
pub(crate) struct Writer {
    lanes: Arc<[mpsc::Sender<Job>]>,
}

/// How a lane makes batches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Messages of one commit.
    pub(crate) batch: usize,
    /// How long a busy lane lets a batch grow.
    pub(crate) window: Duration,
}

/// What lanes work with. Clones share it.
#[derive(Clone)]
pub(crate) struct Tools {
    pub(crate) storage: Storage,
    pub(crate) announcer: Announcer,
    pub(crate) marks: Marks,
    pub(crate) metrics: Metrics,
}

/// A message that waits to be stored.
struct Job {
    message: NewMessage,
    arrived: Instant,
    answer: oneshot::Sender<Answer<ChatAck>>,
}

impl AsRef<NewMessage> for Job {
    fn as_ref(&self) -> &NewMessage {
        &self.message
    }
}

impl Job {
    /// Whoever asked may be gone; what is stored is stored all the same.
    fn answer(self, answer: Answer<ChatAck>) {
        let _ = self.answer.send(answer);
    }
}

/// The answer to come.
pub(crate) struct Queued(oneshot::Receiver<Answer<ChatAck>>);

impl Queued {
    /// Waits until the message is committed, or refused.
    pub(crate) async fn answer(self) -> Answer<ChatAck> {
        self.0.await.unwrap_or_else(|_| Err(refusal::overloaded()))
    }
}

impl Writer {
    pub(crate) fn start(
        lanes: usize,
        queue: usize,
        pace: Pace,
        tools: &Tools,
        tasks: &TaskTracker,
    ) -> Self {
        let lanes = (0..lanes)
            .map(|_| {
                let (sender, jobs) = mpsc::channel(queue);
                Lane::start(jobs, pace, tools.clone(), tasks);
                sender
            })
            .collect();
        Self { lanes }
    }

    /// Queues a message behind those of its conversation that were queued before.
    pub(crate) fn queue(&self, message: NewMessage) -> Result<Queued, Refusal> {
        let (answer, answered) = oneshot::channel();
        // The low bits of a version 7 id are random.
        let lane = message.conversation.0.as_u128() % self.lanes.len() as u128;
        let lane = &self.lanes[usize::try_from(lane).expect("less than a usize")];
        let job = Job { message, arrived: Instant::now(), answer };
        lane.try_send(job).map_err(|_| refusal::overloaded())?;
        Ok(Queued(answered))
    }
}

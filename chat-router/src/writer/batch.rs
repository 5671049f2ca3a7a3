//! Which of a lane's jobs are stored together, and in which order.

use std::collections::{HashSet, VecDeque};

use housecall_protocol::ids::{ClientMessageId, ConversationId, PersonId};

use super::Job;

/// Text of one batch. One statement's parameters stay far below PostgreSQL's 1 GB,
/// and one batch of long messages does not hold up the lane.
const MAX_BYTES: usize = 1024 * 1024;

/// What makes two messages the same one.
type Identity = (ConversationId, PersonId, ClientMessageId);

fn identity(job: &Job) -> Identity {
    let new = &job.message;
    (new.conversation, new.sender, new.client_message_id)
}

/// Jobs that could not be part of an earlier batch go first, so that a conversation's
/// messages keep their order.
#[derive(Default)]
pub(super) struct Backlog {
    jobs: VecDeque<Job>,
}

impl Backlog {
    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Puts jobs back that were part of a batch, in their order, before all others.
    pub(super) fn put_back(&mut self, jobs: Vec<Job>) {
        for job in jobs.into_iter().rev() {
            self.jobs.push_front(job);
        }
    }
}

/// A batch in the making.
pub(super) struct Batch {
    jobs: Vec<Job>,
    present: HashSet<Identity>,
    bytes: usize,
    max: usize,
    /// A job was left to the next batch: what comes now is behind it.
    is_closed: bool,
}

impl Batch {
    /// Begins with as much of the backlog as fits.
    pub(super) fn from(backlog: &mut Backlog, max: usize) -> Self {
        let mut batch =
            Self { jobs: Vec::new(), present: HashSet::new(), bytes: 0, max, is_closed: false };
        for job in std::mem::take(&mut backlog.jobs) {
            batch.add(job, backlog);
        }
        batch
    }

    /// Takes a job, or leaves it to the batch after this one.
    pub(super) fn add(&mut self, job: Job, backlog: &mut Backlog) {
        if self.is_full() || !self.present.insert(identity(&job)) {
            self.is_closed = true;
            backlog.jobs.push_back(job);
            return;
        }
        self.bytes += job.message.content.text().len();
        self.jobs.push(job);
    }

    /// Whether the next job has to wait for the next batch.
    pub(super) fn is_full(&self) -> bool {
        self.is_closed || self.jobs.len() >= self.max || self.bytes >= MAX_BYTES
    }

    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    pub(super) fn into_jobs(self) -> Vec<Job> {
        self.jobs
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::sync::oneshot;
    use tokio::time::Instant;
    use uuid::Uuid;

    use super::*;
    use crate::storage::{Content, NewMessage};

    fn job(conversation: u8, id: u16) -> Job {
        let message = NewMessage {
            conversation: ConversationId(Uuid::from_u128(conversation.into())),
            sender: PersonId(Uuid::nil()),
            client_message_id: ClientMessageId(Uuid::from_u128(id.into())),
            reply_to: None,
            content: Content::Text(String::new()),
        };
        Job { message, arrived: Instant::now(), answer: oneshot::channel().0 }
    }

    fn ids(jobs: &[Job]) -> Vec<u128> {
        jobs.iter().map(|job| job.message.client_message_id.0.as_u128()).collect()
    }

    #[test]
    fn a_batch_ends_before_a_message_that_it_holds_already() {
        let mut backlog = Backlog::default();
        let mut batch = Batch::from(&mut backlog, 10);
        for id in [1, 2, 1, 3] {
            batch.add(job(0, id), &mut backlog);
        }
        assert!(batch.is_full());
        assert_eq!(ids(&batch.into_jobs()), [1, 2]);
        assert_eq!(ids(&Batch::from(&mut backlog, 10).into_jobs()), [1, 3]);
        assert!(backlog.is_empty());
    }

    #[test]
    fn long_messages_fill_a_batch_too() {
        let mut backlog = Backlog::default();
        let mut batch = Batch::from(&mut backlog, 10);
        let mut long = job(0, 1);
        long.message.content = Content::Text("x".repeat(MAX_BYTES));
        batch.add(long, &mut backlog);
        batch.add(job(0, 2), &mut backlog);
        assert_eq!((batch.len(), backlog.jobs.len()), (1, 1));
    }

    proptest! {
        /// Messages arrive; now and then a batch is stored, except for conversations
        /// that others hold then. Every message is stored once, those of a conversation
        /// in the order of arrival, and no batch has the same one twice.
        #[test]
        fn nothing_is_lost_doubled_or_overtaken(
            arrivals in proptest::collection::vec((0..4_u8, 0..30_u16, any::<bool>(), 0..4_u8), 0..80),
            max in 1..6_usize,
        ) {
            let (mut backlog, mut arrived, mut stored) = (Backlog::default(), Vec::new(), Vec::new());
            let mut waiting = VecDeque::new();
            let mut store = |backlog: &mut Backlog, waiting: &mut VecDeque<Job>, held: Option<u8>| {
                let mut batch = Batch::from(backlog, max);
                while let Some(job) = (!batch.is_full()).then(|| waiting.pop_front()).flatten() {
                    batch.add(job, backlog);
                }
                prop_assert!(batch.len() <= max);
                let jobs = batch.into_jobs();
                let identities: HashSet<_> = jobs.iter().map(identity).collect();
                prop_assert_eq!(identities.len(), jobs.len());
                let held = held.map(|held| ConversationId(Uuid::from_u128(held.into())));
                let (locked, done): (Vec<_>, Vec<_>) =
                    jobs.into_iter().partition(|job| Some(job.message.conversation) == held);
                stored.extend(done.iter().map(identity));
                backlog.put_back(locked);
                Ok(())
            };
            for (conversation, id, writes, held) in arrivals {
                let one = job(conversation, id);
                arrived.push(identity(&one));
                waiting.push_back(one);
                if writes {
                    store(&mut backlog, &mut waiting, Some(held))?;
                }
            }
            while !(backlog.is_empty() && waiting.is_empty()) {
                store(&mut backlog, &mut waiting, None)?;
            }
            for conversation in 0..4_u128 {
                let of = |all: &[Identity]| -> Vec<Identity> {
                    all.iter().filter(|one| one.0.0.as_u128() == conversation).copied().collect()
                };
                prop_assert_eq!(of(&stored), of(&arrived));
            }
        }
    }
}

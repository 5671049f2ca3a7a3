//! Marks on their way to the database.
//!
//! They are kept for a moment and stored many at once: a mark costs a row, and the
//! next one of the same person replaces it. Others hear of a mark once it is stored,
//! so that whoever reads the marks and then listens misses none. A crash costs the
//! marks of that moment; clients report theirs again when they reconnect.

mod book;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use housecall_protocol::domain::Message;
use housecall_protocol::ids::ConversationId;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::announce::Announcer;
use crate::metrics::Metrics;
use crate::retry::retrying;
use crate::storage::{Mark, Storage, StorageError};
use book::{Book, Entry};

/// How long a mark may wait that nobody reported: who writes has read what came
/// before, but the reader's own report mostly said so already.
const IMPLIED_WAIT: Duration = Duration::from_secs(1);

/// Marks stored by one statement.
const CHUNK: usize = 500;

/// Clones share the book.
#[derive(Clone)]
pub(crate) struct Marks {
    book: Arc<Mutex<Book>>,
    pace: Duration,
}

/// The book has no room for another person's mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BookFull;

impl Marks {
    /// Stores what waits every `pace`; keeps at most `capacity` marks.
    pub(crate) fn new(pace: Duration, capacity: usize) -> Self {
        Self { book: Arc::new(Mutex::new(Book::new(capacity))), pace }
    }

    /// A person said how far they are.
    pub(crate) fn report(&self, mark: Mark) -> Result<(), BookFull> {
        self.book().note(mark, Instant::now(), None)
    }

    /// Whoever writes has read what came before.
    pub(crate) fn imply(&self, conversation: ConversationId, message: &Message, opened: bool) {
        let Some(person) = message.sender else { return };
        let mark = Mark { conversation, person, delivered_seq: message.seq, read_seq: message.seq };
        let before = message.seq - 1 - i64::from(opened);
        // In a full book it is the one to go: the next report says the same.
        let _ = self.book().note(mark, Instant::now() + IMPLIED_WAIT, Some(before));
    }

    /// Stores at its pace what is due, until stopped; then the rest.
    pub(crate) async fn run(
        self,
        storage: Storage,
        announcer: Announcer,
        metrics: Metrics,
        stop: CancellationToken,
    ) {
        let mut ticks = tokio::time::interval(self.pace);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let shelf = Shelf { storage, announcer, metrics };
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = ticks.tick() => {}
            }
            let due = self.book().due(Instant::now());
            self.put(&shelf, due).await;
        }
        let rest = self.book().all();
        self.put(&shelf, rest).await;
    }

    async fn put(&self, shelf: &Shelf, entries: Vec<Entry>) {
        for chunk in entries.chunks(CHUNK) {
            if let Err(error) = shelf.put(chunk).await {
                tracing::warn!(%error, marks = chunk.len(), "marks not stored; kept for later");
                let mut book = self.book();
                for entry in chunk {
                    // Room that others took meanwhile is theirs.
                    let _ = book.note(entry.mark, entry.due, entry.quiet_from);
                }
            }
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where marks go.
struct Shelf {
    storage: Storage,
    announcer: Announcer,
    metrics: Metrics,
}

impl Shelf {
    async fn put(&self, entries: &[Entry]) -> Result<(), StorageError> {
        let marks: Vec<Mark> = entries.iter().map(|entry| entry.mark).collect();
        let moved =
            retrying(&self.metrics, StorageError::is_passing, |_| self.storage.advance(&marks))
                .await?;
        self.metrics.marks.inc_by(moved.len() as u64);
        for moved in moved {
            let view = moved.view;
            let of = |entry: &&Entry| {
                entry.mark.conversation == view.conversation && entry.mark.person == view.person
            };
            if entries.iter().find(of).is_none_or(|entry| entry.is_news(moved.read_before)) {
                self.announcer.receipt(view).await;
            }
        }
        Ok(())
    }
}

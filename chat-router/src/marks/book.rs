//! Which marks wait, each person's in a conversation merged into one.

use std::collections::HashMap;

use housecall_protocol::ids::{ConversationId, PersonId};
use tokio::time::Instant;

use super::BookFull;
use crate::storage::Mark;

pub(super) struct Book {
    entries: HashMap<(ConversationId, PersonId), Entry>,
    capacity: usize,
}

/// A mark that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) mark: Mark,
    pub(super) due: Instant,
    /// Of a mark that only the person's own messages imply: whoever had read as far
    /// as this has read nothing new since. Absent when the person reported it.
    pub(super) quiet_from: Option<i64>,
}

impl Entry {
    /// Whether others have to hear of it, when `read_before` was stored before.
    pub(super) fn is_news(&self, read_before: i64) -> bool {
        self.quiet_from.is_none_or(|from| read_before < from)
    }

    fn merge(&mut self, mark: Mark, due: Instant, quiet_from: Option<i64>) {
        self.quiet_from = match (self.quiet_from, quiet_from) {
            // One's own next message, nobody else's between.
            (Some(first), Some(from)) if from <= self.mark.read_seq => Some(first.min(from)),
            (Some(_), Some(from)) => Some(from),
            (None, _) | (_, None) => None,
        };
        self.mark.delivered_seq = self.mark.delivered_seq.max(mark.delivered_seq);
        self.mark.read_seq = self.mark.read_seq.max(mark.read_seq);
        self.due = self.due.min(due);
    }
}

impl Book {
    pub(super) fn new(capacity: usize) -> Self {
        Self { entries: HashMap::new(), capacity }
    }

    pub(super) fn note(
        &mut self,
        mark: Mark,
        due: Instant,
        quiet_from: Option<i64>,
    ) -> Result<(), BookFull> {
        let key = (mark.conversation, mark.person);
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.merge(mark, due, quiet_from);
            return Ok(());
        }
        if self.entries.len() >= self.capacity {
            return Err(BookFull);
        }
        self.entries.insert(key, Entry { mark, due, quiet_from });
        Ok(())
    }

    /// Takes out what is due.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Entry> {
        self.entries.extract_if(|_, entry| entry.due <= now).map(|(_, entry)| entry).collect()
    }

    /// Takes out everything.
    pub(super) fn all(&mut self) -> Vec<Entry> {
        self.entries.drain().map(|(_, entry)| entry).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use housecall_protocol::ids::{ConversationId, PersonId};
    use proptest::prelude::*;
    use tokio::time::Instant;
    use uuid::Uuid;

    use super::*;

    fn mark(person: u128, delivered_seq: i64, read_seq: i64) -> Mark {
        let (conversation, person) =
            (ConversationId(Uuid::from_u128(1)), PersonId(Uuid::from_u128(person)));
        Mark { conversation, person, delivered_seq, read_seq }
    }

    #[test]
    fn one_persons_marks_become_one_and_the_earliest_due_counts() {
        let (mut book, now) = (Book::new(10), Instant::now());
        let later = now + Duration::from_secs(1);
        book.note(mark(1, 9, 9), later, Some(8)).unwrap();
        assert_eq!(book.due(now), []);
        book.note(mark(1, 7, 3), now, None).unwrap();
        book.note(mark(2, 1, 1), later, Some(0)).unwrap();
        let due = book.due(now);
        assert_eq!(due, [Entry { mark: mark(1, 9, 9), due: now, quiet_from: None }]);
        assert_eq!(book.all().len(), 1);
    }

    #[test]
    fn a_full_book_takes_no_further_person_but_every_further_mark() {
        let (mut book, now) = (Book::new(1), Instant::now());
        book.note(mark(1, 1, 1), now, None).unwrap();
        assert_eq!(book.note(mark(2, 1, 1), now, None), Err(BookFull));
        book.note(mark(1, 2, 1), now, None).unwrap();
        assert_eq!(book.all()[0].mark, mark(1, 2, 1));
    }

    proptest! {
        /// A conversation of one's own (true) and others' messages, some of them
        /// noted together: others hear of it if and only if one of theirs became read.
        #[test]
        fn implied_marks_are_news_when_something_of_others_became_read(
            own in proptest::collection::vec(any::<bool>(), 1..40),
            stored in 0..40_i64,
        ) {
            let (mut book, now) = (Book::new(1), Instant::now());
            let stored = stored.min(own.len() as i64);
            for (index, _) in own.iter().enumerate().filter(|(_, own)| **own) {
                let seq = index as i64 + 1;
                if seq > stored {
                    book.note(mark(1, seq, seq), now, Some(seq - 1)).unwrap();
                }
            }
            for entry in book.all() {
                let newly_read = own.iter().enumerate().any(|(index, own)| {
                    let seq = index as i64 + 1;
                    !own && seq > stored && seq <= entry.mark.read_seq
                });
                prop_assert_eq!(entry.is_news(stored), newly_read);
            }
        }
    }
}

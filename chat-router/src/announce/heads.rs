//! Which conversations the beacon has to announce.

use std::collections::HashMap;

use housecall_protocol::ids::ConversationId;

use crate::storage::Head;

/// Rounds in which a conversation is announced after its last message. With one
/// alone, a hiccup of the bus just before the round would take both the message
/// and its beacon.
const ROUNDS: u8 = 2;

pub(super) struct Heads {
    recent: HashMap<ConversationId, Entry>,
    capacity: usize,
}

struct Entry {
    head: Head,
    rounds_left: u8,
}

impl Heads {
    pub(super) fn new(capacity: usize) -> Self {
        Self { recent: HashMap::new(), capacity }
    }

    /// Remembers how far a conversation has got. When there is no room, another one
    /// is pushed out: announce it now.
    pub(super) fn note(
        &mut self,
        conversation: ConversationId,
        head: Head,
    ) -> Option<(ConversationId, Head)> {
        let mut pushed_out = None;
        if self.recent.len() >= self.capacity && !self.recent.contains_key(&conversation) {
            let any = self.recent.keys().next().copied();
            pushed_out = any.and_then(|id| self.recent.remove(&id).map(|entry| (id, entry.head)));
        }
        let entry = self.recent.entry(conversation).or_insert(Entry { head, rounds_left: ROUNDS });
        entry.head.seq = entry.head.seq.max(head.seq);
        entry.head.change = entry.head.change.max(head.change);
        entry.rounds_left = ROUNDS;
        pushed_out
    }

    /// What this round announces.
    pub(super) fn due(&mut self) -> Vec<(ConversationId, Head)> {
        let due = self.recent.iter().map(|(id, entry)| (*id, entry.head)).collect();
        self.recent.retain(|_, entry| {
            entry.rounds_left -= 1;
            entry.rounds_left > 0
        });
        due
    }
}

#[cfg(test)]
mod tests {
    use housecall_protocol::ids::ConversationId;
    use uuid::Uuid;

    use super::{Head, Heads};

    fn seq(seq: i64) -> Head {
        Head { seq, change: 0 }
    }

    fn conversation(n: u128) -> ConversationId {
        ConversationId(Uuid::from_u128(n))
    }

    #[test]
    fn a_conversation_is_announced_twice_after_its_last_message() {
        let mut heads = Heads::new(10);
        heads.note(conversation(1), seq(4));
        assert_eq!(heads.due(), [(conversation(1), seq(4))]);
        heads.note(conversation(1), seq(5));
        heads.note(conversation(1), Head { seq: 3, change: 8 });
        assert_eq!(heads.due(), [(conversation(1), Head { seq: 5, change: 8 })]);
        assert_eq!(heads.due(), [(conversation(1), Head { seq: 5, change: 8 })]);
        assert_eq!(heads.due(), []);
    }

    #[test]
    fn a_full_beacon_hands_out_what_it_cannot_keep() {
        let mut heads = Heads::new(2);
        assert_eq!(heads.note(conversation(1), seq(1)), None);
        assert_eq!(heads.note(conversation(2), seq(2)), None);
        assert_eq!(heads.note(conversation(2), seq(3)), None);
        let (pushed_out, _) = heads.note(conversation(3), seq(9)).expect("one has to go");
        let mut all: Vec<_> = heads.due().into_iter().map(|(id, _)| id).collect();
        all.push(pushed_out);
        all.sort();
        assert_eq!(all, [conversation(1), conversation(2), conversation(3)]);
    }
}

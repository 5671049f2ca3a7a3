//! What the writers asked for and what they were answered, whether they heard it or not.

use std::collections::HashMap;

use housecall_protocol::client::{ChatSend, ErrorCode, SendBody};
use housecall_protocol::cluster::{Answer, ChatCommand, ChatReply};
use housecall_protocol::ids::{ClientChangeId, ClientMessageId, ConversationId};
use proptest::prelude::*;
use uuid::Uuid;

use super::plan::{Author, Key, Write};

pub(super) struct Ledger {
    conversation: ConversationId,
    entries: HashMap<Key, Entry>,
}

/// One message or one change, however often it was sent.
pub(super) struct Entry {
    pub(super) id: Uuid,
    pub(super) what: What,
    pub(super) fate: Option<Fate>,
    /// Some answer reached the writer.
    is_settled: bool,
    /// The last number of its kind that was acknowledged before it was first sent.
    after: i64,
}

#[derive(Clone)]
pub(super) enum What {
    Message { text: String, is_note: bool },
    Edit { seq: i64, text: String },
    Deletion { seq: i64 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// As this seq, or as the change of this number.
    Stored(i64),
    /// The message was deleted before.
    Refused,
}

impl Ledger {
    pub(super) fn new(conversation: ConversationId) -> Self {
        Self { conversation, entries: HashMap::new() }
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (&Key, &Entry)> {
        self.entries.iter()
    }

    /// The request; none for a change by an author who knows of no message to change.
    pub(super) fn begin(&mut self, write: &Write) -> Option<ChatCommand> {
        if !self.entries.contains_key(&write.key) {
            let what = self.what(write)?;
            let after = self.last_settled(write.key);
            let entry = Entry { id: Uuid::now_v7(), what, fate: None, is_settled: false, after };
            self.entries.insert(write.key, entry);
        }
        self.command(write.key)
    }

    fn what(&self, write: &Write) -> Option<What> {
        match write.key {
            Key::Message(by, n) => {
                let is_note = by == Author::Doctor && n % 3 == 0;
                Some(What::Message { text: format!("{by:?} {n}"), is_note })
            }
            Key::Change(by, n) => {
                let known = self.known_places(by);
                let seq = *known.get(usize::from(write.target) % known.len().max(1))?;
                Some(if write.is_deletion {
                    What::Deletion { seq }
                } else {
                    What::Edit { seq, text: format!("{by:?}, change {n}") }
                })
            }
        }
    }

    /// Where the author's messages are, as far as the author knows.
    fn known_places(&self, author: Author) -> Vec<i64> {
        let of_author = |key: &Key| matches!(key, Key::Message(by, _) if *by == author);
        let settled = |(key, entry): (&Key, &Entry)| match entry.fate {
            Some(Fate::Stored(seq)) if entry.is_settled && of_author(key) => Some(seq),
            _ => None,
        };
        let mut places: Vec<i64> = self.entries.iter().filter_map(settled).collect();
        places.sort_unstable();
        places
    }

    /// What was begun before, to be sent again.
    pub(super) fn command(&self, key: Key) -> Option<ChatCommand> {
        let (conversation, entry) = (self.conversation, self.entries.get(&key)?);
        let change = |seq, text| ChatCommand::Change {
            conversation,
            seq,
            client_change_id: ClientChangeId(entry.id),
            text,
        };
        Some(match entry.what.clone() {
            What::Message { text, is_note } => {
                let body = if is_note { SendBody::Note { text } } else { SendBody::Text { text } };
                let client_message_id = ClientMessageId(entry.id);
                let message = ChatSend { conversation, client_message_id, reply_to: None, body };
                ChatCommand::Send { messages: vec![message] }
            }
            What::Edit { seq, text } => change(seq, Some(text)),
            What::Deletion { seq } => change(seq, None),
        })
    }

    pub(super) fn unsettled(&self) -> Vec<Key> {
        let open = self.entries.iter().filter(|(_, entry)| !entry.is_settled);
        open.map(|(key, _)| *key).collect()
    }

    /// Whatever was answered before has to be answered again.
    pub(super) fn note(
        &mut self,
        key: Key,
        answer: Answer<ChatReply>,
        is_heard: bool,
    ) -> Result<(), TestCaseError> {
        let Some(fate) = fate(answer)? else { return Ok(()) };
        let entry = self.entries.get_mut(&key).expect("begun before it was answered");
        if let Some(before) = entry.fate {
            prop_assert_eq!(fate, before, "another answer to a resend of {:?}", key);
        }
        if let Fate::Stored(number) = fate {
            prop_assert!(number > entry.after, "{key:?} is before what was acknowledged earlier");
        }
        entry.fate = Some(fate);
        entry.is_settled |= is_heard;
        Ok(())
    }

    fn last_settled(&self, like: Key) -> i64 {
        let is_change = |key: &Key| matches!(key, Key::Change(..));
        self.entries
            .iter()
            .filter(|(key, entry)| is_change(key) == is_change(&like) && entry.is_settled)
            .filter_map(|(_, entry)| match entry.fate {
                Some(Fate::Stored(number)) => Some(number),
                Some(Fate::Refused) | None => None,
            })
            .max()
            .unwrap_or(0)
    }
}

/// None when it has to be asked again.
fn fate(answer: Answer<ChatReply>) -> Result<Option<Fate>, TestCaseError> {
    let answer = match answer {
        Ok(ChatReply::Acks(mut acks)) => acks.pop().expect("an answer to each").map(|ack| ack.seq),
        Ok(ChatReply::Changed(ack)) => Ok(ack.change),
        Ok(other) => return Err(TestCaseError::fail(format!("{other:?} instead of an ack"))),
        Err(refusal) => Err(refusal),
    };
    match answer {
        Ok(number) => Ok(Some(Fate::Stored(number))),
        Err(refusal) if refusal.code == ErrorCode::Unavailable => Ok(None),
        Err(refusal) if refusal.code == ErrorCode::Conflict => Ok(Some(Fate::Refused)),
        Err(refusal) => Err(TestCaseError::fail(format!("refused: {refusal:?}"))),
    }
}

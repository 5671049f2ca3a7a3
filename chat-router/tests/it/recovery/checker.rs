//! Compares the rows, read by SQL alone, with the ledger and with every device.

use std::collections::HashMap;

use housecall_protocol::domain::{MessageBody, PersonKind};
use proptest::prelude::*;
use uuid::Uuid;

use super::ledger::{Entry, Fate, What};
use super::plan::Key;
use super::world::World;

pub(super) struct Stored {
    heads: (i64, i64),
    messages: Vec<Row>,
    changes: Vec<ChangeRow>,
}

struct Row {
    seq: i64,
    sender: Option<Uuid>,
    client_id: Option<Uuid>,
    kind: String,
    text: String,
    is_deleted: bool,
    change: i64,
}

struct ChangeRow {
    change: i64,
    seq: i64,
    client_id: Uuid,
}

impl Stored {
    pub(super) async fn read(world: &World) -> Self {
        let heads = world.heads().await;
        let client = world.pool.get().await.unwrap();
        let conversation = world.conversation.0;
        let messages = "SELECT seq, sender_id, client_message_id, kind, text,
                               deleted_at IS NOT NULL, coalesce(change, 0)
                        FROM chat.messages WHERE conversation_id = $1 ORDER BY seq";
        let messages = client.query(messages, &[&conversation]).await.unwrap();
        let changes = "SELECT change, seq, client_change_id
                       FROM chat.changes WHERE conversation_id = $1 ORDER BY change";
        let changes = client.query(changes, &[&conversation]).await.unwrap();
        Self {
            heads,
            messages: messages
                .iter()
                .map(|row| Row {
                    seq: row.get(0),
                    sender: row.get(1),
                    client_id: row.get(2),
                    kind: row.get(3),
                    text: row.get(4),
                    is_deleted: row.get(5),
                    change: row.get(6),
                })
                .collect(),
            changes: changes
                .iter()
                .map(|row| ChangeRow { change: row.get(0), seq: row.get(1), client_id: row.get(2) })
                .collect(),
        }
    }

    pub(super) fn check(&self, world: &World) -> Result<(), TestCaseError> {
        self.is_gapless()?;
        self.is_what_was_acknowledged(world)?;
        self.is_what_the_changes_made(world)?;
        self.is_what_devices_hold(world)
    }

    fn is_gapless(&self) -> Result<(), TestCaseError> {
        let seqs: Vec<i64> = self.messages.iter().map(|row| row.seq).collect();
        prop_assert_eq!(seqs, (1..=self.heads.0).collect::<Vec<_>>());
        let changes: Vec<i64> = self.changes.iter().map(|row| row.change).collect();
        prop_assert_eq!(changes, (1..=self.heads.1).collect::<Vec<_>>());
        Ok(())
    }

    /// Each exactly once, where its acknowledgement said, and nothing else.
    fn is_what_was_acknowledged(&self, world: &World) -> Result<(), TestCaseError> {
        let mut messages: HashMap<Uuid, i64> = HashMap::new();
        for row in self.messages.iter().filter(|row| row.sender.is_some()) {
            let id = row.client_id.expect("what a person wrote has its id");
            prop_assert_eq!(messages.insert(id, row.seq), None, "stored twice");
        }
        let mut changes: HashMap<Uuid, i64> = HashMap::new();
        for row in &self.changes {
            prop_assert_eq!(changes.insert(row.client_id, row.change), None, "made twice");
        }
        for (key, entry) in world.ledger.entries() {
            let stored = match key {
                Key::Message(..) => messages.remove(&entry.id),
                Key::Change(..) => changes.remove(&entry.id),
            };
            let acknowledged = match entry.fate.expect("settled") {
                Fate::Stored(number) => Some(number),
                Fate::Refused => None,
            };
            prop_assert_eq!(stored, acknowledged, "{:?}", key);
        }
        prop_assert!(messages.is_empty() && changes.is_empty(), "stored and never asked for");
        Ok(())
    }

    /// Each message says what its author wrote and then made of it, in the order of changes.
    fn is_what_the_changes_made(&self, world: &World) -> Result<(), TestCaseError> {
        let by_id: HashMap<Uuid, &Entry> =
            world.ledger.entries().map(|(_, entry)| (entry.id, entry)).collect();
        for row in self.messages.iter().filter(|row| row.sender.is_some()) {
            let first = &by_id[&row.client_id.expect("a person's")].what;
            let What::Message { text, .. } = first else { panic!("a change as a message") };
            let (mut expected, mut number) = (Some(text), 0);
            for change in self.changes.iter().filter(|change| change.seq == row.seq) {
                prop_assert!(expected.is_some(), "what was deleted is changed no more");
                number = change.change;
                let target = match &by_id[&change.client_id].what {
                    What::Edit { seq, text } => {
                        expected = Some(text);
                        seq
                    }
                    What::Deletion { seq } => {
                        expected = None;
                        seq
                    }
                    What::Message { .. } => panic!("a message as a change"),
                };
                prop_assert_eq!(*target, row.seq, "a change of another message");
            }
            prop_assert_eq!((!row.is_deleted).then_some(&row.text), expected);
            prop_assert_eq!(row.change, number);
        }
        Ok(())
    }

    fn is_what_devices_hold(&self, world: &World) -> Result<(), TestCaseError> {
        for device in &world.devices {
            let reader = device.actor.kind;
            let shown: Vec<_> =
                device.held.iter().map(|held| (held.seq, said(&held.body), held.change)).collect();
            let expected: Vec<_> = self
                .messages
                .iter()
                .map(|row| (row.seq, row.said_to(reader), row.change))
                .collect();
            prop_assert_eq!(shown, expected);
        }
        Ok(())
    }
}

impl Row {
    fn said_to(&self, reader: PersonKind) -> &str {
        match self.kind.as_str() {
            "system" => "a system message",
            "note" if reader == PersonKind::Patient => "hidden",
            _ if self.is_deleted => "deleted",
            _ => &self.text,
        }
    }
}

fn said(body: &MessageBody) -> &str {
    match body {
        MessageBody::Text { text } | MessageBody::Note { text } => text,
        MessageBody::File { caption, .. } => caption,
        MessageBody::System { .. } => "a system message",
        MessageBody::Deleted | MessageBody::DeletedNote => "deleted",
        MessageBody::Hidden => "hidden",
    }
}

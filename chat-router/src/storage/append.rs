//! Storing messages: the one statement behind every acknowledgement.
//!
//! Locks, authorisation, the open consultation and the new seqs are one decision
//! of `chat.append_many`; see its comment in the migration.

use housecall_protocol::domain::{
    FileView, Message, MessageBody, PersonKind, SystemEvent, TimestampMs,
};
use housecall_protocol::ids::{ClientMessageId, ConsultationId, ConversationId, FileId, PersonId};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::files::Files;
use super::quotes::Quotes;
use super::{Storage, StorageError, on_connection, person_kind};

/// A message that passed validation.
#[derive(Clone, Debug)]
pub(crate) struct NewMessage {
    pub(crate) conversation: ConversationId,
    pub(crate) sender: PersonId,
    pub(crate) client_message_id: ClientMessageId,
    pub(crate) reply_to: Option<i64>,
    pub(crate) content: Content,
}

/// What a person may write. No `Debug`: this is what patients say.
#[derive(Clone)]
pub(crate) enum Content {
    Text(String),
    Note(String),
    File { file: FileId, caption: String },
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.kind())
    }
}

impl Content {
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Note(_) => "note",
            Self::File { .. } => "file",
        }
    }

    pub(super) const fn file(&self) -> Option<FileId> {
        match self {
            Self::File { file, .. } => Some(*file),
            Self::Text(_) | Self::Note(_) => None,
        }
    }

    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Note(text) => text,
            Self::File { caption, .. } => caption,
        }
    }
}

/// What became of one message of a batch.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all of them are of the large one")]
pub(crate) enum Outcome {
    Stored(Stored),
    /// Another transaction holds the conversation: try again.
    Locked,
    Refused(Refused),
}

/// Where a message is in its conversation.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) seq: i64,
    pub(crate) sent_at: TimestampMs,
    /// Absent when the message had been stored before.
    pub(crate) fresh: Option<Fresh>,
}

/// What others have to hear about a message stored just now.
#[derive(Debug)]
pub(crate) struct Fresh {
    pub(crate) conversation: ConversationId,
    /// The system message before this one, when it opened the consultation.
    pub(crate) opened: Option<Message>,
    pub(crate) message: Message,
}

/// Why a message was not stored, and never will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The sender may not write here.
    Forbidden,
    /// The sender has no such file in this conversation.
    NoFile,
}

impl Storage {
    /// Stores what may be stored of `batch`, in its order, and commits. The outcomes
    /// are in the batch's order. No two messages of a batch may have the same
    /// conversation, sender and client id. Safe to repeat after any failure.
    pub(crate) async fn append_many<M: AsRef<NewMessage>>(
        &self,
        batch: &[M],
    ) -> Result<Vec<Outcome>, StorageError> {
        let batch: Vec<&NewMessage> = batch.iter().map(AsRef::as_ref).collect();
        let (rows, files, quotes) = on_connection(&self.writers, async |client| {
            let files = Files::of(client, &batch).await?;
            let quotes = Quotes::of(client, &batch).await?;
            let statement = client.prepare_typed_cached(APPEND_MANY, &PARAMETERS).await?;
            let columns = Columns::of(&batch, &files);
            // One statement outside of a transaction is one: its rows come after its
            // commit.
            Ok((client.query(&statement, &columns.parameters()).await?, files, quotes))
        })
        .await?;
        let mut outcomes: Vec<_> = rows
            .iter()
            .map(|row| {
                let place = place(row, batch.len())?;
                Ok((place, outcome(row, batch[place], &files, &quotes)?))
            })
            .collect::<Result<_, StorageError>>()?;
        outcomes.sort_unstable_by_key(|(place, _)| *place);
        if outcomes.len() != batch.len() {
            return Err(StorageError::Unknown {
                field: "number of outcomes",
                value: outcomes.len().to_string(),
            });
        }
        Ok(outcomes.into_iter().map(|(_, outcome)| outcome).collect())
    }
}

const APPEND_MANY: &str = "SELECT place, outcome, seq, sent_at, consultation, sender_name,
                                  sender_kind, reply_to, opened_seq, opened_at, opened_event
                           FROM chat.append_many($1, $2, $3, $4, $5, $6, $7, $8)";

const PARAMETERS: [Type; 8] = [
    Type::UUID_ARRAY,
    Type::UUID_ARRAY,
    Type::UUID_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::UUID_ARRAY,
    Type::INT8_ARRAY,
    Type::UUID_ARRAY,
];

/// A batch as the function wants it: one array per field.
struct Columns<'a> {
    conversations: Vec<Uuid>,
    senders: Vec<Uuid>,
    client_ids: Vec<Uuid>,
    kinds: Vec<&'static str>,
    texts: Vec<&'a str>,
    files: Vec<Option<Uuid>>,
    replies: Vec<Option<i64>>,
    consultations: Vec<Uuid>,
}

impl<'a> Columns<'a> {
    fn of(batch: &[&'a NewMessage], files: &Files) -> Self {
        let file = |new: &&NewMessage| files.carried_by(new).map(|file| file.id.0);
        Self {
            conversations: batch.iter().map(|new| new.conversation.0).collect(),
            senders: batch.iter().map(|new| new.sender.0).collect(),
            client_ids: batch.iter().map(|new| new.client_message_id.0).collect(),
            kinds: batch.iter().map(|new| new.content.kind()).collect(),
            texts: batch.iter().map(|new| new.content.text()).collect(),
            files: batch.iter().map(file).collect(),
            replies: batch.iter().map(|new| new.reply_to).collect(),
            consultations: batch.iter().map(|_| Uuid::now_v7()).collect(),
        }
    }

    fn parameters(&self) -> [&(dyn ToSql + Sync); 8] {
        [
            &self.conversations,
            &self.senders,
            &self.client_ids,
            &self.kinds,
            &self.texts,
            &self.files,
            &self.replies,
            &self.consultations,
        ]
    }
}

fn place(row: &Row, batch: usize) -> Result<usize, StorageError> {
    let place: i64 = row.get("place");
    usize::try_from(place - 1)
        .ok()
        .filter(|place| *place < batch)
        .ok_or_else(|| StorageError::Unknown { field: "place", value: place.to_string() })
}

fn outcome(
    row: &Row,
    new: &NewMessage,
    files: &Files,
    quotes: &Quotes,
) -> Result<Outcome, StorageError> {
    Ok(match row.get("outcome") {
        "new" => {
            let stored = Stored {
                seq: row.get("seq"),
                sent_at: at(row, "sent_at"),
                fresh: Some(fresh(row, new, files, quotes)?),
            };
            Outcome::Stored(stored)
        }
        "stored" => Outcome::Stored(Stored {
            seq: row.get("seq"),
            sent_at: at(row, "sent_at"),
            fresh: None,
        }),
        "locked" => Outcome::Locked,
        "forbidden" => Outcome::Refused(Refused::Forbidden),
        "no_file" => Outcome::Refused(Refused::NoFile),
        other => return Err(StorageError::Unknown { field: "outcome", value: other.to_owned() }),
    })
}

fn at(row: &Row, column: &str) -> TimestampMs {
    row.get::<_, jiff::Timestamp>(column).into()
}

fn fresh(
    row: &Row,
    new: &NewMessage,
    files: &Files,
    quotes: &Quotes,
) -> Result<Fresh, StorageError> {
    let sender_kind: PersonKind = person_kind(row.get("sender_kind"))?;
    let consultation = row.get::<_, Option<_>>("consultation").map(ConsultationId);
    let message = Message {
        seq: row.get("seq"),
        sender: Some(new.sender),
        sender_name: Some(row.get("sender_name")),
        sender_kind: Some(sender_kind),
        client_message_id: Some(new.client_message_id),
        consultation,
        sent_at: at(row, "sent_at"),
        reply_to: row.get::<_, Option<_>>("reply_to").and_then(|seq| quotes.find(new, seq)),
        edited_at: None,
        change: 0,
        body: body(&new.content, files.carried_by(new)),
    };
    let opened = match row.get("opened_seq") {
        Some(seq) => Some(opening(row, seq, consultation)?),
        None => None,
    };
    Ok(Fresh { conversation: new.conversation, opened, message })
}

fn body(content: &Content, file: Option<&FileView>) -> MessageBody {
    match (content, file) {
        (Content::File { caption, .. }, Some(file)) => {
            MessageBody::File { file: file.clone(), caption: caption.clone() }
        }
        (Content::Note(text), _) => MessageBody::Note { text: text.clone() },
        (Content::Text(text) | Content::File { caption: text, .. }, _) => {
            MessageBody::Text { text: text.clone() }
        }
    }
}

/// The system message of a consultation that this batch opened.
fn opening(
    row: &Row,
    seq: i64,
    consultation: Option<ConsultationId>,
) -> Result<Message, StorageError> {
    let event: SystemEvent = serde_json::from_value(row.get("opened_event"))?;
    Ok(Message {
        seq,
        sender: None,
        sender_name: None,
        sender_kind: None,
        client_message_id: None,
        consultation,
        sent_at: at(row, "opened_at"),
        reply_to: None,
        edited_at: None,
        change: 0,
        body: MessageBody::System { event },
    })
}

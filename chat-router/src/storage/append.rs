//! Storing one message: the transaction behind every acknowledgement.
//!
//! Locks are taken in one order everywhere: the conversation, then what belongs
//! to it. With the conversation locked first, authorisation, the open
//! consultation and the new seq are one consistent decision.

use deadpool_postgres::Transaction;
use housecall_protocol::client::ReceiptView;
use housecall_protocol::domain::{
    FileState, FileView, Message, MessageBody, PersonKind, SystemEvent, TimestampMs,
};
use housecall_protocol::ids::{ClientMessageId, ConsultationId, ConversationId, FileId, PersonId};
use uuid::Uuid;

use super::{Storage, StorageError, person_kind};

/// A lock on a conversation is held for milliseconds. Longer waits mean that
/// its holder is stuck; the client's resend is better than a blocked lane.
const LIMITS: &str = "SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '4s'";

/// A message that passed validation.
#[derive(Clone, Debug)]
pub(crate) struct NewMessage {
    pub(crate) conversation: ConversationId,
    pub(crate) sender: PersonId,
    pub(crate) client_message_id: ClientMessageId,
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

    const fn file(&self) -> Option<FileId> {
        match self {
            Self::File { file, .. } => Some(*file),
            Self::Text(_) | Self::Note(_) => None,
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Note(text) => text,
            Self::File { caption, .. } => caption,
        }
    }
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
    pub(crate) consultation: Option<ConsultationId>,
    /// The system message before this one, when it opened the consultation.
    pub(crate) opened: Option<Message>,
    pub(crate) message: Message,
    /// Set when the sender had earlier messages that counted as unread until now.
    pub(crate) receipt: Option<ReceiptView>,
}

/// Why a message was not stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AppendError {
    #[error("the sender may not write here")]
    Forbidden,
    #[error("the sender has no such file in this conversation")]
    NoFile,
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<tokio_postgres::Error> for AppendError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Storage(error.into())
    }
}

/// What the transaction learns about the sender once the conversation is locked.
struct Standing {
    name: String,
    kind: PersonKind,
    may_write: bool,
    consultation: Option<Uuid>,
    /// The same message, stored earlier.
    stored: Option<(i64, TimestampMs)>,
}

impl Storage {
    /// Stores `new` and commits. Safe to repeat after any failure: a message that
    /// is there already is found by its client id.
    pub(crate) async fn append(&self, new: &NewMessage) -> Result<Stored, AppendError> {
        let mut client = self.pool.get().await.map_err(StorageError::from)?;
        let transaction = client.transaction().await?;
        let stored = append_in(&transaction, new).await?;
        transaction.commit().await?;
        Ok(stored)
    }
}

async fn append_in(tx: &Transaction<'_>, new: &NewMessage) -> Result<Stored, AppendError> {
    tx.batch_execute(LIMITS).await?;
    if !lock(tx, new.conversation).await? {
        return Err(AppendError::Forbidden);
    }
    let standing = standing(tx, new).await?.ok_or(AppendError::Forbidden)?;
    // Before authorisation: an operator who has lost the consultation, or a patient
    // whose consultation was closed since, still gets the answer to what was stored.
    if let Some((seq, sent_at)) = standing.stored {
        return Ok(Stored { seq, sent_at, fresh: None });
    }
    if !standing.may_write {
        return Err(AppendError::Forbidden);
    }
    let file = match new.content.file() {
        Some(file) => Some(own_file(tx, new, file).await?.ok_or(AppendError::NoFile)?),
        None => None,
    };
    let (consultation, opened) = match (standing.kind, standing.consultation) {
        (PersonKind::Patient, None) => {
            let (consultation, event) = open_consultation(tx, new.conversation).await?;
            (Some(consultation), event)
        }
        (PersonKind::Patient | PersonKind::Operator, open) => (open, None),
    };
    let (seq, sent_at) = insert(tx, new, consultation).await?;
    let receipt = mark_read_by_sender(tx, new, standing.kind, seq, opened.is_some()).await?;
    let consultation = consultation.map(ConsultationId);
    let message = Message {
        seq,
        sender: Some(new.sender),
        sender_name: Some(standing.name),
        sender_kind: Some(standing.kind),
        client_message_id: Some(new.client_message_id),
        consultation,
        sent_at,
        body: body(&new.content, file),
    };
    Ok(Stored { seq, sent_at, fresh: Some(Fresh { consultation, opened, message, receipt }) })
}

fn body(content: &Content, file: Option<FileView>) -> MessageBody {
    match (content, file) {
        (Content::File { caption, .. }, Some(file)) => {
            MessageBody::File { file, caption: caption.clone() }
        }
        (Content::Note(text), _) => MessageBody::Note { text: text.clone() },
        (Content::Text(text) | Content::File { caption: text, .. }, _) => {
            MessageBody::Text { text: text.clone() }
        }
    }
}

async fn lock(
    tx: &Transaction<'_>,
    conversation: ConversationId,
) -> Result<bool, tokio_postgres::Error> {
    let statement =
        tx.prepare_cached("SELECT 1 FROM chat.conversations WHERE id = $1 FOR UPDATE").await?;
    Ok(tx.query_opt(&statement, &[&conversation.0]).await?.is_some())
}

/// `None` for a person who does not exist.
async fn standing(
    tx: &Transaction<'_>,
    new: &NewMessage,
) -> Result<Option<Standing>, StorageError> {
    let statement = tx
        .prepare_cached(
            "SELECT p.name, p.kind, crm.may_write(p.id, $1) AS may_write,
                    (SELECT k.id FROM crm.consultations k
                     WHERE k.conversation_id = $1 AND k.state <> 'closed') AS consultation,
                    m.seq, m.sent_at
             FROM crm.people p
             LEFT JOIN chat.messages m ON m.conversation_id = $1 AND m.sender_id = p.id
                                      AND m.client_message_id = $3
             WHERE p.id = $2",
        )
        .await?;
    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
        [&new.conversation.0, &new.sender.0, &new.client_message_id.0];
    let Some(row) = tx.query_opt(&statement, &parameters).await? else { return Ok(None) };
    let seq: Option<i64> = row.get("seq");
    let sent_at: Option<jiff::Timestamp> = row.get("sent_at");
    Ok(Some(Standing {
        name: row.get("name"),
        kind: person_kind(row.get("kind"))?,
        may_write: row.get("may_write"),
        consultation: row.get("consultation"),
        stored: seq.zip(sent_at.map(TimestampMs::from)),
    }))
}

/// Only what the sender uploaded into this very conversation.
async fn own_file(
    tx: &Transaction<'_>,
    new: &NewMessage,
    file: FileId,
) -> Result<Option<FileView>, tokio_postgres::Error> {
    let statement = tx
        .prepare_cached(
            "SELECT name, media_type, size_bytes, width, height, state, has_thumbnail
             FROM crm.files
             WHERE id = $1 AND conversation_id = $2 AND uploader_id = $3
               AND state <> 'refused'",
        )
        .await?;
    let row = tx.query_opt(&statement, &[&file.0, &new.conversation.0, &new.sender.0]).await?;
    Ok(row.map(|row| FileView {
        id: file,
        name: row.get(0),
        media_type: row.get(1),
        size_bytes: row.get(2),
        width: row.get(3),
        height: row.get(4),
        state: FileState::of(row.get(5)).unwrap_or(FileState::Checking),
        has_thumbnail: row.get(6),
    }))
}

async fn open_consultation(
    tx: &Transaction<'_>,
    conversation: ConversationId,
) -> Result<(Uuid, Option<Message>), StorageError> {
    let statement =
        tx.prepare_cached("SELECT id, event_seq FROM crm.open_consultation($1, $2, NULL)").await?;
    let row = tx.query_one(&statement, &[&conversation.0, &Uuid::now_v7()]).await?;
    let (consultation, event_seq): (Uuid, Option<i64>) = (row.get(0), row.get(1));
    let Some(seq) = event_seq else { return Ok((consultation, None)) };
    let statement = tx
        .prepare_cached(
            "SELECT sent_at, event FROM chat.messages WHERE conversation_id = $1 AND seq = $2",
        )
        .await?;
    let row = tx.query_one(&statement, &[&conversation.0, &seq]).await?;
    let event: SystemEvent = serde_json::from_value(row.get("event"))?;
    let message = Message {
        seq,
        sender: None,
        sender_name: None,
        sender_kind: None,
        client_message_id: None,
        consultation: Some(ConsultationId(consultation)),
        sent_at: row.get::<_, jiff::Timestamp>("sent_at").into(),
        body: MessageBody::System { event },
    };
    Ok((consultation, Some(message)))
}

async fn insert(
    tx: &Transaction<'_>,
    new: &NewMessage,
    consultation: Option<Uuid>,
) -> Result<(i64, TimestampMs), tokio_postgres::Error> {
    let statement = tx
        .prepare_cached("SELECT seq, sent_at FROM chat.append($1, $2, $3, $4, $5, $6, $7, NULL)")
        .await?;
    let row = tx
        .query_one(
            &statement,
            &[
                &new.conversation.0,
                &new.sender.0,
                &new.client_message_id.0,
                &consultation,
                &new.content.kind(),
                &new.content.text(),
                &new.content.file().map(|file| file.0),
            ],
        )
        .await?;
    Ok((row.get(0), row.get::<_, jiff::Timestamp>(1).into()))
}

/// Whoever writes has seen what came before. Others are told only when that was
/// news: that the sender saw their own message everybody knows.
async fn mark_read_by_sender(
    tx: &Transaction<'_>,
    new: &NewMessage,
    kind: PersonKind,
    seq: i64,
    opened: bool,
) -> Result<Option<ReceiptView>, tokio_postgres::Error> {
    let statement = tx
        .prepare_cached(
            "WITH before AS (SELECT read_seq FROM chat.receipts
                             WHERE conversation_id = $1 AND person_id = $2)
             INSERT INTO chat.receipts AS r (conversation_id, person_id, delivered_seq, read_seq)
             VALUES ($1, $2, $3, $3)
             ON CONFLICT (conversation_id, person_id) DO UPDATE
             SET delivered_seq = greatest(r.delivered_seq, excluded.delivered_seq),
                 read_seq = greatest(r.read_seq, excluded.read_seq)
             RETURNING delivered_seq, read_seq, coalesce((SELECT read_seq FROM before), 0)",
        )
        .await?;
    let row = tx.query_one(&statement, &[&new.conversation.0, &new.sender.0, &seq]).await?;
    let read_before: i64 = row.get(2);
    let own = 1 + i64::from(opened);
    Ok((read_before < seq - own).then(|| ReceiptView {
        conversation: new.conversation,
        person: new.sender,
        kind,
        delivered_seq: row.get(0),
        read_seq: row.get(1),
    }))
}

//! A message as its row tells it.

use housecall_protocol::domain::{Message, MessageBody, QUOTE_CHARACTERS, Quote, QuoteBody};
use housecall_protocol::ids::{ClientMessageId, ConsultationId, PersonId};
use tokio_postgres::Row;

use super::{StorageError, files, person_kind};

/// Everything that [`message`] reads. `chat.messages` is `m`; what a reply quotes is
/// joined from the row it names, so that it says what that message says now.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT m.seq, m.sender_id, p.name AS sender_name, p.kind AS sender_kind,
                    m.client_message_id, m.consultation_id, m.kind, m.text, m.event, m.sent_at,
                    m.edited_at, m.deleted_at IS NOT NULL AS is_deleted,
                    coalesce(m.change, 0) AS change,
                    f.id AS file_id, f.name AS file_name, f.media_type, f.size_bytes,
                    f.width, f.height, f.state AS file_state, f.has_thumbnail,
                    q.seq AS q_seq, q.sender_id AS q_sender_id, qp.name AS q_sender_name,
                    qp.kind AS q_sender_kind, q.kind AS q_kind, left(q.text, 161) AS q_text,
                    q.deleted_at IS NOT NULL AS q_is_deleted, qf.name AS q_file_name,
                    qf.media_type AS q_media_type
             FROM chat.messages m
             LEFT JOIN crm.people p ON p.id = m.sender_id
             LEFT JOIN crm.files f ON f.id = m.file_id
             LEFT JOIN chat.messages q
                    ON q.conversation_id = m.conversation_id AND q.seq = m.reply_to
             LEFT JOIN crm.people qp ON qp.id = q.sender_id
             LEFT JOIN crm.files qf ON qf.id = q.file_id ",
            $rest
        )
    };
}
pub(super) use select;

pub(super) fn message(row: &Row) -> Result<Message, StorageError> {
    let kind: Option<&str> = row.get("sender_kind");
    Ok(Message {
        seq: row.get("seq"),
        sender: row.get::<_, Option<_>>("sender_id").map(PersonId),
        sender_name: row.get("sender_name"),
        sender_kind: kind.map(person_kind).transpose()?,
        client_message_id: row.get::<_, Option<_>>("client_message_id").map(ClientMessageId),
        consultation: row.get::<_, Option<_>>("consultation_id").map(ConsultationId),
        sent_at: row.get::<_, jiff::Timestamp>("sent_at").into(),
        reply_to: quote(row)?,
        edited_at: row.get::<_, Option<jiff::Timestamp>>("edited_at").map(Into::into),
        change: row.get("change"),
        body: body(row)?,
    })
}

fn body(row: &Row) -> Result<MessageBody, StorageError> {
    let text: String = row.get("text");
    let is_deleted: bool = row.get("is_deleted");
    match row.get("kind") {
        "note" if is_deleted => Ok(MessageBody::DeletedNote),
        _ if is_deleted => Ok(MessageBody::Deleted),
        "text" => Ok(MessageBody::Text { text }),
        "note" => Ok(MessageBody::Note { text }),
        "system" => Ok(MessageBody::System { event: serde_json::from_value(row.get("event"))? }),
        "file" => Ok(MessageBody::File { file: files::view(row), caption: text }),
        other => Err(StorageError::Unknown { field: "message kind", value: other.to_owned() }),
    }
}

/// From the columns that begin with `q_`; also of a row that has only these.
pub(super) fn quote(row: &Row) -> Result<Option<Quote>, StorageError> {
    let Some(seq) = row.get("q_seq") else { return Ok(None) };
    let kind: Option<&str> = row.get("q_sender_kind");
    Ok(Some(Quote {
        seq,
        sender: row.get::<_, Option<_>>("q_sender_id").map(PersonId),
        sender_name: row.get("q_sender_name"),
        sender_kind: kind.map(person_kind).transpose()?,
        body: quote_body(row)?,
    }))
}

fn quote_body(row: &Row) -> Result<QuoteBody, StorageError> {
    let is_deleted: bool = row.get("q_is_deleted");
    let text = excerpt(row.get("q_text"));
    match row.get("q_kind") {
        "note" if is_deleted => Ok(QuoteBody::DeletedNote),
        _ if is_deleted => Ok(QuoteBody::Deleted),
        "text" => Ok(QuoteBody::Text { text }),
        "note" => Ok(QuoteBody::Note { text }),
        "file" => Ok(QuoteBody::File {
            name: row.get::<_, Option<_>>("q_file_name").unwrap_or_default(),
            media_type: row.get::<_, Option<_>>("q_media_type").unwrap_or_default(),
            caption: text,
        }),
        other => Err(StorageError::Unknown { field: "quoted kind", value: other.to_owned() }),
    }
}

/// At most [`QUOTE_CHARACTERS`], an ellipsis for what is left out.
fn excerpt(text: &str) -> String {
    match text.char_indices().nth(QUOTE_CHARACTERS) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(excerpt("коротко"), "коротко");
        let whole = "ё".repeat(QUOTE_CHARACTERS);
        assert_eq!(excerpt(&whole), whole);
        assert_eq!(excerpt(&format!("{whole}ё")), format!("{whole}…"));
    }
}

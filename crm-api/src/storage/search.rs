//! Messages by their words.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use deadpool_postgres::GenericClient;
use housecall_protocol::domain::PersonKind;
use housecall_protocol::rest::MessageHit;
use housecall_protocol::{ConsultationId, ConversationId};
use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::briefs::{self, PATIENT_COLUMNS};
use super::consultations::{Reader, VISIBLE};
use super::{Result, StorageError};
use crate::problem::ApiError;
use crate::search::snippet::{BEGIN, END, snippet};
use crate::search::words::Words;

const ENCODED_BYTES: usize = 32;

/// As positions have it: in milliseconds.
const AT: &str = "date_trunc('milliseconds', m.sent_at)";

/// What is looked for, and where.
pub(crate) struct Query<'a> {
    pub(crate) scope: Scope,
    pub(crate) words: &'a Words,
    pub(crate) after: Option<Position>,
    pub(crate) limit: u32,
}

/// Where is looked.
#[derive(Clone, Copy)]
pub(crate) enum Scope {
    /// A conversation that the reader was found to be allowed to read.
    Conversation(ConversationId),
    /// Whatever the reader may read.
    Everything,
}

/// A message's place among all, newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    at: Timestamp,
    conversation: Uuid,
    seq: i64,
}

impl Position {
    pub(crate) fn of(hit: &MessageHit) -> Self {
        // Milliseconds: the comparison below is made by them too.
        let at = Timestamp::from_millisecond(hit.sent_at.0).unwrap_or(Timestamp::UNIX_EPOCH);
        Self { at, conversation: hit.conversation.0, seq: hit.seq }
    }

    pub(crate) fn encode(self) -> String {
        let mut bytes = [0; ENCODED_BYTES];
        bytes[..8].copy_from_slice(&self.at.as_millisecond().to_be_bytes());
        bytes[8..24].copy_from_slice(self.conversation.as_bytes());
        bytes[24..].copy_from_slice(&self.seq.to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    pub(crate) fn decode(text: &str) -> Result<Self, ApiError> {
        Self::read(text).ok_or_else(|| ApiError::invalid("after", "no cursor"))
    }

    fn read(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let bytes: &[u8; ENCODED_BYTES] = bytes.as_slice().try_into().ok()?;
        let (at, rest) = bytes.split_first_chunk()?;
        let (conversation, rest) = rest.split_first_chunk()?;
        Some(Self {
            at: Timestamp::from_millisecond(i64::from_be_bytes(*at)).ok()?,
            conversation: Uuid::from_bytes(*conversation),
            seq: i64::from_be_bytes(rest.try_into().ok()?),
        })
    }
}

/// The reader is $1, whether they are a patient $2, their role $3; the words are $4
/// and $5; the place to go on from $6, $7 and $8; the number of rows $9; the
/// conversation $10. What is shown of the messages found is made for them alone.
fn select(scope: &str) -> String {
    let found = |words: &str, table: &str| {
        format!(
            "SELECT m.conversation_id, m.seq, {AT} AS at FROM {table}
             WHERE {words} @@ chat.wanted($4, $5) AND m.kind <> 'system'
               AND NOT ($2 AND m.kind = 'note') AND {scope}
               AND ($6::timestamptz IS NULL
                    OR ({AT}, m.conversation_id, m.seq) < ($6, $7, $8))"
        )
    };
    let by_text = found("chat.words(m.text)", "chat.messages m");
    let by_file = found(
        "chat.words(f.name)",
        "crm.files f JOIN chat.messages m
             ON m.conversation_id = f.conversation_id AND m.file_id = f.id",
    );
    format!(
        "WITH readable AS (
             SELECT k.conversation_id FROM crm.consultations k
             WHERE k.operator_id = $1
                OR (k.state = 'waiting' AND $3 IN ('doctor', 'desk')
                    AND ($3 = 'desk' OR k.specialty IS NULL
                         OR k.specialty = (SELECT specialty FROM crm.operators WHERE id = $1)))
             UNION SELECT b.conversation_id FROM crm.callbacks b WHERE b.operator_id = $1
             UNION SELECT c.id FROM chat.conversations c WHERE c.patient_id = $1
         ), found AS (
             {by_text} UNION {by_file}
             ORDER BY at DESC, conversation_id DESC, seq DESC LIMIT $9)
         SELECT m.conversation_id, m.seq, k.id AS consultation_id, m.sent_at, m.kind, m.text,
                s.name AS sender_name, s.kind AS sender_kind, f.name AS file_name,
                {PATIENT_COLUMNS}, {text_marked} AS text_marked, {file_marked} AS file_marked
         FROM found JOIN chat.messages m USING (conversation_id, seq)
         JOIN chat.conversations c ON c.id = m.conversation_id
         JOIN crm.people pp ON pp.id = c.patient_id
         JOIN crm.patients p ON p.id = c.patient_id
         LEFT JOIN crm.people s ON s.id = m.sender_id
         LEFT JOIN crm.files f ON f.id = m.file_id
         LEFT JOIN LATERAL (
             SELECT k.id FROM crm.consultations k
             WHERE k.conversation_id = m.conversation_id AND {VISIBLE}
             ORDER BY k.state = 'active' AND k.operator_id = $1 DESC NULLS LAST,
                      k.id = m.consultation_id DESC NULLS LAST, k.opened_at DESC
             LIMIT 1) k ON true
         ORDER BY found.at DESC, m.conversation_id DESC, m.seq DESC",
        text_marked = marked("m.text"),
        file_marked = marked("f.name"),
    )
}

/// The text with marks around what was found, character for character.
fn marked(text: &str) -> String {
    format!(
        "ts_headline('chat.language'::regconfig,
                     translate(chat.searched({text}), '{BEGIN}{END}', '  '), chat.wanted($4, $5),
                     'HighlightAll=true, StartSel={BEGIN}, StopSel={END}')"
    )
}

/// One more than asked for, when there are more.
pub(crate) async fn messages(
    client: &impl GenericClient,
    reader: &Reader,
    query: &Query<'_>,
) -> Result<Vec<MessageHit>> {
    let (sql, conversation) = match query.scope {
        Scope::Conversation(conversation) => {
            (select("m.conversation_id = $10"), Some(conversation.0))
        }
        Scope::Everything => (
            select(
                "$10::uuid IS NULL AND ($3 = 'supervisor'
                     OR m.conversation_id IN (SELECT conversation_id FROM readable))",
            ),
            None,
        ),
    };
    let rows = client
        .query(
            &sql,
            &[
                &reader.person.0,
                &reader.is_patient(),
                &reader.role(),
                &query.words.whole,
                &query.words.last,
                &query.after.map(|after| after.at),
                &query.after.map(|after| after.conversation),
                &query.after.map(|after| after.seq),
                &(i64::from(query.limit) + 1),
                &conversation,
            ],
        )
        .await?;
    rows.iter().map(hit).collect()
}

/// Merges what the index of messages has noted of new ones. Pages of notes merged.
pub(crate) async fn merge(client: &impl GenericClient) -> Result<u64> {
    let row = client
        .query_one("SELECT gin_clean_pending_list('chat.messages_words'::regclass)", &[])
        .await?;
    Ok(u64::try_from(row.get::<_, i64>(0)).unwrap_or(0))
}

fn hit(row: &Row) -> Result<MessageHit> {
    let from = match row.get::<_, Option<&str>>("sender_kind") {
        Some("patient") => PersonKind::Patient,
        Some("operator") => PersonKind::Operator,
        _ => return Err(StorageError::Corrupt("the sender of a message")),
    };
    Ok(MessageHit {
        conversation: ConversationId(row.get("conversation_id")),
        seq: row.get("seq"),
        consultation: row.get::<_, Option<_>>("consultation_id").map(ConsultationId),
        sent_at: row.get::<_, Timestamp>("sent_at").into(),
        patient: briefs::patient(row),
        from,
        sender_name: row.get::<_, Option<_>>("sender_name").unwrap_or_default(),
        kind: row.get("kind"),
        file_name: row
            .get::<_, Option<&str>>("file_name")
            .map_or_else(Vec::new, |name| snippet(name, row.get("file_marked"))),
        snippet: snippet(row.get("text"), row.get("text_marked")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_comes_back_as_it_went_and_nothing_else_does() {
        let at = Timestamp::from_millisecond(1_790_000_000_123).unwrap();
        let position = Position { at, conversation: Uuid::now_v7(), seq: 42 };
        assert_eq!(Position::read(&position.encode()), Some(position));
        for text in ["", "x", "AAAA", &"A".repeat(42), &"A".repeat(44), &"_".repeat(43)] {
            assert_eq!(Position::read(text), None, "{text}");
        }
    }
}

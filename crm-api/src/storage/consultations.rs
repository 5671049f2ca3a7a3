//! Consultations: what is read of them; the transitions of their state are in
//! their own module.

mod transitions;

use deadpool_postgres::GenericClient;
use housecall_protocol::domain::{ConsultationState, PersonKind};
use housecall_protocol::rest::{ConsultationCounts, ConsultationSummary, LastMessage};
use housecall_protocol::{ConsultationId, ConversationId, PersonId};
use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::briefs::{self, OPERATOR_COLUMNS, PATIENT_COLUMNS, count};
use super::patients::Search;
use super::{Result, StorageError};
use crate::cursor::{Cursor, Page};
use crate::identity::caller::Account;

pub(crate) use transitions::{Locked, claim, close, hand_over, lock, open, requeue, serves, wish};

/// Who reads: decides which messages count as unread and which are shown.
#[derive(Clone, Copy)]
pub(crate) struct Reader {
    pub(crate) person: PersonId,
    pub(crate) account: Account,
}

impl Reader {
    pub(super) fn is_patient(&self) -> bool {
        self.account == Account::Patient
    }

    pub(super) const fn role(&self) -> &'static str {
        match self.account {
            Account::Patient => "patient",
            Account::Operator(role) => role.as_str(),
        }
    }
}

/// Summaries for a reader ($1 their id, $2 whether they are a patient), with
/// `rest` from WHERE on and `key` the sort key of the list.
///
/// The last message and the unread ones are looked for within the consultation:
/// few rows behind one index, however long the conversation.
fn select(key: &str, rest: &str) -> String {
    let operator_joins = briefs::operator_joins("k");
    format!(
        "SELECT k.id, k.number, k.state, k.conversation_id, k.opened_at, k.waiting_since,
                k.claimed_at, k.closed_at, k.summary, {key} AS sort_at,
                {PATIENT_COLUMNS}, {OPERATOR_COLUMNS},
                ks.code AS ks_code, ks.name_ru AS ks_name_ru, ks.name_en AS ks_name_en,
                ks.doctor_ru AS ks_doctor_ru, ks.doctor_en AS ks_doctor_en,
                lm.seq AS last_seq, lm.sent_at AS last_sent_at, lm.kind AS last_kind,
                lm.preview AS last_preview, lm.sender_kind AS last_sender_kind,
                CASE WHEN k.state = 'closed' AND NOT $2 THEN 0 ELSE
                    (SELECT count(*) FROM chat.messages m
                     WHERE m.consultation_id = k.id AND m.seq > coalesce(r.read_seq, 0)
                       AND m.kind IN ('text', 'file') AND m.deleted_at IS NULL
                       AND CASE WHEN $2 THEN m.sender_id <> $1 ELSE m.sender_id = k.patient_id END)
                END AS unread,
                CASE WHEN k.state = 'waiting' THEN
                    (SELECT count(*) FROM crm.consultations w WHERE w.state = 'waiting'
                       AND (w.waiting_since, w.id) <= (k.waiting_since, k.id))
                END AS queue_position
         FROM crm.consultations k
         JOIN crm.people pp ON pp.id = k.patient_id
         JOIN crm.patients p ON p.id = k.patient_id
         {operator_joins}
         LEFT JOIN crm.specialties ks ON ks.code = k.specialty
         LEFT JOIN chat.receipts r ON r.conversation_id = k.conversation_id AND r.person_id = $1
         LEFT JOIN LATERAL (
             SELECT m.seq, m.sent_at, s.kind AS sender_kind,
                    CASE WHEN m.deleted_at IS NULL THEN m.kind ELSE 'deleted' END AS kind,
                    left(CASE m.kind WHEN 'file' THEN f.name
                                     WHEN 'system' THEN m.event ->> 'event'
                                     ELSE m.text END, 140) AS preview
             FROM chat.messages m
             LEFT JOIN crm.people s ON s.id = m.sender_id
             LEFT JOIN crm.files f ON f.id = m.file_id
             WHERE m.consultation_id = k.id AND NOT ($2 AND m.kind = 'note')
               AND (m.kind <> 'system' OR m.event ->> 'event' = 'call_ended')
             ORDER BY m.seq DESC LIMIT 1) lm ON true
         {rest}"
    )
}

fn summary(row: &Row) -> Result<ConsultationSummary> {
    let time = |column: &str| row.get::<_, Option<Timestamp>>(column).map(Into::into);
    let position: Option<i64> = row.get("queue_position");
    Ok(ConsultationSummary {
        id: ConsultationId(row.get("id")),
        number: row.get("number"),
        state: parse_state(row.get("state"))?,
        conversation: ConversationId(row.get("conversation_id")),
        patient: briefs::patient(row),
        operator: briefs::operator(row),
        specialty: briefs::specialty(row, "ks_"),
        opened_at: row.get::<_, Timestamp>("opened_at").into(),
        waiting_since: time("waiting_since"),
        claimed_at: time("claimed_at"),
        closed_at: time("closed_at"),
        summary: row.get("summary"),
        last_message: last_message(row),
        unread: count(row, "unread")?,
        queue_position: position.and_then(|position| u32::try_from(position).ok()),
    })
}

fn last_message(row: &Row) -> Option<LastMessage> {
    let from = match row.get::<_, Option<&str>>("last_sender_kind") {
        Some("patient") => Some(PersonKind::Patient),
        Some("operator") => Some(PersonKind::Operator),
        _ => None,
    };
    Some(LastMessage {
        seq: row.get::<_, Option<i64>>("last_seq")?,
        sent_at: row.get::<_, Timestamp>("last_sent_at").into(),
        from,
        kind: row.get("last_kind"),
        preview: row.get::<_, Option<String>>("last_preview").unwrap_or_default(),
    })
}

fn parse_state(state: &str) -> Result<ConsultationState> {
    match state {
        "waiting" => Ok(ConsultationState::Waiting),
        "active" => Ok(ConsultationState::Active),
        "closed" => Ok(ConsultationState::Closed),
        _ => Err(StorageError::Corrupt("consultation state")),
    }
}

/// One consultation, whoever may see it.
pub(crate) async fn find(
    client: &impl GenericClient,
    reader: Reader,
    id: ConsultationId,
) -> Result<Option<ConsultationSummary>> {
    let sql = select("k.opened_at", "WHERE k.id = $3");
    let row = client.query_opt(&sql, &[&reader.person.0, &reader.is_patient(), &id.0]).await?;
    row.as_ref().map(summary).transpose()
}

/// The patient's open consultation.
pub(crate) async fn open_of(
    client: &impl GenericClient,
    patient: PersonId,
) -> Result<Option<ConsultationSummary>> {
    let sql = select("k.opened_at", "WHERE k.patient_id = $1 AND k.state <> 'closed'");
    let row = client.query_opt(&sql, &[&patient.0, &true]).await?;
    row.as_ref().map(summary).transpose()
}

/// The patient's last closed consultation.
pub(crate) async fn last_closed_of(
    client: &impl GenericClient,
    patient: PersonId,
) -> Result<Option<ConsultationSummary>> {
    let sql = select(
        "k.closed_at",
        "WHERE k.patient_id = $1 AND k.state = 'closed' ORDER BY k.closed_at DESC, k.id LIMIT 1",
    );
    let row = client.query_opt(&sql, &[&patient.0, &true]).await?;
    row.as_ref().map(summary).transpose()
}

/// Which list is asked for.
pub(crate) struct ListQuery {
    pub(crate) state: Option<ConsultationState>,
    pub(crate) mine: bool,
    pub(crate) search: Option<Search>,
}

impl ListQuery {
    /// Sort key, and whether the list ascends: the queue shows who waits longest.
    const fn order(&self) -> (&'static str, bool) {
        match self.state {
            Some(ConsultationState::Waiting) => ("k.waiting_since", true),
            Some(ConsultationState::Active) => ("k.claimed_at", false),
            Some(ConsultationState::Closed) => ("k.closed_at", false),
            None => ("k.opened_at", false),
        }
    }

    const fn state_name(&self) -> Option<&'static str> {
        match self.state {
            Some(ConsultationState::Waiting) => Some("waiting"),
            Some(ConsultationState::Active) => Some("active"),
            Some(ConsultationState::Closed) => Some("closed"),
            None => None,
        }
    }
}

/// Consultations `k` the reader ($1, of role $3) may see: `crm.may_read` for lists.
pub(super) const VISIBLE: &str = "($3 = 'supervisor'
    OR ($3 = 'patient' AND k.patient_id = $1)
    OR k.operator_id = $1
    OR (k.state = 'waiting' AND $3 IN ('doctor', 'desk')
        AND ($3 = 'desk' OR k.specialty IS NULL
             OR k.specialty = (SELECT specialty FROM crm.operators WHERE id = $1)))
    OR (k.state = 'closed' AND $3 IN ('doctor', 'desk') AND k.conversation_id IN (
        SELECT conversation_id FROM crm.consultations WHERE operator_id = $1
        UNION SELECT conversation_id FROM crm.callbacks WHERE operator_id = $1)))";

pub(crate) async fn list(
    client: &impl GenericClient,
    reader: Reader,
    query: &ListQuery,
    page: &Page,
) -> Result<Vec<(Cursor, ConsultationSummary)>> {
    let (key, ascending) = query.order();
    let (comparison, direction) = if ascending { (">", "ASC") } else { ("<", "DESC") };
    let sql = select(
        key,
        &format!(
            "WHERE {VISIBLE} AND ($4::text IS NULL OR k.state = $4)
               AND (NOT $5 OR k.operator_id = $1)
               AND ($6::text IS NULL OR pp.name ILIKE $6 OR p.phone LIKE $7 OR k.number = $8)
               AND ($9::timestamptz IS NULL OR ({key}, k.id) {comparison} ($9, $10))
             ORDER BY {key} {direction}, k.id {direction} LIMIT $11"
        ),
    );
    let search = query.search.as_ref();
    let rows = client
        .query(
            &sql,
            &[
                &reader.person.0,
                &reader.is_patient(),
                &reader.role(),
                &query.state_name(),
                &query.mine,
                &search.map(|search| &search.name),
                &search.and_then(|search| search.phone.as_ref()),
                &search.and_then(|search| search.number),
                &page.after_at(),
                &page.after_id(),
                &page.rows(),
            ],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let cursor = Cursor { at: row.get("sort_at"), id: row.get::<_, Uuid>("id") };
            Ok((cursor, summary(row)?))
        })
        .collect()
}

/// Totals of the lists for their tabs.
pub(crate) async fn counts(
    client: &impl GenericClient,
    reader: Reader,
) -> Result<ConsultationCounts> {
    let row = client
        .query_one(
            &format!(
                "SELECT count(*) FILTER (WHERE k.state = 'waiting') AS waiting,
                        count(*) FILTER (WHERE k.state = 'active' AND k.operator_id = $1) AS mine,
                        count(*) FILTER (WHERE k.state = 'active') AS active
                 FROM crm.consultations k
                 WHERE k.state IN ('waiting', 'active') AND $2::boolean IS NOT NULL AND {VISIBLE}"
            ),
            &[&reader.person.0, &reader.is_patient(), &reader.role()],
        )
        .await?;
    Ok(ConsultationCounts {
        waiting: count(&row, "waiting")?,
        mine: count(&row, "mine")?,
        active: count(&row, "active")?,
    })
}

/// Median seconds from question to claim over the last hundred consultations.
pub(crate) async fn typical_wait_s(client: &impl GenericClient) -> Result<Option<u32>> {
    let row = client
        .query_one(
            "SELECT percentile_cont(0.5) WITHIN GROUP (
                 ORDER BY extract(epoch FROM claimed_at - opened_at))::bigint AS median
             FROM (SELECT claimed_at, opened_at FROM crm.consultations
                   ORDER BY number DESC LIMIT 100) recent
             WHERE claimed_at IS NOT NULL",
            &[],
        )
        .await?;
    Ok(row.get::<_, Option<i64>>("median").and_then(|median| u32::try_from(median).ok()))
}

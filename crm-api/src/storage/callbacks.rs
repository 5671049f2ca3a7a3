//! Callback requests and their attempts.

use deadpool_postgres::{GenericClient, Transaction};
use housecall_protocol::domain::CallbackState;
use housecall_protocol::rest::{Callback, CallbackAttempt, CallbackCounts, PersonName};
use housecall_protocol::{CallbackId, ConversationId, PersonId};
use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::briefs::{self, OPERATOR_COLUMNS, PATIENT_COLUMNS, count};
use super::{Result, StorageError, is_unique_violation};
use crate::cursor::{Cursor, Page};

/// Past its time, or past 10 minutes for as soon as possible.
const OVERDUE: &str = "(b.state IN ('new', 'in_progress')
    AND coalesce(b.call_at, b.created_at + interval '10 minutes') < now())";

/// Callbacks the operator ($1, of role $2) may see: the desk and supervisors all,
/// a doctor the new ones and those they took.
const VISIBLE: &str = "($2 IN ('desk', 'supervisor')
    OR ($2 = 'doctor' AND (b.state = 'new' OR b.operator_id = $1)))";

fn select(key: &str, rest: &str) -> String {
    let operator_joins = briefs::operator_joins("b");
    format!(
        "SELECT b.id, b.state, b.conversation_id, b.reason, b.call_at, b.created_at, b.taken_at,
                b.finished_at, p.phone, p.time_zone, {OVERDUE} AS overdue, {key} AS sort_at,
                {PATIENT_COLUMNS}, {OPERATOR_COLUMNS},
                (SELECT coalesce(jsonb_agg(jsonb_build_object(
                     'at', (extract(epoch FROM a.at) * 1000)::bigint, 'operator_name', ap.name,
                     'outcome', a.outcome, 'duration_s', a.duration_s) ORDER BY a.at), '[]')
                 FROM crm.callback_attempts a JOIN crm.people ap ON ap.id = a.operator_id
                 WHERE a.callback_id = b.id) AS attempts
         FROM crm.callbacks b
         JOIN crm.people pp ON pp.id = b.patient_id
         JOIN crm.patients p ON p.id = b.patient_id
         {operator_joins}
         {rest}"
    )
}

fn callback(row: &Row) -> Result<Callback> {
    let time = |column: &str| row.get::<_, Option<Timestamp>>(column).map(Into::into);
    let attempts: serde_json::Value = row.get("attempts");
    let attempts: Vec<CallbackAttempt> =
        serde_json::from_value(attempts).map_err(|_| StorageError::Corrupt("attempts"))?;
    Ok(Callback {
        id: CallbackId(row.get("id")),
        state: parse_state(row.get("state"))?,
        conversation: ConversationId(row.get("conversation_id")),
        patient: briefs::patient(row),
        phone: row.get("phone"),
        reason: row.get("reason"),
        call_at: time("call_at"),
        time_zone: row.get("time_zone"),
        created_at: row.get::<_, Timestamp>("created_at").into(),
        operator: briefs::operator(row),
        taken_at: time("taken_at"),
        finished_at: time("finished_at"),
        attempts,
        overdue: row.get("overdue"),
    })
}

fn parse_state(state: &str) -> Result<CallbackState> {
    match state {
        "new" => Ok(CallbackState::New),
        "in_progress" => Ok(CallbackState::InProgress),
        "done" => Ok(CallbackState::Done),
        "cancelled" => Ok(CallbackState::Cancelled),
        _ => Err(StorageError::Corrupt("callback state")),
    }
}

/// One callback, whoever may see it.
pub(crate) async fn find(client: &impl GenericClient, id: CallbackId) -> Result<Option<Callback>> {
    let row = client.query_opt(&select("b.created_at", "WHERE b.id = $1"), &[&id.0]).await?;
    row.as_ref().map(callback).transpose()
}

/// Whether an operator of `role` may see it.
pub(crate) async fn visible(
    client: &impl GenericClient,
    id: CallbackId,
    operator: PersonId,
    role: &str,
) -> Result<bool> {
    let sql = format!("SELECT 1 FROM crm.callbacks b WHERE b.id = $3 AND {VISIBLE}");
    Ok(client.query_opt(&sql, &[&operator.0, &role, &id.0]).await?.is_some())
}

/// The patient's open request.
pub(crate) async fn open_of(
    client: &impl GenericClient,
    patient: PersonId,
) -> Result<Option<Callback>> {
    let sql =
        select("b.created_at", "WHERE b.patient_id = $1 AND b.state IN ('new', 'in_progress')");
    let row = client.query_opt(&sql, &[&patient.0]).await?;
    row.as_ref().map(callback).transpose()
}

/// The patient's own requests, newest first.
pub(crate) async fn list_of(
    client: &impl GenericClient,
    patient: PersonId,
    page: &Page,
) -> Result<Vec<(Cursor, Callback)>> {
    let sql = select(
        "b.created_at",
        "WHERE b.patient_id = $1 AND ($2::timestamptz IS NULL OR (b.created_at, b.id) < ($2, $3))
         ORDER BY b.created_at DESC, b.id DESC LIMIT $4",
    );
    let rows =
        client.query(&sql, &[&patient.0, &page.after_at(), &page.after_id(), &page.rows()]).await?;
    rows.iter().map(with_cursor).collect()
}

/// The tabs of the desk.
#[derive(Clone, Copy)]
pub(crate) enum List {
    New,
    InProgress,
    Overdue,
    Archive,
}

impl List {
    const fn condition(self) -> &'static str {
        match self {
            Self::New => "b.state = 'new'",
            Self::InProgress => "b.state = 'in_progress'",
            Self::Overdue => OVERDUE,
            Self::Archive => "b.state IN ('done', 'cancelled')",
        }
    }

    /// Open ones by when they are due, finished ones newest first.
    const fn order(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::New | Self::InProgress | Self::Overdue => {
                ("coalesce(b.call_at, b.created_at)", ">", "ASC")
            }
            Self::Archive => ("b.finished_at", "<", "DESC"),
        }
    }
}

pub(crate) async fn list(
    client: &impl GenericClient,
    operator: PersonId,
    role: &str,
    list: List,
    page: &Page,
) -> Result<Vec<(Cursor, Callback)>> {
    let (key, comparison, direction) = list.order();
    let condition = list.condition();
    let sql = select(
        key,
        &format!(
            "WHERE {VISIBLE} AND {condition}
               AND ($3::timestamptz IS NULL OR ({key}, b.id) {comparison} ($3, $4))
             ORDER BY {key} {direction}, b.id {direction} LIMIT $5"
        ),
    );
    let rows = client
        .query(&sql, &[&operator.0, &role, &page.after_at(), &page.after_id(), &page.rows()])
        .await?;
    rows.iter().map(with_cursor).collect()
}

fn with_cursor(row: &Row) -> Result<(Cursor, Callback)> {
    Ok((Cursor { at: row.get("sort_at"), id: row.get::<_, Uuid>("id") }, callback(row)?))
}

pub(crate) async fn counts(
    client: &impl GenericClient,
    operator: PersonId,
    role: &str,
) -> Result<CallbackCounts> {
    let row = client
        .query_one(
            &format!(
                "SELECT count(*) FILTER (WHERE b.state = 'new') AS new,
                        count(*) FILTER (WHERE b.state = 'in_progress') AS in_progress,
                        count(*) FILTER (WHERE {OVERDUE}) AS overdue
                 FROM crm.callbacks b WHERE b.state IN ('new', 'in_progress') AND {VISIBLE}"
            ),
            &[&operator.0, &role],
        )
        .await?;
    Ok(CallbackCounts {
        new: count(&row, "new")?,
        in_progress: count(&row, "in_progress")?,
        overdue: count(&row, "overdue")?,
    })
}

/// A new request; `None` when the patient has an open one.
pub(crate) async fn insert(
    transaction: &Transaction<'_>,
    conversation: ConversationId,
    patient: PersonId,
    reason: &str,
    call_at: Option<Timestamp>,
) -> Result<Option<CallbackId>> {
    let id = CallbackId::generate();
    let inserted = transaction
        .execute(
            "INSERT INTO crm.callbacks (id, conversation_id, patient_id, state, reason, call_at)
             VALUES ($1, $2, $3, 'new', $4, $5)",
            &[&id.0, &conversation.0, &patient.0, &reason, &call_at],
        )
        .await;
    match inserted {
        Ok(_) => Ok(Some(id)),
        Err(error) if is_unique_violation(&error) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A callback whose conversation is locked until the transaction ends.
pub(crate) struct Locked {
    pub(crate) id: CallbackId,
    pub(crate) conversation: ConversationId,
    pub(crate) patient: PersonId,
    pub(crate) state: CallbackState,
    pub(crate) holder: Option<PersonName>,
}

pub(crate) async fn lock(transaction: &Transaction<'_>, id: CallbackId) -> Result<Option<Locked>> {
    transaction
        .execute(
            "SELECT 1 FROM chat.conversations WHERE id =
                 (SELECT conversation_id FROM crm.callbacks WHERE id = $1) FOR UPDATE",
            &[&id.0],
        )
        .await?;
    let row = transaction
        .query_opt(
            "SELECT b.conversation_id, b.patient_id, b.state, b.operator_id,
                    op.name AS operator_name
             FROM crm.callbacks b LEFT JOIN crm.people op ON op.id = b.operator_id
             WHERE b.id = $1 FOR UPDATE OF b",
            &[&id.0],
        )
        .await?;
    row.map(|row| {
        let holder = row.get::<_, Option<Uuid>>("operator_id");
        Ok(Locked {
            id,
            conversation: ConversationId(row.get("conversation_id")),
            patient: PersonId(row.get("patient_id")),
            state: parse_state(row.get("state"))?,
            holder: holder
                .map(|id| PersonName { id: PersonId(id), name: row.get("operator_name") }),
        })
    })
    .transpose()
}

/// Gives a new request to the operator; false when it is not new (any more).
pub(crate) async fn take(
    transaction: &Transaction<'_>,
    id: CallbackId,
    operator: PersonId,
) -> Result<bool> {
    let taken = transaction
        .execute(
            "UPDATE crm.callbacks SET state = 'in_progress', operator_id = $2,
                    taken_at = clock_timestamp() WHERE id = $1 AND state = 'new'",
            &[&id.0, &operator.0],
        )
        .await?;
    Ok(taken > 0)
}

/// Returns a taken request to the others.
pub(crate) async fn release(transaction: &Transaction<'_>, id: CallbackId) -> Result<bool> {
    let released = transaction
        .execute(
            "UPDATE crm.callbacks SET state = 'new', operator_id = NULL, taken_at = NULL
             WHERE id = $1 AND state = 'in_progress'",
            &[&id.0],
        )
        .await?;
    Ok(released > 0)
}

/// Ends an open request.
pub(crate) async fn finish(
    transaction: &Transaction<'_>,
    id: CallbackId,
    state: &'static str,
) -> Result<bool> {
    let finished = transaction
        .execute(
            "UPDATE crm.callbacks SET state = $2, finished_at = clock_timestamp()
             WHERE id = $1 AND state IN ('new', 'in_progress')",
            &[&id.0, &state],
        )
        .await?;
    Ok(finished > 0)
}

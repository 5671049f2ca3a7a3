//! Calls as their records tell them. Signaling writes them; here they are only read.

use deadpool_postgres::GenericClient;
use housecall_protocol::domain::{CallMedia, EndReason, PersonKind};
use housecall_protocol::media::{MediaPath, ParticipantRole};
use housecall_protocol::rest::{
    CallListItem, CallParticipant, FaultRecord, OperatorBrief, ParticipantQuality, TrackRecord,
};
use housecall_protocol::{CallId, CallbackId, ConsultationId, ConversationId, PersonId};
use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::briefs::{self, OPERATOR_COLUMNS, PATIENT_COLUMNS, count};
use super::{Result, StorageError};
use crate::cursor::{Cursor, Page};

/// Calls the operator ($1, of role $2) may see: a supervisor all, others those they
/// were in.
const VISIBLE: &str = "($2 = 'supervisor' OR $1 IN (c.caller_id, c.callee_id)
    OR EXISTS (SELECT 1 FROM crm.call_guests g WHERE g.call_id = c.id AND g.person_id = $1))";

/// Which calls are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum List {
    Running,
    Ended,
    /// Ended ones that somebody will have complained about.
    Poor,
}

impl List {
    const fn condition(self) -> &'static str {
        match self {
            Self::Running => "c.ended_at IS NULL AND c.accepted_at IS NOT NULL",
            Self::Ended => "c.ended_at IS NOT NULL",
            // 3.6: below it many listeners are dissatisfied (G.107 annex B).
            Self::Poor => "c.ended_at IS NOT NULL AND (q.mos < 3.6 OR q.faults > 0)",
        }
    }
}

fn select(rest: &str) -> String {
    let operator_joins = briefs::operator_joins("c");
    format!(
        "SELECT c.id, c.conversation_id, c.consultation_id, c.callback_id, c.media,
                c.caller_id = c.patient_id AS by_patient, c.created_at, c.accepted_at, c.ended_at,
                c.end_reason,
                coalesce(round(extract(epoch FROM c.ended_at - c.accepted_at)), 0)::bigint
                    AS duration_s,
                (SELECT count(DISTINCT g.person_id) FROM crm.call_guests g
                 WHERE g.call_id = c.id AND g.role <> 'hidden') AS guests,
                q.mos, coalesce(q.faults, 0) AS faults,
                {PATIENT_COLUMNS}, {OPERATOR_COLUMNS}
         FROM (SELECT c.*, v.patient_id,
                      CASE WHEN c.caller_id = v.patient_id THEN c.callee_id ELSE c.caller_id END
                          AS operator_id
               FROM crm.calls c JOIN chat.conversations v ON v.id = c.conversation_id) c
         JOIN crm.people pp ON pp.id = c.patient_id
         JOIN crm.patients p ON p.id = c.patient_id
         {operator_joins}
         LEFT JOIN LATERAL (
             SELECT min(q.mos_mean) AS mos,
                    sum((SELECT sum((f ->> 'times')::bigint) FROM jsonb_array_elements(q.faults) f))
                        ::bigint AS faults
             FROM crm.call_quality q WHERE q.call_id = c.id) q ON true
         {rest}"
    )
}

/// Newest first.
pub(crate) async fn list(
    client: &impl GenericClient,
    operator: PersonId,
    role: &str,
    list: List,
    page: &Page,
) -> Result<Vec<(Cursor, CallListItem)>> {
    let sql = select(&format!(
        "WHERE {} AND {VISIBLE}
           AND ($3::timestamptz IS NULL OR (c.created_at, c.id) < ($3, $4))
         ORDER BY c.created_at DESC, c.id DESC LIMIT $5",
        list.condition()
    ));
    let rows = client
        .query(&sql, &[&operator.0, &role, &page.after_at(), &page.after_id(), &page.rows()])
        .await?;
    rows.iter()
        .map(|row| {
            let cursor = Cursor { at: row.get("created_at"), id: row.get::<_, Uuid>("id") };
            Ok((cursor, item(row)?))
        })
        .collect()
}

/// One call, whoever may see it.
pub(crate) async fn find(client: &impl GenericClient, id: CallId) -> Result<Option<CallListItem>> {
    let row = client.query_opt(&select("WHERE c.id = $1"), &[&id.0]).await?;
    row.as_ref().map(item).transpose()
}

/// Whether an operator was in the call, as a side or as a guest.
pub(crate) async fn took_part(
    client: &impl GenericClient,
    call: CallId,
    operator: PersonId,
) -> Result<bool> {
    let row = client
        .query_one(
            "SELECT EXISTS (SELECT 1 FROM crm.calls
                            WHERE id = $1 AND $2 IN (caller_id, callee_id))
                 OR EXISTS (SELECT 1 FROM crm.call_guests WHERE call_id = $1 AND person_id = $2)",
            &[&call.0, &operator.0],
        )
        .await?;
    Ok(row.get(0))
}

/// Everybody who was in a call: its sides, then its guests as they came; hidden
/// listeners only when asked for.
pub(crate) async fn participants(
    client: &impl GenericClient,
    call: CallId,
    with_hidden: bool,
) -> Result<Vec<CallParticipant>> {
    let rows = client
        .query(
            "SELECT w.person_id, w.role, w.came_at, w.left_at, pp.name, pp.kind, q.*
             FROM (
                 SELECT 0::bigint AS place, c.caller_id AS person_id, 'member' AS role,
                        NULL::timestamptz AS came_at, NULL::timestamptz AS left_at
                 FROM crm.calls c WHERE c.id = $1
                 UNION ALL
                 SELECT 1, c.callee_id, 'member', NULL, NULL FROM crm.calls c WHERE c.id = $1
                 UNION ALL
                 SELECT g.id + 2, g.person_id, g.role, g.created_at, g.left_at
                 FROM crm.call_guests g WHERE g.call_id = $1 AND (g.role <> 'hidden' OR $2)
             ) w
             JOIN crm.people pp ON pp.id = w.person_id
             LEFT JOIN LATERAL (
                 SELECT q.call_id, q.mos_mean, q.mos_min, q.loss_up, q.loss_up_max, q.loss_down,
                        q.loss_down_max, q.rtt_ms, q.rtt_max_ms, q.jitter_ms, q.received_bps,
                        q.sent_bps, q.freezes, q.first_frame_ms, q.path, q.tracks, q.faults
                 FROM crm.call_quality q
                 WHERE q.call_id = $1 AND q.person_id = w.person_id) q ON true
             ORDER BY w.place LIMIT 100",
            &[&call.0, &with_hidden],
        )
        .await?;
    rows.iter().map(participant).collect()
}

fn item(row: &Row) -> Result<CallListItem> {
    let time = |column: &str| row.get::<_, Option<Timestamp>>(column).map(Into::into);
    let operator: OperatorBrief =
        briefs::operator(row).ok_or(StorageError::Corrupt("a call without an operator"))?;
    Ok(CallListItem {
        id: CallId(row.get("id")),
        conversation: ConversationId(row.get("conversation_id")),
        consultation: row.get::<_, Option<Uuid>>("consultation_id").map(ConsultationId),
        callback: row.get::<_, Option<Uuid>>("callback_id").map(CallbackId),
        patient: briefs::patient(row),
        operator,
        media: parse_media(row.get("media"))?,
        started_by: if row.get("by_patient") { PersonKind::Patient } else { PersonKind::Operator },
        created_at: row.get::<_, Timestamp>("created_at").into(),
        accepted_at: time("accepted_at"),
        ended_at: time("ended_at"),
        reason: row.get::<_, Option<&str>>("end_reason").map(parse_reason).transpose()?,
        duration_s: row.get("duration_s"),
        guests: count(row, "guests")?,
        mos: row.get("mos"),
        faults: count(row, "faults")?,
    })
}

fn participant(row: &Row) -> Result<CallParticipant> {
    let time = |column: &str| row.get::<_, Option<Timestamp>>(column).map(Into::into);
    let role = ParticipantRole::parse(row.get("role"));
    Ok(CallParticipant {
        person: PersonId(row.get("person_id")),
        name: row.get("name"),
        kind: match row.get("kind") {
            "patient" => PersonKind::Patient,
            _ => PersonKind::Operator,
        },
        role: role.ok_or(StorageError::Corrupt("role in a call"))?,
        came_at: time("came_at"),
        left_at: time("left_at"),
        quality: row.get::<_, Option<Uuid>>("call_id").map(|_| quality(row)).transpose()?,
    })
}

fn quality(row: &Row) -> Result<ParticipantQuality> {
    let tracks: Vec<TrackRecord> =
        serde_json::from_value(row.get("tracks")).map_err(|_| StorageError::Corrupt("tracks"))?;
    let faults: Vec<FaultRecord> =
        serde_json::from_value(row.get("faults")).map_err(|_| StorageError::Corrupt("faults"))?;
    let whole = |column: &str| row.get::<_, Option<i32>>(column).map(i32::unsigned_abs);
    Ok(ParticipantQuality {
        mos_mean: row.get("mos_mean"),
        mos_min: row.get("mos_min"),
        loss_up: row.get("loss_up"),
        loss_up_max: row.get("loss_up_max"),
        loss_down: row.get("loss_down"),
        loss_down_max: row.get("loss_down_max"),
        rtt_ms: row.get("rtt_ms"),
        rtt_max_ms: row.get("rtt_max_ms"),
        jitter_ms: row.get("jitter_ms"),
        received_bps: row.get("received_bps"),
        sent_bps: row.get("sent_bps"),
        freezes: whole("freezes").unwrap_or(0),
        first_frame_ms: whole("first_frame_ms"),
        path: row.get::<_, Option<&str>>("path").and_then(MediaPath::parse),
        tracks,
        faults,
    })
}

fn parse_media(media: &str) -> Result<CallMedia> {
    match media {
        "audio" => Ok(CallMedia::Audio),
        "video" => Ok(CallMedia::Video),
        _ => Err(StorageError::Corrupt("media of a call")),
    }
}

fn parse_reason(reason: &str) -> Result<EndReason> {
    serde_json::from_value(reason.into()).map_err(|_| StorageError::Corrupt("end of a call"))
}

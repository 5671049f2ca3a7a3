//! Rows of `crm.calls` and `crm.call_parties`.

use housecall_platform::postgres::Pool;
use housecall_protocol::domain::{
    CallMedia, CallParty, CallState, CallSubject, CallView, EndReason, MediaState, PersonKind,
    Specialty,
};
use housecall_protocol::media::{MediaPath, ParticipantRole};
use housecall_protocol::{CallId, CallbackId, ConsultationId, ConversationId, NodeId, PersonId};
use tokio_postgres::Row;
use uuid::Uuid;

use super::StorageError;
use crate::call::quality::Summary;

/// The consultation or callback a call is about.
pub(crate) struct Subject {
    pub(crate) conversation: ConversationId,
    pub(crate) patient: PersonId,
    /// Who holds it, if anybody does.
    pub(crate) operator: Option<PersonId>,
    /// An active consultation, a callback in progress.
    pub(crate) callable: bool,
}

/// A call about to ring.
pub(crate) struct NewCall {
    pub(crate) id: CallId,
    pub(crate) conversation: ConversationId,
    pub(crate) subject: CallSubject,
    pub(crate) caller: PersonId,
    pub(crate) callee: PersonId,
    pub(crate) media: CallMedia,
    pub(crate) owner: NodeId,
    pub(crate) relay: NodeId,
}

/// What became of a new call.
pub(crate) enum Inserted {
    Rings,
    /// The caller is in another call: nothing was written.
    CallerBusy,
    /// The callee is in another call: the record says so already.
    CalleeBusy(Finished),
}

/// What the end of a call changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Finished {
    pub(crate) conversation: ConversationId,
    /// The conversation's newest seq.
    pub(crate) seq: i64,
}

/// Who drives a call.
pub(crate) struct Owner {
    pub(crate) node: NodeId,
    pub(crate) ended: bool,
}

/// A call as its row tells it, for when nobody has its state any more.
pub(crate) struct Orphan {
    pub(crate) view: CallView,
    pub(crate) relay: Option<NodeId>,
}

const PARTY_SQL: &str =
    "SELECT p.kind, p.name, s.code, s.name_ru, s.name_en, s.doctor_ru, s.doctor_en
     FROM crm.people p
     LEFT JOIN crm.operators o ON o.id = p.id
     LEFT JOIN crm.specialties s ON s.code = o.specialty
     WHERE p.id = $1";

pub(crate) async fn subject(
    pool: &Pool,
    subject: CallSubject,
) -> Result<Option<Subject>, StorageError> {
    let client = pool.get().await?;
    let (query, id) = match subject {
        CallSubject::Consultation(id) => (
            "SELECT conversation_id, patient_id, operator_id, state = 'active'
             FROM crm.consultations WHERE id = $1",
            id.0,
        ),
        CallSubject::Callback(id) => (
            "SELECT conversation_id, patient_id, operator_id, state = 'in_progress'
             FROM crm.callbacks WHERE id = $1",
            id.0,
        ),
    };
    let statement = client.prepare_cached(query).await?;
    let row = client.query_opt(&statement, &[&id]).await?;
    Ok(row.map(|row| Subject {
        conversation: ConversationId(row.get(0)),
        patient: PersonId(row.get(1)),
        operator: row.get::<_, Option<Uuid>>(2).map(PersonId),
        callable: row.get(3),
    }))
}

/// A person as a side of a call.
pub(crate) async fn party(pool: &Pool, person: PersonId) -> Result<CallParty, StorageError> {
    let client = pool.get().await?;
    let statement = client.prepare_cached(PARTY_SQL).await?;
    let row = client.query_one(&statement, &[&person.0]).await?;
    Ok(CallParty {
        person,
        name: row.get(1),
        kind: kind(row.get(0))?,
        specialty: row.get::<_, Option<String>>(2).map(|code| Specialty {
            code,
            name_ru: row.get(3),
            name_en: row.get(4),
            doctor_ru: row.get(5),
            doctor_en: row.get(6),
        }),
        media: MediaState::default(),
        reconnecting: false,
        role: ParticipantRole::Member,
        allowed: MediaState::ALL,
    })
}

fn kind(text: &str) -> Result<PersonKind, StorageError> {
    match text {
        "patient" => Ok(PersonKind::Patient),
        "operator" => Ok(PersonKind::Operator),
        _ => Err(StorageError::Unreadable("crm.people")),
    }
}

const fn media_text(media: CallMedia) -> &'static str {
    match media {
        CallMedia::Audio => "audio",
        CallMedia::Video => "video",
    }
}

/// Writes the call and takes both persons, or finds out who is taken already.
pub(crate) async fn insert(pool: &Pool, call: &NewCall) -> Result<Inserted, StorageError> {
    let mut client = pool.get().await?;
    let transaction = client.transaction().await?;
    let (consultation, callback) = match call.subject {
        CallSubject::Consultation(id) => (Some(id.0), None),
        CallSubject::Callback(id) => (None, Some(id.0)),
    };
    transaction
        .execute(
            "INSERT INTO crm.calls (id, conversation_id, consultation_id, callback_id, caller_id,
                                    callee_id, media, owner_node, relay_node)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            &[
                &call.id.0,
                &call.conversation.0,
                &consultation,
                &callback,
                &call.caller.0,
                &call.callee.0,
                &media_text(call.media),
                &call.owner.0,
                &call.relay.0,
            ],
        )
        .await?;
    // In the order of their ids: two people who call each other at the same
    // instant would otherwise wait for each other's row.
    let mut people = [call.caller, call.callee];
    people.sort();
    let mut taken = Vec::new();
    for person in people {
        let rows = transaction
            .execute(
                "INSERT INTO crm.call_parties (person_id, call_id) VALUES ($1, $2)
                 ON CONFLICT (person_id) DO NOTHING",
                &[&person.0, &call.id.0],
            )
            .await?;
        if rows == 0 {
            taken.push(person);
        }
    }
    if taken.contains(&call.caller) {
        transaction.rollback().await?;
        return Ok(Inserted::CallerBusy);
    }
    if taken.contains(&call.callee) {
        let row = transaction.query_one(FINISH_SQL, &[&call.id.0, &"busy"]).await?;
        let finished = finished(&row);
        transaction.commit().await?;
        return Ok(Inserted::CalleeBusy(finished));
    }
    transaction.commit().await?;
    Ok(Inserted::Rings)
}

const FINISH_SQL: &str = "SELECT conversation_id, seq FROM crm.finish_call($1, $2)";

fn finished(row: &Row) -> Finished {
    Finished { conversation: ConversationId(row.get(0)), seq: row.get(1) }
}

/// Marks the accept. False when the call had been accepted or ended by then.
pub(crate) async fn accept(pool: &Pool, call: CallId) -> Result<bool, StorageError> {
    let client = pool.get().await?;
    let statement = client
        .prepare_cached(
            "UPDATE crm.calls SET accepted_at = now()
             WHERE id = $1 AND accepted_at IS NULL AND ended_at IS NULL",
        )
        .await?;
    Ok(client.execute(&statement, &[&call.0]).await? == 1)
}

/// Ends a call once; `None` when it had ended. `talked_s` stands in for an accept
/// that could not be recorded at its time.
pub(crate) async fn finish(
    pool: &Pool,
    call: CallId,
    reason: EndReason,
    quality: &[Summary],
    talked_s: Option<f64>,
) -> Result<Option<Finished>, StorageError> {
    let mut client = pool.get().await?;
    let transaction = client.transaction().await?;
    transaction
        .execute(
            "UPDATE crm.calls
             SET accepted_at = coalesce(accepted_at, now() - make_interval(secs => $2))
             WHERE id = $1 AND ended_at IS NULL",
            &[&call.0, &talked_s],
        )
        .await?;
    let row = transaction.query_opt(FINISH_SQL, &[&call.0, &reason.as_str()]).await?;
    if row.is_some() {
        let left = "UPDATE crm.call_guests SET left_at = now()
                    WHERE call_id = $1 AND left_at IS NULL";
        transaction.execute(left, &[&call.0]).await?;
        for summary in quality {
            insert_quality(&transaction, call, summary).await?;
        }
    }
    transaction.commit().await?;
    Ok(row.as_ref().map(finished))
}

async fn insert_quality(
    transaction: &tokio_postgres::Transaction<'_>,
    call: CallId,
    one: &Summary,
) -> Result<(), StorageError> {
    let count = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
    transaction
        .execute(
            "INSERT INTO crm.call_quality (call_id, person_id, mos_mean, mos_min, loss_up,
                 loss_up_max, loss_down, loss_down_max, rtt_ms, rtt_max_ms, jitter_ms, received_bps,
                 sent_bps, freezes, first_frame_ms, path, tracks, faults)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
                 $18)",
            &[
                &call.0,
                &one.person.0,
                &one.mos_mean,
                &one.mos_min,
                &one.loss_up,
                &one.loss_up_max,
                &one.loss_down,
                &one.loss_down_max,
                &one.rtt_ms,
                &one.rtt_max_ms,
                &one.jitter_ms,
                &one.received_bps,
                &one.sent_bps,
                &count(one.freezes),
                &one.first_frame_ms.map(count),
                &one.path.map(MediaPath::as_str),
                &one.tracks,
                &one.faults,
            ],
        )
        .await?;
    Ok(())
}

/// The room went to another relay.
pub(crate) async fn set_relay(
    pool: &Pool,
    call: CallId,
    relay: NodeId,
) -> Result<(), StorageError> {
    let client = pool.get().await?;
    let statement =
        client.prepare_cached("UPDATE crm.calls SET relay_node = $2 WHERE id = $1").await?;
    client.execute(&statement, &[&call.0, &relay.0]).await?;
    Ok(())
}

/// The call a person is in now, and who drives it.
pub(crate) async fn open_of_person(
    pool: &Pool,
    person: PersonId,
) -> Result<Option<(CallId, NodeId)>, StorageError> {
    let client = pool.get().await?;
    let statement = client
        .prepare_cached(
            "SELECT c.id, c.owner_node FROM crm.call_parties p JOIN crm.calls c ON c.id = p.call_id
             WHERE p.person_id = $1 AND c.ended_at IS NULL",
        )
        .await?;
    let row = client.query_opt(&statement, &[&person.0]).await?;
    Ok(row.map(|row| (CallId(row.get(0)), NodeId(row.get(1)))))
}

/// Who drives a call that `person` is in, or may listen to.
pub(crate) async fn owner(
    pool: &Pool,
    call: CallId,
    person: PersonId,
) -> Result<Option<Owner>, StorageError> {
    let client = pool.get().await?;
    let statement = client
        .prepare_cached(
            "SELECT owner_node, ended_at IS NOT NULL FROM crm.calls
             WHERE id = $1
               AND ($2 IN (caller_id, callee_id)
                 OR EXISTS (SELECT 1 FROM crm.call_guests g
                            WHERE g.call_id = $1 AND g.person_id = $2)
                 OR EXISTS (SELECT 1 FROM crm.operators o
                            WHERE o.id = $2 AND o.role = 'supervisor' AND NOT o.disabled))",
        )
        .await?;
    let row = client.query_opt(&statement, &[&call.0, &person.0]).await?;
    Ok(row.map(|row| Owner { node: NodeId(row.get(0)), ended: row.get(1) }))
}

/// The owner's sign of life for the calls it drives; returns those still open. A
/// call of its own that it drives no more gets none, so that a sweep ends it.
pub(crate) async fn beat(
    pool: &Pool,
    owner: NodeId,
    driven: &[CallId],
) -> Result<Vec<CallId>, StorageError> {
    let driven: Vec<Uuid> = driven.iter().map(|call| call.0).collect();
    let client = pool.get().await?;
    let statement = client
        .prepare_cached(
            "UPDATE crm.calls SET owner_seen_at = now()
             WHERE owner_node = $1 AND id = ANY($2) AND ended_at IS NULL RETURNING id",
        )
        .await?;
    let rows = client.query(&statement, &[&owner.0, &driven]).await?;
    Ok(rows.iter().map(|row| CallId(row.get(0))).collect())
}

/// Open calls whose owner gave no sign of life for `lost_s` seconds.
pub(crate) async fn orphans(pool: &Pool, lost_s: f64) -> Result<Vec<Orphan>, StorageError> {
    let client = pool.get().await?;
    let statement = client
        .prepare_cached(
            "SELECT id, conversation_id, consultation_id, callback_id, caller_id, callee_id, media,
                    created_at, accepted_at, relay_node
             FROM crm.calls
             WHERE ended_at IS NULL AND owner_seen_at < now() - make_interval(secs => $1)
             ORDER BY owner_seen_at LIMIT 100",
        )
        .await?;
    let rows = client.query(&statement, &[&lost_s]).await?;
    drop(client);
    let mut orphans = Vec::with_capacity(rows.len());
    for row in &rows {
        orphans.push(orphan(pool, row).await?);
    }
    Ok(orphans)
}

async fn orphan(pool: &Pool, row: &Row) -> Result<Orphan, StorageError> {
    let consultation = row.get::<_, Option<Uuid>>("consultation_id").map(ConsultationId);
    let callback = row.get::<_, Option<Uuid>>("callback_id").map(CallbackId);
    let subject = match (consultation, callback) {
        (Some(id), None) => CallSubject::Consultation(id),
        (None, Some(id)) => CallSubject::Callback(id),
        _ => return Err(StorageError::Unreadable("crm.calls")),
    };
    let media = match row.get("media") {
        "audio" => CallMedia::Audio,
        "video" => CallMedia::Video,
        _ => return Err(StorageError::Unreadable("crm.calls")),
    };
    let created_at: jiff::Timestamp = row.get("created_at");
    let accepted_at: Option<jiff::Timestamp> = row.get("accepted_at");
    let view = CallView {
        id: CallId(row.get("id")),
        conversation: ConversationId(row.get("conversation_id")),
        subject,
        media,
        state: CallState::Ended,
        caller: party(pool, PersonId(row.get("caller_id"))).await?,
        callee: party(pool, PersonId(row.get("callee_id"))).await?,
        created_at: created_at.into(),
        accepted_at: accepted_at.map(Into::into),
        ended: Some(EndReason::Failed),
        guests: Vec::new(),
    };
    Ok(Orphan { view, relay: row.get::<_, Option<Uuid>>("relay_node").map(NodeId) })
}

//! The append-only log of who touched which patient's record.

use deadpool_postgres::GenericClient;
use housecall_protocol::PersonId;

use super::Result;

/// What was done, in the log's words.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Action {
    ConsultationRead,
    ConsultationList,
    ConsultationClaim,
    ConsultationTransfer,
    ConsultationClose,
    CallbackRead,
    CallbackList,
    CallbackTake,
    CallbackRelease,
    CallbackCancel,
    CallbackDone,
    CallList,
    CallRead,
    StreamLinkCreate,
    StreamLinkRevoke,
    PatientRead,
    PatientList,
    PatientUpdate,
    FileUpload,
    FileRead,
    MessageSearch,
}

impl Action {
    const fn as_str(self) -> &'static str {
        match self {
            Self::ConsultationRead => "consultation.read",
            Self::ConsultationList => "consultation.list",
            Self::ConsultationClaim => "consultation.claim",
            Self::ConsultationTransfer => "consultation.transfer",
            Self::ConsultationClose => "consultation.close",
            Self::CallbackRead => "callback.read",
            Self::CallbackList => "callback.list",
            Self::CallbackTake => "callback.take",
            Self::CallbackRelease => "callback.release",
            Self::CallbackCancel => "callback.cancel",
            Self::CallbackDone => "callback.done",
            Self::CallList => "call.list",
            Self::CallRead => "call.read",
            Self::StreamLinkCreate => "stream_link.create",
            Self::StreamLinkRevoke => "stream_link.revoke",
            Self::PatientRead => "patient.read",
            Self::PatientList => "patient.list",
            Self::PatientUpdate => "patient.update",
            Self::FileUpload => "file.upload",
            Self::FileRead => "file.read",
            Self::MessageSearch => "message.search",
        }
    }
}

/// Adds one line. A page of a list is one line too, its patient absent and its
/// `object` the list's name: one line per row on every refresh of every desk
/// would bury the accesses that matter.
pub(crate) async fn record(
    client: &impl GenericClient,
    actor: PersonId,
    patient: Option<PersonId>,
    action: Action,
    object: &str,
) -> Result<()> {
    client
        .execute(
            "INSERT INTO crm.audit_log (actor_id, patient_id, action, object_id)
             VALUES ($1, $2, $3, $4)",
            &[&actor.0, &patient.map(|id| id.0), &action.as_str(), &object],
        )
        .await?;
    Ok(())
}

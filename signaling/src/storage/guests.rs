//! Rows of `crm.call_guests`, and of `crm.call_parties` for guests.

use housecall_platform::postgres::Pool;
use housecall_protocol::media::ParticipantRole;
use housecall_protocol::{CallId, PersonId};

use super::StorageError;

/// Somebody about to come into a running call.
pub(crate) struct NewGuest {
    pub(crate) call: CallId,
    pub(crate) person: PersonId,
    pub(crate) invited_by: PersonId,
    pub(crate) role: ParticipantRole,
}

/// What became of a new guest. Unless `Written`, nothing was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Added {
    Written,
    /// The call has ended meanwhile.
    Ended,
    /// They are in a call.
    Busy,
    /// No such operator, or not of a role that may.
    MayNot,
}

/// Writes the guest down, and into the audit log of the patient whose call it is.
pub(crate) async fn add(pool: &Pool, guest: &NewGuest) -> Result<Added, StorageError> {
    let mut client = pool.get().await?;
    let transaction = client.transaction().await?;
    // Locked, so that the call does not end between this and the rows below: its end
    // frees everybody who is in it by then.
    let open = transaction
        .query_opt(
            "SELECT 1 FROM crm.calls WHERE id = $1 AND ended_at IS NULL FOR SHARE",
            &[&guest.call.0],
        )
        .await?;
    if open.is_none() {
        return Ok(Added::Ended);
    }
    // An administrator takes no part in calls, as they read no patient's record.
    let may = transaction
        .query_opt(
            "SELECT 1 FROM crm.operators
             WHERE id = $1 AND NOT disabled AND role <> 'admin'
               AND ($2 <> 'hidden' OR role = 'supervisor')",
            &[&guest.person.0, &guest.role.as_str()],
        )
        .await?;
    if may.is_none() {
        return Ok(Added::MayNot);
    }
    let free = transaction
        .execute(
            "INSERT INTO crm.call_parties (person_id, call_id) VALUES ($1, $2)
             ON CONFLICT (person_id) DO NOTHING",
            &[&guest.person.0, &guest.call.0],
        )
        .await?;
    if free == 0 {
        return Ok(Added::Busy);
    }
    transaction
        .execute(
            "INSERT INTO crm.call_guests (call_id, person_id, role, invited_by)
             VALUES ($1, $2, $3, $4)",
            &[&guest.call.0, &guest.person.0, &guest.role.as_str(), &guest.invited_by.0],
        )
        .await?;
    transaction
        .execute(
            "INSERT INTO crm.audit_log (actor_id, patient_id, action, object_id)
             SELECT $2, v.patient_id, $3, $4 FROM crm.calls c
             JOIN chat.conversations v ON v.id = c.conversation_id WHERE c.id = $1",
            &[&guest.call.0, &guest.invited_by.0, &action(guest.role), &object(guest)],
        )
        .await?;
    transaction.commit().await?;
    Ok(Added::Written)
}

const fn action(role: ParticipantRole) -> &'static str {
    match role {
        ParticipantRole::Hidden => "call.listen",
        ParticipantRole::Member | ParticipantRole::Listener => "call.invite",
    }
}

fn object(guest: &NewGuest) -> String {
    match guest.role {
        ParticipantRole::Hidden => guest.call.to_string(),
        ParticipantRole::Member | ParticipantRole::Listener => {
            format!("{}/{}", guest.call, guest.person)
        }
    }
}

/// The guest has left: they are free for other calls.
pub(crate) async fn remove(
    pool: &Pool,
    call: CallId,
    person: PersonId,
) -> Result<(), StorageError> {
    let mut client = pool.get().await?;
    let transaction = client.transaction().await?;
    transaction
        .execute(
            "DELETE FROM crm.call_parties WHERE person_id = $1 AND call_id = $2",
            &[&person.0, &call.0],
        )
        .await?;
    transaction
        .execute(
            "UPDATE crm.call_guests SET left_at = now()
             WHERE call_id = $2 AND person_id = $1 AND left_at IS NULL",
            &[&person.0, &call.0],
        )
        .await?;
    transaction.commit().await?;
    Ok(())
}

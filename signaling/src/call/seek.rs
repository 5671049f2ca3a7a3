//! Guests of a call in the database: whether they may come, that they are in a call,
//! and that they are in it no more.

use std::sync::Arc;

use housecall_protocol::client::ErrorCode;
use housecall_protocol::cluster::{Answer, Refusal};
use housecall_protocol::domain::CallParty;
use housecall_protocol::media::ParticipantRole;
use housecall_protocol::{CallId, PersonId};

use super::actor::Done;
use super::machine::{Seek, Ticket};
use super::refuse;
use crate::gateway::Gateway;
use crate::storage::calls;
use crate::storage::guests::{self, Added, NewGuest};

/// Writes a guest down, if they may come and are free.
pub(super) async fn find(gateway: Arc<Gateway>, call: CallId, ticket: Ticket, seek: Seek) -> Done {
    Done::Found { ticket, found: add(&gateway, call, seek).await }
}

async fn add(gateway: &Gateway, call: CallId, seek: Seek) -> Answer<CallParty> {
    let guest = match seek {
        Seek::Invited { person, by, role } => NewGuest { call, person, invited_by: by, role },
        Seek::Listener { person } => {
            NewGuest { call, person, invited_by: person, role: ParticipantRole::Hidden }
        }
    };
    let pool = &gateway.context.pool;
    match guests::add(pool, &guest).await.map_err(|error| refuse(&error))? {
        Added::Written => {}
        Added::Ended => return Err(Refusal::new(ErrorCode::Conflict, "the call has ended")),
        Added::Busy => return Err(Refusal::new(ErrorCode::Busy, "they are in another call")),
        Added::MayNot => return Err(may_not(seek)),
    }
    match calls::party(pool, guest.person).await {
        Ok(party) => Ok(party),
        Err(error) => {
            free(gateway, call, guest.person).await;
            Err(refuse(&error))
        }
    }
}

fn may_not(seek: Seek) -> Refusal {
    match seek {
        Seek::Invited { .. } => {
            Refusal::new(ErrorCode::NotFound, "there is no such operator who takes calls")
        }
        Seek::Listener { .. } => {
            Refusal::new(ErrorCode::Forbidden, "only supervisors listen to calls")
        }
    }
}

/// A guest is out of the call. When the database is away they count as busy until the
/// call ends.
pub(super) async fn free(gateway: &Gateway, call: CallId, person: PersonId) {
    if let Err(error) = guests::remove(&gateway.context.pool, call, person).await {
        tracing::error!(%call, %error, "record of a guest's leave");
    }
}

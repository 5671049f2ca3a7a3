//! What presence says about operators. Presence may be away: then everybody is
//! offline, soon, instead of a page that waits.

use std::collections::HashMap;
use std::time::Duration;

use housecall_platform::bus::Bus;
use housecall_protocol::PersonId;
use housecall_protocol::cluster::{Answer, PresenceReply, PresenceRequest, subject};
use housecall_protocol::domain::PresenceStatus;

const TIMEOUT: Duration = Duration::from_millis(500);
/// People in one query, as the protocol bounds it.
const MAX_PEOPLE: usize = 500;

/// Status of each of these people; those not in the map are offline.
pub(crate) async fn statuses(bus: &Bus, people: &[PersonId]) -> HashMap<PersonId, PresenceStatus> {
    let mut statuses = HashMap::with_capacity(people.len());
    for chunk in people.chunks(MAX_PEOPLE) {
        let request = PresenceRequest::Query { people: chunk.to_vec() };
        let Some(PresenceReply::People(known)) = ask(bus, &request).await else { break };
        statuses.extend(known.into_iter().map(|person| (person.person, person.status)));
    }
    statuses
}

/// Ids of operators who are online or busy.
pub(crate) async fn operators_online(bus: &Bus) -> Vec<PersonId> {
    match ask(bus, &PresenceRequest::OperatorsOnline).await {
        Some(PresenceReply::Operators(operators)) => operators,
        _ => Vec::new(),
    }
}

async fn ask(bus: &Bus, request: &PresenceRequest) -> Option<PresenceReply> {
    let answer: Result<Answer<PresenceReply>, _> =
        bus.request(subject::PRESENCE_REQUEST, request, TIMEOUT).await;
    match answer {
        Ok(Ok(reply)) => Some(reply),
        Ok(Err(refusal)) => {
            tracing::warn!(%refusal, "presence");
            None
        }
        Err(error) => {
            tracing::debug!(%error, "presence");
            None
        }
    }
}

//! The media side of one call.

use std::time::Instant;

use housecall_protocol::ids::PersonId;

use crate::relay::RelayId;
use crate::slab::Key;
use crate::voices::Floor;

#[derive(Debug, Default)]
pub(crate) struct Room {
    /// Nothing is forwarded before this is set.
    pub(crate) forwarding: bool,
    /// Those who joined here and those whom other cores relay, by when they joined.
    pub(crate) members: Vec<(PersonId, Key)>,
    /// Other cores at which the room lives.
    pub(crate) relays: Vec<RelayId>,
    /// The one of them where it began; `None`: it began here.
    pub(crate) home: Option<RelayId>,
    /// When an empty room is forgotten.
    pub(crate) expires: Option<Instant>,
    /// Who speaks, by participant.
    pub(crate) floor: Floor<Key>,
    /// When the voices were looked at last.
    pub(crate) listened_at: Option<Instant>,
    /// Somebody spoke: the room waits to be looked at again even if nothing comes.
    pub(crate) is_lively: bool,
}

impl Room {
    pub(crate) fn member(&self, person: PersonId) -> Option<Key> {
        self.members.iter().find(|(member, _)| *member == person).map(|(_, key)| *key)
    }
}

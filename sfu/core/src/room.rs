//! The media side of one call.

use std::time::Instant;

use housecall_protocol::ids::PersonId;

use crate::slab::Key;

#[derive(Debug, Default)]
pub(crate) struct Room {
    /// Nothing is forwarded before this is set.
    pub(crate) forwarding: bool,
    /// In the order they joined.
    pub(crate) members: Vec<(PersonId, Key)>,
    /// When an empty room is forgotten.
    pub(crate) expires: Option<Instant>,
}

impl Room {
    pub(crate) fn member(&self, person: PersonId) -> Option<Key> {
        self.members.iter().find(|(member, _)| *member == person).map(|(_, key)| *key)
    }
}

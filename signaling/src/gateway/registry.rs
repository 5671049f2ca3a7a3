//! The connections of this process, by what they want to hear of.
//!
//! One lock around small tables: every operation is a few map look-ups, and no
//! frame is written under it, only queued.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use axum::extract::ws::Utf8Bytes;
use housecall_protocol::cluster::ChosenStatus;
use housecall_protocol::domain::PersonKind;
use housecall_protocol::{CallId, ConnectionId, ConversationId, PersonId, SessionId};

use super::close::CloseReason;
use super::handle::Handle;

/// Events kept for a conversation while its `chat.open` is being answered.
const MAX_HELD_EVENTS: usize = 64;

/// See the module.
#[derive(Default)]
pub(crate) struct Registry {
    tables: RwLock<Tables>,
}

#[derive(Default)]
struct Tables {
    connections: HashMap<ConnectionId, Entry>,
    people: HashMap<PersonId, Person>,
    conversations: HashMap<ConversationId, HashMap<ConnectionId, Follower>>,
}

struct Entry {
    handle: Arc<Handle>,
    conversations: HashSet<ConversationId>,
}

#[derive(Default)]
struct Person {
    connections: Vec<Arc<Handle>>,
    /// The open call that this person's frames told of.
    call: Option<CallId>,
    /// What an operator chose here, for the next full beat.
    chosen: Option<ChosenStatus>,
}

enum Follower {
    /// The right to follow is being checked; events wait for the answer, so that
    /// none is lost between the reading of the position and the first event.
    Opening {
        handle: Arc<Handle>,
        held: Vec<Utf8Bytes>,
    },
    Live(Arc<Handle>),
}

impl Follower {
    const fn handle(&self) -> &Arc<Handle> {
        match self {
            Self::Opening { handle, .. } | Self::Live(handle) => handle,
        }
    }
}

/// A bound of the registry was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

impl Registry {
    fn read(&self) -> RwLockReadGuard<'_, Tables> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Tables> {
        self.tables.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, handle: Arc<Handle>, max_per_person: usize) -> Result<(), TooMany> {
        let mut tables = self.write();
        let person = tables.people.entry(handle.person).or_default();
        if person.connections.len() >= max_per_person {
            return Err(TooMany);
        }
        person.connections.push(Arc::clone(&handle));
        let entry = Entry { handle, conversations: HashSet::new() };
        tables.connections.insert(entry.handle.id, entry);
        Ok(())
    }

    /// Forgets a connection; returns the call its person is in.
    pub(crate) fn remove(&self, id: ConnectionId) -> Option<CallId> {
        let mut tables = self.write();
        let entry = tables.connections.remove(&id)?;
        for conversation in &entry.conversations {
            tables.drop_follower(*conversation, id);
        }
        let person = tables.people.get_mut(&entry.handle.person)?;
        person.connections.retain(|one| one.id != id);
        let call = person.call;
        if person.connections.is_empty() {
            tables.people.remove(&entry.handle.person);
        }
        call
    }

    pub(crate) fn all(&self) -> Vec<Arc<Handle>> {
        self.read().connections.values().map(|entry| Arc::clone(&entry.handle)).collect()
    }

    // Persons.

    pub(crate) fn is_here(&self, person: PersonId) -> bool {
        self.read().people.contains_key(&person)
    }

    pub(crate) fn of_person(&self, person: PersonId) -> Vec<Arc<Handle>> {
        self.read().people.get(&person).map(|one| one.connections.clone()).unwrap_or_default()
    }

    pub(crate) fn close_session(&self, person: PersonId, session: Option<SessionId>) {
        for handle in self.of_person(person) {
            if session.is_none_or(|session| session == handle.session) {
                handle.closer.close(CloseReason::SessionRevoked);
            }
        }
    }

    pub(crate) fn close_replaced(&self, person: PersonId, connection: ConnectionId) {
        for handle in self.of_person(person).iter().filter(|handle| handle.id == connection) {
            handle.closer.close(CloseReason::Replaced);
        }
    }

    /// Remembers which call a person is in, or that an ended one is over.
    pub(crate) fn note_call(&self, person: PersonId, call: CallId, open: bool) {
        if let Some(person) = self.write().people.get_mut(&person) {
            if open {
                person.call = Some(call);
            } else if person.call == Some(call) {
                person.call = None;
            }
        }
    }

    pub(crate) fn choose(&self, chosen: ChosenStatus) {
        if let Some(person) = self.write().people.get_mut(&chosen.person) {
            person.chosen = Some(chosen);
        }
    }

    /// What operators who are here chose here.
    pub(crate) fn chosen(&self) -> HashMap<PersonId, ChosenStatus> {
        let tables = self.read();
        let people = tables.people.iter();
        people.filter_map(|(id, person)| Some((*id, person.chosen?))).collect()
    }

    pub(crate) fn send_to_operators(&self, text: &Utf8Bytes) {
        for entry in self.read().connections.values() {
            if entry.handle.kind == PersonKind::Operator {
                entry.handle.send_text(text.clone());
            }
        }
    }

    // Conversations.

    /// Starts to follow a conversation, holding its events back until
    /// [`Self::opened`]. A conversation that is followed already stays so.
    pub(crate) fn opening(
        &self,
        id: ConnectionId,
        conversation: ConversationId,
        max: usize,
    ) -> Result<(), TooMany> {
        let mut tables = self.write();
        let Some(entry) = tables.connections.get_mut(&id) else { return Ok(()) };
        if !entry.conversations.contains(&conversation) && entry.conversations.len() >= max {
            return Err(TooMany);
        }
        entry.conversations.insert(conversation);
        let handle = Arc::clone(&entry.handle);
        tables
            .conversations
            .entry(conversation)
            .or_default()
            .entry(id)
            .or_insert_with(|| Follower::Opening { handle, held: Vec::new() });
        Ok(())
    }

    /// Follows at once: a patient and their own conversation.
    pub(crate) fn follow(&self, id: ConnectionId, conversation: ConversationId) {
        let mut tables = self.write();
        let Some(entry) = tables.connections.get_mut(&id) else { return };
        entry.conversations.insert(conversation);
        let follower = Follower::Live(Arc::clone(&entry.handle));
        tables.conversations.entry(conversation).or_default().insert(id, follower);
    }

    /// Answers the `chat.open`, then lets the held events and all later ones pass.
    pub(crate) fn opened(&self, id: ConnectionId, conversation: ConversationId, answer: Utf8Bytes) {
        let mut tables = self.write();
        let followers = tables.conversations.get_mut(&conversation);
        let Some(follower) = followers.and_then(|followers| followers.get_mut(&id)) else {
            return;
        };
        let handle = Arc::clone(follower.handle());
        handle.send_text(answer);
        if let Follower::Opening { held, .. } =
            std::mem::replace(follower, Follower::Live(Arc::clone(&handle)))
        {
            held.into_iter().for_each(|text| handle.send_text(text));
        }
    }

    /// Gives up an opening that was refused; one that was live before stays.
    pub(crate) fn abandon(&self, id: ConnectionId, conversation: ConversationId) {
        let opening = {
            let tables = self.read();
            let followers = tables.conversations.get(&conversation);
            matches!(
                followers.and_then(|followers| followers.get(&id)),
                Some(Follower::Opening { .. })
            )
        };
        if opening {
            self.unfollow(id, conversation);
        }
    }

    pub(crate) fn unfollow(&self, id: ConnectionId, conversation: ConversationId) {
        let mut tables = self.write();
        if let Some(entry) = tables.connections.get_mut(&id) {
            entry.conversations.remove(&conversation);
        }
        tables.drop_follower(conversation, id);
    }

    pub(crate) fn is_followed(&self, conversation: ConversationId) -> bool {
        self.read().conversations.contains_key(&conversation)
    }

    /// Conversations that any connection of the person follows.
    pub(crate) fn followed_by(&self, person: PersonId) -> Vec<ConversationId> {
        let tables = self.read();
        let connections = tables.people.get(&person).into_iter().flat_map(|one| &one.connections);
        let followed: HashSet<ConversationId> = connections
            .filter_map(|handle| tables.connections.get(&handle.id))
            .flat_map(|entry| entry.conversations.iter().copied())
            .collect();
        followed.into_iter().collect()
    }

    /// Operators' connections that follow the conversation.
    pub(crate) fn operators_following(&self, conversation: ConversationId) -> Vec<Arc<Handle>> {
        let tables = self.read();
        let followers = tables.conversations.get(&conversation).into_iter().flatten();
        followers
            .map(|(_, follower)| Arc::clone(follower.handle()))
            .filter(|handle| handle.kind == PersonKind::Operator)
            .collect()
    }

    /// Sends to each follower what `text_for` makes for it.
    pub(crate) fn send_to_followers(
        &self,
        conversation: ConversationId,
        mut text_for: impl FnMut(&Handle) -> Option<Utf8Bytes>,
    ) {
        // A write lock, for the followers that still hold their events.
        let mut tables = self.write();
        let Some(followers) = tables.conversations.get_mut(&conversation) else { return };
        for follower in followers.values_mut() {
            let Some(text) = text_for(follower.handle()) else { continue };
            match follower {
                Follower::Live(handle) => handle.send_text(text),
                Follower::Opening { handle, held } if held.len() >= MAX_HELD_EVENTS => {
                    handle.closer.close(CloseReason::SlowConsumer);
                }
                Follower::Opening { held, .. } => held.push(text),
            }
        }
    }
}

impl Tables {
    fn drop_follower(&mut self, conversation: ConversationId, id: ConnectionId) {
        if let Some(followers) = self.conversations.get_mut(&conversation) {
            followers.remove(&id);
            if followers.is_empty() {
                self.conversations.remove(&conversation);
            }
        }
    }
}

//! The connections of this process, by what they want to hear of.
//!
//! One lock around small tables: every operation is a few map look-ups, and no
//! frame is written under it, only queued.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;
use housecall_protocol::cluster::ChosenStatus;
use housecall_protocol::domain::{PersonKind, TimestampMs};
use housecall_protocol::{CallId, ConnectionId, ConversationId, PersonId, SessionId};

use super::close::CloseReason;
use super::handle::Handle;
use super::share::Share;

/// Events kept for a conversation while its `chat.open` is being answered.
const MAX_HELD_EVENTS: usize = 64;

/// See the module.
#[derive(Default)]
pub(crate) struct Registry {
    tables: RwLock<Tables>,
}

/// Made for many connections that want little: a patient's one connection, one
/// conversation and one follower lie in vectors of one.
#[derive(Default)]
struct Tables {
    connections: HashMap<ConnectionId, Entry>,
    /// Operators' connections once more: every change of a list goes to all of them.
    operators: HashMap<ConnectionId, Arc<Handle>>,
    people: HashMap<PersonId, Person>,
    conversations: HashMap<ConversationId, Vec<Follower>>,
}

struct Entry {
    handle: Arc<Handle>,
    conversations: Vec<ConversationId>,
}

struct Person {
    connections: Vec<Arc<Handle>>,
    share: Arc<Share>,
    notes: Option<Box<Notes>>,
}

/// What few people have.
#[derive(Clone, Copy, Default)]
pub(crate) struct Notes {
    /// The open call that this person's frames told of.
    pub(crate) call: Option<CallId>,
    /// Whether they talk in it. Of operators only, as the following.
    pub(crate) talking: bool,
    /// What the operator chose here.
    pub(crate) chosen: Option<ChosenStatus>,
    /// When they used a device here for the last time.
    pub(crate) active_at: Option<TimestampMs>,
}

struct Follower {
    handle: Arc<Handle>,
    /// While the right to follow is being checked events wait for the answer, so that
    /// none is lost between the reading of the position and the first event.
    held: Option<Vec<Bytes>>,
}

impl Person {
    fn notes(&mut self) -> &mut Notes {
        self.notes.get_or_insert_default()
    }
}

impl Follower {
    const fn live(handle: Arc<Handle>) -> Self {
        Self { handle, held: None }
    }
}

/// How many connections a person, and one of their sessions, may have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quota {
    pub(crate) of_person: usize,
    pub(crate) of_session: usize,
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

    /// Enters a connection; returns what it shares with its person's others.
    pub(crate) fn add(&self, handle: Arc<Handle>, quota: Quota) -> Result<Arc<Share>, TooMany> {
        let mut tables = self.write();
        let person = tables.people.entry(handle.person).or_insert_with(|| Person {
            connections: Vec::with_capacity(1),
            share: Arc::default(),
            notes: None,
        });
        let of_session = person.connections.iter().filter(|one| one.session == handle.session);
        if of_session.count() >= quota.of_session || person.connections.len() >= quota.of_person {
            return Err(TooMany);
        }
        person.connections.push(Arc::clone(&handle));
        let share = Arc::clone(&person.share);
        if handle.kind == PersonKind::Operator {
            tables.operators.insert(handle.id, Arc::clone(&handle));
        }
        tables.connections.insert(handle.id, Entry { handle, conversations: Vec::new() });
        Ok(share)
    }

    /// Forgets a connection; returns the call its person is in.
    pub(crate) fn remove(&self, id: ConnectionId) -> Option<CallId> {
        let mut tables = self.write();
        let entry = tables.connections.remove(&id)?;
        tables.operators.remove(&id);
        for conversation in &entry.conversations {
            tables.drop_follower(*conversation, id);
        }
        let person = tables.people.get_mut(&entry.handle.person)?;
        person.connections.retain(|one| one.id != id);
        let call = person.notes.as_ref().and_then(|notes| notes.call);
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
                handle.close(CloseReason::SessionRevoked);
            }
        }
    }

    pub(crate) fn close_replaced(&self, person: PersonId, connection: ConnectionId) {
        for handle in self.of_person(person).iter().filter(|handle| handle.id == connection) {
            handle.close(CloseReason::Replaced);
        }
    }

    /// Remembers which call a person is in, or that an ended one is over.
    pub(crate) fn note_call(&self, person: PersonId, call: CallId, open: bool) {
        if let Some(person) = self.write().people.get_mut(&person) {
            if open {
                person.notes().call = Some(call);
            } else if person.notes().call == Some(call) {
                person.notes().call = None;
            }
        }
    }

    pub(crate) fn choose(&self, chosen: ChosenStatus) {
        if let Some(person) = self.write().people.get_mut(&chosen.person) {
            person.notes().chosen = Some(chosen);
        }
    }

    pub(crate) fn note_active(&self, person: PersonId, at: TimestampMs) {
        if let Some(person) = self.write().people.get_mut(&person) {
            person.notes().active_at = Some(at);
        }
    }

    /// Whether it is news of an operator.
    pub(crate) fn note_talking(&self, person: PersonId, talking: bool) -> bool {
        let mut tables = self.write();
        let Some(person) = tables.people.get_mut(&person) else { return false };
        let is_operator =
            person.connections.first().is_some_and(|one| one.kind == PersonKind::Operator);
        is_operator && std::mem::replace(&mut person.notes().talking, talking) != talking
    }

    /// What there is to say of people who are here, for a full beat.
    pub(crate) fn notes(&self) -> HashMap<PersonId, Notes> {
        let tables = self.read();
        let people = tables.people.iter();
        people.filter_map(|(id, person)| Some((*id, **person.notes.as_ref()?))).collect()
    }

    pub(crate) fn send_to_operators(&self, text: &Bytes) {
        for handle in self.read().operators.values() {
            handle.send_text(text.clone());
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
        let handle = Arc::clone(&entry.handle);
        tables.enter_follower(conversation, Follower { handle, held: Some(Vec::new()) });
        Ok(())
    }

    /// Follows at once: a patient and their own conversation.
    pub(crate) fn follow(&self, id: ConnectionId, conversation: ConversationId) {
        let mut tables = self.write();
        let Some(entry) = tables.connections.get(&id) else { return };
        let follower = Follower::live(Arc::clone(&entry.handle));
        tables.enter_follower(conversation, follower);
    }

    /// Answers the `chat.open`, then lets the held events and all later ones pass.
    pub(crate) fn opened(&self, id: ConnectionId, conversation: ConversationId, answer: Bytes) {
        let mut tables = self.write();
        let Some(follower) = tables.follower(conversation, id) else { return };
        follower.handle.send_text(answer);
        let held = follower.held.take().unwrap_or_default();
        held.into_iter().for_each(|text| follower.handle.send_text(text));
    }

    /// Gives up an opening that was refused; one that was live before stays.
    pub(crate) fn abandon(&self, id: ConnectionId, conversation: ConversationId) {
        let opening = {
            let mut tables = self.write();
            tables.follower(conversation, id).is_some_and(|follower| follower.held.is_some())
        };
        if opening {
            self.unfollow(id, conversation);
        }
    }

    pub(crate) fn unfollow(&self, id: ConnectionId, conversation: ConversationId) {
        let mut tables = self.write();
        if let Some(entry) = tables.connections.get_mut(&id) {
            entry.conversations.retain(|one| *one != conversation);
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
            .map(|follower| Arc::clone(&follower.handle))
            .filter(|handle| handle.kind == PersonKind::Operator)
            .collect()
    }

    /// Sends to each follower what `text_for` makes for it.
    pub(crate) fn send_to_followers(
        &self,
        conversation: ConversationId,
        mut text_for: impl FnMut(&Handle) -> Option<Bytes>,
    ) {
        // A write lock, for the followers that still hold their events.
        let mut tables = self.write();
        for follower in tables.conversations.get_mut(&conversation).into_iter().flatten() {
            let Some(text) = text_for(&follower.handle) else { continue };
            match &mut follower.held {
                None => follower.handle.send_text(text),
                Some(held) if held.len() >= MAX_HELD_EVENTS => {
                    follower.handle.close(CloseReason::SlowConsumer);
                }
                Some(held) => held.push(text),
            }
        }
    }
}

impl Tables {
    fn follower(
        &mut self,
        conversation: ConversationId,
        id: ConnectionId,
    ) -> Option<&mut Follower> {
        let followers = self.conversations.get_mut(&conversation)?;
        followers.iter_mut().find(|follower| follower.handle.id == id)
    }

    /// One that follows already stays as it is, unless the new one holds nothing back.
    fn enter_follower(&mut self, conversation: ConversationId, follower: Follower) {
        let id = follower.handle.id;
        match self.follower(conversation, id) {
            Some(known) if follower.held.is_none() => *known = follower,
            Some(_) => {}
            None => {
                let followers =
                    self.conversations.entry(conversation).or_insert_with(|| Vec::with_capacity(1));
                followers.push(follower);
                if let Some(entry) = self.connections.get_mut(&id) {
                    entry.conversations.reserve_exact(1);
                    entry.conversations.push(conversation);
                }
            }
        }
    }

    fn drop_follower(&mut self, conversation: ConversationId, id: ConnectionId) {
        if let Some(followers) = self.conversations.get_mut(&conversation) {
            followers.retain(|follower| follower.handle.id != id);
            if followers.is_empty() {
                self.conversations.remove(&conversation);
            }
        }
    }
}

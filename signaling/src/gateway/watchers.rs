//! Who watches whose presence, and what each was told last.
//!
//! Every presence instance publishes every change, and one that has just started
//! publishes all it learns: a status that a connection knows already is dropped
//! here. The bus may also lose a change, so what is watched is asked for again
//! now and then.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use housecall_protocol::client::{Outgoing, PersonPresence, PresenceView, ServerFrame};
use housecall_protocol::cluster::{PresenceReply, PresenceRequest, subject};
use housecall_protocol::domain::PresenceStatus;
use housecall_protocol::{ConnectionId, PersonId};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Gateway;
use super::handle::Handle;

/// As long as a full beat takes to mend what presence itself missed.
const REFRESH_INTERVAL: Duration = Duration::from_secs(30);
/// People in one question, as the protocol bounds it.
const QUERY_PEOPLE: usize = 500;

/// See the module. Apart from the other tables: a burst of changes must not hold
/// up chat.
#[derive(Default)]
pub(crate) struct Watchers {
    tables: Mutex<Tables>,
}

#[derive(Default)]
struct Tables {
    of_person: HashMap<PersonId, HashSet<ConnectionId>>,
    connections: HashMap<ConnectionId, Watcher>,
}

struct Watcher {
    handle: Arc<Handle>,
    /// What was told last of each person; nothing before the first answer.
    told: HashMap<PersonId, Option<PresenceStatus>>,
}

impl Watchers {
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces what a connection watches.
    pub(crate) fn watch(&self, handle: &Arc<Handle>, people: &[PersonId]) {
        let mut tables = self.tables();
        tables.forget(handle.id);
        if people.is_empty() {
            return;
        }
        let told = people.iter().map(|person| (*person, None)).collect();
        tables.connections.insert(handle.id, Watcher { handle: Arc::clone(handle), told });
        for person in people {
            tables.of_person.entry(*person).or_default().insert(handle.id);
        }
    }

    pub(crate) fn forget(&self, id: ConnectionId) {
        self.tables().forget(id);
    }

    /// Answers a watch with all that was asked.
    pub(crate) fn answer(&self, id: ConnectionId, people: Vec<PersonPresence>) {
        let mut tables = self.tables();
        let Some(watcher) = tables.connections.get_mut(&id) else { return };
        for one in &people {
            if let Some(told) = watcher.told.get_mut(&one.person) {
                *told = Some(one.status);
            }
        }
        watcher.send(people);
    }

    /// Tells each watcher what is news to it.
    pub(crate) fn tell(&self, people: &[PersonPresence]) {
        // Queued under the lock, so that what was told last is what was sent last.
        let mut tables = self.tables();
        let Tables { of_person, connections } = &mut *tables;
        let mut news: HashMap<ConnectionId, Vec<PersonPresence>> = HashMap::new();
        for one in people {
            for id in of_person.get(&one.person).into_iter().flatten() {
                let Some(watcher) = connections.get_mut(id) else { continue };
                if watcher.told.insert(one.person, Some(one.status)) != Some(Some(one.status)) {
                    news.entry(*id).or_default().push(one.clone());
                }
            }
        }
        for (id, people) in news {
            if let Some(watcher) = connections.get(&id) {
                watcher.send(people);
            }
        }
    }

    fn watched(&self) -> Vec<PersonId> {
        self.tables().of_person.keys().copied().collect()
    }
}

impl Tables {
    fn forget(&mut self, id: ConnectionId) {
        let Some(watcher) = self.connections.remove(&id) else { return };
        for person in watcher.told.keys() {
            if let Some(watchers) = self.of_person.get_mut(person) {
                watchers.remove(&id);
                if watchers.is_empty() {
                    self.of_person.remove(person);
                }
            }
        }
    }
}

impl Watcher {
    fn send(&self, people: Vec<PersonPresence>) {
        self.handle.send(&Outgoing::event(ServerFrame::Presence(PresenceView { people })));
    }
}

/// Asks again, until `stop`, for everybody who is watched here.
pub(crate) async fn refresh(gateway: Arc<Gateway>, stop: CancellationToken) {
    let mut interval =
        tokio::time::interval_at(Instant::now() + REFRESH_INTERVAL, REFRESH_INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = interval.tick() => {}
        }
        for people in gateway.watchers.watched().chunks(QUERY_PEOPLE) {
            let request = PresenceRequest::Query { people: people.to_vec() };
            match gateway.ask(subject::PRESENCE_REQUEST, &request).await {
                Ok(PresenceReply::People(people)) => gateway.watchers.tell(&people),
                Ok(PresenceReply::Operators(_)) => tracing::error!("presence answered amiss"),
                // Said in the log by `ask`; the next round asks again.
                Err(_) => break,
            }
        }
    }
}

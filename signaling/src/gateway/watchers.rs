//! Who watches whose presence, and what each was told last.
//!
//! Every presence instance publishes every change, and one that has just started
//! publishes all it learns: a status that a connection knows already is dropped
//! here. The bus may also lose a change, so what is watched is asked for again
//! now and then.
//!
//! Changes are collected for a moment and each watcher hears of all of them in one
//! frame. While they go on and on the moment grows: a thousand changes in a second are
//! a handful of frames and not a thousand.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use housecall_protocol::client::{Outgoing, PersonPresence, PresenceView, ServerFrame};
use housecall_protocol::cluster::{PresenceReply, PresenceRequest, subject};
use housecall_protocol::domain::PresenceStatus;
use housecall_protocol::{ConnectionId, PersonId};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Gateway;
use super::handle::Handle;

/// As long as a full beat takes to mend what presence itself missed.
const REFRESH_INTERVAL: Duration = Duration::from_secs(30);
/// As long as news is collected at first...
const SHORTEST_WINDOW: Duration = Duration::from_millis(40);
/// ...for so many windows, in which a burst is over...
const PATIENT_WINDOWS: u32 = 8;
/// ...and at last, while it goes on.
const LONGEST_WINDOW: Duration = Duration::from_secs(1);
/// People in one question, as the protocol bounds it.
const QUERY_PEOPLE: usize = 500;

/// See the module. Apart from the other tables: a burst of changes must not hold
/// up chat.
#[derive(Default)]
pub(crate) struct Watchers {
    tables: Mutex<Tables>,
    /// There is news.
    heard: Notify,
}

#[derive(Default)]
struct Tables {
    /// Not told yet. Bounded by who is watched.
    news: HashMap<PersonId, PersonPresence>,
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
        // What was heard before is not newer than the answer, so it goes first.
        tables.tell_news();
        let Some(watcher) = tables.connections.get_mut(&id) else { return };
        for one in &people {
            if let Some(told) = watcher.told.get_mut(&one.person) {
                *told = Some(one.status);
            }
        }
        watcher.send(people);
    }

    /// Takes what presence says; it is told to the watchers in a moment.
    pub(crate) fn hear(&self, people: Vec<PersonPresence>) {
        let mut tables = self.tables();
        let Tables { news, of_person, .. } = &mut *tables;
        let watched = people.into_iter().filter(|one| of_person.contains_key(&one.person));
        news.extend(watched.map(|one| (one.person, one)));
        if !news.is_empty() {
            self.heard.notify_one();
        }
    }

    fn watched(&self) -> Vec<PersonId> {
        self.tables().of_person.keys().copied().collect()
    }
}

impl Tables {
    /// Tells each watcher what is news to it.
    fn tell_news(&mut self) {
        let Self { news, of_person, connections } = self;
        let mut frames: HashMap<ConnectionId, Vec<PersonPresence>> = HashMap::new();
        for (_, one) in news.drain() {
            for id in of_person.get(&one.person).into_iter().flatten() {
                let Some(watcher) = connections.get_mut(id) else { continue };
                if watcher.told.insert(one.person, Some(one.status)) != Some(Some(one.status)) {
                    frames.entry(*id).or_default().push(one.clone());
                }
            }
        }
        // Queued under the lock, so that what was told last is what was sent last.
        for (id, people) in frames {
            if let Some(watcher) = connections.get(&id) {
                watcher.send(people);
            }
        }
    }

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

/// Tells the watchers, until `stop`, what was heard meanwhile.
pub(crate) async fn deliver(gateway: Arc<Gateway>, stop: CancellationToken) {
    let mut pace = Pace::default();
    loop {
        let began = Instant::now();
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = gateway.watchers.heard.notified() => {}
        }
        tokio::time::sleep(pace.window(began.elapsed())).await;
        gateway.watchers.tables().tell_news();
    }
}

/// How long news is collected.
#[derive(Default)]
struct Pace {
    /// Windows one after another in which there was news.
    busy: u32,
}

impl Pace {
    /// The next window, after so long without news.
    fn window(&mut self, quiet: Duration) -> Duration {
        self.busy = if quiet < LONGEST_WINDOW { self.busy + 1 } else { 0 };
        let doubled = self.busy.saturating_sub(PATIENT_WINDOWS).min(8);
        (SHORTEST_WINDOW * (1 << doubled)).min(LONGEST_WINDOW)
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
                Ok(PresenceReply::People(people)) => gateway.watchers.hear(people),
                Ok(PresenceReply::Operators(_)) => tracing::error!("presence answered amiss"),
                // Said in the log by `ask`; the next round asks again.
                Err(_) => break,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_grows_while_news_goes_on_and_shrinks_after_a_pause() {
        let mut pace = Pace::default();
        let windows: Vec<_> = (0..20).map(|_| pace.window(Duration::ZERO)).collect();
        assert_eq!(windows[..8], [SHORTEST_WINDOW; 8]);
        assert_eq!(windows[19], LONGEST_WINDOW);
        assert_eq!(pace.window(LONGEST_WINDOW), SHORTEST_WINDOW);
    }
}

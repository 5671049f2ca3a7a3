//! A session that fails, by an error or by a bug, ends alone.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use housecall_protocol::cluster::{SfuEvent, SfuReply, SfuRequest};
use housecall_protocol::ids::{CallId, PersonId};
use str0m::RtcError;

use crate::core::{Core, RequestError};
use crate::participant::Participant;
use crate::relay::{About, Body, RelayId, RelayMessage};
use crate::room::Room;
use crate::slab::Key;

impl Core {
    /// Does something for one participant. A panic in it (a bug that hostile bytes
    /// found) ends their session only: what was half done is theirs, and goes with
    /// them. Of a packet that was being passed on, it is the one who was to get it whose
    /// session ends: their state was met, and without them it would be met again by the
    /// next publisher's. `None` after a panic.
    pub(crate) fn guard<T>(
        &mut self,
        now: Instant,
        key: Key,
        step: impl FnOnce(&mut Self) -> T,
    ) -> Option<T> {
        let done = catch_unwind(AssertUnwindSafe(|| step(self))).ok();
        if done.is_none() {
            let broken = self.serving.take().unwrap_or(key);
            self.fail(now, broken, &Failure::Panic);
        }
        done
    }

    /// Obeys a request. A panic ends the session of the participant it names; the room, if
    /// it was about all of it, or about somebody who is gone by then. A join that came to
    /// nothing concerns nobody else.
    pub(crate) fn guard_request(
        &mut self,
        now: Instant,
        request: &SfuRequest,
        obey: impl FnOnce(&mut Self) -> Result<SfuReply, RequestError>,
    ) -> Result<SfuReply, RequestError> {
        if let Ok(result) = catch_unwind(AssertUnwindSafe(|| obey(self))) {
            return result;
        }
        let (room, person) = concerned(request);
        match (person.and_then(|it| self.find(room, it).ok()), request) {
            (Some(key), _) => self.fail(now, key, &Failure::Panic),
            (None, SfuRequest::Join { .. }) => self.counters.panicked_sessions += 1,
            (None, _) => self.fail_room(now, room),
        }
        Err(RequestError::Internal)
    }

    /// Takes what another core tells. A panic ends what it is about: one participant, at
    /// whichever core their session is, or the room here, of which everybody hears. When
    /// the participant cannot be ended by themselves, the room ends.
    pub(crate) fn guard_relayed(
        &mut self,
        now: Instant,
        from: RelayId,
        message: RelayMessage,
        take: impl FnOnce(&mut Self, RelayMessage),
    ) {
        let (room, about) = (message.room, message.body.about());
        if catch_unwind(AssertUnwindSafe(|| take(self, message))).is_ok() {
            return;
        }
        match (self.serving.take(), about) {
            (Some(broken), _) => self.fail(now, broken, &Failure::Panic),
            (None, About::Participant(person)) => self.fail_told(now, from, room, person),
            (None, About::Room) => self.fail_room(now, room),
        }
    }

    /// Does something for a room. A panic in it ends the room here.
    pub(crate) fn guard_room(&mut self, now: Instant, room: CallId, step: impl FnOnce(&mut Self)) {
        if catch_unwind(AssertUnwindSafe(|| step(self))).is_err() {
            self.fail_room(now, room);
        }
    }

    /// Ends one of whom another core told something that a bug was found by.
    fn fail_told(&mut self, now: Instant, from: RelayId, room: CallId, person: PersonId) {
        if let Ok(key) = self.find(room, person) {
            self.fail(now, key, &Failure::Panic);
            return;
        }
        // They were not taken up yet, and would be missed here.
        self.counters.panicked_sessions += 1;
        self.tell(from, room, Body::Failed { person });
    }

    /// Ends a room here; the other cores, its owner and those who joined here are told. If
    /// the bug is met again by that, it is taken out of all tables as it is.
    fn fail_room(&mut self, now: Instant, room: CallId) {
        let own =
            |key: &Key| self.participants.get(*key).is_some_and(|it| it.session.relay().is_none());
        let sessions = self.members(room).iter().filter(|key| own(key)).count() as u64;
        tracing::error!(%room, sessions, "a bug in the relay ends a room");
        self.counters.failed_sessions += sessions;
        self.counters.panicked_sessions += sessions.max(1);
        if catch_unwind(AssertUnwindSafe(|| self.close_room(now, room))).is_err() {
            self.drop_room(room);
        }
        // Whatever was half done may have left them wrong.
        let members = self.rooms.values().flat_map(|room| &room.members);
        let rest = members.filter_map(|(_, key)| self.participants.get(*key));
        let (relayed, own): (Vec<_>, Vec<_>) = rest.partition(|it| it.session.relay().is_some());
        self.relayed = relayed.len();
        self.tracks = own.into_iter().map(Participant::published).sum();
    }

    /// Nobody is said goodbye to.
    fn drop_room(&mut self, room: CallId) {
        let Some(dropped) = self.rooms.remove(&room) else { return };
        for (_, key) in dropped.members {
            self.routes.remove(key);
            self.timers.remove(key);
            self.participants.remove(key);
        }
        for relay in dropped.relays {
            self.tell(relay, room, Body::Bye);
        }
        self.emit(room, SfuEvent::RoomClosed);
    }

    /// Ends one participant whose session broke; the worker and the others go on. Of one
    /// whose session is at another core, that one is told to end it, since they would be
    /// missed here. When they cannot be ended by themselves, the room ends.
    pub(crate) fn fail(&mut self, now: Instant, key: Key, failure: &Failure) {
        self.counters.panicked_sessions += u64::from(matches!(failure, Failure::Panic));
        let relayed = self.participants.get(key).is_some_and(|it| it.session.relay().is_some());
        // A session counts where it is.
        self.counters.failed_sessions += u64::from(!relayed);
        let Some(participant) = self.participants.get(key) else {
            // Gone as they were being removed; the room may still name them.
            let names = |room: &Room| room.members.iter().any(|(_, member)| *member == key);
            let half_done = self.rooms.iter().find(|(_, room)| names(room)).map(|(id, _)| *id);
            half_done.into_iter().for_each(|room| self.fail_room(now, room));
            return;
        };
        let (room, person) = (participant.room, participant.person);
        tracing::warn!(%room, participant = %person, %failure, "session failed");
        if let Some(relay) = participant.session.relay() {
            self.tell(relay, room, Body::Failed { person });
        }
        if catch_unwind(AssertUnwindSafe(|| self.end(now, key))).is_err() {
            self.fail_room(now, room);
        }
    }
}

/// What a request is about: a room, and whom of it.
const fn concerned(request: &SfuRequest) -> (CallId, Option<PersonId>) {
    match request {
        SfuRequest::Join { room, participant, .. }
        | SfuRequest::Offer { room, participant, .. }
        | SfuRequest::SetMedia { room, participant, .. }
        | SfuRequest::SetAllowed { room, participant, .. }
        | SfuRequest::SetTiles { room, participant, .. }
        | SfuRequest::Leave { room, participant } => (*room, Some(*participant)),
        SfuRequest::SetForwarding { room, .. } | SfuRequest::Close { room } => (*room, None),
    }
}

/// Why a session cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Rtc(#[from] RtcError),
    #[error("a bug in the relay")]
    Panic,
    /// A panic at a core that they are relayed to, which counts it.
    #[error("a bug in the relay, at another of its workers")]
    Elsewhere,
}

/// Runs one step of one session. A panic in it (a bug that hostile bytes found)
/// ends that session only: the `Rtc` is thrown away and nothing else was borrowed.
pub(crate) fn guarded<T>(step: impl FnOnce() -> Result<T, RtcError>) -> Result<T, Failure> {
    match catch_unwind(AssertUnwindSafe(step)) {
        Ok(result) => result.map_err(Failure::Rtc),
        Err(_) => Err(Failure::Panic),
    }
}

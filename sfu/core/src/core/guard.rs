//! A session that fails, by an error or by a bug, ends alone.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use housecall_protocol::cluster::{SfuReply, SfuRequest};
use housecall_protocol::ids::{CallId, PersonId};
use str0m::RtcError;

use crate::core::{Core, RequestError};
use crate::slab::Key;

impl Core {
    /// Does something for one participant. A panic in it (a bug that hostile bytes
    /// found) ends their session only: what was half done is theirs, and goes with
    /// them. `None` after a panic.
    pub(crate) fn guard<T>(
        &mut self,
        now: Instant,
        key: Key,
        step: impl FnOnce(&mut Self) -> T,
    ) -> Option<T> {
        let done = catch_unwind(AssertUnwindSafe(|| step(self))).ok();
        if done.is_none() {
            self.fail(now, key, &Failure::Panic);
        }
        done
    }

    /// Obeys a request. A panic ends the session of the participant it names.
    pub(crate) fn guard_request(
        &mut self,
        now: Instant,
        request: &SfuRequest,
        obey: impl FnOnce(&mut Self) -> Result<SfuReply, RequestError>,
    ) -> Result<SfuReply, RequestError> {
        if let Ok(result) = catch_unwind(AssertUnwindSafe(|| obey(self))) {
            return result;
        }
        let named = participant_of(request).and_then(|(room, it)| self.find(room, it).ok());
        match named {
            Some(key) => self.fail(now, key, &Failure::Panic),
            None => self.counters.panicked_sessions += 1,
        }
        Err(RequestError::Internal)
    }

    /// Ends one participant whose session broke; the worker and the others go on.
    pub(crate) fn fail(&mut self, now: Instant, key: Key, failure: &Failure) {
        self.counters.failed_sessions += 1;
        self.counters.panicked_sessions += u64::from(matches!(failure, Failure::Panic));
        if let Some(participant) = self.participants.get(key) {
            tracing::warn!(
                room = %participant.room,
                participant = %participant.person,
                %failure,
                "session failed"
            );
        }
        self.end(now, key);
    }
}

/// The participant that a request names.
const fn participant_of(request: &SfuRequest) -> Option<(CallId, PersonId)> {
    match request {
        SfuRequest::Join { room, participant, .. }
        | SfuRequest::Offer { room, participant, .. }
        | SfuRequest::SetMedia { room, participant, .. }
        | SfuRequest::SetAllowed { room, participant, .. }
        | SfuRequest::SetTiles { room, participant, .. }
        | SfuRequest::Leave { room, participant } => Some((*room, *participant)),
        SfuRequest::SetForwarding { .. } | SfuRequest::Close { .. } => None,
    }
}

/// Why a session cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Rtc(#[from] RtcError),
    #[error("a bug in the relay")]
    Panic,
}

/// Runs one step of one session. A panic in it (a bug that hostile bytes found)
/// ends that session only: the `Rtc` is thrown away and nothing else was borrowed.
pub(crate) fn guarded<T>(step: impl FnOnce() -> Result<T, RtcError>) -> Result<T, Failure> {
    match catch_unwind(AssertUnwindSafe(step)) {
        Ok(result) => result.map_err(Failure::Rtc),
        Err(_) => Err(Failure::Panic),
    }
}

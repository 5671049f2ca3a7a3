//! What presence is told of operators beside their connections: that they use a
//! device, and that they talk to somebody.
//!
//! Both are said at once when they change and again in every full beat, so a word
//! that is lost is mended within half a minute.

use housecall_protocol::PersonId;
use housecall_protocol::client::{ClientFrame, ServerFrame};
use housecall_protocol::cluster::BeatKind;
use housecall_protocol::domain::{CallState, CallView, TimestampMs};

use super::Gateway;

/// Words that may wait to be published. One more is dropped: the next full beat says it.
pub(crate) const WORDS: usize = 1024;

impl Gateway {
    /// An operator used a device here.
    pub(crate) fn note_use(&self, person: PersonId) {
        let at = TimestampMs::now();
        self.registry.note_active(person, at);
        self.say(BeatKind::Active { person, at });
    }

    /// A person's call is in this state now.
    pub(crate) fn note_call_state(&self, person: PersonId, call: &CallView) {
        // A guest's last update is of a call that goes on without them.
        let takes_part = is_in(call, person);
        self.registry.note_call(person, call.id, takes_part && call.state != CallState::Ended);
        let in_call = takes_part && matches!(call.state, CallState::Connecting | CallState::Active);
        self.note_talking(person, in_call);
    }

    /// An operator arrived who is in no call: presence may believe otherwise, when it
    /// ended while they were away.
    pub(crate) fn note_no_call(&self, person: PersonId) {
        self.registry.note_talking(person, false);
        self.say(BeatKind::InCall { person, in_call: false });
    }

    fn note_talking(&self, person: PersonId, in_call: bool) {
        if self.registry.note_talking(person, in_call) {
            self.say(BeatKind::InCall { person, in_call });
        }
    }

    fn say(&self, word: BeatKind) {
        // See `WORDS`.
        let _ = self.words.try_send(word);
    }
}

/// Whether only a person at the device sends such a frame.
pub(crate) const fn shows_use(frame: &ClientFrame) -> bool {
    matches!(
        frame,
        ClientFrame::PresenceActive(_)
            | ClientFrame::PresenceSet(_)
            | ClientFrame::ChatSend(_)
            | ClientFrame::ChatTyping(_)
            | ClientFrame::CallStart(_)
            | ClientFrame::CallAccept(_)
            | ClientFrame::CallDecline(_)
            | ClientFrame::CallHangUp(_)
    )
}

/// The call that a frame tells of.
pub(crate) const fn call_in(frame: &ServerFrame) -> Option<&CallView> {
    match frame {
        ServerFrame::CallIncoming(update) | ServerFrame::CallUpdated(update) => Some(&update.call),
        _ => None,
    }
}

fn is_in(call: &CallView, person: PersonId) -> bool {
    let sides = [call.caller.person, call.callee.person];
    sides.contains(&person) || call.guests.iter().any(|guest| guest.party.person == person)
}

//! What is done for one participant in a turn: deadlines, what str0m wants, what is sent.

use std::time::{Duration, Instant};

use housecall_protocol::cluster::SfuEvent;
use str0m::Event;

use super::guard::guarded;
use crate::core::Core;
use crate::flow::Flow;
use crate::outbound::Flushed;
use crate::participant::LinkChange;
use crate::slab::Key;

/// What is due may name a time that has come already; the next turn of one
/// participant is at least this far away, so that a drain always ends.
const MIN_TIMEOUT: Duration = Duration::from_millis(1);

impl Core {
    /// Brings a touched or due participant to the present.
    pub(super) fn advance(&mut self, now: Instant, key: Key) {
        let Some(participant) = self.participants.get_mut(key) else { return };
        participant.touched = false;
        participant.outbound.handle_timeout(now);
        if participant.steering.is_due(now) {
            self.allocate(now, key);
        }
        self.review_watched(now, key);
        let Some(participant) = self.participants.get_mut(key) else { return };
        if participant.due.is_none_or(|due| due > now) {
            return;
        }
        if participant.link.deadline().is_some_and(|deadline| deadline <= now) {
            self.end(now, key);
            return;
        }
        self.counters.keyframe_requests += participant.report(now);
        self.tell_keyframes_wanted(now, key);
        let Some(participant) = self.participants.get_mut(key) else { return };
        if participant.rtc_due.is_some_and(|due| due <= now)
            && let Some(rtc) = participant.session.rtc_mut()
        {
            match guarded(|| rtc.handle_input(str0m::Input::Timeout(now))) {
                Ok(()) => self.drain(now, key),
                Err(failure) => {
                    self.fail(now, key, &failure);
                    return;
                }
            }
        }
        self.report_quality(now, key);
        self.look_for_stuck(now, key);
        if let Some(participant) = self.participants.get_mut(key) {
            participant.due = participant.next_deadline();
        }
    }

    /// Puts the next of a participant's packets into the burst; `None` when nothing is
    /// left to send now.
    pub(crate) fn flush(&mut self, now: Instant, key: Key) -> Option<Flow> {
        let participant = self.participants.get_mut(key)?;
        if let Some(flow) = participant.flow
            && participant.outbound.flush(now, &mut self.burst) == Flushed::Burst
        {
            return Some(flow);
        }
        let next = participant.outbound.next_flush(now);
        let due = [participant.due, next].into_iter().flatten().min();
        if let Some(due) = due {
            self.timers.set(key, due.max(now + MIN_TIMEOUT));
        }
        None
    }

    fn report_quality(&mut self, now: Instant, key: Key) {
        let Some((quality, lost)) = self.quality(now, key) else { return };
        let Some(participant) = self.participants.get(key) else { return };
        let (room, participant) = (participant.room, participant.person);
        self.counters.lost_packets += lost;
        self.emit(room, SfuEvent::Quality { participant, quality });
    }

    /// Takes everything out of one `Rtc`. str0m wants this after every change.
    pub(crate) fn drain(&mut self, now: Instant, key: Key) {
        loop {
            let Some(participant) = self.participants.get_mut(key) else { return };
            let Some(rtc) = participant.session.rtc_mut() else { return };
            match guarded(|| rtc.poll_output()) {
                Ok(str0m::Output::Transmit(transmit)) => {
                    self.transmit(transmit);
                }
                Ok(str0m::Output::Event(event)) => self.on_event(now, key, &event),
                Ok(str0m::Output::Timeout(at)) => {
                    self.drained(now, key, at);
                    return;
                }
                Err(failure) => {
                    self.fail(now, key, &failure);
                    return;
                }
            }
        }
    }

    fn drained(&mut self, now: Instant, key: Key, at: Instant) {
        let Some(participant) = self.participants.get_mut(key) else { return };
        if participant.session.rtc().is_some_and(|rtc| !rtc.is_alive()) {
            self.end(now, key);
            return;
        }
        let due = at.max(now + MIN_TIMEOUT);
        participant.rtc_due = Some(due);
        participant.need_by(due);
        self.settle(now, key);
    }

    fn on_event(&mut self, now: Instant, key: Key, event: &Event) {
        let Some(participant) = self.participants.get_mut(key) else { return };
        match event {
            Event::IceConnectionStateChange(state) => {
                let elapsed = now.saturating_duration_since(participant.joined_at);
                let patience_ends = now + self.config.patience;
                let change = participant.link.ice_changed(*state, elapsed, patience_ends);
                self.link_changed(now, key, change);
            }
            Event::Connected => {
                let elapsed = now.saturating_duration_since(participant.joined_at);
                let change = participant.link.dtls_connected(elapsed);
                if let Some((opener, sealer)) = participant.keys.take() {
                    participant.inbound.opener = Some(opener);
                    participant.outbound.open(now, sealer, self.config.congestion);
                    participant.quality.start(now);
                    participant.patrol.start(now);
                }
                self.link_changed(now, key, change);
            }
            Event::Closed => self.end(now, key),
            // The rest is of media, which does not pass through str0m, and of data
            // channels, which are not negotiated; m-lines are read after each offer.
            _ => {}
        }
    }

    fn link_changed(&mut self, now: Instant, key: Key, change: Option<LinkChange>) {
        if let Some(participant) = self.participants.get_mut(key) {
            // The deadline may have changed.
            participant.need_by(now);
            self.touch(key);
        }
        let Some(change) = change else { return };
        let Some(participant) = self.participants.get(key) else { return };
        let (room, person) = (participant.room, participant.person);
        match change {
            LinkChange::Connected(timings) => {
                self.emit(
                    room,
                    SfuEvent::Connected {
                        participant: person,
                        ice_ms: timings.ice_ms,
                        dtls_ms: timings.dtls_ms,
                    },
                );
                self.restart_slots(now, key);
                self.restart_tracks(now, key);
            }
            LinkChange::Disconnected => {
                self.emit(room, SfuEvent::Disconnected { participant: person });
            }
        }
    }
}

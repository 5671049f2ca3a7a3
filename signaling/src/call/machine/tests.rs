//! The machine by itself: the rules of each state, then random lives.

mod groups;
mod lives;

use std::time::{Duration, Instant};

use housecall_protocol::client::{CallAccept, CallReport, ErrorCode};
use housecall_protocol::cluster::{QualityReport, Refusal};
use housecall_protocol::domain::{CallParty, CallState, PersonKind, QualityLevel};
use housecall_protocol::media::ParticipantRole;
use housecall_protocol::{CallId, ConsultationId};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const RULES: Rules = Rules {
    ring: Duration::from_secs(45),
    connecting: Duration::from_secs(30),
    away: Duration::from_secs(30),
    media_lost: Duration::from_secs(60),
    max_guests: 3,
    listen_in: true,
    data_per_second: 10,
    data_burst: 20,
};
const ON: MediaState = MediaState { microphone: true, camera: true, screen: false };

/// Who a test is about: the two sides, colleagues, and supervisors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Caller,
    Callee,
    Colleague,
    Other,
    Supervisor,
}

impl Side {
    const BOTH: [Self; 2] = [Self::Caller, Self::Callee];
    const ALL: [Self; 5] =
        [Self::Caller, Self::Callee, Self::Colleague, Self::Other, Self::Supervisor];
}

fn person(side: Side) -> PersonId {
    PersonId(Uuid::from_u128(match side {
        Side::Caller => 1,
        Side::Callee => 2,
        Side::Colleague => 3,
        Side::Other => 4,
        Side::Supervisor => 5,
    }))
}

fn device(n: u8) -> ConnectionId {
    ConnectionId(Uuid::from_u128(u128::from(n)))
}

#[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
fn origin() -> Instant {
    Instant::now()
}

fn party(side: Side) -> CallParty {
    CallParty {
        person: person(side),
        name: String::new(),
        kind: if side == Side::Callee { PersonKind::Patient } else { PersonKind::Operator },
        specialty: None,
        media: ON,
        reconnecting: false,
        role: ParticipantRole::Member,
        allowed: MediaState::ALL,
    }
}

struct Life {
    machine: CallMachine,
    start: Instant,
    now: Instant,
    tickets: u64,
}

impl Life {
    /// Rings; the caller is on device 1, the callee's devices are 2 and 3.
    fn ringing() -> Self {
        let start = origin();
        let info = CallInfo {
            id: CallId(Uuid::nil()),
            conversation: ConversationId(Uuid::nil()),
            subject: CallSubject::Consultation(ConsultationId(Uuid::nil())),
            media: CallMedia::Video,
            created_at: TimestampMs(1_000),
        };
        let machine = CallMachine::ringing(
            start,
            RULES,
            info,
            Party::new(party(Side::Caller)),
            Party::new(party(Side::Callee)),
            device(1),
            "o",
        );
        Self { machine, start, now: start, tickets: 0 }
    }

    fn input(&mut self, input: Input) -> Vec<Effect> {
        self.machine.handle(self.now, input)
    }

    fn command(&mut self, side: Side, on: u8, command: CallCommand) -> Vec<Effect> {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let (person, connection) = (person(side), device(on));
        self.input(Input::Command { person, connection, ticket, command })
    }

    fn relay(&mut self, event: SfuEvent) -> Vec<Effect> {
        self.input(Input::Relay(event))
    }

    fn up(&mut self, side: Side) -> Vec<Effect> {
        let participant = person(side);
        self.relay(SfuEvent::Connected { participant, ice_ms: 1, dtls_ms: 1 })
    }

    fn flowing(&mut self, side: Side) -> Vec<Effect> {
        self.relay(SfuEvent::Flowing { participant: person(side) })
    }

    fn pass(&mut self, seconds: u64) -> Vec<Effect> {
        self.now += Duration::from_secs(seconds);
        self.input(Input::Tick)
    }

    fn accept(&mut self, on: u8, sdp: Option<&str>, state: MediaState) -> Vec<Effect> {
        let sdp = sdp.map(str::to_owned);
        let accept = CallAccept { call: self.machine.id(), state, sdp };
        self.command(Side::Callee, on, CallCommand::Accept(accept))
    }

    /// An active call.
    fn talking() -> Self {
        let mut life = Self::ringing();
        life.up(Side::Caller);
        life.command(Side::Callee, 2, CallCommand::Prepare { sdp: "o".to_owned() });
        life.up(Side::Callee);
        life.accept(2, None, ON);
        life.flowing(Side::Caller);
        life.flowing(Side::Callee);
        assert_eq!(life.machine.view().state, CallState::Active);
        life
    }

    fn state(&self) -> CallState {
        self.machine.view().state
    }
}

fn ended(effects: &[Effect]) -> Option<EndReason> {
    effects.iter().find_map(|effect| match effect {
        Effect::End { reason, .. } => Some(*reason),
        _ => None,
    })
}

fn refused(effects: &[Effect]) -> Option<ErrorCode> {
    effects.iter().find_map(|effect| match effect {
        Effect::Reply { reply: Err(refusal), .. } => Some(refusal.code),
        _ => None,
    })
}

#[test]
fn nothing_is_forwarded_before_the_accept_and_the_mute_goes_first() {
    let mut life = Life::ringing();
    life.up(Side::Caller);
    let prepared = life.command(Side::Callee, 2, CallCommand::Prepare { sdp: "o".to_owned() });
    assert!(!prepared.contains(&Effect::Relay(RelayStep::StartForwarding)));
    let muted = MediaState { microphone: false, ..ON };
    let accepted = life.accept(2, None, muted);
    let steps: Vec<_> = accepted
        .iter()
        .filter_map(|effect| match effect {
            Effect::Relay(step) => Some(step.clone()),
            _ => None,
        })
        .collect();
    let media = RelayStep::SetMedia { person: person(Side::Callee), media: muted };
    assert_eq!(steps, [media, RelayStep::StartForwarding]);
    assert_eq!(life.state(), CallState::Connecting);
}

#[test]
fn the_second_accept_is_refused() {
    let mut life = Life::ringing();
    assert_eq!(refused(&life.accept(2, Some("o"), ON)), None);
    assert_eq!(refused(&life.accept(3, Some("o"), ON)), Some(ErrorCode::Conflict));
}

#[test]
fn an_accept_needs_media() {
    let mut life = Life::ringing();
    life.command(Side::Callee, 2, CallCommand::Prepare { sdp: "o".to_owned() });
    // Device 3 did not prepare; device 2 did.
    assert_eq!(refused(&life.accept(3, None, ON)), Some(ErrorCode::Conflict));
    assert_eq!(life.state(), CallState::Ringing);
    assert_eq!(refused(&life.accept(2, None, ON)), None);
}

#[test]
fn the_second_device_cannot_take_a_prepared_session_but_may_accept_with_its_own() {
    let mut life = Life::ringing();
    life.command(Side::Callee, 2, CallCommand::Prepare { sdp: "o".to_owned() });
    let second = life.command(Side::Callee, 3, CallCommand::Prepare { sdp: "o".to_owned() });
    assert_eq!(refused(&second), Some(ErrorCode::Busy));
    let accepted = life.accept(3, Some("own"), ON);
    let join = accepted
        .iter()
        .any(|effect| matches!(effect, Effect::Relay(RelayStep::Join { again: true, .. })));
    assert!(join, "{accepted:?}");
}

#[test]
fn active_needs_media_both_ways_but_not_from_the_silent() {
    let mut life = Life::ringing();
    life.up(Side::Caller);
    life.accept(2, Some("o"), MediaState::default());
    life.up(Side::Callee);
    assert_eq!(life.state(), CallState::Connecting, "the callee has heard nothing yet");
    life.flowing(Side::Callee);
    assert_eq!(life.state(), CallState::Active, "the callee sends nothing to wait for");
}

#[test]
fn each_state_has_its_time() {
    let mut life = Life::ringing();
    assert_eq!(ended(&life.pass(44)), None);
    assert_eq!(ended(&life.pass(1)), Some(EndReason::NoAnswer));
    let mut life = Life::ringing();
    life.accept(2, Some("o"), ON);
    assert_eq!(ended(&life.pass(30)), Some(EndReason::Failed));
    let mut life = Life::talking();
    assert_eq!(ended(&life.pass(36_000)), None);
}

#[test]
fn a_lost_websocket_alone_ends_nothing() {
    let mut life = Life::talking();
    life.command(Side::Callee, 2, CallCommand::Disconnected);
    assert!(life.machine.view().callee.reconnecting);
    assert_eq!(ended(&life.pass(600)), None);
    life.relay(SfuEvent::Disconnected { participant: person(Side::Callee) });
    assert_eq!(ended(&life.pass(29)), None);
    assert_eq!(ended(&life.pass(1)), Some(EndReason::ConnectionLost));
}

#[test]
fn lost_media_alone_gets_more_time_and_comes_back() {
    let mut life = Life::talking();
    life.relay(SfuEvent::Disconnected { participant: person(Side::Caller) });
    assert!(life.machine.view().caller.reconnecting);
    assert_eq!(ended(&life.pass(59)), None);
    life.up(Side::Caller);
    assert!(!life.machine.view().caller.reconnecting);
    assert_eq!(ended(&life.pass(60)), None);
    life.relay(SfuEvent::Disconnected { participant: person(Side::Caller) });
    assert_eq!(ended(&life.pass(60)), Some(EndReason::ConnectionLost));
}

#[test]
fn another_device_neither_takes_over_nor_counts_as_gone() {
    let mut life = Life::talking();
    life.command(Side::Callee, 3, CallCommand::Connected { previous: None });
    life.command(Side::Callee, 3, CallCommand::Disconnected);
    assert!(!life.machine.view().callee.reconnecting);
    // The continued connection keeps the media session, and may renegotiate it.
    life.command(Side::Callee, 4, CallCommand::Connected { previous: Some(device(2)) });
    life.command(Side::Callee, 2, CallCommand::Disconnected);
    assert!(!life.machine.view().callee.reconnecting);
    let offer = life.command(Side::Callee, 4, CallCommand::Offer { sdp: "o".to_owned() });
    assert_eq!(refused(&offer), None);
    let offer = life.command(Side::Callee, 3, CallCommand::Offer { sdp: "o".to_owned() });
    assert_eq!(refused(&offer), Some(ErrorCode::Conflict));
}

#[test]
fn an_offer_of_another_peer_connection_joins_anew() {
    let mut life = Life::talking();
    let offer =
        |print: &str| CallCommand::Offer { sdp: format!("v=0\r\na=fingerprint:{print}\r\n") };
    let fresh = |effects: &[Effect]| {
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::Relay(RelayStep::Join { again: true, .. })))
    };
    let restart = |effects: &[Effect]| {
        effects.iter().any(|effect| matches!(effect, Effect::Relay(RelayStep::Offer { .. })))
    };
    // A reload: the old connection goes, a new one comes with a new certificate.
    life.command(Side::Callee, 2, CallCommand::Disconnected);
    life.command(Side::Callee, 4, CallCommand::Connected { previous: None });
    assert!(fresh(&life.command(Side::Callee, 4, offer("sha-256 AA"))));
    life.up(Side::Callee);
    assert!(restart(&life.command(Side::Callee, 4, offer("sha-256 AA"))));
    assert!(fresh(&life.command(Side::Callee, 4, offer("sha-256 BB"))));
    // Not while another device of theirs is in the call.
    let other = life.command(Side::Callee, 3, offer("sha-256 CC"));
    assert_eq!(refused(&other), Some(ErrorCode::Busy));
}

#[test]
fn who_was_muted_stays_muted_in_a_new_media_session() {
    let mut life = Life::talking();
    let muted = MediaState { microphone: false, ..ON };
    life.command(Side::Callee, 2, CallCommand::Media(muted));
    let offer = CallCommand::Offer { sdp: "v=0\r\na=fingerprint:sha-256 AA\r\n".to_owned() };
    let effects = life.command(Side::Callee, 2, offer);
    let joined = effects
        .iter()
        .position(|effect| matches!(effect, Effect::Relay(RelayStep::Join { .. })))
        .expect("another peer connection joins");
    let mute = Effect::Relay(RelayStep::SetMedia { person: person(Side::Callee), media: muted });
    assert_eq!(effects.get(joined + 1), Some(&mute));
}

#[test]
fn the_time_of_the_accept_is_wall_time() {
    let mut life = Life::ringing();
    life.now += Duration::from_millis(2_500);
    life.accept(2, Some("o"), ON);
    assert_eq!(life.machine.view().accepted_at, Some(TimestampMs(3_500)));
}

#[test]
fn quality_is_told_when_it_changes() {
    let mut life = Life::talking();
    let event = |loss_up| SfuEvent::Quality {
        participant: person(Side::Caller),
        quality: QualityReport { loss_up, ..QualityReport::default() },
    };
    assert_eq!(life.relay(event(0.0)).len(), 2);
    assert_eq!(life.relay(event(0.01)), []);
    assert_eq!(life.relay(event(0.5)).len(), 2);
}

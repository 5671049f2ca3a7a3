//! The machine by itself: the rules of each state, then random lives.

use std::time::{Duration, Instant};

use housecall_protocol::client::{CallAccept, CallReport, ErrorCode};
use housecall_protocol::cluster::QualityReport;
use housecall_protocol::domain::{CallParty, PersonKind};
use housecall_protocol::media::ParticipantRole;
use housecall_protocol::{CallId, ConsultationId};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const TIMING: Timing = Timing {
    ring: Duration::from_secs(45),
    connecting: Duration::from_secs(30),
    away: Duration::from_secs(30),
    media_lost: Duration::from_secs(60),
};
const ON: MediaState = MediaState { microphone: true, camera: true, screen: false };

fn person(side: Side) -> PersonId {
    PersonId(Uuid::from_u128(match side {
        Side::Caller => 1,
        Side::Callee => 2,
    }))
}

fn device(n: u8) -> ConnectionId {
    ConnectionId(Uuid::from_u128(u128::from(n)))
}

#[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
fn origin() -> Instant {
    Instant::now()
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
        let party = |side, kind| {
            Party::new(CallParty {
                person: person(side),
                name: String::new(),
                kind,
                specialty: None,
                media: ON,
                reconnecting: false,
                role: ParticipantRole::Member,
                allowed: MediaState::ALL,
            })
        };
        let info = CallInfo {
            id: CallId(Uuid::nil()),
            conversation: ConversationId(Uuid::nil()),
            subject: CallSubject::Consultation(ConsultationId(Uuid::nil())),
            media: CallMedia::Video,
            created_at: TimestampMs(1_000),
        };
        let machine = CallMachine::ringing(
            start,
            TIMING,
            info,
            party(Side::Caller, PersonKind::Operator),
            party(Side::Callee, PersonKind::Patient),
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
        self.input(Input::Command { side, connection: device(on), ticket, command })
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
    let media = RelayStep::SetMedia { side: Side::Callee, media: muted };
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
    let mute = Effect::Relay(RelayStep::SetMedia { side: Side::Callee, media: muted });
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

#[derive(Clone, Debug)]
enum Step {
    Command(Side, u8, CallCommand),
    Relay(SfuEvent),
    JoinFailed(Side, u8),
    Pass(u64),
    Abort,
}

fn side() -> impl Strategy<Value = Side> {
    proptest::sample::select(Side::BOTH.to_vec())
}

fn media() -> impl Strategy<Value = MediaState> {
    any::<(bool, bool, bool)>().prop_map(|(microphone, camera, screen)| MediaState {
        microphone,
        camera,
        screen,
    })
}

fn command() -> impl Strategy<Value = CallCommand> {
    let call = CallId(Uuid::nil());
    let sdp = || "o".to_owned();
    prop_oneof![
        Just(CallCommand::Prepare { sdp: sdp() }),
        (media(), any::<bool>()).prop_map(move |(state, with)| {
            CallCommand::Accept(CallAccept { call, state, sdp: with.then(sdp) })
        }),
        Just(CallCommand::Decline),
        Just(CallCommand::HangUp),
        Just(CallCommand::Offer { sdp: sdp() }),
        media().prop_map(CallCommand::Media),
        (any::<f32>(), any::<u32>()).prop_map(move |(loss, freezes)| {
            CallCommand::Report(CallReport {
                call,
                first_frame_ms: Some(freezes),
                loss_percent: Some(loss),
                rtt_ms: Some(loss),
                jitter_ms: None,
                freezes: Some(freezes),
                jitter_buffer_ms: None,
                estimate_bps: None,
                path: None,
                tracks: vec![],
                faults: vec![],
            })
        }),
        proptest::option::of(0..5_u8)
            .prop_map(|previous| CallCommand::Connected { previous: previous.map(device) }),
        Just(CallCommand::Disconnected),
    ]
}

fn event() -> impl Strategy<Value = SfuEvent> {
    (side(), 0..8_u8, any::<f32>()).prop_map(|(side, kind, loss)| {
        let participant = person(side);
        match kind {
            0 => SfuEvent::Connected { participant, ice_ms: 1, dtls_ms: 1 },
            1 => SfuEvent::Disconnected { participant },
            2 => SfuEvent::Gone { participant },
            3 => SfuEvent::Slots { participant, slots: vec![] },
            4 => SfuEvent::OfferNeeded { participant, audio_slots: 1, video_slots: 2 },
            5 | 6 => SfuEvent::Flowing { participant },
            _ => SfuEvent::Quality {
                participant,
                quality: QualityReport { loss_up: loss, ..QualityReport::default() },
            },
        }
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (side(), 0..5_u8, command()).prop_map(|(side, on, what)| Step::Command(side, on, what)),
        8 => event().prop_map(Step::Relay),
        1 => (side(), 0..5_u8).prop_map(|(side, on)| Step::JoinFailed(side, on)),
        4 => (0..40_u64).prop_map(Step::Pass),
        1 => Just(Step::Relay(SfuEvent::RoomClosed)),
        1 => Just(Step::Abort),
    ]
}

proptest! {
    /// One end at most and nothing but replies after it, forwarding only after the
    /// accept, every request answered once, and an abandoned call ends by itself.
    #[test]
    fn any_life_is_well_formed(steps in proptest::collection::vec(step(), 0..60)) {
        let mut life = Life::ringing();
        let (mut ends, mut accepts, mut replies, mut deferred) = (0, 0, 0, 0);
        for step in steps {
            let over = life.machine.has_ended();
            let commands = u64::from(matches!(step, Step::Command(..)));
            let effects = match step {
                Step::Command(side, on, command) => life.command(side, on, command),
                Step::Relay(event) => life.relay(event),
                Step::JoinFailed(side, on) => {
                    life.input(Input::JoinFailed { side, connection: device(on) })
                }
                Step::Pass(seconds) => life.pass(seconds),
                Step::Abort => life.input(Input::Abort),
            };
            let (mut answered, mut to_come) = (0, 0);
            for effect in &effects {
                match effect {
                    Effect::Reply { ticket, .. } => {
                        prop_assert_eq!(ticket.0, life.tickets);
                        answered += 1;
                    }
                    Effect::Relay(RelayStep::Join { .. } | RelayStep::Offer { .. }) => to_come += 1,
                    Effect::Relay(RelayStep::StartForwarding) => {
                        prop_assert_ne!(life.state(), CallState::Ringing);
                    }
                    Effect::Accepted { .. } => accepts += 1,
                    Effect::End { talked, .. } => {
                        ends += 1;
                        prop_assert_eq!(talked.is_some(), accepts == 1);
                    }
                    Effect::Relay(RelayStep::SetMedia { .. })
                    | Effect::Notify { .. }
                    | Effect::Flowing { .. } => {}
                }
                let reply = matches!(effect, Effect::Reply { .. });
                prop_assert!(!over || reply, "{:?} after the end", effect);
            }
            prop_assert_eq!(answered + to_come, commands);
            replies += answered;
            deferred += to_come;
            prop_assert!(ends <= 1 && accepts <= 1);
            prop_assert_eq!(ends == 1, life.machine.has_ended());
            let view = life.machine.view();
            prop_assert_eq!(view.ended.is_some(), view.state == CallState::Ended);
            prop_assert_eq!(view.accepted_at.is_some(), accepts == 1);
        }
        prop_assert_eq!(replies + deferred, life.tickets);
        // Both vanish: whatever the state, the times run out.
        for side in Side::BOTH {
            life.relay(SfuEvent::Gone { participant: person(side) });
        }
        while let Some(at) = life.machine.poll_timeout() {
            prop_assert!(at >= life.start);
            life.now = life.now.max(at);
            life.input(Input::Tick);
        }
        prop_assert!(life.machine.has_ended());
    }
}

//! Random lives of a call, and what holds in each.

use std::collections::BTreeSet;

use housecall_protocol::domain::TrackSource;
use housecall_protocol::media::{Speaker, TrackFault};

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Command(Side, u8, CallCommand),
    Relay(SfuEvent),
    JoinFailed(Side, u8),
    /// The oldest who is sought may come, or may not.
    Found(bool),
    RelayLost,
    RelayFound,
    Pass(u64),
    Abort,
}

fn side() -> impl Strategy<Value = Side> {
    proptest::sample::select(Side::ALL.to_vec())
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
        (any::<f32>(), any::<u32>(), side(), fault()).prop_map(
            move |(loss, freezes, of, fault)| {
                let source = TrackSource::Microphone;
                CallCommand::Report(CallReport {
                    first_frame_ms: Some(freezes),
                    loss_percent: Some(loss),
                    rtt_ms: Some(loss),
                    freezes: Some(freezes),
                    faults: vec![TrackFault { person: person(of), source, fault }],
                    ..CallReport::of(call)
                })
            }
        ),
        proptest::option::of(0..5_u8)
            .prop_map(|previous| CallCommand::Connected { previous: previous.map(device) }),
        Just(CallCommand::Disconnected),
        Just(CallCommand::Tiles(vec![])),
        (side(), any::<bool>()).prop_map(|(to, one)| CallCommand::Data {
            topic: "hand".to_owned(),
            payload: serde_json::Value::Null,
            to: one.then(|| person(to)),
        }),
        (side(), media())
            .prop_map(|(of, allowed)| CallCommand::Mute { person: person(of), allowed }),
        (side(), role()).prop_map(|(of, role)| CallCommand::Invite { person: person(of), role }),
        side().prop_map(|of| CallCommand::Remove { person: person(of) }),
        Just(CallCommand::Listen { sdp: sdp() }),
    ]
}

fn role() -> impl Strategy<Value = ParticipantRole> {
    use ParticipantRole::{Hidden, Listener, Member};
    proptest::sample::select(vec![Member, Listener, Hidden])
}

fn fault() -> impl Strategy<Value = MediaFault> {
    proptest::sample::select(MediaFault::ALL.to_vec())
}

fn event() -> impl Strategy<Value = SfuEvent> {
    (side(), 0..11_u8, any::<f32>(), side(), fault()).prop_map(|(side, kind, loss, to, fault)| {
        let participant = person(side);
        match kind {
            0 => SfuEvent::Connected { participant, ice_ms: 1, dtls_ms: 1 },
            1 => SfuEvent::Disconnected { participant },
            2 => SfuEvent::Gone { participant },
            3 => SfuEvent::Slots { participant, slots: vec![] },
            4 => SfuEvent::OfferNeeded { participant, audio_slots: 1, video_slots: 2 },
            5 | 6 => SfuEvent::Flowing { participant },
            7 => SfuEvent::LayersWanted {
                participant,
                source: TrackSource::Camera,
                rids: vec!["q".to_owned()],
            },
            8 => SfuEvent::Speakers {
                speakers: vec![Speaker { person: person(Side::Caller), level: 90 }],
            },
            9 => SfuEvent::StuckMedia {
                participant,
                source: TrackSource::Camera,
                receiver: (loss > 0.0).then(|| person(to)),
                fault,
                over: loss < 1.0,
            },
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
        3 => any::<bool>().prop_map(Step::Found),
        4 => (0..40_u64).prop_map(Step::Pass),
        1 => Just(Step::Relay(SfuEvent::RoomClosed)),
        1 => Just(Step::Relay(SfuEvent::Moving)),
        1 => Just(Step::RelayLost),
        1 => Just(Step::RelayFound),
        1 => Just(Step::Abort),
    ]
}

/// Follows a life and holds it to its rules.
#[derive(Default)]
struct Judge {
    /// Requests that wait for the machine's own answer.
    open: BTreeSet<Ticket>,
    /// Those of them that wait for somebody to be found.
    sought: Vec<(Ticket, Seek)>,
    ends: u32,
    accepts: u32,
}

impl Judge {
    fn look(&mut self, life: &Life, over: bool, effects: &[Effect]) {
        for effect in effects {
            let after_the_end = matches!(effect, Effect::Reply { .. });
            assert!(!over || after_the_end, "{effect:?} after the end");
            self.look_at(life, effect);
        }
        let waits = |ticket: &Ticket| self.sought.iter().any(|(sought, _)| sought == ticket);
        assert!(self.open.iter().all(waits), "a request without an answer");
    }

    fn look_at(&mut self, life: &Life, effect: &Effect) {
        match effect {
            Effect::Reply { ticket, .. }
            | Effect::Relay(RelayStep::Join { ticket, .. } | RelayStep::Offer { ticket, .. }) => {
                assert!(self.open.remove(ticket), "answered twice: {effect:?}");
            }
            Effect::Relay(RelayStep::StartForwarding) => {
                assert_ne!(life.state(), CallState::Ringing);
            }
            Effect::Relay(
                RelayStep::SetMedia { .. }
                | RelayStep::SetAllowed { .. }
                | RelayStep::SetTiles { .. }
                | RelayStep::Leave { .. },
            ) => {}
            Effect::Seek { ticket, seek } => self.sought.push((*ticket, *seek)),
            Effect::Accepted { .. } => self.accepts += 1,
            Effect::End { talked, .. } => {
                self.ends += 1;
                assert_eq!(talked.is_some(), self.accepts == 1);
            }
            Effect::Notify { to, frame } => {
                let text = serde_json::to_string(frame).expect("frames are JSON");
                let listener = person(Side::Supervisor);
                let unseen = life
                    .machine
                    .guest(listener)
                    .is_some_and(|guest| guest.party.who.role == ParticipantRole::Hidden);
                let named = text.contains(&listener.to_string());
                assert!(!unseen || !named || *to == listener, "{text} tells of a listener");
            }
            Effect::Left { person } => assert!(life.machine.guest(*person).is_none()),
            Effect::Judged(sample) => assert!((1.0..=4.5).contains(&sample.mos)),
            Effect::Flowing { .. } | Effect::Stuck { .. } | Effect::Place => {}
        }
    }

    fn look_around(&self, life: &Life) {
        assert!(self.ends <= 1 && self.accepts <= 1);
        assert_eq!(self.ends == 1, life.machine.has_ended());
        let view = life.machine.view();
        assert_eq!(view.ended.is_some(), view.state == CallState::Ended);
        assert_eq!(view.accepted_at.is_some(), self.accepts == 1);
        assert!(view.guests.len() <= RULES.max_guests);
        let people: BTreeSet<_> = life.machine.parties().map(|one| one.who.person).collect();
        assert_eq!(people.len(), life.machine.parties().count(), "somebody is in it twice");
    }
}

fn take(life: &mut Life, judge: &mut Judge, step: Step) -> Vec<Effect> {
    match step {
        Step::Command(side, on, command) => {
            judge.open.insert(Ticket(life.tickets + 1));
            life.command(side, on, command)
        }
        Step::Relay(event) => life.relay(event),
        Step::JoinFailed(side, on) => {
            life.input(Input::JoinFailed { person: person(side), connection: device(on) })
        }
        Step::RelayLost => life.input(Input::RelayLost),
        Step::RelayFound => life.input(Input::RelayFound),
        Step::Found(may) => {
            if judge.sought.is_empty() {
                return Vec::new();
            }
            let (ticket, seek) = judge.sought.remove(0);
            let found = match seek {
                _ if !may => Err(Refusal::new(ErrorCode::Busy, "in another call")),
                Seek::Invited { person, .. } | Seek::Listener { person } => {
                    Ok(CallParty { person, ..party(Side::Colleague) })
                }
            };
            life.input(Input::Found { ticket, found })
        }
        Step::Pass(seconds) => life.pass(seconds),
        Step::Abort => life.input(Input::Abort),
    }
}

proptest! {
    /// One end at most and nothing but replies after it, forwarding only after the
    /// accept, every request answered once, nobody twice, nobody told of who listens
    /// unseen, and an abandoned call ends by itself.
    #[test]
    fn any_life_is_well_formed(steps in proptest::collection::vec(step(), 0..80)) {
        let (mut life, mut judge) = (Life::ringing(), Judge::default());
        for step in steps {
            let over = life.machine.has_ended();
            let effects = take(&mut life, &mut judge, step);
            judge.look(&life, over, &effects);
            judge.look_around(&life);
        }
        // All vanish: whatever the state, the times run out.
        for side in Side::ALL {
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

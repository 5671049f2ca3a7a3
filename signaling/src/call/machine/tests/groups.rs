//! Guests, listeners, mute by the house, data, faults.

use housecall_protocol::client::{CallDataView, CallQuality, CallTrouble};
use housecall_protocol::domain::{CallView, TrackSource};
use housecall_protocol::media::{Speaker, Tile, TrackFault};

use super::*;

const SILENT: MediaState = MediaState { microphone: false, ..ON };

impl Life {
    fn invite(&mut self, side: Side, role: ParticipantRole) -> Vec<Effect> {
        let person = person(side);
        self.command(Side::Caller, 1, CallCommand::Invite { person, role })
    }

    /// What the database says of the latest request to let somebody in.
    fn found(&mut self, side: Side) -> Vec<Effect> {
        let ticket = Ticket(self.tickets);
        self.input(Input::Found { ticket, found: Ok(party(side)) })
    }

    /// An active call with a colleague in it, on device 6.
    fn of_three() -> Self {
        let mut life = Self::talking();
        life.invite(Side::Colleague, ParticipantRole::Member);
        life.found(Side::Colleague);
        let accept = CallAccept { call: life.machine.id(), state: ON, sdp: Some("o".to_owned()) };
        life.command(Side::Colleague, 6, CallCommand::Accept(accept));
        life.up(Side::Colleague);
        life
    }

    /// An active call to which a supervisor listens, on device 7.
    fn overheard() -> Self {
        let mut life = Self::of_three();
        life.command(Side::Supervisor, 7, CallCommand::Listen { sdp: "o".to_owned() });
        life.found(Side::Supervisor);
        life
    }

    fn mute(&mut self, side: Side, allowed: MediaState) -> Vec<Effect> {
        self.command(Side::Caller, 1, CallCommand::Mute { person: person(side), allowed })
    }

    fn data(&mut self, from: Side, on: u8, to: Option<Side>) -> Vec<Effect> {
        let (topic, payload) = ("hand".to_owned(), serde_json::json!({"raised": true}));
        self.command(from, on, CallCommand::Data { topic, payload, to: to.map(person) })
    }
}

fn told(effects: &[Effect]) -> Vec<PersonId> {
    let mut people: Vec<_> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Notify { to, .. } => Some(*to),
            _ => None,
        })
        .collect();
    people.sort();
    people
}

fn views(effects: &[Effect]) -> Vec<(PersonId, CallView)> {
    let view = |effect: &Effect| match effect {
        Effect::Notify { to, frame } => match &**frame {
            ServerFrame::CallUpdated(update) => Some((*to, update.call.clone())),
            _ => None,
        },
        _ => None,
    };
    effects.iter().filter_map(view).collect()
}

fn people(sides: &[Side]) -> Vec<PersonId> {
    sides.iter().map(|side| person(*side)).collect()
}

#[test]
fn a_colleague_is_asked_in_and_rings_and_joins() {
    let mut life = Life::talking();
    let asked = life.invite(Side::Colleague, ParticipantRole::Member);
    let seek = Seek::Invited {
        person: person(Side::Colleague),
        by: person(Side::Caller),
        role: ParticipantRole::Member,
    };
    assert_eq!(asked, [Effect::Seek { ticket: Ticket(life.tickets), seek }]);
    let again = life.invite(Side::Colleague, ParticipantRole::Member);
    assert_eq!(refused(&again), Some(ErrorCode::Conflict), "they are on their way");
    life.tickets -= 1;
    let rings = life.found(Side::Colleague);
    let incoming = |effect: &Effect| matches!(effect, Effect::Notify { frame, .. } if matches!(**frame, ServerFrame::CallIncoming(_)));
    assert!(rings.iter().any(incoming));
    assert!(life.machine.view().guests[0].ringing);

    life.tickets += 1;
    let prepared = life.command(Side::Colleague, 6, CallCommand::Prepare { sdp: "o".to_owned() });
    assert_eq!(refused(&prepared), Some(ErrorCode::Conflict), "nothing flows before the accept");
    let accept = CallAccept { call: life.machine.id(), state: SILENT, sdp: Some("o".to_owned()) };
    let joined = life.command(Side::Colleague, 6, CallCommand::Accept(accept));
    let steps = joined.iter().filter(|effect| matches!(effect, Effect::Relay(_))).count();
    assert_eq!(steps, 2, "a join and their mute: {joined:?}");
    let all = [Side::Caller, Side::Callee, Side::Colleague];
    assert_eq!(told(&joined), people(&all));
    assert!(!life.machine.view().guests[0].ringing);
}

#[test]
fn only_the_operator_asks_in_removes_and_mutes() {
    let mut life = Life::of_three();
    let colleague = person(Side::Colleague);
    for (side, on) in [(Side::Callee, 2), (Side::Colleague, 6)] {
        for command in [
            CallCommand::Invite { person: person(Side::Other), role: ParticipantRole::Member },
            CallCommand::Remove { person: colleague },
            CallCommand::Mute { person: colleague, allowed: SILENT },
        ] {
            let effects = life.command(side, on, command);
            assert_eq!(refused(&effects), Some(ErrorCode::Forbidden), "{side:?}");
        }
    }
    let effects = life.command(Side::Other, 9, CallCommand::Media(ON));
    assert_eq!(refused(&effects), Some(ErrorCode::NotFound));
    let unseen = life.invite(Side::Other, ParticipantRole::Hidden);
    assert_eq!(refused(&unseen), Some(ErrorCode::Forbidden));
    assert_eq!(refused(&life.mute(Side::Caller, SILENT)), Some(ErrorCode::Forbidden));
}

#[test]
fn a_guest_comes_and_goes_and_the_call_goes_on() {
    for (how, command) in
        [("hangs up", CallCommand::HangUp), ("is lost", CallCommand::Disconnected)]
    {
        let mut life = Life::of_three();
        let mut gone = life.command(Side::Colleague, 6, command);
        life.relay(SfuEvent::Disconnected { participant: person(Side::Colleague) });
        gone.extend(life.pass(30));
        assert!(gone.contains(&Effect::Left { person: person(Side::Colleague) }), "{how}");
        let leave = RelayStep::Leave { person: person(Side::Colleague) };
        assert!(gone.contains(&Effect::Relay(leave)), "{how}");
        assert_eq!(life.state(), CallState::Active, "{how}");
        let last = views(&gone).into_iter().rfind(|(to, _)| *to == person(Side::Colleague));
        assert!(last.is_some_and(|(_, view)| view.guests.is_empty()), "{how}: they are told");
    }
    let mut life = Life::of_three();
    let end = life.command(Side::Callee, 2, CallCommand::HangUp);
    assert_eq!(ended(&end), Some(EndReason::HungUp), "a side ends it for all");
    assert_eq!(views(&end).len(), 3);
}

#[test]
fn an_invitation_runs_out_or_is_declined_or_taken_back() {
    let invited = || {
        let mut life = Life::talking();
        life.invite(Side::Colleague, ParticipantRole::Member);
        life.found(Side::Colleague);
        life
    };
    let left = Effect::Left { person: person(Side::Colleague) };
    assert!(invited().pass(45).contains(&left));
    assert!(invited().command(Side::Colleague, 6, CallCommand::Decline).contains(&left));
    let remove = CallCommand::Remove { person: person(Side::Colleague) };
    let mut life = invited();
    assert!(life.command(Side::Caller, 1, remove).contains(&left));
    let offer = CallCommand::Offer { sdp: "o".to_owned() };
    assert_eq!(refused(&life.command(Side::Colleague, 6, offer)), Some(ErrorCode::NotFound));
}

#[test]
fn a_call_has_so_many_places() {
    let mut life = Life::talking();
    for _ in 0..RULES.max_guests {
        let guest = PersonId::generate();
        let role = ParticipantRole::Member;
        life.command(Side::Caller, 1, CallCommand::Invite { person: guest, role });
    }
    let more = life.invite(Side::Other, ParticipantRole::Member);
    assert_eq!(refused(&more), Some(ErrorCode::Conflict));
    // One who may not come leaves the place.
    let refusal = Refusal::new(ErrorCode::Busy, "in another call");
    let ticket = Ticket(life.tickets - 1);
    let effects = life.input(Input::Found { ticket, found: Err(refusal) });
    assert_eq!(refused(&effects), Some(ErrorCode::Busy));
    let more = life.invite(Side::Other, ParticipantRole::Member);
    assert_eq!(refused(&more), None);
}

#[test]
fn nobody_is_told_of_who_listens() {
    let mut life = Life::of_three();
    life.command(Side::Supervisor, 7, CallCommand::Listen { sdp: "o".to_owned() });
    let mut all = life.found(Side::Supervisor);
    let joins = all.iter().any(|effect| {
        matches!(effect, Effect::Relay(RelayStep::Join { role: ParticipantRole::Hidden, .. }))
    });
    assert!(joins, "{all:?}");
    all.extend(life.up(Side::Supervisor));
    let lost = SfuEvent::Disconnected { participant: person(Side::Supervisor) };
    all.extend(life.relay(lost));
    all.extend(life.command(Side::Supervisor, 7, CallCommand::HangUp));
    assert!(all.contains(&Effect::Left { person: person(Side::Supervisor) }));
    let others = told(&all).into_iter().filter(|to| *to != person(Side::Supervisor)).count();
    assert_eq!(others, 0, "{all:?}");
}

#[test]
fn who_listens_sees_all_and_says_nothing() {
    let mut life = Life::overheard();
    let own = life.machine.view_for(person(Side::Supervisor));
    assert_eq!((own.guests.len(), life.machine.view().guests.len()), (2, 1));
    assert_eq!(refused(&life.data(Side::Supervisor, 7, None)), Some(ErrorCode::Forbidden));
    let media = life.command(Side::Supervisor, 7, CallCommand::Media(ON));
    assert_eq!(refused(&media), Some(ErrorCode::Forbidden));
    let remove = CallCommand::Remove { person: person(Side::Supervisor) };
    assert_eq!(refused(&life.command(Side::Caller, 1, remove)), Some(ErrorCode::NotFound));
    let to_listener = life.data(Side::Caller, 1, Some(Side::Supervisor));
    assert_eq!(refused(&to_listener), Some(ErrorCode::NotFound));
    let speakers = vec![Speaker { person: person(Side::Caller), level: 99 }];
    assert_eq!(told(&life.relay(SfuEvent::Speakers { speakers })).len(), 4);
}

#[test]
fn where_listening_is_off_nobody_listens() {
    let mut life = Life::talking();
    life.machine.rules.listen_in = false;
    let listen = life.command(Side::Supervisor, 7, CallCommand::Listen { sdp: "o".to_owned() });
    assert_eq!(refused(&listen), Some(ErrorCode::Forbidden));
    let mut life = Life::ringing();
    let early = life.command(Side::Supervisor, 7, CallCommand::Listen { sdp: "o".to_owned() });
    assert_eq!(refused(&early), Some(ErrorCode::Conflict), "there is nothing to hear yet");
}

#[test]
fn a_mute_by_the_house_holds_whatever_the_client_says() {
    let mut life = Life::talking();
    let muted = life.mute(Side::Callee, MediaState { microphone: false, ..MediaState::ALL });
    let allowed = MediaState { microphone: false, ..MediaState::ALL };
    let step = RelayStep::SetAllowed { person: person(Side::Callee), allowed };
    assert!(muted.contains(&Effect::Relay(step)));
    assert_eq!(told(&muted), people(&Side::BOTH));
    assert!(!life.machine.view().callee.media.microphone);

    life.command(Side::Callee, 2, CallCommand::Media(ON));
    assert!(!life.machine.view().callee.media.microphone, "they may not");
    // A reload of the page changes nothing: the new session is told, too.
    let offer = CallCommand::Offer { sdp: "v=0\r\na=fingerprint:sha-256 AA\r\n".to_owned() };
    let rejoined = life.command(Side::Callee, 2, offer);
    let step = RelayStep::SetAllowed { person: person(Side::Callee), allowed };
    assert!(rejoined.contains(&Effect::Relay(step)));

    life.mute(Side::Callee, MediaState::ALL);
    assert!(!life.machine.view().callee.media.microphone, "they turn it on themselves");
    life.command(Side::Callee, 2, CallCommand::Media(ON));
    assert!(life.machine.view().callee.media.microphone);
}

#[test]
fn a_listener_by_invitation_is_seen_and_sends_nothing() {
    let mut life = Life::talking();
    life.invite(Side::Colleague, ParticipantRole::Listener);
    life.found(Side::Colleague);
    let accept = CallAccept { call: life.machine.id(), state: ON, sdp: Some("o".to_owned()) };
    let joined = life.command(Side::Colleague, 6, CallCommand::Accept(accept));
    let join = RelayStep::Join {
        person: person(Side::Colleague),
        role: ParticipantRole::Listener,
        connection: device(6),
        sdp: "o".to_owned(),
        ticket: Ticket(life.tickets),
        again: false,
    };
    assert!(joined.contains(&Effect::Relay(join)));
    let view = life.machine.view();
    assert_eq!(view.guests[0].party.media, MediaState::default());
    let mute = life.mute(Side::Colleague, MediaState::ALL);
    assert_eq!(refused(&mute), Some(ErrorCode::Conflict));
}

#[test]
fn data_reaches_the_others_within_bounds() {
    let mut life = Life::of_three();
    let all = life.data(Side::Callee, 2, None);
    assert_eq!(told(&all), people(&[Side::Caller, Side::Colleague]));
    let view = CallDataView {
        call: life.machine.id(),
        from: person(Side::Callee),
        topic: "hand".to_owned(),
        payload: serde_json::json!({"raised": true}),
    };
    let one = life.data(Side::Callee, 2, Some(Side::Caller));
    let frame = Box::new(ServerFrame::CallData(view));
    assert!(one.contains(&Effect::Notify { to: person(Side::Caller), frame }));
    assert_eq!(told(&one).len(), 1);
    let nobody = life.data(Side::Callee, 2, Some(Side::Other));
    assert_eq!(refused(&nobody), Some(ErrorCode::NotFound));

    let of = |topic: &str, payload: serde_json::Value| CallCommand::Data {
        topic: topic.to_owned(),
        payload,
        to: None,
    };
    let null = || serde_json::Value::Null;
    for topic in ["", "Hand", "a b", &"a".repeat(33)] {
        let effects = life.command(Side::Callee, 2, of(topic, null()));
        assert_eq!(refused(&effects), Some(ErrorCode::BadFrame), "{topic}");
    }
    let long = life.command(Side::Callee, 2, of("a", "я".repeat(1100).into()));
    assert_eq!(refused(&long), Some(ErrorCode::TooLarge));
    let codes: Vec<_> = (0..30).map(|_| refused(&life.data(Side::Callee, 2, None))).collect();
    assert!(codes.contains(&Some(ErrorCode::RateLimited)));
    assert_eq!(refused(&life.data(Side::Caller, 1, None)), None, "each has their own rate");
    life.pass(1);
    assert_eq!(refused(&life.data(Side::Callee, 2, None)), None);
}

#[test]
fn tiles_go_to_the_relay_from_the_device_in_the_call() {
    let mut life = Life::talking();
    let tiles = |n: usize| {
        CallCommand::Tiles(vec![Tile { mid: "1".to_owned(), width: 640, height: 360 }; n])
    };
    let shown = life.command(Side::Callee, 2, tiles(1));
    assert!(
        matches!(&shown[0], Effect::Relay(RelayStep::SetTiles { tiles, .. }) if tiles.len() == 1)
    );
    assert_eq!(refused(&life.command(Side::Callee, 3, tiles(1))), Some(ErrorCode::Conflict));
    assert_eq!(refused(&life.command(Side::Callee, 2, tiles(65))), Some(ErrorCode::TooLarge));
}

#[test]
fn a_sender_hears_which_layers_are_watched_also_after_a_reconnect() {
    let mut life = Life::talking();
    let participant = person(Side::Callee);
    let wanted = |rid: &str| SfuEvent::LayersWanted {
        participant,
        source: TrackSource::Camera,
        rids: vec![rid.to_owned()],
    };
    assert_eq!(told(&life.relay(wanted("q"))), [participant]);
    life.relay(wanted("f"));
    let back = life.command(Side::Callee, 4, CallCommand::Connected { previous: Some(device(2)) });
    let layers = back.iter().find_map(|effect| match effect {
        Effect::Notify { frame, .. } => match &**frame {
            ServerFrame::CallLayers(layers) => Some(layers.rids.clone()),
            _ => None,
        },
        _ => None,
    });
    assert_eq!(layers, Some(vec!["f".to_owned()]));
}

fn troubles(effects: &[Effect]) -> Vec<CallTrouble> {
    let trouble = |effect: &Effect| match effect {
        Effect::Notify { frame, .. } => match &**frame {
            ServerFrame::CallTrouble(trouble) => Some(trouble.clone()),
            _ => None,
        },
        _ => None,
    };
    effects.iter().filter_map(trouble).collect()
}

#[test]
fn a_fault_is_told_once_and_its_end_too() {
    let mut life = Life::talking();
    let stuck = |over| SfuEvent::StuckMedia {
        participant: person(Side::Callee),
        source: TrackSource::Microphone,
        receiver: None,
        fault: MediaFault::NotArriving,
        over,
    };
    assert_eq!(troubles(&life.relay(stuck(false))).len(), 2);
    assert_eq!(life.relay(stuck(false)), []);
    assert!(troubles(&life.relay(stuck(true))).iter().all(|trouble| trouble.over));
    assert_eq!(life.relay(stuck(true)), []);

    let report = |of, fault| {
        let faults = vec![TrackFault { person: person(of), source: TrackSource::Camera, fault }];
        CallCommand::Report(CallReport { faults, ..CallReport::of(CallId(Uuid::nil())) })
    };
    let undecoded = life.command(Side::Caller, 1, report(Side::Callee, MediaFault::NotDecoded));
    assert_eq!(troubles(&undecoded)[0].receiver, Some(person(Side::Caller)));
    let fixed = CallCommand::Report(CallReport::of(CallId(Uuid::nil())));
    assert!(troubles(&life.command(Side::Caller, 1, fixed)).iter().all(|trouble| trouble.over));
    // What a client cannot know is not taken from it.
    for (of, fault) in [
        (Side::Callee, MediaFault::NotArriving),
        (Side::Callee, MediaFault::NoSignal),
        (Side::Caller, MediaFault::NotDecoded),
        (Side::Other, MediaFault::NotReceived),
    ] {
        let effects = life.command(Side::Caller, 1, report(of, fault));
        assert_eq!(troubles(&effects), [], "{of:?} {fault:?}");
    }
    let record = life.machine.quality().summaries();
    let of = |side| record.iter().find(|one| one.person == person(side)).map(|one| &one.faults);
    let times = |source: &str, fault: &str| serde_json::json!([{"source": source, "fault": fault, "times": 1}]);
    assert_eq!(of(Side::Callee), Some(&times("microphone", "not_arriving")));
    assert_eq!(of(Side::Caller), Some(&times("camera", "not_decoded")));
}

#[test]
fn figures_go_to_the_person_and_the_word_to_all() {
    let mut life = Life::talking();
    let report = |loss_percent| {
        let report = CallReport { loss_percent, ..CallReport::of(CallId(Uuid::nil())) };
        CallCommand::Report(report)
    };
    let quality = |effects: &[Effect]| -> Vec<(PersonId, CallQuality)> {
        let of = |effect: &Effect| match effect {
            Effect::Notify { to, frame } => match &**frame {
                ServerFrame::CallQuality(quality) => Some((*to, quality.clone())),
                _ => None,
            },
            _ => None,
        };
        effects.iter().filter_map(of).collect()
    };
    let good = quality(&life.command(Side::Callee, 2, report(Some(0.0))));
    assert_eq!(good.len(), 3, "figures to one, the word to two");
    let bad = life.command(Side::Callee, 2, report(Some(25.0)));
    assert!(bad.iter().any(|effect| matches!(effect, Effect::Judged(sample) if sample.mos < 2.58)));
    let bad = quality(&bad);
    assert!(bad.iter().all(|(_, quality)| quality.level == QualityLevel::Poor));
    let figures: Vec<_> = bad.iter().filter(|(_, quality)| quality.mos.is_some()).collect();
    assert_eq!(figures.len(), 1);
    assert_eq!(figures[0].0, person(Side::Callee));
}

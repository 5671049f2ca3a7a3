//! Leases, watch lists and statuses.

use housecall_platform::bus::Subscription;
use housecall_protocol::client::{CallUpdate, PersonPresence, ServerFrame};
use housecall_protocol::cluster::{
    Answer, BeatKind, PersonEvent, PresenceBeat, PresenceEvent, PresenceReply, PresenceRequest,
    PresenceSync, subject,
};
use housecall_protocol::domain::{
    CallMedia, CallParty, CallState, CallSubject, CallView, MediaState, PersonKind, PresenceStatus,
    TimestampMs,
};
use housecall_protocol::media::ParticipantRole;
use housecall_protocol::{CallId, NodeId, PersonId};
use housecall_signaling::Config;
use serde_json::json;

use crate::client::Client;
use crate::house::House;

async fn beat(beats: &mut Subscription, wanted: impl Fn(&BeatKind) -> bool) -> PresenceBeat {
    loop {
        let beat: PresenceBeat = beats.next().await.unwrap().parse().unwrap();
        if wanted(&beat.kind) {
            return beat;
        }
    }
}

fn people(entries: &[(PersonId, PresenceStatus)]) -> Vec<PersonPresence> {
    entries
        .iter()
        .map(|(person, status)| PersonPresence {
            person: *person,
            status: *status,
            last_seen: None,
        })
        .collect()
}

#[tokio::test]
async fn connections_are_announced_and_withdrawn() {
    let house = House::new().await;
    let mut beats = house.bus.subscribe(subject::PRESENCE_BEAT).await.unwrap();
    let client = house.connect(house.doctor).await;
    let joined = beat(&mut beats, |kind| matches!(kind, BeatKind::Joined { .. })).await;
    assert_eq!(joined.gateway.0, house.node);
    let BeatKind::Joined { connection, person, .. } = joined.kind else { unreachable!() };
    assert_eq!((connection.to_string().as_str(), person), (client.connection(), house.doctor.id));
    client.leave().await;
    let left = beat(&mut beats, |kind| matches!(kind, BeatKind::Left { .. })).await;
    assert_eq!(left.kind, BeatKind::Left { connection, person });
}

#[tokio::test]
async fn only_operators_choose_a_status() {
    let house = House::new().await;
    let mut beats = house.bus.subscribe(subject::PRESENCE_BEAT).await.unwrap();
    let mut patient = house.connect(house.patient).await;
    let refusal = patient.request("presence.set", json!({"status": "busy"})).await;
    assert_eq!(refusal["data"]["code"], "forbidden");
    let mut doctor = house.connect(house.doctor).await;
    assert_eq!(doctor.request("presence.set", json!({"status": "busy"})).await["type"], "ok");
    let said = beat(&mut beats, |kind| matches!(kind, BeatKind::Status(_))).await;
    let BeatKind::Status(said) = said.kind else { unreachable!() };
    assert_eq!((said.person, said.status), (house.doctor.id, PresenceStatus::Busy));

    // A presence instance that starts later is told all of it.
    let sync = PresenceSync { instance: NodeId::generate() };
    house.bus.publish(subject::PRESENCE_SYNC, &sync).await.unwrap();
    let full = beat(&mut beats, |kind| matches!(kind, BeatKind::Full(_))).await;
    let BeatKind::Full(full) = full.kind else { unreachable!() };
    assert_eq!((full.part, full.parts, full.chosen), (0, 1, vec![said]));
    let mut people: Vec<_> = full.connections.iter().map(|(_, person, _)| *person).collect();
    people.sort();
    let mut expected = [house.patient.id, house.doctor.id];
    expected.sort();
    assert_eq!(people, expected);
}

#[tokio::test]
async fn watching_tells_the_state_now_and_the_changes_that_concern() {
    let house = House::new().await;
    let mut requests = house.bus.subscribe(subject::PRESENCE_REQUEST).await.unwrap();
    let mut doctor = house.connect(house.doctor).await;
    let (patient, stranger) = (house.patient.id, PersonId::generate());
    let id = doctor.send("presence.watch", json!({"people": [patient]})).await;
    let delivery = requests.next().await.unwrap();
    let asked: PresenceRequest = delivery.parse().unwrap();
    assert_eq!(asked, PresenceRequest::Query { people: vec![patient] });
    let state = people(&[(patient, PresenceStatus::Online)]);
    let answer: Answer<PresenceReply> = Ok(PresenceReply::People(state));
    house.bus.reply(&delivery, &answer).await.unwrap();
    assert_eq!(doctor.answer(id).await["type"], "ok");
    assert_eq!(doctor.event("presence").await["people"][0]["status"], "online");

    let change = PresenceEvent {
        people: people(&[(stranger, PresenceStatus::Online), (patient, PresenceStatus::Offline)]),
    };
    house.bus.publish(subject::PRESENCE_EVENT, &change).await.unwrap();
    let seen = doctor.event("presence").await;
    assert_eq!(seen["people"].as_array().unwrap().len(), 1, "{seen}");
    assert_eq!(seen["people"][0]["status"], "offline");

    // Another instance says the same: only what follows is news.
    house.bus.publish(subject::PRESENCE_EVENT, &change).await.unwrap();
    let back = PresenceEvent { people: people(&[(patient, PresenceStatus::Online)]) };
    house.bus.publish(subject::PRESENCE_EVENT, &back).await.unwrap();
    assert_eq!(doctor.event("presence").await["people"][0]["status"], "online");

    // Replaced by an empty list: nothing more comes.
    assert_eq!(doctor.request("presence.watch", json!({"people": []})).await["type"], "ok");
    house.bus.publish(subject::PRESENCE_EVENT, &change).await.unwrap();
    assert_eq!(doctor.request("ping", json!({})).await["type"], "pong");
    assert!(doctor.unexpected().is_empty(), "{:?}", doctor.unexpected());
}

#[tokio::test]
async fn patients_watch_operators_only_and_lists_are_bounded() {
    let house = House::new().await;
    let mut patient = house.connect(house.patient).await;
    let themselves = json!({"people": [house.doctor.id, house.patient.id]});
    let refusal = patient.request("presence.watch", themselves).await;
    assert_eq!(refusal["data"]["code"], "forbidden");
    let many: Vec<_> = (0..201).map(|_| PersonId::generate()).collect();
    let mut doctor = house.connect(house.doctor).await;
    let refusal = doctor.request("presence.watch", json!({"people": many})).await;
    assert_eq!(refusal["data"]["code"], "too_large");
}

/// Watches these people and is told that all are online.
async fn watch(house: &House, watcher: &mut Client, watched: &[PersonId]) {
    let mut requests = house.bus.subscribe(subject::PRESENCE_REQUEST).await.unwrap();
    let id = watcher.send("presence.watch", json!({ "people": watched })).await;
    let delivery = requests.next().await.unwrap();
    let online: Vec<_> = watched.iter().map(|one| (*one, PresenceStatus::Online)).collect();
    let answer: Answer<PresenceReply> = Ok(PresenceReply::People(people(&online)));
    house.bus.reply(&delivery, &answer).await.unwrap();
    assert_eq!(watcher.answer(id).await["type"], "ok");
    watcher.event("presence").await;
}

#[tokio::test]
async fn a_thousand_changes_reach_a_watcher_as_one_batch() {
    let house = House::with(Config { max_watched_people: 1000, ..Config::default() }).await;
    let watched: Vec<_> = (0..1000).map(|_| PersonId::generate()).collect();
    let mut doctor = house.connect(house.doctor).await;
    watch(&house, &mut doctor, &watched).await;
    // Some of them change back and forth; what counts is how it ends.
    for (number, status) in [PresenceStatus::Away, PresenceStatus::Busy].into_iter().enumerate() {
        for some in watched.chunks(100) {
            let some: Vec<_> = some.iter().skip(number).map(|one| (*one, status)).collect();
            let event = PresenceEvent { people: people(&some) };
            house.bus.publish(subject::PRESENCE_EVENT, &event).await.unwrap();
        }
    }
    let mut frames = 0;
    let mut told = std::collections::HashMap::new();
    while told.values().filter(|status| *status == "busy").count() < 990 {
        frames += 1;
        for one in doctor.event("presence").await["people"].as_array().unwrap() {
            told.insert(one["person"].as_str().unwrap().to_owned(), one["status"].clone());
        }
    }
    assert_eq!(told.len(), 1000);
    // One, unless the machine stopped between the first event and the last.
    assert!(frames <= 3, "{frames} frames for two thousand changes");
}

#[tokio::test]
async fn the_use_of_a_device_is_told_of_operators_and_not_too_often() {
    let house = House::new().await;
    let mut beats = house.bus.subscribe(subject::PRESENCE_BEAT).await.unwrap();
    let mut patient = house.connect(house.patient).await;
    assert_eq!(patient.request("presence.active", json!({})).await["type"], "ok");
    let mut doctor = house.connect(house.doctor).await;
    for _ in 0..5 {
        assert_eq!(doctor.request("presence.active", json!({})).await["type"], "ok");
    }
    let set = json!({ "status": "away" });
    assert_eq!(doctor.request("presence.set", set).await["type"], "ok");
    let mut used = Vec::new();
    loop {
        let beat: PresenceBeat = beats.next().await.unwrap().parse().unwrap();
        match beat.kind {
            BeatKind::Active { person, .. } => used.push(person),
            BeatKind::Status(_) => break,
            _ => {}
        }
    }
    assert!(used.len() <= 1, "{used:?}");
    // Whoever starts later is told too.
    let sync = PresenceSync { instance: NodeId::generate() };
    house.bus.publish(subject::PRESENCE_SYNC, &sync).await.unwrap();
    let full = beat(&mut beats, |kind| matches!(kind, BeatKind::Full(_))).await;
    let BeatKind::Full(full) = full.kind else { unreachable!() };
    let people: Vec<_> = full.active.iter().map(|(person, _)| *person).collect();
    assert_eq!(people, [house.doctor.id]);
}

#[tokio::test]
async fn who_talks_is_told_when_it_begins_and_ends() {
    let house = House::new().await;
    let mut beats = house.bus.subscribe(subject::PRESENCE_BEAT).await.unwrap();
    let mut doctor = house.connect(house.doctor).await;
    let _patient = house.connect(house.patient).await;
    let call = CallId::generate();
    for (state, expected) in [
        (CallState::Ringing, None),
        (CallState::Active, Some(true)),
        (CallState::Ended, Some(false)),
    ] {
        let frame = ServerFrame::CallUpdated(CallUpdate { call: view(&house, call, state) });
        for person in [house.patient.id, house.doctor.id] {
            let event = PersonEvent::Frame(Box::new(frame.clone()));
            house.bus.publish(&subject::person_event(person), &event).await.unwrap();
        }
        doctor.event("call.updated").await;
        let Some(expected) = expected else { continue };
        let told = |kind: &BeatKind| {
            *kind == BeatKind::InCall { person: house.doctor.id, in_call: expected }
        };
        beat(&mut beats, told).await;
    }
}

fn view(house: &House, id: CallId, state: CallState) -> CallView {
    let party = |person, kind| CallParty {
        person,
        name: String::new(),
        kind,
        specialty: None,
        media: MediaState::default(),
        reconnecting: false,
        role: ParticipantRole::Member,
        allowed: MediaState { microphone: true, camera: true, screen: true },
    };
    CallView {
        id,
        conversation: house.conversation,
        subject: CallSubject::Consultation(house.consultation),
        media: CallMedia::Video,
        state,
        caller: party(house.doctor.id, PersonKind::Operator),
        callee: party(house.patient.id, PersonKind::Patient),
        guests: Vec::new(),
        created_at: TimestampMs(0),
        accepted_at: None,
        ended: None,
    }
}

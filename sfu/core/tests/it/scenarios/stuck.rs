//! Media that should flow and does not is named, and what need not flow is not.

use housecall_protocol::cluster::SfuRequest;
use housecall_protocol::domain::{MediaState, TrackSource};
use housecall_protocol::media::{MediaFault, Tile};

use super::peer::Setup;
use super::stage::{Stage, Stuck};
use crate::link::Loss;

const SEED: u64 = 5;
/// Until a fault is named at the latest, for those that no report has to tell of.
const NAMED_S: f64 = 10.0;

fn two() -> Stage {
    let mut stage = Stage::with(SEED, &[Setup::GOOD, Setup::GOOD]);
    stage.run(5.0);
    assert_eq!(stage.stuck, [], "all flows");
    stage
}

fn said(stage: &mut Stage, of: usize, source: TrackSource, fault: MediaFault) -> Vec<bool> {
    let person = stage.peers[of].person;
    let about =
        |stuck: &&Stuck| (stuck.person, stuck.source, stuck.fault) == (person, source, fault);
    let said = stage.stuck.iter().filter(about).map(|stuck| stuck.over).collect();
    stage.stuck.retain(|stuck| !about(&stuck));
    said
}

#[test]
fn a_microphone_that_stops_without_a_word_is_named() {
    let mut stage = two();
    stage.peers[0].speaks = false;
    stage.run(NAMED_S);
    let told = said(&mut stage, 0, TrackSource::Microphone, MediaFault::NotArriving);
    assert_eq!(told, [false]);
    stage.peers[0].hush(stage.now);
    stage.peers[0].speaks = true;
    stage.run(NAMED_S);
    let told = said(&mut stage, 0, TrackSource::Microphone, MediaFault::NotArriving);
    assert_eq!(told, [true]);
    assert_eq!(stage.stuck, []);
}

#[test]
fn a_camera_that_is_on_and_never_comes_is_named() {
    let mut stage = two();
    stage.say(0, MediaState { camera: false, ..MediaState::ALL });
    stage.peers[0].camera.as_mut().expect("it has one").on = false;
    stage.run(NAMED_S);
    assert_eq!(stage.stuck, [], "it is off");
    stage.say(0, MediaState::ALL);
    stage.run(NAMED_S);
    let told = said(&mut stage, 0, TrackSource::Camera, MediaFault::NotArriving);
    assert_eq!(told, [false]);
    stage.peers[0].camera.as_mut().expect("it has one").on = true;
    stage.run(NAMED_S);
    assert_eq!(said(&mut stage, 0, TrackSource::Camera, MediaFault::NotArriving), [true]);
    assert_eq!(stage.stuck, []);
}

#[test]
fn media_that_goes_one_way_is_named() {
    let mut stage = two();
    stage.peers[1].down.path.loss = Loss::Random(1.0);
    stage.run(20.0);
    for source in [TrackSource::Microphone, TrackSource::Camera] {
        assert_eq!(said(&mut stage, 0, source, MediaFault::NotReceived), [false]);
    }
    assert_eq!(stage.stuck, [], "the other way is as it was");
    stage.peers[1].down.path.loss = Loss::None;
    stage.run(NAMED_S);
    for source in [TrackSource::Microphone, TrackSource::Camera] {
        assert_eq!(said(&mut stage, 0, source, MediaFault::NotReceived), [true]);
    }
}

#[test]
fn what_arrives_and_cannot_be_passed_on_is_named_for_whom() {
    let mut stage = two();
    // An encoder that ignores requests: whoever comes later has nothing to begin with.
    stage.peers[0].camera.as_mut().expect("it has one").is_deaf = true;
    let late = stage.join(&Setup::WATCHES);
    stage.until_connected();
    stage.run(NAMED_S);
    let receiver = Some(stage.peers[late].person);
    let named: Vec<_> = stage.stuck.iter().map(|stuck| (stuck.fault, stuck.receiver)).collect();
    assert_eq!(named, [(MediaFault::NotForwarded, receiver)]);
    stage.stuck.clear();
    stage.peers[0].camera.as_mut().expect("it has one").is_deaf = false;
    stage.run(NAMED_S);
    assert!(stage.stuck.iter().any(|stuck| stuck.over && stuck.receiver == receiver));
}

#[test]
fn silence_that_is_meant_is_no_fault() {
    let mut stage = two();
    // Discontinuous transmission: a packet each 400 ms.
    stage.peers[0].pauses = true;
    // Off by its owner's will, who goes on sending for a while, as clients may.
    stage.say(1, MediaState { microphone: false, ..MediaState::ALL });
    stage.run(20.0);
    assert_eq!(stage.stuck, []);
    stage.peers[1].speaks = false;
    stage.run(20.0);
    assert_eq!(stage.stuck, []);
}

#[test]
fn what_nobody_watches_is_no_fault() {
    let mut stage = two();
    for watcher in 0..2 {
        let participant = stage.peers[watcher].person;
        let mid = stage.peers[watcher].video_mid();
        let tiles = vec![Tile { mid, width: 0, height: 0 }];
        stage.request(|room| SfuRequest::SetTiles { room, participant, tiles });
    }
    stage.run(20.0);
    assert_eq!(stage.stuck, []);
}

#[test]
fn a_link_too_narrow_for_a_picture_is_no_fault() {
    let mut stage = two();
    stage.peers[1].down.path.rate_bps = Some(100_000);
    stage.run(40.0);
    assert_eq!(stage.stuck, []);
}

/// A page that the system stopped, and that comes back.
#[test]
fn somebody_asleep_is_no_fault() {
    for seconds in [4.0, 8.0, 12.0] {
        let mut stage = two();
        stage.peers[1].asleep = true;
        stage.run(seconds);
        stage.peers[1].asleep = false;
        stage.run(15.0);
        assert_eq!(stage.stuck, [], "after {seconds} s");
    }
}

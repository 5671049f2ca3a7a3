//! A watcher whose reports stand still for a while, though the way to it is good.

use super::camera::FRAMES_PER_SECOND;
use super::check::{Check, Unit};
use super::outcome::{Demand, VOICE_PER_SECOND, seen_checks};
use super::peer::{Peer, Setup};
use super::stage::Stage;

const SEED: u64 = 3;
/// Each of these stops, and some seconds after it.
const STOPS_S: [f64; 4] = [0.2, 0.5, 1.0, 2.0];
const BETWEEN_S: f64 = 3.0;

/// It gets no processor, as a browser on a busy machine. It can show nothing meanwhile;
/// afterwards all of it is there.
pub(super) fn asleep() -> Vec<Check> {
    let stops = STOPS_S.iter().sum::<f64>();
    let demand = Demand { frozen_s: stops + 0.5, ..Demand::ALL };
    stop_and_go(demand, |peer, stops| peer.asleep = stops)
}

/// Its uplink holds back all it sends, as a mobile network that is about to change
/// cells. It sees and hears all the time.
pub(super) fn held_up() -> Vec<Check> {
    stop_and_go(Demand::ALL, |peer, stops| peer.held_up = stops)
}

fn stop_and_go(demand: Demand, stop: impl Fn(&mut Peer, bool)) -> Vec<Check> {
    let down = Setup::GOOD.down.rate(4_000_000);
    let mut stage = Stage::with(SEED, &[Setup::GOOD, Setup { down, ..Setup::GOOD }]);
    stage.run(10.0);
    let (begun_s, keys) = (stage.seconds(), key_frames(&stage));
    stage.begin();
    for stop_s in STOPS_S {
        stop(&mut stage.peers[1], true);
        stage.run(stop_s);
        stop(&mut stage.peers[1], false);
        stage.run(BETWEEN_S);
    }
    let seconds = stage.seconds() - begun_s;
    let large = stage.peers[1].viewer().seen.of_layer[2];
    let before = stage.estimates_of(1, begun_s - 1.0, begun_s);
    let since = stage.estimates_of(1, begun_s, stage.seconds());
    let least = since.iter().copied().fold(f64::MAX, f64::min) / before[before.len() - 1];
    let now = stage.now;
    let seen = stage.peers[1].viewer().end(now);
    let heard = f64::from(stage.peers[1].heard().packets) / (seconds * VOICE_PER_SECOND);
    let mut checks = seen_checks(&seen, seconds, demand);
    checks.push(Check::at_least("voice heard", heard, demand.heard, Unit::Percent));
    let large = f64::from(large) / (seconds * FRAMES_PER_SECOND);
    checks.push(Check::at_least("of them large", large, 0.98, Unit::Percent));
    checks.push(Check::at_least("estimate of that before", least, 0.95, Unit::Percent));
    let more = f64::from(key_frames(&stage) - keys);
    checks.push(Check::at_most("key frames", more, 0.0, Unit::Count));
    checks
}

fn key_frames(stage: &Stage) -> u32 {
    stage.peers[0].camera.as_ref().map_or(0, |camera| camera.key_frames)
}

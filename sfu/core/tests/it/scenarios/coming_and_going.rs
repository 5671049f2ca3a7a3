//! Late joins, restarts, many at once, again and again.

use super::camera::FRAMES_PER_SECOND;
use super::check::{Check, Unit};
use super::outcome::{Demand, check, seen_checks};
use super::peer::Setup;
use super::stage::Stage;
use crate::link::{Loss, Path};

const SEED: u64 = 2;

/// Somebody joins a talk whose voice has sent 70,000 packets: its numbers have
/// wrapped around.
pub(super) fn late_join() -> Vec<Check> {
    let mut stage = Stage::with(SEED, &[Setup::GOOD, Setup::WATCHES]);
    // The media itself is not needed: the sender jumps in steps that the relay follows.
    for _ in 0..8 {
        stage.run(0.1);
        stage.peers[0].skip_voice(9_000);
    }
    stage.run(1.0);
    let joined_s = stage.seconds();
    let late = stage.join(&Setup::WATCHES);
    stage.until_connected();
    let connected_s = stage.seconds() - joined_s;
    stage.run(0.5);
    let first = stage.peers[late].viewer().seen.first_after;
    stage.begin();
    stage.run(5.0);
    let mut checks = check(&mut stage, late, 5.0, Demand::ALL);
    let first = first.map_or(f64::NAN, |first| first.as_secs_f64() * 1e3);
    checks.push(Check::at_most("connected after", connected_s * 1e3, 500.0, Unit::Millis));
    checks.push(Check::at_most("first picture after first packet", first, 300.0, Unit::Millis));
    checks
}

/// The one who sends loses the page and comes back with another session.
pub(super) fn restart() -> Vec<Check> {
    let mut stage = Stage::with(SEED, &[Setup::GOOD, Setup::GOOD]);
    stage.run(5.0);
    stage.begin();
    let restarted_s = stage.seconds();
    stage.rejoin(0, &Setup::GOOD);
    stage.until_connected();
    stage.run(10.0);
    let seconds = stage.seconds() - restarted_s;
    let seen = stage.peers[1].viewer().seen.clone();
    let demand = Demand { shown: 0.9, frozen_s: 1.0, ..Demand::ALL };
    let mut checks = seen_checks(&seen, seconds, demand);
    let heard = f64::from(stage.peers[1].heard().packets) / (seconds * 50.0);
    checks.push(Check::at_least("voice heard", heard, 0.93, Unit::Percent));
    checks
}

/// Ten watch one who sends; the link of one of them is terrible. The nine others
/// notice nothing.
pub(super) fn one_bad_of_ten() -> Vec<Check> {
    let good = Setup { down: Setup::GOOD.down.rate(4_000_000), ..Setup::WATCHES };
    let bad = Setup {
        down: Path { queue_bytes: 20_000, ..Setup::GOOD.down.rate(400_000) }
            .loss(Loss::Bursty { part: 0.1, burst: 6.0 }),
        ..Setup::WATCHES
    };
    let mut setups = vec![Setup::GOOD, bad];
    setups.extend([good; 9]);
    let mut stage = Stage::with(SEED, &setups);
    stage.run(5.0);
    let keys = |stage: &Stage| stage.peers[0].camera.as_ref().map_or(0, |camera| camera.key_frames);
    let keys_before = keys(&stage);
    stage.begin();
    stage.run(10.0);
    let now = stage.now;
    let (mut least, mut large, mut frozen, mut broken) = (f64::MAX, f64::MAX, 0.0_f64, 0);
    for peer in &mut stage.peers[2..] {
        let seen = peer.viewer().end(now);
        least = least.min(f64::from(seen.frames) / (10.0 * FRAMES_PER_SECOND));
        large = large.min(f64::from(seen.of_layer[2]) / f64::from(seen.frames.max(1)));
        frozen = frozen.max(seen.frozen.as_secs_f64());
        broken += seen.broken;
    }
    let bad = stage.peers[1].viewer().end(now);
    broken += bad.broken;
    let shown = f64::from(bad.frames) / (10.0 * FRAMES_PER_SECOND);
    let heard = f64::from(stage.peers[1].heard().packets) / 500.0;
    let keys = f64::from(keys(&stage) - keys_before);
    vec![
        Check::at_most("broken pictures", f64::from(broken), 0.0, Unit::Count),
        Check::at_least("shown to each of the nine", least, 0.99, Unit::Percent),
        Check::at_least("of them large", large, 0.98, Unit::Percent),
        Check::at_most("frozen for one of them", frozen, 0.0, Unit::Seconds),
        Check::at_most("key frames in ten seconds", keys, 15.0, Unit::Count),
        Check::at_least("shown to the tenth", shown, 0.3, Unit::Percent),
        Check::at_least("voice heard by the tenth", heard, 0.8, Unit::Percent),
    ]
}

/// Thirty people join in the same millisecond.
pub(super) fn thirty_at_once() -> Vec<Check> {
    const TILES: usize = 4;
    let setup = Setup { tiles: TILES, ..Setup::GOOD };
    let mut stage = Stage::with(SEED, &[setup; 30]);
    let connected_s = stage.seconds();
    stage.run(2.0);
    let shown: Vec<_> = stage
        .peers
        .iter()
        .map(|peer| peer.viewers.values().filter(|viewer| viewer.seen.frames > 0).count())
        .collect();
    let least = shown.iter().min().copied().unwrap_or(0);
    let broken: u32 =
        stage.peers.iter().flat_map(|peer| peer.viewers.values()).map(|it| it.seen.broken).sum();
    let voices = stage.peers.iter().map(|peer| peer.listeners.len()).min().unwrap_or(0);
    vec![
        Check::at_most("all connected after", connected_s * 1e3, 1_000.0, Unit::Millis),
        Check::at_least("tiles with a picture, each", least as f64, TILES as f64, Unit::Count),
        Check::at_most("broken pictures", f64::from(broken), 0.0, Unit::Count),
        Check::at_least("voices heard, each", voices as f64, 1.0, Unit::Count),
    ]
}

//! Two in a call; the one who watches has a bad downlink, or the one who sends a bad
//! uplink.

use std::time::Duration;

use super::check::{Check, Unit};
use super::outcome::{Demand, check, mean, time_to_layer};
use super::peer::{LAYERS_BPS, Setup, Uplink};
use super::stage::{MS, Stage};
use crate::link::{Loss, Path};

const SEED: u64 = 1;
/// Until layers and estimates have settled.
const SETTLE_S: f64 = 5.0;
const MEASURED_S: f64 = 15.0;

/// A minute's quarter of a call whose watcher's downlink is `down`.
fn watched(down: Path, demand: Demand) -> Vec<Check> {
    let watcher = Setup { down, up: Path { rate_bps: None, ..down }, ..Setup::GOOD };
    measure(Setup::GOOD, watcher, demand)
}

fn measure(sender: Setup, watcher: Setup, demand: Demand) -> Vec<Check> {
    let mut stage = Stage::with(SEED, &[sender, watcher]);
    stage.run(SETTLE_S);
    stage.begin();
    stage.run(MEASURED_S);
    check(&mut stage, 1, MEASURED_S, demand)
}

const fn way(rtt_ms: u64) -> Path {
    Path::good(Duration::from_millis(rtt_ms / 2))
}

fn lossy(loss: Loss, demand: Demand) -> Vec<Check> {
    let down = way(50).rate(4_000_000).loss(loss);
    let watcher = Setup { down, ..Setup::GOOD };
    measure(Setup::GOOD, watcher, demand)
}

const fn demand(shown: f64, frozen_s: f64, heard: f64, worst: f64) -> Demand {
    Demand { shown, frozen_s, heard, heard_in_worst_second: worst }
}

pub(super) fn one_percent() -> Vec<Check> {
    lossy(Loss::Random(0.01), demand(0.98, 0.5, 0.98, 0.9))
}

pub(super) fn five_percent() -> Vec<Check> {
    lossy(Loss::Random(0.05), demand(0.95, 1.5, 0.92, 0.74))
}

pub(super) fn ten_percent() -> Vec<Check> {
    lossy(Loss::Random(0.1), demand(0.95, 2.0, 0.86, 0.66))
}

pub(super) fn twenty_percent() -> Vec<Check> {
    lossy(Loss::Random(0.2), demand(0.92, 3.0, 0.74, 0.54))
}

pub(super) fn five_percent_in_bursts() -> Vec<Check> {
    lossy(Loss::Bursty { part: 0.05, burst: 8.0 }, demand(0.8, 4.0, 0.88, 0.4))
}

pub(super) fn twenty_percent_in_bursts() -> Vec<Check> {
    lossy(Loss::Bursty { part: 0.2, burst: 8.0 }, demand(0.55, 9.0, 0.68, 0.2))
}

pub(super) fn lossy_uplink() -> Vec<Check> {
    let up = way(50).rate(4_000_000).loss(Loss::Random(0.05));
    measure(Setup { up, ..Setup::GOOD }, Setup::GOOD, demand(0.88, 3.0, 0.91, 0.74))
}

pub(super) fn rtt_50() -> Vec<Check> {
    watched(way(50).rate(4_000_000), Demand::ALL)
}

pub(super) fn rtt_300() -> Vec<Check> {
    watched(way(300).rate(4_000_000), Demand::ALL)
}

pub(super) fn rtt_600() -> Vec<Check> {
    watched(way(600).rate(4_000_000), Demand::ALL)
}

/// One layer of middle size: str0m asks five times within 165 ms for what it misses and
/// then no more, so that over this link most of what is lost twice costs a key frame.
pub(super) fn rtt_600_and_loss() -> Vec<Check> {
    let down = way(600).rate(4_000_000).loss(Loss::Random(0.02));
    let sender = Setup { camera_bps: &[400_000], ..Setup::GOOD };
    measure(sender, Setup { down, up: way(600), ..Setup::GOOD }, demand(0.45, 13.0, 0.95, 0.8))
}

pub(super) fn jitter() -> Vec<Check> {
    watched(way(50).rate(4_000_000).jitter(60 * MS), demand(0.98, 0.5, 0.99, 0.9))
}

pub(super) fn disorder() -> Vec<Check> {
    let down = Path { reorder: 0.05, duplicate: 0.05, ..way(50).rate(4_000_000) };
    watched(down, demand(0.98, 0.5, 0.99, 0.94))
}

pub(super) fn narrow_path() -> Vec<Check> {
    let narrow = Path { mtu_bytes: 1_200, ..way(50).rate(4_000_000) };
    let setup = Setup { up: narrow, down: narrow, ..Setup::GOOD };
    let mut stage = Stage::with(SEED, &[setup, setup]);
    stage.run(SETTLE_S);
    stage.begin();
    stage.run(MEASURED_S);
    let mut checks = check(&mut stage, 1, MEASURED_S, Demand::ALL);
    let too_large = stage.peers[1].down.tally.too_large;
    checks.push(Check::at_most("packets too large", too_large as f64, 0.0, Unit::Count));
    checks
}

pub(super) fn skewed_clocks() -> Vec<Check> {
    let mut stage = Stage::with(SEED, &[Setup::GOOD, Setup::GOOD]);
    // 300 ppm each, against each other: three times what crystals have.
    stage.peers[0].clock_speed = 1.0 + 300e-6;
    stage.peers[1].clock_speed = 1.0 - 300e-6;
    stage.peers[1].down.path.rate_bps = Some(4_000_000);
    stage.run(SETTLE_S);
    stage.begin();
    stage.run(2.0 * MEASURED_S);
    check(&mut stage, 1, 2.0 * MEASURED_S, demand(0.98, 0.5, 0.99, 0.96))
}

/// The downlink falls to 0.3 Mb/s and comes back.
pub(super) fn narrow_for_a_while() -> Vec<Check> {
    let queue_bytes = 60_000;
    let down = Path { queue_bytes, ..way(50).rate(2_500_000) };
    let mut stage = Stage::with(SEED, &[Setup::GOOD, Setup { down, ..Setup::GOOD }]);
    stage.run(10.0);
    let full = mean(&stage.estimates_of(1, 7.0, 10.0)) / 2_500_000.0;
    stage.peers[1].down.path.rate_bps = Some(300_000);
    let narrowed_s = stage.seconds();
    stage.begin();
    stage.run(5.0);
    let transition = stage.peers[1].heard();
    stage.begin();
    stage.run(10.0);
    let settled = stage.seconds();
    let narrow = mean(&stage.estimates_of(1, narrowed_s + 5.0, settled)) / 300_000.0;
    let mut checks = check(&mut stage, 1, 10.0, demand(0.4, 7.0, 0.98, 0.9));
    stage.peers[1].down.path.rate_bps = Some(2_500_000);
    let widened_s = stage.seconds();
    stage.run(15.0);
    let back = time_to_layer(&mut stage, 1, widened_s, 2);
    let heard = f64::from(transition.packets) / 250.0;
    checks.push(Check::at_least("voice while it narrows", heard, 0.6, Unit::Percent));
    checks.push(Check::at_least("estimate of 2.5 Mb/s", full, 0.6, Unit::Percent));
    checks.push(Check::at_least("estimate of 0.3 Mb/s", narrow, 0.6, Unit::Percent));
    checks.push(Check::at_most("estimate of 0.3 Mb/s", narrow, 1.25, Unit::Percent));
    checks.push(Check::at_most("largest layer again after", back, 14.0, Unit::Seconds));
    checks
}

/// The uplink falls to 0.3 Mb/s and comes back. What the sender sends by then fills it
/// for two seconds, and the layer that was watched is the one that ends.
pub(super) fn narrow_uplink() -> Vec<Check> {
    let up = Path { queue_bytes: 60_000, ..way(50).rate(4_000_000) };
    let mut stage =
        Stage::with(SEED, &[Setup { up, uplink: Uplink::Known, ..Setup::GOOD }, Setup::GOOD]);
    stage.run(10.0);
    let before = time_to_layer(&mut stage, 1, 0.0, 2);
    stage.peers[0].up.path.rate_bps = Some(300_000);
    stage.run(10.0);
    stage.begin();
    stage.run(10.0);
    let mut checks = check(&mut stage, 1, 10.0, demand(0.8, 3.0, 0.9, 0.7));
    stage.peers[0].up.path.rate_bps = Some(4_000_000);
    let widened_s = stage.seconds();
    stage.run(30.0);
    let back = time_to_layer(&mut stage, 1, widened_s, 2);
    checks.push(Check::at_most("largest layer first after", before, 10.0, Unit::Seconds));
    checks.push(Check::at_most("largest layer again after", back, 30.0, Unit::Seconds));
    checks
}

/// A camera of 1.5 Mb/s that knows nothing of its uplink of 1 Mb/s, with a second of
/// queue. A third of its packets is lost, so that nothing can be shown, and a key frame
/// takes longer than it takes to ask for the next one. That must not make it worse.
pub(super) fn starving_sender() -> Vec<Check> {
    let up = Path { queue_bytes: 125_000, ..way(50).rate(1_000_000) };
    let sender = Setup { up, camera_bps: &[1_500_000], ..Setup::GOOD };
    let mut stage = Stage::with(SEED, &[sender, Setup::GOOD, Setup::WATCHES]);
    stage.run(SETTLE_S);
    let before = stage.peers[0].camera.as_ref().map_or(0, |camera| camera.key_frames);
    stage.begin();
    stage.run(MEASURED_S);
    let after = stage.peers[0].camera.as_ref().map_or(0, |camera| camera.key_frames);
    let broken = f64::from(stage.peers[1].viewer().seen.broken);
    vec![
        Check::at_most("broken pictures", broken, 0.0, Unit::Count),
        Check::at_least("key frames in 15 s", f64::from(after - before), 3.0, Unit::Count),
        Check::at_most("key frames in 15 s", f64::from(after - before), 10.0, Unit::Count),
    ]
}

/// Half a megabit for a second, every ten.
pub(super) fn pulses() -> Vec<Check> {
    let down = Path { queue_bytes: 60_000, ..way(50).rate(2_500_000) };
    let mut stage = Stage::with(SEED, &[Setup::GOOD, Setup { down, ..Setup::GOOD }]);
    stage.run(9.0);
    stage.begin();
    for _ in 0..3 {
        stage.peers[1].down.path.rate_bps = Some(500_000);
        stage.run(1.0);
        stage.peers[1].down.path.rate_bps = Some(2_500_000);
        stage.run(9.0);
    }
    let large = stage.peers[1].viewer().seen.of_layer[2];
    let mut checks = check(&mut stage, 1, 30.0, demand(0.5, 14.0, 0.95, 0.2));
    let large = f64::from(large) / (30.0 * super::camera::FRAMES_PER_SECOND);
    checks.push(Check::at_least("of them large", large, 0.1, Unit::Percent));
    checks
}

/// One sends little and receives much, the other the other way round.
pub(super) fn uneven_ways() -> Vec<Check> {
    let uphill = Setup {
        up: way(50).rate(400_000),
        down: way(50).rate(4_000_000),
        uplink: Uplink::Believed,
        ..Setup::GOOD
    };
    let downhill =
        Setup { up: way(50).rate(4_000_000), down: way(50).rate(400_000), ..Setup::GOOD };
    let mut stage = Stage::with(SEED, &[uphill, downhill]);
    stage.run(10.0);
    stage.begin();
    stage.run(MEASURED_S);
    let large = stage.peers[0].viewer().seen.of_layer[2];
    let mut checks = check(&mut stage, 1, MEASURED_S, demand(0.9, 2.0, 0.98, 0.6));
    let now = stage.now;
    let seen = stage.peers[0].viewer().end(now);
    let shown = f64::from(seen.frames) / (MEASURED_S * super::camera::FRAMES_PER_SECOND);
    let part = f64::from(large) / f64::from(seen.frames.max(1));
    checks.push(Check::at_least("the other way shown", shown, 0.97, Unit::Percent));
    checks.push(Check::at_least("of them large", part, 0.9, Unit::Percent));
    checks
}

/// The largest layer stops in the middle, as when a device gets hot.
pub(super) fn lost_layer() -> Vec<Check> {
    let mut stage = Stage::with(SEED, &[Setup::GOOD, Setup::GOOD]);
    stage.run(8.0);
    let before = time_to_layer(&mut stage, 1, 0.0, 2);
    stage.begin();
    if let Some(camera) = &mut stage.peers[0].camera {
        camera.lose_layer(LAYERS_BPS.len() - 1);
    }
    stage.run(10.0);
    let mut checks = check(&mut stage, 1, 10.0, demand(0.8, 2.5, 1.0, 0.98));
    checks.push(Check::at_most("largest layer first after", before, 5.0, Unit::Seconds));
    checks
}

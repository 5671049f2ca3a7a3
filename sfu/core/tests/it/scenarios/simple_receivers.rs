//! Watchers whose clients do not tell when packets arrive.

use super::camera::FRAMES_PER_SECOND;
use super::check::{Check, Unit};
use super::outcome::{Demand, check, mean};
use super::peer::{Setup, Tells};
use super::stage::Stage;
use crate::link::Path;

const SEED: u64 = 4;
const SETTLE_S: f64 = 10.0;
const MEASURED_S: f64 = 60.0;
const NARROW_BPS: u64 = 800_000;

/// What is expected over the narrow link.
#[derive(Clone, Copy)]
struct Narrow {
    /// At least this part of the pictures is of the middle layer.
    middle: f64,
    /// At most this part of the packets finds the queue full.
    dropped: f64,
}

/// The middle layer fits; the large one is tried now and then.
fn narrow(tells: Tells, expected: Narrow) -> Vec<Check> {
    let demand = Demand { shown: 0.85, frozen_s: 8.0, heard: 0.97, heard_in_worst_second: 0.6 };
    let down = Path { queue_bytes: 20_000, ..Setup::GOOD.down.rate(NARROW_BPS) };
    let mut stage = watched(Setup { tells, down, ..Setup::GOOD });
    stage.run(SETTLE_S);
    stage.begin();
    let (begun_s, tally) = (stage.seconds(), stage.peers[1].down.tally);
    stage.run(MEASURED_S);
    let estimate = mean(&stage.estimates_of(1, begun_s, stage.seconds())) / NARROW_BPS as f64;
    let after = stage.peers[1].down.tally;
    let dropped = (after.overflowed - tally.overflowed) as f64 / (after.sent - tally.sent) as f64;
    let middle = stage.peers[1].viewer().seen.of_layer[1];
    let mut checks = check(&mut stage, 1, MEASURED_S, demand);
    let middle = f64::from(middle) / (MEASURED_S * FRAMES_PER_SECOND);
    checks.push(Check::at_least("of them of middle size", middle, expected.middle, Unit::Percent));
    checks.push(Check::at_most("estimate", estimate, 1.8, Unit::Percent));
    checks.push(Check::at_most("dropped by the link", dropped, expected.dropped, Unit::Percent));
    checks
}

pub(super) fn narrow_by_loss() -> Vec<Check> {
    narrow(Tells::Loss, Narrow { middle: 0.7, dropped: 0.09 })
}

pub(super) fn narrow_despite_promise() -> Vec<Check> {
    narrow(Tells::LossDespitePromise, Narrow { middle: 0.8, dropped: 0.12 })
}

pub(super) fn narrow_by_estimate() -> Vec<Check> {
    narrow(Tells::LossAndEstimate, Narrow { middle: 0.7, dropped: 0.01 })
}

/// Room for all: the large layer, as soon as it is there, and for good.
pub(super) fn wide() -> Vec<Check> {
    let down = Setup::GOOD.down.rate(4_000_000);
    let mut stage = watched(Setup { tells: Tells::Loss, down, ..Setup::GOOD });
    stage.run(SETTLE_S);
    stage.begin();
    stage.run(MEASURED_S);
    let large = stage.peers[1].viewer().seen.of_layer[2];
    let mut checks = check(&mut stage, 1, MEASURED_S, Demand::ALL);
    let large = f64::from(large) / (MEASURED_S * FRAMES_PER_SECOND);
    checks.push(Check::at_least("of them large", large, 0.98, Unit::Percent));
    checks
}

fn watched(watcher: Setup) -> Stage {
    Stage::with(SEED, &[Setup::GOOD, watcher])
}

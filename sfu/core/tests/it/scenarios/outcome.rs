//! From what a participant saw and heard to checks.

use super::camera::FRAMES_PER_SECOND;
use super::check::{Check, Unit};
use super::peer::Peer;
use super::stage::Stage;
use super::viewer::Seen;

/// Voice packets per second.
pub(super) const VOICE_PER_SECOND: f64 = 50.0;

/// What one participant must at least get.
#[derive(Clone, Copy, Debug)]
pub(super) struct Demand {
    /// Part of the camera's pictures that can be shown.
    pub(super) shown: f64,
    /// Pictures may stand still for this long in all, seconds.
    pub(super) frozen_s: f64,
    /// Part of the voice packets that arrive.
    pub(super) heard: f64,
    /// And of those of the worst second.
    pub(super) heard_in_worst_second: f64,
}

impl Demand {
    /// A link without faults.
    pub(super) const ALL: Self =
        Self { shown: 0.99, frozen_s: 0.0, heard: 1.0, heard_in_worst_second: 0.98 };
}

/// Ends a measured time of `seconds` for a participant.
pub(super) fn check(stage: &mut Stage, peer: usize, seconds: f64, demand: Demand) -> Vec<Check> {
    let now = stage.now;
    let peer = &mut stage.peers[peer];
    let seen = peer.viewer().end(now);
    let mut checks = seen_checks(&seen, seconds, demand);
    checks.extend(heard_checks(peer, seconds, demand));
    checks
}

pub(super) fn seen_checks(seen: &Seen, seconds: f64, demand: Demand) -> Vec<Check> {
    let shown = f64::from(seen.frames) / (seconds * FRAMES_PER_SECOND);
    vec![
        Check::at_most("broken pictures", f64::from(seen.broken), 0.0, Unit::Count),
        Check::at_least("pictures shown", shown, demand.shown, Unit::Percent),
        Check::at_most("frozen", seen.frozen.as_secs_f64(), demand.frozen_s, Unit::Seconds),
    ]
}

pub(super) fn heard_checks(peer: &Peer, seconds: f64, demand: Demand) -> Vec<Check> {
    let heard = peer.heard();
    let part = f64::from(heard.packets) / (seconds * VOICE_PER_SECOND);
    let worst = heard.by_second.iter().take(seconds as usize).min().copied().unwrap_or(0);
    let worst = f64::from(worst) / VOICE_PER_SECOND;
    let least = demand.heard_in_worst_second;
    vec![
        Check::at_least("voice heard", part.min(1.0), demand.heard, Unit::Percent),
        Check::at_least("in its worst second", worst.min(1.0), least, Unit::Percent),
    ]
}

/// Seconds after `from_s` until the viewer saw `layer` or a larger one; NaN for never.
pub(super) fn time_to_layer(stage: &mut Stage, peer: usize, from_s: f64, layer: u8) -> f64 {
    let layers = &stage.peers[peer].viewer().layers;
    let before = layers.iter().rev().find(|(at, _)| at.as_secs_f64() <= from_s);
    if before.is_some_and(|(_, shown)| *shown >= layer) {
        return 0.0;
    }
    let later = layers.iter().find(|(at, shown)| at.as_secs_f64() > from_s && *shown >= layer);
    later.map_or(f64::NAN, |(at, _)| at.as_secs_f64() - from_s)
}

pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

//! What is known of a call's quality: figures of each participant, for the record and
//! for whoever looks at them now.
//!
//! The relay measures both ways of each participant; the clients measure what they
//! hear and see. What sounds good or bad is judged here, where both ends are known.

mod series;
mod summary;

use std::collections::BTreeMap;

use housecall_protocol::PersonId;
use housecall_protocol::client::CallReport;
use housecall_protocol::cluster::QualityReport;
use housecall_protocol::domain::TrackSource;
use housecall_protocol::media::{Direction, MediaFault, MediaPath, TrackQuality};

use super::mos::{self, Heard};
use series::Series;
pub(crate) use summary::Summary;

/// A minute: no measured time of a living call is longer.
const MAX_MS: f32 = 60_000.0;
/// 10 Gb/s: no measured rate is higher.
const MAX_BPS: f32 = 1e10;
/// Different faults kept of one participant; a call has few, a liar makes many.
const MAX_FAULTS: usize = 32;

/// Aggregates of one call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Quality {
    people: BTreeMap<PersonId, Aggregate>,
}

/// One judgement of what a participant hears.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) mos: f32,
    /// Share of packets lost on the worse way, 0 to 1.
    pub(crate) loss: f32,
    pub(crate) rtt_ms: Option<f32>,
}

#[derive(Clone, Debug, Default)]
struct Aggregate {
    mos: Series,
    loss_up: Series,
    loss_down: Series,
    rtt_ms: Series,
    jitter_ms: Series,
    received_bps: Series,
    sent_bps: Series,
    tracks: BTreeMap<(TrackSource, bool), TrackAggregate>,
    first_frame_ms: Option<u32>,
    freezes: u32,
    path: Option<MediaPath>,
    faults: BTreeMap<(TrackSource, MediaFault), u32>,
}

#[derive(Clone, Debug, Default)]
struct TrackAggregate {
    loss: Series,
    jitter_ms: Series,
    bitrate_bps: Series,
    frames_per_second: Series,
    freezes: u32,
}

impl Quality {
    /// The relay's measurement.
    pub(crate) fn sample(&mut self, person: PersonId, report: &QualityReport) {
        let one = self.people.entry(person).or_default();
        one.loss_up.add(Some(report.loss_up), 1.0);
        one.loss_down.add(Some(report.loss_down), 1.0);
        one.rtt_ms.add(report.rtt_ms, MAX_MS);
        one.jitter_ms.add(report.jitter_ms, MAX_MS);
        one.received_bps.add(Some(report.received_bps as f32), MAX_BPS);
        one.sent_bps.add(Some(report.sent_bps as f32), MAX_BPS);
        // What a client receives it measures itself, after what was repaired.
        let up = report.tracks.iter().filter(|track| track.direction == Direction::Up);
        up.for_each(|track| one.track(track));
    }

    /// The participant's own measurement; judged when there is something to judge by.
    pub(crate) fn report(&mut self, person: PersonId, report: &CallReport) -> Option<Sample> {
        let others_ms = self.one_way_ms_of_others(person);
        let one = self.people.entry(person).or_default();
        one.rtt_ms.add(report.rtt_ms, MAX_MS);
        one.jitter_ms.add(report.jitter_ms, MAX_MS);
        one.first_frame_ms = one.first_frame_ms.or(report.first_frame_ms);
        one.freezes = one.freezes.saturating_add(report.freezes.unwrap_or(0));
        one.path = report.path.or(one.path);
        let down = report.tracks.iter().filter(|track| track.direction == Direction::Down);
        down.for_each(|track| one.track(track));
        let lost = one.loss_now(report);
        let percent = report.concealed_percent.or(report.loss_percent)?;
        let heard = Heard {
            network_ms: others_ms + one.rtt_ms.last().unwrap_or(0.0) / 2.0,
            buffered_ms: bounded(report.jitter_buffer_ms, MAX_MS),
            loss: bounded(Some(percent), 100.0) / 100.0,
        };
        let mos = mos::score(heard) as f32;
        one.mos.add(Some(mos), 5.0);
        Some(Sample { mos, loss: lost, rtt_ms: one.rtt_ms.last().map(|ms| ms as f32) })
    }

    /// A track of theirs was stuck, or they did not get one.
    pub(crate) fn fault(&mut self, person: PersonId, source: TrackSource, fault: MediaFault) {
        let faults = &mut self.people.entry(person).or_default().faults;
        if faults.len() < MAX_FAULTS || faults.contains_key(&(source, fault)) {
            let times = faults.entry((source, fault)).or_default();
            *times = times.saturating_add(1);
        }
    }

    pub(crate) fn summaries(&self) -> Vec<Summary> {
        self.people.iter().map(|(person, one)| one.summary(*person)).collect()
    }

    /// From the others to the relay, milliseconds: of the one who is farthest away.
    fn one_way_ms_of_others(&self, person: PersonId) -> f64 {
        let others = self.people.iter().filter(|(other, _)| **other != person);
        others.filter_map(|(_, one)| one.rtt_ms.last()).fold(0.0, f64::max) / 2.0
    }
}

impl Aggregate {
    fn track(&mut self, track: &TrackQuality) {
        let key = (track.source, track.direction == Direction::Up);
        let one = self.tracks.entry(key).or_default();
        one.loss.add(Some(track.loss), 1.0);
        one.jitter_ms.add(track.jitter_ms, MAX_MS);
        one.bitrate_bps.add(Some(track.bitrate_bps as f32), MAX_BPS);
        one.frames_per_second.add(track.frames_per_second, 1000.0);
        one.freezes = one.freezes.saturating_add(track.freezes.unwrap_or(0));
    }

    /// The worse of what the relay and the client last lost, 0 to 1.
    fn loss_now(&self, report: &CallReport) -> f32 {
        let up = self.loss_up.last().unwrap_or(0.0);
        let down = self.loss_down.last().unwrap_or(0.0);
        let heard = bounded(report.loss_percent, 100.0) / 100.0;
        up.max(down).max(heard) as f32
    }
}

/// Clients say what they like: a missing or meaningless figure is 0.
fn bounded(value: Option<f32>, max: f32) -> f64 {
    f64::from(value.filter(|value| value.is_finite()).unwrap_or(0.0).clamp(0.0, max))
}

#[cfg(test)]
mod tests {
    use housecall_protocol::CallId;
    use uuid::Uuid;

    use super::*;

    fn person(n: u128) -> PersonId {
        PersonId(Uuid::from_u128(n))
    }

    fn report(percent: f32, rtt_ms: f32) -> CallReport {
        CallReport {
            loss_percent: Some(percent),
            rtt_ms: Some(rtt_ms),
            ..CallReport::of(CallId(Uuid::nil()))
        }
    }

    #[test]
    fn both_legs_count_and_what_was_repaired_does_not() {
        let mut quality = Quality::default();
        let near = quality.report(person(1), &report(0.0, 20.0)).expect("it said what it lost");
        assert!(near.mos > 4.3);
        quality.report(person(2), &report(0.0, 600.0));
        let far = quality.report(person(1), &report(0.0, 20.0)).expect("it said what it lost");
        assert!(far.mos < 4.0, "the other is far away: {}", far.mos);
        let lossy = quality.report(person(1), &report(10.0, 20.0)).expect("it said what it lost");
        let repaired = CallReport { concealed_percent: Some(0.0), ..report(10.0, 20.0) };
        let repaired = quality.report(person(1), &repaired).expect("it said what it lost");
        assert!(repaired.mos > lossy.mos + 1.0);
        assert!((repaired.loss - 0.1).abs() < 1e-6, "the network lost it nevertheless");
    }

    #[test]
    fn nothing_is_judged_without_a_figure() {
        let mut quality = Quality::default();
        assert_eq!(quality.report(person(1), &CallReport::of(CallId(Uuid::nil()))), None);
        assert_eq!(quality.summaries()[0].mos_min, None);
    }

    #[test]
    fn lies_stay_within_bounds() {
        let mut quality = Quality::default();
        for lie in [f32::NAN, f32::INFINITY, -1e30, 1e30] {
            let report = CallReport {
                jitter_ms: Some(lie),
                jitter_buffer_ms: Some(lie),
                concealed_percent: Some(lie),
                ..report(lie, lie)
            };
            let sample = quality.report(person(1), &report).expect("a figure was given");
            assert!((1.0..=4.5).contains(&sample.mos), "{sample:?}");
            assert!((0.0..=1.0).contains(&sample.loss), "{sample:?}");
        }
        let summary = &quality.summaries()[0];
        assert!(summary.rtt_max_ms.is_some_and(|ms| ms <= MAX_MS));
    }
}

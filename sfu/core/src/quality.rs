//! Quality of one participant's media: what the relay counted since the last report.

use std::time::{Duration, Instant};

use housecall_protocol::cluster::QualityReport;
use housecall_protocol::ids::PersonId;
use housecall_protocol::media::{Direction, TrackQuality};
use str0m::media::MediaKind;

use crate::core::Core;
use crate::participant::Participant;
use crate::slab::Key;

/// When reports are due, and the totals of the last one.
#[derive(Debug)]
pub(crate) struct Meter {
    interval: Duration,
    next: Option<Instant>,
    previous: Option<Totals>,
}

#[derive(Clone, Copy, Debug)]
struct Totals {
    at: Instant,
    received_bytes: u64,
    sent_bytes: u64,
}

/// Packets that should have arrived, and those that did not.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Loss {
    expected: u64,
    lost: u64,
}

impl Loss {
    const fn plus(self, other: Self) -> Self {
        Self { expected: self.expected + other.expected, lost: self.lost + other.lost }
    }

    fn share(self) -> f32 {
        (self.lost as f32 / self.expected.max(1) as f32).clamp(0.0, 1.0)
    }
}

impl Meter {
    pub(crate) const fn new(interval: Duration) -> Self {
        Self { interval, next: None, previous: None }
    }

    /// The session is up: the first report covers the time from now on.
    pub(crate) fn start(&mut self, now: Instant) {
        self.previous = Some(Totals { at: now, received_bytes: 0, sent_bytes: 0 });
        self.next = Some(now + self.interval);
    }

    pub(crate) const fn next(&self) -> Option<Instant> {
        self.next
    }

    fn take_due(&mut self, now: Instant) -> bool {
        let due = self.next.is_some_and(|next| next <= now);
        if due {
            self.next = Some(now + self.interval);
        }
        due
    }
}

impl Core {
    /// The report that is due, with the packets that were lost both ways.
    pub(crate) fn quality(&mut self, now: Instant, key: Key) -> Option<(QualityReport, u64)> {
        let participant = self.participants.get_mut(key)?;
        if !participant.quality.take_due(now) {
            return None;
        }
        let (up, mut tracks) = participant.quality_up(now);
        let senders: Vec<_> = participant.slots.iter().map(|slot| slot.carries).collect();
        let senders: Vec<_> = senders
            .into_iter()
            .map(|carries| Some((self.participants.get(carries?.publisher)?.person, carries?)))
            .map(|sender| sender.map(|(person, track)| (person, track.source)))
            .collect();
        let participant = self.participants.get_mut(key)?;
        let down = participant.quality_down(&senders, &mut tracks);
        let totals = Totals {
            at: now,
            received_bytes: participant.inbound.bytes,
            sent_bytes: participant.outbound.sent_bytes(),
        };
        let previous = participant.quality.previous.replace(totals)?;
        let seconds = now.saturating_duration_since(previous.at).as_secs_f64().max(0.001);
        let rate =
            |now: u64, before: u64| (now.saturating_sub(before) as f64 * 8.0 / seconds) as u64;
        let report = QualityReport {
            loss_up: up.share(),
            loss_down: down.share(),
            rtt_ms: participant.outbound.measured_rtt().map(|rtt| rtt.as_secs_f32() * 1_000.0),
            jitter_ms: participant.jitter_ms(),
            received_bps: rate(totals.received_bytes, previous.received_bytes),
            sent_bps: rate(totals.sent_bytes, previous.sent_bytes),
            estimate_bps: participant.outbound.estimate_bps(),
            tracks,
        };
        Some((report, up.lost + down.lost))
    }
}

impl Participant {
    /// What was received of each track, and of all together.
    fn quality_up(&mut self, now: Instant) -> (Loss, Vec<TrackQuality>) {
        let (mut all, mut tracks) = (Loss::default(), Vec::new());
        for track in &mut self.tracks {
            let (mut loss, mut bps, mut jitter_ms) = (Loss::default(), 0, None);
            for stream in track.layers.iter_mut().filter_map(|layer| layer.stream.as_mut()) {
                let (expected, lost) = stream.take_losses();
                loss = loss.plus(Loss { expected, lost });
                bps += stream.bps(now);
                jitter_ms = Some(stream.jitter_ms());
            }
            all = all.plus(loss);
            if loss.expected > 0 {
                tracks.push(TrackQuality {
                    source: track.source,
                    direction: Direction::Up,
                    person: None,
                    loss: loss.share(),
                    jitter_ms,
                    bitrate_bps: bps,
                    frames_per_second: None,
                    freezes: None,
                });
            }
        }
        (all, tracks)
    }

    /// What the participant reported of each slot. `senders`: whose track each carries.
    fn quality_down(
        &mut self,
        senders: &[Option<(PersonId, housecall_protocol::domain::TrackSource)>],
        tracks: &mut Vec<TrackQuality>,
    ) -> Loss {
        let mut all = Loss::default();
        let seconds = self.quality.interval.as_secs_f64().max(0.001);
        for (stream, sender) in self.outbound.streams.iter_mut().zip(senders) {
            let heard = stream.take_heard();
            let loss = Loss { expected: heard.expected, lost: heard.lost };
            all = all.plus(loss);
            if let Some((person, source)) = sender
                && heard.bytes > 0
            {
                tracks.push(TrackQuality {
                    source: *source,
                    direction: Direction::Down,
                    person: Some(*person),
                    loss: loss.share(),
                    jitter_ms: heard.jitter_ms,
                    bitrate_bps: (heard.bytes as f64 * 8.0 / seconds) as u64,
                    frames_per_second: None,
                    freezes: None,
                });
            }
        }
        all
    }

    /// Jitter of the voice, which is what people hear; of the picture without one.
    fn jitter_ms(&self) -> Option<f32> {
        let streams = self.tracks.iter().flat_map(|track| {
            let kind = crate::slots::kind_of(track.source);
            track.layers.iter().filter_map(move |layer| Some((kind, layer.stream.as_ref()?)))
        });
        let preferred = streams.max_by_key(|(kind, _)| *kind == MediaKind::Audio);
        preferred.map(|(_, stream)| stream.jitter_ms())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_within_zero_and_one() {
        assert_eq!(Loss::default().share(), 0.0);
        let one = Loss { expected: 10, lost: 1 };
        assert_eq!(one.plus(Loss { expected: 10, lost: 4 }).share(), 0.25);
        assert_eq!(Loss { expected: 1, lost: 5 }.share(), 1.0);
    }
}

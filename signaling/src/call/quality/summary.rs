//! One participant's quality as the call record keeps it.

use housecall_protocol::PersonId;
use housecall_protocol::media::MediaPath;
use serde_json::{Value, json};

use super::{Aggregate, TrackAggregate};

/// A row of `crm.call_quality`. Shares are 0 to 1; absent is what nobody measured.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Summary {
    pub(crate) person: PersonId,
    pub(crate) mos_mean: Option<f32>,
    pub(crate) mos_min: Option<f32>,
    pub(crate) loss_up: Option<f32>,
    pub(crate) loss_up_max: Option<f32>,
    pub(crate) loss_down: Option<f32>,
    pub(crate) loss_down_max: Option<f32>,
    pub(crate) rtt_ms: Option<f32>,
    pub(crate) rtt_max_ms: Option<f32>,
    pub(crate) jitter_ms: Option<f32>,
    /// From the participant.
    pub(crate) received_bps: Option<f32>,
    /// To the participant.
    pub(crate) sent_bps: Option<f32>,
    pub(crate) freezes: u32,
    pub(crate) first_frame_ms: Option<u32>,
    pub(crate) path: Option<MediaPath>,
    /// `[{source, direction, loss, jitter_ms, bitrate_bps, frames_per_second, freezes}]`.
    pub(crate) tracks: Value,
    /// `[{source, fault, times}]`.
    pub(crate) faults: Value,
}

impl Aggregate {
    pub(super) fn summary(&self, person: PersonId) -> Summary {
        let tracks = self.tracks.iter().map(|((source, up), track)| {
            let direction = if *up { "up" } else { "down" };
            track.to_json(source.as_str(), direction)
        });
        let faults = self.faults.iter().map(|((source, fault), times)| {
            json!({ "source": source.as_str(), "fault": fault.as_str(), "times": times })
        });
        Summary {
            person,
            mos_mean: self.mos.mean(),
            mos_min: self.mos.min(),
            loss_up: self.loss_up.mean(),
            loss_up_max: self.loss_up.max(),
            loss_down: self.loss_down.mean(),
            loss_down_max: self.loss_down.max(),
            rtt_ms: self.rtt_ms.mean(),
            rtt_max_ms: self.rtt_ms.max(),
            jitter_ms: self.jitter_ms.mean(),
            received_bps: self.received_bps.mean(),
            sent_bps: self.sent_bps.mean(),
            freezes: self.freezes,
            first_frame_ms: self.first_frame_ms,
            path: self.path,
            tracks: tracks.collect(),
            faults: faults.collect(),
        }
    }
}

impl TrackAggregate {
    fn to_json(&self, source: &str, direction: &str) -> Value {
        json!({
            "source": source,
            "direction": direction,
            "loss": self.loss.mean(),
            "jitter_ms": self.jitter_ms.mean(),
            "bitrate_bps": self.bitrate_bps.mean().map(f32::round),
            "frames_per_second": self.frames_per_second.mean(),
            "freezes": self.freezes,
        })
    }
}

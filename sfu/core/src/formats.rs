//! The payload types that one session description gave to codecs, and which of
//! another session's they correspond to.

use str0m::Rtc;
use str0m::format::{Codec, CodecSpec, PayloadParams};

use crate::codec::VideoCodec;

/// One codec with its payload types.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Format {
    pub(crate) payload_type: u8,
    /// Of its repetitions (RFC 4588).
    pub(crate) rtx: Option<u8>,
    /// Of redundant packets around it (RFC 2198).
    pub(crate) red: Option<u8>,
    /// The peer repeats packets that are asked for.
    pub(crate) nack: bool,
    pub(crate) spec: CodecSpec,
}

impl Format {
    /// The codec, when it is forwarded by layer.
    pub(crate) const fn video(&self) -> Option<VideoCodec> {
        match self.spec.codec {
            Codec::Vp8 => Some(VideoCodec::Vp8),
            Codec::Vp9 => Some(VideoCodec::Vp9),
            Codec::H264 => Some(VideoCodec::H264),
            Codec::Av1 => Some(VideoCodec::Av1),
            _ => None,
        }
    }

    /// Ticks of a timestamp in a second.
    pub(crate) const fn clock_rate(&self) -> u32 {
        self.spec.clock_rate.get()
    }
}

impl From<&PayloadParams> for Format {
    fn from(params: &PayloadParams) -> Self {
        Self {
            payload_type: *params.pt(),
            rtx: params.resend().map(|pt| *pt),
            red: params.red().map(|pt| *pt),
            nack: params.fb_nack(),
            spec: params.spec(),
        }
    }
}

/// A subscriber's payload types for a publisher's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ours {
    pub(crate) plain: u8,
    /// Of redundant packets around it, if they take any.
    pub(crate) red: Option<u8>,
}

#[derive(Debug, Default)]
pub(crate) struct Formats(Vec<Format>);

impl Formats {
    /// What a session has agreed on so far.
    pub(crate) fn of(rtc: &Rtc) -> Self {
        Self(rtc.codec_config().params().iter().map(Format::from).collect())
    }

    pub(crate) fn find(&self, payload_type: u8) -> Option<&Format> {
        self.0.iter().find(|format| format.payload_type == payload_type)
    }

    /// The format that packets of this payload type carry with redundancy (RFC 2198).
    pub(crate) fn within(&self, payload_type: u8) -> Option<&Format> {
        self.0.iter().find(|format| format.red == Some(payload_type))
    }

    /// The format whose repetitions have this payload type.
    pub(crate) fn repaired_by(&self, payload_type: u8) -> Option<&Format> {
        self.0.iter().find(|format| format.rtx == Some(payload_type))
    }

    /// Payload types out of `negotiated` with those of their repetitions.
    pub(crate) fn repairs(&self, negotiated: &[u8]) -> Vec<(u8, u8)> {
        let formats = self.0.iter().filter(|format| negotiated.contains(&format.payload_type));
        formats.filter_map(|format| Some((format.payload_type, format.rtx?))).collect()
    }

    /// The payload types out of `negotiated` for what another session calls `spec`.
    pub(crate) fn matching(&self, spec: &CodecSpec, negotiated: &[u8]) -> Option<Ours> {
        let candidates = || {
            let formats = self.0.iter().filter(|format| format.spec.codec == spec.codec);
            formats.filter(|format| negotiated.contains(&format.payload_type))
        };
        let chosen = match spec.codec {
            // Same packetisation (RFC 6184 section 5.4), best with the same profile.
            // Decoders in browsers take any profile they offered, so another one is
            // better than none.
            Codec::H264 => candidates()
                .filter(|ours| packetization_mode(&ours.spec) == packetization_mode(spec))
                .max_by_key(|ours| profile(&ours.spec) == profile(spec)),
            // RFC 9628 section 7.1: profiles differ in depth and subsampling.
            Codec::Vp9 => candidates()
                .find(|ours| ours.spec.format.profile_id == spec.format.profile_id)
                .or_else(|| candidates().next()),
            _ => candidates().next(),
        };
        chosen.map(|format| Ours { plain: format.payload_type, red: format.red })
    }
}

fn packetization_mode(spec: &CodecSpec) -> u8 {
    spec.format.packetization_mode.unwrap_or(0)
}

fn profile(spec: &CodecSpec) -> Option<u32> {
    spec.format.profile_level_id.map(|id| id >> 8)
}

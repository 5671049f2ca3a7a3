//! What the relay reads in a media payload, and the few bytes of it that it changes.
//!
//! Forwarding wants to know where a decoder may start, which layer a packet belongs
//! to, and what may be left out without anybody noticing; that stands in the first
//! bytes of a payload, or for AV1 in an RTP header extension. Nothing here decodes
//! pictures, keeps packets or knows participants. All of it is read from hostile
//! bytes: what does not parse is `None`, never a panic.

pub mod av1;
mod bits;
pub mod dependency;
pub mod h264;
pub mod patch;
pub mod red;
pub mod vp8;
pub mod vp9;

use crate::codec::dependency::{Dependencies, Links};
pub use crate::codec::patch::Patch;

/// Spatial layers the relay tells apart: three simulcast encodings, or three of one
/// stream. A stream with more is read as if the upper ones were the third.
pub const MAX_SPATIAL: usize = 3;
/// Temporal layers the relay tells apart, as [`MAX_SPATIAL`].
pub const MAX_TEMPORAL: usize = 3;

/// Video codecs that are forwarded by layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VideoCodec {
    Vp8,
    Vp9,
    H264,
    Av1,
}

/// Width and height of a picture in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    pub width: u16,
    pub height: u16,
}

impl Size {
    /// The smaller of both: what "720p" means whichever way the picture is turned.
    pub fn short_side(self) -> u16 {
        self.width.min(self.height)
    }
}

/// What forwarding needs to know of one packet of video.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The packet is the first of a picture that needs no earlier one: a decoder that
    /// knows nothing can start here.
    pub starts_keyframe: bool,
    /// Last packet of this layer's part of the picture.
    pub ends_layer: bool,
    /// Within the stream; simulcast encodings are streams of their own. Below
    /// [`MAX_SPATIAL`].
    pub spatial: u8,
    /// Below [`MAX_TEMPORAL`].
    pub temporal: u8,
    /// No later picture refers to this one.
    pub discardable: bool,
    /// Whoever received the lower temporal layers only may go on with this one's.
    pub switching_point: bool,
    pub detail: Detail,
}

/// What only one codec has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    None,
    Vp8(vp8::Descriptor),
    Vp9(vp9::Descriptor),
    Links(Links),
}

/// One packet as received, without its RTP header.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    pub payload: &'a [u8],
    /// The RTP marker: last packet of the picture with all its layers.
    pub marker: bool,
    /// The bytes of the dependency descriptor extension, if the packet has one.
    pub dependency: Option<&'a [u8]>,
}

/// Reads the packets of one received stream (one SSRC), and keeps what such a stream
/// says only now and then.
#[derive(Debug)]
pub struct FrameReader {
    codec: VideoCodec,
    dependencies: Dependencies,
}

impl FrameReader {
    pub fn new(codec: VideoCodec) -> Self {
        Self { codec, dependencies: Dependencies::default() }
    }

    pub const fn codec(&self) -> VideoCodec {
        self.codec
    }

    /// What a packet is. `None` for one that no decoder could use either.
    pub fn read(&mut self, packet: Packet<'_>) -> Option<Frame> {
        match self.codec {
            VideoCodec::Vp8 => {
                vp8::Descriptor::parse(packet.payload).map(|it| it.frame(packet.marker))
            }
            VideoCodec::Vp9 => vp9::Descriptor::parse(packet.payload).map(vp9::Descriptor::frame),
            VideoCodec::H264 => {
                let frame = h264::frame(packet)?;
                Some(self.layered(frame, packet))
            }
            VideoCodec::Av1 => {
                let frame = av1::frame(packet)?;
                Some(self.layered(frame, packet))
            }
        }
    }

    /// Sizes of the layers, lowest first, as a keyframe's first packet tells them;
    /// `None` where it does not.
    pub fn sizes(&self, packet: Packet<'_>) -> [Option<Size>; MAX_SPATIAL] {
        match self.codec {
            VideoCodec::Vp8 => [vp8::size(packet.payload), None, None],
            VideoCodec::Vp9 => vp9::sizes(packet.payload),
            VideoCodec::H264 => [h264::size(packet.payload), None, None],
            VideoCodec::Av1 => self.dependencies.sizes(),
        }
    }

    /// Adds what the dependency descriptor says of a packet. Without a readable one,
    /// what the payload says has to do.
    fn layered(&mut self, frame: Frame, packet: Packet<'_>) -> Frame {
        let links = packet.dependency.and_then(|bytes| self.dependencies.read(bytes));
        links.map_or(frame, |links| links.frame(frame.starts_keyframe))
    }
}

/// Clamps a layer's number to those that are told apart.
const fn layer(number: u8, layers: usize) -> u8 {
    let highest = layers as u8 - 1;
    if number < highest { number } else { highest }
}

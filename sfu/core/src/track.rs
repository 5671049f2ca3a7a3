//! Something a participant publishes.

use std::time::Instant;

use housecall_protocol::domain::TrackSource;
use str0m::media::{MediaKind, Mid, Rid};

use crate::codec::{FrameReader, MAX_SPATIAL, Size};
use crate::inbound::Stream;
use crate::keyframe::KeyframeRequests;
use crate::layers::{self, Dynacast, Meter, Stacking};
use crate::packet::Packet;
use crate::relay::Relaying;
use crate::slab::Key;
use crate::slots::kind_of;
use crate::stuck::Arriving;
use crate::voices::Voice;

#[derive(Debug)]
pub(crate) struct Track {
    pub(crate) mid: Mid,
    pub(crate) source: TrackSource,
    /// The m-line's direction lets the participant send.
    pub(crate) published: bool,
    /// Lowest quality first; one without simulcast.
    pub(crate) layers: Vec<Layer>,
    pub(crate) content: Content,
    pub(crate) relaying: Relaying,
    pub(crate) arriving: Arriving,
}

/// What the relay learns of a track by its kind.
#[derive(Debug)]
pub(crate) enum Content {
    Sound(Voice),
    Picture { meter: Box<Meter>, dynacast: Dynacast },
}

/// One encoding of a track: a stream of its own.
#[derive(Debug)]
pub(crate) struct Layer {
    /// Its name in the session description; `None` without simulcast.
    pub(crate) rid: Option<Rid>,
    /// Known with the first packet; another one when the publisher restarts the track.
    pub(crate) stream: Option<Stream>,
    /// Reads video of that stream.
    pub(crate) reader: Option<FrameReader>,
    pub(crate) keyframes: KeyframeRequests,
    /// The newest packet of audio, to be repeated to who loses many.
    pub(crate) newest: Option<Newest>,
    /// Whose slots are sent it, or wait for its next keyframe.
    pub(crate) subscribers: Vec<Subscriber>,
}

/// A packet of audio that was passed on.
#[derive(Clone, Debug)]
pub(crate) struct Newest {
    pub(crate) seq: u64,
    pub(crate) timestamp: u32,
    pub(crate) packet: Packet,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subscriber {
    pub(crate) participant: Key,
    pub(crate) slot: usize,
}

impl Track {
    /// `rids`: its simulcast layers, or a nameless one.
    pub(crate) fn new(
        now: Instant,
        source: TrackSource,
        mid: Mid,
        published: bool,
        rids: &[Option<Rid>],
    ) -> Self {
        let layers: Vec<_> = rids.iter().map(|rid| Layer::new(*rid)).collect();
        let content = match kind_of(source) {
            MediaKind::Audio => Content::Sound(Voice::default()),
            MediaKind::Video => Content::Picture {
                meter: Box::new(Meter::new(now, shows(source), layers.len())),
                dynacast: Dynacast::default(),
            },
        };
        let (relaying, arriving) = (Relaying::default(), Arriving::default());
        Self { mid, source, published, layers, content, relaying, arriving }
    }

    pub(crate) fn meter(&self) -> Option<&Meter> {
        match &self.content {
            Content::Picture { meter, .. } => Some(meter),
            Content::Sound(_) => None,
        }
    }

    pub(crate) const fn voice_mut(&mut self) -> Option<&mut Voice> {
        match &mut self.content {
            Content::Sound(voice) => Some(voice),
            Content::Picture { .. } => None,
        }
    }

    pub(crate) fn stacking(&self) -> Stacking {
        self.meter().map_or(Stacking::Simulcast, Meter::stacking)
    }

    /// Notes the sizes that a keyframe of one of its streams told, lowest layer first.
    pub(crate) fn set_sizes(&mut self, stream: usize, sizes: [Option<Size>; MAX_SPATIAL]) {
        if let Content::Picture { meter, .. } = &mut self.content {
            match meter.stacking() {
                Stacking::Simulcast => meter.set_sizes(stream as u8, [sizes[0], None, None]),
                Stacking::Scalable => meter.set_sizes(0, sizes),
            }
        }
    }

    /// Counts a packet of one of its streams. `within`: its layer in the stream.
    pub(crate) fn count(
        &mut self,
        now: Instant,
        stream: usize,
        within: layers::Layer,
        bytes: usize,
    ) {
        if let Content::Picture { meter, .. } = &mut self.content {
            let spatial = match meter.stacking() {
                // Streams are as many as the meter tells apart.
                Stacking::Simulcast => stream as u8,
                Stacking::Scalable => within.spatial,
            };
            meter.note(now, layers::Layer { spatial, ..within }, bytes);
        }
    }
}

/// What a video source shows.
pub(crate) const fn shows(source: TrackSource) -> layers::Content {
    match source {
        TrackSource::Screen => layers::Content::Screen,
        TrackSource::Camera | TrackSource::Microphone => layers::Content::Camera,
    }
}

impl Layer {
    /// Whether packets of it came in the last second.
    pub(crate) fn flows(&mut self, now: Instant) -> bool {
        self.stream.as_mut().is_some_and(|stream| stream.bps(now) > 0)
    }

    pub(crate) fn new(rid: Option<Rid>) -> Self {
        Self {
            rid,
            stream: None,
            reader: None,
            keyframes: KeyframeRequests::default(),
            newest: None,
            subscribers: Vec::new(),
        }
    }
}

//! A place in which a participant can receive one track: one m-line, one SSRC.

use std::time::Instant;

use str0m::media::{MediaKind, Mid};

use crate::codec::dependency::Indication;
use crate::codec::{Detail, Frame};
use crate::formats::Ours;
use crate::layers::{
    Candidate, Choice, Layer, Outgoing, Pause, Renumber, Selector, Source, Stacking, Tile, Verdict,
};
use crate::media::Media;
use crate::slots::TrackId;
use crate::stuck::Passing;
use crate::wire::extensions::Extension;

/// What a mask of decode targets may add to a dependency descriptor.
const MASK_BYTES: usize = 5;

#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) mid: Mid,
    pub(crate) kind: MediaKind,
    /// The m-line lets us send. A closed slot is kept, since its SSRC and numbers
    /// go on when it opens again.
    pub(crate) open: bool,
    /// Payload types the m-line may be sent in.
    pub(crate) payload_types: Vec<u8>,
    pub(crate) carries: Option<TrackId>,
    /// How large the participant shows it.
    pub(crate) tile: Tile,
    /// What of a video track fits the link and the tile.
    pub(crate) choice: Choice,
    /// Picks the packets of that out of the track.
    selector: Selector,
    numbers: Renumber,
    pub(crate) passing: Passing,
    /// How much of audio does not arrive.
    loss: Loss,
    /// The payload type of the source that was translated last, and ours for it
    /// (`None` when the receiver did not negotiate the codec).
    pub(crate) translated: Option<(u8, Option<Ours>)>,
}

/// What becomes of a packet in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Sent {
        numbers: Outgoing,
        marker: bool,
        /// It is the first one of its stream here.
        begins: bool,
    },
    /// It is of a layer that is not sent, or comes before a decoder can start.
    LeftOut,
    /// It came too late.
    Unusable,
}

/// What the subscriber reports to lose, as a mean over some reports.
#[derive(Clone, Copy, Debug, Default)]
struct Loss {
    share: f32,
    much: bool,
}

impl Loss {
    /// From this share on audio is repeated, and below the other no more. In between a
    /// decoder conceals what is missing well enough.
    const MUCH: f32 = 0.02;
    const LITTLE: f32 = 0.005;
    /// Weight of the newest report.
    const WEIGHT: f32 = 0.25;

    fn note(&mut self, share: f32) {
        self.share += (share - self.share) * Self::WEIGHT;
        self.much = self.share >= if self.much { Self::LITTLE } else { Self::MUCH };
    }
}

impl Slot {
    /// `random` chooses the first sequence number.
    pub(crate) fn new(kind: MediaKind, mid: Mid, payload_types: Vec<u8>, random: u64) -> Self {
        Self {
            mid,
            kind,
            open: true,
            payload_types,
            carries: None,
            tile: Tile::Unknown,
            choice: Choice::New,
            selector: Selector::new(),
            numbers: Renumber::new(random),
            passing: Passing::default(),
            loss: Loss::default(),
            translated: None,
        }
    }

    /// From now on it carries another track, or none.
    pub(crate) fn carry(&mut self, track: Option<TrackId>) {
        self.carries = track;
        self.translated = None;
        self.choice = Choice::New;
        self.selector = Selector::new();
        self.numbers.restart();
    }

    /// What comes next begins anew, with a keyframe if it is video.
    pub(crate) fn restart(&mut self) {
        self.selector.restart();
        self.numbers.restart();
    }

    /// Takes the choice that was made for it. Whether it is another one.
    pub(crate) fn choose(&mut self, choice: Choice, stacking: Stacking) -> bool {
        let changed = std::mem::replace(&mut self.choice, choice) != choice;
        if changed {
            let target = match choice {
                Choice::Layer(layer) => Some(layer),
                Choice::New | Choice::Paused(_) => None,
            };
            self.selector.set_target(target, stacking);
        }
        changed
    }

    /// The subscriber reported how much was lost, in 256ths.
    pub(crate) fn note_loss(&mut self, fraction: u8) {
        self.loss.note(f32::from(fraction) / 256.0);
    }

    /// Whether so much is lost that audio is worth repeating.
    pub(crate) const fn loses_much(&self) -> bool {
        self.loss.much
    }

    /// Why a carried track is not sent, if it should be but is not.
    pub(crate) const fn pause(&self) -> Option<Pause> {
        match self.choice {
            Choice::Paused(pause) if self.carries.is_some() => Some(pause),
            Choice::Paused(_) | Choice::New | Choice::Layer(_) => None,
        }
    }

    /// The layer it is to get.
    pub(crate) fn target(&self) -> Option<Layer> {
        self.selector.target()
    }

    /// Whether packets of one of the track's streams have to reach it.
    pub(crate) fn wants(&self, stream: usize) -> bool {
        match self.kind {
            MediaKind::Audio => stream == 0,
            MediaKind::Video => {
                u8::try_from(stream).is_ok_and(|stream| self.selector.wants(stream))
            }
        }
    }

    /// The stream of which it needs a keyframe.
    pub(crate) fn needs_keyframe(&self) -> Option<usize> {
        self.selector.needs_keyframe().map(usize::from)
    }

    /// The stream a keyframe of which helps a decoder in trouble: the one that it gets,
    /// or waits for.
    pub(crate) fn source_of_keyframes(&self) -> Option<usize> {
        self.selector.stream().map(usize::from).or_else(|| self.needs_keyframe())
    }

    /// Decides on a packet of the track, and numbers it.
    pub(crate) fn take(&mut self, now: Instant, media: &Media<'_>) -> Fate {
        if media.plain.received.jumped {
            self.restart();
        }
        let source = Source {
            ssrc: media.plain.ssrc,
            seq: media.plain.received.seq,
            timestamp: media.plain.timestamp,
            clock_rate: media.plain.format.clock_rate(),
            frame: media.frame.as_ref(),
        };
        let verdict = match self.kind {
            MediaKind::Audio if self.numbers.follows(media.plain.ssrc) => {
                Verdict::Pass { marker: media.plain.marker }
            }
            MediaKind::Audio => Verdict::Begin { marker: media.plain.marker },
            MediaKind::Video => self.decide(media),
        };
        let (numbers, marker, begins) = match verdict {
            Verdict::Begin { marker } => (self.numbers.begin(now, source), marker, true),
            Verdict::Pass { marker } => (self.numbers.pass(now, source), marker, false),
            Verdict::Skip => {
                self.numbers.skip(source);
                return Fate::LeftOut;
            }
            Verdict::Ignore => return Fate::LeftOut,
        };
        numbers.map_or(Fate::Unusable, |numbers| Fate::Sent { numbers, marker, begins })
    }

    /// The dependency descriptor of a packet that is sent here, when it has to differ:
    /// by the frame number, or because the receiver should know which layers it gets.
    pub(crate) fn descriptor(&self, media: &Media<'_>, numbers: &Outgoing) -> Option<Vec<u8>> {
        let Some(Frame { detail: Detail::Links(links), .. }) = &media.frame else { return None };
        let bytes = media.plain.packet.extension(Extension::DependencyDescriptor)?;
        let layer = self.selector.within().map(|layer| (layer.spatial, layer.temporal));
        let told = layer.filter(|(spatial, temporal)| {
            let begins = links.role(*spatial, *temporal).indication == Indication::Switch;
            links.starts_frame && begins && links.restricts(*spatial, *temporal)
        });
        if numbers.frame_offset == 0 && told.is_none() {
            return None;
        }
        let mut own = vec![0; bytes.len() + MASK_BYTES];
        let length = links.rewrite(bytes, numbers.frame_offset, told, &mut own)?;
        own.truncate(length);
        Some(own)
    }

    fn decide(&mut self, media: &Media<'_>) -> Verdict {
        // Padding: of no layer, and nothing that a receiver would miss.
        let Some(frame) = &media.frame else { return Verdict::Skip };
        self.selector.decide(Candidate {
            // Tracks have no more streams than layers that are told apart.
            stream: media.plain.source.layer as u8,
            ssrc: media.plain.ssrc,
            timestamp: media.plain.timestamp,
            marker: media.plain.marker,
            in_order: media.plain.received.in_order,
            frame,
        })
    }
}

//! The dependency descriptor: an RTP header extension that tells how the frames of a
//! stream depend on each other, whatever the codec ("RTP Payload Format For AV1",
//! appendix A).
//!
//! A stream sends its *structure* with each keyframe: templates of frames, and *decode
//! targets*, each of which is one layer that a receiver may choose. Every packet then
//! names a template and what differs from it. [`Dependencies`] keeps the structure of
//! one stream and turns descriptors into [`Links`]: for each layer, whether it needs
//! the frame and whether one may begin it there.

mod descriptor;
mod rewrite;
#[cfg(test)]
pub(crate) mod sample;
mod structure;
#[cfg(test)]
mod tests;

use crate::codec::bits::BitReader;
use crate::codec::dependency::descriptor::Descriptor;
use crate::codec::dependency::structure::Structure;
use crate::codec::{Detail, Frame, MAX_SPATIAL, MAX_TEMPORAL, Size};

/// Most frames that one may refer to. AV1 has seven references; a spatial layer adds
/// the one below.
pub const MAX_DIFFS: usize = 8;

/// Layers told apart.
const LAYERS: usize = MAX_SPATIAL * MAX_TEMPORAL;

/// What a layer wants with a frame (section A.3, "decode target indication").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Indication {
    /// The frame is not part of the layer.
    #[default]
    NotPresent,
    /// Part of it, and nothing in the layer refers to it.
    Discardable,
    /// Part of it, and whoever can decode this frame can decode what follows.
    Switch,
    /// Part of it.
    Required,
}

impl Indication {
    const fn new(bits: u32) -> Self {
        match bits & 3 {
            0 => Self::NotPresent,
            1 => Self::Discardable,
            2 => Self::Switch,
            _ => Self::Required,
        }
    }

    pub fn is_present(self) -> bool {
        self != Self::NotPresent
    }
}

/// What one layer, with all below it, has to do with a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Role {
    pub indication: Indication,
    /// How many frames ago the layer's chain had its last one; 0 when the chain begins
    /// here or nothing protects the layer.
    pub chain_diff: u8,
}

/// How the frame of one packet depends on others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Links {
    /// Counts all frames of the stream, modulo 2^16.
    pub frame_number: u16,
    pub starts_frame: bool,
    pub ends_frame: bool,
    pub spatial: u8,
    pub temporal: u8,
    /// The packet carries the structure, so a keyframe starts.
    pub has_structure: bool,
    /// By spatial, then temporal layer.
    roles: [Role; LAYERS],
    /// Decode targets that remain when only a layer and those below are sent, and how
    /// many bits such a mask has.
    masks: [u32; LAYERS],
    mask_bits: u8,
    diffs: [u16; MAX_DIFFS],
    diff_count: u8,
    /// Where things stand in the descriptor, in bits.
    places: Places,
}

/// What rewriting needs to know of a descriptor's layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Places {
    structure_end: u16,
    mask_present: bool,
    end: u16,
}

impl Links {
    /// What a layer with all below it has to do with the frame.
    pub fn role(&self, spatial: u8, temporal: u8) -> Role {
        self.roles.get(place(spatial, temporal)).copied().unwrap_or_default()
    }

    /// Whether a receiver of a layer gets fewer decode targets than there are.
    pub fn restricts(&self, spatial: u8, temporal: u8) -> bool {
        self.masks.get(place(spatial, temporal)) != self.masks.last()
    }

    /// How many frames ago each frame was that this one refers to.
    pub fn diffs(&self) -> &[u16] {
        self.diffs.get(..usize::from(self.diff_count)).unwrap_or_default()
    }

    pub(super) fn frame(self, starts_keyframe: bool) -> Frame {
        let starts = self.has_structure && self.starts_frame && self.diff_count == 0;
        let own = self.role(self.spatial, self.temporal).indication;
        let used = self.roles.iter().map(|role| role.indication);
        Frame {
            starts_keyframe: starts_keyframe || (starts && self.spatial == 0),
            ends_layer: self.ends_frame,
            spatial: self.spatial,
            temporal: self.temporal,
            discardable: used.clone().any(Indication::is_present)
                && used.filter(|it| it.is_present()).all(|it| it == Indication::Discardable),
            switching_point: own == Indication::Switch,
            detail: Detail::Links(self),
        }
    }
}

/// Index of a layer; both clamped.
const fn place(spatial: u8, temporal: u8) -> usize {
    let spatial = crate::codec::layer(spatial, MAX_SPATIAL) as usize;
    spatial * MAX_TEMPORAL + crate::codec::layer(temporal, MAX_TEMPORAL) as usize
}

/// What one stream said of itself.
#[derive(Debug, Default)]
pub struct Dependencies {
    known: Option<Known>,
}

#[derive(Debug)]
struct Known {
    structure: Box<Structure>,
    /// Decode targets the sender produces at the moment.
    active: u32,
    /// The best active decode target of each layer.
    targets: [Option<u8>; LAYERS],
    masks: [u32; LAYERS],
}

impl Known {
    fn new(structure: Box<Structure>) -> Self {
        let active = structure.all_targets();
        let mut known = Self { structure, active, targets: [None; LAYERS], masks: [0; LAYERS] };
        known.choose_targets();
        known
    }

    fn activate(&mut self, active: u32) {
        if self.active != active {
            self.active = active;
            self.choose_targets();
        }
    }

    fn choose_targets(&mut self) {
        for index in 0..LAYERS {
            let (spatial, temporal) = ((index / MAX_TEMPORAL) as u8, (index % MAX_TEMPORAL) as u8);
            // The highest layers stand for whatever is above them.
            let limit =
                |own: u8, layers: usize| if usize::from(own) + 1 == layers { u8::MAX } else { own };
            let limits = (limit(spatial, MAX_SPATIAL), limit(temporal, MAX_TEMPORAL));
            let (target, mask) = self.structure.best_target(self.active, limits);
            if let (Some(slot), Some(mask_slot)) =
                (self.targets.get_mut(index), self.masks.get_mut(index))
            {
                *slot = target;
                *mask_slot = mask;
            }
        }
    }
}

impl Dependencies {
    /// Reads a descriptor. `None` when it is malformed, or names a structure that was
    /// not received.
    pub fn read(&mut self, bytes: &[u8]) -> Option<Links> {
        let mut bits = BitReader::new(bytes);
        let head = descriptor::Head::read(&mut bits, bytes.len())?;
        let attached = if head.has_structure { Some(Structure::read(&mut bits)?) } else { None };
        let structure_end = bits.position();
        let structure =
            attached.as_ref().or_else(|| self.known.as_ref().map(|known| &*known.structure))?;
        let descriptor = Descriptor::read(&mut bits, head, structure)?;
        if bits.position() > bytes.len() * 8 {
            return None;
        }
        if let Some(structure) = attached {
            self.known = Some(Known::new(Box::new(structure)));
        }
        let known = self.known.as_mut()?;
        if let Some(active) = descriptor.active {
            known.activate(active);
        }
        let places = Places {
            structure_end: u16::try_from(structure_end).ok()?,
            mask_present: descriptor.active.is_some(),
            end: u16::try_from(bits.position()).ok()?,
        };
        Some(links(known, &descriptor, places))
    }

    /// Sizes of the spatial layers, if the structure tells them.
    pub fn sizes(&self) -> [Option<Size>; MAX_SPATIAL] {
        self.known.as_ref().map_or([None; MAX_SPATIAL], |known| known.structure.sizes())
    }
}

fn links(known: &Known, descriptor: &Descriptor, places: Places) -> Links {
    let head = descriptor.head;
    let role = |target: Option<u8>| {
        target.map_or_else(Role::default, |target| Role {
            indication: descriptor.frame.indication(target),
            chain_diff: known
                .structure
                .chain_of(target)
                .map_or(0, |chain| descriptor.frame.chain_diff(chain)),
        })
    };
    Links {
        frame_number: head.frame_number,
        starts_frame: head.starts_frame,
        ends_frame: head.ends_frame,
        spatial: crate::codec::layer(descriptor.frame.spatial, MAX_SPATIAL),
        temporal: crate::codec::layer(descriptor.frame.temporal, MAX_TEMPORAL),
        has_structure: head.has_structure,
        roles: known.targets.map(role),
        masks: known.masks,
        mask_bits: known.structure.target_count(),
        diffs: descriptor.frame.diffs,
        diff_count: descriptor.frame.diff_count,
        places,
    }
}

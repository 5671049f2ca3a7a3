//! The structure of a stream (section A.8.4): templates, decode targets, chains.

use crate::codec::bits::BitReader;
use crate::codec::dependency::{Indication, MAX_DIFFS};
use crate::codec::{MAX_SPATIAL, Size};

/// Bounds of the format: ids of templates have six bits, decode targets five.
const MAX_TEMPLATES: usize = 64;
const MAX_TARGETS: usize = 32;
/// Longest structure that is kept, in chain diffs of all templates: an extension has
/// 255 bytes, so no more than this fits at four bits each.
const MAX_CHAIN_DIFFS: usize = 512;

/// One kind of frame, or one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Template {
    pub(super) spatial: u8,
    pub(super) temporal: u8,
    /// Two bits for each decode target, the first one lowest.
    pub(super) indications: u64,
    pub(super) diffs: [u16; MAX_DIFFS],
    pub(super) diff_count: u8,
    pub(super) chain_diffs: [u8; MAX_TARGETS],
}

impl Template {
    const fn of(spatial: u8, temporal: u8) -> Self {
        Self {
            spatial,
            temporal,
            indications: 0,
            diffs: [0; MAX_DIFFS],
            diff_count: 0,
            chain_diffs: [0; MAX_TARGETS],
        }
    }

    pub(super) const fn indication(&self, target: u8) -> Indication {
        Indication::new((self.indications >> (2 * (target as u32 & 31))) as u32)
    }

    pub(super) fn read_indications(&mut self, bits: &mut BitReader<'_>, targets: u8) -> Option<()> {
        self.indications = 0;
        for target in 0..u32::from(targets) {
            self.indications |= u64::from(bits.bits(2)?) << (2 * target);
        }
        Some(())
    }

    /// Adds a reference; more than any codec has is malformed.
    pub(super) fn push_diff(&mut self, diff: u16) -> Option<()> {
        *self.diffs.get_mut(usize::from(self.diff_count))? = diff;
        self.diff_count += 1;
        Some(())
    }

    pub(super) fn chain_diff(&self, chain: u8) -> u8 {
        self.chain_diffs.get(usize::from(chain)).copied().unwrap_or(0)
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Structure {
    id_offset: u8,
    target_count: u8,
    pub(super) chain_count: u8,
    templates: Vec<Template>,
    /// By decode target: its layer, and the chain that protects it.
    layers: [(u8, u8); MAX_TARGETS],
    protected_by: [u8; MAX_TARGETS],
    sizes: [Option<Size>; MAX_SPATIAL],
}

impl Structure {
    pub(super) fn read(bits: &mut BitReader<'_>) -> Option<Self> {
        let id_offset = bits.bits(6)? as u8;
        let target_count = bits.bits(5)? as u8 + 1;
        let mut structure = Self {
            id_offset,
            target_count,
            chain_count: 0,
            templates: read_layers(bits)?,
            layers: [(0, 0); MAX_TARGETS],
            protected_by: [0; MAX_TARGETS],
            sizes: [None; MAX_SPATIAL],
        };
        for template in &mut structure.templates {
            template.read_indications(bits, target_count)?;
        }
        for template in &mut structure.templates {
            while bits.bit()? {
                template.push_diff(bits.bits(4)? as u16 + 1)?;
            }
        }
        structure.read_chains(bits)?;
        structure.find_layers();
        if bits.bit()? {
            structure.read_sizes(bits)?;
        }
        Some(structure)
    }

    fn read_chains(&mut self, bits: &mut BitReader<'_>) -> Option<()> {
        let chains = bits.non_symmetric(u32::from(self.target_count) + 1)?;
        self.chain_count = chains as u8;
        if chains == 0 {
            return Some(());
        }
        if self.templates.len() * usize::from(self.chain_count) > MAX_CHAIN_DIFFS {
            return None;
        }
        for chain in self.protected_by.iter_mut().take(usize::from(self.target_count)) {
            *chain = bits.non_symmetric(chains)? as u8;
        }
        for template in &mut self.templates {
            for diff in template.chain_diffs.iter_mut().take(usize::from(self.chain_count)) {
                *diff = bits.bits(4)? as u8;
            }
        }
        Some(())
    }

    /// A decode target's layer is the highest of the frames in it (section A.8.4,
    /// `decode_target_layers`).
    fn find_layers(&mut self) {
        for (target, layer) in (0..self.target_count).zip(&mut self.layers) {
            for template in self.templates.iter().filter(|it| it.indication(target).is_present()) {
                *layer = (layer.0.max(template.spatial), layer.1.max(template.temporal));
            }
        }
    }

    fn read_sizes(&mut self, bits: &mut BitReader<'_>) -> Option<()> {
        let highest = self.templates.iter().map(|template| template.spatial).max()?;
        for spatial in 0..=usize::from(highest) {
            let (width, height) = (bits.bits(16)?, bits.bits(16)?);
            // One less than the size; 65536 is nobody's camera.
            let side =
                |bits: u32| u16::try_from(bits).map_or(u16::MAX, |bits| bits.saturating_add(1));
            if let Some(size) = self.sizes.get_mut(spatial) {
                *size = Some(Size { width: side(width), height: side(height) });
            }
        }
        Some(())
    }

    /// The template that an id names (section A.8.5).
    pub(super) fn template(&self, id: u8) -> Option<&Template> {
        let index = id.wrapping_sub(self.id_offset) & (MAX_TEMPLATES as u8 - 1);
        self.templates.get(usize::from(index))
    }

    pub(super) const fn target_count(&self) -> u8 {
        self.target_count
    }

    pub(super) const fn all_targets(&self) -> u32 {
        u32::MAX >> (MAX_TARGETS as u32 - self.target_count as u32)
    }

    pub(super) fn chain_of(&self, target: u8) -> Option<u8> {
        let chain = *self.protected_by.get(usize::from(target))?;
        (chain < self.chain_count).then_some(chain)
    }

    pub(super) const fn sizes(&self) -> [Option<Size>; MAX_SPATIAL] {
        self.sizes
    }

    /// The highest of the active decode targets within a spatial and a temporal limit,
    /// and the mask of all that are.
    pub(super) fn best_target(&self, active: u32, limits: (u8, u8)) -> (Option<u8>, u32) {
        let mut mask = 0;
        let mut best = None;
        for (target, layer) in (0..self.target_count).zip(self.layers) {
            if active >> target & 1 == 0 || layer.0 > limits.0 || layer.1 > limits.1 {
                continue;
            }
            mask |= 1 << target;
            if best.is_none_or(|(highest, _)| layer > highest) {
                best = Some((layer, target));
            }
        }
        (best.map(|(_, target)| target), mask)
    }
}

/// Layers of the templates, which are sorted by them (section A.8.4, `template_layers`).
fn read_layers(bits: &mut BitReader<'_>) -> Option<Vec<Template>> {
    let (mut spatial, mut temporal) = (0_u8, 0_u8);
    let mut templates = Vec::new();
    loop {
        if templates.len() == MAX_TEMPLATES {
            return None;
        }
        templates.push(Template::of(spatial, temporal));
        match bits.bits(2)? {
            0 => {}
            1 => temporal += 1,
            2 => {
                spatial += 1;
                temporal = 0;
            }
            _ => return Some(templates),
        }
    }
}

//! What each packet says (sections A.8.2, A.8.3, A.8.5).

use crate::codec::bits::BitReader;
use crate::codec::dependency::structure::{Structure, Template};

/// Bytes of the part that every descriptor has.
const MANDATORY_BYTES: usize = 3;

/// What stands before the structure.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) starts_frame: bool,
    pub(super) ends_frame: bool,
    template: u8,
    pub(super) frame_number: u16,
    pub(super) has_structure: bool,
    has_active: bool,
    custom_indications: bool,
    custom_diffs: bool,
    custom_chains: bool,
}

impl Head {
    /// Reads the mandatory fields, and the flags if the descriptor of `length` bytes
    /// goes on behind them.
    pub(super) fn read(bits: &mut BitReader<'_>, length: usize) -> Option<Self> {
        let mut head = Self {
            starts_frame: bits.bit()?,
            ends_frame: bits.bit()?,
            template: bits.bits(6)? as u8,
            frame_number: bits.bits(16)? as u16,
            has_structure: false,
            has_active: false,
            custom_indications: false,
            custom_diffs: false,
            custom_chains: false,
        };
        if length > MANDATORY_BYTES {
            head.has_structure = bits.bit()?;
            head.has_active = bits.bit()?;
            head.custom_indications = bits.bit()?;
            head.custom_diffs = bits.bit()?;
            head.custom_chains = bits.bit()?;
        }
        Some(head)
    }
}

#[derive(Debug)]
pub(super) struct Descriptor {
    pub(super) head: Head,
    /// Decode targets that are produced from here on, if the packet says so.
    pub(super) active: Option<u32>,
    pub(super) frame: Template,
}

impl Descriptor {
    /// Reads what stands behind the structure.
    pub(super) fn read(
        bits: &mut BitReader<'_>,
        head: Head,
        structure: &Structure,
    ) -> Option<Self> {
        let targets = structure.target_count();
        let active = if head.has_active { Some(bits.bits(u32::from(targets))?) } else { None };
        let mut frame = *structure.template(head.template)?;
        if head.custom_indications {
            frame.read_indications(bits, targets)?;
        }
        if head.custom_diffs {
            read_diffs(bits, &mut frame)?;
        }
        if head.custom_chains {
            for diff in frame.chain_diffs.iter_mut().take(usize::from(structure.chain_count)) {
                *diff = bits.byte()?;
            }
        }
        Some(Self { head, active, frame })
    }
}

/// Each reference says how many half-bytes it takes; 0 ends them.
fn read_diffs(bits: &mut BitReader<'_>, frame: &mut Template) -> Option<()> {
    frame.diff_count = 0;
    loop {
        match bits.bits(2)? {
            0 => return Some(()),
            size => frame.push_diff(bits.bits(4 * size)? as u16 + 1)?,
        }
    }
}

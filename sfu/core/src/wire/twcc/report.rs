//! Writes transport-wide feedback about what arrived here.

use super::{
    HEAD_BYTES, MAX_RUN, ONE_BIT_SYMBOLS, REFERENCE_TICKS, Symbol, TICK_US, TWO_BIT_SYMBOLS,
};
use crate::wire::bytes::Pen;

/// Statuses in one report; more go into the next. Bounds the scratch on the stack.
const MAX_REPORTED: usize = 1024;

/// Arrivals to report: those of the packets `base`, `base + 1` and so on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report<'a> {
    pub(crate) base: u16,
    /// Counts reports, modulo 256.
    pub(crate) number: u8,
    /// Microseconds since an epoch of ours that stays the same for the session;
    /// `None` is "not received". Not in order when packets overtook each other.
    pub(crate) arrivals_us: &'a [Option<u64>],
}

/// Statuses and times in the units of the format.
struct Plan {
    reference: i64,
    symbols: [Symbol; MAX_REPORTED],
    covered: usize,
}

impl Report<'_> {
    /// How many statuses were written, at least one. It stops early when the buffer is
    /// full, when a gap in time is too long for a delta (8.2 s), and at
    /// [`MAX_REPORTED`]; the rest is for another report. `None` when nothing was
    /// received or nothing fits.
    pub(crate) fn write(&self, pen: &mut Pen<'_>) -> Option<usize> {
        let plan = self.plan(pen.room())?;
        pen.u16(self.base)?;
        pen.u16(u16::try_from(plan.covered).ok()?)?;
        // The reference time wraps; only its low 24 bits travel.
        pen.u24((plan.reference & 0xff_ffff) as u32)?;
        pen.u8(self.number)?;
        plan.write_chunks(pen)?;
        self.write_deltas(&plan, pen)?;
        Some(plan.covered)
    }

    fn ticks(&self, index: usize) -> Option<i64> {
        let at_us = i64::try_from((*self.arrivals_us.get(index)?)?).ok()?;
        Some(at_us / TICK_US)
    }

    fn plan(&self, room: usize) -> Option<Plan> {
        let count = self.arrivals_us.len().min(MAX_REPORTED);
        let first = (0..count).find_map(|index| self.ticks(index))?;
        let reference = first / REFERENCE_TICKS;
        let mut plan = Plan { reference, symbols: [Symbol::Missing; MAX_REPORTED], covered: 0 };
        let mut previous = reference * REFERENCE_TICKS;
        let mut delta_bytes = 0;
        for index in 0..count {
            let ticks = self.ticks(index);
            let Some(symbol) = symbol_of(ticks.map(|ticks| ticks - previous)) else { break };
            delta_bytes += symbol.delta_bytes();
            // A chunk covers seven statuses or more, except for the last one.
            let chunk_bytes = 2 * (index + 1).div_ceil(TWO_BIT_SYMBOLS);
            // What follows is aligned to four bytes.
            if (HEAD_BYTES + chunk_bytes + delta_bytes).next_multiple_of(4) > room {
                break;
            }
            plan.symbols[index] = symbol;
            plan.covered = index + 1;
            previous = ticks.unwrap_or(previous);
        }
        (plan.covered > 0).then_some(plan)
    }

    fn write_deltas(&self, plan: &Plan, pen: &mut Pen<'_>) -> Option<()> {
        let mut previous = plan.reference * REFERENCE_TICKS;
        for index in 0..plan.covered {
            let Some(ticks) = self.ticks(index) else { continue };
            let delta = ticks - previous;
            match plan.symbols[index] {
                Symbol::Missing => {}
                Symbol::Small => pen.u8(u8::try_from(delta).ok()?)?,
                Symbol::Large => pen.u16(i16::try_from(delta).ok()?.cast_unsigned())?,
            }
            previous = ticks;
        }
        Some(())
    }
}

impl Plan {
    fn write_chunks(&self, pen: &mut Pen<'_>) -> Option<()> {
        let mut symbols = &self.symbols[..self.covered];
        while let Some((bits, taken)) = next_chunk(symbols) {
            pen.u16(bits)?;
            symbols = &symbols[taken..];
        }
        Some(())
    }
}

/// The chunk that covers most of what is left, and how much that is.
fn next_chunk(symbols: &[Symbol]) -> Option<(u16, usize)> {
    let first = *symbols.first()?;
    let run = symbols.iter().take(MAX_RUN).take_while(|symbol| **symbol == first).count();
    let one_bit = &symbols[..symbols.len().min(ONE_BIT_SYMBOLS)];
    let two_bit = &symbols[..symbols.len().min(TWO_BIT_SYMBOLS)];
    let narrow = !one_bit.contains(&Symbol::Large);
    let vector = if narrow { one_bit.len() } else { two_bit.len() };
    if run >= vector {
        return Some((first.bits() << 13 | run as u16, run));
    }
    Some(if narrow {
        (0x8000 | pack(one_bit, 1, ONE_BIT_SYMBOLS), vector)
    } else {
        (0xc000 | pack(two_bit, 2, TWO_BIT_SYMBOLS), vector)
    })
}

/// Symbols from the highest of the chunk's fourteen bits downwards.
fn pack(symbols: &[Symbol], width: usize, places: usize) -> u16 {
    let bits = symbols.iter().fold(0, |bits, symbol| bits << width | symbol.bits());
    bits << ((places - symbols.len()) * width)
}

fn symbol_of(delta: Option<i64>) -> Option<Symbol> {
    match delta {
        None => Some(Symbol::Missing),
        Some(0..=0xff) => Some(Symbol::Small),
        Some(-0x8000..=0x7fff) => Some(Symbol::Large),
        Some(_) => None,
    }
}

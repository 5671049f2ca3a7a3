//! Inputs that are nearly right: bytes that were genuine once, changed a little.
//!
//! There is no coverage feedback on stable Rust; instead a target returns what it saw
//! as a number, and an input that made it see something new is changed further. The
//! same seed gives the same inputs. `HOUSECALL_FUZZ` multiplies the number of inputs
//! for a long run, `HOUSECALL_FUZZ_SEED` starts elsewhere.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

/// Inputs kept for further changes.
const MAX_CORPUS: usize = 2_000;
/// An offer of Chromium has 4.5 KB; nothing else is larger.
pub(crate) const MAX_INPUT_BYTES: usize = 8_192;

/// Numbers that parsers trip over.
const EDGES: [u8; 9] = [0, 1, 2, 0x0f, 0x10, 0x7f, 0x80, 0xfe, 0xff];

/// SplitMix64: small, seeded, and good enough to choose bytes.
pub(crate) struct Chance(u64);

impl Chance {
    /// The first of a run; `stream` tells runs of one process apart.
    pub(crate) fn new(stream: u64) -> Self {
        Self(variable("HOUSECALL_FUZZ_SEED").unwrap_or(1).wrapping_mul(0x9e37_79b9) ^ stream << 40)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Less than `end`, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub(crate) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub(crate) fn of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }
}

/// How many inputs a run takes, for a run that takes `usual` in `make test`.
pub(crate) fn inputs(usual: u64) -> u64 {
    usual * variable("HOUSECALL_FUZZ").unwrap_or(1)
}

fn variable(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

/// The inputs of a file in `tests/seeds`: one a line, hexadecimal; `#` starts a comment.
pub(crate) fn seeds(file: &str) -> Vec<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/seeds").join(file);
    let text = std::fs::read_to_string(&path).expect("the seeds are in the repository");
    let seeds: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).map(from_hex).collect();
    assert!(!seeds.is_empty(), "no seeds in {file}");
    seeds
}

/// The offers in `tests/seeds/offers`.
pub(crate) fn offers() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/seeds/offers");
    let mut files: Vec<_> = std::fs::read_dir(path)
        .expect("the seeds are in the repository")
        .map(|entry| entry.expect("a readable directory").path())
        .collect();
    files.sort();
    files.iter().map(|file| std::fs::read_to_string(file).expect("text")).collect()
}

fn from_hex(line: &str) -> Vec<u8> {
    let digits: Vec<_> = line.bytes().collect();
    digits
        .chunks(2)
        .map(|pair| {
            let pair = std::str::from_utf8(pair).expect("hexadecimal");
            u8::from_str_radix(pair, 16).expect("hexadecimal")
        })
        .collect()
}

/// Gives `target` genuine inputs, then changed ones. It returns what it saw, in any
/// way that tells different outcomes apart; how many were different. When it panics,
/// the input is printed.
pub(crate) fn run(
    name: &str,
    genuine: Vec<Vec<u8>>,
    usual: u64,
    mut target: impl FnMut(&[u8]) -> u64,
) -> usize {
    let mut chance = Chance::new(
        name.bytes().map(u64::from).fold(0, |hash: u64, byte| hash.wrapping_mul(31) ^ byte),
    );
    let mut seen = HashSet::new();
    let mut corpus = genuine;
    let mut guarded = |input: &[u8]| {
        catch_unwind(AssertUnwindSafe(|| target(input))).unwrap_or_else(|panic| {
            let hex: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
            eprintln!("{name} panicked with this input: {hex}");
            resume_unwind(panic)
        })
    };
    for input in &corpus {
        seen.insert(guarded(input));
    }
    for _ in 0..inputs(usual) {
        let input = mutated(&corpus, &mut chance);
        if seen.insert(guarded(&input)) && corpus.len() < MAX_CORPUS {
            corpus.push(input);
        }
    }
    seen.len()
}

/// One of `corpus` with a few changes.
pub(crate) fn mutated(corpus: &[Vec<u8>], chance: &mut Chance) -> Vec<u8> {
    let mut input = chance.of(corpus).clone();
    for _ in 0..=chance.below(4) {
        change(&mut input, corpus, chance);
    }
    input.truncate(MAX_INPUT_BYTES);
    input
}

fn change(input: &mut Vec<u8>, corpus: &[Vec<u8>], chance: &mut Chance) {
    if input.is_empty() {
        input.push(chance.next() as u8);
        return;
    }
    // Headers stand in front: half of the changes go there.
    let reach = if chance.one_in(2) { input.len().min(24) } else { input.len() };
    let at = chance.below(reach);
    let length = 1 + chance.below((input.len() - at).min(32));
    match chance.below(9) {
        0 => input[at] ^= 1 << chance.below(8),
        1 => input[at] = *chance.of(&EDGES),
        2 => input[at] = chance.next() as u8,
        3 => input[at] = input[at].wrapping_add(1 + chance.below(3) as u8),
        4 => input.truncate(at),
        5 => {
            input.drain(at..at + length);
        }
        6 => {
            let piece = input[at..at + length].to_vec();
            input.splice(at..at, piece);
        }
        7 => {
            let piece: Vec<_> = (0..length).map(|_| chance.next() as u8).collect();
            input.splice(at..at, piece);
        }
        _ => {
            let other = chance.of(corpus);
            let from = chance.below(other.len().max(1)).min(other.len());
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
    }
}

//! What happens, in which order.

use proptest::collection::vec;
use proptest::prelude::*;

use super::world::{DEVICES, ROUTERS};

#[derive(Clone, Debug)]
pub(super) enum Step {
    /// All at once, and what goes wrong meanwhile.
    Write {
        writes: Vec<Write>,
        trouble: Option<Trouble>,
    },
    Start(usize),
    /// In order: it answers everybody and announces everything.
    Stop(usize),
    /// So many of the next nudges do not reach the device.
    Lose {
        device: usize,
        nudges: u8,
    },
    Disconnect(usize),
    /// With the position it had, or as a device that holds nothing.
    Reconnect {
        device: usize,
        is_new: bool,
    },
    /// The device reads what has come and fetches what that uncovers.
    Hear(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Author {
    Patient,
    Doctor,
}

/// The number is the identity: what has it again is a resend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Message(Author, u8),
    Change(Author, u8),
}

#[derive(Clone, Debug)]
pub(super) struct Write {
    pub(super) key: Key,
    /// Of a change: which of those messages that its author knows to be stored.
    pub(super) target: u8,
    pub(super) is_deletion: bool,
    /// The writer does not hear the answer and has to send again.
    pub(super) is_answer_lost: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Trouble {
    /// After so many answers and turns of the scheduler.
    Kill { router: usize, answers: usize, turns: u16 },
    /// All connections to the database end.
    Break { answers: usize, turns: u16 },
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    vec(step(), 1..30)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (vec(write(), 1..9), proptest::option::weighted(0.3, trouble()))
            .prop_map(|(writes, trouble)| Step::Write { writes, trouble }),
        3 => (0..ROUTERS).prop_map(Step::Start),
        1 => (0..ROUTERS).prop_map(Step::Stop),
        6 => (0..DEVICES, 1..9_u8).prop_map(|(device, nudges)| Step::Lose { device, nudges }),
        2 => (0..DEVICES).prop_map(Step::Disconnect),
        3 => (0..DEVICES, proptest::bool::weighted(0.3))
            .prop_map(|(device, is_new)| Step::Reconnect { device, is_new }),
        4 => (0..DEVICES).prop_map(Step::Hear),
    ]
}

fn write() -> impl Strategy<Value = Write> {
    let author = prop_oneof![Just(Author::Patient), Just(Author::Doctor)];
    let key = (author, 0..12_u8, proptest::bool::weighted(0.45)).prop_map(|(by, n, is_change)| {
        if is_change { Key::Change(by, n) } else { Key::Message(by, n) }
    });
    (key, 0..12_u8, proptest::bool::weighted(0.25), proptest::bool::weighted(0.3)).prop_map(
        |(key, target, is_deletion, is_answer_lost)| Write {
            key,
            target,
            is_deletion,
            is_answer_lost,
        },
    )
}

fn trouble() -> impl Strategy<Value = Trouble> {
    let when = (0..3_usize, 0..600_u16);
    prop_oneof![
        3 => (0..ROUTERS, when.clone())
            .prop_map(|(router, (answers, turns))| Trouble::Kill { router, answers, turns }),
        1 => when.prop_map(|(answers, turns)| Trouble::Break { answers, turns }),
    ]
}

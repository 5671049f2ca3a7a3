//! What happens to the links.

use crate::link::{Loss, Path, Tally};
use crate::peers::Peers;
use crate::record::{Record, bottleneck};
use crate::rig::{MS, Rig};
use crate::transfer::{Kind, Transfer};

/// A minute of a call.
#[derive(Clone, Copy)]
pub(crate) struct Script {
    pub(crate) name: &'static str,
    rate_bps: u64,
    rtt_ms: u32,
    prepare: fn(&mut Path),
    /// At the start of each second.
    change: fn(u64, &mut Path),
    transfer: Option<Kind>,
    /// From here on the link's use is measured, and up to there.
    judged_s: (f64, f64),
    /// The recovery from here is measured.
    recovers_from_s: f64,
}

const SECONDS: u64 = 60;
const SEED: u64 = 1;

const STEADY: Script = Script {
    name: "",
    rate_bps: 2_500_000,
    rtt_ms: 50,
    prepare: |_| {},
    change: |_, _| {},
    transfer: None,
    judged_s: (20.0, 60.0),
    recovers_from_s: 0.0,
};

const fn random(part: f64) -> Loss {
    Loss::Random(part)
}

pub(crate) const ALL: &[Script] = &[
    Script { name: "0.3 Mb/s, 50 ms", rate_bps: 300_000, ..STEADY },
    Script { name: "1 Mb/s, 50 ms", rate_bps: 1_000_000, ..STEADY },
    Script { name: "2.5 Mb/s, 50 ms", ..STEADY },
    Script { name: "2.5 Mb/s, 300 ms", rtt_ms: 300, ..STEADY },
    Script { name: "2.5 Mb/s, 600 ms", rtt_ms: 600, ..STEADY },
    Script { name: "2% loss", prepare: |path| path.loss = random(0.02), ..STEADY },
    Script { name: "5% loss", prepare: |path| path.loss = random(0.05), ..STEADY },
    Script { name: "10% loss", prepare: |path| path.loss = random(0.1), ..STEADY },
    Script { name: "20% loss", prepare: |path| path.loss = random(0.2), ..STEADY },
    Script {
        name: "10% loss in bursts of 8",
        prepare: |path| path.loss = Loss::Bursty { part: 0.1, burst: 8.0 },
        ..STEADY
    },
    Script { name: "30 ms jitter", prepare: |path| path.jitter = 30 * MS, ..STEADY },
    Script { name: "5% out of order", prepare: |path| path.reorder = 0.05, ..STEADY },
    Script {
        name: "1 Mb/s, five packets of queue",
        rate_bps: 1_000_000,
        prepare: |path| path.queue_bytes = 6_000,
        ..STEADY
    },
    Script {
        name: "2.5 to 0.3 Mb/s at 20 s",
        change: |second, path| {
            if second >= 20 {
                path.rate_bps = Some(300_000);
            }
        },
        judged_s: (20.0, 60.0),
        recovers_from_s: f64::NAN,
        ..STEADY
    },
    Script {
        name: "0.3 to 2.5 Mb/s at 20 s",
        rate_bps: 2_500_000,
        change: |second, path| {
            path.rate_bps = Some(if second < 20 { 300_000 } else { 2_500_000 });
        },
        recovers_from_s: 20.2,
        ..STEADY
    },
    Script {
        name: "0.5 Mb/s for a second every ten",
        change: |second, path| {
            path.rate_bps = Some(if second % 10 == 9 { 500_000 } else { 2_500_000 });
        },
        recovers_from_s: 50.2,
        ..STEADY
    },
    Script { name: "beside a file transfer (Reno) from 10 s on", ..beside(Kind::Reno) },
    Script { name: "the same (CUBIC)", ..beside(Kind::Cubic) },
    Script { name: "the same (BBR)", ..beside(Kind::Bbr) },
];

/// When a file transfer begins.
const TRANSFER_AT_S: u64 = 10;

const fn beside(transfer: Kind) -> Script {
    Script { transfer: Some(transfer), ..STEADY }
}

/// What a minute brought.
pub(crate) struct Outcome {
    script: Script,
    record: Record,
    tally: Tally,
    transfer_bytes: u64,
}

impl Outcome {
    /// Part of the link's rate that the flow used, without what a file transfer took.
    pub(crate) fn used(&self) -> String {
        let (from, to) = self.script.judged_s;
        let all = self.record.used(from, to);
        if self.script.transfer.is_none() {
            return format!("{:.0}%", 100.0 * all);
        }
        let share = self.record.aim(from, to);
        format!("{:.0}%", 100.0 * share.min(all))
    }

    pub(crate) fn wait(&self) -> String {
        let (from, to) = self.script.judged_s;
        let wait = |part| self.record.wait_ms(from, to, part);
        format!("{:.0} / {:.0}", wait(0.5), wait(0.95))
    }

    /// Part of the packets that the queue had no room for.
    pub(crate) fn dropped(&self) -> String {
        let dropped = self.tally.overflowed as f64 / self.tally.sent as f64;
        debug_assert!(self.transfer_bytes == 0 || self.script.transfer.is_some());
        format!("{:.1}%", 100.0 * dropped)
    }

    pub(crate) fn recovery(&self) -> String {
        if self.script.recovers_from_s.is_nan() {
            return "".into();
        }
        let found = self.record.time_to(self.script.recovers_from_s, 0.8);
        found.map_or("never".into(), |seconds| format!("{seconds:.1}"))
    }
}

fn paths(script: &Script) -> (Path, Path) {
    let (mut down, up) = bottleneck(script.rate_bps, script.rtt_ms * MS, 300 * MS);
    (script.prepare)(&mut down);
    (down, up)
}

pub(crate) fn run_ours(script: &Script) -> Outcome {
    let (down, up) = paths(script);
    let mut rig = Rig::new(down, up, SEED);
    for second in 0..SECONDS {
        (script.change)(second, &mut rig.down.path);
        if let Some(kind) = script.transfer
            && second == TRANSFER_AT_S
        {
            rig.transfer_begins(kind);
        }
        rig.run(1);
    }
    Outcome {
        script: *script,
        record: rig.record,
        tally: rig.down.tally,
        transfer_bytes: rig.transfer.map_or(0, |transfer| transfer.delivered_bytes),
    }
}

pub(crate) fn run_theirs(script: &Script) -> Outcome {
    let (down, up) = paths(script);
    let mut peers = Peers::connected(down, up, SEED, true);
    for second in 0..SECONDS {
        (script.change)(second, &mut peers.down.path);
        if let Some(kind) = script.transfer
            && second == TRANSFER_AT_S
        {
            peers.transfer = Some(Transfer::new(kind, up, SEED));
        }
        peers.run(1);
    }
    Outcome {
        script: *script,
        record: peers.record,
        tally: peers.down.tally,
        transfer_bytes: peers.transfer.map_or(0, |transfer| transfer.delivered_bytes),
    }
}

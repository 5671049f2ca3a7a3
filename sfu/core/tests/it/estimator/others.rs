//! The models of file transfers, alone on a link, and a call beside CUBIC and BBR.

use super::record::bottleneck;
use super::rig::{MS, Rig};
use super::transfer::Kind;

/// A minute of a transfer alone.
fn alone(kind: Kind, rate_bps: u64, rtt_ms: u32, queue_ms: u32) -> Rig {
    let (down, up) = bottleneck(rate_bps, rtt_ms * MS, queue_ms * MS);
    let mut rig = Rig::new(down, up, 1);
    rig.flows[0].muted = true;
    rig.flows[0].desired_bps = 0;
    rig.transfer_begins(kind);
    rig.run(60);
    rig
}

const LINKS: [(u64, u32, u32); 6] = [
    (1_000_000, 30, 100),
    (1_000_000, 150, 300),
    (2_500_000, 50, 300),
    (8_000_000, 30, 100),
    (8_000_000, 150, 300),
    (20_000_000, 50, 100),
];

#[test]
fn reno_and_cubic_fill_a_link_and_its_queue() {
    for (rate_bps, rtt_ms, queue_ms) in LINKS {
        let whole = f64::from(queue_ms);
        for (kind, least) in [(Kind::Reno, 0.2), (Kind::Cubic, 0.5)] {
            let record = alone(kind, rate_bps, rtt_ms, queue_ms).record;
            let story = format!("{kind:?}, {rate_bps} at {rtt_ms} ms, queue of {queue_ms} ms");
            let used = record.used(20.0, 60.0);
            assert!(used > 0.97, "{story}: {used}");
            let wait = |part| record.wait_ms(20.0, 60.0, part) / whole;
            assert!(wait(0.95) > 0.85, "{story}: the queue overflows: {}", wait(0.95));
            // What remains after loss: a half of the window, or 70% of it.
            assert!((least..0.8).contains(&wait(0.02)), "{story}: {}", wait(0.02));
        }
    }
}

#[test]
fn bbr_fills_a_link_and_not_its_queue() {
    for (rate_bps, rtt_ms, queue_ms) in LINKS {
        let rig = alone(Kind::Bbr, rate_bps, rtt_ms, queue_ms);
        let story = format!("{rate_bps} at {rtt_ms} ms, queue of {queue_ms} ms");
        let used = rig.record.used(20.0, 60.0);
        assert!(used > 0.95, "{story}: {used}");
        let wait = |part| rig.record.wait_ms(20.0, 60.0, part);
        assert!(wait(0.95) < 75.0, "{story}: {}", wait(0.95));
        assert!(wait(0.02) < 25.0, "{story}: every ten seconds it is empty: {}", wait(0.02));
    }
}

/// Ten seconds alone, a minute beside a transfer, and alone again.
struct Beside {
    rig: Rig,
    /// What arrived of ours in second 10 to 60 of the transfer, as a part of the link.
    share: f64,
    voice_lost: f64,
}

fn beside(kind: Kind, rate_bps: u64, rtt_ms: u32, queue_ms: u32, seed: u64) -> Beside {
    let (down, up) = bottleneck(rate_bps, rtt_ms * MS, queue_ms * MS);
    let mut rig = Rig::new(down, up, seed);
    rig.flows[0].desired_bps = rate_bps.max(5_000_000);
    rig.run(10);
    rig.transfer_begins(kind);
    rig.run(10);
    let counts = |rig: &Rig| {
        let theirs = rig.transfer.as_ref().map_or(0, |transfer| transfer.delivered_bytes);
        let flow = &rig.flows[0];
        (rig.down.tally.delivered_bytes - theirs, flow.voice_sent, flow.voice_received)
    };
    let (bytes, sent, received) = counts(&rig);
    rig.run(50);
    let (bytes_then, sent_then, received_then) = counts(&rig);
    rig.transfer = None;
    rig.run(20);
    let share = (bytes_then - bytes) as f64 * 8.0 / 50.0 / rate_bps as f64;
    let voice_lost = 1.0 - (received_then - received) as f64 / (sent_then - sent) as f64;
    Beside { rig, share, voice_lost }
}

/// What is asserted of a call beside a transfer: a share of the link at least and at most.
fn share_beside(kind: Kind, links: &[(u64, u32, u32, f64, f64)]) {
    for (rate_bps, rtt_ms, queue_ms, least, most) in links.iter().copied() {
        for seed in 1..=3 {
            let Beside { rig, share, voice_lost } = beside(kind, rate_bps, rtt_ms, queue_ms, seed);
            let story = format!("{rate_bps} at {rtt_ms} ms, queue of {queue_ms} ms, seed {seed}");
            assert!((least..most).contains(&share), "{story}: {share}");
            assert!(voice_lost < 0.01, "{story}: {voice_lost} of voice is lost");
            let back = rig.record.time_to(70.0, 0.8).expect("it takes what is free");
            assert!(back < 8.0, "{story}: back after {back} s");
        }
    }
}

#[test]
fn beside_cubic_a_fifth_of_the_link_remains_at_least() {
    share_beside(
        Kind::Cubic,
        &[
            (1_000_000, 50, 300, 0.25, 0.5),
            (2_500_000, 50, 300, 0.2, 0.45),
            (2_500_000, 50, 100, 0.25, 0.55),
            (8_000_000, 50, 300, 0.18, 0.5),
            (8_000_000, 150, 300, 0.17, 0.5),
            (20_000_000, 50, 300, 0.2, 0.5),
        ],
    );
}

#[test]
fn beside_bbr_a_third_remains_on_short_ways() {
    share_beside(
        Kind::Bbr,
        &[
            (1_000_000, 50, 300, 0.3, 0.75),
            (2_500_000, 50, 300, 0.3, 0.75),
            (2_500_000, 50, 100, 0.3, 0.6),
            (8_000_000, 50, 300, 0.3, 0.75),
            // Two round trips of its rate are more than half of what fits.
            (8_000_000, 150, 300, 0.15, 0.5),
        ],
    );
}

//! What an estimate costs per packet sent.

use std::hint::black_box;
use std::time::{Duration, Instant};

use housecall_sfu_core::congestion::{Config, Estimator, Pacer, Payload};

use crate::link::Path;
use crate::peers::Peers;
use crate::rig::MS;

const PACKETS: u64 = 2_000_000;
const PACKETS_PER_REPORT: u64 = 30;
const RATE_BPS: u64 = 2_500_000;
const PACKET_BYTES: usize = 1_050;

const RUNS: usize = 5;

/// Time this thread has had on a core.
fn cpu() -> Duration {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat");
    let nanos = statistics.ok().and_then(|text| text.split(' ').next()?.parse().ok());
    Duration::from_nanos(nanos.expect("Linux counts it"))
}

pub(crate) fn print() {
    // In turns, since the machine changes its mind about its speed.
    let runs: Vec<_> = (0..RUNS).map(|_| [ours(), theirs(true), theirs(false)]).collect();
    let median = |read: fn(&[f64; 3]) -> f64| {
        let mut values: Vec<_> = runs.iter().map(read).collect();
        values.sort_by(f64::total_cmp);
        values[RUNS / 2]
    };
    println!("| CPU per packet sent | ns |");
    println!("|---|---|");
    println!("| ours: numbers, reports, pace, time-outs | {:.0} |", median(|run| run[0]));
    println!("| str0m, both ends, with its estimation | {:.0} |", median(|run| run[1]));
    println!("| the same without | {:.0} |", median(|run| run[2]));
    println!("| difference | {:.0} |", median(|run| run[1] - run[2]));
}

#[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
fn clock() -> Instant {
    Instant::now()
}

/// Packets at a rate the link carries, reports ten times a second.
fn ours() -> f64 {
    let gap = Duration::from_secs_f64(PACKET_BYTES as f64 * 8.0 / RATE_BPS as f64);
    let mut now = clock();
    let before = cpu();
    let mut estimator = Estimator::new(now, Config::default());
    let mut pacer = Pacer::new(now, RATE_BPS);
    estimator.set_desired_bps(now, RATE_BPS);
    let mut arrival_us = 0_i64;
    for number in 0..PACKETS {
        now += gap;
        pacer.set_rate(estimator.pacing_bps(), 0);
        black_box(pacer.may_send(now));
        let seq = estimator.on_sent(now, PACKET_BYTES, Payload::Media);
        pacer.on_sent(now, PACKET_BYTES);
        if number % PACKETS_PER_REPORT == PACKETS_PER_REPORT - 1 {
            let first = seq.wrapping_sub(PACKETS_PER_REPORT as u16 - 1);
            let packets = (0..PACKETS_PER_REPORT as u16).map(|offset| {
                arrival_us += gap.as_micros() as i64;
                (first.wrapping_add(offset), Some(arrival_us))
            });
            estimator.on_feedback(now + 25 * MS, packets);
        }
        if estimator.next_timeout().is_some_and(|at| at <= now) {
            estimator.handle_timeout(now);
        }
        black_box(estimator.probe(now));
    }
    black_box(estimator.estimate_bps());
    (cpu() - before).as_nanos() as f64 / PACKETS as f64
}

/// A minute at a fixed rate.
fn theirs(estimates: bool) -> f64 {
    let path = Path::good(25 * MS);
    let mut peers = Peers::connected(path, path, 1, estimates);
    peers.fixed_bps = Some(RATE_BPS as f64);
    peers.packets = 0;
    let before = cpu();
    peers.run(60);
    (cpu() - before).as_nanos() as f64 / peers.packets as f64
}

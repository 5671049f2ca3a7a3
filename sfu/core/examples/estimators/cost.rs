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

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the time")]
pub(crate) fn clock() -> Instant {
    Instant::now()
}

pub(crate) fn print() {
    let ours = ours();
    let (with, without) = (theirs(true), theirs(false));
    println!("| ns per packet sent | |");
    println!("|---|---|");
    println!("| ours: numbering, reports, pacing, time-outs | {ours:.0} |");
    println!("| str0m's sender with its estimation | {with:.0} |");
    println!("| the same without | {without:.0} |");
    println!("| str0m's estimation and pacing | {:.0} |", with - without);
}

/// Packets at a rate the link carries, reports ten times a second.
fn ours() -> f64 {
    let gap = Duration::from_secs_f64(PACKET_BYTES as f64 * 8.0 / RATE_BPS as f64);
    let start = clock();
    let mut now = start;
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
    (clock() - start).as_nanos() as f64 / PACKETS as f64
}

/// A minute at a fixed rate.
fn theirs(estimates: bool) -> f64 {
    let path = Path::good(25 * MS);
    let mut peers = Peers::connected(path, path, 1, estimates);
    peers.fixed_bps = Some(RATE_BPS as f64);
    peers.spent = Duration::ZERO;
    peers.packets = 0;
    peers.run(60);
    peers.spent.as_nanos() as f64 / peers.packets as f64
}

//! Several flows, and file transfers, over one bottleneck.

use super::rig::Rig;
use super::transfer::Kind;

/// Jain's index: 1 when all have the same, 1/n when one has all.
fn fairness(shares: &[f64]) -> f64 {
    let sum: f64 = shares.iter().sum();
    let squares: f64 = shares.iter().map(|share| share * share).sum();
    sum * sum / (shares.len() as f64 * squares)
}

#[test]
fn flows_that_join_get_their_share() {
    for count in [2, 4] {
        for seed in 1..=3 {
            let mut rig = Rig::over(2_500_000, 50, seed);
            for _ in 1..count {
                rig.run(10);
                rig.join();
            }
            rig.run(30);
            let from = f64::from(count) * 10.0 + 20.0;
            rig.flows.iter_mut().for_each(|flow| {
                flow.take_mean_bps();
            });
            rig.run(120);
            let shares: Vec<_> = rig.flows.iter_mut().map(|flow| flow.take_mean_bps()).collect();
            assert!(fairness(&shares) > 0.8, "seed {seed}: {shares:?}");
            let used = rig.record.used(from, from + 120.0);
            assert!(used > 0.8, "seed {seed}: {used}");
            let wait = rig.record.wait_ms(from, from + 120.0, 0.5);
            assert!(wait < 80.0, "seed {seed}: {wait}");
        }
    }
}

/// Six flows on one link, one after the other; what packets wait at last.
fn six_of_ours_wait_ms(seed: u64) -> f64 {
    let mut rig = Rig::over(1_000_000, 50, seed);
    for _ in 1..6 {
        rig.run(10);
        rig.join();
    }
    rig.run(150);
    rig.record.wait_ms(80.0, 200.0, 0.5)
}

/// Of the first sixty links three stay full: who joined a full queue took its wait for the
/// way, and what it drops for what the link loses at any rate (docs/congestion.md).
#[test]
fn many_of_ours_hardly_ever_take_each_other_for_others() {
    let waits: Vec<_> = (1..=20).map(six_of_ours_wait_ms).collect();
    let full = waits.iter().filter(|wait| **wait >= 100.0).count();
    assert!(full <= 2, "{waits:?}");
}

/// Ten seconds alone, then a file transfer for a minute, then alone again.
fn beside_a_transfer(rate_bps: u64, rtt_ms: u32, seed: u64) -> (Rig, String) {
    let mut rig = Rig::over(rate_bps, rtt_ms, seed);
    rig.run(10);
    rig.transfer_begins(Kind::Reno);
    rig.run(60);
    let story = rig.record.trace(9.0, 70.0);
    rig.transfer = None;
    rig.run(40);
    (rig, format!("{rate_bps} at {rtt_ms} ms, seed {seed}: {story}"))
}

#[test]
fn a_file_transfer_leaves_a_fair_share() {
    for (rate_bps, rtt_ms) in [(1_000_000, 50), (2_500_000, 50), (2_500_000, 150), (8_000_000, 30)]
    {
        for seed in 1..=5 {
            let (rig, story) = beside_a_transfer(rate_bps, rtt_ms, seed);
            let share = rig.record.aim(20.0, 70.0);
            assert!((0.25..0.6).contains(&share), "{share}: {story}");
            // Within ten seconds, and without an end.
            for from in [20.0, 30.0, 40.0, 50.0, 60.0] {
                let share = rig.record.aim(from, from + 10.0);
                assert!((0.15..0.65).contains(&share), "{share} from {from}: {story}");
            }
            let least = rig.record.least_estimate_bps(20.0, 70.0) / rate_bps as f64;
            assert!(least > 0.08, "{least}: {story}");
            let tally = rig.down.tally;
            let dropped = tally.overflowed as f64 / tally.sent as f64;
            assert!(dropped < 0.02, "{dropped}: {story}");
        }
    }
}

#[test]
fn after_a_file_transfer_packets_wait_no_longer() {
    for (rate_bps, rtt_ms) in [(1_000_000, 50), (2_500_000, 150), (8_000_000, 30)] {
        for seed in 1..=5 {
            let (rig, story) = beside_a_transfer(rate_bps, rtt_ms, seed);
            let back = rig.record.time_to(70.0, 0.8).expect("it takes what is free");
            assert!(back < 8.0, "{back}: {story}");
            let drained = rig.record.time_to_drain(70.0, 100.0).expect("the queue empties");
            assert!(drained < 6.0, "{drained}: {story}");
            let wait = rig.record.wait_ms(76.0, 110.0, 0.95);
            assert!(wait < 120.0, "{wait}: {story}");
            let used = rig.record.used(80.0, 110.0);
            assert!(used > 0.8, "{used}: {story}");
        }
    }
}

/// Two of ours and a file transfer: nobody starves.
#[test]
fn two_flows_beside_a_file_transfer_have_a_share_each() {
    for seed in 1..=3 {
        let mut rig = Rig::over(2_500_000, 50, seed);
        rig.run(10);
        rig.join();
        rig.run(20);
        rig.transfer_begins(Kind::Reno);
        rig.run(20);
        rig.flows.iter_mut().for_each(|flow| {
            flow.take_mean_bps();
        });
        rig.run(60);
        for flow in &mut rig.flows {
            let share = flow.take_mean_bps() / 2.5e6;
            assert!((0.06..0.5).contains(&share), "seed {seed}: {share}");
        }
    }
}

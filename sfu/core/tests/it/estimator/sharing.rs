//! Several flows, and file transfers, over one bottleneck.

use super::rig::Rig;

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

#[test]
fn a_file_transfer_leaves_room_for_voice_and_a_picture() {
    for seed in 1..=3 {
        let mut rig = Rig::over(2_500_000, 50, seed);
        rig.run(10);
        rig.transfer_begins();
        rig.run(60);
        let mean = rig.record.mean_estimate_bps(20.0, 70.0);
        assert!(mean > 250e3, "seed {seed}: {mean}: {}", rig.record.trace(9.0, 70.0));
        let least = rig.record.least_estimate_bps(20.0, 70.0);
        assert!(least > 80e3, "seed {seed}: {least}: {}", rig.record.trace(9.0, 70.0));
    }
}

//! Reports that stand still for a while and then come all at once, while the link is as
//! good as before: a far end that gets no processor, a way back that is held up.

use super::rig::{FarEnd, MS, Rig, Video};
use crate::link::Random;

const WAYS: [FarEnd; 2] = [FarEnd::HoldsReports, FarEnd::Sleeps];
const LAYER_BPS: u64 = 1_500_000;

/// Somebody who watches a picture of 1.5 Mb/s over a link with room for it.
fn watching(rate_bps: u64) -> Rig {
    let mut rig = Rig::over(rate_bps, 50, 1);
    rig.flows[0].video = Video::Layers(&[LAYER_BPS]);
    rig.flows[0].desired_bps = 1_800_000;
    rig.run(20);
    rig
}

#[test]
fn two_seconds_without_reports_cost_nothing() {
    for does in WAYS {
        for rate_bps in [2_500_000, 20_000_000] {
            for ms in [200, 500, 1_000, 1_500, 2_000] {
                let mut rig = watching(rate_bps);
                let before = rig.record.mean_estimate_bps(18.0, 20.0);
                for _ in 0..3 {
                    rig.stand_still(does, ms * MS);
                    rig.run(3);
                }
                let least = rig.record.least_estimate_bps(20.0, 40.0);
                let story = format!("{does:?} for {ms} ms: {}", rig.record.trace(20.0, 40.0));
                assert!(least > 0.98 * before, "{least} of {before}: {story}");
                assert!(rig.record.wait_ms(20.0, 40.0, 1.0) < 100.0, "{story}");
            }
        }
    }
}

#[test]
fn a_far_end_that_gets_a_tenth_of_a_processor_is_no_narrow_link() {
    let mut rig = watching(20_000_000);
    for _ in 0..60 {
        rig.stand_still(FarEnd::Sleeps, 300 * MS);
        rig.run_for(30 * MS);
    }
    let least = rig.record.least_estimate_bps(20.0, 40.0);
    assert!(least > LAYER_BPS as f64, "{least}: {}", rig.record.trace(20.0, 40.0));
}

#[test]
fn after_a_long_silence_the_estimate_is_where_it_was() {
    for does in WAYS {
        let mut rig = watching(2_500_000);
        let before = rig.record.mean_estimate_bps(18.0, 20.0);
        rig.stand_still(does, 5_000 * MS);
        let silent = rig.record.least_estimate_bps(20.0, 25.0);
        assert!(silent < 0.2 * before, "less is risked: {silent} of {before}");
        rig.run(5);
        let after = rig.record.least_estimate_bps(25.5, 30.0);
        let story = format!("{does:?}: {}", rig.record.trace(20.0, 30.0));
        assert!(after > 0.95 * before, "{after} of {before}: {story}");
    }
}

/// What is sent without a word from the far end, over a link that has become narrow: a
/// few seconds of what it carried before, then next to nothing.
#[test]
fn little_is_sent_into_silence() {
    let mut rig = Rig::over(2_500_000, 50, 1);
    rig.run(20);
    let (before, sent) = (rig.record.mean_estimate_bps(18.0, 20.0), rig.flows[0].sent_bytes);
    rig.stand_still(FarEnd::Sleeps, 20_000 * MS);
    let unanswered = (rig.flows[0].sent_bytes - sent) as f64 * 8.0;
    assert!(unanswered < 4.5 * before + 20.0 * 60_000.0, "{unanswered} at {before}");
}

#[test]
fn a_link_that_became_narrow_in_the_silence_is_not_filled() {
    let mut rig = watching(2_500_000);
    rig.down.path.rate_bps = Some(400_000);
    rig.stand_still(FarEnd::HoldsReports, 4_000 * MS);
    rig.run(10);
    let story = rig.record.trace(20.0, 34.0);
    let highest = rig.record.between(25.0, 34.0).iter().map(|sample| sample.estimate_bps);
    assert!(highest.fold(0.0, f64::max) < 600e3, "{story}");
}

/// A call that begins while the far end gets its processor in turns, as on a busy phone:
/// it notes packets up to 15 ms late, in bunches. Seconds until the picture fits.
fn begin_beside_others(seed: u64) -> f64 {
    let mut turns = Random::new(seed);
    let mut rig = Rig::over(20_000_000, 2, seed);
    rig.flows[0].video = Video::Layers(&[LAYER_BPS]);
    rig.flows[0].desired_bps = 1_800_000;
    for _ in 0..3_000 {
        rig.stand_still(FarEnd::Sleeps, (turns.next() % 15) as u32 * MS);
        rig.run_for(MS);
    }
    rig.record.time_to(0.0, 1_700_000.0 / 20e6).unwrap_or(f64::MAX)
}

#[test]
fn a_picture_comes_soon_to_a_far_end_that_is_busy() {
    let mut took: Vec<_> = (1..=100).map(begin_beside_others).collect();
    took.sort_by(f64::total_cmp);
    assert!(took[89] <= 0.7 && took[94] <= 1.0 && took[99] <= 5.0, "{took:?}");
}

//! One flow alone, on good and bad paths.

use super::rig::{MS, Rig, Video};
use crate::link::{Loss, Path};

const MBPS: u64 = 1_000_000;
const SEEDS: std::ops::RangeInclusive<u64> = 1..=3;

/// A test of a minute on a link of 2.5 Mb/s with a round trip of 50 ms, changed by
/// `change`, from which at least `used` of the link must be used from second 20 on,
/// and the queue must stay below `wait_ms` in nine of ten samples.
fn minute(used: f64, wait_ms: f64, change: impl Fn(&mut Rig)) {
    for seed in SEEDS {
        let mut rig = Rig::over(2_500_000, 50, seed);
        change(&mut rig);
        rig.run(60);
        let (real, wait) = (rig.record.used(20.0, 60.0), rig.record.wait_ms(20.0, 60.0, 0.9));
        let story = rig.record.trace(0.0, 60.0);
        assert!(real >= used, "seed {seed}: {real:.2} is used: {story}");
        assert!(wait <= wait_ms, "seed {seed}: packets wait for {wait:.0} ms: {story}");
    }
}

#[test]
fn it_finds_the_rate_of_a_link_and_keeps_its_queue_short() {
    // The first steps need a round trip and a report each.
    for (rate_bps, rtt_ms, found_s) in [
        (300_000, 50, 0.1),
        (MBPS, 50, 1.0),
        (2_500_000, 100, 1.0),
        (2_500_000, 300, 2.0),
        (2_500_000, 600, 3.0),
        (4 * MBPS, 100, 1.0),
    ] {
        for seed in SEEDS {
            let mut rig = Rig::over(rate_bps, rtt_ms, seed);
            rig.run(60);
            let record = &rig.record;
            let found = record.time_to(0.0, 0.8).expect("it is found");
            let story = record.trace(0.0, 60.0);
            assert!(found <= found_s, "{rate_bps} at {rtt_ms} ms: {found} s: {story}");
            let aim = record.aim(20.0, 60.0);
            assert!((0.75..1.0).contains(&aim), "{rate_bps} at {rtt_ms} ms: {aim}: {story}");
            let used = record.used(20.0, 60.0);
            assert!(used > 0.8, "{rate_bps} at {rtt_ms} ms: {used}: {story}");
            let wait = record.wait_ms(20.0, 60.0, 0.95);
            assert!(wait < 120.0, "{rate_bps} at {rtt_ms} ms: {wait}: {story}");
        }
    }
}

#[test]
fn a_link_that_becomes_slow_and_fast_again_is_followed() {
    for seed in SEEDS {
        let mut rig = Rig::over(2_500_000, 50, seed);
        rig.run(20);
        rig.down.path.rate_bps = Some(300_000);
        rig.run(20);
        rig.down.path.rate_bps = Some(2_500_000);
        rig.run(20);
        let story = rig.record.trace(19.0, 60.0);
        // The queue that formed before anybody could know is 94 kB long, 2.5 s at this
        // rate. It drains, because much less than the link's rate is sent.
        let below = rig.record.between(20.8, 22.0).iter().all(|sample| sample.estimate_bps < 3e5);
        assert!(below, "{story}");
        let drained = rig.record.time_to_drain(20.0, 150.0).expect("the queue drains");
        assert!(drained < 6.0, "{drained}: {story}");
        let aim = rig.record.aim(26.0, 40.0);
        assert!((0.75..1.0).contains(&aim), "{aim}: {story}");
        // Probes go out every five seconds at the latest; one whose answer is doubted is
        // repeated, so that it may take two rounds.
        let back = rig.record.time_to(40.2, 0.8).expect("it recovers");
        assert!(back < 7.0, "{back}: {story}");
    }
}

#[test]
fn a_pulse_every_ten_seconds_costs_two_seconds() {
    for seed in SEEDS {
        let mut rig = Rig::over(2_500_000, 50, seed);
        for pulse in 0..6 {
            rig.down.path.rate_bps = Some(2_500_000);
            rig.run(9);
            rig.down.path.rate_bps = Some(500_000);
            rig.run(1);
            let end = f64::from(pulse + 1) * 10.0;
            if pulse > 0 {
                let back = rig.record.time_to(end - 10.0 + 0.2, 0.8).expect("it recovers");
                assert!(back < 3.0, "{back}: {}", rig.record.trace(end - 11.0, end));
            }
        }
        let aim = rig.record.aim(10.0, 60.0);
        assert!((0.6..1.0).contains(&aim), "{aim}: {}", rig.record.trace(0.0, 60.0));
    }
}

#[test]
fn loss_that_is_not_congestion_takes_little() {
    for (part, used) in [(0.01, 0.82), (0.02, 0.8), (0.05, 0.75), (0.1, 0.65), (0.2, 0.4)] {
        minute(used, 100.0, |rig| rig.down.path.loss = Loss::Random(part));
        minute(used, 100.0, |rig| rig.down.path.loss = Loss::Bursty { part, burst: 8.0 });
    }
}

#[test]
fn a_link_that_drops_instead_of_queueing_is_not_flooded() {
    for seed in SEEDS {
        let mut rig = Rig::over(MBPS, 50, seed);
        // Five packets of queue: the delay never shows that it is full.
        rig.down.path.queue_bytes = 6_000;
        rig.run(60);
        let tally = rig.down.tally;
        let dropped = tally.overflowed as f64 / tally.sent as f64;
        let story = rig.record.trace(0.0, 60.0);
        assert!(dropped < 0.08, "{dropped}: {story}");
        let used = rig.record.used(20.0, 60.0);
        assert!(used > 0.75, "{used}: {story}");
    }
}

#[test]
fn jitter_and_disorder_take_little() {
    for (jitter_ms, used) in [(10, 0.8), (30, 0.75), (60, 0.65)] {
        minute(used, 250.0, |rig| rig.down.path.jitter = jitter_ms * MS);
    }
    minute(0.75, 120.0, |rig| {
        rig.down.path.reorder = 0.05;
        rig.down.path.duplicate = 0.05;
    });
}

#[test]
fn clocks_may_differ() {
    // 500 ppm is five times what a bad crystal has.
    for speed in [1.0 - 500e-6, 1.0 + 500e-6] {
        minute(0.8, 120.0, |rig| rig.flows[0].clock_speed = speed);
    }
}

#[test]
fn lost_reports_are_neither_loss_nor_a_low_rate() {
    for part in [0.1, 0.3, 0.5] {
        minute(0.8, 120.0, |rig| rig.up.path.loss = Loss::Random(part));
    }
}

#[test]
fn without_reports_less_is_risked_and_with_them_it_comes_back() {
    let mut rig = Rig::over(2_500_000, 50, 1);
    rig.run(20);
    let before = rig.record.mean_estimate_bps(15.0, 20.0);
    rig.up.path.loss = Loss::Random(1.0);
    rig.run(5);
    let silent = rig.flows[0].estimator.estimate_bps() as f64;
    assert!(silent < 0.2 * before, "{silent} of {before}");
    rig.up.path.loss = Loss::None;
    rig.run(10);
    let back = rig.record.time_to(25.0, 0.8).expect("it recovers");
    assert!(back < 4.0, "{back}: {}", rig.record.trace(19.0, 35.0));
}

#[test]
fn what_the_application_does_not_send_is_probed() {
    const LAYERS: &[u64] = &[150_000, 500_000, 1_500_000];
    // All layers fit; the estimate gets there without media to carry it.
    for video in [Video::Layers(LAYERS), Video::None] {
        let mut rig = Rig::over(2_500_000, 50, 1);
        rig.flows[0].video = video;
        rig.flows[0].desired_bps = 1_700_000;
        rig.run(30);
        let found = rig.record.time_to(0.0, 0.65).expect("it is found");
        assert!(found < 3.0, "{found}: {}", rig.record.trace(0.0, 30.0));
        let aim = rig.record.aim(5.0, 30.0);
        assert!((0.6..1.1).contains(&aim), "{aim}: {}", rig.record.trace(0.0, 30.0));
        assert!(rig.record.wait_ms(5.0, 30.0, 1.0) < 100.0);
    }
    // The best layer does not fit, and is not tried out on the viewer again and again.
    let mut rig = Rig::over(1_200_000, 50, 1);
    rig.flows[0].video = Video::Layers(LAYERS);
    rig.flows[0].desired_bps = 1_700_000;
    rig.run(60);
    let highest = rig.record.between(5.0, 60.0).iter().map(|sample| sample.estimate_bps);
    assert!(highest.fold(0.0, f64::max) < 1.5e6, "{}", rig.record.trace(0.0, 60.0));
    assert!(rig.record.wait_ms(5.0, 60.0, 1.0) < 100.0);
}

#[test]
fn a_layer_that_fits_is_not_lost_to_its_own_key_frame() {
    for rate_bps in [2_500_000, 4 * MBPS] {
        for seed in SEEDS {
            let mut rig = Rig::over(rate_bps, 50, seed);
            rig.flows[0].video = Video::Layers(&[150_000, 500_000, 1_500_000]);
            rig.flows[0].desired_bps = 2_500_000;
            rig.run(5);
            // Something else took the room for a while.
            rig.down.path.rate_bps = Some(400_000);
            rig.run(5);
            rig.down.path.rate_bps = Some(rate_bps);
            rig.run(30);
            let least = rig.record.least_estimate_bps(20.0, 40.0);
            let story = rig.record.trace(0.0, 40.0);
            assert!(least > 1.6e6, "{rate_bps}, seed {seed}: {least}: {story}");
            let least = rig.record.least_estimate_bps(2.0, 5.0);
            assert!(least > 1.6e6, "{rate_bps}, seed {seed}: {least}: {story}");
        }
    }
}

#[test]
fn jitter_does_not_take_away_what_is_not_sent() {
    for jitter_ms in [30, 60] {
        for seed in SEEDS {
            let mut rig = Rig::over(4 * MBPS, 50, seed);
            rig.down.path.jitter = jitter_ms * MS;
            rig.flows[0].video = Video::Layers(&[150_000]);
            rig.flows[0].desired_bps = 2_500_000;
            rig.run(60);
            let story = rig.record.trace(0.0, 60.0);
            let mean = rig.record.mean_estimate_bps(10.0, 60.0);
            assert!(mean > 2e6, "{jitter_ms} ms, seed {seed}: {mean}: {story}");
            let least = rig.record.least_estimate_bps(10.0, 60.0);
            assert!(least > 1e6, "{jitter_ms} ms, seed {seed}: {least}: {story}");
        }
    }
}

#[test]
fn a_paused_video_does_not_lock_the_estimate_low() {
    // A link too slow for any layer becomes fast. Only voice is sent by then.
    let mut rig = Rig::over(120_000, 50, 1);
    rig.flows[0].video = Video::Layers(&[150_000, 500_000, 1_500_000]);
    rig.flows[0].desired_bps = 1_700_000;
    rig.run(30);
    assert!(rig.flows[0].estimator.estimate_bps() < 200_000);
    rig.down.path.rate_bps = Some(2_500_000);
    rig.run(15);
    let back = rig.record.time_to(30.2, 0.6).expect("it recovers");
    assert!(back < 8.0, "{back}: {}", rig.record.trace(25.0, 45.0));
}

#[test]
fn nothing_is_sent_beyond_what_is_wanted() {
    let mut rig = Rig::over(20 * MBPS, 50, 1);
    rig.flows[0].video = Video::Layers(&[150_000]);
    rig.flows[0].desired_bps = 250_000;
    rig.run(60);
    let carried = rig.record.used(5.0, 60.0) * 20e6;
    assert!(carried < 250e3, "voice, the layer and headers: {carried}");
}

#[test]
fn a_dead_link_comes_back() {
    let mut rig = Rig::over(2_500_000, 50, 1);
    rig.run(10);
    let good = rig.down.path;
    rig.down.path = Path { loss: Loss::Random(1.0), ..good };
    rig.run(5);
    rig.down.path = good;
    rig.run(15);
    let back = rig.record.time_to(15.0, 0.8).expect("it recovers");
    assert!(back < 6.0, "{back}: {}", rig.record.trace(9.0, 30.0));
}

#[test]
fn silence_changes_nothing() {
    let mut rig = Rig::over(2_500_000, 50, 1);
    rig.run(20);
    let before = rig.flows[0].estimator.estimate_bps();
    rig.flows[0].muted = true;
    // What is desired of a muted call is nothing more.
    rig.flows[0].desired_bps = 0;
    rig.run(30);
    rig.flows[0].muted = false;
    rig.flows[0].desired_bps = 5_000_000;
    rig.run(1);
    let after = rig.flows[0].estimator.estimate_bps();
    assert!(after as f64 > 0.7 * before as f64, "{after} of {before}");
}

#[test]
fn a_way_that_becomes_longer_is_no_queue_for_long() {
    for (rate_bps, more_ms) in [(MBPS, 80), (2_500_000, 50), (2_500_000, 80), (2_500_000, 150)] {
        for seed in SEEDS {
            let mut rig = Rig::over(rate_bps, 50, seed);
            rig.run(20);
            rig.down.path.delay += more_ms * MS;
            rig.run(80);
            let story = format!("{rate_bps}, {more_ms} ms more: {}", rig.record.trace(19.0, 100.0));
            let wait = rig.record.wait_ms(80.0, 100.0, 0.95);
            assert!(wait < 150.0, "seed {seed}: {wait}: {story}");
            let used = rig.record.used(30.0, 100.0);
            assert!(used > 0.75, "seed {seed}: {used}: {story}");
        }
    }
}

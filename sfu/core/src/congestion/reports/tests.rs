use proptest::prelude::*;

use super::*;

const PACKET_BYTES: usize = 1_000;
const LAYERS_BPS: [u64; 3] = [150_000, 500_000, 1_500_000];

#[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
fn origin() -> Instant {
    Instant::now()
}

/// A receiver of the best layer that fits, over a link that drops what is too much and
/// besides every `loses`th packet. The rates of each second.
fn watch(link_bps: u64, loses: u64, seconds: u64, remb: bool) -> (ReportEstimator, Vec<u64>) {
    let start = origin();
    let mut estimator = ReportEstimator::new(start, Config::default());
    let mut rates = Vec::new();
    for second in 0..seconds {
        let begin = start + Duration::from_secs(second);
        let fits = LAYERS_BPS.into_iter().rev().find(|rate| *rate < estimator.estimate_bps());
        let rate = 40_000 + fits.unwrap_or(0);
        rates.push(rate);
        let packets = rate / 8 / PACKET_BYTES as u64;
        for packet in 0..packets {
            let at = begin + Duration::from_micros(packet * 1_000_000 / packets);
            estimator.on_sent(at, PACKET_BYTES);
        }
        let carried = packets * link_bps.min(rate) / rate;
        let noise = carried / loses.max(1) * u64::from(loses > 0);
        let end = begin + Duration::from_secs(1);
        if remb {
            estimator.on_remb(end, if rate > link_bps { link_bps } else { rate * 3 / 2 });
        }
        estimator.on_report(end, 0, packets, packets - carried + noise);
    }
    (estimator, rates)
}

#[test]
fn a_wide_link_shows_the_best_at_once_and_always() {
    let (_, rates) = watch(20_000_000, 0, 60, false);
    assert!(rates.iter().all(|rate| *rate > 1_500_000), "{rates:?}");
    let (_, rates) = watch(20_000_000, 0, 60, true);
    assert!(rates.iter().all(|rate| *rate > 1_500_000), "{rates:?}");
}

#[test]
fn a_narrow_link_is_found_and_seldom_tried() {
    for remb in [false, true] {
        let (_, rates) = watch(800_000, 0, 120, remb);
        assert!(rates[5..10].iter().all(|rate| *rate < 800_000), "{rates:?}");
        let tried = rates[20..].iter().filter(|rate| **rate > 800_000).count();
        assert!(tried <= 12, "remb {remb}, {tried} seconds of too much: {rates:?}");
        let shown = rates[20..].iter().filter(|rate| **rate > 500_000).count();
        assert!(shown >= 60, "remb {remb}: {rates:?}");
    }
}

#[test]
fn loss_at_any_rate_does_not_take_the_picture_for_long() {
    let (_, rates) = watch(20_000_000, 10, 120, false);
    let good = rates[60..].iter().filter(|rate| **rate >= 500_000).count();
    assert!(good >= 45, "{rates:?}");
}

/// A second in which `rate` is sent; the picture's report covers it, `lost` parts of it.
fn second(estimator: &mut ReportEstimator, at: Instant, rate: u64, lost: f64) {
    let packets = rate / 8 / PACKET_BYTES as u64;
    for packet in 0..packets {
        let at = at + Duration::from_micros(packet * 1_000_000 / packets);
        estimator.on_sent(at, PACKET_BYTES);
    }
    let end = at + Duration::from_secs(1);
    estimator.on_report(end, 0, packets, (lost * packets as f64) as u64);
}

#[test]
fn a_try_that_fails_does_not_cost_what_was_carried_before() {
    let start = origin();
    let mut estimator = ReportEstimator::new(start, Config::default());
    let at = |number| start + Duration::from_secs(number);
    for number in 0..20 {
        second(&mut estimator, at(number), 600_000, 0.0);
    }
    // What is lost of the try is reported while less is sent again, too.
    second(&mut estimator, at(20), 2_400_000, 0.6);
    second(&mut estimator, at(21), 800_000, 0.4);
    assert!(estimator.estimate_bps() > 700_000, "{}", estimator.estimate_bps());
    for number in 22..30 {
        second(&mut estimator, at(number), 600_000, 0.5);
    }
    assert!(estimator.estimate_bps() < 400_000, "{}", estimator.estimate_bps());
}

#[test]
fn seldom_reports_of_voice_do_not_hide_what_pictures_lose() {
    let start = origin();
    let mut estimator = ReportEstimator::new(start, Config::default());
    for number in 0..5 {
        second(&mut estimator, start + Duration::from_secs(number), 600_000, 0.0);
    }
    let at = start + Duration::from_secs(5);
    for packet in 0..250 {
        estimator.on_sent(at + Duration::from_millis(packet * 4), PACKET_BYTES);
    }
    // What it says of the five seconds before is no news of this one.
    let end = at + Duration::from_secs(1);
    estimator.on_report(at + Duration::from_millis(300), 1, 1_000, 0);
    estimator.on_report(end, 0, 250, 125);
    assert!(estimator.estimate_bps() < 1_500_000, "{}", estimator.estimate_bps());
}

proptest! {
    #[test]
    fn any_reports_leave_it_within_its_bounds(
        steps in prop::collection::vec((0..5_u8, any::<u64>(), any::<u64>()), 1..300),
    ) {
        let config = Config::default();
        let mut now = origin();
        let mut estimator = ReportEstimator::new(now, config);
        for (step, one, other) in steps {
            match step {
                0 => now += Duration::from_micros(one % 5_000_000),
                1 => estimator.on_sent(now, one as usize % 1_500),
                2 => estimator.on_report(now, one as usize % 400, one % (1 << 32), other % (1 << 32)),
                3 => estimator.on_report(now, 1, one % 100, other % 100),
                _ => estimator.on_remb(now, one),
            }
            let estimate = estimator.estimate_bps();
            prop_assert!((config.min_bps..=config.max_bps).contains(&estimate), "{}", estimate);
        }
    }
}

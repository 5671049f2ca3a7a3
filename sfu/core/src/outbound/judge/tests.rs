use proptest::prelude::*;

use super::*;

const PACKET_BYTES: usize = 1_000;
const PACKETS: u64 = 100;
const CONFIG: Config = Config { min_bps: 50_000, start_bps: 600_000, max_bps: 20_000_000 };

#[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
fn origin() -> Instant {
    Instant::now()
}

fn numbered(now: Instant) -> Judge {
    let mut judge = Judge::Nobody;
    judge.appoint(now, true, CONFIG);
    judge
}

/// Seconds of 0.8 Mb/s, and at the end of each a report of which every `loses`th packet
/// was lost; the last number given.
fn watch(judge: &mut Judge, start: Instant, seconds: std::ops::Range<u64>, loses: u64) -> u16 {
    let mut last = None;
    for second in seconds {
        let begin = start + Duration::from_secs(second);
        for packet in 0..PACKETS {
            let at = begin + Duration::from_millis(packet * 10);
            last = judge.on_sent(at, PACKET_BYTES, Payload::Media, true);
        }
        let lost = PACKETS.checked_div(loses).unwrap_or(0);
        judge.on_report(begin + Duration::from_secs(1), 0, PACKETS, lost);
    }
    last.expect("numbers are given")
}

#[test]
fn numbers_that_nobody_reports_on_are_no_judge() {
    let start = origin();
    let mut judge = numbered(start);
    watch(&mut judge, start, 0..3, 0);
    assert!(judge.feedback().is_some(), "feedback may still come");
    assert_eq!(judge.estimate_bps(), Some(CONFIG.start_bps));
    watch(&mut judge, start, 3..5, 0);
    assert!(judge.feedback().is_none());
    let clean = judge.estimate_bps().expect("estimated");
    assert!(clean > 2 * CONFIG.start_bps, "{clean}");
    watch(&mut judge, start, 5..10, 4);
    let lossy = judge.estimate_bps().expect("estimated");
    assert!(lossy < 800_000, "{lossy}");
    judge.on_remb(start + Duration::from_secs(10), 300_000);
    assert!(judge.estimate_bps().is_some_and(|bps| bps <= 300_000));
}

#[test]
fn feedback_that_comes_late_is_believed_from_then_on() {
    let start = origin();
    let mut judge = numbered(start);
    let last = watch(&mut judge, start, 0..6, 0);
    let before = judge.estimate_bps().expect("estimated");
    assert!(judge.feedback().is_none());
    let now = start + Duration::from_secs(6);
    judge.on_feedback(now, [(last - 1, Some(1_000)), (last, Some(11_000))]);
    assert!(matches!(judge, Judge::Feedback(_)));
    assert_eq!(judge.estimate_bps(), Some(before), "it goes on from there");
    let next = judge.on_sent(now, PACKET_BYTES, Payload::Media, true);
    assert_eq!(next, Some(last + 1));
    watch(&mut judge, start, 7..12, 4);
    assert!(matches!(judge, Judge::Feedback(_)), "it was there, and may come again");
}

#[test]
fn reports_of_nothing_say_nothing_of_feedback() {
    let start = origin();
    let mut judge = numbered(start);
    for second in 0..20 {
        judge.on_report(start + Duration::from_secs(second), 0, 0, 0);
    }
    assert!(judge.feedback().is_some());
}

proptest! {
    /// Whoever judges, numbers follow each other and the estimate stays in its bounds.
    #[test]
    fn any_order_of_news_is_endured(
        steps in prop::collection::vec((0..6_u8, any::<u16>(), any::<u32>()), 1..300),
    ) {
        let mut now = origin();
        let mut judge = numbered(now);
        let mut next = 0;
        for (step, small, large) in steps {
            match step {
                0 => now += Duration::from_micros(u64::from(large) % 5_000_000),
                1 => {
                    let seq = judge.on_sent(now, usize::from(small) % 1_500, Payload::Media, true);
                    prop_assert_eq!(seq, Some(next));
                    next += 1;
                }
                2 => judge.on_report(now, usize::from(small), u64::from(small), u64::from(large)),
                3 => judge.on_remb(now, u64::from(large)),
                4 => judge.on_feedback(now, [(small % 300, Some(i64::from(large)))]),
                _ => judge.appoint(now, small % 2 == 0, CONFIG),
            }
            let estimate = judge.estimate_bps().expect("there is a judge");
            prop_assert!((CONFIG.min_bps..=CONFIG.max_bps).contains(&estimate), "{}", estimate);
        }
    }
}

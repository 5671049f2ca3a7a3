use proptest::prelude::*;

use super::*;
use crate::wire::bytes::Pen;

fn write(report: &Report<'_>, room: usize) -> Option<(Vec<u8>, usize)> {
    let mut buffer = vec![0; room];
    let mut pen = Pen::new(&mut buffer);
    let covered = report.write(&mut pen)?;
    pen.align().expect("the plan leaves room for it");
    let bytes = pen.written();
    buffer.truncate(bytes);
    Some((buffer, covered))
}

fn read(body: &[u8]) -> Vec<Option<i64>> {
    let feedback = Feedback::parse(body).expect("a valid head");
    feedback.arrivals().map(|arrival| arrival.at_us).collect()
}

// Written by hand after the draft's figures.

#[test]
fn reads_a_run_and_one_bit_symbols() {
    let body = [
        0xff, 0xfe, 0, 12, // from 65,534, twelve packets
        0, 0, 1, 7, // 64 ms, the seventh
        0x20, 0x02, // a run of two small
        0xb0, 0x00, // received twice, then missing
        4, 8, 0xfc, 0, // deltas
    ];
    let feedback = Feedback::parse(&body).expect("a valid head");
    assert_eq!(feedback.status_count(), 12);
    let sequences: Vec<_> = feedback.arrivals().map(|arrival| arrival.sequence).collect();
    assert_eq!(sequences[..4], [65_534, 65_535, 0, 1]);
    let times = read(&body);
    assert_eq!(times[..4], [Some(65_000), Some(67_000), Some(130_000), Some(130_000)]);
    assert_eq!(times[4..], [None; 8]);
}

#[test]
fn reads_two_bit_symbols_and_a_step_back() {
    let body = [
        0, 1, 0, 9, 0xff, 0xff, 0xff, 0, // 64 ms before the epoch
        0xd8, 0x40, // small, large, missing, small, then missing
        0x00, 0x02, // a run of two missing
        8, 0xff, 0xfc, 2, // deltas
    ];
    let mut expected = vec![Some(-62_000), Some(-63_000), None, Some(-62_500)];
    expected.extend([None; 5]);
    assert_eq!(read(&body), expected);
}

#[test]
fn heads_that_claim_too_much_are_refused() {
    assert!(Feedback::parse(&[0, 0, 0, 0, 0, 0, 0, 0]).is_none(), "no status");
    assert!(Feedback::parse(&[0, 0, 0, 1, 0, 0, 0, 0]).is_none(), "no chunk");
    let long = [0, 0, 0x10, 1, 0, 0, 0, 0, 0x1f, 0xff];
    assert!(Feedback::parse(&long).is_none(), "4,097 statuses");
    let missing = [0, 0, 0, 2, 0, 0, 0, 0, 0x20, 2, 9];
    assert_eq!(read(&missing).len(), 1, "a delta is missing");
    let reserved = [0, 0, 0, 2, 0, 0, 0, 0, 0xd0 | 0x0c, 0, 9, 9];
    assert_eq!(read(&reserved).len(), 1, "the second status is reserved");
}

#[test]
fn nothing_received_is_no_report() {
    let report = Report { base: 1, number: 0, arrivals_us: &[None, None] };
    assert!(write(&report, 100).is_none());
    let report = Report { base: 1, number: 0, arrivals_us: &[Some(0)] };
    assert!(write(&report, 11).is_none(), "no room");
    assert!(write(&report, 12).is_some());
}

#[test]
fn a_long_silence_ends_a_report() {
    let report = Report { base: 1, number: 0, arrivals_us: &[Some(0), Some(8_300_000)] };
    let (body, covered) = write(&report, 100).expect("room");
    assert_eq!((covered, read(&body)), (1, vec![Some(0)]));
}

#[test]
fn a_run_is_one_chunk() {
    let arrivals: Vec<_> = (0..500).map(|index| Some(index * 250)).collect();
    let report = Report { base: 1, number: 0, arrivals_us: &arrivals };
    let (body, covered) = write(&report, 1000).expect("room");
    assert_eq!((covered, body.len()), (500, (8 + 2 + 500_usize).next_multiple_of(4)));
}

proptest! {
    /// What a report covers is read as it was, to the tick; and it always covers
    /// something, so that a queue of reports drains.
    #[test]
    fn what_is_reported_is_read(
        base in any::<u16>(), number in any::<u8>(), start in 0..1_u64 << 40, room in 12..400_usize,
        steps in prop::collection::vec(
            prop::option::weighted(0.7, prop_oneof![
                8 => 0..5_000_i64, 2 => -20_000..100_000_i64, 1 => 0..9_000_000_i64,
            ]), 1..1100),
    ) {
        let mut at = start.cast_signed();
        let arrivals: Vec<_> = steps
            .iter()
            .map(|step| step.map(|step| {
                at = (at + step).max(0);
                at.cast_unsigned()
            }))
            .collect();
        let report = Report { base, number, arrivals_us: &arrivals };
        let Some((body, covered)) = write(&report, room) else {
            // The first one received may be beyond what this room covers.
            let first = arrivals.iter().position(Option::is_some);
            prop_assert!(first.is_none_or(|first| first > room / 2));
            return Ok(());
        };
        prop_assert!(body.len() <= room && covered <= arrivals.len());
        let feedback = Feedback::parse(&body).expect("what we wrote");
        prop_assert_eq!(body[7], number);
        // The reference time wraps after 24 bits of 64 ms.
        let wrap = (1 << 24) * REFERENCE_TICKS * TICK_US;
        let read: Vec<_> = feedback.arrivals().collect();
        prop_assert_eq!(read.len(), covered);
        for (index, (read, sent)) in read.iter().zip(&arrivals).enumerate() {
            prop_assert_eq!(read.sequence, base.wrapping_add(index as u16));
            let sent = sent.map(|sent| (sent.cast_signed() / TICK_US * TICK_US).rem_euclid(wrap));
            prop_assert_eq!(read.at_us.map(|at_us| at_us.rem_euclid(wrap)), sent);
        }
    }

    #[test]
    fn any_bytes_are_read_in_bounded_steps(body in prop::collection::vec(any::<u8>(), 0..100)) {
        if let Some(feedback) = Feedback::parse(&body) {
            prop_assert!(feedback.arrivals().count() <= feedback.status_count());
            prop_assert!(feedback.status_count() <= MAX_STATUSES);
        }
    }
}

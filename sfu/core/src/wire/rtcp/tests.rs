use proptest::prelude::*;

use super::*;

fn written(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut buffer = [0; 1200];
    let mut writer = Writer::new(&mut buffer);
    write(&mut writer);
    let bytes = writer.written();
    buffer[..bytes].to_vec()
}

fn report(ssrc: u32) -> ReportBlock {
    ReportBlock {
        ssrc,
        fraction_lost: 12,
        cumulative_lost: -5,
        extended_highest: 0x0001_0002,
        jitter: 9,
        last_sender_report: 77,
        delay_since_last: 88,
    }
}

#[test]
fn a_compound_of_all_kinds_is_read_in_order() {
    let info =
        SenderInfo { ssrc: 1, ntp: 2 << 32 | 3, rtp_timestamp: 4, packets: 5, payload_bytes: 6 };
    let compound = written(|writer| {
        writer.sender_report(&info, &[report(7), report(8)]).expect("room");
        writer.source_description(1, "relay").expect("room");
        writer.receiver_report(9, &[report(10)]).expect("room");
        writer.nack(1, 2, [65_534, 65_535, 14, 15]).expect("room");
        writer.picture_loss(1, 2).expect("room");
        writer.full_intra(1, 2, 3).expect("room");
        writer.goodbye(&[1, 2]).expect("room");
    });
    assert_eq!(compound.len() % 4, 0);
    let mut read = packets(&compound);
    let Some(Packet::SenderReport { info: read_info, reports }) = read.next() else { panic!() };
    assert_eq!((read_info, reports.collect::<Vec<_>>()), (info, vec![report(7), report(8)]));
    assert!(matches!(read.next(), Some(Packet::Other)));
    let Some(Packet::ReceiverReport { reports }) = read.next() else { panic!() };
    assert_eq!(reports.collect::<Vec<_>>(), [report(10)]);
    let Some(Packet::Nack { media: 2, lost }) = read.next() else { panic!() };
    assert_eq!(lost.collect::<Vec<_>>(), [65_534, 65_535, 14, 15]);
    assert!(matches!(read.next(), Some(Packet::PictureLoss { media: 2 })));
    let Some(Packet::FullIntra { requests }) = read.next() else { panic!() };
    assert_eq!(requests.collect::<Vec<_>>(), [(2, 3)]);
    assert!(matches!(read.next(), Some(Packet::Other)), "a goodbye");
    assert!(read.next().is_none());
}

#[test]
fn a_packet_that_does_not_fit_leaves_the_compound_as_it_was() {
    let mut buffer = [0; 20];
    let mut writer = Writer::new(&mut buffer);
    assert_eq!(writer.picture_loss(1, 2), Some(()));
    assert_eq!(writer.picture_loss(1, 2), None);
    assert_eq!(writer.nack(1, 2, []), None, "nothing is lost");
    assert_eq!(writer.written(), 12);
    assert_eq!(packets(&buffer[..12]).count(), 1);
}

#[test]
fn a_wrong_length_ends_the_compound() {
    let mut compound = written(|writer| {
        writer.picture_loss(1, 2).expect("room");
        writer.picture_loss(3, 4).expect("room");
    });
    compound[15] = 3;
    assert_eq!(packets(&compound).count(), 1);
    compound.truncate(14);
    assert_eq!(packets(&compound).count(), 1);
}

#[test]
fn a_short_body_is_passed_over() {
    let compound = [0x81, 206, 0, 1, 0, 0, 0, 1, 0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2];
    let mut read = packets(&compound);
    assert!(matches!(read.next(), Some(Packet::Other)));
    assert!(matches!(read.next(), Some(Packet::PictureLoss { media: 2 })));
    assert!(read.next().is_none());
}

#[test]
fn padding_is_cut_off() {
    let lost_with_padding = |count: u8| {
        let packet = [0xa1, 205, 0, 4, 0, 0, 0, 1, 0, 0, 0, 2, 0, 9, 0, 0, 0, 0, 0, count];
        match packets(&packet).next() {
            Some(Packet::Nack { lost, .. }) => Some(lost.count()),
            _ => None,
        }
    };
    assert_eq!(lost_with_padding(4), Some(1));
    assert_eq!(lost_with_padding(8), Some(0));
    assert_eq!(lost_with_padding(17), None, "more than the packet");
}

#[test]
fn losses_far_apart_take_an_entry_each() {
    let numbers: Vec<_> = (0..20).map(|index| index * 17).collect();
    let compound = written(|writer| writer.nack(1, 2, numbers.clone()).expect("room"));
    assert_eq!(compound.len(), 12 + 20 * 4);
    let Some(Packet::Nack { lost, .. }) = packets(&compound).next() else { panic!() };
    assert_eq!(lost.collect::<Vec<_>>(), numbers);
}

#[test]
fn a_receivers_estimate_is_read_whatever_its_exponent() {
    let remb = |exponent_and_mantissa: [u8; 3]| {
        let [high, middle, low] = exponent_and_mantissa;
        let bytes = [
            0x8f, 206, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0, // head, sender, no media
            b'R', b'E', b'M', b'B', 1, high, middle, low, 0, 0, 0, 9,
        ];
        match packets(&bytes).next() {
            Some(Packet::ReceiverEstimate { bps }) => bps,
            other => panic!("{other:?}"),
        }
    };
    // An example of the draft's arithmetic: 2^18 - 1 times 2^3.
    assert_eq!(remb([3 << 2 | 3, 0xff, 0xff]), 0x3_ffff << 3);
    assert_eq!(remb([0, 0, 0]), 0);
    assert_eq!(remb([63 << 2 | 3, 0xff, 0xff]), u64::MAX);
    let other = [0x8f, 206, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, b'A', b'F', b'B', b' ', 0, 0, 0, 0];
    assert!(matches!(packets(&other).next(), Some(Packet::Other)));
}

#[test]
fn statuses_of_one_datagram_are_bounded() {
    // A run of 4,096 missing packets in 24 bytes.
    let feedback = [
        0x8f, 205, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2, // head, sender, media
        0, 0, 0x10, 0, 0, 0, 0, 0, 0x10, 0, 0, 0,
    ];
    let compound = feedback.repeat(50);
    let steps: usize = packets(&compound)
        .map(|packet| match packet {
            Packet::Transport(feedback) => feedback.arrivals().count(),
            _ => 0,
        })
        .sum();
    assert_eq!(steps, crate::wire::twcc::MAX_STATUSES);
    assert_eq!(packets(&compound).count(), 50);
}

/// Uses up everything a packet holds, and returns how many steps that took.
fn exhaust(packet: Packet<'_>) -> usize {
    match packet {
        Packet::SenderReport { reports, .. } | Packet::ReceiverReport { reports, .. } => {
            reports.count()
        }
        Packet::Nack { lost, .. } => lost.count(),
        Packet::Transport(feedback) => feedback.arrivals().count(),
        Packet::FullIntra { requests, .. } => requests.count(),
        Packet::PictureLoss { .. } | Packet::ReceiverEstimate { .. } | Packet::Other => 0,
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_in_bounded_steps(
        mut compound in prop::collection::vec(any::<u8>(), 0..200),
        heads in prop::collection::vec((0..32_u8, 199..208_u8, 0..12_u8), 0..8),
    ) {
        // Heads where a parser that follows the lengths finds them.
        let mut at = 0;
        for (count, packet_type, words) in heads {
            let Some(head) = compound.get_mut(at..at + 4) else { break };
            head.copy_from_slice(&[0x80 | count, packet_type, 0, words]);
            at += 4 + usize::from(words) * 4;
        }
        let steps: usize = packets(&compound).map(exhaust).sum();
        prop_assert!(steps <= crate::wire::twcc::MAX_STATUSES + compound.len() * 17 / 4);
        prop_assert!(packets(&compound).count() <= compound.len() / 4);
    }

    #[test]
    fn lost_numbers_arrive(start in any::<u16>(), gaps in prop::collection::vec(1..40_u16, 1..60)) {
        let mut next = start;
        let lost: Vec<_> = gaps
            .into_iter()
            .map(|gap| {
                next = next.wrapping_add(gap);
                next
            })
            .collect();
        let compound = written(|writer| writer.nack(1, 2, lost.clone()).expect("room"));
        let Some(Packet::Nack { lost: read, .. }) = packets(&compound).next() else { panic!() };
        prop_assert_eq!(read.collect::<Vec<_>>(), lost);
    }
}

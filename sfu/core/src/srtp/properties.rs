//! What holds for every packet and every order of packets.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::wire::rtp::ParsedRtp;

const PROFILES: [Profile; 3] =
    [Profile::Aes128CmSha1_80, Profile::AeadAes128Gcm, Profile::AeadAes256Gcm];

/// Our sealer and the peer's opener.
fn pair(profile: Profile) -> (Sealer, Opener) {
    let length = 2 * (profile.key_bytes() + profile.salt_bytes());
    let exported: Vec<_> = (0..length as u8).collect();
    let (_, sealer) = session(profile, &exported, Role::Server).expect("right length");
    let (opener, _) = session(profile, &exported, Role::Client).expect("right length");
    (sealer, opener)
}

fn rtp(ssrc: u32, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 96];
    packet.extend(sequence.to_be_bytes());
    packet.extend([0, 0, 0, 9]);
    packet.extend(ssrc.to_be_bytes());
    packet.extend(payload);
    packet
}

fn seal(sealer: &mut Sealer, index: u64, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let mut packet = rtp(ssrc, index as u16, payload);
    let plain = packet.len();
    packet.resize(plain + MAX_OVERHEAD_BYTES, 0);
    let sealed = sealer.seal_rtp(&mut packet, 12, plain, index).expect("a fresh index");
    packet.truncate(sealed);
    packet
}

fn open(opener: &mut Opener, packet: &[u8]) -> Result<(u64, Vec<u8>), OpenError> {
    let mut packet = packet.to_vec();
    let parsed = ParsedRtp::parse(&packet).ok_or(OpenError::TooShort)?;
    let opened = opener.open_rtp(&mut packet, &parsed)?;
    Ok((opened.index, packet[parsed.header_bytes..opened.packet_bytes].to_vec()))
}

fn seal_rtcp(sealer: &mut Sealer, ssrc: u32, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 201, 0, 1];
    packet.extend(ssrc.to_be_bytes());
    packet.extend(body);
    let plain = packet.len();
    packet.resize(plain + MAX_OVERHEAD_BYTES, 0);
    let sealed = sealer.seal_rtcp(&mut packet, plain).expect("room");
    packet.truncate(sealed);
    packet
}

#[test]
fn keying_material_of_another_length_is_refused() {
    for profile in PROFILES {
        let right = 2 * (profile.key_bytes() + profile.salt_bytes());
        for length in [0, right - 1, right + 1] {
            assert!(session(profile, &vec![0; length], Role::Server).is_none());
        }
    }
}

#[test]
fn the_two_directions_have_keys_of_their_own() {
    let exported: Vec<_> = (0..56).collect();
    let (mut opener, mut sealer) =
        session(Profile::AeadAes128Gcm, &exported, Role::Server).expect("right length");
    let packet = seal(&mut sealer, 1, 1, b"ours");
    assert_eq!(open(&mut opener, &packet), Err(OpenError::NotAuthentic));
}

#[test]
fn an_index_is_sealed_once() {
    let (mut sealer, _) = pair(Profile::AeadAes128Gcm);
    let mut again = |index| {
        let mut packet = [rtp(1, index as u16, b"x"), vec![0; 16]].concat();
        sealer.seal_rtp(&mut packet, 12, 13, index)
    };
    assert_eq!(again(5_000), Ok(29));
    assert_eq!(again(5_000), Err(SealError::IndexReused));
    assert_eq!(again(4_999), Ok(29), "late, but new");
    assert_eq!(again(3_000), Err(SealError::IndexReused), "too old to tell");
    assert_eq!(again(1 << 48), Err(SealError::KeyExhausted));
    let (mut sealer, _) = pair(Profile::AeadAes128Gcm);
    assert_eq!(sealer.seal_rtp(&mut [0x80; 28], 12, 13, 1), Err(SealError::NoRoom));
    assert_eq!(sealer.seal_rtcp(&mut [0x80; 27], 8), Err(SealError::NoRoom));
}

#[test]
fn streams_are_bounded_and_those_that_are_known_go_on() {
    let (mut sealer, mut opener) = pair(Profile::AeadAes128Gcm);
    for ssrc in 0..MAX_STREAMS as u32 {
        let packet = seal(&mut sealer, 1, ssrc, b"x");
        assert!(open(&mut opener, &packet).is_ok());
    }
    let mut packet = [rtp(9_999, 1, b"x"), vec![0; 16]].concat();
    assert_eq!(sealer.seal_rtp(&mut packet, 12, 13, 1), Err(SealError::TooManyStreams));
    let (mut another, _) = pair(Profile::AeadAes128Gcm);
    let packet = seal(&mut another, 1, 9_999, b"x");
    assert_eq!(open(&mut opener, &packet), Err(OpenError::TooManyStreams));
    assert_eq!(opener.streams(), MAX_STREAMS);
    let packet = seal(&mut sealer, 2, 7, b"x");
    assert!(open(&mut opener, &packet).is_ok());
}

#[test]
fn strangers_leave_no_trace() {
    let (mut sealer, mut opener) = pair(Profile::AeadAes128Gcm);
    for ssrc in 0..1_000 {
        let packet = [rtp(ssrc, 1, b"x"), vec![0; 16]].concat();
        assert_eq!(open(&mut opener, &packet), Err(OpenError::NotAuthentic));
        let mut packet = [vec![0x80, 201, 0, 1], vec![0; 20], vec![0x80, 0, 0, 1]].concat();
        assert_eq!(opener.open_rtcp(&mut packet), Err(OpenError::NotAuthentic));
    }
    assert_eq!(opener.streams(), 0);
    assert!(open(&mut opener, &seal(&mut sealer, 1, 3, b"x")).is_ok());
}

/// More packets than sequence numbers, some lost, some late.
#[test]
fn rollover_is_followed_over_seventy_thousand_packets() {
    for profile in PROFILES {
        let (mut sealer, mut opener) = pair(profile);
        let mut random = 1_u64;
        let mut late = Vec::new();
        let mut opened = 0_u64;
        for index in 30_000..100_000_u64 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let packet = seal(&mut sealer, index, 42, &index.to_be_bytes());
            match random >> 60 {
                0..2 => {}
                2..4 => late.push((index, packet)),
                _ => {
                    let expected = Ok((index, index.to_be_bytes().to_vec()));
                    assert_eq!(open(&mut opener, &packet), expected);
                    opened += 1;
                }
            }
            if late.len() > 50 {
                for (index, packet) in late.drain(..).rev() {
                    assert_eq!(open(&mut opener, &packet).map(|(index, _)| index), Ok(index));
                    assert_eq!(open(&mut opener, &packet), Err(OpenError::Replayed));
                    opened += 1;
                }
            }
        }
        assert!(opened > 55_000, "{opened}");
    }
}

prop_compose! {
    fn profiles()(index in 0..PROFILES.len()) -> Profile {
        PROFILES[index]
    }
}

proptest! {
    #[test]
    fn what_is_sealed_is_opened_once(
        profile in profiles(), ssrc in any::<u32>(), index in 0..1_u64 << 16,
        payload in prop::collection::vec(any::<u8>(), 0..1400),
    ) {
        let (mut sealer, mut opener) = pair(profile);
        let packet = seal(&mut sealer, index, ssrc, &payload);
        prop_assert_eq!(packet.len(), 12 + payload.len() + sealer.rtp_overhead_bytes());
        prop_assert_eq!(open(&mut opener, &packet), Ok((index, payload)));
        prop_assert_eq!(open(&mut opener, &packet), Err(OpenError::Replayed));
    }

    #[test]
    fn reports_are_opened_once(
        profile in profiles(), ssrc in any::<u32>(),
        bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 1..5),
    ) {
        let (mut sealer, mut opener) = pair(profile);
        for body in bodies {
            let packet = seal_rtcp(&mut sealer, ssrc, &body);
            prop_assert_eq!(packet.len(), 8 + body.len() + sealer.rtcp_overhead_bytes());
            let mut opened = packet.clone();
            let plain = opener.open_rtcp(&mut opened).expect("authentic");
            prop_assert_eq!(&opened[8..plain], &body[..]);
            prop_assert_eq!(opener.open_rtcp(&mut packet.clone()), Err(OpenError::Replayed));
        }
    }

    /// One bit changed, or one byte more or less: refused, and nothing has changed, so
    /// that the genuine packet still opens.
    #[test]
    fn tampering_is_refused(
        profile in profiles(), at in any::<prop::sample::Index>(), bit in 0..8_u8,
        payload in prop::collection::vec(any::<u8>(), 0..60), length in -1..=1_isize,
    ) {
        let (mut sealer, mut opener) = pair(profile);
        let rtp = seal(&mut sealer, 77, 5, &payload);
        let rtcp = seal_rtcp(&mut sealer, 5, &payload);
        let tampered = |packet: &[u8]| {
            let mut packet = packet.to_vec();
            match length {
                -1 => { packet.pop(); }
                1 => packet.push(0),
                _ => {
                    let at = at.index(packet.len());
                    packet[at] ^= 1 << bit;
                }
            }
            packet
        };
        prop_assert!(open(&mut opener, &tampered(&rtp)).is_err());
        prop_assert!(opener.open_rtcp(&mut tampered(&rtcp)).is_err());
        prop_assert_eq!(opener.streams(), 0);
        prop_assert_eq!(open(&mut opener, &rtp), Ok((77, payload)));
        prop_assert!(opener.open_rtcp(&mut rtcp.clone()).is_ok());
    }

    #[test]
    fn any_bytes_are_refused(
        profile in profiles(), packet in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let (_, mut opener) = pair(profile);
        prop_assert!(open(&mut opener, &packet).is_err());
        prop_assert!(opener.open_rtcp(&mut packet.clone()).is_err());
    }

    /// The window against a set: an index passes once, unless it is too old.
    #[test]
    fn the_window_is_a_set_with_an_end(
        start in 0..5_000_u64,
        steps in prop::collection::vec(
            prop_oneof![6 => -40..40_i64, 2 => -1_200..1_200_i64, 1 => 0..100_000_i64], 1..300),
    ) {
        let mut windows = window::Windows::default();
        windows.mark(None, 1, start);
        let (mut seen, mut highest, mut at) = (HashSet::from([start]), start, start);
        for step in steps {
            at = at.saturating_add_signed(step);
            let place = windows.find(1);
            let passes = windows.check(place, at).is_ok();
            prop_assert_eq!(passes, !seen.contains(&at) && at + 1_024 > highest);
            if passes {
                windows.mark(place, 1, at);
                seen.insert(at);
                highest = highest.max(at);
            }
            prop_assert_eq!(place.map(|place| windows.highest(place)), Some(highest));
        }
    }
}

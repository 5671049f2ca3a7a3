//! Hostile bytes for every parser of this crate, from what Chromium sends: RTP, RTCP and
//! offers that it sent are in `tests/seeds`. The core as a whole is in `tests/it`.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::codec::dependency::Dependencies;
use crate::codec::{FrameReader, Packet, VideoCodec, h264, red, vp8, vp9};
use crate::congestion::{Config, Estimator, Payload};
use crate::mutate::{Chance, MAX_INPUT_BYTES, offers, run, seeds};
use crate::sdp;
use crate::srtp::{self, Profile, Role};
use crate::wire::extensions::{Elements, Extension, ExtensionMap, Form};
use crate::wire::rtp::ParsedRtp;
use crate::wire::{Protocol, rtcp};

/// What a target saw, as a number.
fn seen(what: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// The ids Chromium gave its extensions when it sent the seeds.
pub(crate) fn chromium_ids() -> ExtensionMap {
    static IDS: OnceLock<ExtensionMap> = OnceLock::new();
    *IDS.get_or_init(|| {
        let mut map = ExtensionMap::new(true);
        for line in offers().iter().flat_map(|offer| offer.lines()) {
            let Some(rest) = line.strip_prefix("a=extmap:") else { continue };
            let Some((id, uri)) = rest.split_once(' ') else { continue };
            let extension = uri.split(' ').next().and_then(Extension::from_uri);
            if let (Some(extension), Ok(id)) = (extension, id.parse()) {
                map.set(extension, id);
            }
        }
        map
    })
}

/// The payloads of the RTP seeds.
fn payloads() -> Vec<Vec<u8>> {
    let packets = seeds("rtp.txt");
    packets
        .iter()
        .filter_map(|packet| ParsedRtp::parse(packet)?.payload(packet).map(<[u8]>::to_vec))
        .filter(|payload| !payload.is_empty())
        .collect()
}

/// Values of the dependency descriptor in the RTP seeds.
fn descriptors() -> Vec<Vec<u8>> {
    let map = chromium_ids();
    let packets = seeds("rtp.txt");
    let values = packets.iter().filter_map(|packet| {
        let parsed = ParsedRtp::parse(packet)?;
        map.read(parsed.elements(packet)).dependency_descriptor.map(<[u8]>::to_vec)
    });
    values.collect()
}

#[test]
fn protocols() {
    let all = ["rtp.txt", "rtcp.txt", "stun.txt", "dtls.txt"].map(seeds).concat();
    run("protocols", all, 5_000, |bytes| seen(Protocol::of(bytes).map(|it| it as u8)));
}

#[test]
fn rtp_headers() {
    let map = chromium_ids();
    let outcomes = run("rtp_headers", seeds("rtp.txt"), 30_000, |packet| {
        let Some(parsed) = ParsedRtp::parse(packet) else { return 0 };
        assert!(parsed.header_bytes <= packet.len());
        let elements = parsed.elements(packet).count();
        let values = map.read(parsed.elements(packet));
        let payload = parsed.payload(packet).map(<[u8]>::len);
        assert!(payload.is_none_or(|bytes| bytes <= packet.len() - parsed.header_bytes));
        let kinds = [
            values.mid.is_some(),
            values.rid.is_some(),
            values.repaired_rid.is_some(),
            values.transport_sequence.is_some(),
            values.abs_send_time.is_some(),
            values.dependency_descriptor.is_some(),
            values.playout_delay.is_some(),
        ];
        seen((elements, kinds, payload.is_some(), parsed.header.padded))
    });
    assert!(outcomes > 50, "{outcomes}");
}

#[test]
fn extension_blocks() {
    let map = chromium_ids();
    run("extension_blocks", seeds("rtp.txt"), 20_000, |block| {
        for form in [Form::OneByte, Form::TwoByte] {
            let elements = Elements::new(form, block);
            assert!(elements.map(|(_, value)| value.len()).sum::<usize>() <= block.len());
            // What is read can be written again, where the forms allow it.
            let values = map.read(elements);
            let mut buffer = [0; 1_024];
            assert!(map.write(&values, &mut buffer).is_some());
        }
        seen(Elements::new(Form::OneByte, block).count())
    });
}

#[test]
fn rtcp_compounds() {
    let outcomes = run("rtcp_compounds", seeds("rtcp.txt"), 60_000, |compound| {
        let mut kinds = Vec::new();
        let mut steps = 0;
        for packet in rtcp::packets(compound) {
            kinds.push(std::mem::discriminant(&packet));
            steps += match packet {
                rtcp::Packet::SenderReport { reports, .. }
                | rtcp::Packet::ReceiverReport { reports, .. } => reports.count(),
                rtcp::Packet::Nack { lost, .. } => lost.count(),
                rtcp::Packet::Transport(feedback) => feedback.arrivals().count(),
                rtcp::Packet::FullIntra { requests, .. } => requests.count(),
                rtcp::Packet::PictureLoss { .. }
                | rtcp::Packet::ReceiverEstimate { .. }
                | rtcp::Packet::Other => 0,
            };
        }
        assert!(steps <= crate::wire::twcc::MAX_STATUSES + compound.len() * 17 / 4);
        seen((kinds, steps.min(64)))
    });
    assert!(outcomes > 100, "{outcomes}");
}

#[test]
fn sealed_packets() {
    let genuine = [seeds("rtp.txt"), seeds("rtcp.txt")].concat();
    for (profile, bytes) in
        [(Profile::Aes128CmSha1_80, 60), (Profile::AeadAes128Gcm, 56), (Profile::AeadAes256Gcm, 88)]
    {
        let (mut opener, _) =
            srtp::session(profile, &vec![7; bytes], Role::Server).expect("right length");
        run("sealed_packets", genuine.clone(), 5_000, |packet| {
            let mut packet = packet.to_vec();
            let rtcp = opener.open_rtcp(&mut packet).expect_err("nobody sealed it");
            let parsed = ParsedRtp::parse(&packet);
            let rtp = parsed.map(|parsed| opener.open_rtp(&mut packet, &parsed));
            assert!(rtp.is_none_or(|opened| opened.is_err()));
            assert_eq!(opener.streams(), 0);
            seen(rtcp as u8)
        });
    }
}

#[test]
fn video_payloads() {
    for (index, codec) in [VideoCodec::Vp8, VideoCodec::Vp9, VideoCodec::H264, VideoCodec::Av1]
        .into_iter()
        .enumerate()
    {
        let descriptors = descriptors();
        let mut reader = FrameReader::new(codec);
        let mut turn = index;
        run("video_payloads", payloads(), 20_000, |payload| {
            turn += 1;
            let descriptor = &descriptors[turn % descriptors.len()];
            let packet = Packet {
                payload,
                marker: turn.is_multiple_of(2),
                dependency: turn.is_multiple_of(3).then_some(&descriptor[..]),
            };
            let sizes = reader.sizes(packet);
            seen((reader.read(packet).map(|frame| format!("{frame:?}")), format!("{sizes:?}")))
        });
    }
}

#[test]
fn renumbered_payloads() {
    run("renumbered_payloads", payloads(), 30_000, |payload| {
        let patches = [
            vp8::Descriptor::parse(payload).map(|descriptor| descriptor.renumber(0x7fff, 255)),
            vp9::Descriptor::parse(payload).map(|descriptor| descriptor.renumber(0x7fff, 255)),
        ];
        for patch in patches.iter().flatten() {
            let mut patched = payload.to_vec();
            patch.apply(&mut patched);
            assert_eq!(patched.len(), payload.len());
            // A packet that was repeated may be shorter than the one that was read.
            patch.apply(&mut patched[..payload.len() / 2]);
        }
        seen(patches.map(|patch| patch.is_some()))
    });
}

#[test]
fn codec_details() {
    run("codec_details", payloads(), 30_000, |payload| {
        let starts = h264::starts_keyframe(payload);
        let sizes = (h264::size(payload), vp8::size(payload), vp9::sizes(payload));
        let blocks = red::blocks(payload).map(Iterator::count);
        assert!(blocks.is_none_or(|count| count <= payload.len()));
        seen((starts, format!("{sizes:?}"), blocks, red::primary(payload).is_some()))
    });
}

#[test]
fn dependency_descriptors() {
    let genuine = descriptors();
    assert!(!genuine.is_empty(), "Chromium sent some");
    let (mut ours, mut receiver) = (Dependencies::default(), Dependencies::default());
    let outcomes = run("dependency_descriptors", genuine.clone(), 60_000, |bytes| {
        // A structure that was accepted counts for the packets after it, bad or good.
        let links = ours.read(bytes);
        let sizes = ours.sizes();
        if let Some(links) = &links {
            let layer = links.has_structure.then_some((1, 1));
            let mut buffer = [0; MAX_INPUT_BYTES + 8];
            let written = links.rewrite(bytes, 1_000, layer, &mut buffer).expect("room");
            let read = receiver.read(&buffer[..written]).expect("it was readable before");
            assert_eq!(read.frame_number, links.frame_number.wrapping_add(1_000));
            // With other bytes than it was read from: useless, but harmless.
            links.rewrite(&bytes[..bytes.len() / 2], 1, layer, &mut buffer);
        }
        seen((links.map(|links| format!("{links:?}")), format!("{sizes:?}")))
    });
    assert!(outcomes > 50, "{outcomes}");
}

/// The bytes are a script: what is sent, how long that takes, what comes back.
#[test]
#[expect(clippy::disallowed_methods, reason = "an origin for virtual time")]
fn estimates_from_any_feedback() {
    let origin = Instant::now();
    let config = Config::default();
    let reports = seeds("rtcp.txt");
    let mut chance = Chance::new(3);
    let scripts = (0..20).map(|_| (0..200).map(|_| chance.next() as u8).collect()).collect();
    run("estimates_from_any_feedback", scripts, 3_000, |script| {
        let mut now = origin;
        let mut estimator = Estimator::new(now, config);
        for step in script.chunks_exact(4) {
            let number = u64::from(step[1]) << 8 | u64::from(step[2]);
            match step[0] % 8 {
                0 => now += Duration::from_micros(number),
                1 => now += Duration::from_millis(number),
                2 => now += Duration::from_secs(number),
                3..5 => {
                    for _ in 0..step[3] {
                        estimator.on_sent(now, number as usize % 1_500, Payload::Media);
                    }
                }
                5 => {
                    let first = u16::from_be_bytes([step[1], step[2]]);
                    // As far apart as the format allows.
                    let at_us = (i64::from(step[3]) - 128) << 32;
                    let all = (0..200).map(|ahead: u16| {
                        let seq = first.wrapping_add(ahead % 50);
                        (
                            seq,
                            (!ahead.is_multiple_of(3))
                                .then_some(at_us + i64::from(ahead) * 8_000_000),
                        )
                    });
                    estimator.on_feedback(now, all);
                }
                6 => {
                    let compound = &reports[usize::from(step[3]) % reports.len()];
                    for packet in rtcp::packets(compound) {
                        if let rtcp::Packet::Transport(feedback) = packet {
                            let arrivals = feedback.arrivals().map(|it| (it.sequence, it.at_us));
                            estimator.on_feedback(now, arrivals);
                        }
                    }
                }
                _ => {
                    estimator.set_desired_bps(now, number << (step[3] % 40));
                    estimator.on_rtt(Duration::from_millis(number));
                    if number % 3 == 0 {
                        estimator.on_progress(now);
                    }
                }
            }
            let mut probes = 0;
            while let Some(probe) = estimator.probe(now) {
                estimator.on_sent(now, probe.bytes, Payload::Padding);
                probes += 1;
                assert!(probes < 1_000, "a probe ends");
            }
            estimator.handle_timeout(now);
            assert!((config.min_bps..=config.max_bps).contains(&estimator.estimate_bps()));
            assert!(estimator.pacing_bps() < 20 * config.max_bps);
            assert!((0.0..=1.0).contains(&estimator.loss()));
        }
        seen((estimator.estimate_bps() / 100_000, format!("{:?}", estimator.usage())))
    });
}

#[test]
fn offers_are_read() {
    let genuine: Vec<_> = offers().into_iter().map(String::into_bytes).collect();
    run("offers_are_read", genuine, 2_000, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let lines = sdp::count_media_lines(&text);
        let media = sdp::media_lines(&text);
        assert!(media.len() <= lines.max(1));
        let named = sdp::name_streams(&text);
        seen((lines, media.len(), named.len() > text.len()))
    });
}

//! From an encrypted datagram to a packet that can be passed on: opened, assigned to a
//! track and layer, counted, and made whole again if it is a repetition.

use std::time::Instant;

use housecall_protocol::domain::TrackSource;

use crate::codec::red::Redundant;
use crate::codec::{self, Frame, FrameReader, VideoCodec};
use crate::config::Limits;
use crate::core::Core;
use crate::formats::Format;
use crate::inbound::{Received, Role, Source, Stream};
use crate::layers;
use crate::outbound::PASSED_ON;
use crate::packet::Packet;
use crate::participant::Participant;
use crate::slab::Key;
use crate::track::{Layer, Newest};
use crate::wire::extensions::{Extension, ExtensionMap, Extensions};
use crate::wire::rtp::{ParsedRtp, RtpHeader};

/// A repetition begins with the number it had (RFC 4588 section 4).
const ORIGINAL_NUMBER_BYTES: usize = 2;

/// Audio older than this is not worth repeating: there was silence in between.
const MAX_REPEATED_MS: u32 = 60;

/// A packet with what is the same for all subscribers.
#[derive(Debug)]
pub(crate) struct Media<'a> {
    pub(crate) plain: &'a Plain,
    /// What a packet of video is; `None` for audio, and for packets without a payload.
    pub(crate) frame: Option<Frame>,
    /// How a packet of audio carries earlier ones again.
    pub(crate) redundant: Option<Redundant>,
    /// The packet of plain audio before this one, and by how many ticks it is older.
    pub(crate) earlier: Option<(u32, Packet)>,
    /// A decoder may begin here.
    pub(crate) starts: bool,
}

/// An opened packet with what its header said.
#[derive(Clone, Debug)]
pub(crate) struct Plain {
    pub(crate) packet: Packet,
    pub(crate) source: Source,
    pub(crate) ssrc: u32,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    /// It carries earlier packets again (RFC 2198).
    pub(crate) redundant: bool,
    pub(crate) received: Received,
    pub(crate) format: Format,
}

/// An opened packet of a known stream.
struct Opened<'a> {
    /// Header and payload.
    bytes: &'a [u8],
    header: RtpHeader,
    payload_at: usize,
    parsed: ParsedRtp,
    source: Source,
    received: Received,
    format: Format,
}

impl Core {
    /// Opens an RTP packet and passes it on.
    pub(crate) fn on_rtp(&mut self, now: Instant, key: Key, datagram: &mut [u8]) {
        let Some(participant) = self.participants.get_mut(key) else { return };
        participant.inbound.bytes += datagram.len() as u64;
        let Some((parsed, bytes)) = participant.unseal(datagram) else {
            self.counters.refused_packets += 1;
            return;
        };
        // Before its arrival is noted: to the publisher it is lost, so it sends less.
        if !participant.inbound.allowance.admits_packet(now, bytes.len()) {
            self.counters.excess_packets += 1;
            return;
        }
        let Some(opened) = participant.open(now, parsed, bytes, &self.config.limits) else {
            self.counters.refused_packets += 1;
            return;
        };
        let (source, received) = (opened.source, opened.received);
        if received.fresh {
            self.pass_on(now, key, &opened);
        }
        let Some(participant) = self.participants.get_mut(key) else { return };
        if let Some(at) = participant.layer_deadline(source) {
            participant.need_by(at);
        }
        if received.hopeless {
            self.want_keyframe(now, key, source);
        }
        self.settle(now, key);
    }

    fn pass_on(&mut self, now: Instant, key: Key, opened: &Opened<'_>) {
        let Some(participant) = self.participants.get_mut(key) else { return };
        let source = participant.tracks[opened.source.track].source;
        if !participant.forwarding || !participant.sends(source) {
            self.counters.gated_packets += 1;
            // What it will cost is good to know when the gate opens.
            participant.count(now, opened.source, opened.bytes.len(), None);
            return;
        }
        match participant.plain(opened) {
            Some(plain) => self.pass_on_plain(now, key, &plain),
            None => self.counters.unusable_packets += 1,
        }
    }

    /// Passes on a packet that may be, wherever it was opened.
    pub(crate) fn pass_on_plain(&mut self, now: Instant, key: Key, plain: &Plain) {
        let Some(participant) = self.participants.get_mut(key) else { return };
        let bytes = plain.packet.len();
        let Some(media) = participant.media(plain) else {
            self.counters.unusable_packets += 1;
            return;
        };
        participant.count(now, plain.source, bytes, media.frame.as_ref());
        if plain.format.spec.codec.is_audio() {
            self.hear(now, key, plain.source.track, &plain.packet);
        }
        self.forward(now, key, &media);
    }

    /// Puts the participant's timer where it belongs after something was noted.
    pub(crate) fn settle(&mut self, now: Instant, key: Key) {
        if let Some(due) = self.participants.get(key).and_then(|participant| participant.due) {
            self.timers.set(key, due.max(now));
        }
    }
}

impl Participant {
    /// Opens a packet in place. `None`: it is not authentic, or came twice.
    fn unseal<'a>(&mut self, datagram: &'a mut [u8]) -> Option<(ParsedRtp, &'a [u8])> {
        let parsed = ParsedRtp::parse(datagram)?;
        let opened = self.inbound.opener.as_mut()?.open_rtp(datagram, &parsed).ok()?;
        self.inbound.authentic_packets += 1;
        Some((parsed, datagram.get(..opened.packet_bytes)?))
    }

    /// Notes a packet in its stream. `None`: it is of no stream we know, or nothing but
    /// padding.
    fn open<'a>(
        &mut self,
        now: Instant,
        parsed: ParsedRtp,
        bytes: &'a [u8],
        limits: &Limits,
    ) -> Option<Opened<'a>> {
        let values = self.inbound.extensions.read(parsed.elements(bytes));
        if let Some(number) = values.transport_sequence {
            self.inbound.arrivals.note(now, number);
            if let Some(due) = self.inbound.arrivals.next_report() {
                self.need_by(due);
            }
        }
        let payload = parsed.payload(bytes)?;
        let role = self
            .inbound
            .bindings
            .find(parsed.header.ssrc)
            .or_else(|| self.bind(&parsed.header, &values))?;
        let end = parsed.header_bytes + payload.len();
        match role {
            Role::Media(source) => {
                let formats = &self.inbound.formats;
                let kind = parsed.header.payload_type;
                let format = *formats.find(kind).or_else(|| formats.within(kind))?;
                let stream = self.stream(now, source, &parsed.header, &format, limits)?;
                let header = parsed.header;
                let received =
                    stream.receive(now, header.sequence, header.timestamp, payload.len());
                let (bytes, payload_at) = (bytes.get(..end)?, parsed.header_bytes);
                Some(Opened { bytes, header, payload_at, parsed, source, received, format })
            }
            Role::Repair(source) => {
                let number = payload.first_chunk::<ORIGINAL_NUMBER_BYTES>()?;
                let format = self.inbound.formats.repaired_by(parsed.header.payload_type);
                let format = *format?;
                let layer = self.layer_mut(source)?;
                let stream = layer.stream.as_mut()?;
                let header = RtpHeader {
                    sequence: u16::from_be_bytes(*number),
                    payload_type: format.payload_type,
                    ssrc: stream.ssrc,
                    ..parsed.header
                };
                let received = stream.repair(now, header.sequence, payload.len());
                let payload_at = parsed.header_bytes + ORIGINAL_NUMBER_BYTES;
                let bytes = bytes.get(..end)?;
                Some(Opened { bytes, header, payload_at, parsed, source, received, format })
            }
        }
    }

    /// The stream of a source, which its first packet begins.
    fn stream(
        &mut self,
        now: Instant,
        source: Source,
        header: &RtpHeader,
        format: &Format,
        limits: &Limits,
    ) -> Option<&mut Stream> {
        let layer = self.layer_mut(source)?;
        if layer.stream.as_ref().is_none_or(|stream| stream.ssrc != header.ssrc) {
            let nacks = (format.nack && format.video().is_some()).then_some(limits.nacks);
            let clock_rate = format.clock_rate();
            let stream = Stream::new(now, header.ssrc, clock_rate, header.sequence, nacks);
            layer.stream = Some(stream);
            layer.reader = None;
            self.reports.start(now);
            self.due = self.reports.next().into_iter().chain(self.due).min();
        }
        self.layer_mut(source)?.stream.as_mut()
    }

    /// Finds out what an SSRC is that the offer did not name (RFC 9143 section 9.2).
    fn bind(&mut self, header: &RtpHeader, values: &Extensions<'_>) -> Option<Role> {
        let repairs = self.inbound.formats.repaired_by(header.payload_type).is_some();
        let track = match values.mid {
            Some(mid) => self.tracks.iter().position(|track| track.mid.as_bytes() == mid)?,
            None => self.only_track_for(header.payload_type)?,
        };
        let layers = &self.tracks[track].layers;
        let rid = values.repaired_rid.or(values.rid);
        let layer = match rid {
            Some(rid) if layers.len() > 1 => {
                let own = |name: Option<&[u8]>| name == Some(rid);
                layers.iter().position(|layer| own(layer.rid.as_ref().map(|it| it.as_bytes())))?
            }
            None if layers.len() > 1 => return None,
            Some(_) | None => 0,
        };
        let source = Source { track, layer };
        let repairs = repairs || values.repaired_rid.is_some();
        let role = if repairs { Role::Repair(source) } else { Role::Media(source) };
        self.inbound.bindings.bind(header.ssrc, role).then_some(role)
    }

    /// The track a packet without MID must be of: the only one that is sent of its kind.
    fn only_track_for(&self, payload_type: u8) -> Option<usize> {
        let formats = &self.inbound.formats;
        let format = formats
            .find(payload_type)
            .or_else(|| formats.within(payload_type))
            .or_else(|| formats.repaired_by(payload_type))?;
        let audio = format.spec.codec.is_audio();
        let mut fitting = self.tracks.iter().enumerate().filter(|(_, track)| {
            let microphone = track.source == TrackSource::Microphone;
            track.published && microphone == audio
        });
        let (index, _) = fitting.next()?;
        fitting.next().is_none().then_some(index)
    }

    /// An opened packet in the form in which all share it.
    fn plain(&self, opened: &Opened<'_>) -> Option<Plain> {
        let mut packet = Packet::new(opened.bytes, opened.payload_at)?;
        carry(&mut packet, opened, &self.inbound.extensions);
        Some(Plain {
            packet,
            source: opened.source,
            ssrc: opened.header.ssrc,
            timestamp: opened.header.timestamp,
            marker: opened.header.marker,
            redundant: opened.format.red == Some(opened.header.payload_type),
            received: opened.received,
            format: opened.format,
        })
    }

    /// Reads what subscribers need to know of a packet. `None` when no decoder could use
    /// it.
    fn media<'a>(&mut self, plain: &'a Plain) -> Option<Media<'a>> {
        let packet = &plain.packet;
        let track = self.tracks.get_mut(plain.source.track)?;
        let layer = track.layers.get_mut(plain.source.layer)?;
        let frame = match plain.format.video() {
            Some(codec) if !packet.payload().is_empty() => {
                let fits = layer.reader.as_ref().is_some_and(|reader| reader.codec() == codec);
                if !fits {
                    layer.reader = Some(FrameReader::new(codec));
                }
                let read = codec::Packet {
                    payload: packet.payload(),
                    marker: plain.marker,
                    dependency: packet.extension(Extension::DependencyDescriptor),
                };
                let reader = layer.reader.as_mut()?;
                let frame = reader.read(read)?;
                if frame.starts_keyframe {
                    let sizes = reader.sizes(read);
                    track.set_sizes(plain.source.layer, sizes);
                }
                Some(frame)
            }
            Some(_) | None => None,
        };
        let audio = plain.format.spec.codec.is_audio();
        let redundant = if plain.redundant {
            let read = Redundant::parse(packet.payload())?;
            (read.payload_type() == plain.format.payload_type).then_some(read)?;
            Some(read)
        } else {
            None
        };
        let layer = self.layer_mut(plain.source)?;
        let earlier = audio.then(|| layer.remember(plain)).flatten();
        let starts = audio || frame.is_some_and(|frame| frame.starts_keyframe);
        Some(Media { plain, frame, redundant, earlier, starts })
    }

    /// Counts what a layer costs. `frame`: which layer within the stream, if it is known.
    fn count(&mut self, now: Instant, source: Source, bytes: usize, frame: Option<&Frame>) {
        let within = frame.map_or(layers::Layer { spatial: 0, temporal: 0 }, |frame| {
            layers::Layer { spatial: frame.spatial, temporal: frame.temporal }
        });
        if let Some(track) = self.tracks.get_mut(source.track) {
            track.count(now, source.layer, within, bytes);
        }
    }

    /// When a stream needs attention.
    fn layer_deadline(&mut self, source: Source) -> Option<Instant> {
        self.layer_mut(source)?.stream.as_ref()?.next_nack()
    }
}

impl Layer {
    /// Keeps a packet of audio, and returns the one before if it is just that.
    fn remember(&mut self, plain: &Plain) -> Option<(u32, Packet)> {
        let (seq, timestamp) = (plain.received.seq, plain.timestamp);
        if plain.redundant || !plain.received.in_order {
            self.newest = None;
            return None;
        }
        let packet = plain.packet.clone();
        let before = self.newest.replace(Newest { seq, timestamp, packet })?;
        let age = timestamp.wrapping_sub(before.timestamp);
        let longest = plain.format.clock_rate() / 1_000 * MAX_REPEATED_MS;
        (before.seq + 1 == seq && age <= longest).then_some((age, before.packet))
    }
}

/// Notes where in the packet the extensions stand that go on to subscribers.
fn carry(packet: &mut Packet, opened: &Opened<'_>, map: &ExtensionMap) {
    let codec = opened.format.video();
    for (id, value) in opened.parsed.elements(opened.bytes) {
        let kind = PASSED_ON.into_iter().find(|kind| map.id(*kind) == Some(id));
        if let Some(kind) = kind.filter(|kind| goes_on(*kind, codec)) {
            // Values are slices of the packet.
            let at = value.as_ptr().addr() - opened.bytes.as_ptr().addr();
            packet.carry(kind, at..at + value.len());
        }
    }
}

/// Whether an extension of a publisher's packet goes on to subscribers. VP8 and VP9 say
/// all in their payloads, where it is renumbered; a dependency descriptor beside that
/// would contradict it.
const fn goes_on(kind: Extension, codec: Option<VideoCodec>) -> bool {
    match kind {
        Extension::DependencyDescriptor => {
            matches!(codec, Some(VideoCodec::Av1 | VideoCodec::H264))
        }
        _ => true,
    }
}

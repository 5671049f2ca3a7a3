//! Offers and answers: building a participant's `Rtc`, and reading what was agreed.

use std::time::{Duration, Instant};

use housecall_protocol::cluster::SfuReply;
use housecall_protocol::domain::{MediaState, TrackSource};
use housecall_protocol::ids::{CallId, PersonId};
use housecall_protocol::media::ParticipantRole;
use str0m::change::SdpOffer;
use str0m::media::{MediaKind, Mid, Rid};
use str0m::net::TcpType;
use str0m::rtp::{Extension as NegotiatedExtension, ExtensionSerializer, ExtensionValues};
use str0m::{Candidate, Rtc, RtcConfig};

use crate::allocate::Steering;
use crate::codec::MAX_SPATIAL;
use crate::config::Limits;
use crate::core::{Core, Failure, RequestError, guarded};
use crate::formats::Formats;
use crate::inbound::{Inbound, Role, Source};
use crate::keys::{self, CapturedKeys};
use crate::outbound::{HeaderWriter, Negotiated, Outbound, QueueLimits, SendStream};
use crate::participant::{Link, Participant, Session};
use crate::quality::Meter;
use crate::random::Random;
use crate::relay::RelayId;
use crate::reports::ReportTimer;
use crate::sdp;
use crate::slot::Slot;
use crate::track::Track;
use crate::wire::extensions::{Extension, ExtensionMap};

/// str0m would report on streams it never sees a packet of; this keeps it quiet.
const NO_REPORTS: Duration = Duration::from_secs(24 * 60 * 60);
/// Ticks of timestamps in a second, as WebRTC's audio and video codecs have them.
const AUDIO_CLOCK_RATE: u32 = 48_000;
const VIDEO_CLOCK_RATE: u32 = 90_000;

impl Core {
    /// Builds the session for an offer. Changes nothing in the core but its generator.
    pub(crate) fn new_participant(
        &mut self,
        now: Instant,
        room: CallId,
        person: PersonId,
        sdp: &str,
    ) -> Result<(Participant, String, String), RequestError> {
        let offer = self.read_offer(sdp)?;
        let (mut rtc, keys) = self.new_rtc(now)?;
        let answer = accept(&mut rtc, offer)?;
        let limits = &self.config.limits;
        let mut participant = self.bare_participant(now, room, person, Session::Own(Box::new(rtc)));
        participant.rtc_due = Some(now);
        participant.due = Some(now);
        participant.keys = keys;
        participant.link = Link::Connecting { ice_ms: None, deadline: now + self.config.patience };
        participant.renegotiated(now, sdp, &answer, limits, &mut self.random);
        let ufrag = participant.ufrag();
        Ok((participant, sdp::name_streams(&answer), ufrag))
    }

    /// Somebody who has joined at another core.
    pub(crate) fn relayed_participant(
        &self,
        now: Instant,
        room: CallId,
        person: PersonId,
        relay: RelayId,
    ) -> Participant {
        self.bare_participant(now, room, person, Session::Relayed(relay))
    }

    /// Somebody of whom nothing is known yet.
    fn bare_participant(
        &self,
        now: Instant,
        room: CallId,
        person: PersonId,
        session: Session,
    ) -> Participant {
        let limits = &self.config.limits;
        let queue = QueueLimits { packets: limits.queue_packets, bytes: limits.queue_bytes };
        Participant {
            room,
            person,
            session,
            rtc_due: None,
            due: None,
            keys: CapturedKeys::default(),
            joined_at: now,
            link: Link::Elsewhere,
            flow: None,
            nominated_at: None,
            heard_at: None,
            proposed: None,
            inbound: Inbound::new(now, limits),
            outbound: Outbound::new(now, queue),
            reports: ReportTimer::default(),
            steering: Steering::default(),
            voice_due: None,
            watched_changed: false,
            tracks: Vec::new(),
            slots: Vec::new(),
            role: ParticipantRole::Member,
            says: MediaState::ALL,
            allowed: MediaState::ALL,
            media: MediaState::ALL,
            forwarding: false,
            flowing: false,
            touched: false,
            announced: Vec::new(),
            is_short: false,
            slots_asked: None,
            quality: Meter::new(self.config.quality_interval),
            patrol: crate::stuck::Patrol::default(),
            said: false,
        }
    }

    /// A later offer: more or fewer m-lines, other directions, or an ICE restart.
    pub(crate) fn offer(
        &mut self,
        now: Instant,
        room: CallId,
        person: PersonId,
        sdp: &str,
    ) -> Result<SfuReply, RequestError> {
        let key = self.find(room, person)?;
        let offer = self.read_offer(sdp)?;
        let Some(participant) = self.participants.get_mut(key) else {
            return Err(RequestError::UnknownParticipant);
        };
        let Session::Own(rtc) = &mut participant.session else {
            return Err(RequestError::UnknownParticipant);
        };
        let answer = accept(rtc, offer);
        // Even a refused offer may have changed the session.
        self.touch(key);
        let answer = answer?;
        let Some(participant) = self.participants.get_mut(key) else {
            return Err(RequestError::UnknownParticipant);
        };
        self.tracks -= participant.published();
        participant.renegotiated(now, sdp, &answer, &self.config.limits, &mut self.random);
        self.tracks += participant.published();
        // Asked again if this offer still has too few slots.
        participant.slots_asked = None;
        let ufrag = participant.ufrag();
        self.routes.set_ufrag(key, ufrag);
        self.tell_published(now, key);
        self.remap(now, room);
        Ok(SfuReply::Answer { sdp: sdp::name_streams(&answer) })
    }

    fn read_offer(&self, sdp: &str) -> Result<SdpOffer, RequestError> {
        let limits = &self.config.limits;
        if sdp.len() > limits.sdp_bytes {
            let limit = limits.sdp_bytes;
            return Err(RequestError::TooLarge { what: "its length in bytes", limit });
        }
        if sdp::count_media_lines(sdp) > limits.media_lines {
            let limit = limits.media_lines;
            return Err(RequestError::TooLarge { what: "the number of m-lines", limit });
        }
        guarded(|| Ok(SdpOffer::from_sdp_string(sdp)))
            .map_err(|failure| bad_offer(&failure))?
            .map_err(|error| RequestError::BadOffer { reason: error.to_string() })
    }

    fn new_rtc(&self, now: Instant) -> Result<(Rtc, CapturedKeys), RequestError> {
        let config = RtcConfig::new()
            .set_crypto_provider(self.crypto.clone())
            .set_dtls_cert(self.certificate.clone())
            .set_ice_lite(true)
            .set_rtp_mode(true)
            .set_rtcp_report_interval_audio(NO_REPORTS)
            .set_rtcp_report_interval_video(NO_REPORTS)
            .set_extension(5, NegotiatedExtension::PlayoutDelay)
            .set_extension(6, NegotiatedExtension::AbsoluteCaptureTime)
            .set_extension(12, dependency_descriptor())
            .clear_codecs()
            .enable_opus(true, true)
            .enable_vp8(true)
            .enable_h264(true)
            .enable_vp9(true)
            .enable_av1(true)
            // What is sent does not pass through it, so it need not keep any.
            .set_send_buffer_audio(1)
            .set_send_buffer_video(1)
            .set_stats_interval(None);
        let (mut rtc, keys) = keys::capture(|| config.build(now));
        let udp = self
            .config
            .candidates
            .iter()
            .map(|address| (address, Candidate::builder().udp().host(*address).build()));
        let tcp = self.config.tcp_candidates.iter().map(|address| {
            let host = Candidate::builder().tcp().host(*address);
            (address, host.tcptype(TcpType::Passive).build())
        });
        for (address, candidate) in udp.chain(tcp) {
            let candidate = candidate.map_err(|error| {
                tracing::error!(%address, %error, "advertised address cannot be a candidate");
                RequestError::Full
            })?;
            rtc.add_local_candidate(candidate);
        }
        Ok((rtc, keys))
    }
}

fn accept(rtc: &mut Rtc, offer: SdpOffer) -> Result<String, RequestError> {
    let answer = guarded(|| rtc.sdp_api().accept_offer(offer)).map_err(|failure| {
        if matches!(failure, Failure::Panic) {
            // Nothing is known of its state any more.
            rtc.disconnect();
        }
        bad_offer(&failure)
    })?;
    Ok(give_back_streams(rtc, &answer.to_sdp_string()))
}

/// Declares the stream of ours in each m-line that str0m gave none: where the client
/// sends simulcast, it takes us to send the same layers back, that is nothing.
fn give_back_streams(rtc: &mut Rtc, answer: &str) -> String {
    let mut missing = Vec::new();
    for (_, mid) in sdp::media_lines(answer) {
        let sends = rtc.media(mid).is_some_and(|media| media.direction().is_sending());
        let mut direct = rtc.direct_api();
        if !sends || direct.stream_tx_by_mid(mid, None).is_some() {
            continue;
        }
        let ssrc = direct.new_ssrc();
        let rtx = direct.new_ssrc();
        direct.declare_stream_tx(ssrc, Some(rtx), mid, None);
        let cname = rtc.media(mid).map(|media| media.cname().to_owned()).unwrap_or_default();
        missing.push(sdp::Sent { mid, ssrc: *ssrc, rtx: *rtx, cname });
    }
    sdp::name_sources(answer, &missing)
}

fn bad_offer(failure: &Failure) -> RequestError {
    RequestError::BadOffer { reason: failure.to_string() }
}

/// The dependency descriptor, which str0m does not know: it negotiates an id for it,
/// and neither reads nor writes it.
fn dependency_descriptor() -> NegotiatedExtension {
    NegotiatedExtension::with_serializer(Extension::DependencyDescriptor.uri(), Unread)
}

#[derive(Debug)]
struct Unread;

impl ExtensionSerializer for Unread {
    fn write_to(&self, _: &mut [u8], _: &ExtensionValues) -> usize {
        0
    }

    fn parse_value(&self, _: &[u8], _: &mut ExtensionValues) -> bool {
        false
    }

    fn is_video(&self) -> bool {
        true
    }

    fn is_audio(&self) -> bool {
        false
    }
}

impl Participant {
    /// The name by which STUN finds the session (RFC 8445 section 5.3).
    fn ufrag(&mut self) -> String {
        let rtc = self.session.rtc_mut();
        rtc.map_or_else(String::new, |rtc| rtc.direct_api().local_ice_credentials().ufrag)
    }

    /// Reads tracks and slots from the m-lines of an answer.
    fn renegotiated(
        &mut self,
        now: Instant,
        offer: &str,
        answer: &str,
        limits: &Limits,
        random: &mut Random,
    ) {
        let lines = sdp::media_lines(answer);
        let mixed = sdp::allows_mixed_extensions(offer);
        self.inbound.formats = self.session.rtc().map(Formats::of).unwrap_or_default();
        self.inbound.extensions = self.session_extensions(&lines, mixed);
        self.read_tracks(now, offer, &lines);
        self.bind_announced(offer);
        self.read_slots(now, &lines, mixed, limits, random);
        self.outbound.appoint_judge(now);
    }

    /// Ids of all m-lines: those that share a transport agree on them.
    fn session_extensions(&self, lines: &[(MediaKind, Mid)], mixed: bool) -> ExtensionMap {
        let mut map = ExtensionMap::new(mixed);
        for (_, mid) in lines {
            self.add_extensions(*mid, &mut map);
        }
        map
    }

    fn add_extensions(&self, mid: Mid, map: &mut ExtensionMap) {
        let Some(media) = self.session.rtc().and_then(|rtc| rtc.media(mid)) else { return };
        for (id, negotiated) in media.remote_extmap().iter() {
            if let Some(extension) = Extension::from_uri(negotiated.as_uri()) {
                map.set(extension, id);
            }
        }
    }

    /// The first audio line is the microphone, the first video line the camera, the
    /// second the screen. Further lines only receive.
    fn read_tracks(&mut self, now: Instant, offer: &str, lines: &[(MediaKind, Mid)]) {
        let nth = |kind, n| lines.iter().filter(move |(line, _)| *line == kind).nth(n);
        for (source, line) in [
            (TrackSource::Microphone, nth(MediaKind::Audio, 0)),
            (TrackSource::Camera, nth(MediaKind::Video, 0)),
            (TrackSource::Screen, nth(MediaKind::Video, 1)),
        ] {
            let Some((_, mid)) = line else { continue };
            let media = self.session.rtc().and_then(|rtc| rtc.media(*mid));
            let published = media.is_some_and(|media| media.direction().is_receiving());
            let mut rids: Vec<_> = sdp::simulcast_layers(offer, mid, MAX_SPATIAL)
                .into_iter()
                .map(|rid| Some(Rid::from(rid)))
                .collect();
            if rids.is_empty() {
                rids.push(None);
            }
            self.read_track(now, source, *mid, published, &rids);
        }
    }

    fn read_track(
        &mut self,
        now: Instant,
        source: TrackSource,
        mid: Mid,
        published: bool,
        rids: &[Option<Rid>],
    ) {
        let fresh = Track::new(now, source, mid, published, rids);
        let Some(index) = self.tracks.iter().position(|track| track.source == source) else {
            self.tracks.push(fresh);
            return;
        };
        let track = &mut self.tracks[index];
        track.published = published;
        // Either the client recycled the m-line (RFC 8829 section 5.2.2), or it sends
        // other layers from now on. A client that stops to send names none.
        let other_layers =
            published && !track.layers.iter().map(|layer| layer.rid).eq(rids.iter().copied());
        if track.mid != mid || other_layers {
            // Other cores want the new one as they did the old.
            let relaying = std::mem::take(&mut track.relaying);
            *track = Track { relaying, ..fresh };
            self.inbound.bindings.forget_track(index);
        }
    }

    /// Binds the SSRCs that the offer names, so that packets without a MID find their
    /// m-line.
    fn bind_announced(&mut self, offer: &str) {
        for announced in sdp::announced(offer) {
            let track = self.tracks.iter().position(|track| *track.mid == *announced.mid);
            let Some(track) = track else { continue };
            let source = Source { track, layer: 0 };
            let mut bind = |ssrc, role| {
                if self.inbound.bindings.find(ssrc) != Some(role) {
                    self.inbound.bindings.bind(ssrc, role);
                }
            };
            bind(announced.ssrc, Role::Media(source));
            if let Some(rtx) = announced.rtx {
                bind(rtx, Role::Repair(source));
            }
            // What str0m expects there it would ask for again and again.
            if let Some(rtc) = self.session.rtc_mut() {
                rtc.direct_api().remove_stream_rx(announced.ssrc.into());
            }
        }
    }

    /// Slots are in the order in which their m-lines first let us send, and are
    /// never removed: subscriptions name them by index.
    fn read_slots(
        &mut self,
        now: Instant,
        lines: &[(MediaKind, Mid)],
        mixed: bool,
        limits: &Limits,
        random: &mut Random,
    ) {
        for slot in &mut self.slots {
            slot.open = false;
            slot.translated = None;
        }
        for (kind, mid) in lines {
            let Some((negotiated, payload_types)) = self.negotiated_stream(*mid, mixed) else {
                continue;
            };
            let known = self.slots.iter().position(|slot| slot.mid == *mid);
            match known {
                Some(index) => {
                    self.slots[index].open = true;
                    self.slots[index].payload_types = payload_types;
                    self.outbound.streams[index].renegotiate(negotiated);
                }
                // The index has to fit an entry of the queue.
                None if self.slots.len() < usize::from(u8::MAX) => {
                    let clock_rate = match kind {
                        MediaKind::Audio => AUDIO_CLOCK_RATE,
                        MediaKind::Video => VIDEO_CLOCK_RATE,
                    };
                    let stream = SendStream::new(
                        now,
                        negotiated,
                        clock_rate,
                        random.next(),
                        limits.history_bytes,
                    );
                    self.outbound.streams.push(stream);
                    self.slots.push(Slot::new(*kind, *mid, payload_types, random.next()));
                }
                None => {}
            }
        }
    }

    /// What the answer says of the stream we may send in an m-line, with its payload
    /// types; `None` when we may not.
    fn negotiated_stream(&mut self, mid: Mid, mixed: bool) -> Option<(Negotiated, Vec<u8>)> {
        let rtc = self.session.rtc()?;
        let media = rtc.media(mid).filter(|media| media.direction().is_sending())?;
        let cname = media.cname().to_owned();
        let payload_types: Vec<u8> = media.remote_pts().iter().map(|pt| **pt).collect();
        let mut extensions = ExtensionMap::new(mixed);
        self.add_extensions(mid, &mut extensions);
        let mut direct = self.session.rtc_mut()?.direct_api();
        let stream = direct.stream_tx_by_mid(mid, None)?;
        let negotiated = Negotiated {
            ssrc: *stream.ssrc(),
            rtx_ssrc: stream.rtx().map(|ssrc| *ssrc),
            rtx_types: self.inbound.formats.repairs(&payload_types),
            cname,
            header: HeaderWriter::new(&extensions, &mid, mixed),
        };
        Some((negotiated, payload_types))
    }
}

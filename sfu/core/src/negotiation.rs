//! Offers and answers: building a participant's `Rtc`, and reading what was agreed.

use std::time::{Duration, Instant};

use housecall_protocol::cluster::SfuReply;
use housecall_protocol::domain::{MediaState, TrackSource};
use housecall_protocol::ids::{CallId, PersonId};
use housecall_protocol::media::ParticipantRole;
use str0m::change::SdpOffer;
use str0m::media::{MediaKind, Mid};
use str0m::net::TcpType;
use str0m::{Candidate, Rtc, RtcConfig};

use crate::core::{Core, Failure, RequestError, guarded};
use crate::keyframe::KeyframeRequests;
use crate::participant::{Link, Participant, Slot, Track};
use crate::quality::Meter;
use crate::random::Random;
use crate::rewrite::Rewriter;
use crate::sdp;

/// Packets kept per video slot to answer NACKs: at 2 Mb/s half a second, several
/// round trips. They are most of a participant's memory; str0m's default keeps 455 KB.
const RTX_PACKETS: usize = 128;
/// A frame this late is not worth the bandwidth.
const RTX_AGE: Duration = Duration::from_secs(1);
/// Share of sent bytes that may be repetitions before str0m drops the queue of them:
/// room for 20% loss, yet no flood on a link that is simply too narrow.
const RTX_SHARE: Option<f32> = Some(0.25);

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
        let mut rtc = self.new_rtc(now)?;
        let answer = accept(&mut rtc, offer)?;
        let mut participant = Participant {
            room,
            person,
            rtc,
            joined_at: now,
            link: Link::Connecting { ice_ms: None, deadline: now + self.config.patience },
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
            slots_asked: None,
            quality: Meter::default(),
        };
        participant.renegotiated(&answer, &mut self.random);
        let ufrag = participant.rtc.direct_api().local_ice_credentials().ufrag;
        Ok((participant, sdp::name_streams(&answer), ufrag))
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
        let answer = accept(&mut participant.rtc, offer);
        // Even a refused offer may have changed the session.
        self.touch(key);
        let answer = answer?;
        let Some(participant) = self.participants.get_mut(key) else {
            return Err(RequestError::UnknownParticipant);
        };
        self.tracks -= participant.published();
        participant.renegotiated(&answer, &mut self.random);
        self.tracks += participant.published();
        // Asked again if this offer still has too few slots.
        participant.slots_asked = None;
        let ufrag = participant.rtc.direct_api().local_ice_credentials().ufrag;
        self.routes.set_ufrag(key, ufrag);
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

    fn new_rtc(&self, now: Instant) -> Result<Rtc, RequestError> {
        let mut rtc = RtcConfig::new()
            .set_dtls_cert(self.certificate.clone())
            .set_ice_lite(true)
            .set_rtp_mode(true)
            .clear_codecs()
            .enable_opus(true, false)
            .enable_vp8(true)
            .enable_h264(true)
            .set_send_buffer_video(RTX_PACKETS)
            .set_stats_interval(Some(self.config.quality_interval))
            .build(now);
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
        Ok(rtc)
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
    Ok(answer.to_sdp_string())
}

fn bad_offer(failure: &Failure) -> RequestError {
    RequestError::BadOffer { reason: failure.to_string() }
}

impl Participant {
    /// Reads tracks and slots from the m-lines of an answer.
    fn renegotiated(&mut self, answer: &str, random: &mut Random) {
        let lines = sdp::media_lines(answer);
        self.read_tracks(&lines);
        self.read_slots(&lines, random);
    }

    /// The first audio line is the microphone, the first video line the camera, the
    /// second the screen. Further lines only receive.
    fn read_tracks(&mut self, lines: &[(MediaKind, Mid)]) {
        let nth = |kind, n| lines.iter().filter(move |(line, _)| *line == kind).nth(n);
        for (source, line) in [
            (TrackSource::Microphone, nth(MediaKind::Audio, 0)),
            (TrackSource::Camera, nth(MediaKind::Video, 0)),
            (TrackSource::Screen, nth(MediaKind::Video, 1)),
        ] {
            let Some((_, mid)) = line else { continue };
            let published =
                self.rtc.media(*mid).is_some_and(|media| media.direction().is_receiving());
            match self.track_mut(source) {
                Some(track) if track.mid == *mid => track.published = published,
                Some(track) => {
                    // The client recycled the m-line (RFC 8829 section 5.2.2).
                    track.mid = *mid;
                    track.ssrc = None;
                    track.published = published;
                }
                None => self.tracks.push(Track {
                    mid: *mid,
                    source,
                    published,
                    ssrc: None,
                    keyframes: KeyframeRequests::default(),
                    subscribers: Vec::new(),
                }),
            }
        }
    }

    /// Slots are in the order in which their m-lines first let us send, and are
    /// never removed: subscriptions name them by index.
    fn read_slots(&mut self, lines: &[(MediaKind, Mid)], random: &mut Random) {
        for slot in &mut self.slots {
            slot.open = false;
            slot.payload_type = None;
        }
        for (kind, mid) in lines {
            let sends = self.rtc.media(*mid).is_some_and(|media| media.direction().is_sending());
            if !sends {
                continue;
            }
            let known = self.slots.iter().position(|slot| slot.mid == *mid);
            let index = known.unwrap_or_else(|| {
                self.slots.push(Slot {
                    mid: *mid,
                    kind: *kind,
                    open: false,
                    ssrc: None,
                    carries: None,
                    off_screen: false,
                    rewriter: Rewriter::new(random.next()),
                    payload_type: None,
                });
                self.slots.len() - 1
            });
            self.open_slot(index);
        }
    }

    /// Finds the SSRC that str0m put into the answer for a slot.
    fn open_slot(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        slot.open = true;
        let mut direct = self.rtc.direct_api();
        let Some(stream) = direct.stream_tx_by_mid(slot.mid, None) else {
            slot.ssrc = None;
            return;
        };
        // Setting the cache empties it, so only once per stream.
        if slot.ssrc != Some(stream.ssrc()) {
            slot.ssrc = Some(stream.ssrc());
            if slot.kind == MediaKind::Video {
                stream.set_rtx_cache(RTX_PACKETS, RTX_AGE, RTX_SHARE);
            }
        }
    }
}

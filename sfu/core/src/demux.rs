//! From a packet to the session it belongs to. Every byte here is hostile: work
//! for a stranger is bounded by one parse and one integrity check, and nothing is
//! sent in return.
//!
//! STUN and DTLS go to str0m, media to our own plane (RFC 7983).

use std::panic::catch_unwind;
use std::time::{Duration, Instant};

use str0m::ice::StunMessage;
use str0m::net::{Protocol, Receive};

use crate::core::{Core, guarded};
use crate::flow::{Flow, Transport};
use crate::participant::Participant;
use crate::slab::Key;
use crate::wire;

/// Larger than any packet a client sends.
pub(crate) const MAX_PACKET_BYTES: usize = 2_048;
/// Clients that nominate every path they find (RFC 5245 section 8.1.1.2) settle on the
/// best one; until then a nominated TCP path does not displace a UDP path this young.
const NOMINATION_SETTLES: Duration = Duration::from_secs(1);
/// A path on which nothing came for this long has lost its client: browsers check the
/// one they use every five seconds at least (RFC 7675 section 5.1).
const PATH_LOST: Duration = Duration::from_secs(6);

impl Core {
    pub(crate) fn receive(&mut self, now: Instant, flow: Flow, contents: &[u8]) {
        match wire::Protocol::of(contents) {
            Some(wire::Protocol::Rtp) => self.receive_media(now, flow, contents, Self::on_rtp),
            Some(wire::Protocol::Rtcp) => {
                self.receive_media(now, flow, contents, Self::open_rtcp);
            }
            Some(wire::Protocol::Stun) => self.receive_stun(now, flow, contents),
            Some(wire::Protocol::Dtls) => match self.routes.by_flow(&flow) {
                Some(key) => self.feed(now, key, flow, contents),
                None => self.counters.stray_datagrams += 1,
            },
            None => self.counters.stray_datagrams += 1,
        }
    }

    /// Media is opened in place, in a buffer of ours.
    pub(crate) fn receive_media(
        &mut self,
        now: Instant,
        flow: Flow,
        contents: &[u8],
        take: fn(&mut Self, Instant, Key, &mut [u8]),
    ) {
        let Some(key) = self.routes.by_flow(&flow) else {
            self.counters.stray_datagrams += 1;
            return;
        };
        let authentic_before = self.authentic_packets(key);
        let mut scratch = std::mem::take(&mut self.scratch);
        match scratch.get_mut(..contents.len()) {
            Some(datagram) => {
                datagram.copy_from_slice(contents);
                self.guard(now, key, |core| take(core, now, key, datagram));
            }
            None => self.counters.refused_packets += 1,
        }
        self.scratch = scratch;
        if self.authentic_packets(key) != authentic_before
            && let Some(participant) = self.participants.get_mut(key)
        {
            participant.heard(now, flow);
        }
    }

    fn authentic_packets(&self, key: Key) -> u64 {
        self.participants.get(key).map_or(0, |participant| participant.inbound.authentic_packets)
    }

    fn open_rtcp(&mut self, now: Instant, key: Key, datagram: &mut [u8]) {
        let Some(participant) = self.participants.get_mut(key) else { return };
        participant.inbound.bytes += datagram.len() as u64;
        let opened = participant.inbound.opener.as_mut().map(|opener| opener.open_rtcp(datagram));
        participant.inbound.authentic_packets += u64::from(matches!(opened, Some(Ok(_))));
        match opened {
            Some(Ok(_)) if !participant.inbound.allowance.admits_report(now) => {
                self.counters.excess_packets += 1;
            }
            Some(Ok(length)) => {
                self.on_rtcp(now, key, &datagram[..length]);
                self.touch(key);
            }
            Some(Err(_)) | None => self.counters.refused_packets += 1,
        }
    }

    fn receive_stun(&mut self, now: Instant, flow: Flow, contents: &[u8]) {
        let Some((key, nominates)) = self.route(now, flow, contents) else {
            self.counters.stray_datagrams += 1;
            return;
        };
        let answered_before = self.answers_to(&flow);
        self.feed(now, key, flow, contents);
        // An answer is only given to an authentic request.
        if self.answers_to(&flow) > answered_before
            && let Some(participant) = self.participants.get_mut(key)
        {
            participant.checked(now, flow, nominates);
        }
    }

    /// Gives a packet to the participant's `Rtc`.
    fn feed(&mut self, now: Instant, key: Key, flow: Flow, contents: &[u8]) {
        let Some(participant) = self.participants.get_mut(key) else { return };
        let Some(rtc) = participant.session.rtc_mut() else { return };
        let handled = guarded(|| {
            // Not a packet of any protocol we speak: not worth ending a session for.
            let Some(receive) = received(flow, contents) else { return Ok(()) };
            rtc.handle_input(str0m::Input::Receive(now, receive))
        });
        match handled {
            Ok(()) => {
                self.guard(now, key, |core| core.drain(now, key));
            }
            Err(failure) => self.fail(now, key, &failure),
        }
    }

    /// The participant a STUN message is for, and whether it nominates its path.
    fn route(&mut self, now: Instant, flow: Flow, contents: &[u8]) -> Option<(Key, bool)> {
        // The user name decides, since a new session may reuse an address. The
        // flow is learnt only from a message that str0m would accept, that is
        // one whose integrity is proven.
        let (ufrag, nominates) = catch_unwind(|| {
            let message = StunMessage::parse(contents).ok()?;
            let nominates = message.is_binding_request() && message.use_candidate();
            message.split_username().map(|(ours, _)| (ours.to_owned(), nominates))
        })
        .ok()
        .flatten()?;
        let key = self.routes.by_ufrag(&ufrag)?;
        let owner = self.routes.by_flow(&flow);
        if owner == Some(key) {
            return Some((key, nominates));
        }
        // A session may use an address after another; not while that one is in use, or
        // whoever can write addresses into packets takes it from under it.
        let owner = owner.and_then(|owner| self.participants.get(owner));
        if owner.is_some_and(|owner| owner.uses(now, &flow)) {
            return None;
        }
        let participant = self.participants.get(key)?;
        let rtc = participant.session.rtc()?;
        let accepted = guarded(|| {
            let receive = received(flow, contents);
            // `accepts` looks at no time.
            let at = participant.joined_at;
            Ok(receive.is_some_and(|receive| rtc.accepts(&str0m::Input::Receive(at, receive))))
        });
        if !matches!(accepted, Ok(true)) {
            return None;
        }
        let used = participant.flow;
        self.routes.learn(key, flow, used.as_ref());
        Some((key, nominates))
    }
}

impl Participant {
    /// The client checked this path, and may have chosen it for what we send.
    ///
    /// A check can be recorded, and sent again from an address that then gets the whole
    /// call. So media follows to another path only when media came from there, which
    /// nobody else can make (SRTP refuses what it has seen), or when the path so far is
    /// lost.
    fn checked(&mut self, now: Instant, flow: Flow, nominates: bool) {
        if self.flow == Some(flow) {
            self.heard_at = Some(now);
            if nominates {
                self.proposed = None;
            }
            return;
        }
        let settles = self.nominated_at.is_some_and(|at| now < at + NOMINATION_SETTLES);
        let worse = flow.transport == Transport::Tcp
            && self.flow.is_some_and(|known| known.transport == Transport::Udp);
        if !nominates || settles && worse {
            return;
        }
        let lost = self.flow.is_none_or(|flow| !self.uses(now, &flow));
        if lost || !self.outbound.is_open() {
            self.use_path(now, flow);
        } else {
            self.proposed = Some(flow);
        }
    }

    /// An authentic packet of media came by this path.
    fn heard(&mut self, now: Instant, flow: Flow) {
        if self.flow == Some(flow) {
            self.heard_at = Some(now);
        } else if self.proposed == Some(flow) {
            self.use_path(now, flow);
        }
    }

    /// Whether this is the path we send by, and something authentic came by it of late.
    fn uses(&self, now: Instant, flow: &Flow) -> bool {
        self.flow.as_ref() == Some(flow) && self.heard_at.is_some_and(|at| now < at + PATH_LOST)
    }

    fn use_path(&mut self, now: Instant, flow: Flow) {
        self.flow = Some(flow);
        self.proposed = None;
        (self.nominated_at, self.heard_at) = (Some(now), Some(now));
    }
}

/// A packet as str0m takes it; `None`: of no protocol that we speak.
fn received(flow: Flow, contents: &[u8]) -> Option<Receive<'_>> {
    let protocol = match flow.transport {
        Transport::Udp => Protocol::Udp,
        Transport::Tcp => Protocol::Tcp,
    };
    Receive::new(protocol, flow.remote, flow.local, contents).ok()
}

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
    fn receive_media(
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
        let mut scratch = std::mem::take(&mut self.scratch);
        match scratch.get_mut(..contents.len()) {
            Some(datagram) => {
                datagram.copy_from_slice(contents);
                take(self, now, key, datagram);
            }
            None => self.counters.refused_packets += 1,
        }
        self.scratch = scratch;
    }

    fn open_rtcp(&mut self, now: Instant, key: Key, datagram: &mut [u8]) {
        let Some(participant) = self.participants.get_mut(key) else { return };
        participant.inbound.bytes += datagram.len() as u64;
        let opened = participant.inbound.opener.as_mut().map(|opener| opener.open_rtcp(datagram));
        match opened {
            Some(Ok(length)) => {
                self.on_rtcp(now, key, &datagram[..length]);
                self.touch(key);
            }
            Some(Err(_)) | None => self.counters.refused_packets += 1,
        }
    }

    fn receive_stun(&mut self, now: Instant, flow: Flow, contents: &[u8]) {
        let Some((key, nominates)) = self.route(flow, contents) else {
            self.counters.stray_datagrams += 1;
            return;
        };
        let answered_before = self.answers_to(&flow);
        self.feed(now, key, flow, contents);
        // An answer is only given to an authentic request.
        if nominates && self.answers_to(&flow) > answered_before {
            if let Some(participant) = self.participants.get_mut(key) {
                participant.nominate(now, flow);
            }
        }
    }

    /// Gives a packet to the participant's `Rtc`.
    fn feed(&mut self, now: Instant, key: Key, flow: Flow, contents: &[u8]) {
        let Some(participant) = self.participants.get_mut(key) else { return };
        let rtc = &mut participant.rtc;
        let handled = guarded(|| {
            // Not a packet of any protocol we speak: not worth ending a session for.
            let Some(receive) = received(flow, contents) else { return Ok(()) };
            rtc.handle_input(str0m::Input::Receive(now, receive))
        });
        match handled {
            Ok(()) => self.drain(now, key),
            Err(failure) => self.fail(now, key, &failure),
        }
    }

    /// The participant a STUN message is for, and whether it nominates its path.
    fn route(&mut self, flow: Flow, contents: &[u8]) -> Option<(Key, bool)> {
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
        if self.routes.by_flow(&flow) == Some(key) {
            return Some((key, nominates));
        }
        let participant = self.participants.get(key)?;
        let accepted = guarded(|| {
            let receive = received(flow, contents);
            // `accepts` looks at no time.
            let at = participant.joined_at;
            Ok(receive.is_some_and(|receive| {
                participant.rtc.accepts(&str0m::Input::Receive(at, receive))
            }))
        });
        if !matches!(accepted, Ok(true)) {
            return None;
        }
        self.routes.learn(key, flow);
        Some((key, nominates))
    }
}

impl Participant {
    /// The client chose this path for what we send.
    fn nominate(&mut self, now: Instant, flow: Flow) {
        let settles = self.nominated_at.is_some_and(|at| now < at + NOMINATION_SETTLES);
        let worse = flow.transport == Transport::Tcp
            && self.flow.is_some_and(|known| known.transport == Transport::Udp);
        if self.flow != Some(flow) && !(settles && worse) {
            self.flow = Some(flow);
            self.nominated_at = Some(now);
        }
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

//! From a packet to the session it belongs to. Every byte here is hostile: work
//! for a stranger is bounded by one parse and one integrity check, and nothing is
//! sent in return.

use std::panic::catch_unwind;
use std::time::Instant;

use str0m::ice::StunMessage;
use str0m::net::{Protocol, Receive};

use crate::core::{Core, guarded};
use crate::flow::{Flow, Transport};
use crate::slab::Key;

impl Core {
    pub(crate) fn receive(&mut self, now: Instant, flow: Flow, contents: &[u8]) {
        let Some(key) = self.route(flow, contents) else {
            self.counters.stray_datagrams += 1;
            return;
        };
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

    /// The participant a packet is for.
    fn route(&mut self, flow: Flow, contents: &[u8]) -> Option<Key> {
        let is_stun = matches!(contents.first(), Some(0 | 1));
        let known = self.routes.by_flow(&flow);
        if !is_stun {
            return known;
        }
        // The user name decides, since a new session may reuse an address. The
        // flow is learnt only from a message that str0m would accept, that is
        // one whose integrity is proven.
        let key = catch_unwind(|| {
            let message = StunMessage::parse(contents).ok()?;
            message.split_username().map(|(ours, _)| ours.to_owned())
        })
        .ok()
        .flatten()
        .and_then(|ufrag| self.routes.by_ufrag(&ufrag))?;
        if known == Some(key) {
            return known;
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
        Some(key)
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

//! From a datagram to the session it belongs to. Every byte here is hostile: work
//! for a stranger is bounded by one parse and one integrity check, and nothing is
//! sent in return.

use std::net::SocketAddr;
use std::panic::catch_unwind;
use std::time::Instant;

use str0m::ice::StunMessage;
use str0m::net::{Protocol, Receive};

use crate::core::{Core, guarded};
use crate::slab::Key;

impl Core {
    pub(crate) fn receive(&mut self, now: Instant, source: SocketAddr, contents: &[u8]) {
        let Some(key) = self.route(source, contents) else {
            self.counters.stray_datagrams += 1;
            return;
        };
        let destination = self.local_address(source);
        let Some(participant) = self.participants.get_mut(key) else { return };
        let rtc = &mut participant.rtc;
        let handled = guarded(|| {
            // Not a packet of any protocol we speak: not worth ending a session for.
            let Ok(receive) = Receive::new(Protocol::Udp, source, destination, contents) else {
                return Ok(());
            };
            rtc.handle_input(str0m::Input::Receive(now, receive))
        });
        match handled {
            Ok(()) => self.drain(now, key),
            Err(failure) => self.fail(now, key, &failure),
        }
    }

    /// The participant a datagram is for.
    fn route(&mut self, source: SocketAddr, contents: &[u8]) -> Option<Key> {
        let is_stun = matches!(contents.first(), Some(0 | 1));
        let known = self.routes.by_address(source);
        if !is_stun {
            return known;
        }
        // The user name decides, since a new session may reuse an address. The
        // address is learnt only from a message that str0m would accept, that is
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
        let destination = self.local_address(source);
        let participant = self.participants.get(key)?;
        let accepted = guarded(|| {
            let receive = Receive::new(Protocol::Udp, source, destination, contents).ok();
            // `accepts` looks at no time.
            let at = participant.joined_at;
            Ok(receive.is_some_and(|receive| {
                participant.rtc.accepts(&str0m::Input::Receive(at, receive))
            }))
        });
        if !matches!(accepted, Ok(true)) {
            return None;
        }
        self.routes.learn(key, source);
        Some(key)
    }

    /// The candidate a datagram from `source` came to. All candidates lead to one
    /// socket, and str0m only wants one of the right family.
    fn local_address(&self, source: SocketAddr) -> SocketAddr {
        let candidates = &self.config.candidates;
        let same_family = |local: &&SocketAddr| local.is_ipv4() == source.is_ipv4();
        *candidates.iter().find(same_family).unwrap_or(&candidates[0])
    }
}

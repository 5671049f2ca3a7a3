//! Which participant a datagram belongs to.
//!
//! By remote address, the way of all media packets. A STUN request from an unknown
//! address is looked up by the ICE user name it names (RFC 8445 section 7.2.2:
//! `USERNAME` is ours, a colon, theirs). An address is learnt only after its STUN
//! message was authenticated.

use std::collections::HashMap;
use std::net::SocketAddr;

use crate::slab::Key;

/// Addresses remembered per participant. A client on several networks tries a few
/// pairs of each; the oldest is forgotten first.
const MAX_ADDRESSES: usize = 8;

#[derive(Debug, Default)]
pub(crate) struct Routes {
    by_address: HashMap<SocketAddr, Key>,
    by_ufrag: HashMap<String, Key>,
    participants: HashMap<Key, Known>,
}

#[derive(Debug, Default)]
struct Known {
    addresses: Vec<SocketAddr>,
    ufrag: String,
}

impl Routes {
    pub(crate) fn by_address(&self, address: SocketAddr) -> Option<Key> {
        self.by_address.get(&address).copied()
    }

    pub(crate) fn by_ufrag(&self, ufrag: &str) -> Option<Key> {
        self.by_ufrag.get(ufrag).copied()
    }

    /// Sets the participant's ICE user name; an ICE restart brings a new one.
    pub(crate) fn set_ufrag(&mut self, key: Key, ufrag: String) {
        let known = self.participants.entry(key).or_default();
        if known.ufrag == ufrag {
            return;
        }
        self.by_ufrag.remove(&known.ufrag);
        known.ufrag.clone_from(&ufrag);
        self.by_ufrag.insert(ufrag, key);
    }

    pub(crate) fn learn(&mut self, key: Key, address: SocketAddr) {
        let previous = self.by_address.insert(address, key);
        if previous == Some(key) {
            return;
        }
        if let Some(known) = previous.and_then(|previous| self.participants.get_mut(&previous)) {
            known.addresses.retain(|known| *known != address);
        }
        let known = self.participants.entry(key).or_default();
        known.addresses.push(address);
        if known.addresses.len() > MAX_ADDRESSES {
            let oldest = known.addresses.remove(0);
            self.by_address.remove(&oldest);
        }
    }

    pub(crate) fn remove(&mut self, key: Key) {
        let Some(known) = self.participants.remove(&key) else { return };
        self.by_ufrag.remove(&known.ufrag);
        for address in known.addresses {
            self.by_address.remove(&address);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_address.is_empty() && self.by_ufrag.is_empty() && self.participants.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slab::Slab;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], port))
    }

    #[test]
    fn an_address_moves_to_its_new_owner_and_all_is_forgotten() {
        let mut slab = Slab::new();
        let (a, b) = (slab.insert(()), slab.insert(()));
        let mut routes = Routes::default();
        routes.set_ufrag(a, "aaaa".to_owned());
        routes.set_ufrag(b, "bbbb".to_owned());
        routes.learn(a, address(1));
        routes.learn(b, address(1));
        assert_eq!(routes.by_address(address(1)), Some(b));

        routes.remove(a);
        assert_eq!(routes.by_address(address(1)), Some(b));
        routes.set_ufrag(b, "cccc".to_owned());
        assert_eq!(routes.by_ufrag("bbbb"), None);
        routes.remove(b);
        assert!(routes.is_empty());
    }

    #[test]
    fn addresses_of_one_participant_are_bounded() {
        let mut slab = Slab::new();
        let key = slab.insert(());
        let mut routes = Routes::default();
        for port in 0..100 {
            routes.learn(key, address(port));
        }
        assert_eq!(routes.by_address.len(), MAX_ADDRESSES);
        assert_eq!(routes.by_address(address(99)), Some(key));
    }
}

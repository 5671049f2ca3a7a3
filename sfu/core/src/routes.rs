//! Which participant a packet belongs to.
//!
//! By its flow, the way of all media packets. A STUN request of an unknown flow is
//! looked up by the ICE user name it names (RFC 8445 section 7.2.2:
//! `USERNAME` is ours, a colon, theirs). A flow is learnt only after its STUN message
//! was authenticated.

use std::collections::HashMap;

use crate::flow::Flow;
use crate::slab::Key;

/// Flows remembered per participant. A client on several networks tries a few
/// pairs of each; the oldest is forgotten first.
pub(crate) const MAX_FLOWS: usize = 8;

#[derive(Debug, Default)]
pub(crate) struct Routes {
    by_flow: HashMap<Flow, Key>,
    by_ufrag: HashMap<String, Key>,
    participants: HashMap<Key, Known>,
}

#[derive(Debug, Default)]
struct Known {
    flows: Vec<Flow>,
    ufrag: String,
}

impl Routes {
    pub(crate) fn by_flow(&self, flow: &Flow) -> Option<Key> {
        self.by_flow.get(flow).copied()
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

    /// `used`: the flow by which the participant is sent to, which is not forgotten for
    /// others.
    pub(crate) fn learn(&mut self, key: Key, flow: Flow, used: Option<&Flow>) {
        let previous = self.by_flow.insert(flow, key);
        if previous == Some(key) {
            return;
        }
        if let Some(known) = previous.and_then(|previous| self.participants.get_mut(&previous)) {
            known.flows.retain(|known| *known != flow);
        }
        let known = self.participants.entry(key).or_default();
        known.flows.push(flow);
        if known.flows.len() > MAX_FLOWS {
            let oldest = known.flows.iter().position(|known| Some(known) != used).unwrap_or(0);
            let oldest = known.flows.remove(oldest);
            self.by_flow.remove(&oldest);
        }
    }

    #[cfg(test)]
    pub(crate) fn flows_of(&self, key: Key) -> usize {
        self.participants.get(&key).map_or(0, |known| known.flows.len())
    }

    pub(crate) fn remove(&mut self, key: Key) {
        let Some(known) = self.participants.remove(&key) else { return };
        self.by_ufrag.remove(&known.ufrag);
        for flow in known.flows {
            self.by_flow.remove(&flow);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_flow.is_empty() && self.by_ufrag.is_empty() && self.participants.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::flow::Transport;
    use crate::slab::Slab;

    fn flow(port: u16) -> Flow {
        let local = SocketAddr::from(([10, 0, 0, 9], 8090));
        Flow { transport: Transport::Udp, local, remote: SocketAddr::from(([10, 0, 0, 1], port)) }
    }

    #[test]
    fn a_flow_moves_to_its_new_owner_and_all_is_forgotten() {
        let mut slab = Slab::new();
        let (a, b) = (slab.insert(()), slab.insert(()));
        let mut routes = Routes::default();
        routes.set_ufrag(a, "aaaa".to_owned());
        routes.set_ufrag(b, "bbbb".to_owned());
        routes.learn(a, flow(1), None);
        routes.learn(b, flow(1), None);
        assert_eq!(routes.by_flow(&flow(1)), Some(b));

        routes.remove(a);
        assert_eq!(routes.by_flow(&flow(1)), Some(b));
        routes.set_ufrag(b, "cccc".to_owned());
        assert_eq!(routes.by_ufrag("bbbb"), None);
        routes.remove(b);
        assert!(routes.is_empty());
    }

    #[test]
    fn flows_of_one_participant_are_bounded() {
        let mut slab = Slab::new();
        let key = slab.insert(());
        let mut routes = Routes::default();
        let used = flow(3);
        for port in 0..100 {
            routes.learn(key, flow(port), Some(&used));
        }
        assert_eq!(routes.by_flow.len(), MAX_FLOWS);
        assert_eq!(routes.by_flow(&flow(99)), Some(key));
        assert_eq!(routes.by_flow(&used), Some(key));
    }
}

//! Gateways that fall silent and come back, again and again.
//!
//! Each time a gateway is given up its people have a grace to appear elsewhere. When
//! the same gateway is given up once more soon after, they get twice as long, then
//! four times: a network that comes and goes is not news of everybody behind it.

use std::collections::HashMap;
use std::time::Duration;

use housecall_protocol::ids::NodeId;

/// A gateway that was heard all the time since is trusted again.
const MEMORY: Duration = Duration::from_secs(600);
/// The longest grace, in usual ones.
const MOST: u32 = 8;
/// Gateways remembered: each start of one is another.
const BOUND: usize = 1024;

/// See the module.
#[derive(Default)]
pub(super) struct Flaps {
    gateways: HashMap<NodeId, Flap>,
}

struct Flap {
    graces: u32,
    last: Duration,
}

impl Flaps {
    /// A gateway is given up; returns for how many graces its people are waited for.
    pub(super) fn given_up(&mut self, gateway: NodeId, now: Duration) -> u32 {
        self.gateways.retain(|_, flap| flap.last + MEMORY > now);
        if self.gateways.len() >= BOUND && !self.gateways.contains_key(&gateway) {
            return 1;
        }
        let flap = self.gateways.entry(gateway).or_insert(Flap { graces: 0, last: now });
        flap.graces = (flap.graces * 2).clamp(1, MOST);
        flap.last = now;
        flap.graces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_grows_with_each_flap_and_is_forgotten() {
        let (mut flaps, gateway) = (Flaps::default(), NodeId::generate());
        let second = Duration::from_secs;
        let mut graces = (0..6).map(|n| flaps.given_up(gateway, second(n * 60)));
        assert!(graces.by_ref().eq([1, 2, 4, 8, 8, 8]));
        assert_eq!(flaps.given_up(NodeId::generate(), second(300)), 1, "another one");
        assert_eq!(flaps.given_up(gateway, second(2000)), 1);
    }
}

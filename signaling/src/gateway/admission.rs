//! How many connections there may be: in the process, from one address, of one person.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use crate::Config;

/// The counters behind the bounds.
pub(crate) struct Admission {
    max_total: usize,
    max_per_address: usize,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A place for one connection; given back when dropped.
pub(crate) struct Permit {
    admission: Arc<Admission>,
    address: Option<IpAddr>,
}

/// Which bound was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Process,
    Address,
}

impl Admission {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            max_total: config.max_connections,
            max_per_address: config.max_connections_per_address,
            open: Mutex::default(),
        }
    }

    pub(crate) fn admit(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Permit, Refused> {
        let address = address.map(subscriber);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.total >= self.max_total {
            return Err(Refused::Process);
        }
        if let Some(address) = address {
            let count = open.by_address.entry(address).or_default();
            if *count >= self.max_per_address {
                return Err(Refused::Address);
            }
            *count += 1;
        }
        open.total += 1;
        Ok(Permit { admission: Arc::clone(self), address })
    }
}

/// An IPv4 address, or the /64 of an IPv6 one, which one subscriber has whole.
pub(crate) fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(network))
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.admission.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.total -= 1;
        let Some(address) = self.address else { return };
        if let Some(count) = open.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                open.by_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_and_given_back() {
        let config =
            Config { max_connections: 3, max_connections_per_address: 2, ..Config::default() };
        let admission = Arc::new(Admission::new(&config));
        let here = Some(IpAddr::from([127, 0, 0, 1]));
        let first = admission.admit(here).ok().unwrap();
        let _second = admission.admit(here).ok().unwrap();
        assert_eq!(admission.admit(here).err(), Some(Refused::Address));
        let _third = admission.admit(None).ok().unwrap();
        assert_eq!(admission.admit(None).err(), Some(Refused::Process));
        drop(first);
        assert!(admission.admit(here).is_ok());
    }

    #[test]
    fn a_subscriber_has_one_share_whatever_address_they_take() {
        let config = Config { max_connections_per_address: 1, ..Config::default() };
        let admission = Arc::new(Admission::new(&config));
        let from = |text: &str| Some(text.parse().unwrap());
        let first = admission.admit(from("2001:db8:1:2::1")).ok().unwrap();
        let refused = admission.admit(from("2001:db8:1:2:ffff::9")).err();
        assert_eq!(refused, Some(Refused::Address));
        assert!(admission.admit(from("2001:db8:1:3::1")).is_ok());
        let _mapped = admission.admit(from("::ffff:192.0.2.7")).ok().unwrap();
        assert_eq!(admission.admit(from("192.0.2.7")).err(), Some(Refused::Address));
        drop(first);
        assert!(admission.admit(from("2001:db8:1:2::2")).is_ok());
    }
}

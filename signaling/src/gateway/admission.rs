//! How many connections there may be: in the process, from one address, of one person.

use std::collections::HashMap;
use std::net::IpAddr;
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
}

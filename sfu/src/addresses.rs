//! Where the workers listen, and at which addresses clients are told to reach them.
//!
//! A socket serves the addresses of one family. With several addresses of one family
//! each may get a socket of its own, which then answers from the address it was asked
//! at, as ICE demands; a socket for all addresses answers from the one the system's
//! routes choose.

use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};

use crate::config::Config;
use crate::service::StartError;
use crate::{socket, tcp};

/// Tries to find a port that is free for all sockets of a worker, when none is given.
const PORT_TRIES: usize = 32;

/// One address to listen on, and those that lead there, as clients see them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Listen {
    bind: IpAddr,
    /// At least one.
    advertised: Vec<IpAddr>,
}

/// A worker's sockets, each with the candidates that lead to it.
pub(crate) struct Sockets {
    pub(crate) port: u16,
    pub(crate) udp: Vec<(UdpSocket, Vec<SocketAddr>)>,
    /// Empty when clients may not come by TCP.
    pub(crate) tcp: Vec<(TcpListener, Vec<SocketAddr>)>,
}

impl Sockets {
    pub(crate) fn candidates(&self) -> Vec<SocketAddr> {
        self.udp.iter().flat_map(|(_, candidates)| candidates).copied().collect()
    }

    pub(crate) fn tcp_candidates(&self) -> Vec<SocketAddr> {
        self.tcp.iter().flat_map(|(_, candidates)| candidates).copied().collect()
    }
}

/// Which address leads to which.
///
/// # Errors
/// When clients could not reach one of them.
pub(crate) fn plan(config: &Config) -> Result<Vec<Listen>, StartError> {
    let mut plan: Vec<_> =
        config.bind.iter().map(|bind| Listen { bind: *bind, advertised: Vec::new() }).collect();
    let advertised = match config.advertised.as_slice() {
        [] => &config.bind,
        advertised => advertised,
    };
    for address in advertised {
        if !is_reachable(*address) {
            return Err(StartError::Unreachable { address: *address });
        }
        let exact = plan.iter().position(|listen| listen.bind == *address);
        let same_family = || {
            let is_ipv4 = address.is_ipv4();
            plan.iter().position(|listen| listen.bind.is_ipv4() == is_ipv4)
        };
        let index = exact.or_else(same_family);
        let Some(listen) = index.and_then(|index| plan.get_mut(index)) else {
            return Err(StartError::NoSocket { address: *address });
        };
        listen.advertised.push(*address);
    }
    match plan.iter().find(|listen| listen.advertised.is_empty()) {
        Some(listen) => Err(StartError::Unreachable { address: listen.bind }),
        None if plan.is_empty() => Err(StartError::NoAddress),
        None => Ok(plan),
    }
}

fn is_reachable(address: IpAddr) -> bool {
    let broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    !(address.is_unspecified() || address.is_multicast() || broadcast)
}

/// Opens all sockets of a worker on one port; with port 0, on one that is free for all.
///
/// # Errors
/// When a port is taken or an address is not ours.
pub(crate) fn open(plan: &[Listen], port: u16, tcp: bool) -> Result<Sockets, StartError> {
    let mut tries = PORT_TRIES;
    loop {
        tries -= 1;
        match open_once(plan, port, tcp) {
            // Somebody else may have the port that was free for the first of them.
            Err(StartError::Socket { error, .. })
                if port == 0 && tries > 0 && error.kind() == std::io::ErrorKind::AddrInUse => {}
            result => return result,
        }
    }
}

fn open_once(plan: &[Listen], mut port: u16, tcp: bool) -> Result<Sockets, StartError> {
    let mut sockets = Sockets { port, udp: Vec::new(), tcp: Vec::new() };
    for listen in plan {
        let address = SocketAddr::new(listen.bind, port);
        let failed = |transport| move |error| StartError::Socket { address, transport, error };
        let socket = socket::open(address).map_err(failed("UDP"))?;
        port = socket.local_addr().map_err(failed("UDP"))?.port();
        let candidates: Vec<_> =
            listen.advertised.iter().map(|ip| SocketAddr::new(*ip, port)).collect();
        if tcp {
            let address = SocketAddr::new(listen.bind, port);
            let listener = tcp::listen(address).map_err(|error| StartError::Socket {
                address,
                transport: "TCP",
                error,
            })?;
            sockets.tcp.push((listener, candidates.clone()));
        }
        sockets.udp.push((socket, candidates));
    }
    sockets.port = port;
    Ok(sockets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(bind: &[&str], advertised: &[&str]) -> Result<Vec<Vec<String>>, StartError> {
        let parse = |all: &[&str]| all.iter().map(|ip| ip.parse().unwrap()).collect();
        let config =
            Config { bind: parse(bind), advertised: parse(advertised), ..Config::default() };
        let plan = plan(&config)?;
        Ok(plan
            .iter()
            .map(|listen| listen.advertised.iter().map(ToString::to_string).collect())
            .collect())
    }

    #[test]
    fn every_advertised_address_leads_to_a_socket_of_its_family() {
        for (bind, advertised, expected) in [
            (&["127.0.0.1"][..], &[][..], vec![vec!["127.0.0.1"]]),
            (&["10.0.0.5", "fd00::5"], &[], vec![vec!["10.0.0.5"], vec!["fd00::5"]]),
            (
                &["0.0.0.0", "::"],
                &["fd00::5", "203.0.113.7", "10.0.0.5"],
                vec![vec!["203.0.113.7", "10.0.0.5"], vec!["fd00::5"]],
            ),
            (
                &["10.0.0.5", "10.0.0.6"],
                &["10.0.0.6", "203.0.113.7"],
                vec![vec!["203.0.113.7"], vec!["10.0.0.6"]],
            ),
        ] {
            assert_eq!(planned(bind, advertised).unwrap(), expected, "{bind:?} {advertised:?}");
        }
    }

    #[test]
    fn what_clients_cannot_reach_is_refused() {
        for (bind, advertised, expected) in [
            (&["0.0.0.0"][..], &[][..], "0.0.0.0"),
            (&["127.0.0.1"], &["::1"], "::1"),
            (&["127.0.0.1"], &["224.0.0.1"], "224.0.0.1"),
            (&["127.0.0.1", "127.0.0.2"], &["127.0.0.2"], "127.0.0.1"),
            (&[], &[], "sfu.bind"),
        ] {
            let refused = planned(bind, advertised).unwrap_err().to_string();
            assert!(refused.contains(expected), "{refused}");
        }
    }

    #[test]
    fn one_port_serves_both_families_and_both_transports() {
        let bind = vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()];
        let plan = plan(&Config { bind, ..Config::default() }).unwrap();
        let sockets = open(&plan, 0, true).unwrap();
        assert_ne!(sockets.port, 0);
        assert_eq!(sockets.candidates(), sockets.tcp_candidates());
        assert_eq!(sockets.candidates().len(), 2);
        assert!(sockets.candidates().iter().all(|address| address.port() == sockets.port));

        // Any one of them that is taken is named, with its transport.
        drop(sockets.udp);
        let taken = open(&plan, sockets.port, true).err().unwrap().to_string();
        assert!(taken.contains("TCP") && taken.contains(&sockets.port.to_string()), "{taken}");
    }
}

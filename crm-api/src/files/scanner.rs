//! The antivirus, asked over clamd's protocol (clamd(8), INSTREAM).

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use axum::body::Bytes;
use clamav_client::tokio::{Socket, Tcp, scan_stream};
use futures::Stream;

/// What the scanner says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Clean,
    Infected,
}

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
pub(super) enum ScanError {
    #[error("the scanner cannot be reached: {0}")]
    Io(#[from] io::Error),
    #[error("the scanner took too long")]
    TimedOut,
    #[error("the scanner said: {0}")]
    Refused(String),
}

/// `crm_api.scanner` is not an address.
#[derive(Debug, thiserror::Error)]
#[error("crm_api.scanner must be tcp://HOST:PORT or unix:///PATH, not {0:?}")]
pub struct ScannerError(String);

/// A configured scanner.
#[derive(Clone, Debug)]
pub(crate) struct Scanner {
    address: Address,
    timeout: Duration,
}

#[derive(Clone, Debug)]
enum Address {
    Tcp(String),
    Unix(PathBuf),
}

impl Scanner {
    /// The scanner at `address`; none when it is empty.
    ///
    /// # Errors
    /// When the address has no known form.
    pub(crate) fn new(address: &str, timeout: Duration) -> Result<Option<Self>, ScannerError> {
        if address.is_empty() {
            return Ok(None);
        }
        let unknown = || ScannerError(address.to_owned());
        let address = match address.split_once("://").ok_or_else(unknown)? {
            ("tcp", host) if host.contains(':') => Address::Tcp(host.to_owned()),
            ("unix", path) if path.starts_with('/') => Address::Unix(path.into()),
            _ => return Err(unknown()),
        };
        Ok(Some(Self { address, timeout }))
    }

    /// Has the bytes scanned.
    pub(super) async fn scan<S>(&self, bytes: S) -> Result<Verdict, ScanError>
    where
        S: Stream<Item = Result<Bytes, io::Error>>,
    {
        let reply = async {
            match &self.address {
                Address::Tcp(host) => scan_stream(bytes, Tcp { host_address: host }, None).await,
                Address::Unix(path) => scan_stream(bytes, Socket { socket_path: path }, None).await,
            }
        };
        let reply =
            tokio::time::timeout(self.timeout, reply).await.map_err(|_| ScanError::TimedOut)??;
        verdict(&String::from_utf8_lossy(&reply))
    }
}

/// `stream: OK`, `stream: NAME FOUND`; all else is no verdict, so that a scanner
/// that is out of order lets nothing through.
fn verdict(reply: &str) -> Result<Verdict, ScanError> {
    let reply = reply.trim_end_matches(['\0', '\n']);
    if reply.ends_with(" FOUND") {
        Ok(Verdict::Infected)
    } else if reply == "stream: OK" {
        Ok(Verdict::Clean)
    } else {
        Err(ScanError::Refused(reply.chars().take(200).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_word_counts() {
        assert_eq!(verdict("stream: OK\0").expect("clear"), Verdict::Clean);
        let found = verdict("stream: Eicar-Test-Signature FOUND\0").expect("clear");
        assert_eq!(found, Verdict::Infected);
        for unclear in ["", "OK", "INSTREAM size limit exceeded. ERROR\0", "stream: OK FOUND OK"] {
            assert!(matches!(verdict(unclear), Err(ScanError::Refused(_))), "{unclear}");
        }
    }

    #[test]
    fn addresses() {
        let scanner = |address| Scanner::new(address, Duration::from_secs(1));
        assert!(scanner("").expect("none").is_none());
        assert!(scanner("tcp://127.0.0.1:3310").expect("TCP").is_some());
        assert!(scanner("unix:///run/clamav/clamd.ctl").expect("a socket").is_some());
        for wrong in ["127.0.0.1:3310", "tcp://clamd", "unix://relative", "http://x:1"] {
            assert!(scanner(wrong).is_err(), "{wrong}");
        }
    }
}

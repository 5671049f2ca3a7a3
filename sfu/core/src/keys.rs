//! Listens to DTLS handshakes: the SRTP keys go to us, and not to str0m.
//!
//! str0m without keys neither opens nor sends media, and keeps to what it is here for:
//! ICE, DTLS and the check of the peer's fingerprint. The keys of a session exist
//! before that check, so [`CapturedKeys::take`] belongs behind `Event::Connected`.
//!
//! The handshakes are dimpl's, as str0m's own provider has them, with one difference:
//! settings are made once and shared. Making them has dimpl try each of its algorithms
//! against known answers, which took more than a third of a join.

use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use str0m::config::DtlsCert;
use str0m::crypto::dtls::{
    DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, DtlsVersion, ProtocolVersion,
    SrtpProfile,
};
use str0m::crypto::{CryptoError, CryptoProvider};

use crate::srtp::{self, Opener, Profile, Role, Sealer};

thread_local! {
    /// Where the DTLS instance that is made next puts its keys. str0m makes it inside
    /// `RtcConfig::build`, out of a provider that all sessions share, so it cannot be
    /// given as an argument; set only for the time of [`capture`].
    static RECEIVER: RefCell<Option<CapturedKeys>> = const { RefCell::new(None) };
}

/// A provider for `RtcConfig::set_crypto_provider` that differs from the default one
/// by keeping the keys of those sessions that are built inside [`capture`]. One serves
/// any number of sessions.
pub(crate) fn capturing_provider() -> Arc<CryptoProvider> {
    let provider = str0m::crypto::from_feature_flags();
    Arc::new(CryptoProvider { dtls_provider: &CapturingDtls, ..provider })
}

/// Runs `build`, which builds one `Rtc` with [`capturing_provider`], and returns where
/// its keys will be.
pub(crate) fn capture<T>(build: impl FnOnce() -> T) -> (T, CapturedKeys) {
    /// Takes the receiver away even when `build` panics.
    struct Reset;
    impl Drop for Reset {
        fn drop(&mut self) {
            RECEIVER.take();
        }
    }
    let keys = CapturedKeys::default();
    RECEIVER.set(Some(keys.clone()));
    let _reset = Reset;
    (build(), keys)
}

/// The keys of one session, once its handshake is done.
#[derive(Clone, Default)]
pub(crate) struct CapturedKeys(Arc<Mutex<Option<Exported>>>);

struct Exported {
    profile: Profile,
    material: Vec<u8>,
    role: Role,
}

impl CapturedKeys {
    /// Both directions of the session; `None` before the handshake is done, and when
    /// they were taken. Only for a peer whose fingerprint was verified, that is after
    /// `Event::Connected`.
    pub(crate) fn take(&self) -> Option<(Opener, Sealer)> {
        let exported = self.0.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        srtp::session(exported.profile, &exported.material, exported.role)
    }

    fn put(&self, exported: Exported) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(exported);
    }
}

impl fmt::Debug for CapturedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CapturedKeys")
    }
}

#[derive(Debug)]
struct CapturingDtls;

impl DtlsProvider for CapturingDtls {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        str0m::crypto::from_feature_flags().dtls_provider.generate_certificate()
    }

    fn new_dtls(
        &self,
        cert: &DtlsCert,
        now: Instant,
        dtls_version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        let Some(keys) = RECEIVER.with_borrow(Clone::clone) else {
            let provider = str0m::crypto::from_feature_flags().dtls_provider;
            return provider.new_dtls(cert, now, dtls_version, mtu);
        };
        let config = settings(mtu)?;
        let cert = dimpl::DtlsCertificate {
            certificate: cert.certificate.clone(),
            private_key: cert.private_key.clone(),
        };
        let inner = match dtls_version {
            DtlsVersion::Dtls12 => dimpl::Dtls::new_12(config, cert, now),
            DtlsVersion::Dtls13 => dimpl::Dtls::new_13(config, cert, now),
            DtlsVersion::Auto => dimpl::Dtls::new_auto(config, cert, now),
            _ => return Err(CryptoError::Other(format!("no DTLS {dtls_version}"))),
        };
        Ok(Box::new(Listener { inner, keys, scratch: Vec::new(), heard: false }))
    }

    fn is_test(&self) -> bool {
        false
    }
}

/// Settings of handshakes whose datagrams are at most `mtu` bytes, checked.
fn settings(mtu: Option<usize>) -> Result<Arc<dimpl::Config>, CryptoError> {
    /// The first ones of this process: all sessions of the relay have one MTU.
    static SHARED: OnceLock<(Option<usize>, Arc<dimpl::Config>)> = OnceLock::new();

    if let Some((known, config)) = SHARED.get()
        && *known == mtu
    {
        return Ok(Arc::clone(config));
    }
    // ICE has proven the client's address, so cookies would prove nothing more.
    let builder = dimpl::Config::builder().use_server_cookie(false);
    let builder = mtu.into_iter().fold(builder, dimpl::ConfigBuilder::mtu);
    let config = builder.build().map_err(|error| CryptoError::Other(error.to_string()))?;
    let config = Arc::new(config);
    // Whoever was first has made the same, or other ones that stay.
    let _ = SHARED.set((mtu, Arc::clone(&config)));
    Ok(config)
}

/// A DTLS instance whose keying material is kept.
struct Listener {
    inner: dimpl::Dtls,
    keys: CapturedKeys,
    /// Until the keys are there, output is read into this and copied: they cannot be
    /// held back from an output that already borrows the caller's buffer.
    scratch: Vec<u8>,
    heard: bool,
}

impl Listener {
    fn keep(&mut self, material: &[u8], profile: SrtpProfile) {
        self.heard = true;
        self.scratch = Vec::new();
        let profile = match profile {
            SrtpProfile::AES128_CM_SHA1_80 => Profile::Aes128CmSha1_80,
            SrtpProfile::AEAD_AES_128_GCM => Profile::AeadAes128Gcm,
            SrtpProfile::AEAD_AES_256_GCM => Profile::AeadAes256Gcm,
            // Not one that this version of the library can negotiate.
            _ => return,
        };
        let role = if self.inner.is_active() { Role::Client } else { Role::Server };
        self.keys.put(Exported { profile, material: material.to_vec(), role });
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}

impl DtlsInstance for Listener {
    fn poll_output<'a>(&mut self, buf: &'a mut [u8]) -> DtlsOutput<'a> {
        if self.heard {
            return self.inner.poll_output(buf);
        }
        self.scratch.resize(buf.len(), 0);
        loop {
            match self.inner.poll_output(&mut self.scratch) {
                DtlsOutput::KeyingMaterial(material, profile) => {
                    self.keep(&material, profile);
                    return self.inner.poll_output(buf);
                }
                DtlsOutput::Packet(packet) => return DtlsOutput::Packet(copied(packet, buf)),
                DtlsOutput::PeerCert(der) => return DtlsOutput::PeerCert(copied(der, buf)),
                DtlsOutput::ApplicationData(data) => {
                    return DtlsOutput::ApplicationData(copied(data, buf));
                }
                DtlsOutput::BufferTooSmall { needed } => {
                    return DtlsOutput::BufferTooSmall { needed };
                }
                DtlsOutput::Timeout(at) => return DtlsOutput::Timeout(at),
                DtlsOutput::Connected => return DtlsOutput::Connected,
                DtlsOutput::CloseNotify => return DtlsOutput::CloseNotify,
                // Nothing of ours; the next output may be.
                _ => {}
            }
        }
    }

    fn set_active(&mut self, active: bool) {
        self.inner.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.inner.handle_packet(packet)
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.inner.handle_timeout(now)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        self.inner.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.inner.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.inner.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.inner.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.inner.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.inner.close()
    }
}

/// A copy of `bytes` in `buffer`, which is as long as what they were read from.
fn copied<'a>(bytes: &[u8], buffer: &'a mut [u8]) -> &'a [u8] {
    let copy = &mut buffer[..bytes.len()];
    copy.copy_from_slice(bytes);
    copy
}

#[cfg(test)]
mod tests;

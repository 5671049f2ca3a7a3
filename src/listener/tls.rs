//! TLS on the public listener: a certificate and its key from files, read again when
//! they change, so that whoever renews them need not restart anything.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use serde::Deserialize;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_util::sync::CancellationToken;

/// Between looks at the files. A renewal is no more urgent than that.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// `[server.tls]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Files {
    /// The certificate and those that lead to its issuer, PEM.
    pub(crate) certificate: PathBuf,
    /// Its private key, PEM.
    pub(crate) key: PathBuf,
}

/// What new connections are shown.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Files {
    /// Reads the files; watches them until `stop`.
    pub(crate) fn serve(&self, stop: CancellationToken) -> anyhow::Result<TlsAcceptor> {
        let seen = self.changed_at();
        let current = Arc::new(Current(RwLock::new(Arc::new(self.load()?))));
        let resolver: Arc<dyn ResolvesServerCert> = current.clone();
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()?
                .with_no_client_auth()
                .with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // A returning client saves us a signature, and costs us no memory meanwhile:
        // its session is in the ticket.
        config.ticketer = aws_lc_rs::Ticketer::new()?;
        config.send_tls13_tickets = 1;
        tokio::spawn(watch(self.clone(), current, seen, stop));
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    fn load(&self) -> anyhow::Result<CertifiedKey> {
        let unusable = |path: &PathBuf| format!("{} cannot be used", path.display());
        let chain = CertificateDer::pem_file_iter(&self.certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .with_context(|| unusable(&self.certificate))?;
        let key = PrivateKeyDer::from_pem_file(&self.key).with_context(|| unusable(&self.key))?;
        CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).with_context(|| {
            format!("{} and {} do not fit together", self.certificate.display(), self.key.display())
        })
    }

    /// Unknown while one is missing: somebody is replacing it.
    fn changed_at(&self) -> Option<[SystemTime; 2]> {
        let changed = |path: &PathBuf| path.metadata().and_then(|meta| meta.modified()).ok();
        Some([changed(&self.certificate)?, changed(&self.key)?])
    }
}

async fn watch(
    files: Files,
    current: Arc<Current>,
    mut seen: Option<[SystemTime; 2]>,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_INTERVAL) => {}
        }
        let now = files.changed_at();
        if now.is_none() || now == seen {
            continue;
        }
        seen = now;
        match files.load() {
            Ok(key) => {
                *current.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(key);
                tracing::info!("a new certificate is in use");
            }
            // The old one goes on; half of a renewal may be on the disk.
            Err(error) => tracing::error!("the new certificate: {error:#}"),
        }
    }
}

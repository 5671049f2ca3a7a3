//! TLS on the public listener: pages and WebSockets inside it, and a certificate
//! that is renewed while the house is open.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::tungstenite::Message;

use crate::house::House;

/// Far longer than between two looks at the files.
const PATIENCE: Duration = Duration::from_secs(60);

/// A new certificate for this machine, over the old one. Returns its bytes.
fn renew(directory: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = directory.join("certificate.pem");
    std::fs::write(directory.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    CertificateDer::from_pem_file(certificate).unwrap()
}

async fn dial(
    address: &str,
    trusted: &CertificateDer<'static>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider's own versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("127.0.0.1").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_served_and_renewed() {
    let files = tempfile::tempdir().unwrap();
    let first = renew(files.path());
    let path = |name: &str| files.path().join(name).to_string_lossy().into_owned();
    let (house, _log) = House::start_watched(&[
        ("HOUSECALL_SERVER__TLS__CERTIFICATE", path("certificate.pem")),
        ("HOUSECALL_SERVER__TLS__KEY", path("key.pem")),
    ])
    .await;
    let address = house.public.trim_start_matches("https://").to_owned();
    assert!(house.public.starts_with("https://"), "{}", house.public);

    let stream = dial(&address, &first).await.unwrap();
    let (mut client, _) =
        tokio_tungstenite::client_async(format!("wss://{address}/rt/v1"), stream).await.unwrap();
    let data = json!({ "protocol": 1, "token": "none", "device": "test" });
    let hello = json!({ "id": 1, "type": "hello", "data": data });
    client.send(Message::text(hello.to_string())).await.unwrap();
    let answer = client.next().await.unwrap().unwrap().into_text().unwrap();
    assert!(answer.contains("unauthenticated"), "{answer}");

    // Half of a renewal changes nothing.
    std::fs::write(files.path().join("key.pem"), "no key").unwrap();
    let second = renew(files.path());
    let renewed = async {
        while dial(&address, &second).await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, renewed).await.expect("the new certificate is read");
    assert!(dial(&address, &first).await.is_err(), "the old one is gone");
    assert!(house.stop().await.success());
}

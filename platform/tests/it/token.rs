//! Keys that outlive the process that fetched them.

use housecall_platform::bus::Bus;
use housecall_platform::token::{TokenError, Verifier};
use serde_json::json;

const SUBJECT: &str = "test.keys";

/// A token of a key that nobody has; only its head is looked at.
const FOREIGN: &str = "eyJhbGciOiJFZERTQSIsImtpZCI6Im90aGVyIn0.e30.AA";

async fn issuer(bus: &Bus) {
    let bus = bus.clone();
    let mut requests = bus.subscribe(SUBJECT).await.unwrap();
    tokio::spawn(async move {
        // RFC 8037, appendix A.2.
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let set = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": "one" }] });
        while let Some(request) = requests.next().await {
            bus.reply(&request, &set).await.unwrap();
        }
    });
}

#[tokio::test]
async fn a_process_that_starts_without_the_issuer_knows_the_keys_of_before() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("keys.json");
    let bus = Bus::local();
    issuer(&bus).await;
    let first = Verifier::kept_in(bus, SUBJECT, file.clone());
    assert!(!first.has_keys());
    first.fetch_first().await;
    assert!(first.has_keys());

    let alone = Verifier::kept_in(Bus::local(), SUBJECT, file.clone());
    assert!(alone.has_keys());
    assert_eq!(alone.verify(FOREIGN).await, Err(TokenError::KeysUnavailable));
    assert!(alone.has_keys(), "a failed question takes nothing away");

    std::fs::write(&file, "{\"keys\": [").unwrap();
    assert!(!Verifier::kept_in(Bus::local(), SUBJECT, file).has_keys(), "half a file");
}

#[tokio::test]
async fn an_issuer_that_comes_later_is_found() {
    let bus = Bus::local();
    let verifier = Verifier::new(bus.clone(), SUBJECT);
    assert_eq!(verifier.verify(FOREIGN).await, Err(TokenError::KeysUnavailable));
    issuer(&bus).await;
    verifier.fetch_first().await;
    assert!(verifier.has_keys());
    assert_eq!(verifier.verify(FOREIGN).await, Err(TokenError::Invalid));
}

//! The STUN and TURN servers a client is told of.
//!
//! coturn's time-limited credentials (draft-uberti-behave-turn-rest): the user name
//! is `expiry:person`, the password its HMAC-SHA1 under the shared secret, so that
//! neither side keeps a table of users.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use housecall_protocol::PersonId;
use housecall_protocol::client::IceServer;
use secrecy::ExposeSecret;

use crate::Config;

/// The list for one person's hello. `now_s` is seconds since the Unix epoch.
pub(crate) fn servers(config: &Config, person: PersonId, now_s: i64) -> Vec<IceServer> {
    let fixed = config.ice_servers.iter().map(|server| IceServer {
        urls: server.urls.clone(),
        username: server.username.clone(),
        credential: server.credential.as_ref().map(|secret| secret.expose_secret().to_owned()),
    });
    fixed.chain(time_limited(config, person, now_s)).collect()
}

fn time_limited(config: &Config, person: PersonId, now_s: i64) -> Option<IceServer> {
    let secret = config.turn_secret.as_ref()?;
    if config.turn_urls.is_empty() {
        return None;
    }
    let expiry = now_s.saturating_add_unsigned(config.turn_ttl_s);
    let username = format!("{expiry}:{person}");
    let key =
        hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.expose_secret().as_bytes());
    let credential = STANDARD.encode(hmac::sign(&key, username.as_bytes()));
    Some(IceServer {
        urls: config.turn_urls.clone(),
        username: Some(username),
        credential: Some(credential),
    })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_credential_is_what_coturn_computes() {
        let config = Config {
            turn_urls: vec!["turn:127.0.0.1:3478".to_owned()],
            turn_secret: Some("north".into()),
            turn_ttl_s: 100,
            ..Config::default()
        };
        let servers = servers(&config, PersonId(Uuid::nil()), 1_700_000_000);
        let server = servers.first().unwrap();
        assert_eq!(
            server.username.as_deref(),
            Some("1700000100:00000000-0000-0000-0000-000000000000")
        );
        // printf '%s' "$username" | openssl dgst -sha1 -hmac north -binary | base64
        assert_eq!(server.credential.as_deref(), Some("lfcFJ/OsEaDtWxm007Z904Y1EEs="));
    }

    #[test]
    fn nothing_is_made_without_a_secret() {
        let config = Config { turn_urls: vec!["turn:127.0.0.1".to_owned()], ..Config::default() };
        assert!(servers(&config, PersonId(Uuid::nil()), 0).is_empty());
    }
}

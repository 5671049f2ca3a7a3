//! Settings of presence.

use std::time::Duration;

use serde::Deserialize;

use crate::core::Rules;

/// Section `[presence]` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Seconds a connection counts without its gateway's beat. Gateways beat
    /// about every 27 s, so that one lost beat costs nobody their presence.
    pub lease_seconds: u64,
    /// Seconds of silence after which a gateway is given up, when others are heard.
    /// Gateways say every second that they live.
    pub silence_seconds: u64,
    /// Seconds after the last connection before a person is said to be offline: a
    /// reload or a change of network is not news.
    pub grace_seconds: u64,
    /// Seconds after which an operator who uses no device is shown as away. 0: never.
    pub away_after_seconds: u64,
    /// Milliseconds after the start in which gateways tell what they hold. Until
    /// then nothing is answered and nobody is told anything.
    pub settle_ms: u64,
    /// Milliseconds for which changes are collected into one event.
    pub batch_ms: u64,
    /// People in one event; more make several.
    pub batch_people: usize,
    /// Offline people of whom "last seen" is remembered. The longest gone are
    /// forgotten first.
    pub remembered_offline: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            lease_seconds: 60,
            silence_seconds: 5,
            grace_seconds: 10,
            away_after_seconds: 300,
            settle_ms: 500,
            batch_ms: 20,
            batch_people: 500,
            remembered_offline: 100_000,
        }
    }
}

/// The section as a commented file, with the default values.
pub const SAMPLE: &str = r#"[presence]
# Seconds a connection counts without its gateway's beat. Gateways beat about
# every 27 s, so that one lost beat costs nobody their presence.
lease_seconds = 60
# Seconds of silence after which a gateway is given up, when others are heard.
# Gateways say every second that they live.
silence_seconds = 5
# Seconds after the last connection before a person is said to be offline: a
# reload or a change of network is not news.
grace_seconds = 10
# Seconds after which an operator who uses no device is shown as away. 0: never.
away_after_seconds = 300
# Milliseconds after the start in which gateways tell what they hold. Until then
# nothing is answered and nobody is told anything.
settle_ms = 500
# Milliseconds for which changes are collected into one event.
batch_ms = 20
# People in one event; more make several.
batch_people = 500
# Offline people of whom "last seen" is remembered. The longest gone are forgotten
# first.
remembered_offline = 100000
"#;

impl Config {
    /// Refuses values with which the service could not work.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.lease_seconds == 0 {
            return Err("presence.lease_seconds must be at least 1".to_owned());
        }
        if self.silence_seconds < 3 {
            return Err("presence.silence_seconds must be at least 3".to_owned());
        }
        if self.batch_people == 0 {
            return Err("presence.batch_people must be at least 1".to_owned());
        }
        Ok(())
    }

    pub(crate) fn rules(&self) -> Rules {
        Rules {
            lease: Duration::from_secs(self.lease_seconds),
            silence: Duration::from_secs(self.silence_seconds),
            grace: Duration::from_secs(self.grace_seconds),
            away_after: (self.away_after_seconds > 0)
                .then(|| Duration::from_secs(self.away_after_seconds)),
            remembered_offline: self.remembered_offline,
        }
    }
}

#[cfg(test)]
mod tests {
    use figment::Figment;
    use figment::providers::{Format, Toml};

    use super::{Config, SAMPLE};

    #[test]
    fn the_sample_is_the_default() {
        let sample: Config = Figment::from(Toml::string(SAMPLE)).extract_inner("presence").unwrap();
        assert_eq!(sample, Config::default());
    }

    #[test]
    fn an_unknown_setting_is_refused() {
        let figment = Figment::from(Toml::string("[presence]\nlease = 3\n"));
        assert!(figment.extract_inner::<Config>("presence").is_err());
    }
}

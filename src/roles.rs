//! Which services a process runs.

use clap::ValueEnum;

/// A service that can run in this process or in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Role {
    /// WebSocket sessions and calls.
    Signaling,
    /// The media relay.
    Sfu,
    /// Who is reachable.
    Presence,
    /// Conversations.
    ChatRouter,
    /// REST, identity, files, and the web apps.
    CrmApi,
}

impl Role {
    const ALL: [Self; 5] =
        [Self::Presence, Self::ChatRouter, Self::CrmApi, Self::Sfu, Self::Signaling];

    /// In starting order: whoever answers requests comes before whoever asks.
    pub(crate) fn selected(chosen: &[Self]) -> Vec<Self> {
        Self::ALL.into_iter().filter(|role| chosen.is_empty() || chosen.contains(role)).collect()
    }

    /// Those that are not among `here`.
    pub(crate) fn missing(here: &[Self]) -> Vec<Self> {
        Self::ALL.into_iter().filter(|role| !here.contains(role)).collect()
    }

    /// Whether the role reads or writes PostgreSQL.
    pub(crate) const fn needs_database(self) -> bool {
        matches!(self, Self::Signaling | Self::ChatRouter | Self::CrmApi)
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Signaling => "signaling",
            Self::Sfu => "sfu",
            Self::Presence => "presence",
            Self::ChatRouter => "chat-router",
            Self::CrmApi => "crm-api",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Role;

    #[test]
    fn nothing_chosen_means_everything_and_order_is_ours() {
        assert_eq!(Role::selected(&[]).len(), 5);
        assert_eq!(
            Role::selected(&[Role::Signaling, Role::Presence]),
            [Role::Presence, Role::Signaling]
        );
        assert_eq!(Role::missing(&Role::selected(&[])), []);
        assert_eq!(
            Role::missing(&[Role::Sfu, Role::Signaling]),
            [Role::Presence, Role::ChatRouter, Role::CrmApi]
        );
    }
}

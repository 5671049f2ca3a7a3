//! SRTP and SRTCP: media packets opened in the receive buffer and sealed in the send
//! buffer (RFC 3711, RFC 7714).
//!
//! Owns the ciphers, the rollover counters, and what keeps packets from being opened
//! or sealed twice. Refuses to know what the packets carry. Keys come from a DTLS
//! handshake that `keys` listens to.

mod cipher;
mod derive;
#[cfg(test)]
mod known_answers;
mod opener;
#[cfg(test)]
mod properties;
mod sealer;
mod window;

use cipher::Cipher;

#[cfg(test)]
pub(crate) use opener::OpenError;
pub(crate) use opener::Opener;
pub(crate) use sealer::{SealError, Sealer};

/// SSRCs whose packets one session opens, and as many that it seals. A participant
/// with two cameras' worth of simulcast and retransmission has thirteen; the rest is
/// for tracks that start again under new SSRCs. They are not forgotten while the
/// session lasts: a forgotten one could be replayed. At 136 bytes each, 35 KB at most.
pub(crate) const MAX_STREAMS: usize = 256;

/// The longest tag and index that sealing adds to an RTP or RTCP packet, bytes.
#[cfg(test)]
pub(crate) const MAX_OVERHEAD_BYTES: usize = 20;

/// Protection profiles that WebRTC peers negotiate (RFC 5764, RFC 7714).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    Aes128CmSha1_80,
    AeadAes128Gcm,
    AeadAes256Gcm,
}

impl Profile {
    const fn key_bytes(self) -> usize {
        match self {
            Self::Aes128CmSha1_80 | Self::AeadAes128Gcm => 16,
            Self::AeadAes256Gcm => 32,
        }
    }

    const fn salt_bytes(self) -> usize {
        match self {
            Self::Aes128CmSha1_80 => 14,
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 12,
        }
    }
}

/// Which end of the DTLS handshake we were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Client,
    Server,
}

/// The two directions of a session, from the keying material that DTLS exported
/// (RFC 5764 section 4.2: both keys, then both salts, the client's first). `None`
/// when its length is not the profile's.
pub(crate) fn session(profile: Profile, exported: &[u8], role: Role) -> Option<(Opener, Sealer)> {
    let (keys, salts) = exported.split_at_checked(2 * profile.key_bytes())?;
    if salts.len() != 2 * profile.salt_bytes() {
        return None;
    }
    let (client_key, server_key) = keys.split_at(profile.key_bytes());
    let (client_salt, server_salt) = salts.split_at(profile.salt_bytes());
    let client = Direction::derive(profile, client_key, client_salt)?;
    let server = Direction::derive(profile, server_key, server_salt)?;
    let (ours, theirs) = match role {
        Role::Client => (client, server),
        Role::Server => (server, client),
    };
    Some((Opener::new(theirs), Sealer::new(ours)))
}

/// The session keys of one direction.
struct Direction {
    rtp: Cipher,
    rtcp: Cipher,
}

//! Session keys from master keys (RFC 3711 section 4.3).

use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;

use super::cipher::{Cipher, Counter, Gcm};
use super::{Direction, Profile};

/// What a derived key is for; its number goes into the derivation.
#[derive(Clone, Copy, Debug)]
enum Label {
    RtpEncryption = 0,
    RtpAuthentication = 1,
    RtpSalt = 2,
    RtcpEncryption = 3,
    RtcpAuthentication = 4,
    RtcpSalt = 5,
}

impl Direction {
    /// `None` when key or salt have the wrong length.
    pub(super) fn derive(profile: Profile, key: &[u8], salt: &[u8]) -> Option<Self> {
        let master = Master::new(profile, key, salt)?;
        Some(Self {
            rtp: master.cipher([Label::RtpEncryption, Label::RtpAuthentication, Label::RtpSalt])?,
            rtcp: master.cipher([
                Label::RtcpEncryption,
                Label::RtcpAuthentication,
                Label::RtcpSalt,
            ])?,
        })
    }
}

pub(super) struct Master {
    profile: Profile,
    key: EncryptingKey,
    /// 112 bits; a salt of 96 bits stands in front of 16 zeros (RFC 7714 section 11).
    salt: [u8; 14],
}

impl Master {
    pub(super) fn new(profile: Profile, key: &[u8], salt: &[u8]) -> Option<Self> {
        if key.len() != profile.key_bytes() || salt.len() != profile.salt_bytes() {
            return None;
        }
        let algorithm = match profile {
            Profile::Aes128CmSha1_80 | Profile::AeadAes128Gcm => &AES_128,
            // RFC 6188 section 3: the same derivation with the larger key.
            Profile::AeadAes256Gcm => &AES_256,
        };
        let key = EncryptingKey::ctr(UnboundCipherKey::new(algorithm, key).ok()?).ok()?;
        let mut padded = [0; 14];
        padded[..salt.len()].copy_from_slice(salt);
        Some(Self { profile, key, salt: padded })
    }

    #[cfg(test)]
    pub(super) fn rtp_keys(&self) -> Option<([u8; 16], [u8; 14], [u8; 20])> {
        Some((
            self.derive(Label::RtpEncryption)?,
            self.derive(Label::RtpSalt)?,
            self.derive(Label::RtpAuthentication)?,
        ))
    }

    fn cipher(&self, [encryption, authentication, salt]: [Label; 3]) -> Option<Cipher> {
        match self.profile {
            Profile::Aes128CmSha1_80 => Some(Cipher::Counter(Box::new(Counter::new(
                &self.derive::<16>(encryption)?,
                self.derive(salt)?,
                &self.derive::<20>(authentication)?,
            )?))),
            Profile::AeadAes128Gcm => {
                let key = self.derive::<16>(encryption)?;
                Some(Cipher::Gcm(Gcm::new(&key, self.derive(salt)?)?))
            }
            Profile::AeadAes256Gcm => {
                let key = self.derive::<32>(encryption)?;
                Some(Cipher::Gcm(Gcm::new(&key, self.derive(salt)?)?))
            }
        }
    }

    /// The key stream of AES in counter mode (section 4.3.3). The index divided by
    /// the derivation rate is 0, since WebRTC derives once.
    fn derive<const N: usize>(&self, label: Label) -> Option<[u8; N]> {
        let mut iv = [0; 16];
        iv[..14].copy_from_slice(&self.salt);
        iv[7] ^= label as u8;
        let mut derived = [0; N];
        let context = EncryptionContext::Iv128(FixedLength::from(iv));
        self.key.less_safe_encrypt(&mut derived, context).ok()?;
        Some(derived)
    }
}

//! The ciphers with their nonces and tags. No state but keys.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_128, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;

/// The fixed part of an RTCP packet, which is not encrypted: head and sender's SSRC.
pub(super) const RTCP_CLEAR_BYTES: usize = 8;

/// SRTCP index, with the flag that says "encrypted" on top.
pub(super) const RTCP_INDEX_BYTES: usize = 4;
pub(super) const RTCP_ENCRYPTED: u32 = 1 << 31;

const GCM_TAG_BYTES: usize = 16;
const SHA1_TAG_BYTES: usize = 10;

/// The cipher of one direction, for RTP or for RTCP.
pub(super) enum Cipher {
    Gcm(Gcm),
    /// Ten times as large, and what few peers choose.
    Counter(Box<Counter>),
}

impl Cipher {
    pub(super) const fn tag_bytes(&self) -> usize {
        match self {
            Self::Gcm(_) => GCM_TAG_BYTES,
            Self::Counter(_) => SHA1_TAG_BYTES,
        }
    }

    /// Encrypts `packet` behind its header. `packet` ends with room for the tag.
    pub(super) fn seal_rtp(
        &self,
        packet: &mut [u8],
        header_bytes: usize,
        ssrc: u32,
        index: u64,
    ) -> Option<()> {
        let (header, rest) = packet.split_at_mut_checked(header_bytes)?;
        let (payload, tag) = split_tag(rest, self.tag_bytes())?;
        match self {
            Self::Gcm(gcm) => gcm.seal(ssrc, index, header, payload, tag),
            Self::Counter(counter) => {
                counter.apply(ssrc, index, payload)?;
                tag.copy_from_slice(&counter.tag(&[header, payload, &rollover(index)]));
                Some(())
            }
        }
    }

    /// Decrypts `packet`, which ends with its tag, behind its header. `None` when it
    /// is not authentic; its contents are spoilt then.
    pub(super) fn open_rtp(
        &self,
        packet: &mut [u8],
        header_bytes: usize,
        ssrc: u32,
        index: u64,
    ) -> Option<()> {
        let (header, rest) = packet.split_at_mut_checked(header_bytes)?;
        let (payload, tag) = split_tag(rest, self.tag_bytes())?;
        match self {
            Self::Gcm(gcm) => gcm.open(ssrc, index, header, payload, tag),
            Self::Counter(counter) => {
                let expected = counter.tag(&[header, payload, &rollover(index)]);
                verify_slices_are_equal(&expected, tag).ok()?;
                counter.apply(ssrc, index, payload)
            }
        }
    }

    /// Encrypts an RTCP packet that ends with room for tag and index.
    pub(super) fn seal_rtcp(&self, packet: &mut [u8], ssrc: u32, index: u32) -> Option<()> {
        let word = (index | RTCP_ENCRYPTED).to_be_bytes();
        match self {
            // RFC 7714 section 9.2: the index comes last and is authenticated.
            Self::Gcm(gcm) => {
                let (packet, last) = split_tag(packet, RTCP_INDEX_BYTES)?;
                last.copy_from_slice(&word);
                let (clear, rest) = packet.split_first_chunk_mut()?;
                let (payload, tag) = split_tag(rest, GCM_TAG_BYTES)?;
                gcm.seal(ssrc, index.into(), &rtcp_associated(clear, word), payload, tag)
            }
            // RFC 3711 section 3.4: the tag comes last and covers the index.
            Self::Counter(counter) => {
                let (packet, tag) = split_tag(packet, SHA1_TAG_BYTES)?;
                let (body, last) = split_tag(packet, RTCP_INDEX_BYTES)?;
                last.copy_from_slice(&word);
                counter.apply(ssrc, index.into(), body.get_mut(RTCP_CLEAR_BYTES..)?)?;
                tag.copy_from_slice(&counter.tag(&[body, last]));
                Some(())
            }
        }
    }

    /// The word with flag and index of a sealed RTCP packet.
    pub(super) fn rtcp_word(&self, packet: &[u8]) -> Option<u32> {
        let after = match self {
            Self::Gcm(_) => 0,
            Self::Counter(_) => SHA1_TAG_BYTES,
        };
        let (_, word) = packet.get(..packet.len().checked_sub(after)?)?.split_last_chunk()?;
        Some(u32::from_be_bytes(*word))
    }

    /// Decrypts a sealed RTCP packet in place. `None` when it is not authentic.
    pub(super) fn open_rtcp(&self, packet: &mut [u8], ssrc: u32, index: u32) -> Option<()> {
        match self {
            Self::Gcm(gcm) => {
                let (packet, last) = packet.split_last_chunk_mut()?;
                let (clear, rest) = packet.split_first_chunk_mut()?;
                let (payload, tag) = split_tag(rest, GCM_TAG_BYTES)?;
                gcm.open(ssrc, index.into(), &rtcp_associated(clear, *last), payload, tag)
            }
            Self::Counter(counter) => {
                let (packet, tag) = split_tag(packet, SHA1_TAG_BYTES)?;
                verify_slices_are_equal(&counter.tag(&[packet]), tag).ok()?;
                let (body, _) = split_tag(packet, RTCP_INDEX_BYTES)?;
                counter.apply(ssrc, index.into(), body.get_mut(RTCP_CLEAR_BYTES..)?)
            }
        }
    }
}

/// AES in Galois/counter mode (RFC 7714).
pub(super) struct Gcm {
    key: LessSafeKey,
    salt: [u8; 12],
}

impl Gcm {
    /// `key`: 16 or 32 bytes.
    pub(super) fn new(key: &[u8], salt: [u8; 12]) -> Option<Self> {
        let algorithm = if key.len() == 16 { &AES_128_GCM } else { &AES_256_GCM };
        let key = LessSafeKey::new(UnboundKey::new(algorithm, key).ok()?);
        Some(Self { key, salt })
    }

    /// Sections 8.1 and 9.1: SSRC and index, exclusive-or the salt.
    fn nonce(&self, ssrc: u32, index: u64) -> Nonce {
        let position = u128::from(ssrc) << 48 | u128::from(index & INDEX_MASK);
        let mut nonce = self.salt;
        for (byte, place) in nonce.iter_mut().zip(&position.to_be_bytes()[4..]) {
            *byte ^= place;
        }
        Nonce::from(&nonce)
    }

    fn seal(
        &self,
        ssrc: u32,
        index: u64,
        associated: &[u8],
        payload: &mut [u8],
        tag: &mut [u8],
    ) -> Option<()> {
        let nonce = self.nonce(ssrc, index);
        self.key.seal_in_place_scatter(nonce, Aad::from(associated), payload, &[], tag).ok()
    }

    fn open(
        &self,
        ssrc: u32,
        index: u64,
        associated: &[u8],
        payload: &mut [u8],
        tag: &[u8],
    ) -> Option<()> {
        let nonce = self.nonce(ssrc, index);
        self.key.open_in_place_separate_tag(nonce, Aad::from(associated), tag, payload).ok()?;
        Some(())
    }
}

/// AES in counter mode with HMAC-SHA1 (RFC 3711 sections 4.1.1 and 4.2.1).
pub(super) struct Counter {
    key: EncryptingKey,
    salt: [u8; 14],
    authentication: hmac::Key,
}

impl Counter {
    pub(super) fn new(key: &[u8; 16], salt: [u8; 14], authentication: &[u8; 20]) -> Option<Self> {
        let key = EncryptingKey::ctr(UnboundCipherKey::new(&AES_128, key).ok()?).ok()?;
        let authentication = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, authentication);
        Some(Self { key, salt, authentication })
    }

    /// Encrypts and decrypts.
    pub(super) fn apply(&self, ssrc: u32, index: u64, payload: &mut [u8]) -> Option<()> {
        let position = u128::from(ssrc) << 64 | u128::from(index & INDEX_MASK) << 16;
        let mut iv = position.to_be_bytes();
        for (byte, salt) in iv.iter_mut().zip(&self.salt) {
            *byte ^= salt;
        }
        let context = EncryptionContext::Iv128(FixedLength::from(iv));
        self.key.less_safe_encrypt(payload, context).ok()?;
        Some(())
    }

    fn tag(&self, parts: &[&[u8]]) -> [u8; SHA1_TAG_BYTES] {
        let mut context = hmac::Context::with_key(&self.authentication);
        for part in parts {
            context.update(part);
        }
        let mut tag = [0; SHA1_TAG_BYTES];
        tag.copy_from_slice(&context.sign().as_ref()[..SHA1_TAG_BYTES]);
        tag
    }
}

/// The packet index has 48 bits.
const INDEX_MASK: u64 = (1 << 48) - 1;

/// The rollover counter, which the tag covers although it is not sent.
const fn rollover(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}

/// RFC 7714 section 9.2: what is sent in clear.
fn rtcp_associated(clear: &[u8; RTCP_CLEAR_BYTES], word: [u8; 4]) -> [u8; 12] {
    let mut associated = [0; 12];
    associated[..RTCP_CLEAR_BYTES].copy_from_slice(clear);
    associated[RTCP_CLEAR_BYTES..].copy_from_slice(&word);
    associated
}

/// Splits `bytes` off the end.
fn split_tag(packet: &mut [u8], bytes: usize) -> Option<(&mut [u8], &mut [u8])> {
    let at = packet.len().checked_sub(bytes)?;
    packet.split_at_mut_checked(at)
}

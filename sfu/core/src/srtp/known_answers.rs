//! The answers that the RFCs give.

use super::cipher::{Cipher, Counter, Gcm};
use super::derive::Master;
use super::{Direction, Opener, Profile};
use crate::wire::rtp::ParsedRtp;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<_> = hex.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

fn array<const N: usize>(hex: &str) -> [u8; N] {
    bytes(hex).try_into().expect("as long as the test wants")
}

/// RFC 3711 appendix B.3.
#[test]
fn session_keys() {
    let key = bytes("E1F97A0D3E018BE0D64FA32C06DE4139");
    let salt = bytes("0EC675AD498AFEEBB6960B3AABE6");
    let master = Master::new(Profile::Aes128CmSha1_80, &key, &salt).expect("right lengths");
    let (cipher, salt, authentication) = master.rtp_keys().expect("derivable");
    assert_eq!(cipher, array("C61E7A93744F39EE10734AFE3FF7A087"));
    assert_eq!(salt, array("30CBBC08863D8C85D49DB34A9AE1"));
    assert_eq!(authentication, array("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"));
}

/// RFC 3711 appendix B.2.
#[test]
fn key_stream() {
    let counter = Counter::new(
        &array("2B7E151628AED2A6ABF7158809CF4F3C"),
        array("F0F1F2F3F4F5F6F7F8F9FAFBFCFD"),
        &[0; 20],
    );
    let mut stream = [0; 48];
    counter.expect("right lengths").apply(0, 0, &mut stream).expect("short enough");
    assert_eq!(
        stream,
        array(
            "E03EAD0935C95E80E166B16DD92B4EB4
             D23513162B02D0F72A43A2FE4A5F97AB
             41E95B3BB0A2E8DD477901E4FCA894C0"
        )
    );
}

const KEY_128: &str = "000102030405060708090a0b0c0d0e0f";
const KEY_256: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const SALT: &str = "517569642070726f2071756f";

/// "Gallia est omnis divisa in partes tres", RFC 7714 section 16.
const RTP: &str = "8040f17b8041f8d35501a0b2
    47616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573";
const RTP_128: &str = "8040f17b8041f8d35501a0b2
    f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833
    899d7f27beb16a9152cf765ee4390cce";
const RTP_256: &str = "8040f17b8041f8d35501a0b2
    32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b
    7aa3db36dfffd6b0f9bb7878d7a76c13";

/// Section 17. Its introduction shows another packet than its subsections encrypt;
/// this is the latter.
const RTCP: &str = "81c8000d4d617273
    4e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef";
const RTCP_128: &str = "81c8000d4d617273
    63e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275b
    c84aa45896cf4d2fc5abf87245d9eade800005d4";
const RTCP_256: &str = "81c8000d4d617273
    d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de0476f1b6fad
    1d1eb30c4446839f57ff6f6cb26ac3be800005d4";
/// Section 17.3: authenticated, not encrypted.
const RTCP_CLEAR: &str = "81c8000d4d617273
    4e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef
    841dd9683dd78ec92ae58790125f62b3000005d4";

fn gcm(key: &str) -> Cipher {
    Cipher::Gcm(Gcm::new(&bytes(key), array(SALT)).expect("right lengths"))
}

/// RFC 7714 section 16.
#[test]
fn rtp_under_gcm() {
    for (key, sealed) in [(KEY_128, RTP_128), (KEY_256, RTP_256)] {
        let cipher = gcm(key);
        let mut packet = bytes(RTP);
        packet.extend([0; 16]);
        cipher.seal_rtp(&mut packet, 12, 0x5501_a0b2, 0xf17b).expect("room for the tag");
        assert_eq!(packet, bytes(sealed));
        cipher.open_rtp(&mut packet, 12, 0x5501_a0b2, 0xf17b).expect("authentic");
        assert_eq!(packet[..packet.len() - 16], bytes(RTP));
    }
}

/// RFC 7714 section 17.
#[test]
fn rtcp_under_gcm() {
    for (key, sealed) in [(KEY_128, RTCP_128), (KEY_256, RTCP_256)] {
        let cipher = gcm(key);
        let mut packet = bytes(RTCP);
        packet.extend([0; 20]);
        cipher.seal_rtcp(&mut packet, 0x4d61_7273, 0x5d4).expect("room for tag and index");
        assert_eq!(packet, bytes(sealed));
        assert_eq!(cipher.rtcp_word(&packet), Some(0x8000_05d4));
        cipher.open_rtcp(&mut packet, 0x4d61_7273, 0x5d4).expect("authentic");
        assert_eq!(packet[..packet.len() - 20], bytes(RTCP));
    }
}

#[test]
fn packets_of_the_rfc_are_opened() {
    let mut opener = Opener::new(Direction { rtp: gcm(KEY_128), rtcp: gcm(KEY_128) });
    let mut packet = bytes(RTP_128);
    let parsed = ParsedRtp::parse(&packet).expect("a valid header");
    let opened = opener.open_rtp(&mut packet, &parsed).expect("authentic");
    assert_eq!((opened.index, &packet[..opened.packet_bytes]), (0xf17b, &bytes(RTP)[..]));
    let mut packet = bytes(RTCP_128);
    let packet_bytes = opener.open_rtcp(&mut packet).expect("authentic");
    assert_eq!(packet[..packet_bytes], bytes(RTCP));
    let refused = opener.open_rtcp(&mut bytes(RTCP_CLEAR));
    assert_eq!(refused, Err(super::OpenError::NotEncrypted));
}

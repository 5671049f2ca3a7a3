//! The lines of session descriptions that matter before the relay sees them, and after.
//! Whether an offer is one at all is the relay's to find out.

use std::collections::HashMap;
use std::fmt::Write;

use housecall_protocol::media::StreamDirection;

/// Two lines of an ICE session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Credentials<'a> {
    pub(super) ufrag: &'a str,
    pub(super) pwd: &'a str,
}

/// The offer asks for a direction that the link is not for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an m-line is {found}, where the link is to {wanted}")]
pub(super) struct WrongWay {
    found: &'static str,
    wanted: &'static str,
}

const DIRECTIONS: [&str; 4] = ["sendrecv", "sendonly", "recvonly", "inactive"];

/// The offer with one direction in every m-line. Who publishes may offer to send only, or
/// both ways and is answered one way (RFC 9725 section 4.2); who plays the same way round.
///
/// # Errors
/// When an m-line wants the other direction, or none.
pub(super) fn one_way(offer: &str, direction: StreamDirection) -> Result<String, WrongWay> {
    let only = match direction {
        StreamDirection::Publish => "sendonly",
        StreamDirection::Play => "recvonly",
    };
    let mut text = String::with_capacity(offer.len() + 64);
    // A direction before the first m-line is of all that have none of their own.
    let mut general = None;
    let mut own = None;
    let mut in_media = false;
    for line in lines(offer) {
        if line.starts_with("m=") {
            end_of_media(&mut text, in_media, own.or(general), only)?;
            (in_media, own) = (true, None);
        }
        let found = line.strip_prefix("a=").and_then(known_direction);
        match found {
            // Written at the end of the m-line.
            Some(found) if in_media => own = Some(found),
            Some(found) => general = Some(found),
            None => push(&mut text, line),
        }
    }
    end_of_media(&mut text, in_media, own.or(general), only)?;
    Ok(text)
}

fn known_direction(attribute: &str) -> Option<&'static str> {
    DIRECTIONS.into_iter().find(|known| *known == attribute)
}

fn end_of_media(
    text: &mut String,
    in_media: bool,
    found: Option<&'static str>,
    only: &'static str,
) -> Result<(), WrongWay> {
    if !in_media {
        return Ok(());
    }
    // RFC 8866 section 6.7: both ways when nothing is said.
    let found = found.unwrap_or("sendrecv");
    if found != "sendrecv" && found != only {
        return Err(WrongWay { found, wanted: only });
    }
    push(text, &format!("a={only}"));
    Ok(())
}

/// The offer without header extensions whose id means one thing in one m-line and another
/// in the next. Bundled m-lines share their ids (RFC 9143 section 9.1), and a client that
/// gives an id twice (aiortc does) would read one extension as the other.
pub(super) fn without_ambiguous_extensions(offer: &str) -> String {
    let mut meanings: HashMap<&str, Option<&str>> = HashMap::new();
    for (id, uri) in lines(offer).filter_map(extension) {
        let meaning = meanings.entry(id).or_insert(Some(uri));
        if *meaning != Some(uri) {
            *meaning = None;
        }
    }
    let mut text = String::with_capacity(offer.len());
    lines(offer)
        .filter(|line| extension(line).is_none_or(|(id, _)| meanings.get(id) != Some(&None)))
        .for_each(|line| push(&mut text, line));
    text
}

/// Id and URI of `a=extmap` (RFC 8285 section 8); a direction may follow the id.
fn extension(line: &str) -> Option<(&str, &str)> {
    let (id, rest) = line.strip_prefix("a=extmap:")?.split_once(' ')?;
    Some((id.split('/').next()?, rest.split(' ').next()?))
}

/// The offer without the addresses of the client, as it may be kept.
pub(super) fn without_addresses(offer: &str) -> String {
    let mut text = String::with_capacity(offer.len());
    for line in lines(offer) {
        if line.starts_with("a=candidate:") || line == "a=end-of-candidates" {
            continue;
        }
        let origin = line.strip_prefix("o=").and_then(|_| line.split(" IN ").next());
        match origin {
            Some(origin) => push(&mut text, &format!("{origin} IN IP4 0.0.0.0")),
            None if line.starts_with("c=") => push(&mut text, "c=IN IP4 0.0.0.0"),
            None => push(&mut text, line),
        }
    }
    text
}

/// The offer of a new ICE session of the same media (RFC 8839 section 4.4.1.1.1).
pub(super) fn restarted(offer: &str, credentials: Credentials<'_>) -> String {
    let mut text = String::with_capacity(offer.len());
    for line in lines(offer) {
        if line.starts_with("a=ice-ufrag:") {
            push(&mut text, &format!("a=ice-ufrag:{}", credentials.ufrag));
        } else if line.starts_with("a=ice-pwd:") {
            push(&mut text, &format!("a=ice-pwd:{}", credentials.pwd));
        } else {
            push(&mut text, line);
        }
    }
    text
}

/// The first credentials of a description: with bundled m-lines those of all.
pub(super) fn credentials(sdp: &str) -> Option<Credentials<'_>> {
    let find = |name| lines(sdp).find_map(|line| line.strip_prefix(name));
    Some(Credentials { ufrag: find("a=ice-ufrag:")?, pwd: find("a=ice-pwd:")? })
}

/// The part of an answer that a restart of ICE needs, as a fragment (RFC 8840 section 9).
pub(super) fn fragment_of(answer: &str) -> Option<String> {
    let credentials = credentials(answer)?;
    let mut text = String::new();
    if lines(answer).any(|line| line == "a=ice-lite") {
        push(&mut text, "a=ice-lite");
    }
    lines(answer).filter(|line| line.starts_with("a=group:")).for_each(|l| push(&mut text, l));
    let media = lines(answer).find(|line| line.starts_with("m="))?;
    push(&mut text, media);
    push(&mut text, lines(answer).find(|line| line.starts_with("a=mid:"))?);
    let Credentials { ufrag, pwd } = credentials;
    let _ = write!(text, "a=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\n");
    // Bundled m-lines repeat them; the first one's stand for all.
    let first = lines(answer).skip_while(|line| *line != media).skip(1);
    let first = first.take_while(|line| !line.starts_with("m="));
    first.filter(|line| line.starts_with("a=candidate:")).for_each(|l| push(&mut text, l));
    push(&mut text, "a=end-of-candidates");
    Some(text)
}

pub(super) fn lines(sdp: &str) -> impl Iterator<Item = &str> {
    sdp.lines().map(|line| line.trim_end_matches('\r'))
}

fn push(text: &mut String, line: &str) {
    text.push_str(line);
    text.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OFFER: &str = "v=0\r\no=- 1 1 IN IP6 2001:db8::7\r\na=group:BUNDLE 0 1\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 198.51.100.7\r\na=mid:0\r\na=sendrecv\r\n\
        a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n\
        a=candidate:1 1 udp 1 198.51.100.7 9 typ host\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=ice-ufrag:abcd\r\na=sendonly\r\n";

    fn directions(sdp: &str) -> Vec<&str> {
        lines(sdp)
            .filter_map(|line| line.strip_prefix("a="))
            .filter(|attribute| DIRECTIONS.contains(attribute))
            .collect()
    }

    #[test]
    fn every_m_line_goes_one_way() {
        let text = one_way(OFFER, StreamDirection::Publish).unwrap();
        assert_eq!(directions(&text), ["sendonly", "sendonly"]);
        let silent = OFFER.replace("a=sendrecv\r\n", "").replace("a=sendonly\r\n", "");
        let text = one_way(&silent, StreamDirection::Play).unwrap();
        assert_eq!(directions(&text), ["recvonly", "recvonly"]);
        let general = silent.replace("m=audio", "a=recvonly\r\nm=audio");
        let text = one_way(&general, StreamDirection::Play).unwrap();
        assert_eq!(directions(&text), ["recvonly", "recvonly"]);
        assert!(one_way(&general, StreamDirection::Publish).is_err());
        assert!(one_way(OFFER, StreamDirection::Play).is_err());
        let inactive = OFFER.replace("sendrecv", "inactive");
        assert!(one_way(&inactive, StreamDirection::Publish).is_err());
    }

    #[test]
    fn an_id_of_two_meanings_has_none() {
        let offer = "m=audio\r\na=extmap:1 urn:mid\r\na=extmap:2/sendonly urn:level x\r\n\
            m=video\r\na=extmap:1 urn:mid\r\na=extmap:2 urn:time\r\na=extmap:3 urn:time\r\n";
        let expected = "m=audio\r\na=extmap:1 urn:mid\r\n\
            m=video\r\na=extmap:1 urn:mid\r\na=extmap:3 urn:time\r\n";
        assert_eq!(without_ambiguous_extensions(offer), expected);
    }

    #[test]
    fn what_is_kept_names_no_address_and_restarts() {
        let kept = without_addresses(OFFER);
        assert!(!kept.contains("198.51.100") && !kept.contains("2001:db8"), "{kept}");
        let fresh = Credentials { ufrag: "wxyz", pwd: "0123456789012345678901" };
        let restarted = restarted(&kept, fresh);
        assert_eq!(credentials(&restarted), Some(fresh));
        assert!(!restarted.contains("abcd"), "{restarted}");
        assert!(lines(&restarted).count() >= lines(OFFER).count() - 1);
    }

    #[test]
    fn a_restart_is_answered_with_what_it_needs() {
        let answer = OFFER.replace("a=group", "a=ice-lite\r\na=group");
        let fragment = fragment_of(&answer).unwrap();
        let expected = "a=ice-lite\r\na=group:BUNDLE 0 1\r\n\
            m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n\
            a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n\
            a=candidate:1 1 udp 1 198.51.100.7 9 typ host\r\na=end-of-candidates\r\n";
        assert_eq!(fragment, expected);
    }

    proptest! {
        #[test]
        fn any_text_is_handled(text in "(?s).{0,400}", publish in any::<bool>()) {
            let direction =
                if publish { StreamDirection::Publish } else { StreamDirection::Play };
            if let Ok(offer) = one_way(&text, direction) {
                prop_assert!(one_way(&offer, direction) == Ok(offer.clone()));
            }
            let clear = without_ambiguous_extensions(&text);
            prop_assert_eq!(without_ambiguous_extensions(&clear), clear.clone());
            let kept = without_addresses(&text);
            prop_assert!(!lines(&kept).any(|line| line.starts_with("a=candidate:")));
            credentials(&text);
            fragment_of(&text);
        }
    }
}

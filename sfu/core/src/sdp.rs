//! The little of SDP that str0m does not do for us.

use str0m::media::{MediaKind, Mid};

/// The stream id that a participant's first audio and first video slot share.
/// Browsers synchronise audio and video of one stream only (RFC 8830 section 4).
const STREAM_ID: &str = "housecall";

/// Counts m-lines without parsing, to refuse an absurd offer before any work.
pub(crate) fn count_media_lines(sdp: &str) -> usize {
    sdp.lines().filter(|line| line.starts_with("m=")).count()
}

/// The audio and video lines of an answer that str0m wrote, in order.
pub(crate) fn media_lines(answer: &str) -> Vec<(MediaKind, Mid)> {
    let mut lines = Vec::new();
    let mut kind = None;
    for line in answer.lines() {
        if let Some(media) = line.strip_prefix("m=") {
            kind = match media.split(' ').next() {
                Some("audio") => Some(MediaKind::Audio),
                Some("video") => Some(MediaKind::Video),
                _ => None,
            };
        } else if let Some(mid) = line.strip_prefix("a=mid:") {
            lines.extend(kind.take().map(|kind| (kind, Mid::from(mid))));
        }
    }
    lines
}

/// A stream that an offer announces by its SSRC (RFC 5576).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Announced<'a> {
    pub(crate) mid: &'a str,
    pub(crate) ssrc: u32,
    /// The SSRC of its repetitions.
    pub(crate) rtx: Option<u32>,
}

/// Whether the peer takes both forms of header extensions in one stream (RFC 8285
/// section 6).
pub(crate) fn allows_mixed_extensions(offer: &str) -> bool {
    offer.lines().any(|line| line.trim_end() == "a=extmap-allow-mixed")
}

/// The streams an offer announces, the first of each m-line. Lines with simulcast
/// announce none: their layers are told apart by RID.
pub(crate) fn announced(offer: &str) -> Vec<Announced<'_>> {
    sections(offer).filter_map(announced_in).collect()
}

fn announced_in(section: &str) -> Option<Announced<'_>> {
    let value = |prefix| section.lines().filter_map(move |line| line.strip_prefix(prefix));
    if value("a=simulcast:").next().is_some() {
        return None;
    }
    let mid = value("a=mid:").next()?.trim_end();
    let pair = value("a=ssrc-group:FID ").find_map(|pair| {
        let (main, rtx) = pair.trim_end().split_once(' ')?;
        Some((main.parse().ok()?, rtx.parse().ok()?))
    });
    if let Some((ssrc, rtx)) = pair {
        return Some(Announced { mid, ssrc, rtx: Some(rtx) });
    }
    let ssrc = value("a=ssrc:").find_map(|line| line.split(' ').next()?.parse().ok())?;
    Some(Announced { mid, ssrc, rtx: None })
}

/// The simulcast layers that an m-line of the offer sends, lowest first: `q`, `h` and
/// `f` by name, others in the order of the offer (RFC 8853 section 5.2). At most
/// `limit`.
pub(crate) fn simulcast_layers<'a>(offer: &'a str, mid: &str, limit: usize) -> Vec<&'a str> {
    let own = |section: &&str| {
        section.lines().any(|line| line.strip_prefix("a=mid:").is_some_and(|it| it.trim() == mid))
    };
    let line = sections(offer).find(own).and_then(|section| {
        section.lines().find_map(|line| line.strip_prefix("a=simulcast:send "))
    });
    let list = line.and_then(|line| line.split_whitespace().next()).unwrap_or_default();
    let first_of = |alternatives: &'a str| alternatives.split(',').next().unwrap_or_default();
    let names = list.split(';').map(first_of).map(|rid| rid.trim_start_matches('~'));
    let mut layers: Vec<_> = names.filter(|rid| !rid.is_empty()).take(limit).collect();
    layers.sort_by_key(|rid| ["q", "h", "f"].iter().position(|known| known == rid));
    layers
}

/// A stream that an m-line of an answer sends.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) mid: Mid,
    pub(crate) ssrc: u32,
    /// The SSRC of its repetitions.
    pub(crate) rtx: u32,
    pub(crate) cname: String,
}

/// Adds the sources of streams to their m-lines (RFC 5576), with the ids that
/// [`name_streams`] gives another name.
pub(crate) fn name_sources(answer: &str, streams: &[Sent]) -> String {
    let mut text = String::with_capacity(answer.len() + 256 * streams.len());
    for section in sections(answer) {
        text.push_str(section);
        let mid = section.lines().find_map(|line| line.strip_prefix("a=mid:"));
        let Some(sent) = streams.iter().find(|sent| mid == Some(&*sent.mid)) else { continue };
        let Sent { ssrc, rtx, cname, .. } = sent;
        for source in [ssrc, rtx] {
            text.push_str(&format!(
                "a=ssrc:{source} cname:{cname}\r\na=ssrc:{source} msid:- -\r\n"
            ));
        }
        text.push_str(&format!("a=ssrc-group:FID {ssrc} {rtx}\r\n"));
    }
    text
}

/// Names the streams and tracks of an answer. str0m repeats the ids of the offer,
/// so a browser would find its own tracks' ids on what it receives. The first audio
/// and the first video line get one stream, so that lips and voice are played
/// together; the relay stamps all it sends by one clock, so this holds even when
/// the slots carry different persons.
pub(crate) fn name_streams(answer: &str) -> String {
    let mut text = String::with_capacity(answer.len() + 64);
    let (mut audio, mut video) = (false, false);
    for section in sections(answer) {
        let mid = section.lines().find_map(|line| line.strip_prefix("a=mid:"));
        let named = if section.starts_with("m=audio") { &mut audio } else { &mut video };
        let (Some(mid), true) = (mid, !section.starts_with("m=application")) else {
            text.push_str(section);
            continue;
        };
        let own = std::mem::replace(named, true);
        let stream = if own { format!("{STREAM_ID}-{mid}") } else { STREAM_ID.to_owned() };
        for line in section.split_inclusive('\n') {
            match msid_prefix(line) {
                Some(prefix) => text.push_str(&format!("{prefix}msid:{stream} track-{mid}\r\n")),
                None => text.push_str(line),
            }
        }
    }
    text
}

/// What stands before the id of `a=msid:` (RFC 8830), and of the attribute of a
/// source that says the same to older browsers (RFC 5576 section 4.1).
fn msid_prefix(line: &str) -> Option<&str> {
    if line.starts_with("a=msid:") {
        return Some("a=");
    }
    let at = line.find(" msid:").filter(|_| line.starts_with("a=ssrc:"))?;
    line.get(..=at)
}

/// The session part, then each m-line with its attributes.
fn sections(sdp: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(sdp);
    std::iter::from_fn(move || {
        let text = rest?;
        match text.find("\nm=") {
            Some(end) => {
                let (section, following) = text.split_at(end + 1);
                rest = Some(following);
                Some(section)
            }
            None => {
                rest = None;
                Some(text)
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "v=0\r\ns=-\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n\
        a=msid:x track0\r\na=ssrc:7 msid:x track0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:1\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=msid:y track1\r\na=mid:cam\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:3\r\na=msid:z track2\r\n";

    #[test]
    fn lines_are_listed_in_order_without_data_channels() {
        let expected = [
            (MediaKind::Audio, Mid::from("0")),
            (MediaKind::Video, Mid::from("cam")),
            (MediaKind::Video, Mid::from("3")),
        ];
        assert_eq!(media_lines(ANSWER), expected);
        assert_eq!(count_media_lines(ANSWER), 4);
    }

    #[test]
    fn announced_streams_and_layers_are_read() {
        let offer = "v=0\r\na=extmap-allow-mixed\r\nm=audio 9 x 111\r\na=mid:a\r\n\
            a=ssrc:5 cname:x\r\na=ssrc:5 msid:y\r\nm=video 9 x 96\r\na=mid:b\r\n\
            a=ssrc:7 cname:x\r\na=ssrc-group:FID 6 7\r\nm=video 9 x 96\r\na=mid:c\r\n\
            a=rid:f send\r\na=ssrc:9 cname:x\r\na=simulcast:send f;~h;q recv z\r\n\
            m=video 9 x 96\r\na=mid:d\r\na=ssrc:no cname:x\r\na=ssrc-group:FID 1\r\n";
        let one = Announced { mid: "a", ssrc: 5, rtx: None };
        let two = Announced { mid: "b", ssrc: 6, rtx: Some(7) };
        assert_eq!(announced(offer), [one, two]);
        assert!(allows_mixed_extensions(offer));
        assert_eq!(simulcast_layers(offer, "c", 3), ["q", "h", "f"]);
        assert_eq!(simulcast_layers(offer, "c", 2), ["h", "f"]);
        assert!(simulcast_layers(offer, "b", 3).is_empty());
        assert_eq!(simulcast_layers("a=mid:0\r\na=simulcast:send 2,1;3\r\n", "0", 3), ["2", "3"]);
    }

    #[test]
    fn sources_are_added_to_their_lines() {
        let answer = "v=0\r\nm=audio 9 x 1\r\na=mid:a\r\nm=video 9 x 2\r\na=mid:b\r\n\
            m=video 9 x 2\r\na=mid:c\r\n";
        let sent = Sent { mid: Mid::from("b"), ssrc: 7, rtx: 8, cname: "me".into() };
        let named = name_sources(answer, &[sent]);
        let (head, tail) = named.split_once("a=mid:b\r\n").expect("the line stays");
        assert!(!head.contains("a=ssrc"));
        assert_eq!(
            tail,
            "a=ssrc:7 cname:me\r\na=ssrc:7 msid:- -\r\na=ssrc:8 cname:me\r\n\
             a=ssrc:8 msid:- -\r\na=ssrc-group:FID 7 8\r\nm=video 9 x 2\r\na=mid:c\r\n"
        );
        assert!(name_streams(&named).contains("a=ssrc:7 msid:housecall track-b\r\n"));
        assert_eq!(name_sources(answer, &[]), answer);
    }

    #[test]
    fn first_audio_and_first_video_share_a_stream() {
        let text = name_streams(ANSWER);
        let ids: Vec<_> = text.lines().filter(|line| line.contains("msid:")).collect();
        let expected = [
            "a=msid:housecall track-0",
            "a=ssrc:7 msid:housecall track-0",
            "a=msid:housecall track-cam",
            "a=msid:housecall-3 track-3",
        ];
        assert_eq!(ids, expected);
        assert_eq!(text.lines().count(), ANSWER.lines().count());
    }
}

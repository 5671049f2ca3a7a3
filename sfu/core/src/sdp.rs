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

/// Puts the first audio and the first video line of an answer into one stream, so
/// that the browser plays lips and voice together. The relay stamps all it sends
/// by one clock, so this holds even when the slots carry different persons.
pub(crate) fn synchronise(answer: &str) -> String {
    let mut seen = [false; 2];
    let mut current = None;
    let mut text = String::with_capacity(answer.len() + 32);
    for line in answer.split_inclusive('\n') {
        if let Some(media) = line.strip_prefix("m=") {
            let index = usize::from(!media.starts_with("audio"));
            let first = !seen[index] && (media.starts_with("audio") || media.starts_with("video"));
            seen[index] |= first;
            current = first.then_some(());
        }
        match (line.strip_prefix("a=msid:"), current) {
            (Some(msid), Some(())) => {
                let track = msid.split_once(' ').map_or(msid, |(_, track)| track);
                text.push_str("a=msid:");
                text.push_str(STREAM_ID);
                text.push(' ');
                text.push_str(track);
            }
            _ => text.push_str(line),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "v=0\r\ns=-\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n\
        a=msid:x track0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:1\r\n\
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
    fn first_audio_and_first_video_share_a_stream() {
        let text = synchronise(ANSWER);
        let ids: Vec<_> = text.lines().filter(|line| line.starts_with("a=msid:")).collect();
        assert_eq!(ids, ["a=msid:housecall track0", "a=msid:housecall track1", "a=msid:z track2"]);
        assert_eq!(text.lines().count(), ANSWER.lines().count());
    }
}

//! What a file is, by its bytes alone, and how it is served so that no browser
//! takes it for anything else.

use std::ops::Range;

use axum::http::{HeaderMap, HeaderValue, header};

use crate::problem::ApiError;
use crate::storage::files::FileRow;

/// Bytes of the beginning that are kept to find out the type and an image's size:
/// a photo's metadata comes before its dimensions and may hold a thumbnail.
const HEAD_BYTES: usize = 256 * 1024;

/// What the content turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) media_type: &'static str,
    pub(crate) width: Option<i32>,
    pub(crate) height: Option<i32>,
}

/// Looks at the bytes as they stream by.
pub(super) struct Sniffer<'a> {
    accepted: &'a [String],
    head: Vec<u8>,
    text: TextCheck,
}

impl<'a> Sniffer<'a> {
    pub(super) fn new(accepted: &'a [String]) -> Self {
        Self { accepted, head: Vec::new(), text: TextCheck::default() }
    }

    /// Takes the next bytes; refuses as soon as the type is known and not accepted.
    pub(super) fn push(&mut self, chunk: &[u8]) -> Result<(), ApiError> {
        let room = HEAD_BYTES - self.head.len();
        if room > 0 {
            self.head.extend_from_slice(&chunk[..room.min(chunk.len())]);
        }
        self.text.push(chunk);
        if self.head.len() == HEAD_BYTES { self.media_type().map(drop) } else { Ok(()) }
    }

    pub(super) fn finish(self) -> Result<Content, ApiError> {
        if self.head.is_empty() {
            return Err(ApiError::FileEmpty);
        }
        let media_type = self.media_type()?;
        if media_type == TEXT && !self.text.is_complete() {
            return Err(ApiError::FileType);
        }
        let size = media_type
            .starts_with("image/")
            .then(|| imagesize::blob_size(&self.head).ok())
            .flatten();
        let pixels = |length: usize| i32::try_from(length).ok();
        Ok(Content {
            media_type,
            width: size.and_then(|size| pixels(size.width)),
            height: size.and_then(|size| pixels(size.height)),
        })
    }

    fn media_type(&self) -> Result<&'static str, ApiError> {
        let sniffed = match infer::get(&self.head) {
            Some(kind) => kind.mime_type(),
            None if self.text.may_be_text() && !looks_like_markup(&self.head) => TEXT,
            None => return Err(ApiError::FileType),
        };
        let accepted = self.accepted.iter().any(|accepted| accepted == sniffed);
        if accepted { Ok(sniffed) } else { Err(ApiError::FileType) }
    }
}

const TEXT: &str = "text/plain";

/// Markup that no signature knows is not passed as text: some reader, somewhere,
/// would run it.
fn looks_like_markup(head: &[u8]) -> bool {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    head.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'<')
}

/// Whether the bytes so far are UTF-8 without NUL.
#[derive(Default)]
struct TextCheck {
    /// Bytes of a character that is not complete yet; at most three.
    partial: Vec<u8>,
    broken: bool,
}

impl TextCheck {
    fn push(&mut self, chunk: &[u8]) {
        if self.broken || chunk.contains(&0) {
            self.broken = true;
            return;
        }
        let joined;
        let bytes = if self.partial.is_empty() {
            chunk
        } else {
            joined = [self.partial.as_slice(), chunk].concat();
            joined.as_slice()
        };
        match std::str::from_utf8(bytes) {
            Ok(_) => self.partial.clear(),
            // No length: the input ends inside a character.
            Err(error) if error.error_len().is_none() => {
                self.partial = bytes[error.valid_up_to()..].to_vec();
            }
            Err(_) => self.broken = true,
        }
    }

    const fn may_be_text(&self) -> bool {
        !self.broken
    }

    fn is_complete(&self) -> bool {
        !self.broken && self.partial.is_empty()
    }
}

fn etag(row: &FileRow) -> String {
    format!("\"{}\"", hex::encode(&row.sha256))
}

/// Whether the client says that it has these bytes already (RFC 9110, section 13.1.2).
pub(super) fn is_known(headers: &HeaderMap, row: &FileRow) -> bool {
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let etag = etag(row);
    known.is_some_and(|list| list.split(',').any(|one| one.trim().trim_start_matches("W/") == etag))
}

/// Headers of a served file.
pub(super) fn describe(headers: &mut HeaderMap, row: &FileRow, as_attachment: bool) {
    let view = &row.view;
    let media_type = match view.media_type.as_str() {
        TEXT => "text/plain; charset=utf-8",
        other => other,
    };
    let inline =
        !as_attachment && (media_type.starts_with("image/") || media_type == "application/pdf");
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'"),
        // The bytes under an id never change, but who may have them does: on a shared
        // computer the next person must not get them out of the browser's cache.
        (header::CACHE_CONTROL, "private, no-cache"),
        (header::VARY, "authorization"),
        (header::ACCEPT_RANGES, "bytes"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let computed = [
        (header::CONTENT_TYPE, media_type.to_owned()),
        (header::CONTENT_DISPOSITION, disposition(&view.name, inline)),
        (header::ETAG, etag(row)),
    ];
    for (name, value) in computed {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
}

pub(super) fn describe_range(headers: &mut HeaderMap, range: &Range<u64>, size_bytes: u64) {
    let value = format!("bytes {}-{}/{size_bytes}", range.start, range.end - 1);
    if let Ok(value) = HeaderValue::from_str(&value) {
        headers.insert(header::CONTENT_RANGE, value);
    }
}

/// RFC 6266, with the name as RFC 8187 encodes it.
fn disposition(name: &str, inline: bool) -> String {
    let kind = if inline { "inline" } else { "attachment" };
    let mut encoded = String::with_capacity(name.len() * 3);
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    format!("{kind}; filename*=UTF-8''{encoded}")
}

/// A single range of RFC 9110. Anything else is answered with the whole file, as
/// the RFC allows.
pub(super) fn parse_range(text: &str, size_bytes: u64) -> Option<Range<u64>> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let range = match (first.trim(), last.trim()) {
        ("", suffix) => size_bytes.saturating_sub(suffix.parse().ok()?)..size_bytes,
        (first, "") => first.parse().ok()?..size_bytes,
        (first, last) => {
            let end = last.parse::<u64>().ok()?.checked_add(1)?;
            first.parse().ok()?..end.min(size_bytes)
        }
    };
    (range.start < range.end).then_some(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sniff(chunks: &[&[u8]]) -> Result<Content, ApiError> {
        let accepted = crate::Config::default().file_types;
        let mut sniffer = Sniffer::new(&accepted);
        for chunk in chunks {
            sniffer.push(chunk)?;
        }
        sniffer.finish()
    }

    #[test]
    fn text_may_be_cut_anywhere() {
        let text = "Здравствуйте, доктор".as_bytes();
        for cut in 0..text.len() {
            let content = sniff(&[&text[..cut], &text[cut..]]).expect("text");
            assert_eq!(content.media_type, TEXT);
        }
        assert!(sniff(&[&text[..3]]).is_err(), "ends inside a character");
    }

    #[test]
    fn what_is_not_text_is_refused() {
        assert!(matches!(sniff(&[b"a\0b"]), Err(ApiError::FileType)));
        assert!(matches!(sniff(&[b"\xff\xfe\x00\x01abc"]), Err(ApiError::FileType)));
        assert!(matches!(sniff(&[b"  <svg onload=alert(1)>"]), Err(ApiError::FileType)));
        assert!(matches!(sniff(&[b"<!DOCTYPE html><script>"]), Err(ApiError::FileType)));
        assert!(matches!(sniff(&[b"MZ\x90\x00"]), Err(ApiError::FileType)));
        assert!(matches!(sniff(&[]), Err(ApiError::FileEmpty)));
    }

    #[test]
    fn ranges() {
        assert_eq!(parse_range("bytes=0-9", 100), Some(0..10));
        assert_eq!(parse_range("bytes=90-", 100), Some(90..100));
        assert_eq!(parse_range("bytes=-10", 100), Some(90..100));
        assert_eq!(parse_range("bytes=-1000", 100), Some(0..100));
        assert_eq!(parse_range("bytes=50-1000", 100), Some(50..100));
        for nonsense in ["bytes=100-", "bytes=9-1", "bytes=0-1,4-5", "chars=0-1", "bytes=a-b"] {
            assert_eq!(parse_range(nonsense, 100), None, "{nonsense}");
        }
        assert_eq!(parse_range("bytes=0-18446744073709551615", 100), None);
    }

    #[test]
    fn a_name_cannot_break_out_of_its_header() {
        let header = disposition("a\"; filename=b.html\r\n\u{44f}.pdf", false);
        assert!(header.is_ascii() && !header.contains('"') && !header.contains('\r'));
        assert!(header.starts_with("attachment; filename*=UTF-8''a%22%3B"));
    }
}

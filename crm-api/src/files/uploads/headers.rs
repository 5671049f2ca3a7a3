//! The headers of tus.

use axum::http::{HeaderMap, HeaderValue, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;

use crate::problem::ApiError;

pub(super) const VERSION: &str = "1.0.0";
const CONTENT_TYPE: &str = "application/offset+octet-stream";
/// Longest `Upload-Metadata`: a name of 255 characters of three bytes in Base64,
/// and a digest.
const MAX_METADATA_BYTES: usize = 2048;
const SHA256_BYTES: usize = 32;

/// What an upload is announced as.
pub(super) struct Announced {
    pub(super) length_bytes: i64,
    pub(super) name: String,
    pub(super) sha256: Option<Vec<u8>>,
}

impl Announced {
    pub(super) fn read(headers: &HeaderMap, limit_bytes: u64) -> Result<Self, ApiError> {
        let length_bytes = number(headers, "upload-length")?;
        if u64::try_from(length_bytes).is_ok_and(|bytes| bytes > limit_bytes) {
            return Err(ApiError::TooLarge { limit_bytes });
        }
        if length_bytes == 0 {
            return Err(ApiError::FileEmpty);
        }
        let mut announced = Self { length_bytes, name: String::new(), sha256: None };
        let metadata = headers.get("upload-metadata").map(HeaderValue::to_str);
        let metadata = metadata.transpose().map_err(|_| bad("Upload-Metadata"))?.unwrap_or("");
        if metadata.len() > MAX_METADATA_BYTES {
            return Err(bad("Upload-Metadata"));
        }
        for pair in metadata.split(',') {
            let (key, value) = pair.trim().split_once(' ').unwrap_or((pair.trim(), ""));
            announced.take(key, value)?;
        }
        Ok(announced)
    }

    /// Takes one pair; unknown keys mean nothing here.
    fn take(&mut self, key: &str, value: &str) -> Result<(), ApiError> {
        let value = || BASE64.decode(value.trim()).map_err(|_| bad("Upload-Metadata"));
        match key {
            // `filename` is what most clients of tus say.
            "name" | "filename" => {
                self.name = String::from_utf8(value()?).map_err(|_| bad("Upload-Metadata"))?;
            }
            "sha256" => {
                let text = String::from_utf8(value()?).map_err(|_| bad("Upload-Metadata"))?;
                let digest = hex::decode(text).ok().filter(|bytes| bytes.len() == SHA256_BYTES);
                self.sha256 = Some(digest.ok_or_else(|| bad("Upload-Metadata: sha256"))?);
            }
            _ => {}
        }
        Ok(())
    }
}

/// # Errors
/// When the client speaks another version, or none.
pub(super) fn check_version(headers: &HeaderMap) -> Result<(), ApiError> {
    let spoken = headers.get("tus-resumable").and_then(|value| value.to_str().ok());
    if spoken == Some(VERSION) { Ok(()) } else { Err(ApiError::TusVersion) }
}

/// Whether a creation brings the first bytes along.
pub(super) fn carries_bytes(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| value == CONTENT_TYPE)
}

/// A header that is a number.
pub(super) fn number(headers: &HeaderMap, name: &'static str) -> Result<i64, ApiError> {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    let digits = value.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    digits.and_then(|text| text.parse().ok()).ok_or_else(|| bad(name))
}

/// IMF-fixdate (RFC 9110, section 5.6.7).
pub(super) fn http_date(at: Timestamp) -> Option<HeaderValue> {
    let text = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).ok()?;
    HeaderValue::from_str(&text).ok()
}

fn bad(header: &str) -> ApiError {
    ApiError::BadRequest(format!("the header {header} is missing or cannot be read"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                let name = axum::http::HeaderName::from_static(name);
                (name, HeaderValue::from_str(value).expect("a header"))
            })
            .collect()
    }

    #[test]
    fn an_announcement() {
        let name = BASE64.encode("Анализ.pdf");
        let digest = BASE64.encode("ab".repeat(32));
        let metadata = format!("name {name}, sha256 {digest},private");
        let headers = headers(&[("upload-length", "10"), ("upload-metadata", &metadata)]);
        let announced = Announced::read(&headers, 10).expect("read");
        assert_eq!(announced.name, "Анализ.pdf");
        assert_eq!(announced.sha256, Some(vec![0xab; 32]));
        assert!(matches!(Announced::read(&headers, 9), Err(ApiError::TooLarge { .. })));
    }

    #[test]
    fn a_date() {
        let at = Timestamp::from_second(784_111_777).expect("a time");
        assert_eq!(http_date(at).expect("a date"), "Sun, 06 Nov 1994 08:49:37 GMT");
    }

    proptest! {
        #[test]
        fn no_header_is_too_strange(length in "[ -~]{0,20}", metadata in "[ -~]{0,200}") {
            let headers = headers(&[("upload-length", &length), ("upload-metadata", &metadata)]);
            if let Ok(announced) = Announced::read(&headers, 100) {
                prop_assert!((1..=100).contains(&announced.length_bytes));
            }
        }
    }
}
